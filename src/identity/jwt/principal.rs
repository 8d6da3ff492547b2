//! Who the subject of a JWT is.

use super::token::Parts;
use crate::claims::{Claim, ClaimName};
use crate::directory::{Directory, OrgRef, StoreError, UserKey};
use crate::fact_cache::Found;
use crate::facts::{Level, Membership, Snapshot, User, Value};
use crate::id::{OrgId, UserId};
use serde_json::Value as Json;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::sync::Arc;
use uuid::Uuid;

/// Most organizations that claims can name.
const MAX_ORGANIZATIONS: usize = 1000;
/// Longest value of a claim that names somebody.
const MAX_NAME: usize = 512;

/// Who an issuer's subjects are.
#[derive(Clone, Debug)]
pub enum Principal {
    /// The user to whom (issuer, `sub`) is bound.
    Bound,
    /// The user who has the value of a claim.
    Claim(ClaimName, ClaimIs),
    /// Nobody of the directory: the claims say it all.
    Claims(Outsiders),
}

/// What is taken from the claims of somebody who is in no directory.
///
/// What an issuer calls somebody could be what the directory calls somebody else, whom a service would then take them for: so
/// they have a name and an address only where the configuration says from which claims.
#[derive(Clone, Debug, Default)]
pub struct Outsiders {
    pub tenants: Option<Tenants>,
    /// The claim with their login name.
    pub username: Option<ClaimName>,
    pub username_prefix: Box<str>,
    /// The claim with their e-mail address.
    pub email: Option<ClaimName>,
    /// When that counts as verified.
    pub verified: Verified,
}

/// What `email_verified` must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// The text `"true"` counts like the flag: some issuers write flags so.
    pub or_text: bool,
}

impl Verified {
    fn holds(self, value: &Json) -> bool {
        *value == Json::Bool(true) || (self.or_text && *value == "true")
    }
}

/// What of a user a claim names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimIs {
    Id,
    Username,
    /// The e-mail address, which must be verified.
    Email(Verified),
    /// The key of a legacy system.
    ExternalId,
}

/// Which claim lists organizations, and how.
#[derive(Clone, Debug)]
pub struct Tenants {
    /// Its name: a text, a list of texts, or a map from organization to level, or to what else is said of it.
    pub claim: ClaimName,
    pub by: OrgBy,
    /// The level where the claim names none.
    pub level: Level,
}

/// How organizations are named in a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrgBy {
    Id,
    Slug,
    External,
}

/// Somebody whom a verified token names.
pub enum Who {
    Bound(Box<str>, Box<str>),
    User(UserKey),
    Claims(Alone),
}

/// Somebody who is in no directory.
pub struct Alone {
    id: UserId,
    issuer: Box<str>,
    username: Option<String>,
    email: Option<Box<str>>,
    organizations: Vec<(OrgRef, Level)>,
}

impl Principal {
    /// Whom a token names; `None` where it names nobody.
    #[must_use]
    pub fn of(&self, issuer: &str, token: &Parts<'_>) -> Option<Who> {
        let text = |name: &str| token.text(name).filter(|text| text.len() <= MAX_NAME);
        // A text, or a whole number as it is written.
        let named = |claim: &ClaimName| {
            let found = match token.said.get(claim)? {
                Claim::Text(text) => text,
                Claim::Number(number) if is_whole(number) => Cow::Borrowed(number),
                _ => return None,
            };
            (!found.is_empty() && found.len() <= MAX_NAME).then_some(found)
        };
        let text_of = |claim: &ClaimName| match token.said.get(claim)? {
            Claim::Text(text) => Some(text).filter(|text| !text.is_empty() && text.len() <= MAX_NAME),
            _ => None,
        };
        match self {
            Self::Bound => Some(Who::Bound(issuer.into(), text("sub")?.into())),
            Self::Claim(claim, is) => {
                let value = named(claim)?;
                Some(Who::User(match is {
                    ClaimIs::Id => UserKey::Id(UserId::parse(&value).ok()?),
                    ClaimIs::Username => UserKey::Username(value.into_owned()),
                    ClaimIs::ExternalId => UserKey::ExternalId(value.into_owned()),
                    ClaimIs::Email(verified) => {
                        // Whoever can type somebody else's address at the issuer is not yet somebody else.
                        token.claims.get("email_verified").filter(|value| verified.holds(value))?;
                        UserKey::Email(value.into_owned())
                    }
                }))
            }
            Self::Claims(outsiders) => {
                let subject = text("sub")?;
                let organizations = match &outsiders.tenants {
                    Some(tenants) => tenants.read(token.said.get(&tenants.claim))?,
                    None => Vec::new(),
                };
                Some(Who::Claims(Alone {
                    id: UserId(Uuid::new_v5(
                        &Uuid::NAMESPACE_URL,
                        format!("{}:{issuer}{subject}", issuer.len()).as_bytes(),
                    )),
                    issuer: issuer.into(),
                    username: outsiders
                        .username
                        .as_ref()
                        .and_then(text_of)
                        .map(|name| format!("{}{name}", outsiders.username_prefix)),
                    email: outsiders
                        .email
                        .as_ref()
                        .filter(|_| !says_unverified(token, outsiders.verified))
                        .and_then(text_of)
                        .map(Box::from),
                    organizations,
                }))
            }
        }
    }
}

