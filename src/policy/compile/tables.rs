//! Where the patterns of routes go: to the index of each host that they are for.

use super::Compiler;
use crate::policy::index::Conflict;
use crate::policy::options::trailing_slash::TrailingSlash;
use crate::policy::pattern::{Pattern, Segment};
use crate::policy::source::{File, RawRoute};
use crate::yaml::{Span, Spanned};

impl Compiler<'_> {
    /// The tables that a file's routes go to.
    pub(super) fn tables(&mut self, file: &File) -> Vec<usize> {
        if file.hosts.is_empty() {
            return vec![0];
        }
        let mut tables = Vec::with_capacity(file.hosts.len());
        for Spanned { value, span } in &file.hosts {
            match self.table.host(value) {
                Ok(table) if tables.contains(&table) => {
                    let message = format!("`{}` is the same host as another one here", value.text);
                    self.findings.error("conflict", *span, message).help("leave it out");
                }
                Ok(table) => tables.push(table),
                Err(_) => {
                    let message =
                        format!("`{}` has a variable of another type than a host pattern like it", value.text);
                    self.findings.error("type_overlap", *span, message).help("use the same type in both");
                }
            }
        }
        tables
    }

    /// Puts a route's pattern into the index of each of its hosts.
    pub(super) fn index(&mut self, tables: &[usize], route: &RawRoute, number: usize) {
        let Spanned { value: pattern, span } = &route.pattern;
        let slash = route.options.trailing_slash.as_ref().or(route.above.trailing_slash.as_ref());
        let either = slash.is_some_and(|slash| slash.value == TrailingSlash::Either);
        let variants = [Some(pattern.segments.to_vec()), either.then(|| slashed(pattern)).flatten()];
        for segments in variants.into_iter().flatten() {
            let mut places = self.reserved.places();
            if let Some((place, own)) = places.find(|(place, _)| lies_under(&segments, pattern.rest, place)) {
                self.findings
                    .error("reserved_path", *span, format!("`{place}` is postern's own {}", own.words()))
                    .help(format!("no route can stand under it; {}", own.help()));
            }
            for table in tables {
                if let Err(conflict) = self.table.insert(*table, &segments, pattern.rest, number) {
                    self.conflict(conflict, pattern, *span);
                    return;
                }
            }
        }
    }

    fn conflict(&mut self, conflict: Conflict, pattern: &Pattern, span: Span) {
        let text = &pattern.text;
        match conflict {
            Conflict::Same(first) => {
                let detail = self.findings.error(
                    "conflict",
                    span,
                    format!("`{text}` matches the same targets as another route"),
                );
                let detail = detail.help("make one route of them, or make one more specific: a literal or a type");
                if let Some(place) = self.places.get(first as usize) {
                    detail.related(*place, "the other one; neither is more specific");
                }
            }
            Conflict::Types { first, theirs, ours } => {
                let (ours, theirs) = (ours.as_str(), theirs.as_str());
                let message =
                    format!("`{text}` has `{ours}` where another route has `{theirs}`, and a segment can be both");
                let detail = self.findings.error("type_overlap", span, message);
                if let Some(place) = self.places.get(first as usize) {
                    detail.related(*place, "this route").help("use the same type in both, or none in one of them");
                }
            }
        }
    }
}

/// The pattern with a slash at its end, or without it; `None` where there is no other one.
fn slashed(pattern: &Pattern) -> Option<Vec<Segment>> {
    if pattern.rest {
        return None;
    }
    let empty = Segment::Literal("".into());
    let mut segments = pattern.segments.to_vec();
    if segments.last() == Some(&empty) {
        segments.pop();
        (!segments.is_empty()).then_some(segments)
    } else {
        segments.push(empty);
        Some(segments)
    }
}

/// Whether all that a pattern matches lies under a prefix, which ends with a slash.
fn lies_under(segments: &[Segment], rest: bool, prefix: &str) -> bool {
    let steps: Vec<&str> = prefix.trim_matches('/').split('/').collect();
    let is = |(segment, step): (&Segment, &&str)| matches!(segment, Segment::Literal(text) if **text == **step);
    // What does not end in a slash is one path and no prefix.
    let is_there = match prefix.ends_with('/') {
        true => segments.len() > steps.len() || (rest && segments.len() == steps.len()),
        false => segments.len() == steps.len(),
    };
    is_there && segments.iter().zip(&steps).all(is)
}
