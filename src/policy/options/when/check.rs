//! What can be known of an expression before there is a request: its names, and its types.

mod calls;

use super::types::{CLIENT, Field, NAMES, Name, ORG, REQUEST, Type, USER, is_secret};
use super::{MAX_DEPTH, RawWhen, Scope};
use crate::policy::pattern::{Kind, NAMELESS};
use crate::yaml::{Findings, Span, suggest};
use cel::common::ast::{EntryExpr, Expr, IdedExpr, LiteralValue, SelectExpr, operators};
use http::HeaderName;

/// Checks an expression, against a rule or (without a scope) against what no rule could give it. `None` when something was
/// reported.
pub(super) fn check(raw: &RawWhen, scope: Option<Scope<'_>>, findings: &mut Findings) -> Option<Vec<Field>> {
    let before = findings.list().len();
    let mut checker = Checker {
        raw,
        scope,
        findings,
        at: 0,
        fields: Vec::new(),
        lookups: Vec::new(),
        locals: Vec::new(),
        is_inside: false,
        is_too_deep: false,
    };
    let found = checker.infer(&raw.expression, 0);
    if found != Type::Bool && found != Type::Unknown {
        let message = format!("`when` must be true or false, but this is {}", found.as_str());
        checker.findings.error("bad_condition", raw.node.span, message).help("compare it: `… == \"…\"`");
    }
    let fields = checker.fields;
    (findings.list().len() == before).then_some(fields)
}

/// Whether `path.NAME` (or `path["NAME"]`) stands in an expression.
pub(super) fn names_variable(expression: &IdedExpr, name: &str) -> bool {
    let is_path = |operand: &IdedExpr| matches!(&operand.expr, Expr::Ident(name) if name == "path");
    any(expression, &|part| match &part.expr {
        Expr::Select(select) => is_path(&select.operand) && select.field == name,
        Expr::Call(call) => matches!(call.args.as_slice(), [operand, key] if call.func_name == operators::INDEX
            && is_path(operand) && text_of(key) == Some(name)),
        _ => false,
    })
}

/// Whether `lookup.NAME` stands in an expression, for a name that is so.
pub(super) fn names_lookup(expression: &IdedExpr, is: &dyn Fn(&str) -> bool) -> bool {
    any(expression, &|part| match &part.expr {
        Expr::Select(select) => {
            matches!(&select.operand.expr, Expr::Ident(name) if name == "lookup") && is(&select.field)
        }
        _ => false,
    })
}

/// Whether a name stands in an expression.
pub(super) fn names(expression: &IdedExpr, name: &str) -> bool {
    any(expression, &|part| matches!(&part.expr, Expr::Ident(found) if found == name))
}

/// Whether a part of an expression is so.
fn any(expression: &IdedExpr, is: &dyn Fn(&IdedExpr) -> bool) -> bool {
    let within = |part: &IdedExpr| any(part, is);
    is(expression)
        || match &expression.expr {
            Expr::Select(select) => within(&select.operand),
            Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).any(within),
            Expr::List(list) => list.elements.iter().any(within),
            Expr::Map(map) => map.entries.iter().any(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => within(&entry.key) || within(&entry.value),
                EntryExpr::StructField(field) => within(&field.value),
            }),
            Expr::Comprehension(c) => [&c.iter_range, &c.loop_cond, &c.loop_step, &c.result].into_iter().any(within),
            Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified => false,
        }
}

