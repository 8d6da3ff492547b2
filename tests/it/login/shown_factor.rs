//! Sessions that have not shown a second factor: begun before anybody asked for one, or by a link.

use super::browser::{Browser, field};
use super::second_factor::{CODE, codes, gate, recovery, set_up};
use crate::support::{Gate, eventually};

const LOGIN: &str = "/api/v1/users/login/";
const ACCOUNT: &str = "/api/v1/users/account/";
const CHANGE: &str = "/api/v1/users/password/change/";
const ME: &str = "/api/v1/users/user/password/change/";

fn logged_in<'g>(gate: &'g Gate, name: &str) -> Browser<'g> {
    let mut browser = Browser::of(gate);
    assert_eq!((browser.log_in(name, "s3cret-word").status, browser.whoami()), (303, 200));
    browser
}

/// A session is good for nothing but to show a second factor, and to end.
fn lacks(browser: &mut Browser<'_>) {
    eventually("it is refused", || browser.get("/me/x").refuses("second_factor_missing").then_some(()));
    let refused = browser.get("/me/x");
    let challenge = "Bearer error=\"insufficient_user_authentication\"";
    assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some(challenge)));
    assert_eq!(browser.get("/me/x?y").code(), "second_factor_missing");
    // Pages lead to the one that asks for a code, and back; the way out stays open.
    browser.headers = "Sec-Fetch-Mode: navigate\r\n".to_owned();
    let led = browser.get("/me/x?page=2");
    assert_eq!((led.status, led.header("location")), (303, Some("/api/v1/users/login/code/?next=/me/x%3Fpage%3D2")));
    browser.headers.clear();
    for page in [ACCOUNT, CHANGE] {
        let to_login = browser.get(page).header("location").unwrap().to_owned();
        assert!(to_login.starts_with(LOGIN), "{to_login}");
        let to_code = browser.get(&to_login).header("location").unwrap().to_owned();
        assert!(to_code.starts_with("/api/v1/users/login/code/?next=%2Fapi"), "{to_code}");
    }
    assert_eq!(browser.ask("POST", ME, Some(&[("old_password", "s3cret-word")])).code(), "second_factor_missing");
    assert!(browser.get("/api/v1/users/logout/").text().contains("Log out"));
}

#[test]
fn who_becomes_staff_or_a_member_sets_an_app_up_before_their_session_goes_on() {
    let gate = gate(", required_for: [staff], organizations: [a]");
    let mut lena = logged_in(&gate, "lena");
    gate.postern.cli(&["user", "edit", "lena", "--staff=true"]);
    lacks(&mut lena);
    let before = lena.cookies.clone();
    let page = lena.get(&format!("{CODE}?next=/me/x%3Fpage%3D2")).text();
    assert_eq!(field(&page, "next").as_deref(), Some("/me/x?page=2"), "{page}");
    // A session may be somebody else's at this screen: the password is asked for.
    assert_eq!(set_up(&mut lena, &page, &codes(&page)[0], "").status, 400);
    let done = set_up(&mut lena, &page, &codes(&page)[0], "s3cret-word");
    assert_eq!((done.status, recovery(&done).len(), lena.whoami()), (200, 10, 200), "{}", done.text());
    // The cookie of before is nobody's: whoever copied it has shown nothing.
    let mut copied = Browser::of(&gate);
    copied.cookies = before;
    eventually("it has ended", || copied.get("/me/x").refuses("credentials_invalid").then_some(()));
    assert_eq!(gate.postern.query("SELECT count(*) || '' FROM sessions"), "1");

    // Another session of hers has shown nothing, whether it began before or comes by a link.
    gate.postern.cli_with(&["user", "create", "mia", "--password-stdin"], "s3cret-word\n");
    let mut mia = logged_in(&gate, "mia");
    gate.postern.cli(&["member", "add", "--org", "a", "--user", "mia"]);
    lacks(&mut mia);
    gate.postern.cli(&["member", "delete", "--org", "a", "--user", "mia"]);
    eventually("she need not any more", || (mia.whoami() == 200).then_some(()));
}

