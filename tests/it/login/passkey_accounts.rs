//! Passkeys where usernames are per organization, on PostgreSQL: two people of one name have each their own.

use super::passkeys::{PASSKEY, Site, WORD};
use crate::support::chromium::Chromium;
use crate::support::postgres::Server;
use crate::support::{Gate, Options, Postern, Upstream, command, eventually, free_port};

const ROUTES: &str = "
version: 1
upstream: echo
authenticate: [bearer, session]
defaults: { inject: { X-Postern-User: user.login } }
routes:
  /me/**: authenticated
";

#[test]
fn two_people_of_one_name_have_each_their_own_passkey() {
    let (database, upstream, port) = (Server::shared().database(), Upstream::echo(), free_port());
    let (base, url) = (format!("http://localhost:{port}"), database.url());
    let config = format!(
        "public_url: {base}\nidentity:\n  api: token\n  session: {{ secure: false }}\n  passwords: {{ memory: 64KiB, passes: 1 }}\n  \
         token: {{ throttle: none }}\n  mfa: {{ key: \"0123456789abcdef0123456789abcdef\" }}\n  passkeys: {{ rp_id: localhost, origins: [\"{base}\"] }}\n"
    );
    let options = Options { config, world: false, ..Options::policy(ROUTES) };
    let options = options.set("database", &url).set("listen", format!("127.0.0.1:{port}"));
    let options = options.set("identity.login.usernames", "per_organization");
    let home = Postern::prepare(Some(upstream.address()), &options);
    let cli = |args: &[&str], input: &str| {
        let args: Vec<&str> = ["--database", &url].into_iter().chain(args.iter().copied()).collect();
        command(home.path(), &args, input).unwrap_or_else(|error| panic!("{args:?}: {error}"))
    };
    for name in ["one", "two"] {
        cli(&["org", "create", name], "");
    }
    cli(&["usernames", "per_organization"], "");
    for name in ["one", "two"] {
        cli(&["user", "create", "lena", "--org", name, "--password-stdin"], &format!("{WORD}\n"));
    }
    let mut serve = Postern::serve(home.path(), &options);
    let site = Site { gate: Gate { postern: Postern::run(home, &mut serve), upstream }, base };
    let text = |sql: &str| database.server.text(&database.name, sql);

    let mut browsers = ["one/lena", "two/lena"].map(|name| {
        let mut browser = Chromium::open();
        browser.authenticator();
        site.enrol(&mut browser, name);
        assert!(browser.text().contains("my phone"), "{name}: {}", browser.text());
        (name, browser)
    });
    assert_eq!(text("SELECT count(DISTINCT user_id)::text FROM passkeys"), "2");
    // Nobody types of which organization they are: the passkey says it.
    for (name, browser) in &mut browsers {
        site.log_in_alone(browser);
        site.is_in(browser, name);
    }
    // Behind the password of one the device of the other has nothing to show.
    let [(one, first), _] = &mut browsers;
    site.log_in(first, "two/lena");
    assert!(first.url().ends_with("/login/code/"), "{}", first.url());
    first.click("a[href*='/login/passkey/']");
    assert!(first.url().contains(PASSKEY), "{}", first.url());
    first.eval("document.querySelector('button[data-passkey]').click()");
    eventually("nothing was shown", || first.text().contains("has shown no passkey").then_some(()));
    site.log_in(first, one);
    first.click("a[href*='/login/passkey/']");
    first.click("button[data-passkey]");
    site.open(first, "/me/x?a=b");
    site.is_in(first, one);
    // Where their organization is disabled, as everywhere.
    assert_eq!(text("SELECT count(*)::text FROM passkeys WHERE last_used IS NOT NULL"), "2");
}
