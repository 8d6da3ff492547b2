//! Whether everybody can use the pages of records.

use super::records::{at, with_managers};
use super::{chromium, everybody_can_use};
use crate::rest::{ask, id};
use crate::support::{ORG_A, Who};
use serde_json::json;

#[test]
fn everybody_can_use_the_pages_of_records() {
    let gate = with_managers();
    for (index, name) in ["Northwind Traders", "Contoso", "Fabrikam", "Tailspin Toys", "Wide World"].iter().enumerate()
    {
        let body = json!({ "name": name, "slug": format!("o{index}"), "email": "info@example.com" });
        assert_eq!(ask(&gate, Who::su, "POST", "organization/", &body).status, 201);
    }
    let user = format!("user/{}/", id(&gate, "both"));
    assert_eq!(ask(&gate, Who::su, "PATCH", &user, &json!({ "first_name": "Ann", "is_staff": true })).status, 200);
    let pages = [
        ("users", at("user/?ordering=username")),
        ("record", at(&user)),
        ("", at(&format!("{user}?_form=edit"))),
        ("", at(&format!("{user}?_form=delete"))),
        ("history-dark", at(&format!("{user}history/"))),
        ("", at(&format!("{user}membership/"))),
        ("", at(&format!("{user}membership/?_form=create"))),
        ("", at(&format!("{user}token/"))),
        ("", at(&format!("{user}email/"))),
        ("", at(&format!("organization/{ORG_A}/"))),
        ("", at(&format!("organization/{ORG_A}/?_form=edit"))),
        ("", at("super-role/")),
        ("", at("user/?search=nobody-at-all")),
        ("", at("organization/?is_active=maybe")),
        ("", at("user/not-an-id/")),
        ("", at(&format!("user/bulk/?_form=create&action=deactivate&users={}", id(&gate, "uA")))),
    ];
    let pages: Vec<(&str, &str)> = pages.iter().map(|(name, path)| (*name, path.as_str())).collect();
    let mut browser = chromium(&gate, "su", "/postern/");
    everybody_can_use(&mut browser, &gate, &pages);
}
