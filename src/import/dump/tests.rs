use super::{Dump, DumpError};
use crate::import::{Row, Source, SourceError};
use proptest::prelude::*;
use std::io::Write;

/// The columns and rows of `t`, where there is one.
fn t(texts: &[&str]) -> Result<(Vec<String>, Vec<Row>), String> {
    let bytes: Vec<_> = texts.iter().map(|text| text.as_bytes()).collect();
    t_of(&bytes, None)
}

/// The same, of any bytes, in the schema that is said.
fn t_of(texts: &[&[u8]], schema: Option<&str>) -> Result<(Vec<String>, Vec<Row>), String> {
    let files: Vec<_> = texts
        .iter()
        .map(|text| {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(text).unwrap();
            file
        })
        .collect();
    let names: Vec<_> = files.iter().map(|file| file.path().to_str().unwrap().to_owned()).collect();
    let without_file = |error: DumpError| error.problem.to_string();
    let mut dump = Dump::scan(&names, |name| name.starts_with('t'), |_, _| {}).map_err(without_file)?;
    dump.choose("t", schema).map_err(|error| error.to_string())?;
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
        "COPY t (a) FROM stdin;\n3\n\\.\n-- t\nINSERT INTO t2 VALUES (8);\nCOPY t (a) FROM stdin;\n\\.\nCOPY t (a) FROM stdin;\n4\n\\.",
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
    ] {
        assert!(t(&[text]).unwrap_err().starts_with(&format!("line {line}: ")), "{text}");
    }
    assert!(t_of(&[b"COPY t (a) FROM stdin;\nJ\xfcrgen\n\\.\n"], None).unwrap_err().contains("--encoding=UTF8"));
}

/// Programs of Windows end lines with CR and LF, and begin a file with a mark.
#[test]
fn a_dump_with_lines_of_windows_is_read() {
    let text = "--\n-- dump\n--\nSET client_encoding = 'UTF8';\nCREATE TABLE public.u (\n    a text\n);\nCREATE TABLE public.t (\n    a integer,\n    b text\n);\n\
                COPY public.u (a) FROM stdin;\n\\.\n\nCOPY public.t (a, b) FROM stdin;\n1\tx\\ny\n2\t\\N\n\\.\n\n\
                INSERT INTO public.t VALUES (3, 'z');\n-- Name: it's; Type: x\nCOPY public.u (a) FROM stdin;\nINSERT INTO t VALUES (9);\n\\.\n";
    let wanted = t(&[text]).unwrap();
    assert_eq!(shown(&wanted.1), [["1", "x\ny"], ["2", "NULL"], ["3", "z"]]);
    let windows = text.replace('\n', "\r\n");
    assert_eq!(t(&[&windows]).unwrap(), wanted);
    assert_eq!(t(&[&format!("\u{feff}{windows}")]).unwrap(), wanted);
    assert_eq!(t(&["\u{feff}CREATE TABLE t (a int);\nINSERT INTO t VALUES (1);"]).unwrap().1.len(), 1);
}