/// Whether the issuer says itself that nobody has proven to own the address. Some say nothing of it.
fn says_unverified(token: &Parts<'_>, verified: Verified) -> bool {
    token.claims.get("email_verified").is_some_and(|value| !verified.holds(value))
}

fn is_whole(number: &str) -> bool {
    number.bytes().all(|b| b == b'-' || b.is_ascii_digit())
}

impl Tenants {
    /// `None` where the claim is there and is not what it should be; an absent one names none.
    fn read(&self, claim: Option<Claim<'_>>) -> Option<Vec<(OrgRef, Level)>> {
        let list: Vec<(OrgRef, Level)> = match claim {
            None | Some(Claim::Null) => Vec::new(),
            Some(Claim::List(list)) => {
                let one = |raw: &RawValue| Some((self.named(Claim::read(raw)?)?, self.level));
                list.into_iter().map(one).collect::<Option<_>>()?
            }
            Some(Claim::Map(map)) => {
                let one = |(name, raw): (Cow<'_, str>, _)| match Claim::read(raw)? {
                    Claim::Text(level) => Some((self.reference(&name)?, level_of(&level)?)),
                    // As Keycloak has it: `{"acme": {"id": "…"}}`.
                    Claim::Map(about) => {
                        let id = about.get("id").filter(|_| self.by == OrgBy::Id);
                        let organization = match id {
                            Some(id) => self.named(Claim::read(id)?)?,
                            None => self.reference(&name)?,
                        };
                        Some((organization, self.level))
                    }
                    _ => None,
                };
                map.into_iter().map(one).collect::<Option<_>>()?
            }
            Some(one) => vec![(self.named(one)?, self.level)],
        };
        (list.len() <= MAX_ORGANIZATIONS).then_some(list)
    }

    /// A text, or a whole number as it is written.
    fn named(&self, claim: Claim<'_>) -> Option<OrgRef> {
        match claim {
            Claim::Text(text) => self.reference(&text),
            Claim::Number(number) if is_whole(number) => self.reference(number),
            _ => None,
        }
    }

    fn reference(&self, text: &str) -> Option<OrgRef> {
        Some(match self.by {
            OrgBy::Id => OrgRef::Id(OrgId::parse(text).ok()?),
            OrgBy::Slug => OrgRef::Slug(text.to_owned()),
            OrgBy::External => OrgRef::External(text.to_owned()),
        })
    }
}

/// The word of a level. Owners are the directory's to name.
#[must_use]
pub fn level_of(word: &str) -> Option<Level> {
    match word {
        "member" => Some(Level::Member),
        "manager" => Some(Level::Manager),
        _ => None,
    }
}

impl Who {
    /// Under which name they are remembered; `None` where each token speaks for itself.
    #[must_use]
    pub fn key(&self) -> Option<String> {
        // Each part but the last with its length: no two give one name.
        match self {
            Self::Bound(issuer, subject) => Some(format!("bound:{}:{issuer}{subject}", issuer.len())),
            Self::User(UserKey::Id(id)) => Some(format!("id:{id}")),
            Self::User(UserKey::Username(name)) => Some(format!("username:{name}")),
            Self::User(UserKey::Email(email)) => Some(format!("email:{email}")),
            Self::User(UserKey::ExternalId(key)) => Some(format!("external:{key}")),
            Self::Claims(_) => None,
        }
    }

