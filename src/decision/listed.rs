//! Which items of a list its caller gets: decided by what is known of them when the answer begins, and the same to its end.

use super::items::{self, FoundItems, unreadable};
use super::matching::Hits;
use super::org_references::key;
use super::push::{Narrowed, by_itself, narrow};
use super::rule::passes_shared;
use super::{AnswerView, Awaited, Caller, Denial, OrgKey, Reason, RequestView, media_type};
use crate::answers::{Counts, Filter, Pages, Said, Shape};
use crate::facts::{Level, Snapshot};
use crate::id::OrgId;
use crate::policy::{Access, By, ItemBy, ItemLookup, List, Rule};
use http::{HeaderMap, Method, StatusCode};
use std::sync::Arc;

/// An answer that is a list, and what of it the caller gets.
#[derive(Clone, Debug)]
pub struct Listed {
    shape: Arc<Shape>,
    /// `None`: all of it, as superusers do.
    kept: Option<KeptItems>,
    limit: usize,
    awaited: Awaited,
    /// The answer has no body.
    is_head: bool,
    /// The service sends the caller's items alone, asked for them or by itself.
    narrowed: Option<Narrowed>,
    /// What says whose an item is, where that only names another object.
    lookup: Option<Arc<ItemLookup>>,
    /// Media types of answers that go on as they come.
    unfiltered: Arc<[Box<str>]>,
}

impl Listed {
    /// What rules say that a request falls under, which would be forwarded to this target; `None`: its answer is no list.
    ///
    /// # Errors
    /// 502 `answer_unreadable`: two of them say it differently; or as [`narrow`].
    pub(super) fn of(
        hits: &Hits<'_>,
        view: &RequestView<'_>,
        caller: &Caller,
        target: &str,
    ) -> Result<Option<Box<Self>>, Denial> {
        let mut lists = hits.rules().filter_map(|rule| rule.list());
        let Some(list) = lists.next() else { return Ok(None) };
        let refuse = |hint| hits.first.deny(Reason::AnswerUnreadable).with_hint(hint);
        if lists.any(|other| other != list) {
            return Err(refuse("the rewritten target falls under a rule with another `list`"));
        }
        let Some(user) = &caller.user else { return Err(refuse("nobody is known whose items could be told")) };
        let limit = hits.rules().map(Rule::inspect_limit).min().unwrap_or_default();
        let passes_errors = hits.rules().filter(|rule| rule.list().is_some()).all(Rule::passes_errors);
        let kept = KeptItems::of(list, hits, view.method, user);
        // No parameter names what belongs to nobody, and nobody's ids are a superuser's.
        let is_narrow = kept.as_ref().is_some_and(|kept| !kept.keeps_shared) && !user.is_superuser_somewhere();
        // In shadow mode the service is asked as the client asks.
        let narrowed = match list.push.as_ref().filter(|_| is_narrow) {
            _ if hits.are_shadow() => None,
            Some(push) => Some(narrow(push, list.keep, user, hits, view, target)?),
            None => (list.is_narrowed && kept.is_some()).then(|| by_itself(view, target)),
        };
        Ok(Some(Box::new(Self {
            shape: Arc::clone(&list.shape),
            kept,
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            awaited: if passes_errors { Awaited::ObjectOrError } else { Awaited::Object },
            is_head: *view.method == Method::HEAD,
            narrowed,
            lookup: list.lookup.clone(),
            unfiltered: Arc::clone(&list.unfiltered),
        })))
    }

    /// The target that the service is asked for, where that is another than the client's.
    pub(super) fn target(&self) -> Option<&Arc<str>> {
        match &self.narrowed {
            Some(Narrowed::Asks(target, _)) => Some(target),
            Some(Narrowed::Nothing) | None => None,
        }
    }

    /// What the client sees of a list that was narrowed at its source.
    #[must_use]
    pub fn pages(&self) -> Option<&Arc<Pages>> {
        match &self.narrowed {
            Some(Narrowed::Asks(_, pages)) => Some(pages),
            Some(Narrowed::Nothing) | None => None,
        }
    }

    /// The answer where nothing could be the caller's, so that nobody is asked: a list without items, where those would be.
    #[must_use]
    pub fn empty(&self) -> Option<String> {
        matches!(self.narrowed, Some(Narrowed::Nothing)).then(|| {
            let list = serde_json::Value::Array(Vec::new());
            self.shape.items.iter().rev().fold(list, |inner, step| serde_json::json!({ &**step: inner })).to_string()
        })
    }

    /// The filter for an answer with this head; `None`: it goes on as it is, but for what its head says of others' items.
    ///
    /// # Errors
    /// 502 `answer_unreadable`, or the service's own refusal: see [`Awaited::has_object`].
    pub fn filter(&self, status: StatusCode, headers: &HeaderMap) -> Result<Option<(Filter, KeptItems)>, Denial> {
        let Some(media_type) = self.awaited.has_object(status, headers)? else { return Ok(None) };
        let (Some(kept), false) = (&self.kept, self.is_head) else { return Ok(None) };
        let refuse = |hint| Denial::new(Reason::AnswerUnreadable).with_hint(hint);
        match Filter::of(&media_type, &self.shape, self.limit, self.pages()) {
            Some(filter) => Ok(Some((filter, kept.clone()))),
            None if self.lets_through(&media_type) => Ok(None),
            None => {
                Err(refuse("the answer is neither JSON nor lines or events of it, nor of a type that is `unfiltered`"))
            }
        }
    }

