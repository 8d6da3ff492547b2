//! Who is shown what: those who are nobody the way to log in, and managers nothing of another tenant.

use super::{at, browser, gate, gate_with, led, page, send};
use crate::login::browser::Browser;
use crate::rest::{ask, get, id};
use crate::support::{Gate, ORG_A, Options, Who, request};
use serde_json::json;

#[test]
fn who_is_nobody_is_led_to_the_login_and_back() {
    let gate = gate();
    let mut visitor = Browser::of(&gate);
    visitor.headers = "Accept: text/html\r\n".to_owned();
    let refused = visitor.get(&at("user/?search=a"));
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer")));
    let next = "/api/v1/users/login/?next=%2Fapi%2Fv1%2Fusers%2Fuser%2F%3Fsearch%3Da";
    assert!(refused.text().contains(&format!("href=\"{next}\"")), "{}", refused.text());
    assert!(!refused.text().contains("Logged in as"));
    let form = visitor.get(&at("me/token/?_form=create")).text();
    let next = "/api/v1/users/login/?next=%2Fapi%2Fv1%2Fusers%2Fme%2Ftoken%2F%3F%5Fform%3Dcreate";
    assert!(form.contains(&format!("href=\"{next}\"")), "{form}");
    // What asks for JSON is answered so, and has no pages.
    let json = gate.send(request(Who::nobody, "GET", &at("user/"), &[("Accept", "application/json")], ""));
    assert_eq!((json.status, json.header("content-type")), (401, Some("application/problem+json")));
}

#[test]
fn who_has_no_permission_reads_so_and_is_offered_nothing() {
    let gate = gate();
    let refused = page(&gate, Who::uA, "user/");
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("Logged in as") && !refused.text().contains("_form="), "{}", refused.text());
    // Those who ask by a token have no forms: a browser cannot send them in their name.
    assert!(!page(&gate, Who::su, "user/").text().contains("_form="));
    let mut manager = browser(&gate, "mA");
    let list = manager.get(&at("organization/")).text();
    assert!(!list.contains("_form=create") && !list.contains("super-role"), "{list}");
    assert_eq!(manager.get(&at("organization/?_form=create")).status, 403);
}

/// Every page, form and choice that a manager of A comes to.
#[test]
fn a_manager_finds_nothing_of_another_tenant() {
    let gate = gate();
    for name in ["Umbrella-Corp", "Wayne-Enterprises"] {
        let slug = name.to_lowercase();
        let made = ask(&gate, Who::su, "POST", "organization/", &json!({ "name": name, "slug": slug }));
        assert_eq!(made.status, 201, "{}", made.text());
        let organization = made.json()["id"].as_str().unwrap().to_owned();
        let user = json!({
            "username": format!("alfred-{slug}"), "email": format!("alfred@{slug}.example"), "password": "s3cret-word-x",
            "organization_users": [{ "organization": organization, "is_admin": true }],
        });
        assert_eq!(ask(&gate, Who::su, "POST", "user/", &user).status, 201);
        let role = json!({ "name": format!("butlers-of-{slug}"), "permissions": [] });
        assert_eq!(ask(&gate, Who::su, "POST", &format!("organization/{organization}/role/"), &role).status, 201);
    }
    let mut manager = browser(&gate, "mA");
    let (mut left, mut seen) = (vec![at("me/"), at("user/"), at("organization/")], Vec::new());
    let mut forms = 0;
    while let Some(target) = left.pop() {
        let html = manager.get(&target).text();
        forms += usize::from(html.contains("postern_csrf"));
        for secret in ["Umbrella", "Wayne", "umbrella", "wayne", "alfred", "butlers", "<bdi>uB</bdi>", "<bdi>B</bdi>"] {
            assert!(!html.contains(secret), "{target} tells of {secret}");
        }
        seen.push(target);
        for link in html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let link = link.replace("&#38;", "&");
            let is_page =
                link.starts_with("/api/v1/users/") && !link.contains("assets/") && !link.contains("ordering=");
            if is_page && !link.contains("logout") && !seen.contains(&link) && !left.contains(&link) {
                left.push(link);
            }
        }
        assert!(seen.len() < 400, "{left:?}");
    }
    assert!(seen.len() > 30 && forms > 10, "{} pages, {forms} forms", seen.len());
    assert!(seen.contains(&at("user/?_form=create")) && seen.contains(&at(&format!("organization/{ORG_A}/role/"))));
    // Nor by an error: somebody of another tenant is nobody.
    let refused = send(
        &mut manager,
        &format!("organization/{ORG_A}/member/?_form=create"),
        &[("user", "alfred-wayne-enterprises")],
    );
    let nobody =
        send(&mut manager, &format!("organization/{ORG_A}/member/?_form=create"), &[("user", "alfred-nobody")]);
    assert_eq!((refused.status, nobody.status), (400, 400));
    assert!(refused.text().contains("There is no such user.") && nobody.text().contains("There is no such user."));
}

#[test]
fn pages_can_be_turned_off() {
    let mut options = Options::policy(crate::rest::ROUTES);
    options.config = "identity: { api: all, browsable_api: false }\n".to_owned();
    let gate = Gate::with(&options);
    let plain = page(&gate, Who::su, "user/");
    assert_eq!(plain.status, 200);
    assert!(plain.text().contains("<pre>") && !plain.text().contains("<table"), "{}", plain.text());
    let _ = id(&gate, "uA");
}

#[test]
fn with_openwisp_there_are_the_same_pages() {
    let gate = gate_with("compat: openwisp\n", "  token: { key: { env: KEY } }\n");
    let mut superuser = browser(&gate, "su");
    let user = format!("user/{}/", id(&gate, "uA"));
    let list = superuser.get(&at("user/"));
    assert!(list.status == 200 && list.text().contains("<table>"), "{}", list.text());
    let form = superuser.get(&at(&format!("{user}?_form=edit"))).text();
    assert!(form.contains("one that they are in with the same level is taken away."), "{form}");
    let edit = [("username", "uA"), ("first_name", "Ann"), ("is_active", "true"), ("email", "ua@a.example")];
    let edited = send(&mut superuser, &format!("{user}?_form=edit"), &edit);
    assert_eq!(led(&edited), format!("{user}?_done=changed"));
    let now = get(&gate, Who::su, &user);
    assert_eq!((&now["first_name"], now["organization_users"].as_array().unwrap().len()), (&json!("Ann"), 1));
    // As everywhere there, a session changes nothing without its token.
    let refused = superuser.ask("POST", &at(&user), Some(&[("_method", "DELETE")]));
    assert_eq!(refused.status, 403, "{}", refused.text());
}
