//! `identity:` — who may say who they are, and how.

use super::secret::{self, SecretError, SecretSource};
use crate::facts::Level;
use crate::identity::jwt::key::Algorithm;
use crate::identity::jwt::principal::{ClaimIs, OrgBy, Principal, Tenants};
use crate::identity::jwt::ring::Pace;
use crate::identity::sesame::primary_key::{Field, KeyType};
use crate::identity::sesame::{self, Version};
use crate::identity::session;
use crate::policy::{Scheme, Schemes};
use crate::yaml::{Findings, Keys, Map, Node, Span, Value, suggest};
use http::Uri;
use secrecy::ExposeSecret;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The section, checked; secrets are read when a process starts to serve.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// Issuers of JWTs.
    pub jwt: Vec<JwtIssuer>,
    /// Sesame tokens, where they are taken.
    pub sesame: Option<SesameSettings>,
    /// Sessions, where they are taken.
    pub session: Option<session::Settings>,
}

impl Identity {
    /// The schemes that are served: opaque tokens always, the others where something is said of them.
    #[must_use]
    pub fn schemes(&self) -> Schemes {
        let said = [
            (Scheme::Jwt, !self.jwt.is_empty()),
            (Scheme::Sesame, self.sesame.is_some()),
            (Scheme::Session, self.session.is_some()),
        ];
        let said = said.into_iter().filter(|(_, is_said)| *is_said);
        said.fold(Schemes::default(), |schemes, (scheme, _)| schemes.with(scheme))
    }
}

impl Identity {
    /// The files with keys and certificates.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let of_issuers = self.jwt.iter().filter_map(|issuer| match &issuer.keys {
            JwtKeys::File(path) => Some(path.as_path()),
            JwtKeys::Url(_, ca) => ca.as_deref(),
            JwtKeys::Key(secret) => secret.file(),
        });
        let secrets = self.sesame.iter().flat_map(|sesame| sesame.keys.iter().chain(&sesame.own_key));
        of_issuers.chain(secrets.filter_map(SecretSource::file))
    }
}

/// Sesame tokens.
#[derive(Clone, Debug)]
pub struct SesameSettings {
    keys: Vec<SecretSource>,
    own_key: Option<SecretSource>,
    settings: sesame::Settings,
    /// Which field of ours names users.
    pub user: Field,
    /// The query parameter, where one is read.
    pub query: Option<Box<str>>,
    /// A token in the query becomes a session.
    pub exchange: bool,
}

impl SesameSettings {
    /// The settings with their secrets.
    ///
    /// # Errors
    /// One is not there.
    pub fn secret(&self) -> Result<sesame::Settings, SecretError> {
        let text = |secret: &SecretSource| Ok(secret.text()?.expose_secret().to_owned());
        let secret_keys = self.keys.iter().map(text).collect::<Result<_, _>>()?;
        let key = self.own_key.as_ref().map(text).transpose()?.unwrap_or_default();
        Ok(sesame::Settings { secret_keys, key, ..self.settings.clone() })
    }
}

/// An issuer of JWTs.
#[derive(Clone, Debug)]
pub struct JwtIssuer {
    /// What `iss` must be.
    pub issuer: Box<str>,
    /// What `aud` must be or contain; `None` is `any`.
    pub audiences: Option<Box<[Box<str>]>>,
    /// How it signs.
    pub algorithms: Box<[Algorithm]>,
    /// How far its clock may be from ours.
    pub leeway: Duration,
    /// Who its subjects are.
    pub principal: Principal,
    /// Where its keys are.
    pub keys: JwtKeys,
    /// How often they are fetched.
    pub pace: Pace,
}

/// Where an issuer's keys are.
#[derive(Clone, Debug)]
pub enum JwtKeys {
    /// A JWK set in a file.
    File(PathBuf),
    /// A JWK set at an address, and the certificates that its TLS is verified with, where they are not the public ones.
    Url(Uri, Option<PathBuf>),
    /// One public key in PEM, or an HMAC secret.
    Key(SecretSource),
}

/// The keys of `identity` that are read here.
pub(super) const KEYS: [&str; 3] = ["jwt", "sesame", "session"];

