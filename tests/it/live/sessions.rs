//! Whom Django has logged in, postern knows: by Django's own session, wherever Django keeps it; and by sesame, both ways.

use super::django::Django;
use super::{Live, options, text};
use crate::support::postgres::Server;
use crate::support::{Answer, Postern, RedisServer, Upstream, eventually};
use serde_json::{Value, json};

/// Of the settings in `tests/openwisp`.
const SECRET: &str = "of no installation";
const ROUTES: &str = "version: 1\nupstream: echo\nauthenticate: [bearer, session, sesame]\nroutes:\n  /me/**: { level: authenticated, inject: { X-Postern-User: user.username } }\n  \
                      /maybe/**: { level: optional, inject: { X-Postern-User: user.username } }\n";

/// A Django and a postern on one database, whose sessions are in `engine`.
fn both(engine: &str, redis: &RedisServer) -> (Live, Django) {
    let database = Server::shared().database();
    let mut django = Django::prepared(&database, Some(redis.port));
    for user in ["ann", "bob"] {
        django.must(json!({ "do": "user", "user": user, "email": format!("{user}@example.org") }));
        django.must(json!({ "do": "password", "user": user, "password": "a-Pw-of-people-1" }));
    }
    let upstream = Upstream::echo();
    let mut options = options(&database, &format!("openwisp: {{ cache: \"redis://127.0.0.1:{}/1\" }}\n", redis.port));
    options.policies = vec![("routes.yaml", ROUTES.to_owned())];
    let sessions = format!("django_session: {{ key: {{ file: django.key }}, engine: {engine} }}");
    let sesame = "sesame: { key: { file: django.key } }";
    options.config = options.config.replace("{ api: all }", &format!("{{ api: all, {sessions}, {sesame} }}"));
    let home = Postern::prepare(Some(upstream.address()), &options);
    std::fs::write(home.path().join("django.key"), format!("{SECRET}\n")).unwrap();
    let mut command = Postern::serve(home.path(), &options);
    let postern = Postern::run(home, &mut command);
    (Live { database, postern, upstream }, django)
}

