//! Lines of a gate, judged by another policy, with facts of a tests file.

use super::{People, Replay, Verdict};
use crate::decision::{LookupAnswer, LookupFailure, OrgKey};
use crate::facts::{Organization, Snapshot};
use crate::policy::{LookupKey, Policy, load};
use crate::tools::access_log::read;
use crate::tools::ask::Facts;
use crate::tools::suite::read_world;
use crate::tools::world::{World, id_of};
use crate::yaml::Findings;
use std::sync::Arc;
use uuid::Uuid;

struct Known(World);

impl Facts for Known {
    fn organization(&mut self, key: &OrgKey<'_>) -> Option<Arc<Organization>> {
        self.0.organization(key)
    }

    fn object(&mut self, _: &LookupKey) -> LookupAnswer {
        Err(LookupFailure("no line names an object"))
    }
}

impl People for Known {
    fn user(&mut self, id: Uuid) -> Option<Arc<Snapshot>> {
        let name = self.0.users().find(|name| id_of(name) == id)?;
        self.0.user(name).cloned()
    }
}

const WORLD: &str = "given:\n  organizations: { acme: {}, bolt: {} }\n  \
                     users: { ann: { acme: manager }, bob: { acme: member }, root: superuser }\n";

fn policy(routes: &str) -> Policy {
    load(&[("routes.yaml".to_owned(), format!("version: 1\nroutes:\n{routes}"))], None)
        .unwrap_or_else(|e| panic!("{}", e.to_text(false)))
}

fn known() -> Known {
    let mut findings = Findings::new();
    let id = findings.add_source("world.yaml".to_owned(), WORLD.to_owned());
    Known(read_world(id, &mut findings).unwrap())
}

/// `METHOD PATH USER CODE`, as a line of the gate.
fn line(words: &str) -> String {
    let words: Vec<&str> = words.split(' ').collect();
    let [method, path, user, code, more @ ..] = &words[..] else { panic!("{words:?}") };
    let mut line = serde_json::json!({
        "ts": 1.0, "request_id": "r", "client": "10.0.0.1", "method": method, "host": "h", "path": path, "route": "/was", "status": 200,
    });
    if *user != "-" {
        line["user"] = id_of(user).to_string().into();
    }
    if *code != "ok" {
        line["code"] = (*code).into();
    }
    for pair in more {
        let (key, value) = pair.split_once('=').unwrap();
        line[key] = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    }
    line.to_string()
}

/// What becomes of one line: `wider`, `narrower`, `unchanged`, `otherwise`, or why it cannot be told.
fn judged(policy: &Policy, words: &str) -> String {
    let mut replay = Replay::new(policy, 1);
    let mut known = known();
    read(&mut line(words).as_bytes(), |line| replay.add(line, &mut known)).unwrap();
    match (replay.wider(), replay.narrower(), replay.unchanged, replay.otherwise) {
        (1, 0, 0, 0) => "wider".to_owned(),
        (0, 1, 0, 0) => "narrower".to_owned(),
        (0, 0, 1, 0) => "unchanged".to_owned(),
        (0, 0, 0, 1) => "otherwise".to_owned(),
        _ => (*replay.undecidable.keys().next().unwrap()).to_owned(),
    }
}

#[test]
fn what_a_line_shows_is_judged_again() {
    let policy = policy(
        "  /o/{org:slug}/x: { org: path.org as slug, read: member, write: manager }\n  /me: authenticated\n  /open: public\n  \
         /closed: deny\n  /here: { level: authenticated, when: 'client.within(\"10.0.0.0/8\")' }\n  \
         /there: { level: authenticated, when: 'client.within(\"192.0.2.0/24\")' }\n",
    );
    for (words, becomes) in [
        ("GET /o/acme/x bob ok", "unchanged"),
        ("POST /o/acme/x bob ok", "narrower"),
        ("POST /o/acme/x ann org_level_missing", "wider"),
        ("GET /o/bolt/x bob org_level_missing", "otherwise"),
        ("GET /o/bolt/x bob org_foreign", "unchanged"),
        ("GET /o/bolt/x root org_foreign", "wider"),
        ("GET /me bob ok", "unchanged"),
        ("GET /me - credentials_missing", "unchanged"),
        ("GET /me - credentials_invalid", "unchanged"),
        ("GET /open - credentials_missing", "wider"),
        ("GET /open - ok", "unchanged"),
        ("GET /closed root ok", "narrower"),
        ("GET /nowhere bob ok", "narrower"),
        ("GET /nowhere bob no_route", "unchanged"),
        ("GET /here bob condition_false", "wider"),
        ("GET /there bob ok", "narrower"),
        // Let through, and then the service was away.
        ("GET /me bob upstream_timeout", "unchanged"),
        // In shadow mode it is the policy's verdict that counts.
        ("GET /o/acme/x bob ok shadow=org_foreign", "wider"),
        ("POST /o/acme/x bob ok shadow=allow", "narrower"),
    ] {
        assert_eq!(judged(&policy, words), becomes, "{words}");
    }
}