/// Reads the section; what was reported is left out.
pub(super) fn read(node: &Node, map: &Map, base: &Path, findings: &mut Findings) -> Identity {
    let mut identity = Identity::default();
    if let Some(node) = map.get("jwt") {
        identity.jwt = issuers(node, base, findings);
    }
    if let Some(node) = map.get("session") {
        identity.session = Some(session(node, findings));
    }
    if let Some(node) = map.get("sesame") {
        identity.sesame = sesame(node, base, findings);
    }
    if let Some(sesame) = &identity.sesame
        && sesame.exchange
        && identity.session.is_none()
    {
        findings
            .error("missing_key", node.span, "`exchange` makes sessions, and `identity` has no `session`")
            .help("write `session: {}`");
    }
    identity
}

fn session(node: &Node, findings: &mut Findings) -> session::Settings {
    let mut settings = session::Settings::default();
    let Some(map) = node.expect_map("`session`", findings) else { return settings };
    map.expect_keys("`session`", Keys { known: &["lifetime", "same_site", "secure"], not_yet: &[] }, findings);
    if let Some(lifetime) = map.get("lifetime").and_then(|node| node.expect_duration("`lifetime`", findings)) {
        settings.lifetime = lifetime;
    }
    if settings.lifetime < Duration::from_secs(60) {
        findings.error("wrong_value", node.span, "`lifetime` of a session is at least 1m");
    }
    if let Some(node) = map.get("same_site") {
        let strict = node.expect_one_of("`same_site`", &[("lax", false), ("strict", true)], findings);
        settings.strict = strict.unwrap_or_default();
    }
    if let Some(secure) = map.get("secure").and_then(|node| node.expect_bool("`secure`", findings)) {
        settings.secure = secure;
        if !secure {
            findings
                .warning("insecure", node.span, "the session's cookie may be sent without TLS")
                .help("for trying things out alone");
        }
    }
    settings
}

const SESAME: Keys<'static> = Keys {
    known: &[
        "key",
        "fallbacks",
        "sesame_key",
        "max_age",
        "one_time",
        "query",
        "invalidate_on_password_change",
        "invalidate_on_email_change",
        "packer",
        "primary_key_field",
        "key_type",
        "user",
        "signature_size",
        "salt",
        "iterations",
        "versions",
    ],
    not_yet: &[],
};

