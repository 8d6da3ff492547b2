//! An authenticator in software that says whatever a test wants it to.

use crate::webauthn::cbor::{Value, tests::write};
use crate::webauthn::{
    Assertion, Expected, Failure, Known, NewCredential, RelyingParty, Shown, authenticate, register,
};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    RsaPublicKeyComponents,
};
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};

pub const CHALLENGE: &[u8] = &[7; 32];
pub const USER: &[u8] = b"a user's handle.";
/// Present, verified, and on one device alone.
pub const FLAGS: u8 = 1 | 4;

pub fn party() -> RelyingParty {
    let origins = vec!["https://id.example.com".into(), "https://app.example.com:8443".into()];
    RelyingParty { id: "example.com".into(), origins }
}

pub enum Key {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

impl Key {
    pub fn all() -> [Self; 3] {
        [
            Self::one(),
            Self::EdDsa(Ed25519KeyPair::generate().unwrap()),
            Self::Rs256(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()),
        ]
    }

    pub fn one() -> Self {
        Self::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }

    pub const fn algorithm(&self) -> i64 {
        match self {
            Self::Es256(_) => -7,
            Self::EdDsa(_) => -8,
            Self::Rs256(_) => -257,
        }
    }

    /// Its `COSE_Key`, with an algorithm that it perhaps has not.
    pub fn cose(&self, algorithm: i64) -> Vec<u8> {
        let bytes = Value::Bytes;
        match self {
            Self::Es256(key) => {
                let point = key.public_key().as_ref();
                map(&[
                    (1, number(2)),
                    (3, number(algorithm)),
                    (-1, number(1)),
                    (-2, bytes(&point[1..33])),
                    (-3, bytes(&point[33..])),
                ])
            }
            Self::EdDsa(key) => {
                let point = key.public_key().as_ref();
                map(&[(1, number(1)), (3, number(algorithm)), (-1, number(6)), (-2, bytes(point))])
            }
            Self::Rs256(key) => {
                let RsaPublicKeyComponents { n, e } = RsaPublicKeyComponents::<Vec<u8>>::from(key.public_key());
                map(&[(1, number(3)), (3, number(algorithm)), (-1, bytes(&n)), (-2, bytes(&e))])
            }
        }
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Es256(key) => key.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::EdDsa(key) => key.sign(message).as_ref().to_vec(),
            Self::Rs256(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
        }
    }
}

pub fn number(number: i64) -> Value<'static> {
    match u64::try_from(number) {
        Ok(number) => Value::Unsigned(number),
        Err(_) => Value::Negative(u64::try_from(-1 - number).unwrap()),
    }
}

pub fn map(pairs: &[(i64, Value<'_>)]) -> Vec<u8> {
    write(&Value::Map(pairs.iter().map(|(key, value)| (number(*key), value.clone())).collect()))
}

/// What browser and authenticator say; by default all of it is right.
#[derive(Clone)]
pub struct Said {
    /// The client data, where it is not put together of what follows.
    pub client_data: Option<Vec<u8>>,
    pub kind: &'static str,
    pub challenge: String,
    pub origin: &'static str,
    /// Further members of it.
    pub more: &'static str,
    pub party: &'static str,
    pub flags: u8,
    pub count: u32,
    pub id: Vec<u8>,
    /// Behind the length of the name.
    pub key: Vec<u8>,
    pub behind: Vec<u8>,
    pub format: &'static str,
    pub statement: Vec<u8>,
    pub user: Option<Vec<u8>>,
    /// What is done to the signature.
    pub spoilt: bool,
}

impl Said {
    pub fn new(kind: &'static str, key: &Key) -> Self {
        Self {
            client_data: None,
            kind,
            challenge: BASE64URL_NOPAD.encode(CHALLENGE),
            origin: "https://id.example.com",
            more: r#","crossOrigin":false"#,
            party: "example.com",
            flags: FLAGS,
            count: 0,
            id: vec![1; 32],
            key: key.cose(key.algorithm()),
            behind: Vec::new(),
            format: "none",
            statement: vec![0xa0],
            user: Some(USER.to_vec()),
            spoilt: false,
        }
    }

    pub fn client_data(&self) -> Vec<u8> {
        let Self { kind, challenge, origin, more, .. } = self;
        let text = format!(r#"{{"type":"{kind}","challenge":"{challenge}","origin":"{origin}"{more}}}"#);
        self.client_data.clone().unwrap_or_else(|| text.into_bytes())
    }

    pub fn data(&self, has_credential: bool) -> Vec<u8> {
        let mut data = Sha256::digest(self.party).to_vec();
        data.push(self.flags | if has_credential { 64 } else { 0 });
        data.extend(self.count.to_be_bytes());
        if has_credential {
            data.extend([0; 16]);
            data.extend(u16::try_from(self.id.len()).unwrap().to_be_bytes());
            data.extend(&self.id);
            data.extend(&self.key);
        }
        data.extend(&self.behind);
        data
    }

    pub fn attestation(&self, data: &[u8]) -> Vec<u8> {
        // The canonical order.
        let head = [&[0xa3, 0x63][..], b"fmt"].concat();
        let tail = [&[0x68][..], b"authData", &write(&Value::Bytes(data))].concat();
        [&head[..], &write(&Value::Text(self.format)), &[0x67], b"attStmt", &self.statement, &tail].concat()
    }

    pub fn register(&self) -> Result<NewCredential, Failure> {
        register(expected(&party()), &self.client_data(), &self.attestation(&self.data(true)))
    }

    pub fn authenticate(&self, key: &Key, known: Known<'_>, allowed: &[Vec<u8>]) -> Result<Shown, Failure> {
        let (client_data, data) = (self.client_data(), self.data(false));
        let mut signature = key.sign(&[&data[..], &Sha256::digest(&client_data)].concat());
        if self.spoilt {
            *signature.last_mut().unwrap() ^= 1;
        }
        let assertion = Assertion {
            id: &self.id,
            client_data: &client_data,
            authenticator_data: &data,
            signature: &signature,
            user_handle: self.user.as_deref(),
        };
        authenticate(expected(&party()), known, allowed, assertion)
    }
}

pub fn expected(party: &RelyingParty) -> Expected<'_> {
    Expected { party, challenge: CHALLENGE, user_verification: true }
}
