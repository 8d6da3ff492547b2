//! Passkeys: of many uses of one challenge one is good, counters go up, and what is somebody's goes with them; the same on every store.

use super::{Backend, stories, user};
use postern::directory::{DirectoryError, NewPasskey, PasskeyKept, PasskeyUse, PasskeyUsed, UserEdit, Viewer};
use postern::id::UserId;
use postern::password::PasswordHash;
use postern::webauthn::{NewCredential, Shown};
use std::sync::Arc;
use uuid::Uuid;

stories!(
    of_a_thousand_uses_of_one_challenge_one_is_good,
    a_counter_goes_up_or_there_is_a_copy,
    a_credential_is_one_user_s_and_goes_with_them,
    nobody_takes_the_last_way_in,
);

const UNTIL: i64 = 4_000_000_000;

fn new(user: UserId, credential: u8, once: u8) -> NewPasskey {
    let credential = NewCredential {
        id: vec![credential; 32],
        public_key: vec![1, 2, 3],
        sign_count: 0,
        backup_eligible: false,
        backed_up: false,
        user_verified: true,
    };
    NewPasskey { user, name: "a phone".to_owned(), credential, once: ([once; 32], UNTIL) }
}

fn using(passkey: Uuid, sign_count: u32, once: [u8; 32]) -> PasskeyUse {
    let shown = Shown { sign_count, backed_up: false, user_verified: true };
    PasskeyUse { passkey, shown, once: (once, UNTIL), today: None }
}

fn once(number: u32) -> [u8; 32] {
    let mut digest = [255; 32];
    digest[..4].copy_from_slice(&number.to_be_bytes());
    digest
}

async fn kept(view: &postern::directory::View, new: NewPasskey) -> Uuid {
    match view.directory().keep_passkey(new).await.unwrap() {
        PasskeyKept::Kept(id) => id,
        other => panic!("{other:?}"),
    }
}

async fn of_a_thousand_uses_of_one_challenge_one_is_good(on: &dyn Backend) {
    let stores = [on.store(), on.another().await];
    let ann = user(&stores[0], "ann").await.id;
    let phone = kept(&stores[0], new(ann, 1, 1)).await;
    // With a counter and without one.
    for (round, count) in [(1, 0), (2, 7)] {
        let mut uses = tokio::task::JoinSet::new();
        for n in 0..1_000 {
            let store = Arc::clone(&stores[n % 2]);
            uses.spawn(async move { store.directory().use_passkey(using(phone, count, once(round))).await.unwrap() });
        }
        let ends = uses.join_all().await;
        assert_eq!(ends.iter().filter(|end| **end == PasskeyUsed::Used(ann)).count(), 1);
        assert_eq!(ends.iter().filter(|end| **end == PasskeyUsed::Replayed).count(), 999);
    }
    // Of many challenges that were signed with one number, one is good too.
    let mut uses = tokio::task::JoinSet::new();
    for n in 0..100 {
        let store = Arc::clone(&stores[n % 2]);
        let once = once(100 + u32::try_from(n).unwrap());
        uses.spawn(async move { store.directory().use_passkey(using(phone, 8, once)).await.unwrap() });
    }
    let ends = uses.join_all().await;
    assert_eq!(ends.iter().filter(|end| **end == PasskeyUsed::Used(ann)).count(), 1);
    assert_eq!(ends.iter().filter(|end| **end == PasskeyUsed::Regressed).count(), 99);
    // A challenge that made a passkey is used.
    assert_eq!(stores[1].directory().keep_passkey(new(ann, 2, 1)).await.unwrap(), PasskeyKept::Replayed);
}

async fn a_counter_goes_up_or_there_is_a_copy(on: &dyn Backend) {
    let view = on.store();
    let store = view.directory();
    let ann = user(&view, "ann").await.id;
    let phone = kept(&view, new(ann, 1, 1)).await;
    let mut challenges = 0;
    let mut take = async |count| {
        challenges += 1;
        store.use_passkey(using(phone, count, once(challenges))).await.unwrap()
    };
    for (count, end) in [
        (0, PasskeyUsed::Used(ann)),
        (0, PasskeyUsed::Used(ann)),
        (5, PasskeyUsed::Used(ann)),
        (5, PasskeyUsed::Regressed),
        (4, PasskeyUsed::Regressed),
        (0, PasskeyUsed::Regressed),
        (6, PasskeyUsed::Used(ann)),
        (u32::MAX, PasskeyUsed::Used(ann)),
        (1, PasskeyUsed::Regressed),
    ] {
        assert_eq!(take(count).await, end, "{count}");
    }
}

