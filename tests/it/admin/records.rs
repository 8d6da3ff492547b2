//! Pages of records: what an operator does there, what a manager sees, and what nobody can do.

use super::{PASSWORD, browser, gate, url};
use crate::login::browser::{Browser, field};
use crate::rest::{ask, id};
use crate::support::chromium::Chromium;
use crate::support::{Answer, Gate, ORG_A, ORG_B, Who};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// What Administrators may, in openwisp-users.
const ADMINISTRATOR: &str = "\
openwisp_users.add_user,openwisp_users.change_user,openwisp_users.delete_user,openwisp_users.view_user,\
openwisp_users.view_group,openwisp_users.add_organizationuser,openwisp_users.change_organizationuser,\
openwisp_users.delete_organizationuser,openwisp_users.view_organizationuser,openwisp_users.change_organization,\
openwisp_users.add_role,openwisp_users.change_role,openwisp_users.delete_role,openwisp_users.view_role,\
account.view_emailaddress,account.change_emailaddress,account.delete_emailaddress,account.add_emailaddress,auth.view_permission";

/// A gate whose manager of A is staff and may what administrators may.
pub fn with_managers() -> Gate {
    let gate = gate();
    for name in ADMINISTRATOR.split(',') {
        gate.postern.cli(&["permission", "create", name, "--if-absent"]);
    }
    gate.postern.cli(&["user", "edit", "mA", "--staff"]);
    gate.postern.cli(&["group", "create", "administrators", "--permission", ADMINISTRATOR, "--user", "mA"]);
    gate
}

pub fn at(path: &str) -> String {
    format!("/postern/{path}")
}

/// The values of an attribute, as they stand in a page.
fn values<'p>(page: &'p str, attribute: &str) -> Vec<&'p str> {
    let begin = format!("{attribute}=\"");
    page.split(begin.as_str()).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// Fills in the form of a page and sends it.
pub fn submit(browser: &mut Browser<'_>, form: &str, fields: &[(&str, &str)]) -> Answer {
    let shown = browser.get(form);
    let text = shown.text();
    assert_eq!(shown.status, 200, "{form}: {text}");
    let own = ["_method", "postern_csrf", "_version", "_key"];
    let mut all: Vec<(String, String)> =
        own.iter().filter_map(|name| Some(((*name).to_owned(), unescaped(&field(&text, name)?)))).collect();
    all.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let all: Vec<(&str, &str)> = all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    browser.ask("POST", form.split("?_form").next().unwrap(), Some(&all))
}

fn unescaped(text: &str) -> String {
    text.replace("&#34;", "\"").replace("&#38;", "&")
}

