//! The forms in which Django keeps passwords, read and computed.
//!
//! A text is compared as Django compares it: the whole of it is computed again from the password and must be the same.
//! So numbers have one spelling, and whatever Django would trip over is no password. Cost is bounded here, once: a row
//! that somebody prepared must not occupy a thread for hours.

use super::{Algorithm, HashError};
use argon2::{Argon2, Params, Version};
use data_encoding::{BASE64, BASE64_NOPAD, HEXLOWER};
use md5::{Digest, Md5};
use sha2::Sha256;
use std::num::NonZeroU32;
use subtle::ConstantTimeEq;

/// PBKDF2: some seconds of one thread.
pub(super) const MAX_ITERATIONS: u32 = 10_000_000;
/// Argon2 and scrypt: KiB of memory; Django's own default takes 100 MiB.
const MAX_MEMORY: u32 = 256 * 1024;
/// Argon2 and scrypt: KiB that are written in all.
const MAX_WRITTEN: u64 = 2 * 1024 * 1024;
/// bcrypt: two to this power; Django's default is 12.
const MAX_COST: u32 = 15;
/// Longer salts and results are nobody's.
const MAX_FIELD: usize = 512;
/// Letters of a new salt: more than 128 bits, as in Django.
const SALT: usize = 22;
/// Bits of a letter of Django's salts (62 letters): salts of less than 128 bits are outdated.
const STRONG_SALT: usize = 22;

pub(super) fn argon2_bounded(memory: u32, passes: u32, lanes: u32) -> bool {
    (1..=64).contains(&lanes)
        && passes >= 1
        && (8 * lanes..=MAX_MEMORY).contains(&memory)
        && u64::from(memory) * u64::from(passes) <= MAX_WRITTEN
}

/// What the cost of comparing depends on: the algorithm and its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind(&'static str, [u32; 3]);

/// A stored password that can be compared with one.
pub(super) enum Stored<'s> {
    Pbkdf2 { sha1: bool, iterations: u32, salt: &'s str, hash: &'s str },
    Argon2 { algorithm: argon2::Algorithm, version: Version, params: Params, salt: Vec<u8>, hash: Vec<u8> },
    Bcrypt { sha256: bool, hash: &'s str },
    Scrypt { params: scrypt::Params, salt: &'s str, hash: &'s str },
    Md5 { salt: &'s str, hash: &'s str },
}

impl<'s> Stored<'s> {
    /// `None`: no password matches this text.
    pub(super) fn parse(text: &'s str) -> Option<Self> {
        let (algorithm, rest) = text.split_once('$')?;
        match algorithm {
            "pbkdf2_sha256" => Self::pbkdf2(rest, false),
            "pbkdf2_sha1" => Self::pbkdf2(rest, true),
            "argon2" => Self::argon2(rest),
            "bcrypt" => Self::bcrypt(rest, false),
            "bcrypt_sha256" => Self::bcrypt(rest, true),
            "scrypt" => Self::scrypt(rest),
            "md5" => {
                let (salt, hash) = rest.split_once('$')?;
                filled(salt).then_some(Self::Md5 { salt, hash })
            }
            _ => None,
        }
    }

    fn pbkdf2(rest: &'s str, sha1: bool) -> Option<Self> {
        let mut fields = rest.splitn(3, '$');
        let (iterations, salt, hash) = (number(fields.next()?)?, fields.next()?, fields.next()?);
        let fits = (1..=MAX_ITERATIONS).contains(&iterations) && filled(salt);
        fits.then_some(Self::Pbkdf2 { sha1, iterations, salt, hash })
    }

    /// The PHC form, `argon2id$v=19$m=…,t=…,p=…$salt$hash`; before version 1.3 there was no `v`.
    fn argon2(rest: &'s str) -> Option<Self> {
        let mut fields = rest.split('$');
        let algorithm = match fields.next()? {
            "argon2id" => argon2::Algorithm::Argon2id,
            "argon2i" => argon2::Algorithm::Argon2i,
            "argon2d" => argon2::Algorithm::Argon2d,
            _ => return None,
        };
        let mut field = fields.next()?;
        let version = match field.strip_prefix("v=") {
            Some("19") => Version::V0x13,
            Some("16") | None => Version::V0x10,
            Some(_) => return None,
        };
        if field.starts_with("v=") {
            field = fields.next()?;
        }
        let mut costs = field.split(',');
        let mut cost = |name: &str| number(costs.next()?.strip_prefix(name)?);
        let (memory, passes, lanes) = (cost("m=")?, cost("t=")?, cost("p=")?);
        if costs.next().is_some() || !argon2_bounded(memory, passes, lanes) {
            return None;
        }
        let bytes = |text: &str| BASE64_NOPAD.decode(text.as_bytes()).ok().filter(|bytes| bytes.len() <= MAX_FIELD);
        let (salt, hash) = (bytes(fields.next()?)?, bytes(fields.next()?)?);
        let params = Params::new(memory, passes, lanes, Some(hash.len())).ok()?;
        let fits = fields.next().is_none() && salt.len() >= 8;
        fits.then_some(Self::Argon2 { algorithm, version, params, salt, hash })
    }

