//! What the API says of itself, `/api/v1/docs/openapi.json`; every answer of these tests is compared to it where it is asked for.

use super::gate;
use crate::support::openapi::Description;
use crate::support::{Gate, Options, Postern, Upstream, Who, get, request};
use data_encoding::BASE64;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// What a postern of these tests says, each of its own configuration.
pub fn of(postern: &Postern) -> &'static Description {
    static DESCRIPTIONS: Mutex<BTreeMap<PathBuf, &'static Description>> = Mutex::new(BTreeMap::new());
    let mut descriptions = DESCRIPTIONS.lock().unwrap_or_else(PoisonError::into_inner);
    let read = || &*Box::leak(Box::new(Description(read(postern))));
    descriptions.entry(postern.home().to_owned()).or_insert_with(read)
}

fn read(postern: &Postern) -> Value {
    let mut raw = postern.raw();
    raw.send(get(Who::nobody, "/api/v1/docs/openapi.json"));
    let answer = raw.answer();
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    answer.json()
}

#[test]
fn everybody_may_read_what_the_api_is_and_the_command_line_prints_the_same() {
    let gate = gate();
    let served = read(&gate.postern);
    assert_eq!(served["openapi"], "3.1.1");
    let printed = gate.postern.cli(&["openapi"]);
    assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), served);
    let changed = gate.send(request(Who::su, "DELETE", "/api/v1/docs/openapi.json", &[], ""));
    assert_eq!((changed.status, changed.header("allow")), (405, Some("GET, HEAD")));
}

#[test]
fn each_example_is_of_its_schema() {
    let gate = gate();
    let description = of(&gate.postern);
    let paths = description.0["paths"].as_object().unwrap();
    let mut compared = 0;
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters") {
            let sent = operation["requestBody"]["content"].as_object().into_iter().flatten();
            let answers = operation["responses"].as_object().unwrap().values();
            let told = answers.filter_map(|answer| answer["content"].as_object()).flatten();
            for (media, content) in sent.chain(told).filter(|(_, content)| content.get("example").is_some()) {
                let fits = description.fits(&content["schema"], &content["example"]);
                assert!(fits.is_ok(), "{method} {path}: {media}: {fits:?}");
                compared += 1;
            }
        }
    }
    assert!(compared > 80, "{compared}");
}

/// To another page of the description; others lead to what is described.
fn leads_on(target: &str) -> bool {
    target != "openapi.json" && !target.starts_with("/api/v1/users/")
}

#[test]
fn people_read_the_same_on_pages_that_need_no_script_and_nothing_from_elsewhere() {
    const FIRST: &str = "/api/v1/docs/";
    let gate = gate();
    let mut pages = BTreeMap::new();
    let mut left = vec![FIRST.to_owned()];
    while let Some(path) = left.pop() {
        let page = gate.send(get(Who::nobody, &path));
        assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")), "{path}");
        let html = page.text();
        assert!(html.len() <= 100 << 10, "{path} has {} bytes", html.len());
        let style = html.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).unwrap();
        let digest = BASE64.encode(&Sha256::digest(style));
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.starts_with(&format!("default-src 'none'; style-src 'sha256-{digest}';")), "{policy}");
        for foreign in ["<script", "<link", "<img", " src=", " style=", "@import", "url(", "javascript:"] {
            assert!(!html.contains(foreign), "{path}: {foreign}");
        }
        for target in parts(&html, "href=\"").into_iter().filter(|target| leads_on(target)) {
            let (page, _) = led(&path, target);
            if !pages.contains_key(&page) && !left.contains(&page) && page != path {
                left.push(page);
            }
        }
        pages.insert(path, html);
    }
    for (path, html) in &pages {
        for target in parts(html, "href=\"").into_iter().filter(|target| leads_on(target)) {
            let (page, id) = led(path, target);
            let ids = parts(&pages[&page], " id=\"");
            assert!(id.is_empty() || ids.contains(id.as_str()), "{path}: {target}");
        }
    }
    let mut shown = 0;
    for (path, item) in read(&gate.postern)["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(name, _)| *name != "parameters") {
            let id = operation["operationId"].as_str().unwrap();
            let head = format!("id=\"{id}\"><b>{}</b> <code>{path}</code>", method.to_ascii_uppercase());
            let told = pages.iter().filter(|(_, html)| html.contains(&head)).count();
            assert_eq!((told, pages[FIRST].contains(&format!("#{id}\">"))), (1, true), "{method} {path}");
            shown += 1;
        }
    }
    let has_example = pages.values().any(|html| html.contains("&#34;username&#34;: &#34;ann&#34;"));
    assert!(shown > 50 && pages.len() > 5 && has_example, "{shown} {}", pages.len());
    assert_eq!(gate.send(request(Who::su, "POST", FIRST, &[], "")).status, 405);
    for other in ["other", "other/", "users/x/"] {
        assert_eq!(gate.send(get(Who::nobody, &format!("{FIRST}{other}"))).status, 404);
    }
}

