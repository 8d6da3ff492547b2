//! Proxies that ask (`forward_auth:`) whether a request may pass, and forward it themselves.

mod attacks;
mod attacks_unplanned;
mod doctor;
mod envoy_grpc;
mod ext_authz;
mod navigation;
mod printed;
mod questions;
mod real;
mod revocation;
mod servers;
mod step_up;
mod targets;

use crate::support::{Answer, Options, Postern, Raw, Who, World, free_port};
use std::net::SocketAddr;

/// What each front that is run is tried with.
const POLICY: &str = r#"
version: 1
upstream: echo
defaults:
  inject: { X-Postern-User: user.username, X-Postern-Organization: org.slug }
routes:
  /public/**: public
  /me/**: authenticated
  /own/**: { level: authenticated, forward_authorization: true }
  /api/v1/org/{org:slug}/**: { org: path.org as slug, read: member, write: manager }
  /few: { level: public, throttle: { rate: 1/hour, by: address } }
  /readonly: { GET: authenticated }
  /header: { GET: { level: member, org: header.X-Org as slug } }
  /when: { GET: { level: public, when: '!("x-mode" in request.headers) || request.headers["x-mode"] != "evil"' } }
  /odd/**: { level: public, target: { double_slash: allow, encoded_slash: allow } }
  /body: { POST: { level: member, org: body.organization as slug } }
  /ext/**: { level: authenticated, rewrite: { strip_prefix: /ext } }
  /basic: { level: authenticated, authenticate: [bearer, basic] }
  /cors: { level: authenticated, cors: { origins: ["https://a.example"], methods: [GET], headers: [Authorization], credentials: true } }
  /ws/**: { GET: { level: authenticated, upgrade: [websocket] } }
"#;

const TRUSTING: &str = "trusted_proxies: [127.0.0.1]\n";

/// The lines of a configuration for a front that asks there.
fn asking(front: &str, listen: &str) -> String {
    match front {
        "envoy-grpc" => format!("ext_authz: {{ listen: \"{listen}\" }}\n"),
        _ => format!("forward_auth: {{ listen: \"{listen}\", front: {front} }}\n"),
    }
}

/// A postern that a front asks, in front of nothing.
struct Asked {
    postern: Postern,
    /// Where it is asked.
    address: SocketAddr,
    front: &'static str,
}

impl Asked {
    fn new(front: &'static str, policy: &str) -> Self {
        Self::with(front, policy, TRUSTING)
    }

    fn with(front: &'static str, policy: &str, config: &str) -> Self {
        Self::before(SocketAddr::from(([127, 0, 0, 1], 1)), front, policy, config)
    }

    /// One that has this service behind its own proxy, for what only that can serve.
    fn before(service: SocketAddr, front: &'static str, policy: &str, config: &str) -> Self {
        Self::before_upstream(&format!("http://{service}"), front, policy, config)
    }

    /// The same, by the URL of the service.
    fn before_upstream(url: &str, front: &'static str, policy: &str, config: &str) -> Self {
        Self::as_set_up(url, front, Options { config: config.to_owned(), ..Options::policy(policy) })
    }

    /// The same with all of a test's options.
    fn as_set_up(url: &str, front: &'static str, mut options: Options) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        options.config.insert_str(0, &asking(front, &address.to_string()));
        options.upstreams = Some(format!("{{ echo: \"{url}\" }}"));
        Self { postern: Postern::start(address, &options), address, front }
    }

    /// Asks about a request as its front would.
    fn ask(&self, who: Who, method: &str, target: &str, headers: &[(&str, &str)]) -> Answer {
        let (names, asked) = match self.front {
            "nginx" | "haproxy" => (["X-Original-Method", "X-Original-URI"], "GET /verdict"),
            "caddy" | "traefik" => (["X-Forwarded-Method", "X-Forwarded-Uri"], "GET /"),
            _ => return self.put(who, &format!("{method} {target}"), headers),
        };
        let mut told = vec![(names[0], method), (names[1], target)];
        if self.front == "traefik" {
            told.push(("X-Forwarded-Host", "api.example.com"));
        }
        self.put(who, asked, &[&told, headers].concat())
    }

    /// Sends a question as it is.
    fn put(&self, who: Who, line: &str, headers: &[(&str, &str)]) -> Answer {
        let mut text = format!("{line} HTTP/1.1\r\nHost: api.example.com\r\n");
        if let Some(token) = World::get().token(who) {
            text += &format!("Authorization: Bearer {token}\r\n");
        }
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        Raw::connect(self.address).send(text + "\r\n").answer()
    }
}
