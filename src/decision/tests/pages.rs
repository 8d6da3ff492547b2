//! Pages whose items only name other objects, beside a reader that parses all of them.

use super::*;
use crate::facts::{Column, Object};
use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::collections::BTreeSet;

const ROUTES: &str = "version: 1
lookups: { device: { sql: SELECT organization_id FROM device WHERE id = $1, args: [path.id] } }
routes:
  /rows/: { GET: { level: member, list: { items: /rows, org: { lookup: device, key: /of/device } } } }
  /bare/: { GET: { level: member, list: { items: \"\", org: { lookup: device, key: /of/device } } } }
  /shared/:
    GET:
      level: member
      shared: { read: member, write: superuser }
      list: { items: /rows, org: { lookup: device, key: /of/device }, keep: member }
";

/// Objects by key: of a member's organization, of another's, shared; what else is named is not there.
fn found(world: &World) -> FoundItems {
    let of = |organization: Option<&Arc<Organization>>| {
        let id = organization.map_or(Column::Null, |organization| Column::Text(organization.id.to_string().into()));
        Arc::new(Object::new(vec![("organization_id".into(), id)]))
    };
    [("1", Some(&world.acme)), ("d2", Some(&world.bolt)), ("é", None), ("1.50", Some(&world.acme))]
        .map(|(key, organization)| (key.into(), of(organization)))
        .into()
}

/// What an item may name its object by, as JSON.
fn named() -> impl Strategy<Value = Option<&'static str>> {
    let texts = [r#""1""#, "1", r#""d2""#, r#""\u00e9""#, r#""é""#, "1.50", r#""\u0064\u0032""#];
    let others = ["null", "true", "[]", "{}", r#""""#, r#""gone""#, r#""1 ""#, r#""\u0000""#, "-1", "1e0"];
    prop_oneof![
        3 => prop::sample::select(texts.to_vec()).prop_map(Some),
        2 => prop::sample::select(others.to_vec()).prop_map(Some),
        1 => Just(None),
    ]
}

fn item() -> impl Strategy<Value = String> {
    let beside =
        prop::sample::select(vec!["", r#""x": [{"of": {"device": "1"}}], "#, r#""é": "]}", "#, r#""y": -1e9, "#]);
    (named(), beside, any::<bool>()).prop_map(|(named, beside, spaced)| match named {
        Some(named) if spaced => format!("{{ {beside}\"of\" : {{\n\"n\": {{}}, \"device\" :\t{named} }} }}"),
        Some(named) => format!("{{{beside}\"of\":{{\"device\":{named}}}}}"),
        None => format!("{{{beside}\"of\":null}}"),
    })
}

/// The text by which an item names its object, as it stands in the page where it is a number.
fn key(item: &str) -> Option<String> {
    let read: Json = serde_json::from_str(item).unwrap();
    let device = read.pointer("/of/device")?;
    match device {
        Json::String(text) if !text.contains('\0') => Some(text.clone()),
        Json::Number(_) => {
            let behind = item.rsplit_once("\"device\"").unwrap().1.trim_start_matches([' ', ':', '\t']);
            Some(behind.split(['}', ' ']).next().unwrap().to_owned())
        }
        _ => None,
    }
}

proptest! {
    #[test]
    fn what_is_left_of_a_page_is_what_a_reader_of_all_of_it_would_keep(
        items in prop::collection::vec(item(), 0..12),
        route in prop::sample::select(vec!["/rows/", "/bare/", "/shared/"]),
    ) {
        let (world, policy) = (World::new(), policy(ROUTES));
        let ann = world.user("ann", &[(&world.acme, Member)]);
        let (headers, method, target) = (HeaderMap::new(), http::Method::GET, Target::parse(route).unwrap());
        let view = RequestView::new(&method, "api.example.com", &target, &headers);
        let permit = evaluate(&policy, &view, &Caller::of(Some(&ann)), &mut |key| world.find(key));
        let permit = permit.map_err(|denial| denial.reason).unwrap();
        let listed = permit.listed().unwrap();

        let list = format!("[{}]", items.join(", "));
        let body = if route == "/bare/" { list } else { format!("{{\"count\": 9, \"rows\": {list}}}") };
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        let page = AnswerView { status: StatusCode::OK, headers: &headers, body: body.as_bytes() };

        let asked = listed.asks(page).unwrap();
        let keys: BTreeSet<String> = items.iter().filter_map(|item| key(item)).collect();
        prop_assert_eq!(asked.len(), keys.len(), "each object is asked for once");
        prop_assert_eq!(asked.into_iter().map(String::from).collect::<BTreeSet<_>>(), keys);

        let found = found(&world);
        let is_kept = |item: &&String| {
            key(item).and_then(|key| found.get(key.as_str())).is_some_and(|object| match object.organization() {
                Some(id) => id == world.acme.id.to_string(),
                None => route == "/shared/",
            })
        };
        let kept: Vec<Json> = items.iter().filter(is_kept).map(|item| serde_json::from_str(item).unwrap()).collect();
        let (left, counts) = listed.left(page, &found).unwrap();
        prop_assert_eq!((counts.kept, counts.dropped), (kept.len() as u64, (items.len() - kept.len()) as u64));
        let left: Json = serde_json::from_slice(&left).unwrap();
        let expected = if route == "/bare/" { json!(kept) } else { json!({ "rows": kept }) };
        prop_assert_eq!(left, expected);
    }
}
