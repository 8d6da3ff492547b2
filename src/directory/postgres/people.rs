//! People in PostgreSQL: logins, passwords, profiles, e-mail addresses, encrypted tokens.

use super::error::{Failure, violates};
use super::transaction::Tx;
use super::{PostgresStore, import, users};
use crate::directory::{
    DirectoryError, EmailRecord, ImportReport, LoginCandidate, LoginQuery, NewEmail, NewSealedToken, Noun, People,
    Pieces, Profile, ProfileEdit, SealedToken, StoreError, Unique, UserRecord, UserSelector,
};
use crate::id::{TokenId, UserId};
use crate::password::{Kinds, PasswordHash};
use async_trait::async_trait;
use jiff::civil::Date;
use tokio_postgres::{Error, Row};

/// More users than that cannot share an identifier, but for somebody's raw SQL.
const CANDIDATES: usize = 8;

/// One password of each kind: Django's forms up to their salts.
const KINDS: &str = "SELECT min(password) AS password, count(*) AS count FROM users,
     LATERAL (SELECT split_part(password, '$', 1) AS first, split_part(password, '$', 2) AS second,
                     split_part(password, '$', 3) AS third, split_part(password, '$', 4) AS fourth,
                     split_part(password, '$', 5) AS fifth) AS part
     WHERE first IN ('pbkdf2_sha256', 'pbkdf2_sha1', 'argon2', 'bcrypt', 'bcrypt_sha256', 'scrypt', 'md5')
     GROUP BY first, CASE first
         WHEN 'argon2' THEN third || CASE WHEN third LIKE 'v=%' THEN fourth ELSE '' END
         WHEN 'bcrypt' THEN fourth
         WHEN 'bcrypt_sha256' THEN fourth
         WHEN 'scrypt' THEN second || ' ' || fourth || ' ' || fifth
         WHEN 'md5' THEN ''
         ELSE second END
     ORDER BY count(*) DESC LIMIT 1000";

#[async_trait]
impl People for PostgresStore {
    async fn login_candidates(&self, login: &LoginQuery) -> Result<Vec<LoginCandidate>, StoreError> {
        let login = login.clone();
        self.read(move |tx| Box::pin(async move { candidates(tx, &login).await })).await
    }

