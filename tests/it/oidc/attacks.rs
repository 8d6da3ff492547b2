//! What is refused: answers that are not of a login that this browser began, and ID tokens that are not to be believed.

use super::{Provider, SECRET, WITH, begin, gate, log_in};
use crate::login::browser::Browser;
use crate::support::{Gate, eventually};
use serde_json::{Value, json};

const SESSION: &str = "postern_session";
const CREATE: &[&str] = &["create_users: true"];

fn ann() -> Value {
    json!({ "claims": { "sub": "7", "preferred_username": "ann" } })
}

/// The same with these lies besides.
fn with(lies: Value) -> Value {
    let mut all = ann();
    for (name, lie) in lies.as_object().unwrap() {
        match (all.get_mut(name).and_then(Value::as_object_mut), lie.as_object()) {
            (Some(known), Some(more)) => known.extend(more.clone()),
            _ => all[name] = lie.clone(),
        }
    }
    all
}

fn refused(gate: &Gate, browser: &mut Browser<'_>, back: &str, status: u16, what: &str) {
    let answer = browser.get(back);
    assert_eq!(answer.status, status, "{what}: {}", answer.text());
    assert!(answer.all("set-cookie").iter().all(|cookie| !cookie.starts_with(SESSION)), "{what}");
    assert!(!browser.cookies.contains_key("postern_login"), "{what}: the attempt is over");
    assert_eq!(browser.whoami(), 401, "{what}");
    assert_eq!(gate.postern.query("SELECT count(*) || '' FROM subjects"), "0", "{what}");
}

#[test]
fn an_id_token_is_believed_only_as_it_must_be() {
    let liar = Provider::liar();
    let gate = gate(&liar, CREATE, "");
    for (lies, what) in [
        (json!({ "claims": { "nonce": "of another login" } }), "another nonce"),
        (json!({ "without": ["nonce"] }), "no nonce"),
        (json!({ "claims": { "iss": "https://evil.example" } }), "another issuer"),
        (json!({ "claims": { "aud": "another client" } }), "another audience"),
        (json!({ "claims": { "aud": ["postern", "another"] } }), "for several, not said for whom"),
        (json!({ "claims": { "aud": ["postern", "another"], "azp": "another" } }), "made for another"),
        (json!({ "claims": { "azp": "another" } }), "made for another alone"),
        (json!({ "claims": { "azp": null } }), "made for nobody"),
        (json!({ "times": { "exp": -60 } }), "expired"),
        (json!({ "times": { "iat": 120 } }), "of the future"),
        (json!({ "times": { "nbf": 120 } }), "not yet"),
        (json!({ "without": ["exp"] }), "without an end"),
        (json!({ "without": ["iat"] }), "without a beginning"),
        (json!({ "without": ["sub"] }), "nobody's"),
        (json!({ "claims": { "sub": "" } }), "nobody's either"),
        (json!({ "claims": { "sub": "x".repeat(300) } }), "a name without end"),
        (json!({ "header": { "alg": "none" }, "signed": "not" }), "unsigned"),
        (json!({ "signed": "not" }), "unsigned, and says otherwise"),
        (json!({ "header": { "alg": "HS256" }, "signed": "by the secret", "secret": SECRET }), "signed by the secret"),
        (json!({ "header": { "alg": "HS256" }, "signed": "by the public key" }), "signed by what is public"),
        (json!({ "signed": "by another key" }), "another key"),
        (json!({ "header": { "crit": ["x"], "x": 1 } }), "asks for what is not understood"),
        (json!({ "header": { "typ": "logout+jwt" } }), "a logout token"),
    ] {
        liar.lie(&with(lies));
        let mut browser = Browser::of(&gate);
        let back = begin(&mut browser, &liar);
        refused(&gate, &mut browser, &back, 403, what);
    }
    // What has no token at all, or what no browser should be shown.
    for (lies, status, what) in [
        (json!({ "token": { "id_token": null } }), 400, "no ID token"),
        (json!({ "token": { "id_token": "x.y" } }), 403, "no JWT"),
        (json!({ "token_status": 400 }), 400, "refused"),
        (json!({ "token_status": 302 }), 400, "sent elsewhere"),
        (json!({ "token_status": 503 }), 503, "down"),
    ] {
        liar.lie(&with(lies));
        let mut browser = Browser::of(&gate);
        let back = begin(&mut browser, &liar);
        refused(&gate, &mut browser, &back, status, what);
    }
    let count = |outcome: &str| {
        let sample = format!("postern_provider_logins_total{{provider=\"liar\",outcome=\"{outcome}\"}}");
        gate.postern.metric(&sample)
    };
    assert_eq!([count("logged_in"), count("refused"), count("failed")].map(|n| n as u32), [0, 27, 1]);
    // The same with no lie; clocks that differ a little, and a list of one, are none.
    liar.lie(&with(json!({ "claims": { "aud": ["postern"], "azp": "postern" }, "times": { "iat": 20, "exp": -10 } })));
    let mut browser = Browser::of(&gate);
    let answer = log_in(&mut browser, &liar);
    assert_eq!((answer.status, answer.header("location")), (303, Some("/me/x")), "{}", answer.text());
    assert_eq!((browser.whoami(), count("logged_in") as u32), (200, 1));
}

