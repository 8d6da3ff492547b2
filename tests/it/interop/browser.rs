//! A page in a real browser: it opens WebSockets where its origin is listed and nowhere else, and loses them with its user's right.

use super::{http, program};
use crate::gateway::websockets::echo;
use crate::support::tls::Authority;
use crate::support::{Options, Postern, Upstream, eventually, eventually_within, free_port};
use data_encoding::BASE64;
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};

const ROUTES: &str = r#"
version: 1
upstream: page
routes:
  /page/**: public
  /ws/mine:
    upstream: sockets
    authenticate: [sesame]
    GET: { level: member, org: user.only, upgrade: [websocket], origins: ["ORIGIN"] }
"#;

const KEY: &str = "identity: { sesame: { key: { env: SESAME_KEY }, max_age: 5m, query: sesame } }\n";

/// Ended with its test, and everything that it started with it.
struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn gate(page: &Upstream, port: u16, origin: &str, tls: &str) -> Postern {
    let mut options = Options::policy(ROUTES.replace("ORIGIN", origin));
    options.upstreams = Some(format!("{{ page: {}, sockets: {} }}", http(page.address()), http(echo())));
    options.config = format!("{KEY}{tls}");
    let options = options.set("listen", format!("127.0.0.1:{port}"));
    let home = Postern::prepare(None, &options);
    let mut command = Postern::serve(home.path(), &options);
    Postern::run(home, command.env("SESAME_KEY", "k".repeat(50)))
}

fn journey(scheme: &str, tls: &str) {
    let html = std::fs::read(program("browser.html")).unwrap();
    let page = Upstream::with(move |exchange| {
        exchange.body()?;
        exchange.answer("200 OK", &[("Content-Type", "text/html")], &html)
    });
    let (port, other) = (free_port(), free_port());
    let gate = gate(&page, port, &format!("{scheme}://localhost:{port}"), tls);
    let foreign = self::gate(&page, other, &format!("{scheme}://localhost:{other}"), tls);
    let minted = Command::new(env!("CARGO_BIN_EXE_postern"))
        .args(["sesame", "mint", "--user", "uA", "--config", "postern.yaml"])
        .current_dir(gate.home())
        .env("POSTERN_DATA_DIR", gate.home())
        .env("SESAME_KEY", "k".repeat(50))
        .output()
        .unwrap();
    assert!(minted.status.success(), "{}", String::from_utf8_lossy(&minted.stderr));
    let token = String::from_utf8(minted.stdout).unwrap().trim().to_owned();
    let socket = format!("{}://localhost:{other}/ws/mine?sesame={token}", scheme.replace("http", "ws"));
    let socket: String = percent_encoding::utf8_percent_encode(&socket, percent_encoding::NON_ALPHANUMERIC).collect();
    let profile = tempfile::tempdir().unwrap();
    let _browser = Browser(
        Command::new("chromium")
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .arg("--ignore-certificate-errors")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg(format!("{scheme}://localhost:{port}/page/x?token={token}&foreign={socket}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromium is installed"),
    );
    // A browser takes its time to start on a machine that does other things too.
    let browser = std::time::Duration::from_secs(90);
    let asked = |what: &str| page.recorded().into_iter().find(|request| request.target.starts_with(what));
    eventually_within(browser, "the page has its WebSocket", || asked("/page/ready"));
    gate.cli(&["member", "remove", "--org", "a", "--user", "uA"]);
    let said = eventually_within(browser, "the page has lost it", || asked("/page/done/")).target;
    let said = percent_encoding::percent_decode_str(said.rsplit('/').next().unwrap()).collect::<Vec<u8>>();
    let said: Value = serde_json::from_slice(&BASE64.decode(&said).unwrap()).unwrap();
    assert_eq!(said, json!({ "opened": true, "answer": "hello", "foreign": false, "code": 1008 }));
    // The page knows of its end before the line is written.
    let status = eventually("the line of the WebSocket", || {
        gate.access_lines_now().into_iter().find(|line| line["path"] == "/ws/mine")
    });
    let status = status["status"].as_u64();
    assert_eq!(status, Some(if scheme == "http" { 101 } else { 200 }), "over HTTP/2 where that is agreed on");
    let refused = foreign.access_lines(1).remove(0);
    assert_eq!((refused["status"].as_u64(), refused["code"].as_str()), (Some(403), Some("origin_denied")));
}

#[test]
fn a_page_in_the_clear() {
    journey("http", "");
}

#[test]
fn a_page_within_tls() {
    let authority = Authority::new();
    journey("https", &format!("tls: {{ {} }}\n", authority.sign("page", &["localhost"])));
}
