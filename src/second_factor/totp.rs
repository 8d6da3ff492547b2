//! Codes of an authenticator app (RFC 6238), and those for the day on which it is lost.
//!
//! SHA-1, six digits and 30 seconds are what every app can do; what that hash is weak in (collisions) says nothing about HMAC.

use crate::clock;
use aws_lc_rs::hmac;
use data_encoding::{BASE32_NOPAD, HEXLOWER};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use secrecy::{ExposeSecret, SecretBox};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// Seconds of a step.
const STEP: i64 = 30;
const DIGITS: usize = 6;
/// Recovery codes of a user.
const RECOVERIES: usize = 10;

/// What an app and we share: 160 bits, as RFC 4226 recommends.
pub struct TotpSecret(SecretBox<[u8; 20]>);

impl TotpSecret {
    /// Makes one.
    ///
    /// # Errors
    /// The system has no randomness.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = Box::new([0; 20]);
        getrandom::fill(&mut *bytes)?;
        Ok(Self(SecretBox::new(bytes)))
    }

    /// As it is kept, encrypted.
    #[must_use]
    pub fn text(&self) -> String {
        HEXLOWER.encode(self.0.expose_secret())
    }

    /// Reads that.
    #[must_use]
    pub fn of_text(text: &str) -> Option<Self> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok()?;
        Some(Self(SecretBox::new(Box::new(bytes.try_into().ok()?))))
    }

    /// As somebody types it into an app.
    #[must_use]
    pub fn base32(&self) -> String {
        BASE32_NOPAD.encode(self.0.expose_secret())
    }

    /// As apps take it from a link or a picture.
    #[must_use]
    pub fn uri(&self, site: &str, account: &str) -> String {
        let [site, account] = [site, account].map(|text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string());
        format!("otpauth://totp/{site}:{account}?secret={}&issuer={site}", self.base32())
    }

    fn code(&self, step: i64) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.0.expose_secret());
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let tag = tag.as_ref();
        // RFC 4226, 5.3: four bytes from where the last four bits say.
        let at = usize::from(tag.last().copied().unwrap_or_default() & 15);
        let number = tag.iter().skip(at).take(4).fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        format!("{:06}", (number & 0x7fff_ffff) % 1_000_000)
    }

    /// The step whose code this is: this one, or the one before or after it, for clocks that differ (RFC 6238, 5.2).
    #[must_use]
    pub fn step(&self, code: &str) -> Option<i64> {
        self.step_at(code, clock::unix_seconds())
    }

    fn step_at(&self, code: &str, now: i64) -> Option<i64> {
        let code: String = code.chars().filter(|c| *c != ' ').collect();
        if code.len() != DIGITS || !code.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let now = now.div_euclid(STEP);
        // All are compared: how long it takes tells nothing.
        let found = [now, now - 1, now + 1].map(|step| (step, self.code(step).as_bytes().ct_eq(code.as_bytes())));
        found.into_iter().find(|(_, is_it)| bool::from(*is_it)).map(|(step, _)| step)
    }
}

/// Codes that are good once each, as they are shown this once, and the digests that are kept.
///
/// # Errors
/// The system has no randomness.
pub fn recovery_codes() -> Result<Vec<(String, [u8; 32])>, getrandom::Error> {
    let one = |_| {
        let mut bytes = [0; 10];
        getrandom::fill(&mut bytes)?;
        let text = BASE32_NOPAD.encode(&bytes).to_lowercase();
        let parts: Vec<String> = text.as_bytes().chunks(4).map(|part| String::from_utf8_lossy(part).into()).collect();
        let code = parts.join("-");
        Ok((code.clone(), recovery_digest(&code).unwrap_or_default()))
    };
    (0..RECOVERIES).map(one).collect()
}

/// What is kept of a recovery code; `None` for what is none. Nobody guesses 80 random bits, so it needs no slow hash.
#[must_use]
pub fn recovery_digest(code: &str) -> Option<[u8; 32]> {
    let plain: String = code.chars().filter(|c| !matches!(c, '-' | ' ')).map(|c| c.to_ascii_lowercase()).collect();
    let is_one = plain.len() == 16 && plain.bytes().all(|b| b.is_ascii_lowercase() || (b'2'..=b'7').contains(&b));
    is_one.then(|| Sha256::digest(format!("postern recovery code 1:{plain}")).into())
}

#[cfg(test)]
mod tests {
    use super::{TotpSecret, recovery_codes, recovery_digest};
    use data_encoding::HEXLOWER;

    /// The vectors of RFC 6238, appendix B, of which apps show the last six digits.
    #[test]
    fn codes_are_those_of_the_rfc() {
        let secret = TotpSecret::of_text(&HEXLOWER.encode(b"12345678901234567890")).unwrap();
        for (time, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(secret.code(time / 30), code);
            assert_eq!(secret.step_at(code, time), Some(time / 30));
            assert_eq!(secret.step_at(&format!("{} {}", &code[..3], &code[3..]), time + 30), Some(time / 30));
            assert_eq!(secret.step_at(code, time - 30), Some(time / 30));
            for other in [time + 60, time - 60] {
                assert_eq!(secret.step_at(code, other), None);
            }
        }
        for code in ["", "28708", "2870822", "28708a", "+28708", "２８７０８２"] {
            assert_eq!(secret.step_at(code, 59), None, "{code}");
        }
        assert_eq!(secret.base32(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert!(secret.uri("a b", "x@y").starts_with("otpauth://totp/a%20b:x%40y?secret=GEZDGN"));
    }

    #[test]
    fn a_recovery_code_is_known_however_it_is_typed() {
        let codes = recovery_codes().unwrap();
        assert_eq!(codes.len(), 10);
        for (code, digest) in &codes {
            assert_eq!(code.len(), 19);
            assert_eq!(recovery_digest(&code.to_uppercase().replace('-', " ")), Some(*digest));
        }
        assert_ne!(codes[0].1, codes[1].1);
        assert_eq!(recovery_digest("123456"), None);
        assert_eq!(recovery_digest(""), None);
    }
}
