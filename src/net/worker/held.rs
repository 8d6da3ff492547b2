//! What a connection holds for as long as it is open.

use super::Place;
use crate::net::guests::Guest;

/// What a connection holds as long as it is open.
pub(super) struct Held {
    pub(super) _place: Place,
    /// `None` for a proxy's, which stands for many clients.
    pub(super) _guest: Option<Guest>,
}