/// Nothing that stands within another thing is a row.
#[test]
fn no_row_comes_out_of_bodies_comments_and_texts() {
    let phantom = "INSERT INTO t VALUES ('phantom');";
    let phantom_copy = "COPY t (a) FROM stdin;\nphantom\n\\.\n";
    for inside in [
        format!("CREATE FUNCTION public.f() RETURNS void LANGUAGE sql BEGIN ATOMIC SELECT 1; {phantom} END;"),
        format!(
            "CREATE OR REPLACE PROCEDURE p(n int) BEGIN ATOMIC SELECT CASE WHEN n > 0 THEN 1 END; {phantom} SELECT CASE n WHEN 1 THEN 2 ELSE 3 END; {phantom}\nEND;"
        ),
        format!("CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT u.begin, u.\"end\" FROM u; {phantom} END;"),
        format!("CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $_$ BEGIN {phantom} END; $$ {phantom} $_$;"),
        format!("CREATE RULE r AS ON INSERT TO u DO ALSO ( INSERT INTO v VALUES (1); {phantom} );"),
        format!("/* a /* b */ {phantom} */"),
        format!("-- a\n/* {phantom}\n-- */"),
        format!("COMMENT ON TABLE u IS 'it''s; {phantom} \\';"),
        format!("COMMENT ON TABLE u IS E'it\\'s; {phantom} \\\\';"),
        format!("COMMENT ON TABLE \"u;'\" IS 'x'; DO $a$b$c$ {phantom} $a$;"),
        format!("SELECT a$b$c, $1$2 FROM u; DO $$ {phantom} $$;"),
        format!("SET standard_conforming_strings = 'off';\nINSERT INTO u VALUES ('\\'); {phantom} --');\nRESET standard_conforming_strings;"),
        format!("SET standard_conforming_strings TO off;\nINSERT INTO u VALUES ('\\'); {phantom} --');\nRESET ALL;"),
        format!("SET SESSION standard_conforming_strings TO 0;\nINSERT INTO u VALUES ('\\'); {phantom} --');\nSET standard_conforming_strings = on;"),
        format!("SELECT pg_catalog.set_config('standard_conforming_strings', 'off', false);\nINSERT INTO u VALUES ('\\'); {phantom} --');\nSET standard_conforming_strings = DEFAULT;"),
        format!("COPY u (a) FROM stdin;\n{phantom}\nx\\.\n\\.x\n{phantom}\n\\.\n"),
        format!("COPY u (a) FROM stdin WITH (FORMAT csv);\n{phantom}\n\\.\n"),
        format!("COPY u (a) WITH OIDS FROM stdin;\n1\t{phantom}\n\\.\n"),
        "INSERT INTO u DEFAULT VALUES;\nINSERT INTO u SELECT 1;\nUPDATE u SET a = 1;\nTRUNCATE t;\nDROP TABLE IF EXISTS public.t2, t3 CASCADE;".to_owned(),
    ] {
        let text = format!("CREATE TABLE t (a text);\n{inside}\nINSERT INTO t VALUES ('it\\');\n{inside}\nCOPY t (a) FROM stdin;\nis\n\\.\n");
        let without_truncate = text.replacen("TRUNCATE t;", "", 2);
        assert_eq!(shown(&t(&[&without_truncate]).unwrap().1), [["it\\"], ["is"]], "{inside}");
        let copied = inside.replace(phantom, phantom_copy);
        let text = format!("CREATE TABLE t (a text);\n{copied}\nINSERT INTO t VALUES ('it');\n");
        // In a body, psql takes `\.` for a command of its own.
        if ["/*", "--", "COMMENT", "DO", "SELECT a$"].iter().any(|begin| inside.starts_with(begin)) {
            assert_eq!(shown(&t(&[&text]).unwrap().1), [["it"]], "{copied}");
        }
    }
}

#[test]
fn a_trigger_of_sqlite_has_no_rows() {
    let text = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE t (a text /* a /* b */);\nINSERT INTO t VALUES('\\');\n\
                CREATE TRIGGER x AFTER INSERT ON [u;] BEGIN INSERT INTO t VALUES('phantom'); SELECT CASE WHEN 1 THEN 2 END; INSERT INTO t VALUES('p'); END;\n\
                INSERT INTO `t` VALUES(X'ff');\nINSERT INTO t VALUES($a$);\nCOMMIT;";
    assert_eq!(shown(&t(&[&text.replace("INSERT INTO t VALUES($a$);\n", "")]).unwrap().1), [["\\"], ["ff"]]);
    assert!(t(&[text]).is_err());
    assert!(t(&[&text.replace("INSERT INTO t VALUES($a$);\nCOMMIT", "ROLLBACK")]).unwrap_err().contains("ROLLBACK"));
}

#[test]
fn values_are_read_in_every_form() {
    for (value, text) in [
        ("1e-05", "1e-05"),
        ("-1.5E+10", "-1.5E+10"),
        (".5", ".5"),
        ("- 7", "-7"),
        ("+7", "7"),
        ("1E5", "1E5"),
        ("0x1e", "0x1e"),
        ("B'101'", "101"),
        ("X'1F'", "1F"),
        ("N'n'", "n"),
        ("DEFAULT", "NULL"),
        ("'NaN'", "NaN"),
        ("'{\"a\": \"it''s, ) (\"}'::jsonb", "{\"a\": \"it's, ) (\"}"),
        ("'x'::character varying(150)", "x"),
        ("('x'::public.\"Ci Text\")", "x"),
        ("'{1,2}'::integer[]", "{1,2}"),
        ("'1.50'::numeric(4,2)", "1.50"),
        ("'-5'::integer", "-5"),
        ("(-5)", "-5"),
        ("CAST('x' AS character varying(9))", "x"),
        ("DATE '2024-01-02'", "2024-01-02"),
        ("timestamp with time zone '2024-01-02 00:00:00+00'", "2024-01-02 00:00:00+00"),
        ("NULL::text", "NULL"),
        ("E'a\\tb'", "a\tb"),
    ] {
        let rows = t(&[&format!(
            "CREATE TABLE t (a text, b int);\nINSERT INTO public.t VALUES\n\t({value}, 1),\n\t({value},{value});"
        )]);
        assert_eq!(shown(&rows.unwrap().1), [[text, "1"], [text, text]], "{value}");
    }
    for value in ["'a' 'b'", "1 2", "now()", "ROW(1)", "ARRAY[1]", "'a' || 'b'", "U&'x'"] {
        assert!(t(&[&format!("CREATE TABLE t (a text);\nINSERT INTO t VALUES ({value});")]).is_err(), "{value}");
    }
}

