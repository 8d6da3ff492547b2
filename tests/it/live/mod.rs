//! `schema: openwisp`: the directory is the database of an OpenWISP installation.

mod django;
mod healing;
mod install;
mod own_tests;
mod passkeys;
mod races;
mod reads;
mod second_factors;
mod sessions;
mod turns;
mod writes;

use crate::support::postgres::{Database, Server, command};
use crate::support::{Answer, Options, Postern, ROUTES, Raw, Upstream, eventually, get_with};
use std::path::Path;
use std::process::{Command, Output};
use tempfile::TempDir;

const SCHEMA: &str = include_str!("../../reference/schema_core.sql");
const SEED: &str = include_str!("../../reference/seed_core_inserts.sql");

/// Django's database, with the people of the reference.
fn django() -> Database {
    let database = Server::shared().database();
    let sql = format!("DROP SCHEMA public CASCADE; CREATE SCHEMA public; {SCHEMA}; {SEED}");
    database.server.sql(&database.name, &sql);
    database
}

/// How its schema is written down.
fn schema_of(database: &Database) -> String {
    let port = database.server.port().to_string();
    let flags = ["-s", "--restrict-key=same", "-h", "127.0.0.1", "-U", "postgres", "-p", &port, &database.name];
    let mut done = command("pg_dump").args(flags).output().unwrap();
    if !done.status.success() {
        // Older ones have no such key, and need none.
        done = command("pg_dump").args(flags.iter().filter(|flag| !flag.contains("restrict"))).output().unwrap();
    }
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// The configuration of a postern on it, and what else is said there.
fn options(database: &Database, more: &str) -> Options {
    let config = format!("schema: openwisp\nidentity: {{ api: all }}\ncompat: openwisp\n{more}");
    let options = Options { world: false, config, ..Options::policy(ROUTES) };
    options.set("database", database.url()).set("cache.max_staleness", "1s")
}

/// `postern` with a configuration, which is prepared in `home`.
fn postern(home: &Path, database: &Database, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_postern"))
        .current_dir(home)
        .env("POSTERN_DATA_DIR", home)
        .env("POSTERN__DATABASE", database.url())
        .args(args)
        .output()
        .unwrap()
}

fn configured(database: &Database, more: &str) -> TempDir {
    Postern::prepare(None, &options(database, more))
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// A postern that serves on it.
struct Live {
    database: Database,
    postern: Postern,
    upstream: Upstream,
}

impl Live {
    fn new() -> Self {
        let (database, upstream) = (django(), Upstream::echo());
        let postern = Postern::start(upstream.address(), &options(&database, ""));
        Self { database, postern, upstream }
    }

    fn sql(&self, sql: &str) {
        self.database.server.sql(&self.database.name, sql);
    }

    fn text(&self, sql: &str) -> String {
        self.database.server.text(&self.database.name, sql)
    }

    /// The command line, beside the one that serves.
    fn cli(&self, args: &[&str]) -> String {
        let done = postern(self.postern.home(), &self.database, args);
        assert!(done.status.success(), "{args:?}: {}", text(&done));
        String::from_utf8(done.stdout).unwrap()
    }

    fn refused(&self, args: &[&str]) -> String {
        let done = postern(self.postern.home(), &self.database, args);
        assert!(!done.status.success(), "{args:?}: {}", text(&done));
        text(&done)
    }

    fn get(&self, token: &str, target: &str) -> Answer {
        self.send(get_with(token, target))
    }

    fn send(&self, bytes: impl AsRef<[u8]>) -> Answer {
        let mut raw: Raw = self.postern.raw();
        raw.send(bytes);
        raw.answer()
    }

    fn soon(&self, token: &str, target: &str, status: u16) {
        eventually(&format!("{target} is {status}"), || (self.get(token, target).status == status).then_some(()));
    }
}

/// The token of one of the reference's people.
fn token_of(live: &Live, username: &str) -> String {
    live.text(&format!(
        "SELECT t.key FROM public.authtoken_token t JOIN public.openwisp_users_user u ON u.id = t.user_id WHERE u.username = '{username}'"
    ))
}
