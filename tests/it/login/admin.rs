//! Django's admin behind the gate, in a real browser: its login is the gate's, its forms work as they are, and a logout ends both.

use crate::interop;
use crate::support::chromium::Chromium;
use crate::support::{Options, Postern, eventually_within, free_port};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

/// Killed when dropped.
struct Admin(Child);

impl Drop for Admin {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn recipe(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/recipes/django-admin").join(name);
    std::fs::read_to_string(path).unwrap()
}

fn journey(mut browser: Chromium) {
    let home = tempfile::tempdir().unwrap();
    let django = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/login/admin.py");
    let started = Command::new(interop::python()).arg(program).arg(django.port().to_string()).arg(home.path()).spawn();
    let _admin = Admin(started.unwrap());
    let mut options = Options::policy(recipe("routes.yaml"));
    options.upstreams = Some(format!("{{ django: \"http://{django}\" }}"));
    options.config =
        "identity: { api: token, session: { secure: false }, passwords: { memory: 64KiB, passes: 1 } }\n".to_owned();
    let gate = Postern::start(django, &options);
    for name in ["ann", "bob"] {
        gate.cli_with(&["user", "create", name, "--staff", "--superuser", "--password-stdin"], "s3cret-word\n");
    }
    gate.cli_with(&["user", "create", "eve", "--password-stdin"], "s3cret-word\n");
    eventually_within(Duration::from_secs(60), "Django serves", || TcpStream::connect(django).ok());

    let url = |path: &str| format!("http://localhost:{}{path}", gate.data.port());
    let log_in = |browser: &mut Chromium, name: &str| {
        assert!(browser.url().starts_with(&url("/api/v1/users/login/?next=")), "{}", browser.url());
        browser.fill("username", name);
        browser.fill("password", "s3cret-word");
        browser.click("button[type=submit], input[type=submit], form button");
    };
    browser.open_page(&url("/admin/auth/group/add/"));
    log_in(&mut browser, "ann");
    assert_eq!(browser.url(), url("/admin/auth/group/add/"), "they come to where they wanted to");
    assert!(browser.text().to_lowercase().contains("ann"), "Django knows who it is");
    browser.fill("name", "Editors");
    browser.click("[name=_save]");
    assert!(browser.text().contains("The group “Editors” was added successfully."), "{}", browser.text());

    // Django's own button ends Django's session, and leads to where the gate's ends.
    browser.click("#logout-form button");
    assert_eq!(browser.url(), url("/api/v1/users/logout/"));
    browser.click("form button");
    browser.open_page(&url("/admin/"));
    log_in(&mut browser, "bob");
    let shown = browser.text().to_lowercase();
    assert!(shown.contains("bob") && !shown.contains("ann"), "nothing of the session before is left: {shown}");

    // The gate's logout alone is enough.
    browser.open_page(&url("/api/v1/users/logout/"));
    browser.click("form button");
    browser.open_page(&url("/admin/auth/group/"));
    log_in(&mut browser, "eve");
    assert!(browser.text().contains("staff_only"), "{}", browser.text());
}

#[test]
fn django_s_admin_with_scripts() {
    journey(Chromium::open());
}

#[test]
fn django_s_admin_without_scripts() {
    journey(Chromium::open().without_scripts());
}
