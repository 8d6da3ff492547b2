//! What a policy's author waits for: loading, checking, tests, the matrix. And what a condition adds to a decision.

use super::Work;
use super::fixture::{good, member, organization_id, pass, policy, policy_text, target};
use http::{HeaderMap, Method};
use postern::cli::check;
use postern::decision::RequestView;
use postern::policy::load;
use postern::request_target::Target;
use postern::tools::matrix::Matrix;
use postern::tools::suite;
use postern::yaml::Findings;
use std::fmt::Write;
use std::hint::black_box;
use std::sync::Arc;

/// A name, instructions at most for each of so many things, and what does them all at once.
pub type Bench = (&'static str, u64, u64, fn() -> Work);

/// Cases of the tests file.
const CASES: usize = 1000;

/// Everything here.
pub const BENCHES: [Bench; 8] = [
    ("loading 1,000 routes", 110_000_000, 1, || loading(1_000)),
    ("loading 10,000 routes", 1_090_000_000, 1, || loading(10_000)),
    ("checking 1,000 routes", 110_000_000, 1, checking),
    ("reading a case of `test`", 34_000, CASES as u64, reading),
    ("running a case of `test`", 12_900, CASES as u64, running),
    ("matrix, a route of 1,000", 1_200_000, 1_000, matrix),
    ("decide with a `when` of two comparisons", 27_000, 1_000, || {
        when("'request.method != \"DELETE\" && user.is_staff == false'")
    }),
    ("decide with a `when` over ten groups", 95_000, 1_000, || {
        when("'user.groups.exists(g, g.startsWith(\"ops-\")) || request.path.startsWith(\"/api\")'")
    }),
];

fn loading(routes: usize) -> Work {
    let text = policy_text(routes, "");
    Box::new(move |_| drop(black_box(load(&[("routes.yaml", &text)], None)).expect("it loads")))
}

fn checking() -> Work {
    let file = std::env::temp_dir().join(format!("postern-bench-{}.yaml", std::process::id()));
    std::fs::write(&file, policy_text(1_000, "")).expect("a file");
    Box::new(move |_| {
        let report = check::check(std::slice::from_ref(&file), None, false).expect("a report");
        assert_eq!(report.routes, Some(1_000));
        let _ = std::fs::remove_file(&file);
    })
}

/// Members of ten organizations, half of whose requests are foreign.
fn tests() -> String {
    let organizations: String = (0..10).map(|n| format!("    o{n}: {{}}\n")).collect();
    let users: String = (0..10).map(|n| format!("    u{n}: {{ o{n}: member }}\n")).collect();
    let mut text = format!("given:\n  organizations:\n{organizations}  users:\n{users}tests:\n");
    for n in 0..CASES {
        let (user, own, route) = (n % 10, n % 2 == 0, n % 500 * 2);
        let organization = if own { user } else { (user + 1) % 10 };
        let expect = if own { "allow" } else { "403 org_foreign" };
        let target = format!("/api/s{}/r{route}/<o{organization}>/x", route % 50);
        let _ = writeln!(text, "  - {{ as: u{user}, GET: {target}, expect: {expect} }}");
    }
    text
}

fn reading() -> Work {
    let text = tests();
    Box::new(move |_| drop(black_box(read(&text))))
}

fn read(text: &str) -> suite::Suite {
    let mut findings = Findings::new();
    let id = findings.add_source("routes_test.yaml", text);
    suite::read(id, &mut findings).filter(|_| findings.is_empty()).unwrap_or_else(|| panic!("{}", findings.to_lines()))
}

fn running() -> Work {
    let policy = policy(1_000).unwrap_or_else(|findings| panic!("{}", findings.to_lines()));
    let mut suite = Some(read(&tests()));
    Box::new(move |_| {
        let report = suite.take().expect("once").run(&policy);
        assert_eq!((report.outcomes.len(), report.failed()), (CASES, 0));
    })
}

fn matrix() -> Work {
    let policy = policy(1_000).unwrap_or_else(|findings| panic!("{}", findings.to_lines()));
    Box::new(move |_| assert!(black_box(Matrix::of(&policy)).rows.len() >= 1_000))
}

fn when(condition: &str) -> Work {
    let text = policy_text(10, "").replace("defaults:\n", &format!("defaults:\n  when: {condition}\n"));
    let policy = load(&[("routes.yaml", text)], None).unwrap_or_else(|findings| panic!("{}", findings.to_lines()));
    let caller = Arc::into_inner(member(100)).expect("nobody else has it");
    let caller = Arc::new(caller.with_groups((0..10).map(|n| format!("group-{n}").into()).collect()));
    let target: Target<'static> = good(target(10, organization_id(7)).leak());
    let headers = HeaderMap::new();
    Box::new(move |_| {
        for _ in 0..1_000 {
            let view = RequestView::new(&Method::GET, "api.example.com", &target, &headers);
            black_box(pass(&policy, &view, &caller)).expect("a member reads");
        }
    })
}
