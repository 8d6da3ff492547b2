//! Second factors of people whom Django keeps, and sessions of postern's beside Django's tables.

use super::{Live, django, options};
use crate::login::browser::{Browser, LOGIN};
use crate::login::second_factor::{CODE, codes, recovery, set_up};
use crate::support::{Postern, Upstream, eventually};

const ROUTES: &str = "version: 1\nupstream: echo\nauthenticate: [bearer, session]\nroutes:\n  /me/**: authenticated\n  /safe/**: { level: authenticated, mfa: 15m }\n";
const WHO: &str = "UPDATE public.openwisp_users_user SET";

#[test]
fn a_session_on_django_s_tables_shows_a_second_factor_before_it_goes_on() {
    let (database, upstream) = (django(), Upstream::echo());
    let mut options = options(&database, "");
    options.policies = vec![("routes.yaml", ROUTES.to_owned())];
    let identity = "{ api: all, session: { secure: false }, mfa: { key: \"0123456789abcdef0123456789abcdef\", required_for: [staff] }, \
                    login: { trusted_header: { header: X-Remote-User, from: [127.0.0.1] } } }";
    options.config = options.config.replace("{ api: all }", identity);
    let postern = Postern::start(upstream.address(), &options);
    let live = Live { database, postern, upstream };
    live.sql(&format!("{WHO} password = '!none', is_staff = false WHERE username = 'alpha_manager'"));
    let mut browser = Browser::at(live.postern.data);
    "X-Remote-User: alpha_manager\r\n".clone_into(&mut browser.headers);
    let begun = browser.get(LOGIN);
    assert_eq!((begun.status, browser.whoami()), (303, 200), "{}", begun.text());
    assert_eq!(browser.get("/safe/x").code(), "second_factor_stale");
    // Django makes staff of them: from now on they must have one.
    live.sql(&format!("{WHO} is_staff = true WHERE username = 'alpha_manager'"));
    eventually("it is asked for", || browser.get("/me/x").refuses("second_factor_missing").then_some(()));
    // A session that began without a password sets nothing up: they log in once more.
    assert!(!browser.get(CODE).text().contains("<code>"));
    browser.cookies.clear();
    assert_eq!(browser.get(LOGIN).header("location"), Some(CODE));
    let page = browser.get(CODE).text();
    let done = set_up(&mut browser, &page, &codes(&page)[0], "");
    assert_eq!((done.status, browser.whoami(), browser.get("/safe/x").status), (200, 200, 200), "{}", done.text());
    assert_eq!(live.text("SELECT count(factor_at) || ' ' || max(factor) FROM postern.sessions"), "1 app");
    // Raw SQL on our tables is told as well.
    live.sql("UPDATE postern.sessions SET factor_at = factor_at - 901");
    eventually("it is too old", || browser.get("/safe/x").refuses("second_factor_stale").then_some(()));
    let shown = browser.send(&format!("{CODE}?next=/safe/x"), &[("code", &recovery(&done)[0])]);
    assert_eq!((shown.status, browser.get("/safe/x").status), (303, 200));
    live.cli(&["user", "reset-mfa", "alpha_manager"]);
    eventually("none is shown any more", || browser.get("/me/x").refuses("second_factor_missing").then_some(()));
    live.sql(&format!("{WHO} is_active = false WHERE username = 'alpha_manager'"));
    eventually("the session has ended", || (browser.whoami() == 401).then_some(()));
}
