//! docs/recipes/openwisp.md as it stands, step by step: nginx and uWSGI before Django with openwisp-users and openwisp-ipam on one
//! database, and postern put between.

use super::recipes;
use crate::gateway::websockets::echo;
use crate::interop;
use crate::support::postgres::{Database, Server};
use crate::support::{Postern, Raw, Signal, eventually, free_port};
use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// The site as nginx has it before, in the shape of ansible-openwisp2 and docker-openwisp: a named location for uWSGI, one for daphne.
const SITE: &str = r"
upstream channels-backend { server DAPHNE; }
upstream openwisp-server { server UWSGI; }
server {
    listen LISTEN;
    location @uwsgi {
        uwsgi_pass openwisp-server;
        include uwsgi_params;
        uwsgi_param HTTP_X_FORWARDED_PROTO https;
    }
    location / { try_files HOME/maintenance.html $uri $uri/index.html @uwsgi; }
    location /ws/ {
        rewrite  ^/(.*)  /$1 break;
        proxy_pass http://channels-backend;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection upgrade;
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
}
";

fn page() -> String {
    fs::read_to_string(recipes().join("openwisp.md")).unwrap()
}

/// The commands of a step of the page.
fn commands(step: &str) -> String {
    let page = page();
    let (_, behind) = page.split_once(&format!("**{step}")).unwrap_or_else(|| panic!("no step {step}"));
    let block = behind.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next());
    block.unwrap().to_owned()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The Python of the service, as in `openwisp.rs`.
fn python() -> PathBuf {
    let made = Command::new("bash").arg(root().join("scripts/openwisp.sh")).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    PathBuf::from(String::from_utf8(made.stdout).unwrap().trim())
}

/// A process of the site, which ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A machine with OpenWISP on it.
struct Site {
    home: TempDir,
    database: Database,
    front: SocketAddr,
    gate: SocketAddr,
    daphne: SocketAddr,
    _uwsgi: Running,
    nginx: Child,
}

fn database(python: &Path) -> Database {
    let database = Server::shared().database();
    database.server.sql(&database.name, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    let prepared = Command::new(python)
        .arg(root().join("tests/openwisp/prepare.py"))
        .env("OPENWISP_DATABASE", database.url())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(prepared.status.success(), "{}", String::from_utf8_lossy(&prepared.stderr));
    database
}

/// uWSGI is in another environment than the service, whose packages go before its own.
fn uwsgi(python: &Path, database: &Database, socket: &Path) -> Running {
    let code = "import sysconfig; print(sysconfig.get_path('purelib'))";
    let packages = Command::new(python).args(["-c", code]).output().unwrap();
    let packages = String::from_utf8(packages.stdout).unwrap();
    let child = Command::new(interop::python().with_file_name("uwsgi"))
        .args(["--uwsgi-socket", socket.to_str().unwrap(), "--module", "site_wsgi:application", "--need-app"])
        .args([
            "--master",
            "--processes",
            "2",
            "--buffer-size",
            "8192",
            "--disable-logging",
            "--die-on-term",
            "--no-orphans",
        ])
        .env("PYTHONPATH", format!("{}:{}", packages.trim(), root().join("tests/openwisp").display()))
        .env("OPENWISP_DATABASE", database.url())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("uWSGI has its socket", || socket.exists().then_some(()));
    Running(child)
}

impl Site {
    fn start() -> Self {
        let (python, home) = (python(), TempDir::new().unwrap());
        let database = database(&python);
        let at = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let (front, gate, daphne) = (at(free_port()), at(free_port()), echo());
        let socket = home.path().join("uwsgi.sock");
        let uwsgi = uwsgi(&python, &database, &socket);
        let nginx = home.path().join("nginx");
        fs::create_dir_all(nginx.join("sites-available")).unwrap();
        fs::create_dir_all(nginx.join("conf.d")).unwrap();
        let user = if fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0) {
            "user root;"
        } else {
            ""
        };
        let temporary =
            ["client_body", "proxy", "uwsgi", "fastcgi", "scgi"].map(|of| format!("{of}_temp_path HOME/{of};"));
        let main = format!(
            "{user} daemon off; worker_processes 1; pid HOME/nginx.pid; error_log HOME/error.log; events {{}}\n\
             http {{ access_log off; {} include HOME/nginx/conf.d/*.conf; include HOME/nginx/sites-available/openwisp2; }}",
            temporary.join(" ")
        );
        let here = |text: &str| text.replace("HOME", home.path().to_str().unwrap());
        fs::write(nginx.join("nginx.conf"), here(&main)).unwrap();
        let site = SITE.replace("LISTEN", &front.to_string()).replace("DAPHNE", &daphne.to_string());
        let site = site.replace("UWSGI", &format!("unix:{}", socket.display()));
        let site = site.replace("include uwsgi_params", "include /etc/nginx/uwsgi_params");
        fs::write(nginx.join("sites-available/openwisp2"), here(&site)).unwrap();
        let nginx = Command::new(Self::nginx()).arg("-c").arg(nginx.join("nginx.conf")).spawn().unwrap();
        eventually("nginx listens", || TcpStream::connect(front).ok());
        Self { home, database, front, gate, daphne, _uwsgi: uwsgi, nginx }
    }

    fn nginx() -> &'static str {
        if Path::new("/usr/sbin/nginx").exists() { "/usr/sbin/nginx" } else { "nginx" }
    }

    /// nginx's workers, by their place in `/proc`.
    fn workers(&self) -> Vec<PathBuf> {
        let master = self.nginx.id();
        let children = fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap();
        let workers: Vec<_> = children.split_whitespace().map(|pid| Path::new("/proc").join(pid)).collect();
        assert!(!workers.is_empty());
        workers
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Runs commands of the page, with the places of this machine.
    fn run(&self, commands: &str) -> String {
        let home = self.home.path().to_str().unwrap();
        let nginx = format!("{} -c {home}/nginx/nginx.conf ", Self::nginx());
        let postern = concat!(env!("CARGO_BIN_EXE_postern"), " ");
        let program = |line: &str| {
            let line = line.replace("&& postern ", &format!("&& {postern}"));
            line.strip_prefix("postern ").map(|rest| format!("{postern}{rest}")).unwrap_or(line)
        };
        let here: Vec<_> = commands.lines().map(program).collect();
        let here = here
            .join("\n")
            .replace("docs/recipes/openwisp", root().join("docs/recipes/openwisp").to_str().unwrap())
            .replace("/etc/postern", &format!("{home}/postern"))
            .replace("nginx -", &format!("{nginx}-"))
            .replace("/etc/nginx", &format!("{home}/nginx"));
        let script = format!("set -e\nsite={home}/nginx/sites-available/openwisp2\n{here}");
        let done = Command::new("bash")
            .args(["-c", &script])
            .env("owner", self.database.url())
            .env("POSTERN_DATA_DIR", home)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{script}\n{told}");
        told
    }

    fn send(&self, token: Option<&str>, (method, target, body): (&str, &str, &str)) -> (u16, String) {
        let credential = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let content = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: openwisp.example.com\r\nX-Postern-User: root\r\n{credential}{content}\r\n{body}"
        );
        let answer = Raw::connect(self.front).send(request).answer();
        (answer.status, answer.text())
    }

    /// What becomes of every request of everybody.
    fn statuses(
        &self,
        people: &[(String, Option<String>)],
        requests: &[(&str, String, &str)],
    ) -> BTreeMap<String, u16> {
        let mut statuses = BTreeMap::new();
        for (name, token) in people {
            for (method, target, body) in requests {
                let (status, _) = self.send(token.as_deref(), (*method, target.as_str(), *body));
                statuses.insert(format!("{name} {method} {target} {body}"), status);
            }
        }
        statuses
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = Command::new(Self::nginx()).arg("-c").arg(self.path("nginx/nginx.conf")).args(["-s", "stop"]).output();
        let _ = self.nginx.wait();
    }
}

