//! The parts of two rules that differ, where verdicts do not tell, and whether such an edit only takes away.

use crate::policy::{Foreign, Inject, Item, Policy, Route, Rule, RuleOptions};
use std::collections::{BTreeMap, BTreeSet};

/// A part of a rule that differs.
pub(super) struct Part {
    pub(super) name: &'static str,
    pub(super) was: String,
    pub(super) now: String,
    pub(super) is_narrower: bool,
}

/// What a rule may ask besides, by name.
const OPTIONS: [&str; 9] =
    ["permissions", "model", "shared", "when", "throttle", "timeout", "body_limit", "strict_source", "upgrade"];

/// The rule's further options in the policy's words.
fn options(rule: &Rule) -> BTreeMap<&'static str, String> {
    rule.options.as_ref().map(|options| options.words().into_iter().collect()).unwrap_or_default()
}

/// The parts of two rules that differ, where verdicts do not tell.
pub(super) fn parts(
    (old_policy, old_route, old): (&Policy, &Route, &Rule),
    (new_policy, new_route, new): (&Policy, &Route, &Rule),
) -> Vec<Part> {
    // Whoever adds a part to the language must say here what an edit of it means.
    let Rule { access, origin, foreign, inject, schemes, forward_authorization, appointed: _, options: _ } = new;
    let mut parts = Vec::new();
    let mut differ = |name, was: String, now: String, is_narrower| parts.push(Part { name, was, now, is_narrower });
    let need = |rule: &Rule| rule.access.credential();
    if need(old) != access.credential() {
        let words = |rule: &Rule| rule.access.as_str().to_owned();
        differ("level", words(old), words(new), access.credential() > need(old));
    }
    // Sources are compared by what they read, not by the names of variables.
    let shown = |item: &Item| format!("{item:?}");
    let (was, now): (Vec<_>, Vec<_>) = (old.origin.iter().map(shown).collect(), origin.iter().map(shown).collect());
    if was != now {
        // More that must pass is narrower, whoever stands first; a primary one decides what the upstream is told.
        let primary = |rule: &Rule| rule.origin.iter().any(|item| item.primary);
        let adds_only = was.iter().all(|item| now.contains(item)) && !primary(old) && !primary(new);
        differ("org", old_route.origin_words(old), new_route.origin_words(new), adds_only);
    }
    // Who is told 403 knows that the organization, or something of it, is there; 404 says nothing.
    let hides = |rule: &Rule| rule.foreign == Foreign::NotFound;
    if old.foreign != *foreign && access.asks_organization() && !old.origin.is_empty() && !origin.is_empty() {
        let words = |hides: bool| if hides { "404" } else { "403" }.to_owned();
        differ("foreign", words(hides(old)), words(hides(new)), hides(new));
    }
    for (was, now) in injected(&old.inject, inject, |i| old_route.header_words(i), |i| new_route.header_words(i)) {
        differ("inject", was, now, false);
    }
    if old.schemes != *schemes {
        let words = |rule: &Rule| rule.schemes.to_string();
        differ("authenticate", words(old), words(new), schemes.clone().and(&old.schemes) == *schemes);
    }
    if old.forward_authorization != *forward_authorization {
        let words = |is: bool| is.to_string();
        differ(
            "forward_authorization",
            words(old.forward_authorization),
            words(*forward_authorization),
            !forward_authorization,
        );
    }
    let (was, now) = (options(old), options(new));
    for name in OPTIONS {
        let (was, now) = (was.get(name).cloned().unwrap_or_default(), now.get(name).cloned().unwrap_or_default());
        if was != now {
            differ(name, was, now, takes_away(name, old.options.as_deref(), new.options.as_deref()));
        }
    }
    let upstream = |policy: &Policy, route: &Route| {
        policy.upstreams().get(route.upstream).map(|n| n.to_string()).unwrap_or_default()
    };
    let (was, now) = (upstream(old_policy, old_route), upstream(new_policy, new_route));
    if was != now {
        differ("upstream", was, now, false);
    }
    let cors = |route: &Route| route.cors.as_ref().map(|cors| cors.words()).unwrap_or_default();
    let (was, now) = (cors(old_route), cors(new_route));
    if was != now {
        let is_narrower = now.is_empty();
        differ("cors", was, now, is_narrower);
    }
    let (was, now) = (old_route.target_words(), new_route.target_words());
    if was != now {
        differ("target", was, now, new_route.target.are_among(old_route.target).is_ok());
    }
    let (was, now) = (old_route.rewrite_words(), new_route.rewrite_words());
    if was != now {
        differ("rewrite", was, now, false);
    }
    parts
}

/// The injected headers that differ, each in the policy's words, by name. Values are compared by what they read, not by the
/// names of variables.
fn injected(
    old: &[Inject],
    new: &[Inject],
    old_words: impl Fn(&Inject) -> String,
    new_words: impl Fn(&Inject) -> String,
) -> Vec<(String, String)> {
    let names: BTreeSet<&str> = old.iter().chain(new).map(|inject| inject.name.as_str()).collect();
    let find = |list: &'_ [Inject], name: &str| list.iter().position(|inject| inject.name == name);
    let mut list = Vec::new();
    for name in names {
        let (was, now) = (find(old, name).and_then(|at| old.get(at)), find(new, name).and_then(|at| new.get(at)));
        if format!("{:?}", was.map(|i| &i.value)) != format!("{:?}", now.map(|i| &i.value)) {
            list.push((was.map(&old_words).unwrap_or_default(), now.map(&new_words).unwrap_or_default()));
        }
    }
    list
}

/// Whether an edit of one of [`OPTIONS`] lets nobody through whom the old rule kept out, however a request looks.
fn takes_away(name: &str, old: Option<&RuleOptions>, new: Option<&RuleOptions>) -> bool {
    let nothing = RuleOptions::default();
    let (old, new) = (old.unwrap_or(&nothing), new.unwrap_or(&nothing));
    match name {
        "permissions" => new.permissions.imply(&old.permissions),
        "model" => old.model.is_none(),
        // Another condition may hold where the old one did not.
        "when" => old.when.is_none(),
        "throttle" => match (&old.throttle, &new.throttle) {
            (None, Some(_)) => true,
            (Some(old), Some(new)) => {
                let ((was, before), (now, after)) = (old.rate, new.rate);
                let (was, now) = (u128::from(was.get()), u128::from(now.get()));
                old.by == new.by && now <= was && now * before.as_millis() <= was * after.as_millis()
            }
            (_, None) => false,
        },
        "body_limit" => matches!((old.body_limit, new.body_limit), (Some(was), Some(now)) if now <= was),
        "strict_source" => new.strict_source,
        "upgrade" => new.upgrade.is_none(),
        _ => false,
    }
}
