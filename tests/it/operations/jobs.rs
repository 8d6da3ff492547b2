//! What is done once a day: by one of many processes, and by hand; with real letters.

use crate::login::letters::Letters;
use crate::support::postgres::Server;
use crate::support::{Options, Postern, Upstream, eventually};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

fn day(days: i64) -> String {
    postern::clock::today().saturating_add(jiff::Span::new().days(days)).to_string()
}

fn postern(home: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command.current_dir(home).env("POSTERN_DATA_DIR", home).args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn done(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(told).unwrap())
}

/// People of whom some have expired, some will, in several languages, with a configuration that writes to them.
fn people(home: &Path, database: &str, letters: &Letters, jobs: &str) {
    let config = format!(
        "database: {database}\npublic_url: https://app.example\nidentity: {{ passwords: {{ expire_after: 30, expire_after_staff: 10 }} }}\n\
         mail: {{ server: \"127.0.0.1:{}\", from: postern@app.example, tls: none }}\njobs: {{ {jobs} }}\n",
        letters.port
    );
    std::fs::write(home.join("postern.yaml"), config).unwrap();
    let lines: Vec<String> = [
        json!({ "username": "gone-it", "expiration_date": day(-1), "language": "it" }),
        json!({ "username": "gone-unverified", "expiration_date": day(-1) }),
        json!({ "username": "last-day", "expiration_date": day(0) }),
        json!({ "username": "soon-de", "expiration_date": day(7), "language": "de" }),
        json!({ "username": "later", "expiration_date": day(8) }),
        json!({ "username": "old-password", "language": "es" }),
        json!({ "username": "old-password-of-staff", "staff": true }),
    ]
    .iter()
    .map(Value::to_string)
    .collect();
    std::fs::write(home.join("people.jsonl"), lines.join("\n")).unwrap();
    let (made, told) = done(&mut postern(home, &["user", "create", "--batch", "people.jsonl"]));
    assert!(made, "{told}");
}

/// What no command does: verified addresses, and passwords of another day.
fn prepared() -> [String; 3] {
    let chosen = |name: &str, days: i64| {
        format!(
            "UPDATE users SET password = 'pbkdf2_sha256$1$s$aGFzaA==', password_updated = '{}' WHERE username = '{name}'",
            day(days)
        )
    };
    [
        "INSERT INTO email_addresses (user_id, email, verified, is_primary)
         SELECT id, username || '@example.org', username <> 'gone-unverified', true FROM users"
            .to_owned(),
        chosen("old-password", -25),
        chosen("old-password-of-staff", -4),
    ]
}

/// The subjects of letters, by whom they are for; no more come.
fn told(letters: &Letters, count: usize) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all: Vec<_> = (0..count).map(|_| letters.next()).collect();
    assert!(letters.is_quiet(), "one letter each");
    let told: BTreeMap<_, _> =
        all.iter().map(|letter| (text(&letter["to"][0]), text(&letter["headers"]["Subject"]))).collect();
    assert_eq!(told.len(), count);
    told
}

fn expected() -> BTreeMap<String, String> {
    [
        ("gone-it", "Il tuo account è stato disattivato".to_owned()),
        ("last-day", format!("Your account will expire on {}", day(0))),
        ("soon-de", format!("Dein Konto läuft am {} ab", day(7))),
        ("old-password", format!("Tu contraseña caducará el {}", day(5))),
        ("old-password-of-staff", format!("Your password will expire on {}", day(6))),
    ]
    .into_iter()
    .map(|(name, subject)| (format!("{name}@example.org"), subject))
    .collect()
}

fn audited(home: &Path) -> usize {
    let log = std::fs::read_to_string(home.join("audit.jsonl")).unwrap();
    log.lines()
        .filter(|line| line.contains(r#""what":"user.edit""#) && line.contains(r#""changed":["is_active"]"#))
        .count()
}

fn three_race(home: &Path, letters: &Letters) {
    let mut all = BTreeMap::new();
    for (job, count) in [("deactivate-expired", 1), ("expiration-reminder", 2), ("password-reminder", 2)] {
        let racing: Vec<Child> =
            (0..3).map(|_| postern(home, &["job", "run", job, "--if-due"]).spawn().unwrap()).collect();
        let ended: Vec<_> = racing.into_iter().map(|one| one.wait_with_output().unwrap()).collect();
        assert_eq!(ended.iter().filter(|one| one.status.success()).count(), 1, "{job}: {ended:?}");
        all.extend(told(letters, count));
        // By hand it is done again, and finds nothing to do.
        let (again, said) = done(&mut postern(home, &["job", "run", job]));
        assert!(again && said.contains("0 told") && letters.is_quiet(), "{said}");
    }
    assert_eq!(all, expected());
    assert_eq!(audited(home), 2, "two have expired, and each was deactivated once");
    let (_, listed) = done(&mut postern(home, &["job", "list", "--json"]));
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&listed[0]["name"], &listed[0]["at"]), (&json!("deactivate-expired"), &json!("00:01")));
    let others = listed.as_array().unwrap().iter().filter(|job| job["name"] != "forget-answers");
    assert!(others.clone().count() == 3 && others.into_iter().all(|job| job["finished"].is_string()), "{listed}");
}

