//! The rooms over PostgreSQL and Redis, with many people: what is shown, and how much is asked for it.

use super::PASSWORD;
use crate::login::browser::{Browser, field};
use crate::replicas::Site;
use crate::support::{command, eventually};
use std::time::Duration;

const USERS: u32 = 50_000;
const ORGANIZATIONS: u32 = 5_000;

#[test]
fn a_page_asks_three_statements_at_most_however_many_there_are() {
    let settings = [
        ("admin_ui", "on"),
        ("identity.api", "all"),
        ("identity.session.secure", "false"),
        ("identity.passwords.memory", "64KiB"),
        ("identity.passwords.passes", "1"),
    ];
    let site = Site::new(2, &settings);
    site.sql(&format!(
        "INSERT INTO users (id, username) SELECT gen_random_uuid(), 'many-' || n FROM generate_series(1, {USERS}) n;
         INSERT INTO organizations (id, name, slug) SELECT gen_random_uuid(), 'n', 'many-' || n FROM generate_series(1, {ORGANIZATIONS}) n;
         ANALYZE users; ANALYZE organizations"
    ));
    let home = tempfile::tempdir().unwrap();
    let url = site.server.url("postern");
    let args = ["--database", &url, "user", "password", "su", "--password-stdin"];
    command(home.path(), &args, &format!("{PASSWORD}\n")).unwrap();
    let mut su = Browser::at(site.postern(0).data);
    assert_eq!(su.log_in("su", PASSWORD).status, 303);
    let number = |table: &str| site.server.text("postern", &format!("SELECT count(*)::text FROM {table}"));
    let statements = || {
        let log = site.server.log();
        let asked = |line: &&str| line.split_once("execute ").is_some_and(|(_, rest)| !rest.ends_with(": "));
        log.lines().filter(asked).count()
    };
    // What is asked for the first time is prepared, and who asks is known from then on.
    assert_eq!(su.get("/postern/operations/").status, 200);
    std::thread::sleep(Duration::from_millis(500));
    for path in ["", "policy/", "policy/refusals/", "policy/explain/", "policy/matrix/", "operations/"] {
        let (before, begun) = (statements(), postern::clock::monotonic());
        let page = su.get(&format!("/postern/{path}"));
        let took = postern::clock::monotonic() - begun;
        assert_eq!(page.status, 200, "{path}: {}", page.text());
        let asked = statements() - before;
        println!("/postern/{path}: {asked} statements, {took:?}, {} bytes", page.body.len());
        assert!(asked <= 3, "{path}: {asked}");
        assert!(page.body.len() < 100 * 1024, "{path}");
    }
    let shown = su.get("/postern/").text();
    for table in ["users", "organizations"] {
        let count = number(table);
        assert!(shown.contains(&format!("<p class=\"figure\">{count}</p>")), "{table}: {count}: {shown}");
    }
    assert!(shown.contains("only the last 20,000 are counted"), "{shown}");
    let operations = eventually("replicas know of each other", || {
        let page = su.get("/postern/operations/").text();
        page.contains("2 share Redis").then_some(page)
    });
    assert!(operations.contains("PostgreSQL"), "{operations}");
    let csrf = field(&operations, "postern_csrf").unwrap();
    let looked = su.ask("POST", "/postern/operations/doctor/", Some(&[("postern_csrf", csrf.as_str())])).text();
    for word in ["all changes are told", "steps are applied", "at the server"] {
        assert!(looked.contains(word), "{word}: {looked}");
    }
}
