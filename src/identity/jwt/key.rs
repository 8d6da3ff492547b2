//! Keys that verify signatures, each parsed once and pinned to the algorithms that it was published for.
//!
//! An algorithm belongs to a key, never to a token: an RSA key has no HMAC, so nobody signs with what is public (RFC 8725, 3.1).

use super::fetch::MAX_SIZE;
use crate::fact_cache::KeyGeneration;
use aws_lc_rs::hmac;
use aws_lc_rs::rsa::PublicEncryptingKey;
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Shortest HMAC secret, in bytes (RFC 7518, 3.2: as long as the hash; 32 for the shortest of them).
pub const MIN_SECRET: usize = 32;

macro_rules! algorithms {
    ($($name:ident),*) => {
        /// A signature algorithm of RFC 7518 or RFC 8037. `none` is not one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Algorithm {
            $(
                #[doc = concat!("`", stringify!($name), "`")]
                $name,
            )*
        }

        impl Algorithm {
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its name in headers and keys.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }
        }
    };
}

algorithms!(HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA);

/// What a key is, whatever it is used with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Secret,
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
}

impl Algorithm {
    /// Reads its name, as it is spelt. `Ed25519` is the one curve of `EdDSA` that is read here (RFC 9864, 2.2).
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        if name == "Ed25519" {
            return Some(Self::EdDSA);
        }
        Self::ALL.iter().copied().find(|algorithm| algorithm.as_str() == name)
    }

    /// Every name of every one of them.
    pub fn names() -> impl Iterator<Item = &'static str> + Clone {
        Self::ALL.iter().map(|algorithm| algorithm.as_str()).chain(["Ed25519"])
    }

    /// Whether whoever verifies could sign too.
    #[must_use]
    pub const fn is_symmetric(self) -> bool {
        matches!(self, Self::HS256 | Self::HS384 | Self::HS512)
    }

    const fn family(self) -> Family {
        match self {
            Self::HS256 | Self::HS384 | Self::HS512 => Family::Secret,
            Self::RS256 | Self::RS384 | Self::RS512 | Self::PS256 | Self::PS384 | Self::PS512 => Family::Rsa,
            Self::ES256 => Family::P256,
            Self::ES384 => Family::P384,
            Self::ES512 => Family::P521,
            Self::EdDSA => Family::Ed25519,
        }
    }

    fn rsa(self) -> Option<&'static signature::RsaParameters> {
        Some(match self {
            Self::RS256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Self::RS384 => &signature::RSA_PKCS1_2048_8192_SHA384,
            Self::RS512 => &signature::RSA_PKCS1_2048_8192_SHA512,
            Self::PS256 => &signature::RSA_PSS_2048_8192_SHA256,
            Self::PS384 => &signature::RSA_PSS_2048_8192_SHA384,
            Self::PS512 => &signature::RSA_PSS_2048_8192_SHA512,
            _ => return None,
        })
    }

    fn hmac(self) -> Option<hmac::Algorithm> {
        Some(match self {
            Self::HS256 => hmac::HMAC_SHA256,
            Self::HS384 => hmac::HMAC_SHA384,
            Self::HS512 => hmac::HMAC_SHA512,
            _ => return None,
        })
    }

    /// Parses a public key of this algorithm, as a point or as SubjectPublicKeyInfo.
    fn public(self, bytes: &[u8]) -> Option<ParsedPublicKey> {
        let parsed = match self {
            Self::ES256 => ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, bytes),
            Self::ES384 => ParsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, bytes),
            Self::ES512 => ParsedPublicKey::new(&signature::ECDSA_P521_SHA512_FIXED, bytes),
            Self::EdDSA => ParsedPublicKey::new(&signature::ED25519, bytes),
            // The parser takes what is too short, and only the verification would refuse it.
            _ if PublicEncryptingKey::from_der(bytes).is_ok() => ParsedPublicKey::new(self.rsa()?, bytes),
            _ => return None,
        };
        parsed.ok()
    }
}

