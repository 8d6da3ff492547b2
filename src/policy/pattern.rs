//! Patterns of paths and of hosts: literals, variables with a type, and `**` at the end of a path.
//!
//! Literals stand for *decoded* segments, so a pattern is written as people read it and never with escapes.

use crate::request_target::Target;
use crate::yaml::{Findings, Span, suggest};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use uuid::Uuid;

/// At most so many variables in a pattern: what was captured is kept in place, without allocating.
pub const MAX_VARIABLES: usize = 16;
/// At most so many segments: matching recurses once a segment.
pub const MAX_SEGMENTS: usize = 64;

/// What a variable matches. Nothing matches the empty segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A UUID in any case, with dashes.
    Uuid,
    /// A whole number in its one decimal spelling: no sign, no leading zero.
    Int,
    /// `[A-Za-z0-9_-]+`.
    Slug,
    /// Any text, said so: as specific as [`Kind::Any`], but not allowed beside a type.
    Str,
    /// Any text, for want of a type.
    Any,
}

impl Kind {
    const WORDS: [(&'static str, Self); 4] =
        [("uuid", Self::Uuid), ("int", Self::Int), ("slug", Self::Slug), ("str", Self::Str)];

    /// The word for a type that other languages have.
    fn of_other(word: &str) -> Option<&'static str> {
        match word.to_lowercase().as_str() {
            "uid" | "guid" | "id" => Some("uuid"),
            "integer" | "number" | "i64" | "long" | "digits" => Some("int"),
            "string" | "text" | "any" => Some("str"),
            "word" | "name" => Some("slug"),
            _ => None,
        }
    }

    /// The word of the language; untyped is `str` too.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Uuid => "uuid",
            Self::Int => "int",
            Self::Slug => "slug",
            Self::Str | Self::Any => "str",
        }
    }

    /// Whether the type says less than everything.
    #[must_use]
    pub const fn is_typed(self) -> bool {
        matches!(self, Self::Uuid | Self::Int | Self::Slug)
    }

    /// Whether some segment is of both types. A UUID has dashes, so no number is one.
    #[must_use]
    pub const fn overlaps(self, other: Self) -> bool {
        !matches!((self, other), (Self::Uuid, Self::Int) | (Self::Int, Self::Uuid))
    }

    /// Whether a decoded segment is of this type.
    #[must_use]
    pub fn matches(self, segment: &str) -> bool {
        let bytes = segment.as_bytes();
        match self {
            // Of this length only the form with dashes is one (`Uuid::try_parse`).
            Self::Uuid => bytes.len() == 36 && Uuid::try_parse_ascii(bytes).is_ok(),
            Self::Int => match bytes {
                [b'0'] => true,
                [b'1'..=b'9', rest @ ..] => rest.iter().all(u8::is_ascii_digit),
                _ => false,
            },
            Self::Slug => is_slug(segment),
            Self::Str | Self::Any => !bytes.is_empty(),
        }
    }
}

/// Whether a text is a slug: `[A-Za-z0-9_-]+`.
#[must_use]
pub fn is_slug(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// One segment of a path or label of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// This text, decoded; the empty one only at the end, for a trailing slash.
    Literal(Box<str>),
    Variable {
        name: Box<str>,
        kind: Kind,
    },
}

