//! Several gates over one PostgreSQL: what is changed there by raw SQL, and what happens while it is away.

use crate::support::postgres::Server;
use crate::support::{Options, Postern, ROUTES, Upstream, eventually};
use std::process::Command;
use std::time::Duration;

/// The published bound is far below; a busy machine that runs the tests may be slow.
const BOUND: Duration = Duration::from_secs(1);

/// Two gates over one database, with a user `ann` of the organization `a`.
struct Fleet {
    gates: Vec<Postern>,
    token: String,
    _upstream: Upstream,
}

impl Fleet {
    fn over(url: &str, max_staleness: &str) -> Self {
        let upstream = Upstream::echo();
        let mut options = Options::policy(ROUTES).set("database", url).set("cache.max_staleness", max_staleness);
        options.world = false;
        let gates: Vec<_> = (0..2).map(|_| Postern::start(upstream.address(), &options)).collect();
        let run = |args: &[&str]| gates[0].cli(&[&["--database", url], args].concat());
        run(&["org", "create", "A", "--slug", "a"]);
        run(&["user", "create", "ann"]);
        run(&["member", "add", "--org", "a", "--user", "ann", "--manager"]);
        let token = run(&["token", "create", "--user", "ann"]).trim().to_owned();
        Self { gates, token, _upstream: upstream }
    }

    fn status(&self, gate: &Postern, method: &str, token: &str) -> (u16, String) {
        let mut raw = gate.raw();
        raw.send(format!(
            "{method} /api/v1/org/a/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n"
        ));
        let answer = raw.answer();
        let code = if answer.status == 200 { String::new() } else { answer.code() };
        (answer.status, code)
    }

    /// What both gates answer to somebody's GET.
    fn each(&self, method: &str, expected: (u16, &str)) {
        for gate in &self.gates {
            let answer = self.status(gate, method, &self.token);
            assert_eq!((answer.0, answer.1.as_str()), expected);
        }
    }

