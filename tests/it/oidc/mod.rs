//! Logins at providers of OpenID Connect: two real ones, in a browser, and one that lies.

mod attacks;
mod directory;
mod real;
mod saml;
mod second_factor;

use crate::login::browser::Browser;
use crate::support::{Answer, Gate, Options, Postern, Raw, Upstream, eventually_within, free_port};
use serde_json::Value;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::time::Duration;
use tempfile::TempDir;

const ROUTES: &str = "
version: 1
upstream: echo
authenticate: [bearer, session]
defaults: { inject: { X-Postern-User: user.username, X-Postern-Organizations: orgs.member } }
routes:
  /me/**: authenticated
";
const WITH: &str = "/api/v1/users/login/with/";
const SECRET: &str = "s3cret:of/a client";

/// A program of this folder, or of another.
fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/oidc").join(name)
}

/// What a script of `scripts/` prints.
pub fn script(name: &str) -> PathBuf {
    let made = Command::new("bash").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name)).output();
    let made = made.unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    String::from_utf8(made.stdout).unwrap().trim().into()
}

fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| script("python.sh"))
}

/// A running provider. It is killed when dropped.
struct Provider {
    process: Child,
    address: SocketAddr,
    home: TempDir,
}

impl Provider {
    /// Starts one, whose arguments are told its port and its folder; returns when it listens.
    fn start(program: &Path, arguments: impl FnOnce(u16, &str) -> Vec<String>) -> Self {
        let (home, port) = (TempDir::new().unwrap(), free_port());
        let arguments = arguments(port, home.path().to_str().unwrap());
        let process = Command::new(program).args(arguments).spawn().unwrap();
        let mut provider = Self { process, address: SocketAddr::from(([127, 0, 0, 1], port)), home };
        eventually_within(Duration::from_secs(60), "the provider listens", || {
            assert!(provider.process.try_wait().unwrap().is_none(), "the provider has ended");
            TcpStream::connect(provider.address).ok()
        });
        provider
    }

    fn liar() -> Self {
        let liar = program("liar.py").to_str().unwrap().to_owned();
        Self::start(python(), |port, _| vec![liar, port.to_string()])
    }

    fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    fn ask(&self, message: &str) -> Answer {
        let mut raw = Raw::connect(self.address);
        raw.send(message);
        raw.answer()
    }

    /// Has the liar tell these lies, and no others.
    fn lie(&self, lies: &Value) {
        let body = lies.to_string();
        let length = body.len();
        let told = self.ask(&format!("POST /lie HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}"));
        assert_eq!(told.status, 200);
    }

    /// Which of the liar's paths were asked for since.
    fn seen(&self) -> Vec<String> {
        serde_json::from_value(self.ask("GET /seen HTTP/1.1\r\nHost: a\r\n\r\n").json()).unwrap()
    }

    /// Goes where a browser was sent, and gives the target to which that sends it back.
    fn authorize(&self, location: &str) -> String {
        let target = location.strip_prefix(&self.issuer()).unwrap_or_else(|| panic!("{location}"));
        let answer = self.ask(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let back = answer.header("location").unwrap_or_else(|| panic!("{answer:?}"));
        back.strip_prefix("http://app.example").unwrap_or_else(|| panic!("{back}")).to_owned()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A gate at which people log in at this liar, with more keys of the provider and of `identity`, each a line.
fn gate(liar: &Provider, provider: &[&str], identity: &str) -> Gate {
    Gate::with(&options(liar, provider, identity))
}

/// The same, which serves the directory's records too.
fn gate_of_records(liar: &Provider, provider: &str) -> Gate {
    let options = options(liar, &[provider], "");
    Gate::with(&Options { config: options.config.replace("api: token", "api: all"), ..options })
}

/// The same, which login links lead into too; their `key` is a file beside its configuration.
fn gate_by_links(liar: &Provider, identity: &str) -> Gate {
    let (upstream, mut options) = (Upstream::echo(), options(liar, &[], identity));
    options.policies = vec![("routes.yaml", ROUTES.replace("session]", "session, sesame]"))];
    let home = Postern::prepare(Some(upstream.address()), &options);
    std::fs::write(home.path().join("key"), "k".repeat(50)).unwrap();
    let mut command = Postern::serve(home.path(), &options);
    Gate { postern: Postern::run(home, &mut command), upstream }
}

fn options(liar: &Provider, provider: &[&str], identity: &str) -> Options {
    let more: String = provider.iter().map(|line| format!("        {line}\n")).collect();
    let config = format!(
        "public_url: http://app.example\naudit: audit.jsonl\nidentity:\n  api: token\n  session: {{ secure: false }}\n  passwords: {{ memory: 64KiB, passes: 1 }}\n  \
         token: {{ throttle: none }}\n{identity}  login:\n    providers:\n      - name: liar\n        label: The <Liar>\n        issuer: {}\n        client_id: postern\n        \
         client_secret: \"{SECRET}\"\n{more}",
        liar.issuer()
    );
    Options { config, ..Options::policy(ROUTES) }
}

/// Somebody logs in at the liar and comes back: the answer to that.
fn log_in(browser: &mut Browser<'_>, liar: &Provider) -> Answer {
    let back = begin(browser, liar);
    browser.get(&back)
}

/// They go there; where they would come back to.
fn begin(browser: &mut Browser<'_>, liar: &Provider) -> String {
    let begun = browser.get(&format!("{WITH}liar/?next=%2Fme%2Fx"));
    assert_eq!(begun.status, 303, "{}", begun.text());
    liar.authorize(begun.header("location").unwrap())
}