impl Segment {
    fn variable(&self) -> Option<&str> {
        match self {
            Self::Variable { name, .. } => Some(name),
            Self::Literal(_) => None,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Pattern {
    pub text: Box<str>,
    /// All segments but `**`; `/x/` ends in an empty literal.
    pub segments: Box<[Segment]>,
    pub rest: bool,
}

impl Pattern {
    /// The same behind the segments of a group's prefix; `None` when something was reported.
    pub(super) fn under(self, prefix: &Self, span: Span, findings: &mut Findings) -> Option<Self> {
        let text = format!("{}{}", prefix.text, self.text);
        let segments = [&*prefix.segments, &*self.segments].concat();
        let count = segments.iter().filter(|segment| segment.variable().is_some()).count();
        if segments.len() > MAX_SEGMENTS || count > MAX_VARIABLES {
            let message = format!("`{text}` has more than {MAX_SEGMENTS} segments or {MAX_VARIABLES} variables");
            findings.error("bad_pattern", span, message).help("shorten the pattern or the prefix of its group");
            return None;
        }
        let twice = self.variables().find(|name| *name != NAMELESS && prefix.variables().any(|other| other == *name));
        if let Some(name) = twice {
            findings
                .error(
                    "duplicate_variable",
                    span,
                    format!("the variable `{name}` stands in the prefix of the group too"),
                )
                .help("give one of them another name");
            return None;
        }
        Some(Self { text: text.into(), segments: segments.into(), rest: self.rest })
    }

    /// Whether it ends in a slash.
    pub(super) fn ends_with_slash(&self) -> bool {
        matches!(self.segments.last(), Some(Segment::Literal(text)) if text.is_empty())
    }

    /// The names of the variables, from left to right.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(Segment::variable)
    }

    /// The same with their types.
    pub(super) fn typed_variables(&self) -> impl Iterator<Item = (&str, Kind)> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Variable { name, kind } => Some((&**name, *kind)),
            Segment::Literal(_) => None,
        })
    }

    pub fn prefix(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().map_while(|s| match s {
            Segment::Literal(text) => Some(&**text),
            Segment::Variable { .. } => None,
        })
    }

    /// Reads the key of a route; `None` when it was reported.
    pub fn read(text: &str, span: Span, findings: &mut Findings) -> Option<Self> {
        let Some(path) = text.strip_prefix('/') else {
            let help = text.starts_with("http").then_some("a host goes to `hosts:`");
            let detail = findings.error("bad_pattern", span, format!("the pattern `{text}` must begin with `/`"));
            detail.help(help.map_or_else(|| format!("write `/{text}`"), str::to_owned));
            return None;
        };
        let (path, rest) = match path.strip_suffix("**") {
            Some("") => (None, true),
            Some(before) if before.ends_with('/') => (before.strip_suffix('/'), true),
            _ => (Some(path), false),
        };
        let parts: Vec<&str> = path.map(|p| p.split('/').collect()).unwrap_or_default();
        let last = parts.len().saturating_sub(1);
        let mut segments = Vec::with_capacity(parts.len());
        let mut good = true;
        // Behind the first slash.
        let mut begin = 1;
        for (at, part) in parts.into_iter().enumerate() {
            let written = Part { text: part, whole: text, begin, span };
            begin += part.len() + 1;
            // Only the last segment may be empty, and not before `**`, which matches the empty one already.
            if part.is_empty() && (at != last || rest) {
                let slashes = findings.part(span, text, written.begin - 1, written.begin + 1);
                findings
                    .error("bad_pattern", slashes, format!("the pattern `{text}` has an empty segment (`//`)"))
                    .help("write one slash: targets with `//` are refused");
                return None;
            }
            match segment(written, "pattern", findings).filter(|segment| can_match(segment, written, findings)) {
                Some(segment) => segments.push((segment, written)),
                None => good = false,
            }
        }
        if segments.len() > MAX_SEGMENTS {
            findings.error("bad_pattern", span, format!("a pattern has at most {MAX_SEGMENTS} segments"));
            return None;
        }
        good &= variables_are_distinct(&segments, span, findings);
        good.then(|| Self { text: text.into(), segments: segments.into_iter().map(|(s, _)| s).collect(), rest })
    }
}

/// A host or a pattern of hosts.
#[derive(Clone, Debug)]
pub struct HostPattern {
    pub text: Box<str>,
    /// The labels, from left to right.
    pub labels: Box<[Segment]>,
}