#[test]
fn a_manager_finds_no_name_of_another_tenant_on_any_page() {
    let gate = with_managers();
    let secret = "Zyzzyva";
    gate.postern.cli(&["org", "edit", "b", "--name", secret]);
    gate.postern.cli(&["user", "edit", "uB", "--first-name", secret, "--email", "zyzzyva@b.example"]);
    let both = format!("user/{}/", id(&gate, "both"));
    let tie = |organization: &str| json!([{ "organization": organization, "is_admin": true }]);
    for organization in [ORG_A, ORG_B] {
        let edit = json!({ "organization_users": tie(organization) });
        assert_eq!(ask(&gate, Who::su, "PATCH", &both, &edit).status, 200);
    }
    gate.postern.cli(&["role", "create", "zyzzyva-role", "--org", "b", "--user", "both"]);
    let mut browser = browser(&gate, "mA");
    let (mut seen, mut left) = (BTreeSet::new(), vec![at("")]);
    while let Some(path) = left.pop() {
        if !seen.insert(path.clone()) || seen.len() > 400 {
            continue;
        }
        let page = browser.get(&path);
        let text = page.text();
        assert!(matches!(page.status, 200 | 403 | 404), "{path}: {} {text}", page.status);
        for other in [secret, "zyzzyva", ORG_B, ">uB<", "uB@"] {
            assert!(!text.contains(other), "{path} tells of {other}: {text}");
        }
        assert!(!text.contains(" style=") && !text.contains("<script"), "{path}: {text}");
        for target in values(&text, "href") {
            let target = unescaped(target);
            if target.starts_with("/postern/") && !target.contains("assets/") {
                left.push(target);
            }
        }
    }
    assert!(seen.len() > 40, "{seen:?}");
    assert!(seen.contains(&at(&format!("{both}history/"))), "{seen:?}");
    // What they look for, and what they ask for by its address.
    for query in ["user/?search=zyzzyva", "user/?username=uB", "organization/?search=zyzzyva"] {
        let text = browser.get(&at(query)).text();
        assert!(text.contains("Nothing is like that.") || text.contains("Nothing"), "{query}: {text}");
    }
    let stranger = format!("user/{}/", id(&gate, "uB"));
    let nowhere = "00000000-0000-4000-8000-000000000000";
    for (path, none) in [
        (stranger.clone(), format!("user/{nowhere}/")),
        (format!("{stranger}history/"), format!("user/{nowhere}/history/")),
        (format!("organization/{ORG_B}/"), format!("organization/{nowhere}/")),
        (format!("organization/{ORG_B}/member/"), format!("organization/{nowhere}/member/")),
    ] {
        let (theirs, none) = (browser.get(&at(&path)), browser.get(&at(&none)));
        assert_eq!((theirs.status, none.status), (404, 404), "{path}");
        // But for the id, which they have typed.
        let without_ids = |text: String| {
            text.lines().filter(|line| !line.contains("crumb") && !line.contains("<li>")).collect::<String>()
        };
        assert_eq!(without_ids(theirs.text()), without_ids(none.text()), "{path}");
    }
    assert_eq!(browser.get(&at("user/bulk/?_form=create&action=deactivate&users=x")).status, 200);
    let text = browser.get(&at(&format!("user/bulk/?_form=create&action=deactivate&users={}", id(&gate, "uB")))).text();
    assert!(!text.contains("uB"), "{text}");
}

#[test]
fn what_people_typed_is_text_on_every_page() {
    let gate = with_managers();
    let markup = "<img src=x onerror=alert(1)>\u{202e}\"'";
    let organization = json!({ "name": markup, "slug": "markup", "url": "https://a.example/", "description": markup });
    assert_eq!(ask(&gate, Who::su, "POST", "organization/", &organization).status, 201);
    let user = format!("user/{}/", id(&gate, "uA"));
    let edit = json!({ "first_name": markup, "url": "https://a.example/", "bio": markup });
    assert_eq!(ask(&gate, Who::su, "PATCH", &user, &edit).status, 200);
    gate.postern.sql("UPDATE users SET url = 'javascript:alert(1)' WHERE username = 'uA'");
    let mut browser = browser(&gate, "su");
    for path in [
        "organization/".to_owned(),
        "organization/?search=%3Cimg".to_owned(),
        user.clone(),
        format!("{user}?_form=edit"),
        format!("{user}?_form=delete"),
        format!("{user}history/"),
        format!("{user}membership/?_form=create"),
        format!("user/bulk/?_form=create&action=activate&users={}", id(&gate, "uA")),
    ] {
        let page = browser.get(&at(&path));
        let text = page.text();
        assert_eq!(page.status, 200, "{path}: {text}");
        assert!(!text.contains("<img") && !text.contains("href=\"javascript:"), "{path}: {text}");
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'self';") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("cache-control"), Some("no-store"), "{path}");
    }
}

