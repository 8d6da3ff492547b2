//! Django and postern change the same database in turns, and both tell the same story of it.

use super::django::Django;
use super::{Live, options};
use crate::support::postgres::Server;
use crate::support::{Postern, Upstream};
use serde_json::{Value, json};

const TURNS: usize = 1_000;
const KEY: &str = "8da77808c09c424591c4c30c5c9de8e6076f1150";

/// Numbers that are the same in each run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    fn coin(&mut self) -> bool {
        self.roll(2) == 0
    }

    fn one(&mut self, letter: &str, count: usize) -> String {
        format!("{letter}{}", self.roll(count))
    }
}

fn api(live: &Live, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = live.send(format!(
        "{method} /api/v1/users/{path} HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ));
    let json = if answer.text().is_empty() {
        Value::Null
    } else {
        serde_json::from_str(&answer.text()).unwrap_or(Value::Null)
    };
    (answer.status, json)
}

fn id(live: &Live, table: &str, column: &str, name: &str) -> String {
    live.text(&format!("SELECT coalesce((SELECT id::text FROM public.{table} WHERE {column} = '{name}'), 'none')"))
}

/// One change by Django's ORM.
fn by_django(django: &mut Django, dice: &mut Dice) -> bool {
    let (user, org, group) = (dice.one("u", 12), dice.one("o", 5), dice.one("g", 3));
    let right = ["openwisp_users.view_user", "openwisp_users.add_user", "account.view_emailaddress"][dice.roll(3)];
    let deed = match dice.roll(22) {
        0..=2 => json!({ "do": "user", "user": user, "email": format!("{user}@example.org") }),
        3 => json!({ "do": "edit", "user": user, "fields": { "first_name": dice.one("name", 9) } }),
        4 => json!({ "do": "edit", "user": user, "fields": { "is_active": dice.coin() } }),
        5 => json!({ "do": "edit", "user": user, "fields": { "is_staff": dice.coin(), "notes": dice.one("note", 9) } }),
        6 => json!({ "do": "delete", "user": user }),
        7 => json!({ "do": "password", "user": user, "password": dice.one("secret-Pw", 9) }),
        8 => json!({ "do": "org", "org": org }),
        9 => json!({ "do": "edit_org", "org": org, "fields": { "is_active": dice.coin() } }),
        10 => json!({ "do": "delete_org", "org": org }),
        11 | 12 => json!({ "do": "join", "user": user, "org": org, "admin": dice.coin() }),
        13 => json!({ "do": "level", "user": user, "org": org, "admin": dice.coin() }),
        14 => json!({ "do": "leave", "user": user, "org": org }),
        15 => json!({ "do": "owner", "user": user, "org": org }),
        16 => json!({ "do": "group", "group": group }),
        17 => json!({ "do": "grant", "group": group, "permission_name": right }),
        18 => json!({ "do": "revoke", "group": group, "permission_name": right }),
        19 => json!({ "do": "give", "user": user, "group": group }),
        20 => json!({ "do": "take", "user": user, "group": group }),
        _ => json!({ "do": if dice.coin() { "token" } else { "untoken" }, "user": user }),
    };
    django.ask(&deed).get("done").is_some()
}

/// One change by postern: its API, or its command line.
fn by_postern(live: &Live, dice: &mut Dice) -> bool {
    let (user, org, group) = (dice.one("u", 12), dice.one("o", 5), dice.one("g", 3));
    let deed = dice.roll(16);
    let of_user = || id(live, "openwisp_users_user", "username", &user);
    let of_org = || id(live, "openwisp_users_organization", "slug", &org);
    let of_group = || id(live, "auth_group", "name", &group);
    let (status, said) = match deed {
        0..=2 => {
            let new =
                json!({ "username": user, "email": format!("{user}@example.org"), "password": "a-Pw-of-people-1" });
            api(live, "POST", "user/", &new)
        }
        3 => api(live, "PATCH", &format!("user/{}/", of_user()), &json!({ "last_name": dice.one("name", 9) })),
        4 => api(live, "PATCH", &format!("user/{}/", of_user()), &json!({ "is_active": dice.coin() })),
        5 => api(
            live,
            "PATCH",
            &format!("user/{}/", of_user()),
            &json!({ "phone_number": format!("+3932012345{:02}", dice.roll(99)) }),
        ),
        6 => api(live, "DELETE", &format!("user/{}/", of_user()), &Value::Null),
        7 => api(live, "POST", "organization/", &json!({ "name": org, "slug": org })),
        8 => api(
            live,
            "PATCH",
            &format!("organization/{}/", of_org()),
            &json!({ "description": dice.one("what", 9), "is_active": dice.coin() }),
        ),
        9 => api(live, "DELETE", &format!("organization/{}/", of_org()), &Value::Null),
        10..=12 => {
            let tie = json!({ "organization_users": [{ "organization": of_org(), "is_admin": dice.coin() }] });
            api(live, "PATCH", &format!("user/{}/", of_user()), &tie)
        }
        13 => api(live, "POST", "group/", &json!({ "name": group, "permissions": [] })),
        14 => api(live, "DELETE", &format!("group/{}/", of_group()), &Value::Null),
        _ => api(
            live,
            "PATCH",
            &format!("user/{}/", of_user()),
            &json!({ "groups": [of_group().parse::<i64>().unwrap_or(0)] }),
        ),
    };
    assert!(status < 500, "{deed} of {user}, {org}, {group}: {status} {said}");
    status < 300
}

/// What both say of everybody.
fn same_story(live: &Live, django: &mut Django, turn: usize) {
    let mut asked = vec![
        "user/?page_size=100".to_owned(),
        "organization/?page_size=100".to_owned(),
        "group/?page_size=100".to_owned(),
    ];
    let users = api(live, "GET", "user/?page_size=100", &Value::Null).1;
    for user in users["results"].as_array().unwrap() {
        let id = user["id"].as_str().unwrap();
        asked.extend([format!("user/{id}/"), format!("user/{id}/email/")]);
        let told = django.ask(&json!({ "told": user["username"] }));
        let Some(token) = told["token"].as_str().filter(|_| told["active"] == true) else { continue };
        let me = live.get(token, "/me/x");
        assert_eq!(me.status, 200, "after {turn}: {told}");
        let shown = live.cli(&["me", "--user", user["username"].as_str().unwrap(), "--json"]);
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let mut groups: Vec<_> =
            shown["groups"].as_array().into_iter().flatten().map(|group| group.as_str().unwrap().to_owned()).collect();
        groups.sort();
        assert_eq!(json!(groups), told["groups"], "after {turn}: {shown} {told}");
    }
    for path in asked {
        let ours = api(live, "GET", &path, &Value::Null);
        let theirs = django.ask(&json!({ "get": format!("/api/v1/users/{path}"), "token": KEY }));
        assert_eq!((json!(ours.0), &ours.1), (theirs["status"].clone(), &theirs["body"]), "after {turn}: {path}");
    }
}

#[test]
fn a_thousand_changes_in_turns_are_one_story() {
    let database = Server::shared().database();
    let mut django = Django::prepared(&database, None);
    django.must(json!({ "do": "superuser", "user": "root", "key": KEY }));
    let upstream = Upstream::echo();
    let postern = Postern::start(upstream.address(), &options(&database, ""));
    let live = Live { database, postern, upstream };

    let (mut dice, mut done) = (Dice(7), [0, 0]);
    for turn in 0..TURNS {
        let by = dice.roll(2);
        let changed = if by == 0 { by_django(&mut django, &mut dice) } else { by_postern(&live, &mut dice) };
        done[by] += usize::from(changed);
        if turn % 250 == 249 {
            same_story(&live, &mut django, turn);
        }
    }
    assert!(done.iter().all(|done| *done > TURNS / 8), "too many were refused: {done:?}");
    // A password of either is one for the other.
    for (user, password) in [("by_django", "a-Pw-of-django-1"), ("by_postern", "a-Pw-of-postern-1")] {
        let new = json!({ "username": user, "email": format!("{user}@example.org"), "password": password });
        if user == "by_django" {
            django.must(json!({ "do": "user", "user": user, "email": "django@example.org" }));
            django.must(json!({ "do": "password", "user": user, "password": password }));
        } else {
            assert_eq!(api(&live, "POST", "user/", &new).0, 201);
        }
        let login = api(&live, "POST", "token/", &json!({ "username": user, "password": password }));
        assert_eq!(login.0, 200, "{user}: {}", login.1);
        assert_eq!(django.ask(&json!({ "login": [user, password] })), json!({ "right": true }), "{user}");
    }
}
