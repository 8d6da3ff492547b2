//! What a rule costs that judges the service's answer: the request is let through to the service, its answer read, and the caller judged by it.

use super::Work;
use super::fixture::{good, member, organization_id};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use postern::decision::{AnswerView, Caller, Evaluation, Halt, Need, RequestView};
use postern::policy::{Policy, load};
use postern::request_target::Target;
use std::hint::black_box;

/// Bytes of an object.
const LENGTH: usize = 10 << 10;

/// The same 100 routes as where the path names the organization, but that the answer does.
fn policy() -> Policy {
    let mut text = String::from("version: 1\nroutes:\n");
    for n in 0..100 {
        text.push_str(&format!(
            "  /api/s{}/r{n}/{{_:uuid}}/**: {{ read: {{ level: member, org: response./organization }} }}\n",
            n % 50
        ));
    }
    load(&[("routes.yaml", text)], None).unwrap_or_else(|findings| panic!("{}", findings.to_lines()))
}

/// A device whose configuration is most of it, and that names its organization at the end.
fn object() -> String {
    let setting = |number: usize| {
        format!(
            r#"{{"name":"interface-{number}","type":"ethernet","mtu":1500,"disabled":false,"addresses":[{{"proto":"static","family":"ipv4","address":"10.0.{}.1","mask":24,"gateway":null}}]}}"#,
            number % 256
        )
    };
    let mut interfaces = Vec::new();
    let end = format!(r#"],"organization":"{}"}}"#, organization_id(7));
    let begin = r#"{"id":"9531985d-41c9-4ff8-a4a1-4a6e4be0b6d1","name":"router","interfaces":["#;
    while begin.len() + end.len() + interfaces.iter().map(|one: &String| one.len() + 1).sum::<usize>() < LENGTH {
        interfaces.push(setting(interfaces.len()));
    }
    format!("{begin}{}{end}", interfaces.join(","))
}

pub fn judged() -> Work {
    let (policy, caller, object) = (policy(), member(100), object());
    let target: Target<'static> = good(format!("/api/s48/r98/{}/devices/7/config", organization_id(0)).leak());
    let headers = HeaderMap::new();
    let mut answered = HeaderMap::new();
    answered.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Box::new(move |_| {
        let view = RequestView::new(&Method::GET, "api.example.com", &target, &headers);
        let mut evaluation = Evaluation::new(&policy);
        match evaluation.step(&view) {
            Err(Halt::Need(Need::Credential(_))) => evaluation.identify(Caller::of(Some(&caller))),
            Err(halt) => panic!("{halt:?}"),
            Ok(_) => panic!("nobody has said who asks"),
        }
        black_box(evaluation.step(&view)).expect("the service may be asked");
        let answer = AnswerView { status: StatusCode::OK, headers: &answered, body: object.as_bytes() };
        black_box(evaluation.step(&RequestView { answer: Some(answer), ..view })).expect("a member's object");
    })
}
