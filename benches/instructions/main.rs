//! Instructions, not time: `cargo bench --bench instructions`.
//!
//! The bench runs itself under callgrind, which counts the instructions of [`measured`] alone, so a figure is the same on a
//! busy machine and moves only with the code (or the compiler). Each has a budget in [`benches`]; over it, the run fails.
//! Without `--bench` (as in `cargo test --benches`) everything runs once and nothing is counted.
#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod fixture;

use fixture::{BROWSER, CURL, good, member, organization_id, parsed, pass, policy, target};
use http::{HeaderMap, Method};
use postern::decision::RequestView;
use postern::gateway::headers::Stripped;
use postern::net::framing::{Limits, Scanner};
use postern::target::Target;
use std::hint::black_box;
use std::process::{Command, ExitCode};

/// How often each is run, for one count.
const TIMES: usize = 1000;

/// The routes of the policies, each ten times the one before.
const ROUTES: [usize; 4] = [10, 100, 1_000, 10_000];

/// What is run `TIMES` times; the number says how often it ran before.
type Work = Box<dyn FnMut(usize)>;

/// Everything that is measured: name, instructions at most, and what to run. The order is that of the table.
fn benches() -> Vec<(&'static str, u64, Work)> {
    vec![
        ("decide, 10 routes, 100 memberships", 2_000, decide(10)),
        ("decide, 100 routes, 100 memberships", 2_000, decide(100)),
        ("decide, 1,000 routes, 100 memberships", 2_000, decide(1_000)),
        ("decide, 10,000 routes, 100 memberships", 2_000, decide(10_000)),
        ("canonical target, plain", 2_000, canonical("/api/v1/devices/9531985d/config?page=2&ordering=-created")),
        ("canonical target, percent-encoded", 2_000, canonical("/api/v1/devices/caf%C3%A9%20one/config?q=%2Fx")),
        ("framing of a curl GET", 2_000, scan(CURL)),
        ("framing of a browser GET, 15 headers", 4_000, scan(BROWSER)),
        ("stripping a curl GET's headers", 2_000, strip(CURL)),
        ("stripping a browser GET's headers", 4_000, strip(BROWSER)),
    ]
}

/// The only function whose instructions count.
#[inline(never)]
fn measured(work: &mut dyn FnMut(usize), times: usize) {
    for number in 0..times {
        work(black_box(number));
    }
}

fn decide(routes: usize) -> Work {
    let policy = policy(routes).unwrap_or_else(|findings| panic!("{}", findings.to_lines()));
    let caller = member(100);
    let raws: Vec<String> = (0..100).map(|number| target(routes, organization_id(number))).collect();
    let headers = HeaderMap::new();
    Box::new(move |number| {
        // Parsing belongs to another bench, but a target borrows its text.
        let target = good(raws.get(number % raws.len()).map_or("/", String::as_str));
        let view = RequestView { method: &Method::GET, host: "api.example.com", target: &target, headers: &headers };
        black_box(pass(&policy, &view, &caller)).expect("a member reads");
    })
}

fn canonical(raw: &'static str) -> Work {
    Box::new(move |_| drop(black_box(Target::parse(black_box(raw)).expect("a good target"))))
}

fn scan(head: &'static [u8]) -> Work {
    let limits = Limits { head_bytes: 16 << 10, headers: 100 };
    Box::new(move |_| assert_eq!(black_box(Scanner::new(limits)).scan(black_box(head)).accepted, head.len()))
}

fn strip(head: &[u8]) -> Work {
    let policy = policy(10).unwrap_or_else(|findings| panic!("{}", findings.to_lines()));
    let headers = parsed(head).1;
    // Made before anything is counted.
    let mut copies: Vec<HeaderMap> = (0..TIMES).map(|_| headers.clone()).collect();
    Box::new(move |_| {
        let headers = copies.pop().expect("a copy for each time");
        drop(black_box(Stripped::new(headers, |name| policy.strip().contains(name), false)));
    })
}

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().collect();
    if given.iter().any(|arg| arg == "--under-callgrind") {
        for (_, _, mut work) in benches() {
            measured(&mut work, TIMES);
        }
        return ExitCode::SUCCESS;
    }
    if !given.iter().any(|arg| arg == "--bench") {
        for (_, _, mut work) in benches() {
            measured(&mut work, 1);
        }
        return ExitCode::SUCCESS;
    }
    match counts() {
        Ok(counts) => report(&counts),
        Err(problem) => {
            println!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// Runs this program under callgrind, which writes one file each time that [`measured`] returns.
fn counts() -> Result<Vec<u64>, String> {
    let dir = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("instructions");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let valgrind = Command::new("valgrind")
        .args(["-q", "--tool=callgrind", "--toggle-collect=*measured*", "--dump-after=*measured*"])
        .arg(format!("--callgrind-out-file={}", dir.join("out").display()))
        .arg(program)
        .arg("--under-callgrind")
        .output()
        .map_err(|error| format!("valgrind is needed (apt-get install valgrind): {error}"))?;
    if !valgrind.status.success() {
        return Err(String::from_utf8_lossy(&valgrind.stderr).into_owned());
    }
    (1..=benches_len()).map(|number| total(&dir.join(format!("out.{number}")))).collect()
}