    /// What says whose an item is, where that only names another object: then the page is held for it, or so many events.
    #[must_use]
    pub fn lookup(&self) -> Option<&ItemLookup> {
        self.lookup.as_deref()
    }

    /// The objects whose organizations the items of a page have, each once.
    ///
    /// # Errors
    /// As [`Listed::filter`]; and 502 `answer_unreadable` where it cannot be read.
    pub fn asks(&self, page: AnswerView<'_>) -> Result<Vec<Box<str>>, Denial> {
        let filter = self.filter(page.status, page.headers)?;
        filter.map_or_else(|| Ok(Vec::new()), |(filter, _)| items::keys(filter, page.body))
    }

    /// What is left of an answer that is all there, with what was found of the objects that it names.
    ///
    /// # Errors
    /// As [`Listed::filter`]; 502 `answer_unreadable` where it cannot be read; 503 `lookup_failed`.
    pub fn left(&self, answer: AnswerView<'_>, found: &FoundItems) -> Result<(Vec<u8>, Counts), Denial> {
        let Some((mut filter, kept)) = self.filter(answer.status, answer.headers)? else {
            return Ok((answer.body.to_vec(), Counts::default()));
        };
        if let Some(lookup) = &self.lookup {
            return items::left(filter, answer.body, (&kept, lookup), found);
        }
        let (mut out, mut keep) = (Vec::new(), |said: &Said<'_>| kept.keeps(said));
        let fed = filter.feed(answer.body, &mut keep, &mut out).and_then(|()| filter.finish(&mut keep, &mut out));
        Ok((out, fed.map_err(unreadable)?))
    }

    /// Whether an answer that is not filtered goes on with all that its head tells of it.
    #[must_use]
    pub fn is_whole(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        let is_unfiltered =
            || media_type::read(headers).is_ok_and(|found| found.is_some_and(|it| self.lets_through(&it)));
        self.kept.is_none() || !status.is_success() || is_unfiltered()
    }

    fn lets_through(&self, media_type: &str) -> bool {
        self.unfiltered.iter().any(|known| **known == *media_type)
    }
}

/// The items of somebody's own.
#[derive(Clone, Debug)]
pub struct KeptItems {
    caller: Arc<Snapshot>,
    keep: Level,
    by: ItemBy,
    keeps_shared: bool,
    /// Keys of the caller's organizations, sorted, where items do not name them by id.
    keys: Box<[Box<str>]>,
}

impl KeptItems {
    /// `None`: everything.
    fn of(list: &List, hits: &Hits<'_>, method: &Method, caller: &Arc<Snapshot>) -> Option<Self> {
        let is_closed = |rule: &Rule| rule.shared().of(method) == Access::Deny;
        let keeps_shared = list.shows_shared && hits.rules().all(|rule| passes_shared(rule, method, caller));
        if caller.user.is_superuser && list.shows_shared && !hits.rules().any(is_closed) {
            return None;
        }
        let keep = list.keep;
        let theirs = caller.memberships().iter().filter(|membership| membership.level() >= keep);
        let mut keys: Vec<Box<str>> = match list.by {
            ItemBy::Key(By::Id) => Vec::new(),
            by => theirs.filter_map(|membership| by.of(&membership.organization)).collect(),
        };
        keys.sort_unstable();
        Some(Self { caller: Arc::clone(caller), keep, by: list.by, keeps_shared, keys: keys.into() })
    }

    /// Whether the caller gets an item that says this of its organization. What cannot be read is nobody's.
    #[must_use]
    pub fn keeps(&self, said: &Said<'_>) -> bool {
        let text = match said {
            Said::Text(text) => text,
            Said::Null => return self.keeps_shared,
            Said::Nothing | Said::Other => return false,
        };
        let caller = &self.caller;
        match self.by {
            // Whoever passes everywhere has none of these keys; of a narrowed token only ids are known.
            _ if caller.user.is_superuser => true,
            ItemBy::Key(By::Id) => match key(text.as_ref().into(), By::Id) {
                Ok(OrgKey::Id(id)) => self.keeps_of_id(id),
                _ => false,
            },
            ItemBy::Key(_) | ItemBy::Name => self.keys.binary_search_by(|known| (**known).cmp(text)).is_ok(),
        }
    }

    fn keeps_of_id(&self, id: OrgId) -> bool {
        let caller = &self.caller;
        caller.is_superuser_in(id) || caller.membership(id).is_some_and(|membership| membership.level() >= self.keep)
    }

    /// Whether the caller gets an item of this organization; `None`: it is shared.
    pub(super) fn keeps_of(&self, owner: Option<&OrgKey<'_>>) -> bool {
        match owner {
            None => self.keeps_shared,
            Some(_) if self.caller.user.is_superuser => true,
            Some(OrgKey::Id(id)) => self.keeps_of_id(*id),
            Some(OrgKey::Slug(text) | OrgKey::External(text)) => {
                self.keys.binary_search_by(|known| (**known).cmp(text)).is_ok()
            }
        }
    }
}
