//! `postern doctor --through`: what a proxy before the service does to requests, seen from both of its sides.

use super::advice::Promise;
use super::service::{BODY, Seen, Service};
use super::{Findings, PATIENCE, Url, short_lived, until};
use crate::clock;
use crate::config::Config;
use crate::directory::{Directory, Viewer};
use crate::fronts::Front;
use crate::normalized_name::same_name;
use crate::policy::Policy;
use crate::reload::load_policy;
use http::HeaderName;
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

/// What stands in forged headers.
const FORGED: &str = "forged-by-doctor";
/// A path that no policy has.
const NOWHERE: &str = "/postern-doctor-asks-for-nothing";
/// What a request that hides in another one asks for.
const SMUGGLED: &str = "/postern-doctor-smuggles";

/// Whom and what the probes are about.
pub(super) struct Probed {
    pub(super) url: Url,
    pub(super) user: String,
    /// Where the front forwards to.
    pub(super) service: SocketAddr,
}

/// Sends the probes, with a token that is made for as long as they take.
///
/// # Errors
/// The directory makes no token, or the address of the service is taken.
pub(super) async fn through(
    probed: Probed,
    config: &Config,
    store: &Directory,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let policy = load_policy(config)?;
    let service = Service::start(probed.service)
        .map_err(|error| anyhow::anyhow!("cannot listen in the place of the service at {}: {error}", probed.service))?;
    let view = store.as_seen_by(Viewer::Operator);
    let (token, record) = short_lived(&view, &probed.user, 300).await?;
    let over_http = config.forward_auth.as_ref().map(|asked| asked.front);
    let front = over_http.or_else(|| config.ext_authz.as_ref().map(|_| Front::EnvoyGrpc));
    let url = probed.url.clone();
    let known = until(&url, token.expose(), |status| status == 200).await;
    let probes = Probes {
        url: probed.url,
        token: token.expose().to_owned(),
        service,
        front,
        sent: Cell::default(),
        findings: Findings::default(),
    };
    let probes = tokio::task::spawn_blocking(move || probes.all(&policy)).await?;
    findings.0.extend(probes.findings.0);
    view.revoke_token(record.id).await?;
    let start = clock::monotonic();
    match (known, until(&url, token.expose(), |status| status == 401).await) {
        (Ok(()), Ok(())) => {
            let lag = start.elapsed();
            let state = if lag <= super::BOUND { "ok" } else { "warning" };
            findings.add("revocation", state, format!("held after {} ms through the front", lag.as_millis()));
        }
        (Ok(()), Err(error)) => findings.of("revocation", Err(error.context(Promise::Fresh.line(front)))),
        // The probes have said why.
        (Err(_), _) => {}
    }
    Ok(())
}

struct Probes {
    url: Url,
    token: String,
    service: Service,
    /// The proxy that asks; without one postern is the proxy itself.
    front: Option<Front>,
    /// Probes of the check that is under way.
    sent: Cell<usize>,
    findings: Findings,
}

/// What came back, and what came out at the other end.
struct Told {
    status: u16,
    head: String,
    body: String,
    seen: Vec<Seen>,
}

impl Told {
    fn is_refused(&self) -> bool {
        self.seen.is_empty() && !(200..300).contains(&self.status)
    }

    fn has_header(&self, name: &str) -> bool {
        self.head.lines().any(|line| line.split_once(':').is_some_and(|(known, _)| known.eq_ignore_ascii_case(name)))
    }
}

impl Probes {
    fn all(mut self, policy: &Policy) -> Self {
        let first = self.get(&self.url.path.clone(), "");
        let is_there = first.status == 200 && first.seen.len() == 1 && first.body.ends_with(BODY);
        let Some(usual) = first.seen.into_iter().next().filter(|_| is_there) else {
            let detail = format!(
                "with a token the answer is {}, and the service in whose place doctor listens was not reached as it should: may that user GET this path, and is that where the front forwards to?",
                first.status
            );
            self.findings.add("the way", "failed", detail);
            return self;
        };
        self.findings.add("the way", "ok", "the front asks, and forwards to the service");
        self.sent.set(0);
        self.identity(policy.own_headers(), &usual);
        self.credential(policy, &usual);
        self.targets();
        self.question();
        self.refusals(policy);
        self.fresh();
        self.bodies();
        self.answers();
        self
    }