#[test]
fn what_no_line_shows_is_never_told_as_unchanged() {
    let policy = policy(
        "  /me: authenticated\n  /q: { org: query.org as slug, level: member }\n  /h: { org: header.X-Org as slug, level: member }\n  \
         /b: { POST: { org: body.org as slug, level: member } }\n  /l: { GET: { level: member, list: { items: '', org: /org } } }\n  \
         /r: { GET: { org: response./org, level: member } }\n  /c: { level: authenticated, when: 'has(claims.x)' }\n  \
         /w: { level: authenticated, when: 'request.headers[\"x\"] == \"1\"' }\n  /open: public\n",
    );
    for (words, why) in [
        ("GET /q bob ok", "the query"),
        ("GET /q bob org_missing", "the query"),
        ("GET /h bob ok", "a header"),
        ("POST /b bob ok", "a body"),
        ("GET /l bob ok", "the service's answer"),
        ("GET /r bob ok", "the service's answer"),
        ("GET /c bob condition_false", "what the credential says"),
        ("GET /w bob ok", "a header"),
        ("GET /me - ok", "nobody was asked who it is"),
        ("GET /me - no_route", "nobody was asked who it is"),
        ("GET /me eve ok", "a user who is not in the directory"),
        ("GET /me bob ok narrowed=true", "what the credential is good for"),
        ("GET /me bob throttled", "how often somebody came"),
        ("POST /me bob body_too_large", "a body"),
        ("GET /me bob store_unavailable", "it could not be judged then either"),
        ("GET /me bob client_gone", "nobody was answered"),
        ("GET /me bob bad_target", "a head that could not be read"),
        ("GET /open - ambiguous", "what was refused is not in the line"),
    ] {
        assert_eq!(judged(&policy, words), why, "{words}");
    }
    // What is refused before anybody looks at that is as clear as ever.
    assert_eq!(judged(&policy, "GET /q - credentials_missing"), "unchanged");
    assert_eq!(judged(&policy, "PUT /r bob ok"), "narrower");
}

#[test]
fn changes_are_told_by_route_with_counts_and_examples() {
    let policy = policy("  /o/{org:slug}/x: { org: path.org as slug, read: member, write: manager }\n");
    let mut replay = Replay::new(&policy, 2);
    let log: String = ["POST /o/acme/x bob ok"; 5]
        .into_iter()
        .chain(["POST /o/acme/x ann org_level_missing"])
        .map(|words| line(words) + "\n")
        .collect();
    let mut known = known();
    read(&mut log.as_bytes(), |line| replay.add(line, &mut known)).unwrap();
    let text = replay.to_text();
    assert!(text.starts_with("wider: /o/{org:slug}/x org_level_missing -> allow: 1\n"), "{text}");
    assert!(
        text.contains("narrower: /o/{org:slug}/x allow -> org_level_missing: 5\n    POST /o/acme/x -> 200, user "),
        "{text}"
    );
    assert_eq!(text.matches("\n    POST").count(), 3, "{text}");
    let json = replay.to_json();
    assert_eq!((&json["wider_count"], &json["narrower"][0]["count"]), (&1.into(), &5.into()), "{json}");
    assert_eq!(Verdict::Allow.to_string(), "allow");
}