    /// Both answer so within the bound.
    fn soon(&self, method: &str, expected: (u16, &str)) {
        let start = postern::clock::monotonic();
        for gate in &self.gates {
            loop {
                let answer = self.status(gate, method, &self.token);
                if (answer.0, answer.1.as_str()) == expected {
                    break;
                }
                assert!(start.elapsed() < BOUND, "still {answer:?} after {:?}", start.elapsed());
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}

/// Revocation, on two replicas, and whoever makes the change.
#[test]
fn raw_sql_counts_on_every_replica() {
    let database = Server::shared().database();
    let fleet = Fleet::over(&database.url(), "5s");
    let sql = |sql: &str| database.server.sql(&database.name, sql);
    fleet.each("GET", (200, ""));
    for (method, change, refusal, back) in [
        ("GET", "UPDATE users SET is_active = false", (401, "user_inactive"), "UPDATE users SET is_active = true"),
        (
            "GET",
            "UPDATE tokens SET revoked_at = 1",
            (401, "credentials_invalid"),
            "UPDATE tokens SET revoked_at = NULL",
        ),
        (
            "GET",
            "UPDATE organizations SET is_active = false",
            (403, "org_foreign"),
            "UPDATE organizations SET is_active = true",
        ),
        ("GET", "UPDATE organizations SET slug = 'b'", (403, "org_foreign"), "UPDATE organizations SET slug = 'a'"),
        (
            "POST",
            "DELETE FROM owners; UPDATE memberships SET is_admin = false",
            (403, "org_level_missing"),
            "UPDATE memberships SET is_admin = true",
        ),
        ("GET", "DELETE FROM memberships", (403, "org_foreign"), "SELECT 1"),
    ] {
        sql(change);
        fleet.soon(method, refusal);
        sql(back);
        if back != "SELECT 1" {
            fleet.soon(method, (200, ""));
        }
    }
}

/// What the doctor says of a deployment that is well, and of one whose triggers somebody has turned off.
#[test]
fn the_doctor_measures_a_live_deployment() {
    let database = Server::shared().database();
    let fleet = Fleet::over(&database.url(), "5s");
    let urls: Vec<_> = fleet.gates.iter().map(|gate| format!("http://{}/me/x", gate.data)).collect();
    let examine = || {
        let (database, urls) = (database.url(), urls.iter().flat_map(|url| ["--url", url]));
        let args: Vec<&str> = ["--database", &database, "doctor", "--json"].into_iter().chain(urls).collect();
        fleet.gates[0].try_cli(&args)
    };
    let said: serde_json::Value = serde_json::from_str(&examine().unwrap()).unwrap();
    let state = |check: &str| {
        let found = said.as_array().unwrap().iter().find(|finding| finding["check"] == check);
        found.unwrap_or_else(|| panic!("{check}: {said}"))["state"].as_str().unwrap().to_owned()
    };
    for check in ["schema", "server", "triggers", "outbox", "feed"] {
        assert_eq!(state(check), "ok", "{check}: {said}");
    }
    assert_eq!(state("rights"), "warning", "the tests' role owns everything");
    for url in &urls {
        assert_ne!(state(url), "failed", "{said}");
    }
    let users = fleet.gates[0].cli(&["--database", &database.url(), "user", "list"]);
    assert!(!users.contains("postern-doctor"), "{users}");
    // Where nobody is asked, nothing can be measured, and nobody is accused.
    let open = format!("http://{}/public/x", fleet.gates[0].data);
    let of = |url: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.current_dir(fleet.gates[0].home()).args(["--database", &database.url(), "doctor", "--url", url]);
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        (output.status.code(), said)
    };
    let (code, said) = of(&open);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("lets in whoever calls"), "{said}");
    let (code, said) = of("http://127.0.0.1:9/me/x");
    assert!(code == Some(1) && said.contains("it cannot be asked") && said.contains("refused"), "{said}");
    let (code, said) = of("https://127.0.0.1/me/x");
    assert!(code == Some(2) && said.contains("a replica behind TLS is not measured"), "{said}");
    for gate in &fleet.gates {
        eventually("the lag is measured", || (gate.metric("postern_revocation_lag_seconds_count") > 0.0).then_some(()));
    }
    database.server.sql(&database.name, "ALTER TABLE tokens DISABLE TRIGGER ALL");
    assert!(examine().is_err(), "a database that does not tell of revocations is not well");
}

/// Every trigger that the schema has is missed, whether it is off, meant for others, or gone.
#[test]
fn the_doctor_misses_each_trigger() {
    use postern::directory::postgres::{Options, Target, inspect};
    let database = Server::shared().database();
    let sql = |sql: &str| database.server.sql(&database.name, sql);
    let all = database.server.text(
        &database.name,
        "SELECT string_agg(relname || '.' || tgname, ' ' ORDER BY (relname || '.' || tgname) COLLATE \"C\")
         FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid WHERE NOT tgisinternal",
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let target = Target::parse(&database.url()).unwrap();
    let missed = || {
        let mut silent = runtime.block_on(inspect(&target, &Options::default())).unwrap().silent;
        silent.sort();
        silent.join(" ")
    };
    let each = |what: &str| {
        format!(
            "DO $$ DECLARE t record; BEGIN
                 FOR t IN SELECT tgrelid::regclass AS tbl, tgname FROM pg_trigger WHERE NOT tgisinternal LOOP
                     EXECUTE format('{what}', t.tbl, t.tgname);
                 END LOOP;
             END $$"
        )
    };
    assert_eq!(missed(), "");
    sql(&each("ALTER TABLE %s DISABLE TRIGGER %I"));
    assert_eq!(missed(), all);
    sql(&each("ALTER TABLE %s ENABLE REPLICA TRIGGER %I"));
    assert_eq!(missed(), all);
    sql(&each("ALTER TABLE %s ENABLE ALWAYS TRIGGER %I"));
    sql("DROP TRIGGER sessions_told ON sessions; ALTER TABLE subjects DISABLE TRIGGER subjects_emptied");
    assert_eq!(missed(), "sessions.sessions_told subjects.subjects_emptied");
    sql(&each("DROP TRIGGER %2$I ON %1$s"));
    assert_eq!(missed(), all);
}

/// Notifications that never come cost a look's pause: the connection that listens is killed, and changes count all the same.
#[test]
fn a_replica_whose_connections_are_killed_learns_of_changes() {
    let database = Server::shared().database();
    let fleet = Fleet::over(&database.url(), "5s");
    fleet.each("GET", (200, ""));
    database.server.sql(
        &database.name,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'postern';
         UPDATE users SET is_active = false",
    );
    fleet.soon("GET", (401, "user_inactive"));
}

/// A store that is down: warm within the greatest staleness, then 503; cold 503; never 403, never 200 by guess; and back by itself.
#[test]
fn a_database_that_is_away_makes_nobody_guess() {
    let server = Server::own();
    let fleet = Fleet::over(&server.url("postern"), "3s");
    fleet.each("GET", (200, ""));
    let before = postern::clock::monotonic();
    server.stop();
    let warm = fleet.status(&fleet.gates[0], "GET", &fleet.token);
    assert!(warm.0 == 200 || before.elapsed() > Duration::from_secs(2), "{warm:?} after {:?}", before.elapsed());
    assert_eq!(fleet.status(&fleet.gates[0], "GET", "nobody-knows-this").0, 503);
    for gate in &fleet.gates {
        eventually("the proof runs out", || match fleet.status(gate, "GET", &fleet.token) {
            (200, _) => None,
            (status, code) => {
                assert_eq!((status, code.as_str()), (503, "store_unavailable"));
                Some(())
            }
        });
    }
    server.start();
    for gate in &fleet.gates {
        eventually("it serves again", || (fleet.status(gate, "GET", &fleet.token).0 == 200).then_some(()));
        eventually("it is ready again", || (gate.admin("/readyz").status == 200).then_some(()));
    }
    server.sql("postern", "UPDATE users SET is_active = false");
    fleet.soon("GET", (401, "user_inactive"));
}
