//! **Pure**: what a browser and its authenticator say when a passkey is made or used, verified step by step as Web Authentication (Level 3)
//! tells relying parties in 7.1 and 7.2.
//!
//! Nothing is kept here: the caller says which challenge it has given out and which credential it knows, and sees to what needs its records:
//! that a challenge is used once, that no two users have one credential, and that signature counters go up.
//!
//! No attestation is asked for (`none`), and so nobody's make of authenticator is believed. A browser may send a statement nevertheless: self
//! attestation is verified, since it is the credential's own signature; of other formats nothing is trusted, so nothing is looked at.

mod authenticator_data;
pub mod cbor;
mod client_data;
pub mod public_key;

use authenticator_data::AuthenticatorData;
use cbor::Value;
use public_key::{ALGORITHMS, PublicKey};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// Longest name of a credential (7.1, step 25).
pub const LONGEST_ID: usize = 1023;
/// Longest attestation object that is looked at: certificates may stand in it.
pub const LARGEST_ATTESTATION: usize = 32 * 1024;

/// Who asks.
#[derive(Clone, Debug)]
pub struct RelyingParty {
    /// A domain: that of the pages, or one above it.
    pub id: Box<str>,
    /// Origins of pages that may ask, `https://id.example.com`.
    pub origins: Vec<Box<str>>,
}

/// What an answer must be to.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub party: &'a RelyingParty,
    pub challenge: &'a [u8],
    /// Whether the authenticator must have made sure who is before it, by a fingerprint or a PIN.
    pub user_verification: bool,
}

/// Why an answer is refused.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Failure {
    #[error("the client data is not JSON with the members that it must have")]
    ClientData,
    #[error("the client data is of another ceremony")]
    Type,
    #[error("the challenge is another one")]
    Challenge,
    #[error("the page is of another origin")]
    Origin,
    #[error("the page stood in a page of another origin")]
    CrossOrigin,
    #[error("the attestation object cannot be read")]
    Attestation,
    #[error("the authenticator data cannot be read")]
    AuthenticatorData,
    #[error("the credential is of another relying party")]
    RelyingParty,
    #[error("nobody was present")]
    Presence,
    #[error("the authenticator has not verified its user")]
    Verification,
    #[error("what it says of its backup contradicts itself, or what it said before")]
    Backup,
    #[error("the public key cannot be read, or is of an algorithm that was not asked for")]
    PublicKey,
    #[error("the credential's name is too long")]
    Id,
    #[error("the credential is not one that was asked for")]
    NotAllowed,
    #[error("the credential is not that user's")]
    User,
    #[error("the signature is wrong")]
    Signature,
}

/// A credential that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCredential {
    pub id: Vec<u8>,
    /// Its public key, as a `COSE_Key`.
    pub public_key: Vec<u8>,
    pub sign_count: u32,
    /// Whether other devices of its user may come to have it.
    pub backup_eligible: bool,
    pub backed_up: bool,
    /// Whether its user was verified when it was made.
    pub user_verified: bool,
}

/// A credential that is known, and whose it is.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    pub id: &'a [u8],
    pub public_key: &'a [u8],
    pub backup_eligible: bool,
    /// The user handle: what it was made for.
    pub user: &'a [u8],
}

/// What an authenticator answers that uses a credential.
#[derive(Clone, Copy, Debug)]
pub struct Assertion<'a> {
    pub id: &'a [u8],
    pub client_data: &'a [u8],
    pub authenticator_data: &'a [u8],
    pub signature: &'a [u8],
    pub user_handle: Option<&'a [u8]>,
}

/// What is so by an assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// It must be greater than the one before, unless the authenticator does not count (7.2, step 22).
    pub sign_count: u32,
    pub backed_up: bool,
    pub user_verified: bool,
}

