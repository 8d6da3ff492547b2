//! All of OpenWISP's modules, as they are and without their authorization behind the recipe's policy (`tests/openwisp/guarded.sh`).

use std::path::Path;
use std::process::Command;

/// Requests that a run of the tests takes of all there are; `OPENWISP_ALL=1` takes them all.
const SAMPLE: &str = "2000";

#[test]
fn without_their_authorization_modules_behind_the_policy_answer_as_they_do_with_it() {
    let mut guarded = Command::new("bash");
    guarded.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openwisp/guarded.sh"));
    if std::env::var_os("OPENWISP_ALL").is_none() {
        guarded.args(["--sample", SAMPLE]);
    }
    let compared = guarded.env("POSTERN_BIN", env!("CARGO_BIN_EXE_postern")).output().unwrap();
    let told = String::from_utf8_lossy(&compared.stdout);
    assert!(compared.status.success(), "{told}{}", String::from_utf8_lossy(&compared.stderr));
    println!("{}", told.lines().last().unwrap_or_default());
    assert!(told.contains("differences explained, 0 not"), "{told}");
}
