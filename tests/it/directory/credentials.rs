//! Subjects of issuers, sessions, and what one-time tokens rest on: the same on every store.

use super::{Backend, stories, user};
use postern::directory::token::TokenDigest;
use postern::directory::{Change, DirectoryError, NewSession, UserEdit, UserKey};

stories!(
    a_subject_is_one_user_s_and_is_told,
    a_login_moves_once_of_many_at_a_time,
    a_session_ends_with_its_row_its_user_and_the_password,
    a_user_is_found_by_what_a_credential_names,
);

async fn a_subject_is_one_user_s_and_is_told(backend: &dyn Backend) {
    let store = backend.store();
    let (ann, bob) = (user(&store, "ann").await, user(&store, "bob").await);
    let before = store.directory().position().await.unwrap();
    let bound = store.bind_subject(&"ann".into(), "https://id".into(), "1".into()).await.unwrap();
    assert_eq!((bound.user, bound.subject.as_str()), (ann.id, "1"));
    assert_eq!(
        store.bind_subject(&"ann".into(), "https://id".into(), "1".into()).await.unwrap(),
        bound,
        "again is no change"
    );
    assert!(store.directory().changes(&before).await.unwrap().changes.contains(&Change::User(ann.id)));
    let taken = store.bind_subject(&"bob".into(), "https://id".into(), "1".into()).await.unwrap_err();
    assert!(matches!(taken, DirectoryError::Taken { .. }), "{taken}");
    store.bind_subject(&"bob".into(), "https://other".into(), "1".into()).await.unwrap();
    let whose =
        async |issuer: &str| store.directory().subject_snapshot(issuer, "1").await.unwrap().map(|found| found.user.id);
    assert_eq!((whose("https://id").await, whose("https://other").await), (Some(ann.id), Some(bob.id)));
    assert_eq!(whose("https://nobody").await, None);
    assert!(store.bind_subject(&"ann".into(), "".into(), "1".into()).await.is_err());
    let unbound = store.unbind_subject(&"bob".into(), "https://id".into(), "1".into()).await.unwrap_err();
    assert!(matches!(unbound, DirectoryError::NotFound { .. }), "it is not bob's to end: {unbound}");
    store.unbind_subject(&"ann".into(), "https://id".into(), "1".into()).await.unwrap();
    assert_eq!(whose("https://id").await, None);
    store.delete_user(&"bob".into()).await.unwrap();
    assert_eq!(whose("https://other").await, None);
}

async fn a_login_moves_once_of_many_at_a_time(backend: &dyn Backend) {
    let store = backend.store();
    let ann = user(&store, "ann").await.id;
    let before = store.directory().position().await.unwrap();
    let tries: Vec<_> = (0..20)
        .map(|n| {
            let store = std::sync::Arc::clone(&store);
            tokio::spawn(async move { store.directory().move_last_login(ann, None, 1_000 + n).await.unwrap() })
        })
        .collect();
    let mut moved = 0;
    for one in tries {
        moved += usize::from(one.await.unwrap());
    }
    assert_eq!(moved, 1);
    let was = store.directory().revocation(&UserKey::Id(ann)).await.unwrap().unwrap().last_login;
    assert!(was.is_some_and(|was| (1_000..1_020).contains(&was)));
    assert!(
        store.directory().move_last_login(ann, was, 5).await.unwrap(),
        "a clock that was put back moves on all the same"
    );
    assert_eq!(
        store.directory().revocation(&UserKey::Id(ann)).await.unwrap().unwrap().last_login,
        was.map(|was| was + 1)
    );
    assert!(store.directory().changes(&before).await.unwrap().changes.is_empty(), "bookkeeping is silent");
}

async fn a_session_ends_with_its_row_its_user_and_the_password(backend: &dyn Backend) {
    let store = backend.store();
    let ann = user(&store, "ann").await.id;
    let far = postern::clock::unix_seconds() + 600;
    let digest = |name: &str| TokenDigest::of(name);
    let begin = async |name: &str, instead_of: Option<TokenDigest>| {
        let (digest, by_password) = (digest(name), name == "one");
        store
            .directory()
            .create_session(NewSession { user: ann, digest, expires_at: far, by_password, proof: None, instead_of })
            .await
            .unwrap()
    };
    let is_there = async |name: &str| store.directory().session_snapshot(&digest(name)).await.unwrap().is_some();
    let before = store.directory().position().await.unwrap();
    let one = begin("one", None).await;
    let changes = store.directory().changes(&before).await.unwrap().changes;
    assert!(changes.contains(&Change::Token(postern::id::TokenId(one))), "{changes:?}");
    let found = store.directory().session_snapshot(&digest("one")).await.unwrap().unwrap();
    assert_eq!((found.session, found.expires_at, found.snapshot.user.id), (one, far, ann));
    assert_eq!((found.by_password, found.password_updated), (true, None));
    let before = store.directory().position().await.unwrap();
    backend.sql("UPDATE users SET password_updated = '2026-01-31'").unwrap();
    assert!(
        store.directory().changes(&before).await.unwrap().changes.contains(&Change::User(ann)),
        "a password that is older"
    );
    begin("two", Some(digest("one"))).await;
    let found = store.directory().session_snapshot(&digest("two")).await.unwrap().unwrap();
    assert_eq!((found.by_password, found.password_updated), (false, Some(jiff::civil::date(2026, 1, 31))));
    assert_eq!((is_there("one").await, is_there("two").await), (false, true));
    assert!(store.directory().delete_session(&digest("two")).await.unwrap());
    assert!(!store.directory().delete_session(&digest("two")).await.unwrap());
    begin("three", None).await;
    backend.sql("UPDATE users SET password = 'a$b'").unwrap();
    assert!(!is_there("three").await, "a new password ends it");
    begin("off", None).await;
    backend.sql("UPDATE users SET is_active = is_active").unwrap();
    assert!(is_there("off").await);
    store.edit_user(&"ann".into(), UserEdit { is_active: Some(false), ..UserEdit::default() }).await.unwrap();
    // A login that was under way.
    begin("late", None).await;
    store.edit_user(&"ann".into(), UserEdit { is_active: Some(true), ..UserEdit::default() }).await.unwrap();
    assert!(!is_there("off").await && !is_there("late").await, "who was inactive logs in again");
    begin("four", None).await;
    assert!(!backend.bytes().windows(4).any(|bytes| bytes == b"four"), "the cookie is nowhere");
    store.delete_user(&"ann".into()).await.unwrap();
    assert!(!is_there("four").await);
}

async fn a_user_is_found_by_what_a_credential_names(backend: &dyn Backend) {
    let store = backend.store();
    let ann = user(&store, "ann").await.id;
    backend.sql("UPDATE users SET password = 'a$b', email = 'Ann@A.example', external_id = '7'").unwrap();
    for key in [
        UserKey::Id(ann),
        UserKey::Username("ann".into()),
        UserKey::Email("ann@a.EXAMPLE".into()),
        UserKey::ExternalId("7".into()),
    ] {
        let found = store.directory().revocation(&key).await.unwrap().unwrap();
        assert_eq!((found.snapshot.user.id, found.email.as_deref()), (ann, Some("Ann@A.example")));
        assert!(!format!("{found:?}").contains("a$b"));
        assert_eq!(store.directory().snapshot_by(&key).await.unwrap().unwrap().user.id, ann);
    }
    assert!(store.directory().snapshot_by(&UserKey::Username("Ann".into())).await.unwrap().is_none());
}
