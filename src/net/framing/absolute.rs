//! Targets in absolute form (RFC 9112, 3.2.2), and the two places that a host can stand in.

use super::Violation;
use crate::request_target::host;
use http::header::{HOST, HeaderMap, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Uri};

/// A request with a target in absolute form becomes one in origin form with a `Host`; any other is left as it is.
///
/// # Errors
/// Its authority is not the `Host`.
pub fn to_origin_form<B>(request: &mut Request<B>) -> Result<(), Violation> {
    let uri = request.uri();
    let Some(authority) = uri.authority() else { return Ok(()) };
    let host = host_of(uri.scheme(), Some(authority), request.headers())?;
    let target = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    // The path may be empty before a query, and means `/`.
    let rooted = if target.starts_with('/') { target.parse() } else { format!("/{target}").parse() };
    let target: PathAndQuery = rooted.map_err(|_| Violation::RequestLine)?;
    if let Some(host) = host {
        request.headers_mut().insert(HOST, host);
    }
    *request.uri_mut() = Uri::from(target);
    Ok(())
}

/// The `Host` to set, where it is not there already. Both may be sent, and must then be the same (RFC 9113, 8.3.1).
///
/// # Errors
/// They are not, or there is none.
pub fn host_of(
    scheme: Option<&Scheme>,
    authority: Option<&Authority>,
    headers: &HeaderMap,
) -> Result<Option<HeaderValue>, Violation> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Violation::HostRepeated);
    }
    let named = authority.map(|authority| authority.as_str().as_bytes()).or(host.map(HeaderValue::as_bytes));
    let named = named.ok_or(Violation::HostMissing)?;
    host::check(named).map_err(Violation::Host)?;
    let port = if scheme == Some(&Scheme::HTTP) { "80" } else { "443" };
    match host {
        Some(host) if host::are_same(host.as_bytes(), named, port) => Ok(None),
        Some(_) => Err(Violation::HostDiffers),
        None => HeaderValue::from_bytes(named).map(Some).map_err(|_| Violation::HostMissing),
    }
}
