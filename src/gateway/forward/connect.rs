//! A connection for a request: one that is idle, a new one, or a place on one that is shared; at another address where the first is
//! out of reach.

use super::super::onward::{UpstreamTarget, choose};
use crate::net::deadline::{Deadlines, Phase};
use crate::upstream::h1;
use crate::upstream::h2::Place;
use crate::upstream::pool::Connected;
use crate::upstream::{HostHeader, SendError};
use arrayvec::ArrayVec;
use std::sync::Arc;

/// Addresses of a cluster that are tried for one request, at most.
pub(super) const MOST_TRIED: usize = 3;

/// What a request can be sent on.
pub(super) enum Found {
    /// A connection of HTTP/1.1, and whether it has served before.
    Http1(Box<h1::Connection>, bool),
    /// A place on one of HTTP/2.
    Http2(Place),
}

/// A connection to the request's address. An address of a cluster that cannot be connected to gives way to another, as long as
/// nothing was sent and the request may be repeated. `http1`: HTTP/2 will not do.
pub(super) async fn connect(way: &mut UpstreamTarget, deadlines: &Deadlines, http1: bool) -> Result<Found, SendError> {
    let mut tried = ArrayVec::<_, MOST_TRIED>::new();
    loop {
        if let Some(connection) = way.pool.take(&way.to) {
            return Ok(Found::Http1(connection, true));
        }
        let failure = match open(way, deadlines, http1 || way.handshake.is_some()).await {
            Ok(found) => return Ok(found),
            Err(failure) => failure,
        };
        if matches!(failure, SendError::Descriptors { .. }) {
            return Err(failure);
        }
        let (Some(cluster), Some(to)) = (way.pool.cluster(), &way.to) else { return Err(failure) };
        // The last failure is noted by who tells it.
        let last = tried.remaining_capacity() <= 1 || !way.idempotent || deadlines.expired(Phase::Total);
        // The head was written for this address.
        let told = way.pool.upstream().host == HostHeader::Upstream;
        if last || told {
            return Err(failure);
        }
        let mut others = tried.clone();
        others.push(Arc::clone(to));
        let Ok(next) = choose(&way.pool, &way.key, &others) else { return Err(failure) };
        cluster.failed(to);
        tracing::debug!(error = %failure, "another address of the upstream is tried");
        (tried, way.to) = (others, next);
    }
}

/// Opens a connection to the request's address, or shares one.
async fn open(way: &UpstreamTarget, deadlines: &Deadlines, http1: bool) -> Result<Found, SendError> {
    let UpstreamTarget { pool, to, timeouts, .. } = way;
    if http1 {
        let connection = pool.connect_http1(to, deadlines, timeouts.connect).await?;
        return Ok(Found::Http1(connection, false));
    }
    if let Some(place) = pool.enter_http2(to) {
        return Ok(Found::Http2(place));
    }
    Ok(match pool.connect(to, deadlines, timeouts.connect).await? {
        Connected::Http1(connection) => Found::Http1(connection, false),
        Connected::Http2(place) => Found::Http2(place),
    })
}
