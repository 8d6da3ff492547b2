//! `identity.jwt` — issuers of JWTs, and where their keys are.

use crate::address::Url;
use crate::claims::ClaimName;
use crate::config::keys::{Reader, Section, Shape, TEXT, expect, keys, one_of};
use crate::config::{Compat, secret};
use crate::directory::name::Username;
use crate::facts::Level;
use crate::identity::jwt::key::Algorithm;
use crate::identity::jwt::principal::{ClaimIs, OrgBy, Outsiders, Principal, Tenants, Verified};
use crate::identity::jwt::ring::Pace;
use crate::identity::settings::{JwtIssuer, JwtKeys};
use crate::yaml::{Findings, Map, Node, Span, Value, suggest};
use http::Uri;
use std::path::Path;
use std::time::Duration;

/// Reads the section; what was reported is left out.
pub(super) fn read(_: &str, node: &Node, reader: &mut Reader<'_>) -> Option<Vec<JwtIssuer>> {
    let (base, findings) = (reader.base, &mut *reader.findings);
    let mut list: Vec<JwtIssuer> = Vec::new();
    for node in node.expect_seq("`jwt`", findings)? {
        let Some(map) = node.expect_map("an issuer", findings) else { continue };
        let Some(issuer) = (Issuer { map, base, span: node.span }).issuer(findings) else { continue };
        if list.iter().any(|known| known.issuer == issuer.issuer) {
            findings.error("wrong_value", node.span, format!("the issuer `{}` is there twice", issuer.issuer));
            continue;
        }
        if let Some(other) = list.iter().find(|known| may_share_names(known, &issuer)) {
            let message = format!(
                "this issuer can give the names of `{}`: of their prefixes, one begins the other",
                other.issuer
            );
            findings
                .warning("username_prefix", node.span, message)
                .help("give each issuer a `username_prefix` of its own");
        }
        list.push(issuer);
    }
    Some(list)
}

keys! {
    const ISSUER {
        issuer, Shape::Text, "What `iss` must be.";
        audience, Shape::Texts, "What `aud` must be or contain: a text, a list, or `any` in so many words.";
        algorithms, Shape::SomeOf(&[
            "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
            "EdDSA", "Ed25519",
        ]), "How it signs. [RS256]";
        leeway, Shape::Time, "How far its clock may be from ours, up to 10m. [30s]";
        jwks, Shape::Text, "Its keys: an https address, an http one on the same machine, or a file.";
        ca, Shape::Text, "PEM: certificates that its address is verified with. [the public ones]";
        key, Shape::Secret, "Instead of `jwks`: one public key in PEM, or an HMAC secret.";
        user, Shape::Any(&[Shape::Words(&["sub", "email", "claims"]), Shape::Map(USER, 2)]),
            "Who its subjects are: users whom `sub` is bound to, the user with that verified e-mail address, what another claim names, or whoever the claims alone say. [sub]";
        username, Shape::Text, "With `user: claims`, the claim that is their `user.username`. [none]";
        username_prefix, Shape::Text, "What stands before it, so that it is nobody's in the directory: `example:`.";
        email, Shape::Text, "With `user: claims`, the claim that is their `user.email`. [none]";
        email_verified_text, Shape::Flag, "`email_verified` may be the text `\"true\"`, as some issuers write it. [false]";
        memberships, Shape::Map(Memberships::KEYS, 1), "With `user: claims`, the claim that lists organizations.";
        refresh, Shape::Time, "How often its keys are fetched. [5m]";
        min_interval, Shape::Time, "How often at most because a token names an unknown key. [5s]";
        keep, Shape::Time, "How long its keys are believed while nobody answers. [24h]";
    }
}

keys! {
    const USER {
        claim, Shape::Text, "The claim.";
        is, Shape::Words(&["id", "username", "email", "external_id"]), "What of a user it is.";
    }
}

keys! {
    struct Memberships {
        claim: Option<String> = None, TEXT, "The claim.";
        by: OrgBy = OrgBy::Id, one_of!("id" => OrgBy::Id, "slug" => OrgBy::Slug, "external" => OrgBy::External),
            "What of an organization it lists. [id]";
        level: Level = Level::Member, one_of!("member" => Level::Member, "manager" => Level::Manager),
            "The level in each. [member]";
    }
}

pub(super) const SHAPE: Shape = Shape::List(&Shape::Map(ISSUER, 2));

struct Issuer<'n> {
    map: &'n Map,
    base: &'n Path,
    span: Span,
}

