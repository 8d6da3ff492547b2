//! Pages by cursor: each begins behind the last record of the one before, whatever has come and gone meanwhile.
//!
//! A cursor is sealed: it is good for whoever was given it, at the same path with the same filters, search and order, and a changed one,
//! or one that somebody made up, is none. Nothing of it reaches a statement before.

use super::super::error::ApiError;
use super::Call;
use super::paging::{Paging, link};
use crate::compat::openwisp::fields::FieldErrors;
use crate::compat::openwisp::object::Object;
use crate::directory::{Keyset, List, Page, Place, Rows};
use crate::redis::seal::Name;
use data_encoding::BASE64URL_NOPAD;

/// Parameters that a cursor is not bound to: they say how much of the list is told, and how.
const FREE: [&str; 4] = ["cursor", "page", "page_size", "format"];
/// Longer ones are none of ours.
const LONGEST: usize = 4_096;

/// The page that a request asks for by cursor.
pub(super) struct Cursors {
    /// What its cursors are good for.
    of: Name,
    at: Keyset,
    size: u32,
    query: Vec<(String, String)>,
}

impl Cursors {
    /// `None` where the page is asked for by its number.
    ///
    /// # Errors
    /// The cursor is none of this list, or none at all.
    pub(super) fn of(call: &Call, paging: &Paging, list: &List) -> Result<Option<Self>, ApiError> {
        let query = paging.query().to_vec();
        let cursor = query.iter().rev().find(|(name, _)| name == "cursor").map(|(_, value)| value.as_str());
        let Some(cursor) = cursor.filter(|_| !call.is_compat()) else { return Ok(None) };
        let mut bound: Vec<&[u8]> = vec![call.asker.user.id.0.as_bytes(), call.request.uri.path().as_bytes()];
        bound.extend(list.order.iter().map(|name| name.as_bytes()));
        let mut asked: Vec<_> = query.iter().filter(|(name, _)| !FREE.contains(&name.as_str())).collect();
        asked.sort();
        for (name, value) in asked {
            bound.extend([name.as_bytes(), value.as_bytes()]);
        }
        let of = call.api.seal.name("cursor", &bound);
        let at = if cursor.is_empty() { Some(Keyset::default()) } else { open(call, &of, cursor) };
        let at = at.ok_or_else(|| ApiError::of_fields(FieldErrors::of("cursor", "Invalid cursor.")))?;
        Ok(Some(Self { of, at, size: paging.size(), query }))
    }

    /// What to list for it.
    pub(super) fn list(&self, list: List) -> List {
        List { keyset: Some(self.at.clone()), page: Page { limit: Some(self.size), offset: 0 }, ..list }
    }

    /// What is told of the rows.
    ///
    /// # Errors
    /// The system has no randomness.
    pub(super) fn tell<R>(&self, call: &Call, rows: &Rows<R>, tell: impl Fn(&R) -> String) -> Result<String, ApiError> {
        let Keyset { from, backwards } = &self.at;
        let (next, previous) = match (&rows.reach, backwards) {
            (Some(reach), false) => (reach.goes_on.then_some(&reach.last), from.as_ref().map(|_| &reach.first)),
            (Some(reach), true) => (Some(&reach.last), reach.goes_on.then_some(&reach.first)),
            (None, _) => (None, None),
        };
        let mut told = Object::default();
        // Before the first ones there is nothing: one goes on from the beginning.
        let again = (rows.reach.is_none() && *backwards).then(|| link(call, &self.query, "cursor", Some("")));
        told.put("next", &self.link(call, next, false)?.or(again));
        told.put("previous", &self.link(call, previous, true)?);
        told.put_list("results", rows.rows.iter().map(tell));
        Ok(told.end())
    }

    fn link(&self, call: &Call, place: Option<&Place>, backwards: bool) -> Result<Option<String>, ApiError> {
        let Some(place) = place else { return Ok(None) };
        let at = Keyset { from: Some(place.clone()), backwards };
        let text = serde_json::to_vec(&at).map_err(|_| ApiError::Unavailable)?;
        let sealed = call.api.seal.seal(&self.of, &text).map_err(|error| {
            tracing::warn!(%error, "a cursor cannot be sealed");
            ApiError::Unavailable
        })?;
        Ok(Some(link(call, &self.query, "cursor", Some(&BASE64URL_NOPAD.encode(&sealed)))))
    }
}

fn open(call: &Call, of: &Name, cursor: &str) -> Option<Keyset> {
    let sealed = BASE64URL_NOPAD.decode(cursor.as_bytes()).ok().filter(|_| cursor.len() <= LONGEST)?;
    serde_json::from_slice(&call.api.seal.open(of, &sealed)?).ok()
}
