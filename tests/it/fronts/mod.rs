//! Proxies that ask (`forward_auth:`) whether a request may pass, and forward it themselves.

mod doctor;
mod envoy_grpc;
mod ext_authz;
mod printed;
mod questions;
mod real;
mod servers;
mod targets;

use crate::support::{Answer, Options, Postern, Raw, Who, World, free_port};
use std::net::SocketAddr;

/// A postern that a front asks, in front of nothing.
struct Asked {
    postern: Postern,
    /// Where it is asked.
    address: SocketAddr,
    front: &'static str,
}

impl Asked {
    fn new(front: &'static str, policy: &str) -> Self {
        Self::with(front, policy, "trusted_proxies: [127.0.0.1]\n")
    }

    fn with(front: &'static str, policy: &str, config: &str) -> Self {
        Self::before(SocketAddr::from(([127, 0, 0, 1], 1)), front, policy, config)
    }

    /// One that has this service behind its own proxy, for what only that can serve.
    fn before(service: SocketAddr, front: &'static str, policy: &str, config: &str) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let mut options = Options::policy(policy);
        options.config = format!("forward_auth: {{ listen: \"{address}\", front: {front} }}\n{config}");
        Self { postern: Postern::start(service, &options), address, front }
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
