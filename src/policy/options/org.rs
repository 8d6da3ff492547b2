//! Where an organization comes from: `path.org`, `header.X-Org as slug or user.only`, `[query.a primary, query.b optional]`.
//!
//! An origin is a list of items, all of which must pass; an item is a list of sources, of which the first that is present
//! counts. As written ([`RawItem`]) sources name variables; bound to a route ([`Item`]) they number them.

use super::option::PolicyOption;
use crate::claims::ClaimName;
use crate::normalized_name::same_name;
use crate::policy::applicable::Needs;
use crate::policy::lookup::{Binder, LookupTable};
use crate::policy::pattern::{HostPattern, NAMELESS, Pattern, is_name};
use crate::policy::pointer::Pointer;
use crate::yaml::{Findings, Node, Span, Spanned, Value, suggest};
use http::HeaderName;
use serde_json::{Value as Json, json};

/// At most so many sources in one origin: what they name is kept in place, without allocating.
pub const MAX_SOURCES: usize = 8;

/// How a source names an organization. Never guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// By its id, a UUID in any spelling.
    Id,
    Slug,
    External,
}

impl By {
    const WORDS: [(&'static str, Self); 3] = [("id", Self::Id), ("slug", Self::Slug), ("external", Self::External)];

    /// As it stands behind a source: nothing, ` as slug`.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Id => "",
            Self::Slug => " as slug",
            Self::External => " as external",
        }
    }
}

/// A place in the request, or the caller, that names an organization.
#[derive(Clone, Debug)]
pub enum Source {
    /// The variable of the path with that number.
    Path(usize, By),
    /// The variable of the host with that number.
    Host(usize, By),
    /// The query parameter of that name.
    Query(Box<str>, By),
    /// The header of that name.
    Header(HeaderName, By),
    /// That claim of the caller's credential.
    Claim(ClaimName, By),
    /// What the route's lookup of that number found: its organization, or another column.
    Lookup(usize, Option<Box<str>>, By),
    /// What stands at that place of the body.
    Body(Pointer, By),
    /// What stands at that place of the service's answer.
    Answer(Pointer, By),
    /// The caller's only organization.
    UserOnly,
}

impl Source {
    /// How it names an organization; `None`: it is one.
    #[must_use]
    pub const fn by(&self) -> Option<By> {
        match self {
            Self::Path(_, by)
            | Self::Host(_, by)
            | Self::Query(_, by)
            | Self::Header(_, by)
            | Self::Claim(_, by)
            | Self::Lookup(.., by)
            | Self::Body(_, by)
            | Self::Answer(_, by) => Some(*by),
            Self::UserOnly => None,
        }
    }

    /// Whether only the service's answer says it.
    #[must_use]
    pub const fn is_of_answer(&self) -> bool {
        matches!(self, Self::Answer(..))
    }

    /// The number of the lookup that it is read from.
    #[must_use]
    pub const fn lookup(&self) -> Option<usize> {
        match self {
            Self::Lookup(at, ..) => Some(*at),
            _ => None,
        }
    }
}

/// Whether the organization of a request is known by the time the service is asked: whether some item that is not read from the answer names
/// it.
pub(in crate::policy) fn is_known_early(origin: &[Item]) -> bool {
    let early = |item: &Item| !item.sources.iter().any(Source::is_of_answer);
    origin.iter().any(early) && origin.iter().all(|item| early(item) || !item.primary)
}

/// One element of an origin.
#[derive(Clone, Debug)]
pub struct Item {
    /// The first that is present counts; others that are present must name the same organization.
    pub sources: Box<[Source]>,
    /// May be absent, on PATCH; on PUT, a lookup may find nothing.
    pub optional: bool,
    /// Others may name other organizations; this one is the request's.
    pub primary: bool,
    /// Nothing else names the organization but elements of the body: each is judged by itself.
    pub each: bool,
}

