//! Are the tests any good? Puts the faults of cargo-mutants into a copy of the sources, all into one build, and runs the unit tests with one
//! of them on at a time: seconds for each instead of a build. Prints those that no test notices, and exits with 1 if there are any.
//!
//!     cargo run --manifest-path tests/mutants/Cargo.toml -- [--filter TEST]… [--skip TEST]… [--every N] [--then COMMAND] FILE…
//!
//! `--filter` names the tests that are run first, and `--skip` slow ones among them; who survives them meets all unit tests, and then COMMAND, in the copy, with the fault on.
//! `--every 20` takes a twentieth of the faults. Run it in the repository.

// It measures how long tests take, which is no matter of a clock that tests give.
#![allow(clippy::disallowed_methods)]

mod fault;

use anyhow::{Context as _, Result, bail, ensure};
use fault::{Fault, Faults};
use std::collections::HashSet;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use std::{env, fs, thread};

const SWITCH: &str = "\n//! Which fault is on.\npub(crate) fn is(number: u32) -> bool {\n    \
    static ON: std::sync::LazyLock<u32> =\n        std::sync::LazyLock::new(|| std::env::var(\"POSTERN_FAULT\").ok().and_then(|on| on.parse().ok()).unwrap_or(0));\n    \
    *ON == number\n}\n";

#[derive(Default)]
struct Asked {
    filters: Vec<String>,
    skipped: Vec<String>,
    every: u32,
    then: Option<String>,
    files: Vec<String>,
}

fn main() -> Result<()> {
    let asked = asked()?;
    let tree = env::current_dir()?.join("target/mutants");
    // Of its own: cargo takes a build of the copy for one of the repository, faults and all.
    let target = tree.join("target");
    copy(&tree)?;
    let mut left_out = HashSet::new();
    let (tests, faults) = loop {
        let faults = put(&tree, &asked.files, &left_out)?;
        match build(&tree, &target, &asked.files)? {
            Built::Tests(tests) => {
                // A copy, which another build leaves alone.
                let copy = tree.join("unit-tests");
                fs::copy(&tests, &copy)?;
                break (copy, faults);
            }
            Built::Wrong(places) => {
                let wrong = places.iter().map(|(file, line)| nearest(&tree.join(file), *line));
                let wrong = wrong.collect::<Result<Vec<_>>>()?;
                let before = left_out.len();
                left_out.extend(wrong);
                eprintln!("{} faults do not compile", left_out.len());
                ensure!(left_out.len() > before, "the sources do not compile: see above");
            }
        }
    };
    let (tree, tests) = (&tree, &tests);
    // The tests of the rooms first, then all of them.
    let mut rounds = vec![(vec![], Duration::ZERO)];
    if !asked.filters.is_empty() {
        let skipped = asked.skipped.iter().flat_map(|test| ["--skip".to_owned(), test.clone()]);
        rounds.insert(0, (asked.filters.iter().cloned().chain(skipped).collect(), Duration::ZERO));
    }
    for (tests_of, limit) in &mut rounds {
        let began = Instant::now();
        ensure!(!is_noticed(tree, tests, 0, tests_of, Duration::from_secs(600))?, "the tests fail without a fault");
        *limit = began.elapsed() * 3 + Duration::from_secs(5);
    }
    let rounds = &rounds;
    // Whole requests are tried by one after the other, as they have ports and time.
    let requests = Mutex::new(());
    if let Some(command) = asked.then.as_deref() {
        ensure!(!by_command(tree, &target, Some(command), 0)?, "the last command fails without a fault");
    }
    let faults: Vec<_> = faults.into_iter().filter(|fault| fault.number % asked.every == 0).collect();
    eprintln!("{} faults", faults.len());
    let left = Mutex::new(faults.iter());
    let missed = Mutex::new(Vec::new());
    let work = || -> Result<()> {
        loop {
            let next = left.lock().map(|mut left| left.next());
            let Ok(Some(fault)) = next else { return Ok(()) };
            // The file's own are asked before them, which is soon done.
            let module = fault
                .file
                .trim_start_matches("src/")
                .trim_end_matches(".rs")
                .trim_end_matches("/mod")
                .replace('/', "::");
            let usual = rounds.first().map_or(Duration::ZERO, |(_, limit)| *limit);
            let mut noticed = has_tests(tests, &module)? && is_noticed(tree, tests, fault.number, &[module], usual)?;
            for (tests_of, limit) in rounds {
                noticed = noticed || is_noticed(tree, tests, fault.number, tests_of, *limit)?;
            }
            let _turn = if noticed { None } else { requests.lock().ok() };
            if !noticed && !by_command(tree, &target, asked.then.as_deref(), fault.number)? {
                println!("{}:{}: {} (POSTERN_FAULT={})", fault.file, fault.line, fault.what, fault.number);
                missed.lock().map(|mut missed| missed.push(fault)).ok();
            }
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> =
            (0..thread::available_parallelism().map_or(1, usize::from)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|_| bail!("a worker broke off")))
    })?;
    let missed = missed.into_inner().unwrap_or_default();
    report(&faults, &missed);
    ensure!(missed.is_empty(), "{} of {} faults are noticed by no test", missed.len(), faults.len());
    Ok(())
}

