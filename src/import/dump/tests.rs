use super::{Dump, DumpError};
use crate::import::{Row, Source, SourceError};
use proptest::prelude::*;
use std::io::Write;

/// The columns and rows of `t`, where there is one.
fn t(texts: &[&str]) -> Result<(Vec<String>, Vec<Row>), String> {
    let files: Vec<_> = texts
        .iter()
        .map(|text| {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file
        })
        .collect();
    let names: Vec<_> = files.iter().map(|file| file.path().to_str().unwrap().to_owned()).collect();
    let without_file = |error: DumpError| error.problem.to_string();
    let mut dump = Dump::scan(&names, |name| name.starts_with('t'), |_, _| {}).map_err(without_file)?;
    let Some(columns) = dump.open("t").unwrap() else { return Ok((Vec::new(), Vec::new())) };
    let mut rows = Vec::new();
    loop {
        match dump.row() {
            Ok(Some(row)) => rows.push(row),
            Ok(None) => break,
            Err(SourceError::Dump(error)) => return Err(without_file(error)),
            Err(error) => panic!("{error}"),
        }
    }
    let (done, total) = dump.progress();
    assert!(done <= total);
    Ok((columns, rows))
}

fn shown(rows: &[Row]) -> Vec<Vec<&str>> {
    rows.iter().map(|row| row.iter().map(|value| value.as_deref().unwrap_or("NULL")).collect()).collect()
}

#[test]
fn inserts_and_copies_give_the_same_rows() {
    let schema = "--\n-- Name: t; Type: TABLE\n--\nCREATE TABLE public.t (\n id integer NOT NULL,\n \"primary\" boolean \
                  DEFAULT (1 > 0),\n note character varying(9) NOT NULL,\n CONSTRAINT c CHECK ((id > 0)),\n price numeric(4,2)\n);\n";
    let inserts = "INSERT INTO public.t VALUES (1, true, 'it''s; a -- \\n', -2.50), (2, false, '', NULL);\n\
                   INSERT INTO public.other VALUES (DEFAULT);";
    let copy = "COPY public.t (id, \"primary\", note, price) FROM stdin;\n1\ttrue\tit's; a -- \\\\n\t-2.50\n2\tfalse\t\t\\N\n\\.\n\nSELECT 1;";
    let one = t(&[&format!("{schema}{inserts}")]).unwrap();
    assert_eq!(one, t(&[&format!("\\restrict x\n{schema}{copy}")]).unwrap());
    assert_eq!(one, t(&[schema, copy]).unwrap(), "in two files");
    assert_eq!(one, t(&[schema, &copy.replace('\n', "\r\n")]).unwrap(), "from another system");
    assert_eq!(one.0, ["id", "primary", "note", "price"]);
    assert_eq!(shown(&one.1), [["1", "true", "it's; a -- \\n", "-2.50"], ["2", "false", "", "NULL"]]);
}

#[test]
fn columns_that_are_named_may_stand_in_another_order() {
    let text = "CREATE TABLE t (a int, b int); INSERT INTO t (b, a) OVERRIDING SYSTEM VALUE VALUES (2, 1) ON CONFLICT DO NOTHING;";
    assert_eq!(shown(&t(&[text]).unwrap().1), [["1", "2"]]);
    let alone = "insert into only_this.t (a, b) values (E'x\\'y', $tag$it's$tag$)";
    assert_eq!(shown(&t(&[alone]).unwrap().1), [["x'y", "it's"]]);
}

#[test]
fn rows_of_one_table_may_stand_between_others_in_many_files() {
    let (some, more) = (
        "INSERT INTO t VALUES (1);;\nINSERT INTO t VALUES (2);\nCOPY t2 (a) FROM stdin;\n9\n\\.\n",
        "COPY t (a) FROM stdin;\n3\n\\.\n-- t\nINSERT INTO t2 VALUES (8);\nCOPY t (a) FROM stdin;\n\\.\nCOPY t (a) FROM stdin;\n4",
    );
    let rows = t(&["CREATE TABLE t (a int);", some, more]).unwrap().1;
    assert_eq!(shown(&rows), [["1"], ["2"], ["3"], ["4"]]);
}

#[test]
fn a_long_dump_is_read_across_the_edges_of_its_buffer() {
    let text = |n: usize| format!("{n}'' \\ \"x\" ü {}", "y".repeat(n * 7 % 131));
    let inserts = |n: usize| format!("INSERT INTO t VALUES ('{}');\n/* ; */ INSERT INTO u VALUES ($${n}$$);", text(n));
    let all = format!("CREATE TABLE t (a text);{}", (0..5000).map(inserts).collect::<String>());
    let rows = t(&[&all]).unwrap().1;
    assert_eq!(rows.len(), 5000);
    assert!(rows.iter().enumerate().all(|(n, row)| row[0].as_deref() == Some(&*text(n).replace("''", "'"))));
}