    /// `$2b$12$` and 53 characters.
    fn bcrypt(hash: &'s str, sha256: bool) -> Option<Self> {
        let parts: bcrypt::HashParts = hash.parse().ok()?;
        let known = ["$2a$", "$2b$", "$2y$"].iter().any(|prefix| hash.starts_with(prefix));
        (known && (4..=MAX_COST).contains(&parts.get_cost())).then_some(Self::Bcrypt { sha256, hash })
    }

    fn scrypt(rest: &'s str) -> Option<Self> {
        let mut fields = rest.split('$');
        let (n, salt, r, p) =
            (number(fields.next()?)?, fields.next()?, number(fields.next()?)?, number(fields.next()?)?);
        let hash = fields.next()?;
        if fields.next().is_some() || !filled(salt) || !n.is_power_of_two() || n < 2 || r == 0 || p == 0 {
            return None;
        }
        // 128 r N bytes of memory, filled and read p times.
        let memory = u64::from(n) * u64::from(r) / 8;
        if memory > u64::from(MAX_MEMORY) || r > 64 || p > 64 || memory * u64::from(p) > MAX_WRITTEN {
            return None;
        }
        let params = scrypt::Params::new(u8::try_from(n.trailing_zeros()).ok()?, r, p).ok()?;
        Some(Self::Scrypt { params, salt, hash })
    }

    pub(super) fn matches(&self, password: &str) -> bool {
        match self {
            Self::Pbkdf2 { sha1: false, iterations, salt, hash } => {
                same(&pbkdf2_sha256(password, salt, *iterations), hash)
            }
            Self::Pbkdf2 { sha1: true, iterations, salt, hash } => {
                let mut key = [0; 20];
                stretch(aws_lc_rs::pbkdf2::PBKDF2_HMAC_SHA1, password, salt, *iterations, &mut key);
                same(&BASE64.encode(&key), hash)
            }
            Self::Argon2 { algorithm, version, params, salt, hash } => {
                let mut key = vec![0; hash.len()];
                let argon2 = Argon2::new(*algorithm, *version, params.clone());
                argon2.hash_password_into(password.as_bytes(), salt, &mut key).is_ok() && bool::from(key.ct_eq(hash))
            }
            Self::Bcrypt { sha256: true, hash } => {
                let digest = HEXLOWER.encode(&Sha256::digest(password.as_bytes()));
                bcrypt::verify(digest, hash).unwrap_or(false)
            }
            // Django's bcrypt refuses longer passwords; older ones cut them, so that two passwords would be one.
            Self::Bcrypt { sha256: false, hash } => {
                password.len() <= 72 && bcrypt::verify(password, hash).unwrap_or(false)
            }
            Self::Scrypt { params, salt, hash } => {
                let mut key = [0; 64];
                let done = scrypt::scrypt(password.as_bytes(), salt.as_bytes(), params, &mut key);
                done.is_ok() && same(&BASE64.encode(&key), hash)
            }
            Self::Md5 { salt, hash } => {
                let digest = Md5::new().chain_update(salt.as_bytes()).chain_update(password.as_bytes()).finalize();
                same(&HEXLOWER.encode(&digest), hash)
            }
        }
    }