/// Where a link on a page leads: a page, and a place there.
fn led(from: &str, target: &str) -> (String, String) {
    let (page, id) = target.split_once('#').unwrap_or((target, ""));
    let page = match page.strip_prefix("../") {
        Some(rest) => format!("{}/{rest}", from.trim_end_matches('/').rsplit_once('/').unwrap().0),
        None => format!("{from}{page}"),
    };
    (page, id.to_owned())
}

/// What stands between these words and the next quote, wherever they are.
fn parts<'t>(text: &'t str, before: &str) -> HashSet<&'t str> {
    text.split(before).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn with_openwisp_the_page_stays_with_the_service_behind() {
    let mut options = Options::policy("version: 1\nupstream: echo\nroutes:\n  /api/v1/docs/: public\n");
    options.config = "compat: openwisp\nidentity: { api: all, token: { key: { env: KEY } } }\n".to_owned();
    let upstream = Upstream::echo();
    let home = Postern::prepare(Some(upstream.address()), &options);
    let mut command = Postern::serve(home.path(), &options);
    let gate = Gate { postern: Postern::run(home, command.env("KEY", "k".repeat(64))), upstream };
    let page = gate.send(get(Who::nobody, "/api/v1/docs/"));
    assert_eq!((page.status, page.header("content-security-policy")), (200, None), "{}", page.text());
    assert_eq!(read(&gate.postern)["openapi"], "3.1.1");
}

#[test]
fn services_that_ask_find_their_endpoints_described_as_they_answer() {
    let mut options = Options::policy(super::ROUTES);
    options.config =
        "authzen: { reasons: true }\npublic_url: https://id.example.com\nidentity: { api: token }\n".to_owned();
    let gate = Gate::with(&options);
    let description = of(&gate.postern);
    let mut asked = 0;
    for (path, item) in description.0["paths"].as_object().unwrap() {
        if let Some(content) = item.pointer("/post/requestBody/content/application~1json")
            && path.starts_with("/access/v1/")
        {
            let sent = content["example"].to_string();
            for (who, media, body, status) in [
                (Who::su, "application/json", &*sent, 200),
                (Who::su, "application/json", "{}", 400),
                (Who::su, "application/json", "[", 400),
                (Who::su, "text/plain", &sent, 400),
                (Who::nobody, "application/json", &sent, 401),
                (Who::uA, "application/json", &sent, 403),
            ] {
                let answer = gate.send(request(who, "POST", path, &[("Content-Type", media)], body));
                assert_eq!(answer.status, status, "{path} {body}: {}", answer.text());
                description.covers("POST", path, &answer);
            }
            asked += 1;
        }
    }
    assert_eq!(asked, 5);
    let configuration = gate.send(get(Who::nobody, "/.well-known/authzen-configuration"));
    assert_eq!(configuration.status, 200);
    description.covers("GET", "/.well-known/authzen-configuration", &configuration);
}

#[test]
fn the_forms_of_pages_have_the_fields_that_are_described() {
    let mut options = Options::policy(super::ROUTES);
    options.config = "public_url: https://id.example.com\nmail: { server: \"localhost:2525\", from: id@example.com }\n\
                      identity: { api: token, session: { secure: false } }\n"
        .to_owned();
    let gate = Gate::with(&options);
    let description = of(&gate.postern);
    for (path, all) in [
        ("/api/v1/users/login/?next=/me/", &["csrf", "next", "password", "username"][..]),
        ("/api/v1/users/password/forgotten/", &["csrf", "input"]),
    ] {
        let page = gate.send(get(Who::nobody, path));
        description.covers("GET", path, &page);
        let (text, path) = (page.text(), path.split('?').next().unwrap());
        let mut shown: Vec<_> = parts(&text, " name=\"").into_iter().filter(|name| *name != "viewport").collect();
        shown.sort_unstable();
        let sent = &description.0["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"];
        let described = description.resolved(sent)["properties"].as_object().unwrap();
        let mut described: Vec<&str> = described.keys().map(String::as_str).collect();
        described.sort_unstable();
        assert_eq!((shown.as_slice(), described.as_slice()), (all, all), "{path}");
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        let refused = gate.send(request(Who::nobody, "POST", path, &form, "username=ann&password=x&csrf=x"));
        assert_eq!(refused.status, 403, "{}", refused.text());
        description.covers("POST", path, &refused);
    }
}
