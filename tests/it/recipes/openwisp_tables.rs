//! The recipe for OpenWISP on OpenWISP's tables.

use super::recipes;
use crate::support::postgres::Server;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Each lookup is prepared on the tables that migrations of the packages make.
#[test]
fn lookups_are_of_the_tables_that_there_are() {
    let database = Server::shared().database();
    let tables = fs::read_to_string(root().join("tests/openwisp/tables.sql")).unwrap();
    database.server.sql(&database.name, &format!("DROP SCHEMA public CASCADE; CREATE SCHEMA public; {tables}"));
    let reader = fs::read_to_string(recipes().join("openwisp/reader.sql")).unwrap();
    let role = format!("reader_{}", database.name);
    database.server.sql(&database.name, &reader.replace("postern_reader", &role));
    let url = database.url().replace("postgres://postgres@", &format!("postgres://{role}@"));
    assert!(url.contains(&role), "{url}");
    let home = TempDir::new().unwrap();
    let mut names = Vec::new();
    for file in super::openwisp::policies() {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        fs::copy(&file, home.path().join(&name)).unwrap();
        names.push(name);
    }
    let configuration = format!(
        "database: \"sqlite:x.db\"\nidentity: {{ session: {{}}, api: token, prefix: /postern/users/ }}\npolicy: [{}]\n\
         databases: {{ openwisp: {{ url: \"{url}\" }} }}\nupstreams: {{ openwisp: \"http://127.0.0.1:1\", daphne: \"http://127.0.0.1:1\" }}\n",
        names.join(", ")
    );
    fs::write(home.path().join("postern.yaml"), configuration).unwrap();
    let postern = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.current_dir(home.path()).env("POSTERN_DATA_DIR", home.path()).args(args).output().unwrap()
    };
    postern(&["migrate"]);
    let told = String::from_utf8(postern(&["doctor"]).stdout).unwrap();
    let lookups: Vec<_> = told.lines().filter(|line| line.trim_start().starts_with("lookup ")).collect();
    assert_eq!(lookups.len(), 41, "{told}");
    for line in lookups {
        assert!(line.contains("gives"), "{line}");
    }
}