#[test]
fn forms_of_other_origins_and_of_earlier_logins_change_nothing() {
    let gate = with_managers();
    let user = format!("user/{}/", id(&gate, "uA"));
    let mut browser = browser(&gate, "su");
    let fields = [("_method", "DELETE")];
    assert_eq!(browser.ask("POST", &at(&user), Some(&fields)).status, 403);
    let forged = [("_method", "DELETE"), ("postern_csrf", "0000000000000000000000000000000000000000000")];
    assert_eq!(browser.ask("POST", &at(&user), Some(&forged)).status, 403);
    browser.headers = "Sec-Fetch-Site: cross-site\r\n".to_owned();
    assert_eq!(browser.ask("POST", &at(&user), Some(&forged)).status, 403);
    assert_eq!(ask(&gate, Who::su, "GET", &user, &Value::Null).status, 200, "they are still there");
    // One of this origin, of an earlier login, is shown again with what was typed.
    browser.headers = "Sec-Fetch-Site: same-origin\r\n".to_owned();
    let stale = [("_method", "PUT"), ("username", "uA"), ("first_name", "Typed-before"), forged[1]];
    let shown = browser.ask("POST", &at(&user), Some(&stale)).text();
    assert!(shown.contains("Typed-before") && shown.contains("name=\"postern_csrf\""), "{shown}");
    assert_ne!(ask(&gate, Who::su, "GET", &user, &Value::Null).json()["first_name"], "Typed-before");
}

#[test]
fn a_history_says_that_the_audit_log_is_off() {
    let gate = super::gate_with("admin_ui: on\naudit: off\n", "");
    let mut browser = browser(&gate, "su");
    let made = ask(
        &gate,
        Who::su,
        "POST",
        "user/",
        &json!({ "username": "nina", "email": "nina@acme.example", "password": "s3cret-word-n" }),
    )
    .json();
    let history = browser.get(&at(&format!("user/{}/history/", made["id"].as_str().unwrap()))).text();
    assert!(history.contains("The audit log is off") && !history.contains("nothing here yet"), "{history}");
}

#[test]
fn owners_and_superusers_stay_what_they_are() {
    let gate = with_managers();
    let mut browser = browser(&gate, "mA");
    let owner = id(&gate, "oA");
    let membership = at(&format!("user/{owner}/membership/{ORG_A}/"));
    // Nothing leads there, and what is sent is refused.
    let page = browser.get(&at(&format!("user/{owner}/"))).text();
    assert!(!page.contains(&format!("{membership}?_form=delete")), "{page}");
    let refused = submit(&mut browser, &format!("{membership}?_form=delete"), &[]);
    assert_eq!(refused.status, 400, "{}", refused.text());
    let refused = submit(&mut browser, &at(&format!("user/{owner}/?_form=delete")), &[]);
    assert_eq!(refused.status, 403, "{}", refused.text());
    let [ua, both] = ["uA", "both"].map(|name| id(&gate, name));
    let confirm = at(&format!("user/bulk/?_form=create&action=deactivate&users={ua}&users={both}&users={owner}"));
    let asked = browser.get(&confirm).text();
    for name in ["Deactivate 3 users?", "uA", "both", "oA"] {
        assert!(asked.contains(name), "{name}: {asked}");
    }
    let hidden = [("action", "deactivate"), ("users", &ua), ("users", &both), ("users", &owner)];
    let hidden: Vec<(&str, &str)> = hidden.iter().map(|(name, value)| (*name, *value as &str)).collect();
    let mut sent = vec![];
    sent.extend_from_slice(&hidden);
    let text = asked;
    let own: Vec<(String, String)> = ["_method", "postern_csrf", "_key"]
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), unescaped(&field(&text, name)?))))
        .collect();
    let mut all: Vec<(&str, &str)> = own.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    all.extend_from_slice(&sent);
    let done = browser.ask("POST", &confirm, Some(&all));
    let told = done.text();
    assert_eq!(done.status, 200, "{told}");
    assert!(told.contains("You may not change them. Who owns an organization"), "{told}");
    let active = |name: &str| ask(&gate, Who::su, "GET", &format!("user/{}/", id(&gate, name)), &Value::Null).json();
    assert_eq!((&active("uA")["is_active"], &active("oA")["is_active"]), (&json!(false), &json!(true)));
}

const SEND: &str = "form.card button[type=submit]";

/// Ticks a box: no other page comes of that.
fn tick(browser: &mut Chromium, selector: &str) {
    let script = format!("(it => (it?.click(), !!it))(document.querySelector('{selector}'))");
    assert_eq!(browser.eval(&script), true, "there is no {selector} on {}", browser.url());
}