enum Verifier {
    Public(ParsedPublicKey),
    Secret(Box<hmac::Key>),
}

/// How tokens name a key.
#[derive(Debug, PartialEq, Eq)]
enum Name {
    /// However they like: the configuration says that it is the issuer's only one, and `kid` is a hint (RFC 7515, 4.1.4).
    Any,
    None,
    Is(Box<str>),
}

/// One key of an issuer.
pub struct Key {
    name: Name,
    verifiers: Vec<(Algorithm, Verifier)>,
    /// What it is, to tell whether it is still there after a fetch.
    print: [u8; 32],
    /// What it signed is good as long as this lives.
    pub life: Arc<KeyGeneration>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why something is no key for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is a secret, and stands where everybody can read it.
    #[error("a secret or private key was published")]
    PublishedSecret,
    /// It is public, and no secret.
    #[error("it is a public key in a form that is not read here: give it in PEM, or as a JWK set by `jwks`")]
    NotASecret,
    /// It cannot be parsed, or is too weak.
    #[error("the key cannot be used: it is malformed, or too short (RSA from 2048 bits, secrets from 32 bytes)")]
    Unfit,
    /// None of the issuer's algorithms can use it.
    #[error("none of the issuer's algorithms can use the key; RSA needs 2048 bits or more")]
    NoAlgorithm,
    /// It is not there to verify signatures.
    #[error("the key is for something else")]
    OtherUse,
}

/// Where a key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// From a place that only we can read.
    Ours,
    /// From the issuer's address, for everybody.
    Published,
}

impl Key {
    /// A key from a JWK (RFC 7517), for those of `algorithms` that it can do and is published for.
    ///
    /// # Errors
    /// See [`KeyError`]; other keys of the set may still be good.
    pub fn of_jwk(json: &Value, algorithms: &[Algorithm], from: Provenance) -> Result<Self, KeyError> {
        // Whoever has read it can sign (RFC 7517, 9.2).
        if from == Provenance::Published && json.get("d").is_some() {
            return Err(KeyError::PublishedSecret);
        }
        let Jwk { common, algorithm: parameters } = Jwk::deserialize(json).map_err(|_| KeyError::Unfit)?;
        let is_for_signatures = common.public_key_use.is_none_or(|usage| usage == PublicKeyUse::Signature)
            && common.key_operations.is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        if !is_for_signatures {
            return Err(KeyError::OtherUse);
        }
        let family = match &parameters {
            AlgorithmParameters::RSA(_) => Family::Rsa,
            AlgorithmParameters::OctetKey(_) if from == Provenance::Published => return Err(KeyError::PublishedSecret),
            AlgorithmParameters::OctetKey(_) => Family::Secret,
            AlgorithmParameters::EllipticCurve(point) => match point.curve {
                EllipticCurve::P256 => Family::P256,
                EllipticCurve::P384 => Family::P384,
                EllipticCurve::P521 => Family::P521,
                _ => return Err(KeyError::NoAlgorithm),
            },
            AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => Family::Ed25519,
            _ => return Err(KeyError::NoAlgorithm),
        };
        // As text, since the crate has no name for ES512.
        let pinned = json.get("alg").and_then(Value::as_str);
        let fits = |algorithm: &&Algorithm| {
            algorithm.family() == family && pinned.is_none_or(|pinned| Algorithm::parse(pinned) == Some(**algorithm))
        };
        let verifier = |&algorithm: &Algorithm| Ok((algorithm, Verifier::of_jwk(algorithm, &parameters)?));
        let verifiers = algorithms.iter().filter(fits).map(verifier).collect::<Result<_, _>>()?;
        let name = common.key_id.map_or(Name::None, |id| Name::Is(id.into()));
        Self::of(name, verifiers, json.to_string().as_bytes())
    }

