//! `http:` — a lookup that asks a service: what is got from where, and what of its answer is read.

use crate::policy::Names;
use crate::policy::options::inject::{self, InjectValue, RawInject};
use crate::policy::options::org::{self, By, RawSource};
use crate::policy::pattern::is_name;
use crate::policy::pointer::Pointer;
use crate::policy::secret::Secrets;
use crate::policy::upstreams::Upstreams;
use crate::request_target::Target;
use crate::yaml::{Entry, Findings, Key, Keys, Map, Node, Span, Spanned, suggest};
use http::{HeaderName, HeaderValue};
use std::fmt::Write;
use std::time::Duration;

/// What the first column is called, as far as names go.
pub(super) const ORGANIZATION: &str = "organization";
/// Columns beside the organization, at most.
const MAX_COLUMNS: usize = 16;
/// Longest target: no object has such a name.
const MAX_TARGET: usize = 4096;
const USUAL_TIMEOUT: Duration = Duration::from_secs(2);
const TIMEOUTS: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(30)];
const HTTP_EXAMPLE: &str =
    "write `build: { http: { upstream: legacy, get: \"/api/v1/build/{1}/\", org: /organization }, args: [path.id] }`";

/// What a lookup gets, and reads in the answer.
#[derive(Debug)]
pub struct Resource {
    /// The name of the upstream; empty: the only one.
    pub upstream: Box<str>,
    target: Template,
    headers: Box<[(HeaderName, InjectValue)]>,
    /// For the whole answer.
    pub timeout: Duration,
    pub organization: Pointer,
    /// As what that names the organization, where a route says nothing else.
    pub(super) by: By,
    pub columns: Box<[(Box<str>, Pointer)]>,
}

impl Resource {
    /// The target for these arguments; `None` where they name nothing: one that is empty or would be read as anything but a piece of
    /// its own segment.
    #[must_use]
    pub fn target(&self, args: &[Box<str>]) -> Option<String> {
        let target = self.target.filled(args)?;
        Target::parse(&target).is_ok().then_some(target)
    }

    /// The headers, but for those whose secret is not known; `None` where there is one.
    #[must_use]
    pub fn headers(&self) -> Option<Vec<(HeaderName, HeaderValue)>> {
        let value = |value: &InjectValue| match value {
            InjectValue::Literal(text) => Some(text.clone()),
            InjectValue::Secret(secret) => secret.is_set().then(|| secret.value()),
            _ => None,
        };
        self.headers.iter().map(|(name, from)| Some((name.clone(), value(from)?))).collect()
    }

    /// What is got and read, in the policy's own words.
    #[must_use]
    pub fn words(&self) -> String {
        let mut text = format!("GET {}, org: {}", self.target.text, self.organization);
        match self.by {
            By::Id => {}
            By::Slug => text.push_str(" as slug"),
            By::External => text.push_str(" as external"),
        }
        for (name, pointer) in &self.columns {
            let _ = write!(text, ", {name}: {}", pointer);
        }
        for (name, value) in &self.headers {
            let _ = match value {
                InjectValue::Secret(secret) => write!(text, ", {name}: {{ secret: {} }}", secret.name()),
                InjectValue::Literal(literal) => write!(text, ", {name}: {literal:?}"),
                _ => Ok(()),
            };
        }
        text
    }
}

/// The target of a request with places for arguments.
#[derive(Clone, Debug)]
struct Template {
    text: Box<str>,
    /// Pieces of text, each but the last with the argument, from 0, that follows it.
    pieces: Box<[(Box<str>, Option<usize>)]>,
}

