//! A tests file as it is written, every mistake at its place.

use super::super::ask::{Answer, Body, Request};
use super::super::world::{ANONYMOUS, World, scope, text};
use super::{Case, Expect, Forwarded, Suite};
use crate::claims::Claims;
use crate::decision::Reason;
use crate::policy::METHODS;
use crate::yaml::{Entry, FileId, Findings, Key, Keys, Map, Node, Value, parse_with_null, suggest};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use std::net::IpAddr;
use std::sync::Arc;

/// The keys of a tests file.
pub const FILE_KEYS: [&str; 2] = ["given", "tests"];
/// The keys of a case beside its method.
pub const CASE_KEYS: [&str; 16] = [
    "as",
    "body",
    "body_bytes",
    "claims",
    "client",
    "expect",
    "forwarded",
    "headers",
    "inject",
    "mfa",
    "name",
    "session",
    "throttled",
    "token",
    "upstream",
    "upstream_status",
];
/// Methods that no policy names and that a test may still send.
const REFUSED: [&str; 2] = ["TRACE", "CONNECT"];

/// Reads one file; `None` when there is nothing to run. Problems are in `findings`.
pub fn read(id: FileId, findings: &mut Findings) -> Option<Suite> {
    let root = parse_with_null(findings, id)?;
    let file = findings.source(id)?.name.clone();
    let map = root.expect_map("a tests file", findings)?;
    map.expect_keys("a tests file", Keys { known: &FILE_KEYS, not_yet: &[] }, findings);
    let world = map.get("given").map(|node| World::read(node, findings)).unwrap_or_default();
    let mut cases = Vec::new();
    match map.get("tests") {
        Some(node) => {
            let nodes = node.expect_seq("`tests`", findings)?;
            if nodes.is_empty() {
                findings.error("no_tests", node.span, "`tests` is empty: nothing would be tested");
            }
            cases.reserve(nodes.len());
            for node in nodes {
                cases.extend(case(node, &world, findings));
            }
        }
        None => {
            findings
                .error("no_tests", root.span, "the file has no `tests`")
                .help("for example `tests: [{ as: anonymous, GET: /healthz, expect: allow }]`");
        }
    }
    Some(Suite { file, world, cases })
}

/// Reads the world of a tests file alone. Problems are in `findings`.
pub fn read_world(id: FileId, findings: &mut Findings) -> Option<World> {
    let root = parse_with_null(findings, id)?;
    let map = root.expect_map("a tests file", findings)?;
    map.expect_keys("a tests file", Keys { known: &FILE_KEYS, not_yet: &[] }, findings);
    Some(map.get("given").map(|node| World::read(node, findings)).unwrap_or_default())
}

