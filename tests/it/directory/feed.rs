//! The feed of changes: everything that facts rest on, whoever changes it, and nothing else.

use super::{Backend, join, organization, stories, token, user};
use postern::directory::name::Text;
use postern::directory::{Change, Changes, NewUser, OrganizationEdit, Position, TokenEdit, UserEdit, View};
use postern::id::UserId;
use std::collections::HashSet;

stories!(
    a_new_database_is_at_its_beginning,
    every_change_of_a_fact_is_told_in_order,
    bookkeeping_is_silent,
    what_did_not_change_is_not_told,
    raw_sql_is_told_to_every_process,
    deletions_are_told_for_all_that_goes_along,
    raw_deletions_take_along_and_tell_the_same,
    a_refused_operation_is_not_told,
    who_is_too_far_behind_is_told_so,
    the_same_look_again_tells_nothing_new,
    a_position_of_another_store_is_lost,
    an_outbox_that_was_emptied_is_lost;
    sqlite:
    rows_that_raw_sql_replaces_are_told_too,
    old_changes_are_forgotten_and_the_position_stays,
    a_position_of_the_future_is_lost,
    a_change_that_cannot_be_read_counts_as_lost,
);

/// The changes since a position; asked again where a busy machine gives no answer in time.
pub async fn look(store: &View, since: &Position) -> Changes {
    let start = postern::clock::monotonic();
    loop {
        match store.directory().changes(since).await {
            Ok(changes) => return changes,
            Err(error) => assert!(start.elapsed() < crate::support::PATIENCE, "{error}"),
        }
        store.directory().wait_for_changes().await;
    }
}

/// The changes since a position, and the next position.
pub async fn since(on: &dyn Backend, position: &Position) -> (HashSet<Change>, Position) {
    let Changes { position, changes, lost, .. } = look(&on.store(), position).await;
    assert!(!lost);
    (changes.into_iter().collect(), position)
}

/// Nothing was told since a position.
pub async fn silent_since(on: &dyn Backend, position: &Position) {
    assert_eq!(since(on, position).await.0, HashSet::new());
}

/// A position of the embedded store, whose rows are numbered.
async fn row(on: &dyn Backend, row: u64) -> Position {
    Position::after_row(on.store().directory().position().await.unwrap().store(), row)
}

async fn a_new_database_is_at_its_beginning(on: &dyn Backend) {
    let store = on.store();
    let beginning = store.directory().position().await.unwrap();
    let nothing = Changes { position: beginning.clone(), changes: vec![], age: None, lost: false, looked_over: false };
    assert_eq!(store.directory().changes(&beginning).await, Ok(nothing));
}

async fn every_change_of_a_fact_is_told_in_order(on: &dyn Backend) {
    let store = on.store();
    let beginning = store.directory().position().await.unwrap();
    let ann = user(&store, "ann").await.id;
    let acme = organization(&store, "Acme").await.id;
    join(&store, "acme", "ann", false).await;
    let (_, record) = token(&store, "ann").await;
    let told = look(&store, &beginning).await;
    let expected = [Change::User(ann), Change::Organization(acme), Change::User(ann), Change::Token(record.id)];
    assert_eq!(told.changes, expected);

    let (user_changed, organization_changed) =
        (HashSet::from([Change::User(ann)]), HashSet::from([Change::Organization(acme)]));
    let mut at = told.position;
    macro_rules! tells {
        ($operation:expr, $expected:expr) => {
            $operation.await.unwrap();
            let (told, position) = since(on, &at).await;
            assert_eq!(told, $expected, "{}", stringify!($operation));
            at = position;
        };
    }
    let edit = |edit: UserEdit| {
        let store = on.store();
        async move { store.edit_user(&"ann".into(), edit).await }
    };
    tells!(edit(UserEdit { is_active: Some(false), ..Default::default() }), user_changed);
    tells!(edit(UserEdit { is_staff: Some(true), ..Default::default() }), user_changed);
    tells!(edit(UserEdit { is_superuser: Some(true), ..Default::default() }), user_changed);
    tells!(store.edit_membership(&"acme".into(), &"ann".into(), true), user_changed);
    tells!(store.transfer_ownership(&"acme".into(), &"ann".into()), user_changed);
    let disable = OrganizationEdit { is_active: Some(false), ..Default::default() };
    tells!(store.edit_organization(&"acme".into(), disable), organization_changed);
    let expiry = TokenEdit { name: None, expires_at: Some(Some(9)) };
    tells!(store.edit_token(record.id, expiry), HashSet::from([Change::Token(record.id)]));
    tells!(store.revoke_token(record.id), HashSet::from([Change::Token(record.id)]));
    silent_since(on, &at).await;
}

