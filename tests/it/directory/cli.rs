//! The commands on the directory, as a shell or a script uses them.

use crate::support::postgres::{Database as Private, Server};
use clap::Parser;
use postern::cli::output::{Exit, Output};
use postern::cli::{group, member, migrate, org, permission, role, store, token, user};
use postern::config::{Config, Database, Sources};
use postern::directory::token::TokenDigest;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// Runs stories on a shell over each kind of store.
macro_rules! shells {
    ($($story:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $story() {
                super::$story(crate::directory::cli::Shell::new()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $story() {
                super::$story(crate::directory::cli::Shell::shared()).await;
            })*
        }
    };
}
pub(super) use shells;

shells!(
    a_tenant_is_set_up_by_a_script,
    every_verb_of_every_noun_speaks_json,
    the_word_that_matters_may_stand_without_its_flag,
    a_refusal_goes_to_stderr_with_a_hint_and_exits_1,
    what_is_there_already_exits_3_or_is_enough,
    all_mistakes_of_a_batch_are_told_at_once,
    what_is_not_understood_exits_2,
    a_token_s_value_given_for_its_id_is_not_repeated,
    an_edit_clears_with_an_empty_text,
    a_batch_is_one_transaction_and_errors_name_the_line,
    foreign_tokens_are_imported_and_never_printed,
);

#[derive(Parser)]
enum Command {
    User(user::Args),
    Org(org::Args),
    Member(member::Args),
    Group(group::Args),
    Permission(permission::Args),
    Role(role::Args),
    Token(token::Args),
    Migrate(migrate::Args),
}

/// A database, and the commands on it.
pub struct Shell {
    home: TempDir,
    database: Database,
    _shared: Option<Private>,
}

/// What a command said.
#[derive(Debug)]
pub struct Said {
    pub exit: Exit,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// stdout of a command that must succeed, without the line's end.
    pub fn ok(&self) -> &str {
        assert_eq!(self.exit, Exit::Ok, "{self:?}");
        self.out.trim_end()
    }

    /// stderr of a command with a value that is none, which must say nothing on stdout.
    pub fn wrong(&self) -> &str {
        assert_eq!((self.exit, self.out.as_str()), (Exit::Usage, ""), "{self:?}");
        &self.err
    }

    /// stderr of a command that must be refused and say nothing on stdout.
    pub fn refused(&self) -> &str {
        assert_eq!((self.exit, self.out.as_str()), (Exit::No, ""), "{self:?}");
        &self.err
    }
}

#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Page {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Shell {
    /// Over the embedded store, in a directory of its own.
    pub fn new() -> Self {
        let home = TempDir::new().unwrap();
        let database = Database::Sqlite(format!("sqlite://{}", home.path().join("postern.db").display()));
        Self { home, database, _shared: None }
    }

    /// Over a database of the run's PostgreSQL.
    pub fn shared() -> Self {
        let database = Server::shared().database();
        let mut sources = Sources::default();
        sources.flag("--database", "database", Some(database.url()));
        let configured = Config::load(&sources).unwrap().0.database;
        Self { home: TempDir::new().unwrap(), database: configured, _shared: Some(database) }
    }

    /// Where the commands work.
    fn database(&self) -> Database {
        self.database.clone()
    }

    /// A file beside the database.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    }

    /// Runs a command line, its words separated by blanks.
    pub async fn run(&self, line: &str) -> Said {
        self.words(&line.split_whitespace().collect::<Vec<_>>()).await
    }

    pub async fn words(&self, words: &[&str]) -> Said {
        let (out, err) = (Page::default(), Page::default());
        let mut output = Output::new(Box::new(out.clone()), Box::new(err.clone()), false);
        let result = match Command::try_parse_from([&["postern"], words].concat()) {
            Err(usage) => {
                output.note(&usage.to_string());
                Ok(Exit::Usage)
            }
            Ok(Command::Migrate(args)) => migrate::run(&args, &self.database(), &mut output).await,
            Ok(command) => {
                let store = store::open(&self.database()).await.unwrap();
                match command {
                    Command::User(args) => user::run(args, &Config::default(), &store, &mut output).await,
                    Command::Org(args) => org::run(args, &store, &mut output).await,
                    Command::Member(args) => member::run(args, &store, &mut output).await,
                    Command::Group(args) => group::run(args, &store, &mut output).await,
                    Command::Permission(args) => permission::run(args, &store, &mut output).await,
                    Command::Role(args) => role::run(args, &store, &mut output).await,
                    Command::Token(args) => token::run(args, &store, &mut output).await,
                    Command::Migrate(_) => unreachable!(),
                }
            }
        };
        let exit = result.unwrap_or_else(|error| output.failure(&error));
        Said { exit, out: out.text(), err: err.text() }
    }
}