fn case(node: &Node, world: &World, findings: &mut Findings) -> Option<Case> {
    let map = node.expect_map("a case", findings)?;
    let mut user = None;
    let mut line = None;
    let mut headers = HeaderMap::new();
    let (mut expect, mut inject, mut claims, mut client) = (None, Vec::new(), None, None);
    let (mut title, mut forwarded) = (None, Forwarded::default());
    let (mut body, mut throttled, mut token, mut session) = (Body::None, false, None, false);
    let (mut answer, mut status, mut mfa) = (None, None, None);
    // What seems to be missing may be what is misspelt.
    let mut is_doubtful = false;
    for Entry { key, value } in &map.entries {
        match key.text.as_str() {
            "as" => user = caller(value, world, findings),
            "headers" => headers = self::headers(value, world, findings),
            "body" => body = self::body(value, world, findings),
            "body_bytes" => body = value.expect_size("`body_bytes`", findings).map_or(Body::None, Body::Length),
            "claims" => claims = self::claims(value, world, findings),
            "client" => client = address(value, findings),
            "expect" => expect = expectation(value, world, findings),
            "inject" => inject = injected(value, world, findings),
            "mfa" => mfa = value.expect_duration("`mfa`", findings),
            "name" => title = text(value, "`name`", findings).map(Box::from),
            "forwarded" => forwarded = self::forwarded(value, world, findings),
            "session" => session = value.expect_bool("`session`", findings) == Some(true),
            "throttled" => throttled = value.expect_bool("`throttled`", findings) == Some(true),
            "token" => token = scope(value, world, findings),
            "upstream" => answer = content(value, world, findings),
            "upstream_status" => status = self::status(value, findings),
            word if METHODS.contains(&word) || REFUSED.contains(&word) => {
                request_line(key, value, world, &mut line, findings)
            }
            _ => {
                is_doubtful = true;
                let known: Vec<&str> = CASE_KEYS.iter().chain(&METHODS).copied().collect();
                Keys { known: &known, not_yet: &[] }.refuse(key, "a case", findings);
            }
        }
    }
    if !is_doubtful {
        missing(map, node, &line, findings);
    }
    if matches!(&user, Some(Some(_))) && headers.contains_key(header::AUTHORIZATION) {
        let at = map.entry("headers").map_or(node.span, |e| e.value.span);
        findings
            .error("two_credentials", at, "`as` already says whose credential is sent")
            .help("leave `Authorization` out, or write `as: anonymous` to test a credential that is nobody's");
    }
    if let (Some(None), Some(entry), true) = (&user, map.entry("session"), session) {
        findings
            .error("no_meaning", entry.key.span, "whoever is anonymous has no session")
            .help("leave it out, or say whose it is with `as`");
    }
    if let (Some(None), Some(entry)) = (&user, map.entry("mfa")) {
        findings
            .error("no_meaning", entry.key.span, "whoever is anonymous has shown no second factor")
            .help("leave it out, or say who has shown it with `as`");
    }
    if let (Some(user), Some(entry)) = (&user, map.entry("token")) {
        let in_claims = |name: &str| world.user(name).is_some_and(|user| user.user.issuer.is_some());
        let message = match user.as_deref() {
            None => "whoever is anonymous has no token",
            Some(name) if world.unnarrowed(name).is_some() => "`given` already says what the token is narrowed to",
            Some(name) if in_claims(name) => "only tokens of the directory are narrowed",
            Some(_) => "",
        };
        if !message.is_empty() {
            findings.error("no_meaning", entry.key.span, message).help("leave it out");
        }
    }
    if let (Some(_), Some(entry)) = (map.get("body"), map.entry("body_bytes")) {
        findings
            .error("wrong_value", entry.key.span, "`body` already says how long the body is")
            .help("leave one of them out");
    }
    if matches!(map.get("body").map(|node| &node.value), Some(Value::Map(_) | Value::Seq(_))) {
        headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
    }
    for (key, message) in [
        ("inject", "a request that is refused sends no headers on"),
        ("forwarded", "a request that is refused goes nowhere"),
    ] {
        if let (Some(Expect::Refuse(..)), Some(entry)) = (&expect, map.entry(key)) {
            findings.error("wrong_value", entry.key.span, message).help("leave it out");
        }
    }
    let (method, written, target) = line.flatten()?;
    let answer = match (answer, status) {
        (None, None) => None,
        (content, status) => {
            Some(Answer::new(status.unwrap_or(StatusCode::OK), content.unwrap_or_default().into_bytes()))
        }
    };
    let request =
        Request { headers, client, claims, body, session, mfa, throttled, answer, ..Request::new(method, target) }
            .as_handshake();
    let line = findings.place(map.entries.first()?.key.span).line;
    Some(Case { line, title, user: user?, token, written, request, expect: expect?, inject, forwarded })
}

/// What every case must say.
fn missing(map: &Map, node: &Node, line: &Option<Option<Line>>, findings: &mut Findings) {
    let first = map.entries.first().map_or(node.span, |e| e.key.span);
    if map.get("as").is_none() {
        findings
            .error("incomplete_case", first, "the case does not say who asks")
            .help("add `as:`, with a name from `given`, or `as: anonymous`");
    }
    if line.is_none() {
        findings
            .error("incomplete_case", first, "the case has no request")
            .help("add a method with its target: `GET: /path`");
    }
    if map.get("expect").is_none() {
        findings
            .error("incomplete_case", first, "the case does not say what it expects")
            .help("add `expect: allow`, or a status with an optional code: `expect: 403 org_foreign`");
    }
}

fn address(node: &Node, findings: &mut Findings) -> Option<IpAddr> {
    let written = text(node, "`client`", findings)?;
    let address = written.parse::<IpAddr>().map(|address| address.to_canonical()).ok();
    if address.is_none() {
        let message = format!("`{written}` is not an address");
        findings.error("wrong_value", node.span, message).help("write `10.1.2.3` or `2001:db8::1`");
    }
    address
}

