//! How people log in: whom an identifier means, their passwords, and the tokens that they get for them.

use super::engine::{Directory, operations};
use super::error::{DirectoryError, Noun, StoreError};
use super::resources::UserRecord;
use super::selector::UserSelector;
use super::sql::Row;
use super::token::TokenDigest;
use super::tx::Tx;
use super::usernames::Usernames;
use super::viewer::Action;
use super::{lookup, tokens, users};
use crate::id::{TokenId, UserId};
use crate::password::PasswordHash;
use jiff::civil::Date;
use serde_json::json;

/// Whom a login identifier may mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoginQuery {
    /// An e-mail address, whatever its case.
    pub email: Option<String>,
    /// Phone numbers, as they are kept.
    pub phones: Vec<String>,
    pub username: Option<String>,
    /// The slug of an organization, in any case, that the login names. Where usernames are per organization, a username means whose
    /// primary organization it is, and without one a superuser who has none; everywhere it must be theirs.
    pub organization: Option<String>,
}

impl LoginQuery {
    /// The address in the spellings that find it: stores compare without case, but some only where letters are ASCII.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        let Some(email) = &self.email else { return Vec::new() };
        let mut spellings = vec![email.clone()];
        if !email.is_ascii() {
            for spelling in [email.to_lowercase(), email.to_uppercase()] {
                if !spellings.contains(&spelling) {
                    spellings.push(spelling);
                }
            }
        }
        spellings
    }
}

/// Somebody whom a login identifier means.
#[derive(Clone, Debug)]
pub struct LoginCandidate {
    pub user: UserId,
    pub username: String,
    /// That of letters to them.
    pub language: String,
    /// An inactive user does not log in.
    pub is_active: bool,
    /// The last day of their account.
    pub expiration_date: Option<Date>,
    /// Their passwords may last for another time.
    pub is_staff: bool,
    /// When they chose their password, where that is known.
    pub password_updated: Option<Date>,
    /// What a password is compared with.
    pub password: Option<PasswordHash>,
}

/// A token that is kept encrypted besides.
#[derive(Clone, Debug)]
pub struct SealedToken {
    pub token: TokenId,
    /// The token, encrypted (see [`super::encryption`]).
    pub sealed: Vec<u8>,
}

/// A token to be kept encrypted, where the user has none.
#[derive(Clone, Debug)]
pub struct NewSealedToken {
    pub user: UserId,
    /// Its digest.
    pub digest: TokenDigest,
    pub sealed: Vec<u8>,
    /// One that cannot be decrypted any more; it stays valid, but this one takes its place.
    pub instead_of: Option<TokenId>,
}

/// More users than that cannot share an identifier, but for somebody's raw SQL.
const CANDIDATES: usize = 8;

impl Directory {
    /// Whom an identifier means at a login, active or not: by phone, then by e-mail address, then by username; each once.
    pub async fn login_candidates(&self, login: &LoginQuery) -> Result<Vec<LoginCandidate>, StoreError> {
        let login = login.clone();
        self.read(move |tx| Box::pin(async move { candidates(tx, &login).await })).await
    }

    /// Keeps a better hash of the same password, unless it was changed meanwhile; whether it was kept. The password stays the
    /// same, so there is nothing to be told in the audit log.
    pub async fn upgrade_password(
        &self,
        user: UserId,
        old: PasswordHash,
        new: PasswordHash,
    ) -> Result<bool, StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                let sql = "UPDATE users SET password = $3 WHERE id = $1 AND password = $2";
                Ok(tx.execute(sql, &[&user, &old.expose(), &new.expose()]).await? == 1)
            })
        })
        .await
    }

    /// Exchanges a password for a new one, unless it was changed meanwhile; whether it was.
    pub async fn exchange_password(
        &self,
        user: UserId,
        old: PasswordHash,
        new: PasswordHash,
        chosen: Date,
    ) -> Result<bool, StoreError> {
        self.write(move |tx| Box::pin(async move { exchange_password(tx, user, &old, &new, chosen).await })).await
    }

    /// The good token of a user that is kept encrypted, where there is one.
    pub async fn sealed_token(&self, user: UserId) -> Result<Option<SealedToken>, StoreError> {
        self.read(move |tx| Box::pin(sealed_token(tx, user))).await
    }

    /// Keeps one, unless the user has another good one by now; gives the one that is kept.
    pub async fn create_sealed_token(&self, token: NewSealedToken) -> Result<SealedToken, DirectoryError> {
        self.write(move |tx| Box::pin(async move { create_sealed_token(tx, &token).await })).await
    }
}

operations! {
    /// Gives a user a password, or none, that was chosen on a day.
    write set_password(user: &UserSelector; password: Option<PasswordHash>, chosen: Date) -> UserRecord = set_password;
}