    /// Its kind: two texts of one kind cost the same.
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Pbkdf2 { sha1: false, iterations, .. } => Kind("pbkdf2_sha256", [*iterations, 0, 0]),
            Self::Pbkdf2 { sha1: true, iterations, .. } => Kind("pbkdf2_sha1", [*iterations, 0, 0]),
            Self::Argon2 { params, .. } => Kind("argon2", [params.m_cost(), params.t_cost(), params.p_cost()]),
            Self::Bcrypt { .. } => Kind("bcrypt", [self.bcrypt_cost(), 0, 0]),
            Self::Scrypt { params, .. } => Kind("scrypt", [u32::from(params.log_n()), params.r(), params.p()]),
            Self::Md5 { .. } => Kind("md5", [1, 0, 0]),
        }
    }

    /// What comparing takes: rounds, or KiB that are written.
    pub(super) fn work(&self) -> u64 {
        let Kind(_, [a, b, c]) = self.kind();
        let (a, b, c) = (u64::from(a), u64::from(b), u64::from(c));
        match self {
            Self::Pbkdf2 { .. } | Self::Md5 { .. } => a,
            Self::Argon2 { .. } => a * b,
            Self::Bcrypt { .. } => 1 << a,
            Self::Scrypt { .. } => ((1 << a) * b * c) / 8,
        }
    }

    fn bcrypt_cost(&self) -> u32 {
        match self {
            Self::Bcrypt { hash, .. } => hash.parse::<bcrypt::HashParts>().map_or(0, |parts| parts.get_cost()),
            _ => 0,
        }
    }

    /// Whether it would be written otherwise today: by another algorithm, at another cost, with a weak salt.
    pub(super) fn is_outdated(&self, today: Algorithm) -> bool {
        match (self, today) {
            (Self::Pbkdf2 { sha1: false, iterations, salt, .. }, Algorithm::Pbkdf2Sha256 { iterations: wanted }) => {
                *iterations != wanted || salt.chars().count() < STRONG_SALT
            }
            (
                Self::Argon2 { algorithm: argon2::Algorithm::Argon2id, version: Version::V0x13, params, salt, hash },
                Algorithm::Argon2id { memory, passes, lanes },
            ) => {
                (params.m_cost(), params.t_cost(), params.p_cost()) != (memory, passes, lanes)
                    || salt.len() < 16
                    || hash.len() != 32
            }
            _ => true,
        }
    }
}

pub(super) fn encode(algorithm: Algorithm, password: &str) -> Result<String, HashError> {
    let salt = new_salt()?;
    match algorithm {
        Algorithm::Pbkdf2Sha256 { iterations } => {
            let hash = pbkdf2_sha256(password, &salt, iterations);
            Ok(format!("pbkdf2_sha256${iterations}${salt}${hash}"))
        }
        Algorithm::Argon2id { memory, passes, lanes } => {
            let params = Params::new(memory, passes, lanes, Some(32)).map_err(|_| HashError::Cost)?;
            let mut key = [0; 32];
            let argon2 = Argon2::new(argon2::Algorithm::Argon2id, Version::V0x13, params);
            argon2.hash_password_into(password.as_bytes(), salt.as_bytes(), &mut key).map_err(|_| HashError::Cost)?;
            let (salt, hash) = (BASE64_NOPAD.encode(salt.as_bytes()), BASE64_NOPAD.encode(&key));
            Ok(format!("argon2$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${hash}"))
        }
    }
}

fn pbkdf2_sha256(password: &str, salt: &str, iterations: u32) -> String {
    let mut key = [0; 32];
    stretch(aws_lc_rs::pbkdf2::PBKDF2_HMAC_SHA256, password, salt, iterations, &mut key);
    BASE64.encode(&key)
}

/// PBKDF2, of which there are a million rounds: aws-lc's is quick, and as quick in a debug build.
fn stretch(algorithm: aws_lc_rs::pbkdf2::Algorithm, password: &str, salt: &str, iterations: u32, key: &mut [u8]) {
    // No stored text and no configuration has 0.
    let iterations = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
    aws_lc_rs::pbkdf2::derive(algorithm, iterations, salt.as_bytes(), password.as_bytes(), key);
}

/// Letters and digits, as Django's salts are.
fn new_salt() -> Result<String, HashError> {
    const LETTERS: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let mut salt = String::with_capacity(SALT);
    while salt.len() < SALT {
        let mut random = [0_u8; 32];
        getrandom::fill(&mut random)?;
        // 248 = 4 × 62: bytes above would make the first letters likelier than the last.
        let letters = random.iter().filter(|b| **b < 248).filter_map(|b| LETTERS.get(usize::from(*b % 62)));
        salt.extend(letters.map(|b| char::from(*b)).take(SALT - salt.len()));
    }
    Ok(salt)
}

/// A number in its one spelling, since Django compares the text that it would have written.
fn number(text: &str) -> Option<u32> {
    let digits = (1..=10).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    digits.then(|| text.parse().ok()).flatten()
}

fn filled(salt: &str) -> bool {
    (1..=MAX_FIELD).contains(&salt.len())
}

fn same(computed: &str, stored: &str) -> bool {
    computed.as_bytes().ct_eq(stored.as_bytes()).into()
}
