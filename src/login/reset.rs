//! Tokens of the links with which people choose a new password, in Django's form, as allauth makes it.
//!
//! A token is a time and a MAC over it and over what a new password, a login or another e-mail address changes; so it is good
//! once, and nothing is kept of it. The key is derived of a secret: with Django's `SECRET_KEY` the links of an old installation
//! go on working, and ours work there. Times are Django's too: it writes its local time, we write UTC.

use crate::id::UserId;
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// Part of the key of links to another password (`key_salt` in Django).
const SALT: &str = "django.contrib.auth.tokens.PasswordResetTokenGenerator";
/// The second from which tokens count: 2001-01-01.
const EPOCH: i64 = 978_307_200;
/// Longest time that Django reads, in digits.
const LONGEST_TIME: usize = 13;

/// What a token rests on, as it is kept.
#[derive(Clone, Copy)]
pub struct Subject<'p> {
    pub user: UserId,
    pub password: &'p str,
    /// The last login: microseconds since the Unix epoch.
    pub last_login: Option<i64>,
    /// The e-mail address that logs in; perhaps empty.
    pub email: &'p str,
    /// All of the user's addresses.
    pub emails: &'p [String],
}

/// Makes tokens and knows them.
pub struct Resets {
    keys: Vec<SecretBox<[u8; 32]>>,
    lifetime: Duration,
}

impl fmt::Debug for Resets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resets").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

impl Resets {
    /// Tokens under these secrets, the first of which makes new ones.
    #[must_use]
    pub fn new(secrets: &[SecretString], lifetime: Duration) -> Self {
        Self::of(SALT, secrets, lifetime)
    }

    /// The same for another purpose: what is good for one is good for no other.
    #[must_use]
    pub fn of(purpose: &str, secrets: &[SecretString], lifetime: Duration) -> Self {
        let key = |secret: &SecretString| {
            let digest = Sha256::new().chain_update(purpose).chain_update(secret.expose_secret()).finalize();
            SecretBox::new(Box::new(digest.into()))
        };
        Self { keys: secrets.iter().map(key).collect(), lifetime }
    }

    /// A new token, made at `now` (seconds since the Unix epoch); `None` without a secret.
    #[must_use]
    pub fn make(&self, subject: Subject<'_>, now: i64) -> Option<String> {
        let made = u64::try_from(now.checked_sub(EPOCH)?).ok()?;
        Some(token(self.keys.first()?.expose_secret(), subject, made))
    }

    /// Whether this is a token of theirs, and not too old at `now`.
    #[must_use]
    pub fn is_good(&self, text: &str, subject: Subject<'_>, now: i64) -> bool {
        let Some(made) = made(text) else { return false };
        // The whole text is made again: a time has one spelling.
        let is_ours = |key: &SecretBox<[u8; 32]>| {
            bool::from(token(key.expose_secret(), subject, made).as_bytes().ct_eq(text.as_bytes()))
        };
        let age = now.saturating_sub(EPOCH).saturating_sub_unsigned(made);
        self.keys.iter().any(is_ours) && age <= i64::try_from(self.lifetime.as_secs()).unwrap_or(i64::MAX)
    }
}

/// When a token says that it was made.
fn made(text: &str) -> Option<u64> {
    let (time, mac) = text.split_once('-')?;
    let fits = (1..=LONGEST_TIME).contains(&time.len()) && time.bytes().all(|b| b.is_ascii_alphanumeric());
    (fits && mac.len() == 32).then(|| u64::from_str_radix(time, 36).ok()).flatten()
}

fn token(key: &[u8; 32], subject: Subject<'_>, made: u64) -> String {
    // Among all of them, allauth has the one that logs in in lower case.
    let email = subject.email.to_lowercase();
    let addresses: BTreeSet<&str> = subject.emails.iter().chain([&email]).map(String::as_str).collect();
    let addresses = addresses.into_iter().filter(|address| !address.is_empty());
    let addresses = addresses.collect::<Vec<_>>().join("|");
    let last_login = subject.last_login.map(second).unwrap_or_default();
    let message = format!("{}{}{last_login}{made}{}{addresses}", subject.user, subject.password, subject.email);
    // HMAC takes a key of any length, so the error cannot be; nobody's token is empty.
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    let mac = HEXLOWER.encode(&mac.chain_update(message).finalize().into_bytes());
    format!("{}-{}", base_36(made), mac.chars().step_by(2).collect::<String>())
}

