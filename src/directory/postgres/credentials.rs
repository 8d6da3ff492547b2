//! Subjects, sessions and what sesame tokens rest on, in PostgreSQL.

use super::gateway::snapshot;
use super::people::date;
use super::transaction::Tx;
use super::{PostgresStore, users};
use crate::directory::credentials::check_subject;
use crate::directory::token::TokenDigest;
use crate::directory::{
    Credentials, DirectoryError, NewSession, Noun, Revocation, SessionSnapshot, StoreError, SubjectRecord, Unique,
    UserKey, UserSelector,
};
use crate::facts::Snapshot;
use crate::id::UserId;
use async_trait::async_trait;
use secrecy::SecretString;
use tokio_postgres::{Error, Row};
use uuid::Uuid;

#[async_trait]
impl Credentials for PostgresStore {
    async fn subject_snapshot(&self, issuer: &str, subject: &str) -> Result<Option<Snapshot>, StoreError> {
        let (issuer, subject) = (issuer.to_owned(), subject.to_owned());
        self.read(move |tx| {
            Box::pin(async move {
                let sql = "SELECT user_id FROM subjects WHERE issuer = $1 AND subject = $2";
                match tx.row(sql, &[&issuer, &subject]).await? {
                    Some(row) => snapshot(tx, row.try_get("user_id")?).await,
                    None => Ok(None),
                }
            })
        })
        .await
    }

    async fn snapshot_by(&self, key: &UserKey) -> Result<Option<Snapshot>, StoreError> {
        Ok(self.revocation(key).await?.map(|found| found.snapshot))
    }

    async fn revocation(&self, key: &UserKey) -> Result<Option<Revocation>, StoreError> {
        let key = key.clone();
        self.read(move |tx| Box::pin(async move { revocation(tx, &key).await })).await
    }

    async fn move_last_login(&self, user: UserId, was: Option<i64>, now: i64) -> Result<bool, StoreError> {
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

    async fn session_snapshot(&self, digest: &TokenDigest) -> Result<Option<SessionSnapshot>, StoreError> {
        let digest = digest.0.to_vec();
        self.read(move |tx| {
            Box::pin(async move {
                let sql =
                    "SELECT s.id, s.user_id, s.expires_at, s.by_password, u.password_updated::text FROM sessions s
                           JOIN users u ON u.id = s.user_id WHERE s.digest = $1";
                let Some(row) = tx.row(sql, &[&digest]).await? else { return Ok(None) };
                let (session, expires_at) = (row.try_get("id")?, row.try_get("expires_at")?);
                let (by_password, password_updated) = (row.try_get("by_password")?, date(&row, "password_updated")?);
                let found = snapshot(tx, row.try_get("user_id")?).await?;
                Ok(found.map(|snapshot| SessionSnapshot {
                    session,
                    expires_at,
                    by_password,
                    password_updated,
                    snapshot,
                }))
            })
        })
        .await
    }

    async fn create_session(&self, session: NewSession) -> Result<Uuid, StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                tx.execute("DELETE FROM sessions WHERE expires_at <= $1", &[&tx.now]).await?;
                if let Some(old) = session.instead_of {
                    tx.execute("DELETE FROM sessions WHERE digest = $1", &[&old.0.as_slice()]).await?;
                }
                let id = Uuid::now_v7();
                let sql = "INSERT INTO sessions (id, digest, user_id, created, expires_at, by_password)
                           VALUES ($1, $2, $3, $4, $5, $6)";
                let (digest, end) = (session.digest.0.as_slice(), session.expires_at);
                tx.execute(sql, &[&id, &digest, &session.user, &tx.now, &end, &session.by_password]).await?;
                Ok(id)
            })
        })
        .await
    }

    async fn delete_session(&self, digest: &TokenDigest) -> Result<bool, StoreError> {
        let digest = digest.0.to_vec();
        self.write(move |tx| {
            Box::pin(async move { Ok(tx.execute("DELETE FROM sessions WHERE digest = $1", &[&digest]).await? > 0) })
        })
        .await
    }

    async fn bind_subject(
        &self,
        user: &UserSelector,
        issuer: &str,
        subject: &str,
    ) -> Result<SubjectRecord, DirectoryError> {
        check_subject(issuer, subject)?;
        let (user, issuer, subject) = (user.clone(), issuer.to_owned(), subject.to_owned());
        self.write(move |tx| {
            Box::pin(async move {
                let user = users::find(tx, &user).await?;
                let sql = "INSERT INTO subjects (issuer, subject, user_id, created) VALUES ($1, $2, $3, $4)
                           ON CONFLICT (issuer, subject) DO NOTHING";
                tx.execute(sql, &[&issuer, &subject, &user.id, &tx.now]).await?;
                let bound = bound(tx, &issuer, &subject).await?.filter(|bound| bound.user == user.id);
                bound.ok_or(DirectoryError::Taken { unique: Unique::Subject, value: subject })
            })
        })
        .await
    }

    async fn unbind_subject(
        &self,
        user: &UserSelector,
        issuer: &str,
        subject: &str,
    ) -> Result<SubjectRecord, DirectoryError> {
        let (user, issuer, subject) = (user.clone(), issuer.to_owned(), subject.to_owned());
        self.write(move |tx| {
            Box::pin(async move {
                let user = users::find(tx, &user).await?;
                let Some(bound) = bound(tx, &issuer, &subject).await?.filter(|bound| bound.user == user.id) else {
                    return Err(DirectoryError::NotFound { noun: Noun::Subject, reference: subject });
                };
                tx.execute("DELETE FROM subjects WHERE issuer = $1 AND subject = $2", &[&issuer, &subject]).await?;
                Ok(bound)
            })
        })
        .await
    }

    async fn subjects(&self, user: &UserSelector) -> Result<Vec<SubjectRecord>, DirectoryError> {
        let user = user.clone();
        self.read(move |tx| {
            Box::pin(async move {
                let user = users::find(tx, &user).await?;
                let sql = "SELECT s.user_id, u.username, s.issuer, s.subject, s.created FROM subjects s
                           JOIN users u ON u.id = s.user_id WHERE s.user_id = $1 ORDER BY s.issuer, s.subject";
                let rows = tx.rows(sql, &[&user.id]).await?;
                Ok(rows.iter().map(record).collect::<Result<_, _>>()?)
            })
        })
        .await
    }
}

