//! openwisp-users' own API tests, as its package has them, played on postern by `tests/reference`.

use crate::support::postgres::Server;
use std::path::Path;
use std::process::Command;

/// What a script says whose tests pass.
fn play(script: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference").join(script);
    let played = Command::new("bash")
        .arg(path)
        .env("POSTERN_BIN", env!("CARGO_BIN_EXE_postern"))
        .env("BRIDGE_SERVER", format!("postgres://postgres@127.0.0.1:{}", Server::shared().port()))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&played.stdout).into_owned() + &String::from_utf8_lossy(&played.stderr);
    assert!(played.status.success(), "{told}");
    println!("{}", told.lines().last().unwrap_or_default());
    told
}

#[test]
fn openwisp_users_own_tests_pass_with_postern_in_place_of_its_api() {
    let told = play("bridge.sh");
    assert!(told.contains("81 tests pass on postern's answers to 112 requests, 0 fail"), "{told}");
}

#[test]
fn openwisp_users_own_requests_are_answered_as_it_answers_them_and_do_the_same() {
    let told = play("own_tests.sh");
    assert!(told.contains("answers: 100, other answers: 0, effects: 67, other effects: 0"), "{told}");
}