impl Template {
    /// Reads `/x/{1}?y={2}`, with what is wrong with it.
    fn parse(text: &str) -> Result<Self, String> {
        let mut pieces: Vec<(Box<str>, Option<usize>)> = Vec::new();
        let mut rest = text;
        let mut before = String::new();
        while let Some((piece, after)) = rest.split_once('{') {
            let (number, after) = after.split_once('}').ok_or("a `{` is not closed")?;
            let at = number.parse::<usize>().ok().filter(|_| number.bytes().all(|b| b.is_ascii_digit()));
            let at = at.and_then(|at| at.checked_sub(1)).ok_or_else(|| format!("`{{{number}}}` is no argument"))?;
            before.push_str(piece);
            if before.contains('?') && before.rfind(['?', '&', '=']).is_none_or(|at| !before[at..].starts_with('=')) {
                return Err(format!("`{{{number}}}` would name a parameter"));
            }
            pieces.push((piece.into(), Some(at)));
            rest = after;
        }
        pieces.push((rest.into(), None));
        let template = Self { text: text.into(), pieces: pieces.into() };
        let sample = vec![Box::from("x"); template.arguments()];
        match template.filled(&sample).map(|filled| Target::parse(&filled).map(drop)) {
            Some(Ok(())) => Ok(template),
            Some(Err(error)) => Err(error.to_string()),
            None => Err("it is too long".to_owned()),
        }
    }

    /// How many arguments there must be.
    fn arguments(&self) -> usize {
        self.pieces.iter().filter_map(|(_, arg)| arg.map(|at| at + 1)).max().unwrap_or(0)
    }

    fn uses(&self, argument: usize) -> bool {
        self.pieces.iter().any(|(_, arg)| *arg == Some(argument))
    }

    /// With arguments in their places, percent-encoded but for what is text everywhere.
    fn filled(&self, args: &[Box<str>]) -> Option<String> {
        let mut target = String::with_capacity(self.text.len() + 64);
        for (piece, arg) in &self.pieces {
            target.push_str(piece);
            let Some(arg) = arg else { continue };
            let arg = args.get(*arg).filter(|arg| !arg.is_empty())?;
            for b in arg.bytes() {
                match b {
                    b'-' | b'.' | b'_' | b'~' => target.push(char::from(b)),
                    _ if b.is_ascii_alphanumeric() => target.push(char::from(b)),
                    _ => write!(target, "%{b:02X}").ok()?,
                }
            }
        }
        (target.len() <= MAX_TARGET).then_some(target)
    }
}

/// The map as it is written.
#[derive(Debug)]
pub(super) struct RawResource {
    upstream: Option<Spanned<String>>,
    span: Span,
    target: Template,
    headers: Vec<RawInject>,
    timeout: Duration,
    organization: (Pointer, By),
    columns: Vec<(Box<str>, Pointer)>,
}

impl RawResource {
    /// The upstream that it names.
    pub(super) fn upstream(&self) -> Option<&str> {
        self.upstream.as_ref().map(|name| name.value.as_str())
    }

    pub(super) fn compile(
        &self,
        (upstreams, secrets): (&mut Upstreams<'_>, &mut Secrets<'_>),
        names: Option<&Names>,
        findings: &mut Findings,
    ) -> Resource {
        let upstream = upstreams.index(self.upstream.as_ref(), self.span, findings);
        let name = upstreams.names.get(upstream);
        if let Some(name) = name.filter(|name| names.is_some_and(|names| names.is_uwsgi(name))) {
            let message = format!("a lookup asks over HTTP, and `{name}` is spoken to over uwsgi");
            let help = "declare another upstream with an `http` address of the same service, and name that";
            findings.error("bad_lookup", self.span, message).help(help);
        }
        let headers = self.headers.iter().filter_map(|header| header.fixed(secrets, findings));
        let (organization, by) = self.organization.clone();
        Resource {
            upstream: upstreams.names.get(upstream).cloned().unwrap_or_default(),
            target: self.target.clone(),
            headers: headers.map(|inject| (inject.name, inject.value)).collect(),
            timeout: self.timeout,
            organization,
            by,
            columns: self.columns.clone().into(),
        }
    }
}

