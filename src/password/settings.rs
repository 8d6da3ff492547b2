//! What an installation wants of passwords: their cost, and how long they are good. The configuration is read into this.

use super::Algorithm;
use super::validate::Validators;
use jiff::Span;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::time::Duration;

/// What an installation wants of passwords.
#[derive(Clone, Copy, Debug)]
pub struct Passwords {
    /// How new ones are hashed.
    pub algorithm: Algorithm,
    /// Whether salted MD5 is believed.
    pub md5: bool,
    /// Whether a login rewrites a hash that is not the configured one.
    pub upgrade: bool,
    /// Computed at the same time.
    pub workers: usize,
    /// Waiting to be computed, at most.
    pub queue: usize,
    /// Days for which one is good; 0: for ever.
    pub expire_after: u32,
    /// The same for staff, where it is not 0.
    pub expire_after_staff: u32,
    /// What new ones are looked at for.
    pub validators: Validators,
    /// How long a link is good with which a new one is chosen.
    pub link_lifetime: Duration,
    /// The same of an invitation, with which somebody chooses their first.
    pub invitation_lifetime: Duration,
}

impl Passwords {
    /// What counts with `compat: openwisp` where nothing is said: a link is good for Django's `PASSWORD_RESET_TIMEOUT`.
    #[must_use]
    pub fn openwisp() -> Self {
        Self { validators: Validators::NONE, link_lifetime: Duration::from_secs(3 * 86_400), ..Self::default() }
    }

    /// Days for which somebody's password is good, behind the one on which it was chosen; `None`: for ever.
    #[must_use]
    pub fn good_for(&self, is_staff: bool) -> Option<u32> {
        let days = if is_staff && self.expire_after_staff > 0 { self.expire_after_staff } else { self.expire_after };
        (days > 0).then_some(days)
    }

    /// When a password that was chosen on a day becomes too old, in seconds since the Unix epoch: it is good for so many days
    /// behind that one, in UTC. One of which nobody knows when it was chosen is never too old, as in the reference.
    #[must_use]
    pub fn until(&self, chosen: Option<Date>, is_staff: bool) -> Option<i64> {
        let days = self.good_for(is_staff)?;
        let day = chosen?.checked_add(Span::new().days(days.saturating_add(1))).ok()?;
        Some(day.to_zoned_datetime(TimeZone::UTC).ok()?.timestamp().as_second())
    }
}

impl Default for Passwords {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            algorithm: Algorithm::default(),
            md5: false,
            upgrade: true,
            workers: cores.div_ceil(2),
            queue: 64,
            expire_after: 0,
            expire_after_staff: 0,
            validators: Validators::USUAL,
            link_lifetime: Duration::from_secs(3600),
            invitation_lifetime: Duration::from_secs(7 * 86_400),
        }
    }
}
