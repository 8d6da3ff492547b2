//! What an authenticator says and signs (Web Authentication, 6.1).

use super::cbor::{self, Value};
use super::{Expected, Failure};
use sha2::{Digest, Sha256};

const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const HAS_CREDENTIAL: u8 = 1 << 6;
const HAS_EXTENSIONS: u8 = 1 << 7;

pub(super) struct AuthenticatorData<'a> {
    party: [u8; 32],
    user_present: bool,
    pub user_verified: bool,
    pub backup_eligible: bool,
    pub backed_up: bool,
    pub sign_count: u32,
    pub credential: Option<Credential<'a>>,
}

pub(super) struct Credential<'a> {
    pub id: &'a [u8],
    /// As a `COSE_Key`.
    pub public_key: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    /// Reads all of it; `None` where something is missing, or stands behind. What extensions say nobody has asked for.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (party, rest) = bytes.split_first_chunk::<32>()?;
        let ([flags], rest) = rest.split_first_chunk::<1>()?;
        let (sign_count, mut rest) = rest.split_first_chunk::<4>()?;
        let has = |flag| flags & flag != 0;
        let mut credential = None;
        if has(HAS_CREDENTIAL) {
            // Behind the make of the authenticator.
            let (_, behind) = rest.split_first_chunk::<16>()?;
            let (length, behind) = behind.split_first_chunk::<2>()?;
            let (id, key) = behind.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            let (_, behind) = cbor::read(key)?;
            let public_key = key.get(..key.len().checked_sub(behind.len())?)?;
            (credential, rest) = (Some(Credential { id, public_key }), behind);
        }
        if has(HAS_EXTENSIONS) {
            let (extensions, behind) = cbor::read(rest)?;
            matches!(extensions, Value::Map(_)).then_some(())?;
            rest = behind;
        }
        rest.is_empty().then(|| Self {
            party: *party,
            user_present: has(USER_PRESENT),
            user_verified: has(USER_VERIFIED),
            backup_eligible: has(BACKUP_ELIGIBLE),
            backed_up: has(BACKED_UP),
            sign_count: u32::from_be_bytes(*sign_count),
            credential,
        })
    }

    /// What is the same for both ceremonies (7.1, steps 14 to 17; 7.2, steps 15 to 18).
    pub fn verify(&self, expected: Expected<'_>) -> Result<(), Failure> {
        if self.party[..] != Sha256::digest(expected.party.id.as_bytes())[..] {
            Err(Failure::RelyingParty)
        } else if !self.user_present {
            Err(Failure::Presence)
        } else if expected.user_verification && !self.user_verified {
            Err(Failure::Verification)
        } else if self.backed_up && !self.backup_eligible {
            Err(Failure::Backup)
        } else {
            Ok(())
        }
    }
}
