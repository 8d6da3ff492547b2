//! What a page asks of PostgreSQL, where there are many: few statements, and none that reads everything.

use super::{PASSWORD, ROUTES, USUAL};
use crate::login::browser::Browser;
use crate::support::postgres::Server;
use crate::support::{ORG_A, Options, Postern, Upstream, World, command};
use std::time::Duration;
use tempfile::TempDir;

const MANY: u64 = 50_000;

#[test]
fn a_page_of_many_records_is_few_statements() {
    let server = Server::own_with("log_statement = 'all'");
    server.migrated("postern");
    let (home, url) = (TempDir::new().unwrap(), server.url("postern"));
    World::fill(|args, input| {
        let args: Vec<&str> = ["--database", &url].into_iter().chain(args.iter().copied()).collect();
        command(home.path(), &args, input).unwrap_or_else(|error| panic!("{args:?}: {error}"))
    });
    server.sql(
        "postern",
        &format!(
            "INSERT INTO users (id, username, email, created)
             SELECT gen_random_uuid(), 'n' || i, 'n' || i || '@example.org', i FROM generate_series(1, {MANY}) i;
             INSERT INTO organizations (id, name, slug, created)
             SELECT gen_random_uuid(), 'n' || i, 'n' || i, i FROM generate_series(1, {MANY}) i;
             INSERT INTO memberships (id, user_id, organization_id, is_admin, created, modified)
             SELECT gen_random_uuid(), u.id, '{ORG_A}', false, 0, 0 FROM users u WHERE u.username LIKE 'n%'"
        ),
    );
    server.sql("postern", "ANALYZE");
    let upstream = Upstream::echo();
    let mut options = Options::policy(ROUTES).set("database", &url);
    options.world = false;
    options.config = format!("admin_ui: on\nidentity:\n{USUAL}");
    let postern = Postern::start(upstream.address(), &options);
    let args = ["--database", &url, "user", "password", "su", "--password-stdin"];
    command(home.path(), &args, &format!("{PASSWORD}\n")).unwrap();
    let mut browser = Browser::at(postern.data);
    assert_eq!(browser.log_in("su", PASSWORD).status, 303);
    let text = browser.get("/postern/user/?search=n777@example.org").text();
    let user = text.split("/postern/user/").find_map(|rest| rest.get(..36).filter(|id| id.matches('-').count() == 4));
    let user = user.expect("somebody is found").to_owned();
    for path in [
        "user/".to_owned(),
        "user/?ordering=username&page_size=100".to_owned(),
        "user/?search=n4242".to_owned(),
        "user/?is_active=false".to_owned(),
        "user/?is_superuser=true&ordering=last_name".to_owned(),
        "organization/".to_owned(),
        format!("user/{user}/"),
        format!("user/{user}/history/"),
        format!("user/{user}/membership/"),
        format!("organization/{ORG_A}/"),
        format!("organization/{ORG_A}/member/"),
        format!("organization/{ORG_A}/history/"),
        format!("user/{user}/?_form=delete"),
        "organization/?_form=create".to_owned(),
    ] {
        let path = format!("/postern/{path}");
        for _ in 0..2 {
            assert_eq!(browser.get(&path).status, 200, "{path}");
        }
        let (before, begun) = (server.log().len(), postern::clock::monotonic());
        let page = browser.get(&path);
        let took = begun.elapsed();
        assert_eq!(page.status, 200, "{path}");
        let log = server.log().split_off(before);
        let all: Vec<&str> = log
            .lines()
            .filter(|line| line.contains("LOG:  execute") || line.contains("LOG:  statement:"))
            // A connection that is taken up again is looked at so.
            .filter(|line| !line.trim_end().ends_with(':'))
            .collect();
        let asked =
            all.iter().filter(|line| !["BEGIN", "COMMIT", "START TRANSACTION"].iter().any(|word| line.contains(word)));
        let asked: Vec<_> = asked.collect();
        println!("{path}: {} statements, {took:?}, {} bytes", asked.len(), page.body.len());
        assert!(asked.len() <= 3, "{path}: {asked:#?}");
        assert!(took < Duration::from_millis(500), "{path}: {took:?}");
    }
}
