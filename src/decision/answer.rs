//! A service's answer that decides: what of it can be judged, and whose its object is.
//!
//! What two readers could read in two ways is refused, and so is whatever does not say whose it is. That is the service's fault or the
//! operator's, never the caller's, who is told no more than that.

use super::json::{self, Absent, Expected, Field, Problem};
use super::media_type;
use super::{Denial, Reason};
use crate::answers::is_json;
use crate::policy::{Pointer, Rule};
use http::{HeaderMap, StatusCode};

/// An answer that was held until all of it was there.
#[derive(Clone, Copy, Debug)]
pub struct AnswerView<'a> {
    pub status: StatusCode,
    pub headers: &'a HeaderMap,
    /// Without its `Content-Encoding`.
    pub body: &'a [u8],
}

/// Whether an answer must be judged before any of it reaches the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Awaited {
    Nothing,
    Object,
    /// The same, but refusals and failures of the service go on as they come.
    ObjectOrError,
}

impl Awaited {
    /// What rules want that a request falls under.
    pub(super) fn of<'r>(rules: impl Iterator<Item = &'r Rule>) -> Self {
        rules.filter(|rule| rule.reads_answer).fold(Self::Nothing, |so_far, rule| {
            match rule.passes_errors() && so_far != Self::Object {
                true => Self::ObjectOrError,
                false => Self::Object,
            }
        })
    }

    /// Whether the body of an answer decides; `false`: the answer goes on as it comes.
    ///
    /// # Errors
    /// As [`Awaited::has_object`]; and 502 `answer_unreadable` where its type is another than JSON.
    pub fn is_decided_by_body(self, status: StatusCode, headers: &HeaderMap) -> Result<bool, Denial> {
        match self.has_object(status, headers)? {
            None => Ok(false),
            Some(media_type) if is_json(&media_type) => Ok(true),
            Some(_) => Err(unreadable("the answer is not `application/json`, or another type that ends with `+json`")),
        }
    }

    /// The media type of an answer that has something to judge; `None`: it goes on as it comes.
    ///
    /// # Errors
    /// 502 `answer_unreadable`: nothing of it can be judged. `upstream_error`: the service refuses or fails, with its own status; where
    /// that is 404, it is told like an object that is somebody else's.
    pub fn has_object(self, status: StatusCode, headers: &HeaderMap) -> Result<Option<String>, Denial> {
        let is_error = matches!(status.as_u16(), 300..=303 | 305..=599);
        match self {
            Self::Nothing => return Ok(None),
            Self::ObjectOrError if is_error => return Ok(None),
            Self::Object | Self::ObjectOrError => {}
        }
        if status.is_client_error() || status.is_server_error() {
            return Err(Denial::new(Reason::UpstreamError).with_status(status));
        }
        // Parts, deltas, and what says that there is no body.
        if !status.is_success() || matches!(status.as_u16(), 204..=206 | 226) {
            return Err(unreadable("the status of the answer has no object"));
        }
        match media_type::read(headers) {
            Ok(found) => Ok(Some(found.unwrap_or_default())),
            Err(_) => Err(unreadable("the answer says its `Content-Type` twice, or a charset other than UTF-8")),
        }
    }
}

pub(super) fn unreadable(hint: &'static str) -> Denial {
    Denial::new(Reason::AnswerUnreadable).with_hint(hint)
}

/// Reads whose the object of an answer is; `None` where it does not say.
///
/// # Errors
/// 502 `answer_unreadable`.
pub(super) fn read(answer: AnswerView<'_>, pointer: &Pointer) -> Result<Option<Field>, Denial> {
    let mut found =
        json::read_one(answer.body, pointer, Expected::one(Absent::Problem), json::leaf).map_err(|problem| {
            unreadable(match problem {
                Problem::NotUtf8 => "the answer is not UTF-8",
                Problem::NotJson => "the answer is not one JSON document",
                Problem::Twice => "the answer names the organization twice, or in another spelling",
                Problem::TooManyValues => SEVERAL,
                Problem::NoName => "what names the organization in the answer is neither a text nor a number nor null",
                Problem::Missing => "an element of the answer does not name its organization",
            })
        })?;
    match (found.pop(), found.pop()) {
        (field, None) => Ok(field),
        (_, Some(_)) => Err(unreadable(SEVERAL)),
    }
}

const SEVERAL: &str = "the answer names several organizations";
