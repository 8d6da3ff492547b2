//! What a lookup whose answer is kept adds to a decision. The answer comes from a real service, once.

use super::Work;
use super::fixture::{good, member, organization_id, target};
use http::{HeaderMap, Method};
use postern::clock::monotonic;
use postern::decision::{Caller, Evaluation, Halt, Need, RequestView};
use postern::lookup::{Lookups, Services};
use postern::policy::{Policy, load};
use postern::request_target::Target;
use postern::upstream::{Destinations, HostHeader, Upstream};
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};

/// Tells for each object that it is of the caller's organization 7; on a thread that ends with the program.
fn service() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its number");
    let body = format!(r#"{{"organization":"{}"}}"#, organization_id(7));
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.read(&mut [0; 4096]);
            let length = body.len();
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
        }
    });
    format!("http://{address}")
}

/// The same 100 routes as where the path names the organization, but that the last segment names an object.
fn policy() -> Policy {
    let mut text = String::from(
        "version: 1\nupstream: legacy\nlookups:\n  device: { http: { upstream: legacy, get: \"/device/{1}/\", org: /organization }, \
         args: [path.id], cache: 1h, allow_lint: { cached_lookup: measured } }\n\
         defaults:\n  inject: { X-Postern-User: user.id, X-Postern-Organization: org.id, X-Postern-Role: org.level }\nroutes:\n",
    );
    for n in 0..100 {
        let tail = if n % 2 == 0 { "/**" } else { "/{_:int}/" };
        text.push_str(&format!(
            "  /api/s{}/r{n}/{{id:uuid}}{tail}: {{ org: lookup.device, read: member, write: manager }}\n",
            n % 50
        ));
    }
    load(&[("routes.yaml", text)], None).unwrap_or_else(|findings| panic!("{}", findings.to_lines()))
}

/// Answers of lookups, and what they need.
struct World {
    lookups: Lookups,
    runtime: Runtime,
    _destination: Vec<Arc<postern::upstream::Destination>>,
}

fn world() -> World {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let upstream = Upstream::parse("legacy", &service(), HostHeader::Upstream).expect("a URL");
    let destinations = Destinations::new(runtime.handle().clone());
    let opened = runtime.block_on(destinations.open(&[Arc::new(upstream)])).expect("no TLS");
    let lookups = Lookups::new(Vec::new(), Services::of_a_tool(destinations), runtime.handle().clone());
    World { lookups, runtime, _destination: opened }
}

pub fn remembered() -> Work {
    let (policy, caller, world) = (policy(), member(100), world());
    let target: Target<'static> = good(target(100, organization_id(0)).leak());
    let headers = HeaderMap::new();
    let decide = move |_| {
        let view = RequestView::new(&Method::GET, "api.example.com", &target, &headers);
        let mut evaluation = Evaluation::new(&policy);
        let permit = loop {
            match evaluation.step(&view) {
                Ok(permit) => break permit,
                Err(Halt::Need(Need::Credential(_))) => evaluation.identify(Caller::of(Some(&caller))),
                Err(Halt::Need(Need::Lookups(keys))) => {
                    for key in keys {
                        let found = world.lookups.remembered(&key, monotonic());
                        let found = found.unwrap_or_else(|| world.runtime.block_on(world.lookups.find(&key)));
                        evaluation.learn_object(key, found);
                    }
                }
                Err(halt) => panic!("{halt:?}"),
            }
        };
        black_box(permit);
    };
    // Asked now, and not while it is counted.
    decide(0);
    Box::new(decide)
}
