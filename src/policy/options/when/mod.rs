//! `when:` — one quoted CEL expression that must be true besides everything else.
//!
//! It is parsed once, when the file is read, and checked against each rule that it counts for ([`check`]): which names it
//! uses, and whether it can be anything but true or false. A request pays for the names that are used and no others
//! ([`eval`]). Everything that a stranger can grow is bounded: the expression's length and depth, one comprehension deep, a
//! limited number of headers and parameters. An expression that cannot be evaluated does not hold.

mod check;
mod eval;
mod expand;
mod networks;
mod types;

use super::option::{Compiled, Judged, PolicyOption, RuleContext, Said};
use super::subject::{Failure, Subject};
use crate::policy::applicable::Needs;
use crate::policy::lookup::{Binder, LookupTable};
use crate::policy::pattern::Kind;
use crate::yaml::{Findings, Node, Span, Value};
use cel::common::ast::{IdedExpr, SourceInfo};
use cel::parser::{ParseErrors, PrattParser};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use types::Field;

/// Longest expression, in bytes.
pub const MAX_LENGTH: usize = 1024;
/// Most parts that an expression has once its macros are written out.
const MAX_NODES: usize = 300;
/// So deep may parts stand in each other: evaluation is recursive.
const MAX_DEPTH: usize = 32;

/// A condition that is ready: it can only hold, not hold, or fail.
#[derive(Clone)]
pub struct Condition {
    text: Arc<str>,
    expression: Arc<IdedExpr>,
    fields: Box<[Field]>,
}

/// The expression as it was written.
impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.text.fmt(f)
    }
}

impl Condition {
    /// Whether it speaks of `org`, so that the organization decides.
    #[must_use]
    pub fn asks_organization(&self) -> bool {
        check::names(&self.expression, "org")
    }

    /// Whether it asks for the username, and neither of which organization it is nor for the id.
    #[must_use]
    pub fn asks_username_alone(&self) -> bool {
        let asks = |field: &Field| self.fields.contains(field);
        asks(&Field::Username) && ![Field::Login, Field::Organization, Field::UserId].iter().any(asks)
    }

    /// What it asks that access lines do not hold.
    #[must_use]
    pub fn asks_what_is_not_logged(&self) -> Option<&'static str> {
        self.fields.iter().find_map(|field| match field {
            Field::Parameter(_) | Field::Query => Some("the query"),
            Field::Header(_) | Field::Headers => Some("a header"),
            Field::Claims => Some("what the credential says"),
            Field::Column(..) => Some("a lookup"),
            _ => None,
        })
    }

    /// The numbers of the lookups that it asks.
    pub(in crate::policy) fn lookups(&self) -> impl Iterator<Item = usize> {
        self.columns().map(|(at, _)| at)
    }

    /// The columns that it asks, each with the number of its lookup.
    pub(in crate::policy) fn columns(&self) -> impl Iterator<Item = (usize, &str)> {
        self.fields.iter().filter_map(|field| match field {
            Field::Column(at, _, column) => Some((*at, &**column)),
            _ => None,
        })
    }

    /// The expression as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// `when:` as written: an expression that is one, and means something in some rule.
#[derive(Clone, Debug)]
pub(in crate::policy) struct RawWhen {
    text: Arc<str>,
    expression: Arc<IdedExpr>,
    node: Node,
}

/// What of a rule decides which names there are.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    /// The variables of the path.
    pub(super) variables: &'a [(&'a str, Kind)],
    /// Somebody is known, or may be.
    pub(super) user: bool,
    /// There is an organization, or may be.
    pub(super) organization: bool,
    /// The rule's place, for messages.
    pub(super) rule: Span,
    /// What binds lookups to its route.
    pub(super) binder: &'a Binder<'a>,
}

impl PolicyOption for Condition {
    const ABOUT: &'static str = "A condition in CEL, quoted: `'request.method != \"DELETE\"'`.";
    const NEEDS: Option<Needs> = Some(Needs::Passage);
    const SHOWN_BY_VALUE: bool = true;
    type Raw = RawWhen;

