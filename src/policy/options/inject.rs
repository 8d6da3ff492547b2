//! What the upstream is told: header names and where their values come from.

use super::option::PolicyOption;
use super::org;
use crate::claims::ClaimName;
use crate::facts::Level;
use crate::normalized_name::{normalized, normalized_key, same_name};
use crate::policy::applicable::Needs;
use crate::policy::lookup::{Binder, LookupTable};
use crate::policy::pattern::is_name;
use crate::policy::secret::{self, Secret, Secrets};
use crate::yaml::{Findings, Key, Keys, Map, Node, Span, Spanned, Value, suggest};
use http::{HeaderName, HeaderValue};
use serde_json::{Value as Json, json};
use std::fmt::Write;
use std::sync::Arc;

/// One header that is sent to the upstream.
#[derive(Clone, Debug)]
pub struct Inject {
    pub name: HeaderName,
    /// Where its value comes from.
    pub value: InjectValue,
}

/// Where a value comes from. One that is not there is not sent, and never sent empty.
#[derive(Clone, Debug)]
pub enum InjectValue {
    UserId,
    Username,
    /// `user.login`: `acme/ann`, what no other user is called
    Login,
    /// `user.organization`: the slug of the primary organization, while that is active
    Organization,
    Email,
    /// `user.issuer`: who vouches for somebody who is in no directory
    Issuer,
    /// `user.groups`: the names of the user's groups, sorted
    Groups,
    IsStaff,
    IsSuperuser,
    UserExternalId,
    /// `user.fields.NAME`: what the installation knows besides
    UserField(Box<str>),
    OrgId,
    OrgSlug,
    OrgName,
    OrgExternalId,
    /// `org.level`: the caller's level in the organization; `superuser` or `permitted` for one who does not belong to it
    OrgLevel,
    /// `orgs.member`, `orgs.manager`, `orgs.owner`: sorted ids of the organizations where the caller is at least that
    Orgs(Level),
    /// `path.NAME`: the variable of the path with that number
    Path(usize),
    /// `claim.NAME`: that claim of the caller's credential, a text, number or flag, or a list of such, comma-separated
    Claim(ClaimName),
    /// `lookup.NAME.COLUMN`: that column of what the route's lookup of that number found
    Lookup(usize, Box<str>),
    RequestId,
    /// `client.name`: of the certificate that the client has shown
    ClientName,
    Literal(HeaderValue),
    Secret(Arc<Secret>),
    /// `assertion` of the configuration: whose the request is, signed
    Assertion,
}

impl InjectValue {
    /// Whether there must be an organization for it.
    #[must_use]
    pub const fn asks_organization(&self) -> bool {
        matches!(self, Self::OrgId | Self::OrgSlug | Self::OrgName | Self::OrgExternalId | Self::OrgLevel)
    }

    /// Whether it is about whoever asks, or their organization: on a public route nobody is known.
    const fn asks_credential(&self) -> bool {
        match self {
            Self::UserId
            | Self::Username
            | Self::Login
            | Self::Organization
            | Self::Email
            | Self::IsStaff
            | Self::IsSuperuser
            | Self::UserExternalId
            | Self::UserField(_)
            | Self::Issuer
            | Self::Groups
            | Self::OrgId
            | Self::OrgSlug
            | Self::OrgName
            | Self::OrgExternalId
            | Self::OrgLevel
            | Self::Orgs(_)
            | Self::Assertion
            | Self::Claim(_) => true,
            Self::Path(_)
            | Self::Lookup(..)
            | Self::RequestId
            | Self::ClientName
            | Self::Literal(_)
            | Self::Secret(_) => false,
        }
    }

    /// The number of the lookup that it comes from.
    pub(in crate::policy) const fn lookup(&self) -> Option<usize> {
        match self {
            Self::Lookup(at, _) => Some(*at),
            _ => None,
        }
    }

