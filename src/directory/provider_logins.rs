//! Logins at providers of OpenID Connect: who somebody is here whom a provider knows, and what its claims make of them.
//!
//! A subject is bound to a user, or linked by an address that both sides have verified, or becomes a user, as the configuration wants it; all
//! of it is one transaction, and a login that was begun ends once.

use super::credentials::SubjectRecord;
use super::engine::{Directory, operations};
use super::error::{DirectoryError, Noun, StoreError};
use super::grants::BundleEdit;
use super::name::Email;
use super::once::{Once, is_first};
use super::resources::{NewEmail, NewMembership, NewUser, UserEdit, UserRecord};
use super::selector::{GroupSelector, OrgSelector, UserSelector};
use super::tx::Tx;
use super::{credentials, emails, groups, lookup, memberships, users};
use crate::id::UserId;
use crate::password::PasswordHash;
use jiff::civil::Date;
use serde_json::json;

/// Somebody whom a provider has just said to be its subject.
#[derive(Clone, Debug)]
pub struct ProviderLogin {
    /// What the configuration calls the provider.
    pub provider: String,
    pub issuer: String,
    pub subject: String,
    /// What no other login has, and until when (Unix seconds) it must not come again.
    pub once: Once,
    /// An address that the provider has verified, where it may say whose user somebody is.
    pub link: Option<Email>,
    /// Whom to make where it is nobody.
    pub create: Option<NewUser>,
    pub ties: Ties,
    /// Whose account ended before does not log in; `None`: they do.
    pub today: Option<Date>,
}

/// What somebody is by a provider's word. What is not named stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ties {
    /// Slugs: `None` is no member, `true` a manager.
    pub organizations: Vec<(String, Option<bool>)>,
    /// Names, and whether they are in it.
    pub groups: Vec<(String, bool)>,
    pub staff: Option<bool>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderEntry {
    Entered(UserId),
    /// This login has ended before.
    Replayed,
    /// Nobody here is that subject.
    Nobody,
    /// They are not active, or their account is over.
    Inactive,
}

impl Directory {
    /// Who somebody is here, with what they are by the provider's word from now on.
    ///
    /// # Errors
    /// [`DirectoryError::Taken`]: somebody else has the name or the address of whom it would make.
    pub async fn enter(&self, login: ProviderLogin) -> Result<ProviderEntry, DirectoryError> {
        self.write(move |tx| Box::pin(async move { enter(tx, login).await })).await
    }
}

operations! {
    /// Ends a binding of their own by which a user logs in, unless it is their last way in.
    write unlink_subject(user: &UserSelector; issuer: String, subject: String) -> SubjectRecord = unlink;
}

async fn unlink(
    tx: &Tx<'_>,
    by: &UserSelector,
    issuer: String,
    subject: String,
) -> Result<SubjectRecord, DirectoryError> {
    let user = lookup::user(tx, by).await?;
    let may = tx.viewer.is_unbounded() || tx.viewer.user() == Some(user.id);
    tx.viewer.unless(may, || "say how somebody else logs in".to_owned())?;
    // Two who each take one of the last two do so one after the other.
    tx.session.lock("users", &user.id).await?;
    let Some(bound) = credentials::bound(tx, &issuer, &subject).await?.filter(|bound| bound.user == user.id) else {
        return Err(DirectoryError::NotFound { noun: Noun::Subject, reference: subject });
    };
    let sql = "SELECT password, (SELECT count(*) FROM subjects s WHERE s.user_id = u.id) AS subjects FROM users u
               WHERE id = $1";
    let row = tx.row(sql, &[&user.id]).await?.ok_or_else(|| StoreError::Broken("a user has gone".to_owned()))?;
    let password: Option<String> = row.get("password")?;
    let has_password = PasswordHash::from_stored(password.as_deref().unwrap_or_default()).is_usable();
    tx.viewer.unless(has_password || row.get::<i64>("subjects")? > 1, || "take away their last way in".to_owned())?;
    tx.execute("DELETE FROM subjects WHERE issuer = $1 AND subject = $2", &[&issuer, &subject]).await?;
    tx.deleted("subject.unbind", &bound);
    Ok(bound)
}

async fn enter(tx: &Tx<'_>, login: ProviderLogin) -> Result<ProviderEntry, DirectoryError> {
    let ProviderLogin { provider, issuer, subject, once, link, create, ties, today } = login;
    // Two first logins of one subject make one user.
    tx.session.lock_name(&format!("subject {issuer} {subject}")).await?;
    if !is_first(tx, once).await? {
        return Ok(ProviderEntry::Replayed);
    }
    let is_over = |user: &UserRecord| {
        !user.is_active || today.is_some_and(|today| user.expiration_date.is_some_and(|last| last < today))
    };
    let mut known = match credentials::bound(tx, &issuer, &subject).await? {
        Some(bound) => Some(lookup::user(tx, &bound.user.into()).await?),
        None => None,
    };
    if known.is_none()
        && let Some(linked) = linked(tx, link.as_ref(), &issuer).await?
    {
        if is_over(&linked) {
            return Ok(ProviderEntry::Inactive);
        }
        credentials::bind(tx, &linked.id.into(), issuer.clone(), subject.clone()).await?;
        known = Some(linked);
    }
    let user = match (known, create) {
        (Some(user), _) => user,
        (None, Some(new)) => {
            let made = made(tx, new).await?;
            credentials::bind(tx, &made.id.into(), issuer.clone(), subject).await?;
            made
        }
        (None, None) => return Ok(ProviderEntry::Nobody),
    };
    if is_over(&user) {
        return Ok(ProviderEntry::Inactive);
    }
    tie(tx, &user, &ties).await?;
    let line = json!({ "user": user.id, "username": user.username, "provider": provider, "issuer": issuer });
    tx.created("login.provider", &line);
    Ok(ProviderEntry::Entered(user.id))
}