    async fn password_kinds(&self) -> Result<Kinds, StoreError> {
        self.read(|tx| {
            Box::pin(async move {
                let mut kinds = Kinds::default();
                for row in tx.rows(KINDS, &[]).await? {
                    let count: i64 = row.try_get("count")?;
                    kinds.add(row.try_get("password")?, count.unsigned_abs());
                }
                Ok::<_, StoreError>(kinds)
            })
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
        self.write(move |tx| Box::pin(async move { set_password(tx, &user, password.as_ref(), chosen).await })).await
    }

    async fn upgrade_password(&self, user: UserId, old: PasswordHash, new: PasswordHash) -> Result<bool, StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                // Only where it is still the old one: a password that was changed meanwhile stays.
                let sql = "UPDATE users SET password = $3 WHERE id = $1 AND password = $2";
                Ok::<_, StoreError>(tx.execute(sql, &[&user, &old.expose(), &new.expose()]).await? == 1)
            })
        })
        .await
    }

    async fn exchange_password(
        &self,
        user: UserId,
        old: PasswordHash,
        new: PasswordHash,
        chosen: Date,
    ) -> Result<bool, StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                let sql = "UPDATE users SET password = $3, password_updated = $4::text::date, modified = $5,
                               modified_micros = 0
                           WHERE id = $1 AND password = $2";
                let chosen = chosen.to_string();
                let done = tx.execute(sql, &[&user, &old.expose(), &new.expose(), &chosen, &tx.now]).await?;
                Ok::<_, StoreError>(done == 1)
            })
        })
        .await
    }

    async fn profile(&self, user: &UserSelector) -> Result<Profile, DirectoryError> {
        let user = user.clone();
        self.read(move |tx| Box::pin(async move { profile(tx, &user).await })).await
    }

    async fn edit_profile(&self, user: &UserSelector, edit: ProfileEdit) -> Result<Profile, DirectoryError> {
        let user = user.clone();
        self.write(move |tx| Box::pin(async move { edit_profile(tx, &user, edit).await })).await
    }

    async fn emails(&self, user: &UserSelector) -> Result<Vec<EmailRecord>, DirectoryError> {
        let user = user.clone();
        self.read(move |tx| Box::pin(async move { emails(tx, &user).await })).await
    }

    async fn email(&self, user: UserId, id: i64) -> Result<EmailRecord, DirectoryError> {
        self.read(move |tx| Box::pin(find_email(tx, user, id))).await
    }

    async fn create_email(&self, user: &UserSelector, email: NewEmail) -> Result<EmailRecord, DirectoryError> {
        let user = user.clone();
        self.write(move |tx| Box::pin(async move { create_email(tx, &user, &email).await })).await
    }

    async fn edit_email(
        &self,
        user: UserId,
        id: i64,
        verified: Option<bool>,
        is_primary: Option<bool>,
    ) -> Result<EmailRecord, DirectoryError> {
        self.write(move |tx| Box::pin(edit_email(tx, user, id, verified, is_primary))).await
    }

    async fn delete_email(&self, user: UserId, id: i64) -> Result<EmailRecord, DirectoryError> {
        self.write(move |tx| {
            Box::pin(async move {
                let old = find_email(tx, user, id).await?;
                tx.execute("DELETE FROM email_addresses WHERE id = $1", &[&id]).await?;
                Ok(old)
            })
        })
        .await
    }

    async fn sealed_token(&self, user: UserId) -> Result<Option<SealedToken>, StoreError> {
        self.read(move |tx| Box::pin(sealed_token(tx, user))).await
    }

    async fn create_sealed_token(&self, token: NewSealedToken) -> Result<SealedToken, DirectoryError> {
        self.write(move |tx| Box::pin(async move { create_sealed_token(tx, &token).await })).await
    }

    async fn import(&self, pieces: Pieces) -> Result<ImportReport, DirectoryError> {
        self.write(move |tx| Box::pin(async move { import::import(tx, pieces).await })).await
    }
}

/// Whom an identifier means: by phone, then by e-mail address, then by username; each once.
async fn candidates(tx: &Tx<'_>, login: &LoginQuery) -> Result<Vec<LoginCandidate>, StoreError> {
    /// The rest of a query; `$2` is an organization's slug, or NULL where logins name none.
    macro_rules! by {
        ($column:literal) => {
            concat!(
                "SELECT id, username, is_active, is_staff, password_updated::text, password FROM users WHERE ",
                $column,
                " AND ($2::text IS NULL
                       OR organization_id = (SELECT id FROM organizations WHERE lower(slug) = lower($2::text) LIMIT 1)
                       OR organization_id IS NULL AND is_superuser) ORDER BY id LIMIT 8"
            )
        };
    }
    let phones = login.phones.iter().map(|phone| (by!("phone_number = $1"), phone));
    let addresses = login.addresses();
    let email = addresses.iter().map(|email| (by!("lower(email) = lower($1)"), email));
    let username = login.username.iter().map(|username| (by!("username = $1"), username));
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

fn candidate(row: &Row) -> Result<LoginCandidate, Error> {
    Ok(LoginCandidate {
        user: row.try_get("id")?,
        username: row.try_get("username")?,
        is_active: row.try_get("is_active")?,
        is_staff: row.try_get("is_staff")?,
        password_updated: date(row, "password_updated")?,
        password: row.try_get::<_, Option<String>>("password")?.map(PasswordHash::from_stored),
    })
}

