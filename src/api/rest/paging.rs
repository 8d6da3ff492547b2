//! Pages by number, as openwisp-utils' pagination has them. Those by cursor are in [`super::cursors`].

use super::super::error::ApiError;
use super::{Call, keys};
use crate::compat::openwisp::negotiate::query;
use crate::compat::openwisp::object::Object;
use crate::directory::{List, Page, Rows};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

const USUAL: u32 = 10;
pub(super) const LONGEST: u32 = 100;
/// So many are counted of what a request filters or searches, and no more: whoever may read a list may make the store count with every
/// request.
const COUNTED: u32 = 10_000;

/// What Python's `urlencode` leaves as it is, but for the blank.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b' ');

/// The page that a request asks for.
pub(super) struct Paging {
    /// `None`: the last, whichever that is.
    number: Option<u32>,
    size: u32,
    is_compat: bool,
    query: Vec<(String, String)>,
}

impl Paging {
    /// # Errors
    /// The number is none.
    pub(super) fn of(call: &Call) -> Result<Self, ApiError> {
        let query = query(call.request.uri.query())?;
        let said = |name: &str| query.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let size = said("page_size").and_then(keys::whole).filter(|size| *size > 0);
        let size = size.map_or(USUAL, |size| u32::try_from(size).unwrap_or(LONGEST).min(LONGEST));
        let number = match said("page").unwrap_or_default() {
            "" => Some(1),
            "last" => None,
            text => {
                let number = keys::whole(text).and_then(|number| u32::try_from(number).ok());
                Some(number.filter(|number| *number > 0).ok_or(ApiError::NoPage)?)
            }
        };
        Ok(Self { number, size, is_compat: call.is_compat(), query })
    }

    /// The parameters of the request.
    pub(super) fn query(&self) -> &[(String, String)] {
        &self.query
    }

    pub(super) const fn size(&self) -> u32 {
        self.size
    }

    /// What to list for it. The last page is known once all are counted.
    pub(super) fn list(&self, list: List) -> List {
        let offset = self.number.map_or(0, |number| (number - 1).saturating_mul(self.size));
        // The reference counts all.
        let counted_to = (!self.is_compat).then_some(COUNTED);
        List { page: Page { limit: Some(self.size), offset }, counted_to, ..list }
    }

    /// Where the last page begins, where that is asked for and another one was read.
    ///
    /// # Errors
    /// Nobody knows which it is.
    pub(super) fn last<R>(&mut self, rows: &Rows<R>) -> Result<Option<Page>, ApiError> {
        let pages = self.pages(rows.total);
        if self.number.is_none() && rows.has_more {
            return Err(ApiError::NoPage);
        }
        let is_unread = self.number.is_none() && pages > 1;
        self.number.get_or_insert(pages);
        Ok(is_unread.then(|| Page { limit: Some(self.size), offset: (pages - 1) * self.size }))
    }

    fn pages(&self, total: u64) -> u32 {
        u32::try_from(total.div_ceil(u64::from(self.size))).unwrap_or(u32::MAX).max(1)
    }

    /// What is told of the rows.
    ///
    /// # Errors
    /// There is no such page.
    pub(super) fn tell<R>(&self, call: &Call, rows: &Rows<R>, tell: impl Fn(&R) -> String) -> Result<String, ApiError> {
        let pages = self.pages(rows.total);
        let number = self.number.unwrap_or(pages);
        if number > pages {
            return Err(ApiError::NoPage);
        }
        let mut told = Object::default();
        told.put("count", &rows.total);
        if rows.has_more {
            told.put("count_is_exact", &false);
        }
        told.put("next", &(number < pages || rows.has_more).then(|| self.link(call, number + 1)));
        told.put("previous", &(number > 1).then(|| self.link(call, number - 1)));
        told.put_list("results", rows.rows.iter().map(tell));
        Ok(told.end())
    }

    fn link(&self, call: &Call, number: u32) -> String {
        let number = (number != 1).then(|| number.to_string());
        link(call, &self.query, "page", number.as_deref())
    }
}

/// The address of another page: the other parameters of the request stay, sorted by their names.
pub(super) fn link(call: &Call, query: &[(String, String)], name: &str, value: Option<&str>) -> String {
    let others = query.iter().filter(|(known, _)| known != name);
    let mut query: Vec<(&str, &str)> = others.map(|(name, value)| (name.as_str(), value.as_str())).collect();
    query.extend(value.map(|value| (name, value)));
    query.sort_by_key(|(name, _)| *name);
    let encoded = |text: &str| utf8_percent_encode(text, ENCODED).to_string().replace(' ', "+");
    let query: Vec<String> =
        query.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    let path = call.here();
    let sign = if query.is_empty() { "" } else { "?" };
    format!("{}{path}{sign}{}", call.origin.0, query.join("&"))
}
