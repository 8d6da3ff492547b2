//! Sessions: a cookie that only the gate reads, and that changes nothing for a page of somebody else.

use crate::support::{Gate, Options, Postern, World, eventually};
use postern::decision::CsrfToken;
use postern::directory::sqlite::{Options as StoreOptions, SqliteStore};
use postern::directory::token::TokenDigest;
use postern::directory::{Directory, NewSession, Viewer};

const ROUTES: &str = r#"
version: 1
upstream: echo
authenticate: [bearer, session]
defaults: { inject: { X-Postern-User: user.username } }
routes:
  /me: authenticated
  /forms: { level: authenticated, authenticate: session, csrf: token }
  /opaque: { level: authenticated, authenticate: bearer }
  /browser: { level: authenticated, authenticate: session }
"#;

const TOKEN: &str = "dGVzdC1zZXNzaW9uLXRva2VuLW9mLTMyLWJ5dGVzISE";

fn gate() -> Gate {
    let config = "identity: { session: { secure: false } }\n".to_owned();
    Gate::with(&Options { config, ..Options::policy(ROUTES) })
}

/// A session of uA with that token, made as a login makes it.
fn begin(postern: &Postern, seconds: i64, instead_of: Option<TokenDigest>) {
    let store = SqliteStore::open(&postern.home().join("postern.db"), StoreOptions::default()).unwrap();
    let store = Directory::from(store).as_seen_by(Viewer::Operator);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let user = store.user(&"uA".into()).await.unwrap().id;
        let expires_at = postern::clock::unix_seconds() + seconds;
        store
            .directory()
            .create_session(NewSession {
                user,
                digest: TokenDigest::of(TOKEN),
                expires_at,
                by_password: false,
                proof: None,
                instead_of,
            })
            .await
            .unwrap();
    });
}

