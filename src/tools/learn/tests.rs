//! Documents of real shapes, and what their drafts say.

use super::{Draft, HEAD, draft};
use crate::policy::{Access, Policy, load};
use serde_json::{Value as Json, json};

fn policy(text: &str) -> Policy {
    load(&[("draft.yaml".to_owned(), text.to_owned())], None).unwrap_or_else(|e| panic!("{}\n{text}", e.to_text(false)))
}

/// The draft, which loads and lets nobody pass.
fn drafted(document: &Json) -> Draft {
    let draft = draft(document).unwrap();
    let policy = policy(&draft.text);
    for route in policy.routes() {
        assert!(route.rules().iter().all(|rule| rule.access == Access::Deny), "{}\n{}", route.pattern, draft.text);
    }
    // Nothing is chosen yet, and so nothing uses them.
    assert!(policy.warnings().list().iter().all(|lint| lint.code == "unused_variable"), "{}", draft.text);
    draft
}

fn fleet() -> Json {
    let device =
        json!({ "type": "object", "properties": { "id": {}, "organization": { "type": "string", "format": "uuid" } } });
    let page = json!({ "type": "object", "properties": { "count": {}, "results": { "type": "array", "items": { "$ref": "#/components/schemas/Device" } } } });
    let answer =
        |schema: &str| json!({ "200": { "content": { "application/json": { "schema": { "$ref": schema } } } } });
    let body = json!({ "content": { "application/json": { "schema": { "allOf": [{ "$ref": "#/components/schemas/Device" }] } } } });
    json!({
        "openapi": "3.0.3", "info": { "title": "Fleet\nAPI", "version": "2" }, "servers": [{ "url": "https://fleet.example/api/v1/" }],
        "security": [{ "token": [] }],
        "components": { "schemas": { "Device": device, "Page": page, "Loop": { "$ref": "#/components/schemas/Loop" } } },
        "paths": {
            "/health": { "get": { "operationId": "health", "security": [], "responses": {} } },
            "/devices/": {
                "get": { "summary": "All devices # of everybody", "responses": answer("#/components/schemas/Page") },
                "post": { "requestBody": body, "responses": {} },
            },
            "/devices/{id}/": {
                "parameters": [{ "name": "id", "in": "path", "required": true, "schema": { "type": "string", "format": "uuid" } }],
                "get": { "responses": answer("#/components/schemas/Device") },
                "patch": { "requestBody": body, "responses": {} },
                "trace": { "responses": {} },
            },
            "/devices/{device_id}/": { "delete": { "responses": {} } },
            "/org/{org_slug}/report.{format}": { "get": { "parameters": [{ "name": "org_slug", "in": "path", "schema": { "type": "string" } }], "responses": {} } },
            "/jobs": { "get": { "parameters": [{ "name": "X-Org", "in": "header", "schema": { "type": "string" } }], "responses": answer("#/components/schemas/Loop") } },
            "/units/{unit-id}": { "get": { "parameters": [{ "name": "unit-id", "in": "path", "schema": { "type": "integer" } }], "responses": {} } },
            "/units/{zone}": { "get": { "parameters": [{ "name": "zone", "in": "path", "schema": { "type": ["integer", "null"] } }], "responses": {} } },
            "/odd*": { "get": { "responses": {} } },
        },
    })
}

#[test]
fn a_draft_lets_nobody_pass_and_says_what_the_document_suggests() {
    let draft = drafted(&fleet());
    for line in [
        "# Drafted by `postern learn` from Fleet API 2.",
        "  /api/v1/health:",
        "    GET: deny # guess: public",
        "    # All devices # of everybody",
        r#"    GET: deny # guess: { level: member, list: { items: "/results", org: /organization } }"#,
        "    POST: deny # guess: { level: manager, org: body.organization }",
        "  /api/v1/devices/{id:uuid}/:",
        "    GET: deny # guess: { level: member, org: response./organization }",
        "    PATCH: deny # guess: superuser",
        "  /api/v1/org/{org_slug}/{_}:",
        "    GET: deny # guess: { level: member, org: path.org_slug as slug }",
        "    GET: deny # guess: { level: member, org: header.X-Org as slug }",
        "  /api/v1/units/{unit_id:int}:",
    ] {
        assert!(draft.text.lines().any(|it| it == line), "{line}\n{}", draft.text);
    }
    assert!(draft.text.contains("the body may move the object to another organization"), "{}", draft.text);
    // One that cannot be written, and one that matches what another one does.
    assert!(draft.text.contains("  # /api/v1/odd*:") || draft.text.contains("  # \"/api/v1/odd*\":"), "{}", draft.text);
    assert_eq!((draft.routes, draft.skipped), (7, 2), "{}", draft.text);
}

/// Each guess, chosen, is a policy.
#[test]
fn whatever_is_guessed_can_be_chosen() {
    let text = drafted(&fleet()).text;
    let mut chosen = 0;
    let with: Vec<String> = text
        .lines()
        .map(|line| match line.split_once(": deny # guess: ") {
            Some((method, guess)) if !line.trim_start().starts_with('#') => {
                chosen += 1;
                format!("{method}: {guess}")
            }
            _ => line.to_owned(),
        })
        .collect();
    policy(&(with.join("\n") + "\n"));
    assert!(chosen >= 8, "{text}");
}

#[test]
fn what_a_document_says_never_leaves_its_comment() {
    let evil = json!({
        "openapi": "3.1.0", "info": { "title": "x\nroutes: { /**: public }", "version": "\u{85}\u{2028}- y" },
        "paths": {
            "/a\n  /b: public\n#": { "get": { "summary": "s\r  /c: public", "operationId": "o\u{0}\n    GET: public", "responses": {} } },
            "/d: public #": { "get": {} }, "/e\"": { "get": {} }, "/{}": { "get": {} }, "/{a}/{a}": { "get": {} }, "//": { "get": {} },
            "/f": { "get": { "parameters": [{ "in": "header", "name": "org: x }\n  /g: public", "required": true }] } },
            "/g/{org}": { "get": { "parameters": [{ "in": "path", "name": "org", "schema": { "$ref": "#/paths" } }, { "$ref": "elsewhere.yaml#/x" }] } },
            "no slash": { "get": {} }, "/none": {}, "/null": null,
        },
    });
    let text = drafted(&evil).text;
    assert!(
        !text
            .lines()
            .any(|line| line.contains("public") && !line.trim_start().starts_with('#') && !line.contains("# guess")),
        "{text}"
    );
    assert!(text.contains(HEAD), "{text}");
}

#[test]
fn what_is_no_openapi_3_is_refused() {
    for document in [
        json!({ "swagger": "2.0" }),
        json!({ "openapi": "2.0" }),
        json!([]),
        json!({ "openapi": "3.1.0", "paths": {} }),
    ] {
        assert!(draft(&document).is_err(), "{document}");
    }
}