async fn a_tenant_is_set_up_by_a_script(sh: Shell) {
    let ann = sh.run("user create ann --email ann@example.org").await.ok().to_owned();
    sh.run("user create bob --staff").await.ok();
    let acme = sh.words(&["org", "create", "Acme Inc"]).await.ok().to_owned();
    assert_eq!(sh.run("member add --org acme-inc --user ann --manager").await.ok(), "");
    assert_eq!(sh.run(&format!("member create --org {acme} --user bob")).await.err, "bob is member of acme-inc\n");
    let created = sh.run("token create --user ANN@example.org --name ci --expires-in 30d").await;
    let secret = created.ok();
    assert!(secret.starts_with("pst_") && secret.lines().count() == 1);
    assert!(created.err.contains("only this once") && !created.err.contains(secret));

    let shown = sh.run("user show ann --json").await.json();
    assert_eq!(
        (&shown["id"], &shown["email"], &shown["active"]),
        (&json!(ann), &json!("ann@example.org"), &json!(true))
    );
    let members = sh.run("member list --org acme-inc").await;
    assert_eq!(members.ok(), "acme-inc\tann\towner\nacme-inc\tbob\tmember");
    assert_eq!(sh.run("org show acme-inc --json").await.json()["owner"], "ann");
    let tokens = sh.run("token list --user ann --json").await.json();
    assert_eq!(
        (&tokens[0]["name"], &tokens[0]["state"], &tokens[0]["user"]),
        (&json!("ci"), &json!("active"), &json!("ann"))
    );
    assert!(tokens[0].get("token").is_none());

    let opened = store::open(&sh.database()).await.unwrap();
    let found = opened.token_snapshot(&TokenDigest::of(secret)).await.unwrap().unwrap();
    assert_eq!(found.snapshot.user.known_as(), "ann");
}

async fn every_verb_of_every_noun_speaks_json(sh: Shell) {
    let object = |said: Said| {
        assert_eq!(said.exit, Exit::Ok, "{said:?}");
        let value = said.json();
        assert!(value.is_object(), "{value}");
        value
    };
    object(sh.run("user create ann --json").await);
    object(sh.run("user create bob --json").await);
    assert_eq!(object(sh.run("user edit ann --active=false --json").await)["active"], false);
    assert_eq!(object(sh.run("user edit ann --active --staff --json").await)["active"], true);
    assert_eq!(object(sh.run("org create Acme --external-id 7 --json").await)["slug"], "acme");
    assert_eq!(object(sh.run("org edit acme --active=false --slug acme-2 --json").await)["slug"], "acme-2");
    assert_eq!(object(sh.run("member add --org acme-2 --user ann --manager --json").await)["level"], "owner");
    assert_eq!(object(sh.run("member add --org acme-2 --user bob --json").await)["level"], "member");
    assert_eq!(object(sh.run("member edit --org acme-2 --user bob --manager --json").await)["manager"], true);
    assert_eq!(object(sh.run("org owner acme-2 --user bob --json").await)["owner"], "bob");
    object(sh.run("member show --org acme-2 --user ann --json").await);
    object(sh.run("member remove --org acme-2 --user ann --json").await);
    let token = object(sh.run("token create --user ann --json").await);
    let id = token["id"].as_str().unwrap();
    assert!(token["token"].as_str().unwrap().starts_with("pst_"));
    object(sh.run(&format!("token show {id} --json")).await);
    assert_eq!(
        object(sh.run(&format!("token edit {id} --expires-at 2090-01-01T00:00:00Z --json")).await)["expires_at"],
        "2090-01-01T00:00:00Z"
    );
    assert_eq!(
        object(sh.run(&format!("token edit {id} --never-expires --name x --json")).await)["expires_at"],
        Value::Null
    );
    assert_eq!(object(sh.run(&format!("token revoke {id} --json")).await)["state"], "revoked");
    object(sh.run(&format!("token delete {id} --json")).await);
    for (list, count) in [("user", 2), ("org", 1), ("member", 1), ("token", 0)] {
        let listed = sh.run(&format!("{list} list --json")).await.json();
        assert_eq!(listed.as_array().unwrap().len(), count, "{list}");
    }
    object(sh.run("org delete acme-2 --json").await);
    object(sh.run("user delete bob --json").await);
}

