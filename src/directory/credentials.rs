//! What the directory knows of credentials that are not tokens of its own: subjects of issuers, sessions, and what sesame
//! tokens rest on.

use super::engine::{Directory, operations};
use super::error::{DirectoryError, Noun, StoreError, Unique};
use super::lookup;
use super::proof::FactorProof;
use super::selector::UserSelector;
use super::sql::{Param, Row};
use super::token::TokenDigest;
use super::tx::Tx;
use super::usernames::Usernames;
use crate::facts::Snapshot;
use crate::id::UserId;
use jiff::civil::Date;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use std::fmt;
use uuid::Uuid;

/// How a credential names a user.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UserKey {
    Id(UserId),
    /// By login name, as spelt; where usernames are per organization, as `acme/ann`.
    Username(String),
    /// By e-mail address, whatever the case.
    Email(String),
    /// By the key of a legacy system.
    ExternalId(String),
}

/// What a sesame token rests on. Goes from the store to the verification and nowhere else.
pub struct Revocation {
    /// The password's hash as it is kept, where there is one.
    pub password: Option<SecretString>,
    /// The e-mail address as it is kept, where there is one.
    pub email: Option<String>,
    /// The last login: microseconds since the Unix epoch.
    pub last_login: Option<i64>,
    /// When they chose their password, where that is known.
    pub password_updated: Option<Date>,
    /// Whose it is, perhaps inactive.
    pub snapshot: Snapshot,
}

impl Revocation {
    /// The password's hash as it is kept; empty where there is none.
    #[must_use]
    pub fn password(&self) -> &str {
        self.password.as_ref().map_or("", |password| password.expose_secret())
    }
}

/// Shows whose it is, and nothing that it rests on.
impl fmt::Debug for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocation").field("user", &self.snapshot.user.id).finish_non_exhaustive()
    }
}

/// A session of a person.
#[derive(Debug)]
pub struct SessionSnapshot {
    pub session: Uuid,
    /// It is refused from this second (Unix) on.
    pub expires_at: i64,
    /// Whether it began with a password.
    pub by_password: bool,
    /// That it has shown a second factor.
    pub proof: Option<FactorProof>,
    /// When its user chose their password, where that is known.
    pub password_updated: Option<Date>,
    /// Whose it is, perhaps inactive.
    pub snapshot: Snapshot,
}

/// A session to be kept.
#[derive(Clone, Debug)]
pub struct NewSession {
    pub user: UserId,
    /// The digest of what the cookie holds.
    pub digest: TokenDigest,
    /// It is refused from this second (Unix) on.
    pub expires_at: i64,
    /// Whether it begins with a password, and is good for little once that has grown old.
    pub by_password: bool,
    /// That a second factor was shown with it.
    pub proof: Option<FactorProof>,
    /// The session that it takes the place of: a login never goes on with the cookie of before.
    pub instead_of: Option<TokenDigest>,
}

/// A binding of an issuer's subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SubjectRecord {
    pub user: UserId,
    pub username: String,
    pub issuer: String,
    pub subject: String,
    /// Since when: seconds since the Unix epoch.
    pub created: i64,
}

/// Longest issuer or subject, in bytes.
const MAX_NAME: usize = 512;

fn check_subject(issuer: &str, subject: &str) -> Result<(), DirectoryError> {
    for (field, text) in [("issuer", issuer), ("subject", subject)] {
        if text.is_empty() || text.len() > MAX_NAME || text.chars().any(char::is_control) {
            return Err(DirectoryError::invalid(field, "from 1 to 512 bytes, without control characters"));
        }
    }
    Ok(())
}

impl Directory {
    /// The user to whom an issuer's subject is bound, with their organizations and rights.
    pub async fn subject_snapshot(&self, issuer: &str, subject: &str) -> Result<Option<Snapshot>, StoreError> {
        let (issuer, subject) = (issuer.to_owned(), subject.to_owned());
        self.read(move |tx| {
            Box::pin(async move {
                let sql = "SELECT user_id FROM subjects WHERE issuer = $1 AND subject = $2";
                match tx.row(sql, &[&issuer, &subject]).await? {
                    Some(row) => tx.session.snapshot(row.get("user_id")?).await,
                    None => Ok(None),
                }
            })
        })
        .await
    }

    /// The user whom a key names, with their organizations and rights.
    pub async fn snapshot_by(&self, key: &UserKey) -> Result<Option<Snapshot>, StoreError> {
        Ok(self.revocation(key).await?.map(|found| found.snapshot))
    }

    /// What the sesame tokens of a user rest on.
    pub async fn revocation(&self, key: &UserKey) -> Result<Option<Revocation>, StoreError> {
        let key = key.clone();
        self.read(move |tx| Box::pin(async move { revocation(tx, &key).await })).await
    }

