//! A link of a letter is a secret: no spelling of it leaves it in a log.

use crate::support::{Gate, Options, Postern, ROUTES, Upstream};

const SECRET: &str = "0b5c1f0e8a7d4c3b9a2f1e0d9c8b7a6f-ck3x9a-0123456789abcdef0123456789abcdef";

/// A policy with a service's own links of that form.
pub fn routes() -> String {
    ROUTES.replace("/public/**: public", "/public/**: public\n  /accounts/**: public")
}

/// Links of letters, as postern has them or a service behind it, and what is nearly one.
pub fn targets() -> Vec<String> {
    let upper = SECRET.to_uppercase();
    vec![
        format!("/api/v1/users/password/reset/key/{SECRET}/"),
        format!("/api/v1/users/password/reset/key/{SECRET}"),
        format!("/api/v1/users/password/reset/key/{SECRET}/."),
        format!("/api/v1/users/password/reset/key/{SECRET}//"),
        format!("//api/v1/users/password/reset/key/{SECRET}/"),
        format!("/api/v1/users/../users/password/reset/key/{SECRET}/"),
        format!("/api/v1/users/password/reset/%6Bey/{SECRET}/"),
        format!("/api/v1/users/password/reset/key%2F{SECRET}/"),
        format!("/API/v1/users/Password/Reset/Key/{upper}/"),
        format!("/accounts/password/reset/key/{SECRET}/?x={SECRET}"),
        format!("/accounts/password/reset/key/{SECRET};x"),
        format!("/accounts/password/reset/key/{SECRET}%00"),
        format!("/accounts/password/reset/key/{}/", SECRET.replace("-", "%2d")),
        format!("/public/accounts/password/reset/key/{SECRET}/"),
        format!("/public/{SECRET}"),
        format!("/nothing?next=/accounts/password/reset/key/{SECRET}/"),
        format!("/nothing%3Fnext=/accounts/password/reset/key/{SECRET}/"),
        format!("http://api.example.com/accounts/password/reset/key/{SECRET}/"),
    ]
}

/// The lines, in whatever case, that show a part of the secret.
pub fn telling(everything: &str) -> Vec<String> {
    let tells = |line: &&str| ["0b5c1f0e8a7d4c3b", "0123456789abcdef"].iter().any(|part| line.contains(part));
    everything.to_lowercase().lines().filter(tells).map(str::to_owned).collect()
}

#[test]
fn a_link_is_in_no_log_whether_it_is_answered_refused_or_forwarded() {
    let options = Options::policy(routes());
    let upstream = Upstream::echo();
    let home = Postern::prepare(Some(upstream.address()), &options);
    let mut command = Postern::serve(home.path(), &options);
    let postern = Postern::run(home, command.env("POSTERN_LOG", "trace"));
    let gate = Gate { postern, upstream };
    let targets = targets();
    for target in &targets {
        for method in ["GET", "POST", "get"] {
            gate.send(format!(
                "{method} {target} HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            ));
        }
    }
    let lines = gate.postern.access_lines(3 * targets.len());
    assert!(lines.iter().any(|line| line["path"] == "/api/v1/users/password/reset/key/..."));
    let everything =
        [gate.postern.stdout(), gate.postern.stderr(), vec![gate.postern.admin("/metrics").text()]].concat();
    let lines = telling(&everything.join("\n"));
    assert!(lines.is_empty(), "{lines:#?}");
}
