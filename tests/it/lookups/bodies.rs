//! Organizations that bodies name, through the gate: what was judged is what arrives.

use super::{Legacy, OF_A, OF_B};
use crate::support::postgres::Server;
use crate::support::{Gate, ORG_A, ORG_B, Options, Who, request};

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

/// What a browser sends with a file.
fn form(organization: &str, file: &[u8]) -> Vec<u8> {
    let head = "------WebKitFormBoundary7MA4YWxk\r\nContent-Disposition: form-data; name=";
    let mut body = format!("{head}\"organization\"\r\n\r\n{organization}\r\n{head}\"firmware\"; filename=\"a b;c.bin\"\r\nContent-Type: application/octet-stream\r\n\r\n").into_bytes();
    body.extend(file);
    body.extend(b"\r\n------WebKitFormBoundary7MA4YWxk--\r\n");
    body
}

fn upload(body: &[u8]) -> Vec<u8> {
    let token = crate::support::World::get().token(Who::uA).unwrap();
    let mut request = format!(
        "POST /device/ HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxk\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend(body);
    request
}

#[test]
fn a_form_with_a_file_is_judged_by_its_field_and_goes_on_as_it_came() {
    let legacy = Legacy::with(POLICY);
    let gate = &legacy.gate;
    let file: Vec<u8> = (0..200_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let body = form(ORG_A, &file);
    assert_eq!(gate.forwarded(upload(&body)).body, body);
    gate.refused(upload(&form(ORG_B, &file)), 403, "org_foreign");
    gate.refused(upload(&form("", &file)), 403, "shared_denied");
    gate.refused(upload(&form(ORG_A, &vec![0; 1 << 20])), 413, "body_too_large");
    gate.refused(upload(&body[..body.len() - 6]), 400, "body_invalid");
    let boundary = b"------WebKitFormBoundary7MA4YWxk".len();
    let twice = [&body[..body.len() - 4], &form(ORG_B, b"x")[boundary..]].concat();
    gate.refused(upload(&twice), 400, "ambiguous");
    // A file in which there is another form, in whatever lines.
    for line in ["\r\n", "\n", ""] {
        let inner = [line.as_bytes(), &form(ORG_B, b"x")].concat();
        let answer = gate.send(upload(&form(ORG_A, &inner)));
        assert_eq!(answer.status, 400, "{}", answer.text());
    }
    gate.upstream.assert_untouched("forms in files");
}

/// As many as a body may point at, of one lookup or of two.
#[test]
fn objects_that_a_body_points_at_are_asked_for_by_one_statement_of_each_lookup() {
    let server = Server::own_with("log_statement = 'all'");
    let id = |n: usize| format!("00000000-0000-4000-8000-0000000{n:05}");
    let rows: Vec<_> =
        (0..64).map(|n| format!("('{}', '{}')", id(n), if n % 2 == 0 { ORG_A } else { ORG_B })).collect();
    let tables = format!(
        "CREATE TABLE device (id uuid PRIMARY KEY, organization_id uuid);
         INSERT INTO device VALUES {};
         CREATE TABLE day (day date PRIMARY KEY, organization_id uuid);
         INSERT INTO day VALUES ('2026-01-01', '{ORG_A}'), ('2026-01-02', '{ORG_A}'), ('2026-01-03', '{ORG_B}')",
        rows.join(", ")
    );
    server.sql("postgres", &tables);
    let policy = "version: 1\nlookups:\n  device: { sql: SELECT organization_id FROM device WHERE id = $1, args: [body.device] }\n  \
                  day: { sql: SELECT organization_id FROM day WHERE day = $1, args: [body.day] }\nroutes:\n  \
                  /many/: { POST: { level: member, org: 'body./*/organization', fields: { /*/device: { lookup: device } } } }\n  \
                  /two/: { POST: { level: member, org: body.organization, fields: { devices: { lookup: device }, days: { lookup: day } } } }\n";
    let config = format!("databases: {{ legacy: {{ url: \"{}\" }} }}\n", server.url("postgres"));
    let gate = Gate::with(&Options { config, ..Options::policy(policy) });
    let statements = || {
        let is_one = |line: &&str| ["postern_page", "SELECT * FROM ("].iter().any(|begin| line.contains(begin));
        server.log().lines().filter(|line| line.contains("execute ")).filter(is_one).count()
    };
    let body = |crossed: usize| {
        let element = |n: usize| {
            let organization = if n.is_multiple_of(2) == (n != crossed) { ORG_A } else { ORG_B };
            format!(r#"{{"organization": "{organization}", "device": "{}"}}"#, id(n))
        };
        format!("[{}]", (0..64).map(element).collect::<Vec<_>>().join(", "))
    };
    let post = |target: &str, media_type: &str, body: &str| {
        request(Who::both, "POST", target, &[("Content-Type", media_type)], body)
    };
    let json = |target: &str, body: &str| post(target, "application/json", body);
    gate.forwarded(json("/many/", &body(usize::MAX)));
    assert_eq!(statements(), 1);
    assert_eq!(gate.postern.metric("postern_lookups_total"), 1.0);
    // The element that points at what is another element's organization's is found, wherever it stands.
    for (crossed, asked) in [(0, 2), (31, 3), (63, 4)] {
        gate.refused(json("/many/", &body(crossed)), 403, "field_foreign");
        assert_eq!(statements(), asked);
    }
    // Two lookups are two statements, and one object is asked for as ever.
    let (one, two) = (id(0), id(2));
    let of =
        |devices: &str, days: &str| format!(r#"{{"organization": "{ORG_A}", "devices": {devices}, "days": {days}}}"#);
    gate.forwarded(json("/two/", &of(&format!(r#"["{one}", "{two}"]"#), r#"["2026-01-01", "2026-01-02"]"#)));
    assert_eq!(statements(), 6);
    gate.forwarded(json("/two/", &of(&format!(r#""{one}""#), "[]")));
    assert_eq!(statements(), 7);
    let form = format!("organization={ORG_A}&devices={one}&devices={two}&devices={one}");
    gate.forwarded(post("/two/", "application/x-www-form-urlencoded", &form));
    assert_eq!(statements(), 8);
    gate.refused(json("/two/", &of(&format!(r#"["{one}", "{}"]"#, id(1)), "null")), 403, "field_foreign");
    // What is no value of the column's type is no object, and keeps none of the others from being found.
    for days in
        [r#"["2026-01-01", "never"]"#, r#"["never", "2026-02-30", "2026-01-01"]"#, r#"["2026-01-01", "2026-01-03"]"#]
    {
        gate.refused(json("/two/", &of("[]", days)), 403, "field_foreign");
    }
    server.sql("postgres", "DROP TABLE day");
    gate.refused(json("/two/", &of("[]", r#"["2026-01-01", "2026-01-02"]"#)), 503, "lookup_failed");
}
