//! What is done once a day: who does it, told by one conditional statement; and whom it concerns.
//!
//! What people are told waits as a notice until somebody takes it to write the letter. A notice is there once, and is taken once, so
//! that nobody gets two letters of one thing, however often a job is run and by however many.

use super::engine::Directory;
use super::error::{DirectoryError, StoreError};
use super::lookup;
use super::sql::Row;
use super::tx::Tx;
use crate::id::UserId;
use jiff::civil::Date;
use serde::Serialize;

/// Users that are looked at in one transaction.
const PIECE: u32 = 500;

/// A job's last run.
#[derive(Clone, Debug, Serialize)]
pub struct JobRecord {
    pub name: String,
    pub day: Date,
    /// Seconds since the Unix epoch.
    pub started: i64,
    /// Absent while it goes on, or where it broke off.
    pub finished: Option<i64>,
    pub outcome: String,
}

/// Something that somebody is to be told.
#[derive(Clone, Debug)]
pub struct Notice {
    pub user: UserId,
    pub username: String,
    pub language: String,
    /// Where to: a verified address.
    pub email: String,
    /// The day that it is about.
    pub about: Date,
}

/// Whose passwords are looked at.
#[derive(Clone, Copy, Debug)]
pub struct Aging {
    pub is_staff: bool,
    /// Chosen on one of these days, the first and the last.
    pub chosen: (Date, Date),
    /// So many days behind that one it is good.
    pub days: u32,
}

impl Directory {
    /// Takes a job for a day; `false` where somebody else has it, or has done it. Of many who try at once, one succeeds. Who breaks off is
    /// followed by another when `seconds` are over.
    pub async fn claim_job(&self, name: &'static str, day: Date, seconds: i64) -> Result<bool, StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                let sql = "INSERT INTO jobs (name, day, started, claimed_until) VALUES ($1, $2, $3, $4)
                           ON CONFLICT (name) DO UPDATE
                           SET day = $2, started = $3, claimed_until = $4, finished = NULL, outcome = ''
                           WHERE jobs.day < $2 OR jobs.day = $2 AND jobs.finished IS NULL AND jobs.claimed_until <= $3";
                let until = tx.now.saturating_add(seconds);
                Ok(tx.execute(sql, &[&name, &day, &tx.now, &until]).await? == 1)
            })
        })
        .await
    }

    /// Goes on having a job; `false` where somebody else has it by now.
    pub async fn keep_job(&self, name: &'static str, day: Date, seconds: i64) -> Result<bool, StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                let sql = "UPDATE jobs SET claimed_until = $4
                           WHERE name = $1 AND day = $2 AND finished IS NULL AND claimed_until > $3";
                let until = tx.now.saturating_add(seconds);
                Ok(tx.execute(sql, &[&name, &day, &tx.now, &until]).await? == 1)
            })
        })
        .await
    }

    /// A job has been done.
    pub async fn finish_job(&self, name: &'static str, day: Date, outcome: String) -> Result<(), StoreError> {
        self.write(move |tx| {
            Box::pin(async move {
                let sql = "INSERT INTO jobs (name, day, started, claimed_until, finished, outcome)
                           VALUES ($1, $2, $3, $3, $3, $4)
                           ON CONFLICT (name) DO UPDATE SET day = $2, finished = $3, outcome = $4 WHERE jobs.day <= $2";
                tx.execute(sql, &[&name, &day, &tx.now, &outcome]).await?;
                Ok(())
            })
        })
        .await
    }

    /// The last run of each job that was ever run.
    pub async fn jobs(&self) -> Result<Vec<JobRecord>, StoreError> {
        self.read(|tx| {
            Box::pin(async move {
                let rows = tx.rows("SELECT name, day, started, finished, outcome FROM jobs ORDER BY name", &[]).await?;
                let record = |row: &Row| {
                    Ok(JobRecord {
                        name: row.get("name")?,
                        day: row.get("day")?,
                        started: row.get("started")?,
                        finished: row.get("finished")?,
                        outcome: row.get("outcome")?,
                    })
                };
                rows.iter().map(record).collect()
            })
        })
        .await
    }

    /// Deactivates some of the users whose last day is over, and notes that they are told; how many, none when all are.
    pub async fn deactivate_expired(&self, today: Date) -> Result<u64, DirectoryError> {
        self.write(move |tx| Box::pin(deactivate(tx, today))).await
    }

    /// Notes that active users are told whose last day is one of these; how many were not noted before.
    pub async fn note_expiring(&self, first: Date, last: Date) -> Result<u64, StoreError> {
        let sql = "INSERT INTO notices (user_id, kind, about)
                   SELECT u.id, 'account_expiration', u.expiration_date FROM users u
                   WHERE u.is_active AND u.expiration_date BETWEEN $1 AND $2
                   AND EXISTS (SELECT 1 FROM email_addresses e WHERE e.user_id = u.id AND e.verified)
                   ON CONFLICT DO NOTHING";
        self.write(move |tx| Box::pin(async move { Ok(tx.execute(sql, &[&first, &last]).await?) })).await
    }

    /// Notes that active users are told whose password is good for few days more; how many were not noted before. Looks at some
    /// users behind `after`, and says behind whom to look next.
    pub async fn note_aging(&self, aging: Aging, after: UserId) -> Result<(u64, Option<UserId>), StoreError> {
        self.write(move |tx| Box::pin(note_aging(tx, aging, after))).await
    }

    /// Takes some notices of a kind that are about a day from `first` on; none when there are no more. Whoever has them writes the letters.
    pub async fn take_notices(&self, kind: &'static str, first: Date) -> Result<Vec<Notice>, StoreError> {
        self.write(move |tx| Box::pin(take_notices(tx, kind, first))).await
    }

    /// Forgets what was about days before this one.
    pub async fn forget_notices(&self, before: Date) -> Result<u64, StoreError> {
        self.write(move |tx| {
            Box::pin(async move { Ok(tx.execute("DELETE FROM notices WHERE about < $1", &[&before]).await?) })
        })
        .await
    }
}

