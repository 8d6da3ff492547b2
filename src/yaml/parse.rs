//! One file to one tree. Everything that YAML can say and postern's files must not is reported here.
//!
//! A syntax error stops the reading; all else is reported and the reading goes on.

use super::{Entry, FileId, Findings, Key, Map, Node, Scalar, Span, Value};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, StrInput};
use std::collections::HashMap;

/// A larger file is refused.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Maps and lists may stand this deep in each other.
pub const MAX_DEPTH: usize = 32;

/// Reads the one document of `file` and reports to `findings`. `None` when there is no tree to go on with; then at least
/// one error was reported.
pub fn parse(findings: &mut Findings, file: FileId) -> Option<Node> {
    read(findings, file, false)
}

/// As [`parse`], for files in which null is a value ([`Value::Null`]): a tests file may send one.
pub fn parse_with_null(findings: &mut Findings, file: FileId) -> Option<Node> {
    read(findings, file, true)
}

fn read(findings: &mut Findings, file: FileId, nulls: bool) -> Option<Node> {
    let text = findings.source(file)?.text.clone();
    if text.len() > MAX_BYTES {
        let at = Span { file, start: 0, end: 0 };
        findings.error("too_large", at, format!("the file is larger than {} MiB", MAX_BYTES / 1024 / 1024));
        return None;
    }
    if let Some((at, c)) = text.char_indices().find(|(_, c)| !is_printable(*c)) {
        let span = Span { file, start: at, end: at + c.len_utf8() };
        let name = if c == '\0' { "a NUL".to_owned() } else { format!("the control character U+{:04X}", u32::from(c)) };
        findings
            .error("syntax", span, format!("not valid YAML: {name} stands here"))
            .help("the file is plain text in UTF-8: save it as such, or take the character out");
        return None;
    }
    let offsets = Offsets::new(&text);
    let mut builder =
        Builder { findings, file, offsets, text: &text, open: Vec::new(), root: None, documents: 0, nulls };
    let mut events: Parser<'_, StrInput<'_>> = Parser::new_from_str(&text);
    while let Some(event) = events.next_event() {
        match event {
            Ok((event, span)) => builder.event(event, span)?,
            Err(error) => {
                builder.syntax(&error);
                return None;
            }
        }
    }
    let root = builder.root.take();
    if root.is_none() {
        findings
            .error("empty_file", Span { file, start: 0, end: 0 }, "the file says nothing")
            .help("there is nothing in it but comments and blanks");
    }
    root
}

/// What may stand in YAML (1.2.2, 5.1): no control characters but tabs and ends of lines. A byte order mark stands in front.
fn is_printable(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | '\u{85}') || !(c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'))
}

/// Characters to bytes: the parser counts the former.
enum Offsets {
    Ascii(usize),
    Table(Vec<usize>),
}

impl Offsets {
    fn new(text: &str) -> Self {
        if text.is_ascii() {
            return Self::Ascii(text.len());
        }
        Self::Table(text.char_indices().map(|(at, _)| at).chain([text.len()]).collect())
    }

    fn byte(&self, character: usize) -> usize {
        match self {
            Self::Ascii(len) => character.min(*len),
            Self::Table(table) => table.get(character).or(table.last()).copied().unwrap_or(0),
        }
    }
}

struct Builder<'f, 't> {
    findings: &'f mut Findings,
    file: FileId,
    offsets: Offsets,
    text: &'t str,
    open: Vec<Open>,
    root: Option<Node>,
    documents: usize,
    /// Whether null is a value, or a mistake.
    nulls: bool,
}

/// A list or map that has begun and not ended.
struct Open {
    span: Span,
    shape: Shape,
}

enum Shape {
    Seq(Vec<Node>),
    Map { map: Map, key: Pending, seen: HashMap<String, Span> },
}

/// What the next value of a map belongs to.
enum Pending {
    /// The next node is a key.
    None,
    /// The next node is the value of this key.
    Key(Key),
    /// The next node is the value of a key that was refused.
    Refused,
}

