//! Proxies that ask whether a request may pass and forward it themselves: where each tells what it was asked, what it may read otherwise
//! than it says, and how it takes headers away.

use crate::decision::{Denial, Reason};
use crate::request_target::Target;
use crate::request_target::oddity::{Oddities, Oddity};
use http::header::{CONNECTION, COOKIE, HOST, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};

/// A proxy that asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    /// `auth_request` of nginx, with the headers that docs/fronts has it set.
    Nginx,
    /// `forward_auth` of Caddy.
    Caddy,
    /// ForwardAuth of Traefik.
    Traefik,
    /// HAProxy, with the action in Lua that `postern integrate` prints.
    Haproxy,
    /// The filter `ext_authz` of Envoy, over HTTP.
    Envoy,
    /// The same over gRPC, which is `ext_authz` in the configuration.
    EnvoyGrpc,
    /// `ExternalAuth` of the Gateway API (GEP-1494), over HTTP.
    GatewayApi,
}

/// How a front is told to take a header out of the request that it forwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// By an empty value, which it copies.
    Empty,
    /// By its name in this header.
    Listed(HeaderName),
    /// By its name, which the answer has a place for; and so it has for the headers of the request.
    Apart,
}

/// What is peculiar to a front.
struct Profile {
    /// The headers that tell the method, the target and the host of the request in question; where there are none, its question has them.
    method: Option<HeaderName>,
    target: Option<HeaderName>,
    host: Option<HeaderName>,
    /// Its own rules see another path than the one that it says.
    misreads: Oddities,
    /// It lets pass by 200 alone, and not by every 2xx.
    only_200: bool,
    /// It tells fields of one name as one.
    joins: bool,
}

const X_ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const X_ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");
const X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const TO_REMOVE_BY_ENVOY: HeaderName = HeaderName::from_static("x-envoy-auth-headers-to-remove");
const TO_REMOVE_BY_HAPROXY: HeaderName = HeaderName::from_static("x-postern-remove");

/// Headers of the way and of questions that a front takes away, by its configuration.
pub const BLANKED: [&str; 12] = [
    "forwarded",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-server",
    "x-forwarded-method",
    "x-forwarded-uri",
    "x-original-method",
    "x-original-uri",
];

/// Headers of the way that a front writes itself.
pub const ITS_OWN: [&str; 5] = ["x-forwarded-for", "x-forwarded-proto", "x-request-id", "traceparent", "tracestate"];

/// The path of a question whose answer goes to the client: nginx asks once more for that, since `auth_request` keeps nothing but the status.
const FOR_CLIENT: &str = "/answer";

