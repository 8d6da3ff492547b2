//! deploy/ is true: its manifests and its chart are what Kubernetes takes, and fit the product — image, ports, probes, users,
//! times, configuration. Judged by Kubernetes' schemas, Helm, promtool and Prometheus themselves (scripts/tools.sh).

mod chart;
mod compose;
mod kubernetes;
mod monitoring;
mod pod;

use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The oldest Kubernetes that the manifests are for, and the newest whose schemas there are.
const KUBERNETES: [&str; 2] = ["1.33", "1.37"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A program of scripts/tools.sh, which is run where it is missing.
fn tool(name: &str) -> Command {
    static THERE: OnceLock<()> = OnceLock::new();
    let path = root().join("target/tools").join(name);
    THERE.get_or_init(|| {
        if !path.exists() {
            let done = Command::new("bash").arg("scripts/tools.sh").current_dir(root()).output().unwrap();
            assert!(done.status.success(), "scripts/tools.sh: {}", String::from_utf8_lossy(&done.stderr));
        }
    });
    Command::new(path)
}

/// Runs a program with this on its standard input: what it printed, or what it complained of.
fn run(command: &mut Command, input: &str) -> Result<String, String> {
    command.current_dir(root()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (said, complained) = (text(output.stdout), text(output.stderr));
    if output.status.success() { Ok(said) } else { Err(said + &complained) }
}

/// The objects of a stream of manifests, each judged by the schemas of Kubernetes.
fn objects(yaml: &str) -> Vec<Value> {
    judged(yaml).unwrap_or_else(|error| panic!("{error}"))
}

/// The objects of a stream, by themselves.
fn parsed(yaml: &str) -> Vec<Value> {
    let mut python = tool("venv/bin/python");
    let json = run(python.arg("tests/it/deploy/manifests.py"), yaml).unwrap_or_else(|error| panic!("{error}"));
    serde_json::from_str(&json).unwrap()
}

/// Asks the schemas about objects that were parsed.
fn judge(all: &[Value]) {
    // JSON is YAML.
    let stream: Vec<String> = all.iter().map(ToString::to_string).collect();
    objects(&stream.join("\n---\n"));
}

fn judged(yaml: &str) -> Result<Vec<Value>, String> {
    let mut python = tool("venv/bin/python");
    python.arg("tests/it/deploy/manifests.py").args(KUBERNETES);
    run(&mut python, yaml).map(|json| serde_json::from_str(&json).unwrap())
}

/// The one object of a kind and a name.
fn find<'o>(objects: &'o [Value], kind: &str, name: &str) -> &'o Value {
    let found = objects.iter().find(|o| o["kind"] == kind && o["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// A list, empty where there is none.
fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}
