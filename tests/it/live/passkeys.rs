//! Passkeys of people whom Django keeps: made in a browser, used alone and behind a password, and gone with their owner.

use super::{django, options};
use crate::login::passkeys::{PASSKEYS, Site, WORD};
use crate::support::chromium::Chromium;
use crate::support::{Gate, Postern, Upstream, free_port};
use std::io::Write;
use std::process::{Command, Stdio};

const ROUTES: &str = "
version: 1
upstream: echo
authenticate: [bearer, session]
defaults: { inject: { X-Postern-User: user.username } }
routes:
  /me/**: authenticated
  /safe/**: { level: authenticated, mfa: 15m }
";
const LENA: &str = "public.openwisp_users_user WHERE username = 'lena'";

#[test]
fn a_passkey_is_of_somebody_whom_django_keeps() {
    let (database, upstream, port) = (django(), Upstream::echo(), free_port());
    let base = format!("http://localhost:{port}");
    let mut options = options(&database, &format!("public_url: {base}\n")).set("listen", format!("127.0.0.1:{port}"));
    options.policies = vec![("routes.yaml", ROUTES.to_owned())];
    let identity = format!(
        "{{ api: all, session: {{ secure: false }}, passwords: {{ memory: 64KiB, passes: 1 }}, token: {{ throttle: none }}, \
         mfa: {{ key: \"0123456789abcdef0123456789abcdef\" }}, passkeys: {{ rp_id: localhost, origins: [\"{base}\"] }} }}"
    );
    options.config = options.config.replace("{ api: all }", &identity);
    let postern = Postern::start(upstream.address(), &options);
    let mut command = Command::new(env!("CARGO_BIN_EXE_postern"));
    command
        .current_dir(postern.home())
        .env("POSTERN_DATA_DIR", postern.home())
        .env("POSTERN__DATABASE", database.url());
    let mut made = command.args(["user", "create", "lena", "--password-stdin"]).stdin(Stdio::piped()).spawn().unwrap();
    made.stdin.take().unwrap().write_all(format!("{WORD}\n").as_bytes()).unwrap();
    assert!(made.wait().unwrap().success());
    let sql = |sql: &str| database.server.sql(&database.name, sql);
    let text = |sql: &str| database.server.text(&database.name, sql);
    let site = Site { gate: Gate { postern, upstream }, base };

    let mut browser = Chromium::open();
    browser.authenticator();
    site.enrol(&mut browser, "lena");
    assert!(browser.text().contains("my phone"), "{}", browser.text());
    assert_eq!(text("SELECT count(*)::text FROM postern.passkeys"), "1");
    site.log_in_alone(&mut browser);
    site.is_in(&mut browser, "lena");
    assert_eq!(text("SELECT factor FROM postern.sessions ORDER BY created DESC, id DESC LIMIT 1"), "passkey");
    site.open(&mut browser, "/safe/x");
    assert_eq!(site.gate.upstream.last().target, "/safe/x", "{}", browser.text());
    // Behind the password it is asked for; the counter, which goes up in our own table, is that of both.
    site.log_in(&mut browser, "lena");
    browser.click("a[href*='/login/passkey/']");
    browser.click("button[data-passkey]");
    site.open(&mut browser, "/me/x?a=b");
    site.is_in(&mut browser, "lena");
    // Whom Django stops is not let in, and is again.
    sql(&format!("UPDATE {} ", LENA.replace(" WHERE", " SET is_active = false WHERE")));
    site.log_in_alone(&mut browser);
    assert!(browser.text().contains("Nobody can log in with this passkey"), "{}", browser.text());
    sql(&format!("UPDATE {} ", LENA.replace(" WHERE", " SET is_active = true WHERE")));
    site.log_in_alone(&mut browser);
    site.is_in(&mut browser, "lena");
    // It goes with the password and a factor that was just shown, and another one goes with its owner.
    site.open(&mut browser, PASSKEYS);
    browser.fill("password", WORD);
    browser.click("button[name=remove]");
    assert_eq!(text("SELECT count(*)::text FROM postern.passkeys"), "0", "{}", browser.text());
    site.enrol(&mut browser, "lena");
    assert_eq!(text("SELECT count(*)::text FROM postern.passkeys"), "1", "{}", browser.text());
    sql(&format!("DELETE FROM {LENA}"));
    assert_eq!(
        text("SELECT ((SELECT count(*) FROM postern.passkeys) + (SELECT count(*) FROM postern.sessions))::text"),
        "0"
    );
    site.log_in_alone(&mut browser);
    assert!(browser.text().contains("Nobody can log in with this passkey"), "{}", browser.text());
}
