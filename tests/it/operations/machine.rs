//! What a machine does to those who run on it: its clock jumps, its disk is full.

use crate::support::{Gate, Who};
use crate::support::{Options, Postern, ROUTES, RedisServer, Upstream, World, command, eventually, get, get_with};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The library that gives a process another time (scripts/test.sh installs it).
fn other_time() -> PathBuf {
    let places = std::fs::read_dir("/usr/lib").unwrap().flatten().map(|place| place.path());
    let mut found = places.map(|place| place.join("faketime/libfaketime.so.1")).filter(|path| path.exists());
    found.next().expect("libfaketime (scripts/test.sh installs it)")
}

/// Hours forward, days back: tokens expire by the clock as it is, and revocations count all the while, by no clock at all.
#[test]
fn a_clock_that_jumps_ends_tokens_in_time_and_holds_no_revocation_back() {
    let redis = RedisServer::start();
    let upstream = Upstream::echo();
    let options = Options::policy(ROUTES).set("redis", format!("redis://127.0.0.1:{}", redis.port));
    let home = Postern::prepare(Some(upstream.address()), &options);
    let clock = home.path().join("clock");
    let jump = |by: &str| {
        // At once, never half.
        std::fs::write(clock.with_extension("new"), by).unwrap();
        std::fs::rename(clock.with_extension("new"), &clock).unwrap();
    };
    jump("+0");
    let run = |args: &[&str]| command(home.path(), args, "").unwrap_or_else(|error| panic!("{args:?}: {error}"));
    let token = run(&["token", "create", "--user", "uA", "--expires-in", "1h"]).trim().to_owned();
    let mut serve = Postern::serve(home.path(), &options);
    serve.env("LD_PRELOAD", other_time()).env("FAKETIME_TIMESTAMP_FILE", &clock).env("FAKETIME_NO_CACHE", "1");
    // Durations are measured by another clock, which jumps on no machine.
    serve.env("DONT_FAKE_MONOTONIC", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let postern = Postern::run(home, &mut serve);
    let ask = |bytes: Vec<u8>| {
        let mut raw = postern.raw();
        raw.send(bytes);
        raw.answer().status
    };
    let (expires, stays) = (|| ask(get_with(&token, "/me/x")), |who| ask(get(who, "/me/x")));
    let revoked = |who: Who, give_back: bool| {
        postern.sql(&format!("UPDATE users SET is_active = 0 WHERE username = '{who:?}'"));
        let start = postern::clock::monotonic();
        eventually("it counts", || (stays(who) == 401).then_some(()));
        assert!(start.elapsed().as_secs() < 2, "{:?}", start.elapsed());
        if give_back {
            postern.sql(&format!("UPDATE users SET is_active = 1 WHERE username = '{who:?}'"));
            eventually("it counts", || (stays(who) == 200).then_some(()));
        }
    };
    assert_eq!((expires(), stays(Who::uB)), (200, 200));
    jump("+2h");
    eventually("the token has expired, remembered or not", || (expires() == 401).then_some(()));
    assert_eq!(stays(Who::uB), 200);
    revoked(Who::uB, true);
    jump("-3d");
    eventually("by this clock it has not", || (expires() == 200).then_some(()));
    revoked(Who::uB, true);
    let age = postern.metric("postern_cache_proof_age_seconds");
    assert!((0.0..2.0).contains(&age), "{age}");
    jump("+400d");
    eventually("expired again", || (expires() == 401).then_some(()));
    assert_eq!(stays(Who::both), 200, "cold, with whatever Redis still has");
    revoked(Who::both, false);
    assert_eq!(postern.admin("/readyz").status, 200);
}

/// Runs a postern command that may write files of so many KiB, as on a disk that has no more room.
fn crowded(home: &Path, kib: u64, args: &[&str]) -> Command {
    let mut command = Command::new("sh");
    // Units of 512 bytes. Who ignores the signal is told by an error, as by a full disk.
    let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"", kib * 2);
    command.args(["-c", &script, env!("CARGO_BIN_EXE_postern")]).args(args);
    command.current_dir(home).env("POSTERN_DATA_DIR", home).stdin(Stdio::null());
    command
}

fn kib(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len() / 1024)
}

#[test]
fn a_disk_without_room_loses_nothing_and_keeps_nobody_from_being_served() {
    let gate = Gate::new();
    gate.forwarded(get(Who::uA, "/me/x"));
    let home = gate.postern.home();
    let people = || gate.postern.cli(&["user", "list"]).lines().count();
    let (before, size) = (people(), kib(&home.join("postern.db")).max(kib(&home.join("postern.db-wal"))));
    let crowd: String = (0..20_000).map(|number| format!("{{\"username\":\"crowd-{number}\"}}\n")).collect();
    std::fs::write(home.join("crowd"), crowd).unwrap();
    let output = crowded(home, size + 64, &["user", "create", "--batch", "crowd"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.starts_with("error: ") && (said.contains("disk") || said.contains("full")), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    // All of it or nothing; and the store is whole.
    assert_eq!(people(), before);
    assert_eq!(gate.postern.query("PRAGMA integrity_check"), "ok");
    for who in [Who::uA, Who::mA, Who::both] {
        gate.forwarded(get(who, "/me/x"));
    }
    gate.postern.cli(&["user", "create", "there-is-room-again"]);
    assert_eq!(people(), before + 1);
}

/// A gate that cannot write at all reads, serves and forgets nobody; what would change the store fails, and says so.
#[test]
fn a_gate_on_a_full_disk_serves() {
    let upstream = Upstream::echo();
    let options = Options::policy(ROUTES);
    let home = Postern::prepare(Some(upstream.address()), &options);
    // Its log of writes is made, and may not grow by more than a page.
    command(home.path(), &["user", "list"], "").unwrap();
    let mut limited = crowded(home.path(), 33, &["serve"]);
    limited.env_remove("POSTERN_LOG").stdout(Stdio::piped()).stderr(Stdio::piped());
    let postern = Postern::run(home, &mut limited);
    let ask = |bytes: Vec<u8>| {
        let mut raw = postern.raw();
        raw.send(bytes);
        raw.answer().status
    };
    for who in [Who::uA, Who::mA, Who::oA, Who::uB, Who::both, Who::su] {
        assert_eq!(ask(get(who, "/me/x")), 200, "{who:?}, cold");
        assert_eq!(ask(get(who, "/me/x")), 200, "{who:?}, warm");
    }
    // What others write counts.
    postern.sql("UPDATE users SET is_active = 0 WHERE username = 'uA'");
    eventually("it counts", || (ask(get(Who::uA, "/me/x")) == 401).then_some(()));
    assert!(World::get().token(Who::uA).is_some());
}