/// The one user who has verified this address here too. Whoever registers with somebody else's address has not, and superusers are bound
/// by hand alone. Who is a subject of this issuer already does not become another one: an address may pass on to somebody else there.
async fn linked(tx: &Tx<'_>, email: Option<&Email>, issuer: &str) -> Result<Option<UserRecord>, DirectoryError> {
    let Some(email) = email else { return Ok(None) };
    let sql = "SELECT DISTINCT e.user_id FROM email_addresses e JOIN users u ON u.id = e.user_id
               WHERE lower(e.email) = lower($1) AND e.verified AND NOT u.is_superuser LIMIT 2";
    let rows = tx.rows(sql, &[&email.as_str()]).await?;
    let [row] = rows.as_slice() else { return Ok(None) };
    let user: UserId = row.get("user_id")?;
    // Of two subjects who come at once with one address, the second looks when the first is bound. It is no condition of the
    // statement above: of two users with this address the one who is not bound yet would be the only one.
    tx.session.lock("users", &user).await?;
    let sql = "SELECT 1 AS one FROM subjects WHERE user_id = $1 AND issuer = $2";
    if tx.row(sql, &[&user, &issuer]).await?.is_some() {
        return Ok(None);
    }
    lookup::user(tx, &user.into()).await.map(Some)
}

async fn made(tx: &Tx<'_>, new: NewUser) -> Result<UserRecord, DirectoryError> {
    let email = new.email.clone();
    let user = users::create(tx, new).await?;
    if let Some(email) = email {
        emails::insert(tx, user.id, NewEmail { email, verified: true, is_primary: true }, true).await?;
    }
    Ok(user)
}

async fn tie(tx: &Tx<'_>, user: &UserRecord, ties: &Ties) -> Result<(), DirectoryError> {
    for (slug, level) in &ties.organizations {
        let by: OrgSelector = slug.as_str().into();
        if let Err(error) = member(tx, user, &by, *level).await {
            passed_over(user, error)?;
        }
    }
    for (name, is_in) in &ties.groups {
        let by: GroupSelector = name.as_str().into();
        let group = match groups::find(tx, &by).await {
            Err(error) => {
                passed_over(user, error)?;
                continue;
            }
            Ok(group) => group.id,
        };
        let sql = "SELECT 1 AS one FROM group_users WHERE group_id = $1 AND user_id = $2";
        let was_in = tx.row(sql, &[&group, &user.id]).await?.is_some();
        let one = vec![user.id.into()];
        match (was_in, *is_in) {
            (false, true) => groups::edit(tx, &group.into(), BundleEdit { add: one, ..BundleEdit::default() }).await?,
            (true, false) => {
                groups::edit(tx, &group.into(), BundleEdit { remove: one, ..BundleEdit::default() }).await?
            }
            _ => continue,
        };
    }
    if let Some(is_staff) = ties.staff.filter(|is_staff| *is_staff != user.is_staff) {
        users::edit(tx, &user.id.into(), UserEdit { is_staff: Some(is_staff), ..UserEdit::default() }).await?;
    }
    Ok(())
}

/// What is not there, or is not to be taken from them: nobody is kept out for it. These are told before a statement fails; after any other
/// error PostgreSQL would keep nothing of this login, whatever comes behind it.
fn passed_over(user: &UserRecord, error: DirectoryError) -> Result<(), DirectoryError> {
    use DirectoryError::{NameRemoved, NotFound, OwnerDemoted, OwnerRemoved};
    if !matches!(error, NotFound { .. } | OwnerDemoted { .. } | OwnerRemoved { .. } | NameRemoved { .. }) {
        return Err(error);
    }
    tracing::warn!(%error, user = user.username, "a provider's claim does not come into force");
    Ok(())
}

/// Makes somebody a member, a manager or neither. Nobody becomes the owner by it: of that no claim could take them away again.
async fn member(tx: &Tx<'_>, user: &UserRecord, by: &OrgSelector, level: Option<bool>) -> Result<(), DirectoryError> {
    let organization = lookup::organization(tx, by).await?;
    let found = match memberships::find(tx, &organization, user).await {
        Ok(found) => Some(found.is_admin),
        Err(DirectoryError::NotMember { .. } | DirectoryError::NotFound { .. }) => None,
        Err(error) => return Err(error),
    };
    let (at, who) = (organization.id.into(), user.id.into());
    let Some(is_admin) = level else {
        // A member of their primary organization they stay, but no manager.
        if found == Some(true) {
            memberships::edit(tx, &at, &who, false).await?;
        }
        return if found.is_some() { memberships::delete(tx, &at, &who).await.map(drop) } else { Ok(()) };
    };
    if found.is_none() {
        let new = NewMembership { user: who.clone(), organization: at.clone(), is_admin: false };
        memberships::create(tx, new).await?;
    }
    if found.unwrap_or_default() != is_admin {
        memberships::edit(tx, &at, &who, is_admin).await?;
    }
    Ok(())
}