async fn the_word_that_matters_may_stand_without_its_flag(sh: Shell) {
    sh.run("user create --username ann").await.ok();
    sh.run("org create --name Acme").await.ok();
    sh.run("member create --organization acme --user ann").await.ok();
    assert!(sh.run("token create ann").await.ok().starts_with("pst_"));
    assert_eq!(sh.run("user create ann --username bob").await.exit, Exit::Usage);
}

async fn a_refusal_goes_to_stderr_with_a_hint_and_exits_1(sh: Shell) {
    sh.run("user create ann").await.ok();
    sh.run("org create Acme").await.ok();
    sh.run("member add --org acme --user ann --manager").await.ok();
    for (line, error, hint) in [
        ("user create a/b", "username is not valid", ""),
        ("user show nobody", "no user `nobody`", "by id, username or e-mail"),
        ("user delete ann", "`ann` owns `acme`", "postern org owner"),
        ("member edit --org acme --user ann --manager=false", "cannot be demoted", "postern org owner acme --user"),
        ("member remove --org acme --user ann", "cannot be removed", "postern org owner acme --user"),
        ("token create --user nobody", "no user `nobody`", "by id"),
        ("token create --user ann --expires-at 2001-01-01T00:00:00Z", "a time to come", ""),
        ("token create --user ann --expires-in soon", "a number and a unit", ""),
    ] {
        let said = sh.run(line).await;
        // A value that is none needs no hint, and is wrong usage.
        let told = if hint.is_empty() { said.wrong() } else { said.refused() };
        assert!(told.starts_with("error: ") && told.contains(error), "{line}: {told}");
        assert_eq!(told.contains("\nhint: "), !hint.is_empty(), "{line}: {told}");
        assert!(told.contains(hint), "{line}: {told}");
    }
}

async fn what_is_there_already_exits_3_or_is_enough(sh: Shell) {
    sh.run("permission create a.b").await.ok();
    for (line, part, kept) in [
        ("user create ann", "a user with this username already exists: `ann`", "ann"),
        ("org create Acme --slug acme", "an organization with this slug already exists: `acme`", "acme"),
        ("member add --org acme --user ann", "`ann` is already a member of `acme`", "ann"),
        ("group create readers --permissions a.b", "a group with this name already exists", "readers"),
        ("role create editor --org acme", "a role with this name in this organization", "editor"),
        ("role create auditor --super", "a super role with this name", "auditor"),
        ("permission create a.c", "this permission already exists", "a.c"),
    ] {
        let made = sh.run(line).await;
        let id = made.ok().to_owned();
        let again = sh.run(line).await;
        assert_eq!((again.exit, again.out.as_str()), (Exit::Exists, ""), "{line}: {again:?}");
        assert!(again.err.starts_with("error: ") && again.err.contains(part), "{line}: {again:?}");
        let enough = sh.run(&format!("{line} --if-absent")).await;
        assert_eq!(enough.ok(), id, "{line}: a script gets the same");
        let shown = sh.run(&format!("{line} --if-absent --json")).await;
        assert!(shown.ok().contains(kept), "{line}: {shown:?}");
    }
    // A name's own slug counts, and nothing of what is there is changed.
    sh.run("org create Acme --if-absent --description changed").await.ok();
    assert_eq!(sh.run("org list").await.ok().lines().count(), 1);
    assert_eq!(sh.run("org show acme --json").await.json()["description"], "");
    assert_eq!(sh.run("user create eve --if-absent").await.err, "created user eve\n");
    // Somebody else's address is no reason to be content.
    sh.run("user edit ann --email ann@example.org").await.ok();
    let other = sh.run("user create carl --email ann@example.org --if-absent").await;
    assert!(other.exit != Exit::Ok && other.out.is_empty(), "{other:?}");
    assert_eq!(sh.run("user create ann --if-absent --batch x").await.exit, Exit::Usage);
}