fn sesame(node: &Node, base: &Path, findings: &mut Findings) -> Option<SesameSettings> {
    let map = node.expect_map("`sesame`", findings)?;
    map.expect_keys("`sesame`", SESAME, findings);
    let mut settings = sesame::Settings { max_age: Some(300), ..sesame::Settings::default() };
    let Some(key) = map.get("key") else {
        findings
            .error("missing_key", node.span, "`sesame` has no `key`")
            .help("Django's SECRET_KEY: `key: { env: NAME }`");
        return None;
    };
    let mut keys = vec![secret::one("`sesame.key`", key, base, findings)?];
    if let Some(list) = map.get("fallbacks").and_then(|node| node.expect_seq("`fallbacks`", findings)) {
        keys.extend(list.iter().filter_map(|node| secret::one("`sesame.fallbacks`", node, base, findings)));
    }
    let own_key = map.get("sesame_key").and_then(|node| secret::one("`sesame.sesame_key`", node, base, findings));
    if let Some(node) = map.get("max_age") {
        let is_none = matches!(&node.value, Value::Scalar(scalar) if scalar.text == "none");
        let age = if is_none { None } else { node.expect_duration("`max_age`", findings).map(|age| age.as_secs()) };
        settings.max_age = age.and_then(|age| i64::try_from(age).ok());
    }
    let flags = [
        ("one_time", &mut settings.one_time),
        ("invalidate_on_password_change", &mut settings.invalidate_on_password_change),
        ("invalidate_on_email_change", &mut settings.invalidate_on_email_change),
    ];
    for (key, place) in flags {
        if let Some(flag) = map.get(key).and_then(|node| node.expect_bool(&format!("`{key}`"), findings)) {
            *place = flag;
        }
    }
    if settings.max_age.is_none() && !settings.invalidate_on_password_change {
        findings.error(
            "wrong_value",
            node.span,
            "a token without `max_age` that outlives the password would never end",
        );
    }
    let text = |key: &str, findings: &mut Findings| {
        map.get(key).and_then(|node| node.expect_str(&format!("`{key}`"), findings)).map(str::to_owned)
    };
    settings.packer = text("packer", findings);
    if let Some(field) = text("primary_key_field", findings) {
        settings.primary_key_field = field;
    }
    if let Some(salt) = text("salt", findings) {
        settings.salt = salt;
    }
    if let Some(node) = map.get("key_type") {
        settings.key_type = node.expect_one_of("`key_type`", &KeyType::WORDS, findings).unwrap_or(settings.key_type);
    }
    if let Some(size) = map.get("signature_size").and_then(|n| n.expect_u64("`signature_size`", 1..=64, findings)) {
        settings.signature_size = usize::try_from(size).unwrap_or(10);
    }
    if let Some(count) = map.get("iterations").and_then(|n| n.expect_u64("`iterations`", 1..=1_000_000, findings)) {
        settings.iterations = u32::try_from(count).unwrap_or(10_000);
    }
    if let Some(node) = map.get("versions") {
        let words = [("v2", Version::V2), ("v1", Version::V1)];
        let nodes = if let Value::Seq(nodes) = &node.value { nodes } else { std::slice::from_ref(node) };
        let list = nodes.iter().map(|node| node.expect_one_of("an element of `versions`", &words, findings));
        settings.versions = list.collect::<Vec<_>>().into_iter().flatten().collect();
        if nodes.is_empty() {
            findings.error("wrong_value", node.span, "`versions` is an empty list").help("write `[v2, v1]`");
        }
    }
    let words =
        [("id", Field::Id), ("username", Field::Username), ("email", Field::Email), ("external_id", Field::ExternalId)];
    let usual = match (settings.primary_key_field.as_str(), settings.key_type) {
        ("username", _) => Field::Username,
        ("email", _) => Field::Email,
        (_, KeyType::Uuid) => Field::Id,
        _ => Field::ExternalId,
    };
    let user = map.get("user").map_or(Some(usual), |node| node.expect_one_of("`user`", &words, findings))?;
    let (query, exchange): (Option<Box<str>>, bool) = match map.get("query").map(|node| (node, &node.value)) {
        None => (None, false),
        Some((node, Value::Map(query))) => {
            query.expect_keys("`query`", Keys { known: &["name", "exchange"], not_yet: &[] }, findings);
            let name = query.get("name").and_then(|node| node.expect_str("`name`", findings));
            if name.is_none() {
                findings.error("missing_key", node.span, "`query` has no `name`");
            }
            let exchange = query.get("exchange").and_then(|node| node.expect_bool("`exchange`", findings));
            (name.map(Box::from), exchange.unwrap_or_default())
        }
        Some((node, _)) => (node.expect_str("`query`", findings).map(Box::from), false),
    };
    if let Some(name) = &query
        && !name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    {
        findings.error("wrong_value", node.span, "`query` is the name of a parameter: letters, digits, `-` and `_`");
    }
    Some(SesameSettings { keys, own_key, settings, user, query, exchange })
}

fn issuers(node: &Node, base: &Path, findings: &mut Findings) -> Vec<JwtIssuer> {
    let mut list: Vec<JwtIssuer> = Vec::new();
    for node in node.expect_seq("`jwt`", findings).unwrap_or_default() {
        let Some(map) = node.expect_map("an issuer", findings) else { continue };
        let Some(issuer) = (Reader { map, base, span: node.span }).issuer(findings) else { continue };
        if list.iter().any(|known| known.issuer == issuer.issuer) {
            findings.error("wrong_value", node.span, format!("the issuer `{}` is there twice", issuer.issuer));
            continue;
        }
        list.push(issuer);
    }
    list
}

const ISSUER: Keys<'static> = Keys {
    known: &[
        "issuer",
        "audience",
        "algorithms",
        "leeway",
        "jwks",
        "ca",
        "key",
        "user",
        "memberships",
        "refresh",
        "min_interval",
        "keep",
    ],
    not_yet: &[],
};

struct Reader<'n> {
    map: &'n Map,
    base: &'n Path,
    span: Span,
}

