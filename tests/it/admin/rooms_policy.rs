//! The policy room: routes, explanations, what was refused, where shadow mode disagrees, the matrix, and another policy.

use super::{browser, gate, printed, send};
use crate::login::browser::field;
use crate::support::{Who, World, eventually, get, post, request};

const EXPLAIN: &str = "/postern/policy/explain/";

#[test]
fn what_is_policy_s_and_operations_is_superusers_alone() {
    let gate = gate();
    let mut ed = browser(&gate, "ed");
    let mut su = browser(&gate, "su");
    for path in ["", "explain/", "refusals/", "shadow/", "matrix/", "candidate/", "route/0/"] {
        let path = format!("/postern/policy/{path}");
        let refused = ed.get(&path);
        assert_eq!(refused.status, 403, "{path}");
        assert!(refused.text().contains("for superusers alone"), "{path}: {}", refused.text());
        assert!(!refused.text().contains("/postern/policy/explain/"), "{path} is not in the navigation");
        let shown = su.get(&path);
        assert_eq!(shown.status, 200, "{path}: {}", shown.text());
        assert!(shown.body.len() < 100 * 1024, "{path}: {}", shown.body.len());
    }
    assert_eq!(ed.get("/postern/operations/").status, 403);
    assert_eq!(ed.ask("POST", "/postern/policy/candidate/", Some(&[("postern_csrf", "x")])).status, 403);
    assert_eq!(ed.ask("POST", "/postern/operations/doctor/", Some(&[("postern_csrf", "x")])).status, 403);
    assert_eq!(su.ask("POST", "/postern/operations/doctor/", Some(&[("postern_csrf", "x")])).status, 403);
}

#[test]
fn routes_are_told_with_their_rules() {
    let gate = gate();
    let mut su = browser(&gate, "su");
    let all = su.get("/postern/policy/").text();
    for word in ["/api/v1/org/{org:slug}/**", "path.org as slug", "manager", "routes.yaml:8", "shadow"] {
        assert!(all.contains(word), "{word}: {all}");
    }
    let found = su.get("/postern/policy/?q=/me").text();
    assert!(found.contains("/me/**") && !found.contains("/public/**"), "{found}");
    let none = su.get("/postern/policy/?q=%3Cb%3E").text();
    assert!(none.contains("No route is like that") && none.contains("&#60;b&#62;"), "{none}");
    let one = su.get("/postern/policy/route/3/").text();
    assert!(one.contains("write: manager") && one.contains("GET, HEAD, OPTIONS, POST"), "{one}");
    assert_eq!(su.get("/postern/policy/route/99/").status, 404);
    assert_eq!(su.get("/postern/policy/route/x/").status, 400);
}

#[test]
fn a_request_is_explained_as_the_command_explains_it() {
    let gate = gate();
    let mut su = browser(&gate, "su");
    for (method, target, user) in [
        ("GET", "/api/v1/org/a/devices", "uA"),
        ("POST", "/api/v1/org/a/devices", "uA"),
        ("GET", "/api/v1/org/b/devices", "uA"),
        ("GET", "/admin/x", "su"),
        ("GET", "/me/x", "anonymous"),
        ("GET", "/nowhere", "anonymous"),
        ("POST", "/trial/x", "uA"),
    ] {
        let typed = if user == "anonymous" { "" } else { user };
        let page = send(&mut su, EXPLAIN, &[("method", method), ("target", target), ("user", typed)]);
        assert_eq!(page.status, 200, "{}", page.text());
        let told = printed(gate.postern.home(), &["explain", method, target, "--as", user, "--json"]);
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        let verdict = &told["verdict"];
        let words = match verdict["allow"].as_bool().unwrap() {
            true => "allow".to_owned(),
            false => format!("{} {}", verdict["status"], verdict["code"].as_str().unwrap()),
        };
        let text = page.text();
        assert!(
            text.contains(&format!("<h2 id=\"verdict\" lang=\"en\">{words}</h2>")),
            "{method} {target}: {words}: {text}"
        );
        for step in told["steps"].as_array().unwrap().iter().filter(|step| step["step"] != "facts") {
            let said = crate::rest::escaped(step["text"].as_str().unwrap());
            assert!(text.contains(&said), "{method} {target}: {said}: {text}");
        }
    }
    for (method, target, more, words) in [
        ("GET", "x", ("host", ""), "begins with a slash"),
        ("G T", "/x", ("host", ""), "one word"),
        ("GET", "/x", ("user", "no-such"), "no such user"),
        ("GET", "/x", ("headers", "x"), "A header is a line"),
        ("GET", "/x", ("client", "here"), "IP address"),
        ("GET", "/x", ("headers", "Authorization: Bearer x"), "leave Authorization and Cookie out"),
        ("GET", "/x", ("headers", "Accept: */*\r\nCookie: x=y"), "leave Authorization and Cookie out"),
    ] {
        let page = send(&mut su, EXPLAIN, &[("method", method), ("target", target), more]);
        assert_eq!(page.status, 400, "{more:?}");
        assert!(page.text().contains(words), "{more:?}: {}", page.text());
    }
    // An address asks nothing, and fills in what is no secret.
    let page =
        su.get(&format!("{EXPLAIN}?method=GET&target=/me/x&user=uA&headers=X-Key:%20hidden-word&body=hidden-word"));
    assert_eq!(page.status, 200);
    assert!(
        page.text().contains("value=\"&#x2f;me&#x2f;x\"") || page.text().contains("value=\"/me/x\""),
        "{}",
        page.text()
    );
    assert!(!page.text().contains("hidden-word") && !page.text().contains("id=\"verdict\""), "{}", page.text());
    let forged = su.ask("POST", EXPLAIN, Some(&[("method", "GET"), ("target", "/x"), ("postern_csrf", "x")]));
    assert_eq!(forged.status, 403);
    // It is only asked what would be.
    gate.upstream.assert_untouched("an explanation");
}

