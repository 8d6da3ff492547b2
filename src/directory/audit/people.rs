//! [`People`] with a line for each change. A password, its hash and an encrypted token are never in it.

use super::{Audited, value};
use crate::directory::{
    DirectoryError, EmailRecord, ImportReport, LoginCandidate, LoginQuery, NewEmail, NewSealedToken, People, Pieces,
    Profile, ProfileEdit, SealedToken, StoreError, UserRecord, UserSelector,
};
use crate::id::UserId;
use crate::password::{Kinds, PasswordHash};
use async_trait::async_trait;
use jiff::civil::Date;
use serde_json::{Value, json};

#[async_trait]
impl People for Audited {
    async fn login_candidates(&self, login: &LoginQuery) -> Result<Vec<LoginCandidate>, StoreError> {
        self.inner.login_candidates(login).await
    }

    async fn password_kinds(&self) -> Result<Kinds, StoreError> {
        self.inner.password_kinds().await
    }

    async fn set_password(
        &self,
        user: &UserSelector,
        password: Option<PasswordHash>,
        chosen: Date,
    ) -> Result<UserRecord, DirectoryError> {
        let sink = self.target.open()?;
        let asked = json!({ "password": if password.is_some() { "set" } else { "taken" } });
        let record = self.inner.set_password(user, password, chosen).await?;
        let shown = value(Some(&record));
        self.note(sink, "user.password", Some(&asked), &[(shown.clone(), shown)])?;
        Ok(record)
    }

    /// The password stays the same: nothing to be told.
    async fn upgrade_password(&self, user: UserId, old: PasswordHash, new: PasswordHash) -> Result<bool, StoreError> {
        self.inner.upgrade_password(user, old, new).await
    }

    async fn exchange_password(
        &self,
        user: UserId,
        old: PasswordHash,
        new: PasswordHash,
        chosen: Date,
    ) -> Result<bool, StoreError> {
        let sink = self.target.open()?;
        let done = self.inner.exchange_password(user, old, new, chosen).await?;
        if done {
            let shown = value(self.inner.user(&user.into()).await.ok().as_ref());
            let asked = json!({ "password": "changed" });
            self.note(sink, "user.password", Some(&asked), &[(shown.clone(), shown)])?;
        }
        Ok(done)
    }

    async fn profile(&self, user: &UserSelector) -> Result<Profile, DirectoryError> {
        self.inner.profile(user).await
    }

    async fn edit_profile(&self, user: &UserSelector, edit: ProfileEdit) -> Result<Profile, DirectoryError> {
        let sink = self.target.open()?;
        let asked = json!({ "user": user.to_string() });
        let before = value(self.inner.profile(user).await.ok().as_ref());
        let profile = self.inner.edit_profile(user, edit).await?;
        self.note(sink, "user.profile", Some(&asked), &[(before, value(Some(&profile)))])?;
        Ok(profile)
    }

    async fn emails(&self, user: &UserSelector) -> Result<Vec<EmailRecord>, DirectoryError> {
        self.inner.emails(user).await
    }

    async fn email(&self, user: UserId, id: i64) -> Result<EmailRecord, DirectoryError> {
        self.inner.email(user, id).await
    }

    async fn create_email(&self, user: &UserSelector, email: NewEmail) -> Result<EmailRecord, DirectoryError> {
        let sink = self.target.open()?;
        let record = self.inner.create_email(user, email).await?;
        self.note(sink, "email.create", None, &[(Value::Null, value(Some(&record)))])?;
        Ok(record)
    }

    async fn edit_email(
        &self,
        user: UserId,
        id: i64,
        verified: Option<bool>,
        is_primary: Option<bool>,
    ) -> Result<EmailRecord, DirectoryError> {
        let sink = self.target.open()?;
        let before = value(self.inner.email(user, id).await.ok().as_ref());
        let record = self.inner.edit_email(user, id, verified, is_primary).await?;
        self.note(sink, "email.edit", None, &[(before, value(Some(&record)))])?;
        Ok(record)
    }

    async fn delete_email(&self, user: UserId, id: i64) -> Result<EmailRecord, DirectoryError> {
        let sink = self.target.open()?;
        let record = self.inner.delete_email(user, id).await?;
        self.note(sink, "email.delete", None, &[(value(Some(&record)), Value::Null)])?;
        Ok(record)
    }

    async fn sealed_token(&self, user: UserId) -> Result<Option<SealedToken>, StoreError> {
        self.inner.sealed_token(user).await
    }

    async fn create_sealed_token(&self, token: NewSealedToken) -> Result<SealedToken, DirectoryError> {
        let sink = self.target.open()?;
        let kept = self.inner.create_sealed_token(token).await?;
        let record = self.inner.token(kept.token).await?;
        self.note(sink, "token.login", None, &[(Value::Null, value(Some(&record)))])?;
        Ok(kept)
    }

    async fn import(&self, pieces: Pieces) -> Result<ImportReport, DirectoryError> {
        let sink = self.target.open()?;
        let report = self.inner.import(pieces).await?;
        self.note(sink, "import", None, &[(Value::Null, value(Some(&report)))])?;
        Ok(report)
    }
}
