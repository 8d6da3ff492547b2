//! The page of one's own account: what is shown, what its buttons do, and that they are nobody else's.

use super::browser::{Browser, field};
use crate::support::{Answer, Gate, Options};

const ROUTES: &str = "version: 1\nupstream: echo\nauthenticate: [bearer, session]\nroutes:\n  /me/**: authenticated\n";
const ACCOUNT: &str = "/api/v1/users/account/";

fn gate(more: &str) -> Gate {
    let config = format!(
        "audit: audit.jsonl\nidentity:\n  api: token\n  session: {{ secure: false }}\n  passwords: {{ memory: 64KiB, passes: 1 }}\n  token: {{ throttle: none }}\n{more}"
    );
    let gate = Gate::with(&Options { config, ..Options::policy(ROUTES) });
    for name in ["lena", "bob"] {
        gate.postern.cli_with(&["user", "create", name, "--password-stdin"], "s3cret-word\n");
    }
    gate
}

fn logged_in<'g>(gate: &'g Gate, name: &str) -> Browser<'g> {
    let mut browser = Browser::of(gate);
    assert_eq!(browser.log_in(name, "s3cret-word").status, 303);
    browser
}

/// Presses a button.
fn press(browser: &mut Browser<'_>, fields: &[(&str, &str)]) -> Answer {
    let csrf = field(&browser.get(ACCOUNT).text(), "csrf").unwrap();
    browser.ask("POST", ACCOUNT, Some(&[&[("csrf", csrf.as_str())], fields].concat()))
}

/// The keys of what is listed, in order.
fn ids(page: &str) -> Vec<String> {
    let ids = page.split("name=\"id\" value=\"").skip(1);
    ids.map(|rest| rest.split_once('"').unwrap().0.to_owned()).collect()
}

#[test]
fn sessions_end_one_by_one_and_all_others() {
    let gate = gate("");
    assert_eq!(
        Browser::of(&gate).get(ACCOUNT).header("location"),
        Some("/api/v1/users/login/?next=%2Fapi%2Fv1%2Fusers%2Faccount%2F")
    );
    let (mut one, mut two, mut three) = (logged_in(&gate, "lena"), logged_in(&gate, "lena"), logged_in(&gate, "lena"));
    let mut bob = logged_in(&gate, "bob");
    let page = one.get(ACCOUNT);
    let text = page.text();
    assert_eq!((page.status, text.matches("(this one)").count(), ids(&text).len()), (200, 1, 3), "{text}");
    assert!(!text.contains("<script") && text.contains("<strong>lena</strong>"));
    // Somebody else's is not there.
    let theirs = ids(&bob.get(ACCOUNT).text()).remove(0);
    assert_eq!(press(&mut one, &[("do", "end"), ("id", &theirs)]).status, 303);
    assert_eq!(bob.whoami(), 200);
    for fields in [&[("do", "end"), ("id", "x")][..], &[("do", "nothing")], &[]] {
        assert_eq!(press(&mut one, fields).status, 400);
    }
    let answer = one.ask("POST", ACCOUNT, Some(&[("do", "end-others")]));
    assert_eq!((answer.status, two.whoami()), (403, 200), "no form of ours");

    let others: Vec<String> = text
        .split("<form")
        .filter(|part| part.contains("name=\"id\"") && !part.contains("(this one)"))
        .flat_map(ids)
        .collect();
    assert_eq!((others.len(), press(&mut one, &[("do", "end"), ("id", &others[0])]).status), (2, 303));
    assert_eq!([one.whoami(), two.whoami(), three.whoami()].iter().filter(|status| **status == 200).count(), 2);
    assert_eq!(press(&mut one, &[("do", "end-others")]).status, 303);
    assert_eq!([one.whoami(), two.whoami(), three.whoami(), bob.whoami()], [200, 401, 401, 200]);
    let audit = std::fs::read_to_string(gate.postern.home().join("audit.jsonl")).unwrap();
    assert_eq!(audit.matches("\"what\":\"session.end\"").count(), 2);
}

#[test]
fn tokens_are_made_and_revoked() {
    let gate = gate("");
    let mut browser = logged_in(&gate, "lena");
    let shown = press(&mut browser, &[("do", "token"), ("name", "<backup>")]);
    let text = shown.text();
    let token = text.split_once("<code id=\"token\">").unwrap().1.split_once('<').unwrap().0.to_owned();
    assert!(token.starts_with("pst_") && text.contains("&#60;backup&#62;"), "{text}");
    let uses = || gate.send(format!("GET /me/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n")).status;
    assert_eq!(uses(), 200);
    let text = browser.get(ACCOUNT).text();
    assert!(!text.contains(&token));
    let id = ids(&text).remove(1);
    let mut bob = logged_in(&gate, "bob");
    assert_eq!((press(&mut bob, &[("do", "revoke"), ("id", &id)]).status, uses()), (400, 200), "it is not bob's");
    assert_eq!((press(&mut browser, &[("do", "revoke"), ("id", &id)]).status, uses()), (303, 401));
    assert_eq!(press(&mut browser, &[("do", "token"), ("name", " ")]).status, 400);
    let log = format!("{:?}{:?}", gate.postern.stderr(), gate.postern.stdout());
    assert!(!log.contains(&token));
}

