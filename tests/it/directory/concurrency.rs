//! Many writers at once, in one process and in several.

use super::feed::look;
use super::{Backend, organization, stories, user};
use postern::directory::{DirectoryError, List, NewMembership, NewOrganization, NewUser, View};
use std::collections::HashSet;
use std::sync::Arc;

stories!(
    writers_of_two_processes_wait_for_each_other,
    of_many_who_want_one_name_one_gets_it,
    of_many_first_managers_one_becomes_the_owner,
    readers_see_whole_transactions,
);

async fn writers_of_two_processes_wait_for_each_other(on: &dyn Backend) {
    let stores = [on.store(), on.another().await];
    let beginning = stores[1].directory().position().await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..40 {
        let store: Arc<View> = Arc::clone(&stores[n % 2]);
        tasks.spawn(async move { store.create_users(vec![NewUser::named(&format!("u{n}")).unwrap()]).await.map(drop) });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap().unwrap();
    }
    assert_eq!(stores[0].users(&List::default()).await.unwrap().rows.len(), 40);
    let told = look(&stores[1], &beginning).await;
    assert_eq!((told.changes.len(), told.lost), (40, false));
}

async fn of_many_who_want_one_name_one_gets_it(on: &dyn Backend) {
    let stores = [on.store(), on.another().await];
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..20 {
        let store = Arc::clone(&stores[n % 2]);
        tasks.spawn(async move {
            store.create_users(vec![NewUser::named("ann").unwrap()]).await.map(drop).map_err(|e| e.error)
        });
    }
    let results = tasks.join_all().await;
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1);
    assert!(results.iter().flat_map(|r| r.as_ref().err()).all(|e| matches!(e, DirectoryError::Taken { .. })));

    let slugs: Vec<_> = (0..20)
        .map(|n| {
            let store = Arc::clone(&stores[n % 2]);
            tokio::spawn(async move {
                let new = NewOrganization::named("Acme").unwrap();
                store.create_organizations(vec![new]).await.unwrap().remove(0).slug
            })
        })
        .collect();
    let mut different = HashSet::new();
    for slug in slugs {
        assert!(different.insert(slug.await.unwrap()));
    }
}

async fn of_many_first_managers_one_becomes_the_owner(on: &dyn Backend) {
    let stores = [on.store(), on.another().await];
    organization(&stores[0], "Acme").await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..10 {
        let name = format!("u{n}");
        user(&stores[0], &name).await;
        let store = Arc::clone(&stores[n % 2]);
        tasks.spawn(async move {
            let new = NewMembership { user: name.into(), organization: "acme".into(), is_admin: true };
            store.create_memberships(vec![new]).await.unwrap().remove(0).is_owner
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().filter(|owner| *owner).count(), 1);
    let all = stores[1].memberships(&List::default()).await.unwrap().rows;
    assert_eq!(all.iter().filter(|m| m.is_owner).count(), 1);
}

async fn readers_see_whole_transactions(on: &dyn Backend) {
    let (writer, reader) = (on.store(), on.another().await);
    let writing = tokio::spawn(async move {
        for round in 0..30 {
            let pair = ["a", "b"].map(|side| NewUser::named(&format!("{side}{round}")).unwrap());
            writer.create_users(pair.into()).await.unwrap();
        }
    });
    loop {
        let count = reader.users(&List::default()).await.unwrap().rows.len();
        assert_eq!(count % 2, 0);
        if count == 60 {
            break;
        }
        tokio::task::yield_now().await;
    }
    writing.await.unwrap();
}