async fn deactivate(tx: &Tx<'_>, today: Date) -> Result<u64, DirectoryError> {
    let sql = "SELECT id FROM users WHERE is_active AND expiration_date < $1 ORDER BY id LIMIT $2";
    let mut count = 0;
    for row in tx.rows(sql, &[&today, &PIECE]).await? {
        let id: UserId = row.get("id")?;
        // Somebody may have given them more time meanwhile, and what is asked of a view says so only once their row is held.
        tx.session.lock("users", &id).await?;
        let before = lookup::user(tx, &id.into()).await?;
        let sql = "UPDATE users SET is_active = false, modified = $3, modified_micros = 0
                   WHERE id = $1 AND is_active AND expiration_date < $2";
        if tx.execute(sql, &[&id, &today, &tx.now]).await? == 0 {
            continue;
        }
        count += 1;
        let after = lookup::user(tx, &id.into()).await?;
        tx.changed("user.edit", &before, &after);
        let sql = "INSERT INTO notices (user_id, kind, about)
                   SELECT u.id, 'account_expired', u.expiration_date FROM users u WHERE u.id = $1
                   AND EXISTS (SELECT 1 FROM email_addresses e WHERE e.user_id = u.id AND e.verified)
                   ON CONFLICT DO NOTHING";
        tx.execute(sql, &[&id]).await?;
    }
    Ok(count)
}

async fn note_aging(tx: &Tx<'_>, aging: Aging, after: UserId) -> Result<(u64, Option<UserId>), StoreError> {
    // What begins with `!` is no password.
    let sql = "SELECT u.id, u.password_updated FROM users u
               WHERE u.id > $1 AND u.is_active AND u.is_staff = $2 AND u.password_updated BETWEEN $3 AND $4
               AND u.password IS NOT NULL AND u.password NOT LIKE '!%'
               AND EXISTS (SELECT 1 FROM email_addresses e WHERE e.user_id = u.id AND e.verified)
               ORDER BY u.id LIMIT $5";
    let (first, last) = aging.chosen;
    let rows = tx.rows(sql, &[&after, &aging.is_staff, &first, &last, &PIECE]).await?;
    let (mut count, mut next) = (0, None);
    for row in &rows {
        let (id, chosen): (UserId, Date) = (row.get("id")?, row.get("password_updated")?);
        let Ok(about) = chosen.checked_add(jiff::Span::new().days(i64::from(aging.days))) else { continue };
        let sql = "INSERT INTO notices (user_id, kind, about) VALUES ($1, 'password_expiration', $2)
                   ON CONFLICT DO NOTHING";
        count += tx.execute(sql, &[&id, &about]).await?;
        next = Some(id);
    }
    Ok((count, next.filter(|_| rows.len() == PIECE as usize)))
}

async fn take_notices(tx: &Tx<'_>, kind: &str, first: Date) -> Result<Vec<Notice>, StoreError> {
    let sql = "SELECT n.user_id, n.about, u.username, u.language,
               (SELECT e.email FROM email_addresses e WHERE e.user_id = n.user_id AND e.verified
                ORDER BY e.is_primary DESC, e.id LIMIT 1) AS email
               FROM notices n JOIN users u ON u.id = n.user_id
               WHERE n.kind = $1 AND n.sent IS NULL AND n.about >= $2
               AND EXISTS (SELECT 1 FROM email_addresses e WHERE e.user_id = n.user_id AND e.verified) ORDER BY n.user_id LIMIT $3";
    let mut taken = Vec::new();
    for row in tx.rows(sql, &[&kind, &first, &PIECE]).await? {
        let (user, about): (UserId, Date) = (row.get("user_id")?, row.get("about")?);
        let sql = "UPDATE notices SET sent = $4 WHERE user_id = $1 AND kind = $2 AND about = $3 AND sent IS NULL";
        let is_ours = tx.execute(sql, &[&user, &kind, &about, &tx.now]).await? == 1;
        // An address that was verified may have gone meanwhile.
        let Some(email) = row.get::<Option<String>>("email")?.filter(|_| is_ours) else { continue };
        taken.push(Notice { user, username: row.get("username")?, language: row.get("language")?, email, about });
    }
    Ok(taken)
}
