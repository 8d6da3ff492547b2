//! Whether the second factor behind a credential was shown as lately as a rule's `mfa` says (step-up authentication: RFC 9470).

use super::matching::Hits;
use super::{Caller, Denial, Reason};
use crate::claims::{ClaimName, Claims};
use std::num::NonZeroU32;
use std::time::Duration;

/// What is known of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecondFactor {
    /// The credential cannot show one: a token, a link.
    #[default]
    Impossible,
    /// It has shown none, and may: a session.
    Missing,
    /// It has shown one so many seconds ago.
    Shown(u32),
    /// Its claims say it, to whom it is this second (Unix).
    Claimed(u32),
}

impl SecondFactor {
    /// How long ago it was shown, where it was. A JWT says it by `auth_time` (OpenID Connect Core 1.0, section 2), where its `amr` lists
    /// `mfa` (RFC 8176).
    fn age(self, claims: Option<&Claims>) -> Option<Duration> {
        match self {
            Self::Shown(age) => Some(Duration::from_secs(age.into())),
            Self::Claimed(now) => {
                let claims = claims?;
                let methods = claims.texts(&ClaimName::of_value("amr"))?;
                let at: i64 = claims.text(&ClaimName::of_value("auth_time"))?.parse().ok()?;
                let age = u64::try_from(i64::from(now).saturating_sub(at)).unwrap_or_default();
                methods.iter().any(|method| method == "mfa").then(|| Duration::from_secs(age))
            }
            Self::Impossible | Self::Missing => None,
        }
    }
}

/// Asks each rule of a request whose caller is known.
///
/// # Errors
/// 401 `second_factor_stale`. 403 `second_factor_required`: the credential cannot show one.
pub(super) fn check(hits: &Hits<'_>, caller: &Caller) -> Result<(), Denial> {
    for hit in hits.iter() {
        let Some(within) = hit.rule.mfa() else { continue };
        match caller.second_factor.age(caller.claims.as_deref()) {
            Some(age) if age <= within => {}
            None if caller.second_factor == SecondFactor::Impossible => {
                return Err(hit.deny(Reason::SecondFactorRequired));
            }
            _ => {
                let max_age = NonZeroU32::new(u32::try_from(within.as_secs()).unwrap_or(u32::MAX));
                return Err(Denial { max_age, ..hit.deny(Reason::SecondFactorStale) });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::SecondFactor;
    use crate::claims::Claims;
    use std::time::Duration;

    #[test]
    fn a_jwt_says_it_with_its_time_and_its_methods() {
        let age = |json: &str| SecondFactor::Claimed(1_000).age(Some(&Claims::new(json)));
        assert_eq!(age(r#"{"auth_time":940,"amr":["pwd","mfa"]}"#), Some(Duration::from_secs(60)));
        assert_eq!(age(r#"{"auth_time":1030,"amr":["mfa"]}"#), Some(Duration::ZERO), "another clock");
        for none in [
            "{}",
            r#"{"auth_time":940}"#,
            r#"{"amr":["mfa"]}"#,
            r#"{"auth_time":940,"amr":["pwd","otp"]}"#,
            r#"{"auth_time":940,"amr":[["mfa"]]}"#,
            r#"{"auth_time":"soon","amr":["mfa"]}"#,
            r#"{"auth_time":9.4e2,"amr":["mfa"]}"#,
            r#"{"auth_time":940,"amr":"MFA"}"#,
        ] {
            assert_eq!(age(none), None, "{none}");
        }
        assert_eq!(SecondFactor::Claimed(1_000).age(None), None);
    }
}