fn report(faults: &[Fault], missed: &[&Fault]) {
    let mut rooms: Vec<_> = faults.iter().map(|fault| room(&fault.file)).collect();
    rooms.sort_unstable();
    rooms.dedup();
    for name in rooms {
        let of = |faults: &mut dyn Iterator<Item = &Fault>| faults.filter(|fault| room(&fault.file) == name).count();
        let (all, missed) = (of(&mut faults.iter()), of(&mut missed.iter().copied()));
        eprintln!("{name}: {} of {all} noticed", all - missed);
    }
}

/// The directory of a file.
fn room(file: &str) -> &str {
    file.rsplit_once('/').map_or(file, |(room, _)| room)
}

fn asked() -> Result<Asked> {
    let mut asked = Asked { every: 1, ..Asked::default() };
    let mut words = env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} wants a value"));
        match word.as_str() {
            "--filter" => asked.filters.push(value()?),
            "--skip" => asked.skipped.push(value()?),
            "--every" => asked.every = value()?.parse().context("--every wants a number")?,
            "--then" => asked.then = Some(value()?),
            _ if word.starts_with('-') => bail!("there is no option {word}"),
            _ => asked.files.push(word),
        }
    }
    ensure!(!asked.files.is_empty() && asked.every > 0, "name the files that faults are put into");
    Ok(asked)
}

/// Copies what git knows of to the tree, leaving alone what is there already, so that cargo builds only what changed.
fn copy(tree: &Path) -> Result<()> {
    let listed = Command::new("git").args(["ls-files", "-z"]).output().context("git")?;
    for file in listed.stdout.split(|byte| *byte == 0).filter(|file| !file.is_empty()) {
        let file = str::from_utf8(file)?;
        let to = tree.join(file);
        if let Ok(bytes) = fs::read(file) {
            write(&to, &bytes)?;
        }
    }
    Ok(())
}

fn write(to: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(to).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    if let Some(directory) = to.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(to, bytes).with_context(|| to.display().to_string())
}

fn put(tree: &Path, files: &[String], left_out: &HashSet<u32>) -> Result<Vec<Fault>> {
    let (mut next, mut all) = (1, Vec::new());
    for name in files {
        let mut file =
            syn::parse_file(&fs::read_to_string(name).with_context(|| name.clone())?).with_context(|| name.clone())?;
        let found;
        (next, found) = Faults::new(name, next, left_out).put(&mut file);
        all.extend(found);
        write(&tree.join(name), prettyplease::unparse(&file).as_bytes())?;
    }
    let library = fs::read_to_string("src/lib.rs")?;
    write(&tree.join("src/lib.rs"), format!("#![allow(warnings)]\n{library}\nmod mutant;\n").as_bytes())?;
    write(&tree.join("src/mutant.rs"), SWITCH.trim_start().as_bytes())?;
    Ok(all)
}

enum Built {
    Tests(PathBuf),
    /// Files and lines that do not compile.
    Wrong(Vec<(String, u64)>),
}

