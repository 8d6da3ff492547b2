//! Public keys of credentials: `COSE_Key`s (RFC 9053, RFC 8230) of the three algorithms that we ask for.

use super::cbor::{self, Value};
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents};
use std::fmt;

/// Names of signature algorithms (IANA: COSE Algorithms), as we like them.
pub const ALGORITHMS: [i64; 3] = [ES256, EDDSA, RS256];
const ES256: i64 = -7;
const EDDSA: i64 = -8;
const RS256: i64 = -257;

/// One that has been read, and verifies.
pub struct PublicKey {
    pub algorithm: i64,
    key: ParsedPublicKey,
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl PublicKey {
    /// Reads one as it is kept.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        Self::of(&cbor::read_all(bytes)?)
    }

    /// Reads one. It has what its kind needs and its algorithm, and nothing else (Web Authentication, 6.5.1.1).
    pub(super) fn of(key: &Value<'_>) -> Option<Self> {
        let number = |label| key.at(label).and_then(Value::number);
        let bytes = |label| key.at(label).and_then(Value::bytes);
        let algorithm = number(3)?;
        let key = match (number(1)?, algorithm, key.pairs()?) {
            (2, ES256, 5) if number(-1) == Some(1) => {
                let [x, y] = [-2, -3].map(|label| bytes(label).filter(|bytes| bytes.len() == 32));
                ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, [&[4][..], x?, y?].concat()).ok()?
            }
            (1, EDDSA, 4) if number(-1) == Some(6) => {
                ParsedPublicKey::new(&signature::ED25519, bytes(-2).filter(|bytes| bytes.len() == 32)?).ok()?
            }
            (3, RS256, 4) => rsa(bytes(-1)?, bytes(-2)?)?,
            _ => return None,
        };
        Some(Self { algorithm, key })
    }

    /// Whether this is its signature of a message.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verify_sig(message, signature).is_ok()
    }
}

/// An RSA key of 2048 to 8192 bits.
fn rsa(n: &[u8], e: &[u8]) -> Option<ParsedPublicKey> {
    // RFC 8230, 4: no zeros before the numbers.
    let is_number = |bytes: &[u8]| bytes.first().is_some_and(|first| *first != 0);
    if !(256..=1024).contains(&n.len()) || e.len() > 8 || !is_number(n) || !is_number(e) {
        return None;
    }
    RsaPublicKeyComponents { n, e }.to_parsed_public_key(&signature::RSA_PKCS1_2048_8192_SHA256).ok()
}
