//! What must hold of every Pod with postern in it, wherever its manifest came from.

use super::{find, list, read};
use postern::config::{Config, Sources};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// A line of the Dockerfile's last stage.
pub fn image(instruction: &str) -> String {
    let dockerfile = read("Dockerfile");
    let (_, runtime) = dockerfile.rsplit_once("\nFROM ").unwrap();
    let line = runtime.lines().find_map(|line| line.strip_prefix(instruction)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {instruction} in the Dockerfile")).to_owned()
}

/// Every Pod template with a container named postern, with the workload that makes it.
pub fn workloads(objects: &[Value]) -> Vec<&Value> {
    objects.iter().filter(|object| container(object).is_some()).collect()
}

fn spec(workload: &Value) -> &Value {
    &workload["spec"]["template"]["spec"]
}

/// postern's container, among the others or as a native sidecar.
pub fn container(workload: &Value) -> Option<&Value> {
    let spec = spec(workload);
    list(&spec["containers"]).chain(list(&spec["initContainers"])).find(|container| container["name"] == "postern")
}

/// Writes the files that a Pod's volumes would have into a directory, `/etc/postern` as `etc` and the secrets as `secrets`.
pub fn lay_out(objects: &[Value], workload: &Value, home: &Path) {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    let put = |files: &mut BTreeMap<String, String>, dir: &str, object: &Value, item: Option<(&str, &str)>| {
        for (key, text) in object["data"].as_object().or(object["stringData"].as_object()).unwrap() {
            let name = match item {
                Some((wanted, path)) if wanted == key => path,
                Some(_) => continue,
                None => key,
            };
            files.insert(format!("{dir}/{name}"), text.as_str().unwrap().to_owned());
        }
    };
    for volume in list(&spec(workload)["volumes"]) {
        for source in list(&volume["projected"]["sources"]) {
            if let Some(name) = source["configMap"]["name"].as_str() {
                put(&mut files, "etc", find(objects, "ConfigMap", name), None);
            }
            // Secrets of a chart are there before it: any value will do.
            for item in list(&source["secret"]["items"]) {
                files.insert(format!("secrets/{}", item["path"].as_str().unwrap()), "a secret".to_owned());
            }
        }
        if let Some(name) = volume["secret"]["secretName"].as_str() {
            put(&mut files, "secrets", find(objects, "Secret", name), None);
        }
    }
    // As the kubelet does it: the files are links through `..data`, which is swapped when they change.
    for dir in ["etc", "secrets"] {
        std::fs::create_dir_all(home.join(dir).join("..2026_01_01")).unwrap();
        std::os::unix::fs::symlink("..2026_01_01", home.join(dir).join("..data")).unwrap();
    }
    for (path, text) in files {
        let (dir, name) = path.split_once('/').unwrap();
        let text = text.replace("/run/secrets/postern", home.join("secrets").to_str().unwrap());
        std::fs::write(home.join(dir).join("..data").join(name), text).unwrap();
        std::os::unix::fs::symlink(format!("..data/{name}"), home.join(dir).join(name)).unwrap();
    }
}

/// The configuration of a laid out Pod, with its policy compiled and its secrets read.
pub fn configuration(home: &Path) -> Config {
    let file = home.join("etc/postern.yaml");
    let (config, warnings) = match Config::load(&Sources { file: Some(file), ..Sources::default() }) {
        Ok(loaded) => loaded,
        Err(postern::config::ConfigError::Findings(findings)) => panic!("{}", findings.to_text(false)),
        Err(error) => panic!("{error}"),
    };
    assert!(warnings.list().is_empty(), "{}", warnings.to_text(false));
    let texts: Vec<_> =
        config.policy.iter().map(|file| (file.display().to_string(), std::fs::read_to_string(file).unwrap())).collect();
    let policy =
        postern::policy::load(&texts, Some(&config.names())).unwrap_or_else(|f| panic!("{}", f.to_text(false)));
    assert!(policy.warnings().list().is_empty(), "{}", policy.warnings().to_text(false));
    config
}

/// Everything that a Pod with postern in it must say.
pub fn assert_hardened_and_consistent(objects: &[Value], workload: &Value) {
    let name = workload["metadata"]["name"].as_str().unwrap();
    let (spec, container) = (spec(workload), container(workload).unwrap());

    // The image is this one, and runs as the user that it was made for, with nothing to gain and nothing to write on.
    assert_eq!(container["image"], format!("ghcr.io/postern-gate/postern:{}", env!("CARGO_PKG_VERSION")), "{name}");
    let (user, group) = image("USER").split_once(':').map(|(u, g)| (u.to_owned(), g.to_owned())).unwrap();
    let security = &container["securityContext"];
    assert_eq!(security["runAsUser"].to_string(), user);
    assert_eq!(security["runAsGroup"].to_string(), group);
    assert_eq!(spec["securityContext"]["fsGroup"].to_string(), group, "{name}: volumes that postern cannot read");
    assert_eq!(security["runAsNonRoot"], true);
    assert_eq!(security["allowPrivilegeEscalation"], false);
    assert_eq!(security["readOnlyRootFilesystem"], true);
    assert_eq!(security["capabilities"], serde_json::json!({ "drop": ["ALL"] }));
    let seccomp = [&security["seccompProfile"], &spec["securityContext"]["seccompProfile"]];
    assert!(seccomp.iter().any(|profile| profile["type"] == "RuntimeDefault"), "{name}: no seccomp profile");
    assert_eq!(spec["automountServiceAccountToken"], false);
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        assert!(spec[field].is_null(), "{name}: {field}");
    }
    for what in ["requests", "limits"] {
        assert!(container["resources"][what]["memory"].is_string(), "{name}: no memory {what}");
    }

    // Every mount has its volume, and every volume is used; the store is where the image has it, and alone can be written.
    let mounts: Vec<_> = list(&container["volumeMounts"]).collect();
    for mount in &mounts {
        assert!(mount["subPath"].is_null(), "{name}: a subPath does not follow changes");
        assert!(list(&spec["volumes"]).any(|volume| volume["name"] == mount["name"]), "{name}: {mount}");
        let is_data = mount["mountPath"] == image("VOLUME");
        assert_eq!(mount["readOnly"] == true, !is_data, "{name}: {mount}");
    }
    assert!(mounts.iter().any(|mount| mount["mountPath"] == image("VOLUME")), "{name}: nowhere to keep the store");
    assert!(mounts.iter().any(|mount| mount["mountPath"] == "/etc/postern"));
    assert!(read("Dockerfile").contains("POSTERN_CONFIG=/etc/postern/postern.yaml"));

    // What it mounts can be used, and its ports are those that the Pod names.
    let home = tempfile::tempdir().unwrap();
    lay_out(objects, workload, home.path());
    let config = configuration(home.path());
    for secret in &config.secrets {
        let file = home.path().join("secrets").join(&*secret.name);
        assert!(file.exists(), "{name}: no file for the secret {}", secret.name);
    }
    let port = |name: &str| {
        let ports = list(&container["ports"]);
        ports.filter(|port| port["name"] == name).map(|port| port["containerPort"].as_u64().unwrap()).next()
    };
    let listen = config.listen.tcp().expect("a port");
    assert_eq!(port("http"), Some(u64::from(listen.port())));
    assert_eq!(format!("EXPOSE {}", listen.port()), format!("EXPOSE {}", image("EXPOSE")));
    let probes = config.probes.expect("an address for the kubelet");
    assert_eq!(port("probes"), Some(u64::from(probes.port())));
    assert!(!listen.ip().is_loopback() && !probes.ip().is_loopback(), "{name}: out of everybody's reach");
    let shown = (!config.management.ip().is_loopback()).then(|| u64::from(config.management.port()));
    assert_eq!(port("metrics"), shown, "{name}: metrics are named where they can be reached");
    if shown.is_some() {
        let guarded = objects.iter().filter(|object| object["kind"] == "NetworkPolicy").any(|policy| {
            list(&policy["spec"]["ingress"]).any(|rule| {
                list(&rule["ports"]).any(|port| port["port"] == "metrics") && list(&rule["from"]).count() > 0
            })
        });
        assert!(guarded, "{name}: metrics for everybody");
    }
    for (probe, path) in [("startupProbe", "/readyz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/livez")] {
        let get = &container[probe]["httpGet"];
        assert_eq!((&get["path"], &get["port"]), (&path.into(), &"probes".into()), "{name}: {probe}");
    }

    // All of the way down fits into the time that the kubelet gives.
    let is_sidecar = container["restartPolicy"] == "Always";
    let pre_stop = list(&spec["containers"])
        .map(|container| container["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64().unwrap_or(0))
        .max()
        .unwrap();
    assert!(pre_stop > 0, "{name}: the Service needs a moment to let go");
    let down = Duration::from_secs(pre_stop) + config.drain.lame_duck + config.drain.limit;
    let grace = Duration::from_secs(spec["terminationGracePeriodSeconds"].as_u64().expect("a grace period"));
    assert!(grace >= down + Duration::from_secs(5), "{name}: {grace:?} is too short for {down:?}");
    // A sidecar hears SIGTERM when everything else has ended.
    assert_eq!(config.drain.lame_duck.is_zero(), is_sidecar, "{name}: lame duck");

    // One writer.
    let embedded = matches!(config.database, postern::config::Database::Sqlite(_));
    let kept = list(&spec["volumes"]).any(|volume| volume["persistentVolumeClaim"].is_object());
    if embedded && kept {
        assert_eq!(workload["spec"]["replicas"], 1, "{name}");
        assert_eq!(workload["spec"]["strategy"]["type"], "Recreate", "{name}");
    }
}

/// Services and network policies name ports that their Pods have, and select Pods that are there.
pub fn assert_wired(objects: &[Value]) {
    let pods: Vec<&Value> = objects.iter().map(|object| &object["spec"]["template"]).filter(|t| !t.is_null()).collect();
    let selects = |selector: &Value, pod: &&&Value| {
        let labels = &pod["metadata"]["labels"];
        selector.as_object().unwrap().iter().all(|(key, value)| labels[key] == *value)
    };
    let has_port = |pod: &Value, port: &Value| {
        let all = list(&pod["spec"]["containers"]).chain(list(&pod["spec"]["initContainers"]));
        all.flat_map(|container| list(&container["ports"])).any(|p| p["name"] == *port || p["containerPort"] == *port)
    };
    for object in objects {
        let spec = &object["spec"];
        let (selector, ports): (_, Vec<&Value>) = match object["kind"].as_str().unwrap() {
            "Service" => (&spec["selector"], list(&spec["ports"]).map(|port| &port["targetPort"]).collect()),
            "NetworkPolicy" => {
                let ports = list(&spec["ingress"]).flat_map(|rule| list(&rule["ports"])).map(|port| &port["port"]);
                (&spec["podSelector"]["matchLabels"], ports.collect())
            }
            _ => continue,
        };
        assert!(!ports.is_empty());
        for pod in pods.iter().filter(|pod| selects(selector, pod)) {
            for port in &ports {
                assert!(has_port(pod, port), "{}: no port {port}", object["metadata"]);
            }
        }
        // `behind-postern` selects the Pods of somebody else's manifest.
        let selected = pods.iter().filter(|pod| selects(selector, pod)).count();
        assert!(selected == 1 || object["metadata"]["name"] == "behind-postern", "{}", object["metadata"]);
    }
}
