//! That a session has shown a second factor: when, and which. The one place that says so; who makes a session, or goes on with one, takes
//! it from here.

use super::error::StoreError;
use super::sql::Row;

/// What somebody shows besides a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Factor {
    /// The code of an authenticator app.
    App,
    RecoveryCode,
    /// A passkey. Where nothing was shown besides, or the session began without a password, its authenticator has verified its user; behind
    /// the first step of a login a touch is enough.
    Passkey,
}

impl Factor {
    const ALL: [Self; 3] = [Self::App, Self::RecoveryCode, Self::Passkey];

    /// As it is kept.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::RecoveryCode => "recovery",
            Self::Passkey => "passkey",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FactorProof {
    /// Seconds since the Unix epoch.
    pub at: i64,
    pub by: Factor,
}

impl FactorProof {
    /// Of a row with both columns. What a newer postern has kept, and this one does not know, is none.
    pub(super) fn of(row: &Row) -> Result<Option<Self>, StoreError> {
        let (at, by) = (row.get::<Option<i64>>("factor_at")?, row.get::<Option<String>>("factor")?);
        let by = by.and_then(|by| Factor::ALL.into_iter().find(|factor| factor.as_str() == by));
        Ok(at.zip(by).map(|(at, by)| Self { at, by }))
    }
}
