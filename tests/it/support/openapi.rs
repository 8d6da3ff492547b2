//! Answers beside what the API says of itself: each has a status that its operation tells, a type of those that are told there, and a
//! body of the type's schema, with all that must be there and nothing more.

use super::Answer;
use serde_json::Value;

/// What a server says of its API.
pub struct Description(pub Value);

impl Description {
    /// Fails the test where an answer is not as described. Methods that are told of nowhere are not told of: HEAD is a GET.
    pub fn covers(&self, method: &str, target: &str, answer: &Answer) {
        let path = target.split('?').next().unwrap_or_default();
        let Some(operation) = self.operation(method, path) else {
            assert!(
                [200, 301, 404, 405, 401, 403, 406].contains(&answer.status),
                "{method} {target}: {}",
                answer.text()
            );
            return;
        };
        let told = &operation["responses"][answer.status.to_string()];
        assert!(told.is_object(), "{method} {target}: {} is not described: {}", answer.status, answer.text());
        let told = self.resolved(told);
        let Some(content) = told.get("content") else {
            assert!(answer.body.is_empty(), "{method} {target}: {} has a body", answer.status);
            return;
        };
        let media = answer.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default();
        let media_type = &content[media];
        assert!(media_type.is_object(), "{method} {target}: {} as {media} is not described", answer.status);
        if media.ends_with("json") {
            let fits = self.fits(&media_type["schema"], &answer.json());
            assert!(fits.is_ok(), "{method} {target}: {}: {}: {}", answer.status, fits.unwrap_err(), answer.text());
        }
    }

    fn operation(&self, method: &str, path: &str) -> Option<&Value> {
        let is_at = |template: &str| {
            template.split('/').count() == path.split('/').count()
                && template.split('/').zip(path.split('/')).all(|(one, other)| one == other || one.starts_with('{'))
        };
        let paths = self.0["paths"].as_object()?;
        // What is written out goes before a key.
        let found = paths
            .iter()
            .filter(|(template, _)| is_at(template))
            .min_by_key(|(template, _)| template.matches('{').count());
        found?.1.get(method.to_ascii_lowercase())
    }

    pub fn resolved<'v>(&'v self, value: &'v Value) -> &'v Value {
        match value.get("$ref").and_then(Value::as_str) {
            Some(target) => self.0.pointer(target.trim_start_matches('#')).unwrap_or_else(|| panic!("no {target}")),
            None => value,
        }
    }

    /// Whether a value is of a schema, or what is wrong.
    pub fn fits(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let schema = self.resolved(schema);
        if let Some(any) = schema.get("anyOf").and_then(Value::as_array) {
            let wrong: Vec<_> = any.iter().map(|one| self.fits(one, value)).filter_map(Result::err).collect();
            return if wrong.len() < any.len() { Ok(()) } else { Err(wrong.join(", and ")) };
        }
        if schema.get("const").is_some_and(|only| only != value) {
            return Err(format!("{value} is not {}", schema["const"]));
        }
        if schema.get("enum").and_then(Value::as_array).is_some_and(|all| !all.contains(value)) {
            return Err(format!("{value} is none of {}", schema["enum"]));
        }
        let kinds: Vec<&str> = match &schema["type"] {
            Value::String(kind) => vec![kind],
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => return Ok(()),
        };
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_i64() => "integer",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        if !kinds.contains(&kind) {
            return Err(format!("{value} is {kind} and not {kinds:?}"));
        }
        match value {
            Value::String(text) => {
                let is_right = match schema["format"].as_str() {
                    Some("uuid") => text.len() == 36 && uuid::Uuid::try_parse(text).is_ok(),
                    Some("date") => text.parse::<jiff::civil::Date>().is_ok(),
                    Some("date-time") => text.parse::<jiff::Timestamp>().is_ok(),
                    _ => true,
                };
                if is_right { Ok(()) } else { Err(format!("{text} is no {}", schema["format"])) }
            }
            Value::Array(items) => items.iter().try_for_each(|item| self.fits(&schema["items"], item)),
            Value::Object(fields) => {
                let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
                for name in required {
                    fields.get(name).ok_or_else(|| format!("{name} is missing"))?;
                }
                fields.iter().try_for_each(|(name, value)| {
                    let of = schema.pointer(&format!("/properties/{name}")).or(schema.get("additionalProperties"));
                    let of = of.ok_or_else(|| format!("{name} is not described"))?;
                    self.fits(of, value).map_err(|wrong| format!("{name}: {wrong}"))
                })
            }
            _ => Ok(()),
        }
    }
}
