//! Sesame tokens, both versions, as django-sesame makes and reads them: a link that logs somebody in.
//!
//! A token names its user and proves, by a MAC under a key that is derived of Django's `SECRET_KEY`, that nothing has changed since that
//! should end it: the password, perhaps the e-mail address or the last login. So the token is read first, then the store is asked
//! what it rests on, then it is verified. What it rests on goes no further than here.

pub mod mint;
pub mod primary_key;

use blake2::Blake2bVarCore;
use blake2::digest::block_api::{Buffer, UpdateCore, VariableOutputCore};
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use primary_key::{KeyType, PrimaryKey};
use sha1::{Digest, Sha1};
use std::fmt;
use std::time::Duration;
use subtle::ConstantTimeEq;

/// The second from which version 2 counts: 2020-01-01.
const EPOCH: i64 = 1_577_836_800;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A version of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HMAC-SHA1 over a PBKDF2 of what it rests on.
    V1,
    /// BLAKE2b, with scopes.
    V2,
}

/// Django's settings, by their names without `SESAME_`.
#[derive(Clone)]
pub struct Settings {
    pub secret_keys: Vec<String>,
    pub key: String,
    /// Whole seconds.
    pub max_age: Option<i64>,
    /// A login ends the token.
    pub one_time: bool,
    /// A new password ends the token.
    pub invalidate_on_password_change: bool,
    /// A new e-mail address ends the token.
    pub invalidate_on_email_change: bool,
    /// The dotted path of a packer of one's own: it is part of the key.
    pub packer: Option<String>,
    /// The name of the field: it is part of the key.
    pub primary_key_field: String,
    /// The type of the field.
    pub key_type: KeyType,
    /// Bytes of version 2's signature, from 1 to 64.
    pub signature_size: usize,
    /// Version 1.
    pub salt: String,
    /// Version 1.
    pub iterations: u32,
    /// The versions that are taken, in this order; the first makes new ones.
    pub versions: Vec<Version>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("max_age", &self.max_age)
            .field("versions", &self.versions)
            .finish_non_exhaustive()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            secret_keys: Vec::new(),
            key: String::new(),
            max_age: None,
            one_time: false,
            invalidate_on_password_change: true,
            invalidate_on_email_change: false,
            packer: None,
            primary_key_field: "pk".to_owned(),
            key_type: KeyType::Uuid,
            signature_size: 10,
            salt: "sesame".to_owned(),
            iterations: 10_000,
            versions: vec![Version::V2, Version::V1],
        }
    }
}

/// What a token rests on, as it is kept.
#[derive(Clone, Copy)]
pub struct Person<'p> {
    /// The password's hash, where there is one: one that stands for no password is one.
    pub password: Option<&'p str>,
    /// The e-mail address, where there is one.
    pub email: Option<&'p str>,
    /// The last login, as Python's `isoformat()` writes it.
    pub last_login: Option<&'p str>,
}

/// Django's settings, and the keys that are derived of them.
pub struct Sesame {
    settings: Settings,
    signing_keys: Vec<[u8; 64]>,
    signer_keys: Vec<[u8; 20]>,
}

impl fmt::Debug for Sesame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}

/// A token that was read and is not verified yet.
pub struct Opened {
    pub version: Version,
    /// Whose it says that it is.
    pub primary_key: PrimaryKey,
    /// When it was made: seconds since the Unix epoch; `None` where tokens have no age.
    pub made: Option<i64>,
    /// Version 2: what the signature is of, before what it rests on. Version 1: what it rests on, in digest.
    body: Vec<u8>,
    signature: Vec<u8>,
}

