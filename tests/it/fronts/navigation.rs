//! A browser without a session, through each front: to the page on which people log in, and back to where they wanted to.

use super::servers::{Front, RUN};
use super::{Asked, TRUSTING};
use crate::login::browser::{Browser, LOGIN};
use crate::support::{Upstream, eventually};

const ROUTES: &str = "
version: 1
upstream: echo
defaults: { inject: { X-Postern-User: user.username } }
routes:
  /app/**: { level: authenticated, authenticate: [bearer, session] }
";

const CONFIG: &str =
    "identity:\n  api: token\n  session: { secure: false }\n  passwords: { memory: 64KiB, passes: 1 }\n";

const NAVIGATES: &str = "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nAccept: text/html,*/*;q=0.8\r\n";

#[test]
fn through_a_front_whoever_has_no_session_logs_in_and_comes_to_where_they_wanted_to() {
    for name in RUN {
        let service = Upstream::echo();
        let asked = Asked::before(service.address(), name, ROUTES, &format!("{TRUSTING}{CONFIG}"));
        asked.postern.cli_with(&["user", "create", "lena", "--password-stdin"], "s3cret-word\n");
        let front = Front::before(&asked);
        let mut browser = Browser::at(front.address);
        assert_eq!(browser.get("/app/devices").status, 401, "{name}: a script is refused as ever");
        NAVIGATES.clone_into(&mut browser.headers);
        let wanted = "/app/devices?page=2&name=a%20b";
        let sent_on = browser.get(wanted);
        let location = format!("{LOGIN}?next=/app/devices%3Fpage%3D2%26name%3Da%2520b");
        assert_eq!((sent_on.status, sent_on.header("location")), (303, Some(location.as_str())), "{name}: {sent_on:?}");
        assert_eq!((sent_on.header("www-authenticate"), sent_on.text().as_str()), (None, ""), "{name}");
        assert_eq!(sent_on.header("cache-control"), Some("no-store"), "{name}: {sent_on:?}");
        let vary = sent_on.all("vary").join(", ");
        assert!(["Accept", "Sec-Fetch-Mode", "Cookie"].iter().all(|name| vary.contains(name)), "{name}: {vary}");
        assert!(service.recorded().is_empty(), "{name}");
        // What was sent with a form is lost.
        let posted = browser.ask("POST", "/app/form", Some(&[("a", "1")]));
        assert_eq!((posted.status, posted.header("location")), (303, Some(LOGIN)), "{name}: {posted:?}");
        assert!(service.recorded().is_empty(), "{name}");
        let logged_in = browser.send(&location, &[("username", "lena"), ("password", "s3cret-word")]);
        assert_eq!((logged_in.status, logged_in.header("location")), (303, Some(wanted)), "{name}: {logged_in:?}");
        assert_eq!(browser.get(wanted).status, 200, "{name}");
        let seen = service.last();
        assert_eq!((seen.target.as_str(), seen.folded("x-postern-user")), (wanted, vec!["lena"]), "{name}: {seen:?}");
        assert_eq!(seen.header("cookie"), None, "{name}: the session is postern's alone");
        asked.postern.cli(&["user", "edit", "lena", "--active=false"]);
        eventually("the session has ended", || (browser.get(wanted).status == 303).then_some(()));
    }
}
