//! The whole configuration of a front (docs/fronts) for one policy: which headers it must replace, and which paths it sends to
//! postern's own proxy because it cannot do itself what their routes say.

mod paths;
mod template;
#[cfg(test)]
mod tests;

use crate::fronts::Front;
use crate::policy::{Access, Csrf, Policy, Route, Rule, Scheme};
use paths::Paths;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// What can be printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Nginx,
    /// nginx that passes on in the protocol of uWSGI, as it does before Django.
    NginxUwsgi,
    Caddy,
    Traefik,
    Envoy,
    /// Envoy that asks over gRPC.
    EnvoyGrpc,
    /// The filter of Envoy, put into a gateway of Istio.
    Istio,
    Haproxy,
    /// The action in Lua that HAProxy's configuration loads.
    HaproxyLua,
    GatewayApi,
}

impl Form {
    /// All of them, by the word of the command line.
    pub const ALL: [(&'static str, Self); 10] = [
        ("nginx", Self::Nginx),
        ("nginx-uwsgi", Self::NginxUwsgi),
        ("caddy", Self::Caddy),
        ("traefik", Self::Traefik),
        ("envoy", Self::Envoy),
        ("envoy-grpc", Self::EnvoyGrpc),
        ("istio", Self::Istio),
        ("haproxy", Self::Haproxy),
        ("haproxy-lua", Self::HaproxyLua),
        ("gateway-api", Self::GatewayApi),
    ];

    /// The front that it is for.
    #[must_use]
    pub const fn front(self) -> Front {
        match self {
            Self::Nginx | Self::NginxUwsgi => Front::Nginx,
            Self::Caddy => Front::Caddy,
            Self::Traefik => Front::Traefik,
            Self::Envoy | Self::Istio => Front::Envoy,
            Self::EnvoyGrpc => Front::EnvoyGrpc,
            Self::Haproxy | Self::HaproxyLua => Front::Haproxy,
            Self::GatewayApi => Front::GatewayApi,
        }
    }

    /// Whether a header of this name can be written in it. Where not, the client's own would stay.
    fn can_say(self, header: &str) -> bool {
        let mut bytes = header.bytes();
        match self {
            // Its variables (`$upstream_http_NAME`) are of these.
            Self::Nginx | Self::NginxUwsgi => {
                bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
            }
            // `-Name`, `+Name`, `?Name` and `Na*` mean something else, and backquotes end a text.
            Self::Caddy => {
                bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
                    && bytes.all(|byte| !matches!(byte, b'*' | b'`'))
            }
            _ => true,
        }
    }
}

/// Where somebody listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    Host { host: String, port: u16 },
    Unix(String),
}

impl Place {
    /// Where to connect to for this address: loopback stands for all of them.
    #[must_use]
    pub fn of(address: SocketAddr) -> Self {
        let ip = match address {
            SocketAddr::V4(v4) if v4.ip().is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(v6) if v6.ip().is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            _ => address.ip(),
        };
        Self::Host { host: ip.to_string(), port: address.port() }
    }

    fn authority(&self) -> String {
        match self {
            Self::Host { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Host { host, port } => format!("{host}:{port}"),
            Self::Unix(_) => "localhost".to_owned(),
        }
    }
}

/// Who is where.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// Where postern is asked: `forward_auth.listen`, or `ext_authz.listen`.
    pub asked: Place,
    /// Where it is a proxy itself: `listen`.
    pub proxy: Place,
    /// The upstream that the front forwards to.
    pub service: Vec<Place>,
    /// Its name in the policy; empty where that names none.
    pub upstream: Box<str>,
}

/// The text of a configuration, and what its reader should know besides.
#[derive(Clone, Debug)]
pub struct Printed {
    pub text: String,
    pub findings: Vec<String>,
}

/// A route that a front cannot forward as it does all others.
#[derive(Clone, Debug)]
struct Special {
    /// As the policy writes it.
    pattern: String,
    why: &'static str,
    paths: Paths,
    /// The front shows so many bytes of the body, and forwards it itself; otherwise it leaves it to postern's proxy.
    shown: Option<u64>,
}

