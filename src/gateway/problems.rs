//! Refusals' bodies (RFC 9457), written once and shared. Faults are texts of the program and ages stand in policies, so there is a bounded number of them.

use crate::decision::{Denial, Reason};
use bytes::Bytes;
use http::StatusCode;
use std::cell::RefCell;
use std::num::NonZeroU32;

/// What makes a body another one.
type Key = (Reason, StatusCode, Option<&'static str>, Option<NonZeroU32>);

/// Bodies that were written before.
#[derive(Debug, Default)]
pub struct Problems(RefCell<Vec<(Key, Bytes)>>);

impl Problems {
    /// The body of a denial.
    pub fn of(&self, denial: &Denial) -> Bytes {
        let mut written = self.0.borrow_mut();
        let key = (denial.reason, denial.status, denial.fault, denial.max_age);
        if let Some((_, body)) = written.iter().find(|(known, _)| *known == key) {
            return body.clone();
        }
        let body = Bytes::from(denial.problem());
        written.push((key, body.clone()));
        body
    }
}