impl HostPattern {
    /// The names of the variables, from left to right.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.labels.iter().filter_map(Segment::variable)
    }

    /// The host of a pattern without variables.
    #[must_use]
    pub fn literal(&self) -> Option<String> {
        let label = |label: &Segment| match label {
            Segment::Literal(text) => Some(text.to_string()),
            Segment::Variable { .. } => None,
        };
        Some(self.labels.iter().map(label).collect::<Option<Vec<_>>>()?.join("."))
    }

    /// Reads one element of `hosts:`; `None` when it was reported.
    pub fn read(text: &str, span: Span, findings: &mut Findings) -> Option<Self> {
        let labels: Vec<&str> = if text.starts_with('[') { vec![text] } else { text.split('.').collect() };
        let mut segments = Vec::with_capacity(labels.len());
        let mut begin = 0;
        for label in labels {
            let written = Part { text: label, whole: text, begin, span };
            begin += label.len() + 1;
            let part = segment(written, "host", findings)?;
            if let Segment::Literal(literal) = &part
                && let Some((message, help)) = bad_label(text, literal)
            {
                let place = if label.is_empty() { span } else { written.place(findings) };
                findings.error("bad_host", place, message).help(help);
                return None;
            }
            segments.push((part, written));
        }
        if segments.len() > MAX_SEGMENTS {
            findings.error("bad_host", span, format!("a host has at most {MAX_SEGMENTS} labels"));
            return None;
        }
        let labels = |segments: Vec<(Segment, Part<'_>)>| segments.into_iter().map(|(segment, _)| segment).collect();
        variables_are_distinct(&segments, span, findings).then(|| Self { text: text.into(), labels: labels(segments) })
    }
}

/// Why a literal label can never be part of a canonical host, and what to write.
fn bad_label(host: &str, label: &str) -> Option<(String, String)> {
    if label == "*" || label == "**" {
        return Some((format!("`{label}` does not stand for any label"), "name it: \"{org}.example.com\"".to_owned()));
    }
    if label.bytes().any(|b| b.is_ascii_uppercase()) {
        let lower = host.to_ascii_lowercase();
        return Some((
            format!("hosts are compared in lower case, `{host}` would never match"),
            format!("write `{lower}`"),
        ));
    }
    let address = label.starts_with('[') && label.ends_with(']');
    if !address && label.contains(':') {
        let help = "leave the port and the scheme out".to_owned();
        return Some((format!("`{host}` is not the name of a host alone"), help));
    }
    let fits = |b: u8| {
        b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_') || (address && matches!(b, b':' | b'.' | b'[' | b']'))
    };
    let good = !label.is_empty() && label.bytes().all(fits);
    (!good).then(|| (format!("`{host}` is not the name of a host"), "for example `api.example.com`".to_owned()))
}

/// A segment or label as it is written, and where.
#[derive(Clone, Copy)]
struct Part<'t> {
    text: &'t str,
    /// The pattern that it is of, and the byte of it that it begins at.
    whole: &'t str,
    begin: usize,
    /// The place of the whole pattern.
    span: Span,
}

impl Part<'_> {
    fn place(self, findings: &Findings) -> Span {
        self.within(0, self.text.len(), findings)
    }

    fn within(self, start: usize, end: usize, findings: &Findings) -> Span {
        findings.part(self.span, self.whole, self.begin + start, self.begin + end)
    }
}