/// Verifies what has made a credential (7.1, from step 5 on). That no user has it yet (step 26) is for its caller to see to.
///
/// # Errors
/// The step that it does not pass.
pub fn register(expected: Expected<'_>, client_data: &[u8], attestation: &[u8]) -> Result<NewCredential, Failure> {
    client_data::verify(client_data, "webauthn.create", expected)?;
    if attestation.len() > LARGEST_ATTESTATION {
        return Err(Failure::Attestation);
    }
    let object = cbor::read_all(attestation).filter(|object| object.pairs() == Some(3)).ok_or(Failure::Attestation)?;
    let format = object.get("fmt").and_then(Value::text).ok_or(Failure::Attestation)?;
    let statement = object.get("attStmt").ok_or(Failure::Attestation)?;
    let bytes = object.get("authData").and_then(Value::bytes).ok_or(Failure::Attestation)?;
    let said = AuthenticatorData::parse(bytes).ok_or(Failure::AuthenticatorData)?;
    said.verify(expected)?;
    let made = said.credential.ok_or(Failure::AuthenticatorData)?;
    let key = PublicKey::parse(made.public_key).ok_or(Failure::PublicKey)?;
    if !ALGORITHMS.contains(&key.algorithm) {
        return Err(Failure::PublicKey);
    }
    is_attested(format, statement, &key, &signed(bytes, client_data))?;
    if made.id.is_empty() || made.id.len() > LONGEST_ID {
        return Err(Failure::Id);
    }
    Ok(NewCredential {
        id: made.id.to_vec(),
        public_key: made.public_key.to_vec(),
        sign_count: said.sign_count,
        backup_eligible: said.backup_eligible,
        backed_up: said.backed_up,
        user_verified: said.user_verified,
    })
}

/// Verifies a statement of the two formats that stand for nobody else (7.1, steps 21 and 22).
fn is_attested(format: &str, statement: &Value<'_>, key: &PublicKey, signed: &[u8]) -> Result<(), Failure> {
    let is_right = match format {
        // 8.7: it says nothing.
        "none" => statement.pairs() == Some(0),
        // 8.2, self attestation: the credential's own signature.
        "packed" if statement.get("x5c").is_none() => {
            let algorithm = statement.get("alg").and_then(Value::number);
            let signature = statement.get("sig").and_then(Value::bytes);
            algorithm == Some(key.algorithm) && signature.is_some_and(|signature| key.verifies(signed, signature))
        }
        _ => statement.pairs().is_some(),
    };
    if is_right { Ok(()) } else { Err(Failure::Attestation) }
}

/// Verifies what has used a credential (7.2, from step 5 on). `allowed` are those that were asked for by name; none: any. That the counter
/// has gone up (step 22) is for its caller to see to.
///
/// # Errors
/// The step that it does not pass.
pub fn authenticate(
    expected: Expected<'_>,
    known: Known<'_>,
    allowed: &[Vec<u8>],
    assertion: Assertion<'_>,
) -> Result<Shown, Failure> {
    if !allowed.is_empty() && !allowed.iter().any(|id| id == assertion.id) {
        return Err(Failure::NotAllowed);
    }
    // Whom nobody has named before, the authenticator does.
    let is_theirs = match assertion.user_handle {
        Some(handle) => handle == known.user,
        None => !allowed.is_empty(),
    };
    if known.id != assertion.id || !is_theirs {
        return Err(Failure::User);
    }
    client_data::verify(assertion.client_data, "webauthn.get", expected)?;
    let said = AuthenticatorData::parse(assertion.authenticator_data).ok_or(Failure::AuthenticatorData)?;
    said.verify(expected)?;
    if said.backup_eligible != known.backup_eligible {
        return Err(Failure::Backup);
    }
    let key = PublicKey::parse(known.public_key).ok_or(Failure::PublicKey)?;
    if !key.verifies(&signed(assertion.authenticator_data, assertion.client_data), assertion.signature) {
        return Err(Failure::Signature);
    }
    Ok(Shown { sign_count: said.sign_count, backed_up: said.backed_up, user_verified: said.user_verified })
}

/// What is signed.
fn signed(authenticator_data: &[u8], client_data: &[u8]) -> Vec<u8> {
    [authenticator_data, &Sha256::digest(client_data)].concat()
}

#[cfg(test)]
mod tests;