#[test]
fn a_provider_is_taken_away_unless_it_is_the_last_way_in() {
    let gate = gate("");
    let bind = |name: &str, subject: &str| {
        gate.postern.cli(&["user", "bind", name, "--issuer", "https://id.example.com", "--subject", subject]);
    };
    bind("lena", "7");
    bind("bob", "8");
    let mut browser = logged_in(&gate, "lena");
    let unlink = |browser: &mut Browser<'_>, subject: &str| {
        press(browser, &[("do", "unlink"), ("issuer", "https://id.example.com"), ("subject", subject)])
    };
    let shown = browser.get(ACCOUNT).text();
    assert!(shown.contains("id.example.com: 7"), "{shown}");
    assert_eq!(unlink(&mut browser, "8").status, 400, "it is bob's");
    assert_eq!(unlink(&mut browser, "7").status, 303);
    assert!(!browser.get(ACCOUNT).text().contains("id.example.com"));
    assert_eq!(gate.postern.query("SELECT count(*) || '' FROM subjects"), "1");
}

#[test]
fn people_say_of_themselves_what_the_directory_lets_them() {
    let gate = gate("");
    let mut browser = logged_in(&gate, "lena");
    let page = browser.get(ACCOUNT).text();
    for name in ["first_name", "last_name", "birth_date", "language", "company", "url", "phone_number"] {
        assert!(page.contains(&format!("<label for=\"{name}\">")), "{name}: {page}");
    }
    for name in ["username", "is_staff", "staff", "is_superuser", "notes", "expiration_date"] {
        assert!(!page.contains(&format!("name=\"{name}\"")), "{name}");
    }
    let fill = |first: &'static str, born: &'static str, language: &'static str| {
        [
            ("do", "profile"),
            ("first_name", first),
            ("last_name", "<Lenz>"),
            ("birth_date", born),
            ("language", language),
            ("is_superuser", "true"),
            ("notes", "x"),
            ("username", "boss"),
        ]
    };
    assert_eq!(press(&mut browser, &fill(" Lena ", "1990-12-31", "de")).status, 303);
    let kept = "SELECT first_name || last_name || birth_date || language || is_superuser || notes FROM users WHERE username = 'lena'";
    assert_eq!(gate.postern.query(kept), "Lena<Lenz>1990-12-31de0");
    // It is written down as hers, as over the API.
    let told = gate.postern.cli(&["user", "history", "lena", "--json", "--limit", "1"]);
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!([&told[0]["what"], &told[0]["via"], &told[0]["by"]], ["user.edit", "api", "lena"], "{told}");
    // What is wrong stands beside its field, and what was typed stays.
    let again = press(&mut browser, &fill("Lena", "31.12.1990", "de"));
    let text = again.text();
    assert_eq!(again.status, 400);
    assert!(
        text.contains("aria-describedby=\"birth_date-problem\"") && text.contains("id=\"birth_date-problem\""),
        "{text}"
    );
    assert!(
        text.contains("value=\"31.12.1990\"") && text.contains("&#60;Lenz&#62;") && !text.contains("<script"),
        "{text}"
    );
    assert_eq!(press(&mut browser, &fill("", "", "de")).status, 303);
    let kept = "SELECT first_name || coalesce(birth_date, 'none') FROM users WHERE username = 'lena'";
    assert_eq!(gate.postern.query(kept), "none");
    let form = [("do", "profile"), ("first_name", "x")];
    assert_eq!(browser.ask("POST", ACCOUNT, Some(&form)).status, 403, "no form of ours");
}