async fn a_credential_is_one_user_s_and_goes_with_them(on: &dyn Backend) {
    let view = on.store();
    let store = view.directory();
    let (ann, bob) = (user(&view, "ann").await.id, user(&view, "bob").await.id);
    let phone = kept(&view, new(ann, 1, 1)).await;
    for (who, once) in [(bob, 2), (ann, 3)] {
        assert_eq!(store.keep_passkey(new(who, 1, once)).await.unwrap(), PasskeyKept::Taken);
    }
    let found = store.passkey(vec![1; 32]).await.unwrap().unwrap();
    assert_eq!((found.id, found.user, found.public_key), (phone, ann, vec![1, 2, 3]));
    assert!(store.passkey(vec![9; 32]).await.unwrap().is_none());
    assert!(store.passkeys(bob).await.unwrap().is_empty());
    // Nobody takes somebody else's.
    let bobs = view.as_seen_by(Viewer::Oneself(bob));
    assert!(bobs.delete_passkey(&ann.into(), phone, false).await.is_err());
    assert!(matches!(
        bobs.delete_passkey(&bob.into(), phone, false).await,
        Ok(false) | Err(DirectoryError::Forbidden { .. })
    ));
    // Twenty are enough for one user, however many come at once.
    let mut makes = tokio::task::JoinSet::new();
    for n in 10..40 {
        let view = Arc::clone(&view);
        makes.spawn(async move { view.directory().keep_passkey(new(ann, n, n)).await.unwrap() });
    }
    let ends = makes.join_all().await;
    assert_eq!(ends.iter().filter(|end| matches!(end, PasskeyKept::Kept(_))).count(), 19);
    assert_eq!(ends.iter().filter(|end| **end == PasskeyKept::TooMany).count(), 11);
    // Who is inactive does not log in; who is gone has none.
    view.edit_user(&ann.into(), UserEdit { is_active: Some(false), ..UserEdit::default() }).await.unwrap();
    assert_eq!(store.use_passkey(using(phone, 1, once(1))).await.unwrap(), PasskeyUsed::Inactive);
    view.delete_user(&ann.into()).await.unwrap();
    assert_eq!(store.use_passkey(using(phone, 1, once(2))).await.unwrap(), PasskeyUsed::Gone);
    assert!(store.passkey(vec![1; 32]).await.unwrap().is_none());
    assert_eq!(on.sql("DELETE FROM passkeys").unwrap(), 0, "no row is left behind");
}

async fn nobody_takes_the_last_way_in(on: &dyn Backend) {
    let view = on.store();
    let ann = user(&view, "ann").await.id;
    let (phone, key) = (kept(&view, new(ann, 1, 1)).await, kept(&view, new(ann, 2, 2)).await);
    let own = view.as_seen_by(Viewer::Oneself(ann));
    assert!(own.delete_passkey(&ann.into(), phone, false).await.unwrap());
    assert!(matches!(own.delete_passkey(&ann.into(), key, false).await, Err(DirectoryError::Forbidden { .. })));
    // Links, say, let her in.
    assert!(own.delete_passkey(&ann.into(), key, true).await.unwrap());
    let key = kept(&view, new(ann, 4, 4)).await;
    let password = PasswordHash::from_stored("pbkdf2_sha256$1$a$b");
    view.set_password(&ann.into(), Some(password), "2026-01-01".parse().unwrap()).await.unwrap();
    assert!(own.delete_passkey(&ann.into(), key, false).await.unwrap());
    assert!(!own.delete_passkey(&ann.into(), key, false).await.unwrap());
    kept(&view, new(ann, 3, 3)).await;
    assert_eq!(view.delete_passkeys(&ann.into()).await.unwrap(), 1);
    assert!(view.directory().passkeys(ann).await.unwrap().is_empty());
}
