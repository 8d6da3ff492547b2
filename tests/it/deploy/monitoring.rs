//! The dashboard and the alert rules: what they ask for is what there is. promtool tries the rules; a real Prometheus scrapes a
//! real postern and evaluates every expression.

use super::{read, root, run, tool};
use crate::support::{Gate, Options, ROUTES, Raw, Signal, Upstream, Who, eventually};
use postern::decision::Reason;
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Stdio};

const DASHBOARD: &str = "deploy/helm/postern/monitoring/dashboard.json";
const ALERTS: &str = "deploy/helm/postern/monitoring/alerts.yaml";

fn dashboard() -> Value {
    serde_json::from_str(&read(DASHBOARD)).unwrap()
}

/// Every expression of the dashboard, with its variables filled in, and the panel that asks it.
fn panels() -> Vec<(String, String)> {
    let mut expressions = Vec::new();
    for panel in dashboard()["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        for target in panel["targets"].as_array().into_iter().flatten() {
            let written = target["expr"].as_str().unwrap();
            let filled = written.replace("$instance", ".*").replace("$route", ".*").replace("$__rate_interval", "1m");
            assert!(!filled.contains('$'), "{title}: {written}");
            expressions.push((title.to_owned(), filled));
        }
    }
    assert!(expressions.len() > 20, "{expressions:?}");
    expressions
}

/// The expressions of the alerts, by their names.
fn alerts() -> Vec<(String, String)> {
    let mut python = tool("venv/bin/python");
    python.args(["-c", "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)"]);
    let rules: Value = serde_json::from_str(&run(&mut python, &read(ALERTS)).unwrap()).unwrap();
    let rules = rules["groups"][0]["rules"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    rules.iter().map(|rule| (text(&rule["alert"]), text(&rule["expr"]))).collect()
}

/// The words of an expression that begin with `postern_`.
fn metrics(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("postern_")).map(str::to_owned).collect()
}

/// A gate that has allowed, refused, forwarded and looked at its files again.
fn busy() -> Gate {
    let upstream = Upstream::echo();
    let tried = "  /tried: { level: authenticated, mode: shadow }\n";
    let mut options = Options::policy(format!("{ROUTES}{tried}"));
    let address = upstream.address();
    options.upstreams = Some(format!("{{ echo: {{ addresses: [\"http://{address}\"], health: {{ every: 1s }} }} }}"));
    let options = options.set("identity.api", "token");
    let gate = Gate::before(upstream, &options);
    for _ in 0..3 {
        assert_eq!(gate.get(Who::uA, "/me/x").status, 200);
        assert_eq!(gate.get(Who::nobody, "/me/x").status, 401);
        assert_eq!(gate.get(Who::nobody, "/tried").status, 200);
    }
    gate.postern.signal(Signal::Hup);
    eventually("the files were looked at", || {
        gate.postern.admin("/metrics").text().contains("postern_reload_ok{what=\"policy\"}").then_some(())
    });
    gate
}

#[test]
fn every_metric_that_is_asked_for_is_shown_by_a_running_process() {
    let gate = busy();
    let shown = gate.postern.admin("/metrics").text();
    let shown: BTreeSet<&str> = shown
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(['{', ' ']).next().unwrap())
        .collect();
    let all: Vec<_> = panels().into_iter().chain(alerts()).collect();
    for (what, expression) in &all {
        for metric in metrics(expression) {
            assert!(shown.contains(&*metric), "{what} asks for {metric}, which nothing shows");
        }
        // Values of labels, as far as they are names of ours.
        for (_, rest) in expression.match_indices("reason").map(|(at, _)| expression.split_at(at)) {
            let Some(values) = rest.strip_prefix("reason=~\"").or_else(|| rest.strip_prefix("reason=\"")) else {
                continue;
            };
            for value in values.split('"').next().unwrap().split('|') {
                assert!(Reason::ALL.iter().any(|reason| reason.code() == value), "{what}: no reason {value}");
            }
        }
    }
    // The other way round: what is counted is looked at. Limits and sums of histograms are for calculations alone.
    let asked: BTreeSet<String> = all.iter().flat_map(|(_, expression)| metrics(expression)).collect();
    let unseen: Vec<_> = shown
        .iter()
        .filter(|name| !asked.contains(**name) && !name.ends_with("_sum") && !name.ends_with("_count"))
        .collect();
    assert!(unseen.len() <= 3, "nobody looks at {unseen:?}");
}

