//! `sql:` — a lookup that asks a database: its statement, and which database that is.

use crate::policy::Names;
use crate::yaml::{Findings, Node, Span, Spanned, suggest};
use std::ops::Range;

/// What statements are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    Postgres,
    /// And MariaDB.
    Mysql,
}

/// What a lookup asks of a database.
#[derive(Debug)]
pub struct Statement {
    /// The name of the database; empty: the only one.
    pub database: Box<str>,
    pub text: Box<str>,
    /// How many arguments it is given.
    pub args: usize,
}

impl Statement {
    /// The statement with another expression in the place of its parameters.
    #[must_use]
    pub fn with_parameter(&self, expression: &str) -> String {
        let mut text = String::from(&*self.text);
        for (place, _) in placeholders(&self.text).into_iter().rev() {
            text.replace_range(place, expression);
        }
        text
    }
}

/// The statement as it is written.
#[derive(Debug)]
pub(super) struct RawStatement {
    text: Box<str>,
    args: usize,
    database: Option<Spanned<Box<str>>>,
    span: Span,
}

impl RawStatement {
    /// With the name of its database: declared, or the only one.
    pub(super) fn compile(
        &self,
        lookup: &Spanned<Box<str>>,
        names: Option<&Names>,
        findings: &mut Findings,
    ) -> Statement {
        let database = database(self, lookup, names, findings);
        if let Some(dialect) = self.dialect(names) {
            dialect.check(self, findings);
        }
        Statement { database, text: self.text.clone(), args: self.args }
    }

    /// What its database is asked in, as far as that is known.
    pub(super) fn dialect(&self, names: Option<&Names>) -> Option<Dialect> {
        let named = |(name, dialect): &(Box<str>, Dialect)| {
            self.database.as_ref().is_some_and(|said| said.value == *name).then_some(*dialect)
        };
        match (names.map(Names::databases)?, &self.database) {
            ([(_, dialect)], None) => Some(*dialect),
            (declared, _) => declared.iter().find_map(named),
        }
    }
}

impl Dialect {
    /// Reports parameters that are others than `args` gives.
    fn check(self, statement: &RawStatement, findings: &mut Findings) -> bool {
        let wanted = self.parameters(&statement.text);
        let args = statement.args;
        let (message, help) = match self {
            Self::Mysql if numbered(&statement.text) > 0 => (
                "a parameter of MySQL and MariaDB is `?`, without a number".to_owned(),
                "the first `?` is the first of `args`: an argument that is needed twice stands there twice",
            ),
            _ if wanted == args => return true,
            Self::Mysql => (
                format!("the statement has {wanted} parameters, and `args` gives {args}"),
                "the first `?` is the first of `args`: never put values into the text",
            ),
            Self::Postgres => (
                format!("the statement has {wanted} parameters, and `args` gives {args}"),
                "`$1` is the first of `args`, `$2` the second: never put values into the text",
            ),
        };
        findings.error("bad_lookup", statement.span, message).help(help);
        false
    }

    fn parameters(self, statement: &str) -> usize {
        match self {
            Self::Postgres => numbered(statement),
            Self::Mysql => marks(statement),
        }
    }
}

/// Reads the statement, which has so many arguments; `None` where it was reported.
pub(super) fn read(
    node: &Node,
    database: Option<&Node>,
    args: Option<usize>,
    findings: &mut Findings,
) -> Option<RawStatement> {
    let text = statement(node, findings);
    let database = database.and_then(|node| {
        let name = node.expect_word("`database`", findings)?;
        Some(Spanned { value: name.into(), span: node.span })
    });
    let raw = RawStatement { text: text?, args: args?, database, span: node.span };
    // Which database it is for is known later: here it is enough that it may be for one.
    let is_for_mysql = numbered(&raw.text) == 0 && marks(&raw.text) > 0;
    let dialect = if is_for_mysql { Dialect::Mysql } else { Dialect::Postgres };
    dialect.check(&raw, findings).then_some(raw)
}

fn statement(node: &Node, findings: &mut Findings) -> Option<Box<str>> {
    let text = node.expect_str("`sql`", findings)?.trim().trim_end_matches(';').trim_end();
    let first = text.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    if !["select", "with"].iter().any(|word| first.eq_ignore_ascii_case(word)) {
        findings
            .error("bad_lookup", node.span, "`sql` must be one SELECT")
            .help("its first column is the organization; others are used as `lookup.NAME.COLUMN`");
        return None;
    }
    Some(text.into())
}

