//! A request as conditions see it, and why one cannot be told of it.

use crate::claims::Claims;
use crate::facts::{Object, Organization, Snapshot};
use crate::request_target::field::FieldError;
use crate::request_target::query::Ambiguous;
use http::{HeaderMap, Method};
use std::borrow::Cow;
use std::net::IpAddr;

/// What a condition is about.
#[derive(Clone, Copy)]
pub struct Subject<'r> {
    pub method: &'r Method,
    /// `request.path`: decoded, as it was matched.
    pub path: &'r str,
    pub host: &'r str,
    /// `client.address`: as it is known behind trusted proxies.
    pub client: Option<IpAddr>,
    pub query: Option<&'r str>,
    /// `request.headers`: as the client sent them.
    pub headers: &'r HeaderMap,
    /// `user`; null where nobody is known.
    pub user: Option<&'r Snapshot>,
    /// `claims`: what the credential says besides.
    pub claims: Option<&'r Claims>,
    /// `org` and `org.level`; null where there is none.
    pub organization: Option<(&'r Organization, &'static str)>,
    /// `path`: what the variable with that number matched.
    pub variable: &'r dyn Fn(usize) -> Option<Cow<'r, str>>,
    /// `lookup`: what the route's lookup of that number found.
    pub object: &'r dyn Fn(usize) -> Option<&'r Object>,
}

/// Why a condition neither holds nor does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A parameter that it asks has no one value.
    Parameter(Ambiguous),
    /// A header that it asks cannot be judged by.
    Header(FieldError),
    /// It asks something that is not there, or that is of another kind.
    Undefined,
}
