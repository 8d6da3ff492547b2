//! Dumps of every kind against the database that they were made of: what comes over must be the same.

use super::import::{command, import};
use crate::support::postgres::{self, Database, Server};
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;

/// Three people of an organization, in Django's tables as this version of openwisp-users makes them.
fn version(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/versions").join(format!("{name}.sql"))
}

/// A database with nothing but what psql makes of a dump.
fn loaded(dump: &Path) -> Database {
    let database = Server::shared().database();
    database.server.sql(&database.name, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    let url = database.url();
    let mut psql = postgres::command("psql");
    // An older server does not know every setting of a newer pg_dump.
    let text = std::fs::read_to_string(dump).unwrap().replace("SET transaction_timeout = 0;", "");
    let plain = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(plain.path(), text).unwrap();
    psql.args(["-q", "-X", "-v", "ON_ERROR_STOP=1", "-f", "-", &url]).stdin(File::open(plain.path()).unwrap());
    let output = psql.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    database
}

/// What pg_dump writes of it.
fn dumped(database: &Database, args: &[&str]) -> Vec<u8> {
    let output = postgres::command("pg_dump").args(args).arg(database.url()).stdout(Stdio::piped()).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Everything that an import brought into a store, but for what the store chose itself.
fn contents(home: &TempDir, store: &str) -> Vec<String> {
    let store = rusqlite::Connection::open(home.path().join(store)).unwrap();
    let mut all = Vec::new();
    for (table, columns) in [
        ("organizations", "*"),
        ("users", "*"),
        ("memberships", "*"),
        ("owners", "organization_id, user_id"),
        ("permissions", "*"),
        ("groups", "*"),
        ("group_permissions", "*"),
        ("group_users", "*"),
        ("user_permissions", "*"),
        ("email_addresses", "*"),
        ("tokens", "digest, user_id, created"),
    ] {
        let mut statement = store.prepare(&format!("SELECT {columns} FROM {table}")).unwrap();
        let width = statement.column_count();
        let mut rows: Vec<String> = statement
            .query_map([], |row| {
                let values = (0..width).map(|at| row.get::<_, rusqlite::types::Value>(at));
                Ok(format!("{table}: {:?}", values.collect::<Result<Vec<_>, _>>()?))
            })
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        rows.sort();
        all.extend(rows);
    }
    all
}

/// Imports a dump's text into a store of its own; what is in it then.
fn imported(home: &TempDir, name: &str, text: &[u8]) -> (Value, Vec<String>) {
    let (file, store) = (format!("{name}.sql"), format!("{name}.db"));
    std::fs::write(home.path().join(&file), text).unwrap();
    let report = import(home, &format!("sqlite:{store}"), &["--sql", &file]);
    (report, contents(home, &store))
}

fn imported_live(home: &TempDir, name: &str, database: &Database) -> Vec<String> {
    let store = format!("{name}.db");
    import(home, &format!("sqlite:{store}"), &["--from", &database.url()]);
    contents(home, &store)
}

/// 0.2.2 knew no tokens; each dump is of another version of pg_dump too: 15, 16 and 18.
#[test]
fn every_version_of_openwisp_users_comes_over_in_every_form() {
    let home = TempDir::new().unwrap();
    for (name, tokens) in [("0.2.2", 0), ("1.0.2", 1), ("1.3.2", 1)] {
        let path = version(name);
        let text = std::fs::read_to_string(&path).unwrap();
        let database = loaded(&path);
        let live = imported_live(&home, &format!("{name}-live"), &database);
        assert!(
            live.iter().any(|row| row.contains("Zürich 🔑") && row.contains("two\\nlines \\\\N \\\\. $x$")),
            "{live:#?}"
        );
        assert!(live.iter().any(|row| row.contains("An\\tn\\\\") && row.contains("O'Hara")), "{live:#?}");
        let (report, file) = imported(&home, name, text.as_bytes());
        assert_eq!(file, live, "{name}");
        let kept = |kind: &str| report["kept"][kind].as_u64().unwrap();
        let all =
            ["user", "organization", "membership", "owner", "token", "e-mail address", "user group", "user permission"];
        assert_eq!(all.map(kept), [3, 2, 2, 1, tokens, 1, 1, 1], "{name}: {report}");
        assert_eq!(report["left_out"], Value::Array(Vec::new()), "{name}");
        let windows = text.replace('\n', "\r\n");
        assert_eq!(imported(&home, &format!("{name}-windows"), windows.as_bytes()).1, live, "{name} with CR LF");
        // Before 10.3, pg_dump named the schema once, and wrote no schemas before names.
        let old = text
            .replace("SELECT pg_catalog.set_config('search_path', '', false);", "SET search_path = public, pg_catalog;")
            .replace(" public.", " ")
            .replace("SET default_table_access_method = heap;", "SET default_with_oids = false;");
        assert_eq!(imported(&home, &format!("{name}-old"), old.as_bytes()).1, live, "{name} as of 9.6");
        for (number, args) in [
            &["--inserts"][..],
            &["--column-inserts", "--disable-dollar-quoting", "--data-only", "--disable-triggers"],
            &["--rows-per-insert=2", "--on-conflict-do-nothing"],
            &["--quote-all-identifiers", "--create", "--clean", "--if-exists"],
            &["--quote-all-identifiers", "--inserts", "--serializable-deferrable"],
        ]
        .iter()
        .enumerate()
        {
            let text = dumped(&database, args);
            assert_eq!(imported(&home, &format!("{name}-{number}"), &text).1, live, "{name} {args:?}");
        }
    }
}

/// Names of people in which everything stands that a dump has to write in another way.
#[test]
fn odd_characters_come_over_as_they_are_in_each_form_of_a_dump() {
    let home = TempDir::new().unwrap();
    let database = loaded(&version("1.3.2"));
    let pieces = [
        "\\",
        "'",
        "\"",
        "\t",
        "\n",
        "\r",
        "\r\n",
        "\u{8}",
        "\u{b}",
        "\u{c}",
        "\u{1}",
        "\u{7f}",
        "\\N",
        "\\.",
        "\n\\.\n",
        "$$",
        "$_$",
        "--",
        "/*",
        "*/",
        ";",
        "E'",
        "\\'",
        "\\\\",
        "é",
        "🔑",
        "\u{2028}",
        "\u{feff}",
        " ",
        "NULL",
        ");",
        "INSERT INTO public.openwisp_users_user VALUES",
        "COPY x FROM stdin;",
        "\\x41",
        "\\101",
        "{",
        "}",
        ",",
        "%",
        "x",
    ];
    // Any numbers will do that are the same each time.
    let mut state = 12_345_u32;
    let mut next = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    let mut text = || (0..next(7)).map(|_| pieces[next(pieces.len())]).collect::<String>();
    let quoted = |text: &str| format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "\\'").replace('\r', "\\r"));
    let rows: Vec<String> = (0..300)
        .map(|n| {
            let texts =
                [text(), text(), text(), text()].map(|text| quoted(&text.chars().take(150).collect::<String>()));
            let [first, bio, notes, password] = texts;
            format!(
                "({password}, NULL, false, 'odd-{n}', {first}, '', NULL, false, true, '2024-01-02 12:00:00.123456+00', \
                 '40000000-0000-4000-8000-{n:012}', {bio}, '', '', '', NULL, NULL, {notes}, 'en-gb', NULL, NULL, NULL)"
            )
        })
        .collect();
    // A function that would make somebody a superuser, where its body were taken for statements.
    database.server.sql(
        &database.name,
        &format!(
            "INSERT INTO openwisp_users_user (password, last_login, is_superuser, username, first_name, last_name, email, is_staff, is_active, \
             date_joined, id, bio, url, company, location, phone_number, birth_date, notes, language, password_updated, expiration_date, \
             password_based_token) VALUES {};
             CREATE TABLE odd (a bit(3), b real, c double precision, d bytea, e numeric, f text[], g jsonb, h int GENERATED ALWAYS AS (1) STORED);
             INSERT INTO odd VALUES (B'101', 1e-05, 'NaN', '\\x00ff', 1e20, ARRAY['a,b', NULL], '{{\"a\": \"'';\"}}');
             CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES;
             CREATE FUNCTION promote() RETURNS void LANGUAGE sql BEGIN ATOMIC
                 UPDATE openwisp_users_user SET is_superuser = true; DELETE FROM openwisp_users_organizationuser; SELECT CASE WHEN true THEN 1 END; END;
             CREATE FUNCTION more() RETURNS void LANGUAGE plpgsql AS $f$ BEGIN DELETE FROM openwisp_users_user; END $f$;
             CREATE RULE twice AS ON UPDATE TO odd DO ALSO (DELETE FROM odd; DELETE FROM openwisp_users_user);
             COMMENT ON TABLE odd IS 'it''s; DELETE FROM openwisp_users_user; /*';
             ALTER ROLE postgres SET datestyle = 'SQL, DMY';",
            rows.join(", ")
        ),
    );
    let live = imported_live(&home, "live", &database);
    database.server.sql(&database.name, "ALTER ROLE postgres RESET datestyle");
    assert_eq!(live.iter().filter(|row| row.contains("odd-")).count(), 300);
    for (number, args) in [
        &[][..],
        &["--inserts"],
        &["--column-inserts"],
        &["--rows-per-insert=50"],
        &["--quote-all-identifiers", "--disable-dollar-quoting"],
    ]
    .iter()
    .enumerate()
    {
        assert_eq!(imported(&home, &number.to_string(), &dumped(&database, args)).1, live, "{args:?}");
    }
    // As servers had it before 9.1, and some still have.
    database.server.sql("postgres", &format!("ALTER DATABASE {} SET standard_conforming_strings = off", database.name));
    for (number, args) in [&["--inserts"][..], &[]].iter().enumerate() {
        let text = dumped(&database, args);
        assert!(String::from_utf8_lossy(&text).contains("standard_conforming_strings = off"));
        assert_eq!(imported(&home, &format!("off-{number}"), &text).1, live, "{args:?}");
    }
}

