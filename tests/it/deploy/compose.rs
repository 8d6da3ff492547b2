//! deploy/compose.yaml, done by hand where there is no Docker: its commands with their environment against a private server.

use super::{parsed, read, root};
use crate::support::postgres::{self, Server};
use crate::support::{Postern, Upstream, get_with};
use serde_json::Value;
use std::process::Command;

/// What the operator gives in `.env`.
const SECRETS: [(&str, &str); 2] =
    [("DATABASE_PASSWORD", "of-the-replicas"), ("DATABASE_OWNER_PASSWORD", "of-the-owner")];

/// A text of the file as Docker gives it to the container: variables filled in, and the other containers at their places.
fn filled(value: &Value, places: &[(&str, String)]) -> String {
    let mut text = value.as_str().unwrap().to_owned();
    for (name, secret) in SECRETS {
        text = text.replace(&format!("${{{name}:?}}"), secret);
    }
    assert!(!text.contains("${"), "{text}");
    for (there, here) in places {
        text = text.replace(there, here);
    }
    text
}

fn environment(service: &Value, places: &[(&str, String)]) -> Vec<(String, String)> {
    let all = service["environment"].as_object().unwrap();
    all.iter().map(|(name, value)| (name.clone(), filled(value, places))).collect()
}

fn words(service: &Value, places: &[(&str, String)]) -> Vec<String> {
    super::list(&service["command"]).map(|word| filled(word, places)).collect()
}

#[test]
fn the_compose_file_does_what_it_says() {
    let file = parsed(&read("deploy/compose.yaml")).remove(0);
    let services = file["services"].as_object().unwrap();
    let service = |name: &str| services.get(name).unwrap_or_else(|| panic!("no service {name}"));
    for other in services.values().filter_map(|service| service["depends_on"].as_object()).flat_map(|all| all.keys()) {
        service(other);
    }
    // The database's image makes its user a superuser and its database, and runs what is mounted, by its socket.
    let database = environment(service("database"), &[]);
    let of = |name: &str| database.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).unwrap();
    let (owner, name) = (of("POSTGRES_USER"), of("POSTGRES_DB"));
    let server = Server::own();
    assert_eq!(name, "postern");
    server.sql("postgres", &format!("CREATE ROLE {owner} SUPERUSER LOGIN PASSWORD '{}'", of("POSTGRES_PASSWORD")));
    server.sql("postgres", &format!("ALTER DATABASE {name} OWNER TO {owner}"));
    let script = super::list(&service("database")["volumes"]).find_map(|volume| {
        let (from, to) = volume.as_str()?.split_once(':')?;
        to.starts_with("/docker-entrypoint-initdb.d/").then(|| from.to_owned())
    });
    let mut roles = Command::new("sh");
    roles.arg(root().join("deploy").join(script.unwrap())).env("PGHOST", "127.0.0.1");
    roles.env("PGPORT", server.port().to_string()).envs(database.clone());
    let done = roles.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let probe: Vec<&str> = super::list(&service("database")["healthcheck"]["test"]).filter_map(Value::as_str).collect();
    let ["CMD", program, args @ ..] = &probe[..] else { panic!("{probe:?}") };
    let healthy =
        postgres::command(program).args(args).args(["-h", "127.0.0.1", "-p", &server.port().to_string()]).output();
    assert!(healthy.unwrap().status.success());

    let upstream = Upstream::echo();
    let home = tempfile::TempDir::new().unwrap();
    let places = [
        ("@database/", format!("@127.0.0.1:{}/", server.port())),
        ("http://host.docker.internal:8000", format!("http://{}", upstream.address())),
        ("/etc/postern/routes.yaml", home.path().join("routes.yaml").display().to_string()),
    ];
    // As the file's head says, what is mounted.
    assert!(
        super::list(&service("postern")["volumes"]).any(|volume| volume == "./routes.yaml:/etc/postern/routes.yaml:ro")
    );
    std::fs::write(home.path().join("routes.yaml"), "version: 1\nroutes: { /**: authenticated }\n").unwrap();
    let postern = |service: &Value| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command.args(words(service, &places)).envs(environment(service, &places)).current_dir(home.path());
        command.env("POSTERN_CONFIG", root().join("deploy/postern.yaml")).env("POSTERN_DATA_DIR", home.path());
        command
    };
    let migrated = postern(service("migrate")).output().unwrap();
    assert!(migrated.status.success(), "{}", String::from_utf8_lossy(&migrated.stderr));

    let gate = service("postern");
    let listen = parsed(&read("deploy/postern.yaml")).remove(0)["listen"].as_str().unwrap().to_owned();
    let (_, port) = listen.rsplit_once(':').unwrap();
    let (outside, inside) = gate["ports"][0].as_str().unwrap().rsplit_once(':').unwrap();
    assert_eq!(inside, port, "the port that is published is the one that the image listens on");
    let (first, last) = outside.split_once('-').unwrap();
    let published = last.parse::<u64>().unwrap() - first.parse::<u64>().unwrap() + 1;
    assert_eq!(gate["deploy"]["replicas"], published, "a port for each replica");
    let start = || {
        let mut command = postern(gate);
        command.env("POSTERN__LISTEN", "127.0.0.1:0").env("POSTERN__MANAGEMENT", "127.0.0.1:0");
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        Postern::run(tempfile::TempDir::new().unwrap(), &mut command)
    };
    let replicas: Vec<Postern> = (0..published).map(|_| start()).collect();
    // An operator's commands, in the same container.
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
        command
            .args(args)
            .envs(environment(gate, &places))
            .current_dir(home.path())
            .env("POSTERN_DATA_DIR", home.path());
        let done = command.output().unwrap();
        assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    };
    run(&["user", "create", "ann"]);
    let token = run(&["token", "create", "--user", "ann"]);
    for replica in &replicas {
        let ask = |bytes: Vec<u8>| {
            let mut raw = replica.raw();
            raw.send(bytes);
            raw.answer().status
        };
        assert_eq!(ask(get_with(token.trim(), "/x")), 200);
        assert_eq!(ask(b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()), 401);
    }
    let used = "SELECT string_agg(DISTINCT usename, ' ') FROM pg_stat_activity WHERE application_name = 'postern'";
    assert_eq!(server.text("postern", used), "postern", "the replicas are not the owner");
}