#[test]
fn tables_of_one_name_are_told_apart_by_their_schemas() {
    let of = |schema: &str, value: &str| {
        format!("CREATE TABLE {schema}.t (a text);\nCOPY {schema}.t (a) FROM stdin;\n{value}\n\\.\n")
    };
    let both = of("public", "now") + &of("old", "before");
    let refused = t(&[&both]).unwrap_err();
    assert!(refused.contains("`old`, `public`") && refused.contains("--schema old"), "{refused}");
    let chosen = |schema: &str| t_of(&[both.as_bytes()], Some(schema));
    assert_eq!(shown(&chosen("public").unwrap().1), [["now"]]);
    assert_eq!(shown(&chosen("old").unwrap().1), [["before"]]);
    assert!(chosen("other").unwrap_err().contains("no table `t` in `other`, but in `old`, `public`"));
    // What has no users' table is no installation, whatever else it has.
    assert_eq!(
        shown(
            &t(&[&(of("public", "now") + "CREATE TABLE old.t2 (a text);\nINSERT INTO old.t2 VALUES ('x');")])
                .unwrap()
                .1
        ),
        [["now"]]
    );
    // As pg_dump wrote it before 10.3.
    let path = "SET search_path = public, pg_catalog;\nCREATE TABLE t (a text);\nINSERT INTO t VALUES ('now');\n\
                SET search_path = old, pg_catalog;\nCREATE TABLE t (a text);\nINSERT INTO t VALUES ('before');\n\
                SELECT pg_catalog.set_config('search_path', '', false);\nINSERT INTO public.t VALUES ('too');\nINSERT INTO t VALUES ('as well');";
    assert!(t(&[path]).is_err());
    assert_eq!(shown(&t_of(&[path.as_bytes()], Some("public")).unwrap().1), [["now"], ["too"], ["as well"]]);
    assert_eq!(shown(&t_of(&[path.as_bytes()], Some("old")).unwrap().1), [["before"]]);
}

#[test]
fn two_databases_in_one_dump_are_told_apart() {
    let of = |value: &str| format!("CREATE TABLE public.t (a text);\nINSERT INTO public.t VALUES ('{value}');\n");
    let both = format!(
        "CREATE DATABASE ow;\n\\connect ow\n\n{}\\connect -reuse-previous=on \"dbname='ow old'\"\n{}\\c postgres\nSELECT 1;",
        of("now"),
        of("before")
    );
    let refused = t(&[&both]).unwrap_err();
    assert!(
        refused.contains("`ow.public`, `ow old.public`") || refused.contains("`ow old.public`, `ow.public`"),
        "{refused}"
    );
    assert!(t_of(&[both.as_bytes()], Some("public")).is_err());
    assert_eq!(shown(&t_of(&[both.as_bytes()], Some("ow.public")).unwrap().1), [["now"]]);
    assert_eq!(shown(&t_of(&[both.as_bytes()], Some("ow old.public")).unwrap().1), [["before"]]);
    // Without a name for either: the second is told by its tables.
    assert!(t(&[&(of("now") + &of("before"))]).unwrap_err().contains("`t` is created again"));
    assert!(t(&[&of("now"), &of("before")]).unwrap_err().contains("two dumps"));
    // A schema's dump that says which database it is, and one of the rows that does not.
    let rows = t(&["\\connect ow\nCREATE TABLE public.t (a text);", "INSERT INTO public.t VALUES ('now');"]).unwrap().1;
    assert_eq!(shown(&rows), [["now"]]);
}