    /// A key of the configuration: a public key in PEM, which may have words before it, or else an HMAC secret. What is public in
    /// another form is no secret: whoever has it could sign.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn of_text(text: &str, algorithms: &[Algorithm]) -> Result<Self, KeyError> {
        let text = text.trim_start_matches('\u{feff}');
        let verifiers: Vec<_> = if text.contains("-----BEGIN") {
            let der = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes()).map_err(|_| KeyError::Unfit)?;
            let public = algorithms.iter().filter(|algorithm| !algorithm.is_symmetric());
            public.filter_map(|&a| Some((a, Verifier::Public(a.public(&der)?)))).collect()
        } else if is_public(text) {
            return Err(KeyError::NotASecret);
        } else {
            let symmetric = algorithms.iter().filter(|algorithm| algorithm.is_symmetric());
            symmetric.map(|&a| Ok((a, Verifier::secret(a, text.as_bytes())?))).collect::<Result<_, _>>()?
        };
        Self::of(Name::Any, verifiers, text.as_bytes())
    }

    fn of(name: Name, verifiers: Vec<(Algorithm, Verifier)>, what: &[u8]) -> Result<Self, KeyError> {
        if verifiers.is_empty() {
            return Err(KeyError::NoAlgorithm);
        }
        Ok(Self { name, verifiers, print: Sha256::digest(what).into(), life: Arc::default() })
    }

    /// Whether a token may mean this key: it names it, or names none.
    #[must_use]
    pub fn is_meant(&self, id: Option<&str>) -> bool {
        id.is_none_or(|id| match &self.name {
            Name::Any => true,
            Name::None => false,
            Name::Is(name) => **name == *id,
        })
    }

    /// Whether it is the same key.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.print == other.print && self.name == other.name
    }

    /// Whether the signature of the message is this key's, by this algorithm.
    #[must_use]
    pub fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let verifier = self.verifiers.iter().find(|(known, _)| *known == algorithm);
        verifier.is_some_and(|(_, verifier)| match verifier {
            Verifier::Public(key) => key.verify_sig(message, signature).is_ok(),
            // Constant time.
            Verifier::Secret(key) => hmac::verify(key, message, signature).is_ok(),
        })
    }
}

impl Verifier {
    /// What verifies by this algorithm with a JWK of its family.
    fn of_jwk(algorithm: Algorithm, parameters: &AlgorithmParameters) -> Result<Self, KeyError> {
        let public = |bytes: &[u8]| algorithm.public(bytes).map(Self::Public).ok_or(KeyError::Unfit);
        match parameters {
            AlgorithmParameters::RSA(key) => {
                let components = RsaPublicKeyComponents { n: number(&key.n)?, e: number(&key.e)? };
                if components.n.len() < 256 {
                    return Err(KeyError::Unfit);
                }
                let rsa = algorithm.rsa().ok_or(KeyError::NoAlgorithm)?;
                components.to_parsed_public_key(rsa).map(Self::Public).map_err(|_| KeyError::Unfit)
            }
            AlgorithmParameters::OctetKey(key) => Self::secret(algorithm, &bytes(&key.value)?),
            AlgorithmParameters::OctetKeyPair(key) => public(&bytes(&key.x)?),
            AlgorithmParameters::EllipticCurve(key) => {
                let size = match key.curve {
                    EllipticCurve::P256 => 32,
                    EllipticCurve::P384 => 48,
                    _ => 66,
                };
                public(&[&[4][..], &coordinate(&key.x, size)?, &coordinate(&key.y, size)?].concat())
            }
            _ => Err(KeyError::NoAlgorithm),
        }
    }