fn status(node: &Node, findings: &mut Findings) -> Option<StatusCode> {
    let written = text(node, "`upstream_status`", findings)?;
    let status = written.parse().ok().filter(|status| (200..600).contains(status));
    if status.is_none() {
        let message = format!("`{written}` is not the status of an answer");
        findings.error("wrong_value", node.span, message).help("write a number from 200 to 599");
    }
    status.and_then(|status| StatusCode::from_u16(status).ok())
}

fn body(node: &Node, world: &World, findings: &mut Findings) -> Body {
    content(node, world, findings).map_or(Body::None, |text| Body::Bytes(text.into_bytes().into()))
}

/// A text is the content as it stands; anything else is JSON.
fn content(node: &Node, world: &World, findings: &mut Findings) -> Option<String> {
    match &node.value {
        Value::Scalar(scalar) => world.filled(&scalar.text, node, findings).map(String::from),
        _ => json(node, world, findings).map(|json| json.to_string()),
    }
}

/// What the credential says besides: any YAML, with each `<name>` filled in.
fn claims(node: &Node, world: &World, findings: &mut Findings) -> Option<Arc<Claims>> {
    node.expect_map("`claims`", findings)?;
    let json = json(node, world, findings)?;
    Some(Arc::new(Claims::new(&json.to_string())))
}

fn json(node: &Node, world: &World, findings: &mut Findings) -> Option<serde_json::Value> {
    use serde_json::Value as Json;
    Some(match &node.value {
        Value::Map(map) => {
            let members = map.entries.iter().map(|e| Some((e.key.text.clone(), json(&e.value, world, findings)?)));
            Json::Object(members.collect::<Option<_>>()?)
        }
        Value::Seq(list) => Json::Array(list.iter().map(|one| json(one, world, findings)).collect::<Option<_>>()?),
        Value::Scalar(scalar) if scalar.plain => {
            let text = world.filled(&scalar.text, node, findings)?.into_owned();
            match serde_json::from_str(&text) {
                Ok(plain @ (Json::Bool(_) | Json::Number(_))) => plain,
                _ => Json::String(text),
            }
        }
        Value::Scalar(scalar) => Json::String(world.filled(&scalar.text, node, findings)?.into_owned()),
        Value::Null => Json::Null,
        Value::Faulty => return None,
    })
}

fn caller(node: &Node, world: &World, findings: &mut Findings) -> Option<Option<Box<str>>> {
    let name = text(node, "`as`", findings)?;
    if name == ANONYMOUS {
        return Some(None);
    }
    if world.user(name).is_none() {
        let near = suggest(name, world.users().chain([ANONYMOUS])).map(|w| format!("did you mean `{w}`?"));
        let help = near.unwrap_or_else(|| "`as` is a name from `given: { users: … }`, or `anonymous`".to_owned());
        findings.error("unknown_user", node.span, format!("no user in `given` is named `{name}`")).help(help);
        return None;
    }
    Some(Some(name.into()))
}

/// Method, target as written, target.
type Line = (Method, Box<str>, String);

fn request_line(key: &Key, value: &Node, world: &World, line: &mut Option<Option<Line>>, findings: &mut Findings) {
    if line.is_some() {
        findings.error("two_requests", key.span, "the case has a second request").help("a case is one request");
        return;
    }
    let written = text(value, &format!("the target of `{}`", key.text), findings);
    let target = written.and_then(|written| world.filled(written, value, findings));
    let method = Method::from_bytes(key.text.as_bytes()).ok();
    *line = Some(match (method, written, target) {
        (Some(method), Some(written), Some(target)) => Some((method, written.into(), target.into_owned())),
        _ => None,
    });
}

fn headers(node: &Node, world: &World, findings: &mut Findings) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for Entry { key, value } in node.expect_map("`headers`", findings).map(|m| m.entries.as_slice()).unwrap_or_default()
    {
        let name = header_name(key, findings);
        // A list sends the header several times.
        let values = match &value.value {
            Value::Seq(nodes) => nodes.as_slice(),
            _ => std::slice::from_ref(value),
        };
        for value in values {
            let what = format!("the header `{}`", key.text);
            let Some(filled) = text(value, &what, findings).and_then(|text| world.filled(text, value, findings)) else {
                continue;
            };
            match HeaderValue::from_bytes(filled.as_bytes()) {
                Ok(value) => {
                    if let Some(name) = &name {
                        headers.append(name.clone(), value);
                    }
                }
                Err(_) => {
                    findings.error("bad_header", value.span, format!("{what} cannot have this value"));
                }
            }
        }
    }
    headers
}

