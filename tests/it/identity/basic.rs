//! Basic with a token in the password's place, for agents that know nothing else.

use super::ask;
use crate::support::{Gate, Options, Who, World};
use data_encoding::BASE64;

const ROUTES: &str = r#"
version: 1
upstream: echo
defaults: { inject: { X-Postern-User: user.username } }
routes:
  /both: { level: authenticated, authenticate: [bearer, basic] }
  /basic: { level: authenticated, authenticate: basic }
  /bearer: authenticated
"#;

#[test]
fn a_token_stands_in_the_password_s_place() {
    let gate = Gate::with(&Options::policy(ROUTES));
    let token = World::get().token(Who::uA).unwrap();
    let basic = |text: &str| format!("Basic {}", BASE64.encode(text.as_bytes()));
    for user in ["uA", "", "x-access-token"] {
        let recorded = gate.forwarded(ask("GET", "/both", &basic(&format!("{user}:{token}"))));
        assert_eq!(recorded.header("x-postern-user"), Some("uA"));
        assert!(recorded.header("authorization").is_none());
    }
    for bad in [basic("uA:wrong"), basic("uA"), basic(&format!("{token}:")), "Basic".to_owned(), "Basic !".to_owned()] {
        gate.refused(ask("GET", "/both", &bad), 401, "credentials_invalid");
    }
    gate.refused(ask("GET", "/bearer", &basic(&format!("uA:{token}"))), 401, "credentials_invalid");
    gate.refused(ask("GET", "/basic", &format!("Bearer {token}")), 401, "credentials_invalid");
    // Who is asked is told what is taken.
    let challenges = |target: &str| {
        let answer = gate.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(answer.status, 401);
        answer.all("www-authenticate").join(", ")
    };
    assert!(challenges("/basic").contains("Basic realm=\"postern\"") && !challenges("/basic").contains("Bearer"));
    assert!(challenges("/both").contains("Basic realm=") && challenges("/both").contains("Bearer"));
    assert!(!challenges("/bearer").contains("Basic"));
}
