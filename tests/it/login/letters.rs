//! A real SMTP server, which shows the letters that it has taken.

use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

/// It runs until this is dropped.
pub struct Letters {
    child: Child,
    pub port: u16,
    taken: Receiver<Value>,
}

impl Letters {
    /// With what `tests/python/letters.py` knows.
    pub fn serve(wanted: &Value) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let made = Command::new("bash").arg(root.join("scripts/python.sh")).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut command = Command::new(String::from_utf8(made.stdout).unwrap().trim());
        command.arg(root.join("tests/python/letters.py")).arg(wanted.to_string());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next().expect("a port").unwrap().parse().unwrap();
        let (sender, taken) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _ = sender.send(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, port, taken }
    }

    /// The next letter.
    pub fn next(&self) -> Value {
        self.taken.recv_timeout(crate::support::PATIENCE).expect("a letter")
    }

    /// Whether none comes for a while.
    pub fn is_quiet(&self) -> bool {
        matches!(self.taken.recv_timeout(Duration::from_millis(400)), Err(RecvTimeoutError::Timeout))
    }
}

impl Drop for Letters {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The link in a letter: all of it, the user and the token.
pub fn link(letter: &Value) -> (String, String, String) {
    let text = letter["text"].as_str().unwrap();
    let link = text.split_whitespace().find(|word| word.starts_with("http")).expect("a link");
    let last = link.trim_end_matches('/').rsplit('/').next().unwrap();
    let (user, token) = last.split_once('-').unwrap();
    (link.to_owned(), user.to_owned(), token.to_owned())
}
