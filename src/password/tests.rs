use super::{Algorithm, Hasher, PasswordHash, Pool, PoolSettings, Verdict};
use proptest::prelude::*;
use secrecy::SecretString;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

const CHEAP: Algorithm = Algorithm::Argon2id { memory: 64, passes: 1, lanes: 1 };

/// What Django 5.2 itself says of 119 stored texts. Where it trips over one, no password matches.
#[test]
fn django_s_stored_passwords_are_judged_as_by_django() {
    let file: Value = serde_json::from_str(include_str!("../../tests/vectors/passwords.json")).unwrap();
    let hasher = Hasher::new(Algorithm::DJANGO, true);
    let vectors = file["vectors"].as_array().unwrap();
    assert!(vectors.len() > 100);
    for vector in vectors {
        let Some(password) = vector["password"].as_str() else { continue };
        let verdict = hasher.verify(password, vector["encoded"].as_str().unwrap());
        let expected = match (vector["valid"].as_bool(), vector["must_update"].as_bool()) {
            (Some(true), Some(rehash)) => Verdict::Right { rehash },
            _ => Verdict::Wrong,
        };
        assert_eq!(verdict, expected, "{}: {}", vector["id"], vector["description"]);
    }
}

#[test]
fn md5_is_believed_only_where_that_is_asked_for() {
    let stored = "md5$saltsaltsaltsaltsalt22$2966e1920c9cd8642250c368ae3cf00e";
    assert_eq!(Hasher::new(CHEAP, true).verify("tester", stored), Verdict::Right { rehash: true });
    assert_eq!(Hasher::new(CHEAP, false).verify("tester", stored), Verdict::Wrong);
}

#[test]
fn a_new_hash_matches_its_password_and_is_up_to_date_until_the_cost_changes() {
    for algorithm in [CHEAP, Algorithm::Pbkdf2Sha256 { iterations: 10 }] {
        let hasher = Hasher::new(algorithm, false);
        let (one, two) = (hasher.hash("s3cret \u{2713}").unwrap(), hasher.hash("s3cret \u{2713}").unwrap());
        assert_ne!(one.expose(), two.expose());
        assert_eq!(hasher.verify("s3cret \u{2713}", one.expose()), Verdict::Right { rehash: false });
        assert_eq!(hasher.verify("s3cret", one.expose()), Verdict::Wrong);
        assert_eq!(Hasher::default().verify("s3cret \u{2713}", one.expose()), Verdict::Right { rehash: true });
        assert!(!format!("{one:?}").contains('$') && one.is_usable());
    }
}

/// Somebody wrote such a text into the table: comparing must end, and soon.
#[test]
fn absurd_costs_are_no_passwords() {
    let hash = "AAAAAAAAAAAAAAAAAAAAAA";
    let hasher = Hasher::default();
    for stored in [
        format!("pbkdf2_sha256$4294967295$salt${hash}"),
        format!("pbkdf2_sha1$99999999999999999999$salt${hash}"),
        format!("argon2$argon2id$v=19$m=4294967295,t=1,p=1${hash}${hash}"),
        format!("argon2$argon2id$v=19$m=65536,t=4294967295,p=1${hash}${hash}"),
        format!("argon2$argon2id$v=19$m=65536,t=1,p=4294967295${hash}${hash}"),
        format!("argon2$argon2id$v=19$m=8,t=1,p=16777215${hash}${hash}"),
        format!("scrypt$2147483648$salt$8$1${hash}"),
        format!("scrypt$16384$salt$4294967295$1${hash}"),
        format!("scrypt$16384$salt$8$4294967295${hash}"),
        "bcrypt$$2b$31$TT09V.yGeYO1tuujQr/nN.qJ6NVj2cSufFa5L3BbP.mwv6DlaVCU.".to_owned(),
        "bcrypt_sha256$$2b$31$TT09V.yGeYO1tuujQr/nN.qJ6NVj2cSufFa5L3BbP.mwv6DlaVCU.".to_owned(),
        format!("pbkdf2_sha256$1${}${hash}", "s".repeat(100_000)),
        format!("argon2$argon2id$v=19$m=64,t=1,p=1${hash}${}", "A".repeat(100_000)),
    ] {
        assert_eq!(hasher.verify("x", &stored), Verdict::Wrong, "{}", &stored[..40]);
        assert!(!PasswordHash::from_stored(stored).is_usable());
    }
    assert_eq!(hasher.computed(), 0);
    assert!(Algorithm::default().is_bounded() && Algorithm::DJANGO.is_bounded());
    assert!(!Algorithm::Argon2id { memory: u32::MAX, passes: 1, lanes: 1 }.is_bounded());
}

/// Counted, not timed: a stranger's name costs one computation, as a known user's does.
#[tokio::test]
async fn who_does_not_exist_costs_as_much_as_who_does() {
    let pool =
        Pool::new(Hasher::new(CHEAP, false), PoolSettings { workers: 1, queue: 1, wait: Duration::from_secs(60) });
    let known = pool.hash("right".into()).await.unwrap().unwrap();
    let unusable = PasswordHash::from_stored("!x");
    let mut before = pool.hasher().computed();
    for (stored, password, found) in [
        (vec![], "right", None),
        (vec![unusable.clone()], "right", None),
        (vec![PasswordHash::from_stored("md5$x$y")], "right", None),
        (vec![known.clone()], "wrong", None),
        (vec![known.clone()], "right", Some(0)),
        (vec![unusable, known], "right", Some(1)),
    ] {
        let got = pool.first_match(SecretString::from(password), stored, None).await.unwrap();
        assert_eq!(got.map(|(at, _)| at), found);
        assert_eq!(pool.hasher().computed() - before, 1);
        before = pool.hasher().computed();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_refused_beyond_the_queue_and_what_was_admitted_is_answered() {
    let algorithm = Algorithm::Argon2id { memory: 8 * 1024, passes: 1, lanes: 1 };
    let settings = PoolSettings { workers: 1, queue: 7, wait: Duration::from_secs(60) };
    let pool = Arc::new(Pool::new(Hasher::new(algorithm, false), settings));
    let logins = (0..500).map(|_| {
        let pool = Arc::clone(&pool);
        tokio::spawn(async move { pool.first_match("x".into(), Vec::new(), None).await.is_ok() })
    });
    let mut answered = 0;
    for login in logins.collect::<Vec<_>>() {
        answered += u64::from(login.await.unwrap());
    }
    assert!(answered >= 8, "{answered}");
    assert_eq!((pool.hasher().computed(), pool.refused()), (answered, 500 - answered));
    assert_eq!(pool.occupied(), 0);
}

proptest! {
    #[test]
    fn no_stored_text_makes_it_stumble(text in "(pbkdf2_sha256|pbkdf2_sha1|argon2|bcrypt|bcrypt_sha256|scrypt|md5|)([$=,0-9a-zA-Z+/.!\u{e9}-]{0,4}[$]){0,7}\\PC{0,70}", password in "\\PC{0,80}") {
        // Only what is cheap is computed.
        if !text.contains("00") && text.len() < 200 {
            let _ = Hasher::new(CHEAP, true).verify(&password, &text);
        }
    }
}
