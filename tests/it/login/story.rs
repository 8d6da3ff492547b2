//! The token endpoint without `compat`: new tokens, several ways to name oneself, limits, floods.

use crate::support::{Answer, Gate, Options, get_with};
use serde_json::{Value, json};

const ROUTES: &str = "version: 1\nupstream: echo\nroutes:\n  /me: authenticated\n";

fn gate(identity: &str) -> Gate {
    let mut options = Options::policy(ROUTES);
    options.config = format!("identity:\n  api: token\n  passwords: {{ memory: 64KiB, passes: 1 }}\n{identity}");
    let gate = Gate::with(&options);
    gate.postern.cli_with(
        &["user", "create", "lena", "--email", "Lena@example.org", "--phone", "+39 366 524 3702", "--password-stdin"],
        "s3cret-word\n",
    );
    gate
}

fn login(gate: &Gate, body: &Value, headers: &str) -> Answer {
    let body = body.to_string();
    gate.send(format!(
        "POST /api/v1/users/token/ HTTP/1.1\r\nHost: api\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

fn token(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body: Value = serde_json::from_str(&answer.text()).unwrap();
    body["token"].as_str().unwrap().to_owned()
}

#[test]
fn whoever_logs_in_gets_a_token_of_their_own_each_time_and_it_passes() {
    let gate = gate("  login: { phone_prefixes: [\"+39\"] }\n");
    let mut tokens = Vec::new();
    for name in ["lena", "LENA@EXAMPLE.ORG", "+39 366.524.3702", "03665243702"] {
        let answer = login(&gate, &json!({ "username": name, "password": "s3cret-word" }), "");
        assert_eq!(answer.header("Cache-Control"), Some("no-store"));
        tokens.push(token(&answer));
    }
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 4);
    for token in &tokens {
        assert!(token.starts_with("pst_"));
        assert_eq!(gate.send(get_with(token, "/me")).status, 200);
    }
    for (name, password) in
        [("lena", "S3cret"), ("Lena", "s3cret-word"), ("nobody", "s3cret-word"), ("lena", " s3cret-word")]
    {
        let refused = login(&gate, &json!({ "username": name, "password": password }), "");
        assert_eq!((refused.status, refused.text().contains("Unable to log in")), (400, true));
    }
    gate.postern.cli(&["user", "edit", "lena", "--active=false"]);
    assert_eq!(login(&gate, &json!({ "username": "lena", "password": "s3cret-word" }), "").status, 400);
    assert_eq!(gate.send("GET /api/v1/users/nothing/ HTTP/1.1\r\nHost: api\r\n\r\n").code(), "no_route");
}

/// Password guessing under many names: spellings of one user, and addresses that nobody vouches for.
#[test]
fn neither_other_spellings_nor_made_up_addresses_get_round_the_limit() {
    let gate = gate("  token: { throttle: 5/day }\n");
    let names = ["lena", "LENA@example.org", "+393665243702", "+39 366 5243702", "nobody", "lena"];
    for (at, name) in names.into_iter().enumerate() {
        let forwarded = format!("X-Forwarded-For: 192.0.2.{at}\r\n");
        let answer = login(&gate, &json!({ "username": name, "password": "guess" }), &forwarded);
        assert_eq!(answer.status, if at < 5 { 400 } else { 429 }, "{name}");
        if at == 5 {
            assert_eq!(answer.code(), "throttled");
            assert!(answer.header("Retry-After").unwrap().parse::<u64>().unwrap() > 10_000);
            assert!(answer.header("RateLimit-Policy").is_some());
        }
    }
}

/// User enumeration: counted in computations, since time on a shared machine says nothing.
#[test]
fn a_user_who_does_not_exist_costs_as_many_computations_as_one_who_does() {
    let gate = gate("");
    gate.postern.cli(&["user", "create", "no-password"]);
    let computed = || gate.postern.metric("postern_password_computations");
    for name in ["lena", "nobody", "nobody@example.org", "no-password"] {
        let before = computed();
        assert_eq!(login(&gate, &json!({ "username": name, "password": "guess" }), "").status, 400);
        assert!((computed() - before - 1.0).abs() < f64::EPSILON, "{name}");
    }
}

/// A flood of logins, of one name: it runs dry besides.
#[test]
fn a_flood_of_logins_is_bounded_and_everybody_is_answered() {
    let mut options = Options::policy(ROUTES);
    options.config =
        "identity: { api: token, token: { throttle: none }, passwords: { memory: 8MiB, passes: 2, workers: 1, queue: 8 } }\n"
            .into();
    let gate = Gate::with(&options);
    let body = json!({ "username": "nobody", "password": "guess" });
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let flood = || (0..10).map(|_| login(&gate, &body, "").status).collect::<Vec<_>>();
        let threads: Vec<_> = (0..50).map(|_| scope.spawn(flood)).collect();
        for _ in 0..20 {
            assert_eq!(gate.send("GET /nothing HTTP/1.1\r\nHost: api\r\n\r\n").status, 404);
        }
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let count = |wanted: &[u16]| statuses.iter().filter(|status| wanted.contains(status)).count();
    assert_eq!((statuses.len(), count(&[400, 429, 503])), (500, 500), "{statuses:?}");
    // An unknown name has its own limit, too.
    assert!(count(&[400]) >= 9);
    assert!(gate.postern.metric("postern_password_waiting") < 1.0);
    assert!(gate.postern.memory() < 300 << 20);
}

#[test]
fn an_old_hash_is_rewritten_at_login_and_a_large_or_odd_body_is_refused() {
    let gate = gate("");
    let old = "pbkdf2_sha1$1000$abcdefghijABCDEFGHIJ12$MnwTsLP2UDZzCiIzOT2r/oM9duI=";
    gate.postern.sql(&format!("UPDATE users SET password = '{old}' WHERE username = 'lena'"));
    token(&login(&gate, &json!({ "username": "lena", "password": "tester" }), ""));
    let now = gate.postern.query("SELECT password FROM users WHERE username = 'lena'");
    assert!(now.starts_with("argon2$argon2id$v=19$m=64,t=1,p=1$"), "{now}");
    token(&login(&gate, &json!({ "username": "lena", "password": "tester" }), ""));
    let large = "x".repeat(70_000);
    let answer = login(&gate, &json!({ "username": "lena", "password": large }), "");
    assert_eq!((answer.status, answer.code().as_str()), (413, "body_too_large"));
}
