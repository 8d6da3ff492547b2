//! A browser asks before it sends (the Fetch standard, 4.8): the answer is the route's `cors`, and needs no credential.

use super::matching::takes;
use super::{Denial, Reason, RequestView};
use crate::policy::{Cors, Policy, Route};
use http::Method;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN};

/// A preflight that is answered here.
#[derive(Clone, Debug)]
pub struct Preflight<'p> {
    /// The route that it asks for.
    pub route: &'p Route,
    /// What it says to browsers.
    pub cors: &'p Cors,
    /// `Access-Control-Allow-Origin`, or why there is none.
    pub verdict: Result<HeaderValue, Denial>,
}

/// The preflight that a request is; `None` where it is none, or where the route has no `cors`: then it is a request like any
/// other.
#[must_use]
pub fn preflight<'p>(policy: &'p Policy, view: &RequestView<'_>) -> Option<Preflight<'p>> {
    if *view.method != Method::OPTIONS || !view.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
        return None;
    }
    let origin = only(view.headers)?;
    let found = policy.find(view.host, view.target.decoded())?;
    takes(Some(&found), view.target).ok()?;
    let route = found.route;
    let cors = route.options.cors.as_ref()?;
    let verdict = cors.allows(origin).ok_or_else(|| Denial::new(Reason::OriginDenied).at(route.index));
    Some(Preflight { route, cors, verdict })
}

/// The one `Origin` of a request.
fn only(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut values = headers.get_all(ORIGIN).iter();
    values.next().filter(|_| values.next().is_none())
}
