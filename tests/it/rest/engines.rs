//! The records on each engine: the same gate over the embedded store, and over PostgreSQL.

use crate::support::postgres::{Database, Server};
use crate::support::{Answer, Options, Postern, Raw, Upstream, World, command};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

/// A postern that serves the records, and everybody's tokens.
pub struct Site {
    pub postern: Postern,
    _upstream: Upstream,
    /// Where its records are, where that is PostgreSQL.
    pub database: Option<Database>,
    tokens: BTreeMap<String, String>,
}

/// Runs stories on each engine.
macro_rules! on_each_engine {
    ($($story:ident),* $(,)?) => {
        mod sqlite {
            $(#[test]
            fn $story() {
                super::$story(&crate::rest::engines::Site::sqlite());
            })*
        }
        mod postgres {
            $(#[test]
            fn $story() {
                super::$story(&crate::rest::engines::Site::postgres());
            })*
        }
    };
}
pub(crate) use on_each_engine;

fn options(more: &str) -> Options {
    let mut options = Options::policy(super::ROUTES);
    options.config = format!("identity:\n  api: all\n  passwords: {{ memory: 64KiB, passes: 1 }}\n{more}");
    options
}

impl Site {
    pub fn sqlite() -> Self {
        Self::sqlite_with("")
    }

    /// The same, with more of `identity:`.
    pub fn sqlite_with(more: &str) -> Self {
        let tokens =
            ["mA", "uA", "oA", "uB", "both", "su"].map(|who| (who.to_owned(), World::get().token_of(who).to_owned()));
        Self::start(&options(more), None, tokens.into())
    }

    pub fn postgres() -> Self {
        Self::postgres_with("")
    }

    /// The same, with more of `identity:`.
    pub fn postgres_with(more: &str) -> Self {
        let database = Server::shared().database();
        let (home, url) = (TempDir::new().unwrap(), database.url());
        let tokens = World::fill(|args, input| {
            let args: Vec<&str> = ["--database", &url].into_iter().chain(args.iter().copied()).collect();
            command(home.path(), &args, input).unwrap_or_else(|error| panic!("{args:?}: {error}"))
        });
        let mut options = options(more).set("database", &url);
        options.world = false;
        Self::start(&options, Some(database), tokens)
    }

    fn start(options: &Options, database: Option<Database>, tokens: BTreeMap<String, String>) -> Self {
        let upstream = Upstream::echo();
        let home = Postern::prepare(Some(upstream.address()), options);
        std::fs::write(home.path().join("django.key"), "a-key-that-nobody-guesses").unwrap();
        let mut command = Postern::serve(home.path(), options);
        Self { postern: Postern::run(home, &mut command), _upstream: upstream, database, tokens }
    }

    /// Somebody's token.
    pub fn token(&self, who: &str) -> &str {
        self.tokens.get(who).unwrap_or_else(|| panic!("{who} has no token"))
    }

    /// Runs a command on the same directory, with this on standard input.
    pub fn cli(&self, args: &[&str], input: &str) -> String {
        let url = self.database.as_ref().map(Database::url);
        let place = url.as_ref().map(|url| ["--database", url]);
        let args: Vec<&str> = place.iter().flatten().chain(args).copied().collect();
        self.postern.cli_with(&args, input)
    }

    /// The bytes of somebody's request.
    pub fn request(&self, who: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Vec<u8> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/api/v1/users/{path}") };
        let token = self.token(who);
        let mut text =
            format!("{method} {path} HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {token}\r\n");
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        text.into_bytes()
    }

    pub fn ask(&self, who: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
        let mut raw = self.postern.raw();
        raw.send(self.request(who, method, path, headers, body));
        let answer = raw.answer();
        let target = if path.starts_with('/') { path.to_owned() } else { format!("/api/v1/users/{path}") };
        super::description::of(&self.postern).covers(method, &target, &answer);
        answer
    }

    /// What somebody reads.
    pub fn get(&self, who: &str, path: &str) -> Value {
        let answer = self.ask(who, "GET", path, &[], &Value::Null);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.json()
    }

    /// Sends many requests from many callers at once; what each was answered, in the order of the requests.
    pub fn at_once(&self, requests: Vec<Vec<u8>>) -> Vec<Answer> {
        const CALLERS: usize = 40;
        let next = AtomicUsize::new(0);
        let together = std::sync::Barrier::new(CALLERS);
        let mut answers = std::thread::scope(|scope| {
            let calls: Vec<_> = (0..CALLERS)
                .map(|_| {
                    scope.spawn(|| {
                        let mut raw: Raw = self.postern.raw();
                        let mut answers = Vec::new();
                        together.wait();
                        loop {
                            let number = next.fetch_add(1, Ordering::Relaxed);
                            let Some(request) = requests.get(number) else { return answers };
                            raw.send(request);
                            answers.push((number, raw.answer()));
                        }
                    })
                })
                .collect();
            calls.into_iter().flat_map(|call| call.join().unwrap()).collect::<Vec<_>>()
        });
        answers.sort_by_key(|(number, _)| *number);
        answers.into_iter().map(|(_, answer)| answer).collect()
    }
}