/// A time as Python's `str()` writes it, without what is finer than a second.
fn second(microseconds: i64) -> String {
    let time = jiff::Timestamp::from_second(microseconds.div_euclid(1_000_000)).unwrap_or_default();
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn base_36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        let digit = u32::try_from(number % 36).unwrap_or_default();
        digits.extend(char::from_digit(digit, 36));
        number /= 36;
        if number == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Resets, Subject, base_36};
    use proptest::prelude::*;
    use std::time::Duration;

    const NOW: i64 = 1_767_225_600;

    fn subject<'p>(emails: &'p [String]) -> Subject<'p> {
        Subject {
            user: crate::id::UserId("5c1a5d0e-9a5e-5f3a-8a63-0a1b2c3d4e5f".parse().unwrap()),
            password: "pbkdf2_sha256$1$salt$hash",
            last_login: Some(1_735_689_599_123_456),
            email: "ann@example.org",
            emails,
        }
    }

    fn resets(secrets: &[&str]) -> Resets {
        let secrets: Vec<_> = secrets.iter().map(|secret| (*secret).into()).collect();
        Resets::new(&secrets, Duration::from_secs(3600))
    }

    #[test]
    fn a_token_is_good_for_whom_and_as_long_as_it_was_made() {
        let (ours, emails) = (resets(&["new", "old"]), ["zoe@example.org".to_owned()]);
        let ann = subject(&emails);
        let token = ours.make(ann, NOW).unwrap();
        assert!(ours.is_good(&token, ann, NOW) && ours.is_good(&token, ann, NOW + 3600));
        assert!(!ours.is_good(&token, ann, NOW + 3601), "too old");
        assert!(resets(&["other", "new"]).is_good(&token, ann, NOW), "a key that was");
        assert!(!resets(&["other"]).is_good(&token, ann, NOW) && !resets(&[]).is_good(&token, ann, NOW));
        for other in [
            Subject { user: crate::id::UserId::generate(), ..ann },
            Subject { password: "another", ..ann },
            Subject { last_login: None, ..ann },
            Subject { last_login: Some(1_735_689_600_000_000), ..ann },
            Subject { email: "ann@example.com", ..ann },
            Subject { emails: &[], ..ann },
        ] {
            assert!(!ours.is_good(&token, other, NOW));
        }
        // Parts of a second are not Django's to look at, and an address that is there twice is one.
        let twice = ["ann@example.org".to_owned(), "zoe@example.org".to_owned()];
        let same = Subject { last_login: Some(1_735_689_599_000_000), emails: &twice, ..ann };
        assert!(ours.is_good(&token, same, NOW));
    }

    #[test]
    fn a_token_has_one_spelling() {
        let ours = resets(&["secret"]);
        let token = ours.make(subject(&[]), NOW).unwrap();
        let (time, mac) = token.split_once('-').unwrap();
        for text in [
            String::new(),
            "-".to_owned(),
            time.to_owned(),
            format!("{token}-"),
            format!("0{token}"),
            format!(" {token}"),
            token.to_uppercase(),
            format!("{time}-{}", &mac[1..]),
            format!("zzzzzzzzzzzzzz-{mac}"),
            format!("+{time}-{mac}"),
        ] {
            assert!(!ours.is_good(&text, subject(&[]), NOW), "{text}");
        }
        assert_eq!((base_36(0), base_36(35), base_36(36)), ("0".to_owned(), "z".to_owned(), "10".to_owned()));
        assert!(!format!("{ours:?}").contains("secret"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_stumble(text in "\\PC{0,20}-?[0-9a-f]{0,40}", now in any::<i64>()) {
            prop_assert!(!resets(&["secret"]).is_good(&text, subject(&[]), now));
        }
    }
}
