//! That the description holds together: whether it is what happens is shown where requests are sent.

use super::{Extent, document};
use crate::api::links::Links;
use crate::authzen::settings::Settings;
use crate::directory::FieldType;
use serde_json::Value as Json;
use std::collections::HashSet;

fn extent(compat: bool) -> Extent {
    Extent {
        links: Links::new(None, "/auth/".into(), compat),
        compat,
        records: true,
        cookie: Some("postern_session"),
        per_organization: true,
        declared: [("team".to_owned(), FieldType::Flag)].into_iter().collect(),
        has_tags: true,
        require_if_match: true,
        authzen: Some(Settings::default()),
        mail: true,
        browsable: true,
    }
}

fn each<'j>(json: &'j Json, found: &mut dyn FnMut(&'j str, &'j Json)) {
    match json {
        Json::Object(fields) => fields.iter().for_each(|(name, value)| {
            found(name, value);
            each(value, found);
        }),
        Json::Array(items) => items.iter().for_each(|item| each(item, found)),
        _ => {}
    }
}

#[test]
fn everything_that_is_referred_to_is_there_and_each_operation_has_a_name_of_its_own() {
    for compat in [false, true] {
        let document = document(&extent(compat));
        let (mut names, mut references) = (HashSet::new(), 0);
        each(&document, &mut |name, value| match (name, value.as_str()) {
            ("$ref", Some(target)) => {
                references += 1;
                assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{target}");
            }
            ("operationId", Some(id)) => assert!(names.insert(id), "{id} twice"),
            _ => {}
        });
        assert!(names.len() > 50 && references > 300, "{} {references}", names.len());
        let moved = |path: &String| path.starts_with("/auth/");
        let elsewhere = ["/access/v1/", "/.well-known/", if compat { "/accounts/password/" } else { "/access/v1/" }];
        let paths = document["paths"].as_object().unwrap();
        assert!(paths.keys().all(|path| moved(path) || elsewhere.iter().any(|place| path.starts_with(place))));
    }
}

#[test]
fn each_answer_with_a_body_has_an_example() {
    let document = document(&extent(false));
    let mut media = 0;
    each(&document, &mut |name, value| {
        if name == "application/json" || name == "application/problem+json" {
            media += 1;
            assert!(value.get("example").is_some_and(|example| !example.is_null()), "{value}");
        }
    });
    assert!(media > 50, "{media}");
}