async fn set_password(
    tx: &Tx<'_>,
    by: &UserSelector,
    password: Option<&PasswordHash>,
    chosen: Date,
) -> Result<UserRecord, DirectoryError> {
    let user = users::find(tx, by).await?;
    let sql = "UPDATE users SET password = $2, password_updated = $3::text::date, modified = $4, modified_micros = 0
               WHERE id = $1";
    tx.execute(sql, &[&user.id, &password.map(PasswordHash::expose), &chosen.to_string(), &tx.now]).await?;
    Ok(UserRecord { modified: tx.now, ..user })
}

async fn profile(tx: &Tx<'_>, by: &UserSelector) -> Result<Profile, DirectoryError> {
    let user = users::find(tx, by).await?;
    let sql = "SELECT bio, url, company, location, notes, language, birth_date::text, expiration_date::text,
                      password_updated::text, last_login, password_based_token, password, organization_id,
                      created_micros, modified_micros
               FROM users WHERE id = $1";
    let row = tx.row(sql, &[&user.id]).await?;
    let row = row.ok_or_else(|| DirectoryError::NotFound { noun: Noun::User, reference: by.to_string() })?;
    let password = row.try_get::<_, Option<String>>("password")?.map(PasswordHash::from_stored);
    let micros = |column: &str| -> Result<u32, Error> { Ok(row.try_get::<_, i32>(column)?.unsigned_abs()) };
    Ok(Profile {
        bio: row.try_get("bio")?,
        url: row.try_get("url")?,
        company: row.try_get("company")?,
        location: row.try_get("location")?,
        notes: row.try_get("notes")?,
        language: row.try_get("language")?,
        birth_date: date(&row, "birth_date")?,
        expiration_date: date(&row, "expiration_date")?,
        password_updated: date(&row, "password_updated")?,
        last_login: row.try_get("last_login")?,
        password_based_token: row.try_get("password_based_token")?,
        has_password: password.is_some_and(|password| password.is_usable()),
        organization: row.try_get("organization_id")?,
        created_micros: micros("created_micros")?,
        modified_micros: micros("modified_micros")?,
    })
}

pub(super) fn date(row: &Row, column: &str) -> Result<Option<Date>, Error> {
    Ok(row.try_get::<_, Option<String>>(column)?.and_then(|text| text.parse().ok()))
}

async fn edit_profile(tx: &Tx<'_>, by: &UserSelector, edit: ProfileEdit) -> Result<Profile, DirectoryError> {
    // Two who edit one user do so one after the other.
    let user = users::find(tx, by).await?;
    tx.execute("SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE", &[&user.id]).await?;
    let old = profile(tx, &user.id.into()).await?;
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
    let sql = "UPDATE users SET bio = $2, url = $3, company = $4, location = $5, notes = $6, language = $7,
                   birth_date = $8::text::date, expiration_date = $9::text::date, last_login = $10,
                   password_based_token = $11, organization_id = $12, modified = $13, modified_micros = 0 WHERE id = $1";
    let text = |date: Option<Date>| date.map(|date| date.to_string());
    let (birth, expiration) = (text(new.birth_date), text(new.expiration_date));
    let saved = tx
        .execute(
            sql,
            &[
                &user.id,
                &new.bio,
                &new.url,
                &new.company,
                &new.location,
                &new.notes,
                &new.language,
                &birth,
                &expiration,
                &new.last_login,
                &new.password_based_token,
                &new.organization,
                &tx.now,
            ],
        )
        .await;
    match saved {
        Err(failure) if violates(&failure, "users_username") => {
            Err(DirectoryError::Taken { unique: Unique::Username, value: user.username })
        }
        Err(failure) if violates(&failure, "users_organization_id_fkey") => Err(DirectoryError::NotFound {
            noun: Noun::Organization,
            reference: new.organization.map(|id| id.to_string()).unwrap_or_default(),
        }),
        saved => {
            saved?;
            Ok(new)
        }
    }
}

