//! `sql:` — a lookup that asks a database: its statement, and which database that is.

use crate::policy::Names;
use crate::yaml::{Findings, Node, Spanned, suggest};

/// What a lookup asks of a database.
#[derive(Debug)]
pub struct Statement {
    /// The name of the database; empty: the only one.
    pub database: Box<str>,
    pub text: Box<str>,
}

/// The statement as it is written.
#[derive(Debug)]
pub(super) struct RawStatement {
    text: Box<str>,
    database: Option<Spanned<Box<str>>>,
}

impl RawStatement {
    /// With the name of its database: declared, or the only one.
    pub(super) fn compile(
        &self,
        lookup: &Spanned<Box<str>>,
        names: Option<&Names>,
        findings: &mut Findings,
    ) -> Statement {
        Statement { database: database(self, lookup, names, findings), text: self.text.clone() }
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
    let (text, args) = (text?, args?);
    let wanted = parameters(&text);
    if wanted != args {
        let message = format!("the statement has {wanted} parameters, and `args` gives {args}");
        findings
            .error("bad_lookup", node.span, message)
            .help("`$1` is the first of `args`, `$2` the second: never put values into the text");
        return None;
    }
    Some(RawStatement { text, database })
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
        (Some(said), Some(declared)) if !declared.contains(&said.value) => {
            let near = suggest(&said.value, declared.iter().map(|name| &**name));
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
        (None, Some([only])) => only.clone(),
        (None, Some(declared)) => {
            let message = format!("the lookup `{}` does not say which database it asks", lookup.value);
            let help = match declared {
                [] => "declare one in postern.yaml: databases: { legacy: postgres://USER@HOST/DATABASE }".to_owned(),
                _ => format!("say which: {}", declared.join(", ")),
            };
            findings.error("unknown_database", lookup.span, message).help(help);
            Box::default()
        }
        (None, None) => Box::default(),
    }
}

/// The greatest `$N` of a statement, outside of quoted texts, names and comments.
fn parameters(statement: &str) -> usize {
    let mut greatest = 0;
    let mut rest = statement;
    while let Some(at) = rest.find(['\'', '"', '$', '-']) {
        let (sign, after) = (rest.as_bytes().get(at).copied(), rest.get(at + 1..).unwrap_or_default());
        rest = match sign {
            Some(b'-') if after.starts_with('-') => {
                after.find('\n').map_or("", |end| after.get(end..).unwrap_or_default())
            }
            Some(quote @ (b'\'' | b'"')) => {
                after.find(char::from(quote)).map_or("", |end| after.get(end + 1..).unwrap_or_default())
            }
            Some(b'$') => {
                let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
                let number = after.get(..digits).and_then(|digits| digits.parse().ok()).unwrap_or(0);
                greatest = greatest.max(number);
                after.get(digits..).unwrap_or_default()
            }
            _ => after,
        };
    }
    greatest
}

#[cfg(test)]
mod tests {
    use super::parameters;

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
}
