//! People in SQLite: logins, passwords, profiles, e-mail addresses, encrypted tokens.

use super::{SqliteStore, error::violates, import, users};
use crate::directory::{
    DirectoryError, EmailRecord, ImportReport, LoginCandidate, LoginQuery, NewEmail, NewSealedToken, Noun, People,
    Pieces, Profile, ProfileEdit, SealedToken, StoreError, Unique, UserRecord, UserSelector,
};
use crate::id::{TokenId, UserId};
use crate::password::{Kinds, PasswordHash};
use async_trait::async_trait;
use jiff::civil::Date;
use rusqlite::{OptionalExtension, Row, Transaction, named_params};

/// More users than that cannot share an identifier, but for somebody's raw SQL.
const CANDIDATES: usize = 8;

#[async_trait]
impl People for SqliteStore {
    async fn login_candidates(&self, login: &LoginQuery) -> Result<Vec<LoginCandidate>, StoreError> {
        let login = login.clone();
        self.read(move |tx| candidates(tx, &login)).await
    }

    async fn password_kinds(&self) -> Result<Kinds, StoreError> {
        self.read(|tx| {
            let mut kinds = Kinds::default();
            let mut statement = tx.prepare_cached("SELECT password FROM users WHERE password IS NOT NULL")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                kinds.add(row.get_ref(0)?.as_str().unwrap_or_default(), 1);
            }
            Ok(kinds)
        })
        .await
    }

    async fn set_password(
        &self,
        user: &UserSelector,
        password: Option<PasswordHash>,
        chosen: Date,
    ) -> Result<UserRecord, DirectoryError> {
        let user = user.clone();
        self.write(move |tx, now| set_password(tx, &user, password.as_ref(), chosen, now)).await
    }

    async fn upgrade_password(&self, user: UserId, old: PasswordHash, new: PasswordHash) -> Result<bool, StoreError> {
        self.write(move |tx, _| upgrade_password(tx, user, &old, &new)).await
    }

    async fn exchange_password(
        &self,
        user: UserId,
        old: PasswordHash,
        new: PasswordHash,
        chosen: Date,
    ) -> Result<bool, StoreError> {
        self.write(move |tx, now| {
            let sql = "UPDATE users SET password = ?3, password_updated = ?4, modified = ?5, modified_micros = 0
                       WHERE id = ?1 AND password = ?2";
            let values = (user, old.expose(), new.expose(), chosen.to_string(), now);
            Ok(tx.prepare_cached(sql)?.execute(values)? == 1)
        })
        .await
    }

    async fn profile(&self, user: &UserSelector) -> Result<Profile, DirectoryError> {
        let user = user.clone();
        self.read(move |tx| profile(tx, &user)).await
    }

    async fn edit_profile(&self, user: &UserSelector, edit: ProfileEdit) -> Result<Profile, DirectoryError> {
        let user = user.clone();
        self.write(move |tx, now| edit_profile(tx, &user, edit, now)).await
    }

    async fn emails(&self, user: &UserSelector) -> Result<Vec<EmailRecord>, DirectoryError> {
        let user = user.clone();
        self.read(move |tx| emails(tx, &user)).await
    }

    async fn email(&self, user: UserId, id: i64) -> Result<EmailRecord, DirectoryError> {
        self.read(move |tx| find_email(tx, user, id)).await
    }

    async fn create_email(&self, user: &UserSelector, email: NewEmail) -> Result<EmailRecord, DirectoryError> {
        let user = user.clone();
        self.write(move |tx, _| create_email(tx, &user, &email)).await
    }

    async fn edit_email(
        &self,
        user: UserId,
        id: i64,
        verified: Option<bool>,
        is_primary: Option<bool>,
    ) -> Result<EmailRecord, DirectoryError> {
        self.write(move |tx, _| edit_email(tx, user, id, verified, is_primary)).await
    }

    async fn delete_email(&self, user: UserId, id: i64) -> Result<EmailRecord, DirectoryError> {
        self.write(move |tx, _| delete_email(tx, user, id)).await
    }

    async fn sealed_token(&self, user: UserId) -> Result<Option<SealedToken>, StoreError> {
        let now = self.now;
        self.read(move |tx| sealed_token(tx, user, now())).await
    }

    async fn create_sealed_token(&self, token: NewSealedToken) -> Result<SealedToken, DirectoryError> {
        self.write(move |tx, now| create_sealed_token(tx, &token, now)).await
    }

    async fn import(&self, pieces: Pieces) -> Result<ImportReport, DirectoryError> {
        self.write(move |tx, _| import::import(tx, pieces)).await
    }
}