impl Issuer<'_> {
    fn issuer(&self, findings: &mut Findings) -> Option<JwtIssuer> {
        expect(self.map, "an issuer", ISSUER, &[], findings);
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
                let names = Algorithm::names();
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
        let url = Url::parse(text);
        let is_web = |url: &Url<'_>| url.has_scheme("http") || url.has_scheme("https");
        let (Some(url), Ok(uri)) = (url.ok().filter(is_web), text.parse::<Uri>()) else {
            let why = url.err().map(|error| format!(": {error}")).unwrap_or_default();
            let message = format!("`jwks` must be an address or a file{why}");
            findings.error("wrong_value", node.span, message).help("write `https://…`");
            return None;
        };
        if url.has_scheme("http") && !url.server.is_loopback() {
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
        let verified = self.verified(findings);
        let Some(node) = self.map.get("user") else {
            return self.of_directory(Principal::Bound, findings);
        };
        let principal = match &node.value {
            Value::Map(map) => {
                expect(map, "`user`", USER, &[], findings);
                let claim = map.get("claim").and_then(|node| node.expect_str("`claim`", findings));
                let is = map.get("is").and_then(|node| {
                    node.expect_one_of(
                        "`is`",
                        &[
                            ("id", ClaimIs::Id),
                            ("username", ClaimIs::Username),
                            ("email", ClaimIs::Email(verified)),
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
                Principal::Claim(ClaimName::of_value(claim), is)
            }
            _ => {
                let words = [
                    ("sub", Principal::Bound),
                    ("email", Principal::Claim(ClaimName::of_value("email"), ClaimIs::Email(verified))),
                    ("claims", Principal::Claims(Outsiders::default())),
                ];
                node.expect_one_of("`user`", &words, findings)?
            }
        };
        match principal {
            Principal::Claims(_) => self.outsiders(verified, findings).map(Principal::Claims),
            other => self.of_directory(other, findings),
        }
    }

    /// Amazon Cognito, for one, writes flags as texts.
    fn verified(&self, findings: &mut Findings) -> Verified {
        let or_text =
            self.map.get("email_verified_text").and_then(|node| node.expect_bool("`email_verified_text`", findings));
        Verified { or_text: or_text.unwrap_or_default() }
    }

    /// The directory knows what its users are called and where they belong.
    fn of_directory(&self, principal: Principal, findings: &mut Findings) -> Option<Principal> {
        let outsiders = ["memberships", "username", "username_prefix", "email"];
        let Some(entry) = outsiders.iter().find_map(|key| self.map.entry(key)) else { return Some(principal) };
        findings
            .error("no_meaning", entry.key.span, format!("`{}` is for those who are in no directory", entry.key.text))
            .help("write `user: claims`, or leave it out: the directory knows its users' names and organizations");
        None
    }

    fn outsiders(&self, verified: Verified, findings: &mut Findings) -> Option<Outsiders> {
        let tenants = match self.map.get("memberships") {
            Some(node) => Some(tenants(node, self.base, findings)?),
            None => None,
        };
        let mut text = |key: &str| {
            let node = self.map.get(key)?;
            node.expect_str(&format!("`{key}`"), findings).map(|text| (Box::<str>::from(text), node.span))
        };
        let (username, prefix, email) = (text("username"), text("username_prefix"), text("email"));
        for (_, span) in username.iter().chain(&email).filter(|(claim, _)| claim.is_empty()) {
            findings.error("wrong_value", *span, "the name of a claim is not empty");
        }
        match (&username, &prefix) {
            (None, Some((_, span))) => {
                findings
                    .error("no_meaning", *span, "`username_prefix` stands before a `username`, and there is none")
                    .help("name the claim: `username: preferred_username`");
            }
            (Some((_, span)), None) => {
                findings
                    .warning(
                        "username_prefix",
                        *span,
                        "the issuer's names have no `username_prefix`: whom it calls `ann`, services take for your `ann`",
                    )
                    .help(PREFIX);
            }
            // It was said in so many words.
            (_, Some((prefix, span))) if !prefix.is_empty() && Username::new(prefix).is_ok() => {
                let message = format!("a user of the directory may have a name that begins with `{prefix}`");
                findings.warning("username_prefix", *span, message).help(PREFIX);
            }
            _ => {}
        }
        let (username_prefix, username) = (
            prefix.map(|(prefix, _)| prefix).unwrap_or_default(),
            username.map(|(claim, _)| ClaimName::of_value(&claim)),
        );
        let email = email.map(|(claim, _)| ClaimName::of_value(&claim));
        Some(Outsiders { tenants, username, username_prefix, email, verified })
    }
}

/// What no username of the directory holds.
const PREFIX: &str =
    "write `username_prefix: \"example:\"` (no name in the directory has a colon), or `\"\"` where that is meant";

/// Whether a name that one of them gives may be one of the other's.
fn may_share_names(one: &JwtIssuer, other: &JwtIssuer) -> bool {
    let prefix = |issuer: &JwtIssuer| match &issuer.principal {
        Principal::Claims(Outsiders { username: Some(_), username_prefix, .. }) => Some(username_prefix.clone()),
        _ => None,
    };
    let both = prefix(one).zip(prefix(other));
    both.is_some_and(|(one, other)| one.starts_with(&*other) || other.starts_with(&*one))
}

fn tenants(node: &Node, base: &Path, findings: &mut Findings) -> Option<Tenants> {
    let map = node.expect_map("`memberships`", findings)?;
    let mut reader = Reader::new(base, Compat::None, findings);
    let Memberships { claim, by, level } = reader.read::<Memberships>("memberships", "`memberships`", map);
    let Some(claim) = claim else {
        findings.error("missing_key", node.span, "`memberships` has no `claim`");
        return None;
    };
    Some(Tenants { claim: ClaimName::of_value(&claim), by, level })
}
