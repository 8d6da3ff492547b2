//! What editors should know: JSON Schemas (draft 07, which YAML language servers read best) of policies and tests files.
//!
//! Names come from the lists that the readers themselves refuse by, so that a schema can never offer what is not read;
//! a test sees to it that each has its words here. What a schema cannot say, `postern check` does.

use super::suite::{CASE_KEYS, FILE_KEYS};
use super::world::{GIVEN_KEYS, LEVELS, ORGANIZATION_KEYS, TOKEN_KEYS, USER_WORDS};
use crate::decision::Reason;
use crate::policy::{Access, GROUP_KEYS, INJECT_WORDS, METHODS, ROUTE_KEYS, RULE_KEYS, Scheme, option_schema};
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
            "upstream": option_schema("upstream"),
            "hosts": {
                "description": "The hosts of this file's routes; `{org}.example.com` binds a variable. Without it: every host.",
                "$ref": "#/definitions/texts",
            },
            "authenticate": option_schema("authenticate"),
            "defaults": {
                "description": "Options of every route. Maps merge by key; the route wins.",
                "type": "object",
                "additionalProperties": false,
                "properties": options(RULE_KEYS.iter().chain(ROUTE_KEYS)),
            },
            "lookups": {
                "description": "What databases of services say of objects whose organization the request does not name, by name.",
                "type": "object",
                "additionalProperties": lookup(),
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
            "token": {
                "description": "What the token is narrowed to.",
                "type": "object", "additionalProperties": false, "minProperties": 1,
                "properties": TOKEN_KEYS.iter().map(|key| ((*key).to_owned(), token_key(key))).collect::<Map<_, _>>(),
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

fn token_key(key: &str) -> Json {
    match key {
        "organizations" => {
            json!({ "description": "Organizations by their names.", "type": ["array", "string"], "minItems": 1 })
        }
        "permissions" => json!({ "description": "`app.codename`", "type": ["array", "string"], "minItems": 1 }),
        _ => json!({ "description": "For GET, HEAD and OPTIONS alone.", "type": "boolean" }),
    }
}

fn given_key(key: &str) -> Json {
    match key {
        "lookups" => json!({
            "description": "By lookup, then by the objects' names: their organization, null, or a map with other columns.",
            "type": "object",
            "additionalProperties": {
                "type": "object",
                "additionalProperties": {
                    "type": ["string", "null", "object"],
                    "properties": { "organization": { "type": ["string", "null"] } },
                },
            },
        }),
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
                            "fields": { "description": "Fields of the installation's own: texts, whole numbers, flags.", "type": "object" },
                            "groups": { "description": "Names of groups, for `when`.", "type": ["array", "string"] },
                            "organization": { "description": "The primary organization.", "type": "string" },
                            "permissions": { "description": "`app.codename`, everywhere.", "type": ["array", "string"] },
                            "super_roles": { "description": "`app.codename`, everywhere, by super roles.", "type": ["array", "string"] },
                            "roles": { "description": "Permissions by organization.", "type": "object" },
                            "token": { "$ref": "#/definitions/token" },
                        },
                        "additionalProperties": { "description": "The level in that organization.", "enum": LEVELS },
                    },
                ],
            },
        }),
    }
}

fn lookup() -> Json {
    json!({
        "type": "object", "additionalProperties": false,
        "oneOf": [{ "required": ["sql"] }, { "required": ["http"] }],
        "properties": {
            "http": lookup_over_http(),
            "sql": { "description": "One SELECT; its first column is the organization, `$1` (MySQL: `?`) the first of `args`.", "type": "string" },
            "database": { "description": "A name from `databases` of the configuration. [the only one]", "type": "string" },
            "args": {
                "description": "Where the arguments stand: `path.id`, `lookup.parent.column`.", "$ref": "#/definitions/texts",
            },
            "cache": { "description": "How long an answer is kept, at most 1h: `30s`. [not at all]", "type": "string" },
            "trigger": { "description": "What `postern lookup trigger` prints drops what is kept.", "const": "installed" },
            "allow_lint": option_schema("allow_lint"),
        },
    })
}