/// Reads the map; `None` where what is needed is missing or was reported.
pub(super) fn read(
    key: &Key,
    node: &Node,
    args: Option<&[Spanned<RawSource>]>,
    findings: &mut Findings,
) -> Option<RawResource> {
    let map = node.expect_map_like("`http`", HTTP_EXAMPLE, findings)?;
    let known = &["upstream", "get", "headers", "org", "columns", "timeout"];
    map.expect_keys("`http`", Keys { known, not_yet: &[] }, findings);
    for needed in ["get", "org"] {
        if map.get(needed).is_none() {
            let message = format!("`http` of the lookup `{}` has no `{needed}`", key.text);
            findings.error("bad_lookup", node.span, message).help(HTTP_EXAMPLE);
        }
    }
    let upstream = map.get("upstream").and_then(|node| {
        let value = node.expect_word("`upstream`", findings)?.to_owned();
        Some(Spanned { value, span: node.span })
    });
    let target = map.get("get").and_then(|node| template(node, args, findings));
    let sent = ("`headers`", "write headers and their values: `headers: { Authorization: { secret: LEGACY } }`");
    let headers = map.get("headers").and_then(|node| inject::read_headers(node, sent, findings)).unwrap_or_default();
    let organization = map.get("org").and_then(|node| organization(node, findings));
    let columns = map.get("columns").map_or_else(Vec::new, |node| columns(node, findings));
    let timeout = map.get("timeout").and_then(|node| timeout(node, findings)).unwrap_or(USUAL_TIMEOUT);
    Some(RawResource {
        upstream,
        span: node.span,
        target: target?,
        headers,
        timeout,
        organization: organization?,
        columns,
    })
}

fn template(node: &Node, args: Option<&[Spanned<RawSource>]>, findings: &mut Findings) -> Option<Template> {
    let text = node.expect_str("`get`", findings)?;
    let help = "a path with arguments in their places: `/api/v1/build/{1}/`, `/api/v1/build/?id={1}`";
    let template = match Template::parse(text) {
        Ok(template) => template,
        Err(why) => {
            findings.error("bad_lookup", node.span, format!("`{text}` cannot be got: {why}")).help(help);
            return None;
        }
    };
    let args = args?;
    let missing = (template.arguments() > args.len()).then(|| template.arguments());
    let unused = (0..args.len()).find(|at| !template.uses(*at)).map(|at| at + 1);
    let message = match (missing, unused) {
        (Some(missing), _) => format!("`get` has an argument {{{missing}}}, and `args` gives {}", args.len()),
        (None, Some(unused)) => format!("`get` does not use the argument {{{unused}}}"),
        (None, None) => return Some(template),
    };
    findings.error("bad_lookup", node.span, message).help("`{1}` is the first of `args`, `{2}` the second");
    None
}

/// `/category/organization`, `/slug as slug`
fn organization(node: &Node, findings: &mut Findings) -> Option<(Pointer, By)> {
    let text = node.expect_word("`org`", findings)?;
    let (place, by) = match text.split_once(" as ") {
        None => (text, By::Id),
        Some((place, word)) => (place.trim_end(), org::by_word(word.trim(), node.span, findings)?),
    };
    Some((pointer(place, node.span, findings)?, by))
}

fn columns(node: &Node, findings: &mut Findings) -> Vec<(Box<str>, Pointer)> {
    let help = "write names and places: `columns: { is_locked: /is_locked }`";
    let Some(Map { entries, .. }) = node.expect_map_like("`columns`", help, findings) else { return Vec::new() };
    if entries.len() > MAX_COLUMNS {
        let message = format!("a lookup has at most {MAX_COLUMNS} columns");
        findings.error("bad_lookup", node.span, message).help("leave out those that nothing reads");
    }
    let mut columns = Vec::new();
    for Entry { key, value } in entries {
        if !is_name(&key.text) || key.text == ORGANIZATION {
            let message = format!("`{}` cannot be the name of a column", key.text);
            findings
                .error("bad_lookup", key.span, message)
                .help("letters, digits and `_`, with a letter first; what `org` reads is `lookup.NAME` itself");
            continue;
        }
        let place = value.expect_word("a column", findings).and_then(|text| pointer(text, value.span, findings));
        columns.extend(place.map(|pointer| (key.text.as_str().into(), pointer)));
    }
    columns
}

