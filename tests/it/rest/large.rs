//! Lists of many: PostgreSQL finds by an index what is asked for, and counts no further than it must.

use super::cursors::path;
use crate::support::postgres::Server;
use crate::support::{Options, Postern, Upstream, World, command, get_with};
use serde_json::Value;
use std::collections::BTreeMap;
use tempfile::TempDir;

/// Users and organizations, that many of each, called `n1` and so on; and a server that writes down how it finds what it is asked for.
const MANY: u64 = 20_000;

struct Crowd {
    server: Server,
    postern: Postern,
    tokens: BTreeMap<String, String>,
    _upstream: Upstream,
    _home: TempDir,
}

impl Crowd {
    fn new() -> Self {
        let server = Server::own_with(
            "session_preload_libraries = 'auto_explain'\nauto_explain.log_min_duration = 0\nauto_explain.log_analyze = on\n\
             auto_explain.log_timing = off",
        );
        server.migrated("postern");
        let (home, url) = (TempDir::new().unwrap(), server.url("postern"));
        let tokens = World::fill(|args, input| {
            let args: Vec<&str> = ["--database", &url].into_iter().chain(args.iter().copied()).collect();
            command(home.path(), &args, input).unwrap_or_else(|error| panic!("{args:?}: {error}"))
        });
        let fill = format!(
            "INSERT INTO users (id, username, email, created, fields)
             SELECT gen_random_uuid(), 'n' || i, 'n' || i || '@example.org', i,
                    CASE WHEN i % 1000 = 0 THEN '{{\"team\":\"ops\"}}' ELSE '{{}}' END
             FROM generate_series(1, {MANY}) i;
             INSERT INTO organizations (id, name, slug, created)
             SELECT gen_random_uuid(), 'n' || i, 'n' || i, i FROM generate_series(1, {MANY}) i"
        );
        server.sql("postern", &fill);
        server.sql("postern", "ANALYZE");
        let upstream = Upstream::echo();
        let mut options = Options::policy(super::ROUTES).set("database", &url);
        options.world = false;
        options.config = "identity:\n  api: all\n  fields:\n    team: { type: text }\n".to_owned();
        let postern = Postern::start(upstream.address(), &options);
        Self { server, postern, tokens, _upstream: upstream, _home: home }
    }

    fn get(&self, target: &str) -> Value {
        let answer = self.ask(target);
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        answer.json()
    }

    fn ask(&self, target: &str) -> crate::support::Answer {
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/api/v1/users/{target}") };
        let mut raw = self.postern.raw();
        raw.send(get_with(&self.tokens["su"], &target));
        raw.answer()
    }

    /// How statements were carried out since then that have all of these words.
    fn plans(&self, since: usize, words: &[&str]) -> Vec<String> {
        let log = self.server.log().split_off(since);
        let plans = log.split("Query Text: ").filter(|plan| words.iter().all(|word| plan.contains(word)));
        plans.map(str::to_owned).collect()
    }
}

#[test]
fn postgresql_finds_every_page_by_an_index() {
    let crowd = Crowd::new();
    for (list, key, index) in
        [("user", "u.created", "users_created"), ("organization", "o.created", "organizations_created")]
    {
        let mut page = crowd.get(&format!("{list}/?cursor=&page_size=100"));
        // Deep, and often enough that the server plans for every value.
        for _ in 0..30 {
            page = crowd.get(&path(&page["next"]).unwrap());
        }
        // Users tell of organizations too.
        let plans = crowd.plans(0, &[&format!("ORDER BY {key} "), ") < ($1"]);
        assert!(plans.len() >= 30, "{list}: {} plans", plans.len());
        for plan in plans {
            let by_index = format!("Index Scan Backward using {index}");
            assert!(plan.contains(&by_index) && plan.contains("Index Cond: (ROW("), "{plan}");
        }
        let page = crowd.get(&format!("{list}/?cursor=&ordering=-created,-created_micros,-id&page_size=1"));
        assert_eq!(page["results"].as_array().unwrap().len(), 1);
    }
}

#[test]
fn postgresql_searches_and_looks_into_fields_by_an_index() {
    let crowd = Crowd::new();
    for (list, count, index) in [
        ("user/?search=N19999", 1, "users_searched"),
        ("user/?search=n1234%20example.ORG&ordering=username", 11, "users_searched"),
        ("user/?cursor=&search=n19998", 1, "users_searched"),
        ("organization/?search=n19999", 1, "organizations_searched"),
        ("user/?fields.team=ops&page_size=100", 20, "users_fields"),
    ] {
        // Often enough that the server plans for every value where it is let.
        for _ in 0..8 {
            let since = crowd.server.log().len();
            let page = crowd.get(list);
            assert_eq!(page["results"].as_array().unwrap().len().min(10), count.min(10), "{list}: {page}");
            assert!(page.get("count").is_none_or(|told| *told == count), "{list}: {page}");
            let by_index = format!("Bitmap Index Scan on {index}");
            let plans = crowd.plans(since, &[&by_index]);
            assert!(!plans.is_empty(), "{list}: {}", crowd.server.log().split_off(since));
        }
    }
}

#[test]
fn what_is_filtered_is_counted_so_far_and_walked_through_to_the_end() {
    let crowd = Crowd::new();
    let all = crowd.get("user/?page_size=1")["count"].as_u64().unwrap();
    assert!(all > MANY, "the number of all is kept: {all}");
    for filter in ["is_staff=false", "search=example.org"] {
        let mut page = crowd.get(&format!("user/?{filter}&page_size=1"));
        assert_eq!((&page["count"], &page["count_is_exact"]), (&10_000.into(), &false.into()), "{filter}");
        page = crowd.get(&format!("user/?{filter}&page_size=100&page=99"));
        let mut seen = 9_900;
        while let Some(next) = path(&page["next"]) {
            assert!(page["count"].as_u64().unwrap() >= seen);
            page = crowd.get(&next);
            seen += page["results"].as_array().unwrap().len() as u64;
        }
        assert!(page.get("count_is_exact").is_none(), "the last page tells how many there are");
        assert_eq!(page["count"].as_u64().unwrap(), seen, "{filter}");
        assert!(seen >= MANY);
    }
    // Which page is the last, nobody knows then.
    assert_eq!(crowd.ask("user/?is_staff=false&page=last").status, 404);
    assert!(crowd.get("user/?page=last")["next"].is_null());
}

/// A page asks no more than its endpoint does, and shows a page of the list, not all of it.
#[test]
fn pages_of_many_are_short_and_take_few_statements() {
    let crowd = Crowd::new();
    let one = crowd.get("user/?username=n7")["results"][0]["id"].as_str().unwrap().to_owned();
    for target in ["user/?format=api", "organization/?search=n12&format=api", &format!("user/{one}/?format=api")] {
        // Now and then what follows the changes asks something too.
        let statements = (0..5).map(|_| {
            let before = crowd.plans(0, &[""]).len();
            let page = crowd.ask(target);
            assert_eq!(page.status, 200, "{target}");
            assert!(page.body.len() <= 100 << 10, "{target}: {} bytes", page.body.len());
            crowd.plans(0, &[""]).len() - before
        });
        let statements = statements.min().unwrap();
        assert!((1..=3).contains(&statements), "{target}: {statements} statements");
    }
}
