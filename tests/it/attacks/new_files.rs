//! Files that change while postern serves: swapped, half-written, broken, or opening what was closed.

use crate::support::reloads::{gate, one_more, policy, reloads, said, status, write};
use crate::support::{Gate, Options, Upstream, Who, eventually};
use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::time::Duration;

/// Hot reload of policies: a ConfigMap's volume: the files are links into `..data`, itself a link that is exchanged in one step.
#[test]
fn kubernetes_exchanges_a_link() {
    let gate = Gate::with(&Options::policy(policy("public", "first")));
    let volume = gate.postern.home().join("volume");
    let version = |name: &str, text: &str| {
        let dir = volume.join(name);
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("routes.yaml"), text).unwrap();
        symlink(name, volume.join("..data_tmp")).unwrap();
        fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
    };
    version("..2026_1", &policy("public", "mounted"));
    symlink("..data/routes.yaml", volume.join("routes.yaml")).unwrap();
    // The configuration names the mounted file from now on.
    let config = gate.postern.home().join("postern.yaml");
    let text = fs::read_to_string(&config).unwrap().replace("policy: [routes.yaml]", "policy: [volume/routes.yaml]");
    fs::write(&config, text).unwrap();
    let in_force = |name: &str| {
        eventually(name, || {
            let answered = status(&gate, Who::nobody);
            (answered == 200 && gate.upstream.last().target == format!("/{name}/x/1")).then_some(())
        });
    };
    in_force("mounted");
    for number in 2..6 {
        let name = format!("version{number}");
        version(&format!("..2026_{number}"), &policy("public", &name));
        fs::remove_dir_all(volume.join(format!("..2026_{}", number - 1))).unwrap();
        in_force(&name);
    }
    assert_eq!(reloads(&gate, "policy", "failed"), 0.0);
}

/// Hot reload of policies.
#[test]
fn a_file_is_not_read_while_it_is_written() {
    let gate = gate();
    let text = policy("authenticated", "second");
    // The first half would be a policy by itself, an open one.
    let half = format!("version: 1\nroutes:\n  /x/**: public\n  /y/**: public\n#{}\n", "-".repeat(2000));
    let mut file = fs::File::create(gate.postern.home().join("routes.yaml")).unwrap();
    file.write_all(half.as_bytes()).unwrap();
    file.flush().unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(gate.get(Who::nobody, "/y/1").status, 404);
    drop(file);
    write(&gate, "routes.yaml", &text);
    eventually("the whole policy", || (status(&gate, Who::nobody) == 401).then_some(()));
}

/// Hot reload of policies: the last good policy stays, and log, metric and `/readyz` say why.
#[test]
fn what_cannot_be_used_leaves_the_running_policy_in_force() {
    let gate = gate();
    let good = policy("public", "first");
    let mistakes: &[(&str, String, &str)] = &[
        ("cut off", good.chars().take(60).collect(), "routes.yaml:"),
        ("empty", String::new(), "routes.yaml"),
        ("no YAML", "version: 1\nroutes: [\n".into(), "routes.yaml:"),
        ("an unknown key", good.replace("level:", "levle:"), "did you mean `level`?"),
        ("a rule twice", format!("{good}  /x/**: public\n"), "routes.yaml:7:3"),
        (
            "an unknown upstream",
            good.replace("level: public", "level: public\n    upstream: ecoh"),
            "did you mean `echo`?",
        ),
        ("a secret that is not there", good.replace("{ literal: first }", "{ secret: none }"), "none"),
    ];
    for (number, (what, text, word)) in mistakes.iter().enumerate() {
        let before = reloads(&gate, "policy", "failed");
        write(&gate, "routes.yaml", text);
        one_more(&gate, "policy", "failed", before);
        assert_eq!(status(&gate, Who::nobody), 200, "{what}");
        assert_eq!(gate.upstream.last().target, "/first/x/1", "{what}");
        let ready = gate.postern.admin("/readyz");
        assert_eq!((ready.status, ready.json()["ready"].as_bool()), (200, Some(true)), "{what}");
        let detail = ready.json()["checks"]["policy"].as_str().unwrap_or_default().to_owned();
        assert!(detail.starts_with("the running one stays: "), "{what}: {detail}");
        said(&gate, &["\"ERROR\"", word]);
        assert_eq!(gate.postern.metric("postern_reload_ok{what=\"policy\"}"), 0.0);
        assert_eq!(reloads(&gate, "policy", "loaded"), 0.0, "{number}");
    }
    fs::remove_file(gate.postern.home().join("routes.yaml")).unwrap();
    said(&gate, &["cannot read the policy"]);
    assert_eq!(status(&gate, Who::nobody), 200);
    // The old text is told of too: whoever put it back wants to know that it is over.
    write(&gate, "routes.yaml", &good);
    said(&gate, &["\"policy\"", "it is again what is in force"]);
    // Mended, it counts, and nothing is left of it all.
    write(&gate, "routes.yaml", &policy("authenticated", "second"));
    eventually("the new policy", || (status(&gate, Who::nobody) == 401).then_some(()));
    eventually("nothing is left", || {
        let is_well = gate.postern.admin("/readyz").json()["checks"]["policy"].is_null();
        (is_well && gate.postern.metric("postern_reload_ok{what=\"policy\"}") == 1.0).then_some(())
    });
}

/// Hot reload of policies: whoever may write the files must not be able to open what was closed, nor to allow it to themselves.
#[test]
fn a_wider_policy_can_be_refused() {
    let mut options = Options::policy(policy("authenticated", "first"));
    options.config = "reload: { wider: refuse }\n".into();
    let gate = Gate::with(&options);
    let config = fs::read_to_string(gate.postern.home().join("postern.yaml")).unwrap();
    write(&gate, "postern.yaml", &config.replace("wider: refuse", "wider: allow"));
    said(&gate, &["reload.wider", "counts from the next start"]);
    write(&gate, "routes.yaml", &policy("public", "first"));
    one_more(&gate, "policy", "refused", 0.0);
    said(&gate, &["wider: /x/**", "anonymous"]);
    assert_eq!(status(&gate, Who::nobody), 401);
    let checks = gate.postern.admin("/readyz").json()["checks"].clone();
    assert!(checks["policy"].as_str().unwrap().contains("the change is refused"), "{checks}");
    // Another place is wider too, whatever is there.
    write(&gate, "routes.yaml", &policy("authenticated", "first"));
    let other = Upstream::echo();
    let moved = config.replace(&gate.upstream.address().to_string(), &other.address().to_string());
    write(&gate, "postern.yaml", &moved);
    one_more(&gate, "policy", "refused", 1.0);
    assert_eq!(status(&gate, Who::uA), 200);
    assert_eq!(other.recorded().len(), 0);
    // So is a path that was none of the policy's before.
    write(&gate, "postern.yaml", &config);
    write(&gate, "routes.yaml", &(policy("authenticated", "first") + "  /new: public\n"));
    one_more(&gate, "policy", "refused", 2.0);
    said(&gate, &["wider: /new", "anonymous"]);
    assert_eq!(gate.get(Who::nobody, "/new").status, 404);
    // Narrower is always allowed.
    write(&gate, "postern.yaml", &config);
    write(&gate, "routes.yaml", &policy("superuser", "first"));
    eventually("the narrower policy", || (status(&gate, Who::uA) == 403).then_some(()));
}