#[derive(Clone, Debug)]
pub(in crate::policy) enum RawSource {
    Path(String, By),
    Host(String, By),
    Lookup(Box<str>, Option<Box<str>>, By),
    Ready(Source),
}

#[derive(Clone, Debug)]
pub(in crate::policy) struct RawItem {
    sources: Vec<Spanned<RawSource>>,
    optional: bool,
    primary: bool,
}

impl PolicyOption for Item {
    const ABOUT: &'static str = "Where the organization comes from: `path.org`, `header.X-Org as slug or user.only`. In a list, every one must pass.";
    const NEEDS: Option<Needs> = Some(Needs::Credential);
    const SHOWN_BY_VALUE: bool = true;
    type Raw = Vec<RawItem>;

    fn schema() -> Json {
        json!({ "$ref": "#/definitions/org" })
    }

    fn read(node: &Node, findings: &mut Findings) -> Option<Vec<RawItem>> {
        let items: Option<Vec<RawItem>> = match &node.value {
            Value::Seq(nodes) => {
                // All elements are read before the first bad one ends it.
                let items: Vec<_> = nodes.iter().map(|n| item(n, findings)).collect();
                items.into_iter().collect()
            }
            _ => item(node, findings).map(|i| vec![i]),
        };
        let items = items?;
        if items.is_empty() {
            findings
                .error("bad_source", node.span, "`org` is an empty list")
                .help("leave it out, or name a source: `path.org`");
            return None;
        }
        if items.iter().map(|i| i.sources.len()).sum::<usize>() > MAX_SOURCES {
            let message = format!("`org` has at most {MAX_SOURCES} sources");
            findings.error("bad_source", node.span, message).help("make several routes of it");
            return None;
        }
        let primaries = items.iter().filter(|i| i.primary).count();
        if primaries > 1 || (primaries == 1 && items.len() == 1) {
            let message = if items.len() == 1 {
                "`primary` needs other sources beside it"
            } else {
                "only one source can be `primary`"
            };
            let help = "leave it out, or name the others: `[query.from primary, query.to]`";
            findings.error("bad_source", node.span, message).help(help);
            return None;
        }
        if items.iter().all(|i| i.optional) {
            findings
                .warning(
                    "optional_alone",
                    node.span,
                    "no source is required, and a request that names no organization is refused",
                )
                .help("leave `optional` out, or add a source that is always there");
        }
        Some(items)
    }
}

/// One text: sources between `or`, then modifiers.
fn item(node: &Node, findings: &mut Findings) -> Option<RawItem> {
    if let Value::Map(_) | Value::Seq(_) = &node.value {
        findings
            .error("wrong_type", node.span, "a source of `org` must be a text")
            .help("for example `org: path.org`, or several that must all pass: `org: [path.org, query.organization]`");
        return None;
    }
    let text = node.expect_word("a source of `org`", findings)?;
    let words: Vec<_> =
        words(text).map(|(at, word)| (findings.part(node.span, text, at, at + word.len()), word)).collect();
    let mut words = words.into_iter().peekable();
    let mut item = RawItem { sources: Vec::new(), optional: false, primary: false };
    loop {
        let Some((span, word)) = words.next() else {
            findings.error("bad_source", node.span, "a source is missing").help("for example `path.org`");
            return None;
        };
        let by =
            if words.next_if(|(_, w)| *w == "as").is_some() { Some(by(words.next(), span, findings)?) } else { None };
        let value = source(word, by, span, findings)?;
        item.sources.push(Spanned { value, span });
        if words.next_if(|(_, w)| *w == "or").is_none() {
            break;
        }
    }
    let is = |wanted: fn(&Source) -> bool| {
        item.sources.iter().find(|source| matches!(&source.value, RawSource::Ready(source) if wanted(source)))
    };
    if let (Some(_), Some(only)) = (is(Source::is_of_answer), is(|source| matches!(source, Source::UserOnly))) {
        findings
            .error("bad_source", only.span, "an object whose answer names nobody is not the caller's")
            .help("leave `or user.only` out");
        return None;
    }
    for (span, word) in words {
        match word {
            "optional" if !item.optional => item.optional = true,
            "primary" if !item.primary => item.primary = true,
            "optional" | "primary" => {
                let message = format!("`{word}` stands here a second time");
                findings.error("bad_source", span, message).help("leave one of them out");
                return None;
            }
            _ => {
                let near = suggest(word, ["or", "as", "optional", "primary"]);
                let help = near.map_or("sources are joined by `or`".to_owned(), |w| format!("did you mean `{w}`?"));
                findings.error("bad_source", span, format!("`{word}` is not understood here")).help(help);
                return None;
            }
        }
    }
    Some(item)
}