    fn word(word: &str) -> Option<Self> {
        Some(match word {
            "user.id" => Self::UserId,
            "user.username" => Self::Username,
            "user.login" => Self::Login,
            "user.organization" => Self::Organization,
            "user.email" => Self::Email,
            "user.issuer" => Self::Issuer,
            "user.groups" => Self::Groups,
            "user.is_staff" => Self::IsStaff,
            "user.is_superuser" => Self::IsSuperuser,
            "user.external_id" => Self::UserExternalId,
            "org.id" => Self::OrgId,
            "org.slug" => Self::OrgSlug,
            "org.name" => Self::OrgName,
            "org.external_id" => Self::OrgExternalId,
            "org.level" => Self::OrgLevel,
            "orgs.member" => Self::Orgs(Level::Member),
            "orgs.manager" => Self::Orgs(Level::Manager),
            "orgs.owner" => Self::Orgs(Level::Owner),
            "request.id" => Self::RequestId,
            "client.name" => Self::ClientName,
            _ => return None,
        })
    }
}

pub(crate) const WORDS: [&str; 20] = [
    "user.id",
    "user.username",
    "user.login",
    "user.organization",
    "user.email",
    "user.issuer",
    "user.groups",
    "user.is_staff",
    "user.is_superuser",
    "user.external_id",
    "org.id",
    "org.slug",
    "org.name",
    "org.external_id",
    "org.level",
    "orgs.member",
    "orgs.manager",
    "orgs.owner",
    "request.id",
    "client.name",
];

/// Headers that frame or route the message: a policy that wrote them would break the connection.
const FORBIDDEN: [&str; 12] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether a header frames or routes the message, in any spelling.
pub(in crate::policy) fn frames(name: &str) -> bool {
    FORBIDDEN.iter().any(|bad| same_name(*bad, name))
}

/// Whether a policy, or postern itself, may tell a header of that name.
#[must_use]
pub fn is_injectable(name: &HeaderName) -> bool {
    let text = name.as_str();
    text.len() <= MAX_NAME && normalized(text).next().is_some() && !frames(text)
}

/// Longest name of an injected header.
pub const MAX_NAME: usize = 100;

#[derive(Clone, Debug)]
pub(in crate::policy) struct RawInject {
    /// Its name and the place of it.
    pub(in crate::policy) name: Spanned<HeaderName>,
    /// The folded name: one key of the map, however it is spelt.
    pub(in crate::policy) normalized: Box<str>,
    value: Spanned<RawValue>,
}

#[derive(Clone, Debug)]
enum RawValue {
    Path(String),
    Lookup(Box<str>, Box<str>),
    Secret(Spanned<Box<str>>),
    Ready(InjectValue),
}

impl RawInject {
    /// Whether there must be an organization for it, and where that is said.
    pub(in crate::policy) fn asks_organization(&self) -> Option<Span> {
        let asks = matches!(&self.value.value, RawValue::Ready(value) if value.asks_organization());
        asks.then_some(self.value.span)
    }

    /// Whether only a credential can give it a value.
    fn asks_credential(&self) -> bool {
        matches!(&self.value.value, RawValue::Ready(value) if value.asks_credential())
    }

    /// Whether it uses the variable of the path.
    pub(in crate::policy) fn uses(&self, variable: &str, lookups: &LookupTable) -> bool {
        match &self.value.value {
            RawValue::Path(name) => name == variable,
            RawValue::Lookup(name, _) => lookups.uses(name, variable),
            RawValue::Ready(_) | RawValue::Secret(_) => false,
        }
    }

    /// Binds it to a route; `None` when it was reported.
    pub(in crate::policy) fn bind(
        &self,
        binder: &Binder<'_>,
        secrets: &mut Secrets<'_>,
        findings: &mut Findings,
    ) -> Option<Inject> {
        let span = self.value.span;
        let value = match &self.value.value {
            RawValue::Ready(value) => value.clone(),
            RawValue::Secret(Spanned { value, span }) => InjectValue::Secret(secrets.named(value, *span, findings)),
            RawValue::Path(name) => InjectValue::Path(binder.variable(name, span, findings)?),
            RawValue::Lookup(name, column) => {
                InjectValue::Lookup(binder.column(name, column, span, findings)?, column.clone())
            }
        };
        Some(Inject { name: self.name.value.clone(), value })
    }

