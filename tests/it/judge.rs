//! The verdicts of `postern test` and of a running server, beside those of an independent implementation: `tests/judge/README.md`.

use std::path::Path;
use std::process::Command;

#[test]
fn the_independent_judge_agrees_with_the_tools_and_with_a_running_server() {
    let judge = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judge/run.py");
    let folder = tempfile::tempdir().unwrap();
    let run = Command::new("python3")
        .arg("-B")
        .arg(judge)
        .arg(env!("CARGO_BIN_EXE_postern"))
        .args(["--cases", "10000", "--live", "2000", "--seed", "1", "--keep"])
        .arg(folder.path())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&run.stdout);
    let agreed = told.contains("\n10000 cases, 0 disagreements, 0 policies not taken\n")
        && told.contains("\nlive: 2000 cases, 0 disagreements\n");
    assert!(run.status.success() && agreed, "{told}\n{}", String::from_utf8_lossy(&run.stderr));
}