    fn identity(&mut self, names: &[HeaderName], usual: &Seen) {
        let mut wrong = Vec::new();
        for name in names.iter().filter(|name| **name != http::header::AUTHORIZATION && **name != http::header::COOKIE)
        {
            let name = name.as_str();
            let spellings = [name.to_owned(), name.to_uppercase(), name.replace('-', "_"), name.replace('-', ".")];
            for spelling in &spellings {
                let told = self.get(&self.url.path, &format!("{spelling}: {FORGED}\r\n"));
                let leaks = |seen: &Seen| {
                    seen.headers.iter().any(|(known, value)| same_name(known.as_str(), name) && value.contains(FORGED))
                };
                if told.seen.iter().any(leaks) {
                    wrong.push(format!("the client's `{spelling}` reaches the service"));
                }
            }
            let told = self.get(&self.url.path, &format!("Connection: {name}\r\n{name}: {FORGED}\r\n"));
            let lost = |seen: &Seen| seen.header(name) != usual.header(name);
            if told.seen.iter().any(lost) {
                wrong.push(format!("`Connection: {name}` takes `{name}` away, or changes it"));
            }
        }
        self.report("identity headers", Promise::Identity, wrong);
    }

    fn credential(&mut self, policy: &Policy, usual: &Seen) {
        let path = self.url.path.split('?').next().unwrap_or_default();
        let forwards = policy
            .find(&self.url.authority, path)
            .is_some_and(|found| found.route.rules().iter().any(|rule| rule.forward_authorization));
        let mut wrong = Vec::new();
        for told in
            [usual, &self.get(&self.url.path, "Cookie: theme=dark\r\n").seen.into_iter().next().unwrap_or_default()]
        {
            if !forwards && told.headers.iter().any(|(_, value)| value.contains(&self.token)) {
                wrong.push("the token reaches the service".to_owned());
            }
        }
        wrong.dedup();
        self.report("credential", Promise::Credential, wrong);
    }