#[test]
fn what_would_change_the_rows_is_refused() {
    let rows = "CREATE TABLE t (a text);\nINSERT INTO t VALUES ('x');\n";
    for (more, part) in [
        ("UPDATE public.t SET a = 'y';", "UPDATE of `t`"),
        ("DELETE FROM ONLY t;", "DELETE of `t`"),
        ("TRUNCATE TABLE u, public.t RESTART IDENTITY;", "TRUNCATE of `t`"),
        ("DROP TABLE IF EXISTS t CASCADE;", "DROP TABLE of `t`"),
        ("MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE;", "MERGE of `t`"),
        ("INSERT INTO t SELECT 'y';", "do not stand in the dump"),
        ("COPY t FROM '/tmp/x';", "do not stand in the dump"),
        ("COPY t (a) FROM stdin WITH (FORMAT csv);\nx\n\\.\n", "does not write"),
        ("ROLLBACK;", "ROLLBACK"),
        ("\\i other.sql\n", "`\\i` is a command of psql"),
        ("\\copy t from x\n", "`\\copy`"),
        ("COPY t (a) FROM stdin;\ny\n", "cut off"),
        ("COPY u (a) FROM stdin;\ny\n", "cut off"),
        ("INSERT INTO t VALUES ('y', ", "cut off"),
        ("CREATE FUNCTION f() RETURNS void BEGIN ATOMIC SELECT 1;", "cut off"),
        ("/* open", "does not end"),
        ("SET client_encoding = 'SJIS';", "--encoding=UTF8"),
    ] {
        let told = t(&[&format!("{rows}{more}")]).unwrap_err();
        assert!(told.contains(part), "{more}: {told}");
        assert!(told.starts_with("line 3: ") || told.contains("cut off"), "{more}: {told}");
    }
    let elsewhere =
        "UPDATE old.t SET a = 'y';\nUPDATE u SET a = 'y';\n\\restrict abc\n\\unrestrict abc\n\\set ON_ERROR_STOP on\n";
    assert_eq!(shown(&t(&[&format!("{rows}{elsewhere}")]).unwrap().1), [["x"]]);
}

#[test]
fn other_encodings_are_read_or_refused_and_never_guessed() {
    let of = |encoding: &str, name: &[u8]| {
        let mut text =
            format!("SET client_encoding = '{encoding}';\nCREATE TABLE t (a text);\nINSERT INTO t VALUES ('")
                .into_bytes();
        text.extend_from_slice(name);
        text.extend_from_slice(b"');\n");
        t_of(&[&text], None).map(|(_, rows)| rows[0][0].clone().unwrap())
    };
    assert_eq!(of("LATIN1", b"J\xfcrgen \xc3\xbc").as_deref(), Ok("Jürgen Ã¼"));
    assert_eq!(of("SQL_ASCII", "ü".as_bytes()).as_deref(), Ok("ü"));
    assert_eq!(of("WIN1252", b"plain").as_deref(), Ok("plain"));
    for (encoding, name) in
        [("WIN1252", "ü".as_bytes()), ("EUC_JP", b"\xc6\xfc"), ("UTF8", b"\xfc"), ("SQL_ASCII", b"\xfc")]
    {
        let told = of(encoding, name).unwrap_err();
        assert!(told.starts_with("line 3: ") && told.contains("--encoding=UTF8"), "{encoding}: {told}");
    }
}

#[test]
fn what_is_no_text_is_recognized_and_told_what_to_do() {
    let tar = [&[b't'; 257][..], b"ustar\0"].concat();
    let utf16: Vec<u8> = "--\r\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [b"\xff\xfe", utf16.as_slice()].concat();
    for (bytes, part) in [
        (&b"PGDMP\x01\x0e"[..], "pg_restore -f dump.sql"),
        (&tar, "-Ft"),
        (b"\x1f\x8b\x08", "zcat"),
        (b"\x28\xb5\x2f\xfd\x04", "zstdcat"),
        (b"BZh9", "bzcat"),
        (b"\xfd7zXZ\0", "xzcat"),
        (b"PK\x03\x04", "unzip -p"),
        (b"SQLite format 3\0", ".dump"),
        (&utf16, "UTF-16"),
        (&marked, "iconv -f UTF-16"),
    ] {
        let told = t_of(&[bytes], None).unwrap_err();
        assert!(told.contains(part), "{part}: {told}");
    }
    let directory = tempfile::TempDir::new().unwrap();
    let told =
        || Dump::scan(&[directory.path().to_str().unwrap().to_owned()], |_| true, |_, _| {}).err().unwrap().to_string();
    assert!(told().contains("name the dump in it"));
    std::fs::write(directory.path().join("toc.dat"), "PGDMP").unwrap();
    assert!(told().contains("pg_restore -f dump.sql"));
}

/// Up to version 11.
#[test]
fn rows_with_object_ids_are_read() {
    let text = "CREATE UNLOGGED TABLE t (a text);\nCOPY t (a) WITH OIDS FROM stdin;\n16400\tx\n\\.\nINSERT INTO t (oid, a) VALUES (16401, 'y');";
    assert_eq!(shown(&t(&[text]).unwrap().1), [["x"], ["y"]]);
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
