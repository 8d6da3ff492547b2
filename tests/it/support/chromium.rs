//! A real Chromium, told what to do over its DevTools protocol.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

/// A browser takes its time to start on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(90);

/// One tab. The browser ends with it, and everything that it started.
pub struct Chromium {
    child: Child,
    _profile: TempDir,
    socket: WebSocket<TcpStream>,
    tab: String,
    calls: u64,
    /// Pages that it has shown.
    loads: u64,
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Chromium {
    pub fn open() -> Self {
        let profile = tempfile::tempdir().unwrap();
        let child = Command::new("chromium")
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--ignore-certificate-errors", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromium is installed");
        let told = super::eventually_within(PATIENCE, "chromium tells its port", || {
            let told = std::fs::read_to_string(profile.path().join("DevToolsActivePort")).ok()?;
            told.split_once('\n').map(|(port, path)| (port.to_owned(), path.trim().to_owned()))
        });
        let address = format!("127.0.0.1:{}", told.0);
        let stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (socket, _) = client(format!("ws://{address}{}", told.1), stream).unwrap();
        let mut browser = Self { child, _profile: profile, socket, tab: String::new(), calls: 0, loads: 0 };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }))["targetId"].clone();
        let tab = browser.call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        tab["sessionId"].as_str().unwrap().clone_into(&mut browser.tab);
        browser.call("Page.enable", json!({}));
        browser
    }

    /// Runs no scripts of pages from now on.
    pub fn without_scripts(mut self) -> Self {
        self.call("Emulation.setScriptExecutionDisabled", json!({ "value": true }));
        self
    }

    /// Shows pages in a window of this width, in the dark or in the light, enlarged so many times.
    pub fn looks(&mut self, width: u32, dark: bool, forced_colors: bool) {
        let size = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size);
        let scheme = if dark { "dark" } else { "light" };
        let forced = if forced_colors { "active" } else { "none" };
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme }, { "name": "forced-colors", "value": forced },
        ]);
        self.call("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Has pages take scripts of tests, whatever their policy says.
    pub fn without_policies(&mut self) {
        self.call("Page.setBypassCSP", json!({ "enabled": true }));
    }

    /// What the window shows, as PNG.
    pub fn picture(&mut self) -> Vec<u8> {
        let told = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        data_encoding::BASE64.decode(told["data"].as_str().unwrap().as_bytes()).unwrap()
    }

    /// Opens an address as if it was typed, and waits for the page.
    pub fn open_page(&mut self, url: &str) {
        self.and_wait(|browser| {
            let opened = browser.call("Page.navigate", json!({ "url": url }));
            assert_eq!(opened["errorText"], Value::Null, "{url}");
        });
    }

    /// Clicks on what a selector finds, and waits for the page that follows.
    pub fn click(&mut self, selector: &str) {
        self.and_wait(|browser| {
            let found =
                browser.eval(&format!("(it => (it?.click(), !!it))(document.querySelector({}))", json!(selector)));
            assert_eq!(found, true, "there is no {selector} on {}: {}", browser.url(), browser.text());
        });
    }

    /// Fills in the field of that name.
    pub fn fill(&mut self, name: &str, text: &str) {
        let script =
            format!("(it => (it && (it.value = {}), !!it))(document.querySelector('[name={name}]'))", json!(text));
        let found = self.eval(&script);
        assert_eq!(found, true, "there is no field {name} on {}", self.url());
    }

    /// What an expression is on the page.
    pub fn eval(&mut self, script: &str) -> Value {
        let said =
            self.call("Runtime.evaluate", json!({ "expression": script, "returnByValue": true, "awaitPromise": true }));
        assert_eq!(said["exceptionDetails"], Value::Null, "{script}");
        said["result"]["value"].clone()
    }

    /// Has an authenticator at hand that verifies its user, and keeps passkeys; its name.
    pub fn authenticator(&mut self) -> String {
        self.call("WebAuthn.enable", json!({}));
        let options = json!({
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
            "isUserVerified": true, "automaticPresenceSimulation": true,
        });
        let made = self.call("WebAuthn.addVirtualAuthenticator", json!({ "options": options }));
        made["authenticatorId"].as_str().unwrap().to_owned()
    }

    /// Forgets who was logged in.
    pub fn forget_cookies(&mut self) {
        self.call("Network.clearBrowserCookies", json!({}));
    }

    /// The cookies of all pages, by name.
    pub fn cookies(&mut self) -> BTreeMap<String, String> {
        let told = self.call("Network.getCookies", json!({}));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        told["cookies"].as_array().unwrap().iter().map(|one| (text(&one["name"]), text(&one["value"]))).collect()
    }

    /// The address of the page.
    pub fn url(&mut self) -> String {
        self.eval("location.href").as_str().unwrap_or_default().to_owned()
    }

    /// What somebody reads on it.
    pub fn text(&mut self) -> String {
        self.eval("document.body?.innerText ?? ''").as_str().unwrap_or_default().to_owned()
    }

    fn and_wait(&mut self, act: impl FnOnce(&mut Self)) {
        let before = self.loads;
        act(self);
        let until = postern::clock::monotonic() + PATIENCE;
        while self.loads == before {
            assert!(postern::clock::monotonic() < until, "no page has followed");
            self.read();
        }
    }

    /// Calls a method of the protocol.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.calls += 1;
        let mut message = json!({ "id": self.calls, "method": method, "params": params });
        if !self.tab.is_empty() {
            message["sessionId"] = json!(self.tab);
        }
        self.socket.send(Message::text(message.to_string())).unwrap();
        loop {
            let said = self.read();
            if said["id"] == self.calls {
                assert_eq!(said["error"], Value::Null, "{method}");
                return said["result"].clone();
            }
        }
    }

    fn read(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.socket.read().expect("chromium answers") {
                let said: Value = serde_json::from_str(&text).unwrap();
                self.loads += u64::from(said["method"] == "Page.loadEventFired");
                return said;
            }
        }
    }
}