async fn bound(tx: &Tx<'_>, issuer: &str, subject: &str) -> Result<Option<SubjectRecord>, DirectoryError> {
    let sql = "SELECT s.user_id, u.username, s.issuer, s.subject, s.created
               FROM subjects s JOIN users u ON u.id = s.user_id WHERE s.issuer = $1 AND s.subject = $2";
    Ok(tx.row(sql, &[&issuer, &subject]).await?.as_ref().map(record).transpose()?)
}

fn record(row: &Row) -> Result<SubjectRecord, Error> {
    Ok(SubjectRecord {
        user: row.try_get("user_id")?,
        username: row.try_get("username")?,
        issuer: row.try_get("issuer")?,
        subject: row.try_get("subject")?,
        created: row.try_get("created")?,
    })
}

async fn revocation(tx: &Tx<'_>, key: &UserKey) -> Result<Option<Revocation>, StoreError> {
    macro_rules! by {
        ($condition:literal) => {
            concat!("SELECT id, password, email, last_login FROM users WHERE ", $condition, " LIMIT 2")
        };
    }
    let rows = match key {
        UserKey::Id(id) => tx.rows(by!("id = $1"), &[id]).await?,
        UserKey::Username(name) => tx.rows(by!("username = $1"), &[name]).await?,
        UserKey::Email(email) => tx.rows(by!("lower(email) = lower($1)"), &[email]).await?,
        UserKey::ExternalId(key) => tx.rows(by!("external_id = $1"), &[key]).await?,
    };
    // A name of two users is nobody's: which of them is meant, the credential does not say.
    let [row] = rows.as_slice() else { return Ok(None) };
    let password: Option<String> = row.try_get("password")?;
    let email: Option<String> = row.try_get("email")?;
    let last_login = row.try_get("last_login")?;
    let found = snapshot(tx, row.try_get("id")?).await?;
    Ok(found.map(|snapshot| Revocation { password: password.map(SecretString::from), email, last_login, snapshot }))
}