async fn emails(tx: &Tx<'_>, by: &UserSelector) -> Result<Vec<EmailRecord>, DirectoryError> {
    let user = users::find(tx, by).await?;
    let sql = "SELECT id, user_id, email, verified, is_primary FROM email_addresses WHERE user_id = $1 ORDER BY id";
    Ok(tx.rows(sql, &[&user.id]).await?.iter().map(email).collect::<Result<_, _>>()?)
}

async fn find_email(tx: &Tx<'_>, user: UserId, id: i64) -> Result<EmailRecord, DirectoryError> {
    let sql = "SELECT id, user_id, email, verified, is_primary FROM email_addresses WHERE id = $1 AND user_id = $2";
    match tx.row(sql, &[&id, &user]).await? {
        Some(row) => Ok(email(&row)?),
        None => Err(DirectoryError::NotFound { noun: Noun::Email, reference: id.to_string() }),
    }
}

async fn create_email(tx: &Tx<'_>, by: &UserSelector, new: &NewEmail) -> Result<EmailRecord, DirectoryError> {
    let user = users::find(tx, by).await?;
    if new.is_primary {
        no_primary(tx, user.id).await?;
    }
    let sql = "INSERT INTO email_addresses (user_id, email, verified, is_primary) VALUES ($1, $2, $3, $4)
               RETURNING id, user_id, email, verified, is_primary";
    let text = new.email.to_string();
    let row = tx.row(sql, &[&user.id, &text, &new.verified, &new.is_primary]).await;
    let row = row.map_err(|failure| taken(&text, failure))?;
    let row = row.ok_or_else(|| StoreError::Broken("a new address is not there".to_owned()))?;
    Ok(email(&row)?)
}

async fn edit_email(
    tx: &Tx<'_>,
    user: UserId,
    id: i64,
    verified: Option<bool>,
    is_primary: Option<bool>,
) -> Result<EmailRecord, DirectoryError> {
    let old = find_email(tx, user, id).await?;
    if is_primary == Some(true) {
        no_primary(tx, user).await?;
    }
    let new = EmailRecord {
        verified: verified.unwrap_or(old.verified),
        is_primary: is_primary.unwrap_or(old.is_primary),
        ..old
    };
    let sql = "UPDATE email_addresses SET verified = $2, is_primary = $3 WHERE id = $1";
    let saved = tx.execute(sql, &[&id, &new.verified, &new.is_primary]).await;
    saved.map_err(|failure| taken(&new.email, failure))?;
    Ok(new)
}

async fn no_primary(tx: &Tx<'_>, user: UserId) -> Result<(), DirectoryError> {
    let sql = "UPDATE email_addresses SET is_primary = false WHERE user_id = $1 AND is_primary";
    tx.execute(sql, &[&user]).await?;
    Ok(())
}

fn taken(email: &str, failure: Failure) -> DirectoryError {
    if violates(&failure, "email_addresses_user_email") || violates(&failure, "email_addresses_verified") {
        return DirectoryError::Taken { unique: Unique::EmailAddress, value: email.to_owned() };
    }
    failure.into()
}

fn email(row: &Row) -> Result<EmailRecord, Error> {
    Ok(EmailRecord {
        id: row.try_get("id")?,
        user: row.try_get("user_id")?,
        email: row.try_get("email")?,
        verified: row.try_get("verified")?,
        is_primary: row.try_get("is_primary")?,
    })
}

async fn sealed_token(tx: &Tx<'_>, user: UserId) -> Result<Option<SealedToken>, StoreError> {
    let sql = "SELECT id, sealed FROM tokens WHERE user_id = $1 AND sealed IS NOT NULL AND revoked_at IS NULL
               AND (expires_at IS NULL OR expires_at > $2)";
    let row = tx.row(sql, &[&user, &tx.now]).await?;
    let sealed = |row: Row| Ok(SealedToken { token: row.try_get("id")?, sealed: row.try_get("sealed")? });
    row.map(sealed).transpose()
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
    Ok(SealedToken { token, sealed: new.sealed.clone() })
}
