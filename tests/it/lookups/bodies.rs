//! Organizations that bodies name, through the gate: what was judged is what arrives.

use super::{Legacy, OF_A, OF_B};
use crate::support::{ORG_A, ORG_B, Who, request};

const POLICY: &str = r#"
version: 1
defaults: { shared: { read: manager, write: superuser } }
lookups:
  device: { sql: SELECT organization_id FROM device WHERE id = $1, args: [path.id] }
  copied: { sql: SELECT organization_id FROM device WHERE id = $1, args: [body.copy] }
routes:
  /device/: { POST: { level: member, org: body.organization } }
  /device/{id:uuid}/: { org: [lookup.device, body.organization optional], read: member, write: member }
  /copy/: { POST: { level: member, org: [body.organization, lookup.copied] } }
  /stream/: { POST: member }
"#;

fn sent(method: &str, target: &str, body: &str) -> Vec<u8> {
    request(Who::uA, method, target, &[("Content-Type", "application/json")], body)
}

#[test]
fn a_body_is_judged_and_goes_on_as_it_came() {
    let legacy = Legacy::with(POLICY);
    let gate = &legacy.gate;
    let body = format!("{{ \"organi\\u007aation\":\r\n \"{ORG_A}\", \"x\": [1.50, null]}}\n");
    let recorded = gate.forwarded(sent("POST", "/device/", &body));
    assert_eq!(recorded.body, body.as_bytes());
    let foreign = format!("{{\"organization\": \"{ORG_B}\"}}");
    gate.refused(sent("POST", "/device/", &foreign), 403, "org_foreign");
    let twice = format!("{{\"organization\": \"{ORG_A}\", \"organization\": \"{ORG_B}\"}}");
    gate.refused(sent("POST", "/device/", &twice), 400, "ambiguous");
    gate.refused(sent("POST", "/device/", "{}"), 403, "shared_denied");
    gate.refused(sent("POST", "/device/", "{\"organization\""), 400, "body_invalid");
    // In pieces it is one body too.
    let chunked = format!(
        "POST /device/ HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n10\r\n{{\"organization\":\r\n27\r\n\"{ORG_B}\"}}\r\n0\r\n\r\n",
        crate::support::World::get().token(Who::uA).unwrap()
    );
    gate.refused(chunked, 403, "org_foreign");
    let large = format!("{{\"organization\": \"{ORG_A}\", \"x\": \"{}\"}}", "x".repeat(1 << 20));
    gate.refused(sent("POST", "/device/", &large), 413, "body_too_large");
    gate.forwarded(sent("POST", "/stream/", &large));
}

#[test]
fn an_update_is_judged_by_what_the_object_is_and_what_it_becomes() {
    let legacy = Legacy::with(POLICY);
    let gate = &legacy.gate;
    let (own, other) = (format!("/device/{OF_A}/"), format!("/device/{OF_B}/"));
    let to = |organization: &str| format!("{{\"organization\": \"{organization}\"}}");
    gate.forwarded(sent("PATCH", &own, "{\"name\": \"x\"}"));
    gate.forwarded(sent("PATCH", &own, &to(ORG_A)));
    gate.refused(sent("PATCH", &own, &to(ORG_B)), 404, "no_route");
    gate.refused(sent("PATCH", &other, &to(ORG_A)), 404, "no_route");
    gate.refused(sent("PATCH", &own, "{\"organization\": null}"), 400, "ambiguous");
    gate.forwarded(request(Who::uA, "DELETE", &own, &[], ""));
    let copy = |id: &str| format!("{{\"organization\": \"{ORG_A}\", \"copy\": \"{id}\"}}");
    gate.forwarded(sent("POST", "/copy/", &copy(OF_A)));
    gate.refused(sent("POST", "/copy/", &copy(OF_B)), 404, "no_route");
}
