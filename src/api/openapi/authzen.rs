//! The AuthZEN endpoints, where services may ask.

use super::{Described, Extent, answers, operation, schema};
use crate::authzen::endpoint::{CONFIGURATION, Wanted};
use crate::authzen::{Endpoint, LEVELS, MOST_QUESTIONS, MOST_RESULTS, SEMANTICS, USERS};
use crate::decision::Reason;
use http::Method;
use serde_json::{Map, Value as Json, json};

const TAG: &str = "authzen";
/// Why a call is not answered.
const ERRORS: [Reason; 7] = [
    Reason::BodyInvalid,
    Reason::CredentialsMissing,
    Reason::PermissionMissing,
    Reason::MethodNotAllowed,
    Reason::BodyTooLarge,
    Reason::Throttled,
    Reason::StoreUnavailable,
];
/// Why nobody is told where to call.
const NOWHERE: [Reason; 2] = [Reason::NoRoute, Reason::MethodNotAllowed];

/// All of them, where there are such endpoints.
pub(super) fn reasons(extent: &Extent) -> Vec<Reason> {
    extent.authzen.iter().flat_map(|_| ERRORS.into_iter().chain(NOWHERE)).collect()
}

pub(super) fn paths(extent: &Extent, described: &mut Described) {
    let Some(settings) = &extent.authzen else { return };
    let (question, decision) =
        (described.schema(&["Question"], question()), described.schema(&["Decision"], decision()));
    for endpoint in Endpoint::ALL {
        let (id, summary, name) = match endpoint {
            Endpoint::Evaluation => ("evaluate", "May this subject do this to this resource?", "Evaluation"),
            Endpoint::Evaluations => ("evaluateMany", "Many questions in one call", "Evaluations"),
            Endpoint::Search(Wanted::Subject) => ("searchSubjects", "Who may", "SubjectSearch"),
            Endpoint::Search(Wanted::Resource) => ("searchResources", "To which resources", "ResourceSearch"),
            Endpoint::Search(Wanted::Action) => ("searchActions", "What may be done", "ActionSearch"),
        };
        let (sent, told) = match endpoint {
            Endpoint::Evaluation => (question.clone(), decision.clone()),
            Endpoint::Evaluations => {
                (described.schema(&[name], questions()), described.schema(&["Decisions"], decisions(&decision)))
            }
            Endpoint::Search(wanted) => {
                let found = described.schema(&[&format!("{name}Page")], found(wanted));
                (described.schema(&[name], search(wanted)), found)
            }
        };
        let (asked, answered) = examples(endpoint);
        let permission = if endpoint.is_search() { &settings.search_permission } else { &settings.permission };
        let mut operation = operation(id, summary, TAG);
        operation.insert(
            "description".to_owned(),
            json!(format!("Permitted by `{permission}`, held everywhere; to superusers always.")),
        );
        operation.insert("requestBody".to_owned(), answers::json_body(&sent, asked));
        let answer = answers::json("What is decided; a denial is no error.", &told, answered);
        operation.insert("responses".to_owned(), responses(answer, &ERRORS));
        operation.insert("security".to_owned(), json!([{ "bearer": [] }]));
        described.path(endpoint.path(), &json!([]));
        described.operation(endpoint.path(), &Method::POST, operation);
    }
    let endpoints = Endpoint::ALL.map(|endpoint| (endpoint.parameter(), endpoint.path()));
    let fields = [("policy_decision_point", "")].into_iter().chain(endpoints);
    let names: Vec<&str> = fields.clone().map(|(name, _)| name).collect();
    let url = |path: &str| json!({ "type": "string", "format": "uri", "examples": [format!("https://id.example.com{path}")] });
    let configuration = schema::object(fields.map(|(name, path)| (name, url(path))), &names);
    let example = schema::example(&configuration);
    let told = described.schema(&["AuthzenConfiguration"], configuration);
    let mut operation = operation("readAuthzenConfiguration", "Where what can be asked is", TAG);
    let answer = answers::json("Their addresses.", &told, example);
    // Without `public_url` nobody can be told where.
    operation.insert("responses".to_owned(), responses(answer, &NOWHERE));
    operation.insert("security".to_owned(), json!([]));
    described.path(CONFIGURATION, &json!([]));
    described.operation(CONFIGURATION, &Method::GET, operation);
}

fn responses(answer: Json, errors: &[Reason]) -> Json {
    let mut all: Map<String, Json> = answers::problems(errors);
    all.insert("200".to_owned(), answer);
    all.into()
}

fn properties(about: &str) -> Json {
    json!({ "type": "object", "additionalProperties": true, "description": about })
}

/// A subject or a resource, or what of it a search tells to look for.
fn entity(about: &str, kinds: &[&str], has_id: bool) -> Json {
    let kind = json!({ "type": "string", "description": about, "examples": kinds });
    let all = [
        ("type", kind),
        ("id", json!({ "type": "string" })),
        ("properties", properties("What is known of it besides.")),
    ];
    let fields = all.into_iter().filter(|(name, _)| *name != "id" || has_id);
    schema::object(fields, if has_id { &["type", "id"] } else { &["type"] })
}