impl Builder<'_, '_> {
    fn event(&mut self, event: Event<'_>, at: saphyr_parser::Span) -> Option<()> {
        let span = self.span(at);
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    self.findings
                        .error("several_documents", span, "a second document begins here; a file is one document")
                        .help("remove the `---`, or make two files of it");
                    return None;
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                self.anchor(anchor, span);
                if tag.is_some() {
                    self.tag(span);
                    self.put(Node { value: Value::Faulty, span });
                } else {
                    let scalar = Scalar { text: text.into_owned(), plain };
                    self.put(Node { value: Value::Scalar(scalar), span });
                }
            }
            Event::SequenceStart(anchor, tag) => {
                self.begin(span, anchor, tag.is_some(), Shape::Seq(Vec::new()))?;
            }
            Event::MappingStart(anchor, tag) => {
                let shape = Shape::Map { map: Map::default(), key: Pending::None, seen: HashMap::new() };
                self.begin(span, anchor, tag.is_some(), shape)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Open { span: begin, shape } = self.open.pop()?;
                let value = match shape {
                    Shape::Seq(items) => Value::Seq(items),
                    Shape::Map { map, .. } => Value::Map(map),
                };
                self.put(Node { value, span: Span { end: span.end.max(begin.end), ..begin } });
            }
            Event::Alias(_) => {
                self.findings
                    .error("alias", span, "an alias (`*…`) is not allowed")
                    .help("write the value out; if a text begins with `*`, quote it");
                self.put(Node { value: Value::Faulty, span });
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
        Some(())
    }

    fn begin(&mut self, span: Span, anchor: usize, tagged: bool, shape: Shape) -> Option<()> {
        self.anchor(anchor, span);
        if tagged {
            self.tag(span);
        }
        if self.open.len() >= MAX_DEPTH {
            let detail = self.findings.error("too_deep", span, format!("nested deeper than {MAX_DEPTH} levels"));
            detail.help("nothing that is known here is so deep: look at the brackets and the indentation");
            return None;
        }
        self.open.push(Open { span, shape });
        Some(())
    }

    fn anchor(&mut self, id: usize, span: Span) {
        if id != 0 {
            self.findings
                .error("anchor", span, "an anchor (`&…`) is not allowed")
                .help("write the value out where it is needed; if a text begins with `&`, quote it");
        }
    }

    fn tag(&mut self, span: Span) {
        self.findings.error("tag", span, "a tag (`!…`) is not allowed").help("if a text begins with `!`, quote it");
    }

    /// A node is complete: it is a key, a value, an element or the whole document.
    fn put(&mut self, mut node: Node) {
        let Some(Open { shape, .. }) = self.open.last_mut() else {
            // An empty document is a null without a letter.
            self.root = match &node.value {
                Value::Scalar(s) if s.plain && s.text.is_empty() => None,
                _ => Some(node),
            };
            return;
        };
        let (map, key, seen) = match shape {
            Shape::Seq(items) => {
                if is_null(&node) && self.nulls {
                    node.value = Value::Null;
                } else if is_null(&node) {
                    null(self.findings, node.span, "an element of a list");
                    node.value = Value::Faulty;
                }
                items.push(node);
                return;
            }
            Shape::Map { map, key, seen } => (map, key, seen),
        };
        match std::mem::replace(key, Pending::None) {
            Pending::None => *key = self::key(self.findings, seen, node),
            Pending::Refused => {}
            Pending::Key(key) => {
                if is_null(&node) && self.nulls {
                    node.value = Value::Null;
                } else if is_null(&node) {
                    let empty = matches!(&node.value, Value::Scalar(s) if s.text.is_empty());
                    // Nothing stands there: point at the key.
                    null(self.findings, if empty { key.span } else { node.span }, &format!("`{}`", key.text));
                    node.value = Value::Faulty;
                }
                map.entries.push(Entry { key, value: node });
            }
        }
    }

