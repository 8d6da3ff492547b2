//! `identity:` — who may say who they are, and how.
//!
//! Each scheme has a file: `jwt`, `sesame`, `session`; how people log in is in [`super::accounts`].

mod django;
mod fields;
mod jwt;
mod mfa;
mod passkeys;
pub(super) mod providers;
mod sesame;
mod session;
pub(super) mod trusted_header;

use super::Compat;
use super::accounts::Served;
use super::accounts::{self, Accounts};
use super::keys::{FLAG, Shape, custom, keys, one_of, within};
use crate::directory::DeclaredFields;
use crate::identity::settings::Settings;
use crate::yaml::{Findings, Map, Value};

/// Who may say who they are.
#[derive(Clone, Debug, Default)]
pub struct Identity {
    /// How people log in, and what they get.
    pub accounts: Accounts,
    /// What users have besides.
    pub fields: DeclaredFields,
    /// The credentials of callers.
    pub settings: Settings,
}

impl Identity {
    /// What counts where nothing is said.
    pub(super) fn of(compat: Compat) -> Self {
        Self { accounts: Accounts::of(compat), ..Self::default() }
    }
}

keys! {
    Identity for Identity {
        accounts.api ("api"), one_of!("off" => Served::Off, "token" => Served::Logins, "all" => Served::All),
            "What of the identity API is served: `token` is what is about logins, tokens and passwords, `all` users, organizations and groups too. [off]";
        accounts.prefix ("prefix"), custom(Shape::Text, accounts::prefix),
            "Where the identity API is; not with `compat: openwisp`. [/api/v1/users/]";
        accounts.require_if_match ("require_if_match"), FLAG,
            "Whether a record is changed or deleted only with the ETag that it was read with, in `If-Match`; 428 otherwise. [false]";
        accounts.browsable ("browsable_api"), FLAG,
            "Whether browsers are shown records on pages, with forms; otherwise as JSON on a page. [true]";
        accounts ("login"), within::<accounts::Login>(), "How people name themselves.";
        accounts ("token"), within::<accounts::Token>(), "Tokens of logins.";
        accounts.passwords ("passwords"), custom(accounts::PASSWORDS, accounts::passwords), "How passwords are hashed.";
        accounts.mfa ("mfa"), custom(mfa::SHAPE, mfa::read),
            "A second factor at logins: codes of an authenticator app. [off]";
        accounts.passkeys ("passkeys"), custom(passkeys::SHAPE, passkeys::read),
            "Logins with a passkey: an authenticator's key in the place of a password, or behind it. [off]";
        fields, custom(fields::SHAPE, fields::read),
            "Fields of users of the installation's own, by name: `team: { type: text }`. [none]";
        settings.jwt ("jwt"), custom(jwt::SHAPE, jwt::read), "Issuers of JWTs.";
        settings.sesame ("sesame"), custom(sesame::SHAPE, sesame::read),
            "Sesame tokens, as Django's settings have them. [off]";
        settings.session ("session"), custom(session::SHAPE, session::read), "Sessions. [off]";
        settings.django ("django_session"), custom(django::SHAPE, django::read),
            "Django's own sessions, with `schema: openwisp`, as Django's settings have them. [off]";
    }
}

/// Checks that sessions begin where people log in, which must be served; or by a link.
pub(super) fn check(tree: &Map, Identity { settings, accounts, .. }: &Identity, findings: &mut Findings) {
    let Some(node) = tree.get("identity") else { return };
    if let Some(longest) = accounts.longest_token
        && accounts.api != accounts::Served::Off
        && accounts.lifetime.is_none_or(|lifetime| lifetime > longest)
    {
        let message = "a token of a login would be good for longer than `max_lifetime` lets any be";
        findings.error("wrong_value", node.span, message).help("write a `lifetime` under `token` that is no longer");
    }
    if !accounts.providers.is_empty() {
        providers::check(tree, node, accounts, findings);
    }
    let has_pages = settings.session.is_some() && accounts.api != accounts::Served::Off;
    for (_, message) in [
        (!accounts.providers.is_empty(), "a login at a provider begins a session, on pages of the identity API"),
        (
            accounts.trusted_header.is_some(),
            "`trusted_header` begins sessions, on the login page of the identity API: one of the two is off",
        ),
        (
            accounts.mfa.is_some(),
            "`mfa` asks for a code before a session, on a page of the identity API: one of the two is off",
        ),
    ]
    .into_iter()
    .filter(|(needs_pages, _)| *needs_pages && !has_pages)
    {
        findings.error("missing_key", node.span, message).help("write `identity: { api: token, session: {} }`");
    }
    if accounts.devices
        && (tree.get("public_url").is_none() || settings.session.is_none() || accounts.api == Served::Off)
    {
        let message = "`device: on` tells devices of a page at which people are logged in: it needs `public_url`, `session` and the identity API";
        findings
            .error("missing_key", node.span, message)
            .help("write `public_url: https://id.example.com` and `identity: { api: token, session: {} }`");
    }
    if let Some(passkeys) = &accounts.passkeys {
        passkeys::check(node, passkeys, settings.session.is_some(), accounts, findings);
    }
    if settings.sesame.as_ref().is_some_and(|sesame| sesame.exchange) && settings.session.is_none() {
        findings
            .error("missing_key", node.span, "`exchange` makes sessions, and `identity` has no `session`")
            .help("write `session: {}`");
    }
    if let Value::Map(map) = &node.value
        && let (Some(node), None) = (map.get("session"), map.get("api"))
        && settings.session.is_some()
        && settings.sesame.is_none()
    {
        let message = "nobody can begin a session: the login page is part of the identity API, which is off";
        findings
            .warning("no_login", node.span, message)
            .help("write `api: token` or `api: all`; or `api: off`, where that is meant");
    }
}