/// What a session from before the migration is: nothing says that it has shown anything.
#[test]
fn a_session_from_before_goes_on_with_a_code() {
    let gate = gate(", required_for: [staff]");
    let mut boss = Browser::of(&gate);
    boss.log_in("boss", "s3cret-word");
    let page = boss.get(CODE).text();
    assert_eq!((set_up(&mut boss, &page, &codes(&page)[0], "").status, boss.whoami()), (200, 200));
    gate.postern.sql("UPDATE sessions SET factor_at = NULL, factor = NULL");
    lacks(&mut boss);
    let at = format!("{CODE}?next=/me/x");
    assert_eq!((boss.send(&at, &[("code", "000000")]).status, boss.get("/me/x").status), (400, 401));
    // Nor does it end the second factor.
    let code = codes(&page).remove(1);
    let shown = boss.send(&at, &[("code", &code), ("do", "end")]);
    assert_eq!((shown.status, shown.header("location"), boss.whoami()), (303, Some("/me/x"), 200));
    assert_eq!(gate.postern.query("SELECT count(*) || '' FROM second_factors"), "1");
    // What nobody knows of is no proof.
    gate.postern.sql("UPDATE sessions SET factor = 'smoke'");
    eventually("it is refused", || (boss.whoami() == 401).then_some(()));
    gate.postern.sql("UPDATE sessions SET factor = 'app'");
    eventually("it is taken", || (boss.whoami() == 200).then_some(()));
    // Whose app is gone sets another one up.
    gate.postern.cli(&["user", "reset-mfa", "boss"]);
    lacks(&mut boss);
    assert!(boss.get(CODE).text().contains("<code>"));
}

#[test]
fn a_link_does_not_skip_the_factor_of_who_chose_one() {
    let gate = gate("");
    let mut lena = logged_in(&gate, "lena");
    let mut other = logged_in(&gate, "lena");
    let page = lena.get(CODE).text();
    let done = set_up(&mut lena, &page, &codes(&page)[0], "s3cret-word");
    assert_eq!((done.status, lena.whoami()), (200, 200));
    // Her other sessions show it too.
    lacks(&mut other);
    let token = gate.postern.cli(&["sesame", "mint", "--user", "lena"]).trim().to_owned();
    let by_header = format!("GET /me/x HTTP/1.1\r\nHost: a\r\nAuthorization: sesame {token}\r\n\r\n");
    assert_eq!(gate.send(by_header).code(), "second_factor_required");
    let mut browser = Browser::of(&gate);
    let begun = browser.get(&format!("/me/x?sesame={token}"));
    assert_eq!((begun.status, begun.header("location")), (303, Some("/me/x")));
    lacks(&mut browser);
    let recoveries = recovery(&done);
    let shown = browser.send(&format!("{CODE}?next=/me/x"), &[("code", &recoveries[0])]);
    assert_eq!((shown.status, browser.whoami()), (303, 200));
    assert_eq!(gate.postern.query("SELECT factor FROM sessions WHERE factor <> 'app'"), "recovery");
    // Nobody is sent on to another origin.
    let away = browser.send(&format!("{CODE}?next=//evil.example/"), &[("code", &recoveries[1]), ("do", "end")]);
    assert_eq!(away.header("location"), Some(LOGIN));
    // Without a second factor everything is as before.
    eventually("the other one is good again", || (other.whoami() == 200).then_some(()));
}

#[test]
fn a_new_password_keeps_what_its_session_has_shown() {
    let gate = gate("");
    let mut lena = logged_in(&gate, "lena");
    let page = lena.get(CODE).text();
    assert_eq!(set_up(&mut lena, &page, &codes(&page)[0], "s3cret-word").status, 200);
    let passwords =
        [("old_password", "s3cret-word"), ("new_password1", "an0ther-word"), ("new_password2", "an0ther-word")];
    assert_eq!((lena.send(CHANGE, &passwords).status, lena.whoami()), (303, 200));
}
