//! What a policy asks of an upstream over uwsgi that cannot be said there.

use super::lint::placed;
use super::options::Compiled;
use super::options::org::Source;
use super::route::{Route, Rule};
use super::source::RawRoute;
use crate::normalized_name::is_plain;
use crate::request_target::oddity::Oddities;
use crate::yaml::{Findings, Span};

/// Looks at a route whose upstream is spoken to over uwsgi.
pub(super) fn lint(raw: &RawRoute, route: &Route, findings: &mut Findings) {
    let mut warn = |span: Span, what: String, help: &str| {
        let message = format!("`{}` {what}", route.pattern);
        findings.warning("not_over_uwsgi", span, message).help(help);
    };
    if let Some(taken) = route.options.target.filter(|taken| taken.meets(Oddities::LOST_DECODED)) {
        let what = format!("takes targets that its upstream cannot be told over uwsgi, of {}", taken.words());
        let help = "a service is told the path decoded, where an encoded slash is any other: each such request would be 400; speak HTTP to this one";
        warn(raw.pattern.span, what, help);
    }
    for (_, span, rule) in placed(raw, route) {
        if let Some(name) = odd_header(rule) {
            let help = "headers become variables, for which `-` and `_` are the same: name it with hyphens, and let clients do so";
            warn(span, format!("is judged by `header.{name}`, which no service is told over uwsgi"), help);
        }
    }
}

/// A header that decides and whose name is not plain.
fn odd_header(rule: &Rule) -> Option<&str> {
    let sources = rule.origin.iter().flat_map(|item| &item.sources);
    sources.into_iter().find_map(|source| match source {
        Source::Header(name, _) if !is_plain(name.as_str()) => Some(name.as_str()),
        _ => None,
    })
}