/// The words of a text, each with the offset of its first byte. Blanks between quotes are the word's own.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    let mut quoted = false;
    let ends = move |c: char| {
        quoted ^= c == '"';
        c == ' ' && !quoted
    };
    text.split(ends).filter_map(move |word| {
        let start = at;
        at += word.len() + 1;
        (!word.is_empty()).then_some((start, word))
    })
}

fn by(word: Option<(Span, &str)>, before: Span, findings: &mut Findings) -> Option<By> {
    let (span, word) = word.unwrap_or((before, ""));
    by_word(word, span, findings)
}

/// What stands behind `as`.
pub(in crate::policy) fn by_word(word: &str, span: Span, findings: &mut Findings) -> Option<By> {
    let found = By::WORDS.iter().find(|(w, _)| *w == word).map(|(_, by)| *by);
    if found.is_none() {
        let near = suggest(word, By::WORDS.iter().map(|(w, _)| *w));
        let help = near
            .map_or("`as` is followed by `id`, `slug` or `external`".to_owned(), |w| format!("did you mean `{w}`?"));
        findings.error("bad_source", span, format!("`as {word}` is not understood")).help(help);
    }
    found
}

/// What an argument of a lookup is read from: a source, as a text.
pub(in crate::policy) fn argument(word: &str, span: Span, findings: &mut Findings) -> Option<Spanned<RawSource>> {
    if word == "user.only" {
        findings
            .error("bad_source", span, "`user.only` is an organization, and an argument is a text")
            .help("for example `path.id`");
        return None;
    }
    if word.starts_with("response") {
        findings
            .error("bad_source", span, "an answer comes after the lookups, and is no argument of theirs")
            .help("for example `path.id`");
        return None;
    }
    source(word, Some(By::External), span, findings).map(|value| Spanned { value, span })
}

/// `NAME` or `NAME.COLUMN`, behind `lookup.`
pub(in crate::policy) fn of_lookup(text: &str) -> Option<(Box<str>, Option<Box<str>>)> {
    let (name, column) = text.split_once('.').map_or((text, None), |(name, column)| (name, Some(column)));
    let is_good = is_name(name) && column.is_none_or(is_name);
    is_good.then(|| (name.into(), column.map(Box::from)))
}

/// `NAME`, `NAME.COLUMN as slug`: a lookup, its column, and how that names an organization.
pub(in crate::policy) fn object(text: &str) -> Option<(Box<str>, Option<Box<str>>, By)> {
    let mut words = text.split_ascii_whitespace();
    let (name, column) = of_lookup(words.next()?)?;
    let by = match (words.next(), words.next(), words.next()) {
        (None, ..) => By::Id,
        (Some("as"), Some(word), None) => By::WORDS.iter().find(|(known, _)| *known == word)?.1,
        _ => return None,
    };
    Some((name, column, by))
}

