//! What editors should know: JSON Schemas (draft 07, which YAML language servers read best) of policies and tests files.
//!
//! Names come from the lists that the readers themselves refuse by, so that a schema can never offer what is not read;
//! a test sees to it that each has its words here. What a schema cannot say, `postern check` does.

use super::suite::{CASE_KEYS, FILE_KEYS};
use super::world::{GIVEN_KEYS, LEVELS, ORGANIZATION_KEYS, USER_WORDS};
use crate::decision::Reason;
use crate::policy::{Access, GROUP_KEYS, INJECT_WORDS, METHODS, ROUTE_KEYS, RULE_KEYS, Scheme};
use crate::request_target::oddity::Oddity;
use serde_json::{Map, Value as Json, json};

#[cfg(test)]
pub(crate) mod tests;

const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

#[must_use]
pub fn policy() -> Json {
    json!({
        "$schema": DRAFT,
        "title": "postern route policy",
        "description": "What each path asks of its callers. Everything absent is denied; the most specific pattern wins.",
        "type": "object",
        "required": ["version"],
        "anyOf": [{ "required": ["routes"] }, { "required": ["groups"] }],
        "additionalProperties": false,
        "properties": {
            "version": { "description": "The version of the language.", "const": 1 },
            "upstream": { "description": option("upstream").0, "$ref": "#/definitions/name" },
            "hosts": {
                "description": "The hosts of this file's routes; `{org}.example.com` binds a variable. Without it: every host.",
                "$ref": "#/definitions/texts",
            },
            "authenticate": { "description": option("authenticate").0, "$ref": "#/definitions/authenticate" },
            "defaults": {
                "description": "Options of every route. Maps merge by key; the route wins.",
                "type": "object",
                "additionalProperties": false,
                "properties": options(RULE_KEYS.iter().chain(&ROUTE_KEYS)),
            },
            "routes": { "$ref": "#/definitions/routes" },
            "groups": {
                "description": "Routes that share a prefix and options: a shorter way to write them.",
                "type": "array", "minItems": 1, "items": group(),
            },
        },
        "definitions": definitions(),
    })
}

#[must_use]
pub fn tests() -> Json {
    let mut case: Map<String, Json> = CASE_KEYS.iter().map(|key| ((*key).to_owned(), case_key(key))).collect();
    for method in METHODS.iter().chain(&["TRACE", "CONNECT"]) {
        let schema =
            json!({ "description": "The target; `<name>` stands for the id of a name in `given`.", "type": "string" });
        case.insert((*method).to_owned(), schema);
    }
    json!({
        "$schema": DRAFT,
        "title": "postern policy tests",
        "description": "Who exists, and what must become of their requests.",
        "type": "object",
        "required": ["tests"],
        "additionalProperties": false,
        "properties": FILE_KEYS.iter().map(|key| ((*key).to_owned(), file_key(key))).collect::<Map<_, _>>(),
        "definitions": {
            "given": {
                "type": "object",
                "additionalProperties": false,
                "properties": GIVEN_KEYS.iter().map(|key| ((*key).to_owned(), given_key(key))).collect::<Map<_, _>>(),
            },
            "case": { "type": "object", "required": ["as", "expect"], "additionalProperties": false, "properties": case },
        },
    })
}

fn file_key(key: &str) -> Json {
    match key {
        "given" => {
            json!({ "description": "Organizations and users. A name is a slug.", "$ref": "#/definitions/given" })
        }
        _ => json!({
            "description": "The cases: one request each.", "type": "array", "minItems": 1,
            "items": { "$ref": "#/definitions/case" },
        }),
    }
}

