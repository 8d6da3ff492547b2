//! `identity.jwt` — issuers of JWTs, and where their keys are.

use crate::config::secret;
use crate::facts::Level;
use crate::identity::jwt::key::Algorithm;
use crate::identity::jwt::principal::{ClaimIs, OrgBy, Principal, Tenants};
use crate::identity::jwt::ring::Pace;
use crate::identity::settings::{JwtIssuer, JwtKeys};
use crate::yaml::{Findings, Keys, Map, Node, Span, Value, suggest};
use http::Uri;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

/// Reads the section; what was reported is left out.
pub(super) fn read(node: &Node, base: &Path, findings: &mut Findings) -> Vec<JwtIssuer> {
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
            (None, Some(node)) => secret::one("identity.jwt.key", node, self.base, findings).map(JwtKeys::Key),
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