#[test]
fn the_alert_rules_are_valid_and_fire_when_they_should() {
    let dir = root().join("deploy/helm/postern/monitoring");
    let rules = dir.join("alerts.yaml");
    run(tool("bin/promtool").args(["check", "rules"]).arg(rules), "").unwrap_or_else(|error| panic!("{error}"));
    let tests = dir.join("alerts_test.yaml");
    run(tool("bin/promtool").args(["test", "rules"]).arg(&tests), "").unwrap_or_else(|error| panic!("{error}"));
    let tests = std::fs::read_to_string(tests).unwrap();
    for (alert, _) in alerts() {
        let fires =
            tests.contains(&format!("alertname=\"{alert}\"")) || tests.contains(&format!("alertname: {alert}\n"));
        let is_silent = tests.contains(&format!("alertname: {alert} }}"));
        assert!(fires && is_silent, "no test in which {alert} fires, and one in which it does not");
    }
}

#[test]
fn the_dashboard_is_one_that_grafana_imports() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "ids of panels are unique");
    let place = |panel: &Value, key: &str| panel["gridPos"][key].as_u64().unwrap();
    for (at, panel) in panels.iter().enumerate() {
        assert!(place(panel, "x") + place(panel, "w") <= 24, "{}", panel["title"]);
        for other in &panels[at + 1..] {
            let beside = |start: &str, size: &str| {
                place(panel, start) + place(panel, size) <= place(other, start)
                    || place(other, start) + place(other, size) <= place(panel, start)
            };
            assert!(beside("x", "w") || beside("y", "h"), "{} lies on {}", panel["title"], other["title"]);
        }
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
        }
    }
    let variables: Vec<_> = dashboard["templating"]["list"].as_array().unwrap().iter().map(|v| &v["name"]).collect();
    assert_eq!(variables, ["datasource", "instance", "route"]);
}

/// A real Prometheus, ended with the test.
struct Prometheus {
    child: Child,
    address: SocketAddr,
    _home: tempfile::TempDir,
}

impl Prometheus {
    fn scraping(target: SocketAddr) -> Self {
        let home = tempfile::tempdir().unwrap();
        let rules = root().join(ALERTS);
        let config = format!(
            "global: {{ scrape_interval: 200ms, evaluation_interval: 200ms }}\nrule_files: [{}]\n\
             scrape_configs: [{{ job_name: postern, static_configs: [{{ targets: [\"{target}\"] }}] }}]\n",
            rules.display()
        );
        std::fs::write(home.path().join("prometheus.yml"), config).unwrap();
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = tool("bin/prometheus");
        command
            .arg(format!("--config.file={}", home.path().join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", home.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let prometheus = Self { child, address, _home: home };
        eventually("Prometheus listens", || std::net::TcpStream::connect(address).ok());
        prometheus
    }

    fn get(&self, path: &str) -> Value {
        let mut raw = Raw::connect(self.address);
        raw.send(format!("GET {path} HTTP/1.1\r\nHost: prometheus\r\nConnection: close\r\n\r\n"));
        serde_json::from_str(&raw.answer().text()).unwrap_or_default()
    }

    /// The samples that an expression has now.
    fn query(&self, expression: &str) -> Vec<Value> {
        let encoded = percent_encoding::utf8_percent_encode(expression, percent_encoding::NON_ALPHANUMERIC);
        let answer = self.get(&format!("/api/v1/query?query={encoded}"));
        assert_ne!(answer["status"], "error", "{expression}: {answer}");
        answer["data"]["result"].as_array().cloned().unwrap_or_default()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn prometheus_scrapes_the_process_and_every_panel_shows_something() {
    let gate = busy();
    let prometheus = Prometheus::scraping(gate.postern.admin);
    eventually("it is scraped", || prometheus.query("up == 1").pop());
    let mut turn = 0;
    for (panel, expression) in panels() {
        // Rates and quantiles want something to happen; until it has, they are not numbers.
        eventually(&format!("{panel}: {expression}"), || {
            gate.get(Who::uA, "/me/x");
            gate.get(Who::nobody, "/me/x");
            gate.get(Who::nobody, "/tried");
            turn += 1;
            gate.postern.sql(&format!("UPDATE users SET external_id = '{turn}' WHERE username = 'uB'"));
            let samples = prometheus.query(&expression);
            let number = |sample: &Value| sample["value"][1].as_str().unwrap().parse::<f64>().unwrap();
            (!samples.is_empty() && samples.iter().all(|sample| number(sample) >= 0.0)).then_some(())
        });
    }
    // The rules are evaluated, and the gate is well.
    let rules = eventually("rules are evaluated", || {
        let rules = prometheus.get("/api/v1/rules")["data"]["groups"][0]["rules"].as_array().cloned()?;
        rules.iter().all(|rule| rule["health"] == "ok").then_some(rules)
    });
    assert_eq!(rules.len(), alerts().len());
    assert_eq!(prometheus.query("ALERTS{alertstate=\"firing\"}"), Vec::<Value>::new());
}
