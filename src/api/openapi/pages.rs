//! The pages of people: what browsers send to log in and out, and for new passwords. Whoever writes a login page of their own sends the same.

use super::{Described, Extent, answers, operation, schema};
use crate::api::paths;
use http::Method;
use serde_json::{Value as Json, json};

struct Page {
    path: String,
    id: &'static str,
    summary: &'static str,
    /// Of its form, besides what shows that the form is ours.
    fields: &'static [&'static str],
    /// Where people go on.
    goes_on: bool,
    /// Whether it is for whoever has a session.
    asks: bool,
}

/// What each form repeats of the cookie that the page was shown with.
const CSRF: &str = "csrf";
/// Where people go on: a path of this service.
const NEXT: &str = "next";
/// Asked for where usernames are unique within an organization alone.
const ORGANIZATION: &str = "organization";
const OPTIONAL: [&str; 2] = [NEXT, ORGANIZATION];

fn all(extent: &Extent) -> Vec<Page> {
    let page = |path, id, summary, fields| Page { path, id, summary, fields, goes_on: false, asks: false };
    let link = |path: String| format!("{path}{{link}}/");
    let mut pages = vec![
        page(
            link(extent.links.reset_page()),
            "ResetPage",
            "A new password, by a letter's link",
            &["new_password1", "new_password2"],
        ),
        page(link(extent.links.at(paths::CONFIRM_EMAIL)), "ConfirmEmailPage", "An e-mail address is theirs", &[]),
    ];
    if extent.mail {
        let fields = &["input", ORGANIZATION];
        pages.push(page(extent.links.forgotten(), "ForgottenPage", "A link to a new password, by a letter", fields));
    }
    if extent.cookie.is_some() {
        let login = page(
            extent.links.at(paths::LOGIN),
            "LoginPage",
            "A session begins",
            &["username", "password", ORGANIZATION, NEXT],
        );
        let fields = &["old_password", "new_password1", "new_password2", NEXT];
        let change = page(extent.links.change(), "ChangePage", "A new password of one's own", fields);
        let logout = page(extent.links.at(paths::LOGOUT), "LogoutPage", "The session ends", &[]);
        pages.extend([login, logout].map(|page| Page { goes_on: true, ..page }));
        pages.push(Page { goes_on: true, asks: true, ..change });
    }
    pages
}

pub(super) fn paths(extent: &Extent, described: &mut Described) {
    let text = |name: &str, place: &str, about: &str| json!({ "name": name, "in": place, "description": about, "required": place == "path", "schema": { "type": "string" } });
    for Page { path, id, summary, fields, goes_on, asks } in all(extent) {
        let keys =
            if path.contains('{') { json!([text("link", "path", "As it stands in the letter.")]) } else { json!([]) };
        described.path(&path, &keys);
        for (method, does) in [(Method::GET, "read"), (Method::POST, "send")] {
            let mut operation = operation(&format!("{does}{id}"), summary, "pages");
            let is_sent = method == Method::POST;
            if fields.contains(&NEXT) && !is_sent {
                let next = text(NEXT, "query", "Where people go on: a path of this service.");
                operation.insert("parameters".to_owned(), json!([next]));
            }
            if is_sent {
                let about = "`csrf` repeats the cookie of the page that the form was on: see the page's hidden field.";
                operation.insert("description".to_owned(), json!(about));
                let sent = sent(fields, extent.per_organization);
                let example = schema::example(&sent);
                let name = described.schema(&[&format!("{id}Form")], sent);
                operation.insert("requestBody".to_owned(), answers::body(&name, example, true));
            }
            let statuses: &[u16] = if is_sent { &[400, 403, 413, 415] } else { &[400, 413] };
            let mut all = answers::errors(statuses);
            all.extend(answers::errors(&[404, 405, 429, 503]));
            all.insert("200".to_owned(), answers::page("The page, or what became of it."));
            if goes_on && is_sent || asks {
                let on = json!({ "description": "It goes on there: of a session, with its cookies." });
                all.insert("303".to_owned(), answers::with_location(on));
            }
            operation.insert("responses".to_owned(), json!(all));
            operation.insert("security".to_owned(), json!([]));
            described.operation(&path, &method, operation);
        }
    }
}

fn sent(fields: &[&'static str], per_organization: bool) -> Json {
    let names =
        || [CSRF].into_iter().chain(fields.iter().copied().filter(|name| *name != ORGANIZATION || per_organization));
    let required: Vec<&str> = names().filter(|name| !OPTIONAL.contains(name)).collect();
    schema::object(names().map(|name| (name, schema::text(name))), &required)
}
