//! Whose a request is, signed: a JWT (RFC 7519) that a service verifies with the keys that the management listener publishes. It is good for
//! one request to one service, and for a minute.

use crate::secret::{SecretError, SecretSource};
use arc_swap::ArcSwap;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use data_encoding::BASE64URL_NOPAD;
use http::{HeaderName, Method};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// `assertion:` of the configuration.
#[derive(Clone, Debug)]
pub struct Settings {
    pub header: HeaderName,
    /// PEM of the private key that signs.
    pub key: SecretSource,
    /// Another one, whose public half is published and which signs nothing: the next, or the last.
    pub other_key: Option<SecretSource>,
    pub ttl: Duration,
    /// `iss`.
    pub issuer: Box<str>,
    /// Whether it lists what the caller's roles permit.
    pub permissions: bool,
}

/// Why keys cannot be used. Never says what was read.
#[derive(Debug, Error)]
pub enum KeyError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error("`{0}` must be a private key in PEM: of P-256, of Ed25519, or an RSA one of 2048 to 8192 bits")]
    Unfit(Box<str>),
}

enum Private {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

/// A key that signs.
struct Signer {
    private: Private,
    /// The JWS header and the dot behind it, encoded.
    head: String,
    /// Its public half (RFC 7517).
    jwk: Value,
}

/// What signs in the name of an installation, whose keys a reload exchanges.
pub struct Assertions {
    settings: Settings,
    keys: ArcSwap<Keys>,
}

/// Keys in force.
pub struct Keys {
    signer: Signer,
    /// A JWK set.
    published: Arc<str>,
}

/// What an assertion says of the request that it is sent with.
#[derive(Clone, Copy)]
pub struct Signing<'a> {
    pub assertions: &'a Assertions,
    /// Seconds since the Unix epoch.
    pub now: i64,
    /// Of the request as the service sees it.
    pub method: &'a Method,
    pub target: &'a str,
    /// The service's name in the configuration.
    pub audience: &'a str,
}

impl Settings {
    /// Where its keys are.
    pub fn sources(&self) -> impl Iterator<Item = &SecretSource> {
        std::iter::once(&self.key).chain(&self.other_key)
    }
}

impl Assertions {
    /// Reads the keys.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn new(settings: &Settings) -> Result<Self, KeyError> {
        Ok(Self { keys: ArcSwap::from_pointee(Keys::read(settings)?), settings: settings.clone() })
    }

    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// From now on these sign, and are published.
    pub fn put(&self, keys: Keys) {
        self.keys.store(Arc::new(keys));
    }

    /// The keys that verify what is signed, as a JWK set.
    #[must_use]
    pub fn published(&self) -> Arc<str> {
        Arc::clone(&self.keys.load().published)
    }

    /// A JWT of these claims, which are JSON; `None`: the machine has no randomness.
    #[must_use]
    pub fn sign(&self, claims: &str) -> Option<String> {
        self.keys.load().signer.sign(claims.as_bytes())
    }
}

impl Keys {
    /// Reads the keys anew.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn read(settings: &Settings) -> Result<Self, KeyError> {
        let signer = Signer::read(&settings.key)?;
        let mut keys = vec![signer.jwk.clone()];
        if let Some(other) = &settings.other_key {
            keys.push(Signer::read(other)?.jwk);
            keys.dedup();
        }
        let published = json!({ "keys": keys }).to_string().into();
        Ok(Self { signer, published })
    }

    /// Whether other keys are published than those.
    #[must_use]
    pub fn differ(&self, assertions: &Assertions) -> bool {
        *self.published != *assertions.published()
    }
}

impl Signer {
    fn read(source: &SecretSource) -> Result<Self, KeyError> {
        let text = source.text()?;
        Self::of_pem(text.expose_secret()).ok_or_else(|| KeyError::Unfit(source.name.clone()))
    }

    fn of_pem(text: &str) -> Option<Self> {
        let der = PrivateKeyDer::from_pem_slice(text.as_bytes()).ok()?;
        let bytes = der.secret_der();
        let private = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, bytes)
            .map(Private::P256)
            .or_else(|_| Ed25519KeyPair::from_pkcs8_maybe_unchecked(bytes).map(Private::Ed25519))
            .or_else(|_| {
                let pair = match &der {
                    PrivateKeyDer::Pkcs1(_) => RsaKeyPair::from_der(bytes),
                    _ => RsaKeyPair::from_pkcs8(bytes),
                };
                pair.map(|pair| Private::Rsa(Box::new(pair)))
            })
            .ok()?;
        let encoded = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        // The members in the order that RFC 7638 hashes them.
        let (algorithm, members) = match &private {
            Private::P256(pair) => {
                let point = pair.public_key().as_ref().strip_prefix(&[4]).filter(|point| point.len() == 64)?;
                let (x, y) = point.split_at_checked(32)?;
                ("ES256", json!({ "crv": "P-256", "kty": "EC", "x": encoded(x), "y": encoded(y) }))
            }
            Private::Ed25519(pair) => {
                ("EdDSA", json!({ "crv": "Ed25519", "kty": "OKP", "x": encoded(pair.public_key().as_ref()) }))
            }
            Private::Rsa(pair) => {
                let smallest = KeySize::Rsa2048.len();
                let public = pair.public_key();
                let (n, e) = (public.modulus(), public.exponent());
                let n = n.big_endian_without_leading_zero();
                (n.len() >= smallest && n.len() <= 1024).then_some(())?;
                let e = e.big_endian_without_leading_zero();
                ("RS256", json!({ "e": encoded(e), "kty": "RSA", "n": encoded(n) }))
            }
        };
        let kid = encoded(&Sha256::digest(members.to_string().as_bytes()));
        let head = json!({ "alg": algorithm, "kid": kid, "typ": "JWT" }).to_string();
        let mut jwk = members;
        let told = [("kid", kid.as_str()), ("alg", algorithm), ("use", "sig")];
        jwk.as_object_mut()?.extend(told.map(|(name, value)| (name.to_owned(), Value::from(value))));
        Some(Self { private, head: encoded(head.as_bytes()) + ".", jwk })
    }

    fn sign(&self, claims: &[u8]) -> Option<String> {
        let mut token = self.head.clone();
        BASE64URL_NOPAD.encode_append(claims, &mut token);
        let random = SystemRandom::new();
        let mut of_rsa = Vec::new();
        let signature = match &self.private {
            Private::P256(pair) => pair.sign(&random, token.as_bytes()).ok(),
            Private::Ed25519(pair) => Some(pair.sign(token.as_bytes())),
            Private::Rsa(pair) => {
                of_rsa.resize(pair.public_modulus_len(), 0);
                pair.sign(&RSA_PKCS1_SHA256, &random, token.as_bytes(), &mut of_rsa).ok()?;
                None
            }
        };
        let signature = signature.as_ref().map_or(of_rsa.as_slice(), AsRef::as_ref);
        token.push('.');
        BASE64URL_NOPAD.encode_append(signature, &mut token);
        Some(token)
    }
}