/// Whom an identifier means: by phone, then by e-mail address, then by username; each once.
async fn candidates(tx: &Tx<'_>, login: &LoginQuery) -> Result<Vec<LoginCandidate>, StoreError> {
    /// A query; `$2` is the slug of the organization that was named, or NULL.
    macro_rules! by {
        ($identifier:literal, $organization:expr) => {
            concat!(
                "SELECT id, username, language, is_active, expiration_date, is_staff, password_updated, password FROM users WHERE ",
                $identifier,
                " AND (",
                $organization,
                ") ORDER BY id LIMIT 8"
            )
        };
    }
    macro_rules! theirs {
        () => {
            "CAST($2 AS text) IS NULL OR EXISTS (
                 SELECT 1 FROM memberships m JOIN organizations o ON o.id = m.organization_id
                 WHERE m.user_id = users.id AND lower(o.slug) = lower($2))"
        };
    }
    const HOME: &str = by!(
        "username = $1",
        "CASE WHEN CAST($2 AS text) IS NULL THEN organization_id IS NULL AND is_superuser
              ELSE organization_id = (SELECT id FROM organizations WHERE lower(slug) = lower($2) AND is_active) END"
    );
    let phones = login.phones.iter().map(|phone| (by!("phone_number = $1", theirs!()), phone));
    let addresses = login.addresses();
    let email = addresses.iter().map(|email| (by!("lower(email) = lower($1)", theirs!()), email));
    let by_name = match Usernames::of(tx).await? {
        Usernames::Global => by!("username = $1", theirs!()),
        Usernames::PerOrganization => HOME,
    };
    let username = login.username.iter().map(|username| (by_name, username));
    let mut found: Vec<LoginCandidate> = Vec::new();
    for (sql, value) in phones.chain(email).chain(username) {
        for row in tx.rows(sql, &[value, &login.organization]).await? {
            let candidate = candidate(&row)?;
            if found.len() < CANDIDATES && !found.iter().any(|known| known.user == candidate.user) {
                found.push(candidate);
            }
        }
    }
    Ok(found)
}

fn candidate(row: &Row) -> Result<LoginCandidate, StoreError> {
    Ok(LoginCandidate {
        user: row.get("id")?,
        username: row.get("username")?,
        language: row.get("language")?,
        is_active: row.get("is_active")?,
        expiration_date: row.get("expiration_date")?,
        is_staff: row.get("is_staff")?,
        password_updated: row.get("password_updated")?,
        password: row.get::<Option<String>>("password")?.map(PasswordHash::from_stored),
    })
}

pub(super) async fn set_password(
    tx: &Tx<'_>,
    by: &UserSelector,
    password: Option<PasswordHash>,
    chosen: Date,
) -> Result<UserRecord, DirectoryError> {
    tx.viewer.may::<UserRecord>(Action::Change)?;
    // Whoever exchanges it at the same time does so before: this is what it becomes.
    let id = lookup::user(tx, by).await?.id;
    tx.session.lock("users", &id).await?;
    let user = lookup::user(tx, &id.into()).await?;
    users::must_be_changeable(tx, &user).await?;
    let sql = "UPDATE users SET password = $2, password_updated = $3, modified = $4, modified_micros = 0
               WHERE id = $1";
    tx.execute(sql, &[&user.id, &password.as_ref().map(PasswordHash::expose), &chosen, &tx.now]).await?;
    let after = lookup::user(tx, &user.id.into()).await?;
    let asked = json!({ "password": if password.is_some() { "set" } else { "taken" } });
    tx.changed_as("user.password", asked, &user, &after);
    Ok(after)
}

/// Only where it is still the old one: a password that was changed meanwhile stays. The empty text is that of who has none.
async fn exchange_password(
    tx: &Tx<'_>,
    user: UserId,
    old: &PasswordHash,
    new: &PasswordHash,
    chosen: Date,
) -> Result<bool, StoreError> {
    let sql = "UPDATE users SET password = $3, password_updated = $4, modified = $5, modified_micros = 0
               WHERE id = $1 AND coalesce(password, '') = $2";
    if tx.execute(sql, &[&user, &old.expose(), &new.expose(), &chosen, &tx.now]).await? != 1 {
        return Ok(false);
    }
    let user = lookup::user(tx, &user.into()).await.map_err(|error| match error {
        DirectoryError::Store(error) => error,
        other => StoreError::Broken(other.to_string()),
    })?;
    tx.changed_as("user.password", json!({ "password": "changed" }), &user, &user);
    Ok(true)
}

async fn sealed_token(tx: &Tx<'_>, user: UserId) -> Result<Option<SealedToken>, StoreError> {
    let sql = "SELECT id, sealed FROM tokens WHERE user_id = $1 AND sealed IS NOT NULL AND revoked_at IS NULL
               AND (expires_at IS NULL OR expires_at > $2)";
    let row = tx.row(sql, &[&user, &tx.now]).await?;
    row.map(|row| Ok(SealedToken { token: row.get("id")?, sealed: row.get("sealed")? })).transpose()
}

/// Keeps a token, unless the user has a good one by now: two logins at once get the same, since the first locks the user.
async fn create_sealed_token(tx: &Tx<'_>, new: &NewSealedToken) -> Result<SealedToken, DirectoryError> {
    let users = "UPDATE users SET password_based_token = true WHERE id = $1";
    if tx.execute(users, &[&new.user]).await? == 0 {
        return Err(DirectoryError::NotFound { noun: Noun::User, reference: new.user.to_string() });
    }
    let existing = sealed_token(tx, new.user).await?;
    if let Some(existing) = existing.filter(|existing| Some(existing.token) != new.instead_of) {
        return Ok(existing);
    }
    // One that is expired, revoked or unreadable makes room.
    tx.execute("UPDATE tokens SET sealed = NULL WHERE user_id = $1 AND sealed IS NOT NULL", &[&new.user]).await?;
    let token = TokenId::generate();
    let sql = "INSERT INTO tokens (id, digest, user_id, name, created, sealed) VALUES ($1, $2, $3, 'login', $4, $5)";
    let digest: &[u8] = &new.digest.0;
    tx.execute(sql, &[&token, &digest, &new.user, &tx.now, &new.sealed]).await?;
    tx.created("token.login", &tokens::find(tx, token).await?);
    Ok(SealedToken { token, sealed: new.sealed.clone() })
}
