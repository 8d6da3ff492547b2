//! What happened to a record, as the audit log has it, is told beside the record.

use super::{Backend, join, organization, stories, user};
use postern::directory::audit::{Target, Who};
use postern::directory::name::Text;
use postern::directory::{HistoryOf, HistoryRecord, List, Page, UserEdit, View, Viewer};
use serde_json::{Value, json};
use tempfile::TempDir;

stories!(
    what_happened_is_told_newest_first_and_part_by_part,
    what_is_not_written_down_is_not_told,
    what_is_old_is_forgotten,
);

/// The store with an audit log in a directory, changed by somebody at the command line.
fn audited(on: &dyn Backend, home: &TempDir) -> View {
    let target = Target::File(home.path().join("audit.jsonl"));
    let who = Who::Cli { uid: 7, name: Some("ann".to_owned()) };
    on.store().directory().audited(target, who).as_seen_by(Viewer::Operator)
}

async fn told(store: &View, list: &List, of: HistoryOf) -> Vec<HistoryRecord> {
    store.history(list, of).await.unwrap().rows
}

fn what(records: &[HistoryRecord]) -> Vec<&str> {
    records.iter().map(|record| record.what.as_str()).collect()
}

async fn what_happened_is_told_newest_first_and_part_by_part(on: &dyn Backend) {
    let home = TempDir::new().unwrap();
    let store = audited(on, &home);
    let acme = organization(&store, "Acme").await;
    let bob = user(&store, "bob").await;
    join(&store, "acme", "bob", false).await;
    let edit = UserEdit { first_name: Some(Text::new("first_name", "Bob").unwrap()), ..UserEdit::default() };
    store.edit_user(&"bob".into(), edit.clone()).await.unwrap();
    // Nothing is another by this.
    store.edit_user(&"bob".into(), edit).await.unwrap();
    store.edit_membership(&"acme".into(), &"bob".into(), true).await.unwrap();
    let all = told(&store, &List::default(), HistoryOf::User(bob.id)).await;
    assert_eq!(what(&all), ["membership.edit", "user.edit", "membership.create", "user.create"]);
    let changes = |record: &HistoryRecord| serde_json::from_str::<Value>(&record.changes).unwrap();
    assert_eq!(changes(&all[0]), json!([["is_admin", false, true]]));
    assert_eq!(changes(&all[1]), json!([["first_name", "", "Bob"]]));
    assert!(changes(&all[3]).as_array().unwrap().contains(&json!(["username", null, "bob"])), "{:?}", all[3]);
    let edited = &all[1];
    assert_eq!((edited.name.as_str(), edited.via.as_str(), edited.actor.as_str()), ("bob", "cli", "ann"));
    assert!(all.iter().zip(&all[1..]).all(|(new, old)| new.at >= old.at));
    let of_acme = told(&store, &List::default(), HistoryOf::Organization(acme.id)).await;
    assert_eq!(what(&of_acme), ["membership.edit", "membership.create", "organization.create"]);
    let part = List { page: Page { limit: Some(2), offset: 1 }, ..List::default() };
    let found = store.history(&part, HistoryOf::User(bob.id)).await.unwrap();
    assert_eq!((what(&found.rows), found.total), (vec!["user.edit", "membership.create"], 4));
    let filter = List { filter: vec![("what".to_owned(), "user.edit".to_owned())], ..List::default() };
    assert_eq!(told(&store, &filter, HistoryOf::User(bob.id)).await.len(), 1);
}

async fn what_is_not_written_down_is_not_told(on: &dyn Backend) {
    let store = on.store();
    let bob = user(&store, "bob").await;
    assert!(told(&store, &List::default(), HistoryOf::User(bob.id)).await.is_empty());
    // Where the log cannot be written nothing is changed, and nothing is told of it.
    let home = TempDir::new().unwrap();
    let broken = store.directory().audited(Target::File(home.path().to_owned()), Who::Server);
    let edit = UserEdit { is_active: Some(false), ..UserEdit::default() };
    assert!(broken.as_seen_by(Viewer::Operator).edit_user(&"bob".into(), edit).await.is_err());
    assert!(told(&store, &List::default(), HistoryOf::User(bob.id)).await.is_empty());
    assert!(store.user(&"bob".into()).await.unwrap().is_active);
}

async fn what_is_old_is_forgotten(on: &dyn Backend) {
    let home = TempDir::new().unwrap();
    let store = audited(on, &home);
    let (bob, eve) = (user(&store, "bob").await, user(&store, "eve").await);
    on.sql(&format!("UPDATE history SET at = 1 WHERE record = '{}'", bob.id)).unwrap();
    assert_eq!(store.directory().forget_history().await.unwrap(), 1);
    assert_eq!(store.directory().forget_history().await.unwrap(), 0);
    assert!(told(&store, &List::default(), HistoryOf::User(bob.id)).await.is_empty());
    assert_eq!(told(&store, &List::default(), HistoryOf::User(eve.id)).await.len(), 1);
}
