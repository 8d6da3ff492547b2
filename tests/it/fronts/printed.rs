//! What `postern integrate` prints: the blocks of docs/fronts, and what the fronts themselves say to less usual policies.

use super::servers::{Front, RUN};
use super::{Asked, TRUSTING, asking};
use crate::support::{Options, Postern, Raw, Upstream, Who, request};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;

const PAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/fronts");

/// The lines of the block behind a comment that says which command prints it, and what is before and after.
fn block<'p>(page: &'p str, form: &str) -> Option<(&'p str, &'p str, &'p str)> {
    let mark = format!("<!-- postern integrate {form} -->\n```");
    let at = page.find(&mark)? + mark.len();
    let start = at + page[at..].find('\n')? + 1;
    let end = start + page[start..].find("```\n")?;
    Some((&page[..start], &page[start..end], &page[end..]))
}

/// `BLESS=1` writes them.
#[test]
fn the_pages_show_what_is_printed_for_their_policy() {
    let about = std::fs::read_to_string(Path::new(PAGES).join("README.md")).unwrap();
    let policy = about.split("```yaml routes\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let home = Postern::prepare(None, &Options::policy(""));
    std::fs::write(home.path().join("shown.yaml"), policy).unwrap();
    let pages: Vec<_> = std::fs::read_dir(PAGES).unwrap().map(|entry| entry.unwrap().path()).collect();
    for (form, _) in postern::tools::integrate::Form::ALL {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_postern"))
            .args(["integrate", form, "--policy", "shown.yaml"])
            .current_dir(home.path())
            .env_remove("POSTERN_CONFIG")
            .output()
            .unwrap();
        assert!(output.status.success(), "{form}: {}", String::from_utf8_lossy(&output.stderr));
        let printed = String::from_utf8(output.stdout).unwrap();
        let shown = pages.iter().filter(|page| {
            let text = std::fs::read_to_string(page).unwrap();
            let Some((before, shown, after)) = block(&text, form) else { return false };
            if shown != printed {
                assert!(std::env::var_os("BLESS").is_some(), "{form}: BLESS=1 renews {}\n{printed}", page.display());
                std::fs::write(page, format!("{before}{printed}{after}")).unwrap();
            }
            true
        });
        assert_eq!(shown.count(), 1, "one page of docs/fronts shows {form}");
    }
}

/// Forty headers with long values, more than buffers of usual sizes hold.
#[test]
fn a_front_takes_many_headers_from_the_answer() {
    let inject: Vec<String> = (0..40).map(|at| format!("X-Told-{at}: {{ literal: {} }}", "v".repeat(300))).collect();
    let policy = format!(
        "version: 1\nupstream: echo\nroutes:\n  /public/**: {{ level: public, inject: {{ {} }} }}\n",
        inject.join(", ")
    );
    for name in RUN {
        let service = Upstream::echo();
        let asked = Asked::before(service.address(), name, &policy, TRUSTING);
        let front = Front::before(&asked);
        let spoofed = [("X-Told-0", "x"), ("X-Told-39", "x")];
        let answer = Raw::connect(front.address).send(request(Who::nobody, "GET", "/public/x", &spoofed, "")).answer();
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        for at in 0..40 {
            assert_eq!(service.last().folded(&format!("x-told-{at}")), ["v".repeat(300)], "{name}");
        }
    }
}

/// Names that mean something else in a configuration, unless they are quoted.
#[test]
fn a_front_takes_headers_of_odd_names() {
    let odd = ["X.User", "X'User2", "X+User3", "X|User4", "X#User5", "X$User6"];
    let inject: Vec<String> = odd.iter().map(|name| format!("\"{name}\": {{ literal: told }}")).collect();
    let policy = format!(
        "version: 1\nupstream: echo\nroutes:\n  /public/**: {{ level: public, inject: {{ {} }} }}\n",
        inject.join(", ")
    );
    for name in RUN {
        let service = Upstream::echo();
        let asked = Asked::before(service.address(), name, &policy, TRUSTING);
        if name == "nginx" {
            let refused = asked.postern.try_cli(&["integrate", "nginx"]).unwrap_err();
            assert!(refused.contains("can name the header"), "{refused}");
            continue;
        }
        let front = Front::before(&asked);
        let answer = Raw::connect(front.address).send(request(Who::nobody, "GET", "/public/x", &[], "")).answer();
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        for header in odd {
            assert_eq!(service.last().header(&header.to_lowercase()), Some("told"), "{name}: {header}");
        }
    }
}

#[test]
fn a_front_asks_and_forwards_over_unix_sockets() {
    for name in RUN {
        let home = tempfile::tempdir().unwrap();
        let (ask, service) = (home.path().join("ask.sock"), home.path().join("service.sock"));
        let listener = UnixListener::bind(&service).unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, mut head) = (stream.unwrap(), [0; 4096]);
                let _ = stream.read(&mut head);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        });
        let mut options =
            Options::policy("version: 1\nupstream: echo\nroutes: { /public/**: public, /me: authenticated }\n");
        options.config = asking(name, &format!("unix://{}", ask.display())) + TRUSTING;
        options.upstreams = Some(format!("{{ echo: \"unix://{}\" }}", service.display()));
        let nowhere = ([127, 0, 0, 1], 1).into();
        let postern = Postern::start(nowhere, &options);
        let asked = Asked { postern, address: nowhere, front: name };
        let front = Front::before(&asked);
        let status =
            |target| Raw::connect(front.address).send(request(Who::nobody, "GET", target, &[], "")).answer().status;
        assert_eq!((status("/public/x"), status("/me")), (200, 401), "{name}");
    }
}

