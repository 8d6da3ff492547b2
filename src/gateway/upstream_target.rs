//! Where a permitted request goes, and the request on its way.

use super::handshake::Handshake;
use super::map_back::MapBack;
use super::request_body::RequestBody;
use crate::decision::{Denial, Reason};
use crate::upstream::cluster::endpoint::{Endpoint, EndpointRef};
use crate::upstream::{Call, Pool, Timeouts};
use arrayvec::ArrayVec;
use std::rc::Rc;
use std::sync::Arc;

/// Where a request goes, and what holds there.
pub struct UpstreamTarget {
    pub(super) pool: Rc<Pool>,
    /// Which address of a cluster.
    pub(super) endpoint: EndpointRef,
    /// What keeps a caller at one address.
    pub(super) key: Key,
    /// May be sent again, since nothing changes if it is done twice (RFC 9110, 9.2.2).
    pub(super) idempotent: bool,
    pub(super) timeouts: Timeouts,
    pub(super) depends_on_credential: bool,
    /// What it asks to become.
    pub(super) handshake: Option<Box<Handshake>>,
    /// How its answer's paths are changed back.
    pub(super) back: Option<Box<MapBack>>,
}

/// A request that is being sent.
pub struct InFlight {
    pub(super) call: Call<RequestBody>,
    pub(super) target: UpstreamTarget,
}

/// What a consistent balance goes by.
pub type Key = ArrayVec<u8, 16>;

/// An address of the cluster, where it is one.
pub(super) fn choose(pool: &Pool, key: &Key, tried: &[Arc<Endpoint>]) -> Result<EndpointRef, Denial> {
    let Some(cluster) = pool.cluster() else { return Ok(None) };
    let chosen = cluster.choose(key, tried, crate::clock::monotonic());
    chosen.map(Some).ok_or_else(|| Denial::new(Reason::UpstreamUnhealthy))
}
