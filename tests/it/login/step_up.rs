//! Routes that want a second factor shown lately (`mfa: 15m`): a browser shows it once more and comes back, a script is told so.

use super::browser::Browser;
use super::second_factor::{CODE, codes, gate, set_up};
use crate::support::chromium::Chromium;
use crate::support::{Options, Postern, Upstream, Who, eventually, free_port};

const STALE: &str = "second_factor_stale";

#[test]
fn a_session_shows_its_second_factor_once_more_where_a_route_wants_it_lately() {
    let gate = gate("");
    let mut lena = Browser::of(&gate);
    lena.log_in("lena", "s3cret-word");
    assert_eq!(lena.whoami(), 200);
    gate.upstream.forget();
    // She has none yet: then she sets one up.
    let refused = lena.get("/safe/x");
    assert_eq!((refused.status, refused.code().as_str()), (401, STALE));
    let challenge = "Bearer error=\"insufficient_user_authentication\", max_age=\"900\"";
    assert_eq!(refused.header("www-authenticate"), Some(challenge));
    let problem: serde_json::Value = serde_json::from_str(&refused.text()).unwrap();
    assert_eq!((&problem["max_age"], &problem["status"]), (&900.into(), &401.into()), "{problem}");
    let page = lena.get("/page/x");
    assert_eq!((page.code().as_str(), page.header("www-authenticate")), (STALE, Some("Cookie")));
    lena.headers = "Sec-Fetch-Mode: navigate\r\n".to_owned();
    let led = lena.get("/safe/x?a=b");
    assert_eq!((led.status, led.header("location")), (303, Some("/api/v1/users/login/code/?next=/safe/x%3Fa%3Db")));
    gate.upstream.assert_untouched("nothing was shown");
    lena.headers.clear();
    let form = lena.get(led.header("location").unwrap()).text();
    let codes = codes(&form);
    let done = set_up(&mut lena, &form, &codes[0], "s3cret-word");
    assert!(
        done.text().contains("href=\"&#x2f;safe") || done.text().contains("href=\"/safe/x?a=b\""),
        "{}",
        done.text()
    );
    assert_eq!((lena.get("/safe/x").status, lena.get("/page/x").status), (200, 200));

    // It grows old for these routes, and for no others.
    gate.postern.sql("UPDATE sessions SET factor_at = factor_at - 901");
    eventually("it is too old", || lena.get("/safe/x").refuses(STALE).then_some(()));
    assert_eq!(lena.whoami(), 200);
    assert_eq!(lena.ask("POST", "/safe/x", Some(&[("a", "b")])).code(), STALE);
    let at = format!("{CODE}?next=/safe/x");
    assert_eq!((lena.send(&at, &[("code", "000000")]).status, lena.get("/safe/x").status), (400, 401));
    let shown = lena.send(&at, &[("code", &codes[1])]);
    assert_eq!((shown.status, shown.header("location"), lena.get("/safe/x").status), (303, Some("/safe/x"), 200));
    assert_eq!(gate.postern.query("SELECT count(*) || '' FROM second_factors"), "1", "it was shown, and not ended");
}

#[test]
fn what_is_no_session_cannot_show_a_second_factor() {
    let gate = gate("");
    assert_eq!(gate.get(Who::uA, "/me/x").status, 200);
    gate.upstream.forget();
    for who in [Who::uA, Who::su] {
        let refused = gate.get(who, "/safe/x");
        assert_eq!((refused.status, refused.code().as_str()), (403, "second_factor_required"));
    }
    assert_eq!(gate.get(Who::nobody, "/safe/x").code(), "credentials_missing");
    let token = gate.postern.cli(&["sesame", "mint", "--user", "lena"]).trim().to_owned();
    let by_link = format!("GET /safe/x HTTP/1.1\r\nHost: a\r\nAuthorization: sesame {token}\r\n\r\n");
    assert_eq!(gate.send(by_link).code(), "second_factor_required");
    gate.upstream.assert_untouched("no second factor");
}

/// In a real browser without scripts: from the page that wants it, through a set-up, and back.
#[test]
fn without_scripts_a_page_that_wants_a_second_factor_is_reached() {
    let port = free_port();
    let mut options = Options::policy(
        "version: 1\nupstream: echo\nauthenticate: session\nroutes:\n  /me/**: authenticated\n  /safe/**: { level: authenticated, mfa: 15m }\n",
    )
    .set("listen", format!("127.0.0.1:{port}"));
    options.config = "identity:\n  api: token\n  session: { secure: false }\n  passwords: { memory: 64KiB, passes: 1 }\n  mfa: { key: { file: key } }\n".to_owned();
    let upstream = Upstream::echo();
    let home = Postern::prepare(Some(upstream.address()), &options);
    std::fs::write(home.path().join("key"), "k".repeat(50)).unwrap();
    let mut command = Postern::serve(home.path(), &options);
    let postern = Postern::run(home, &mut command);
    postern.cli_with(&["user", "create", "lena", "--password-stdin"], "s3cret-word\n");
    let mut browser = Chromium::open().without_scripts();
    browser.open_page(&format!("http://localhost:{port}/safe/x?a=b"));
    browser.fill("username", "lena");
    browser.fill("password", "s3cret-word");
    browser.click("button");
    assert!(browser.url().contains("/login/code/?next="), "{}", browser.url());
    let secret = browser.eval("document.querySelector('code').textContent");
    let code = codes(&format!("<code>{}</code>", secret.as_str().unwrap())).remove(0);
    browser.fill("password", "s3cret-word");
    browser.fill("code", &code);
    browser.click("button");
    browser.click("a[href*='safe']");
    assert_eq!(browser.url(), format!("http://localhost:{port}/safe/x?a=b"));
    assert_eq!(upstream.recorded().len(), 1);
}
