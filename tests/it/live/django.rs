//! A real Django with openwisp-users on the same database (`tests/openwisp/turns.py`).

use crate::support::postgres::Database;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A Django that does as it is told.
pub struct Django {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Django {
    /// One that has an empty database to itself, made as its migrations make it; and perhaps a cache in the Redis on this port.
    pub fn prepared(database: &Database, cache: Option<u16>) -> Self {
        database.server.sql(&database.name, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
        let mut django = Self::start(&database.url(), cache);
        django.must(json!({ "do": "prepare" }));
        django
    }

    fn start(database: &str, cache: Option<u16>) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let made = Command::new("bash").arg(root.join("scripts/openwisp.sh")).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut command = Command::new(String::from_utf8(made.stdout).unwrap().trim());
        command.arg(root.join("tests/openwisp/turns.py"));
        command.env("OPENWISP_DATABASE", database).env("PYTHONDONTWRITEBYTECODE", "1");
        // Letters and caches are tasks there, and no broker is at hand.
        command.env("CELERY_BROKER_URL", "memory://");
        if let Some(port) = cache {
            command.env("OPENWISP_CACHE", format!("redis://127.0.0.1:{port}/1"));
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, to, from }
    }

    /// What it says to that.
    pub fn ask(&mut self, what: &Value) -> Value {
        writeln!(self.to, "{what}").unwrap();
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{what}: {error}: {line}"))
    }

    /// Does that.
    pub fn must(&mut self, what: Value) {
        let said = self.ask(&what);
        assert_eq!(said, json!({ "done": true }), "{what}");
    }
}

impl Drop for Django {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
