//! Refusals' bodies (RFC 9457), written once and shared.

use crate::decision::{Denial, Reason};
use bytes::Bytes;
use http::StatusCode;
use std::cell::RefCell;

/// Bodies that were written before, by reason and status.
#[derive(Debug, Default)]
pub struct Problems(RefCell<Vec<(Reason, StatusCode, Bytes)>>);

impl Problems {
    /// The body of a denial.
    pub fn of(&self, denial: &Denial) -> Bytes {
        let mut written = self.0.borrow_mut();
        let known = written.iter().find(|(reason, status, _)| *reason == denial.reason && *status == denial.status);
        if let Some((_, _, body)) = known {
            return body.clone();
        }
        let body = Bytes::from(denial.problem());
        written.push((denial.reason, denial.status, body.clone()));
        body
    }
}