/// Objects of the world that `prepare.py` makes: an id by their name.
fn id_of(name: &str) -> String {
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_DNS, format!("{name}.example").as_bytes()).to_string()
}

fn requests() -> Vec<(&'static str, String, &'static str)> {
    let mut requests: Vec<(&'static str, String, &'static str)> = Vec::new();
    for of in ["acme", "bolt", "closed", "shared"] {
        let (subnet, address) = (id_of(&format!("subnet of {of}")), id_of(&format!("address of {of}")));
        let subnet = format!("/api/v1/ipam/subnet/{subnet}/");
        requests.push(("GET", subnet.clone(), ""));
        requests.push(("PATCH", subnet.clone(), r#"{"name": "x"}"#));
        requests.push(("DELETE", subnet.clone(), ""));
        for below in ["hosts/", "allocation/", "get-next-available-ip/", "ip-address/"] {
            requests.push(("GET", format!("{subnet}{below}"), ""));
        }
        requests.push(("POST", format!("{subnet}request-ip/"), "{}"));
        requests.push(("POST", format!("{subnet}export/"), ""));
        requests.push(("GET", format!("/api/v1/ipam/ip-address/{address}/"), ""));
        requests.push(("GET", format!("/api/v1/users/organization/{}/", id_of(of)), ""));
    }
    requests.push(("GET", "/api/v1/ipam/subnet/".to_owned(), ""));
    requests.push(("GET", format!("/api/v1/ipam/subnet/{}/", id_of("nothing")), ""));
    requests.push(("GET", "/api/v1/users/user/".to_owned(), ""));
    requests.push(("GET", "/admin/login/".to_owned(), ""));
    requests
}

#[test]
fn postern_is_put_before_openwisp_tried_enforced_and_taken_out_again() {
    let site = Site::start();
    let token = |name: &str| {
        let sql = format!(
            "SELECT t.key FROM authtoken_token t JOIN openwisp_users_user u ON u.id = t.user_id WHERE u.username = '{name}'"
        );
        site.database.server.text(&site.database.name, &sql)
    };
    let people =
        ["root", "manager", "unpermitted", "member", "owner", "both", "other", "nobody_s", "of_closed", "inactive"];
    let mut people: Vec<_> = people.map(|name| (name.to_owned(), Some(token(name)))).into();
    people.push(("anonymous".to_owned(), None));
    let manager = people[1].1.clone();
    let requests = requests();
    let direct = site.statuses(&people, &requests);
    assert!(direct.values().filter(|status| **status == 200).count() > 100, "{direct:#?}");

    // 1 to 3.
    site.run(&commands("1."));
    let configuration = site.path("postern/postern.yaml");
    let text = fs::read_to_string(&configuration).unwrap();
    let url = site.database.url();
    let own = [
        ("127.0.0.1:8080", site.gate.to_string()),
        ("http://127.0.0.1:8001", format!("http://{}", site.daphne)),
        ("uwsgi://127.0.0.1:8000", format!("uwsgi+unix://{}", site.path("uwsgi.sock").display())),
        ("postgres://postern@127.0.0.1/openwisp", url.clone()),
        ("postgres://postern_reader@127.0.0.1/openwisp", url.clone()),
    ];
    let text = own.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    });
    let text = text + "management: 127.0.0.1:0\nlog: { format: json }\ncache: { max_staleness: 1s }\n";
    fs::write(&configuration, text).unwrap();
    // This database has not all modules: the statements are tried in `lookups_are_of_the_tables_that_there_are`.
    let migrate = commands("2.").lines().filter(|line| line.starts_with("postern migrate")).collect::<String>();
    site.run(&migrate);
    let checks: Vec<_> = commands("3.").lines().filter(|line| !line.contains("doctor")).map(str::to_owned).collect();
    let told = site.run(&checks.join("\n"));
    assert!(told.contains("ok: 173 routes in 13 files") && told.contains("0 failed"), "{told}");

    // 4 and 5: in the shadow nothing is refused.
    let shadow = commands("4.");
    site.run(shadow.lines().next().unwrap());
    let (_, serve) = shadow.split_once("postern serve ").unwrap();
    assert_eq!(serve.trim(), "--config /etc/postern/postern.yaml");
    let home = TempDir::new().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command.args(["serve", "--config"]).arg(&configuration).env("POSTERN_DATA_DIR", home.path());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let postern = Postern::run(home, &mut command);
    let step = commands("5.").replace("site=/etc/nginx/sites-available/openwisp2\n", "");
    let before = fs::read_to_string(site.path("nginx/sites-available/openwisp2")).unwrap();
    let upstream = site.path("postern/nginx-upstream.conf");
    fs::write(&upstream, fs::read_to_string(&upstream).unwrap().replace("127.0.0.1:8080", &site.gate.to_string()))
        .unwrap();
    site.run(&step);
    let after = fs::read_to_string(site.path("nginx/sites-available/openwisp2")).unwrap();
    let changed: Vec<_> = before.lines().zip(after.lines()).filter(|(old, new)| old != new).collect();
    assert_eq!(changed.len(), 2, "{changed:?}");
    let told = |site: &Site| site.send(manager.as_deref(), ("GET", "/accounts/login/", ""));
    let by = |user: &str| (0..8).all(|_| told(&site).1.contains(&format!("HTTP_X_POSTERN_USER={user} ")));
    eventually("nginx asks postern", || by("manager").then_some(()));
    assert_eq!(site.statuses(&people, &requests), direct, "in the shadow");
    let lines = postern.stdout();
    let shadowed = lines.iter().filter(|line| line.contains("\"shadow\":\"")).count();
    assert!(shadowed > 100, "{shadowed} of {}", lines.len());
    let log = site.path("access.log");
    fs::write(&log, lines.join("\n")).unwrap();
    let report = commands("6.").replace("/var/log/postern/access.log", log.to_str().unwrap());
    let report = Command::new(env!("CARGO_BIN_EXE_postern")).args(report.split_whitespace().skip(1)).output().unwrap();
    let report = String::from_utf8(report.stdout).unwrap();
    assert!(report.contains("requests of routes in shadow mode"), "{report}");

    // 7: in earnest, and no request passes that Django would refuse.
    let enforce = commands("7.");
    let (sed, hup) = enforce.trim().split_once('\n').unwrap();
    assert_eq!(hup, "kill -HUP $(pidof postern)");
    site.run(sed);
    postern.signal(Signal::Hup);
    let member = people[3].1.as_deref();
    eventually("it is enforced", || (site.send(member, ("GET", "/api/v1/ipam/subnet/", "")).0 == 403).then_some(()));
    let guarded = site.statuses(&people, &requests);
    let mut stricter = BTreeMap::new();
    for (request, status) in &guarded {
        let naked = direct[request];
        if *status != naked {
            assert!(*status >= 400, "{request}: {naked} without postern, {status} with it");
            *stricter.entry((naked, *status)).or_insert(0) += 1;
            // Whom Django serves is refused nothing, but what the page says.
            assert!(naked >= 400 || is_stricter(request), "{request}: {naked} without postern, {status} with it");
        }
    }
    println!("{} requests; without and with postern: {stricter:?}", guarded.len());
    // The socket of daphne.
    assert_eq!(site.send(None, ("GET", "/ws/notification/", "")).0, 401);

    // Back, in one line.
    let back = page().split("**Back**").nth(1).and_then(|rest| rest.split("```sh\n").nth(1)).unwrap().to_owned();
    let back = back.split("```").next().unwrap().trim().to_owned();
    assert_eq!(back.lines().count(), 1);
    let old = site.workers();
    site.run(&back);
    eventually("nginx asks Django", || by("root").then_some(()));
    // An old worker takes connections, and asks postern, until it has heard of the reload.
    eventually("the old workers are gone", || old.iter().all(|worker| !worker.exists()).then_some(()));
    drop(postern);
    assert_eq!(site.statuses(&people, &requests), direct, "after the way back");
}

/// What the page says of what is stricter: openwisp-ipam asks for no permission to list subnets and what is in them, and lists are 403
/// for whoever manages nothing.
fn is_stricter(request: &str) -> bool {
    if request.starts_with("inactive ") {
        return true;
    }
    ["/ipam/subnet/ ", "/hosts/ ", "/allocation/ ", "/ip-address/ ", "/users/user/ "]
        .iter()
        .any(|end| request.ends_with(end))
}
