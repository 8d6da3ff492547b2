//! A connection for a request: one that is there, or a new one; at another address where the first is out of reach.

use super::super::upstream_target::{UpstreamTarget, choose};
use crate::net::deadline::{Deadlines, Phase};
use crate::upstream::{HostHeader, SendError, Transport, Wanted};
use arrayvec::ArrayVec;
use std::sync::Arc;

/// Addresses of a cluster that are tried for one request, at most.
pub(super) const MOST_TRIED: usize = 3;

/// A connection to the request's address. An address of a cluster that cannot be connected to gives way to another, as long as
/// nothing was sent and the request may be repeated.
pub(super) async fn connect(
    target: &mut UpstreamTarget,
    deadlines: &Deadlines,
    wanted: Wanted,
) -> Result<Transport, SendError> {
    let mut tried = ArrayVec::<_, MOST_TRIED>::new();
    loop {
        let UpstreamTarget { pool, endpoint, timeouts, .. } = &*target;
        if let Some(ready) = pool.ready(endpoint, wanted) {
            return Ok(ready);
        }
        let failure = match pool.connect(endpoint, wanted, deadlines, timeouts.connect).await {
            Ok(connected) => return Ok(connected),
            Err(failure) => failure,
        };
        if matches!(failure, SendError::Descriptors { .. } | SendError::NoWebSockets { .. }) {
            return Err(failure);
        }
        let (Some(cluster), Some(endpoint)) = (pool.cluster(), endpoint) else { return Err(failure) };
        // The last failure is noted by who tells it.
        let last = tried.remaining_capacity() <= 1 || !target.idempotent || deadlines.expired(Phase::Total);
        // The head was written for this address.
        let told = pool.upstream().host == HostHeader::Upstream;
        if last || told {
            return Err(failure);
        }
        tried.push(Arc::clone(endpoint));
        let Ok(next) = choose(pool, &target.key, &tried) else { return Err(failure) };
        cluster.failed(endpoint);
        tracing::debug!(error = %failure, "another address of the upstream is tried");
        target.endpoint = next;
    }
}