impl Front {
    /// Those that ask over HTTP, by the word of the configuration.
    pub const ALL: [(&'static str, Self); 6] = [
        ("nginx", Self::Nginx),
        ("caddy", Self::Caddy),
        ("traefik", Self::Traefik),
        ("haproxy", Self::Haproxy),
        ("envoy", Self::Envoy),
        ("gateway-api", Self::GatewayApi),
    ];

    const fn profile(self) -> Profile {
        // They choose by a path in which slashes are merged and `%2F` is one.
        let merges = Oddities::NONE.with(Oddity::DoubleSlash).with(Oddity::EncodedSlash);
        match self {
            Self::Nginx => Profile {
                method: Some(X_ORIGINAL_METHOD),
                target: Some(X_ORIGINAL_URI),
                host: None,
                misreads: merges,
                only_200: false,
                joins: false,
            },
            Self::Haproxy => Profile {
                method: Some(X_ORIGINAL_METHOD),
                target: Some(X_ORIGINAL_URI),
                host: None,
                misreads: Oddities::NONE,
                only_200: true,
                joins: false,
            },
            Self::Caddy => Profile {
                method: Some(X_FORWARDED_METHOD),
                target: Some(X_FORWARDED_URI),
                host: None,
                misreads: merges,
                only_200: false,
                joins: false,
            },
            // It writes the target anew (`RequestURI` of Go), and its rules read the decoded path.
            Self::Traefik => Profile {
                method: Some(X_FORWARDED_METHOD),
                target: Some(X_FORWARDED_URI),
                host: Some(X_FORWARDED_HOST),
                misreads: Oddities::ALL,
                only_200: false,
                joins: false,
            },
            // Over gRPC the message says whether it has joined them.
            Self::Envoy | Self::EnvoyGrpc => Profile {
                method: None,
                target: None,
                host: None,
                misreads: Oddities::NONE,
                only_200: true,
                joins: matches!(self, Self::Envoy),
            },
            // Nobody says how its implementations read paths.
            Self::GatewayApi => Profile {
                method: None,
                target: None,
                host: None,
                misreads: Oddities::ALL,
                only_200: false,
                joins: false,
            },
        }
    }

    /// How it takes a header out of the request.
    #[must_use]
    pub const fn removal(self) -> Removal {
        match self {
            Self::Envoy => Removal::Listed(TO_REMOVE_BY_ENVOY),
            Self::EnvoyGrpc => Removal::Apart,
            Self::Haproxy => Removal::Listed(TO_REMOVE_BY_HAPROXY),
            _ => Removal::Empty,
        }
    }

    /// Whether it adds the challenge of a refusal to that of the answer that it asks for then.
    #[must_use]
    pub fn adds_challenges(self) -> bool {
        self == Self::Nginx
    }

    /// Whether an answer of this status that is no permission keeps the request from passing.
    #[must_use]
    pub fn is_refused_by(self, status: StatusCode) -> bool {
        if self.profile().only_200 { status != StatusCode::OK } else { !status.is_success() }
    }

    /// Makes of a front's question the request that it is about. Says whether the answer goes to the client itself, whatever it is.
    ///
    /// # Errors
    /// It does not tell what was asked, or tells it twice; or the target is one that it cannot forward as it was told.
    pub fn read<B>(self, question: &mut Request<B>) -> Result<bool, Denial> {
        let Profile { method, target, host, misreads, joins, only_200: _ } = self.profile();
        let is_for_client = self == Self::Nginx && question.uri().path() == FOR_CLIENT;
        if let Some(name) = method {
            let told = take(question.headers_mut(), &name)?;
            let read = Method::from_bytes(told.as_bytes());
            *question.method_mut() = read.map_err(|_| untold("the front tells a method that is none"))?;
        }
        if let Some(name) = target {
            let told = take(question.headers_mut(), &name)?;
            *question.uri_mut() = Uri::from(target_of(told.as_bytes())?);
        }
        if let Some(name) = host {
            let told = take(question.headers_mut(), &name)?;
            question.headers_mut().insert(HOST, told);
        }
        let asked = question.uri().path_and_query().map_or("", PathAndQuery::as_str);
        if Target::read(asked)?.oddities().meets(misreads) {
            return Err(Denial::new(Reason::AmbiguousTarget));
        }
        if joins {
            part(question.headers_mut());
        }
        // What asks to become a WebSocket is asked about over a connection that stays one of HTTP.
        if question.headers().contains_key(UPGRADE) {
            question.headers_mut().append(CONNECTION, HeaderValue::from_static("upgrade"));
        }
        Ok(is_for_client)
    }
}

/// Judges as two what may be two: where fields of one name were joined by commas, `a,b` is another value than either. Cookies are joined by
/// semicolons.
pub fn part(headers: &mut HeaderMap) {
    let is_joined = |name: &&HeaderName| {
        **name != COOKIE && headers.get_all(*name).iter().any(|value| value.as_bytes().contains(&b','))
    };
    let joined: Vec<HeaderName> = headers.keys().filter(is_joined).cloned().collect();
    for name in joined {
        let parts = headers.get_all(&name).iter().flat_map(|value| value.as_bytes().splitn(2, |b| *b == b','));
        let parts: Vec<_> = parts.filter_map(|part| HeaderValue::from_bytes(part.trim_ascii()).ok()).collect();
        headers.remove(&name);
        for part in parts {
            headers.append(name.clone(), part);
        }
    }
}

/// The target that a front tells, byte for byte.
///
/// # Errors
/// 400 `bad_target`: it is none, or would not stay as it is.
pub fn target_of(told: &[u8]) -> Result<PathAndQuery, Denial> {
    let read = PathAndQuery::try_from(told).ok();
    // A fragment would be cut off.
    let read = read.filter(|read| told.starts_with(b"/") && read.as_str().as_bytes() == told);
    read.ok_or_else(|| Denial::new(Reason::BadTarget))
}

/// Takes out the one value of a header.
fn take(headers: &mut HeaderMap, name: &HeaderName) -> Result<HeaderValue, Denial> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(_), None) => headers.remove(name).ok_or_else(|| untold("the front does not tell what was asked")),
        (None, _) => Err(untold("the front does not tell which method, target and host were asked for")),
        (Some(_), Some(_)) => Err(Denial::new(Reason::Ambiguous).with_hint("the front tells what was asked twice")),
    }
}

