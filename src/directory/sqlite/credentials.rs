//! Subjects, sessions and what sesame tokens rest on, in SQLite.

use super::SqliteStore;
use super::gateway::{self, user_columns};
use super::people::date;
use super::users;
use crate::directory::credentials::check_subject;
use crate::directory::token::TokenDigest;
use crate::directory::{Credentials, NewSession, Revocation, SessionSnapshot, SubjectRecord, UserKey};
use crate::directory::{DirectoryError, Noun, StoreError, Unique, UserSelector};
use crate::facts::Snapshot;
use crate::id::UserId;
use async_trait::async_trait;
use rusqlite::{OptionalExtension, Row, Transaction};
use secrecy::SecretString;
use uuid::Uuid;

#[async_trait]
impl Credentials for SqliteStore {
    async fn subject_snapshot(&self, issuer: &str, subject: &str) -> Result<Option<Snapshot>, StoreError> {
        const SQL: &str = concat!(
            "SELECT ",
            user_columns!(),
            " FROM subjects s JOIN users u ON u.id = s.user_id WHERE s.issuer = ?1 AND s.subject = ?2"
        );
        let (issuer, subject) = (issuer.to_owned(), subject.to_owned());
        self.read(move |tx| {
            let user = tx.prepare_cached(SQL)?.query_row((issuer, subject), gateway::user).optional()?;
            Ok(user.map(|user| gateway::snapshot(tx, user)).transpose()?)
        })
        .await
    }

    async fn snapshot_by(&self, key: &UserKey) -> Result<Option<Snapshot>, StoreError> {
        let key = key.clone();
        self.read(move |tx| Ok(revocation(tx, &key)?.map(|found| found.snapshot))).await
    }

    async fn revocation(&self, key: &UserKey) -> Result<Option<Revocation>, StoreError> {
        let key = key.clone();
        self.read(move |tx| revocation(tx, &key)).await
    }

    async fn move_last_login(&self, user: UserId, was: Option<i64>, now: i64) -> Result<bool, StoreError> {
        let now = was.map_or(now, |was| now.max(was.saturating_add(1)));
        self.write(move |tx, _| {
            let sql = "UPDATE users SET last_login = ?3 WHERE id = ?1 AND last_login IS ?2 AND is_active = 1";
            Ok(tx.prepare_cached(sql)?.execute((user, was, now))? == 1)
        })
        .await
    }

