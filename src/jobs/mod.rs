//! What is done once a day, by one of the replicas: accounts that have expired are deactivated, and people are told of it, and before it.
//!
//! Whoever comes first takes a job for the day in the directory, and keeps it while it goes on; where it breaks off, another takes it
//! some minutes later. Each job may be done again at any time: what it finds done it leaves. Days are those of UTC.

use crate::api::links::Links;
use crate::clock;
use crate::config::jobs::Jobs;
use crate::directory::{Aging, Directory, DirectoryError, StoreError};
use crate::id::UserId;
use crate::mail::Mailer;
use crate::mail::templates::{Kind, Values};
use crate::password::Passwords;
use jiff::Span;
use jiff::civil::Date;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// How long nobody else takes a job that breaks off.
const CLAIM: i64 = 600;
/// How often somebody looks whether there is something to do.
const EVERY: Duration = Duration::from_secs(30);
/// Notices are kept so long: nobody is told again of what was about a day since then.
const KEPT: i64 = 400;
/// That an account was deactivated is told so many days later, where there was no mail before.
const LATE: i64 = 30;
const SECONDS: i64 = 86_400;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    DeactivateExpired,
    ExpirationReminder,
    PasswordReminder,
    ForgetAnswers,
}

impl Job {
    pub const ALL: [Self; 4] =
        [Self::DeactivateExpired, Self::ExpirationReminder, Self::PasswordReminder, Self::ForgetAnswers];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DeactivateExpired => "deactivate-expired",
            Self::ExpirationReminder => "expiration-reminder",
            Self::PasswordReminder => "password-reminder",
            Self::ForgetAnswers => "forget-answers",
        }
    }

    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|job| job.name() == name)
    }

    /// When it is done, in seconds behind the beginning of a day; `None`: never.
    #[must_use]
    pub const fn at(self, jobs: &Jobs) -> Option<u32> {
        match self {
            Self::DeactivateExpired => jobs.deactivate_expired,
            Self::ExpirationReminder => jobs.expiration_reminder,
            Self::PasswordReminder => jobs.password_reminder,
            // Nobody wants to keep them.
            Self::ForgetAnswers => Some(2 * 3600),
        }
    }
}

/// Why a job was not done to its end.
#[derive(Debug, Error)]
pub enum JobError {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// It took so long that somebody else has begun it anew.
    #[error("somebody else does it by now")]
    Lost,
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        Self::Directory(error.into())
    }
}

/// Who writes letters, and what they say of this service.
#[derive(Clone)]
pub struct Post {
    pub mailer: Arc<Mailer>,
    pub site: String,
    /// Where people change their password.
    pub change: String,
}

impl Post {
    /// `None` without addresses that letters could name.
    #[must_use]
    pub fn new(mailer: Arc<Mailer>, links: &Links) -> Option<Self> {
        let site = links.site()?.to_owned();
        Some(Self { mailer, site, change: links.absolute(&links.change())? })
    }
}

/// Does jobs.
pub struct Runner {
    pub store: Arc<Directory>,
    pub jobs: Jobs,
    pub passwords: Passwords,
    /// Nobody is told anything without it.
    pub post: Option<Post>,
}

/// A job that somebody has taken, for a day; by hand it is nobody's.
struct Turn {
    job: Job,
    today: Date,
    is_claimed: bool,
}