impl Sesame {
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let signing = |secret: &String| {
            let age = if settings.max_age.is_some() { "max_age" } else { "" };
            let packer = settings.packer.as_deref().unwrap_or_default();
            let text = [secret.as_str(), &settings.key, age, packer, &settings.primary_key_field].join("|");
            let mut key = [0; 64];
            key.copy_from_slice(&blake2b(&[], b"sesame.settings", 64, &[text.as_bytes()]));
            key
        };
        let signer = |secret: &String| {
            // A salt of no characters is none to Django's signer, which takes the name of its class then.
            let salt = match (settings.salt.as_str(), settings.max_age) {
                ("", Some(_)) => "django.core.signing.TimestampSigner",
                ("", None) => "django.core.signing.Signer",
                (salt, _) => salt,
            };
            let digest = Sha1::digest(format!("{salt}signer{secret}").as_bytes());
            digest.into()
        };
        let signing_keys = settings.secret_keys.iter().map(signing).collect();
        let signer_keys = settings.secret_keys.iter().map(signer).collect();
        Self { signing_keys, signer_keys, settings }
    }

    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Reads a token: the first version whose form the whole of it has decides. Whatever is wrong, it is nobody's.
    #[must_use]
    pub fn open(&self, token: &str) -> Option<Opened> {
        let version = self.settings.versions.iter().find(|version| match version {
            Version::V2 => token.len() >= 4 && is_base64(token),
            Version::V1 => self.is_version_1(token),
        })?;
        match version {
            Version::V2 => self.open_2(token),
            Version::V1 => self.open_1(token),
        }
    }

    fn is_version_1(&self, token: &str) -> bool {
        let parts: Vec<&str> = token.split(':').collect();
        let (data, signature) = match (parts.as_slice(), self.settings.max_age) {
            ([data, signature], None) => (data, signature),
            ([data, time, signature], Some(_))
                if time.len() == 6 && time.bytes().all(|b| b.is_ascii_alphanumeric()) =>
            {
                (data, signature)
            }
            _ => return false,
        };
        data.len() >= 4 && is_base64(data) && signature.len() == 27 && is_base64(signature)
    }

    fn open_2(&self, token: &str) -> Option<Opened> {
        let bytes = decode(token)?;
        let (primary_key, rest) = self.settings.key_type.unpack(&bytes)?;
        let (made, signature) = match self.settings.max_age {
            None => (None, rest),
            Some(_) => {
                let (time, signature) = rest.split_first_chunk::<4>()?;
                (Some(i64::from(i32::from_be_bytes(*time)) + EPOCH), signature)
            }
        };
        if signature.len() != self.settings.signature_size {
            return None;
        }
        let body = bytes.get(..bytes.len() - signature.len())?.to_vec();
        Some(Opened { version: Version::V2, primary_key, made, body, signature: signature.to_vec() })
    }

    fn open_1(&self, token: &str) -> Option<Opened> {
        let (message, signature) = token.rsplit_once(':')?;
        // Compared as text: unused bits of the last character count.
        let is_ours = |key: &[u8; 20]| {
            let signed = Hmac::<Sha1>::new_from_slice(key).ok().map(|mac| mac.chain_update(message.as_bytes()));
            let ours = signed.map(|mac| BASE64URL_NOPAD.encode(&mac.finalize().into_bytes()));
            ours.is_some_and(|ours| bool::from(ours.as_bytes().ct_eq(signature.as_bytes())))
        };
        if !self.signer_keys.iter().any(is_ours) {
            return None;
        }
        let (data, made) = match self.settings.max_age {
            None => (message, None),
            Some(_) => {
                let (data, time) = message.split_once(':')?;
                (data, Some(from_base_62(time)?))
            }
        };
        let bytes = decode(data)?;
        let (primary_key, rest) = self.settings.key_type.unpack(&bytes)?;
        Some(Opened { version: Version::V1, primary_key, made, body: rest.to_vec(), signature: Vec::new() })
    }

    /// Whether an opened token is not too old. A limit other than the settings' may be given; it counts where tokens have an
    /// age at all.
    #[must_use]
    pub fn is_in_time(&self, token: &Opened, max_age: Option<i64>, now: Duration) -> bool {
        // Version 1 knows one limit alone, and says so by refusing.
        if token.version == Version::V1 && max_age.is_some() {
            return false;
        }
        let (Some(made), Some(limit)) = (token.made, self.settings.max_age) else { return true };
        let limit = max_age.unwrap_or(limit);
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        match token.version {
            Version::V2 => seconds.saturating_sub(made) < limit,
            // The whole of now: half a second more than the limit is too much.
            Version::V1 => {
                let age = seconds.saturating_sub(made);
                age < limit || (age == limit && now.subsec_nanos() == 0)
            }
        }
    }

    /// Whether an opened token is of this person, who is the one that it names, and for this scope. Version 1 takes its time:
    /// keep it off threads that have something else to do.
    #[must_use]
    pub fn is_of(&self, token: &Opened, person: Person<'_>, scope: &str) -> bool {
        match token.version {
            Version::V2 => self.signing_keys.iter().any(|key| {
                let ours = self.signature(key, &token.body, person, scope);
                ours.is_some_and(|ours| bool::from(ours.ct_eq(&token.signature)))
            }),
            Version::V1 => {
                let ours = self.digest_1(person).filter(|_| scope.is_empty());
                ours.is_some_and(|ours| bool::from(ours.ct_eq(&token.body)))
            }
        }
    }

    fn signature(&self, key: &[u8; 64], body: &[u8], person: Person<'_>, scope: &str) -> Option<Vec<u8>> {
        let revocation = self.revocation_2(person)?;
        Some(blake2b(
            key,
            b"sesame.tokens_v2",
            self.settings.signature_size,
            &[body, revocation.as_bytes(), scope.as_bytes()],
        ))
    }

    /// What version 2 rests on: of the password, the last part of its hash where its length is known. Where it rests on an address,
    /// whoever has none has no token: the reference adds `None` to a text there, and raises.
    fn revocation_2(&self, person: Person<'_>) -> Option<String> {
        let mut text = String::new();
        if let Some(password) = person.password.filter(|_| self.settings.invalidate_on_password_change) {
            let known = match password.split_once('$').map(|(algorithm, _)| algorithm) {
                Some("pbkdf2_sha256") => Some(44),
                Some("pbkdf2_sha1") => Some(28),
                Some("argon2") => Some(22),
                Some("bcrypt_sha256" | "bcrypt") => Some(31),
                Some("sha1") => Some(40),
                Some("md5") => Some(32),
                Some("crypt") => Some(11),
                _ => None,
            };
            let from = known.and_then(|known| password.char_indices().rev().nth(known - 1)).map_or(0, |(at, _)| at);
            text.push_str(password.get(from..).unwrap_or_default());
        }
        if self.settings.invalidate_on_email_change {
            text.push_str(person.email?);
        }
        if self.settings.one_time {
            text.push_str(person.last_login.unwrap_or_default());
        }
        Some(text)
    }

    /// What version 1 rests on, in digest; of the password too, the reference needs one.
    fn digest_1(&self, person: Person<'_>) -> Option<[u8; 16]> {
        let mut text = String::new();
        if self.settings.invalidate_on_password_change {
            text.push_str(person.password?);
        }
        if self.settings.invalidate_on_email_change {
            text.push_str(person.email?);
        }
        if self.settings.one_time {
            // As Python's `str()` writes it.
            text.push_str(&person.last_login.map_or_else(|| "None".to_owned(), |time| time.replacen('T', " ", 1)));
        }
        let mut digest = [0; 16];
        pbkdf2::pbkdf2_hmac::<Md5>(
            text.as_bytes(),
            self.settings.salt.as_bytes(),
            self.settings.iterations,
            &mut digest,
        );
        Some(digest)
    }

    /// Makes a token of the first version. `made` is in seconds since the Unix epoch; `None` where the key is none of the
    /// settings' type, the version does not know scopes, or the person has not what it would rest on.
    #[must_use]
    pub fn mint(&self, key: &PrimaryKey, person: Person<'_>, scope: &str, made: i64) -> Option<String> {
        let mut body = self.settings.key_type.pack(key)?;
        match self.settings.versions.first()? {
            Version::V2 => {
                if self.settings.max_age.is_some() {
                    body.extend(i32::try_from(made - EPOCH).ok()?.to_be_bytes());
                }
                let signature = self.signature(self.signing_keys.first()?, &body, person, scope)?;
                body.extend(signature);
                Some(BASE64URL_NOPAD.encode(&body))
            }
            Version::V1 if scope.is_empty() => {
                body.extend(self.digest_1(person)?);
                let mut message = BASE64URL_NOPAD.encode(&body);
                if self.settings.max_age.is_some() {
                    message.push(':');
                    message.push_str(&base_62(made)?);
                }
                let mac =
                    Hmac::<Sha1>::new_from_slice(self.signer_keys.first()?).ok()?.chain_update(message.as_bytes());
                let signature = BASE64URL_NOPAD.encode(&mac.finalize().into_bytes());
                Some(format!("{message}:{signature}"))
            }
            Version::V1 => None,
        }
    }
}