#[test]
fn what_comes_back_must_be_of_a_login_that_this_browser_began() {
    let liar = Provider::liar();
    let issuer = liar.issuer();
    let second = format!("  - {{ name: other, issuer: \"{issuer}\", client_id: other }}");
    // A second provider, which an attacker may have: its answers are not the first one's.
    let config = format!("create_users: true\n    {second}");
    let gate = gate(&liar, &[&config], "");
    liar.lie(&ann());

    // Nobody began anything; another browser did; this one began another.
    let mut victim = Browser::of(&gate);
    let mut attacker = Browser::of(&gate);
    let back = begin(&mut attacker, &liar);
    refused(&gate, &mut victim, &back, 400, "a login that nobody began");
    begin(&mut victim, &liar);
    refused(&gate, &mut victim, &back, 400, "a login that another browser began");
    let mine = begin(&mut victim, &liar);
    let state = |back: &str| back.split_once("state=").unwrap().1.split('&').next().unwrap().to_owned();
    refused(&gate, &mut victim, &mine.replace(&state(&mine), &state(&back)), 400, "another browser's state");

    for (change, what) in [
        (&(|back: &str| back.replace("state=", "stat=")) as &dyn Fn(&str) -> String, "no state"),
        (&|back: &str| format!("{back}&state=x"), "two states"),
        (&|back: &str| format!("{back}&code=x"), "two codes"),
        (&|back: &str| back.replace("code=", "cod="), "no code"),
        (&|back: &str| back.split('?').next().unwrap().to_owned(), "nothing"),
        (&|back: &str| back.replace("/liar/", "/other/"), "the answer of another provider"),
        (&|back: &str| back.replace("iss=", "isss="), "no issuer, which it says that it tells"),
        (&|back: &str| back.replace("iss=http", "iss=https"), "another issuer"),
    ] {
        let mut browser = Browser::of(&gate);
        let back = begin(&mut browser, &liar);
        refused(&gate, &mut browser, &change(&back), 400, what);
    }
    assert!(!liar.seen().contains(&"/token".to_owned()), "no code of these went anywhere: {:?}", liar.seen());

    // A code that was not given for this login: PKCE's verifier is that of another.
    let mut browser = Browser::of(&gate);
    let back = begin(&mut browser, &liar);
    let code = |back: &str| back.split_once("code=").unwrap().1.split('&').next().unwrap().to_owned();
    let theirs = begin(&mut attacker, &liar);
    refused(&gate, &mut browser, &back.replace(&code(&back), &code(&theirs)), 400, "the attacker's code");

    // Cookies that are not ours, or that somebody put beside ours.
    let mut browser = Browser::of(&gate);
    let back = begin(&mut browser, &liar);
    let ours = browser.cookies["postern_login"].clone();
    for forged in [
        "x".to_owned(),
        format!("{ours}A"),
        ours.replacen(&ours[9..10], if &ours[9..10] == "A" { "B" } else { "A" }, 1),
    ] {
        browser.cookies.insert("postern_login".to_owned(), forged);
        refused(&gate, &mut browser, &back, 400, "a forged cookie");
    }
    assert_eq!(browser.ask("POST", &back, Some(&[])).status, 405);
    assert_eq!(browser.get(&format!("{WITH}nobody/")).code(), "no_route");
}

#[test]
fn a_login_ends_once_whatever_the_provider_says() {
    let liar = Provider::liar();
    let gate = gate(&liar, CREATE, "");
    liar.lie(&with(json!({ "codes_again": true })));
    let mut browser = Browser::of(&gate);
    let back = begin(&mut browser, &liar);
    let kept = browser.cookies["postern_login"].clone();
    assert_eq!(browser.get(&back).status, 303);
    // By the way back, and by whoever has kept the cookie and a provider that takes a code twice.
    let mut again = Browser::of(&gate);
    assert_eq!(again.get(&back).status, 400);
    again.cookies.insert("postern_login".to_owned(), kept);
    let answer = again.get(&back);
    assert_eq!((answer.status, again.whoami()), (400, 401), "{}", answer.text());
    assert_eq!(browser.whoami(), 200);
    // A provider that gives a code once says so itself.
    liar.lie(&ann());
    let mut browser = Browser::of(&gate);
    let back = begin(&mut browser, &liar);
    let kept = browser.cookies["postern_login"].clone();
    assert_eq!(browser.get(&back).status, 303);
    browser.cookies.insert("postern_login".to_owned(), kept);
    assert_eq!(browser.get(&back).status, 400);
}

