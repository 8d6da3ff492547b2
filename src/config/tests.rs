use super::{Config, ConfigError, Sources};
use crate::fronts::Front;
use crate::upstream::Protocol;
use crate::upstream::cluster::{Balance, Eject, Probe, Settings};
use std::time::Duration;

fn load(
    text: &str,
    environment: &[(&str, &str)],
    flags: &[(&'static str, &'static str, &str)],
) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("postern.yaml");
    std::fs::write(&file, text).unwrap();
    let mut sources = Sources { file: Some(file), ..Sources::default() };
    sources.environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    for (flag, path, value) in flags {
        sources.flag(flag, path, Some(value));
    }
    match Config::load(&sources) {
        Ok((config, _)) => Ok(config),
        Err(ConfigError::Findings(findings)) => Err(findings.to_lines()),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn the_environment_wins_over_the_file_and_flags_over_both() {
    let text = "listen: 127.0.0.1:1\nmanagement: 127.0.0.1:2\ncache:\n  max_staleness: 9s\n";
    let environment = [
        ("POSTERN__MANAGEMENT", "127.0.0.1:20"),
        ("POSTERN__LISTEN", "127.0.0.1:10"),
        ("POSTERN__CACHE__MAX_STALENESS", "7s"),
    ];
    let config = load(text, &environment, &[("--listen", "listen", "127.0.0.1:100")]).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:100");
    assert_eq!(config.management.port(), 20);
    assert_eq!(config.cache.max_staleness, Duration::from_secs(7));
}

#[test]
fn every_mistake_is_reported_at_once_with_its_place() {
    let text = "listen: somewhere\nuptreams: {}\ntimeouts:\n  idle: soon\n  total: 1s\n";
    let findings = load(text, &[("POSTERN__LOG__FROMAT", "json")], &[]).unwrap_err();
    for part in [
        ":1:9: error[wrong_value]: `listen` must be",
        ":2:1: error[unknown_key]",
        "upstreams",
        ":4:9: error[wrong_value]",
        ":5:3: error[not_yet]",
        "POSTERN__LOG__FROMAT: error[unknown_key]",
    ] {
        assert!(findings.contains(part), "{part} is not in\n{findings}");
    }
}

#[test]
fn what_is_not_there_yet_may_be_off() {
    load("forward_auth: off\next_authz: off\nassertion: off\n", &[], &[]).unwrap();
    load("timeouts: { total: off }\n", &[], &[]).unwrap();
    assert!(load("timeouts: { total: 1s }\n", &[], &[]).unwrap_err().contains("error[not_yet]"));
    let said = load("", &[], &[("--listen", "listen", "nowhere")]).unwrap_err();
    assert!(said.starts_with("--listen: error[wrong_value]"), "a flag has no lines: {said}");
}

#[test]
fn who_asks_must_be_trusted_and_named() {
    let trusting = |text: &str| load(&format!("trusted_proxies: [10.0.0.0/8]\n{text}\n"), &[], &[]);
    let asked = trusting("forward_auth: { listen: 127.0.0.1:8081, front: caddy }").unwrap().forward_auth.unwrap();
    assert_eq!((asked.listen.to_string().as_str(), asked.front), ("127.0.0.1:8081", Front::Caddy));
    for (text, part) in [
        ("forward_auth: { listen: 127.0.0.1:8081 }", "`forward_auth` has no `front`"),
        ("forward_auth: { front: nginx }", "`forward_auth` has no `listen`"),
        ("forward_auth: { listen: 127.0.0.1:8081, front: apache }", "`front`"),
        ("forward_auth: { listen: 127.0.0.1:9090, front: nginx }", "would both listen on port 9090"),
        ("listen: unix:///tmp/a\nforward_auth: { listen: unix:///tmp/a, front: nginx }", "would be one socket"),
        ("ext_authz: {}", "`ext_authz` has no `listen`"),
        ("ext_authz: { listen: 127.0.0.1:8080 }", "would both listen on port 8080"),
        (
            "forward_auth: { listen: unix:///tmp/a, front: nginx }\next_authz: { listen: unix:///tmp/a }",
            "`ext_authz` and `forward_auth` would be one socket",
        ),
    ] {
        let findings = trusting(text).unwrap_err();
        assert!(findings.contains(part), "{text}: {findings}");
    }
    let asked = trusting("ext_authz: { listen: unix:///tmp/b }").unwrap().ext_authz.unwrap();
    assert_eq!(asked.to_string(), "unix:///tmp/b");
    for (key, text) in [
        ("forward_auth", "forward_auth: { listen: 127.0.0.1:8081, front: nginx }\n"),
        ("ext_authz", "ext_authz: { listen: 127.0.0.1:9191 }\n"),
    ] {
        let alone = load(text, &[], &[]).unwrap_err();
        assert!(alone.contains(&format!("`{key}` answers `trusted_proxies` alone")), "{alone}");
    }
}

#[test]
fn upstreams_are_urls_or_maps() {
    let text = "upstreams:\n  a: http://127.0.0.1:8000\n  b: { addresses: [\"http://b:9\"], host: upstream }\n";
    let config = load(text, &[], &[]).unwrap();
    let shown: Vec<_> = config.upstreams.iter().map(|u| format!("{}: {}", u.name, u.addresses[0])).collect();
    assert_eq!(shown, ["a: 127.0.0.1:8000", "b: b:9"]);
    assert!(config.upstreams.iter().all(|upstream| upstream.cluster.is_none()));
    let spoken = |text: &str| load(&format!("upstreams: {{ a: {text} }}"), &[], &[]).map(|c| c.upstreams[0].spoken());
    assert_eq!(spoken("h2c://a"), Ok(Protocol::Http2));
    assert_eq!(spoken("https://a"), Ok(Protocol::Auto));
    assert_eq!(spoken("{ addresses: [\"https://a\"], protocol: http1 }"), Ok(Protocol::Http1));
    assert_eq!(spoken("{ addresses: [\"unix:///a\"], protocol: http2 }"), Ok(Protocol::Http2));
    assert!(spoken("{ addresses: [\"h2c://a\"], protocol: http1 }").unwrap_err().contains("contradicts"));
    assert_eq!(spoken("uwsgi://a:3031"), Ok(Protocol::Http1));
    for version in ["http1", "http2"] {
        let text = format!("{{ addresses: [\"uwsgi+unix:///a\"], protocol: {version} }}");
        assert!(spoken(&text).unwrap_err().contains("contradicts the scheme uwsgi"), "{version}");
    }
    assert!(spoken("uwsgi://a").unwrap_err().contains("has no port"));
    assert!(spoken("{ addresses: [\"http://a\"], protocol: spdy }").unwrap_err().contains("not `spdy`"));
    assert!(spoken("{ addresses: [\"http://a\", \"h2c://b\"] }").unwrap_err().contains("all h2c"));
    let title = |text: &str| load(&format!("upstreams: {{ a: {text} }}"), &[], &[]).map(|c| c.upstreams[0].title_case);
    assert_eq!(title("{ addresses: [\"https://a\"], header_case: title }"), Ok(true));
    assert_eq!(title("{ addresses: [\"http://a\"], header_case: lower }"), Ok(false));
    assert!(title("{ addresses: [\"http://a\"], header_case: preserve }").unwrap_err().contains("not `preserve`"));
    let answers = |text: &str| load(text, &[], &[]).map(|config| config.title_case);
    assert_eq!((answers("workers: 1"), answers("header_case: title")), (Ok(false), Ok(true)));
    assert_eq!((answers("compat: openwisp"), answers("compat: openwisp\nheader_case: lower")), (Ok(true), Ok(false)));
    for http2 in [
        "{ addresses: [\"uwsgi://a:1\"]",
        "{ addresses: [\"h2c://a\"]",
        "{ addresses: [\"https://a\"], protocol: http2",
    ] {
        assert!(title(&format!("{http2}, header_case: title }}")).unwrap_err().contains("no_meaning"), "{http2}");
    }
}

#[test]
fn an_upstream_with_several_addresses_or_checks_is_a_cluster() {
    let upstream = |options: &str| load(&format!("upstreams: {{ a: {{ {options} }} }}"), &[], &[]);
    let cluster = |options: &str| upstream(options).unwrap().upstreams[0].cluster.clone();
    let several = cluster("addresses: [http://a, { url: http://b, weight: 3 }]").unwrap();
    assert_eq!(several, Settings::default());
    let watched = cluster(
        "addresses: [https://a], health: { path: /ok, every: 1s }, balance: user, slow_start: 30s, resolve: 5s, \
         eject: { after: 2, time: 3s }, limits: { connections: 10, pending: 5 }",
    );
    let probe = Probe { path: Some("/ok".into()), every: Duration::from_secs(1), ..Probe::default() };
    let expected = Settings {
        balance: Balance::User,
        health: Some(probe),
        eject: Eject { after: 2, time: Duration::from_secs(3) },
        slow_start: Duration::from_secs(30),
        resolve: Duration::from_secs(5),
        connections: 10,
        pending: 5,
    };
    assert_eq!(watched, Some(expected));
    for (wrong, said) in [
        ("addresses: []", "has no address"),
        ("addresses: [http://a, https://b]", "all http or all https, or all h2c"),
        ("addresses: [http://a], tls: { ca: x.pem }", "`tls` is for https"),
        ("addresses: [uwsgi://a:1], tls: { ca: x.pem }", "`tls` is for https"),
        ("addresses: [unix:///a, uwsgi+unix:///b]", "or all uwsgi"),
        ("addresses: [https://a], tls: { cert: x.pem }", "needs both `cert` and `key`"),
        ("addresses: [https://a], tls: { server_name: \"a b\" }", "must be a host name"),
        ("addresses: [{ url: http://a, weight: 0 }]", "`weight`"),
        ("addresses: [{ weight: 1 }]", "has no `url`"),
        ("addresses: [http://a], balance: random", "`round_robin`, `user` or `organization`"),
        ("addresses: [http://a], health: { path: ok }", "must be a path"),
        ("addresses: [http://a], health: { every: 1ms }", "at least 100 ms"),
        ("addresses: [http://a], limits: { connections: 0 }", "`connections`"),
        ("addresses: [http://a], helth: {}", "health"),
    ] {
        let findings = upstream(wrong).unwrap_err();
        assert!(findings.contains(said), "{wrong}: {findings}");
    }
}

#[test]
fn names_that_an_issuer_gives_are_told_from_the_directory_s() {
    let warnings = |issuers: &[&str]| {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("postern.yaml");
        let list: String = issuers
            .iter()
            .enumerate()
            .map(|(at, more)| {
                format!("  - {{ issuer: \"https://{at}.example\", audience: any, jwks: jwks.json, {more} }}\n")
            })
            .collect();
        std::fs::write(&file, format!("identity:\n  jwt:\n{}", list.replace("  -", "    -"))).unwrap();
        match Config::load(&Sources { file: Some(file), ..Sources::default() }) {
            Ok((_, findings)) => findings.to_lines(),
            Err(ConfigError::Findings(findings)) => findings.to_lines(),
            Err(error) => error.to_string(),
        }
    };
    let mapped = "user: claims, username: upn";
    for quiet in [
        &["user: claims"][..],
        &["user: claims, username: upn, username_prefix: \"id:\", email: email"],
        &["user: claims, username: upn, username_prefix: \"\""],
        &[
            "user: claims, username: upn, username_prefix: \"a:\"",
            "user: claims, username: upn, username_prefix: \"b:\"",
        ],
    ] {
        assert_eq!(warnings(quiet), "", "{quiet:?}");
    }
    for (issuers, said) in [
        (&[mapped][..], "warning[username_prefix]: the issuer's names have no `username_prefix`"),
        (&["user: claims, username: upn, username_prefix: ext-"], "a name that begins with `ext-`"),
        (
            &[
                "user: claims, username: upn, username_prefix: \"a:\"",
                "user: claims, username: upn, username_prefix: \"a:b:\"",
            ],
            "this issuer can give the names of `https://0.example`",
        ),
        (&["user: claims, username_prefix: \"a:\""], "error[no_meaning]: `username_prefix` stands before"),
        (&["user: claims, username: \"\", username_prefix: \"a:\""], "error[wrong_value]: the name of a claim"),
        (&["user: sub, username: upn"], "error[no_meaning]: `username` is for those who are in no directory"),
        (&["email: email"], "error[no_meaning]: `email` is for"),
        (&["user: email, memberships: { claim: orgs }"], "error[no_meaning]: `memberships` is for"),
    ] {
        let found = warnings(issuers);
        assert!(found.contains(said), "{issuers:?}: {found}");
    }
}

#[test]
fn a_second_factor_needs_a_page_that_asks_for_it_and_a_session_behind_that() {
    let said = |more: &str| load(&format!("identity: {{ mfa: {{ key: {{ env: KEY }} }}{more} }}"), &[], &[]);
    for short in ["", ", api: token", ", session: {}", ", api: off, session: {}"] {
        let found = said(short).unwrap_err();
        assert!(found.contains("`mfa` asks for a code before a session"), "{short}: {found}");
    }
    assert!(said(", api: token, session: {}").is_ok());
    let found = load("identity: { mfa: {}, api: token, session: {} }", &[], &[]).unwrap_err();
    assert!(found.contains("`mfa` has no `key`"), "{found}");
}

#[test]
fn passkeys_are_for_pages_of_one_domain_that_begin_sessions() {
    let said =
        |passkeys: &str, more: &str| load(&format!("identity: {{ passkeys: {{ {passkeys} }}{more} }}"), &[], &[]);
    let served = ", api: token, session: {}";
    for passkeys in [
        "rp_id: example.com, origins: [https://example.com]",
        "rp_id: example.com, origins: [\"https://id.example.com:8443\", https://a.b.example.com], login: alone",
        "rp_id: localhost, origins: [\"http://localhost:8000\"]",
    ] {
        let read = said(passkeys, served).unwrap();
        assert!(read.identity.accounts.passkeys.is_some_and(|read| read.alone), "{passkeys}");
    }
    for (passkeys, more, words) in [
        ("origins: [https://example.com]", served, "`passkeys` has no `rp_id`"),
        ("rp_id: example.com", served, "`passkeys` has no `origins`"),
        ("rp_id: example.com, origins: []", served, "`origins` name one page at least"),
        ("rp_id: Example.com, origins: [https://example.com]", served, "a domain in lower case"),
        ("rp_id: \"example.com:443\", origins: [https://example.com]", served, "a domain in lower case"),
        ("rp_id: 10.0.0.1, origins: [https://10.0.0.1]", served, "a domain in lower case"),
        ("rp_id: example.com, origins: [https://evil-example.com]", served, "is not at `example.com`"),
        ("rp_id: id.example.com, origins: [https://example.com]", served, "is not at `id.example.com`"),
        ("rp_id: example.com, origins: [http://example.com]", served, "no origin that browsers have passkeys at"),
        ("rp_id: example.com, origins: [https://example.com/]", served, "no origin that browsers have passkeys at"),
        ("rp_id: example.com, origins: [https://EXAMPLE.com]", served, "no origin that browsers have passkeys at"),
        ("rp_id: example.com, origins: [https://example.com]", "", "`passkeys` begin sessions"),
        ("rp_id: example.com, origins: [https://example.com]", ", api: token", "`passkeys` begin sessions"),
        ("rp_id: example.com, origins: [https://example.com], login: second_factor", served, "`mfa` asks for it"),
    ] {
        let found = said(passkeys, more).unwrap_err();
        assert!(found.contains(words), "{passkeys}: {found}");
    }
}

/// Whoever announces addresses could announce one that is believed.
#[test]
fn who_announces_addresses_is_believed_by_a_trusted_header_too() {
    let said = |from: &str, edge: &str| {
        let header = format!("header: X-Remote-User, from: [{from}]");
        load(
            &format!("{edge}identity: {{ api: token, session: {{}}, login: {{ trusted_header: {{ {header} }} }} }}"),
            &[],
            &[],
        )
    };
    let announced = "proxy_protocol: true\ntrusted_proxies: [10.0.0.0/24, 192.0.2.1]\n";
    assert!(said("10.1.0.0/16, 10.0.0.0/16, 192.0.2.1", announced).is_ok());
    assert!(said("10.1.0.0/16", "trusted_proxies: [10.0.0.0/24]\n").is_ok());
    let found = said("10.1.0.0/16, 10.0.0.0/16", announced).unwrap_err();
    assert!(found.contains("`192.0.2.1/32` may announce"), "{found}");
}

#[test]
fn nobody_trusts_the_whole_world() {
    for world in [
        "0.0.0.0/0",
        "::/0",
        "0.0.0.0/1, 128.0.0.0/1",
        "128.0.0.0/2, 10.0.0.0/8, 192.0.0.0/2, 0.0.0.0/1",
        "\"::/1\", 10.0.0.0/8, \"8000::/1\"",
        "0.0.0.0/1, 128.0.0.0/1, 128.0.0.0/1",
        "1.0.0.0/8, 2.0.0.0/7, 4.0.0.0/6, 8.0.0.0/5, 16.0.0.0/4, 32.0.0.0/3, 64.0.0.0/2, 128.0.0.0/2, 192.0.0.0/3",
        "\"2000::/3\"",
        "\"::ffff:0:0/96\"",
    ] {
        assert!(load(&format!("trusted_proxies: [{world}]"), &[], &[]).unwrap_err().contains("everybody"), "{world}");
    }
    assert!(load("trusted_proxies: [0.0.0.0/1, \"8000::/1\"]", &[], &[]).is_ok());
    assert_eq!(load("trusted_proxies: [10.0.0.0/8, 127.0.0.1]", &[], &[]).unwrap().trusted_proxies.len(), 2);
}

#[test]
fn a_port_that_is_none_is_refused_with_its_place_wherever_a_server_is_named() {
    let settings = [
        "upstreams: { a: \"http://a:PORT\" }",
        "upstreams: { a: { addresses: [{ url: \"https://a:PORT\" }] } }",
        "upstreams: { a: { addresses: [\"http://a\"], host: \"a:PORT\" } }",
        "redis: \"redis://cache:PORT\"",
        "redis: \"redis+sentinel://a:1,b:PORT/m\"",
        "database: \"postgres://u@db:PORT/d\"",
        "tracing: { otlp: \"http://collector:PORT\" }",
        "mail: { server: \"smtp:PORT\", from: a@example.com }\npublic_url: https://a",
        "public_url: \"https://a:PORT\"",
        "identity: { jwt: [{ issuer: a, audience: any, jwks: \"https://id:PORT/keys\" }] }",
        "listen: \"127.0.0.1:PORT\"",
        "management: \"[::1]:PORT\"",
        "probes: \"0.0.0.0:PORT\"",
    ];
    for setting in settings {
        for port in ["8O00", "99999", "65536", "abc", "+80", "", "-1", "80x", " 80", "0x50"] {
            let said = load(&setting.replace("PORT", port), &[], &[]);
            let said = said.err().unwrap_or_else(|| panic!("{setting} takes the port `{port}`"));
            assert!(said.contains("postern.yaml:1:") && said.contains("error["), "{setting} `{port}`: {said}");
        }
        load(&setting.replace("PORT", "8000"), &[], &[]).unwrap();
    }
}

#[test]
fn the_old_name_of_the_management_listener_says_the_new_one() {
    let said = load("admin: 127.0.0.1:9090\n", &[], &[]).unwrap_err();
    assert!(said.contains(":1:1: error[renamed_key]") && said.contains("`management`"), "{said}");
    assert_eq!(said.matches("error[").count(), 1, "{said}");
    let said = load("", &[("POSTERN__ADMIN", "127.0.0.1:9090")], &[]).unwrap_err();
    assert!(said.contains("POSTERN__ADMIN: error[renamed_key]"), "{said}");
}

#[test]
fn hosts_of_the_management_listener_are_names_and_addresses() {
    let hosts = load("management_hosts: [metrics.example.com, 10.0.0.1, \"::1\", \"[::2]\"]", &[], &[])
        .unwrap()
        .management_hosts;
    assert_eq!(hosts, ["metrics.example.com".into(), "10.0.0.1".into(), "::1".into(), Box::<str>::from("::2")]);
    for wrong in ["a:9090", "\"*\"", "http://a", "\"\""] {
        assert!(load(&format!("management_hosts: [{wrong}]"), &[], &[]).is_err(), "{wrong}");
    }
}
