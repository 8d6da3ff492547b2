//! Who the subject of a JWT is.

use super::token::Parts;
use crate::directory::{OrgRef, Store, StoreError, UserKey};
use crate::facts::{Level, Membership, Snapshot, User, Value};
use crate::id::{OrgId, UserId};
use crate::membership::Found;
use serde_json::Value as Json;
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
    Claim(Box<str>, ClaimIs),
    /// Nobody of the directory: the claims say it all.
    Claims(Outsiders),
}

/// What is taken from the claims of somebody who is in no directory.
///
/// What an issuer calls somebody could be what the directory calls somebody else, whom a service would then take them for: so
/// they have a name and an address only where the configuration says from which claims.
#[derive(Clone, Debug, Default)]
pub struct Outsiders {
    /// Their organizations.
    pub tenants: Option<Tenants>,
    /// The claim with their login name.
    pub username: Option<Box<str>>,
    /// What stands before it.
    pub username_prefix: Box<str>,
    /// The claim with their e-mail address.
    pub email: Option<Box<str>>,
}

/// What of a user a claim names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimIs {
    /// The id.
    Id,
    /// The login name.
    Username,
    /// The e-mail address, which must be verified.
    Email,
    /// The key of a legacy system.
    ExternalId,
}

/// Which claim lists organizations, and how.
#[derive(Clone, Debug)]
pub struct Tenants {
    /// Its name: a text, a list of texts, or a map from organization to level.
    pub claim: Box<str>,
    /// How it names them.
    pub by: OrgBy,
    /// The level where the claim names none.
    pub level: Level,
}

/// How organizations are named in a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrgBy {
    /// By id.
    Id,
    /// By slug.
    Slug,
    /// By external id.
    External,
}

/// Somebody whom a verified token names.
pub enum Who {
    /// By what is bound.
    Bound(Box<str>, Box<str>),
    /// By a claim.
    User(UserKey),
    /// By claims alone.
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
        match self {
            Self::Bound => Some(Who::Bound(issuer.into(), text("sub")?.into())),
            Self::Claim(claim, is) => {
                let value = text(claim)?;
                Some(Who::User(match is {
                    ClaimIs::Id => UserKey::Id(UserId::parse(value).ok()?),
                    ClaimIs::Username => UserKey::Username(value.to_owned()),
                    ClaimIs::ExternalId => UserKey::ExternalId(value.to_owned()),
                    ClaimIs::Email => {
                        // Whoever can type somebody else's address at the issuer is not yet somebody else.
                        token.claims.get("email_verified").filter(|verified| **verified == Json::Bool(true))?;
                        UserKey::Email(value.to_owned())
                    }
                }))
            }
            Self::Claims(outsiders) => {
                let subject = text("sub")?;
                let organizations = match &outsiders.tenants {
                    Some(tenants) => tenants.read(token.claims.get(&*tenants.claim))?,
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
                        .as_deref()
                        .and_then(text)
                        .map(|name| format!("{}{name}", outsiders.username_prefix)),
                    email: outsiders.email.as_deref().filter(|_| !says_unverified(token)).and_then(text).map(Box::from),
                    organizations,
                }))
            }
        }
    }
}

/// Whether the issuer says itself that nobody has proven to own the address. Some say nothing of it.
fn says_unverified(token: &Parts<'_>) -> bool {
    token.claims.get("email_verified").is_some_and(|verified| *verified != Json::Bool(true))
}

impl Tenants {
    /// `None` where the claim is there and is not what it should be; an absent one names none.
    fn read(&self, claim: Option<&Json>) -> Option<Vec<(OrgRef, Level)>> {
        let reference = |text: &str| {
            Some(match self.by {
                OrgBy::Id => OrgRef::Id(OrgId::parse(text).ok()?),
                OrgBy::Slug => OrgRef::Slug(text.to_owned()),
                OrgBy::External => OrgRef::External(text.to_owned()),
            })
        };
        let list: Vec<(OrgRef, Level)> = match claim {
            None | Some(Json::Null) => Vec::new(),
            Some(Json::String(text)) => vec![(reference(text)?, self.level)],
            Some(Json::Array(list)) => {
                list.iter().map(|one| Some((reference(one.as_str()?)?, self.level))).collect::<Option<_>>()?
            }
            Some(Json::Object(map)) => map
                .iter()
                .map(|(one, level)| Some((reference(one)?, level_of(level.as_str()?)?)))
                .collect::<Option<_>>()?,
            Some(_) => return None,
        };
        (list.len() <= MAX_ORGANIZATIONS).then_some(list)
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
    pub async fn read(&self, store: &dyn Store) -> Result<Option<Found>, StoreError> {
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
    async fn read(&self, store: &dyn Store) -> Result<Snapshot, StoreError> {
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
            is_active: true,
            is_staff: false,
            is_superuser: false,
        };
        Ok(Snapshot::new(user, memberships))
    }
}