#[test]
fn what_was_refused_is_kept_and_no_secret_with_it() {
    let gate = gate();
    let mut su = browser(&gate, "su");
    let empty = su.get("/postern/policy/refusals/").text();
    let token = World::get().token(Who::uA).unwrap().to_owned();
    assert!(empty.contains("Nothing was refused yet"), "{empty}");
    for _ in 0..3 {
        gate.send(get(Who::uA, "/api/v1/org/b/devices?secret=hidden-word"));
    }
    gate.send(get(Who::nobody, "/me/%3Cscript%3Ealert(1)%3C/script%3E%E2%80%AEgnp"));
    gate.send(get(Who::nobody, &format!("/nowhere/{}", "x".repeat(400))));
    gate.send("GET /me/\"><b>x HTTP/1.1\r\nHost: a\r\n\r\n");
    gate.send("GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n");
    gate.send(format!("GET /me/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}x\r\n\r\n"));
    let page = eventually("refusals are told", || {
        let page = su.get("/postern/policy/refusals/").text();
        page.contains("bad_framing").then_some(page)
    });
    for word in [
        "org_foreign",
        "3 times",
        "/api/v1/org/b/devices",
        "credentials_missing",
        "no_route",
        "credentials_invalid",
        "x…",
    ] {
        assert!(page.contains(word), "{word}: {page}");
    }
    for word in ["hidden-word", "<script", "<b>x", &token, "secret=", "\u{202e}"] {
        assert!(!page.contains(word), "{word}: {page}");
    }
    let place = |word: &str| page.find(word).unwrap();
    assert!(place("bad_framing") < place("org_foreign"), "the newest first: {page}");
    let some = su.get("/postern/policy/refusals/?reason=org_foreign").text();
    assert!(some.contains("/api/v1/org/b/devices") && !some.contains("/nowhere/"), "{some}");
    let none = su.get("/postern/policy/refusals/?reason=%3Cb%3E&route=x").text();
    assert!(none.contains("There is none of these."), "{none}");
    // What is permitted leaves nothing behind.
    gate.forwarded(get(Who::uA, "/me/permitted"));
    assert!(!su.get("/postern/policy/refusals/").text().contains("/me/permitted"));
    // The flood of one is a list that is bounded.
    for at in 0..700 {
        gate.send(get(Who::nobody, &format!("/nowhere/{at}")));
    }
    let flooded = su.get("/postern/policy/refusals/?page=11");
    assert!(flooded.body.len() < 100 * 1024, "{}", flooded.body.len());
    let text = flooded.text();
    let kept = text.split_once("started: the last ").unwrap().1.split(' ').next().unwrap();
    // Each of the two workers keeps 256.
    assert!((256..=512).contains(&kept.parse::<u32>().unwrap()), "{kept}: {text}");
}

#[test]
fn where_shadow_mode_and_the_service_disagree_is_told() {
    let gate = gate();
    let mut su = browser(&gate, "su");
    let empty = su.get("/postern/policy/shadow/").text();
    assert!(empty.contains("agree so far"), "{empty}");
    assert_eq!(gate.send(get(Who::uA, "/trial/served?a=secret-word")).status, 200);
    let page = eventually("a disagreement is told", || {
        let page = su.get("/postern/policy/shadow/").text();
        page.contains("/trial/served").then_some(page)
    });
    assert!(page.contains("would be refused, and was served") && !page.contains("secret-word"), "{page}");
    assert_eq!(gate.send(get(Who::su, "/trial/agreed")).status, 200);
    assert!(!su.get("/postern/policy/shadow/").text().contains("/trial/agreed"));
}

#[test]
fn the_matrix_is_that_of_the_command() {
    let gate = gate();
    let mut su = browser(&gate, "su");
    let page = su.get("/postern/policy/matrix/").text();
    let told: serde_json::Value = serde_json::from_str(&gate.postern.cli(&["matrix", "--json"])).unwrap();
    let rows = told["rows"].as_array().unwrap();
    assert!(rows.len() >= 6 && page.contains(&format!("1 to {} of {}", rows.len(), rows.len())), "{page}");
    for row in rows {
        assert!(page.contains(row["pattern"].as_str().unwrap()), "{row}");
    }
    let passes = rows.iter().flat_map(|row| row["cells"].as_array().unwrap()).filter(|cell| cell["allow"] == true);
    assert_eq!(page.matches("class=\"passes\"").count(), passes.count());
    let some = su.get("/postern/policy/matrix/?q=/me").text();
    assert!(some.contains("/me/**") && !some.contains("/public/**"));
}

