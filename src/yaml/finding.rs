//! Findings: what is wrong or suspicious, where, and what to write instead.

use super::Span;

/// A file among the sources of one [`Findings`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(usize);

/// A file that was read: its name for messages, its text for the underlined line.
#[derive(Clone, Debug)]
pub struct Source {
    /// As the user named it.
    pub name: String,
    pub text: String,
    /// Offset of the first byte of each line.
    lines: Vec<usize>,
    /// Its text is not shown.
    pub(super) hidden: bool,
    /// It is a variable or a flag: one value, in which nobody looks for lines.
    pub(super) is_setting: bool,
}

/// A place for people: lines and columns count from 1, columns in characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The files cannot be used.
    Error,
    /// The files can be used, but probably do not say what was meant.
    Warning,
}

impl Severity {
    /// The word that messages begin with.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Finding {
    pub severity: Severity,
    /// A stable, lower-case word for machines (`unknown_key`).
    pub code: &'static str,
    /// One sentence without a full stop.
    pub message: String,
    pub place: Place,
    /// The place for the underlining; `None` when the finding is about no line (no file at all).
    pub span: Option<Span>,
    /// Other places that belong to it: the first of two duplicates.
    pub related: Vec<Related>,
    pub help: Option<String>,
}

/// Another place that a finding is about.
#[derive(Clone, Debug)]
pub struct Related {
    pub message: String,
    pub place: Place,
    /// The place for the underlining.
    pub span: Span,
}

/// Everything found in a set of files, with the files themselves.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    sources: Vec<Source>,
    list: Vec<Finding>,
}

/// The finding that was just reported, to say more about it.
pub struct Detail<'f>(&'f mut Findings);

impl Detail<'_> {
    /// Says what to write instead.
    pub fn help(self, text: impl Into<String>) -> Self {
        if let Some(finding) = self.0.list.last_mut() {
            finding.help = Some(text.into());
        }
        self
    }

    /// Points at another place that belongs to it.
    pub fn related(self, span: Span, message: impl Into<String>) -> Self {
        let place = self.0.place(span);
        if let Some(finding) = self.0.list.last_mut() {
            finding.related.push(Related { message: message.into(), place, span });
        }
        self
    }
}

impl Findings {
    /// Nothing found in no file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a file in, so that findings can point into it.
    pub fn add_source(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        let text = text.into();
        let lines = std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1)).collect();
        self.sources.push(Source { name: name.into(), text, lines, hidden: false, is_setting: false });
        FileId(self.sources.len() - 1)
    }

    /// Takes a variable or a flag in. It is never shown: it may hold a secret, whatever its name looks like.
    pub fn add_setting(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        let id = self.add_source(name, text);
        if let Some(source) = self.sources.get_mut(id.0) {
            (source.hidden, source.is_setting) = (true, true);
        }
        id
    }

    /// Never shows a line of that source.
    pub fn hide(&mut self, file: FileId) {
        if let Some(source) = self.sources.get_mut(file.0) {
            source.hidden = true;
        }
    }

    /// A file that was taken in.
    #[must_use]
    pub fn source(&self, file: FileId) -> Option<&Source> {
        self.sources.get(file.0)
    }

    /// Reports an error at `span`.
    pub fn error(&mut self, code: &'static str, span: Span, message: impl Into<String>) -> Detail<'_> {
        self.report(Severity::Error, code, Some(span), message.into())
    }

    /// Reports a warning at `span`.
    pub fn warning(&mut self, code: &'static str, span: Span, message: impl Into<String>) -> Detail<'_> {
        self.report(Severity::Warning, code, Some(span), message.into())
    }

    /// Reports an error that is about no line of any file.
    pub fn general(&mut self, code: &'static str, message: impl Into<String>) -> Detail<'_> {
        self.report(Severity::Error, code, None, message.into())
    }

    /// The finding that was reported last, to say more about it.
    pub(super) fn last(&mut self) -> Detail<'_> {
        Detail(self)
    }

    /// The place of a part of a text that stands at `span`, from byte `start` to byte `end` of it: behind quotes, in lines
    /// that were folded into one, beside escapes. Where it cannot be told, all of it.
    #[must_use]
    pub fn part(&self, span: Span, text: &str, start: usize, end: usize) -> Span {
        let written = self.source(span.file).and_then(|source| source.text.get(span.start..span.end));
        let (Some(written), Some(part), Some(before)) = (written, text.get(start..end), text.get(..start)) else {
            return span;
        };
        let at = |offset: usize| Span { start: span.start + offset, end: span.start + offset + part.len(), ..span };
        if let Some(shift) = written.find(text) {
            return at(shift + start);
        }
        // Written in another way: then it is the same one, counted among those that look alike.
        let nth = before.matches(part).count();
        let found = if part.is_empty() { None } else { written.match_indices(part).nth(nth) };
        found.map_or(span, |(offset, _)| at(offset))
    }

    fn report(&mut self, severity: Severity, code: &'static str, span: Option<Span>, message: String) -> Detail<'_> {
        let place = span.map(|s| self.place(s)).unwrap_or_default();
        self.list.push(Finding { severity, code, message, place, span, related: Vec::new(), help: None });
        Detail(self)
    }

    /// Line and column of the beginning of `span`.
    #[must_use]
    pub fn place(&self, span: Span) -> Place {
        let Some(source) = self.source(span.file) else {
            return Place::default();
        };
        let line = source.line_at(span.start);
        let (start, _) = source.line(line);
        let before = source.text.get(start..span.start).unwrap_or_default();
        Place { file: source.name.clone(), line: line + 1, column: before.chars().count() + 1 }
    }

    /// The line that a finding is about; empty where there is none, or none that may be shown.
    #[must_use]
    pub fn line_of(&self, finding: &Finding) -> &str {
        let source = finding.span.and_then(|span| self.source(span.file)).filter(|source| !source.hidden);
        source.map_or("", |source| source.line(finding.place.line.saturating_sub(1)).1)
    }

    /// All findings: errors and warnings mixed, in the order of files and lines once [`Findings::sort`] ran.
    #[must_use]
    pub fn list(&self) -> &[Finding] {
        &self.list
    }

    /// Whether at least one is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|f| f.severity == Severity::Error)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Forgets the findings of one code in one file: those that a worse one explains.
    pub(super) fn forget(&mut self, code: &str, file: FileId) {
        self.list.retain(|f| f.code != code || f.span.is_none_or(|s| s.file != file));
    }

    /// Forgets the warnings of one code that lie in `span`.
    pub(crate) fn silence(&mut self, code: &str, span: Span) {
        let lies_in = |s: Span| s.file == span.file && s.start >= span.start && s.end <= span.end;
        self.list.retain(|f| f.severity != Severity::Warning || f.code != code || !f.span.is_some_and(lies_in));
    }

    /// Brings the findings into the order of the files' lines.
    pub fn sort(&mut self) {
        self.list.sort_by_key(|f| f.span);
    }
}

impl Source {
    /// Number of the line (from 0) that holds the byte at `offset`.
    pub(super) fn line_at(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset).saturating_sub(1)
    }

    /// The line with that number (from 0), without its end, and the offset of its first byte.
    pub(super) fn line(&self, number: usize) -> (usize, &str) {
        let start = self.lines.get(number).copied().unwrap_or(self.text.len());
        let end = self.lines.get(number + 1).copied().unwrap_or(self.text.len());
        let line = self.text.get(start..end).unwrap_or_default();
        (start, line.trim_end_matches(['\n', '\r']))
    }
}
