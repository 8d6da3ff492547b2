//! The manifests of deploy/kubernetes, and the tutorial that leads from one to another.

use super::pod::{assert_hardened_and_consistent, assert_wired, container, lay_out, workloads};
use super::{find, judged, list, objects, read, root};
use crate::support::{Options, Postern, ROUTES, Raw, Upstream};
use std::net::TcpListener;

fn guarded() -> [&'static str; 2] {
    ["deploy/kubernetes/sidecar.yaml", "deploy/kubernetes/standalone.yaml"]
}

#[test]
fn every_manifest_is_one_that_kubernetes_takes_and_that_fits_the_product() {
    for file in std::fs::read_dir(root().join("deploy/kubernetes")).unwrap() {
        let file = format!("deploy/kubernetes/{}", file.unwrap().file_name().into_string().unwrap());
        let objects = objects(&read(&file));
        assert_wired(&objects);
        let workloads = workloads(&objects);
        assert_eq!(workloads.len(), usize::from(guarded().contains(&&*file)), "{file}");
        for workload in workloads {
            assert_hardened_and_consistent(&objects, workload);
        }
    }
}

#[test]
fn the_judge_refuses_what_is_misspelt_and_what_is_there_twice() {
    let good = read("deploy/kubernetes/plain.yaml");
    let told = judged(&good.replace("readinessProbe", "readynessProbe")).unwrap_err();
    assert!(told.contains("readynessProbe"), "{told}");
    let told = judged(&good.replace("  replicas: 1\n", "  replicas: 1\n  replicas: 2\n")).unwrap_err();
    assert!(told.contains("twice"), "{told}");
}

/// postern is up before the service starts, and is the only way to it.
#[test]
fn in_the_sidecar_s_pod_the_service_is_behind_the_gate() {
    let objects = objects(&read("deploy/kubernetes/sidecar.yaml"));
    let spec = &find(&objects, "Deployment", "shop")["spec"]["template"]["spec"];
    let sidecar = &spec["initContainers"][0];
    assert_eq!((&sidecar["name"], &sidecar["restartPolicy"]), (&"postern".into(), &"Always".into()));
    assert!(sidecar["startupProbe"].is_object(), "without it, the service does not wait for postern");
    let service = &spec["containers"][0];
    assert!(list(&service["args"]).any(|arg| arg.as_str().unwrap().contains("127.0.0.1:8000")), "{service}");
    assert!(
        service["ports"].is_null() && service["readinessProbe"]["httpGet"].is_null(),
        "loopback has no port outside"
    );
}

/// The Pods' own files, as the kubelet lays them out, under the real process; the kubelet's probes are answered.
#[test]
fn the_product_starts_with_what_the_manifests_mount_and_answers_their_probes() {
    for file in guarded() {
        let objects = objects(&read(file));
        let workload = workloads(&objects)[0];
        let upstream = Upstream::echo();
        let options = Options::policy("");
        let home = Postern::prepare(None, &options);
        lay_out(&objects, workload, home.path());
        let probes = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = Postern::serve(home.path(), &options);
        command.env("POSTERN_CONFIG", home.path().join("etc/postern.yaml"));
        for (key, value) in [
            ("LISTEN", "127.0.0.1:0".to_owned()),
            ("MANAGEMENT", "127.0.0.1:0".to_owned()),
            ("PROBES", probes.to_string()),
            ("UPSTREAMS__SHOP", format!("http://{}", upstream.address())),
        ] {
            command.env(format!("POSTERN__{key}"), value);
        }
        let postern = Postern::run(home, &mut command);
        let container = container(workload).unwrap();
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            let path = container[probe]["httpGet"]["path"].as_str().unwrap();
            let mut raw = Raw::connect(probes);
            raw.send(format!("GET {path} HTTP/1.1\r\nHost: 10.0.0.7:9091\r\nConnection: close\r\n\r\n"));
            assert_eq!(raw.answer().status, 200, "{file}: {probe}");
        }
        let ask = |path: &str| {
            let mut raw = postern.raw();
            raw.send(format!("GET {path} HTTP/1.1\r\nHost: shop\r\nX-Shop-Key: mine\r\nConnection: close\r\n\r\n"));
            raw.answer().status
        };
        assert_eq!((ask("/static/logo.svg"), ask("/api/acme/orders"), ask("/")), (200, 401, 404), "{file}");
        let recorded = upstream.recorded();
        let keys: Vec<_> = recorded.iter().map(|request| request.header("x-shop-key")).collect();
        assert_eq!(keys, [Some("replace-me")], "{file}");
    }
}

/// The first people, as the tutorial and the chart's notes make them.
#[test]
fn the_commands_that_are_shown_work() {
    for page in ["docs/kubernetes.md", "deploy/helm/postern/templates/NOTES.txt"] {
        let postern = Postern::start(Upstream::echo().address(), &Options { world: false, ..Options::policy(ROUTES) });
        let page = read(page);
        let lines = page.lines().filter_map(|line| line.trim_start().strip_prefix("$postern "));
        let mut last = String::new();
        for line in lines {
            let words: Vec<&str> = line.split(" #").next().unwrap().split_whitespace().collect();
            last = postern.cli(&words);
        }
        let mut raw = postern.raw();
        let token = last.trim();
        raw.send(format!("GET /api/v1/org/acme/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n"));
        assert_ne!(raw.answer().status, 401, "the token is good");
    }
}

/// What the tutorial shows is in the manifests that it leads from and to, word by word.
#[test]
fn the_tutorial_shows_pieces_of_the_manifests() {
    let page = read("docs/kubernetes.md");
    let dedent = |text: &str| -> String {
        let shift = text.lines().find(|l| !l.trim().is_empty()).map_or(0, |l| l.len() - l.trim_start().len());
        text.lines().map(|l| l.get(shift..).unwrap_or("").trim_end()).collect::<Vec<_>>().join("\n")
    };
    let files = ["deploy/kubernetes/plain.yaml", "deploy/kubernetes/sidecar.yaml", "deploy/kubernetes/standalone.yaml"];
    let manifests: Vec<String> = files.iter().map(|file| read(file)).collect();
    let mut shown = 0;
    for block in page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
        let wanted = dedent(block.trim_end());
        let found = manifests.iter().any(|manifest| {
            let lines: Vec<&str> = manifest.lines().collect();
            let height = wanted.lines().count();
            lines.windows(height).any(|window| dedent(&window.join("\n")) == wanted)
        });
        assert!(found, "not in a manifest:\n{block}");
        shown += 1;
    }
    assert!(shown >= 6, "only {shown} pieces");
}