    fn schema() -> Json {
        json!({ "type": "string", "minLength": 1 })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<RawWhen> {
        let scalar = match &node.value {
            Value::Scalar(scalar) => scalar,
            Value::Faulty => return None,
            _ => {
                let found = if matches!(node.value, Value::Seq(_)) { "a list" } else { "a map" };
                findings
                    .error("wrong_type", node.span, format!("`when` must be one quoted expression, not {found}"))
                    .help("join conditions with `&&`: when: 'user.is_staff && request.method == \"GET\"'");
                return None;
            }
        };
        let text = scalar.text.trim();
        if scalar.plain {
            findings
                .error("quote_it", node.span, "`when` must be quoted: YAML reads some expressions in its own way")
                .help(format!("write `when: '{}'`", text.replace('\'', "''")));
            return None;
        }
        if text.is_empty() || text.len() > MAX_LENGTH {
            let message = format!("`when` must have 1 to {MAX_LENGTH} bytes, not {}", text.len());
            findings.error("bad_condition", node.span, message).help("for example 'request.method == \"GET\"'");
            return None;
        }
        let expression = parse(text, node, findings)?;
        let raw = RawWhen { text: text.into(), expression: Arc::new(expression), node: node.clone() };
        check::check(&raw, None, findings)?;
        Some(raw)
    }
}

impl Compiled<RuleContext<'_>> for Condition {
    const JUDGED: Judged = Judged::Condition;

    fn compile(said: &Said<'_, Self>, rule: &RuleContext<'_>, findings: &mut Findings) -> Option<Self> {
        // Nobody gets so far where everybody is refused.
        let raw = said.merged().filter(|_| rule.place.has(Needs::Passage));
        let looks = rule.place.has(Needs::Credential);
        let scope = Scope {
            variables: rule.variables,
            user: looks,
            organization: rule.place.has_organization && looks,
            rule: rule.span,
            binder: rule.binder,
        };
        raw?.bind(scope, findings)
    }

    fn words(&self) -> String {
        self.text().to_owned()
    }

    /// Another condition may hold where the old one did not.
    fn is_narrower(old: Option<&Self>, _: Option<&Self>) -> bool {
        old.is_none()
    }

    fn holds(&self, request: &Subject<'_>) -> Result<bool, Failure> {
        self.holds(request)
    }
}

/// The crate's newer parser: it bounds recursion and size, where the other one overflows the stack on 200 parentheses.
fn parse(text: &str, node: &Node, findings: &mut Findings) -> Option<IdedExpr> {
    let errors = match parser(text) {
        Ok(expression) => return Some(expression),
        Err(errors) => errors.errors,
    };
    // That it gave up is said in front of why.
    let error = errors.iter().find(|error| error.pos.0 > 0).or(errors.first());
    let place = error.and_then(|error| offset(text, error.pos)).map(|at| {
        let rest = text.get(at..).unwrap_or_default();
        let word = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        (at, at + word.max(rest.chars().next().map_or(0, char::len_utf8)))
    });
    let span = within(node, place, findings);
    let message = error.map_or("it is not an expression", |error| error.msg.lines().next().unwrap_or_default());
    let found = place.and_then(|(start, end)| text.get(start..end)).unwrap_or_default();
    let message = format!("`when` cannot be read: {}", plainly(message, found));
    let help = if text.split_whitespace().any(|word| matches!(word, "and" | "or" | "not")) {
        "CEL writes `&&`, `||` and `!`"
    } else if text.contains(" = ") {
        "CEL compares with `==`"
    } else if text.contains("client.in(") {
        "`in` is a word of the language: `client.within(…)`"
    } else {
        "the language is CEL: 'request.method == \"GET\" && user.is_staff'"
    };
    findings.error("bad_condition", span, message).help(help);
    None
}