fn given_key(key: &str) -> Json {
    match key {
        "organizations" => json!({
            "description": "By name, which is the slug: `{ acme: {}, gone: { active: false } }`.",
            "type": "object",
            "additionalProperties": {
                "type": "object", "additionalProperties": false,
                "properties": ORGANIZATION_KEYS.iter().map(|key| ((*key).to_owned(), json!(true))).collect::<Map<_, _>>(),
            },
        }),
        _ => json!({
            "description": "By name: `superuser`, `staff`, `inactive`, or a map of organizations to levels with options.",
            "type": "object",
            "additionalProperties": {
                "anyOf": [
                    { "enum": USER_WORDS },
                    { "type": "array", "items": { "enum": USER_WORDS } },
                    {
                        "type": "object",
                        "properties": {
                            "active": { "type": "boolean" },
                            "inactive": { "type": "boolean" },
                            "staff": { "type": "boolean" },
                            "superuser": { "type": "boolean" },
                            "email": { "type": "string" },
                            "issuer": { "description": "Who vouches for somebody who is in no directory.", "type": "string" },
                            "username": { "description": "Their login name. [the name here; with `issuer`, none]", "type": "string" },
                            "external_id": { "type": ["string", "number"] },
                            "groups": { "description": "Names of groups, for `when`.", "type": ["array", "string"] },
                            "permissions": { "description": "`app.codename`, everywhere.", "type": ["array", "string"] },
                            "roles": { "description": "Permissions by organization.", "type": "object" },
                        },
                        "additionalProperties": { "description": "The level in that organization.", "enum": LEVELS },
                    },
                ],
            },
        }),
    }
}

fn case_key(key: &str) -> Json {
    let codes: Vec<String> =
        Reason::ALL.iter().map(|reason| format!("{} {}", reason.status().as_u16(), reason.code())).collect();
    match key {
        "as" => json!({ "description": "Who asks: a user of `given`, or `anonymous`.", "type": "string" }),
        "body" => json!({ "description": "The body; no rule of this version reads one." }),
        "claims" => json!({
            "description": "What the credential says besides, as a JWT does: read by `claim.NAME` and `claims`.",
            "type": "object",
        }),
        "client" => json!({ "description": "The client's address, for `when`.", "type": "string" }),
        "expect" => json!({
            "description": "`allow`, or a status with an optional reason code.",
            "anyOf": [{ "const": "allow" }, { "enum": codes }, { "type": ["integer", "string"] }],
        }),
        "headers" => json!({
            "description": "Headers of the request; a list sends one several times. `Host` names the host.",
            "type": "object",
        }),
        "forwarded" => json!({
            "description": "Where the request must go: the target after a rewrite, or a map with the upstream too.",
            "anyOf": [
                { "type": "string", "pattern": "^/" },
                {
                    "type": "object", "additionalProperties": false, "minProperties": 1,
                    "properties": { "target": { "type": "string" }, "upstream": { "type": "string" } },
                },
            ],
        }),
        "name" => json!({ "description": "What the case is called in reports.", "type": "string" }),
        _ => json!({
            "description": "Headers that the upstream must be told; null: one that must not reach it.",
            "type": "object",
        }),
    }
}

fn definitions() -> Json {
    let level: Vec<Json> =
        Access::ALL.iter().map(|access| json!({ "const": access.as_str(), "description": level(*access) })).collect();
    let mut route = options(RULE_KEYS.iter().chain(&ROUTE_KEYS));
    for (word, methods) in [("read", "GET, HEAD and OPTIONS"), ("write", "every other method")] {
        let description = format!("For {methods}; an explicit method wins.");
        route.insert(word.to_owned(), json!({ "description": description, "$ref": "#/definitions/rule" }));
    }
    for method in METHODS {
        let description = match method {
            "GET" => "For GET, and for HEAD where it has no rule of its own.".to_owned(),
            _ => format!("For {method} alone."),
        };
        route.insert(method.to_owned(), json!({ "description": description, "$ref": "#/definitions/rule" }));
    }
    let scheme = json!({
        "anyOf": [
            { "enum": Scheme::ALL.map(Scheme::as_str) },
            {
                "type": "object",
                "properties": { "header": { "description": "The header with a token.", "type": "string", "minLength": 1 } },
                "required": ["header"],
                "additionalProperties": false,
            },
        ],
    });
    let source = "^(path|query|header|host|claim)\\.\\S+|^user\\.only";
    json!({
        "name": { "type": "string", "minLength": 1 },
        "texts": { "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" }, "minItems": 1 }] },
        "level": { "oneOf": level },
        "authenticate": {
            "anyOf": [scheme, { "type": "array", "items": scheme, "minItems": 1 }],
        },
        "org": {
            "anyOf": [
                { "type": "string", "pattern": source },
                { "type": "array", "minItems": 1, "items": { "type": "string", "pattern": source } },
            ],
        },
        "inject": {
            "type": "object",
            "additionalProperties": {
                "anyOf": [
                    { "enum": INJECT_WORDS },
                    { "type": "string", "pattern": "^path\\.[A-Za-z][A-Za-z0-9_]*$|^claim\\.\\S" },
                    {
                        "type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": false,
                        "properties": {
                            "literal": { "description": "A fixed text.", "type": "string", "minLength": 1 },
                            "secret": { "description": "A secret of postern.yaml, by name.", "type": "string" },
                        },
                    },
                ],
            },
        },
        "rule": {
            "anyOf": [
                { "$ref": "#/definitions/level" },
                { "type": "object", "additionalProperties": false, "properties": options(RULE_KEYS.iter()) },
            ],
        },
        "routes": {
            "description": "Patterns and what they ask. Segments are literals, `{name}`, `{name:uuid|int|slug|str}`; `**` only last.",
            "type": "object",
            "minProperties": 1,
            "propertyNames": { "pattern": "^/" },
            "additionalProperties": { "$ref": "#/definitions/route" },
        },
        "route": {
            "anyOf": [
                { "$ref": "#/definitions/level" },
                { "type": "object", "additionalProperties": false, "properties": route },
            ],
        },
    })
}