async fn bookkeeping_is_silent(on: &dyn Backend) {
    let store = on.store();
    user(&store, "ann").await;
    organization(&store, "Acme").await;
    let (_, record) = token(&store, "ann").await;
    let before = store.directory().position().await.unwrap();
    store.directory().touch_tokens(&[(record.id, 5)]).await.unwrap();
    let (name, first, what) = (Text::new("name", "ci"), Text::new("first_name", "ci"), Text::new("description", "ci"));
    store.edit_token(record.id, TokenEdit { name: name.ok(), expires_at: None }).await.unwrap();
    store.edit_user(&"ann".into(), UserEdit { first_name: first.ok(), ..Default::default() }).await.unwrap();
    let edit = OrganizationEdit { description: what.ok(), ..Default::default() };
    store.edit_organization(&"acme".into(), edit).await.unwrap();
    on.sql("UPDATE users SET modified = 1").unwrap();
    silent_since(on, &before).await;
}

async fn what_did_not_change_is_not_told(on: &dyn Backend) {
    let store = on.store();
    user(&store, "ann").await;
    organization(&store, "Acme").await;
    join(&store, "acme", "ann", true).await;
    let before = store.directory().position().await.unwrap();
    store.edit_user(&"ann".into(), UserEdit { is_active: Some(true), ..Default::default() }).await.unwrap();
    store.edit_membership(&"acme".into(), &"ann".into(), true).await.unwrap();
    store.transfer_ownership(&"acme".into(), &"ann".into()).await.unwrap();
    silent_since(on, &before).await;
}

async fn raw_sql_is_told_to_every_process(on: &dyn Backend) {
    let (store, other) = (on.store(), on.another().await);
    let ann = user(&store, "ann").await.id;
    let bob = user(&store, "bob").await.id;
    let acme = organization(&store, "Acme").await.id;
    join(&store, "acme", "ann", false).await;
    let (_, record) = token(&store, "ann").await;
    let mut at = store.directory().position().await.unwrap();
    // Both have looked, so both must notice what comes.
    for store in [&store, &other] {
        assert!(look(store, &at).await.changes.is_empty());
    }
    for (sql, expected) in [
        ("UPDATE users SET is_active = false WHERE username = 'ann'", vec![Change::User(ann)]),
        ("UPDATE users SET is_superuser = true", vec![Change::User(ann), Change::User(bob)]),
        ("UPDATE memberships SET is_admin = true", vec![Change::User(ann)]),
        ("UPDATE organizations SET is_active = false", vec![Change::Organization(acme)]),
        ("UPDATE tokens SET revoked_at = 1", vec![Change::Token(record.id)]),
        ("DELETE FROM memberships", vec![Change::User(ann)]),
        ("DELETE FROM tokens", vec![Change::Token(record.id)]),
    ] {
        on.sql(sql).unwrap();
        for store in [&store, &other] {
            let told = look(store, &at).await;
            assert!(!told.lost);
            assert_eq!(told.changes.iter().copied().collect::<HashSet<_>>(), expected.iter().copied().collect());
        }
        at = store.directory().position().await.unwrap();
    }
}

async fn deletions_are_told_for_all_that_goes_along(on: &dyn Backend) {
    let store = on.store();
    let ann = user(&store, "ann").await.id;
    let acme = organization(&store, "Acme").await.id;
    join(&store, "acme", "ann", true).await;
    let (_, record) = token(&store, "ann").await;
    let at = store.directory().position().await.unwrap();
    store.delete_organization(&"acme".into()).await.unwrap();
    let (told, at) = since(on, &at).await;
    assert_eq!(told, HashSet::from([Change::Organization(acme), Change::User(ann)]));
    store.delete_user(&"ann".into()).await.unwrap();
    let (told, _) = since(on, &at).await;
    assert_eq!(told, HashSet::from([Change::User(ann), Change::Token(record.id)]));
}

async fn raw_deletions_take_along_and_tell_the_same(on: &dyn Backend) {
    let store = on.store();
    let ann = user(&store, "ann").await.id;
    let acme = organization(&store, "Acme").await.id;
    join(&store, "acme", "ann", true).await;
    let (_, record) = token(&store, "ann").await;
    let at = store.directory().position().await.unwrap();
    on.sql("DELETE FROM organizations").unwrap();
    let (told, at) = since(on, &at).await;
    assert_eq!(told, HashSet::from([Change::Organization(acme), Change::User(ann)]));
    on.sql("DELETE FROM users").unwrap();
    let (told, _) = since(on, &at).await;
    assert_eq!(told, HashSet::from([Change::User(ann), Change::Token(record.id)]));
}