    /// Each is refused, or reaches the service as it is.
    fn targets(&mut self) {
        let path = self.url.path.split('?').next().unwrap_or_default().trim_end_matches('/').to_owned();
        let mut wrong = Vec::new();
        for odd in [
            "?q=%2F&r=a+b",
            "?a?b",
            "?",
            "/?x=//",
            "/caf%C3%A9",
            "/%63af",
            "/x%20y",
            "//x",
            "/./x",
            "/../x",
            "/%2e%2e/x",
            "/.%2e/x",
            "/x;y=1",
            "/x/..;/y",
            "/%2Fx",
            "/x%2fy",
            "/%5Cx",
            "/x\\y",
            "/x%00",
            "/x%0d%0aY:%201",
            "/%zz",
            "/x#f",
            "/x%25",
            "/%252e",
            "/~t",
            "/x,y=z&w",
            "/x%3Fy",
            "/X",
        ] {
            let target = format!("{path}{odd}");
            let told = self.get(&target, "");
            // What a front makes of it before it asks is what was judged.
            let fragment = target.replace('#', "%23");
            let is_other = |seen: &&Seen| seen.target != target && seen.target != fragment;
            let other = told.seen.iter().find(is_other);
            if let Some(seen) = other {
                wrong.push(format!("`{odd}` behind the path reaches the service as `{}`", seen.target));
            }
        }
        for method in ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"] {
            let told = self.send(&format!("{method} {} HTTP/1.1\r\n", self.url.path), "Content-Length: 0\r\n", true);
            if let Some(seen) = told.seen.iter().find(|seen| seen.method != method) {
                wrong.push(format!("{method} reaches the service as {}", seen.method));
            }
        }
        self.report("targets and methods", Promise::Target, wrong);
    }

    /// What clients say of what was asked for counts for nothing.
    fn question(&mut self) {
        let mut wrong = Vec::new();
        let good = self.url.path.clone();
        for name in ["X-Original-URI", "X-Original-URL", "X-Forwarded-Uri", "X-Rewrite-URL", "X-Envoy-Original-Path"] {
            let told = self.get(NOWHERE, &format!("{name}: {good}\r\n"));
            if !told.is_refused() {
                wrong.push(format!("`{name}` of the client makes another path pass"));
            }
        }
        for name in ["X-Original-Method", "X-Forwarded-Method", "X-HTTP-Method-Override"] {
            let told = self.send(&format!("GET {good} HTTP/1.1\r\n"), &format!("{name}: OPTIONS\r\n"), false);
            if !told.is_refused() {
                wrong.push(format!("`{name}` of the client lets a request pass without a credential"));
            }
        }
        for (line, credential, code) in [
            (format!("GET {good} HTTP/1.1\r\n"), "", "401 `credentials_missing`"),
            (format!("GET {good} HTTP/1.1\r\n"), "Authorization: Bearer nobody-s\r\n", "401 `credentials_invalid`"),
            (format!("GET {NOWHERE} HTTP/1.1\r\n"), "", "a refusal of an unknown path"),
        ] {
            if !self.send(&line, credential, false).is_refused() {
                wrong.push(format!("a request passes that postern answers with {code}"));
            }
        }
        let told = self.send(
            &format!("OPTIONS {good} HTTP/1.1\r\n"),
            "Origin: https://x.example\r\nAccess-Control-Request-Method: GET\r\n",
            false,
        );
        if !told.seen.is_empty() {
            wrong.push("a preflight reaches the service without a credential".to_owned());
        }
        self.report("the question", Promise::Question, wrong);
    }

    fn refusals(&mut self, policy: &Policy) {
        let mut wrong = Vec::new();
        let good = format!("GET {} HTTP/1.1\r\n", self.url.path);
        let none = self.send(&good, "", false);
        let bad = self.send(&good, "Authorization: Bearer nobody-s\r\n", false);
        for (told, code) in [(&none, "credentials_missing"), (&bad, "credentials_invalid")] {
            if told.status != 401 || !told.body.contains(code) {
                wrong.push(format!("401 `{code}` reaches the client as {} with another body", told.status));
            } else if !told.has_header("www-authenticate") {
                wrong.push(format!("401 `{code}` loses its `WWW-Authenticate`"));
            }
        }
        if policy.find(&self.url.authority, NOWHERE).is_none() {
            let told = self.get(NOWHERE, "");
            if told.status != 404 || !told.body.contains("no_route") {
                wrong.push(format!("404 `no_route` reaches the client as {} with another body", told.status));
            }
        }
        self.report("refusals", Promise::Refusal, wrong);
    }

    fn fresh(&mut self) {
        let mut wrong = Vec::new();
        let good = self.url.path.clone();
        for _ in 0..2 {
            if self.get(&good, "").seen.len() != 1 {
                wrong.push("the same request again does not reach the service".to_owned());
            }
            if !self.send(&format!("GET {good} HTTP/1.1\r\n"), "", false).is_refused() {
                wrong.push("behind a request that may pass, one without a credential passes".to_owned());
            }
        }
        wrong.dedup();
        self.report("caches", Promise::Fresh, wrong);
    }

    /// Bodies that end where it is not clear are refused; a request in one never stands alone.
    fn bodies(&mut self) {
        let mut wrong = Vec::new();
        let post = format!("POST {} HTTP/1.1\r\n", self.url.path);
        let large = "x".repeat(100_000);
        let hidden = format!("GET {SMUGGLED} HTTP/1.1\r\nHost: x\r\n\r\n");
        for (headers, body, expected) in [
            (format!("Content-Length: {}\r\n", large.len()), large.clone(), Some(large.clone())),
            (
                "Transfer-Encoding: chunked\r\n".to_owned(),
                "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n".to_owned(),
                Some("abcde".to_owned()),
            ),
            ("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n".to_owned(), format!("0\r\n\r\n{hidden}"), None),
            (
                format!("Transfer-Encoding: xchunked\r\nContent-Length: {}\r\n", 5 + hidden.len()),
                format!("0\r\n\r\n{hidden}"),
                None,
            ),
            (format!("Content-Length: 0\r\nContent-Length: {}\r\n", hidden.len()), hidden.clone(), None),
            (format!("Content-Length : {}\r\n", hidden.len()), hidden.clone(), None),
            (format!("X: y\r\n Content-Length: 0\r\nContent-Length: {}\r\n", hidden.len()), hidden.clone(), None),
            (format!("Content-Length: +{}\r\n", hidden.len()), hidden.clone(), None),
        ] {
            let told = self.send(&post, &format!("{headers}\r\n{body}"), true);
            let framing = headers.lines().map(str::trim).collect::<Vec<_>>().join(", ");
            if told.seen.iter().any(|seen| seen.target == SMUGGLED) {
                wrong.push(format!("a request in a body reaches the service as one of its own ({framing})"));
            }
            if let (Some(expected), Some(seen)) = (expected, told.seen.first())
                && seen.body != expected.as_bytes()
            {
                wrong.push(format!("a body reaches the service otherwise than it was sent ({framing})"));
            }
        }
        self.report("bodies", Promise::Body, wrong);
    }

    fn answers(&mut self) {
        let mut wrong = Vec::new();
        let told = self.get(&self.url.path, "");
        let cookies = told.head.lines().filter(|line| line.to_ascii_lowercase().starts_with("set-cookie:")).count();
        if cookies != 2 {
            wrong.push(format!("of two cookies that the service sets {cookies} reach the client"));
        }
        let leaks = told.head.contains("told-by-the-service");
        // Where another proxy forwards, postern sees no answer.
        if leaks && self.front.is_none() {
            wrong.push("what the service says in `X-Postern-User` reaches the client".to_owned());
        }
        self.report("answers", Promise::Answer, wrong);
    }

    fn report(&mut self, check: &str, promise: Promise, wrong: Vec<String>) {
        let sent = self.sent.take();
        if wrong.is_empty() {
            return self.findings.add(check, "ok", format!("{sent} requests"));
        }
        let more = wrong.len().saturating_sub(3);
        let mut detail = wrong.into_iter().take(3).collect::<Vec<_>>().join("; ");
        if more > 0 {
            detail += &format!("; and {more} more");
        }
        self.findings.add(check, "failed", format!("{detail}. To change: {}", promise.line(self.front)));
    }

    /// A GET with the token.
    fn get(&self, target: &str, headers: &str) -> Told {
        self.send(&format!("GET {target} HTTP/1.1\r\n"), headers, true)
    }

    /// Sends a request: its first line, and what stands behind `Host`.
    fn send(&self, line: &str, rest: &str, with_token: bool) -> Told {
        self.sent.set(self.sent.get() + 1);
        self.service.take();
        let credential = if with_token { format!("Authorization: Bearer {}\r\n", self.token) } else { String::new() };
        let close = if rest.contains("Connection:") { "" } else { "Connection: close\r\n" };
        let end = if rest.contains("\r\n\r\n") { "" } else { "\r\n" };
        let request = format!("{line}Host: {}\r\n{credential}{close}{rest}{end}", self.url.authority);
        let answer = self.exchange(request.as_bytes()).unwrap_or_default();
        let text = String::from_utf8_lossy(&answer);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.get(9..12).and_then(|digits| digits.parse().ok()).unwrap_or(0);
        Told { status, head: head.to_owned(), body: body.to_owned(), seen: self.service.take() }
    }

    fn exchange(&self, request: &[u8]) -> std::io::Result<Vec<u8>> {
        let address = self.url.server.to_socket_addrs()?.next().ok_or(std::io::ErrorKind::NotFound)?;
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(request)?;
        let mut answer = Vec::new();
        // A front that keeps the connection is not waited for longer than that.
        let _ = stream.take(1 << 20).read_to_end(&mut answer);
        Ok(answer)
    }
}