    /// Asks the directory.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn read(&self, store: &Directory) -> Result<Option<Found>, StoreError> {
        let snapshot = match self {
            Self::Bound(issuer, subject) => store.subject_snapshot(issuer, subject).await?,
            // A superuser is bound by hand or not at all, but for the id, which nobody can take on.
            Self::User(key @ UserKey::Id(_)) => store.snapshot_by(key).await?,
            Self::User(key) => store.snapshot_by(key).await?.filter(|snapshot| !snapshot.user.is_superuser),
            Self::Claims(alone) => {
                let snapshot = alone.read(store).await?;
                return Ok(Some(Found { of_organizations: true, ..Found::of(Arc::new(snapshot)) }));
            }
        };
        Ok(snapshot.map(|snapshot| Found::of(Arc::new(snapshot))))
    }
}

impl Alone {
    async fn read(&self, store: &Directory) -> Result<Snapshot, StoreError> {
        let mut memberships: Vec<Membership> = Vec::new();
        for (reference, level) in &self.organizations {
            // One that is not ours says nothing.
            let Some(organization) = store.organization(reference).await? else { continue };
            if memberships.iter().any(|known| known.organization.id == organization.id) {
                continue;
            }
            let is_admin = *level >= Level::Manager;
            memberships.push(Membership { organization: Arc::new(organization), is_admin, is_owner: false });
        }
        let user = User {
            id: self.id,
            username: self.username.as_ref().map(Value::new),
            issuer: Some(Box::new(Value::new(&self.issuer))),
            email: self.email.as_deref().map(|email| Box::new(Value::new(email))),
            external_id: None,
            home: None,
            fields: None,
            is_active: true,
            is_staff: false,
            is_superuser: false,
        };
        Ok(Snapshot::new(user, memberships))
    }
}

#[cfg(test)]
mod tests {
    use super::{OrgBy, Tenants};
    use crate::claims::{ClaimName, Claims};
    use crate::directory::OrgRef;
    use crate::facts::Level;

    fn read(by: OrgBy, json: &str) -> Option<Vec<String>> {
        let tenants = Tenants { claim: ClaimName::of_value("organization"), by, level: Level::Member };
        let claims = Claims::new(&format!(r#"{{"organization": {json}}}"#));
        let shown = |(organization, level): (OrgRef, Level)| {
            let text = match organization {
                OrgRef::Id(id) => id.to_string(),
                OrgRef::Slug(text) | OrgRef::External(text) => text,
            };
            format!("{text} {}", level.as_str())
        };
        Some(tenants.read(claims.get(&tenants.claim))?.into_iter().map(shown).collect())
    }

    #[test]
    fn organizations_are_named_as_issuers_name_them() {
        const ID: &str = "aaaaaaaa-0000-4000-8000-00000000000a";
        let some = |list: &[&str]| Some(list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        for (by, json, expected) in [
            (
                OrgBy::Slug,
                r#"{"acme": {}, "bolt": {"id": "x", "a": [1]}}"#.to_owned(),
                some(&["acme member", "bolt member"]),
            ),
            (OrgBy::Slug, r#"{"acme": "manager", "bolt": {}}"#.to_owned(), some(&["acme manager", "bolt member"])),
            (OrgBy::Id, format!(r#"{{"acme": {{"id": "{ID}"}}}}"#), some(&[&format!("{ID} member")])),
            (OrgBy::Id, format!(r#"{{"{ID}": {{}}}}"#), some(&[&format!("{ID} member")])),
            (OrgBy::Id, r#"{"acme": {}}"#.to_owned(), None),
            (OrgBy::Id, r#"{"acme": {"id": {}}}"#.to_owned(), None),
            (
                OrgBy::External,
                r#"[18, "A/1", 123456789012345678901234567890]"#.to_owned(),
                some(&["18 member", "A/1 member", "123456789012345678901234567890 member"]),
            ),
            (OrgBy::External, "[1.5]".to_owned(), None),
            (OrgBy::Slug, r#"{"acme": "owner"}"#.to_owned(), None),
            (OrgBy::Slug, r#"{"acme": ["member"]}"#.to_owned(), None),
            (OrgBy::Slug, "\"acme\"".to_owned(), some(&["acme member"])),
            (OrgBy::Slug, "null".to_owned(), some(&[])),
            (OrgBy::Slug, "true".to_owned(), None),
        ] {
            assert_eq!(read(by, &json), expected, "{json}");
        }
    }
}
