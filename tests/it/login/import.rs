//! `postern import openwisp`: from dumps and from a live PostgreSQL, into either store, once and again.

use crate::support::postgres::{Database, Server};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

pub fn dump(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference").join(name)
}

/// Django's tables with the sample people, in a database of their own.
fn django() -> Database {
    let database = Server::shared().database();
    // Both products have tables of their own names; Django's live in `public` here, and nothing else does.
    database.server.sql(&database.name, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    let read = |name: &str| std::fs::read_to_string(dump(name)).unwrap();
    let schema: String =
        read("schema_core.sql").lines().filter(|line| !line.starts_with('\\')).map(|l| format!("{l}\n")).collect();
    database.server.sql(&database.name, &schema);
    // The dump begins with TRUNCATE of tables that only a whole installation has.
    let seed: String =
        read("seed_core_inserts.sql").lines().filter(|l| l.starts_with("INSERT")).map(|l| format!("{l}\n")).collect();
    database.server.sql(&database.name, &format!("BEGIN; {seed} COMMIT"));
    database
}

/// An import, from files at home.
pub fn command(home: &TempDir, store: &str, from: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command.current_dir(home.path()).env("POSTERN_DATA_DIR", home.path());
    command.args(["--database", store, "import", "openwisp"]).args(from);
    command
}

/// What an import says that it did.
pub fn import(home: &TempDir, store: &str, from: &[&str]) -> Value {
    let output = command(home, store, from).arg("--json").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn dumps_and_a_live_database_bring_the_same_into_either_store_and_again() {
    let (home, django, postgres) = (TempDir::new().unwrap(), django(), Server::shared().database());
    let (schema, seed) = (dump("schema_core.sql"), dump("seed_core_inserts.sql"));
    let dumps = ["--sql", schema.to_str().unwrap(), seed.to_str().unwrap()];
    let url = django.url();
    let live = ["--from", url.as_str()];
    let first = import(&home, "sqlite:one.db", &dumps);
    assert_eq!((&first["kept"]["user"], &first["kept"]["token"]), (&38.into(), &38.into()));
    assert_eq!(first["left_out"], Value::Array(Vec::new()));
    let into_postgres = postgres.url();
    for (store, from) in [
        ("sqlite:one.db", &dumps[..]),
        ("sqlite:two.db", &live[..]),
        (&into_postgres, &live[..]),
        (&into_postgres, &dumps[..]),
    ] {
        assert_eq!(import(&home, store, from), first, "{store} {from:?}");
    }
    let owners = "SELECT count(*)::text FROM owners o JOIN memberships m USING (user_id, organization_id)";
    assert_eq!(postgres.server.text(&postgres.name, owners), first["kept"]["owner"].to_string());
}

#[test]
fn an_address_and_a_number_that_were_taken_away_are_that_after_an_import() {
    let (home, postgres) = (TempDir::new().unwrap(), Server::shared().database());
    let seed = std::fs::read_to_string(dump("seed_core_inserts.sql")).unwrap();
    let taken = |line: &str| match line.starts_with("INSERT INTO public.openwisp_users_user ") {
        true => line.replace("'alpha_operator@example.org'", "''").replace(
            "'', '', '', '', NULL, NULL, ''",
            if line.contains("'alpha_operator'") {
                "'', '', '', '', '', NULL, ''"
            } else {
                "'', '', '', '', NULL, NULL, ''"
            },
        ),
        false => line.to_owned(),
    };
    let seed: Vec<String> = seed.lines().map(taken).collect();
    std::fs::write(home.path().join("seed.sql"), seed.join("\n")).unwrap();
    let sql = "SELECT count(*) || ' ' || max(username) FROM users WHERE email_blank AND phone_blank AND email IS NULL AND phone_number IS NULL";
    let schema = dump("schema_core.sql");
    let url = postgres.url();
    for store in ["sqlite:postern.db", &url] {
        for _ in 0..2 {
            import(&home, store, &["--sql", schema.to_str().unwrap(), "seed.sql"]);
        }
    }
    let embedded = rusqlite::Connection::open(home.path().join("postern.db")).unwrap();
    let found: String = embedded.query_row(sql, [], |row| row.get(0)).unwrap();
    assert_eq!(
        (found.as_str(), postgres.server.text(&postgres.name, sql).as_str()),
        ("1 alpha_operator", "1 alpha_operator")
    );
}

#[test]
fn what_is_no_such_installation_is_refused_in_words() {
    let home = TempDir::new().unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.current_dir(home.path()).env("POSTERN_DATA_DIR", home.path()).args(["import", "openwisp"]).args(args);
        let output = command.output().unwrap();
        assert!(!output.status.success(), "{args:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    std::fs::write(home.path().join("other.sql"), "CREATE TABLE t (a int);").unwrap();
    std::fs::write(home.path().join("broken.sql"), "\nINSERT INTO auth_group VALUES ('open").unwrap();
    let empty = Server::shared().database();
    for (args, part) in [
        (vec!["--sql", "other.sql"], "no table `openwisp_users_organization`"),
        (vec!["--sql", "broken.sql"], "line 2"),
        (vec!["--sql", "none.sql"], "none.sql"),
        (vec!["--from", &empty.url()], "no table `openwisp_users_organization`"),
        (vec!["--from", "postgres://u:hunter2@127.0.0.1:1/d"], "127.0.0.1:1"),
        (vec!["--from", &empty.url(), "--app", "x; DROP TABLE users"], "letters, digits"),
        (vec!["--from", "mysql://u:hunter2@h/d"], "write postgres://USER@HOST/DATABASE"),
        (vec![], "--from <URL>|--sql <FILE>"),
    ] {
        let told = run(&args);
        assert!(told.contains(part) && !told.contains("hunter2"), "{args:?}: {told}");
    }
}

/// The sample people, and behind them rows that no installation should have.
fn with_broken_rows(home: &TempDir) -> PathBuf {
    let user = |password: &str, name: &str, email: &str, active: &str, id: &str, phone: &str| {
        format!(
            "INSERT INTO public.openwisp_users_user VALUES ('{password}', NULL, false, {name}, '', '', {email}, false, {active}, \
             '2024-01-02 12:00:00+00', '{id}', '', '', '', '', {phone}, NULL, '', 'en-gb', NULL, NULL, NULL);\n"
        )
    };
    let id = |n: u32| format!("90000000-0000-4000-8000-{n:012}");
    let member = "10000000-0000-4000-8000-000000000002";
    let text = [
        user("x", "'no-id'", "NULL", "true", "not-a-uuid", "NULL"),
        user("x", "NULL", "NULL", "true", &id(1), "NULL"),
        user("x", "'no-truth'", "NULL", "'maybe'", &id(2), "NULL"),
        user("x", "'admin'", "NULL", "true", &id(3), "NULL"),
        user("nonsense$$$", "'odd-hash'", "NULL", "true", &id(4), "'not a number'"),
        user("x", "'other-case'", "'ADMIN@example.org'", "true", &id(5), "NULL"),
        user("x", "'O''Brien \\ \"quoted\"; --'", "NULL", "true", &id(6), "NULL"),
        format!(
            "INSERT INTO public.openwisp_users_organizationuser VALUES ('2024-01-02 12:00:00+00', '2024-01-02 12:00:00+00', true, \
             '{}', '{}', '{member}');\n",
            id(7),
            id(8)
        ),
        format!(
            "INSERT INTO public.openwisp_users_organizationowner VALUES ('2024-01-02 12:00:00+00', '2024-01-02 12:00:00+00', '{}', \
             '{}', '{}');\n",
            id(9),
            id(8),
            id(10)
        ),
        // An owner of one organization who is a member of another alone.
        format!(
            "INSERT INTO public.openwisp_users_organizationowner VALUES ('2024-01-02 12:00:00+00', '2024-01-02 12:00:00+00', '{}', \
             '20000000-0000-4000-8000-000000000004', '30000000-0000-4000-8000-000000000001');\n",
            id(12)
        ),
        format!(
            "INSERT INTO public.authtoken_token VALUES ('{}', '2024-01-02 12:00:00+00', '{}');\n",
            "f".repeat(40),
            id(11)
        ),
        // A token that could be guessed.
        format!("INSERT INTO public.authtoken_token VALUES ('a1b2c3', '2024-01-02 12:00:00+00', '{}');\n", id(6)),
        format!("INSERT INTO public.account_emailaddress VALUES (999999, 'a@b.example', true, true, '{}');\n", id(11)),
    ];
    let path = home.path().join("broken.sql");
    let seed = std::fs::read_to_string(dump("seed_core_inserts.sql")).unwrap();
    std::fs::write(&path, seed + &text.concat()).unwrap();
    path
}

#[test]
fn broken_rows_are_reported_and_left_out_and_the_rest_comes_over() {
    let (home, postgres) = (TempDir::new().unwrap(), Server::shared().database());
    let (schema, seed) = (dump("schema_core.sql"), with_broken_rows(&home));
    let dumps = ["--sql", schema.to_str().unwrap(), seed.to_str().unwrap()];
    let into_postgres = postgres.url();
    for store in ["sqlite:one.db", into_postgres.as_str()] {
        let first = import(&home, store, &dumps);
        // The 38 of the sample, and three that are odd but good.
        assert_eq!((&first["kept"]["user"], &first["kept"]["token"]), (&41.into(), &38.into()), "{store}: {first}");
        let left_out = first["left_out"].as_array().unwrap();
        for (kind, part) in [
            ("user", "id: it is not a UUID"),
            ("user", "username: it is missing"),
            ("user", "is_active: it is neither true nor false"),
            ("user", "another user has the same address"),
        ] {
            let is_it = |misfit: &&Value| misfit["kind"] == kind && misfit["problem"].as_str().unwrap().contains(part);
            assert_eq!(left_out.iter().filter(is_it).count(), 1, "{kind} {part}: {first}");
        }
        let of = |kind: &str| left_out.iter().filter(|misfit| misfit["kind"] == kind).count();
        assert_eq!(
            ["user", "membership", "owner", "token", "e-mail address"].map(of),
            [5, 1, 2, 2, 1],
            "{store}: {first}"
        );
        assert!(
            !first.to_string().contains("nonsense")
                && !first.to_string().contains("a1b2c3")
                && !first.to_string().contains("ffffffff"),
            "secrets stay there"
        );
        assert_eq!(import(&home, store, &dumps), first, "and again");
    }
}

/// A process that ends in the middle leaves nothing behind, and the next one does it all.
#[test]
fn an_import_that_is_interrupted_leaves_nothing_and_is_done_again() {
    let home = TempDir::new().unwrap();
    let seed = std::fs::read_to_string(dump("seed_core_inserts.sql")).unwrap();
    let line =
        seed.lines().find(|line| line.contains("'alpha_member'") && line.contains("openwisp_users_user ")).unwrap();
    let old = line.split('\'').find(|part| part.len() == 36).unwrap();
    let more = (0..1500).map(|n| {
        let line =
            line.replace(old, &format!("30000000-0000-4000-8000-{n:012}")).replace("alpha_member", &format!("more{n}"));
        // Only the sample's own has a phone number.
        line.replace("'+393661234501'", "NULL") + "\n"
    });
    let path = home.path().join("seed.sql");
    std::fs::write(&path, seed.clone() + &more.collect::<String>()).unwrap();
    let schema = dump("schema_core.sql");
    let dumps = ["--sql", schema.to_str().unwrap(), path.to_str().unwrap()];
    let users = || {
        let store = rusqlite::Connection::open(home.path().join("one.db")).unwrap();
        let count = store.query_row("SELECT count(*) FROM users", [], |row| row.get::<_, i64>(0));
        // Killed before there was a schema.
        count.unwrap_or(0)
    };
    let command = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.current_dir(home.path()).env("POSTERN_DATA_DIR", home.path());
        command.args(["--database", "sqlite:one.db", "import", "openwisp", "--json"]).args(dumps);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let mut interrupted = 0;
    for milliseconds in [30, 100, 200, 300, 400, 600] {
        let mut child = command();
        std::thread::sleep(std::time::Duration::from_millis(milliseconds));
        let done = child.try_wait().unwrap().is_some();
        let _ = child.kill();
        let _ = child.wait();
        interrupted += usize::from(!done);
        let users = users();
        assert!(users == 0 || users == 1538, "{users} after {milliseconds} ms");
    }
    assert!(interrupted > 0);
    let report = import(&home, "sqlite:one.db", &dumps);
    assert_eq!((&report["kept"]["user"], users()), (&1538.into(), 1538));
}

/// The dump of so many users of five organizations each; of every ten thousandth membership nobody knows the user.
fn many(users: u32) -> String {
    let id = |kind: u32, n: u32| format!("{kind:08x}-0000-4000-8000-{n:012}");
    let when = "2024-01-02 12:00:00+00";
    let mut dump = String::new();
    let mut table = |name: &str, columns: &str, rows: &mut dyn Iterator<Item = String>| {
        dump += &format!("COPY public.{name} ({columns}) FROM stdin;\n");
        rows.for_each(|row| dump += &(row + "\n"));
        dump += "\\.\n\n";
    };
    let organizations = users.div_ceil(10);
    let people = 0..users;
    let memberships = || people.clone().flat_map(|user| (0..5).map(move |place| (user * 5 + place, user, place)));
    let none = &mut std::iter::empty;
    // In the order of their names, as pg_dump writes them: tokens before users, owners before memberships.
    table(
        "account_emailaddress",
        "id, email, verified, \"primary\", user_id",
        &mut people.clone().map(|n| format!("{}\tuser-{n}@example.org\tt\tt\t{}", n + 1, id(1, n))),
    );
    table("auth_group", "id, name", &mut none());
    table("auth_group_permissions", "id, group_id, permission_id", &mut none());
    table("auth_permission", "id, name, content_type_id, codename", &mut none());
    table(
        "authtoken_token",
        "key, created, user_id",
        &mut people.clone().map(|n| format!("{n:040}\t{when}\t{}", id(1, n))),
    );
    table("django_content_type", "id, app_label, model", &mut none());
    table(
        "openwisp_users_organization",
        "created, modified, id, name, is_active, slug",
        &mut (0..organizations).map(|n| format!("{when}\t{when}\t{}\tOrganization {n}\tt\torg-{n}", id(2, n))),
    );
    // The first membership of every tenth user.
    table(
        "openwisp_users_organizationowner",
        "organization_id, organization_user_id",
        &mut (0..organizations).map(|n| format!("{}\t{}", id(2, n), id(3, n * 50))),
    );
    table(
        "openwisp_users_organizationuser",
        "created, modified, is_admin, id, organization_id, user_id",
        &mut memberships().map(|(n, user, place)| {
            let whose = if n % 10_000 == 9_999 { id(9, n) } else { id(1, user) };
            format!("{when}\t{when}\tf\t{}\t{}\t{whose}", id(3, n), id(2, (user / 10 + place) % organizations))
        }),
    );
    table(
        "openwisp_users_user",
        "password, last_login, is_superuser, username, first_name, last_name, email, is_staff, is_active, date_joined, id, \
         bio, url, company, location, phone_number, birth_date, notes, language",
        &mut people.clone().map(|n| {
            format!(
                "pbkdf2_sha256$1000000$salt$aGFzaA==\t\\N\tf\tuser-{n}\tUser\tNo. {n}\tuser-{n}@example.org\tf\tt\t{when}\t{}\t\
                 \t\t\t\t\\N\t\\N\t\ten-gb",
                id(1, n)
            )
        }),
    );
    table("openwisp_users_user_groups", "id, user_id, group_id", &mut none());
    table("openwisp_users_user_user_permissions", "id, user_id, permission_id", &mut none());
    dump
}

/// Imports a dump through a pipe; the most memory that it takes, in bytes, and what it says.
fn piped(store: &str, dump: &str) -> (u64, Value) {
    let home = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command.current_dir(home.path()).env("POSTERN_DATA_DIR", home.path());
    command.args(["--database", store, "import", "openwisp", "--json", "--sql", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    child.stdin.take().unwrap().write_all(dump.as_bytes()).unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(peak);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    (peak * 1024, serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn memory_does_not_grow_with_the_dump_and_records_go_in_by_the_hundred() {
    let server = Server::own_with("log_statement = 'all'\nlog_parameter_max_length = 0");
    // Both are larger than all that is held at once.
    let (some, lots) = (many(3_000), many(12_000));
    server.sql("postgres", "CREATE DATABASE smaller");
    let (before, _) = piped(&server.url("smaller"), &some);
    let (peak, report) = piped(&server.url("postern"), &lots);
    let (growth, more) = (peak.saturating_sub(before), lots.len() - some.len());
    assert!(growth < more as u64 / 2, "{growth} bytes more for a dump that is {more} bytes longer");
    let kept = |kind: &str| report["kept"][kind].as_u64().unwrap();
    let all = ["user", "organization", "owner", "token", "membership"].map(kept);
    assert_eq!(all, [12_000, 1_200, 1_200, 12_000, 60_000 - 6], "{}", report["left_out"]);
    assert_eq!(report["left_out"].as_array().unwrap().len(), 6);
    // The planner knows of them.
    server.sql(
        "postern",
        "DO $$ BEGIN IF EXISTS (SELECT FROM pg_class WHERE relname IN ('users', 'memberships', 'tokens') AND reltuples < 12000)
         THEN RAISE 'not analyzed'; END IF; END $$",
    );
    // In both imports, five hundred a statement, and for each that breaks a rule the halves of its five hundred.
    let statements = server.log().matches("INSERT INTO memberships").count();
    assert!(statements < (15_000 + 60_000) / 500 + 7 * 30, "{statements} statements");
}
