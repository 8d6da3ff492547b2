//! A page of a list whose items name only another object: which those are, and which items are the caller's by what was found of them.
//!
//! All of the page is there, and is read twice: once for the objects that it names, so that one question asks for all of them, and once for
//! what is left of it.

use super::fields::owner_of;
use super::objects::MAX_ARG;
use super::{Denial, KeptItems, Reason};
use crate::answers::{Counts, Filter, Said, Unreadable};
use crate::facts::Object;
use crate::policy::ItemLookup;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Objects that a page names, at most.
const MOST: usize = 10_000;

/// The objects of a page, by what names them; those that are not there are not in it.
pub type FoundItems = HashMap<Box<str>, Arc<Object>>;

/// What a page asks its lookup for: each object once.
///
/// # Errors
/// 502 `answer_unreadable`.
pub(super) fn keys(mut filter: Filter, page: &[u8]) -> Result<Vec<Box<str>>, Denial> {
    let (mut keys, mut is_full) = (HashSet::new(), false);
    let mut note = |said: &Said<'_>| {
        if let Some(key) = key(said)
            && !keys.contains(key)
        {
            is_full |= keys.len() == MOST;
            if !is_full {
                keys.insert(Box::from(key));
            }
        }
        false
    };
    let mut none = Vec::new();
    filter.feed(page, &mut note, &mut none).and_then(|()| filter.finish(&mut note, &mut none)).map_err(unreadable)?;
    if is_full {
        return Err(Denial::new(Reason::AnswerUnreadable).with_hint("the items of the answer name too many objects"));
    }
    Ok(keys.into_iter().collect())
}

/// What is left of a page.
///
/// # Errors
/// 502 `answer_unreadable`; 503 `lookup_failed`: what was found does not say whose it is.
pub(super) fn left(
    mut filter: Filter,
    page: &[u8],
    (kept, lookup): (&KeptItems, &ItemLookup),
    found: &FoundItems,
) -> Result<(Vec<u8>, Counts), Denial> {
    let (mut out, mut failed) = (Vec::new(), None);
    let mut keep = |said: &Said<'_>| {
        let Some(object) = key(said).and_then(|key| found.get(key)) else { return false };
        match owner_of(object, lookup.column.as_deref(), lookup.by) {
            Ok(owner) => kept.keeps_of(owner.as_ref()),
            Err(denial) => {
                failed = Some(denial);
                false
            }
        }
    };
    let fed = filter.feed(page, &mut keep, &mut out).and_then(|()| filter.finish(&mut keep, &mut out));
    let counts = fed.map_err(unreadable)?;
    failed.map_or(Ok((out, counts)), Err)
}

/// What names an item's object; `None`: it is nobody's.
fn key<'s>(said: &'s Said<'_>) -> Option<&'s str> {
    match said {
        // PostgreSQL has no text with a NUL, and no key is so long.
        Said::Text(text) if text.len() <= MAX_ARG && !text.contains('\0') => Some(text),
        _ => None,
    }
}

pub(super) fn unreadable(error: Unreadable) -> Denial {
    Denial::new(Reason::AnswerUnreadable).with_hint(error.words())
}
