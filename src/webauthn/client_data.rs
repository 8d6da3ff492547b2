//! What a browser says of the page that asked (Web Authentication, 5.8.1): JSON in which no name stands twice. Members that nobody here
//! knows are passed over, as the standard wants it.

use super::{Expected, Failure};
use crate::identity::jwt::strict::Strict;
use data_encoding::BASE64URL_NOPAD;
use serde::Deserialize;
use subtle::ConstantTimeEq;

/// Longest that is looked at.
const LARGEST: usize = 8 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    cross_origin: Option<bool>,
    top_origin: Option<String>,
}

/// Verifies it for a ceremony (7.1, steps 5 to 11; 7.2, steps 8 to 14).
pub(super) fn verify(json: &[u8], kind: &str, expected: Expected<'_>) -> Result<(), Failure> {
    if json.len() > LARGEST {
        return Err(Failure::ClientData);
    }
    let Strict(value) = serde_json::from_slice(json).map_err(|_| Failure::ClientData)?;
    let said = ClientData::deserialize(value).map_err(|_| Failure::ClientData)?;
    let challenge = BASE64URL_NOPAD.encode(expected.challenge);
    if said.kind != kind {
        Err(Failure::Type)
    } else if !bool::from(challenge.as_bytes().ct_eq(said.challenge.as_bytes())) {
        Err(Failure::Challenge)
    } else if !expected.party.origins.iter().any(|origin| **origin == said.origin) {
        Err(Failure::Origin)
    // Pages of ours never stand in others.
    } else if said.cross_origin == Some(true) || said.top_origin.is_some() {
        Err(Failure::CrossOrigin)
    } else {
        Ok(())
    }
}