fn build(tree: &Path, target: &Path, files: &[String]) -> Result<Built> {
    let mut cargo = Command::new("cargo");
    cargo.args(["test", "--locked", "--lib", "--no-run", "--message-format=json"]).current_dir(tree);
    let output = cargo.env("CARGO_TARGET_DIR", target).stderr(Stdio::inherit()).output().context("cargo")?;
    let (mut tests, mut wrong) = (None, Vec::new());
    for line in output.stdout.lines() {
        let message: serde_json::Value = serde_json::from_str(&line?)?;
        if message["target"]["name"] == "postern"
            && let Some(file) = message["executable"].as_str()
        {
            tests = Some(PathBuf::from(file));
        }
        if message["message"]["level"] == "error" {
            let spans = message["message"]["spans"].as_array().into_iter().flatten();
            let ours = spans.filter(|span| span["is_primary"] == true).filter_map(|span| {
                let file = span["file_name"].as_str().filter(|file| files.iter().any(|ours| ours == file))?;
                Some((file.to_owned(), span["line_start"].as_u64()?))
            });
            wrong.extend(ours);
            if wrong.is_empty() {
                eprintln!("{}", message["message"]["rendered"].as_str().unwrap_or_default());
            }
        }
    }
    match tests {
        Some(tests) if output.status.success() => Ok(Built::Tests(tests)),
        _ => Ok(Built::Wrong(wrong)),
    }
}

/// The number of the fault that stands in a line, or in the last one before it that has one.
fn nearest(file: &Path, line: u64) -> Result<u32> {
    let text = fs::read_to_string(file)?;
    let before: Vec<_> = text.lines().take(usize::try_from(line)?).collect();
    let number = before.iter().rev().find_map(|line| {
        let (_, rest) = line.rsplit_once("mutant::is(")?;
        rest.split("u32").next()?.parse().ok()
    });
    number.with_context(|| format!("{}:{line} does not compile, and has no fault", file.display()))
}

/// Whether a test fails, or they do not end in time.
fn is_noticed(tree: &Path, tests: &Path, fault: u32, filters: &[String], limit: Duration) -> Result<bool> {
    let mut command = Command::new(tests);
    command.args(filters).args(["--test-threads", "2"]).current_dir(tree).env("POSTERN_FAULT", fault.to_string());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().context("the tests")?;
    let output = child.stdout.take().context("no output")?;
    // One that hangs is ended, and with it its output.
    let child = Mutex::new(child);
    let ended = Mutex::new(false);
    let (mut is_noticed, mut is_whole) = (false, false);
    let began = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.lock().is_ok_and(|ended| *ended) {
                if began.elapsed() > limit {
                    child.lock().map(|mut child| child.kill()).ok();
                }
                thread::sleep(Duration::from_millis(20));
            }
        });
        for line in BufReader::new(output).split(b'\n') {
            let Ok(line) = line else { break };
            let line = String::from_utf8_lossy(&line);
            is_noticed = line.ends_with("FAILED") || line.ends_with("failed");
            is_whole |= line.starts_with("test result: ok");
            if is_noticed {
                break;
            }
        }
        ended.lock().map(|mut ended| *ended = true).ok();
    });
    child
        .lock()
        .map(|mut child| {
            child.kill().ok();
            child.wait()
        })
        .ok();
    Ok(is_noticed || !is_whole)
}

fn has_tests(tests: &Path, module: &str) -> Result<bool> {
    let listed = Command::new(tests).args([module, "--list", "--format", "terse"]).output()?;
    Ok(!listed.stdout.is_empty())
}

fn by_command(tree: &Path, target: &Path, command: Option<&str>, fault: u32) -> Result<bool> {
    let Some(command) = command else { return Ok(false) };
    let mut shell = Command::new("sh");
    shell
        .args(["-c", command])
        .current_dir(tree)
        .env("POSTERN_FAULT", fault.to_string())
        .env("CARGO_TARGET_DIR", target);
    Ok(!shell.stdout(Stdio::null()).stderr(Stdio::null()).status()?.success())
}
