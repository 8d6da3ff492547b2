//! openwisp-users' building blocks as rules of a policy: a service whose own authorization is removed gives, behind the gate, what it
//! gives with it.

use crate::support::postgres::{Database, Server};
use crate::support::{Options, Postern, eventually, free_port};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

const ROUTES: &str = include_str!("../../docs/recipes/openwisp-building-blocks/routes.yaml");

/// Requests that a run of the tests takes of all there are; `OPENWISP_ALL=1` takes them all.
const SAMPLE: &str = "600";

fn project(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openwisp").join(name)
}

fn python() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/openwisp.sh");
    let made = Command::new("bash").arg(script).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    PathBuf::from(String::from_utf8(made.stdout).unwrap().trim())
}

/// A program of the project, on a database.
fn program(python: &Path, database: &Database, name: &str) -> Command {
    let mut command = Command::new(python);
    command.arg(project(name)).env("OPENWISP_DATABASE", database.url()).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// The service on a port of its own, which ends with the test.
struct Service {
    child: Child,
    port: u16,
}

impl Service {
    fn start(python: &Path, database: &Database, how: &str) -> Self {
        let port = free_port();
        let child = program(python, database, "serve.py").arg(how).arg(port.to_string()).spawn().unwrap();
        Self { child, port }
    }

    fn ready(&self) {
        eventually("the service listens", || TcpStream::connect(("127.0.0.1", self.port)).ok());
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_naked_service_behind_the_gate_gives_what_a_guarded_one_gives() {
    let (python, database) = (python(), Server::shared().database());
    // Both products have tables of their own names.
    database.server.sql(&database.name, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    let prepared = program(&python, &database, "prepare.py").output().unwrap();
    assert!(prepared.status.success(), "{}", String::from_utf8_lossy(&prepared.stderr));
    let [guarded, naked] = ["guarded", "naked"].map(|how| Service::start(&python, &database, how));

    let options = Options {
        world: false,
        upstreams: Some(format!("{{ service: \"http://127.0.0.1:{}\" }}", naked.port)),
        config: format!("compat: openwisp\ndatabases: {{ service: {{ url: \"{}\" }} }}\n", database.url()),
        ..Options::policy(ROUTES)
    };
    let home = Postern::prepare(None, &options);
    let imported = Command::new(env!("CARGO_BIN_EXE_postern"))
        .current_dir(home.path())
        .env("POSTERN_DATA_DIR", home.path())
        .args(["import", "openwisp", "--from", &database.url()])
        .output()
        .unwrap();
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    let mut serve = Postern::serve(home.path(), &options);
    let gate = Postern::run(home, &mut serve);
    guarded.ready();
    naked.ready();

    let mut compare = program(&python, &database, "compare.py");
    compare.args([guarded.port, gate.data.port()].map(|port| port.to_string()));
    if std::env::var_os("OPENWISP_ALL").is_none() {
        compare.args(["--sample", SAMPLE]);
    }
    let compared = compare.output().unwrap();
    let told = String::from_utf8_lossy(&compared.stdout);
    assert!(compared.status.success(), "{told}{}", String::from_utf8_lossy(&compared.stderr));
    assert!(told.contains("differences explained, 0 not"), "{told}");
}

/// What may differ, and why, is what the page says.
#[test]
fn the_page_has_each_difference() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/recipes/openwisp-building-blocks.md")).unwrap();
    let explained = std::fs::read_to_string(project("explained.py")).unwrap();
    let reasons: Vec<_> =
        explained.lines().filter_map(|line| line.strip_prefix("@because(\"")?.strip_suffix("\")")).collect();
    assert!(reasons.len() > 5, "{reasons:?}");
    let (_, listed) = page.split_once("and in no other:").unwrap();
    let listed: Vec<_> = listed.lines().filter_map(|line| line.strip_prefix("- ")).collect();
    assert_eq!(listed, reasons);
}