fn begin(django: &mut Django, session: Value) -> String {
    let said = django.ask(&json!({ "session": session }));
    said["key"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned()
}

fn with_cookie(live: &Live, head: &str, session: &str) -> Answer {
    live.send(format!("{head}Host: api.example.com\r\nCookie: theme=dark; sessionid={session}\r\n\r\n"))
}

/// Who the service is told that it is.
fn who(live: &Live, session: &str) -> String {
    let answer = with_cookie(live, "GET /maybe/x HTTP/1.1\r\n", session);
    if answer.status == 401 && answer.code() == "user_inactive" {
        return "(inactive)".to_owned();
    }
    assert_eq!(answer.status, 200, "{}", answer.text());
    let told = live.upstream.last();
    assert_eq!(told.header("cookie"), Some(&*format!("theme=dark; sessionid={session}")), "Django reads it too");
    told.header("x-postern-user").unwrap_or_default().to_owned()
}

fn becomes(live: &Live, session: &str, user: &str) {
    eventually(&format!("it is {user:?}"), || (who(live, session) == user).then_some(()));
}

#[test]
fn whom_django_has_logged_in_is_known_wherever_it_keeps_sessions() {
    let redis = RedisServer::start();
    for (engine, stores) in [
        ("database", &[("db", None), ("cached_db", Some("django_redis"))][..]),
        ("cache", &[("cache", Some("django_redis")), ("cache", Some("django"))]),
    ] {
        let (live, mut django) = both(engine, &redis);
        for (store, cache) in stores {
            let of = |user: Option<&str>| json!({ "engine": store, "cache": cache, "user": user });
            let (ann, bob) = (begin(&mut django, of(Some("ann"))), begin(&mut django, of(Some("bob"))));
            let nobody = begin(&mut django, of(None));
            becomes(&live, &ann, "ann");
            assert_eq!((who(&live, &bob).as_str(), who(&live, &nobody).as_str()), ("bob", ""), "{store} {cache:?}");
            for other in ["zz0zz0zz0zz0zz0zz0zz0zz0zz0zz0zz", "short", "UPPER000000000000000000000000000"] {
                assert_eq!(who(&live, other), "", "{other}");
            }
            assert_eq!(with_cookie(&live, "GET /me/x HTTP/1.1\r\n", &nobody).status, 401);
            // A logout there holds here with the next request.
            django.must(json!({ "do": "logout", "engine": store, "key": ann, "cache": cache }));
            assert_eq!(who(&live, &ann), "", "{store} {cache:?}");
            // So does what becomes of its user, within the bound: a new password ends it, as in Django.
            django.must(json!({ "do": "edit", "user": "bob", "fields": { "is_active": false } }));
            eventually("bob is refused", || {
                (with_cookie(&live, "GET /me/x HTTP/1.1\r\n", &bob).status == 401).then_some(())
            });
            django.must(json!({ "do": "edit", "user": "bob", "fields": { "is_active": true } }));
            becomes(&live, &bob, "bob");
            django.must(json!({ "do": "password", "user": "bob", "password": "another-Pw-1" }));
            becomes(&live, &bob, "");
        }
    }
}

#[test]
fn a_session_in_a_signed_cookie_is_known_by_django_s_secret() {
    let redis = RedisServer::start();
    let (live, mut django) = both("signed_cookies", &redis);
    let ann = begin(&mut django, json!({ "engine": "signed_cookies", "user": "ann" }));
    let nobody = begin(&mut django, json!({ "engine": "signed_cookies" }));
    becomes(&live, &ann, "ann");
    assert_eq!(who(&live, &nobody), "");
    let (text, signature) = ann.rsplit_once(':').unwrap();
    let forged = format!("{text}:{}", signature.chars().rev().collect::<String>());
    assert_eq!(who(&live, &forged), "");
    assert_eq!(who(&live, &ann), "ann", "from memory");
    // Another secret, and nothing that the old one signed is good.
    std::fs::write(live.postern.home().join("django.key"), "another one\n").unwrap();
    becomes(&live, &ann, "");
    std::fs::write(live.postern.home().join("django.key"), SECRET).unwrap();
    becomes(&live, &ann, "ann");
    django.must(json!({ "do": "password", "user": "ann", "password": "another-Pw-1" }));
    becomes(&live, &ann, "");
}

#[test]
fn a_page_of_another_site_does_nothing_with_a_session_of_django_s() {
    let redis = RedisServer::start();
    let (live, mut django) = both("database", &redis);
    let ann = begin(&mut django, json!({ "engine": "db", "user": "ann" }));
    becomes(&live, &ann, "ann");
    let post = |origin: &str| {
        let head = format!("POST /me/x HTTP/1.1\r\nOrigin: {origin}\r\nContent-Length: 0\r\n");
        with_cookie(&live, &head, &ann).status
    };
    assert_eq!((post("https://api.example.com"), post("https://evil.example")), (200, 403));
    // The identity API knows her too.
    let me = with_cookie(&live, "GET /api/v1/users/user/ HTTP/1.1\r\n", &ann);
    assert_eq!(me.status, 403, "she is known, and may not see users: {}", me.text());
    live.sql("UPDATE public.openwisp_users_user SET is_superuser = true, is_staff = true WHERE username = 'ann'");
    eventually("she may", || {
        (with_cookie(&live, "GET /api/v1/users/user/ HTTP/1.1\r\n", &ann).status == 200).then_some(())
    });
    let make = "POST /api/v1/users/organization/ HTTP/1.1\r\nContent-Length: 0\r\n";
    assert_eq!(with_cookie(&live, make, &ann).status, 403, "nothing says that a page of this site has sent it");
    // Django's pages have no token of ours: it is what the browser says.
    for (said, status) in [
        ("Origin: https://api.example.com", 400),
        ("Sec-Fetch-Site: same-origin", 400),
        ("Origin: https://evil.example", 403),
        ("Sec-Fetch-Site: same-site", 403),
        ("Sec-Fetch-Site: same-origin\r\nOrigin: https://evil.example", 403),
    ] {
        assert_eq!(with_cookie(&live, &format!("{make}{said}\r\n"), &ann).status, status, "{said}");
    }
    // The table is away: nobody is let in, and it heals.
    live.sql("ALTER TABLE public.django_session RENAME TO elsewhere");
    assert_eq!(with_cookie(&live, "GET /me/x HTTP/1.1\r\n", &ann).status, 503);
    live.sql("ALTER TABLE public.elsewhere RENAME TO django_session");
    becomes(&live, &ann, "ann");
}

#[test]
fn sesame_tokens_are_good_on_both_sides() {
    let redis = RedisServer::start();
    let (live, mut django) = both("database", &redis);
    let token = django.ask(&json!({ "mint": "ann" }))["token"].as_str().unwrap().to_owned();
    let by_link = |token: &str| {
        let ask = format!("GET /me/x HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: sesame {token}\r\n\r\n");
        live.send(ask).status
    };
    assert_eq!(by_link(&token), 200);
    let ours = live.cli(&["sesame", "mint", "--user", "ann"]);
    assert_eq!(django.ask(&json!({ "judge": ours.trim() })), json!({ "user": "ann" }));
    django.must(json!({ "do": "password", "user": "ann", "password": "another-Pw-1" }));
    eventually("the password has ended it", || (by_link(&token) == 401).then_some(()));
    assert_eq!(django.ask(&json!({ "judge": ours.trim() })), json!({ "user": null }));
}

#[test]
fn what_is_missing_is_said_before_anything_is_served() {
    let check = |config: &str| {
        let home = tempfile::TempDir::new().unwrap();
        std::fs::write(home.path().join("postern.yaml"), config).unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_postern"));
        command.current_dir(home.path()).env("POSTERN_DATA_DIR", home.path()).args([
            "doctor",
            "--config",
            "postern.yaml",
        ]);
        text(&command.output().unwrap())
    };
    let live = "database: postgres://postern@127.0.0.1/openwisp\nschema: openwisp\n";
    let key = "key: { env: DJANGO_SECRET_KEY }";
    for (config, words) in [
        (format!("identity: {{ django_session: {{ {key} }} }}\n"), "`django_session` is for `schema: openwisp`"),
        (format!("{live}identity: {{ django_session: {{}} }}\n"), "`django_session` has no `key`"),
        (
            format!("{live}identity: {{ django_session: {{ {key}, engine: cache }} }}\n"),
            "name it with `openwisp.cache`",
        ),
        (format!("{live}identity: {{ django_session: {{ {key}, engine: file }} }}\n"), "signed_cookies"),
    ] {
        let said = check(&config);
        assert!(said.contains(words), "{config}: {said}");
    }
}