fn parts(wanted: Option<Wanted>) -> Vec<(&'static str, Json)> {
    let subjects = format!("`{}`, or `anonymous`.", USERS.join("` or `"));
    let resources = "`route`, `organization`, `permission`, `role`, or a type of the configuration's own.";
    let levels: Vec<&str> = LEVELS.iter().map(|(name, _)| *name).collect();
    let about = format!(
        "Of a route its method; of an organization `{}` or a permission; of a permission or a role `have`.",
        levels.join("`, `")
    );
    let name = json!({ "type": "string", "description": about, "examples": levels });
    let action =
        schema::object([("name", name), ("properties", properties("What is known of it besides."))], &["name"]);
    let mut parts = vec![
        ("subject", entity(&subjects, &USERS, wanted != Some(Wanted::Subject))),
        ("action", action),
        ("resource", entity(resources, &["organization"], wanted != Some(Wanted::Resource))),
        ("context", properties("Of the request: `ip`, `headers`, and what types of the configuration's own ask for.")),
    ];
    parts.retain(|(name, _)| wanted != Some(Wanted::Action) || *name != "action");
    parts
}

fn question() -> Json {
    schema::object(parts(None), &["subject", "action", "resource"])
}

fn questions() -> Json {
    // What a question lacks stands above the list; one that lacks it still is denied, with `context.error`.
    let questions = json!({ "type": "array", "items": schema::object(parts(None), &[]), "maxItems": MOST_QUESTIONS });
    let semantics: Vec<&str> = SEMANTICS.iter().map(|(name, _)| *name).collect();
    let semantic = json!({ "type": "string", "enum": semantics, "description": "When the answers end." });
    let options = schema::object([("evaluations_semantic", semantic)], &[]);
    schema::object(parts(None).into_iter().chain([("evaluations", questions), ("options", options)]), &[])
}

fn decision() -> Json {
    let error = [("status", json!({ "type": "integer" })), ("message", json!({ "type": "string" }))];
    let context = [
        ("reason", json!({ "type": "string", "description": "Why, where `authzen.reasons` has it told." })),
        ("error", schema::object(error, &["status", "message"])),
    ];
    let context = schema::object(context, &[]);
    schema::object([("decision", json!({ "type": "boolean" })), ("context", context)], &["decision"])
}

/// Without questions in it, a call is one question itself.
fn decisions(decision: &Json) -> Json {
    let list = json!({ "type": "array", "items": decision });
    json!({ "anyOf": [schema::object([("evaluations", list)], &["evaluations"]), decision] })
}

fn search(wanted: Wanted) -> Json {
    let limit = json!({ "type": "integer", "minimum": 0, "description": format!("Results of a page, at most {MOST_RESULTS}.") });
    let token = json!({ "type": "string", "description": "`next_token` of the page before." });
    let page = schema::object([("token", token), ("limit", limit)], &[]);
    let parts = parts(Some(wanted));
    let required: Vec<&str> = parts.iter().map(|(name, _)| *name).filter(|name| *name != "context").collect();
    schema::object(parts.into_iter().chain([("page", page)]), &required)
}

fn found(wanted: Wanted) -> Json {
    let one = match wanted {
        Wanted::Action => schema::object([("name", json!({ "type": "string" }))], &["name"]),
        _ => entity("As it was asked for.", &["user"], true),
    };
    let page = [
        ("next_token", json!({ "type": "string", "description": "Of the next page; empty on the last one." })),
        ("count", json!({ "type": "integer", "minimum": 0 })),
    ];
    let page = schema::object(page, &["next_token", "count"]);
    schema::object([("page", page), ("results", json!({ "type": "array", "items": one }))], &["page", "results"])
}

/// A call, and its answer.
fn examples(endpoint: Endpoint) -> (Json, Json) {
    let (ann, acme) = (json!({ "type": "user", "id": "ann" }), json!({ "type": "organization", "id": "acme" }));
    let manager = json!({ "name": "manager" });
    let page = |results: Json| json!({ "page": { "next_token": "", "count": 1 }, "results": [results] });
    match endpoint {
        Endpoint::Evaluation => {
            (json!({ "subject": ann, "action": manager, "resource": acme }), json!({ "decision": true }))
        }
        Endpoint::Evaluations => (
            json!({ "subject": ann, "resource": acme, "evaluations": [{ "action": manager }, { "action": { "name": "owner" } }] }),
            json!({ "evaluations": [{ "decision": true }, { "decision": false }] }),
        ),
        Endpoint::Search(Wanted::Subject) => {
            (json!({ "subject": { "type": "user" }, "action": manager, "resource": acme }), page(ann))
        }
        Endpoint::Search(Wanted::Resource) => {
            (json!({ "subject": ann, "action": manager, "resource": { "type": "organization" } }), page(acme))
        }
        Endpoint::Search(Wanted::Action) => (json!({ "subject": ann, "resource": acme }), page(manager)),
    }
}