async fn rows_that_raw_sql_replaces_are_told_too(on: &dyn Backend) {
    let store = on.store();
    let ann = user(&store, "ann").await.id;
    let bob = user(&store, "bob").await.id;
    let acme = organization(&store, "Acme").await.id;
    join(&store, "acme", "ann", true).await;
    join(&store, "acme", "bob", false).await;
    let (secret, record) = token(&store, "ann").await;
    let (_, others) = token(&store, "bob").await;
    let digest: String = secret.digest().0.iter().map(|b| format!("{b:02x}")).collect();
    let mut at = store.directory().position().await.unwrap();
    let other = UserId::generate();
    for (sql, expected) in [
        (
            format!("INSERT OR REPLACE INTO owners (organization_id, user_id) VALUES ('{acme}', '{bob}')"),
            vec![Change::User(ann), Change::User(bob)],
        ),
        (
            format!("UPDATE OR REPLACE tokens SET digest = x'{digest}' WHERE id = '{}'", others.id),
            vec![Change::Token(record.id), Change::Token(others.id)],
        ),
        (
            format!("INSERT OR REPLACE INTO users (id, username) VALUES ('{other}', 'ann')"),
            vec![Change::User(ann), Change::User(other)],
        ),
    ] {
        on.sql(&sql).unwrap();
        let (told, position) = since(on, &at).await;
        assert_eq!(told, expected.into_iter().collect(), "{sql}");
        at = position;
    }
}

async fn a_refused_operation_is_not_told(on: &dyn Backend) {
    let store = on.store();
    user(&store, "ann").await;
    let at = store.directory().position().await.unwrap();
    let batch = ["bob", "ann"].iter().map(|name| NewUser::named(name).unwrap()).collect();
    store.create_users(batch).await.unwrap_err();
    silent_since(on, &at).await;
    user(&store, "carl").await;
    let (told, _) = since(on, &at).await;
    assert_eq!(told.len(), 1, "and leaves no hole that would look like a loss");
}

async fn who_is_too_far_behind_is_told_so(on: &dyn Backend) {
    let store = on.store();
    let beginning = store.directory().position().await.unwrap();
    on.crowd(10_001);
    let told = look(&store, &beginning).await;
    assert!(told.lost && told.changes.is_empty());
    silent_since(on, &told.position).await;
    on.sql("UPDATE users SET is_staff = true WHERE username <> 'u0'").unwrap();
    assert_eq!(look(&store, &told.position).await.changes.len(), 10_000);
}

async fn the_same_look_again_tells_nothing_new(on: &dyn Backend) {
    let store = on.store();
    let beginning = store.directory().position().await.unwrap();
    user(&store, "ann").await;
    let first = look(&store, &beginning).await;
    assert_eq!(first.changes.len(), 1);
    assert!(first.position.covers(&beginning) && !beginning.covers(&first.position));
    assert_eq!(look(&store, &beginning).await.changes, first.changes, "whoever asks again is told again");
    silent_since(on, &first.position).await;
}

async fn a_position_of_another_store_is_lost(on: &dyn Backend) {
    let store = on.store();
    let here = store.directory().position().await.unwrap();
    let elsewhere = Position::after_row(here.store().wrapping_add(1), here.horizon());
    assert!(look(&store, &elsewhere).await.lost);
    // A copy of a database becomes another one by the number that it is given.
    on.sql("UPDATE settings SET value = (SELECT value FROM settings WHERE name = 'token_checksum_key') WHERE name = 'epoch'").unwrap();
    user(&store, "ann").await;
    let told = look(&store, &here).await;
    assert!(told.lost && told.position.store() != here.store());
}

async fn an_outbox_that_was_emptied_is_lost(on: &dyn Backend) {
    let store = on.store();
    let beginning = store.directory().position().await.unwrap();
    user(&store, "ann").await;
    on.sql("DELETE FROM changes").unwrap();
    let told = look(&store, &beginning).await;
    assert!(told.lost);
    user(&store, "bob").await;
    assert_eq!(since(on, &told.position).await.0.len(), 1);
}

async fn old_changes_are_forgotten_and_the_position_stays(on: &dyn Backend) {
    let store = on.store();
    for name in ["ann", "bob", "carl"] {
        user(&store, name).await;
    }
    on.sql("UPDATE changes SET at = 0 WHERE seq <= 2").unwrap();
    user(&store, "dora").await;
    assert!(look(&store, &row(on, 1).await).await.lost, "the second was forgotten");
    assert_eq!(look(&store, &row(on, 2).await).await.changes.len(), 2);
    on.sql("UPDATE changes SET at = 0").unwrap();
    store.directory().touch_tokens(&[]).await.unwrap();
    assert_eq!(store.directory().position().await, Ok(row(on, 4).await));
    assert!(look(&store, &row(on, 3).await).await.lost);
    silent_since(on, &row(on, 4).await).await;
}

async fn a_position_of_the_future_is_lost(on: &dyn Backend) {
    let store = on.store();
    user(&store, "ann").await;
    let told = look(&store, &row(on, 7).await).await;
    assert_eq!((told.position, told.lost), (row(on, 1).await, true));
}

async fn a_change_that_cannot_be_read_counts_as_lost(on: &dyn Backend) {
    let store = on.store();
    user(&store, "ann").await;
    on.sql("UPDATE changes SET id = 'nonsense'").unwrap();
    assert!(look(&store, &row(on, 0).await).await.lost);
}