#[test]
fn what_the_provider_says_is_put_in_words_of_ours() {
    let liar = Provider::liar();
    let gate = gate(&liar, CREATE, "");
    for (error, words) in [
        ("access_denied", "You have not agreed to log in here."),
        ("server_error", "The provider could not log you in."),
        ("<script>alert(1)</script>", "The provider could not log you in."),
    ] {
        let back = json!({ "error": error, "error_description": "<b>call 555-1234</b>", "code": null });
        liar.lie(&json!({ "back": back }));
        let mut browser = Browser::of(&gate);
        let answer = log_in(&mut browser, &liar);
        let text = answer.text();
        assert_eq!(answer.status, 403);
        assert!(text.contains(words) && !text.contains("alert") && !text.contains("555-1234"), "{text}");
        assert_eq!((answer.header("referrer-policy"), browser.whoami()), (Some("no-referrer"), 401));
    }
    // An error that no login of this browser asked for says nothing either.
    let answer = Browser::of(&gate).get(&format!("{WITH}liar/callback/?error=access_denied&state=x"));
    assert!(answer.status == 400 && !answer.text().contains("agreed"));
    let page = Browser::of(&gate).get("/api/v1/users/login/?next=%2Fme%2Fx%3Fa%3Db").text();
    assert!(page.contains("Log in with The &#60;Liar&#62;") && !page.contains("cannot be reached"), "{page}");
    let log = format!("{:?}{:?}", gate.postern.stderr(), gate.postern.stdout());
    assert!(!log.contains("s3cret") && !log.contains("alert") && !log.contains("555-1234"), "{log}");
}

#[test]
fn nobody_is_sent_on_to_another_site() {
    let liar = Provider::liar();
    let gate = gate(&liar, CREATE, "");
    liar.lie(&ann());
    for next in ["https://evil.example/", "//evil.example/", "/\\evil.example/", ""] {
        let next = percent_encoding::utf8_percent_encode(next, percent_encoding::NON_ALPHANUMERIC);
        let mut browser = Browser::of(&gate);
        let begun = browser.get(&format!("{WITH}liar/?next={next}"));
        let back = liar.authorize(begun.header("location").unwrap());
        let answer = browser.get(&back);
        assert_eq!((answer.status, answer.header("location")), (303, Some("/api/v1/users/login/")), "{next}");
    }
}

#[test]
fn a_provider_that_is_away_or_is_another_stops_nothing_else() {
    let liar = Provider::liar();
    liar.lie(&json!({ "document": { "issuer": "https://evil.example" } }));
    let gate = gate(&liar, CREATE, "");
    gate.postern.cli_with(&["user", "create", "lena", "--password-stdin"], "s3cret-word\n");
    let page = || Browser::of(&gate).get("/api/v1/users/login/").text();
    eventually("the page says so", || page().contains("cannot be reached").then_some(()));
    let answer = Browser::of(&gate).get(&format!("{WITH}liar/"));
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{}", answer.text());
    assert_eq!(Browser::of(&gate).log_in("lena", "s3cret-word").status, 303);
    // Whoever wants to log in has it looked for again.
    liar.lie(&ann());
    let mut browser = Browser::of(&gate);
    let answer = eventually("it is found", || {
        let begun = browser.get(&format!("{WITH}liar/"));
        (begun.status == 303).then_some(begun)
    });
    let back = liar.authorize(answer.header("location").unwrap());
    assert_eq!(browser.get(&back).status, 303);
    assert!(!page().contains("cannot be reached"));
    drop(liar);
    let mut browser = Browser::of(&gate);
    let begun = browser.get(&format!("{WITH}liar/")).header("location").unwrap().to_owned();
    let state = begun.split_once("state=").unwrap().1.split('&').next().unwrap().to_owned();
    let issuer = begun.split("/authorize").next().unwrap();
    let answer = browser.get(&format!("{WITH}liar/callback/?code=x&state={state}&iss={issuer}"));
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(page().contains("cannot be reached"));
}

#[test]
fn attempts_of_one_address_are_limited() {
    let liar = Provider::liar();
    let mut options = crate::support::Options::policy(super::ROUTES);
    options.config = format!(
        "public_url: http://app.example\nidentity:\n  api: token\n  session: {{ secure: false, same_site: strict }}\n  token: {{ throttle: 2/day }}\n  \
         login:\n    providers:\n      - {{ name: liar, issuer: \"{}\", client_id: public, create_users: true }}\n",
        liar.issuer()
    );
    let gate = Gate::with(&options);
    liar.lie(&ann());
    // `Strict` cookies do not go along with a redirect that another site began: a page leads on.
    let mut browser = Browser::of(&gate);
    let answer = log_in(&mut browser, &liar);
    assert_eq!((answer.status, answer.header("refresh"), browser.whoami()), (200, Some("0; url=/me/x"), 200));
    assert!(answer.text().contains("<a href=\"/me/x\">Go on</a>"), "{}", answer.text());
    assert_eq!(log_in(&mut Browser::of(&gate), &liar).status, 200);
    let answer = log_in(&mut Browser::of(&gate), &liar);
    assert_eq!(answer.status, 429);
    assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() > 10_000);
}
