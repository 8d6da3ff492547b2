use super::paths::Paths;
use super::{Deployment, Form, Place, Unsayable, print};
use crate::policy::{self, Policy};

fn policy(text: &str) -> Policy {
    policy::load(&[("routes.yaml", text)], None).unwrap_or_else(|findings| panic!("{}", findings.to_lines()))
}

fn deployment() -> Deployment {
    let host = |port| Place::Host { host: "127.0.0.1".to_owned(), port };
    Deployment { asked: host(8081), proxy: host(8080), service: vec![host(8000)], upstream: Box::default() }
}

#[test]
fn a_pattern_is_a_regular_expression_that_takes_no_less() {
    let of = |pattern: &str| {
        let policy = policy(&format!("version: 1\nroutes: {{ \"{pattern}\": authenticated }}\n"));
        let paths = Paths::of(policy.routes()[0].shape());
        (paths.decoded(), paths.raw())
    };
    for (pattern, yes, no) in [
        ("/a.b/{x}/c", &["/a.b/1/c", "/a.b/1/c/"][..], &["/a_b/1/c", "/a.b//c", "/a.b/1/2/c", "/x/a.b/1/c"][..]),
        ("/a/**", &["/a", "/a/", "/a/b/c"], &["/ab", "/"]),
        ("/**", &["/", "/a/b"], &[]),
        ("/a b+c'\\\"/é", &["/a b+c'\"/é"], &["/a bbc'\"/é"]),
    ] {
        let decoded = regex::Regex::new(&of(pattern).0).unwrap();
        yes.iter().for_each(|path| assert!(decoded.is_match(path), "{pattern}: {path} {decoded}"));
        no.iter().for_each(|path| assert!(!decoded.is_match(path), "{pattern}: {path} {decoded}"));
    }
    let raw = regex::Regex::new(&of("/a b+c/é").1).unwrap();
    for path in ["/a%20b+c/%C3%A9", "/a%20b%2bc/%c3%a9"] {
        assert!(raw.is_match(path), "{raw}");
    }
}

#[test]
fn every_front_names_each_header_that_is_injected() {
    let names: Vec<String> = (0..40).map(|at| format!("X-Told-{at}")).collect();
    let inject: Vec<String> = names.iter().map(|name| format!("{name}: user.username")).collect();
    let policy = policy(&format!(
        "version: 1\nroutes:\n  /a: {{ level: authenticated, inject: {{ {} }} }}\n",
        inject.join(", ")
    ));
    for (word, form) in Form::ALL {
        let Ok(printed) = print(form, &policy, &deployment()) else { panic!("{word}") };
        // The action in Lua names them; and over gRPC each answer does.
        if [Form::Haproxy, Form::EnvoyGrpc].contains(&form) {
            continue;
        }
        let text = printed.text.to_lowercase().replace('_', "-");
        for name in names.iter().map(String::as_str).chain(["authorization", "cookie", "x-request-id"]) {
            assert!(text.contains(&name.to_lowercase()), "{word}: {name}\n{text}");
        }
        assert!(printed.findings.is_empty(), "{word}: {:?}", printed.findings);
    }
}

#[test]
fn a_header_that_a_front_cannot_name_is_an_error() {
    let odd = policy("version: 1\nroutes:\n  /a: { level: authenticated, inject: { \"X.User'1\": user.username } }\n");
    for (word, form) in Form::ALL {
        let is_said = print(form, &odd, &deployment()).is_ok();
        assert_eq!(is_said, !["nginx", "nginx-uwsgi"].contains(&word), "{word}");
    }
    let lua = print(Form::HaproxyLua, &odd, &deployment()).unwrap().text;
    assert!(lua.contains("'x.user\\'1'"), "{lua}");
    let mut place = deployment();
    place.service = vec![Place::Unix("/run/a b.sock".to_owned())];
    assert!(matches!(print(Form::Envoy, &odd, &place), Err(Unsayable::Socket(_))));
}