async fn what_is_not_understood_exits_2(sh: Shell) {
    for line in [
        "user",
        "user create",
        "user edit ann",
        "user create ann --batch x",
        "user create ann --staff=maybe",
        "member add --org acme",
        "member edit --org acme --user ann",
        "token create",
        "token create --user ann --expires-in 1d --expires-at 2090-01-01T00:00:00Z",
        "token create --user ann --token secret-value",
        "org owner acme",
    ] {
        assert_eq!(sh.run(line).await.exit, Exit::Usage, "{line}");
    }
}

async fn a_token_s_value_given_for_its_id_is_not_repeated(sh: Shell) {
    for verb in ["show", "revoke", "delete"] {
        let said = sh.run(&format!("token {verb} pst_0123456789")).await;
        assert!(!said.wrong().contains("0123456789"));
    }
}

async fn an_edit_clears_with_an_empty_text(sh: Shell) {
    sh.run("user create ann --email ann@example.org --phone +393331234567 --external-id 7").await.ok();
    sh.words(&["user", "edit", "ann", "--email", "", "--phone", "", "--external-id", ""]).await.ok();
    let shown = sh.run("user show ann --json").await.json();
    assert_eq!([&shown["email"], &shown["phone"], &shown["external_id"]], [&Value::Null; 3]);
}

async fn a_batch_is_one_transaction_and_errors_name_the_line(sh: Shell) {
    let good =
        sh.file("good", "{\"username\":\"ann\",\"first_name\":\"Ann\",\"staff\":true}\n\n{\"username\":\"bob\"}\n");
    let said = sh.run(&format!("user create --batch {good} --json")).await;
    assert_eq!(said.json().as_array().unwrap().len(), 2);
    for (text, line, why) in [
        ("{\"username\":\"x\"}\n{\"username\":\"a b\"}\n", 2, "username is not valid"),
        ("{\"username\":\"x\"}\n\n{\"username\":\"ann\"}\n", 3, "already exists"),
        ("{\"username\":\"x\"}\n{\"user\":\"y\"}\n", 2, "unknown field `user`, expected one of `username`"),
        ("{\"username\":\"x\"}\n{\"username\":\"y\",\"username\":\"z\"}\n", 2, "duplicate field"),
        ("{\"username\":\"x\"}\nnonsense\n", 2, "expected"),
        ("{\"email\":\"x@y.z\"}\n", 1, "it is missing"),
        ("[1]\n", 1, "invalid"),
    ] {
        let bad = sh.file("bad.jsonl", text);
        let said = sh.run(&format!("user create --batch {bad}")).await;
        let told = &said.err;
        assert!(said.exit == if why == "already exists" { Exit::Exists } else { Exit::No } && said.out.is_empty());
        assert!(told.contains(&format!("bad.jsonl:{line}:")) && told.contains(why), "{text}: {told}");
    }
    assert_eq!(sh.run("user list").await.ok().lines().count(), 2, "nothing of the bad ones was kept");
    let missing = sh.run("user create --batch /none/such").await;
    assert!(missing.refused().contains("/none/such"));
}

async fn all_mistakes_of_a_batch_are_told_at_once(sh: Shell) {
    let text = "{\"username\":\"ok\"}\n{\"username\":\"a b\"}\n\nnonsense\n{\"user\":\"y\"}\n{\"username\":\"z\",\"email\":\"z\"}\n";
    let bad = sh.file("bad.jsonl", text);
    let said = sh.run(&format!("user create --batch {bad}")).await;
    let lines: Vec<&str> = said.refused().lines().collect();
    assert_eq!(lines.len(), 4, "{lines:?}");
    for (line, (number, part)) in lines.iter().zip([
        (2, "username is not valid"),
        (4, "expected"),
        (5, "unknown field"),
        (6, "email is not valid"),
    ]) {
        assert!(
            line.starts_with("error: ") && line.contains(&format!("bad.jsonl:{number}:")) && line.contains(part),
            "{line}"
        );
    }
    let said = sh.run(&format!("user create --json --batch {bad}")).await;
    let error: Value = serde_json::from_str(said.refused()).unwrap();
    let numbers: Vec<_> =
        error["error"]["lines"].as_array().unwrap().iter().map(|line| line["line"].as_u64().unwrap()).collect();
    assert_eq!((numbers, &error["error"]["code"]), (vec![2, 4, 5, 6], &json!("invalid")), "{error}");
    assert_eq!(sh.run("user list").await.ok(), "");
}

