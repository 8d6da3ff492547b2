//! An answer in the representation that was asked for: JSON with lines, or a page that shows it.

use super::super::page::STYLE;
use crate::compat::openwisp::negotiate::Representation;
use askama::Template;
use axum::body::Body;
use axum::response::Response;
use http::header::{self, HeaderValue};
use http_body_util::BodyExt;

/// Blanks of a page's JSON.
const USUAL: u8 = 4;

#[derive(Template)]
#[template(path = "record.html")]
struct Page<'a> {
    style: &'static str,
    title: &'a str,
    status: String,
    json: &'a str,
}

/// What was answered, as it was asked for. Whatever is no JSON stays as it is.
pub(in crate::api) async fn show(response: Response, as_asked: Representation, name: &str) -> Response {
    if as_asked == Representation::default() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let indent = usize::from(as_asked.indent.unwrap_or(USUAL));
    let Ok(text) = std::str::from_utf8(&body) else { return Response::from_parts(parts, Body::from(body)) };
    let json = indented(text, indent);
    if as_asked.html {
        let page = Page { style: STYLE, title: name, status: parts.status.to_string(), json: &json };
        if let Ok(page) = page.render() {
            parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            parts.headers.insert(header::CONTENT_SECURITY_POLICY, super::super::page::policy());
            return Response::from_parts(parts, Body::from(page));
        }
    }
    Response::from_parts(parts, Body::from(json))
}

/// The same JSON in lines, as Python writes it: what is empty stays on its line.
pub(super) fn indented(json: &str, indent: usize) -> String {
    let (mut text, mut depth, mut in_string) = (String::with_capacity(json.len() * 2), 0, false);
    let mut chars = json.chars().peekable();
    let line = |text: &mut String, depth: usize| {
        text.push('\n');
        text.extend(std::iter::repeat_n(' ', depth * indent));
    };
    while let Some(c) = chars.next() {
        match c {
            '"' => in_string = !in_string,
            '\\' if in_string => {
                text.push(c);
                text.extend(chars.next());
                continue;
            }
            ',' if !in_string => {
                text.push(c);
                line(&mut text, depth);
                continue;
            }
            ':' if !in_string => {
                text.push_str(": ");
                continue;
            }
            '{' | '[' if !in_string && !matches!(chars.peek(), Some('}' | ']')) => {
                text.push(c);
                depth += 1;
                line(&mut text, depth);
                continue;
            }
            '}' | ']' if !in_string && !text.ends_with(['{', '[']) => {
                depth -= 1;
                line(&mut text, depth);
            }
            _ => {}
        }
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::indented;

    #[test]
    fn json_gets_its_lines_and_keeps_its_order() {
        let json = r#"{"b":1,"a":[],"c":[{"x":"a{\",:b"},{}],"d":null}"#;
        let lines = concat!(
            "{\n  \"b\": 1,\n  \"a\": [],\n  \"c\": [\n    {\n      \"x\": \"a{\\\",:b\"\n    },\n    {}\n  ],\n",
            "  \"d\": null\n}"
        );
        assert_eq!(indented(json, 2), lines);
    }
}
