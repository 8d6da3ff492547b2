//! `grpc.health.v1.Health` (<https://github.com/grpc/grpc/blob/master/doc/health-checking.md>).

use super::frame;
use super::wire::{Fields, Malformed, once};
use bytes::Bytes;

/// Whether the service that a `HealthCheckRequest` names is one that is served: ours, or all that is there.
///
/// # Errors
/// It is no such message.
pub fn is_known(message: &[u8]) -> Result<bool, Malformed> {
    let mut service = None;
    for field in Fields::of(message) {
        if let (1, value) = field? {
            once(&mut service, value.text()?)?;
        }
    }
    Ok(matches!(service, None | Some("" | "envoy.service.auth.v3.Authorization")))
}

/// The `HealthCheckResponse`, as it is sent.
#[must_use]
pub fn answer(is_serving: bool) -> Bytes {
    frame::framed(|message| message.number(1, if is_serving { 1 } else { 2 }))
}
