//! Client, postern and upstream together, and the policy that most tests share.

use super::{Answer, Options, Postern, Raw, Recorded, Upstream, Who, World, tape};

/// The policy of the tests: each way to name an organization, open and closed routes side by side.
pub const ROUTES: &str = r#"
version: 1
upstream: echo
defaults:
  inject:
    X-Postern-User: user.username
    X-Postern-Organization: org.slug
    X-Postern-Organizations: orgs.member
    X-Postern-Role: org.level
routes:
  /public/**: public
  /optional/**: optional
  /me/**: authenticated
  /admin/**: superuser
  /closed/**: { description: a hole, level: deny }
  /exact: public
  /api/v1/org/{org:slug}/**:
    org: path.org as slug
    read: member
    write: manager
  /api/v1/id/{org:uuid}/**:
    org: path.org
    read: member
    write: manager
  /api/v1/owner/{org:slug}:
    org: path.org as slug
    level: owner
  /query/**: { org: query.organization as slug, level: member }
  /header/**: { org: header.X-Org as slug, level: member }
  /mine/**: { org: user.only, level: member }
  /readonly: { GET: authenticated }
  /ext/**: { level: authenticated, rewrite: { strip_prefix: /ext } }
  /own/**: { level: authenticated, forward_authorization: true }
"#;

/// All three, started for one test.
pub struct Gate {
    /// The gate.
    pub postern: Postern,
    /// The service behind it.
    pub upstream: Upstream,
}

impl Gate {
    /// The tests' policy in front of an echo.
    pub fn new() -> Self {
        Self::with(&Options::policy(ROUTES))
    }

    /// These options in front of an echo.
    pub fn with(options: &Options) -> Self {
        Self::before(Upstream::echo(), options)
    }

    /// The tests' policy in front of this upstream.
    pub fn to(upstream: Upstream) -> Self {
        Self::before(upstream, &Options::policy(ROUTES))
    }

    /// These options in front of this upstream.
    pub fn before(upstream: Upstream, options: &Options) -> Self {
        let postern = Postern::start(upstream.address(), options);
        Self { postern, upstream }
    }

    /// A connection.
    pub fn raw(&self) -> Raw {
        self.postern.raw()
    }

    /// Sends one request on a connection of its own, and reads the answer.
    pub fn send(&self, bytes: impl AsRef<[u8]>) -> Answer {
        self.stream(bytes, 1).0.remove(0)
    }

    /// Sends a stream on a connection of its own, and reads so many answers.
    pub fn stream(&self, bytes: impl AsRef<[u8]>, count: usize) -> (Vec<Answer>, Raw) {
        let (bytes, before) = (bytes.as_ref(), self.upstream.recorded().len());
        let mut raw = self.raw();
        raw.send(bytes);
        let answers: Vec<_> = (0..count).map(|_| raw.answer()).collect();
        tape::keep(self, bytes, &answers, before);
        (answers, raw)
    }

    /// Somebody's GET.
    pub fn get(&self, who: Who, target: &str) -> Answer {
        self.send(get(who, target))
    }

    /// Sends a request that must be refused with this status and code, and of which the upstream must hear nothing.
    pub fn refused(&self, bytes: impl AsRef<[u8]>, status: u16, code: &str) -> Answer {
        let what = String::from_utf8_lossy(bytes.as_ref()).chars().take(400).collect::<String>();
        let answer = self.send(bytes);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{what:?}");
        self.upstream.assert_untouched(&what);
        answer
    }

    /// Sends a request that must be allowed, and gives what the upstream was sent.
    pub fn forwarded(&self, bytes: impl AsRef<[u8]>) -> Recorded {
        let what = String::from_utf8_lossy(bytes.as_ref()).chars().take(400).collect::<String>();
        self.upstream.forget();
        let answer = self.send(bytes);
        assert_eq!(answer.status, 200, "{what:?}: {}", answer.text());
        let recorded = self.upstream.recorded();
        assert_eq!(recorded.len(), 1, "{what:?}");
        self.upstream.forget();
        recorded.into_iter().next().unwrap()
    }
}

/// The bytes of a request; headers as given, behind `Host` and `Authorization`.
pub fn request(who: Who, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: api.example.com\r\n");
    if let Some(token) = World::get().token(who) {
        text += &format!("Authorization: Bearer {token}\r\n");
    }
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        text += &format!("Content-Length: {}\r\n", body.len());
    }
    (text + "\r\n" + body).into_bytes()
}

/// Somebody's GET.
pub fn get(who: Who, target: &str) -> Vec<u8> {
    request(who, "GET", target, &[], "")
}

/// A GET with this token.
pub fn get_with(token: &str, target: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {token}\r\n\r\n").into_bytes()
}

/// Somebody's POST with a small body.
pub fn post(who: Who, target: &str) -> Vec<u8> {
    request(who, "POST", target, &[], "hello")
}
