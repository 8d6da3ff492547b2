//! Logins of programs on a device without a browser (RFC 8628): what they ask for, what somebody says to it on a page, and that it is used once.
//!
//! Of both codes only digests are kept. Each step is one statement that changes a row or does not, so that replicas and many at once agree.

use super::engine::Directory;
use super::error::StoreError;
use super::sql::Param;
use crate::id::UserId;
use serde_json::json;

/// Logins that wait at one time, of everybody. What one address begins is limited before: see `Limits::device`.
const MOST: i64 = 10_000;
/// So long a device is told that its login is over, in seconds, before nobody knows it any more.
const REMEMBERED: i64 = 600;
/// Seconds between two questions of a device. By how much that grows where it is told to slow down is kept by the device (RFC 8628, 3.5).
pub const INTERVAL: i64 = 5;

/// One that begins.
#[derive(Clone, Debug)]
pub struct NewDeviceLogin {
    pub device: [u8; 32],
    pub user: [u8; 32],
    /// What the device calls itself.
    pub name: String,
    /// What it asks for, as its token is narrowed.
    pub scope: String,
    /// From where it asks.
    pub address: String,
    /// Unix seconds.
    pub expires_at: i64,
}

/// One that waits for somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitingDevice {
    pub name: String,
    pub scope: String,
    pub address: String,
    pub created: i64,
}

/// What a device is told that asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceAnswer {
    /// Nobody knows it.
    Unknown,
    TooEarly,
    Pending,
    Expired,
    Denied,
    /// It is this user's, once.
    Approved {
        user: UserId,
        /// The digest of their password when they said so.
        password: Vec<u8>,
        name: String,
        scope: String,
    },
}

impl Directory {
    /// Notes a login that begins; `false` where too many are under way, or one has its code.
    pub async fn begin_device_login(&self, new: NewDeviceLogin) -> Result<bool, StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                tx.execute("DELETE FROM device_logins WHERE expires_at <= $1", &[&(tx.now - REMEMBERED)]).await?;
                let row =
                    tx.row("SELECT count(*) AS count FROM device_logins WHERE expires_at > $1", &[&tx.now]).await?;
                if row.map(|row| row.get::<i64>("count")).transpose()?.unwrap_or_default() >= MOST {
                    return Ok(false);
                }
                let sql = "INSERT INTO device_logins
                               (device, code, name, scope, address, created, expires_at, asked_at, every)
                           VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8) ON CONFLICT DO NOTHING";
                let (device, code) = (new.device.as_slice(), new.user.as_slice());
                let values: [&dyn Param; 8] =
                    [&device, &code, &new.name, &new.scope, &new.address, &tx.now, &new.expires_at, &INTERVAL];
                Ok(tx.execute(sql, &values).await? == 1)
            })
        })
        .await
    }

    /// The login that waits under a code.
    pub async fn waiting_device(&self, code: [u8; 32]) -> Result<Option<WaitingDevice>, StoreError> {
        self.read(move |tx| {
            Box::pin(async move {
                let sql = "SELECT name, scope, address, created FROM device_logins
                           WHERE code = $1 AND answer IS NULL AND expires_at > $2";
                let Some(row) = tx.row(sql, &[&code.as_slice(), &tx.now]).await? else { return Ok(None) };
                let (name, scope) = (row.get("name")?, row.get("scope")?);
                Ok(Some(WaitingDevice { name, scope, address: row.get("address")?, created: row.get("created")? }))
            })
        })
        .await
    }

    /// What a user says to it, whose password has this digest; `false` where it does not wait any more.
    pub async fn answer_device(
        &self,
        code: [u8; 32],
        (user, password): (UserId, [u8; 32]),
        approves: bool,
    ) -> Result<bool, StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                let sql = "UPDATE device_logins SET answer = $3, user_id = $2, password = $5
                           WHERE code = $1 AND answer IS NULL AND expires_at > $4";
                let answer = if approves { "approved" } else { "denied" };
                let is_first =
                    tx.execute(sql, &[&code.as_slice(), &user, &answer, &tx.now, &password.as_slice()]).await? == 1;
                if is_first {
                    tx.created("login.device", &json!({ "user": user, "answer": answer }));
                }
                Ok(is_first)
            })
        })
        .await
    }

    /// What a device is told. What is approved it is told once. Who asks too early, or has no login, changes nothing.
    pub async fn ask_of_device(&self, device: [u8; 32]) -> Result<DeviceAnswer, StoreError> {
        let due = self.read(move |tx| {
            Box::pin(async move {
                let sql = "SELECT asked_at + every AS due FROM device_logins WHERE device = $1";
                let row = tx.row(sql, &[&device.as_slice()]).await?;
                let due = row.map(|row| row.get::<i64>("due")).transpose()?;
                Ok::<_, StoreError>(due.map(|due| due <= tx.now))
            })
        });
        match due.await? {
            None => return Ok(DeviceAnswer::Unknown),
            Some(false) => return Ok(DeviceAnswer::TooEarly),
            Some(true) => {}
        }
        self.write(move |tx| {
            Box::pin(async move {
                let device = device.as_slice();
                let sql = "UPDATE device_logins SET asked_at = $2 WHERE device = $1 AND asked_at + every <= $2";
                // Of two who ask at once the second has come too early.
                if tx.execute(sql, &[&device, &tx.now]).await? == 0 {
                    return Ok(DeviceAnswer::TooEarly);
                }
                let sql =
                    "SELECT answer, user_id, password, name, scope, expires_at FROM device_logins WHERE device = $1";
                let Some(row) = tx.row(sql, &[&device]).await? else { return Ok(DeviceAnswer::Unknown) };
                if row.get::<i64>("expires_at")? <= tx.now {
                    return Ok(DeviceAnswer::Expired);
                }
                let answer = match row.get::<Option<String>>("answer")?.as_deref() {
                    None => return Ok(DeviceAnswer::Pending),
                    Some("approved") => DeviceAnswer::Approved {
                        user: row.get("user_id")?,
                        password: row.get::<Option<Vec<u8>>>("password")?.unwrap_or_default(),
                        name: row.get("name")?,
                        scope: row.get("scope")?,
                    },
                    Some(_) => DeviceAnswer::Denied,
                };
                let is_first = tx.execute("DELETE FROM device_logins WHERE device = $1", &[&device]).await? == 1;
                Ok(if is_first { answer } else { DeviceAnswer::Unknown })
            })
        })
        .await
    }
}
