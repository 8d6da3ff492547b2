//! Second factors: each step and each recovery code is good once, however many use it at once, on every store.

use super::{Backend, stories, user};
use std::sync::Arc;

stories!(of_a_thousand_who_use_a_step_one_is_let_in, a_secret_is_confirmed_once_and_goes_with_its_user);

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