    /// Moves the last login from what it was to `now` (microseconds since the Unix epoch, or one more than it was); `false`
    /// where it is something else already. Of many who try at once, one succeeds.
    pub async fn move_last_login(&self, user: UserId, was: Option<i64>, now: i64) -> Result<bool, StoreError> {
        let now = was.map_or(now, |was| now.max(was.saturating_add(1)));
        self.write(move |tx| {
            Box::pin(async move {
                // Whoever comes second waits for the first, and then finds something else there.
                let sql = "UPDATE users SET last_login = $3
                           WHERE id = $1 AND last_login IS NOT DISTINCT FROM $2 AND is_active";
                Ok(tx.execute(sql, &[&user, &was, &now]).await? == 1)
            })
        })
        .await
    }

    /// The session of a cookie, expired ones too.
    pub async fn session_snapshot(&self, digest: &TokenDigest) -> Result<Option<SessionSnapshot>, StoreError> {
        let digest = digest.0.to_vec();
        self.read(move |tx| {
            Box::pin(async move {
                let sql =
                    "SELECT s.id, s.user_id, s.expires_at, s.by_password, s.factor_at, s.factor, u.password_updated
                           FROM sessions s
                           JOIN users u ON u.id = s.user_id WHERE s.digest = $1";
                let Some(row) = tx.row(sql, &[&digest]).await? else { return Ok(None) };
                let (session, expires_at) = (row.get("id")?, row.get("expires_at")?);
                let (by_password, password_updated) = (row.get("by_password")?, row.get("password_updated")?);
                let proof = FactorProof::of(&row)?;
                let found = tx.session.snapshot(row.get("user_id")?).await?;
                Ok(found.map(|snapshot| SessionSnapshot {
                    session,
                    expires_at,
                    by_password,
                    proof,
                    password_updated,
                    snapshot,
                }))
            })
        })
        .await
    }

    /// A session of Django's, by its key, with the second (Unix) in which it ends: the text that Django has signed. `table` is quoted.
    pub async fn django_session(&self, table: &str, key: &str) -> Result<Option<(String, i64)>, StoreError> {
        let sql = format!(
            "SELECT session_data, extract(epoch FROM expire_date)::bigint AS expires_at FROM {table} WHERE session_key = $1"
        );
        let key = key.to_owned();
        self.read(move |tx| {
            Box::pin(async move {
                let row = tx.row(&sql, &[&key]).await?;
                row.map(|row| Ok((row.get("session_data")?, row.get("expires_at")?))).transpose()
            })
        })
        .await
    }

    /// Keeps a session, and forgets those that have expired.
    pub async fn create_session(&self, session: NewSession) -> Result<Uuid, StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                tx.execute("DELETE FROM sessions WHERE expires_at <= $1", &[&tx.now]).await?;
                if let Some(old) = session.instead_of {
                    tx.execute("DELETE FROM sessions WHERE digest = $1", &[&old.0.as_slice()]).await?;
                }
                let id = Uuid::now_v7();
                let sql =
                    "INSERT INTO sessions (id, digest, user_id, created, expires_at, by_password, factor_at, factor)
                           VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
                let (digest, end) = (session.digest.0.as_slice(), session.expires_at);
                let (at, by) = (session.proof.map(|proof| proof.at), session.proof.map(|proof| proof.by.as_str()));
                let values: [&dyn Param; 8] =
                    [&id, &digest, &session.user, &tx.now, &end, &session.by_password, &at, &by];
                tx.execute(sql, &values).await?;
                Ok(id)
            })
        })
        .await
    }

    /// Notes that a user's session has shown a second factor, from when on it goes by another token; `false` where it has ended.
    pub async fn prove_session(
        &self,
        user: UserId,
        (old, new): (TokenDigest, TokenDigest),
        proof: FactorProof,
    ) -> Result<bool, StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                let sql = "UPDATE sessions SET digest = $3, factor_at = $4, factor = $5
                           WHERE digest = $1 AND user_id = $2 AND expires_at > $6";
                let (old, new, by) = (old.0.as_slice(), new.0.as_slice(), proof.by.as_str());
                Ok(tx.execute(sql, &[&old, &user, &new, &proof.at, &by, &tx.now]).await? == 1)
            })
        })
        .await
    }

    /// Ends a session; `false` where there is none.
    pub async fn delete_session(&self, digest: &TokenDigest) -> Result<bool, StoreError> {
        let digest = digest.0.to_vec();
        self.write(move |tx| {
            Box::pin(async move { Ok(tx.execute("DELETE FROM sessions WHERE digest = $1", &[&digest]).await? > 0) })
        })
        .await
    }
}

operations! {
    /// Binds an issuer's subject to a user. The same binding again changes nothing; one to another user is refused.
    write bind_subject(user: &UserSelector; issuer: String, subject: String) -> SubjectRecord = bind;
    write unbind_subject(user: &UserSelector; issuer: String, subject: String) -> SubjectRecord = unbind;
    /// The bindings of a user, by issuer and subject.
    read subjects(user: &UserSelector) -> Vec<SubjectRecord> = of_user;
}

const WRITE: &str = "say whom an issuer's subject is";

