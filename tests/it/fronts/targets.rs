//! What each front reads in a target, and what it forwards: the table of docs/fronts/README.md, from the fronts themselves.

use super::Asked;
use super::servers::{Front, RUN};
use crate::support::{Raw, Upstream, Who, eventually, request};
use percent_encoding::percent_decode_str;

/// Everything that postern lets any route take.
const POLICY: &str = "
version: 1
upstream: echo
routes:
  /**: { level: public, target: { double_slash: allow, encoded_slash: allow, encoded_backslash: allow, semicolon: allow, double_encoding: allow } }
";

const TARGETS: [&str; 35] = [
    "/a/b",
    "/a/b/",
    "/a/b?",
    "/a/b?c=d",
    "/a/b?c?d",
    "/a/b?c=%2F&d=%3F",
    "/a/b?c=../d",
    "/a/b?c=//d",
    "/caf%C3%A9",
    "/caf%c3%a9",
    "/%61/b",
    "/a%20b",
    "/a%2Bb",
    "/a+b",
    "/a%3Fb",
    "/a%23b",
    "/a!$&'()*,:=@~b",
    "/a.b/c.",
    "/a../b",
    "/.well-known/b",
    "/a//b",
    "/a/b//",
    "/a%2Fb",
    "/a%2fb",
    "/a%5Cb",
    "/a;b/c",
    "/a%3Bb",
    "/a%252Fb",
    "/a%2541b",
    "/a/%2e%2e/b",
    "/a/../b",
    "/a/./b",
    "/a\"b",
    "/a#b",
    "/a%00b",
];

/// Has a front say in a header by which path its rules choose.
fn telling(front: &str, text: &str) -> String {
    let after = |mark: &str, more: &str| {
        assert!(text.contains(mark), "{mark}: {text}");
        text.replacen(mark, &format!("{mark}\n{more}"), 1)
    };
    match front {
        "nginx" => after("listen 80;", "    add_header X-Routed-By \"[$uri]\" always;"),
        "caddy" => after("\troute {", "\t\t@all path_regexp all ^(.*)$\n\t\theader @all X-Routed-By \"[{re.all.1}]\""),
        "haproxy" => after(
            "    bind :80",
            "    http-request set-var(txn.path) path\n    http-after-response set-header X-Routed-By \"[%[var(txn.path)]]\"",
        ),
        _ => after(
            "            virtual_hosts:\n            - name: all",
            "              response_headers_to_add: [ { header: { key: x-routed-by, value: \"[%REQ(:PATH)%]\" } } ]",
        ),
    }
}

/// A target is forwarded as it was judged, and the front's own rules see the path that was judged; or it is refused.
#[test]
fn a_front_forwards_each_target_as_it_was_judged_or_not_at_all() {
    for name in RUN {
        let service = Upstream::echo();
        let asked = Asked::before(service.address(), name, POLICY, "trusted_proxies: [127.0.0.1]\n");
        let front = Front::with(&asked, |text| telling(name, &text));
        let mut passed = Vec::new();
        for target in TARGETS {
            service.forget();
            let answer = Raw::connect(front.address).send(request(Who::nobody, "GET", target, &[], "")).answer();
            if answer.status != 200 {
                assert!(matches!(answer.status, 400 | 404), "{name}: {target}: {answer:?}");
                assert!(service.recorded().is_empty(), "{name}: {target} was refused, and forwarded");
                continue;
            }
            passed.push(target);
            // Caddy writes anew what no URI may hold, before it asks: that is what is judged.
            let expected =
                if name == "caddy" { target.replace('"', "%22").replace('#', "%23") } else { target.to_owned() };
            assert_eq!(service.last().target, expected, "{name}");
            let path = expected.split('?').next().unwrap();
            // A line is written when its answer has ended.
            let is_judged = || {
                let lines = asked.postern.access_lines_now();
                lines.iter().any(|line| line["status"] == 200 && line["path"] == path).then_some(())
            };
            eventually(&format!("{name}: {path} was judged"), is_judged);
            // By these a path is chosen as it came, by the others decoded.
            let read = answer.header("x-routed-by").unwrap_or_else(|| panic!("{name}: {answer:?}"));
            // A header is of bytes.
            let read: Vec<u8> = read.trim_matches(['[', ']']).chars().map(|c| c as u8).collect();
            let read = String::from_utf8_lossy(&read).into_owned();
            let read = if name.starts_with("envoy") { read.split('?').next().unwrap().to_owned() } else { read };
            let judged = percent_decode_str(path).decode_utf8_lossy().into_owned();
            let chosen = if !["nginx", "caddy"].contains(&name) { path } else { &judged };
            assert_eq!(read, chosen, "{name}: {target}");
        }
        // Odd or not, what has one meaning passes.
        assert!(passed.starts_with(&TARGETS[..8]), "{name}: {passed:?}");
        let odd = ["/a//b", "/a%2Fb", "/a%5Cb", "/a;b/c", "/a%252Fb"];
        let taken: Vec<_> = odd.into_iter().filter(|target| passed.contains(target)).collect();
        let expected = match name {
            "nginx" | "caddy" => &odd[2..],
            _ => &odd[..],
        };
        assert_eq!(taken, expected, "{name}: {passed:?}");
    }
}
