//! The ways to Redis: TLS, an ACL user, a cluster, sentinels; and a server that is not what it was.

use super::limits::login;
use super::{Fleet, answers, degraded};
use crate::support::{Options, ROUTES, RedisServer, Who, eventually, free_port};
use std::path::Path;

fn serves(fleet: &Fleet) {
    assert_eq!(fleet.status(0, Who::uA, "/me/x"), 200);
    eventually("the entry is found", || {
        let waiting = fleet.replicas[1].metric("postern_redis_hits_total") == 0.0;
        if waiting {
            fleet.replicas[0].sql("UPDATE users SET is_staff = 1 - is_staff WHERE username = 'uA'");
            std::thread::sleep(std::time::Duration::from_millis(150));
            fleet.status(0, Who::uA, "/me/x");
            std::thread::sleep(std::time::Duration::from_millis(50));
            fleet.status(1, Who::uA, "/me/x");
        }
        (!waiting).then_some(())
    });
}

/// A certificate of `localhost` and the authority behind it.
fn certificates(directory: &Path) {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = authority.self_signed(&authority_key).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let own = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let signed = own.signed_by(&key, &issuer).unwrap();
    std::fs::write(directory.join("ca.pem"), root.pem()).unwrap();
    std::fs::write(directory.join("cert.pem"), signed.pem()).unwrap();
    std::fs::write(directory.join("key.pem"), key.serialize_pem()).unwrap();
}

/// What docs/operations.md says that an ACL user needs.
fn documented_rights() -> String {
    let text = std::fs::read_to_string("docs/operations.md").unwrap();
    let (_, rest) = text.split_once("An ACL user needs `").unwrap();
    rest.split_once('`').unwrap().0.to_owned()
}

#[test]
fn tls_and_an_acl_user_with_few_rights() {
    let files = tempfile::tempdir().unwrap();
    certificates(files.path());
    let path = |name: &str| files.path().join(name).display().to_string();
    let port = free_port();
    let (plain, documented) = (port.to_string(), documented_rights());
    let [cert, key, ca] = ["cert.pem", "key.pem", "ca.pem"].map(path);
    let mut args = vec![
        "--tls-port",
        &plain,
        "--tls-cert-file",
        &cert,
        "--tls-key-file",
        &key,
        "--tls-ca-cert-file",
        &ca,
        "--tls-auth-clients",
        "no",
        "--user",
        "postern",
        "on",
        ">pass:word",
    ];
    args.extend(documented.split_whitespace());
    let redis = RedisServer::with(&args);
    let url = format!("rediss://postern@localhost:{port}");
    std::fs::write(files.path().join("password"), "pass:word\n").unwrap();
    let options = |ca: &str, password: &str| {
        let counted = "  /counted/**: { level: authenticated, throttle: { rate: 9/hour, by: user } }";
        let mut options = Options::policy(format!("{ROUTES}\n{counted}\n"));
        options.config = "identity: { api: token, passwords: { memory: 64KiB, passes: 1 } }\n".to_owned();
        let (ca, password) = (path(ca), path(password));
        options.set.push(("redis", format!("{{ url: \"{url}\", password: {{ file: {password} }}, ca: {ca} }}")));
        options
    };
    let fleet = |options: &Options| {
        let gate = crate::support::Gate::with(options);
        Fleet { replicas: vec![gate.postern], upstream: gate.upstream }
    };
    let mut good = fleet(&options("ca.pem", "password"));
    answers(&good.replicas[0]);
    let store = format!("sqlite:{}", good.replicas[0].home().join("postern.db").display());
    let second = Options { world: false, ..options("ca.pem", "password") }.set("database", store);
    good.replicas.push(crate::support::Postern::start(good.upstream.address(), &second));
    answers(&good.replicas[1]);
    serves(&good);
    assert!(!redis.keys("postern:t:*").is_empty());
    // Limits too, of routes and of logins: what is counted, what is counted no more, and what replicas tell each other.
    good.replicas[0].cli_with(&["user", "create", "lena", "--password-stdin"], "s3cret-word\n");
    for (password, status) in [("guess", 400), ("s3cret-word", 200), ("guess", 400), ("s3cret-word", 200)] {
        assert_eq!(login(&good.replicas[1], password, "192.0.2.1"), status);
    }
    assert_eq!(good.status(0, Who::uA, "/counted/x"), 200);
    assert_eq!(redis.cli(&["ACL", "LOG"]), "", "nothing was asked that the user may not");
    // A wrong password and an unknown authority are told, and no more than degrade.
    std::fs::write(files.path().join("wrong"), "wrong").unwrap();
    certificates_of_a_stranger(files.path());
    for (ca, password, said) in
        [("ca.pem", "wrong", "authentication failed"), ("stranger.pem", "password", "ertificate")]
    {
        let bad = fleet(&options(ca, password));
        assert_eq!(bad.status(0, Who::uA, "/me/x"), 200);
        let line = eventually("what is wrong is told", || {
            bad.replicas[0].stderr().into_iter().find(|line| line.contains("Redis cannot be used"))
        });
        assert!(line.contains(said) && !line.contains("pass:word"), "{line}");
        assert_eq!(degraded(&bad.replicas[0]), 1.0);
    }
}