#[test]
fn an_operator_works_without_scripts() {
    let gate = with_managers();
    let mut browser = Chromium::open().without_scripts();
    browser.open_page(&url(&gate, "/api/v1/users/login/?next=/postern/"));
    browser.fill("username", "su");
    browser.fill("password", PASSWORD);
    browser.click("button[type=submit]");
    browser.click(".side a[href$='/organization/']");
    browser.click("a[href$='?_form=create']");
    browser.fill("name", "Acme");
    browser.fill("slug", "not a slug");
    browser.click(SEND);
    assert!(browser.text().contains("Enter a valid \"slug\""), "{}", browser.text());
    browser.fill("slug", "acme");
    browser.click(SEND);
    assert!(browser.text().contains("It has been created."), "{}", browser.text());
    assert!(browser.url().contains("/postern/organization/"), "{}", browser.url());
    let organization = browser.url().split('?').next().unwrap().to_owned();

    browser.click(".side a[href$='/user/']");
    browser.click("a[href$='?_form=create']");
    for (name, text) in [("username", "nina"), ("email", "nina@acme.example"), ("password", "s3cret-word-n")] {
        browser.fill(name, text);
    }
    browser.click(SEND);
    let user = browser.url().split('?').next().unwrap().to_owned();
    assert!(browser.text().contains("It has been created."), "{}", browser.text());
    // A membership, from the user's page; its level; and back.
    browser.click("section a[href$='/membership/?_form=create']");
    let id = organization.trim_end_matches('/').rsplit('/').next().unwrap();
    let chosen = browser.eval(&format!(
        "(it => {{ it.value = '{id}'; return it.value }})(document.querySelector('[name=organization]'))"
    ));
    assert_eq!(chosen, id);
    browser.click(SEND);
    assert!(browser.text().contains("It has been created."), "{}", browser.text());
    browser.open_page(&user);
    assert!(browser.text().contains("member"), "{}", browser.text());
    browser.click("section .row-actions a[href$='?_form=edit']");
    tick(&mut browser, "[name=is_admin]");
    browser.click(SEND);
    browser.open_page(&user);
    assert!(browser.text().contains("manager"), "{}", browser.text());

    // What happened, newest first.
    browser.click(".tabs a[href$='/history/']");
    let text = browser.text();
    let order = ["membership.edit", "membership.create", "user.create"].map(|what| text.find(what).unwrap());
    assert!(order.is_sorted(), "{text}");

    // Several at once, from the list.
    browser.open_page(&url(&gate, "/postern/user/?search=nina"));
    tick(&mut browser, "td.pick input");
    browser.click(".several button[value=deactivate]");
    assert!(browser.text().contains("Deactivate one user?") && browser.text().contains("nina"), "{}", browser.text());
    browser.click(SEND);
    browser.open_page(&user);
    assert!(browser.text().contains("Is active\nno") || browser.text().contains("no"), "{}", browser.text());

    // A deletion says what goes with it.
    browser.click("a[href$='?_form=delete']");
    assert!(browser.text().contains("Delete nina?") && browser.text().contains("memberships"), "{}", browser.text());
    browser.click(SEND);
    assert!(browser.text().contains("It has been deleted."), "{}", browser.text());
}

#[test]
fn chosen_users_are_a_file_without_passwords_and_formulas() {
    let gate = with_managers();
    let [ua, stranger] = ["uA", "uB"].map(|name| id(&gate, name));
    let formula = json!({ "first_name": "=cmd|' /C calc'!A0", "last_name": "a,b\"c" });
    assert_eq!(ask(&gate, Who::su, "PATCH", &format!("user/{ua}/"), &formula).status, 200);
    let mut browser = browser(&gate, "mA");
    let file = browser.get(&at(&format!("user/export/?users={ua}&users={stranger}")));
    let text = file.text();
    assert_eq!((file.status, file.header("content-type")), (200, Some("text/csv; charset=utf-8")));
    assert!(file.header("content-disposition").unwrap().starts_with("attachment"));
    assert_eq!(text.lines().count(), 2, "of whom they see: {text}");
    assert!(text.contains(",'=cmd|' /C calc'!A0,\"a,b\"\"c\","), "{text}");
    assert!(!text.contains("password") && !text.contains("argon2"), "{text}");
}