/// A group: options of its routes, beside the keys of its own.
fn group() -> Json {
    let mut properties = options(RULE_KEYS.iter().chain(&ROUTE_KEYS));
    for key in GROUP_KEYS {
        let schema = match key {
            "prefix" => {
                json!({ "description": "What the patterns of its routes begin with: `/api/v1`.", "type": "string", "pattern": "^/.*[^/*]$" })
            }
            _ => json!({ "$ref": "#/definitions/routes" }),
        };
        properties.insert(key.to_owned(), schema);
    }
    json!({ "type": "object", "required": ["routes"], "additionalProperties": false, "properties": properties })
}

const fn level(access: Access) -> &'static str {
    match access {
        Access::Public => "Anybody; credentials are not looked at, and are removed.",
        Access::Optional => "Anybody; a credential that was sent must be good.",
        Access::Authenticated => "Any active user.",
        Access::Staff => "An active user with the staff flag.",
        Access::In(crate::facts::Level::Member) => "A member of the organization; without `org`, of at least one.",
        Access::In(crate::facts::Level::Manager) => "A manager or the owner of the organization.",
        Access::In(crate::facts::Level::Owner) => "The owner of the organization.",
        Access::Superuser => "A superuser.",
        Access::Deny => "Nobody, superusers included: closes a hole under a wider pattern.",
    }
}

fn options<'k>(keys: impl Iterator<Item = &'k &'k str>) -> Map<String, Json> {
    let with = |key: &&str| {
        let (description, schema) = option(key);
        let mut schema = schema;
        if let Some(object) = schema.as_object_mut() {
            object.insert("description".to_owned(), description.into());
        }
        ((*key).to_owned(), schema)
    };
    keys.map(with).collect()
}