/// Why a configuration cannot be printed.
#[derive(Debug, thiserror::Error)]
pub enum Unsayable {
    #[error("no configuration of this front can name the header `{0}`, so that it would forward the client's own")]
    Header(String),
    #[error("the path of a socket has a character that cannot be written in it: `{0}`")]
    Socket(String),
    #[error(transparent)]
    Template(#[from] askama::Error),
}

/// Prints it.
///
/// # Errors
/// It cannot say what the policy needs.
pub fn print(form: Form, policy: &Policy, deployment: &Deployment) -> Result<Printed, Unsayable> {
    if let Some(header) = policy.own_headers().iter().find(|header| !form.can_say(header.as_str())) {
        return Err(Unsayable::Header(header.to_string()));
    }
    let places = deployment.service.iter().chain([&deployment.asked, &deployment.proxy]);
    let odd = |path: &str| path.chars().any(|c| c.is_control() || c.is_whitespace() || "\"'`\\{}#;$%".contains(c));
    for place in places {
        match place {
            Place::Unix(path) if odd(path) => return Err(Unsayable::Socket(path.clone())),
            _ => {}
        }
    }
    let special = special(form, policy, &deployment.upstream);
    let findings = findings(form, policy, deployment, &special);
    let text = template::render(form, policy, deployment, &special)?;
    Ok(Printed { text, findings })
}

/// What a front cannot forward without more.
fn special(form: Form, policy: &Policy, upstream: &str) -> Vec<Special> {
    let own = policy.own_places().map(|place| Special {
        pattern: if place.ends_with('/') { format!("{place}**") } else { place.to_owned() },
        why: "is postern's own",
        paths: Paths::below(place),
        shown: None,
    });
    let routes = policy.routes().iter().filter_map(|route| {
        let is_elsewhere = policy.upstreams().get(route.upstream).is_some_and(|name| **name != *upstream);
        let (why, shown) = match (only_for_the_proxy(route), judged_body(route)) {
            (Some(why), _) => (why, None),
            _ if is_elsewhere => ("goes to another upstream", None),
            _ if form == Form::Traefik && rules(route).any(opens_sockets) => ("opens WebSockets", None),
            (None, most) => ("judges the body", Some(most?).filter(|_| form == Form::EnvoyGrpc)),
        };
        Some(Special { pattern: route.pattern.to_string(), why, paths: Paths::of(route.shape()), shown })
    });
    own.chain(routes).collect()
}

fn opens_sockets(rule: &Rule) -> bool {
    rule.options.as_ref().is_some_and(|options| options.upgrade.is_some())
}

fn rules(route: &Route) -> impl Iterator<Item = &Rule> {
    route.rules().iter().filter(|rule| rule.access != Access::Deny)
}

/// Why no front can forward this route itself.
fn only_for_the_proxy(route: &Route) -> Option<&'static str> {
    if route.options.rewrite.is_some() {
        Some("rewrites the target")
    } else if rules(route).any(Rule::judges_answer) {
        Some("judges the answer")
    } else {
        None
    }
}

/// How large a body may be that this route judges, where it judges any.
fn judged_body(route: &Route) -> Option<u64> {
    // A form may repeat the token of a session.
    let by_form = |rule: &Rule| rule.csrf() == Csrf::Token && rule.schemes.has(Scheme::Session);
    let judges =
        |rule: &&Rule| rule.reads_body || rule.points() || rule.strict_sources().next().is_some() || by_form(rule);
    let judging = rules(route).filter(judges);
    judging.map(|rule| rule.inspect_limit().min(route.body_limit(rule))).max()
}

fn findings(form: Form, policy: &Policy, deployment: &Deployment, special: &[Special]) -> Vec<String> {
    let mut findings = Vec::new();
    let routes_itself = form.routes_itself();
    for Special { pattern, why, shown, .. } in special {
        findings.push(if let Some(most) = shown {
            format!(
                "`{pattern}` {why}: of one with a `Content-Length` up to {most} bytes are shown, others are refused"
            )
        } else if routes_itself {
            format!("`{pattern}` {why}: it is sent to postern's `listen`")
        } else {
            format!("`{pattern}` {why}: route it to postern's `listen` by hand; until then it is refused")
        });
    }
    if policy.upstreams().len() > 1 {
        findings.push(format!(
            "the policy has several upstreams: what this front forwards itself goes to `{}`",
            deployment.upstream
        ));
    }
    let limits = |route: &Route| {
        let mut options = route.rules().iter().filter_map(|rule| rule.options.as_ref());
        options.any(|options| options.timeout.is_some() || options.body_limit.is_some())
    };
    for route in policy.routes().iter().filter(|route| limits(route)) {
        findings.push(format!("`{}` limits time or size: a front keeps limits of its own alone", route.pattern));
    }
    findings
}

impl Form {
    /// Whether its configuration sends paths to postern's proxy.
    const fn routes_itself(self) -> bool {
        !matches!(self, Self::Istio | Self::GatewayApi)
    }
}
