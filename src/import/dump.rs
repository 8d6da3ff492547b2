//! SQL as `pg_dump` and SQLite's `.dump` write it: `CREATE TABLE` for the order of columns, `INSERT INTO … VALUES`,
//! `COPY … FROM stdin`.
//!
//! It is no SQL interpreter: of each statement ([`super::sql`] tells them apart) it reads what it needs and passes over the rest.
//! Of functions it knows those in which SQLite wraps texts of several lines.

pub use super::sql::DumpError;
use super::sql::{Reader, Token};
use super::{Table, Tables};

/// Functions within functions, at most.
const DEEPEST: usize = 8;

/// Reads a dump into `tables`; only tables of which `wanted` says yes. Several dumps may be read one after another.
///
/// # Errors
/// The text ends within a string or a statement of a wanted table cannot be understood.
pub fn read(text: &str, wanted: impl Fn(&str) -> bool, tables: &mut Tables) -> Result<(), DumpError> {
    let mut reader = Reader::new(text);
    while reader.more() {
        let line = reader.line();
        let statement = reader.statement()?;
        let fail = |problem| DumpError { line, problem };
        let words: Vec<&str> =
            statement.iter().map_while(|token| if let Token::Word(w) = token { Some(*w) } else { None }).collect();
        let is = |at: usize, keyword: &str| words.get(at).is_some_and(|word| word.eq_ignore_ascii_case(keyword));
        if is(0, "create") && is(1, "table") {
            let (name, rest) =
                table(statement.get(2..).unwrap_or_default()).ok_or_else(|| fail("a table without name"))?;
            if wanted(&name) {
                let columns = created(rest).ok_or_else(|| fail("columns that cannot be read"))?;
                tables.entry(name).or_default().columns = columns;
            }
        } else if is(0, "insert") && is(1, "into") {
            let (name, rest) =
                table(statement.get(2..).unwrap_or_default()).ok_or_else(|| fail("a table without name"))?;
            if wanted(&name) {
                insert(tables.entry(name).or_default(), rest).map_err(fail)?;
            }
        } else if is(0, "copy") {
            let (name, rest) =
                table(statement.get(1..).unwrap_or_default()).ok_or_else(|| fail("a table without name"))?;
            let (columns, rest) = names(rest);
            let from_stdin = matches!(rest, [Token::Word(from), Token::Word(stdin), ..]
                if from.eq_ignore_ascii_case("from") && stdin.eq_ignore_ascii_case("stdin"));
            if from_stdin {
                let rows = reader.copied();
                if wanted(&name) {
                    copied(tables.entry(name).or_default(), columns, rows).map_err(fail)?;
                }
            }
        } else if let [Token::Word(set), Token::Word(name), Token::Sign('='), Token::Word(value), ..] =
            statement.as_slice()
            && set.eq_ignore_ascii_case("set")
            && name.eq_ignore_ascii_case("standard_conforming_strings")
        {
            reader.escapes = value.eq_ignore_ascii_case("off");
        }
    }
    Ok(())
}

/// A table's name without its schema, and what follows. `IF NOT EXISTS` and `ONLY` are passed over.
fn table<'s, 't>(mut rest: &'s [Token<'t>]) -> Option<(String, &'s [Token<'t>])> {
    loop {
        match rest {
            [Token::Word(word), after @ ..]
                if ["if", "not", "exists", "only"].iter().any(|skip| word.eq_ignore_ascii_case(skip)) =>
            {
                rest = after;
            }
            [_, Token::Sign('.'), after @ ..] => rest = after,
            [name, after @ ..] => return Some((as_name(name)?, after)),
            [] => return None,
        }
    }
}

fn as_name(token: &Token<'_>) -> Option<String> {
    match token {
        Token::Word(word) => Some(word.to_ascii_lowercase()),
        Token::Name(name) => Some(name.clone()),
        _ => None,
    }
}

/// `(a, "b")`, where it stands; and what follows.
fn names<'s, 't>(rest: &'s [Token<'t>]) -> (Option<Vec<String>>, &'s [Token<'t>]) {
    let [Token::Sign('('), inner @ ..] = rest else { return (None, rest) };
    let end = inner.iter().position(|token| *token == Token::Sign(')')).unwrap_or(inner.len());
    let (inner, after) = inner.split_at(end);
    (Some(inner.iter().filter_map(as_name).collect()), after.get(1..).unwrap_or_default())
}

