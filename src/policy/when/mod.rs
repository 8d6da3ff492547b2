//! `when:` — one quoted CEL expression that must be true besides everything else.
//!
//! It is parsed once, when the file is read, and checked against each rule that it counts for ([`check`]): which names it
//! uses, and whether it can be anything but true or false. A request pays for the names that are used and no others
//! ([`eval`]). Everything that a stranger can grow is bounded: the expression's length and depth, one comprehension deep, a
//! limited number of headers and parameters. An expression that cannot be evaluated does not hold.

mod check;
mod eval;
mod types;

pub use eval::{Failure, Subject};

use super::pattern::Kind;
use super::source::Spanned;
use crate::yaml::{Findings, Node, Span, Value};
use cel::common::ast::IdedExpr;
use cel::parser::PrattParser;
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
    /// The expression as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// `when:` as written: an expression that is one, and means something in some rule.
#[derive(Clone, Debug)]
pub(super) struct RawWhen {
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
}

/// Reads `when:`; `None` when it was reported.
pub(super) fn read(node: &Node, findings: &mut Findings) -> Option<Spanned<RawWhen>> {
    let scalar = match &node.value {
        Value::Scalar(scalar) => scalar,
        Value::Faulty => return None,
        _ => {
            findings
                .error("wrong_type", node.span, "`when` must be one quoted expression")
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
        findings.error("bad_condition", node.span, message);
        return None;
    }
    let expression = parse(text, node, findings)?;
    let raw = RawWhen { text: text.into(), expression: Arc::new(expression), node: node.clone() };
    check::check(&raw, None, findings)?;
    Some(Spanned { value: raw, span: node.span })
}

/// The crate's newer parser: it bounds recursion and size, where the other one overflows the stack on 200 parentheses.
fn parse(text: &str, node: &Node, findings: &mut Findings) -> Option<IdedExpr> {
    let parser = PrattParser::new()
        .max_recursion_depth(u16::try_from(MAX_DEPTH).unwrap_or(u16::MAX))
        .max_expression_node_count(MAX_NODES)
        .error_recovery_limit(1);
    let errors = match parser.parse(text) {
        Ok(expression) => return Some(expression),
        Err(errors) => errors.errors,
    };
    let (message, span) = errors.first().map_or(("it is not an expression", node.span), |error| {
        let column = usize::try_from(error.pos.1).unwrap_or(0).saturating_sub(1);
        let in_line = error.pos.0 == 1 && column > 0 && column < text.len();
        (error.msg.as_str(), if in_line { node.part(column, column + 1) } else { node.span })
    });
    let message = format!("`when` cannot be read: {}", message.lines().next().unwrap_or_default());
    let help = if text.contains(" and ") || text.contains(" or ") || text.contains("not ") {
        "CEL writes `&&`, `||` and `!`"
    } else {
        "the language is CEL: 'request.method == \"GET\" && user.is_staff'"
    };
    findings.error("bad_condition", span, message).help(help);
    None
}

impl RawWhen {
    /// Binds it to a rule; `None` when something was reported.
    pub(super) fn bind(&self, scope: Scope<'_>, findings: &mut Findings) -> Option<Condition> {
        let fields = check::check(self, Some(scope), findings)?;
        Some(Condition { text: self.text.clone(), expression: self.expression.clone(), fields: fields.into() })
    }

    /// Whether the variable of the path is used.
    pub(super) fn uses(&self, variable: &str) -> bool {
        check::names_variable(&self.expression, variable)
    }

    /// The place of a word of the expression: its first one, or the whole where it cannot be told.
    fn place(&self, word: &str) -> Span {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let alone = |at: &usize| {
            let (before, after) = (self.text.get(..*at), self.text.get(at + word.len()..));
            !before.is_some_and(|t| t.ends_with(is_part)) && !after.is_some_and(|t| t.starts_with(is_part))
        };
        let found = self.text.match_indices(word).map(|(at, _)| at).find(alone).filter(|_| !word.is_empty());
        let shift = match &self.node.value {
            Value::Scalar(scalar) => scalar.text.len() - scalar.text.trim_start().len(),
            _ => 0,
        };
        found.map_or(self.node.span, |at| self.node.part(at + shift, at + shift + word.len()))
    }
}