/// Whom an identifier means: by phone, then by e-mail address, then by username; each once.
fn candidates(tx: &Transaction<'_>, login: &LoginQuery) -> Result<Vec<LoginCandidate>, StoreError> {
    /// The rest of a query; `?2` is an organization's slug, or NULL where logins name none.
    macro_rules! by {
        ($column:literal) => {
            concat!(
                "SELECT id, username, is_active, is_staff, password_updated, password FROM users WHERE ",
                $column,
                " AND (?2 IS NULL OR organization_id = (SELECT id FROM organizations WHERE lower(slug) = lower(?2))
                       OR organization_id IS NULL AND is_superuser = 1) ORDER BY id LIMIT 8"
            )
        };
    }
    let mut found: Vec<LoginCandidate> = Vec::new();
    let mut look = |sql: &str, value: &str| -> Result<(), StoreError> {
        let mut statement = tx.prepare_cached(sql)?;
        for candidate in statement.query_map((value, &login.organization), candidate)? {
            let candidate = candidate?;
            if found.len() < CANDIDATES && !found.iter().any(|known| known.user == candidate.user) {
                found.push(candidate);
            }
        }
        Ok(())
    };
    for phone in &login.phones {
        look(by!("phone_number = ?1"), phone)?;
    }
    for email in login.addresses() {
        look(by!("lower(email) = lower(?1)"), &email)?;
    }
    if let Some(username) = &login.username {
        look(by!("username = ?1"), username)?;
    }
    Ok(found)
}

fn candidate(row: &Row<'_>) -> rusqlite::Result<LoginCandidate> {
    Ok(LoginCandidate {
        user: row.get("id")?,
        username: row.get("username")?,
        is_active: row.get("is_active")?,
        is_staff: row.get("is_staff")?,
        password_updated: date(row, "password_updated")?,
        password: row.get::<_, Option<String>>("password")?.map(PasswordHash::from_stored),
    })
}

fn set_password(
    tx: &Transaction<'_>,
    by: &UserSelector,
    password: Option<&PasswordHash>,
    updated: Date,
    now: i64,
) -> Result<UserRecord, DirectoryError> {
    let user = users::find(tx, by)?;
    let sql = "UPDATE users SET password = ?2, password_updated = ?3, modified = ?4, modified_micros = 0 WHERE id = ?1";
    tx.prepare_cached(sql)?.execute((user.id, password.map(PasswordHash::expose), updated.to_string(), now))?;
    Ok(UserRecord { modified: now, ..user })
}

/// Only where it is still the old one: a password that was changed meanwhile stays.
fn upgrade_password(
    tx: &Transaction<'_>,
    user: UserId,
    old: &PasswordHash,
    new: &PasswordHash,
) -> Result<bool, StoreError> {
    let sql = "UPDATE users SET password = ?3 WHERE id = ?1 AND password = ?2";
    Ok(tx.prepare_cached(sql)?.execute((user, old.expose(), new.expose()))? == 1)
}

fn profile(tx: &Transaction<'_>, by: &UserSelector) -> Result<Profile, DirectoryError> {
    let user = users::find(tx, by)?;
    let sql = "SELECT bio, url, company, location, notes, language, birth_date, expiration_date, password_updated,
                      last_login, password_based_token, password, organization_id, created_micros, modified_micros
               FROM users WHERE id = ?1";
    Ok(tx.prepare_cached(sql)?.query_row([user.id], |row| {
        let password = row.get::<_, Option<String>>("password")?.map(PasswordHash::from_stored);
        Ok(Profile {
            bio: row.get("bio")?,
            url: row.get("url")?,
            company: row.get("company")?,
            location: row.get("location")?,
            notes: row.get("notes")?,
            language: row.get("language")?,
            birth_date: date(row, "birth_date")?,
            expiration_date: date(row, "expiration_date")?,
            password_updated: date(row, "password_updated")?,
            last_login: row.get("last_login")?,
            password_based_token: row.get("password_based_token")?,
            has_password: password.is_some_and(|password| password.is_usable()),
            organization: row.get("organization_id")?,
            created_micros: row.get("created_micros")?,
            modified_micros: row.get("modified_micros")?,
        })
    })?)
}