    fn syntax(&mut self, error: &ScanError) {
        // What looks empty so far may be what the parser stumbled over.
        self.findings.forget("null_value", self.file);
        let at = self.offsets.byte(error.marker().index());
        let rest = self.text.get(at..).unwrap_or_default();
        let len = rest.chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8);
        let span = Span { file: self.file, start: at, end: at + len };
        let info = error.info();
        if info.contains("unknown anchor") {
            self.findings
                .error("alias", span, "a plain text must not begin with `*`: to YAML it is an alias")
                .help(quote_it(rest));
            return;
        }
        // What ends too early has something open: the place of that is worth more than the end.
        let opened = self.open.last().map(|open| open.span.start).filter(|_| rest.trim().is_empty());
        let bracket = opened.and_then(|at| Some((at, self.text.get(at..)?.chars().next()?)));
        if let Some((at, bracket @ ('{' | '['))) = bracket {
            let span = Span { start: at, end: at + 1, ..span };
            let close = if bracket == '{' { '}' } else { ']' };
            self.findings
                .error("syntax", span, format!("not valid YAML: `{bracket}` is opened here and never closed"))
                .help(format!("write `{close}` where it ends"));
            return;
        }
        if info.contains("tab") {
            // The parser tells of what stands behind it, or of what it ends.
            let line = self.text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |end| end + 1);
            let tab = self.text.get(line..).and_then(|rest| rest.find('\t')).map_or(at, |tab| line + tab);
            self.findings
                .error("syntax", Span { start: tab, end: tab + 1, ..span }, "not valid YAML: a tab indents nothing")
                .help("indent with blanks, not with tabs");
            return;
        }
        let help = if info.contains("quoted scalar") {
            Some("the quote that is opened here is not closed, or closed lines below".to_owned())
        } else if info.contains("did not find expected key") || info.contains("did not find expected '-'") {
            Some("look at the indentation: what belongs together begins in the same column".to_owned())
        } else if info.contains("mapping values are not allowed") || info.contains("mapping keys are not allowed") {
            Some("a text that holds `: ` must be quoted: quote it; otherwise look at the indentation".to_owned())
        } else if info.contains("unexpected character") || info.contains("tag") {
            Some(quote_it(rest))
        } else if info.contains("flow") || info.contains("':' must be followed") || info.contains("bracket") {
            let signs = "inside `{ … }` and `[ … ]` a text with `{`, `}`, `[`, `]`, `,` or `: ` must be quoted";
            Some(match word_around(self.text, at) {
                Some(word) => format!("{signs}: quote it: \"{word}\""),
                None => format!("{signs}: quote it"),
            })
        } else {
            None
        };
        let detail = self.findings.error("syntax", span, format!("not valid YAML: {info}"));
        if let Some(help) = help {
            detail.help(help);
        }
    }

    fn span(&self, at: saphyr_parser::Span) -> Span {
        let start = self.offsets.byte(at.start.index());
        let end = self.offsets.byte(at.end.index()).max(start);
        // The parser counts the blanks behind it in.
        let text = self.text.get(start..end).map_or(0, |text| text.trim_end().len());
        Span { file: self.file, start, end: start + text }
    }
}

/// A node that stands where a key is expected.
fn key(findings: &mut Findings, seen: &mut HashMap<String, Span>, node: Node) -> Pending {
    let span = node.span;
    let scalar = match node.value {
        Value::Scalar(scalar) => scalar,
        Value::Faulty | Value::Null => return Pending::Refused,
        Value::Seq(_) | Value::Map(_) => {
            findings
                .error("complex_key", span, "a key must be a text")
                .help("a key that begins with `{` or `[`: quote it");
            return Pending::Refused;
        }
    };
    if scalar.plain && is_null_word(&scalar.text) {
        null(findings, span, "a key");
        return Pending::Refused;
    }
    if scalar.plain && scalar.text == "<<" {
        findings.error("merge_key", span, "a merge key (`<<`) is not allowed").help("write the keys out");
        return Pending::Refused;
    }
    if let Some(first) = seen.get(&scalar.text) {
        findings
            .error("duplicate_key", span, format!("`{}` stands here a second time", scalar.text))
            .related(*first, "first here")
            .help("leave one of them out, or write into one what both say");
        return Pending::Refused;
    }
    seen.insert(scalar.text.clone(), span);
    Pending::Key(Key { text: scalar.text, span })
}

fn null(findings: &mut Findings, span: Span, what: &str) {
    findings
        .error("null_value", span, format!("{what} has no value (null)"))
        .help("leave the key out, or give it a value; for the text, quote it: \"null\"");
}

fn is_null(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar(s) if s.plain && is_null_word(&s.text))
}

fn is_null_word(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// The text that the parser stumbled in at that place: up to blanks, commas and brackets that are its own.
fn word_around(text: &str, at: usize) -> Option<&str> {
    let before = text.get(..at)?;
    let begin = before.rfind([' ', ',', '{', '[', '\n', '"', '\'']).map_or(0, |found| found + 1);
    let rest = text.get(at..)?;
    let end = match rest.chars().next()? {
        ':' => rest.find([',', '}', ']', '\n'])?,
        '{' | '[' => rest.find([' ', ',', '\n'])?,
        _ => return None,
    };
    let word = text.get(begin..at + end)?.trim().trim_end_matches(':');
    (begin < at && !word.is_empty()).then_some(word)
}

fn quote_it(rest: &str) -> String {
    let line = rest.lines().next().unwrap_or_default();
    let word = line.split([' ', ',', ']', '}']).next().unwrap_or_default().trim_end_matches(':');
    if word.is_empty() { "quote it".to_owned() } else { format!("quote it: \"{word}\"") }
}