fn untold(hint: &'static str) -> Denial {
    Denial::new(Reason::BadFraming).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::Front;
    use crate::decision::Reason;
    use http::{Request, StatusCode};

    fn question(uri: &str, headers: &[(&str, &str)]) -> Request<()> {
        let mut request = Request::builder().method("GET").uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn each_front_tells_the_request_in_its_own_headers() {
        let original = [("host", "a.example"), ("x-original-method", "PUT"), ("x-original-uri", "/x/%41?q=1")];
        let forwarded = [("host", "a.example"), ("x-forwarded-method", "PUT"), ("x-forwarded-uri", "/x/%41?q=1")];
        for (front, headers) in [
            (Front::Nginx, &original[..]),
            (Front::Haproxy, &original),
            (Front::Caddy, &forwarded),
            (Front::Traefik, &[&forwarded[..], &[("x-forwarded-host", "a.example")]].concat()),
        ] {
            let mut question = question("/verdict", headers);
            assert!(!front.read(&mut question).unwrap());
            assert_eq!((question.method().as_str(), question.uri().to_string().as_str()), ("PUT", "/x/%41?q=1"));
            assert_eq!(question.headers().get("host").unwrap(), "a.example");
            assert_eq!(question.headers().len(), 1, "{front:?}: nothing of the telling is left: {question:?}");
        }
        let mut question = question("/x?q=1", &[("host", "a.example"), ("x-original-uri", "/y")]);
        assert!(!Front::Envoy.read(&mut question).unwrap());
        assert_eq!(question.uri(), "/x?q=1", "its question is the request");
    }

    #[test]
    fn what_is_not_told_or_told_twice_is_refused() {
        let refused = |headers: &[(&str, &str)]| Front::Nginx.read(&mut question("/", headers)).unwrap_err().reason;
        assert_eq!(refused(&[]), Reason::BadFraming);
        assert_eq!(refused(&[("x-original-method", "GET")]), Reason::BadFraming);
        let twice = [("x-original-method", "GET"), ("x-original-uri", "/a"), ("x-original-uri", "/b")];
        assert_eq!(refused(&twice), Reason::Ambiguous);
        for target in ["*", "http://b/x", "/a#b", "x", ""] {
            let told = [("x-original-method", "GET"), ("x-original-uri", target)];
            assert_eq!(refused(&told), Reason::BadTarget, "{target}");
        }
    }

    #[test]
    fn what_a_front_may_have_joined_is_two() {
        let told = [("x-org", "a,a"), ("x-one", "a"), ("cookie", "a=1,2; b=3")];
        for (front, count) in [(Front::Envoy, 2), (Front::EnvoyGrpc, 1)] {
            let mut question = question("/x", &told);
            front.read(&mut question).unwrap();
            let values: Vec<_> = question.headers().get_all("x-org").iter().collect();
            assert_eq!((values.len(), values.iter().all(|value| *value == "a")), (count, count == 2));
            assert_eq!(question.headers().len(), 2 + count);
        }
    }

    #[test]
    fn nothing_but_a_permission_lets_pass() {
        for (_, front) in Front::ALL {
            assert!(front.is_refused_by(StatusCode::FORBIDDEN) && front.is_refused_by(StatusCode::SEE_OTHER));
            assert!(!front.is_refused_by(StatusCode::OK));
        }
        assert!(
            Front::Envoy.is_refused_by(StatusCode::NO_CONTENT) && !Front::Caddy.is_refused_by(StatusCode::NO_CONTENT)
        );
    }
}
