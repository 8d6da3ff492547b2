//! `mfa: 15m` through each front: a session is told that it must show its second factor (RFC 9470), shows it, and passes.

use super::servers::{Front, RUN};
use super::{Asked, TRUSTING};
use crate::login::browser::Browser;
use crate::login::second_factor::{CODE, codes, recovery, set_up};
use crate::support::{Answer, Raw, Upstream, Who, eventually, request};

const ROUTES: &str = "
version: 1
upstream: echo
authenticate: [bearer, session]
defaults: { inject: { X-Postern-User: user.username } }
routes:
  /me/**: authenticated
  /safe/**: { level: authenticated, mfa: 15m }
";

const CONFIG: &str = "identity:\n  api: token\n  session: { secure: false }\n  passwords: { memory: 64KiB, passes: 1 }\n  \
                      token: { throttle: none }\n  mfa: { key: \"0123456789abcdef0123456789abcdef\" }\n";
const WORD: &str = "s3cret-word";

/// The challenge, as programs read it, and the reason.
fn is_challenged(answer: &Answer, name: &str) {
    assert_eq!((answer.status, answer.code().as_str()), (401, "second_factor_stale"), "{name}: {answer:?}");
    let challenge = "Bearer error=\"insufficient_user_authentication\", max_age=\"900\"";
    assert_eq!(answer.all("www-authenticate"), [challenge], "{name}");
}

#[test]
fn through_a_front_a_session_shows_its_second_factor_once_more_and_passes() {
    for name in RUN {
        let service = Upstream::echo();
        let asked = Asked::before(service.address(), name, ROUTES, &format!("{TRUSTING}{CONFIG}"));
        asked.postern.cli_with(&["user", "create", "lena", "--password-stdin"], &format!("{WORD}\n"));
        let front = Front::before(&asked);
        let mut lena = Browser::at(front.address);
        assert_eq!((lena.log_in("lena", WORD).status, lena.whoami()), (303, 200), "{name}");
        let count = service.recorded().len();
        is_challenged(&lena.get("/safe/x?a=b"), name);
        is_challenged(&lena.ask("POST", "/safe/x", Some(&[("a", "b")])), name);
        // A browser that navigates is led to where it is shown.
        "Sec-Fetch-Mode: navigate\r\n".clone_into(&mut lena.headers);
        let led = lena.get("/safe/x?a=b");
        let to = format!("{CODE}?next=/safe/x%3Fa%3Db");
        assert_eq!((led.status, led.header("location")), (303, Some(to.as_str())), "{name}: {led:?}");
        lena.headers.clear();
        // A token cannot show one.
        let token = Raw::connect(front.address).send(request(Who::uA, "GET", "/safe/x", &[], "")).answer();
        assert_eq!((token.status, token.code().as_str()), (403, "second_factor_required"), "{name}");
        assert_eq!(service.recorded().len(), count, "{name}: nothing of it has reached the service");
        let form = lena.get(&to).text();
        let done = set_up(&mut lena, &form, &codes(&form)[0], WORD);
        assert_eq!((done.status, lena.get("/safe/x?a=b").status), (200, 200), "{name}: {}", done.text());
        let seen = service.last();
        assert_eq!((seen.target.as_str(), seen.folded("x-postern-user")), ("/safe/x?a=b", vec!["lena"]), "{name}");
        // Shown too long ago, it is shown once more.
        asked.postern.sql("UPDATE sessions SET factor_at = factor_at - 901");
        eventually("it is too old", || lena.get("/safe/x").refuses("second_factor_stale").then_some(()));
        is_challenged(&lena.get("/safe/x"), name);
        assert_eq!(lena.whoami(), 200, "{name}: nothing else asks for it");
        let wrong = lena.send(&to, &[("code", "000000")]);
        assert_eq!((wrong.status, lena.get("/safe/x").status), (400, 401), "{name}");
        let shown = lena.send(&to, &[("code", &recovery(&done)[0])]);
        assert_eq!((shown.status, shown.header("location")), (303, Some("/safe/x?a=b")), "{name}: {shown:?}");
        assert_eq!(lena.get("/safe/x?a=b").status, 200, "{name}");
    }
}
