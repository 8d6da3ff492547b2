//! Findings as text for people and as JSON for machines.
//!
//! The text of each begins with `file:line:column: error[code]: message`, so that editors can jump there, and goes on with
//! the underlined source line.

use super::{Finding, Findings, Severity, Span};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::{Value as Json, json};
use std::borrow::Cow;
use std::fmt::Write;

impl Findings {
    /// For people: every finding with its source line underlined. `colour` only where a terminal reads it.
    #[must_use]
    pub fn to_text(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut out = String::new();
        for finding in self.list() {
            out.push_str(&self.render(finding, &renderer));
            out.push_str("\n\n");
        }
        out
    }

    /// For logs: one line for each finding, `file:line:column: error[code]: message (help)`.
    #[must_use]
    pub fn to_lines(&self) -> String {
        let mut out = String::new();
        for f in self.list() {
            let _ = write!(out, "{}{}[{}]: {}", self.prefix(f), f.severity.as_str(), f.code, f.message);
            if let Some(help) = &f.help {
                let _ = write!(out, " ({help})");
            }
            out.push('\n');
        }
        out
    }

    /// For machines: a list of `{severity, code, message, file, line, column, help, related}`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        self.list()
            .iter()
            .map(|f| {
                let related: Json = f
                    .related
                    .iter()
                    .map(|r| {
                        json!({ "message": r.message, "file": r.place.file, "line": r.place.line, "column": r.place.column })
                    })
                    .collect();
                json!({
                    "severity": f.severity.as_str(), "code": f.code, "message": f.message, "file": f.place.file,
                    "line": f.place.line, "column": f.place.column, "help": f.help, "related": related,
                })
            })
            .collect()
    }

    fn render(&self, f: &Finding, renderer: &Renderer) -> String {
        let level = match f.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let level = level.with_name(format!("{}{}", self.prefix(f), f.severity.as_str()));
        let title = level.primary_title(f.message.as_str()).id(f.code);
        let mut group = Group::with_title(title);
        if let Some(snippet) = f.span.and_then(|s| self.snippet(s, "", AnnotationKind::Primary)) {
            group = group.element(snippet);
        }
        for related in &f.related {
            if let Some(snippet) = self.snippet(related.span, &related.message, AnnotationKind::Context) {
                group = group.element(snippet);
            }
        }
        if let Some(help) = &f.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[group])
    }

    fn prefix(&self, f: &Finding) -> String {
        let Some(span) = f.span else { return String::new() };
        if self.source(span.file).is_some_and(|source| source.is_setting) {
            return format!("{}: ", f.place.file);
        }
        format!("{}:{}:{}: ", f.place.file, f.place.line, f.place.column)
    }

    /// Only the first line of the span: the renderer's time depends on the text that it is given.
    fn snippet<'a>(
        &'a self,
        span: Span,
        label: &'a str,
        kind: AnnotationKind,
    ) -> Option<Snippet<'a, annotate_snippets::Annotation<'a>>> {
        let source = self.source(span.file).filter(|source| !source.hidden)?;
        let number = source.line_at(span.start);
        let (start, line) = source.line(number);
        let from = (span.start - start).min(line.len());
        let to = (span.end.saturating_sub(start)).clamp(from, line.len());
        // An empty span still gets one caret.
        let to = if to == from {
            line.get(from..).and_then(|t| t.chars().next()).map_or(from, |c| from + c.len_utf8())
        } else {
            to
        };
        let annotation = kind.span(from..to).label((!label.is_empty()).then_some(label));
        Some(
            Snippet::source(without_credentials(line))
                .path(source.name.as_str())
                .line_start(number + 1)
                .annotation(annotation),
        )
    }
}

/// The line with what stands before the `@` of a URL starred out, byte for byte, so that places stay where they are.
fn without_credentials(line: &str) -> Cow<'_, str> {
    let mut shown = Cow::Borrowed(line);
    for (at, scheme) in line.match_indices("://") {
        let start = at + scheme.len();
        let rest = line.get(start..).unwrap_or_default();
        let url = rest.split([' ', '"', '\'', ',']).next().unwrap_or_default();
        if let Some(end) = url.rfind('@') {
            let stars = "*".repeat(end);
            shown.to_mut().replace_range(start..start + end, &stars);
        }
    }
    shown
}