#[test]
fn addresses_are_added_and_removed_and_nobody_believes_them_before_they_are_confirmed() {
    let gate = gate("");
    let mut browser = logged_in(&gate, "lena");
    let add = |browser: &mut Browser<'_>, email: &str| press(browser, &[("do", "add-email"), ("email", email)]);
    assert_eq!(add(&mut browser, "lena@example.org").status, 303);
    let kept = || {
        gate.postern.query("SELECT coalesce(group_concat(email || verified || is_primary), '') FROM email_addresses")
    };
    assert_eq!(kept(), "lena@example.org00");
    let text = add(&mut browser, "lena@@example").text();
    assert!(text.contains("id=\"email-problem\"") && text.contains("value=\"lena@@example\""), "{text}");
    assert_eq!(add(&mut browser, "LENA@example.org").status, 400, "she has it");
    let page = browser.get(ACCOUNT).text();
    assert!(
        page.contains("not confirmed") && !page.contains("Send the link again"),
        "no letters are sent here: {page}"
    );
    let id = gate.postern.query("SELECT id || '' FROM email_addresses");
    let mut bob = logged_in(&gate, "bob");
    for what in ["remove-email", "prefer-email", "confirm-email"] {
        assert_eq!(press(&mut bob, &[("do", what), ("id", &id)]).status, 400, "{what}: it is lena's");
    }
    let refused = press(&mut browser, &[("do", "prefer-email"), ("id", &id)]);
    assert!(refused.status == 400 && refused.text().contains("Show first that this address is yours"));
    gate.postern.sql("UPDATE email_addresses SET verified = 1");
    assert_eq!(press(&mut browser, &[("do", "prefer-email"), ("id", &id)]).status, 303);
    assert_eq!(kept(), "lena@example.org11");
    // By a confirmed one its owner gets a new password.
    for password in ["", "another-word"] {
        let refused = press(&mut browser, &[("do", "remove-email"), ("id", &id), ("password", password)]);
        assert!(refused.status == 400 && refused.text().contains("This is not your password"));
    }
    let word = ("password", "s3cret-word");
    assert_eq!(press(&mut browser, &[("do", "remove-email"), ("id", &id), word]).status, 303);
    assert_eq!(kept(), "");
    for n in 0..10 {
        assert_eq!(add(&mut browser, &format!("l{n}@example.org")).status, 303);
    }
    assert_eq!(add(&mut browser, "one@example.org").status, 400, "enough");
}

#[test]
fn a_phone_number_is_theirs_and_whose_another_is_nobody_learns() {
    let gate = gate("");
    gate.postern.cli(&["user", "edit", "bob", "--phone", "+393665243702"]);
    let mut browser = logged_in(&gate, "lena");
    let kept = || gate.postern.query("SELECT coalesce(phone_number, 'none') FROM users WHERE username = 'lena'");
    let fill = |browser: &mut Browser<'_>, number: &str| press(browser, &[("do", "profile"), ("phone_number", number)]);
    assert!(browser.get(ACCOUNT).text().contains("name=\"phone_number\" type=\"tel\""));
    // As the API: one that some country has, with its code.
    for wrong in ["366 524 3703", "+1", "+39 12", "+999 123 456 789", "<b>"] {
        let refused = fill(&mut browser, wrong);
        assert_eq!((refused.status, kept().as_str()), (400, "none"), "{wrong}");
        assert!(refused.text().contains("id=\"phone_number-problem\">The phone number entered is not valid."));
    }
    assert_eq!((fill(&mut browser, " +39 366 524 3703 ").status, kept().as_str()), (303, "+393665243703"));
    // It logs her in from then on, where that is configured: by default it is.
    let mut by_phone = Browser::of(&gate);
    assert_eq!(by_phone.log_in("+39 366 5243703", "s3cret-word").status, 303);
    // Whose login name is a number is not kept out by somebody who says it is their phone's.
    gate.postern.cli_with(&["user", "create", "+393665243709", "--password-stdin"], "an0ther-word\n");
    assert_eq!(fill(&mut browser, "+393665243709").status, 303);
    let mut owner = Browser::of(&gate);
    assert_eq!(owner.log_in("+393665243709", "an0ther-word").status, 303);
    assert!(owner.get(ACCOUNT).text().contains("<strong>+393665243709</strong>"));
    assert_eq!(fill(&mut browser, "+393665243703").status, 303);
    let taken = fill(&mut browser, "+393665243702");
    assert_eq!((taken.status, kept().as_str()), (400, "+393665243703"));
    let text = taken.text();
    assert!(text.contains("This number cannot be yours here") && !text.contains("bob"), "{text}");
    // Nobody asks through all numbers for those that somebody has; what is not taken goes on.
    let tries = (0..200).take_while(|_| !fill(&mut browser, "+393665243702").text().contains("too many")).count();
    assert!(tries < 100, "{tries}");
    assert_eq!(
        press(&mut browser, &[("do", "profile"), ("phone_number", "+393665243703"), ("company", "x")]).status,
        303
    );
    assert_eq!((fill(&mut browser, "").status, kept().as_str()), (303, "none"));
    // What was imported may stay as it is.
    gate.postern.sql("UPDATE users SET phone_number = '+12345' WHERE username = 'lena'");
    assert_eq!((fill(&mut browser, "+12345").status, kept().as_str()), (303, "+12345"));
}
