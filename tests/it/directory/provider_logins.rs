//! Logins at providers: who becomes whom, once, and what a claim makes of them; the same on every store.

use super::{Backend, organization, stories, user};
use postern::directory::name::Email;
use postern::directory::{DirectoryError, List, NewUser, ProviderEntry, ProviderLogin, Ties, UserEdit, Viewer};
use postern::password::PasswordHash;
use std::sync::Arc;

stories!(
    of_many_ends_of_one_login_one_is_good,
    of_many_first_logins_of_one_subject_comes_one_user,
    what_is_named_follows_the_claim_and_the_rest_stays,
    nobody_takes_over_an_account,
    the_last_way_in_stays,
);

fn login(subject: &str, digest: u8) -> ProviderLogin {
    ProviderLogin {
        provider: "example".to_owned(),
        issuer: "https://id.example.com".to_owned(),
        subject: subject.to_owned(),
        once: ([digest; 32], 4_000_000_000),
        link: None,
        create: None,
        ties: Ties::default(),
        today: None,
    }
}

async fn of_many_ends_of_one_login_one_is_good(on: &dyn Backend) {
    let stores = [on.store(), on.another().await];
    let ann = user(&stores[0], "ann").await.id;
    stores[0].bind_subject(&ann.into(), "https://id.example.com".into(), "1".into()).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..40 {
        let store = Arc::clone(&stores[n % 2]);
        tasks.spawn(async move { store.directory().enter(login("1", 7)).await.unwrap() });
    }
    let ends = tasks.join_all().await;
    assert_eq!(ends.iter().filter(|end| **end == ProviderEntry::Entered(ann)).count(), 1);
    assert_eq!(ends.iter().filter(|end| **end == ProviderEntry::Replayed).count(), 39);
    // What is too old to come again is forgotten.
    let old = ProviderLogin { once: ([8; 32], 1), ..login("1", 0) };
    assert_eq!(stores[0].directory().enter(old).await.unwrap(), ProviderEntry::Entered(ann));
    stores[0].directory().enter(login("1", 9)).await.unwrap();
    assert_eq!(on.sql("DELETE FROM used_logins").unwrap(), 2);
}

async fn of_many_first_logins_of_one_subject_comes_one_user(on: &dyn Backend) {
    let stores = [on.store(), on.another().await];
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..20_u8 {
        let store = Arc::clone(&stores[usize::from(n % 2)]);
        let create = Some(NewUser::named("ann").unwrap());
        tasks.spawn(async move { store.directory().enter(ProviderLogin { create, ..login("1", n) }).await.unwrap() });
    }
    let ends = tasks.join_all().await;
    assert!(matches!(ends[0], ProviderEntry::Entered(_)) && ends.iter().all(|end| *end == ends[0]), "{ends:?}");
    assert_eq!(stores[0].users(&List::default()).await.unwrap().rows.len(), 1);
}

async fn what_is_named_follows_the_claim_and_the_rest_stays(on: &dyn Backend) {
    let store = on.store();
    let ann = user(&store, "ann").await.id;
    organization(&store, "Acme").await;
    organization(&store, "Bolt").await;
    store.bind_subject(&ann.into(), "https://id.example.com".into(), "1".into()).await.unwrap();
    let seen = async |digest: u8, acme: Option<bool>, staff: Option<bool>| {
        let organizations = vec![("acme".to_owned(), acme), ("nowhere".to_owned(), Some(true))];
        let ties = Ties { organizations, groups: vec![("Nobody".to_owned(), true)], staff };
        let end = store.directory().enter(ProviderLogin { ties, ..login("1", digest) }).await.unwrap();
        assert_eq!(end, ProviderEntry::Entered(ann));
        let list = store.memberships(&List::of_user(ann)).await.unwrap();
        let levels: Vec<String> = list.rows.into_iter().map(|of| format!("{} {}", of.slug, of.level)).collect();
        (levels.join(", "), store.user(&ann.into()).await.unwrap().is_staff)
    };
    assert_eq!(seen(1, Some(true), Some(true)).await, ("acme manager".to_owned(), true), "and not the owner");
    assert_eq!(seen(2, Some(false), None).await, ("acme member".to_owned(), true));
    assert_eq!(seen(3, None, Some(false)).await, (String::new(), false));
    // An inactive user becomes nothing.
    let edit = UserEdit { is_active: Some(false), ..UserEdit::default() };
    store.edit_user(&ann.into(), edit).await.unwrap();
    let ties = Ties { staff: Some(true), ..Ties::default() };
    let end = store.directory().enter(ProviderLogin { ties, ..login("1", 4) }).await.unwrap();
    assert_eq!((end, store.user(&ann.into()).await.unwrap().is_staff), (ProviderEntry::Inactive, false));
}

async fn nobody_takes_over_an_account(on: &dyn Backend) {
    let store = on.store();
    user(&store, "ann").await;
    let create = Some(NewUser::named("ann").unwrap());
    let taken = store.directory().enter(ProviderLogin { create, ..login("2", 1) }).await.unwrap_err();
    assert!(matches!(taken, DirectoryError::Taken { .. }), "{taken}");
    let link = Some(Email::new("ann@example.org").unwrap());
    let edit = UserEdit { email: Some(link.clone()), ..UserEdit::default() };
    store.edit_user(&"ann".into(), edit).await.unwrap();
    let end = store.directory().enter(ProviderLogin { link, ..login("2", 2) }).await.unwrap();
    assert_eq!(end, ProviderEntry::Nobody, "she has not verified it");
    assert_eq!(store.subjects(&"ann".into()).await.unwrap(), []);
}

async fn the_last_way_in_stays(on: &dyn Backend) {
    let store = on.store();
    let ann = user(&store, "ann").await.id;
    let (issuer, oneself) = ("https://id.example.com", store.as_seen_by(Viewer::Oneself(ann)));
    for subject in ["1", "2"] {
        store.bind_subject(&ann.into(), issuer.into(), subject.into()).await.unwrap();
    }
    oneself.unlink_subject(&ann.into(), issuer.into(), "1".into()).await.unwrap();
    let last = oneself.unlink_subject(&ann.into(), issuer.into(), "2".into()).await.unwrap_err();
    assert!(matches!(last, DirectoryError::Forbidden { .. }), "{last}");
    assert_eq!(store.subjects(&ann.into()).await.unwrap().len(), 1);
    let bob = user(&store, "bob").await.id;
    let theirs = store.as_seen_by(Viewer::Oneself(bob));
    assert!(theirs.unlink_subject(&ann.into(), issuer.into(), "2".into()).await.is_err(), "she is out of sight");
    let password = PasswordHash::from_stored("pbkdf2_sha256$1$a$b");
    store.set_password(&ann.into(), Some(password), "2026-01-01".parse().unwrap()).await.unwrap();
    oneself.unlink_subject(&ann.into(), issuer.into(), "2".into()).await.unwrap();
}