fn certificates_of_a_stranger(directory: &Path) {
    let other = tempfile::tempdir().unwrap();
    certificates(other.path());
    std::fs::copy(other.path().join("ca.pem"), directory.join("stranger.pem")).unwrap();
}

#[test]
fn a_cluster() {
    let redis = RedisServer::with(&["--cluster-enabled", "yes"]);
    redis.cli(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    eventually("the cluster is up", || redis.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok").then_some(()));
    let url = format!("redis+cluster://127.0.0.1:{}", redis.port);
    let fleet = Fleet::new(&[url.clone(), url]);
    serves(&fleet);
}

/// Three nodes share the keys, and whatever becomes of one of them callers see nothing.
#[test]
fn a_cluster_of_three() {
    let node = |_| {
        let bus = free_port().to_string();
        RedisServer::with(&["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-port", &bus])
    };
    let mut nodes: Vec<RedisServer> = (0..3).map(node).collect();
    let places: Vec<String> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
    let create =
        [&["--cluster", "create"], &places.iter().map(String::as_str).collect::<Vec<_>>()[..], &["--cluster-yes"]];
    nodes[0].cli(&create.concat());
    for node in &nodes {
        let up = || node.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok").then_some(());
        eventually("the cluster is up", up);
    }
    let url = format!("redis+cluster://{}", places.join(","));
    let mut fleet = Fleet::new(&[url.clone(), url.clone()]);
    let everybody = [Who::mA, Who::uA, Who::oA, Who::uB, Who::both, Who::su];
    everybody.iter().for_each(|who| assert_eq!(fleet.status(0, *who, "/me/x"), 200));
    let keys = |nodes: &[RedisServer]| nodes.iter().map(|node| node.keys("postern:t:*").len()).collect::<Vec<_>>();
    eventually("all are there", || (keys(&nodes).iter().sum::<usize>() == 6).then_some(()));
    assert!(keys(&nodes).iter().all(|count| *count < 6), "on one node alone: {:?}", keys(&nodes));
    everybody.iter().for_each(|who| assert_eq!(fleet.status(1, *who, "/me/x"), 200));
    assert_eq!(fleet.replicas[1].metric("postern_redis_hits_total"), 6.0);
    // What one replica hears of, the other hears from it, over whichever nodes.
    fleet.replicas[0].sql("UPDATE users SET is_active = 0 WHERE username = 'uB'");
    for replica in 0..2 {
        eventually("refused", || (fleet.status(replica, Who::uB, "/me/x") == 401).then_some(()));
    }
    nodes[2].down();
    for replica in 0..2 {
        everybody.iter().filter(|who| **who != Who::uB).for_each(|who| {
            assert_eq!(fleet.status(replica, *who, "/me/x"), 200);
        });
    }
    let late = fleet.join(&url, &Options::policy(ROUTES));
    assert_eq!(super::status(late, Who::uA, "/me/x"), 200);
    nodes[2].up();
    fleet.replicas.iter().for_each(answers);
}

/// Somebody who knows the password.
fn as_owner(redis: &RedisServer, password: &str, args: &[&str]) -> String {
    redis.cli(&[&["-a", password, "--no-auth-warning"], args].concat())
}

/// Gives a server another password, and writes it into the file.
fn rotate(redis: &RedisServer, file: &Path, old: &str, new: &str) {
    as_owner(redis, old, &["CONFIG", "SET", "requirepass", new]);
    std::fs::write(file, format!("{new}\n")).unwrap();
}

/// Ends everybody's connection, and waits for both replicas.
fn come_back(redis: &RedisServer, fleet: &Fleet, password: &str) {
    as_owner(redis, password, &["CLIENT", "KILL", "TYPE", "normal"]);
    as_owner(redis, password, &["CLIENT", "KILL", "TYPE", "pubsub"]);
    eventually("both replicas listen again", || {
        let listening = as_owner(redis, password, &["CLIENT", "LIST", "TYPE", "pubsub"]);
        // A sentinel listens too.
        let ours = |line: &&str| line.contains("id=") && !line.contains("name=sentinel");
        (listening.lines().filter(ours).count() == 2).then_some(())
    });
    fleet.replicas.iter().for_each(answers);
    serves(fleet);
}

/// A Secret that is mounted as a file and rotated: the next connection has the new password.
#[test]
fn a_new_password_of_redis_is_used_without_a_restart() {
    for cluster in ["no", "yes"] {
        let redis = RedisServer::with(&["--cluster-enabled", cluster]);
        let scheme = if cluster == "yes" { "redis+cluster" } else { "redis" };
        if cluster == "yes" {
            redis.cli(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
            let up = || redis.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok").then_some(());
            eventually("the cluster is up", up);
        }
        redis.cli(&["CONFIG", "SET", "requirepass", "first"]);
        let files = tempfile::tempdir().unwrap();
        let file = files.path().join("password");
        std::fs::write(&file, "first").unwrap();
        let url = format!("{scheme}://127.0.0.1:{}", redis.port);
        let settings = format!("{{ url: \"{url}\", budget: 200ms, password: {{ file: {} }} }}", file.display());
        let fleet = Fleet::new(&[settings.clone(), settings]);
        rotate(&redis, &file, "first", "second");
        come_back(&redis, &fleet, "second");
    }
}

/// The same for the password of the sentinels, and for that of the server that they name.
#[test]
fn new_passwords_behind_sentinels_are_used_without_a_restart() {
    let redis = RedisServer::start();
    redis.cli(&["CONFIG", "SET", "requirepass", "first"]);
    let files = tempfile::tempdir().unwrap();
    let port = free_port();
    let sentinel = |password: &str| {
        let file = files.path().join("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nrequirepass s-{password}\nsentinel monitor main 127.0.0.1 {} 1\n\
             sentinel auth-pass main {password}\n",
            files.path().display(),
            redis.port
        );
        std::fs::write(&file, text).unwrap();
        std::fs::write(files.path().join("sentinels"), format!("s-{password}")).unwrap();
        let mut command = std::process::Command::new("redis-server");
        command.arg(&file).arg("--sentinel").stdout(std::process::Stdio::null()).spawn().unwrap()
    };
    let mut first = sentinel("first");
    let file = files.path().join("password");
    std::fs::write(&file, "first").unwrap();
    let settings = format!(
        "{{ url: \"redis+sentinel://127.0.0.1:{port}/main\", budget: 200ms, password: {{ file: {} }}, \
         sentinel_password: {{ file: {} }} }}",
        file.display(),
        files.path().join("sentinels").display()
    );
    let fleet = Fleet::new(&[settings.clone(), settings]);
    first.kill().unwrap();
    first.wait().unwrap();
    rotate(&redis, &file, "first", "second");
    let mut second = sentinel("second");
    come_back(&redis, &fleet, "second");
    second.kill().unwrap();
    second.wait().unwrap();
}

/// The sentinel names the master; when another one is named, it is found.
#[test]
fn sentinels() {
    let first = RedisServer::start();
    let second = RedisServer::with(&["--replicaof", "127.0.0.1", &first.port.to_string()]);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("sentinel.conf");
    let port = free_port();
    std::fs::write(&file, format!(
        "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor main 127.0.0.1 {} 1\nsentinel down-after-milliseconds main 300\n\
         sentinel failover-timeout main 2000\n", directory.path().display(), first.port)).unwrap();
    let mut sentinel = std::process::Command::new("redis-server")
        .arg(&file)
        .arg("--sentinel")
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let url = format!("redis+sentinel://127.0.0.1:{port}/main");
    let fleet = Fleet::new(&[url.clone(), url]);
    serves(&fleet);
    eventually("the replica has caught up", || {
        second.cli(&["INFO", "replication"]).contains("master_link_status:up").then_some(())
    });
    let mut first = first;
    std::thread::sleep(std::time::Duration::from_millis(500));
    first.down();
    eventually("degraded", || (degraded(&fleet.replicas[0]) == 1.0).then_some(()));
    eventually("the replica is the master", || second.cli(&["ROLE"]).starts_with("master").then_some(()));
    fleet.replicas.iter().for_each(answers);
    second.cli(&["FLUSHALL"]);
    assert_eq!(fleet.status(0, Who::both, "/me/x"), 200);
    second.key("postern:t:*");
    let _ = sentinel.kill();
    let _ = sentinel.wait();
}
