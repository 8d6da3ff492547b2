//! Logins of programs by a code (RFC 8628): with the command line and a real browser, and as somebody would who wants to misuse them.

use super::browser::{Browser, LOGIN, field};
use crate::support::chromium::Chromium;
use crate::support::{Gate, Options, Postern, Upstream, eventually_within, free_port};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const ROUTES: &str = "
version: 1
upstream: echo
authenticate: [bearer, session]
defaults: { inject: { X-Postern-User: user.username } }
routes:
  /me/**: authenticated
";
const DEVICE: &str = "/api/v1/users/device/";
const WORD: &str = "s3cret-word";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

fn gate(login: &str, identity: &str) -> (Gate, u16) {
    let port = free_port();
    let mut options = Options::policy(ROUTES).set("listen", format!("127.0.0.1:{port}"));
    options.config = format!(
        "public_url: http://localhost:{port}\naudit: audit.jsonl\nidentity:\n  api: token\n  session: {{ secure: false }}\n  \
         passwords: {{ memory: 64KiB, passes: 1 }}\n  token: {{ throttle: none }}\n{login}{identity}"
    );
    let upstream = Upstream::echo();
    let home = Postern::prepare(Some(upstream.address()), &options);
    std::fs::write(home.path().join("key"), "k".repeat(50)).unwrap();
    let mut command = Postern::serve(home.path(), &options);
    let gate = Gate { postern: Postern::run(home, &mut command), upstream };
    gate.postern.cli_with(&["user", "create", "lena", "--password-stdin"], &format!("{WORD}\n"));
    (gate, port)
}

fn on() -> Gate {
    gate("  login: { device: on }\n", "").0
}

/// What an endpoint answers to a form.
fn oauth(gate: &Gate, path: &str, fields: &[(&str, &str)]) -> (u16, Value) {
    let answer = Browser::of(gate).ask("POST", &format!("{DEVICE}{path}/"), Some(fields));
    assert_eq!(answer.header("content-type"), Some("application/json"), "{}", answer.text());
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    (answer.status, answer.json())
}

/// The device's code, and the user's.
fn begin(gate: &Gate, scope: &str) -> (String, String) {
    let (status, told) = oauth(gate, "authorization", &[("client_id", "postern"), ("scope", scope)]);
    assert_eq!((status, told["expires_in"].as_u64(), told["interval"].as_u64()), (200, Some(600), Some(5)), "{told}");
    let text = |name: &str| told[name].as_str().unwrap().to_owned();
    assert!(text("verification_uri").ends_with(DEVICE));
    assert!(text("verification_uri_complete").ends_with(&text("user_code")));
    (text("device_code"), text("user_code"))
}

/// What a device is told that has waited long enough.
fn ask(gate: &Gate, device: &str) -> Value {
    gate.postern.sql("UPDATE device_logins SET asked_at = 0");
    ask_now(gate, device)
}

fn ask_now(gate: &Gate, device: &str) -> Value {
    oauth(gate, "token", &[("client_id", "postern"), ("grant_type", GRANT), ("device_code", device)]).1
}

fn lena(gate: &Gate) -> Browser<'_> {
    let mut browser = Browser::of(gate);
    assert_eq!(browser.log_in("lena", WORD).status, 303);
    browser
}

fn say(browser: &mut Browser<'_>, code: &str, what: &str) -> u16 {
    browser.send(DEVICE, &[("code", code), ("do", what)]).status
}

#[test]
fn the_command_line_logs_in_by_a_browser_and_out() {
    let (gate, port) = gate("  login: { device: on }\n", "");
    let base = format!("http://localhost:{port}");
    let tokens = gate.postern.home().join("config/postern/tokens.json");
    let postern = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.args(args).args(["--server", &base]).env("XDG_CONFIG_HOME", gate.postern.home().join("config"));
        command.env_remove("POSTERN_CONFIG").current_dir("/").stdin(Stdio::null()).stderr(Stdio::piped());
        command
    };
    let mut child = postern(&["login", "--name", "build <server>", "--read-only"]).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let code = line.trim().rsplit(' ').next().unwrap().to_owned();
    assert!(line.contains(&format!("{base}{DEVICE}")) && code.len() == 11, "{line}");
    let mut browser = Chromium::open().without_scripts();
    // By the address with the code in it, which lets nothing in by itself.
    browser.open_page(&format!("{base}{DEVICE}?code={code}"));
    assert!(browser.url().contains(LOGIN), "{}", browser.url());
    browser.fill("username", "lena");
    browser.fill("password", WORD);
    browser.click("button[type=submit]");
    browser.click("button[value=look]");
    let text = browser.text();
    for part in ["build <server>", "127.0.0.1", "read", &code, "Whoever sent you this code would act in your name"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    browser.click("button[value=approve]");
    assert!(browser.text().contains("The device is let in"), "{}", browser.text());
    let done = eventually_within(Duration::from_secs(30), "the command ends", || child.try_wait().unwrap());
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert!(done.success() && rest.contains("Logged in"), "{rest}");
    assert_eq!(std::fs::metadata(&tokens).unwrap().permissions().mode() & 0o777, 0o600);
    let kept: Value = serde_json::from_slice(&std::fs::read(&tokens).unwrap()).unwrap();
    let token = kept[format!("{base}/api/v1/users/")].as_str().unwrap().to_owned();
    let with = |method: &str| {
        let head =
            format!("{method} /me/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n");
        gate.send(head).status
    };
    assert_eq!((with("GET"), with("POST")), (200, 403), "for reading alone");
    assert_eq!(gate.upstream.last().header("x-postern-user"), Some("lena"));
    assert!(gate.postern.cli(&["token", "list", "--json"]).contains("postern login: build <server>"));
    let out = postern(&["logout"]).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(with("GET"), 401);
    assert_eq!(std::fs::read_to_string(&tokens).unwrap().trim(), "{}");
    let again = postern(&["logout"]).output().unwrap();
    assert!(!again.status.success() && String::from_utf8_lossy(&again.stderr).contains("nobody is logged in"));
    let log = format!("{:?}{:?}", gate.postern.stderr(), gate.postern.stdout());
    assert!(!log.contains(&token) && !log.contains(&code));
}

#[test]
fn a_device_is_told_what_the_rfc_says() {
    let gate = on();
    let (device, code) = begin(&gate, "");
    let word = |told: &Value| told["error"].as_str().unwrap_or_default().to_owned();
    assert_eq!(word(&ask_now(&gate, &device)), "authorization_pending");
    assert_eq!(word(&ask_now(&gate, &device)), "slow_down", "5 s are not over");
    assert_eq!(
        gate.postern.query("SELECT every || '' FROM device_logins"),
        "5",
        "the device keeps count, and nothing is written"
    );
    assert_eq!(word(&ask(&gate, &device)), "authorization_pending");
    let mut browser = lena(&gate);
    assert_eq!((say(&mut browser, &code, "deny"), say(&mut browser, &code, "approve")), (200, 400), "once");
    assert_eq!(word(&ask(&gate, &device)), "access_denied");
    assert_eq!(word(&ask(&gate, &device)), "invalid_grant", "told once");

    let (device, code) = begin(&gate, "");
    gate.postern.sql("UPDATE device_logins SET expires_at = 1");
    assert_eq!(say(&mut browser, &code, "approve"), 400, "too late");
    assert_eq!(word(&ask(&gate, &device)), "expired_token");

    for (path, fields, error) in [
        ("authorization", vec![], "invalid_request"),
        ("authorization", vec![("client_id", "")], "invalid_request"),
        ("authorization", vec![("client_id", "another")], "invalid_client"),
        ("authorization", vec![("client_id", "postern"), ("client_id", "postern")], "invalid_request"),
        ("authorization", vec![("client_id", "postern"), ("scope", "openid")], "invalid_scope"),
        ("authorization", vec![("client_id", "postern"), ("device_name", "a\u{1b}[2J")], "invalid_request"),
        ("authorization", vec![("client_id", "postern"), ("device_name", "ecalp\u{202e}")], "invalid_request"),
        ("authorization", vec![("client_id", "postern"), ("device_name", "pla\u{200b}ce")], "invalid_request"),
        ("token", vec![("client_id", "postern"), ("device_code", "x")], "invalid_request"),
        ("token", vec![("client_id", "postern"), ("grant_type", "password")], "unsupported_grant_type"),
        ("token", vec![("client_id", "postern"), ("grant_type", GRANT)], "invalid_request"),
        ("token", vec![("client_id", "postern"), ("grant_type", GRANT), ("device_code", "x")], "invalid_grant"),
        ("token", vec![("client_id", "x"), ("grant_type", GRANT), ("device_code", &device)], "invalid_client"),
        ("revocation", vec![("client_id", "postern")], "invalid_request"),
    ] {
        let (status, told) = oauth(&gate, path, &fields);
        assert_eq!((status, word(&told).as_str()), (400, error), "{path} {fields:?}");
    }
    assert_eq!(oauth(&gate, "revocation", &[("client_id", "postern"), ("token", "x")]).0, 200, "RFC 7009, 2.2");
    let body = "{\"client_id\":\"postern\"}";
    let json = gate.send(format!(
        "POST {DEVICE}authorization/ HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert_eq!((json.status, json.json()["error"].as_str()), (400, Some("invalid_request")));
    assert_eq!(Browser::of(&gate).get(&format!("{DEVICE}token/")).status, 405);
}

#[test]
fn of_a_thousand_who_ask_for_one_token_one_gets_it() {
    let gate = on();
    let (device, code) = begin(&gate, "");
    assert_eq!(say(&mut lena(&gate), &code.to_lowercase().replace('-', " "), "approve"), 200);
    gate.postern.sql("UPDATE device_logins SET asked_at = 0");
    let (tokens, others) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let told = ask_now(&gate, &device);
                    let _ =
                        if told["access_token"].is_string() { &tokens } else { &others }.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!((tokens.into_inner(), others.into_inner()), (1, 999));
    assert_eq!(gate.postern.query("SELECT count(*) || '' FROM tokens WHERE name = 'postern login'"), "1");
}

#[test]
fn nobody_lets_a_device_in_for_somebody_else() {
    let gate = on();
    let (device, code) = begin(&gate, "");
    let mut browser = lena(&gate);
    // A link, a page of another site, and a form of nobody's do nothing.
    let page = browser.get(&format!("{DEVICE}?code={code}"));
    assert_eq!((page.status, field(&page.text(), "csrf").is_some()), (200, true));
    assert!(!page.text().contains("value=\"approve\""));
    let form = |csrf: &str| {
        vec![
            ("csrf".to_owned(), csrf.to_owned()),
            ("code".to_owned(), code.clone()),
            ("do".to_owned(), "approve".to_owned()),
        ]
    };
    let post = |browser: &mut Browser<'_>, csrf: &str| {
        let form = form(csrf);
        let form: Vec<_> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        browser.ask("POST", DEVICE, Some(&form)).status
    };
    let csrf = field(&page.text(), "csrf").unwrap();
    assert_eq!((post(&mut browser, ""), post(&mut browser, "x")), (403, 403));
    browser.headers = "Origin: https://evil.example\r\nSec-Fetch-Site: cross-site\r\n".to_owned();
    assert_eq!(post(&mut browser, &csrf), 403);
    browser.headers = String::new();
    assert_eq!(ask(&gate, &device)["error"], "authorization_pending");
    // Nobody is led to the login page, with the code.
    let to = Browser::of(&gate).get(&format!("{DEVICE}?code={code}"));
    assert!(to.header("location").unwrap().starts_with(&format!("{LOGIN}?next=")), "{to:?}");
    // Guesses end, and then the right code is none either.
    let statuses: Vec<u16> = (0..25).map(|_| say(&mut browser, "BBBBB-BBBBB", "look")).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 400).count(), 5, "{statuses:?}");
    assert_eq!(say(&mut browser, &code, "approve"), 429);
    assert_eq!(ask(&gate, &device)["error"], "authorization_pending");
}

#[test]
fn a_token_is_narrowed_to_what_was_asked_for() {
    let gate = on();
    gate.postern.cli(&["org", "create", "globex-two", "--slug", "globex-two"]);
    let mut browser = lena(&gate);
    let (device, code) = begin(&gate, "read org:globex-two");
    assert_eq!(say(&mut browser, &code, "approve"), 200);
    assert_eq!(ask(&gate, &device)["error"], "access_denied", "she is no member of it");
    gate.postern.cli(&["member", "add", "--org", "globex-two", "--user", "lena"]);
    let (device, code) = begin(&gate, "read org:globex-two");
    assert_eq!(say(&mut browser, &code, "approve"), 200);
    let told = ask(&gate, &device);
    assert!(told["access_token"].is_string() && told["token_type"] == "Bearer", "{told}");
    assert_eq!((told["scope"].as_str(), told["expires_in"].as_u64()), (Some("read org:globex-two"), Some(30 * 86_400)));
    let kept =
        gate.postern.query("SELECT read_only || ' ' || length(organizations) FROM tokens WHERE name = 'postern login'");
    assert_eq!(kept, "1 36");
    // Who has gone meanwhile gets none.
    let (device, code) = begin(&gate, "");
    assert_eq!(say(&mut browser, &code, "approve"), 200);
    gate.postern.cli(&["user", "delete", "lena"]);
    assert_eq!(ask(&gate, &device)["error"], "invalid_grant");
}

/// Who lets a device in, and is not let in any more when it comes for its token.
#[test]
fn a_device_that_was_let_in_by_who_has_gone_gets_nothing() {
    let gate = on();
    let approved = || {
        let (device, code) = begin(&gate, "");
        assert_eq!(say(&mut lena(&gate), &code, "approve"), 200);
        device
    };
    let device = approved();
    gate.postern.cli(&["user", "edit", "lena", "--active=false"]);
    assert_eq!(ask(&gate, &device)["error"], "access_denied");
    gate.postern.cli(&["user", "edit", "lena", "--active=true"]);
    let device = approved();
    gate.postern.cli(&["user", "edit", "lena", "--expiration-date", "2020-01-01"]);
    assert_eq!(ask(&gate, &device)["error"], "access_denied");
    gate.postern.cli(&["user", "edit", "lena", "--expiration-date", "2999-01-01"]);
    let device = approved();
    gate.postern.sql("UPDATE users SET password = password || ' '");
    assert_eq!(ask(&gate, &device)["error"], "access_denied");
    assert_eq!(gate.postern.query("SELECT count(*) || '' FROM tokens WHERE name = 'postern login'"), "0");
}

#[test]
fn one_address_begins_so_many_and_asks_so_often() {
    let gate = on();
    let (device, _) = begin(&gate, "");
    let fields = [("client_id", "postern")];
    let statuses: Vec<u16> = (0..35).map(|_| oauth(&gate, "authorization", &fields).0).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 29, "{statuses:?}");
    let kept = || gate.postern.query("SELECT sum(asked_at + every) || '' FROM device_logins");
    assert_eq!(ask_now(&gate, &device)["error"], "authorization_pending");
    let before = kept();
    for _ in 0..200 {
        assert_eq!(ask_now(&gate, &device)["error"], "slow_down");
    }
    assert_eq!(kept(), before, "nothing is written for who asks too early");
}

#[test]
fn a_second_factor_is_shown_before_a_device_is_let_in() {
    let (gate, _) = gate("  login: { device: on }\n", "  mfa: { key: { file: key }, required_for: [staff] }\n");
    let mut browser = lena(&gate);
    let (device, code) = begin(&gate, "");
    gate.postern.cli(&["user", "edit", "lena", "--staff=true"]);
    assert_eq!(browser.get(DEVICE).status, 303, "her session has shown none");
    let csrf = browser.cookies.clone();
    assert!(csrf.contains_key("postern_session"));
    assert_eq!(browser.ask("POST", DEVICE, Some(&[("code", code.as_str()), ("do", "approve")])).status, 303);
    assert_eq!(ask(&gate, &device)["error"], "authorization_pending");
}

#[test]
fn it_is_off_unless_it_is_on() {
    let (gate, _) = gate("", "");
    for path in ["", "authorization/", "token/", "revocation/"] {
        assert_eq!(Browser::of(&gate).ask("POST", &format!("{DEVICE}{path}"), Some(&[])).status, 404, "{path}");
    }
}
