//! The tenants and people of the tests, made once by the real commands; every postern gets a copy of the store.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;

/// Organization A's id: tests need to spell it in all ways.
pub const ORG_A: &str = "aaaaaaaa-0000-4000-8000-00000000000a";
/// Organization B's id.
pub const ORG_B: &str = "bbbbbbbb-0000-4000-8000-00000000000b";
/// The disabled organization's id.
pub const ORG_GONE: &str = "dddddddd-0000-4000-8000-00000000000d";

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(non_camel_case_types)]
pub enum Who {
    /// Nobody: no credential at all.
    nobody,
    /// Manager of A.
    mA,
    /// Member of A.
    uA,
    /// Owner of A, and no manager by appointment.
    oA,
    /// Member of B.
    uB,
    /// Member of A and of B.
    both,
    /// Manager of the disabled organization, and of nothing else.
    gone,
    /// Superuser without memberships.
    su,
    /// Inactive, manager of A.
    off,
}

const USERS: &str = r#"
{"username":"mA","email":"ma@a.example","external_id":"legacy-1"}
{"username":"uA"}
{"username":"oA"}
{"username":"uB"}
{"username":"both"}
{"username":"gone"}
{"username":"su","superuser":true}
{"username":"off","active":false}
"#;

const MEMBERS: &str = r#"
{"org":"a","user":"mA","manager":true}
{"org":"a","user":"uA"}
{"org":"a","user":"oA"}
{"org":"b","user":"uB"}
{"org":"a","user":"both"}
{"org":"b","user":"both"}
{"org":"gone","user":"gone","manager":true}
{"org":"a","user":"off","manager":true}
"#;

/// The store's bytes, and everybody's token.
pub struct World {
    store: Vec<u8>,
    tokens: BTreeMap<String, String>,
}

impl World {
    /// The one world of this test run.
    pub fn get() -> &'static Self {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(Self::build)
    }

    fn build() -> Self {
        let home = TempDir::new().unwrap();
        let file = home.path().join("postern.db");
        let run =
            |args: &[&str], input: &str| command(home.path(), args, input).unwrap_or_else(|e| panic!("{args:?}: {e}"));
        let tokens = Self::fill(run);
        Self { store: std::fs::read(file).unwrap(), tokens }
    }

    /// Makes the tenants and people by the commands that `run` runs in some store; everybody's token there.
    pub fn fill(run: impl Fn(&[&str], &str) -> String) -> BTreeMap<String, String> {
        let organizations = format!(
            "{{\"name\":\"A\",\"slug\":\"a\",\"id\":\"{ORG_A}\",\"external_id\":\"A/1\"}}\n\
             {{\"name\":\"B\",\"slug\":\"b\",\"id\":\"{ORG_B}\"}}\n\
             {{\"name\":\"Gone\",\"slug\":\"gone\",\"id\":\"{ORG_GONE}\",\"active\":false}}\n"
        );
        run(&["org", "create", "--batch", "-"], &organizations);
        let users = run(&["user", "create", "--json", "--batch", "-"], USERS);
        run(&["member", "create", "--batch", "-"], MEMBERS);
        run(&["org", "owner", "a", "--user", "oA"], "");
        let users: serde_json::Value = serde_json::from_str(&users).unwrap();
        let wanted: String =
            users.as_array().unwrap().iter().map(|user| format!("{{\"user\":{}}}\n", user["id"])).collect();
        let made = run(&["token", "create", "--json", "--batch", "-"], &wanted);
        let made: serde_json::Value = serde_json::from_str(&made).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        made.as_array().unwrap().iter().map(|token| (text(&token["user"]), text(&token["token"]))).collect()
    }

    /// Puts a copy of the store into a directory.
    pub fn copy_to(&self, directory: &Path) {
        std::fs::write(directory.join("postern.db"), &self.store).unwrap();
    }

    /// Somebody's token; nobody has none.
    pub fn token(&self, who: Who) -> Option<&str> {
        if who == Who::nobody { None } else { Some(self.token_of(&format!("{who:?}"))) }
    }

    /// The token of a username.
    pub fn token_of(&self, username: &str) -> &str {
        self.tokens.get(username).unwrap_or_else(|| panic!("{username} has no token"))
    }
}

/// Runs a postern command on the store in `home`: its standard output, or its standard error where it fails.
pub fn command(home: &Path, args: &[&str], input: &str) -> Result<String, String> {
    let mut child = Command::new(env!("CARGO_BIN_EXE_postern"))
        .args(args)
        .current_dir(home)
        .env("POSTERN_DATA_DIR", home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}
