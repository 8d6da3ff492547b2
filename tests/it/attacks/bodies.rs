//! Bodies that decide, as attackers send them, over both versions of HTTP: what two readers could read in two ways, what is too much, and
//! what another part of the request says.

use crate::lookups::{Legacy, MISSING, OF_A, OF_B, OF_GONE, SHARED};
use crate::support::h2::{Ask, H2};
use crate::support::{Answer, ORG_A, ORG_B, Who, World, request};

pub(super) const POLICY: &str = r#"
version: 1
defaults: { shared: { read: manager, write: superuser } }
lookups:
  device: { sql: SELECT organization_id FROM device WHERE id = $1, args: [path.id] }
routes:
  /device/: { GET: { level: member, org: user.only }, POST: { level: member, org: body.organization } }
  /each/: { POST: { level: member, org: "body./*/organization" } }
  /of/{org:uuid}/: { POST: { level: member, org: [path.org, "body./*/organization"] } }
  /device/{id:uuid}/: { org: [lookup.device, body.organization optional], read: member, write: member }
  /linked/: { POST: { level: member, org: body.organization, fields: { device: { lookup: device } } } }
"#;

const JSON: &str = "application/json";

/// A gate, and a client of each version.
struct Attack {
    legacy: Legacy,
    h2: H2,
}

impl Attack {
    fn new() -> Self {
        let legacy = Legacy::with(POLICY);
        let h2 = H2::plain(legacy.gate.postern.data);
        Self { legacy, h2 }
    }

    /// The same request over HTTP/1.1 and over HTTP/2.
    fn send(&mut self, who: Who, (method, target): (&str, &str), headers: &[(&str, &str)], body: &[u8]) -> [Answer; 2] {
        let length = body.len().to_string();
        let mut head =
            request(who, method, target, &[headers, &[("Content-Length", length.as_str())][..]].concat(), "");
        head.extend(body);
        let headers = headers.iter().map(|(name, value)| (*name, *value)).collect();
        let ask = Ask { method, target, headers, body, trailers: Vec::new() };
        [self.legacy.gate.send(head), self.h2.ask(who, &ask)]
    }

    fn refused(&mut self, who: Who, request: (&str, &str), headers: &[(&str, &str)], body: &[u8], told: (u16, &str)) {
        let shown = String::from_utf8_lossy(body).chars().take(300).collect::<String>();
        for answer in self.send(who, request, headers, body) {
            assert_eq!((answer.status, answer.code().as_str()), told, "{headers:?} {shown}");
        }
        self.legacy.gate.upstream.assert_untouched(&shown);
    }