/// One segment or label: a variable or a literal.
fn segment(written: Part<'_>, what: &str, findings: &mut Findings) -> Option<Segment> {
    let part = written.text;
    let Some(inner) = part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) else {
        let problem = if part == "**" {
            Some(("may only stand last in a path", "name the segment: `{name}`"))
        } else if part.contains(['{', '}']) {
            Some(("is not a pattern: a variable is a whole segment", "write `/{name}/`, or leave the variable out"))
        } else if part.contains('*') && what == "pattern" {
            Some(("is not a pattern", "name the segment, `{name}`, or use `**` at the end"))
        } else {
            None
        };
        if let Some((message, help)) = problem {
            let place = written.place(findings);
            findings.error("bad_pattern", place, format!("`{part}` {message}")).help(help);
            return None;
        }
        if let Some(name) = foreign_variable(part).filter(|_| what == "pattern") {
            let place = written.place(findings);
            findings
                .warning("literal_variable", place, format!("`{part}` is matched as it stands, and is no variable"))
                .help(format!("a variable is written `{{{name}}}`"));
        }
        return Some(Segment::Literal(part.into()));
    };
    let (name, kind) = inner.split_once(':').map_or((inner, None), |(name, kind)| (name, Some(kind)));
    if !is_name(name) && name != NAMELESS {
        let place = if name.is_empty() { written.place(findings) } else { written.within(1, 1 + name.len(), findings) };
        findings
            .error("bad_pattern", place, format!("`{name}` is not a name for a variable"))
            .help("a name is letters, digits and `_`, and begins with a letter; `{_}` matches without a name");
        return None;
    }
    let kind = match kind {
        None => Kind::Any,
        Some(word) => match Kind::WORDS.iter().find(|(known, _)| *known == word) {
            Some((_, kind)) => *kind,
            None => {
                let near = suggest(word, Kind::WORDS.iter().map(|(w, _)| *w)).or_else(|| Kind::of_other(word));
                let help =
                    near.map_or("the types are uuid, int, slug and str".to_owned(), |w| format!("did you mean `{w}`?"));
                let begin = name.len() + 2;
                let place = if word.is_empty() {
                    written.place(findings)
                } else {
                    written.within(begin, begin + word.len(), findings)
                };
                let message = if word.is_empty() {
                    format!("`{part}` has no type behind its `:`")
                } else {
                    format!("`{word}` is not a type")
                };
                findings.error("unknown_type", place, message).help(help);
                return None;
            }
        },
    };
    Some(Segment::Variable { name: name.into(), kind })
}

/// The name in a segment that other programs take for a variable: `:id`, `<int:id>`, `$id`, `(?P<id>…)`.
fn foreign_variable(part: &str) -> Option<&str> {
    let inner = part.strip_prefix([':', '$']).or_else(|| part.strip_prefix('<')?.strip_suffix('>'));
    let inner = inner.or_else(|| part.strip_prefix("(?P<")?.split('>').next())?;
    let name = inner.rsplit(':').next()?;
    is_name(name).then_some(name)
}

/// What stands for a name where a variable has none: `{_}`, `{_:int}`. As often as one likes, and nobody can ask for it.
pub(crate) const NAMELESS: &str = "_";

/// Whether a text is the name of a variable.
pub(super) fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Everything that need not be escaped in a path (RFC 3986, 3.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Asks the reader of targets itself: a literal that no accepted target contains would be a route that never matches.
fn can_match(segment: &Segment, written: Part<'_>, findings: &mut Findings) -> bool {
    let Segment::Literal(text) = segment else { return true };
    let target = format!("/{}", utf8_percent_encode(text, ESCAPED));
    let escape =
        text.as_bytes().windows(3).any(|w| matches!(w, [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()));
    let help = if escape {
        "patterns are compared with decoded targets: write the character itself, not its escape"
    } else if text.contains(['?', '#']) {
        "a pattern is a path alone; a query is not part of it"
    } else if Target::parse(&target).is_err() {
        "no request with such a path is accepted"
    } else {
        return true;
    };
    let place = written.place(findings);
    findings.error("bad_pattern", place, format!("no target matches the segment `{text}`")).help(help);
    false
}

fn variables_are_distinct(segments: &[(Segment, Part<'_>)], span: Span, findings: &mut Findings) -> bool {
    let names = || {
        let named = segments.iter().filter_map(|(segment, written)| Some((segment.variable()?, written)));
        named.filter(|(name, _)| *name != NAMELESS)
    };
    if segments.iter().filter(|(segment, _)| segment.variable().is_some()).count() > MAX_VARIABLES {
        findings.error("bad_pattern", span, format!("a pattern has at most {MAX_VARIABLES} variables"));
        return false;
    }
    for (at, (name, written)) in names().enumerate() {
        if names().take(at).any(|(other, _)| other == name) {
            let place = written.within(1, 1 + name.len(), findings);
            findings
                .error("duplicate_variable", place, format!("the variable `{name}` stands twice in the pattern"))
                .help("give one of them another name");
            return false;
        }
    }
    true
}