fn source(word: &str, by: Option<By>, span: Span, findings: &mut Findings) -> Option<RawSource> {
    const KNOWN: [&str; 8] = ["path", "query", "header", "host", "claim", "lookup", "body", "response"];
    if word == "user.only" {
        if by.is_some() {
            findings.error("bad_source", span, "`user.only` is an organization already").help("leave `as …` out");
            return None;
        }
        return Some(RawSource::Ready(Source::UserOnly));
    }
    let (place, name) = word.split_once('.').unwrap_or((word, ""));
    if !KNOWN.contains(&place) {
        let near = suggest(word, ["user.only"])
            .map(str::to_owned)
            .or_else(|| suggest(place, KNOWN).map(|near| format!("{near}.{name}")));
        let all = "the sources are path.NAME, query.NAME, header.NAME, host.NAME, claim.NAME, body.NAME, lookup.NAME, response./POINTER and user.only";
        // The name alone, as a pattern writes it.
        let near = near.or_else(|| (is_name(word) && name.is_empty()).then(|| format!("path.{word}")));
        let help = near.map_or(all.to_owned(), |near| format!("did you mean `{near}`?"));
        findings.error("unknown_source", span, format!("`{word}` is not a source of an organization")).help(help);
        return None;
    }
    let by = by.unwrap_or(By::Id);
    let read = match place {
        "path" if is_name(name) => Some(RawSource::Path(name.to_owned(), by)),
        "host" if is_name(name) => Some(RawSource::Host(name.to_owned(), by)),
        "body" => Pointer::parse(name).map(|pointer| RawSource::Ready(Source::Body(pointer, by))),
        "response" => Pointer::parse(name).map(|pointer| RawSource::Ready(Source::Answer(pointer, by))),
        "lookup" => of_lookup(name).map(|(name, column)| RawSource::Lookup(name, column, by)),
        "claim" => ClaimName::parse(name).map(|claim| RawSource::Ready(Source::Claim(claim, by))),
        "query" if is_parameter(name) => Some(RawSource::Ready(Source::Query(name.into(), by))),
        "header" => {
            HeaderName::try_from(name).ok().filter(carries_no_secret).map(|n| RawSource::Ready(Source::Header(n, by)))
        }
        _ => None,
    };
    if place == "claim" && read.is_some() {
        warn_of_dots(name, span, findings);
    }
    if read.is_none() {
        let help = match place {
            _ if name.ends_with(',') => {
                "sources are joined by `or`; several that must all pass are a list: `[path.org, query.org]`"
            }
            _ if name.is_empty() => {
                "say which one: `path.org`, `query.organization`, `header.X-Org`, `host.org`, `claim.org`"
            }
            "claim" => CLAIM_NAMES,
            "header" if HeaderName::try_from(name).is_ok() => {
                "it carries credentials or frames the message: name another header, as in `header.X-Org`"
            }
            "header" => "the name of a header: letters, digits and `-`, as in `header.X-Org`",
            "path" | "host" if name == NAMELESS => "`{_}` has no name: give it one",
            "body" => {
                "a field, `body.organization`, or a JSON pointer: `body./device/organization`, `body./*/organization`"
            }
            "response" => "a member of the answer, or a JSON pointer: `response./organization`",
            "lookup" => {
                "the name of a lookup, and of one of its columns where another than the first is meant: `lookup.device`"
            }
            "path" | "host" => "a variable's name is letters, digits and `_`, and begins with a letter",
            _ => "a name is letters, digits, `-`, `_`, `.` and `~`",
        };
        findings.error("bad_source", span, format!("`{name}` cannot be the name in `{word}`")).help(help);
    }
    read
}

pub(in crate::policy) const CLAIM_NAMES: &str = "one name is `claim.tenant`, or `claim.\"https://id.example.com/tenant\"`; what lies within a claim is `claim./realm_access/roles`";

/// `claim.a.b` is one name: whoever writes it may mean a path.
pub(in crate::policy) fn warn_of_dots(name: &str, span: Span, findings: &mut Findings) {
    if ClaimName::looks_like_a_path(name) {
        let path = name.replace('.', "/");
        findings
            .warning(
                "dotted_claim",
                span,
                format!("`claim.{name}` is the one claim whose name is `{name}`, dots and all"),
            )
            .help(format!("if that is meant, write `claim.\"{name}\"`; what lies within a claim is `claim./{path}`"));
    }
}