fn pointer(text: &str, span: Span, findings: &mut Findings) -> Option<Pointer> {
    let found = Pointer::parse(text).filter(|pointer| pointer.steps().iter().all(|step| &**step != "*"));
    if found.is_none() {
        findings
            .error("bad_lookup", span, format!("`{text}` is no place in an answer"))
            .help("a JSON pointer to one value: `/category/organization`");
    }
    found
}

fn timeout(node: &Node, findings: &mut Findings) -> Option<Duration> {
    let time = node.expect_duration("`timeout`", findings)?;
    if time < TIMEOUTS[0] || time > TIMEOUTS[1] {
        findings
            .error("wrong_value", node.span, "`timeout` must be at least 10ms and at most 30s")
            .help("leave it out for 2s");
        return None;
    }
    Some(time)
}

/// Reports a column that the lookup does not have.
pub(super) fn check_column(name: &str, resource: &Resource, column: &str, span: Span, findings: &mut Findings) -> bool {
    let names = || resource.columns.iter().map(|(name, _)| &**name);
    if column == ORGANIZATION || names().any(|known| known == column) {
        return true;
    }
    let near = suggest(column, names()).map(|near| format!("did you mean `lookup.{name}.{near}`?"));
    let help = near.unwrap_or_else(|| format!("say where it stands: `columns: {{ {column}: /{column} }}`"));
    findings.error("unknown_column", span, format!("the lookup `{name}` has no column `{column}`")).help(help);
    false
}

#[cfg(test)]
mod tests {
    use super::Template;
    use crate::request_target::Target;

    fn filled(template: &str, args: &[&str]) -> Option<String> {
        let args: Vec<Box<str>> = args.iter().map(|arg| Box::from(*arg)).collect();
        let target = Template::parse(template).unwrap().filled(&args)?;
        Target::parse(&target).is_ok().then_some(target)
    }

    #[test]
    fn an_argument_stays_in_its_segment() {
        for (arg, becomes) in [
            ("17", Some("/x/17/y")),
            ("a b", Some("/x/a%20b/y")),
            ("K\u{fc}che", Some("/x/K%C3%BCche/y")),
            ("a?b=c&d#e", Some("/x/a%3Fb%3Dc%26d%23e/y")),
            ("a.b", Some("/x/a.b/y")),
            ("", None),
            (".", None),
            ("..", None),
            ("../y", None),
            ("a/b", None),
            ("/", None),
            ("a\\b", None),
            ("a;b", None),
            ("%2e%2e", None),
            ("a\r\nHost: b", None),
            ("\u{ff0f}", None),
        ] {
            assert_eq!(filled("/x/{1}/y", &[arg]).as_deref(), becomes, "{arg:?}");
        }
        assert_eq!(filled("/x/.{1}", &["."]), None);
        assert_eq!(filled("/x?a={1}&b={2}", &["&c=d", "/"]).as_deref(), Some("/x?a=%26c%3Dd&b=%2F"));
        assert_eq!(filled("/x?a={1}", &[""]), None);
        assert_eq!(filled("/x/{1}", &[&"n".repeat(5000)]), None);
    }

    #[test]
    fn a_template_is_a_target_with_places() {
        for text in ["/x", "/x/{1}", "/{2}/{1}", "/x/v-{1}.json", "/x?a={1}", "/x?a={1}&b=-{2}"] {
            assert!(Template::parse(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "x/{1}",
            "/x/{id}",
            "/x/{0}",
            "/x/{1",
            "/x/{+1}",
            "/x/../{1}",
            "/x?{1}=a",
            "/x?a=b&{1}",
            "/x y",
            "//x/{1}",
        ] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}
