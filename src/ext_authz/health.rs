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

/// How a service is: `HealthCheckResponse.ServingStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Serving = 1,
    NotServing = 2,
    /// There is no such service, and `Watch` waits until there is.
    Unknown = 3,
}

impl Health {
    #[must_use]
    pub const fn of(is_serving: bool) -> Self {
        if is_serving { Self::Serving } else { Self::NotServing }
    }

    /// The `HealthCheckResponse`, as it is sent.
    #[must_use]
    pub fn answer(self) -> Bytes {
        frame::framed(|message| message.number(1, self as u64))
    }
}