/// A time as Python's `isoformat()` writes it: UTC, with microseconds only where there are some.
#[must_use]
pub fn isoformat(microseconds: i64) -> String {
    let Ok(time) = jiff::Timestamp::from_microsecond(microseconds) else { return String::new() };
    let form =
        if microseconds.rem_euclid(1_000_000) == 0 { "%Y-%m-%dT%H:%M:%S+00:00" } else { "%Y-%m-%dT%H:%M:%S.%6f+00:00" };
    time.strftime(form).to_string()
}

/// BLAKE2b (RFC 7693) with a key, a personalization and any length, which the crate's ready-made types do not have together.
fn blake2b(key: &[u8], person: &[u8], size: usize, pieces: &[&[u8]]) -> Vec<u8> {
    let mut core = Blake2bVarCore::new_with_params(&[], person, key.len(), size);
    let mut buffer = Buffer::<Blake2bVarCore>::default();
    let mut block = [0; 128];
    if let Some(start) = block.get_mut(..key.len()).filter(|_| !key.is_empty()) {
        start.copy_from_slice(key);
        buffer.digest_blocks(&block, |blocks| core.update_blocks(blocks));
    }
    for piece in pieces {
        buffer.digest_blocks(piece, |blocks| core.update_blocks(blocks));
    }
    let mut out = blake2::digest::Output::<blake2::Blake2b512>::default();
    core.finalize_variable_core(&mut buffer, &mut out);
    out.get(..size).unwrap_or_default().to_vec()
}

fn is_base64(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// Base64url as Python reads it: unused bits of the last character are not looked at.
fn decode(text: &str) -> Option<Vec<u8>> {
    if text.len() % 4 == 1 {
        return None;
    }
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let (mut bits, mut count) = (0_u32, 0);
    for b in text.bytes() {
        let value = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
    }
    Some(out)
}

pub(super) fn from_base_62(text: &str) -> Option<i64> {
    text.bytes().try_fold(0_i64, |number, b| {
        let digit = DIGITS.iter().position(|digit| *digit == b)?;
        number.checked_mul(62)?.checked_add(i64::try_from(digit).ok()?)
    })
}

/// Six digits, as a time of this century has.
fn base_62(mut number: i64) -> Option<String> {
    let mut digits = Vec::new();
    while number > 0 {
        digits.push(*DIGITS.get(usize::try_from(number % 62).ok()?)?);
        number /= 62;
    }
    digits.reverse();
    String::from_utf8(digits).ok()
}

#[cfg(test)]
mod tests;