/// A text that is written out.
pub(super) fn text_of(expression: &IdedExpr) -> Option<&str> {
    match &expression.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

struct Checker<'c, 's> {
    raw: &'c RawWhen,
    scope: Option<Scope<'s>>,
    findings: &'c mut Findings,
    /// The number of the part that is looked at.
    at: u64,
    fields: Vec<Field>,
    /// The lookups that were named, by number.
    lookups: Vec<(usize, Box<str>)>,
    /// The variables of the comprehension that we are in.
    locals: Vec<(&'c str, Type)>,
    is_inside: bool,
    is_too_deep: bool,
}

impl<'c> Checker<'c, '_> {
    /// The place of a word in the part that is looked at.
    fn place(&self, word: &str) -> Span {
        self.raw.place(self.at, word, self.findings)
    }

    fn error(&mut self, word: &str, message: String, help: String) -> Type {
        let span = self.place(word);
        self.findings.error("bad_condition", span, message).help(help);
        Type::Unknown
    }

    fn unknown_name(&mut self, word: &str, what: &str, known: &[&str]) -> Type {
        // A word that is meant as a text, and misses its quotes.
        let is_text = what.ends_with("name in `when`") && word.bytes().all(|b| b.is_ascii_uppercase());
        let help = match suggest(word, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if is_text => format!("a text is quoted: \"{word}\""),
            None => format!("known here: {}", known.join(", ")),
        };
        let span = self.place(word);
        self.findings.error("unknown_name", span, format!("`{word}` is not {what}")).help(help);
        Type::Unknown
    }

    fn field(&mut self, field: Field) {
        if !self.fields.contains(&field) {
            self.fields.push(field);
        }
    }

    fn infer(&mut self, expression: &'c IdedExpr, depth: usize) -> Type {
        let around = std::mem::replace(&mut self.at, expression.id);
        let found = self.inferred(expression, depth);
        self.at = around;
        found
    }

    fn inferred(&mut self, expression: &'c IdedExpr, depth: usize) -> Type {
        if depth > MAX_DEPTH {
            if std::mem::replace(&mut self.is_too_deep, true) {
                return Type::Unknown;
            }
            let message = format!("`when` is nested more than {MAX_DEPTH} deep");
            return self.error(
                "",
                message,
                "say it in fewer steps: a list with `in` replaces a chain of `||`".to_owned(),
            );
        }
        match &expression.expr {
            Expr::Literal(literal) => match literal {
                LiteralValue::Boolean(_) => Type::Bool,
                LiteralValue::Int(_) => Type::Int,
                LiteralValue::UInt(_) | LiteralValue::Double(_) => Type::Number,
                LiteralValue::String(_) => Type::Text,
                LiteralValue::Null => Type::Null,
                LiteralValue::Bytes(_) => Type::Unknown,
            },
            Expr::Ident(name) => self.name(name),
            Expr::Select(select) => self.select(select, depth),
            Expr::Call(call) => self.call(call, depth),
            Expr::List(list) => {
                let types: Vec<Type> = list.elements.iter().map(|e| self.infer(e, depth + 1)).collect();
                if types.iter().all(|t| *t == Type::Text) { Type::Texts } else { Type::List }
            }
            Expr::Map(map) => {
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.infer(&entry.key, depth + 1);
                        self.infer(&entry.value, depth + 1);
                    }
                }
                Type::Map
            }
            Expr::Comprehension(comprehension) => self.comprehension(comprehension, depth),
            Expr::Struct(structure) => {
                let message = format!("there is no type `{}`", structure.type_name);
                self.error(&structure.type_name, message, format!("the names are {}", NAMES.join(", ")))
            }
            Expr::Unspecified => Type::Unknown,
        }
    }

    fn name(&mut self, name: &str) -> Type {
        if let Some((_, found)) = self.locals.iter().rev().find(|(local, _)| *local == name) {
            return *found;
        }
        let found = match name {
            "request" => Name::Request,
            "client" => Name::Client,
            "user" => Name::User,
            "org" => Name::Org,
            "path" => Name::Path,
            "lookup" => Name::Lookup,
            // Whatever an issuer may say: nothing of it is known before.
            "claims" => {
                if let Some(scope) = self.scope
                    && !scope.user
                {
                    let span = self.place(name);
                    self.findings
                        .error("no_meaning", span, "`when` names `claims`, and no credential is looked at here")
                        .related(scope.rule, "this rule")
                        .help("raise the level to `optional` at least");
                    return Type::Unknown;
                }
                self.field(Field::Claims);
                return Type::Map;
            }
            _ => return self.unknown_name(name, "a name in `when`", &NAMES),
        };
        if let Some(scope) = self.scope {
            let (code, message, help) = match found {
                Name::User if !scope.user => (
                    "no_meaning",
                    "`when` names `user`, and nobody has to say who they are here",
                    "raise the level to `optional` at least",
                ),
                Name::Org if !scope.organization => (
                    "org_needed",
                    "`when` names `org`, and there is no organization here",
                    "say where it comes from: `org: path.org`",
                ),
                _ => return Type::Name(found),
            };
            let span = self.place(name);
            self.findings.error(code, span, message).related(scope.rule, "this rule").help(help);
            return Type::Unknown;
        }
        Type::Name(found)
    }

    fn select(&mut self, select: &'c SelectExpr, depth: usize) -> Type {
        let operand = self.infer(&select.operand, depth + 1);
        let found = self.member(operand, &select.field);
        if select.test { Type::Bool } else { found }
    }

    /// `operand.field`, and `operand["field"]`.
    fn member(&mut self, operand: Type, field: &str) -> Type {
        match operand {
            Type::Name(Name::Request) => match field {
                "query" => Type::Query,
                "headers" => Type::Headers,
                _ => self.known(field, &REQUEST, "a value of `request`", &["query", "headers"]),
            },
            Type::Name(Name::Client) => self.known(field, &CLIENT, "a value of `client`", &[]),
            Type::Name(Name::User) => self.known(field, &USER, "a value of `user`", &[]),
            Type::Name(Name::Org) => self.known(field, &ORG, "a value of `org`", &[]),
            Type::Name(Name::Path) => self.variable(field),
            Type::Name(Name::Lookup) => self.lookup(field),
            Type::Name(Name::Object(at)) => self.column(at, field),
            Type::Query => {
                self.field(Field::Parameter(field.into()));
                Type::Text
            }
            Type::Headers => self.header(field),
            Type::Map | Type::Unknown => Type::Unknown,
            other => {
                let message = format!("`{field}` is asked of {}, which has no members", other.as_str());
                self.error(field, message, "members belong to request, client, user, org, path and lookup".to_owned())
            }
        }
    }

    fn known(&mut self, name: &str, table: &[(&str, Field, Type)], what: &str, others: &[&str]) -> Type {
        match table.iter().find(|(known, ..)| *known == name) {
            Some((_, field, found)) => {
                self.field(field.clone());
                *found
            }
            None => {
                let known: Vec<&str> = table.iter().map(|(known, ..)| *known).chain(others.iter().copied()).collect();
                self.unknown_name(name, what, &known)
            }
        }
    }

    fn variable(&mut self, name: &str) -> Type {
        let Some(scope) = self.scope else { return Type::Unknown };
        let names = || scope.variables.iter().map(|(variable, _)| *variable).filter(|name| *name != NAMELESS);
        let at = scope.variables.iter().position(|(variable, _)| *variable == name);
        let Some(at) = at.filter(|_| name != NAMELESS) else {
            let near = suggest(name, names());
            let help = match near {
                Some(near) => format!("did you mean `path.{near}`?"),
                None if name == NAMELESS => "give the variable a name".to_owned(),
                None => format!("bind it in the pattern: `{{{name}}}`"),
            };
            let span = self.place(name);
            self.findings
                .error("unbound_variable", span, format!("the route does not bind `{name}`"))
                .related(scope.rule, "this rule")
                .help(help);
            return Type::Unknown;
        };
        let kind = scope.variables.get(at).map_or(Kind::Any, |(_, kind)| *kind);
        self.field(Field::Variable(at, name.into(), kind));
        if kind == Kind::Int { Type::Int } else { Type::Text }
    }

    fn lookup(&mut self, name: &str) -> Type {
        let Some(scope) = self.scope else { return Type::Name(Name::Object(None)) };
        let span = self.place(name);
        match scope.binder.call(name, span, self.findings) {
            Some(at) => {
                self.lookups.push((at, name.into()));
                Type::Name(Name::Object(Some(at)))
            }
            None => Type::Unknown,
        }
    }

    fn column(&mut self, at: Option<usize>, column: &str) -> Type {
        let known = self.lookups.iter().find(|(known, _)| Some(*known) == at);
        let Some((at, name)) = known.cloned() else { return Type::Unknown };
        let span = self.place(column);
        let binder = self.scope.map(|scope| scope.binder);
        if binder.is_some_and(|binder| binder.column(&name, column, span, self.findings).is_some()) {
            self.field(Field::Column(at, name, column.into()));
        }
        Type::Unknown
    }

    fn header(&mut self, name: &str) -> Type {
        let lower = name.to_ascii_lowercase();
        match HeaderName::try_from(lower.as_str()) {
            _ if lower != name => {
                let message = format!("headers are named in lower case here: `{name}` would never be found");
                self.error(name, message, format!("write `request.headers[\"{lower}\"]`"))
            }
            Ok(header) if is_secret(&header) => {
                let message = format!("`{name}` carries a credential and is no condition");
                self.error(name, message, "ask `user` instead".to_owned())
            }
            Ok(header) => {
                self.field(Field::Header(header));
                Type::Text
            }
            Err(_) => {
                self.error(name, format!("`{name}` is not the name of a header"), "for example `x-tenant`".to_owned())
            }
        }
    }
}