/// Names that reach a query unescaped, and that fold to something.
pub(in crate::policy) fn is_parameter(name: &str) -> bool {
    name.bytes().any(|b| b.is_ascii_alphanumeric())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~'))
}

/// Headers that carry credentials or framing never name an organization.
fn carries_no_secret(name: &HeaderName) -> bool {
    !["authorization", "cookie", "host", "content-length", "transfer-encoding", "connection"]
        .iter()
        .any(|bad| same_name(name.as_str(), bad))
}

/// Binds the sources of an origin to a route; `None` when something was reported.
pub(in crate::policy) fn bind(items: &[RawItem], binder: &Binder<'_>, findings: &mut Findings) -> Option<Box<[Item]>> {
    let mut bound = Vec::with_capacity(items.len());
    for item in items {
        let sources: Vec<_> = item.sources.iter().map(|source| binder.source(source, findings)).collect();
        let sources = sources.into_iter().collect::<Option<Vec<_>>>();
        bound.push(sources.map(|sources| Item {
            each: items.len() == 1 && matches!(&sources[..], [Source::Body(pointer, _)] if pointer.has_elements()),
            sources: sources.into(),
            optional: item.optional,
            primary: item.primary,
        }));
    }
    bound.into_iter().collect()
}

/// Whether an origin uses the variable of the path.
pub(in crate::policy) fn uses(items: &[RawItem], variable: &str, lookups: &LookupTable) -> bool {
    items.iter().flat_map(|item| &item.sources).any(|source| match &source.value {
        RawSource::Path(name, _) => name == variable,
        RawSource::Lookup(name, ..) => lookups.uses(name, variable),
        RawSource::Host(..) | RawSource::Ready(_) => false,
    })
}

/// The number of a variable of the path; reports one that the pattern does not bind.
pub(in crate::policy) fn variable(
    name: &str,
    span: Span,
    pattern: &Spanned<Pattern>,
    findings: &mut Findings,
) -> Option<usize> {
    let at = pattern.value.variables().position(|v| v == name);
    if at.is_none() {
        let near = suggest(name, pattern.value.variables()).map(|w| format!("did you mean `path.{w}`?"));
        let help = near.unwrap_or_else(|| format!("bind it in the pattern: `{{{name}}}`"));
        findings
            .error("unbound_variable", span, format!("`{}` does not bind `{name}`", pattern.value.text))
            .related(pattern.span, "this route")
            .help(help);
    }
    at
}

/// The number of a variable of the host: the same in every host of the file.
pub(in crate::policy) fn host_variable(
    name: &str,
    span: Span,
    hosts: &[Spanned<HostPattern>],
    findings: &mut Findings,
) -> Option<usize> {
    let mut place = None;
    for host in hosts {
        let at = host.value.variables().position(|v| v == name);
        if at.is_none() || (place.is_some() && at != place) {
            let (message, help) = match at {
                None => {
                    let near = suggest(name, host.value.variables()).map(|w| format!("did you mean `host.{w}`?"));
                    let bind = format!("bind it in every host of the file: `{{{name}}}`");
                    (format!("the host `{}` does not bind `{name}`", host.value.text), near.unwrap_or(bind))
                }
                Some(_) => {
                    let help = "write the hosts so that it stands in the same place among their variables".to_owned();
                    (format!("`{name}` is not the same variable in every host"), help)
                }
            };
            findings.error("unbound_variable", span, message).related(host.span, "this host").help(help);
            return None;
        }
        place = at;
    }
    if place.is_none() {
        findings
            .error("unbound_variable", span, format!("no host binds `{name}`"))
            .help(format!("name the hosts of this file: `hosts: [\"{{{name}}}.example.com\"]`"));
    }
    place
}