/// A date that raw SQL made impossible, such as the 31st of February, is none.
pub(super) fn date(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<Date>> {
    Ok(row.get::<_, Option<String>>(column)?.and_then(|text| text.parse().ok()))
}

fn edit_profile(
    tx: &Transaction<'_>,
    by: &UserSelector,
    edit: ProfileEdit,
    now: i64,
) -> Result<Profile, DirectoryError> {
    let user = users::find(tx, by)?;
    let old = profile(tx, &user.id.into())?;
    let new = Profile {
        bio: edit.bio.unwrap_or(old.bio),
        url: edit.url.unwrap_or(old.url),
        company: edit.company.unwrap_or(old.company),
        location: edit.location.unwrap_or(old.location),
        notes: edit.notes.unwrap_or(old.notes),
        language: edit.language.unwrap_or(old.language),
        birth_date: edit.birth_date.unwrap_or(old.birth_date),
        expiration_date: edit.expiration_date.unwrap_or(old.expiration_date),
        last_login: edit.last_login.unwrap_or(old.last_login),
        password_based_token: edit.password_based_token.unwrap_or(old.password_based_token),
        organization: edit.organization.unwrap_or(old.organization),
        modified_micros: 0,
        ..old
    };
    let sql = "UPDATE users SET bio = :bio, url = :url, company = :company, location = :location, notes = :notes,
                   language = :language, birth_date = :birth_date, expiration_date = :expiration_date,
                   last_login = :last_login, password_based_token = :password_based_token,
                   organization_id = :organization, modified = :now, modified_micros = 0 WHERE id = :id";
    let saved = tx.prepare_cached(sql)?.execute(named_params! {
        ":id": user.id,
        ":bio": new.bio,
        ":url": new.url,
        ":company": new.company,
        ":location": new.location,
        ":notes": new.notes,
        ":language": new.language,
        ":birth_date": new.birth_date.map(|date| date.to_string()),
        ":expiration_date": new.expiration_date.map(|date| date.to_string()),
        ":last_login": new.last_login,
        ":password_based_token": new.password_based_token,
        ":organization": new.organization,
        ":now": now,
    });
    match saved {
        Err(error) if violates(&error, "index 'users_username'") => {
            Err(DirectoryError::Taken { unique: Unique::Username, value: user.username })
        }
        Err(error) if violates(&error, "FOREIGN KEY constraint failed") => Err(DirectoryError::NotFound {
            noun: Noun::Organization,
            reference: new.organization.map(|id| id.to_string()).unwrap_or_default(),
        }),
        saved => {
            saved?;
            Ok(new)
        }
    }
}

fn emails(tx: &Transaction<'_>, by: &UserSelector) -> Result<Vec<EmailRecord>, DirectoryError> {
    let user = users::find(tx, by)?;
    let sql = "SELECT id, user_id, email, verified, is_primary FROM email_addresses WHERE user_id = ?1 ORDER BY id";
    let mut statement = tx.prepare_cached(sql)?;
    let rows = statement.query_map([user.id], email)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn find_email(tx: &Transaction<'_>, user: UserId, id: i64) -> Result<EmailRecord, DirectoryError> {
    let sql = "SELECT id, user_id, email, verified, is_primary FROM email_addresses WHERE id = ?1 AND user_id = ?2";
    tx.prepare_cached(sql)?
        .query_row((id, user), email)
        .optional()?
        .ok_or_else(|| DirectoryError::NotFound { noun: Noun::Email, reference: id.to_string() })
}

fn create_email(tx: &Transaction<'_>, by: &UserSelector, new: &NewEmail) -> Result<EmailRecord, DirectoryError> {
    let user = users::find(tx, by)?;
    if new.is_primary {
        no_primary(tx, user.id)?;
    }
    let sql = "INSERT INTO email_addresses (user_id, email, verified, is_primary) VALUES (?1, ?2, ?3, ?4)";
    let email = new.email.to_string();
    taken(&email, tx.prepare_cached(sql)?.insert((user.id, &email, new.verified, new.is_primary)))
        .map(|id| EmailRecord { id, user: user.id, email, verified: new.verified, is_primary: new.is_primary })
}

fn edit_email(
    tx: &Transaction<'_>,
    user: UserId,
    id: i64,
    verified: Option<bool>,
    is_primary: Option<bool>,
) -> Result<EmailRecord, DirectoryError> {
    let old = find_email(tx, user, id)?;
    if is_primary == Some(true) {
        no_primary(tx, user)?;
    }
    let new = EmailRecord {
        verified: verified.unwrap_or(old.verified),
        is_primary: is_primary.unwrap_or(old.is_primary),
        ..old
    };
    let sql = "UPDATE email_addresses SET verified = ?2, is_primary = ?3 WHERE id = ?1";
    taken(&new.email, tx.prepare_cached(sql)?.execute((id, new.verified, new.is_primary)))?;
    Ok(new)
}

fn delete_email(tx: &Transaction<'_>, user: UserId, id: i64) -> Result<EmailRecord, DirectoryError> {
    let old = find_email(tx, user, id)?;
    tx.prepare_cached("DELETE FROM email_addresses WHERE id = ?1")?.execute([id])?;
    Ok(old)
}

fn no_primary(tx: &Transaction<'_>, user: UserId) -> Result<(), DirectoryError> {
    let sql = "UPDATE email_addresses SET is_primary = 0 WHERE user_id = ?1 AND is_primary = 1";
    tx.prepare_cached(sql)?.execute([user])?;
    Ok(())
}

fn taken<T>(email: &str, saved: rusqlite::Result<T>) -> Result<T, DirectoryError> {
    match saved {
        Err(error)
            if violates(&error, "index 'email_addresses_user_email'")
                || violates(&error, "index 'email_addresses_verified'") =>
        {
            Err(DirectoryError::Taken { unique: Unique::EmailAddress, value: email.to_owned() })
        }
        saved => Ok(saved?),
    }
}

fn email(row: &Row<'_>) -> rusqlite::Result<EmailRecord> {
    Ok(EmailRecord {
        id: row.get("id")?,
        user: row.get("user_id")?,
        email: row.get("email")?,
        verified: row.get("verified")?,
        is_primary: row.get("is_primary")?,
    })
}

fn sealed_token(tx: &Transaction<'_>, user: UserId, now: i64) -> Result<Option<SealedToken>, StoreError> {
    let sql = "SELECT id, sealed FROM tokens WHERE user_id = ?1 AND sealed IS NOT NULL AND revoked_at IS NULL
               AND (expires_at IS NULL OR expires_at > ?2)";
    let found = tx
        .prepare_cached(sql)?
        .query_row((user, now), |row| Ok(SealedToken { token: row.get("id")?, sealed: row.get("sealed")? }));
    Ok(found.optional()?)
}

/// Keeps a token, unless the user has a good one by now: two logins at once get the same.
fn create_sealed_token(tx: &Transaction<'_>, new: &NewSealedToken, now: i64) -> Result<SealedToken, DirectoryError> {
    let users = "UPDATE users SET password_based_token = 1 WHERE id = ?1";
    if tx.prepare_cached(users)?.execute([new.user])? == 0 {
        return Err(DirectoryError::NotFound { noun: Noun::User, reference: new.user.to_string() });
    }
    let existing = sealed_token(tx, new.user, now)?;
    if let Some(existing) = existing.filter(|existing| Some(existing.token) != new.instead_of) {
        return Ok(existing);
    }
    // One that is expired, revoked or unreadable makes room.
    let old = "UPDATE tokens SET sealed = NULL WHERE user_id = ?1 AND sealed IS NOT NULL";
    tx.prepare_cached(old)?.execute([new.user])?;
    let token = TokenId::generate();
    let sql = "INSERT INTO tokens (id, digest, user_id, name, created, sealed) VALUES (?1, ?2, ?3, 'login', ?4, ?5)";
    tx.prepare_cached(sql)?.execute((token, new.digest.0, new.user, now, &new.sealed))?;
    Ok(SealedToken { token, sealed: new.sealed.clone() })
}