fn with_cookie(method: &str, more: &str) -> String {
    format!(
        "{method} /me HTTP/1.1\r\nHost: app.example\r\nCookie: a=b; postern_session={TOKEN}\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

#[test]
fn a_session_lasts_until_it_is_ended() {
    let gate = gate();
    gate.refused(with_cookie("GET", ""), 401, "credentials_invalid");
    begin(&gate.postern, 600, None);
    // A moment ago it was nobody's, and that is not remembered.
    let recorded = gate.forwarded(with_cookie("GET", ""));
    assert_eq!((recorded.header("x-postern-user"), recorded.header("cookie")), (Some("uA"), Some("a=b")));
    let answer = gate.send(with_cookie("GET", ""));
    assert!(answer.all("vary").iter().any(|vary| vary.eq_ignore_ascii_case("cookie")), "{:?}", answer.all("vary"));
    // It is no bearer token, and a bearer token is no session.
    gate.upstream.forget();
    gate.refused(super::ask("GET", "/me", &format!("Bearer {TOKEN}")), 401, "credentials_invalid");
    let bearer = World::get().token_of("uA");
    gate.refused(
        format!("GET /me HTTP/1.1\r\nHost: a\r\nCookie: postern_session={bearer}\r\n\r\n"),
        401,
        "credentials_invalid",
    );
    let refused = gate.refused("GET /browser HTTP/1.1\r\nHost: a\r\n\r\n", 401, "credentials_missing");
    assert_eq!(refused.all("www-authenticate"), ["Cookie"], "a header would not be taken");
    let both = format!("Authorization: Bearer {bearer}\r\n");
    gate.refused(with_cookie("GET", &both), 400, "ambiguous");
    gate.refused(with_cookie("GET", &format!("Cookie: postern_session={TOKEN}\r\n")), 400, "ambiguous");
    // Where sessions are not taken, the cookie is not looked at, and goes no further.
    let opaque = with_cookie("GET", &both).replace("/me", "/opaque");
    assert_eq!(gate.forwarded(opaque).header("cookie"), Some("a=b"));
    gate.postern.sql("UPDATE users SET password = 'x$y' WHERE username = 'uA'");
    eventually("a new password ends it", || (gate.send(with_cookie("GET", "")).status == 401).then_some(()));
}

#[test]
fn a_session_expires() {
    let gate = gate();
    begin(&gate.postern, 2, None);
    assert_eq!(gate.send(with_cookie("GET", "")).status, 200);
    eventually("it has expired", || (gate.send(with_cookie("GET", "")).status == 401).then_some(()));
    begin(&gate.postern, 600, Some(TokenDigest::of(TOKEN)));
    eventually("a new one in its place", || (gate.send(with_cookie("GET", "")).status == 200).then_some(()));
}

#[test]
fn a_page_of_somebody_else_changes_nothing() {
    let gate = gate();
    begin(&gate.postern, 600, None);
    let token = format!("X-CSRF-Token: {}\r\n", CsrfToken::of(TOKEN).as_str());
    let ours = format!("Origin: https://app.example\r\n{token}");
    for good in [&token, &ours] {
        assert_eq!(gate.send(with_cookie("POST", good)).status, 200);
    }
    gate.upstream.forget();
    gate.refused(with_cookie("POST", ""), 403, "csrf_failed");
    gate.refused(with_cookie("DELETE", "X-CSRF-Token: wrong\r\n"), 403, "csrf_failed");
    gate.refused(with_cookie("POST", &format!("{token}{token}")), 403, "csrf_failed");
    // What the browser says of the page is enough, and what it says of another page is in the way of everything.
    let origin = "Origin: https://app.example\r\n";
    let site = |said: &str| format!("Sec-Fetch-Site: {said}\r\n");
    for good in [origin.to_owned(), site("same-origin"), site("same-origin") + origin, site("same-site") + &token] {
        assert_eq!(gate.send(with_cookie("POST", &good)).status, 200, "{good}");
    }
    gate.upstream.forget();
    for bad in [
        site("none"),
        site("same-site") + origin,
        site("cross-site") + origin,
        site("same-origin") + "Origin: https://evil.example\r\n",
        site("same-origin") + &site("same-origin"),
        "Referer: https://app.example/form\r\n".to_owned(),
    ] {
        gate.refused(with_cookie("POST", &bad), 403, "csrf_failed");
    }
    gate.refused(with_cookie("POST", &format!("Origin: https://evil.example\r\n{token}")), 403, "csrf_failed");
    gate.refused(with_cookie("PUT", &format!("Origin: null\r\n{token}")), 403, "csrf_failed");
    // What no cookie carries needs no such proof.
    assert_eq!(gate.send(super::ask("POST", "/me", &format!("Bearer {}", World::get().token_of("uA")))).status, 200);
}

#[test]
fn a_session_of_somebody_who_was_inactive_stays_ended() {
    let gate = gate();
    begin(&gate.postern, 600, None);
    gate.forwarded(with_cookie("GET", ""));
    gate.postern.cli(&["user", "edit", "uA", "--active=false"]);
    eventually("the user is inactive", || (gate.send(with_cookie("GET", "")).status == 401).then_some(()));
    gate.postern.cli(&["user", "edit", "uA", "--active=true"]);
    let opaque = World::get().token_of("uA");
    let by_token = format!("GET /me HTTP/1.1\r\nHost: app.example\r\nAuthorization: Bearer {opaque}\r\n\r\n");
    eventually("the user is active again", || (gate.send(by_token.clone()).status == 200).then_some(()));
    gate.upstream.forget();
    gate.refused(with_cookie("GET", ""), 401, "credentials_invalid");
}

#[test]
fn a_form_may_repeat_the_token_where_what_a_browser_says_is_not_enough() {
    let gate = gate();
    begin(&gate.postern, 600, None);
    let token = CsrfToken::of(TOKEN);
    let post = |kind: &str, more: &str, body: &str| {
        let form = format!("Content-Type: {kind}\r\n{more}Content-Length: {}\r\n\r\n{body}", body.len());
        with_cookie("POST", "").replace("/me", "/forms").replace("Content-Length: 0\r\n\r\n", &form)
    };
    const FORM: &str = "application/x-www-form-urlencoded";
    const MULTIPART: &str = "multipart/form-data; boundary=x";
    let field = format!("a=1&postern_csrf={}&b=2", token.as_str());
    let part =
        format!("--x\r\nContent-Disposition: form-data; name=\"postern_csrf\"\r\n\r\n{}\r\n--x--", token.as_str());
    for (kind, body) in [(FORM, &field), (MULTIPART, &part)] {
        let forwarded = gate.forwarded(post(kind, "Origin: https://app.example\r\n", body));
        assert_eq!(String::from_utf8(forwarded.body).unwrap(), *body, "it goes on as it came");
    }
    let header = format!("X-CSRF-Token: {}\r\n", token.as_str());
    assert_eq!(gate.send(post("application/json", &header, "{}")).status, 200);
    gate.upstream.forget();
    let json = format!("{{\"postern_csrf\": \"{}\"}}", token.as_str());
    for (kind, more, body) in [
        (FORM, "Origin: https://app.example\r\nSec-Fetch-Site: same-origin\r\n", "a=1"),
        (FORM, "", "postern_csrf="),
        (FORM, "", &field.replace("postern_csrf=", "postern_csrf=x")),
        (FORM, "", &format!("{field}&postern_csrf={}", token.as_str())),
        (FORM, "Origin: https://evil.example\r\n", &field),
        ("text/plain", "", &field),
        ("application/json", "", &json),
    ] {
        gate.refused(post(kind, more, body), 403, "csrf_failed");
    }
}