async fn foreign_tokens_are_imported_and_never_printed(sh: Shell) {
    sh.run("user create ann").await.ok();
    let (one, two) = ("9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b", "legacy-token-0002");
    let file = sh.file("token", &format!("{one}\n"));
    let said = sh.run(&format!("token create --user ann --import {file}")).await;
    assert_eq!(said.ok().len(), 36, "its id");
    let lines = format!("{{\"user\":\"ann\",\"token\":\"{two}\"}}\n{{\"user\":\"ann\",\"name\":\"new\"}}\n");
    let batch = sh.file("tokens", &lines);
    let said = sh.run(&format!("token create --batch {batch} --json")).await;
    let made = said.json();
    assert_eq!(made[0]["token"], Value::Null);
    assert!(made[1]["token"].as_str().unwrap().starts_with("pst_"));
    assert!(!said.out.contains(two) && !said.err.contains(two));
    let store = store::open(&sh.database()).await.unwrap();
    for token in [one, two] {
        assert!(store.token_snapshot(&TokenDigest::of(token)).await.unwrap().is_some());
    }
    for (line, why) in [
        (format!("{{\"user\":\"ann\",\"token\":\"{one}\"}}"), "already exists"),
        ("{\"user\":\"ann\",\"token\":\"sh0rt\"}".into(), "8 to 512 visible"),
        ("{\"user\":\"ann\",\"token\":\"pst_made-up-secret\"}".into(), "did not make it"),
        ("{\"user\":\"ann\",\"token\":1234567890123}".into(), "must be a string"),
    ] {
        let bad = sh.file("bad", &line);
        let said = sh.run(&format!("token create --batch {bad}")).await;
        let told = &said.err;
        assert!(said.exit != Exit::Ok && said.out.is_empty() && told.contains(why), "{said:?}");
        for secret in [one, "sh0rt", "made-up", "1234567890123"] {
            assert!(!told.contains(secret), "{told}");
        }
    }
}

#[tokio::test]
async fn ten_thousand_of_each_load_in_a_few_seconds() {
    let sh = Shell::new();
    let count = 10_000;
    let load = |noun: &'static str, line: fn(usize) -> Value| {
        let text: String = (0..count).map(|n| format!("{}\n", line(n))).collect();
        let path = sh.file(noun, &text);
        let sh = &sh;
        async move { sh.run(&format!("{noun} create --batch {path}")).await.ok().lines().count() }
    };
    let start = postern::clock::monotonic();
    assert_eq!(
        load("user", |n| json!({"username": format!("u{n}"), "email": format!("u{n}@example.org")})).await,
        count
    );
    assert_eq!(load("org", |n| json!({"name": format!("Org {n}"), "external_id": n.to_string()})).await, count);
    assert_eq!(
        load("member", |n| json!({"org": format!("org-{n}"), "user": format!("u{n}"), "manager": true})).await,
        count
    );
    assert_eq!(load("token", |n| json!({"user": format!("u{n}")})).await, count);
    let took = start.elapsed();
    eprintln!("loaded in {took:?}");
    // A debug build on a busy machine; a release build takes a tenth.
    assert!(took.as_secs() < 60, "{took:?}");
    assert_eq!(sh.run("member list --user u9999").await.ok(), "org-9999\tu9999\towner");
}

#[tokio::test]
async fn migrate_tells_and_does() {
    let sh = Shell::new();
    let before = sh.run("migrate --status --json").await;
    assert_eq!((before.exit, &before.json()[0]["state"]), (Exit::No, &json!("pending")));
    let steps = before.json().as_array().unwrap().len();
    assert!(sh.run("migrate").await.err.starts_with(&format!("applied {steps} to ")));
    let after = sh.run("migrate --status --json").await;
    assert_eq!((after.exit, &after.json()[0]["state"]), (Exit::Ok, &json!("applied")));
    assert!(sh.run("migrate").await.err.contains("up to date"));
}