/// The parser's words, without its jargon.
fn plainly(message: &str, found: &str) -> String {
    let message = message.strip_prefix("Syntax error: ").unwrap_or(message);
    if message == "unexpected character" {
        return format!("`{found}` is not expected here");
    }
    match message.strip_prefix("mismatched input ").and_then(|rest| rest.split_once(" expecting ")) {
        Some(("<EOF>" | "'<EOF>'", wanted)) => format!("it ends where {wanted} is expected"),
        Some((found, "<EOF>")) => format!("`{}` is not expected here", found.trim_matches('\'')),
        Some((found, wanted)) => format!("`{}` stands where {wanted} is expected", found.trim_matches('\'')),
        None => message.to_owned(),
    }
}

fn parser(text: &str) -> Result<IdedExpr, ParseErrors> {
    PrattParser::new()
        .max_recursion_depth(u16::try_from(MAX_DEPTH).unwrap_or(u16::MAX))
        .max_expression_node_count(MAX_NODES)
        .error_recovery_limit(1)
        .parse(text)
}

/// The byte of a line and column, both from 1.
fn offset(text: &str, (line, column): (isize, isize)) -> Option<usize> {
    let (line, column) = (usize::try_from(line).ok()?, usize::try_from(column).ok()?);
    let before: usize = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    Some(before + column.checked_sub(1)?).filter(|at| text.is_char_boundary(*at))
}

/// The place of a part of a condition; of all of it, where the part is not known or lies behind its end.
fn within(node: &Node, part: Option<(usize, usize)>, findings: &Findings) -> Span {
    let Value::Scalar(scalar) = &node.value else { return node.span };
    let blanks = scalar.text.len() - scalar.text.trim_start().len();
    let part = part.filter(|(start, end)| start < end);
    part.map_or(node.span, |(start, end)| findings.part(node.span, &scalar.text, start + blanks, end + blanks))
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

impl RawWhen {
    /// Binds it to a rule; `None` when something was reported.
    pub(super) fn bind(&self, scope: Scope<'_>, findings: &mut Findings) -> Option<Condition> {
        let fields = check::check(self, Some(scope), findings)?;
        let mut expression = IdedExpr::clone(&self.expression);
        expand::expand(&mut expression);
        Some(Condition { text: self.text.clone(), expression: Arc::new(expression), fields: fields.into() })
    }

    /// Whether the variable of the path is used.
    pub(in crate::policy) fn uses(&self, variable: &str, lookups: &LookupTable) -> bool {
        check::names_variable(&self.expression, variable)
            || check::names_lookup(&self.expression, &|name| lookups.uses(name, variable))
    }

    /// The place of a word in the part of that number; of the part itself where there is no word.
    fn place(&self, part: u64, word: &str, findings: &Findings) -> Span {
        let token = self.tokens().and_then(|tokens| tokens.offset_for(part));
        let token = token.and_then(|(start, end)| Some((usize::try_from(start).ok()?, usize::try_from(end).ok()?)));
        let alone = |at: &usize| {
            let (before, after) = (self.text.get(..*at), self.text.get(at + word.len()..));
            !before.is_some_and(|t| t.ends_with(is_part)) && !after.is_some_and(|t| t.starts_with(is_part))
        };
        let is_sign = !word.contains(is_part);
        let found = self.text.match_indices(word).map(|(at, _)| at).filter(|at| is_sign || alone(at));
        let from = token.map_or(0, |(start, _)| start);
        // A member stands behind its point, a function before its bracket.
        let away = |at: &usize| if *at >= from { at - from } else { from.saturating_sub(at + word.len()) };
        let found = if word.is_empty() { None } else { found.min_by_key(away) };
        within(&self.node, found.map(|at| (at, at + word.len())).or(token), findings)
    }

    /// Where each part stands. The parser tells it together with a mistake alone: so it gets one, behind the end.
    fn tokens(&self) -> Option<Arc<SourceInfo>> {
        let errors = parser(&format!("{} )", self.text)).err()?.errors;
        errors.into_iter().find_map(|error| error.source_info)
    }
}