fn lookup_over_http() -> Json {
    json!({
        "description": "What a service is asked.",
        "type": "object", "required": ["get", "org"], "additionalProperties": false,
        "properties": {
            "upstream": { "description": "A name from `upstreams` of the configuration. [the only one]", "$ref": "#/definitions/name" },
            "get": { "description": "The target; `{1}` is the first of `args`: `/api/v1/build/{1}/`.", "type": "string", "pattern": "^/" },
            "org": {
                "description": "Where the answer names the organization: `/category/organization`, `/slug as slug`.", "type": "string",
            },
            "columns": {
                "description": "What else is read, by the names in `lookup.NAME.COLUMN`.",
                "type": "object", "additionalProperties": { "type": "string" },
            },
            "headers": {
                "description": "What it is sent: `Authorization: { secret: NAME }`, and nothing of the caller's.",
                "type": "object", "additionalProperties": fixed_value(),
            },
            "timeout": { "description": "For the whole answer, 10ms to 30s. [2s]", "type": "string" },
        },
    })
}

/// `{ literal: … }` or `{ secret: … }`.
fn fixed_value() -> Json {
    json!({
        "type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": false,
        "properties": {
            "literal": { "description": "A fixed text.", "type": "string", "minLength": 1 },
            "secret": { "description": "A secret of postern.yaml, by name.", "type": "string" },
        },
    })
}

fn case_key(key: &str) -> Json {
    let codes: Vec<String> =
        Reason::ALL.iter().map(|reason| format!("{} {}", reason.status().as_u16(), reason.code())).collect();
    match key {
        "as" => json!({ "description": "Who asks: a user of `given`, or `anonymous`.", "type": "string" }),
        "body" => json!({ "description": "The body: a text as it stands, or a map or list as JSON." }),
        "body_bytes" => json!({
            "description": "How long the body is, whatever is in it: `64KiB`, `20MiB`.",
            "type": ["integer", "string"],
        }),
        "token" => json!({ "$ref": "#/definitions/token" }),
        "mfa" => json!({
            "description": "How long ago the caller has shown a second factor, such as `5m`; without it they have shown none.",
            "type": "string"
        }),
        "session" => json!({
            "description": "The caller's credential is a session's cookie, whose CSRF token is `token`.", "type": "boolean"
        }),
        "throttled" => json!({ "description": "Whoever is counted has come as often as they may.", "type": "boolean" }),
        "claims" => json!({
            "description": "What the credential says besides, as a JWT does: read by `claim.NAME` and `claims`.",
            "type": "object",
        }),
        "client" => json!({ "description": "The client's address, for `when`.", "type": "string" }),
        "expect" => json!({
            "description": "`allow`, a status with an optional reason code, or what of the answer the caller gets.",
            "anyOf": [{ "const": "allow" }, { "enum": codes }, { "type": ["integer", "string", "object", "array"] }],
        }),
        "headers" => json!({
            "description": "Headers of the request; a list sends one several times. `Host` names the host; `Upgrade: websocket` makes it a handshake.",
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
        "upstream" => {
            json!({ "description": "What the service answers, as JSON: a text as it stands, or a map or list." })
        }
        "upstream_status" => json!({
            "description": "The status of its answer. [200]", "type": "integer", "minimum": 200, "maximum": 599,
        }),
        _ => json!({
            "description": "Headers that the upstream must be told; null: one that must not reach it.",
            "type": "object",
        }),
    }
}

fn definitions() -> Json {
    let level: Vec<Json> =
        Access::ALL.iter().map(|access| json!({ "const": access.as_str(), "description": level(*access) })).collect();
    let mut route = options(RULE_KEYS.iter().chain(ROUTE_KEYS));
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
    let source = "^(path|query|header|host|claim|body|lookup|response)\\.\\S+|^user\\.only";
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
                    { "type": "string", "pattern": "^(path|user\\.fields|lookup\\.[A-Za-z][A-Za-z0-9_]*)\\.[A-Za-z][A-Za-z0-9_]*$|^claim\\.\\S" },
                    fixed_value(),
                ],
            },
        },
        "rule": {
            "anyOf": [
                { "$ref": "#/definitions/level" },
                { "type": "object", "additionalProperties": false, "properties": options(RULE_KEYS) },
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
    let mut properties = options(RULE_KEYS.iter().chain(ROUTE_KEYS));
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
        Access::Permitted => {
            "Whoever has the `permissions` of the rule, or those of its `model`, in the organization: by roles, members alone; by super roles or of their own, members or not."
        }
        Access::Superuser => "A superuser.",
        Access::Deny => "Nobody, superusers included: closes a hole under a wider pattern.",
    }
}

fn options<'k>(keys: impl IntoIterator<Item = &'k &'k str>) -> Map<String, Json> {
    keys.into_iter().map(|key| ((*key).to_owned(), option_schema(key))).collect()
}
