//! Schemathesis, which makes requests of the API's own description, good ones and bad ones, and looks for answers that it does not
//! tell of. `SCHEMATHESIS_EXAMPLES` are more of them than in a hurry, `SCHEMATHESIS_SEED` others.

use super::engines::Site;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is wrong wherever it is found. Not among them: that everything outside of a schema is refused, and nothing else. A name may be
/// taken, a number is taken for a text, and a page of no size is a usual one.
const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
    response_schema_conformance,unsupported_method,allow_header_conformance,use_after_free,ensure_resource_availability,ignored_auth";

/// What ends tokens and users, the one that asks too.
const ENDING: [&str; 4] = ["deleteMeToken", "doMeTokenRotate", "doMeTokenRevoke", "deleteUser"];

/// All that can be there: fields of the installation's own, magic links, pages and sessions, services that ask.
const EVERYTHING: &str = "  token: { throttle: none }
  fields: { team: { choices: [ops, dev] }, seats: { type: number, min: 1, max: 9 }, since: { type: date } }
  session: { secure: false }
  sesame: { key: { file: django.key }, max_age: 5m, query: key }
authzen: on
public_url: https://id.example.com
";

#[test]
fn schemathesis_finds_no_answer_that_the_api_does_not_tell_of_on_sqlite() {
    search(&Site::sqlite_with(EVERYTHING));
}

#[test]
fn schemathesis_finds_no_answer_that_the_api_does_not_tell_of_on_postgresql() {
    search(&Site::postgres_with(EVERYTHING));
}

fn search(site: &Site) {
    let python = python();
    run(&python, site, site.token("su"), "--exclude-operation-id");
    // Who was asking is still somebody, so that more was tried than what nobody may.
    assert_eq!(site.get("su", "me/")["is_superuser"], true);
    site.cli(&["user", "create", "another", "--superuser"], "");
    let token = site.cli(&["token", "create", "another"], "");
    run(&python, site, token.trim(), "--include-operation-id");
}

/// The Python that schemathesis is installed for.
fn python() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/python.sh");
    let made = Command::new("bash").arg(script).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    PathBuf::from(String::from_utf8(made.stdout).unwrap().trim())
}

fn run(python: &Path, site: &Site, token: &str, ending: &str) {
    let said = |name: &str, usual: &str| std::env::var(name).unwrap_or_else(|_| usual.to_owned());
    let (examples, seed) = (said("SCHEMATHESIS_EXAMPLES", "4"), said("SCHEMATHESIS_SEED", "1"));
    let mut command = Command::new(python);
    command.arg(python.with_file_name("schemathesis"));
    command.env("SCHEMATHESIS_HOOKS", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/rest/one_credential.py"));
    command.args(["run", &format!("http://{}/api/v1/docs/openapi.json", site.postern.data)]);
    command.args(["--header", &format!("Authorization: Bearer {token}"), "--checks", CHECKS]);
    command.args(["--phases", "examples,coverage,fuzzing,stateful", "--max-examples", &examples, "--seed", &seed]);
    command.args(["--continue-on-failure", "--no-color", "--no-shrink", "--generation-database", "none"]);
    // Several workers trip over a fault of Python 3.11's own parser.
    command.args(["--workers", "1", "--suppress-health-check", "all", "--warnings", "off"]);
    command.args(ENDING.iter().flat_map(|operation| [ending, *operation]));
    let done = command.current_dir(site.postern.home()).output().unwrap();
    let told = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{told}{}", String::from_utf8_lossy(&done.stderr));
}
