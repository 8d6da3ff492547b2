//! Credentials that are missing, malformed, doubled, forged or of the wrong kind.

use crate::support::{Gate, Options, Who, World, get, request};

fn with(authorization: &[&str]) -> impl Fn(&str) -> String + use<> {
    let lines: String = authorization.iter().map(|value| format!("Authorization: {value}\r\n")).collect();
    move |target| format!("GET {target} HTTP/1.1\r\nHost: a\r\n{lines}\r\n")
}

/// Malformed credentials.
#[test]
pub(super) fn nothing_is_not_a_malformed_credential() {
    let gate = Gate::new();
    let answer = gate.refused(get(Who::nobody, "/me/x"), 401, "credentials_missing");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    gate.forwarded(get(Who::nobody, "/optional/x"));
}

/// Malformed credentials: on an optional route too, where nothing at all would pass.
#[test]
pub(super) fn a_bad_credential_never_falls_through() {
    let gate = Gate::new();
    let good = World::get().token(Who::uA).unwrap();
    let long = format!("Bearer {}", "x".repeat(20_000));
    let with_comma = format!("Bearer {good}, Bearer {good}");
    let with_more = format!("Bearer {good} x");
    let cut = format!("Bearer {}", &good[..good.len() - 1]);
    let stretched = format!("Bearer {good}A");
    let upper = format!("Bearer {}", good.to_uppercase());
    let quoted = format!("Bearer \"{good}\"");
    let escaped = format!("Bearer {}", good.replace('p', "%70"));
    let glued = format!("Bearer{good}");
    let token = format!("Token {good}");
    let basic = format!("Basic {good}");
    for value in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Token x",
        "token x",
        "Basic dXNlcjpwYXNz",
        "Basic Og==",
        "Negotiate abc",
        "Digest username=\"su\"",
        "sesame x",
        "bearer x",
        "Bearer x",
        "Bearer null",
        "Bearer undefined",
        "Bearer ' OR '1'='1",
        "Bearer 00000000-0000-0000-0000-000000000000",
        "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJzdSJ9.",
        "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJzdSJ9.x",
        "x",
        &long,
        &with_comma,
        &with_more,
        &cut,
        &stretched,
        &upper,
        &quoted,
        &escaped,
        &glued,
        &token,
        &basic,
        good,
    ] {
        for target in ["/me/x", "/optional/x", "/api/v1/org/a/x", "/own/x"] {
            let answer = gate.refused(with(&[value])(target), 401, "credentials_invalid");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
        }
        // Where nobody is asked, nobody is refused, and nothing is passed on.
        assert_eq!(gate.forwarded(with(&[value])("/public/x")).header("authorization"), None);
    }
}

/// Malformed credentials: the scheme's case does not matter.
#[test]
pub(super) fn the_scheme_is_written_in_any_case() {
    let gate = Gate::new();
    let good = World::get().token(Who::uA).unwrap();
    for value in [
        format!("bearer {good}"),
        format!("BEARER {good}"),
        format!("BeArEr   {good}"),
        format!("Bearer\t{good}"),
        format!("  Bearer {good}  "),
    ] {
        assert_eq!(gate.forwarded(with(&[&value])("/me/x")).header("x-postern-user"), Some("uA"));
    }
}

/// Malformed credentials: two credentials are none.
#[test]
pub(super) fn two_credentials_are_ambiguous() {
    let gate = Gate::new();
    let world = World::get();
    let (a, su) =
        (format!("Bearer {}", world.token(Who::uA).unwrap()), format!("Bearer {}", world.token(Who::su).unwrap()));
    for both in [[&*a, &*su], [&*su, &*a], [&*a, &*a], [&*a, ""], [&*a, "Bearer x"], ["Basic eDp5", &*a]] {
        for target in ["/me/x", "/optional/x", "/admin/x"] {
            gate.refused(with(&both)(target), 400, "ambiguous");
        }
    }
}

/// A token where no credential is read: it identifies nobody.
#[test]
pub(super) fn a_token_counts_in_its_own_place_only() {
    let gate = Gate::new();
    let good = World::get().token(Who::su).unwrap();
    let bearer = format!("Bearer {good}");
    for (name, value) in [
        ("Proxy-Authorization", &*bearer),
        ("X-Authorization", &bearer),
        ("Authorization2", &bearer),
        ("X-Auth-Token", good),
        ("X-Api-Key", good),
        ("Cookie", &format!("sessionid={good}; token={good}")),
        ("X-Forwarded-Access-Token", good),
    ] {
        gate.refused(request(Who::nobody, "GET", "/me/x", &[(name, value)], ""), 401, "credentials_missing");
    }
    for target in ["/me/x?token=", "/me/x?access_token=", "/me/x?sesame=", "/me/x?api_key="] {
        gate.refused(get(Who::nobody, &format!("{target}{good}")), 401, "credentials_missing");
    }
}

/// Who is inactive is nobody, and is told so.
#[test]
pub(super) fn an_inactive_user_has_no_rights() {
    let gate = Gate::new();
    for target in ["/me/x", "/optional/x", "/api/v1/org/a/x", "/admin/x", "/mine/x"] {
        gate.refused(get(Who::off, target), 401, "user_inactive");
    }
    gate.forwarded(get(Who::off, "/public/x"));
}

/// The credential stops at the gate, unless the route says otherwise.
#[test]
pub(super) fn a_credential_is_forwarded_only_where_the_route_says_so() {
    let gate = Gate::new();
    for target in ["/public/x", "/optional/x", "/me/x", "/api/v1/org/a/x"] {
        assert!(gate.forwarded(get(Who::uA, target)).folded("authorization").is_empty(), "{target}");
    }
    let bearer = format!("Bearer {}", World::get().token(Who::uA).unwrap());
    assert_eq!(gate.forwarded(get(Who::uA, "/own/x")).header("authorization"), Some(&*bearer));
}

/// A token that has expired is refused, whoever's it is.
#[test]
fn an_expired_token_is_refused() {
    let gate = Gate::new();
    let token = gate.postern.cli(&["token", "create", "--user", "su", "--expires-in", "3s"]);
    let bearer = format!("Bearer {}", token.trim());
    let ask = with(&[&bearer]);
    gate.forwarded(ask("/me/x"));
    crate::support::eventually("the token expires", || (gate.send(ask("/me/x")).status == 401).then_some(()));
    gate.upstream.forget();
    gate.refused(ask("/me/x"), 401, "credentials_invalid");
}

/// A flood of tokens that nobody has is refused without disturbing those who have one.
#[test]
fn a_flood_of_random_tokens_evicts_nobody() {
    let gate = Gate::with(&Options::policy(crate::support::ROUTES).set("cache.credentials", 100));
    gate.forwarded(get(Who::uA, "/me/x"));
    let mut raw = gate.raw();
    for number in 0..2_000 {
        let token = if number % 2 == 0 { format!("pst_{number:043}") } else { format!("legacy-token-{number}") };
        raw.send(format!("GET /me/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n"));
        // What would need the store is limited; what is no token of ours by its form needs none.
        let status = raw.answer().status;
        assert!(status == 401 || (status == 429 && number % 2 == 1), "{number}: {status}");
    }
    let misses = gate.postern.metric("postern_cache_misses_total");
    gate.forwarded(get(Who::uA, "/me/x"));
    assert_eq!(gate.postern.metric("postern_cache_misses_total"), misses, "the known credential was still in memory");
    assert!(gate.postern.metric("postern_cache_refused_total") >= 1_000.0, "forged tokens cost no query");
}