    fn secret(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, KeyError> {
        if bytes.len() < MIN_SECRET {
            return Err(KeyError::Unfit);
        }
        let algorithm = algorithm.hmac().ok_or(KeyError::NoAlgorithm)?;
        Ok(Self::Secret(Box::new(hmac::Key::new(algorithm, bytes))))
    }
}

/// Whether a text is a public key as OpenSSH or RFC 7517 write it.
fn is_public(text: &str) -> bool {
    let text = text.trim_start();
    let is_jwk =
        || serde_json::from_str::<Value>(text).is_ok_and(|json| json.get("kty").or(json.get("keys")).is_some());
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"].iter().any(|begin| text.starts_with(begin)) || is_jwk()
}

/// A number or a point of a JWK; some issuers pad.
fn bytes(text: &str) -> Result<Vec<u8>, KeyError> {
    BASE64URL_NOPAD.decode(text.trim_end_matches('=').as_bytes()).map_err(|_| KeyError::Unfit)
}

/// A number without the zeros before it: some issuers write them, as ASN.1 does before a high bit.
fn number(text: &str) -> Result<Vec<u8>, KeyError> {
    let bytes = bytes(text)?;
    let zeros = bytes.iter().take_while(|b| **b == 0).count();
    Ok(bytes.get(zeros..).unwrap_or_default().to_vec())
}

/// A coordinate has as many bytes as its curve (RFC 7518, 6.2.1.2), whatever zeros an issuer has left out or written besides.
fn coordinate(text: &str, size: usize) -> Result<Vec<u8>, KeyError> {
    let number = number(text)?;
    let zeros = size.checked_sub(number.len()).ok_or(KeyError::Unfit)?;
    Ok([vec![0; zeros], number].concat())
}

/// The keys of an issuer, as they are at one time.
#[derive(Debug, Default)]
pub struct KeySet(Vec<Arc<Key>>);

/// Keys of one set, at most: each of those that a token could mean is tried.
const MAX_KEYS: usize = 64;

impl KeySet {
    #[must_use]
    pub fn one(key: Key) -> Self {
        Self(vec![Arc::new(key)])
    }

    /// Reads a JWK set (RFC 7517, 5); keys that are for something else are passed over.
    ///
    /// # Errors
    /// It is none, or holds no key that could be used.
    pub fn parse(json: &[u8], algorithms: &[Algorithm], from: Provenance) -> Result<Self, String> {
        let set: Value = serde_json::from_slice(json).map_err(|_| "it is not JSON".to_owned())?;
        let list = set.get("keys").and_then(Value::as_array).ok_or("it has no list of `keys`")?;
        if list.len() > MAX_KEYS {
            return Err(format!("it has more than {MAX_KEYS} keys"));
        }
        let mut keys = Vec::new();
        let mut problem = None;
        for jwk in list {
            match Key::of_jwk(jwk, algorithms, from) {
                Ok(key) => keys.push(Arc::new(key)),
                Err(error) => problem = Some(error),
            }
        }
        if keys.is_empty() {
            return Err(problem.map_or_else(|| "it has no keys".to_owned(), |error| error.to_string()));
        }
        Ok(Self(keys))
    }

    /// Reads a JWK set from a file of ours.
    ///
    /// # Errors
    /// Which file, and why it cannot be used.
    pub fn of_file(path: &Path, algorithms: &[Algorithm]) -> Result<Self, String> {
        let told = |problem: &dyn fmt::Display| format!("{}: {problem}", path.display());
        let about = std::fs::metadata(path).map_err(|error| told(&error))?;
        // Whoever opens a pipe waits for its other end.
        if !about.is_file() {
            return Err(told(&"it is no file"));
        }
        if about.len() > MAX_SIZE as u64 {
            return Err(told(&format_args!("larger than {MAX_SIZE} bytes")));
        }
        let json = std::fs::read(path).map_err(|error| told(&error))?;
        Self::parse(&json, algorithms, Provenance::Ours).map_err(|problem| told(&problem))
    }

    /// Those that a token may mean.
    pub fn meant<'k>(&'k self, id: Option<&'k str>) -> impl Iterator<Item = &'k Arc<Key>> {
        self.0.iter().filter(move |key| key.is_meant(id))
    }

    /// Takes the place of an older set: keys that stay live on, keys that are gone end, and what they signed with them.
    #[must_use]
    pub fn after(self, older: &Self) -> Self {
        for old in &older.0 {
            if !self.0.iter().any(|key| key.is(old)) {
                old.life.end();
            }
        }
        let same = |key: Arc<Key>| older.0.iter().find(|old| old.is(&key)).map_or(key, Arc::clone);
        Self(self.0.into_iter().map(same).collect())
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests;