/// The target alone, or a map.
fn forwarded(node: &Node, world: &World, findings: &mut Findings) -> Forwarded {
    let read = |node: &Node, what: &str, findings: &mut Findings| {
        text(node, what, findings).and_then(|text| world.filled(text, node, findings)).map(Box::from)
    };
    let Value::Map(map) = &node.value else {
        return Forwarded { target: read(node, "the forwarded target", findings), upstream: None };
    };
    map.expect_keys("`forwarded`", Keys { known: &["target", "upstream"], not_yet: &[] }, findings);
    let mut of = |key: &str| map.get(key).and_then(|node| read(node, &format!("`{key}`"), findings));
    Forwarded { target: of("target"), upstream: of("upstream") }
}

fn injected(node: &Node, world: &World, findings: &mut Findings) -> Vec<(HeaderName, Option<Box<str>>)> {
    let mut list = Vec::new();
    for Entry { key, value } in node.expect_map("`inject`", findings).map(|m| m.entries.as_slice()).unwrap_or_default()
    {
        let name = header_name(key, findings);
        // Null: it is not sent.
        let value = match &value.value {
            Value::Null => Some(None),
            _ => {
                let filled = text(value, "an injected value", findings);
                filled.and_then(|text| world.filled(text, value, findings)).map(|text| Some(text.into()))
            }
        };
        if let (Some(name), Some(value)) = (name, value) {
            list.push((name, value));
        }
    }
    list
}

fn header_name(key: &Key, findings: &mut Findings) -> Option<HeaderName> {
    let name = HeaderName::try_from(key.text.as_str()).ok();
    if name.is_none() {
        findings.error("bad_header", key.span, format!("`{}` is not the name of a header", key.text));
    }
    name
}

fn expectation(node: &Node, world: &World, findings: &mut Findings) -> Option<Expect> {
    if matches!(node.value, Value::Map(_) | Value::Seq(_)) {
        return json(node, world, findings).map(Expect::Answer);
    }
    let words = text(node, "`expect`", findings)?;
    let (status, code) = match words.split_once(' ') {
        Some((status, code)) => (status, Some(code.trim())),
        None => (words, None),
    };
    if words == "allow" {
        return Some(Expect::Allow);
    }
    let Some(number) = status.parse::<u16>().ok().filter(|n| (400..600).contains(n)) else {
        let code = Reason::ALL.into_iter().find(|reason| reason.code() == words);
        let help = match (code, status.parse::<u16>()) {
            (Some(reason), _) => format!("write the status too: `{} {words}`", reason.status().as_u16()),
            (None, Ok(_)) => "postern refuses with 400 to 599; a request that passes is `allow`".to_owned(),
            (None, Err(_)) => suggest(words, ["allow"])
                .map_or("write `allow`, or a status with an optional code: `403 org_foreign`".to_owned(), |w| {
                    format!("did you mean `{w}`?")
                }),
        };
        findings.error("wrong_value", node.span, format!("`{words}` is not a verdict")).help(help);
        return None;
    };
    let code = match code {
        Some(code) => Some(reason(code, (words, node), findings)?),
        None => None,
    };
    Some(Expect::Refuse(number, code))
}

fn reason(code: &str, (words, node): (&str, &Node), findings: &mut Findings) -> Option<&'static str> {
    let codes = || Reason::ALL.into_iter().map(Reason::code);
    let known = codes().find(|known| *known == code);
    if known.is_none() {
        let near = suggest(code, codes()).map(|w| format!("did you mean `{w}`?"));
        let help = near.unwrap_or_else(|| format!("the codes are {}", codes().collect::<Vec<_>>().join(", ")));
        let at = words.len() - code.len();
        let span = findings.part(node.span, words, at, words.len());
        findings.error("unknown_code", span, format!("`{code}` is not the code of a refusal")).help(help);
    }
    known
}