#[test]
fn of_three_processes_that_race_one_does_a_job_on_postgresql() {
    let (home, database) = (TempDir::new().unwrap(), Server::shared().database());
    let letters = Letters::serve(&json!({}));
    people(home.path(), &database.url(), &letters, "");
    for sql in prepared() {
        database.server.sql(&database.name, &sql);
    }
    three_race(home.path(), &letters);
}

#[test]
fn of_three_processes_that_race_one_does_a_job_on_sqlite() {
    let home = TempDir::new().unwrap();
    let letters = Letters::serve(&json!({}));
    people(home.path(), "sqlite:postern.db", &letters, "");
    let store = rusqlite::Connection::open(home.path().join("postern.db")).unwrap();
    for sql in prepared() {
        store.execute(&sql, []).unwrap();
    }
    drop(store);
    three_race(home.path(), &letters);
}

/// Three replicas that serve: each person is written to once, and a replica that comes later has nothing to do.
#[test]
fn replicas_do_each_job_once_when_it_is_time() {
    let (home, database) = (TempDir::new().unwrap(), Server::shared().database());
    let letters = Letters::serve(&json!({}));
    people(home.path(), &database.url(), &letters, "");
    for sql in prepared() {
        database.server.sql(&database.name, &sql);
    }
    // They were done yesterday; what was never done waits for its time.
    for job in ["deactivate-expired", "expiration-reminder", "password-reminder"] {
        let sql = format!(
            "INSERT INTO jobs (name, day, started, claimed_until, finished) VALUES ('{job}', '{}', 0, 0, 0)",
            day(-1)
        );
        database.server.sql(&database.name, &sql);
    }
    let upstream = Upstream::echo();
    let mut options = Options::policy("version: 1\nupstream: echo\nroutes: { /**: public }\n");
    options.world = false;
    options.config = format!(
        "public_url: https://app.example\njobs: {{ deactivate_expired: \"00:00\", expiration_reminder: \"00:00\", password_reminder: \"00:00\" }}\n\
         identity: {{ passwords: {{ expire_after: 30, expire_after_staff: 10 }} }}\n\
         mail: {{ server: \"127.0.0.1:{}\", from: postern@app.example, tls: none }}\n",
        letters.port
    );
    let options = options.set("database", database.url());
    let gates: Vec<Postern> = (0..3).map(|_| Postern::start(upstream.address(), &options)).collect();
    assert_eq!(told(&letters, 5), expected());
    let runs: usize =
        gates.iter().map(|gate| gate.stderr().iter().filter(|line| line.contains("a job is done")).count()).sum();
    assert_eq!(runs, 3, "each of the three jobs once, among three replicas");
    let audited: usize = gates.iter().map(|gate| audited(gate.home())).sum();
    assert_eq!(audited, 2);
    let later = Postern::start(upstream.address(), &options);
    eventually("it serves", || (later.admin("/readyz").status == 200).then_some(()));
    assert!(letters.is_quiet() && !later.stderr().iter().any(|line| line.contains("a job is done")));
}

#[test]
fn a_job_that_is_off_or_not_time_yet_is_not_done() {
    let home = TempDir::new().unwrap();
    for (jobs, told) in [
        ("deactivate_expired: midnight", "must be a time of day or `off`"),
        ("deactivate_expired: \"24:00\"", "not `24:00`"),
    ] {
        std::fs::write(home.path().join("postern.yaml"), format!("database: sqlite:postern.db\njobs: {{ {jobs} }}\n"))
            .unwrap();
        let (good, said) = done(&mut postern(home.path(), &["migrate"]));
        assert!(!good && said.contains(told), "{said}");
    }
    std::fs::write(
        home.path().join("postern.yaml"),
        "database: sqlite:postern.db\njobs: { deactivate_expired: off }\n",
    )
    .unwrap();
    assert!(done(&mut postern(home.path(), &["migrate"])).0);
    let (_, listed) = done(&mut postern(home.path(), &["job", "list", "--json"]));
    let listed: Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&listed[0]["at"], &listed[0]["started"]), (&Value::Null, &Value::Null));
    let (good, said) = done(&mut postern(home.path(), &["job", "run", "deactivate-expired"]));
    assert!(good && said.contains("0 deactivated") && said.contains("`mail` is not configured"), "{said}");
    assert!(!done(&mut postern(home.path(), &["job", "run", "another"])).0);
}
