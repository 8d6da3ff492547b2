//! [`Credentials`] with a line for each binding. Logins and what they rest on are no changes of the directory, and pass through.

use super::{Audited, value};
use crate::directory::token::TokenDigest;
use crate::directory::{
    Credentials, DirectoryError, NewSession, Revocation, SessionSnapshot, StoreError, SubjectRecord, UserKey,
    UserSelector,
};
use crate::facts::Snapshot;
use crate::id::UserId;
use async_trait::async_trait;
use serde_json::Value;
use uuid::Uuid;

#[async_trait]
impl Credentials for Audited {
    async fn subject_snapshot(&self, issuer: &str, subject: &str) -> Result<Option<Snapshot>, StoreError> {
        self.inner.subject_snapshot(issuer, subject).await
    }

    async fn snapshot_by(&self, key: &UserKey) -> Result<Option<Snapshot>, StoreError> {
        self.inner.snapshot_by(key).await
    }

    async fn revocation(&self, key: &UserKey) -> Result<Option<Revocation>, StoreError> {
        self.inner.revocation(key).await
    }

    async fn move_last_login(&self, user: UserId, was: Option<i64>, now: i64) -> Result<bool, StoreError> {
        self.inner.move_last_login(user, was, now).await
    }

    async fn session_snapshot(&self, digest: &TokenDigest) -> Result<Option<SessionSnapshot>, StoreError> {
        self.inner.session_snapshot(digest).await
    }

    async fn create_session(&self, session: NewSession) -> Result<Uuid, StoreError> {
        self.inner.create_session(session).await
    }

    async fn delete_session(&self, digest: &TokenDigest) -> Result<bool, StoreError> {
        self.inner.delete_session(digest).await
    }

    async fn bind_subject(
        &self,
        user: &UserSelector,
        issuer: &str,
        subject: &str,
    ) -> Result<SubjectRecord, DirectoryError> {
        let sink = self.target.open()?;
        let record = self.inner.bind_subject(user, issuer, subject).await?;
        self.note(sink, "subject.bind", None, &[(Value::Null, value(Some(&record)))])?;
        Ok(record)
    }

    async fn unbind_subject(
        &self,
        user: &UserSelector,
        issuer: &str,
        subject: &str,
    ) -> Result<SubjectRecord, DirectoryError> {
        let sink = self.target.open()?;
        let record = self.inner.unbind_subject(user, issuer, subject).await?;
        self.note(sink, "subject.unbind", None, &[(value(Some(&record)), Value::Null)])?;
        Ok(record)
    }

    async fn subjects(&self, user: &UserSelector) -> Result<Vec<SubjectRecord>, DirectoryError> {
        self.inner.subjects(user).await
    }
}