impl Reader<'_> {
    fn issuer(&self, findings: &mut Findings) -> Option<JwtIssuer> {
        self.map.expect_keys("an issuer", ISSUER, findings);
        let issuer =
            self.need("issuer", "what tokens say in `iss`", findings).and_then(|n| n.expect_str("`issuer`", findings));
        let audiences = self.audiences(findings);
        let algorithms = self.algorithms(findings)?;
        let principal = self.principal(findings)?;
        let keys = self.keys(&algorithms, findings)?;
        let mut leeway = Duration::from_secs(30);
        let mut pace = Pace {
            usual: Duration::from_secs(300),
            asked: Duration::from_secs(5),
            keep: Duration::from_secs(24 * 3600),
        };
        let places = [
            ("leeway", &mut leeway),
            ("refresh", &mut pace.usual),
            ("min_interval", &mut pace.asked),
            ("keep", &mut pace.keep),
        ];
        for (key, place) in places {
            if let Some(node) = self.map.get(key)
                && let Some(value) = node.expect_duration(&format!("`{key}`"), findings)
            {
                *place = value;
            }
        }
        if leeway > Duration::from_secs(600) {
            findings.error("wrong_value", self.span, "`leeway` is at most 10m: clocks that differ more are wrong");
        }
        if pace.usual < Duration::from_secs(1) || pace.asked < Duration::from_secs(1) {
            findings.error("wrong_value", self.span, "`refresh` and `min_interval` are at least 1s");
        }
        let issuer = issuer.filter(|issuer| !issuer.is_empty())?.into();
        Some(JwtIssuer { issuer, audiences: audiences?, algorithms, leeway, principal, keys, pace })
    }

    fn need(&self, key: &str, what: &str, findings: &mut Findings) -> Option<&Node> {
        let found = self.map.get(key);
        if found.is_none() {
            findings.error("missing_key", self.span, format!("an issuer of JWTs has no `{key}`")).help(what);
        }
        found
    }

    /// `any`, a text, or a list of texts. It must be said: a token for somebody else is not for us.
    #[allow(clippy::option_option)] // nothing to go on with; anything; these
    fn audiences(&self, findings: &mut Findings) -> Option<Option<Box<[Box<str>]>>> {
        let node = self.need("audience", "what tokens say in `aud`, or `any` in so many words", findings)?;
        let list = node.expect_strs("`audience`", findings)?;
        if list.is_empty() || list.iter().any(|(text, _)| text.is_empty()) {
            findings.error("wrong_value", node.span, "`audience` is empty");
            return None;
        }
        if let [("any", _)] = list.as_slice() {
            return Some(None);
        }
        Some(Some(list.into_iter().map(|(text, _)| text.into()).collect()))
    }

    fn algorithms(&self, findings: &mut Findings) -> Option<Box<[Algorithm]>> {
        let Some(node) = self.map.get("algorithms") else { return Some(Box::new([Algorithm::RS256])) };
        let list = node.expect_strs("`algorithms`", findings)?;
        let mut algorithms = Vec::new();
        for (name, span) in &list {
            let Some(algorithm) = Algorithm::parse(name) else {
                let names = Algorithm::ALL.iter().map(|a| a.as_str());
                let all: Vec<_> = names.clone().collect();
                let help = suggest(name, names)
                    .map_or_else(|| format!("they are {}", all.join(", ")), |near| format!("did you mean `{near}`?"));
                findings.error("wrong_value", *span, format!("`{name}` is not an algorithm of signatures")).help(help);
                return None;
            };
            algorithms.push(algorithm);
        }
        if algorithms.is_empty() {
            findings.error("wrong_value", node.span, "`algorithms` is an empty list");
            return None;
        }
        Some(algorithms.into())
    }

    fn keys(&self, algorithms: &[Algorithm], findings: &mut Findings) -> Option<JwtKeys> {
        match (self.map.get("jwks"), self.map.get("key")) {
            (Some(node), None) => self.jwks(node, algorithms, findings),
            (None, Some(node)) => secret::one("the issuer's `key`", node, self.base, findings).map(JwtKeys::Key),
            _ => {
                findings.error("wrong_value", self.span, "an issuer of JWTs must have either `jwks` or `key`").help(
                    "`jwks: https://…`, `jwks: FILE`, or `key: { file: FILE }` for one public key or an HMAC secret",
                );
                None
            }
        }
    }

    fn jwks(&self, node: &Node, algorithms: &[Algorithm], findings: &mut Findings) -> Option<JwtKeys> {
        let text = node.expect_str("`jwks`", findings)?;
        let Some((scheme, _)) = text.split_once("://") else { return Some(JwtKeys::File(self.base.join(text))) };
        if scheme == "file" {
            return Some(JwtKeys::File(text.trim_start_matches("file://").into()));
        }
        let uri = text.parse::<Uri>().ok().filter(|uri| uri.host().is_some());
        let Some(uri) = uri.filter(|_| matches!(scheme, "http" | "https")) else {
            findings.error("wrong_value", node.span, "`jwks` must be an address or a file").help("write `https://…`");
            return None;
        };
        if scheme == "http" && !is_loopback(&uri) {
            findings
                .error("wrong_value", node.span, "keys over plain HTTP could be anybody's: `jwks` must be `https://…`")
                .help("`http://` is for the same machine alone: 127.0.0.1, ::1, localhost");
            return None;
        }
        if algorithms.iter().any(|algorithm| algorithm.is_symmetric()) {
            findings
                .error("wrong_value", node.span, "HMAC secrets cannot be published: HS algorithms need `key` or a file")
                .help("leave HS256, HS384 and HS512 out, or write `key: { file: FILE }`");
            return None;
        }
        let ca = self.map.get("ca").and_then(|node| node.expect_str("`ca`", findings)).map(|file| self.base.join(file));
        Some(JwtKeys::Url(uri, ca))
    }

    fn principal(&self, findings: &mut Findings) -> Option<Principal> {
        let tenants = match self.map.get("memberships") {
            Some(node) => Some(tenants(node, findings)?),
            None => None,
        };
        let Some(node) = self.map.get("user") else {
            return self.without_tenants(Principal::Bound, tenants.is_some(), findings);
        };
        let principal = match &node.value {
            Value::Map(map) => {
                map.expect_keys("`user`", Keys { known: &["claim", "is"], not_yet: &[] }, findings);
                let claim = map.get("claim").and_then(|node| node.expect_str("`claim`", findings));
                let is = map.get("is").and_then(|node| {
                    node.expect_one_of(
                        "`is`",
                        &[
                            ("id", ClaimIs::Id),
                            ("username", ClaimIs::Username),
                            ("email", ClaimIs::Email),
                            ("external_id", ClaimIs::ExternalId),
                        ],
                        findings,
                    )
                });
                let (Some(claim), Some(is)) = (claim, is) else {
                    findings
                        .error("wrong_value", node.span, "`user` names a claim and what of a user it is")
                        .help("write `user: { claim: upn, is: username }`");
                    return None;
                };
                Principal::Claim(claim.into(), is)
            }
            _ => {
                let words = [
                    ("sub", Principal::Bound),
                    ("email", Principal::Claim("email".into(), ClaimIs::Email)),
                    ("claims", Principal::Claims(tenants.clone())),
                ];
                node.expect_one_of("`user`", &words, findings)?
            }
        };
        if matches!(principal, Principal::Claims(_)) {
            return Some(principal);
        }
        self.without_tenants(principal, tenants.is_some(), findings)
    }

    fn without_tenants(&self, principal: Principal, has_tenants: bool, findings: &mut Findings) -> Option<Principal> {
        if has_tenants {
            findings
                .error("no_meaning", self.span, "`memberships` is for those who are in no directory")
                .help("write `user: claims`, or leave it out: the directory knows where its users belong");
            return None;
        }
        Some(principal)
    }
}

fn is_loopback(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn tenants(node: &Node, findings: &mut Findings) -> Option<Tenants> {
    let map = node.expect_map("`memberships`", findings)?;
    map.expect_keys("`memberships`", Keys { known: &["claim", "by", "level"], not_yet: &[] }, findings);
    let Some(claim) = map.get("claim").and_then(|node| node.expect_str("`claim`", findings)) else {
        findings.error("missing_key", node.span, "`memberships` has no `claim`");
        return None;
    };
    let by = match map.get("by") {
        Some(node) => node.expect_one_of(
            "`by`",
            &[("id", OrgBy::Id), ("slug", OrgBy::Slug), ("external", OrgBy::External)],
            findings,
        )?,
        None => OrgBy::Id,
    };
    let level = match map.get("level") {
        Some(node) => {
            node.expect_one_of("`level`", &[("member", Level::Member), ("manager", Level::Manager)], findings)?
        }
        None => Level::Member,
    };
    Some(Tenants { claim: claim.into(), by, level })
}
