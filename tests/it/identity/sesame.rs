//! Sesame tokens: ours before the real django-sesame, its before us, and a magic link's misuses (attack 74).

use super::{ask, python};
use crate::support::{Gate, Options, Postern, Upstream, eventually};
use serde_json::{Value, json};
use std::time::Duration;

const KEY: &str = "fn)t*+$)ugeyip6-#txyy$5wf2ervc0d2n#h)qb)y5@ly$t*@w";
const PASSWORD: &str = "pbkdf2_sha256$1000000$saltsaltsaltsaltsalt22$kL5XxqqX9nT6Hf3yYb3U3gq9C3x0m9T1r2e3w4q5t6A=";

const ROUTES: &str = r#"
version: 1
upstream: echo
authenticate: [bearer, sesame]
defaults: { inject: { X-Postern-User: user.username } }
routes:
  /me: authenticated
  /x/**: authenticated
  /ws: { GET: { level: authenticated, upgrade: [websocket] } }
  /public/**: public
  /opaque: { level: authenticated, authenticate: bearer }
  /sesame: { level: authenticated, authenticate: sesame }
  /admin: superuser
"#;

fn gate(more: &str) -> Gate {
    gate_before(Upstream::echo(), more)
}

fn gate_before(upstream: Upstream, more: &str) -> Gate {
    let config =
        format!("identity:\n  session: {{ secure: false }}\n  sesame: {{ key: {{ file: django.key }}, {more} }}\n");
    let options = Options { config, ..Options::policy(ROUTES) };
    let home = Postern::prepare(Some(upstream.address()), &options);
    std::fs::write(home.path().join("django.key"), format!("{KEY}\n")).unwrap();
    let mut command = Postern::serve(home.path(), &options);
    let postern = Postern::run(home, &mut command);
    postern.sql(&format!("UPDATE users SET password = '{PASSWORD}' WHERE username = 'uA'"));
    Gate { postern, upstream }
}

fn mint(gate: &Gate, more: &[&str]) -> String {
    gate.postern.cli(&[&["sesame", "mint", "--user", "uA"], more].concat()).trim().to_owned()
}

fn status(gate: &Gate, token: &str) -> u16 {
    gate.send(ask("GET", "/me", &format!("sesame {token}"))).status
}

/// The settings of Django, and what of ours says the same.
const SETTINGS: [(&str, &str); 8] = [
    (r#"{"SESAME_MAX_AGE": 300}"#, "max_age: 5m"),
    (r#"{}"#, "max_age: none"),
    (
        r#"{"SESAME_MAX_AGE": 300, "SESAME_TOKENS": ["sesame.tokens_v1"], "SESAME_ITERATIONS": 50}"#,
        "versions: [v1], iterations: 50",
    ),
    (
        r#"{"SESAME_TOKENS": ["sesame.tokens_v1"], "SESAME_SALT": "pepper", "SESAME_ITERATIONS": 50}"#,
        "max_age: none, versions: [v1], salt: pepper, iterations: 50",
    ),
    (
        r#"{"SESAME_MAX_AGE": 300, "SESAME_INVALIDATE_ON_EMAIL_CHANGE": true, "SESAME_SIGNATURE_SIZE": 20}"#,
        "invalidate_on_email_change: true, signature_size: 20",
    ),
    (r#"{"SESAME_MAX_AGE": 300, "SESAME_ONE_TIME": true}"#, "one_time: true"),
    (
        r#"{"SESAME_TOKENS": ["sesame.tokens_v1"], "SESAME_SALT": "", "SESAME_ITERATIONS": 50}"#,
        "max_age: none, versions: [v1], salt: '', iterations: 50",
    ),
    (
        r#"{"SESAME_MAX_AGE": 300, "SESAME_TOKENS": ["sesame.tokens_v1"], "SESAME_SALT": "", "SESAME_ITERATIONS": 50}"#,
        "versions: [v1], salt: '', iterations: 50",
    ),
];

#[test]
fn the_real_django_sesame_takes_our_tokens_and_we_take_its() {
    for (django, ours) in SETTINGS {
        let gate = gate(ours);
        let last_login = "2025-12-31T23:59:59.123456+00:00";
        gate.postern
            .sql("UPDATE users SET last_login = 1767225599123456, email = 'ua@a.example' WHERE username = 'uA'");
        let mut settings: Value = serde_json::from_str(django).unwrap();
        settings["SECRET_KEY"] = json!(KEY);
        let scopes = !django.contains("tokens_v1");
        let mut judge = vec![json!([mint(&gate, &[]), ""])];
        if scopes {
            judge.push(json!([mint(&gate, &["--scope", "report:7"]), "report:7"]));
        }
        let user: Value = serde_json::from_str(&gate.postern.cli(&["user", "show", "uA", "--json"])).unwrap();
        let user = json!({ "id": user["id"], "password": PASSWORD, "email": "ua@a.example", "last_login": last_login });
        let asked = json!({ "settings": settings, "user": user, "make": [""], "judge": judge });
        let told = python("sesame_tokens.py", &asked);
        assert!(told["judged"].as_array().unwrap().iter().all(|ok| *ok == true), "{django}: {told}");
        let token = told["made"][0].as_str().unwrap();
        assert_eq!(status(&gate, token), 200, "{django}");
        assert_eq!(status(&gate, token), if ours.contains("one_time") { 401 } else { 200 }, "{django}, again");
        if scopes {
            assert_eq!(status(&gate, judge[1][0].as_str().unwrap()), 401, "a scope is for somebody else");
        }
    }
}

#[test]
fn a_link_ends_with_the_password_the_user_and_its_time() {
    let gate = gate("max_age: 5m");
    let token = mint(&gate, &[]);
    assert_eq!((status(&gate, &token), status(&gate, &token)), (200, 200));
    assert_eq!(status(&gate, &mint(&gate, &["--max-age", "1h"])), 200);
    let short = mint(&gate, &["--max-age", "2s"]);
    assert_eq!(status(&gate, &short), 200);
    eventually("it has expired", || (status(&gate, &short) == 401).then_some(()));
    for bad in [&token[..token.len() - 1], &format!("{token}A"), "AAAA", "!", &token.replace(&token[..2], "zz")] {
        assert_eq!(status(&gate, bad), 401, "{bad}");
    }
    gate.upstream.forget();
    gate.refused(ask("GET", "/opaque", &format!("sesame {token}")), 401, "credentials_invalid");
    gate.refused(ask("GET", "/me", &format!("Bearer {token}")), 401, "credentials_invalid");
    let challenges = |target: &str| {
        let answer = gate.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        answer.all("www-authenticate").join(", ")
    };
    assert_eq!((challenges("/sesame"), challenges("/me")), ("sesame".to_owned(), "Bearer".to_owned()));
    gate.postern.cli(&["user", "edit", "uA", "--active=false"]);
    eventually("the user is inactive", || (status(&gate, &token) == 401).then_some(()));
    gate.postern.cli(&["user", "edit", "uA", "--active"]);
    eventually("the user is active", || (status(&gate, &token) == 200).then_some(()));
    gate.postern.sql("UPDATE users SET password = 'pbkdf2_sha256$1$s$another' WHERE username = 'uA'");
    eventually("the password has changed", || (status(&gate, &token) == 401).then_some(()));
    // No part of the password's hash or of a token is in a log.
    let said = format!("{:?}{:?}", gate.postern.stderr(), gate.postern.stdout());
    assert!(!said.contains(&token) && !said.contains("kL5Xxqq") && !said.contains(KEY));
}

#[test]
fn a_gate_with_a_scope_takes_the_tokens_of_that_scope_and_no_others() {
    let gate = gate("scope: reports");
    assert_eq!(status(&gate, &mint(&gate, &[])), 200, "it mints for itself");
    for scope in ["", "report", "reports2", "Reports"] {
        assert_eq!(status(&gate, &mint(&gate, &["--scope", scope])), 401, "{scope}");
    }
    let user: Value = serde_json::from_str(&gate.postern.cli(&["user", "show", "uA", "--json"])).unwrap();
    let settings = json!({ "SESAME_MAX_AGE": 300, "SECRET_KEY": KEY });
    let user = json!({ "id": user["id"], "password": PASSWORD });
    let asked = json!({ "settings": settings, "user": user, "make": ["reports", "", "other"] });
    let told = python("sesame_tokens.py", &asked);
    for (at, wanted) in [200, 401, 401].into_iter().enumerate() {
        let token = told["made"][at].as_str().unwrap();
        assert_eq!((status(&gate, token), status(&gate, token)), (wanted, wanted), "{at}, remembered too");
    }
}

#[test]
fn a_one_time_link_is_used_once_however_many_try() {
    let gate = gate("one_time: true");
    for round in 0..2 {
        let token = mint(&gate, &[]);
        let answers: Vec<u16> = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..40).map(|_| scope.spawn(|| status(&gate, &token))).collect();
            tries.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "round {round}: {answers:?}");
        assert_eq!(status(&gate, &token), 401);
    }
}

/// The link is used up by the handshake, which is judged again each second: by its user then.
#[test]
fn a_websocket_that_a_one_time_link_opened_stays_as_long_as_its_user_may() {
    let upstream = Upstream::with(|exchange| {
        exchange.write(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
              Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        )?;
        loop {
            exchange.write(b"\x81\x02hi")?;
            std::thread::sleep(Duration::from_millis(200));
        }
    });
    let gate = gate_before(upstream, "one_time: true");
    let token = mint(&gate, &[]);
    let mut raw = gate.raw();
    raw.send(format!(
        "GET /ws HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: sesame {token}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ));
    assert_eq!(raw.answer_head().unwrap().0.status, 101);
    assert_eq!(status(&gate, &token), 401, "it is used up");
    std::thread::sleep(Duration::from_millis(3500));
    assert_eq!(gate.postern.metric("postern_websockets_revoked_total"), 0.0);
    gate.postern.sql("UPDATE users SET is_active = 0 WHERE username = 'uA'");
    let rest = raw.rest();
    assert!(rest.starts_with(b"\x81\x02hi") && rest.ends_with(&[0x88, 0x02, 0x03, 0xf0]), "1008 at the end: {rest:?}");
}

#[test]
fn a_token_in_the_query_goes_no_further() {
    let gate = gate("query: key");
    let token = mint(&gate, &[]);
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    for (target, forwarded) in [
        (format!("/x/1?key={token}"), "/x/1"),
        (format!("/x/1?a=1&key={token}&b=2"), "/x/1?a=1&b=2"),
        (format!("/public/x?b=%20&key={token}"), "/public/x?b=%20"),
    ] {
        let recorded = gate.forwarded(get(&target));
        assert_eq!(recorded.target, forwarded);
    }
    let answer = gate.send(get(&format!("/x/1?key={token}")));
    assert_eq!(
        (answer.header("cache-control"), answer.header("referrer-policy")),
        (Some("no-store"), Some("no-referrer"))
    );
    gate.upstream.forget();
    let post = format!("POST /x/1?key={token} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    gate.refused(post, 401, "credentials_invalid");
    for twice in [format!("key={token}&key={token}"), format!("Key={token}"), format!("key[]={token}")] {
        gate.refused(get(&format!("/x/1?{twice}")), 400, "ambiguous");
    }
    gate.refused(ask("GET", &format!("/x/1?key={token}"), "Bearer x"), 400, "ambiguous");
    gate.refused(get("/x/1?key=wrong"), 401, "credentials_invalid");
    gate.refused(get(&format!("/admin?key={token}")), 403, "superuser_only");
    let said = format!("{:?}{:?}", gate.postern.stderr(), gate.postern.access_lines(8));
    assert!(!said.contains(&token));
}

#[test]
fn a_link_may_become_a_session() {
    let routes = ROUTES.replace("[bearer, sesame]", "[sesame, session]")
        + "  /only: { level: authenticated, authenticate: sesame }\n";
    let config = "identity:\n  session: { secure: false }\n  sesame: { key: { file: django.key }, one_time: true, query: { name: key, exchange: true } }\n";
    let options = Options { config: config.to_owned(), ..Options::policy(routes) };
    let upstream = crate::support::Upstream::echo();
    let home = Postern::prepare(Some(upstream.address()), &options);
    std::fs::write(home.path().join("django.key"), KEY).unwrap();
    let mut command = Postern::serve(home.path(), &options);
    let gate = Gate { postern: Postern::run(home, &mut command), upstream };
    let token = mint(&gate, &[]);
    let link = format!("GET /x/1?a=1&key={token} HTTP/1.1\r\nHost: a\r\n\r\n");
    let answer = gate.send(&link);
    assert_eq!((answer.status, answer.header("location")), (303, Some("/x/1?a=1")));
    assert_eq!(
        (answer.header("cache-control"), answer.header("referrer-policy")),
        (Some("no-store"), Some("no-referrer"))
    );
    gate.upstream.assert_untouched("the link");
    let cookies = answer.all("set-cookie");
    assert!(cookies[0].contains("HttpOnly") && cookies[0].contains("SameSite=Lax"));
    let session = cookies[0].split(';').next().unwrap();
    let recorded = gate.forwarded(format!("GET /x/1?a=1 HTTP/1.1\r\nHost: a\r\nCookie: theme=dark; {session}\r\n\r\n"));
    assert_eq!((recorded.header("x-postern-user"), recorded.header("cookie")), (Some("uA"), Some("theme=dark")));
    assert_eq!(gate.send(&link).status, 401, "the link was for once");
    // A browser sends its cookie whether or not that still opens anything: the link counts, and the session before it ends.
    for old in [session, "postern=ended-long-ago"] {
        let token = mint(&gate, &[]);
        let by_hand = "Sec-Fetch-Site: none";
        let answer =
            gate.send(format!("GET /x/1?key={token} HTTP/1.1\r\nHost: a\r\n{by_hand}\r\nCookie: {old}\r\n\r\n"));
        assert_eq!(answer.status, 303, "{}", answer.text());
        let new = answer.all("set-cookie")[0].split(';').next().unwrap().to_owned();
        let status =
            |cookie: &str| gate.send(format!("GET /x/1 HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n")).status;
        assert_eq!(status(&new), 200);
        eventually("the old one is over", || (status(old) == 401).then_some(()));
    }
    // What another site has opened asks first, and uses nothing up.
    let token = mint(&gate, &[]);
    let mut current = gate.send(format!("GET /x/1?key={token} HTTP/1.1\r\nHost: a\r\n\r\n"));
    let session = current.all("set-cookie")[0].split(';').next().unwrap().to_owned();
    let token = gate.postern.cli(&["sesame", "mint", "--user", "uB"]).trim().to_owned();
    let follow =
        |said: &str| gate.send(format!("GET /x/1?key={token} HTTP/1.1\r\nHost: a\r\nCookie: {session}\r\n{said}\r\n"));
    for said in
        ["Sec-Fetch-Site: cross-site\r\n", "Sec-Fetch-Site: same-site\r\n", "Referer: https://evil.example/\r\n", ""]
    {
        let answer = follow(said);
        assert_eq!((answer.status, answer.all("set-cookie").len()), (403, 0), "{said}");
        let page = answer.text();
        assert!(page.contains("Log in with this link?") && !page.contains(&token), "{page}");
        assert!(answer.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
        let mine = gate.forwarded(format!("GET /x/1 HTTP/1.1\r\nHost: a\r\nCookie: {session}\r\n\r\n"));
        assert_eq!(mine.header("x-postern-user"), Some("uA"), "{said}");
    }
    current = follow("Sec-Fetch-Site: same-origin\r\n");
    assert_eq!((current.status, current.all("set-cookie").len()), (303, 2));
    // Where no session is taken, the link itself opens.
    let token = mint(&gate, &[]);
    let recorded = gate.forwarded(format!("GET /only?key={token}&a=1 HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_eq!((recorded.header("x-postern-user"), recorded.target.as_str()), (Some("uA"), "/only?a=1"));
}

/// Django finds an address as it is written.
#[test]
fn a_link_for_an_address_ends_with_a_letter_of_it() {
    let gate = gate("max_age: 5m, primary_key_field: email, key_type: char");
    gate.postern.cli(&["user", "edit", "uA", "--email", "ua@a.example"]);
    let token = mint(&gate, &[]);
    assert_eq!(status(&gate, &token), 200);
    gate.postern.cli(&["user", "edit", "uA", "--email", "UA@a.example"]);
    eventually("it is somebody else's", || (status(&gate, &token) == 401).then_some(()));
    assert_eq!(status(&gate, &mint(&gate, &[])), 200);
}