/// The columns of a `CREATE TABLE`: the first word of each part, unless it begins a constraint.
fn created(rest: &[Token<'_>]) -> Option<Vec<String>> {
    let [Token::Sign('('), inner @ ..] = rest else { return None };
    let (mut columns, mut depth, mut begins) = (Vec::new(), 0_u32, true);
    for token in inner {
        if begins {
            begins = false;
            let constraint = ["constraint", "primary", "unique", "foreign", "check", "exclude", "like"];
            match token {
                Token::Word(word) if constraint.iter().any(|c| word.eq_ignore_ascii_case(c)) => {}
                token => columns.push(as_name(token)?),
            }
            continue;
        }
        match token {
            Token::Sign('(') => depth += 1,
            Token::Sign(')') if depth == 0 => return Some(columns),
            Token::Sign(')') => depth -= 1,
            Token::Sign(',') if depth == 0 => begins = true,
            _ => {}
        }
    }
    None
}

/// `[(columns)] VALUES (…), (…)`.
fn insert(table: &mut Table, rest: &[Token<'_>]) -> Result<(), &'static str> {
    let (columns, mut rest) = names(rest);
    if let [Token::Word(word), after @ ..] = rest
        && word.eq_ignore_ascii_case("overriding")
    {
        // OVERRIDING SYSTEM VALUE
        rest = after.get(2..).unwrap_or_default();
    }
    let [Token::Word(values), rest @ ..] = rest else { return Err("an INSERT without VALUES") };
    if !values.eq_ignore_ascii_case("values") {
        return Err("an INSERT without VALUES");
    }
    let mut row = Vec::new();
    let mut rest = rest;
    while let [Token::Sign('('), inner @ ..] = rest {
        rest = inner;
        loop {
            let (value, after) = value(rest, DEEPEST)?;
            row.push(value);
            match after {
                [Token::Sign(','), after @ ..] => rest = after,
                [Token::Sign(')'), after @ ..] => {
                    rest = after;
                    break;
                }
                [] => return Err("a row that does not end"),
                _ => return Err(UNKNOWN_VALUE),
            }
        }
        add(table, columns.as_deref(), std::mem::take(&mut row))?;
        // Behind the rows: ON CONFLICT … and the like.
        let [Token::Sign(','), after @ ..] = rest else { break };
        rest = after;
    }
    Ok(())
}

const UNKNOWN_VALUE: &str = "a value that is neither a text, a number, a truth nor NULL";
type Value = Option<String>;

/// One value, and what follows it; a cast behind it (`'…'::uuid`) changes nothing.
fn value<'s, 't>(tokens: &'s [Token<'t>], deep: usize) -> Result<(Value, &'s [Token<'t>]), &'static str> {
    let (value, mut rest) = match tokens {
        [Token::Text(text), rest @ ..] => (Some(text.clone()), rest),
        [Token::Sign('-'), Token::Word(number), rest @ ..] => (Some(format!("-{number}")), rest),
        [Token::Word(function), Token::Sign('('), inner @ ..] if deep > 0 => called(function, inner, deep)?,
        [Token::Word(word), rest @ ..] if word.eq_ignore_ascii_case("null") => (None, rest),
        [Token::Word(word), rest @ ..] => (Some((*word).to_owned()), rest),
        [] => return Err("a row that does not end"),
        _ => return Err(UNKNOWN_VALUE),
    };
    if let [Token::Sign(':'), Token::Sign(':'), cast @ ..] = rest {
        rest = cast;
        while let [Token::Word(_) | Token::Name(_) | Token::Sign('.'), after @ ..] = rest {
            rest = after;
        }
    }
    Ok((value, rest))
}

/// SQLite's `replace(…)`, `char(…)` and `unistr(…)`.
fn called<'s, 't>(
    function: &str,
    mut rest: &'s [Token<'t>],
    deep: usize,
) -> Result<(Value, &'s [Token<'t>]), &'static str> {
    let mut arguments = Vec::new();
    loop {
        let (argument, after) = value(rest, deep - 1)?;
        arguments.push(argument.ok_or(UNKNOWN_VALUE)?);
        match after {
            [Token::Sign(','), after @ ..] => rest = after,
            [Token::Sign(')'), after @ ..] => {
                rest = after;
                break;
            }
            _ => return Err(UNKNOWN_VALUE),
        }
    }
    let text = match (function.to_ascii_lowercase().as_str(), arguments.as_slice()) {
        ("replace", [text, old, new]) if !old.is_empty() => text.replace(old, new),
        ("char", [code]) => {
            code.parse().ok().and_then(char::from_u32).map(String::from).ok_or("a character that is none")?
        }
        ("unistr", [text]) => super::sql::unistr(text).ok_or("a character that is none")?,
        _ => return Err(UNKNOWN_VALUE),
    };
    Ok((Some(text), rest))
}

fn copied<'t>(
    table: &mut Table,
    columns: Option<Vec<String>>,
    rows: impl Iterator<Item = &'t str>,
) -> Result<(), &'static str> {
    for row in rows {
        let values = row.split('\t').map(|field| if field == "\\N" { None } else { Some(unescape(field)) });
        add(table, columns.as_deref(), values.collect())?;
    }
    Ok(())
}