/// Somebody who was a superuser once, in a copy of the tables that was forgotten beside them.
#[test]
fn an_older_copy_in_another_schema_or_database_brings_nobody_back() {
    let home = TempDir::new().unwrap();
    let database = loaded(&version("1.3.2"));
    let run = |args: &[&str]| {
        let output = command(&home, "sqlite:run.db", args).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    database.server.sql(
        &database.name,
        "CREATE SCHEMA backup;
         CREATE TABLE backup.openwisp_users_user AS TABLE public.openwisp_users_user;
         UPDATE public.openwisp_users_user SET is_superuser = false",
    );
    std::fs::write(home.path().join("both.sql"), dumped(&database, &[])).unwrap();
    let url = database.url();
    for from in [["--sql", "both.sql"], ["--from", &url]] {
        let (code, told) = run(&from);
        assert!(
            code == Some(1) && told.contains("`backup`, `public`") && told.contains("--schema backup"),
            "{code:?} {told}"
        );
        let (code, told) = run(&[from[0], from[1], "--schema", "old"]);
        assert!(code == Some(1) && told.contains("no table `openwisp_users_user` in `old`"), "{code:?} {told}");
        let (code, told) = run(&[from[0], from[1], "--schema", "backup"]);
        assert!(code == Some(1) && told.contains("no table `openwisp_users_organization`"), "{code:?} {told}");
        let store = format!("{}.db", &from[0][2..]);
        import(&home, &format!("sqlite:{store}"), &[from[0], from[1], "--schema", "public"]);
        let superusers: i64 = rusqlite::Connection::open(home.path().join(&store))
            .unwrap()
            .query_row("SELECT count(*) FROM users WHERE is_superuser", [], |row| row.get(0))
            .unwrap();
        assert_eq!(superusers, 0, "{from:?}");
    }
    // All databases of a server, of which two have the tables.
    let path = version("1.3.2");
    let one = std::fs::read_to_string(&path).unwrap();
    let all = format!(
        "CREATE ROLE postgres;\n\\connect template1\n{}\\connect ow\n{one}\\connect -reuse-previous=on \"dbname='ow old'\"\n{one}",
        "SELECT pg_catalog.set_config('search_path', '', false);\n"
    );
    std::fs::write(home.path().join("all.sql"), all).unwrap();
    let (code, told) = run(&["--sql", "all.sql"]);
    assert!(code == Some(1) && told.contains("`ow.public`") && told.contains("`ow old.public`"), "{code:?} {told}");
    let report = import(&home, "sqlite:ow.db", &["--sql", "all.sql", "--schema", "ow.public"]);
    assert_eq!(report["kept"]["user"], 3);
    // Two dumps of one place are no dump.
    let path = path.to_str().unwrap();
    let (code, told) = run(&["--sql", path, path]);
    assert!(code == Some(1) && told.contains("two dumps"), "{code:?} {told}");
    let rows: String = one.split_inclusive("\n\n").filter(|part| part.contains("COPY ")).collect();
    std::fs::write(home.path().join("rows.sql"), &rows).unwrap();
    let (code, told) = run(&["--sql", path, "rows.sql"]);
    assert!(code == Some(1) && told.contains("there twice"), "{code:?} {told}");
    assert!(run(&["--sql", "rows.sql"]).0 == Some(0), "COPY names its columns");
}

#[test]
fn an_import_that_brings_nobody_fails_and_says_why() {
    let home = TempDir::new().unwrap();
    let database = loaded(&version("1.3.2"));
    let run = |name: &str, text: &[u8]| {
        std::fs::write(home.path().join(name), text).unwrap();
        let output = command(&home, "sqlite:none.db", &["--sql", name]).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, told) = run("schema.sql", &dumped(&database, &["--schema-only"]));
    assert!(code == Some(1) && told.contains("no user was imported: is this the schema alone?"), "{code:?} {told}");
    let text = std::fs::read_to_string(version("1.3.2")).unwrap();
    let broken = text.replace("\tann\t", "\t\\N\t").replace("\tbob\t", "\t\\N\t").replace("\tcarl\t", "\t\\N\t");
    let (code, told) = run("broken.sql", broken.as_bytes());
    assert!(
        code == Some(1) && told.contains("no user was imported") && told.contains("username: it is missing"),
        "{code:?} {told}"
    );
    let (code, told) = run("swapped.sql", text.replace("openwisp_users_", "sample_users_").as_bytes());
    assert!(code == Some(1) && told.contains("--app sample_users"), "{code:?} {told}");
    let swapped = import(&home, "sqlite:swapped.db", &["--sql", "swapped.sql", "--app", "sample_users"]);
    assert_eq!(swapped["kept"]["user"], 3);
    for (args, part) in
        [(&["-Fc"][..], "pg_restore -f dump.sql"), (&["-Ft"], "pg_restore -f dump.sql"), (&["--compress=6"], "zcat")]
    {
        let (code, told) = run("archive", &dumped(&database, args));
        assert!(code == Some(1) && told.contains(part), "{args:?}: {code:?} {told}");
    }
    let utf16: Vec<u8> = format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let (code, told) = run("utf16.sql", &utf16);
    assert!(code == Some(1) && told.contains("UTF-16") && told.contains("iconv"), "{code:?} {told}");
    // Cut between two statements, where all that stands there can be read.
    let (whole, _) = text.rsplit_once("-- PostgreSQL database dump complete").unwrap();
    let (code, told) = run("cut.sql", whole.as_bytes());
    assert!(code == Some(1) && told.contains("cut.sql: it breaks off"), "{code:?} {told}");
    let (code, told) = run("cut-sqlite.sql", b"PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCREATE TABLE a (b);\n");
    assert!(code == Some(1) && told.contains("it breaks off"), "{code:?} {told}");
    let users: i64 = rusqlite::Connection::open(home.path().join("none.db"))
        .unwrap()
        .query_row("SELECT count(*) FROM users", [], |row| row.get(0))
        .unwrap();
    assert_eq!(users, 0);
}