/// Reads a request in the protocol of uWSGI: a head of four bytes, then names and values behind their lengths.
fn variables(stream: &mut impl Read) -> Vec<(String, String)> {
    let mut head = [0; 4];
    stream.read_exact(&mut head).unwrap();
    let mut rest = vec![0; usize::from(u16::from_le_bytes([head[1], head[2]]))];
    stream.read_exact(&mut rest).unwrap();
    let mut rest = rest.as_slice();
    let mut text = || {
        let mut length = [0; 2];
        rest.read_exact(&mut length).ok()?;
        let mut text = vec![0; u16::from_le_bytes(length).into()];
        rest.read_exact(&mut text).unwrap();
        Some(String::from_utf8(text).unwrap())
    };
    std::iter::from_fn(|| Some((text()?, text()?))).collect()
}

#[test]
fn behind_nginx_a_service_of_uwsgi_is_told_the_path_that_was_judged() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let service = listener.local_addr().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            if tell.send(variables(&mut stream)).is_err() {
                return;
            }
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        }
    });
    let policy = "version: 1\nupstream: echo\ndefaults: { inject: { X-Postern-User: user.username } }\nroutes: { /me/**: authenticated }\n";
    let asked = Asked::before(service, "nginx", policy, TRUSTING);
    let front = Front::printed_as("nginx-uwsgi", &asked, |text| text);
    let send = |who, target, headers: &[(&str, &str)]| {
        Raw::connect(front.address).send(request(who, "GET", target, headers, "")).answer().status
    };
    let spoofed = [("X-Postern-User", "su"), ("X-Forwarded-Host", "evil.example"), ("Cookie", "theme=dark")];
    assert_eq!(send(Who::uA, "/me/caf%C3%A9%3Fb?a=%2F", &spoofed), 200);
    let variables = told.recv().unwrap();
    for (name, value) in [
        ("PATH_INFO", "/me/café?b"),
        ("QUERY_STRING", "a=%2F"),
        ("REQUEST_URI", "/me/caf%C3%A9%3Fb?a=%2F"),
        ("HTTP_X_POSTERN_USER", "uA"),
        ("HTTP_COOKIE", "theme=dark"),
        ("HTTP_HOST", "api.example.com"),
    ] {
        let values: Vec<_> = variables.iter().filter(|(other, _)| other == name).map(|(_, value)| value).collect();
        assert_eq!(values, [value], "{name}: {variables:?}");
    }
    let has = |name: &str| variables.iter().any(|(other, _)| other == name);
    assert!(!has("HTTP_AUTHORIZATION") && !has("HTTP_X_FORWARDED_HOST"), "{variables:?}");
    for (who, target, status) in [
        (Who::nobody, "/me/x", 401),
        (Who::uA, "/me//x", 400),
        (Who::uA, "/me/a%2Fb", 400),
        (Who::uA, "/me/../me/x", 400),
        (Who::uA, "/me/%2e%2e/x", 400),
        (Who::uA, "/nothing", 404),
    ] {
        assert_eq!(send(who, target, &[]), status, "{target}");
    }
    assert!(told.try_recv().is_err(), "nothing that was refused reached the service");
}