/// The words and the shape of an option; a key that is not here has neither.
fn option(key: &str) -> (&'static str, Json) {
    let levels = || json!({ "$ref": "#/definitions/level" });
    match key {
        "allow_lint" => (
            "Lints that are silenced here, each with the reason why.",
            json!({ "type": "object", "additionalProperties": { "type": "string", "minLength": 1 } }),
        ),
        "authenticate" => {
            ("The schemes of credentials that are taken.", json!({ "$ref": "#/definitions/authenticate" }))
        }
        "body_limit" => ("The greatest body: `64KiB`, `1MiB`.", json!({ "type": ["string", "integer"] })),
        "strict_source" => {
            ("Refuse a body that names again what `org` reads from the query.", json!({ "type": "boolean" }))
        }
        "origins" => (
            "Origins whose pages may open a WebSocket here; without it none may, only programs.",
            json!({ "$ref": "#/definitions/texts" }),
        ),
        "upgrade" => (
            "What a connection may become: `[websocket]`.",
            json!({ "type": ["string", "array"], "items": { "enum": ["websocket"] } }),
        ),
        "cors" => (
            "Origins whose pages may call this route; preflights are answered before authentication.",
            json!({
                "type": "object", "additionalProperties": false, "required": ["origins"],
                "properties": {
                    "origins": { "$ref": "#/definitions/texts" },
                    "methods": { "$ref": "#/definitions/texts" },
                    "headers": { "$ref": "#/definitions/texts" },
                    "credentials": { "type": "boolean" },
                    "max_age": { "type": ["string", "integer"] },
                },
            }),
        ),
        "description" => ("For people.", json!({ "type": "string" })),
        "foreign" => (
            "The status for an organization that is not the caller's: 403, or 404 to hide it.",
            json!({ "enum": [403, 404] }),
        ),
        "forward_authorization" => {
            ("Whether the credential goes on to the upstream; otherwise it is removed.", json!({ "type": "boolean" }))
        }
        "inject" => (
            "Headers that tell the upstream who asks; nobody else can send them.",
            json!({ "$ref": "#/definitions/inject" }),
        ),
        "level" => ("Who may pass.", levels()),
        "model" => (
            "A Django model: view or change for reading, add for POST, change for PUT and PATCH, delete for DELETE.",
            json!({ "type": "string", "pattern": "^[^.]+\\.[^.]+$" }),
        ),
        "org" => (
            "Where the organization comes from: `path.org`, `header.X-Org as slug or user.only`. In a list, every one must pass.",
            json!({ "$ref": "#/definitions/org" }),
        ),
        "permissions" => (
            "Permissions that are needed, all of them: `app.codename`; or `{ any: [app.one, app.other] }`.",
            json!({
                "anyOf": [
                    { "$ref": "#/definitions/texts" },
                    {
                        "type": "object", "additionalProperties": false, "required": ["any"],
                        "properties": { "any": { "$ref": "#/definitions/texts" } },
                    },
                ],
            }),
        ),
        "rewrite" => (
            "How the target is changed on the way; the result is judged again.",
            json!({
                "type": "object", "additionalProperties": false, "minProperties": 1,
                "properties": {
                    "strip_prefix": { "description": "Taken off the front; literals of the pattern.", "type": "string", "pattern": "^/" },
                    "add_prefix": { "description": "Put before what is left.", "type": "string", "pattern": "^/" },
                    "answers": {
                        "description": "Whether `Location` and the paths of cookies are changed back in answers. [false]",
                        "type": "boolean",
                    },
                    "unmatched": {
                        "description": "What becomes of a target that no route of the upstream matches once it is rewritten. [refuse]",
                        "enum": ["refuse", "allow"],
                    },
                },
            }),
        ),
        "target" => (
            "What of a target is taken, as text of its segment, that is refused elsewhere.",
            json!({
                "type": "object", "additionalProperties": false, "minProperties": 1,
                "properties": Oddity::ALL.map(|oddity| (oddity.word(), json!({ "enum": ["refuse", "allow"] }))).into_iter()
                    .map(|(word, schema)| (word.to_owned(), schema)).collect::<serde_json::Map<_, _>>(),
            }),
        ),
        "shared" => (
            "Who may touch objects that belong to no organization.",
            json!({
                "type": "object", "additionalProperties": false,
                "properties": { "read": levels(), "write": levels() },
            }),
        ),
        "throttle" => (
            "How many requests in how long, counted by user, address or organization.",
            json!({
                "type": "object", "additionalProperties": false, "required": ["rate", "by"],
                "properties": {
                    "rate": { "description": "`100/minute`, `20/day`.", "type": "string" },
                    "by": { "enum": ["user", "address", "org"] },
                },
            }),
        ),
        "timeout" => (
            "Time limits towards the upstream: `500ms`, `5s`.",
            json!({
                "type": "object", "additionalProperties": false,
                "properties": {
                    "connect": { "type": "string" }, "first_byte": { "type": "string" },
                    "idle": { "type": "string" }, "total": { "type": "string" },
                },
            }),
        ),
        "trailing_slash" => ("Whether `/x` and `/x/` are one path.", json!({ "enum": ["exact", "either"] })),
        "upstream" => ("Where requests go: a name of postern.yaml.", json!({ "$ref": "#/definitions/name" })),
        "when" => (
            "A condition in CEL, quoted: `'request.method != \"DELETE\"'`.",
            json!({ "type": "string", "minLength": 1 }),
        ),
        _ => ("", json!({})),
    }
}