    /// What arrives is what was sent, byte for byte.
    fn forwarded(&mut self, who: Who, request: (&str, &str), headers: &[(&str, &str)], body: &[u8]) {
        self.legacy.gate.upstream.forget();
        for answer in self.send(who, request, headers, body) {
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
        let recorded = self.legacy.gate.upstream.recorded();
        assert_eq!(recorded.iter().map(|sent| &*sent.body).collect::<Vec<_>>(), [body, body]);
        self.legacy.gate.upstream.forget();
    }
}

#[test]
pub(super) fn a_key_that_is_there_twice_in_whatever_spelling_is_refused() {
    let mut attack = Attack::new();
    for body in [
        format!(r#"{{"organization":"{ORG_A}","organization":"{ORG_B}"}}"#),
        format!(r#"{{"organization":"{ORG_B}","organization":"{ORG_A}"}}"#),
        format!(r#"{{"organization":"{ORG_A}","o\u0072ganization":"{ORG_B}"}}"#),
        format!(r#"{{"organi\u007aation":"{ORG_A}","organization":"{ORG_B}"}}"#),
        format!(r#"{{"organization":"{ORG_A}","Organization":"{ORG_B}"}}"#),
        format!(r#"{{"organization":"{ORG_A}","organi-zation":"{ORG_B}"}}"#),
        format!(r#"{{"organization":"{ORG_A}","organization[]":"{ORG_B}"}}"#),
        format!(r#"{{"organization":"{ORG_A}","organization\u0000":"{ORG_B}"}}"#),
    ] {
        attack.refused(Who::uA, ("POST", "/device/"), &[("content-type", JSON)], body.as_bytes(), (400, "ambiguous"));
    }
    let escaped = format!(r#"{{"o\u0072ganization":"{ORG_A}"}}"#);
    attack.forwarded(Who::uA, ("POST", "/device/"), &[("content-type", JSON)], escaped.as_bytes());
}

#[test]
pub(super) fn a_type_that_says_something_else_is_never_a_body_without_an_organization() {
    let mut attack = Attack::new();
    let body = format!(r#"{{"organization":"{ORG_A}"}}"#);
    let post = ("POST", "/device/");
    for (content_type, told) in [
        ("application/x-www-form-urlencoded", (403, "shared_denied")),
        ("text/plain", (415, "body_type")),
        ("application/json; charset=utf-16", (415, "body_type")),
        ("application/json, text/plain", (415, "body_type")),
        ("application/xml", (415, "body_type")),
        ("multipart/form-data; boundary=x", (400, "body_invalid")),
        ("multipart/form-data", (400, "body_invalid")),
    ] {
        attack.refused(Who::uA, post, &[("content-type", content_type)], body.as_bytes(), told);
    }
    attack.refused(Who::uA, post, &[], body.as_bytes(), (415, "body_type"));
    attack.refused(
        Who::uA,
        post,
        &[("content-type", JSON), ("content-type", JSON)],
        body.as_bytes(),
        (415, "body_type"),
    );
    let marked = format!("\u{feff}{body}");
    attack.refused(Who::uA, post, &[("content-type", JSON)], marked.as_bytes(), (400, "body_invalid"));
    let wide: Vec<u8> = body.encode_utf16().flat_map(u16::to_le_bytes).collect();
    attack.refused(Who::uA, post, &[("content-type", JSON)], &wide, (400, "body_invalid"));
    for encoding in ["gzip", "br", "identity, gzip", "x-gzip"] {
        let headers = [("content-type", JSON), ("content-encoding", encoding)];
        attack.refused(Who::uA, post, &headers, b"\x1f\x8b\x08\0\0", (415, "body_type"));
    }
}

#[test]
pub(super) fn null_and_what_is_no_name_are_no_organization() {
    let mut attack = Attack::new();
    let (post, json) = (("POST", "/device/"), [("content-type", JSON)]);
    for who in [Who::uA, Who::mA] {
        attack.refused(who, post, &json, br#"{"organization": null}"#, (403, "shared_denied"));
        attack.refused(who, post, &json, b"{}", (403, "shared_denied"));
        attack.refused(who, post, &json, b"", (403, "shared_denied"));
    }
    attack.forwarded(Who::su, post, &json, br#"{"organization": null}"#);
    for value in [
        format!(r#"["{ORG_A}","{ORG_B}"]"#),
        format!(r#"["{ORG_A}"]"#),
        format!(r#"{{"id":"{ORG_A}"}}"#),
        "17".to_owned(),
        "1e308".to_owned(),
        "true".to_owned(),
        "\"\"".to_owned(),
        "\"null\"".to_owned(),
        format!("\"{ORG_A}\\u0000\""),
        format!("\" {ORG_A}\""),
    ] {
        let body = format!(r#"{{"organization": {value}}}"#);
        attack.refused(Who::uA, post, &json, body.as_bytes(), (400, "org_missing"));
    }
}

#[test]
pub(super) fn every_element_of_a_list_is_judged() {
    let mut attack = Attack::new();
    let json = [("content-type", JSON)];
    let list = |organizations: &[&str]| {
        let items: Vec<_> = organizations.iter().map(|id| format!(r#"{{"organization":"{id}"}}"#)).collect();
        format!("[{}]", items.join(", ")).into_bytes()
    };
    let of_a = format!("/of/{ORG_A}/");
    attack.refused(Who::uA, ("POST", &of_a), &json, &list(&[ORG_A, ORG_B]), (400, "ambiguous"));
    attack.refused(Who::su, ("POST", &of_a), &json, &list(&[ORG_B, ORG_B]), (400, "ambiguous"));
    attack.forwarded(Who::uA, ("POST", &of_a), &json, &list(&[ORG_A, ORG_A]));
    attack.refused(Who::uA, ("POST", "/each/"), &json, &list(&[ORG_A, ORG_B]), (403, "org_foreign"));
    let last = list(&[[ORG_A; 2000].as_slice(), &[ORG_B][..]].concat());
    attack.refused(Who::uA, ("POST", "/each/"), &json, &last, (403, "org_foreign"));
    attack.forwarded(Who::uA, ("POST", "/each/"), &json, &list(&[ORG_A; 2000]));
    attack.forwarded(Who::su, ("POST", "/each/"), &json, &list(&[ORG_A, ORG_B]));
    let many: Vec<String> = (0..65).map(|i| format!("00000000-0000-4000-8000-{i:012}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    attack.refused(Who::su, ("POST", "/each/"), &json, &list(&many), (400, "body_invalid"));
}

#[test]
fn what_is_deep_or_large_is_refused_in_bounded_memory() {
    let mut attack = Attack::new();
    let (post, json) = (("POST", "/device/"), [("content-type", JSON)]);
    let before = attack.legacy.gate.postern.memory();
    for deep in ["[".repeat(10_000), "{\"a\":".repeat(10_000), format!("{{\"x\":{}", "[".repeat(500_000))] {
        attack.refused(Who::uA, post, &json, deep.as_bytes(), (400, "body_invalid"));
    }
    let long = format!(r#"{{"organization":"{ORG_A}","x":1e308,"y":[{}]}}"#, "1e308,".repeat(50_000) + "1");
    attack.forwarded(Who::uA, post, &json, long.as_bytes());
    let token = World::get().token(Who::uA).unwrap();
    // 50 MB that are said beforehand; and a gibibyte of chunks that are not.
    let head = format!(
        "POST /device/ HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    );
    attack.legacy.gate.refused(format!("{head}Content-Length: 50000000\r\n\r\n"), 413, "body_too_large");
    let mut raw = attack.legacy.gate.raw();
    raw.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n"));
    let chunk = [b"10000\r\n".as_slice(), &vec![b' '; 0x10000], b"\r\n"].concat();
    let mut sent = 0;
    while sent < 1 << 30 && raw.try_send(&chunk).is_ok() && !raw.anything_within(std::time::Duration::from_millis(1)) {
        sent += chunk.len();
    }
    let answer = raw.answer();
    assert_eq!((answer.status, answer.code().as_str()), (413, "body_too_large"));
    assert!(sent < 64 << 20, "{sent} bytes were taken");
    assert!(attack.legacy.gate.postern.memory() < before + (24 << 20));
    attack.legacy.gate.upstream.assert_untouched("too much");
}

#[test]
pub(super) fn an_object_is_not_moved_into_or_out_of_another_organization() {
    let mut attack = Attack::new();
    let json = [("content-type", JSON)];
    let (own, other) = (format!("/device/{OF_A}/"), format!("/device/{OF_B}/"));
    let to = |id: &str| format!(r#"{{"organization":"{id}"}}"#).into_bytes();
    for method in ["PATCH", "PUT"] {
        attack.refused(Who::mA, (method, &own), &json, &to(ORG_B), (404, "no_route"));
        attack.refused(Who::mA, (method, &other), &json, &to(ORG_A), (404, "no_route"));
        attack.forwarded(Who::mA, (method, &own), &json, &to(ORG_A));
    }
    let multipart = [("content-type", "multipart/form-data; boundary=x")];
    let part = |id: &str| format!("--x\r\nContent-Disposition: form-data; name=\"organization\"\r\n\r\n{id}\r\n");
    let form =
        |parts: &[&str]| format!("{}--x--\r\n", parts.iter().map(|id| part(id)).collect::<String>()).into_bytes();
    attack.forwarded(Who::mA, ("PATCH", &own), &multipart, &form(&[ORG_A]));
    attack.refused(Who::mA, ("PATCH", &own), &multipart, &form(&[ORG_B]), (404, "no_route"));
    attack.refused(Who::mA, ("PATCH", &own), &multipart, &form(&[ORG_A, ORG_B]), (400, "ambiguous"));
    attack.refused(Who::mA, ("PATCH", &own), &multipart, &form(&[ORG_B, ORG_A]), (400, "ambiguous"));
}

/// Nothing tells an object of somebody else from one that is not there.
#[test]
pub(super) fn an_object_that_is_pointed_at_is_told_like_one_that_is_not_there() {
    let mut attack = Attack::new();
    let json = [("content-type", JSON)];
    let link = |id: &str| format!(r#"{{"organization":"{ORG_A}","device":"{id}"}}"#).into_bytes();
    attack.forwarded(Who::uA, ("POST", "/linked/"), &json, &link(OF_A));
    let mut told = Vec::new();
    for id in [OF_B, SHARED, OF_GONE, MISSING, "x", "' OR 1=1 --", ""] {
        for answer in attack.send(Who::uA, ("POST", "/linked/"), &json, &link(id)) {
            assert_eq!((answer.status, answer.code().as_str()), (403, "field_foreign"), "{id}");
            told.push(answer.text());
        }
    }
    told.dedup();
    assert_eq!(told.len(), 1, "{told:?}");
    attack.legacy.gate.upstream.assert_untouched("objects of others");
}

#[test]
pub(super) fn what_the_end_of_a_body_or_a_get_says_is_not_read() {
    let mut attack = Attack::new();
    let body = format!(r#"{{"organization":"{ORG_B}"}}"#);
    // A GET is judged by what it names otherwise, and its body goes on.
    attack.forwarded(Who::uA, ("GET", "/device/"), &[("content-type", JSON)], body.as_bytes());
    // Trailers and extensions of chunks are no part of a body.
    let token = World::get().token(Who::uA).unwrap();
    let chunked = |organization: &str, named: &str| {
        let body = format!(r#"{{"organization":"{organization}"}}"#);
        format!(
            "POST /device/ HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Transfer-Encoding: chunked\r\nTrailer: organization\r\n\r\n{:x};organization={named}\r\n{body}\r\n0;x={named}\r\n\
             organization: {named}\r\n\r\n",
            body.len()
        )
    };
    let gate = &attack.legacy.gate;
    gate.refused(chunked(ORG_B, ORG_A), 403, "org_foreign");
    let sent = gate.forwarded(chunked(ORG_A, ORG_B));
    assert_eq!(sent.body, format!(r#"{{"organization":"{ORG_A}"}}"#).as_bytes());
    assert!(!String::from_utf8_lossy(&sent.head).contains(ORG_B), "{:?}", sent.head);
    let trailed = Ask { trailers: vec![("organization", ORG_A)], ..Ask::post("/device/", body.as_bytes()) };
    let answer = attack.h2.ask(Who::uA, &trailed.header("content-type", JSON));
    assert_eq!((answer.status, answer.code().as_str()), (403, "org_foreign"));
}