    async fn session_snapshot(&self, digest: &TokenDigest) -> Result<Option<SessionSnapshot>, StoreError> {
        const SQL: &str = concat!(
            "SELECT s.id, s.expires_at, s.by_password, u.password_updated, ",
            user_columns!(),
            " FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.digest = ?1"
        );
        let digest = digest.0;
        self.read(move |tx| {
            let read = |row: &Row<'_>| {
                let (id, expires_at, by_password) = (row.get("id")?, row.get("expires_at")?, row.get("by_password")?);
                Ok((id, expires_at, by_password, date(row, "password_updated")?, gateway::user(row)?))
            };
            let found = tx.prepare_cached(SQL)?.query_row([digest], read).optional()?;
            let Some((id, expires_at, by_password, password_updated, user)) = found else { return Ok(None) };
            let id: String = id;
            let session = Uuid::try_parse(&id).map_err(|_| StoreError::Broken("a session's id is none".to_owned()))?;
            let snapshot = gateway::snapshot(tx, user)?;
            Ok(Some(SessionSnapshot { session, expires_at, by_password, password_updated, snapshot }))
        })
        .await
    }

    async fn create_session(&self, session: NewSession) -> Result<Uuid, StoreError> {
        self.write(move |tx, now| {
            tx.prepare_cached("DELETE FROM sessions WHERE expires_at <= ?1")?.execute([now])?;
            if let Some(old) = session.instead_of {
                tx.prepare_cached("DELETE FROM sessions WHERE digest = ?1")?.execute([old.0])?;
            }
            let id = Uuid::now_v7();
            let sql = "INSERT INTO sessions (id, digest, user_id, created, expires_at, by_password)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let (end, by_password) = (session.expires_at, session.by_password);
            let values = (id.to_string(), session.digest.0, session.user, now, end, by_password);
            tx.prepare_cached(sql)?.execute(values)?;
            Ok(id)
        })
        .await
    }

    async fn delete_session(&self, digest: &TokenDigest) -> Result<bool, StoreError> {
        let digest = digest.0;
        let sql = "DELETE FROM sessions WHERE digest = ?1";
        self.write(move |tx, _| Ok(tx.prepare_cached(sql)?.execute([digest])? > 0)).await
    }

    async fn bind_subject(
        &self,
        user: &UserSelector,
        issuer: &str,
        subject: &str,
    ) -> Result<SubjectRecord, DirectoryError> {
        check_subject(issuer, subject)?;
        let (user, issuer, subject) = (user.clone(), issuer.to_owned(), subject.to_owned());
        self.write(move |tx, now| {
            let user = users::find(tx, &user)?;
            let sql = "INSERT INTO subjects (issuer, subject, user_id, created) VALUES (?1, ?2, ?3, ?4)
                       ON CONFLICT (issuer, subject) DO NOTHING";
            tx.prepare_cached(sql)?.execute((&issuer, &subject, user.id, now))?;
            let bound = bound(tx, &issuer, &subject)?.filter(|bound| bound.user == user.id);
            bound.ok_or(DirectoryError::Taken { unique: Unique::Subject, value: subject })
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
        self.write(move |tx, _| {
            let user = users::find(tx, &user)?;
            let Some(bound) = bound(tx, &issuer, &subject)?.filter(|bound| bound.user == user.id) else {
                return Err(DirectoryError::NotFound { noun: Noun::Subject, reference: subject });
            };
            tx.prepare_cached("DELETE FROM subjects WHERE issuer = ?1 AND subject = ?2")?.execute((issuer, subject))?;
            Ok(bound)
        })
        .await
    }

    async fn subjects(&self, user: &UserSelector) -> Result<Vec<SubjectRecord>, DirectoryError> {
        let user = user.clone();
        self.read(move |tx| {
            let user = users::find(tx, &user)?;
            let sql = "SELECT s.user_id, u.username, s.issuer, s.subject, s.created
                       FROM subjects s JOIN users u ON u.id = s.user_id WHERE s.user_id = ?1 ORDER BY s.issuer, s.subject";
            let mut statement = tx.prepare_cached(sql)?;
            let rows = statement.query_map([user.id], record)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}

fn bound(tx: &Transaction<'_>, issuer: &str, subject: &str) -> rusqlite::Result<Option<SubjectRecord>> {
    let sql = "SELECT s.user_id, u.username, s.issuer, s.subject, s.created
               FROM subjects s JOIN users u ON u.id = s.user_id WHERE s.issuer = ?1 AND s.subject = ?2";
    tx.prepare_cached(sql)?.query_row((issuer, subject), record).optional()
}

fn record(row: &Row<'_>) -> rusqlite::Result<SubjectRecord> {
    Ok(SubjectRecord {
        user: row.get("user_id")?,
        username: row.get("username")?,
        issuer: row.get("issuer")?,
        subject: row.get("subject")?,
        created: row.get("created")?,
    })
}

fn revocation(tx: &Transaction<'_>, key: &UserKey) -> Result<Option<Revocation>, StoreError> {
    macro_rules! by {
        ($condition:literal) => {
            concat!("SELECT u.password, u.last_login, ", user_columns!(), " FROM users u WHERE ", $condition)
        };
    }
    let read = |row: &Row<'_>| {
        let password: Option<String> = row.get("password")?;
        let email: Option<String> = row.get("email")?;
        Ok((password.map(SecretString::from), email, row.get("last_login")?, gateway::user(row)?))
    };
    let found = match key {
        UserKey::Id(id) => tx.prepare_cached(by!("u.id = ?1"))?.query_row([id], read).optional()?,
        UserKey::Username(name) => {
            let mut statement = tx.prepare_cached(by!("u.username = ?1 LIMIT 2"))?;
            let mut found = statement.query_map([name], read)?;
            let first = found.next().transpose()?;
            // A name of two users is nobody's: which of them is meant, the credential does not say.
            first.filter(|_| found.next().is_none())
        }
        UserKey::Email(email) => {
            tx.prepare_cached(by!("lower(u.email) = lower(?1)"))?.query_row([email], read).optional()?
        }
        UserKey::ExternalId(key) => tx.prepare_cached(by!("u.external_id = ?1"))?.query_row([key], read).optional()?,
    };
    let Some((password, email, last_login, user)) = found else { return Ok(None) };
    Ok(Some(Revocation { password, email, last_login, snapshot: gateway::snapshot(tx, user)? }))
}