#[test]
fn backslashes_escape_where_the_dump_says_so() {
    let text =
        |sql: &str| t(&[&format!("CREATE TABLE t (a text);\n{sql}")]).map(|(_, rows)| rows[0][0].clone().unwrap());
    let off = r"SET standard_conforming_strings = off; INSERT INTO t2 VALUES (1); INSERT INTO t VALUES ('a\\b\n\'');";
    for (sql, value) in [
        (r"INSERT INTO t VALUES ('a\\b\n');", r"a\\b\n"),
        (r"SET standard_conforming_strings = on; INSERT INTO t VALUES ('a\\b');", r"a\\b"),
        (off, "a\\b\n'"),
        (r"INSERT INTO t VALUES (E'\b\f\r\x41\101\u00e9\U0001F511\q\'\ü');", "\u{8}\u{c}\rAA\u{e9}\u{1F511}q'ü"),
        ("INSERT INTO t VALUES ('x'::character varying);", "x"),
    ] {
        assert_eq!(text(&sql.replace("t2 VALUES", "u VALUES")).as_deref(), Ok(value), "{sql}");
    }
    assert!(text(r"INSERT INTO t VALUES (E'\ud800');").is_err());
}

/// As SQLite's shell writes texts of several lines, before and since 3.50.
#[test]
fn a_dump_of_sqlite_is_read() {
    let schema = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE IF NOT EXISTS \"t\" (\"id\" integer NOT NULL, \
                  \"primary\" bool NOT NULL, \"a\" text);\n";
    for (value, text) in [
        (r"replace('line1\012line2\n','\012',char(10))", "line1\nline2\\n"),
        (r"replace(replace('a\r\nb','\r',char(13)),'\n',char(10))", "a\r\nb"),
        (r"unistr('a\u000ab\\c\+01f511')", "a\nb\\c\u{1F511}"),
    ] {
        let dump = format!("{schema}INSERT INTO t VALUES(-1,0,{value});\nINSERT INTO t VALUES(2,1,NULL);\nCOMMIT;");
        assert_eq!(shown(&t(&[&dump]).unwrap().1), [["-1", "0", text], ["2", "1", "NULL"]], "{value}");
    }
    for value in ["lower('x')", "char(55296)", "replace('a',NULL,'b')", r"unistr('\u12')", "char("] {
        assert!(t(&[&format!("{schema}INSERT INTO t VALUES(1,1,{value});")]).is_err(), "{value}");
    }
}

#[test]
fn what_is_wrong_is_told_with_its_line() {
    for (text, line) in [
        ("\n\nINSERT INTO t VALUES (1);", 3),
        ("CREATE TABLE t (a int);\nINSERT INTO t VALUES (1, 2);", 2),
        ("CREATE TABLE t (a int);\n\nINSERT INTO t SELECT 1;", 3),
        ("INSERT INTO t VALUES ('open", 1),
        ("CREATE TABLE t (a int);\nCOPY t (a) FROM stdin;\n1\t2\n\\.\n", 3),
        ("PGDMP\u{1}", 1),
    ] {
        assert!(t(&[text]).unwrap_err().starts_with(&format!("line {line}: ")), "{text}");
    }
    let latin = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(latin.path(), b"COPY t (a) FROM stdin;\nJ\xfcrgen\n\\.\n").unwrap();
    let name = latin.path().to_str().unwrap().to_owned();
    let mut dump = Dump::scan(&[name], |_| true, |_, _| {}).unwrap();
    dump.open("t").unwrap().unwrap();
    assert!(dump.row().unwrap_err().to_string().contains("--encoding=UTF8"));
}

proptest! {
    #[test]
    fn no_text_makes_it_stumble(text in "(INSERT INTO t |VALUES|COPY t |FROM stdin;|CREATE TABLE t |[(),;'\"$E\\\\.\n\t-]|\\PC){0,40}") {
        let _ = t(&[&text]);
    }

    #[test]
    fn any_text_comes_back(text in "[^\0]{0,40}") {
        let sql = format!("CREATE TABLE t (a text); INSERT INTO t VALUES ('{}');", text.replace('\'', "''"));
        let written = t(&[&sql]).unwrap().1;
        prop_assert_eq!(written[0][0].as_deref(), Some(&*text));
        let line = text.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t");
        let copied = t(&[&format!("COPY t (a) FROM stdin;\n{line}\n\\.\n")]).unwrap().1;
        prop_assert_eq!(copied[0][0].as_deref(), Some(&*text));
    }
}
