//! The request that a `CheckRequest` is about, by the rules that one over HTTP/2 is admitted by.

use crate::decision::{Denial, Reason};
use crate::ext_authz::question::Question;
use crate::ext_authz::wire::Malformed;
use crate::fronts::{part, target_of};
use crate::gateway::failures;
use crate::net::framing::{Limits, Violation};
use crate::net::http2::admit::admit;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};
use std::net::IpAddr;

/// Whether a body that Envoy shows is all of it; of a body that it does not show it says nothing.
const PARTIAL: HeaderName = HeaderName::from_static("x-envoy-auth-partial-body");
const PSEUDO: usize = 4;

/// What is asked about.
pub(super) struct Asked {
    pub(super) request: Request<()>,
    /// Its body, where all of it is shown.
    pub(super) body: Option<Bytes>,
    /// Who is connected to Envoy.
    pub(super) source: Option<IpAddr>,
    /// Why it is refused before it is judged.
    pub(super) unread: Option<Denial>,
}

impl Asked {
    /// Reads a message about a request whose head is within these limits.
    ///
    /// # Errors
    /// It is no such message.
    pub(super) fn read(message: &Bytes, head: Limits) -> Result<Self, Malformed> {
        let question = Question::read(message, head.headers + PSEUDO + 1)?;
        let mut request = Request::new(());
        let unread = fill(&mut request, &question, message, head).err();
        let mut body = None;
        if unread.is_none()
            && let Some(shown) = question.raw_body.filter(|shown| is_whole(request.headers(), shown.len()))
        {
            body = Some(message.slice_ref(shown));
        }
        request.headers_mut().remove(PARTIAL);
        Ok(Self { request, body, source: question.source, unread })
    }
}

/// Makes the request, as far as it can be read.
fn fill(request: &mut Request<()>, question: &Question<'_>, message: &Bytes, head: Limits) -> Result<(), Denial> {
    let bad = |fault| Denial::new(Reason::BadFraming).with_fault(fault);
    *request.method_mut() =
        Method::from_bytes(question.method.as_bytes()).map_err(|_| failures::of_violation(Violation::Method))?;
    *request.uri_mut() = Uri::from(target_of(question.path.as_bytes())?);
    let query = question.path.split_once('?').map_or("", |(_, query)| query);
    if !question.fragment.is_empty() || !(question.query.is_empty() || question.query == query) {
        return Err(Denial::new(Reason::BadTarget));
    }
    if !matches!(question.scheme, "" | "http" | "https") {
        return Err(failures::of_violation(Violation::Scheme));
    }
    let headers = request.headers_mut();
    headers.reserve(question.headers.len());
    let value = |bytes: &[u8]| {
        HeaderValue::from_maybe_shared(message.slice_ref(bytes))
            .map_err(|_| failures::of_violation(Violation::FieldValue))
    };
    if !question.host.is_empty() {
        headers.insert(HOST, value(question.host.as_bytes())?);
    }
    for (name, told) in &question.headers {
        if let Some(pseudo) = name.strip_prefix(':') {
            let said = match pseudo {
                "method" => question.method,
                "path" => question.path,
                "authority" => question.host,
                "scheme" => question.scheme,
                _ => return Err(bad("a pseudo-header has no meaning here")),
            };
            if said.as_bytes() != *told {
                return Err(Denial::new(Reason::Ambiguous).with_hint("the front tells what was asked twice"));
            }
            continue;
        }
        if headers.len() > head.headers {
            return Err(failures::of_violation(Violation::TooManyFields));
        }
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| failures::of_violation(Violation::FieldName))?;
        match name {
            // How it came is between the client and the front.
            TRANSFER_ENCODING => {}
            HOST if headers.get(HOST).is_some_and(|host| host.as_bytes() == *told) => {}
            // Envoy joins more than one of them, also where it tells headers as they came: that is to be found out.
            AUTHORIZATION => {
                for one in told.split(|b| *b == b',') {
                    append(headers, AUTHORIZATION, value(one.trim_ascii())?)?;
                }
            }
            name => append(headers, name, value(told)?)?,
        }
    }
    if question.is_joined {
        part(headers);
    }
    admit(request, head).map_err(failures::of_violation)
}

fn append(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) -> Result<(), Denial> {
    headers.try_append(name, value).map(drop).map_err(|_| failures::of_violation(Violation::TooManyFields))
}

/// Whether what is shown of a body is all of it: Envoy says so, and it is as long as the client has said. Where the client has not said,
/// Envoy may have asked before the end.
fn is_whole(headers: &HeaderMap, shown: usize) -> bool {
    let one = |name: &HeaderName| {
        let mut values = headers.get_all(name).iter();
        values.next().filter(|_| values.next().is_none())
    };
    let length = one(&CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    shown > 0 && length == Some(shown) && one(&PARTIAL).is_some_and(|partial| partial == "false")
}
