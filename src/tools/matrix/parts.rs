//! The parts of two rules that differ, where verdicts do not tell, and whether such an edit only takes away.

use crate::policy::{Access, Foreign, Inject, Item, OptionChange, Policy, Route, RouteOptions, Rule, RuleOptions};
use std::collections::BTreeSet;

/// The parts of two rules that differ, where verdicts do not tell.
pub(super) fn parts(
    (old_policy, old_route, old): (&Policy, &Route, &Rule),
    (new_policy, new_route, new): (&Policy, &Route, &Rule),
) -> Vec<OptionChange> {
    // Whoever adds a part to a rule must say here what an edit of it means; options say it themselves.
    let Rule {
        access,
        origin,
        foreign,
        inject,
        schemes,
        forward_authorization,
        appointed: _,
        options: _,
        lookups,
        reads_body: _,
        reads_answer: _,
    } = new;
    let mut parts = Vec::new();
    let mut differ =
        |name, was: String, now: String, is_narrower| parts.push(OptionChange { name, was, now, is_narrower });
    let need = |rule: &Rule| rule.access.credential();
    if need(old) != access.credential() {
        let words = |rule: &Rule| rule.access.as_str().to_owned();
        differ("level", words(old), words(new), access.credential() > need(old));
    }
    let permits = |access: Access| access == Access::Permitted;
    if permits(old.access) != permits(*access) {
        // The people here have no permissions: whom they let in without a membership, no verdict tells.
        let words = |rule: &Rule| rule.access.as_str().to_owned();
        differ("level", words(old), words(new), matches!(access, Access::In(_) | Access::Superuser | Access::Deny));
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
    let asked = |route: &Route, lookups: &[usize]| {
        let calls = lookups.iter().filter_map(|at| route.lookups.get(*at));
        calls.map(|call| route.call_words(call)).collect::<Vec<_>>().join("; ")
    };
    let (was, now) = (asked(old_route, &old.lookups), asked(new_route, lookups));
    if was != now {
        differ("lookups", was, now, false);
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
    parts.extend(RuleOptions::changes(old.options.as_deref(), new.options.as_deref()));
    let upstream = |policy: &Policy, route: &Route| {
        policy.upstreams().get(route.upstream).map(|n| n.to_string()).unwrap_or_default()
    };
    let (was, now) = (upstream(old_policy, old_route), upstream(new_policy, new_route));
    if was != now {
        parts.push(OptionChange { name: "upstream", was, now, is_narrower: false });
    }
    parts.extend(RouteOptions::changes(Some(&old_route.options), Some(&new_route.options)));
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
