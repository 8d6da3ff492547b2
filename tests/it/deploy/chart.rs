//! The Helm chart, linted and rendered by Helm itself.

use super::pod::{assert_hardened_and_consistent, assert_wired, container, workloads};
use super::{find, judge, list, objects, parsed, read, root, run, tool};
use serde_json::Value;

const CHART: &str = "deploy/helm/postern";

fn helm(args: &[&str]) -> Result<String, String> {
    let home = tempfile::tempdir().unwrap();
    let mut helm = tool("bin/helm");
    for what in ["CACHE", "CONFIG", "DATA"] {
        helm.env(format!("HELM_{what}_HOME"), home.path());
    }
    run(helm.args(args), "")
}

/// What the chart renders, as Kubernetes would take it; only the test that says so asks the schemas, which takes a moment.
fn render(set: &[&str]) -> Result<Vec<Value>, String> {
    let mut args = vec!["template", "shop", CHART, "--namespace", "tenants"];
    if !set.iter().any(|value| value.starts_with("policy=")) {
        args.extend(["--set", POLICY]);
    }
    for value in set {
        args.extend(["--set", value]);
    }
    helm(&args).map(|yaml| parsed(&yaml))
}

const POLICY: &str = "policy=version: 1\nroutes: { /**: authenticated }";
const SECRET: &str = "secrets.shop-key.secretName=shop,secrets.shop-key.key=api";

#[test]
fn the_chart_lints_and_is_of_this_version() {
    let told = helm(&["lint", "--strict", CHART]).unwrap_or_else(|error| panic!("{error}"));
    assert!(!told.contains("[WARNING]"), "{told}");
    let chart = read(&format!("{CHART}/Chart.yaml"));
    assert!(chart.contains(&format!("\nappVersion: {}\n", env!("CARGO_PKG_VERSION"))), "{chart}");
}

#[test]
fn what_the_chart_renders_is_taken_by_kubernetes_and_fits_the_product() {
    let shared = "persistence.enabled=false";
    for set in [
        vec![],
        vec![SECRET],
        vec![
            "config.upstreams.a=http://a:80,config.upstreams.b=http://b:80",
            "policy=version: 1\nupstream: a\nroutes: { /**: authenticated }",
        ],
        vec!["metrics.enabled=false"],
        vec!["metrics.podMonitor=true", "metrics.rules=true", "metrics.dashboard=true"],
        vec!["drain.preStopSeconds=20", "drain.limitSeconds=600"],
        vec![
            shared,
            "replicas=3",
            "config.database.url=postgres://postern@db/postern",
            "networkPolicy.egress[0].ports[0].port=5432",
            "networkPolicy.from[0].podSelector.matchLabels.a=b",
        ],
    ] {
        let objects = render(&set).unwrap_or_else(|error| panic!("{set:?}: {error}"));
        judge(&objects);
        assert_wired(&objects);
        let workloads = workloads(&objects);
        assert_eq!(workloads.len(), 1, "{set:?}");
        assert_hardened_and_consistent(&objects, workloads[0]);
        let is_there = |kind: &str| objects.iter().any(|object| object["kind"] == kind);
        assert_eq!(is_there("PersistentVolumeClaim"), !set.contains(&shared), "{set:?}");
        assert_eq!(is_there("PodDisruptionBudget"), set.contains(&"replicas=3"), "{set:?}");
        assert_eq!(is_there("PrometheusRule"), set.contains(&"metrics.rules=true"), "{set:?}");
    }
}

/// The configuration is read at the start, so a changed one starts the Pods anew; a changed policy does not.
#[test]
fn a_changed_configuration_rolls_and_a_changed_policy_does_not() {
    let checksum = |set: &[&str]| {
        let objects = render(set).unwrap();
        let template = &find(&objects, "Deployment", "shop-postern")["spec"]["template"];
        template["metadata"]["annotations"]["checksum/config"].as_str().unwrap().to_owned()
    };
    let usual = checksum(&[]);
    assert_eq!(usual.len(), 64);
    assert_ne!(usual, checksum(&["config.workers=3"]));
    assert_eq!(usual, checksum(&["policy=version: 1"]));
}

#[test]
fn values_that_cannot_be_meant_are_refused() {
    for (set, told) in [
        ("replica=2", "replica"),
        ("ports.http=80", "/ports/http"),
        ("mode=daemon", "mode"),
        ("replicas=2", "one writer"),
        ("config.listen=0.0.0.0:1", "config.listen follows from other values"),
        ("secrets.key.secretName=a", "key"),
        ("policy=", "policy: say who may do what"),
    ] {
        let error = render(&[set]).expect_err(set);
        assert!(error.contains(told), "{set}: {error}");
    }
}

/// A chart of somebody's own service, with postern as a dependency and in its Pod.
#[test]
fn a_parent_chart_takes_the_sidecar_into_its_pod() {
    let parent = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = parent.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let repository = root().join(CHART);
    write(
        "Chart.yaml",
        &format!(
            "apiVersion: v2\nname: shop\nversion: 1.0.0\ndependencies:\n  - {{ name: postern, version: {}, repository: \"file://{}\" }}\n",
            env!("CARGO_PKG_VERSION"),
            repository.display()
        ),
    );
    // The page's own pieces.
    let page = read("docs/kubernetes.md");
    let block = |info: &str| -> String {
        let (_, rest) = page.split_once(&format!("```{info}\n")).unwrap_or_else(|| panic!("no ```{info}"));
        rest.split("```").next().unwrap().to_owned()
    };
    write("values.yaml", &block("yml values"));
    write("templates/deployment.yaml", &block("yml template"));
    let dir = parent.path().to_str().unwrap();
    helm(&["dependency", "build", dir, "--skip-refresh"]).unwrap_or_else(|error| panic!("{error}"));
    helm(&["lint", "--strict", dir]).unwrap_or_else(|error| panic!("{error}"));
    let objects = objects(&helm(&["template", "shop", dir]).unwrap_or_else(|error| panic!("{error}")));
    let workload = workloads(&objects)[0];
    assert_hardened_and_consistent(&objects, workload);
    assert_eq!(container(workload).unwrap()["restartPolicy"], "Always");
    assert_eq!(list(&workload["spec"]["template"]["spec"]["initContainers"]).count(), 1);
    // The workload and its Service are the parent's.
    assert_eq!(objects.iter().filter(|object| object["kind"] == "Deployment").count(), 1);
}