/// The name of a lookup's database: declared, or the only one.
fn database(
    raw: &RawStatement,
    lookup: &Spanned<Box<str>>,
    names: Option<&Names>,
    findings: &mut Findings,
) -> Box<str> {
    let declared = names.map(Names::databases);
    match (&raw.database, declared) {
        (Some(said), Some(declared)) if !declared.iter().any(|(name, _)| *name == said.value) => {
            let near = suggest(&said.value, declared.iter().map(|(name, _)| &**name));
            let help = near.map_or_else(
                || {
                    format!(
                        "declare it in postern.yaml: databases: {{ {}: postgres://USER@HOST/DATABASE }}",
                        said.value
                    )
                },
                |near| format!("did you mean `{near}`?"),
            );
            findings.error("unknown_database", said.span, format!("no database is named `{}`", said.value)).help(help);
            Box::default()
        }
        (Some(said), _) => said.value.clone(),
        (None, Some([(only, _)])) => only.clone(),
        (None, Some(declared)) => {
            let message = format!("the lookup `{}` does not say which database it asks", lookup.value);
            let help = match declared {
                [] => "declare one in postern.yaml: databases: { legacy: postgres://USER@HOST/DATABASE }".to_owned(),
                _ => {
                    let names: Vec<&str> = declared.iter().map(|(name, _)| &**name).collect();
                    format!("say which: {}", names.join(", "))
                }
            };
            findings.error("unknown_database", lookup.span, message).help(help);
            Box::default()
        }
        (None, None) => Box::default(),
    }
}

/// The greatest `$N` of a statement.
fn numbered(statement: &str) -> usize {
    placeholders(statement).into_iter().map(|(_, number)| number).max().unwrap_or(0)
}

/// Where a statement has a `$N`, and its number: outside of quoted texts, names and comments.
fn placeholders(statement: &str) -> Vec<(Range<usize>, usize)> {
    let (mut found, mut at) = (Vec::new(), 0);
    let rest = |from: usize| statement.get(from..).unwrap_or_default();
    while let Some(from) = rest(at).find(['\'', '"', '$', '-']).map(|more| at + more) {
        let after = rest(from + 1);
        at = from
            + 1
            + match statement.as_bytes().get(from) {
                Some(b'-') if after.starts_with('-') => after.find('\n').unwrap_or(after.len()),
                Some(quote @ (b'\'' | b'"')) => after.find(char::from(*quote)).map_or(after.len(), |end| end + 1),
                Some(b'$') => {
                    let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
                    let number = after.get(..digits).and_then(|digits| digits.parse().ok());
                    found.extend(number.map(|number| (from..from + 1 + digits, number)));
                    digits
                }
                _ => 0,
            };
    }
    found
}

/// The `?` of a statement for MySQL, outside of quoted texts, names and comments.
fn marks(statement: &str) -> usize {
    let (mut found, mut rest) = (0, statement);
    while let Some(at) = rest.find(['\'', '"', '`', '?', '#', '-', '/']) {
        let (sign, after) = (rest.as_bytes().get(at).copied(), rest.get(at + 1..).unwrap_or_default());
        rest = match sign {
            Some(b'?') => {
                found += 1;
                after
            }
            Some(quote @ (b'\'' | b'"' | b'`')) => quoted(after, quote),
            Some(b'#') => behind(after, "\n"),
            Some(b'-') if after.starts_with('-') => behind(after, "\n"),
            Some(b'/') if after.starts_with('*') => behind(after, "*/"),
            _ => after,
        };
    }
    found
}

/// What follows the end of a quoted text; `\` takes a quote's meaning, but in names.
fn quoted(text: &str, quote: u8) -> &str {
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        if byte == b'\\' && quote != b'`' {
            bytes.next();
        } else if byte == quote {
            return text.get(at + 1..).unwrap_or_default();
        }
    }
    ""
}

fn behind<'t>(text: &'t str, end: &str) -> &'t str {
    text.split_once(end).map_or("", |(_, rest)| rest)
}

#[cfg(test)]
mod tests {
    use super::{Statement, marks, numbered as parameters};

    #[test]
    fn marks_are_counted_where_they_are_parameters() {
        for (statement, count) in [
            ("SELECT o FROM d WHERE id = ?", 1),
            ("SELECT o FROM d WHERE a = ? AND b=?", 2),
            ("SELECT '?', o FROM d WHERE id = ?", 1),
            ("SELECT \"?\", `a?` FROM d -- ?\nWHERE id = ? # ?", 1),
            ("SELECT 'it''s ?', 'it\\'s ?' FROM d /* '? */ WHERE id - 1 = ?", 1),
            ("SELECT 'open ?", 0),
            ("SELECT 1 / 2", 0),
        ] {
            assert_eq!(marks(statement), count, "{statement}");
        }
    }

    #[test]
    fn parameters_are_counted_where_they_are_parameters() {
        for (statement, count) in [
            ("SELECT o FROM d WHERE id = $1", 1),
            ("SELECT o FROM d WHERE a = $2 AND b = $1", 2),
            ("SELECT '$3', o FROM d WHERE id = $1", 1),
            ("SELECT \"$4\" FROM d -- $5\nWHERE id = $1", 1),
            ("SELECT 'it''s $3' FROM d WHERE id = $12", 12),
            ("SELECT 1", 0),
            ("SELECT 'open $1", 0),
        ] {
            assert_eq!(parameters(statement), count, "{statement}");
        }
    }

    #[test]
    fn parameters_are_replaced_where_they_are_parameters() {
        let text = "SELECT '$1', \"$1\" FROM d -- $1\nWHERE $1 < id AND k = lower($1::text)";
        let replaced = "SELECT '$1', \"$1\" FROM d -- $1\nWHERE p.k < id AND k = lower(p.k::text)";
        let statement = Statement { database: "".into(), text: text.into(), args: 1 };
        assert_eq!(statement.with_parameter("p.k"), replaced);
    }
}
