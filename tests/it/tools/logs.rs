//! Access lines of a gate, read back by the tools: reports of shadow mode, and replays; and drafts from a description.

use super::run;
use crate::support::{Gate, Options, Upstream, Who, get, post};

const SHADOW: &str = "version: 1\ndefaults: { mode: shadow, allow_lint: { shadow_mode: tried } }\nroutes:\n  \
    /org/{org:slug}/**: { org: path.org as slug, read: member, write: manager }\n  /me: authenticated\n";

/// The gate's lines so far, as a file in its home.
fn log(gate: &Gate, count: usize) {
    let lines: Vec<String> = gate.postern.access_lines(count).iter().map(ToString::to_string).collect();
    std::fs::write(gate.postern.home().join("access.log"), lines.join("\n") + "\n").unwrap();
}

#[test]
fn a_report_of_a_gate_in_shadow_mode_lists_what_its_service_decides_otherwise() {
    let upstream = Upstream::with(|exchange| {
        exchange.body()?;
        let is_hidden = exchange.request.target.ends_with("/hidden");
        exchange.answer(if is_hidden { "404 Not Found" } else { "200 OK" }, &[], b"x")
    });
    let gate = Gate::before(upstream, &Options::policy(SHADOW));
    for asked in [get(Who::uB, "/org/a/x?token=abc"), get(Who::uB, "/org/a/y"), get(Who::nobody, "/org/a/hidden")] {
        gate.send(asked);
    }
    for asked in
        [get(Who::uA, "/org/a/x"), get(Who::uA, "/org/a/hidden"), post(Who::uA, "/org/a/x"), get(Who::uA, "/nowhere")]
    {
        gate.send(asked);
    }
    log(&gate, 7);
    let (code, out, err) = run(gate.postern.home(), &["shadow", "report", "access.log"]);
    assert_eq!((code, err.as_str()), (1, ""), "{out}");
    assert!(out.starts_with("would be refused, and the service serves it:\n  /org/{org:slug}/** org_foreign: 2\n    GET /org/a/x -> 200, user "), "{out}");
    assert!(out.contains("  /org/{org:slug}/** org_level_missing: 1\n    POST /org/a/x -> 200, "), "{out}");
    assert!(
        out.contains(
            "would pass, and the service refuses it:\n  /org/{org:slug}/** 404: 1\n    GET /org/a/hidden -> 404, "
        ),
        "{out}"
    );
    assert!(out.ends_with("6 requests of routes in shadow mode: 4 disagree, 2 agree, 0 not judged, 0 without a service's word; 1 of other routes; 0 lines that are none\n"), "{out}");
    assert!(!out.contains("abc"), "{out}");
    let (code, out, _) = run(gate.postern.home(), &["shadow", "report", "access.log", "--json", "--examples", "1"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    let first = &json["would_be_refused"][0];
    assert_eq!((code, &first["count"], first["examples"].as_array().map(Vec::len)), (1, &2.into(), Some(1)), "{json}");
    let (code, _, err) = run(gate.postern.home(), &["shadow", "report", "nowhere.log"]);
    assert!(code == 2 && err.contains("cannot read nowhere.log"), "{err}");
}

#[test]
fn a_replay_of_a_gate_s_log_says_what_another_policy_opens_and_closes() {
    let policy = "version: 1\nroutes:\n  /org/{org:slug}/**: { org: path.org as slug, read: member, write: manager }\n  /me: authenticated\n  \
                  /find: { GET: { level: member, org: query.org as slug } }\n";
    let gate = Gate::with(&Options::policy(policy));
    for asked in [
        get(Who::uA, "/org/a/x"),
        get(Who::uB, "/org/a/x"),
        post(Who::uA, "/org/a/x"),
        get(Who::nobody, "/me"),
        get(Who::uA, "/me"),
        get(Who::uA, "/find?org=a"),
        get(Who::uA, "/nowhere"),
    ] {
        gate.send(asked);
    }
    log(&gate, 7);
    let home = gate.postern.home();
    let (code, out, err) = run(home, &["replay", "access.log"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(
        out.starts_with(
            "0 wider, 0 narrower, 0 refused for another reason, 6 unchanged, 1 not decidable from a line\n"
        ),
        "{out}"
    );
    assert!(out.contains("  1: the query\n"), "{out}");

    let new = policy.replace("write: manager", "write: member").replace("/me: authenticated", "/me: superuser");
    std::fs::write(home.join("new.yaml"), new).unwrap();
    let (code, out, _) = run(home, &["replay", "access.log", "--policy", "new.yaml"]);
    assert_eq!(code, 1, "{out}");
    assert!(
        out.contains("wider: /org/{org:slug}/** org_level_missing -> allow: 1\n    POST /org/a/x -> 403, user "),
        "{out}"
    );
    assert!(out.contains("narrower: /me allow -> superuser_only: 1\n"), "{out}");
    let (code, out, _) = run(home, &["replay", "access.log", "--policy", "new.yaml", "--allow-wider", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &json["wider_count"], &json["narrower_count"]), (0, &1.into(), &1.into()), "{json}");

    // Whose token is narrowed has less than their user's right.
    let told = gate.postern.cli(&["token", "create", "--user", "uA", "--org", "a", "--json"]);
    let token = serde_json::from_str::<serde_json::Value>(&told).unwrap()[0]["token"].as_str().map(str::to_owned);
    let token =
        token.or_else(|| Some(serde_json::from_str::<serde_json::Value>(&told).ok()?["token"].as_str()?.to_owned()));
    gate.send(crate::support::get_with(&token.unwrap(), "/me"));
    log(&gate, 8);
    assert_eq!(gate.postern.access_lines(8)[7]["narrowed"], true);
    let (_, out, _) = run(home, &["replay", "access.log"]);
    assert!(out.contains("  1: what the credential is good for\n"), "{out}");
}

/// The one document that is certainly of the real shape: postern's own.
#[test]
fn the_draft_of_postern_s_own_description_loads_and_lets_nobody_pass() {
    let home = tempfile::tempdir().unwrap();
    let policy = "version: 1\nroutes: { /x: public }\n";
    std::fs::write(home.path().join("routes.yaml"), policy).unwrap();
    std::fs::write(home.path().join("postern.yaml"), "policy: [routes.yaml]\nidentity: { api: all }\n").unwrap();
    let (code, document, err) = run(home.path(), &["openapi"]);
    assert_eq!(code, 0, "{err}");
    std::fs::write(home.path().join("openapi.json"), &document).unwrap();
    let (code, draft, err) = run(home.path(), &["learn", "--openapi", "openapi.json"]);
    assert!(code == 0 && err.contains("all closed"), "{err}");
    assert!(draft.contains("# guess: public") && draft.contains("# guess: authenticated"), "{draft}");
    std::fs::write(home.path().join("draft.yaml"), &draft).unwrap();
    let (code, out, _) = run(home.path(), &["check", "draft.yaml"]);
    assert_eq!(code, 0, "{out}");
    let (_, out, _) = run(home.path(), &["matrix", "--policy", "draft.yaml"]);
    assert!(!out.contains("allow"), "{out}");
    let yaml = "openapi: 3.0.0\ninfo: { title: Y, version: '1' }\npaths:\n  /a/{id}:\n    get:\n      deprecated: true\n      responses: { 200: { description: ok } }\n";
    std::fs::write(home.path().join("openapi.yaml"), yaml).unwrap();
    let (code, draft, _) = run(home.path(), &["learn", "--openapi", "openapi.yaml"]);
    assert!(code == 0 && draft.contains("  /a/{id}:\n    # deprecated\n    GET: deny"), "{draft}");
    assert_eq!(run(home.path(), &["learn", "--openapi", "routes.yaml"]).0, 1);
    assert_eq!(run(home.path(), &["learn", "--openapi", "nowhere"]).0, 2);
}
