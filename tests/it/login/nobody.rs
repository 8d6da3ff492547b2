//! Whether a name means somebody: neither what a login costs tells it, nor when it is limited.

use postern::config::accounts::Accounts;
use postern::directory::sqlite::{Options, SqliteStore};
use postern::directory::{Directory, NewUser, UserEdit, Viewer};
use postern::login::{Attempt, Login, LoginError};
use postern::password::{Algorithm, PasswordHash};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use tempfile::TempDir;

/// What an old installation has, and what is written today; made small.
const OLD: &str = "pbkdf2_sha256$3000$saltsaltsaltsaltsalt22$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
const NEW: &str =
    "argon2$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const UNITS: [u64; 2] = [3000, 64];

struct Town {
    login: Login,
    _home: TempDir,
}

/// Sixty with an old password, forty with a new one, some without, some inactive.
async fn people() -> Town {
    let home = TempDir::new().unwrap();
    let store = SqliteStore::open(&home.path().join("postern.db"), Options::default()).unwrap();
    let directory = Directory::from(store);
    let store = directory.as_seen_by(Viewer::Operator);
    let users = (0..120).map(|n| {
        let new = NewUser::named(&format!("u{n}")).unwrap();
        NewUser { email: Some(postern::directory::name::Email::new(&format!("u{n}@example.org")).unwrap()), ..new }
    });
    store.create_users(users.collect()).await.unwrap();
    for n in 0..120 {
        let text = match n {
            0..60 => OLD,
            60..100 => NEW,
            100..110 => "!unusable",
            _ => OLD,
        };
        let name = format!("u{n}");
        let password = Some(PasswordHash::from_stored(text));
        store.set_password(&name.as_str().into(), password, jiff::civil::date(2026, 1, 1)).await.unwrap();
        if n >= 110 {
            let edit = UserEdit { is_active: Some(false), ..UserEdit::default() };
            store.edit_user(&name.as_str().into(), edit).await.unwrap();
        }
    }
    let mut accounts = Accounts { throttle: None, ..Accounts::default() };
    accounts.passwords.algorithm = Algorithm::Argon2id { memory: 64, passes: 1, lanes: 1 };
    accounts.phone_prefixes = vec!["+39".to_owned()];
    Town { login: Login::new(Arc::new(directory), accounts, None), _home: home }
}

fn from(n: u32) -> IpAddr {
    Ipv4Addr::from_bits(0x0a00_0000 + n).into()
}

impl Town {
    /// What a wrong password costs, or `None` where it is limited.
    async fn costs(&self, name: &str, client: IpAddr) -> Option<u64> {
        let before = (self.login.pool().hasher().work(), self.login.pool().hasher().computed());
        let attempt = Attempt { identifier: name.to_owned(), password: "guess".into(), organization: None, client };
        match self.login.check(attempt).await {
            Err(LoginError::Wrong) => {}
            Err(LoginError::Throttled(_)) => return None,
            other => panic!("{name}: {other:?}"),
        }
        assert_eq!(self.login.pool().hasher().computed() - before.1, 1, "{name}");
        Some(self.login.pool().hasher().work() - before.0)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_means_nobody_costs_what_somebody_does_and_always_the_same() {
    let people = people().await;
    for (name, expected) in
        [("u0", 3000), ("u0@example.org", 3000), ("U0@Example.ORG", 3000), ("u99", 64), ("u119", 3000)]
    {
        assert_eq!(people.costs(name, from(0)).await, Some(expected), "{name}");
    }
    // Whoever has no usable password costs one of the kinds, the same under all their names.
    for n in 100..110 {
        let costs = people.costs(&format!("u{n}"), from(1)).await.unwrap();
        assert!(UNITS.contains(&costs));
        assert_eq!(people.costs(&format!("U{n}@example.org"), from(1)).await, Some(costs));
    }
    // As often as the directory has them: 70 of 110. Six hundred names: 382 with a deviation of 12.
    let mut found = BTreeMap::new();
    for n in 0..600 {
        let name = format!("nobody-{n}@example.org");
        let costs = people.costs(&name, from(2)).await.unwrap();
        *found.entry(costs).or_insert(0_i32) += 1;
        if n % 20 == 0 {
            assert_eq!(people.costs(&name, from(3)).await, Some(costs), "{name}");
            assert_eq!(people.costs(&name.to_uppercase(), from(3)).await, Some(costs), "{name}");
        }
    }
    assert_eq!(found.keys().copied().collect::<Vec<_>>(), [64, 3000]);
    assert!((found[&3000] - 382).abs() < 60, "{found:?}");
    // A number in its spellings.
    let number = people.costs("+39 366 5243702", from(4)).await;
    for spelling in ["+393665243702", "366 524 3702", "0366 5243702", "+39-366-5243702"] {
        assert_eq!(people.costs(spelling, from(4)).await, number, "{spelling}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_limited_alike_whether_they_mean_somebody_or_not() {
    let people = people().await;
    let mut pairs = Vec::new();
    for (name, another) in [
        ("u1", "U1"),
        ("nobody", "NOBODY"),
        ("u2@example.org", "U2@EXAMPLE.ORG"),
        ("nobody@example.org", "Nobody@Example.org"),
        ("+393665243702", "0366 524 3702"),
        ("u100", "U100"),
        ("u119", "U119"),
        ("stra\u{df}e", "STRASSE"),
    ] {
        let mut passed = 0;
        for n in 0..130 {
            passed += u32::from(people.costs(name, from(n)).await.is_some());
        }
        pairs.push((name, passed, people.costs(another, from(999)).await));
    }
    for (name, passed, another) in pairs {
        assert_eq!((passed, another), (100, None), "{name}");
    }
    assert!(people.costs("somebody-else", from(0)).await.is_some());
    // One user under two names is one.
    assert!(people.costs("u1@example.org", from(0)).await.is_none());
}