pub(super) async fn bind(
    tx: &Tx<'_>,
    by: &UserSelector,
    issuer: String,
    subject: String,
) -> Result<SubjectRecord, DirectoryError> {
    tx.viewer.must_be_superuser(WRITE)?;
    check_subject(&issuer, &subject)?;
    let user = lookup::user(tx, by).await?;
    let sql = "INSERT INTO subjects (issuer, subject, user_id, created) VALUES ($1, $2, $3, $4)
               ON CONFLICT (issuer, subject) DO NOTHING";
    tx.execute(sql, &[&issuer, &subject, &user.id, &tx.now]).await?;
    let bound = bound(tx, &issuer, &subject).await?.filter(|bound| bound.user == user.id);
    let bound = bound.ok_or(DirectoryError::Taken { unique: Unique::Subject, value: subject })?;
    tx.created("subject.bind", &bound);
    Ok(bound)
}

async fn unbind(
    tx: &Tx<'_>,
    by: &UserSelector,
    issuer: String,
    subject: String,
) -> Result<SubjectRecord, DirectoryError> {
    tx.viewer.must_be_superuser(WRITE)?;
    let user = lookup::user(tx, by).await?;
    let Some(bound) = bound(tx, &issuer, &subject).await?.filter(|bound| bound.user == user.id) else {
        return Err(DirectoryError::NotFound { noun: Noun::Subject, reference: subject });
    };
    tx.execute("DELETE FROM subjects WHERE issuer = $1 AND subject = $2", &[&issuer, &subject]).await?;
    tx.deleted("subject.unbind", &bound);
    Ok(bound)
}

async fn of_user(tx: &Tx<'_>, by: &UserSelector) -> Result<Vec<SubjectRecord>, DirectoryError> {
    let user = lookup::user(tx, by).await?;
    let may = tx.viewer.is_unbounded() || tx.viewer.user() == Some(user.id);
    tx.viewer.unless(may, || "see which subjects somebody else is".to_owned())?;
    let sql = "SELECT s.user_id, u.username, s.issuer, s.subject, s.created FROM subjects s
               JOIN users u ON u.id = s.user_id WHERE s.user_id = $1 ORDER BY s.issuer, s.subject";
    Ok(tx.rows(sql, &[&user.id]).await?.iter().map(record).collect::<Result<_, _>>()?)
}

pub(super) async fn bound(tx: &Tx<'_>, issuer: &str, subject: &str) -> Result<Option<SubjectRecord>, DirectoryError> {
    let sql = "SELECT s.user_id, u.username, s.issuer, s.subject, s.created
               FROM subjects s JOIN users u ON u.id = s.user_id WHERE s.issuer = $1 AND s.subject = $2";
    Ok(tx.row(sql, &[&issuer, &subject]).await?.as_ref().map(record).transpose()?)
}

fn record(row: &Row) -> Result<SubjectRecord, StoreError> {
    Ok(SubjectRecord {
        user: row.get("user_id")?,
        username: row.get("username")?,
        issuer: row.get("issuer")?,
        subject: row.get("subject")?,
        created: row.get("created")?,
    })
}

async fn revocation(tx: &Tx<'_>, key: &UserKey) -> Result<Option<Revocation>, StoreError> {
    macro_rules! by {
        ($condition:literal) => {
            concat!(
                "SELECT id, password, email, last_login, password_updated FROM users WHERE ",
                $condition,
                " LIMIT 2"
            )
        };
    }
    let rows = match key {
        UserKey::Id(id) => tx.rows(by!("id = $1"), &[id]).await?,
        UserKey::Username(name) => match (Usernames::of(tx).await?, name.split_once('/')) {
            (Usernames::Global, _) => tx.rows(by!("username = $1"), &[name]).await?,
            // A name that is one person's today may be two people's tomorrow.
            (Usernames::PerOrganization, None) => {
                tx.rows(by!("username = $1 AND organization_id IS NULL"), &[name]).await?
            }
            (Usernames::PerOrganization, Some((slug, name))) => {
                const OF: &str = by!(
                    "username = $1 AND organization_id = (SELECT id FROM organizations WHERE lower(slug) = lower($2))"
                );
                tx.rows(OF, &[&name, &slug]).await?
            }
        },
        UserKey::Email(email) => tx.rows(by!("lower(email) = lower($1)"), &[email]).await?,
        UserKey::ExternalId(key) => tx.rows(by!("external_id = $1"), &[key]).await?,
    };
    // A name of two users is nobody's: which of them is meant, the credential does not say.
    let [row] = rows.as_slice() else { return Ok(None) };
    let password: Option<String> = row.get("password")?;
    let email: Option<String> = row.get("email")?;
    let (last_login, password_updated) = (row.get("last_login")?, row.get("password_updated")?);
    let found = tx.session.snapshot(row.get("id")?).await?;
    let password = password.map(SecretString::from);
    Ok(found.map(|snapshot| Revocation { password, email, last_login, password_updated, snapshot }))
}
