//! The `Date` of answers (RFC 9110, 6.6.1), by the clock as it is: one that was set back is followed at once.

use crate::clock;
use http::HeaderValue;
use http::header::{DATE, HeaderMap};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use std::cell::RefCell;

thread_local! {
    static LAST: RefCell<Written> = const { RefCell::new(Written { second: i64::MIN, value: HeaderValue::from_static("") }) };
}

/// A second, and how it is written.
struct Written {
    second: i64,
    value: HeaderValue,
}

impl Written {
    fn at(&mut self, second: i64) -> &HeaderValue {
        if self.second != second {
            let written = Timestamp::from_second(second).ok().and_then(|at| {
                let text = DateTimePrinter::new().timestamp_to_rfc9110_string(&at).ok()?;
                HeaderValue::try_from(text).ok()
            });
            if let Some(value) = written {
                *self = Self { second, value };
            }
        }
        &self.value
    }
}

/// Says when the answer was made, where nobody has.
pub fn put(headers: &mut HeaderMap) {
    if !headers.contains_key(DATE) {
        let now = clock::unix_seconds();
        headers.insert(DATE, LAST.with_borrow_mut(|last| last.at(now).clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::{HeaderMap, HeaderValue, Written, put};

    #[test]
    fn a_clock_that_was_set_back_is_followed() {
        let mut last = Written { second: i64::MIN, value: HeaderValue::from_static("") };
        assert_eq!(last.at(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(last.at(784_111_778), "Sun, 06 Nov 1994 08:49:38 GMT");
        assert_eq!(last.at(784_108_177), "Sun, 06 Nov 1994 07:49:37 GMT", "an hour back");
    }

    #[test]
    fn a_date_that_is_there_stays() {
        let mut headers = HeaderMap::new();
        put(&mut headers);
        assert!(headers["date"].to_str().unwrap().ends_with(" GMT"));
        headers.insert("date", HeaderValue::from_static("the upstream's"));
        put(&mut headers);
        assert_eq!(headers["date"], "the upstream's");
    }
}
