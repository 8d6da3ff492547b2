//! From a policy and a deployment to what the templates beside this file say.

use super::{Deployment, Form, Place, Special};
use crate::fronts::{BLANKED, Front};
use crate::policy::Policy;
use askama::Template;
use std::net::IpAddr;

/// What every template may say.
struct Facts<'a> {
    form: Form,
    deployment: &'a Deployment,
    special: &'a [Special],
    headers: Vec<Header>,
    /// What else of a client's no service should believe: postern's own proxy takes it away or writes it anew.
    blanked: Vec<Header>,
}

impl Facts<'_> {
    fn is_grpc(&self) -> bool {
        self.form.front() == Front::EnvoyGrpc
    }

    /// How much of a body is shown at most.
    fn most_shown(&self) -> Option<u64> {
        self.special.iter().filter_map(|route| route.shown).max()
    }

    fn has_proxied(&self) -> bool {
        self.special.iter().any(|route| route.shown.is_none())
    }

    /// Those of which a question says nothing itself.
    fn blanked_in_questions(&self) -> impl Iterator<Item = &Header> {
        self.blanked.iter().filter(|header| !header.name.starts_with("X-Original-"))
    }

    fn asked_port(&self) -> u16 {
        self.deployment.asked.port()
    }

    fn service_port(&self) -> u16 {
        self.deployment.service.first().map_or(80, Place::port)
    }

    /// Envoy resolves a cluster's addresses in one way.
    fn service_type(&self) -> &'static str {
        let is_named = |place: &Place| place.envoy_type() != "STATIC";
        if self.deployment.service.iter().any(is_named) { "STRICT_DNS" } else { "STATIC" }
    }
}

/// A header that the front must replace.
struct Header {
    /// `X-Postern-User`
    name: String,
    /// `x_postern_user`
    variable: String,
}

impl Header {
    fn of(name: &str) -> Self {
        let mut is_first = true;
        let title = name.chars().map(|c| {
            let c = if is_first { c.to_ascii_uppercase() } else { c };
            is_first = !c.is_ascii_alphanumeric();
            c
        });
        Self { name: title.collect(), variable: name.replace('-', "_") }
    }

    fn lower(&self) -> String {
        self.name.to_ascii_lowercase()
    }

    /// `X_POSTERN_USER`
    fn cgi(&self) -> String {
        self.variable.to_ascii_uppercase()
    }

    /// In a text of Lua.
    fn lua(&self) -> String {
        self.lower().replace('\'', "\\'")
    }
}

impl Place {
    fn nginx(&self) -> String {
        match self {
            Self::Unix(path) => format!("unix:{path}"),
            Self::Host { .. } => self.authority(),
        }
    }

    fn caddy(&self) -> String {
        match self {
            Self::Unix(path) => format!("unix/{path}"),
            Self::Host { .. } => self.authority(),
        }
    }

    fn haproxy(&self) -> String {
        match self {
            Self::Unix(path) => format!("unix@{path}"),
            Self::Host { .. } => self.authority(),
        }
    }

    fn envoy(&self) -> String {
        match self {
            Self::Unix(path) => format!("pipe: {{ path: \"{path}\" }}"),
            Self::Host { host, port } => {
                format!("socket_address: {{ address: \"{host}\", port_value: {port} }}")
            }
        }
    }

    /// How Envoy finds it: names alone have to be resolved.
    fn envoy_type(&self) -> &'static str {
        match self {
            Self::Host { host, .. } if host.parse::<IpAddr>().is_err() => "STRICT_DNS",
            _ => "STATIC",
        }
    }

    fn url(&self) -> String {
        format!("http://{}", self.authority())
    }

    /// Where it is another machine's.
    fn port(&self) -> u16 {
        match self {
            Self::Host { port, .. } => *port,
            Self::Unix(_) => 80,
        }
    }

    fn is_unix(&self) -> bool {
        matches!(self, Self::Unix(_))
    }
}

macro_rules! templates {
    ($($name:ident: $file:literal),*) => {
        $(#[derive(Template)]
        #[template(path = $file, escape = "none")]
        struct $name<'a>(Facts<'a>);)*
    };
}

templates! {
    Nginx: "nginx.conf", NginxUwsgi: "nginx-uwsgi.conf", Caddy: "caddy.conf", Traefik: "traefik.yaml", Envoy: "envoy.yaml",
    Istio: "istio.yaml", Haproxy: "haproxy.conf", HaproxyLua: "haproxy.lua", GatewayApi: "gateway-api.yaml"
}

pub(super) fn render(
    form: Form,
    policy: &Policy,
    deployment: &Deployment,
    special: &[Special],
) -> Result<String, askama::Error> {
    let usual = ["authorization", "cookie", "x-request-id"];
    let own = policy.own_headers().iter().map(http::HeaderName::as_str).filter(|name| !usual.contains(name));
    let headers = usual.into_iter().chain(own).map(Header::of).collect();
    let blanked = BLANKED.into_iter().filter(|name| !policy.strip().injects(name)).map(Header::of).collect();
    let facts = Facts { form, deployment, special, headers, blanked };
    let mut text = match form {
        Form::Nginx => Nginx(facts).render(),
        Form::NginxUwsgi => NginxUwsgi(facts).render(),
        Form::Caddy => Caddy(facts).render(),
        Form::Traefik => Traefik(facts).render(),
        Form::Envoy | Form::EnvoyGrpc => Envoy(facts).render(),
        Form::Istio => Istio(facts).render(),
        Form::Haproxy => Haproxy(facts).render(),
        Form::HaproxyLua => HaproxyLua(facts).render(),
        Form::GatewayApi => GatewayApi(facts).render(),
    }?;
    text.truncate(text.trim_end().len());
    text.push('\n');
    Ok(text)
}
