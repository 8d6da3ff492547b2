//! What a connection holds for as long as it is open.

use super::Place;
use crate::net::per_address_limit::Guest;

/// What a connection holds as long as it is open.
pub(super) struct ConnectionPermits {
    pub(super) _place: Place,
    /// `None` for a proxy's, which stands for many clients.
    pub(super) _guest: Option<Guest>,
}