#[test]
fn another_policy_is_compared_and_never_applied() {
    let gate = gate();
    let mut su = browser(&gate, "su");
    let page = "/postern/policy/candidate/";
    let wider =
        super::ROUTES.replace("/admin/**: superuser", "/admin/**: public").replace("write: manager", "write: owner");
    let told = send(&mut su, page, &[("text", &wider)]);
    assert_eq!(told.status, 200, "{}", told.text());
    let text = told.text();
    assert!(text.contains("id=\"Wider\"") && text.contains("id=\"Narrower\""), "{text}");
    assert!(text.contains("/admin/**") && text.contains("public_write"), "{text}");
    let same = send(&mut su, page, &[("text", super::ROUTES)]).text();
    assert!(same.contains("0 wider, 0 narrower") && same.contains("cannot be told apart"), "{same}");
    let wrong = send(&mut su, page, &[("text", "version: 1\nroutes:\n  /x: maneger\n")]).text();
    assert!(
        wrong.contains("It cannot be used") && wrong.contains("unknown_level") && wrong.contains("line 3"),
        "{wrong}"
    );
    assert!(wrong.contains("  /x: maneger</pre>") && wrong.contains("did you mean `manager`?"), "{wrong}");
    assert_eq!(send(&mut su, page, &[("text", " ")]).status, 400);
    let hostile = send(&mut su, page, &[("text", "version: 1\nroutes: { '/<script>': public }")]).text();
    assert!(!hostile.contains("<script>"), "{hostile}");
    // A file, as browsers send one.
    let shown = su.get(page).text();
    let csrf = field(&shown, "postern_csrf").unwrap();
    let part = |name: &str, more: &str, text: &str| {
        format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n{text}\r\n")
    };
    let body = part("postern_csrf", "", &csrf)
        + &part("text", "", "")
        + &part("file", "; filename=\"a.yaml\"", &wider)
        + "--XX--\r\n";
    let cookies: Vec<_> = su.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let cookies = cookies.join("; ");
    let headers = [("Cookie", cookies.as_str()), ("Content-Type", "multipart/form-data; boundary=XX")];
    let told = gate.send(request(Who::nobody, "POST", page, &headers, &body));
    assert!(told.text().contains("id=\"Wider\""), "{}", told.text());
    let long = "x".repeat(300 * 1024);
    let body = part("postern_csrf", "", &csrf) + &part("file", "; filename=\"a.yaml\"", &long) + "--XX--\r\n";
    let told = gate.send(request(Who::nobody, "POST", page, &headers, &body));
    assert!(told.status == 400 && told.text().contains("256 KiB"), "{}", told.text());
    // Nothing of it counts.
    assert_eq!(gate.send(post(Who::uA, "/admin/x")).status, 403);
}

#[test]
fn dashboards_and_operations_say_what_is() {
    let gate = gate();
    let mut su = browser(&gate, "su");
    gate.send(get(Who::uA, "/api/v1/org/b/devices"));
    let home = su.get("/postern/");
    let text = home.text();
    assert!(home.body.len() < 100 * 1024, "{}", home.body.len());
    let users: u64 = gate.postern.query("SELECT CAST(count(*) AS TEXT) FROM users").trim().parse().unwrap();
    assert!(text.contains(&format!("<p class=\"figure\">{users}</p>")), "{users}: {text}");
    for word in [
        "<svg class=\"chart\"",
        "Let through and refused",
        "org_foreign",
        "New users as a table",
        "Revocation lag",
        "this replica alone",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(!text.contains("style=") && !text.contains("<script"), "{text}");
    let operations = su.get("/postern/operations/").text();
    for word in [
        "Ready",
        "SQLite, embedded",
        "5 routes",
        "not known: replicas know of each other by Redis",
        "credentials in memory",
    ] {
        assert!(operations.contains(word), "{word}: {operations}");
    }
    let looked = send(&mut su, "/postern/operations/", &[]);
    assert_eq!(looked.status, 405, "the form goes elsewhere");
    let csrf = field(&operations, "postern_csrf").unwrap();
    let looked = su.ask("POST", "/postern/operations/doctor/", Some(&[("postern_csrf", csrf.as_str())]));
    assert_eq!(looked.status, 200, "{}", looked.text());
    let text = looked.text();
    assert!(text.contains("steps are applied") && text.contains("shadow mode"), "{text}");
    let before: u64 = gate.postern.query("SELECT CAST(count(*) AS TEXT) FROM users").trim().parse().unwrap();
    assert_eq!(before, users, "it changes nothing");
    // Staff see where they may go, and no figures of others.
    let ed = browser(&gate, "ed").get("/postern/").text();
    assert!(!ed.contains("figure") && !ed.contains("org_foreign"), "{ed}");
}
