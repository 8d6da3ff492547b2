//! What the signed assertion says of a request: the names are those of RFC 7519 and OpenID Connect where those have one.

use super::{Denial, Reason};
use crate::assertion::Signing;
use crate::facts::{Organization, Snapshot, Value};
use crate::policy::Route;
use serde_json::{Map, Value as Json, json};

/// Whose a request is.
pub(super) struct Told<'a> {
    pub(super) caller: &'a Snapshot,
    /// The organization of the request, and the caller's level in it.
    pub(super) organization: Option<(&'a Organization, Option<&'static str>)>,
    pub(super) route: &'a Route,
}

/// The claims of a caller's request, in JSON.
///
/// # Errors
/// 431 `identity_too_large`: they are longer than headers may be, as of somebody with many groups, roles or permissions.
pub(super) fn claims(told: &Told<'_>, signing: Signing<'_>, request_id: &str) -> Result<String, Denial> {
    let Told { caller, organization, route } = *told;
    let (settings, user) = (signing.assertions.settings(), &caller.user);
    let mut claims = Map::new();
    let mut say = |name: &str, value: Json| {
        if !value.is_null() {
            claims.insert(name.to_owned(), value);
        }
    };
    say("iss", json!(settings.issuer));
    say("aud", json!(signing.audience));
    say("iat", json!(signing.now));
    say("exp", json!(signing.now.saturating_add_unsigned(settings.ttl.as_secs())));
    say("jti", json!(request_id));
    say("sub", json!(user.id.0));
    say("preferred_username", json!(user.username.as_ref().map(Value::as_str)));
    say("email", json!(user.email.as_deref().map(Value::as_str)));
    say("user_issuer", json!(user.issuer.as_deref().map(Value::as_str)));
    say("is_staff", json!(user.is_staff));
    say("is_superuser", json!(user.is_superuser));
    say("groups", caller.groups().iter().map(|name| &**name).collect());
    if let Some((organization, level)) = organization {
        let Organization { id, slug, external_id, .. } = organization;
        let external_id = external_id.as_deref().map(Value::as_str);
        say("org", json!({ "id": id.0, "slug": slug.as_str(), "external_id": external_id }));
        say("level", json!(level));
        say("roles", caller.roles_in(organization.id).collect());
        if settings.permissions {
            say("permissions", json!(by_roles(caller, organization)));
        }
    }
    say("route", json!(route.pattern));
    say("method", json!(signing.method.as_str()));
    say("target", json!(signing.target));
    let claims = Json::Object(claims).to_string();
    if claims.len() > route.list_limit {
        let hint = "what the signed assertion says is longer than `limits.identity_header`";
        return Err(Denial::new(Reason::IdentityTooLarge).at(route.index).with_hint(hint));
    }
    Ok(claims)
}

/// What roles permit there: those in the organization, and super roles.
fn by_roles<'c>(caller: &'c Snapshot, organization: &Organization) -> Vec<&'c str> {
    let Some(permissions) = caller.permissions() else { return Vec::new() };
    let there = permissions.all_by_organization().filter(|(id, _)| *id == organization.id);
    let there = there.flat_map(|(_, list)| list);
    let mut names: Vec<&str> = there.chain(permissions.all_of_super_roles()).map(|name| &**name).collect();
    names.sort_unstable();
    names.dedup();
    names
}