    /// The header of a request that is nobody's; reports a value that somebody gives it.
    pub(in crate::policy) fn fixed(&self, secrets: &mut Secrets<'_>, findings: &mut Findings) -> Option<Inject> {
        let value = match &self.value.value {
            RawValue::Ready(value @ InjectValue::Literal(_)) => value.clone(),
            RawValue::Secret(Spanned { value, span }) => InjectValue::Secret(secrets.named(value, *span, findings)),
            RawValue::Ready(_) | RawValue::Path(_) | RawValue::Lookup(..) => {
                findings
                    .error(
                        "unknown_value",
                        self.value.span,
                        "a lookup is asked for everybody alike, and tells nothing of a request",
                    )
                    .help("write `{ secret: NAME }` or `{ literal: \"text\" }`");
                return None;
            }
        };
        Some(Inject { name: self.name.value.clone(), value })
    }
}

impl PolicyOption for Inject {
    const ABOUT: &'static str = "Headers that tell the upstream who asks; nobody else can send them.";
    type Raw = Vec<RawInject>;

    fn schema() -> Json {
        json!({ "$ref": "#/definitions/inject" })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Vec<RawInject>> {
        let help = "write headers and their values: `inject: { X-Postern-User: user.id }`";
        let list = read_headers(node, ("`inject`", help), findings)?;
        for RawInject { name, .. } in list.iter().filter(|inject| inject.name.value == http::header::COOKIE) {
            findings
                .warning(
                    "inject_cookie",
                    name.span,
                    "`Cookie` takes the place of all cookies, on every route of every file",
                )
                .help("what is injected is stripped from requests: choose another name, for example `X-Postern-User`");
        }
        Some(list)
    }

    fn over(own: &Vec<RawInject>, above: &Vec<RawInject>) -> Vec<RawInject> {
        let kept = above.iter().filter(|below| !own.iter().any(|own| own.normalized == below.normalized));
        kept.chain(own).cloned().collect()
    }

    fn needs(raw: &Spanned<Vec<RawInject>>) -> Vec<(Span, Needs)> {
        let told = raw.value.iter().filter(|inject| inject.asks_credential());
        let early = raw.value.iter().filter(|inject| inject.asks_organization().is_some());
        let early = early.map(|inject| (inject.name.span, Needs::EarlyOrganization));
        told.map(|inject| (inject.name.span, Needs::Credential)).chain(early).collect()
    }
}

/// Reads the headers; what was reported is left out.
pub(in crate::policy) fn read_headers(
    node: &Node,
    (what, help): (&str, &str),
    findings: &mut Findings,
) -> Option<Vec<RawInject>> {
    let map = node.expect_map_like(what, help, findings)?;
    let mut list: Vec<RawInject> = Vec::with_capacity(map.entries.len());
    for entry in &map.entries {
        let name = header(&entry.key, findings);
        let value = value(&entry.value, findings);
        let (Some(name), Some(value)) = (name, value) else { continue };
        let normalized = normalized_key(name.as_str());
        if let Some(first) = list.iter().find(|i| i.normalized == normalized) {
            findings
                .error(
                    "duplicate_key",
                    entry.key.span,
                    format!("`{}` is another spelling of a header that is there already", entry.key.text),
                )
                .related(first.name.span, "first here")
                .help("upper and lower case, `-` and `_` make no difference: leave one of them out");
            continue;
        }
        list.push(RawInject { name: Spanned { value: name, span: entry.key.span }, normalized, value });
    }
    Some(list)
}

fn header(key: &Key, findings: &mut Findings) -> Option<HeaderName> {
    // The length keeps the name within what `StripSet` compares as a whole.
    let fits = |n: &HeaderName| n.as_str().len() <= MAX_NAME && normalized(n.as_str()).next().is_some();
    let name = HeaderName::try_from(key.text.as_str()).ok().filter(fits);
    let Some(name) = name else {
        findings
            .error("bad_header", key.span, format!("`{}` is not the name of a header", key.text))
            .help(format!("letters, digits and `-`, at most {MAX_NAME}: `X-Postern-User`"));
        return None;
    };
    if frames(name.as_str()) {
        findings
            .error("bad_header", key.span, format!("`{}` frames the message and cannot be injected", key.text))
            .help("choose another name, for example `X-Postern-User`");
        return None;
    }
    Some(name)
}

fn value(node: &Node, findings: &mut Findings) -> Option<Spanned<RawValue>> {
    let span = node.span;
    if let Value::Map(map) = &node.value {
        return Some(Spanned { value: of_map(map, span, findings)?, span });
    }
    let word = node.expect_word("an injected value", findings)?;
    if let Some(value) = InjectValue::word(word) {
        return Some(Spanned { value: RawValue::Ready(value), span });
    }
    match word.split_once('.') {
        Some(("path", name)) if is_name(name) => {
            return Some(Spanned { value: RawValue::Path(name.to_owned()), span });
        }
        Some(("user", field)) if let Some(name) = field.strip_prefix("fields.").filter(|name| is_name(name)) => {
            return Some(Spanned { value: RawValue::Ready(InjectValue::UserField(name.into())), span });
        }
        Some(("lookup", rest)) if let Some((name, Some(column))) = org::of_lookup(rest) => {
            return Some(Spanned { value: RawValue::Lookup(name, column), span });
        }
        Some(("lookup", _)) => {
            findings
                .error("unknown_value", span, format!("`{word}` names no column of a lookup"))
                .help("write `lookup.NAME.COLUMN`; the organization itself is `org.id`");
            return None;
        }
        Some(("claim", name)) if let Some(claim) = ClaimName::parse(name) => {
            org::warn_of_dots(name, span, findings);
            return Some(Spanned { value: RawValue::Ready(InjectValue::Claim(claim)), span });
        }
        Some(("claim", name)) => {
            findings
                .error("unknown_value", span, format!("`{name}` cannot be the name in `{word}`"))
                .help(org::CLAIM_NAMES);
            return None;
        }
        _ => {
            let nameless = (word == "path._").then(|| "`{_}` has no name: give it one".to_owned());
            let near = suggest(word, WORDS).map(|w| format!("did you mean `{w}`?"));
            let of_that = word.split_once('.').map(|(of, _)| {
                WORDS.into_iter().filter(|word| word.split_once('.').is_some_and(|(known, _)| known == of)).collect()
            });
            let of_that =
                of_that.filter(|list: &Vec<_>| !list.is_empty()).map(|list| format!("there are {}", list.join(", ")));
            let help =
                nameless.or(near).or(of_that).unwrap_or_else(|| format!("a fixed text is `{{ literal: \"{word}\" }}`"));
            findings.error("unknown_value", span, format!("`{word}` is not a value that can be injected")).help(help);
        }
    }
    None
}

/// `{ literal: text }` or `{ secret: NAME }`.
fn of_map(map: &Map, span: Span, findings: &mut Findings) -> Option<RawValue> {
    map.expect_keys("an injected value", Keys { known: &["literal", "secret"], not_yet: &[] }, findings);
    let [entry] = map.entries.as_slice() else {
        findings
            .error("unknown_value", span, "an injected value is one thing")
            .help("for example `{ literal: \"text\" }`");
        return None;
    };
    match entry.key.text.as_str() {
        "literal" => {}
        "secret" => return secret::name(&entry.value, findings).map(RawValue::Secret),
        _ => return None,
    }
    let text = entry.value.expect_str("`literal`", findings)?;
    let encoded = encode(text);
    if encoded.is_none() {
        findings
            .error("bad_literal", entry.value.span, "the text cannot stand in a header")
            .help("it must not be empty, begin or end with a blank, or hold control characters");
    }
    encoded.map(|text| RawValue::Ready(InjectValue::Literal(text)))
}

/// ASCII as it is written, everything else percent-encoded UTF-8.
fn encode(text: &str) -> Option<HeaderValue> {
    if text.is_empty() || text.trim() != text || text.chars().any(char::is_control) {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        if b.is_ascii() {
            out.push(char::from(b));
        } else {
            write!(out, "%{b:02X}").ok()?;
        }
    }
    HeaderValue::try_from(out).ok()
}
