//! Second factors: each step and each recovery code is good once, however many use it at once, on every store.

use super::{Backend, stories, user};
use postern::directory::token::TokenDigest;
use postern::directory::{Change, Factor, FactorProof, NewSession};
use postern::id::TokenId;
use std::sync::Arc;

stories!(
    of_a_thousand_who_use_a_step_one_is_let_in,
    a_secret_is_confirmed_once_and_goes_with_its_user,
    a_session_keeps_what_it_has_shown
);

const CODES: [[u8; 32]; 2] = [[1; 32], [2; 32]];

async fn of_a_thousand_who_use_a_step_one_is_let_in(on: &dyn Backend) {
    let stores = [on.store(), on.another().await];
    let ann = user(&stores[0], "ann").await.id;
    assert!(!stores[0].directory().use_step(ann, 5).await.unwrap(), "there is none");
    assert!(stores[0].directory().confirm_second_factor(ann, vec![7], 10, CODES.to_vec()).await.unwrap());
    assert!(!stores[0].directory().use_step(ann, 10).await.unwrap(), "the code that confirms is used");
    let mut steps = tokio::task::JoinSet::new();
    for n in 0..1_000 {
        let store = Arc::clone(&stores[n % 2]);
        steps.spawn(async move { store.directory().use_step(ann, 11).await.unwrap() });
    }
    assert_eq!(steps.join_all().await.into_iter().filter(|is_in| *is_in).count(), 1);
    let mut codes = tokio::task::JoinSet::new();
    for n in 0..100 {
        let store = Arc::clone(&stores[n % 2]);
        codes.spawn(async move { store.directory().use_recovery_code(ann, CODES[0]).await.unwrap() });
    }
    assert_eq!(codes.join_all().await.into_iter().filter(|is_in| *is_in).count(), 1);
    let store = stores[0].directory();
    assert!(!store.use_step(ann, 10).await.unwrap(), "none before the last");
    assert!(store.use_step(ann, 12).await.unwrap());
    assert!(store.use_recovery_code(ann, CODES[1]).await.unwrap());
    assert!(!store.use_recovery_code(ann, [3; 32]).await.unwrap());
}

async fn a_secret_is_confirmed_once_and_goes_with_its_user(on: &dyn Backend) {
    let view = on.store();
    let store = view.directory();
    let (ann, bob) = (user(&view, "ann").await.id, user(&view, "bob").await.id);
    assert!(store.confirm_second_factor(ann, vec![7], 10, CODES.to_vec()).await.unwrap());
    assert!(!store.confirm_second_factor(ann, vec![8], 11, Vec::new()).await.unwrap());
    assert_eq!(store.second_factor(ann).await.unwrap().unwrap(), [7], "the first stays");
    assert!(!store.use_recovery_code(bob, CODES[0]).await.unwrap(), "they are hers");
    assert!(view.delete_second_factor(&ann.into()).await.unwrap());
    assert!(!store.use_recovery_code(ann, CODES[0]).await.unwrap());
    assert!(store.confirm_second_factor(bob, vec![9], 1, CODES.to_vec()).await.unwrap());
    view.delete_user(&bob.into()).await.unwrap();
    assert!(
        store.second_factor(bob).await.unwrap().is_none() && !store.use_recovery_code(bob, CODES[0]).await.unwrap()
    );
}

async fn a_session_keeps_what_it_has_shown(on: &dyn Backend) {
    let view = on.store();
    let store = view.directory();
    let (ann, bob) = (user(&view, "ann").await.id, user(&view, "bob").await.id);
    let far = postern::clock::unix_seconds() + 600;
    let [one, two, three] = ["one", "two", "three"].map(TokenDigest::of);
    let new = NewSession { user: ann, digest: one, expires_at: far, by_password: true, proof: None, instead_of: None };
    let session = store.create_session(new.clone()).await.unwrap();
    let found = store.session_snapshot(&one).await.unwrap().unwrap();
    assert_eq!((found.proof, found.snapshot.has_second_factor()), (None, false));

    // That somebody has one is a fact, and told; that a step of it is used is none.
    let before = store.position().await.unwrap();
    assert!(store.confirm_second_factor(ann, vec![7], 10, CODES.to_vec()).await.unwrap());
    assert!(store.changes(&before).await.unwrap().changes.contains(&Change::User(ann)));
    let before = store.position().await.unwrap();
    assert!(store.use_step(ann, 11).await.unwrap());
    assert!(store.changes(&before).await.unwrap().changes.is_empty());
    assert!(store.session_snapshot(&one).await.unwrap().unwrap().snapshot.has_second_factor());

    // It goes on under another token, which no other user's session does.
    let proof = FactorProof { at: 5, by: Factor::RecoveryCode };
    assert!(!store.prove_session(bob, (one, two), proof).await.unwrap(), "it is ann's");
    assert!(store.prove_session(ann, (one, two), proof).await.unwrap());
    assert!(store.changes(&before).await.unwrap().changes.contains(&Change::Token(TokenId(session))));
    assert!(!store.prove_session(ann, (one, three), proof).await.unwrap(), "once");
    assert!(store.session_snapshot(&one).await.unwrap().is_none());
    let found = store.session_snapshot(&two).await.unwrap().unwrap();
    assert_eq!((found.session, found.proof, found.expires_at, found.by_password), (session, Some(proof), far, true));
    assert_eq!(view.sessions(&ann.into(), two).await.unwrap()[0].proof, Some(proof));
    let begun = NewSession { digest: three, proof: Some(FactorProof { at: 6, by: Factor::App }), ..new };
    store.create_session(begun).await.unwrap();
    assert_eq!(store.session_snapshot(&three).await.unwrap().unwrap().proof.map(|proof| proof.by), Some(Factor::App));

    // What is gone has been shown by nobody.
    let before = store.position().await.unwrap();
    assert!(view.delete_second_factor(&ann.into()).await.unwrap());
    let changes = store.changes(&before).await.unwrap().changes;
    assert!(changes.contains(&Change::User(ann)) && changes.contains(&Change::Token(TokenId(session))), "{changes:?}");
    let found = store.session_snapshot(&two).await.unwrap().unwrap();
    assert_eq!((found.proof, found.snapshot.has_second_factor()), (None, false));
}
