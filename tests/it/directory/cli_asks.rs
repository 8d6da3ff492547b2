//! What commands ask a person at a terminal: a terminal of `script`, and the real binary on it.

use serde_json::Value;
use std::io::Write;
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(TempDir::new().unwrap());
        for line in [
            "user create ann",
            "user create bob",
            "org create Acme",
            "member add --org acme --user ann --manager",
            "member add --org acme --user bob",
        ] {
            home.script(line, "");
        }
        home
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.0.path()).env("POSTERN_DATA_DIR", self.0.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, mut command: Command, input: &str) -> Output {
        let mut child = command.spawn().unwrap();
        // Who needs no input has closed it, perhaps.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// From a script: nobody is there. Its exit status, and what it says on standard error.
    fn output(&self, line: &str, input: &str) -> (Option<i32>, String) {
        let mut command = self.command(env!("CARGO_BIN_EXE_postern"));
        command.args(line.split_whitespace());
        let output = self.run(command, input);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }

    fn script(&self, line: &str, input: &str) {
        let (code, told) = self.output(line, input);
        assert_eq!(code, Some(0), "{line}: {told}");
    }

    /// By a person, who types this. The exit status, and what the terminal shows.
    fn person(&self, line: &str, types: &str) -> (Option<i32>, String) {
        let mut command = self.command("script");
        command.args(["-q", "-e", "-c", &format!("{} {line}", env!("CARGO_BIN_EXE_postern")), "/dev/null"]);
        let output = self.run(command, types);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn hash(&self, user: &str) -> Option<String> {
        let store = rusqlite::Connection::open(self.0.path().join("postern.db")).unwrap();
        store.query_row("SELECT password FROM users WHERE username = ?1", [user], |row| row.get(0)).unwrap()
    }
}

#[test]
fn a_person_is_told_what_goes_along_and_asked() {
    let home = Home::new();
    home.script("role create editor --org acme --users bob", "");
    let (code, shown) = home.person("org delete acme", "n\n");
    assert!(
        shown.contains("with organization acme go 2 memberships, 1 role")
            && shown.contains("Delete organization acme? [y/N]"),
        "{shown}"
    );
    assert!(code == Some(1) && shown.contains("nothing was deleted"), "{code:?} {shown}");
    // Whoever only presses the key has not said yes.
    assert_eq!(home.person("org delete acme", "\n").0, Some(1));
    home.script("org show acme", "");
    let (code, shown) = home.person("org delete acme", "y\n");
    assert!(code == Some(0) && shown.contains("deleted acme"), "{code:?} {shown}");
    home.script("token create bob", "");
    home.script("group create readers --users bob", "");
    let (code, shown) = home.person("user delete bob", "no\n");
    assert!(code == Some(1) && shown.contains("with user bob go 1 token, 1 group membership"), "{code:?} {shown}");
    assert_eq!(home.person("group delete readers", "n\n").0, Some(1));
    let (code, shown) = home.person("group delete readers --yes", "");
    assert!(code == Some(0) && !shown.contains("[y/N]"), "{code:?} {shown}");
    // Nobody can be asked, and it is told all the same.
    let (code, told) = home.output("user delete bob", "");
    assert!(
        code == Some(0) && told.contains("with user bob go 1 token") && told.contains("deleted user bob"),
        "{code:?} {told}"
    );
}

#[test]
fn a_password_is_asked_for_twice_and_not_shown() {
    let home = Home::new();
    let (code, shown) = home.person("user password ann", "correct-horse\ncorrect-horse\n");
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("Password: ") && shown.contains("Password, again: "), "{shown}");
    let first = home.hash("ann").unwrap();
    let (code, shown) = home.person("user password ann", "correct-horse\ncorrect-house\n");
    assert!(code == Some(1) && shown.contains("the two passwords differ"), "{code:?} {shown}");
    assert_eq!(home.hash("ann").unwrap(), first);
    let (code, shown) = home.person("user create carl --password", "battery-staple\nbattery-staple\n");
    assert!(code == Some(0) && home.hash("carl").is_some(), "{code:?} {shown}");
    // Nobody is there to be asked.
    for line in ["user password ann", "user create dora --password"] {
        let (code, told) = home.output(line, "");
        assert!(code == Some(2) && told.contains("--password-stdin"), "{line}: {code:?} {told}");
    }
    home.script("user create dora --password-stdin", "a-long-password\n");
    assert!(home.hash("dora").is_some());
    // What stands on the command line is no secret any more, and is not repeated.
    for line in [
        "user password ann hunter2-hunter2",
        "user create eve --password hunter2-hunter2",
        "user create eve --password=hunter2-hunter2",
    ] {
        let (code, told) = home.output(line, "");
        assert!(
            code == Some(2) && told.contains("never an argument") && !told.contains("hunter2"),
            "{line}: {code:?} {told}"
        );
    }
}

#[test]
fn errors_are_json_where_results_are() {
    let home = Home::new();
    for (line, code, kind, part) in [
        ("user create ann --json", 3, "exists", "already exists"),
        ("user show nobody --json", 1, "not_found", "no user `nobody`"),
        ("--database mysql://h/d user list --json", 1, "", ""),
        ("user create --json", 2, "usage", "required arguments"),
        ("user frobnicate --json", 2, "usage", "frobnicate"),
        ("user password ann --json", 2, "usage", "--password-stdin"),
        ("user delete ann --json", 1, "refused", "`ann` owns `acme`"),
        ("import openwisp --sql none.sql --json", 1, "failed", "none.sql"),
        ("--database sqlite:none.db user list --json", 1, "failed", "there is no database"),
    ] {
        let (exit, told) = home.output(line, "");
        if kind.is_empty() {
            assert_ne!(exit, Some(0), "{line}: {told}");
            continue;
        }
        let last = told.trim_end().lines().last().unwrap();
        let error: Value = serde_json::from_str(last).unwrap_or_else(|e| panic!("{line}: {e}: {told}"));
        assert_eq!((exit, error["error"]["code"].as_str()), (Some(code), Some(kind)), "{line}: {told}");
        assert!(error["error"]["message"].as_str().unwrap().contains(part), "{line}: {told}");
    }
}
