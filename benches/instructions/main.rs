//! Instructions, not time: `cargo bench --bench instructions`.
//!
//! The bench runs itself under callgrind, which counts the instructions of [`measured`] alone, so a figure is the same on a
//! busy machine and moves only with the code (or the compiler). Each has a budget in [`BENCHES`]; over it, the run fails.
//! Without `--bench` (as in `cargo test --benches`) everything runs once and nothing is counted.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod answers;
mod credentials;
mod fixture;
mod fronts;
mod lists;
mod lookups;
mod messages;
mod tools;

use fixture::{BROWSER, CURL, good, member, organization_id, parsed, pass, policy, target};
use http::{HeaderMap, Method};
use postern::decision::RequestView;
use postern::gateway::headers::{Passing, Stripped};
use postern::net::framing::{Limits, Scanner};
use postern::request_target::Target;
use postern::upstream::h1::HeadWriter;
use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode};

/// As in the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How often each is run, for one count.
const TIMES: usize = 1000;

/// The routes of the policies, each ten times the one before.
const ROUTES: [usize; 4] = [10, 100, 1_000, 10_000];

/// What is run `TIMES` times; the number says how often it ran before.
type Work = Box<dyn FnMut(usize)>;

/// A name, instructions at most, and what to run.
type Bench = (&'static str, u64, fn() -> Work);

/// The same with how often it is run for one count, and of how many things that is.
type Counted = (&'static str, u64, usize, u64, fn() -> Work);

/// Everything that is measured: name, instructions at most, and what to run. First `decide`, in the order of [`ROUTES`].
const BENCHES: [Bench; 18] = [
    ("decide, 10 routes, 100 memberships", 4_500, || decide(ROUTES[0])),
    ("decide, 100 routes, 100 memberships", 4_500, || decide(ROUTES[1])),
    ("decide, 1,000 routes, 100 memberships", 4_500, || decide(ROUTES[2])),
    ("decide, 10,000 routes, 100 memberships", 4_500, || decide(ROUTES[3])),
    ("decide by a remembered lookup, 100 routes", 6_900, lookups::remembered),
    ("judge an answer of 10 KiB, 100 routes", 200_000, answers::judged),
    ("canonical target, plain", 600, || canonical("/api/v1/devices/9531985d/config?page=2&ordering=-created")),
    ("canonical target, percent-encoded", 3_800, || canonical("/api/v1/devices/caf%C3%A9%20one/config?q=%2Fx")),
    ("framing of a curl GET", 3_050, || scan(CURL)),
    ("framing of a browser GET, 15 headers", 8_000, || scan(BROWSER)),
    ("stripping a curl GET's headers", 1_350, || strip(CURL)),
    ("stripping a browser GET's headers", 4_900, || strip(BROWSER)),
    ("a WebSocket's message there and back", 8_000, messages::ours),
    ("the same by copy_bidirectional", 8_100, messages::copied),
    ("our part of a GET with an opaque token", 11_000, credentials::opaque),
    ("our part of a GET with a remembered JWT", 13_000, credentials::jwt),
    ("the same to uwsgi, with an opaque token", 15_500, credentials::opaque_to_uwsgi),
    ("verifying an RS256 signature", 310_000, credentials::verify),
];

/// All of them with how often each is run and how many things that is: the pure core's, then the author's tools' and lists, and questions of fronts.
fn all() -> impl Iterator<Item = Counted> {
    let core = BENCHES.into_iter().map(|(name, budget, make)| (name, budget, TIMES, TIMES as u64, make));
    core.chain(
        tools::BENCHES
            .into_iter()
            .chain(lists::BENCHES)
            .map(|(name, budget, things, make)| (name, budget, 1, things, make))
            .chain(fronts::BENCHES),
    )
}

/// callgrind writes what it has counted when this returns, and begins anew.
#[inline(never)]
fn prepared(make: fn() -> Work) -> Work {
    make()
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
    // A target borrows its text, which lives as long as the program, so that reading it is not counted here.
    let targets: Vec<Target<'static>> =
        (0..100).map(|number| good(target(routes, organization_id(number)).leak())).collect();
    let headers = HeaderMap::new();
    Box::new(move |number| {
        let target = &targets[number % targets.len()];
        let view = RequestView::new(&Method::GET, "api.example.com", target, &headers);
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
    let mut buffers: Vec<Vec<u8>> = (0..TIMES).map(|_| Vec::with_capacity(4096)).collect();
    Box::new(move |_| {
        let head = HeadWriter::new(buffers.pop().expect("a buffer for each time"), &Method::GET, "/");
        let host = headers.get(http::header::HOST);
        let stripped = Stripped::put(
            head,
            &headers,
            host,
            &Passing { policy: &policy, kept: &[], authorization: false, whole: false, plain_names: false },
        );
        std::mem::forget(black_box(stripped));
    })
}

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().collect();
    if given.iter().any(|arg| arg == "--under-callgrind") {
        for (_, _, times, _, make) in all() {
            measured(&mut prepared(make), times);
        }
        return ExitCode::SUCCESS;
    }
    if !given.iter().any(|arg| arg == "--bench") {
        for (_, _, _, _, make) in all() {
            measured(&mut prepared(make), 1);
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

/// Runs this program under callgrind, which writes a file each time that [`prepared`] or [`measured`] returns.
fn counts() -> Result<Vec<u64>, String> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("instructions");
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).map_err(|error| format!("{}: {error}", dir.display()))?;
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let run = Command::new("valgrind")
        .args(["-q", "--tool=callgrind", "--dump-after=*::prepared*", "--dump-after=*::measured*"])
        .arg(format!("--callgrind-out-file={}", dir.join("out").display()))
        .arg(program)
        .arg("--under-callgrind")
        .output()
        .map_err(|error| format!("valgrind is needed (apt-get install valgrind): {error}"))?;
    if !run.status.success() {
        return Err(String::from_utf8_lossy(&run.stderr).into_owned());
    }
    all()
        .zip(1..)
        .map(|((_, _, _, things, _), number)| count(&dir.join(format!("out.{}", 2 * number)), things))
        .collect()
}

/// The instructions of one thing of so many, from what callgrind wrote.
fn count(file: &Path, things: u64) -> Result<u64, String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let total = text.lines().find_map(|line| line.strip_prefix("summary: ").or_else(|| line.strip_prefix("totals: ")));
    let total: Option<u64> = total.and_then(|total| total.trim().parse().ok());
    total.map(|total| total / things).ok_or_else(|| format!("{}: no total", file.display()))
}

/// Prints the table; fails where a budget is exceeded, a decision grows faster than the logarithm of the routes, or a WebSocket's message
/// costs more than to copy it.
fn report(counts: &[u64]) -> ExitCode {
    let mut held = true;
    println!("{:44} {:>12} {:>10}", "", "instructions", "budget");
    for ((name, budget, ..), count) in all().zip(counts) {
        let over = *count > budget;
        held &= !over;
        println!("{name:44} {count:12} {budget:10}{}", if over { "  OVER" } else { "" });
    }
    let first = counts.first().copied().unwrap_or_default();
    // log(100)/log(10) = 2, log(1,000)/log(10) = 3, …
    let slow = ROUTES.iter().zip(counts).zip(1..).find(|((_, count), log)| **count > first * log);
    if let Some(((routes, count), _)) = slow {
        held = false;
        println!("decide grows faster than the logarithm of the routes: {first} for 10 of them, {count} for {routes}");
    }
    if let [.., ours, copied, _, _, _, _] = counts.get(..BENCHES.len()).unwrap_or_default()
        && ours > copied
    {
        held = false;
        println!("a WebSocket's message costs {ours}, more than copying both ways, which costs {copied}");
    }
    if let [.., opaque, jwt, _, _] = counts.get(..BENCHES.len()).unwrap_or_default()
        && *jwt > opaque + opaque / 10
    {
        // Not held yet; the budget above keeps it from growing.
        println!(
            "short: a remembered JWT costs {jwt}, more than a tenth more than an opaque token, which costs {opaque}"
        );
    }
    if let [.., opaque, _, uwsgi, _] = counts.get(..BENCHES.len()).unwrap_or_default()
        && *uwsgi > opaque + opaque / 10
    {
        println!(
            "short: a request to uwsgi costs {uwsgi}, more than a tenth more than one over HTTP/1.1, which costs {opaque}"
        );
    }
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
