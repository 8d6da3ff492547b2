//! A list that is narrowed at its source: what a service is asked in the place of what the client has asked, and what the client sees of
//! that.

use super::matching::Hits;
use super::{Denial, OrgKey, Reason, RequestView};
use crate::answers::Pages;
use crate::facts::{Level, Snapshot};
use crate::policy::{By, ItemBy, Push};
use crate::request_target::{Target, query};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::sync::Arc;

/// What becomes of a request whose list is narrowed.
#[derive(Clone, Debug)]
pub(super) enum Narrowed {
    /// There is nothing that its caller could get: nobody is asked.
    Nothing,
    /// The service is asked for this target.
    Asks(Arc<str>, Arc<Pages>),
}

/// What need not be escaped in a query (RFC 3986, 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Narrows a request to items of the organizations where its caller is at least `keep`: to those of them that it asks for, where it does.
/// `target` is what would be forwarded.
///
/// # Errors
/// 431 `identity_too_large`; 502 `answer_unreadable`: an organization has a key that the parameter cannot say.
pub(super) fn narrow(
    push: &Push,
    keep: Level,
    caller: &Snapshot,
    hits: &Hits<'_>,
    view: &RequestView<'_>,
    target: &str,
) -> Result<Narrowed, Denial> {
    let deny = |reason, hint| hits.first.deny(reason).with_hint(hint);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let asked: Vec<&str> = query::pairs(query, &push.parameter).collect();
    let wanted = wanted(push, &asked);
    let name = utf8_percent_encode(&push.parameter, ESCAPED).to_string();
    let mut pushed = String::new();
    for membership in caller.memberships().iter().filter(|membership| membership.level() >= keep) {
        let Some(key) = push.by.of(&membership.organization) else { continue };
        if wanted.as_ref().is_some_and(|wanted| !wanted.iter().any(|wanted| is_same(wanted, &key, push.by))) {
            continue;
        }
        if !push.is_repeated && key.contains(',') {
            let hint = "an organization's key has a comma, which `push` cannot say: let the parameter be `repeated`";
            return Err(deny(Reason::AnswerUnreadable, hint));
        }
        match (pushed.is_empty(), push.is_repeated) {
            (true, _) => pushed.extend([&*name, "="]),
            (false, true) => pushed.extend(["&", &*name, "="]),
            (false, false) => pushed.push(','),
        }
        pushed.extend(utf8_percent_encode(&key, ESCAPED));
        if pushed.len() > hits.first.route.list_limit {
            let hint = "the list that is pushed would be longer than `limits.identity_header`";
            return Err(deny(Reason::IdentityTooLarge, hint));
        }
    }
    if pushed.is_empty() {
        return Ok(Narrowed::Nothing);
    }
    let left = query::without(query, &push.parameter);
    let left = left.as_deref().unwrap_or(query);
    let raw = match left {
        "" => format!("{path}?{pushed}"),
        left => format!("{path}?{left}&{pushed}"),
    };
    // Of what was judged, only the query has changed: it falls under the same routes, if it can be read as it was.
    Target::read(&raw).map_err(|error| Denial::from(error).at(hits.first.route.index))?;
    let pages = pages(view, path, &push.parameter, &asked.join("&"));
    Ok(Narrowed::Asks(raw.into(), Arc::new(pages)))
}

/// The same where the service narrows by itself: it is asked what it would be.
pub(super) fn by_itself(view: &RequestView<'_>, target: &str) -> Narrowed {
    let (path, _) = target.split_once('?').unwrap_or((target, ""));
    Narrowed::Asks(target.into(), Arc::new(pages(view, path, "", "")))
}

fn pages(view: &RequestView<'_>, forwarded: &str, parameter: &str, asked: &str) -> Pages {
    let host = view.headers.get(http::header::HOST).and_then(|host| host.to_str().ok()).unwrap_or(view.host);
    Pages {
        parameter: parameter.into(),
        asked: asked.into(),
        host: host.into(),
        path: view.target.path().into(),
        forwarded: forwarded.into(),
    }
}

/// What the client asks for with the same parameter; `None`: for nothing, since it is not there, or empty.
fn wanted(push: &Push, asked: &[&str]) -> Option<Vec<String>> {
    let values = asked.iter().map(|pair| query::value(pair));
    let separator = if push.is_repeated { '\0' } else { ',' };
    let mut wanted = Vec::new();
    for value in values {
        match value {
            Ok(value) => wanted.extend(value.split(separator).filter(|key| !key.is_empty()).map(str::to_owned)),
            // Whatever it is, it names none of the caller's.
            Err(_) => wanted.push(String::new()),
        }
    }
    (!wanted.is_empty()).then_some(wanted)
}

fn is_same(wanted: &str, key: &str, by: ItemBy) -> bool {
    match by {
        ItemBy::Key(By::Id) => {
            matches!(super::org_references::key(wanted.into(), By::Id), Ok(OrgKey::Id(id)) if id.to_string() == *key)
        }
        ItemBy::Key(_) | ItemBy::Name => wanted == key,
    }
}
