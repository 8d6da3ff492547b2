//! The pages on which people log in and out: as curl uses them, and as somebody would who wants to misuse them.

use super::browser::{Browser, field};
use crate::support::tls::Authority;
use crate::support::{Answer, Gate, Options, eventually};
use std::process::Command;

const ROUTES: &str = "
version: 1
upstream: echo
authenticate: [bearer, session]
defaults: { inject: { X-Postern-User: user.username } }
routes:
  /me/**: authenticated
";
const LOGIN: &str = super::browser::LOGIN;
const LOGOUT: &str = "/api/v1/users/logout/";
const SESSION: &str = "postern_session";

fn gate(identity: &str) -> Gate {
    with_passwords("", identity)
}

fn with_passwords(more: &str, identity: &str) -> Gate {
    let mut options = Options::policy(ROUTES);
    let passwords = format!("  passwords: {{ memory: 64KiB, passes: 1{more} }}\n");
    options.config = format!("identity:\n  api: token\n  session: {{ secure: false }}\n{passwords}{identity}");
    let gate = Gate::with(&options);
    gate.postern
        .cli_with(&["user", "create", "lena", "--email", "lena@example.org", "--password-stdin"], "s3cret-word\n");
    gate
}

#[test]
fn curl_logs_in_goes_on_and_logs_out() {
    let gate = gate("");
    let home = gate.postern.home();
    let jar = home.join("jar");
    let curl = |args: &[&str]| {
        let mut command = Command::new("curl");
        command
            .args(["-sS", "-m", "20", "-o", "-", "-w", "\n%{http_code} %{redirect_url}", "-b"])
            .arg(&jar)
            .arg("-c")
            .arg(&jar);
        let output = command.args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let (page, told) = text.rsplit_once('\n').unwrap();
        (page.to_owned(), told.to_owned())
    };
    let url = |path: &str| format!("http://{}{path}", gate.postern.data);
    let (page, told) = curl(&[&url(&format!("{LOGIN}?next=/me/first%3Fa%3Db"))]);
    assert!(told.starts_with("200"), "{told}");
    let csrf = format!("csrf={}", field(&page, "csrf").unwrap());
    let next = format!("next={}", field(&page, "next").unwrap());
    let filled = ["--data-urlencode", &csrf, "--data-urlencode", &next];
    let (_, told) = curl(
        &[&filled[..], &["--data-urlencode", "username=LENA@example.org", "-d", "password=s3cret-word", &url(LOGIN)]]
            .concat(),
    );
    assert_eq!(told, format!("303 {}", url("/me/first?a=b")));
    gate.upstream.forget();
    assert!(curl(&[&url("/me/first?a=b")]).1.starts_with("200"));
    let seen = gate.upstream.recorded();
    assert_eq!(seen[0].header("x-postern-user"), Some("lena"));
    assert!(!seen[0].header("cookie").unwrap_or_default().contains(SESSION), "the session stays here");
    let (page, _) = curl(&[&url(LOGOUT)]);
    assert!(page.contains("You are logged in as <strong>lena</strong>"), "{page}");
    let csrf = format!("csrf={}", field(&page, "csrf").unwrap());
    let (_, told) = curl(&["--data-urlencode", &csrf, &url(LOGOUT)]);
    assert_eq!(told, format!("303 {}", url(LOGOUT)));
    assert!(curl(&[&url(LOGOUT)]).0.contains("You are not logged in"));
    eventually("the session has ended", || curl(&[&url("/me/x")]).1.starts_with("401").then_some(()));
    assert_eq!(gate.postern.query("SELECT count(*) || '' FROM sessions"), "0");
}

/// As browsers do it: TLS, HTTP/2, cookies that no other host can have set, and `Origin`.
#[test]
fn over_tls_and_http2_the_cookies_are_this_host_s_alone() {
    let authority = Authority::new();
    let mut options = Options::policy(ROUTES);
    let pair = authority.sign("app", &["app.example.com"]);
    options.config = format!(
        "tls: {{ {pair} }}\nidentity: {{ api: token, session: {{}}, passwords: {{ memory: 64KiB, passes: 1 }} }}\n"
    );
    let gate = Gate::with(&options);
    gate.postern.cli_with(&["user", "create", "lena", "--password-stdin"], "s3cret-word\n");
    let (jar, port) = (gate.postern.home().join("jar"), gate.postern.data.port());
    let origin = format!("https://app.example.com:{port}");
    let curl = |path: &str, args: &[&str]| {
        let mut command = Command::new("curl");
        command.args(["-sS", "-m", "20", "--http2", "-D", "-", "-w", "\n%{http_version}", "-b"]).arg(&jar);
        command.arg("-c").arg(&jar).arg("--cacert").arg(authority.file("ca.pem"));
        command.args(["--resolve", &format!("app.example.com:{port}:127.0.0.1")]).args(args);
        let output = command.arg(format!("{origin}{path}")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.ends_with("\n2"), "{text}");
        text
    };
    let page = curl(LOGIN, &[]);
    assert!(page.contains("set-cookie: __Host-postern_form=") && page.contains("; Secure"), "{page}");
    let csrf = format!("csrf={}", field(&page, "csrf").unwrap());
    let ours = format!("Origin: {origin}");
    let send = |origin: &str| {
        curl(LOGIN, &["-H", origin, "--data-urlencode", &csrf, "-d", "username=lena", "-d", "password=s3cret-word"])
    };
    assert!(send("Origin: https://app.example.com").starts_with("HTTP/2 403"), "another port is another origin");
    let begun = send(&ours);
    assert!(begun.starts_with("HTTP/2 303") && begun.contains("set-cookie: __Host-postern_session="), "{begun}");
    assert!(curl("/me/x", &[]).starts_with("HTTP/2 200"));
    assert_eq!(gate.upstream.last().header("x-postern-user"), Some("lena"));
}

#[test]
fn the_pages_need_no_script_and_are_for_this_browser_alone() {
    let gate = gate("  login: { identifiers: [email, username] }\n");
    let mut browser = Browser::of(&gate);
    let page = browser.get(LOGIN);
    let text = page.text();
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!((page.header("cache-control"), page.header("vary")), (Some("no-store"), Some("Cookie")));
    assert_eq!(
        (page.header("x-frame-options"), page.header("x-content-type-options")),
        (Some("DENY"), Some("nosniff"))
    );
    let policy = page.header("content-security-policy").unwrap();
    for part in ["default-src 'none'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part) && !policy.contains("unsafe"), "{policy}");
    }
    // What the policy says of the style is what stands in the page.
    let style = text.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let digest = data_encoding::BASE64.encode(&<sha2::Sha256 as sha2::Digest>::digest(style));
    assert!(policy.contains(&format!("style-src 'sha256-{digest}'")), "{policy}");
    for part in [
        "<html lang=\"en\">",
        "<title>Log in</title>",
        "<label for=\"username\">E-mail address or username</label>",
        "<label for=\"password\">Password</label>",
        "autocomplete=\"username\"",
        "autocomplete=\"current-password\"",
        "name=\"viewport\"",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("<script") && !text.contains("style=\"") && !text.contains("onclick"));
    let cookie = page.header("set-cookie").unwrap();
    assert!(cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Strict"), "{cookie}");
    // The same form in a second window is the same form.
    assert_eq!(field(&browser.get(LOGIN).text(), "csrf"), field(&text, "csrf"));
    assert_eq!(gate.send(format!("GET {} HTTP/1.1\r\nHost: a\r\n\r\n", LOGIN.trim_end_matches('/'))).status, 301);
    assert_eq!(browser.ask("PUT", LOGIN, None).header("allow"), Some("GET, HEAD, POST"));
}

#[test]
fn whatever_is_wrong_the_page_says_the_same_and_repeats_nothing_dangerous() {
    let gate = gate("");
    gate.postern.cli(&["user", "create", "no-password"]);
    gate.postern.cli_with(&["user", "create", "inactive", "--password-stdin"], "s3cret-word\n");
    gate.postern.cli(&["user", "edit", "inactive", "--active=false"]);
    let said = |answer: &Answer| {
        let text = answer.text();
        text.split_once("role=\"alert\">").unwrap().1.split_once('<').unwrap().0.to_owned()
    };
    let computed = || gate.postern.metric("postern_password_computations");
    let mut told = Vec::new();
    for (name, password) in [
        ("lena", "guess"),
        ("nobody", "s3cret-word"),
        ("no-password", "s3cret-word"),
        ("inactive", "s3cret-word"),
        ("Lena", "s3cret-word"),
    ] {
        let before = computed();
        let answer = Browser::of(&gate).log_in(name, password);
        assert_eq!((answer.status, answer.text().contains("<title>Error: Log in</title>")), (400, true));
        assert!((computed() - before - 1.0).abs() < f64::EPSILON, "{name} costs as much as everybody");
        assert!(answer.all("set-cookie").iter().all(|cookie| !cookie.contains(SESSION)));
        told.push(said(&answer));
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
    let answer = Browser::of(&gate).log_in("\"><script>alert(1)</script>", "p4ssword-of-mine");
    assert!(!answer.text().contains("<script") && !answer.text().contains("p4ssword"), "{}", answer.text());
    assert_eq!(Browser::of(&gate).log_in("", "x").status, 400);
    assert_eq!(Browser::of(&gate).log_in("lena", "").status, 400);
    let log = format!("{:?}{:?}", gate.postern.stderr(), gate.postern.stdout());
    assert!(!log.contains("s3cret-word") && !log.contains("p4ssword"));
}

#[test]
fn only_a_form_of_ours_logs_in_or_out() {
    let gate = gate("  token: { throttle: 5/day }\n");
    let computed = || gate.postern.metric("postern_password_computations");
    let before = computed();
    let fields = [("username", "lena"), ("password", "s3cret-word")];
    let mut browser = Browser::of(&gate);
    // No cookie, no field, a field of somebody else's browser.
    assert_eq!(browser.ask("POST", LOGIN, Some(&fields)).status, 403);
    let other = field(&Browser::of(&gate).get(LOGIN).text(), "csrf").unwrap();
    browser.get(LOGIN);
    for csrf in ["", "x", &other] {
        let answer = browser.ask("POST", LOGIN, Some(&[&fields[..], &[("csrf", csrf)]].concat()));
        assert_eq!(answer.status, 403, "{csrf}");
        assert!(field(&answer.text(), "csrf").is_some(), "the form is there to try again");
    }
    // A page of another origin, even with all of it.
    for origin in ["https://evil.example", "null", "https://app.example.evil.example"] {
        browser.headers = format!("Origin: {origin}\r\n");
        assert_eq!(browser.log_in("lena", "s3cret-word").status, 403, "{origin}");
    }
    // Two cookies of one name: somebody has put one there.
    browser.headers = "Cookie: postern_form=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".to_owned();
    assert_eq!(browser.log_in("lena", "s3cret-word").status, 403);
    assert!((computed() - before).abs() < f64::EPSILON, "no password was looked at");
    // All that has cost the browser's owner nothing, either.
    browser.headers = "Origin: https://app.example\r\n".to_owned();
    assert_eq!((browser.log_in("lena", "s3cret-word").status, browser.whoami()), (303, 200));
    browser.headers.clear();
    assert_eq!(browser.whoami(), 200);
    browser.headers = "Origin: https://evil.example\r\n".to_owned();
    assert_eq!(browser.send(LOGOUT, &[]).status, 403);
    browser.headers.clear();
    assert_eq!((browser.get(LOGOUT).status, browser.whoami()), (200, 200), "a link ends nothing");
    assert_eq!(browser.send(LOGOUT, &[]).status, 303);
    assert_eq!(browser.whoami(), 401);
}

#[test]
fn nobody_is_sent_on_to_another_site() {
    let gate = gate("  token: { throttle: none }\n");
    for (next, goes_to) in [
        ("/me/x?a=b", "/me/x?a=b"),
        ("https://evil.example/", LOGIN),
        ("//evil.example/", LOGIN),
        ("/\\evil.example/", LOGIN),
        ("/me/../../x", LOGIN),
        ("/\r\nSet-Cookie: a=b", LOGIN),
    ] {
        // By the address, and by a form that was tampered with.
        let encoded = percent_encoding::utf8_percent_encode(next, percent_encoding::NON_ALPHANUMERIC);
        let fields = [("username", "lena"), ("password", "s3cret-word")];
        let mut browser = Browser::of(&gate);
        let answer = browser.send(&format!("{LOGIN}?next={encoded}"), &fields);
        // What the gate refuses as a target never comes so far.
        if answer.status == 303 {
            assert_eq!(answer.header("location"), Some(goes_to), "{next}");
        }
        let answer = Browser::of(&gate).send(LOGIN, &[&fields[..], &[("next", next)]].concat());
        assert_eq!((answer.status, answer.header("location")), (303, Some(goes_to)), "{next}");
        assert_eq!(answer.all("set-cookie").iter().filter(|cookie| cookie.starts_with(SESSION)).count(), 1);
    }
}

#[test]
fn a_login_ends_the_session_of_before_and_begins_one_that_a_password_ends() {
    let gate = gate("");
    gate.postern.cli_with(&["user", "create", "bob", "--password-stdin"], "s3cret-word\n");
    let mut browser = Browser::of(&gate);
    assert_eq!(browser.log_in("lena", "s3cret-word").status, 303);
    let old = browser.cookies[SESSION].clone();
    // A session that somebody else has put there is not the one that goes on.
    let fields = [("username", "bob"), ("password", "s3cret-word"), ("csrf", &csrf_of(&mut browser))];
    assert_eq!(browser.ask("POST", LOGIN, Some(&fields)).status, 303);
    assert_ne!(browser.cookies[SESSION], old);
    assert_eq!(
        (browser.whoami(), gate.upstream.recorded().last().unwrap().header("x-postern-user")),
        (200, Some("bob"))
    );
    let mut before = Browser::of(&gate);
    before.cookies.insert(SESSION.to_owned(), old);
    eventually("the old session has ended", || (before.whoami() == 401).then_some(()));
    assert_eq!(gate.postern.query("SELECT (last_login IS NOT NULL) || '' FROM users WHERE username = 'bob'"), "1");
    gate.postern.cli_with(&["user", "password", "bob", "--password-stdin"], "another one\n");
    eventually("a new password has ended it", || (browser.whoami() == 401).then_some(()));
}

fn csrf_of(browser: &mut Browser<'_>) -> String {
    field(&browser.get(LOGOUT).text(), "csrf").unwrap()
}

#[test]
fn the_form_and_the_token_endpoint_share_their_limits() {
    let gate = gate("  token: { throttle: 3/day }\n");
    let body = r#"{"username":"lena","password":"guess"}"#;
    let token = format!(
        "POST /api/v1/users/token/ HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(gate.send(&token).status, 400);
    assert_eq!(Browser::of(&gate).log_in("lena", "guess").status, 400);
    // To look at pages, and paths that are not there, cost nothing.
    for path in [LOGIN, LOGOUT, "/api/v1/users/nothing/", "/api/v1/users/user/", "/api/v1/users/organization/"] {
        for _ in 0..5 {
            assert!(Browser::of(&gate).get(path).status != 429, "{path}");
        }
    }
    assert_eq!(gate.send(&token).status, 400);
    let answer = Browser::of(&gate).log_in("lena", "s3cret-word");
    assert_eq!(answer.status, 429);
    assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() > 10_000);
    assert!(answer.header("ratelimit").is_some() && answer.text().contains("too many attempts"));
    assert_eq!(gate.send(&token).status, 429);
}

#[test]
fn where_sessions_are_not_taken_there_are_no_pages() {
    let gate = Gate::with(&Options::policy("version: 1\nupstream: echo\nroutes:\n  /me: authenticated\n"));
    for path in [LOGIN, LOGOUT, LOGIN.trim_end_matches('/')] {
        assert_eq!(gate.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).code(), "no_route");
    }
}
