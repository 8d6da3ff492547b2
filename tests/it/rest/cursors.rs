//! Pages by cursor: who may turn them, and what they tell. That PostgreSQL finds each by an index is in `large`.

use super::engines::{Site, on_each_engine};
use serde_json::{Value, json};
use std::collections::BTreeSet;

on_each_engine!(
    cursors_walk_through_a_list_and_back,
    a_cursor_is_good_for_its_owner_and_its_list_alone,
    of_a_list_that_changes_nobody_is_told_twice_or_left_out,
);

fn names(page: &Value) -> Vec<String> {
    page["results"].as_array().unwrap().iter().map(|one| one["username"].as_str().unwrap().to_owned()).collect()
}

/// The path and the query of a link.
pub(super) fn path(link: &Value) -> Option<String> {
    Some(link.as_str()?.strip_prefix("http://api.example.com").unwrap().to_owned())
}

fn cursor(link: &Value) -> String {
    let link = link.as_str().unwrap();
    link.split(['?', '&']).find_map(|part| part.strip_prefix("cursor=")).unwrap().to_owned()
}

fn cursors_walk_through_a_list_and_back(site: &Site) {
    let whole = names(&site.get("su", "user/?ordering=username"));
    let mut page = site.get("su", "user/?cursor=&ordering=username&page_size=3");
    assert!(page.get("count").is_none() && page["previous"].is_null());
    let (mut forwards, mut back) = (names(&page), Vec::new());
    while let Some(next) = path(&page["next"]) {
        assert!(next.contains("&ordering=username&page_size=3"), "{next}");
        page = site.get("su", &next);
        forwards.extend(names(&page));
    }
    assert_eq!(forwards, whole);
    while let Some(previous) = path(&page["previous"]) {
        page = site.get("su", &previous);
        back = [names(&page), back].concat();
        assert!(path(&page["next"]).is_some());
    }
    assert_eq!(back, whole[..whole.len() - whole.len() % 3].to_vec(), "all but the last page");
    // Every list has them, in the order that it has anyway.
    let org = crate::support::ORG_A;
    for list in [
        "organization/",
        "group/",
        "permission/",
        "super-role/",
        "me/token/",
        &format!("organization/{org}/member/"),
        &format!("organization/{org}/role/"),
        &format!("user/{}/email/", site.get("su", "me/")["id"].as_str().unwrap()),
    ] {
        let ids = |page: &Value| page["results"].as_array().unwrap().iter().map(Value::to_string).collect::<Vec<_>>();
        let whole = ids(&site.get("su", &format!("{list}?page_size=100")));
        let (mut walked, mut next) = (Vec::new(), Some(format!("/api/v1/users/{list}?cursor=&page_size=2")));
        while let Some(path_of_next) = next {
            let page = site.get("su", &path_of_next);
            walked.extend(ids(&page));
            next = path(&page["next"]);
        }
        assert_eq!(walked, whole, "{list}");
    }
}

fn a_cursor_is_good_for_its_owner_and_its_list_alone(site: &Site) {
    let first = site.get("su", "user/?cursor=&is_active=true&ordering=username&page_size=2");
    let good = cursor(&first["next"]);
    let ask = |who: &str, path: &str, cursor: &str| {
        let answer = site.ask(who, "GET", &format!("{path}cursor={cursor}"), &[], &Value::Null);
        (answer.status, answer.text())
    };
    let list = "user/?is_active=true&ordering=username&page_size=2&";
    assert_eq!(ask("su", list, &good).0, 200);
    assert_eq!(ask("su", "user/?ordering=username&is_active=true&page_size=5&", &good).0, 200, "the size is free");
    let foreign = (400, "{\"cursor\":[\"Invalid cursor.\"]}".to_owned());
    for (who, path) in [
        ("su", "user/?ordering=username&page_size=2&"),
        ("su", "user/?is_active=false&ordering=username&page_size=2&"),
        ("su", "user/?is_active=true&ordering=-username&page_size=2&"),
        ("su", "user/?is_active=true&ordering=username&search=u&page_size=2&"),
        ("su", "organization/?is_active=true&ordering=username&page_size=2&"),
    ] {
        assert_eq!(ask(who, path, &good), foreign, "{path}");
    }
    let permission = ["user", "grant", "mA", "openwisp_users.view_user"];
    site.cli(&permission, "");
    let of_manager = cursor(&site.get("mA", "user/?cursor=&is_active=true&ordering=username&page_size=2")["next"]);
    assert_eq!(ask("su", list, &of_manager), foreign, "somebody else's");
    for at in (0..good.len()).step_by(7) {
        let mut changed = good.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        assert_eq!(ask("su", list, std::str::from_utf8(&changed).unwrap()), foreign, "changed at {at}");
        if at > 0 {
            assert_eq!(ask("su", list, &good[..at]), foreign, "cut at {at}");
        }
    }
    let long = "A".repeat(4_100);
    let forged = data_encoding::BASE64URL_NOPAD.encode(br#"{"from":[{"Text":"' OR 1=1 --"}],"backwards":false}"#);
    for made_up in ["x", "%00", "'%20OR%201=1", "cD0yMDA2", "null", &forged, &long] {
        assert_eq!(ask("su", list, made_up), foreign, "{made_up}");
    }
}

fn of_a_list_that_changes_nobody_is_told_twice_or_left_out(site: &Site) {
    let new =
        |name: &str| json!({ "username": name, "email": format!("{name}@x.example"), "password": "tester-of-9-tags" });
    for number in 0..12 {
        let made = site.ask("su", "POST", "user/", &[], &new(&format!("c{number:02}")));
        assert_eq!(made.status, 201, "{}", made.text());
    }
    let constant: BTreeSet<String> = names(&site.get("su", "user/?page_size=100")).into_iter().collect();
    // The newest first, so that whoever is made meanwhile moves all numbered pages.
    let (mut walked, mut next) = (Vec::new(), Some("/api/v1/users/user/?cursor=&page_size=3".to_owned()));
    for turn in 0.. {
        let Some(path_of_next) = next else { break };
        let page = site.get("su", &path_of_next);
        walked.extend(names(&page));
        next = path(&page["next"]);
        site.ask("su", "POST", "user/", &[], &new(&format!("late{turn}")));
    }
    let all: BTreeSet<String> = walked.iter().cloned().collect();
    assert_eq!(all.len(), walked.len(), "{walked:?}");
    assert_eq!(all, constant);
}
