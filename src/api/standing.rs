//! That somebody is themselves before they change what they log in with: the pages for apps and for passkeys ask here. A session may be
//! somebody else's at this screen, or its cookie copied.

use super::Api;
use crate::clock;
use crate::directory::token::TokenDigest;
use crate::directory::{DirectoryError, Factor, FactorProof, StoreError, UserKey, Viewer};
use crate::id::UserId;
use crate::login::LoginError;
use crate::password::PasswordHash;
use crate::second_factor::Demand;
use std::net::IpAddr;
use std::time::Duration;

/// How long a login, or a second factor that was shown, counts for that, in seconds.
const RECENT: i64 = 600;
pub(super) const NOT_YOURS: &str = "This is not your password.";
pub(super) const TOO_OLD: &str = "You logged in too long ago for this. Log out, log in, and try again.";

/// What a session has shown, and what its user has to show.
pub(super) struct Standing {
    pub has_password: bool,
    /// Whether they have a second factor that is asked for.
    pub has_factor: bool,
    /// Whether the session began with the password.
    pub by_password: bool,
    pub proof: Option<FactorProof>,
    /// When the session began; 0 where it has ended.
    began: i64,
}

/// What must come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lacks {
    /// To show the second factor that they have.
    Proof,
    /// To log in once more.
    Login,
}

/// Why somebody is not taken for themselves.
pub(super) enum Doubt {
    /// They have no password, and logged in too long ago.
    TooOld,
    /// It is not their password.
    Wrong,
    Throttled(Duration),
    Store(StoreError),
}

impl Standing {
    /// As the store says now.
    ///
    /// # Errors
    /// The store fails.
    pub async fn of(api: &Api, session: Option<&str>, user: UserId) -> Result<Self, DirectoryError> {
        let found = api.store.revocation(&UserKey::Id(user)).await?;
        let has_factor = match &api.second_factors {
            Some(factors) => factors.demand(user).await? == Demand::Code,
            None => false,
        };
        let this = TokenDigest::of(session.unwrap_or_default());
        let sessions = api.store.as_seen_by(Viewer::Oneself(user)).sessions(&user.into(), this).await?;
        let this = sessions.into_iter().find(|session| session.is_this);
        Ok(Self {
            has_password: found.is_some_and(|found| PasswordHash::from_stored(found.password()).is_usable()),
            has_factor,
            by_password: this.as_ref().is_some_and(|session| session.by_password),
            proof: this.as_ref().and_then(|session| session.proof),
            began: this.map_or(0, |session| session.created),
        })
    }

    /// What must come before a change. Where there is a password and no second factor, the form asks for the password.
    pub fn lacks(&self) -> Option<Lacks> {
        let shown = self.proof.is_some_and(|proof| is_recent(proof.at));
        match (self.has_factor, self.has_password) {
            (true, _) => (!shown).then_some(Lacks::Proof),
            (false, true) => None,
            (false, false) => (!shown && !is_recent(self.began)).then_some(Lacks::Login),
        }
    }

    /// Has them show that they are themselves: by their password, or without one by having logged in lately.
    ///
    /// # Errors
    /// They do not, or it cannot be told.
    pub async fn confirm(&self, api: &Api, user: UserId, client: IpAddr, password: &str) -> Result<(), Doubt> {
        if !self.has_password {
            return if self.lacks().is_some() { Err(Doubt::TooOld) } else { Ok(()) };
        }
        let known = api.login.knows(user, password.to_owned().into(), client).await;
        known.map(drop).map_err(|error| match error {
            LoginError::Wrong => Doubt::Wrong,
            LoginError::Throttled(wait) => Doubt::Throttled(wait),
            LoginError::Busy(busy) => Doubt::Store(StoreError::Unavailable(busy.to_string())),
            LoginError::Store(error) => Doubt::Store(error),
        })
    }

    /// Whether a factor that is set up now is the first that this session shows. Any other proves nothing: who has the session could
    /// set one up of their own.
    pub fn lacks_any(&self) -> bool {
        !self.has_factor && self.proof.is_none()
    }

    /// Whether they have just shown a factor that is no passkey.
    pub fn has_shown_code(&self) -> bool {
        self.proof.is_some_and(|proof| proof.by != Factor::Passkey && is_recent(proof.at))
    }
}

fn is_recent(at: i64) -> bool {
    clock::unix_seconds().saturating_sub(at) < RECENT
}

#[cfg(test)]
mod tests {
    use super::{Lacks, RECENT, Standing};
    use crate::clock;
    use crate::directory::{Factor, FactorProof};

    #[test]
    fn a_factor_is_shown_lately_and_without_a_password_the_login_is_recent() {
        let now = clock::unix_seconds();
        let standing = |has_factor, has_password, shown: Option<i64>, began| Standing {
            has_password,
            has_factor,
            by_password: has_password,
            proof: shown.map(|ago| FactorProof { at: now - ago, by: Factor::App }),
            began: now - began,
        };
        for (factor, password, shown, began, lacks) in [
            (false, true, None, 9_000, None),
            (false, false, None, 1, None),
            (false, false, None, RECENT, Some(Lacks::Login)),
            (false, false, Some(1), RECENT, None),
            (true, true, None, 1, Some(Lacks::Proof)),
            (true, true, Some(RECENT), 1, Some(Lacks::Proof)),
            (true, false, Some(RECENT), 1, Some(Lacks::Proof)),
            (true, true, Some(1), 9_000, None),
            (true, false, Some(1), 9_000, None),
        ] {
            let standing = standing(factor, password, shown, began);
            assert_eq!(standing.lacks(), lacks, "{factor} {password} {shown:?} {began}");
            assert_eq!(standing.lacks_any(), !factor && shown.is_none());
        }
    }
}