impl Runner {
    /// Does what is due, every day, for ever. A job that was never done waits for its time: what an import brings is as it was until then.
    pub async fn keep(self) {
        let (first, begun) = (clock::today(), clock::unix_seconds().rem_euclid(SECONDS));
        let mut done: [Option<Date>; Job::ALL.len()] = [None; Job::ALL.len()];
        loop {
            let (today, second) = (clock::today(), clock::unix_seconds().rem_euclid(SECONDS));
            for (job, done) in Job::ALL.into_iter().zip(&mut done) {
                let is_due = job.at(&self.jobs).is_some_and(|at| i64::from(at) <= second);
                if !is_due || *done == Some(today) {
                    continue;
                }
                let is_late = today == first && job.at(&self.jobs).is_some_and(|at| i64::from(at) < begun);
                if is_late && !self.was_done(job).await {
                    *done = Some(today);
                    continue;
                }
                match self.run_once(job, today).await {
                    Ok(Some(outcome)) => tracing::info!(job = job.name(), outcome, "a job is done"),
                    Ok(None) => {}
                    Err(error) => {
                        tracing::warn!(job = job.name(), %error, "a job could not be done");
                        continue;
                    }
                }
                if self.is_done(job, today).await {
                    *done = Some(today);
                }
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Whether it was done on some day, as far as can be known.
    async fn was_done(&self, job: Job) -> bool {
        self.store.jobs().await.map_or(true, |jobs| jobs.iter().any(|known| known.name == job.name()))
    }

    async fn is_done(&self, job: Job, today: Date) -> bool {
        let jobs = self.store.jobs().await.unwrap_or_default();
        let last = jobs.iter().find(|known| known.name == job.name());
        last.is_some_and(|last| last.day >= today && last.finished.is_some())
    }

    /// Does a job of a day, unless somebody has done it or does it now; what came of it.
    ///
    /// # Errors
    /// See [`JobError`].
    pub async fn run_once(&self, job: Job, today: Date) -> Result<Option<String>, JobError> {
        if !self.store.claim_job(job.name(), today, CLAIM).await? {
            return Ok(None);
        }
        self.finish(Turn { job, today, is_claimed: true }).await.map(Some)
    }

    /// Does a job now, whoever has done it.
    ///
    /// # Errors
    /// See [`JobError`].
    pub async fn run(&self, job: Job, today: Date) -> Result<String, JobError> {
        self.finish(Turn { job, today, is_claimed: false }).await
    }

    async fn finish(&self, turn: Turn) -> Result<String, JobError> {
        let outcome = match turn.job {
            Job::DeactivateExpired => self.deactivate_expired(&turn).await?,
            Job::ExpirationReminder => self.remind_of_expiration(&turn).await?,
            Job::PasswordReminder => self.remind_of_password(&turn).await?,
            Job::ForgetAnswers => self.forget_answers(&turn).await?,
        };
        self.store.finish_job(turn.job.name(), turn.today, outcome.clone()).await?;
        Ok(outcome)
    }

    /// Goes on with a job that is still ours.
    async fn go_on(&self, turn: &Turn) -> Result<(), JobError> {
        let is_ours = !turn.is_claimed || self.store.keep_job(turn.job.name(), turn.today, CLAIM).await?;
        if is_ours { Ok(()) } else { Err(JobError::Lost) }
    }

    async fn deactivate_expired(&self, turn: &Turn) -> Result<String, JobError> {
        let mut deactivated = 0;
        loop {
            match self.store.deactivate_expired(turn.today).await? {
                0 => break,
                count => deactivated += count,
            }
            self.go_on(turn).await?;
        }
        self.store.forget_notices(behind(turn.today, -KEPT)).await?;
        let told = self.tell(turn, Kind::AccountExpired, behind(turn.today, -LATE)).await?;
        Ok(format!("{deactivated} deactivated, {told} told"))
    }

    async fn remind_of_expiration(&self, turn: &Turn) -> Result<String, JobError> {
        let days = self.jobs.reminder_days;
        if days > 0 && self.post.is_some() {
            self.store.note_expiring(turn.today, behind(turn.today, days.into())).await?;
        }
        let told = self.tell(turn, Kind::AccountExpiration, turn.today).await?;
        Ok(format!("{told} told"))
    }

    async fn remind_of_password(&self, turn: &Turn) -> Result<String, JobError> {
        let before = i64::from(self.jobs.reminder_days);
        for is_staff in [false, true] {
            let Some(days) = self.passwords.good_for(is_staff).filter(|_| before > 0 && self.post.is_some()) else {
                continue;
            };
            let first = behind(turn.today, -i64::from(days));
            let aging = Aging { is_staff, chosen: (first, behind(first, before)), days };
            let mut after = UserId(uuid::Uuid::nil());
            while let (_, Some(next)) = self.store.note_aging(aging, after).await? {
                after = next;
                self.go_on(turn).await?;
            }
        }
        let told = self.tell(turn, Kind::PasswordExpiration, turn.today).await?;
        Ok(format!("{told} told"))
    }

    async fn forget_answers(&self, turn: &Turn) -> Result<String, JobError> {
        let mut forgotten = 0;
        loop {
            match self.store.forget_answers().await? + self.store.forget_history().await? {
                0 => return Ok(format!("{forgotten} forgotten")),
                count => forgotten += count,
            }
            self.go_on(turn).await?;
        }
    }

    /// Writes the letters that wait, of those that are about a day from `first` on; how many.
    async fn tell(&self, turn: &Turn, kind: Kind, first: Date) -> Result<usize, JobError> {
        let Some(post) = &self.post else { return Ok(0) };
        let mut told = 0;
        loop {
            let notices = self.store.take_notices(kind.name(), first).await?;
            if notices.is_empty() {
                return Ok(told);
            }
            told += notices.len();
            for notice in notices {
                let days = turn.today.until(notice.about).map_or(0, |span| span.get_days());
                let values = Values {
                    site: &post.site,
                    username: &notice.username,
                    link: if kind == Kind::PasswordExpiration { &post.change } else { "" },
                    date: notice.about.to_string(),
                    days: u32::try_from(days).unwrap_or_default(),
                    ..Values::default()
                };
                post.mailer.post_in_turn(notice.email, kind, &notice.language, &values).await;
            }
            self.go_on(turn).await?;
        }
    }
}

/// So many days behind a day, or before it.
fn behind(day: Date, days: i64) -> Date {
    day.saturating_add(Span::new().days(days))
}