/// Keeps a row, its values in the order of the table's columns.
fn add(table: &mut Table, columns: Option<&[String]>, row: Vec<Option<String>>) -> Result<(), &'static str> {
    if let Some(columns) = columns {
        if table.columns.is_empty() {
            table.columns = columns.to_vec();
        }
        if columns.len() != row.len() {
            return Err("a row of another length than its columns");
        }
        if table.columns != columns {
            let mut row: Vec<(&String, Option<String>)> = columns.iter().zip(row).collect();
            let value =
                |name: &String| row.iter_mut().find(|(column, _)| *column == name).and_then(|(_, value)| value.take());
            let ordered = table.columns.iter().map(value).collect();
            table.rows.push(ordered);
            return Ok(());
        }
    } else if table.columns.is_empty() {
        return Err("rows of a table whose columns nobody named: give the schema's dump too, before this one");
    } else if table.columns.len() != row.len() {
        return Err("a row of another length than its table's columns");
    }
    table.rows.push(row);
    Ok(())
}

/// COPY's escapes.
fn unescape(field: &str) -> String {
    let mut text = String::with_capacity(field.len());
    let mut rest = field.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some('b') => text.push('\u{8}'),
                Some('f') => text.push('\u{c}'),
                Some('n') => text.push('\n'),
                Some('r') => text.push('\r'),
                Some('t') => text.push('\t'),
                Some('v') => text.push('\u{b}'),
                Some(other) => text.push(other),
                None => text.push('\\'),
            },
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{DumpError, Table, Tables, read};
    use proptest::prelude::*;

    fn tables(text: &str) -> Result<Tables, DumpError> {
        let mut tables = Tables::new();
        read(text, |name| name.starts_with("t"), &mut tables).map(|()| tables)
    }

    fn rows(table: &Table) -> Vec<Vec<&str>> {
        table.rows.iter().map(|row| row.iter().map(|value| value.as_deref().unwrap_or("NULL")).collect()).collect()
    }

    #[test]
    fn inserts_and_copies_give_the_same_rows() {
        let schema = "--\n-- Name: t; Type: TABLE\n--\nCREATE TABLE public.t (\n id integer NOT NULL,\n \"primary\" boolean \
                      DEFAULT (1 > 0),\n note character varying(9) NOT NULL,\n CONSTRAINT c CHECK ((id > 0)),\n price numeric(4,2)\n);\n";
        let inserts = "INSERT INTO public.t VALUES (1, true, 'it''s; a -- \\n', -2.50), (2, false, '', NULL);\n\
                       INSERT INTO public.other VALUES (DEFAULT);";
        let copy = "COPY public.t (id, \"primary\", note, price) FROM stdin;\n1\ttrue\tit's; a -- \\\\n\t-2.50\n2\tfalse\t\t\\N\n\\.\n\nSELECT 1;";
        let (one, two) =
            (tables(&format!("{schema}{inserts}")).unwrap(), tables(&format!("\\restrict x\n{schema}{copy}")).unwrap());
        assert_eq!(one, two);
        assert_eq!(one["t"].columns, ["id", "primary", "note", "price"]);
        assert_eq!(rows(&one["t"]), [["1", "true", "it's; a -- \\n", "-2.50"], ["2", "false", "", "NULL"]]);
    }

    #[test]
    fn columns_that_are_named_may_stand_in_another_order() {
        let text = "CREATE TABLE t (a int, b int); INSERT INTO t (b, a) OVERRIDING SYSTEM VALUE VALUES (2, 1) ON CONFLICT DO NOTHING;";
        assert_eq!(rows(&tables(text).unwrap()["t"]), [["1", "2"]]);
        let alone = "insert into only_this.t (a, b) values (E'x\\'y', $tag$it's$tag$)";
        assert_eq!(rows(&tables(alone).unwrap()["t"]), [["x'y", "it's"]]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, line) in [
            ("\n\nINSERT INTO t VALUES (1);", 3),
            ("CREATE TABLE t (a int);\nINSERT INTO t VALUES (1, 2);", 2),
            ("CREATE TABLE t (a int);\n\nINSERT INTO t SELECT 1;", 3),
            ("INSERT INTO t VALUES ('open", 1),
            ("CREATE TABLE t (a int);\nCOPY t (a) FROM stdin;\n1\t2\n\\.\n", 2),
        ] {
            assert_eq!(tables(text).unwrap_err().line, line, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_stumble(text in "(INSERT INTO t |VALUES|COPY t |FROM stdin;|CREATE TABLE t |[(),;'\"$E\\\\.\n\t-]|\\PC){0,40}") {
            let _ = tables(&text);
        }

        #[test]
        fn any_text_comes_back(text in "[^\0]{0,40}") {
            let sql = format!("CREATE TABLE t (a text); INSERT INTO t VALUES ('{}');", text.replace('\'', "''"));
            let tables = tables(&sql).unwrap();
            prop_assert_eq!(tables["t"].rows[0][0].as_deref(), Some(&*text));
        }
    }
}
