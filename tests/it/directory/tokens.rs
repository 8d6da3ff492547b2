//! Tokens: shown once, kept as a digest, edited and revoked by id.

use super::{Backend, join, organization, stories, token, user};
use postern::clock;
use postern::directory::name::{PermissionName, Text};
use postern::directory::token::{Shape, Token, TokenDigest, parse};
use postern::directory::{
    Change, DirectoryError, List, NewScope, NewToken, Noun, TokenEdit, TokenRecord, Unique, Viewer,
};
use postern::fact_cache::{Capacity, FactCache, Kind, Lookup};
use postern::id::TokenId;
use std::sync::Arc;
use std::time::Duration;

stories!(
    a_token_is_nowhere_on_disk,
    every_process_knows_a_token_of_the_installation,
    an_imported_token_works_and_belongs_to_one_user_only,
    a_token_is_renamed_and_its_expiry_moved,
    a_revoked_token_stays_revoked_from_the_first_time,
    a_deleted_token_is_forgotten,
    last_use_only_moves_forward,
    a_token_in_use_is_written_once_in_ten_minutes,
    a_token_is_narrowed_when_it_is_made_and_stays_so,
    a_rotated_token_has_another_secret_and_the_same_record,
    where_tokens_must_end_none_is_made_that_does_not,
    a_scope_that_cannot_be_read_is_good_for_nothing,
);

async fn a_token_is_nowhere_on_disk(on: &dyn Backend) {
    let store = on.store();
    user(&store, "ann").await;
    let (secret, record) = token(&store, "ann").await;
    store.revoke_token(record.id).await.unwrap();
    let bytes = on.bytes();
    let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    assert!(holds(b"ann"), "the test reads the right files");
    assert!(holds(&secret.digest().0));
    assert!(!holds(secret.expose().as_bytes()));
    assert!(!holds(&secret.expose().as_bytes()[4..20]));
}

async fn every_process_knows_a_token_of_the_installation(on: &dyn Backend) {
    let store = on.store();
    user(&store, "ann").await;
    let (secret, _) = token(&store, "ann").await;
    let other = on.another().await;
    assert_eq!(parse(secret.expose(), other.directory().checksum_key()), Shape::Ours(secret.digest()));
    assert!(other.directory().token_snapshot(&secret.digest()).await.unwrap().is_some());
}

async fn an_imported_token_works_and_belongs_to_one_user_only(on: &dyn Backend) {
    let store = on.store();
    user(&store, "ann").await;
    user(&store, "bob").await;
    let digest = TokenDigest::of("9944b09199c62bcf9418ad846dd0e4bbdfc6ee4b");
    let import = |user: &str| NewToken {
        user: user.into(),
        digest,
        name: Text::empty(),
        expires_at: None,
        scope: NewScope::default(),
    };
    store.create_tokens(vec![import("ann")]).await.unwrap();
    let twice = store.create_tokens(vec![import("bob")]).await.unwrap_err().error;
    assert_eq!(twice, DirectoryError::Taken { unique: Unique::Token, value: String::new() });
    let found = store.directory().token_snapshot(&digest).await.unwrap().unwrap();
    assert_eq!(found.snapshot.user.known_as(), "ann");
}

async fn a_token_is_renamed_and_its_expiry_moved(on: &dyn Backend) {
    let store = on.store();
    user(&store, "ann").await;
    let (_, record) = token(&store, "ann").await;
    let name = Text::new("name", "ci").unwrap();
    let edit = TokenEdit { name: Some(name), expires_at: Some(Some(2_000_000_000)) };
    let edited = store.edit_token(record.id, edit).await.unwrap();
    assert_eq!((edited.name.as_str(), edited.expires_at), ("ci", Some(2_000_000_000)));
    let never = store.edit_token(record.id, TokenEdit { name: None, expires_at: Some(None) }).await.unwrap();
    assert_eq!((never.name.as_str(), never.expires_at), ("ci", None));
    assert_eq!(store.token(record.id).await, Ok(never));
}

async fn a_revoked_token_stays_revoked_from_the_first_time(on: &dyn Backend) {
    let store = on.store();
    user(&store, "ann").await;
    let (secret, record) = token(&store, "ann").await;
    store.revoke_token(record.id).await.unwrap();
    assert_eq!(on.sql("UPDATE tokens SET revoked_at = 5"), Ok(1));
    assert_eq!(store.revoke_token(record.id).await.unwrap().revoked_at, Some(5));
    assert!(store.directory().token_snapshot(&secret.digest()).await.unwrap().unwrap().revoked);
}

async fn a_deleted_token_is_forgotten(on: &dyn Backend) {
    let store = on.store();
    user(&store, "ann").await;
    let (secret, record) = token(&store, "ann").await;
    store.delete_token(record.id).await.unwrap();
    assert!(store.directory().token_snapshot(&secret.digest()).await.unwrap().is_none());
    for id in [record.id, TokenId::generate()] {
        let gone = DirectoryError::NotFound { noun: Noun::Token, reference: id.to_string() };
        assert_eq!(store.revoke_token(id).await, Err(gone.clone()));
        assert_eq!(store.edit_token(id, TokenEdit::default()).await, Err(gone.clone()));
        assert_eq!(store.delete_token(id).await, Err(gone));
    }
}

async fn last_use_only_moves_forward(on: &dyn Backend) {
    let store = on.store();
    user(&store, "ann").await;
    user(&store, "bob").await;
    let (_, first) = token(&store, "ann").await;
    let (_, second) = token(&store, "bob").await;
    store.directory().touch_tokens(&[(first.id, 100), (second.id, 50), (TokenId::generate(), 1)]).await.unwrap();
    store.directory().touch_tokens(&[(first.id, 90), (second.id, 60)]).await.unwrap();
    let used: Vec<_> = store.tokens(&List::default()).await.unwrap().rows.into_iter().map(|t| t.last_used).collect();
    assert_eq!(used, [Some(100), Some(60)]);
    let of_bob = store.tokens(&List::of_user("bob")).await.unwrap().rows;
    assert_eq!(of_bob.into_iter().map(|t| t.id).collect::<Vec<_>>(), [second.id]);
}

/// A manager of `acme` and of `bolt` with a permission, and a token of theirs that is narrowed so.
async fn narrowed(store: &postern::directory::View, scope: NewScope) -> (Token, TokenRecord) {
    let secret = Token::generate(store.directory().checksum_key()).unwrap();
    let (user, name, digest) = ("ann".into(), Text::empty(), secret.digest());
    let new = NewToken { user, digest, name, expires_at: None, scope };
    (secret, store.create_tokens(vec![new]).await.unwrap().remove(0))
}

async fn a_token_is_narrowed_when_it_is_made_and_stays_so(on: &dyn Backend) {
    let store = on.store();
    user(&store, "ann").await;
    let (acme, bolt) = (organization(&store, "acme").await, organization(&store, "bolt").await);
    for org in ["acme", "bolt"] {
        join(&store, org, "ann", true).await;
    }
    let permission = PermissionName::new("openwisp_users.view_user").unwrap();
    let scope =
        NewScope { organizations: vec!["acme".into(), acme.id.into()], permissions: vec![permission], read_only: true };
    let (secret, record) = narrowed(&store, scope).await;
    assert_eq!((record.organizations.as_slice(), record.read_only), (&[acme.id.to_string()][..], true));
    assert_eq!(record.permissions, ["openwisp_users.view_user"]);
    assert_eq!(store.token(record.id).await.unwrap(), record);
    let found = store.directory().token_snapshot(&secret.digest()).await.unwrap().unwrap().snapshot;
    assert!(found.membership(acme.id).is_some() && found.membership(bolt.id).is_none());
    let scope = found.scope().unwrap();
    assert!(scope.is_read_only() && scope.organizations() == [acme.id]);
    // What is deleted stays in the scope: it would be as good as none without it.
    store.delete_organization(&acme.id.into()).await.unwrap();
    let found = store.directory().token_snapshot(&secret.digest()).await.unwrap().unwrap().snapshot;
    assert!(found.memberships().is_empty() && found.scope().unwrap().narrows_rights());
    // What there is not is no scope.
    let nobody = |scope| async {
        let secret = Token::generate(store.directory().checksum_key()).unwrap();
        let new =
            NewToken { user: "ann".into(), digest: secret.digest(), name: Text::empty(), expires_at: None, scope };
        store.create_tokens(vec![new]).await.unwrap_err().error
    };
    let unknown = nobody(NewScope { organizations: vec!["none".into()], ..NewScope::default() }).await;
    assert!(matches!(unknown, DirectoryError::NotFound { noun: Noun::Organization, .. }), "{unknown:?}");
    let unknown = PermissionName::new("app.none").unwrap();
    let unknown = nobody(NewScope { permissions: vec![unknown], ..NewScope::default() }).await;
    assert!(matches!(unknown, DirectoryError::NotFound { noun: Noun::Permission, .. }), "{unknown:?}");
    let many = NewScope { organizations: vec!["bolt".into(); 101], ..NewScope::default() };
    assert!(matches!(nobody(many).await, DirectoryError::Invalid { .. }));
    // A token without a scope is all that its user is.
    let (secret, _) = token(&store, "ann").await;
    let found = store.directory().token_snapshot(&secret.digest()).await.unwrap().unwrap().snapshot;
    assert!(found.scope().is_none() && found.membership(bolt.id).is_some());
}

async fn a_rotated_token_has_another_secret_and_the_same_record(on: &dyn Backend) {
    let store = on.store();
    user(&store, "ann").await;
    organization(&store, "acme").await;
    let scope = NewScope { organizations: vec!["acme".into()], read_only: true, ..NewScope::default() };
    let (old, record) = narrowed(&store, scope).await;
    let before = store.directory().position().await.unwrap();
    let new = Token::generate(store.directory().checksum_key()).unwrap();
    let rotated = store.rotate_token(record.id, new.digest(), None).await.unwrap();
    assert_eq!(rotated, record);
    assert!(store.directory().token_snapshot(&old.digest()).await.unwrap().is_none());
    let found = store.directory().token_snapshot(&new.digest()).await.unwrap().unwrap();
    assert!(found.token == record.id && found.snapshot.scope().is_some());
    // Whoever follows the changes hears of it.
    let changes = store.directory().changes(&before).await.unwrap();
    assert!(changes.changes.contains(&Change::Token(record.id)), "{changes:?}");
    let end = Some(clock::unix_seconds() + 60);
    let third = Token::generate(store.directory().checksum_key()).unwrap();
    assert_eq!(store.rotate_token(record.id, third.digest(), Some(end)).await.unwrap().expires_at, end);
    // Another's value is another's.
    let (other, _) = token(&store, "ann").await;
    let taken = store.rotate_token(record.id, other.digest(), None).await;
    assert_eq!(taken, Err(DirectoryError::Taken { unique: Unique::Token, value: String::new() }));
    let expired = store.rotate_token(record.id, new.digest(), Some(Some(1))).await;
    assert!(matches!(expired, Err(DirectoryError::Invalid { .. })), "{expired:?}");
    store.revoke_token(record.id).await.unwrap();
    let revoked = store.rotate_token(record.id, new.digest(), None).await;
    assert!(matches!(revoked, Err(DirectoryError::Invalid { .. })), "{revoked:?}");
    assert!(store.directory().token_snapshot(&new.digest()).await.unwrap().is_none());
}

async fn where_tokens_must_end_none_is_made_that_does_not(on: &dyn Backend) {
    let store = on.store();
    user(&store, "ann").await;
    let (secret, before) = token(&store, "ann").await;
    let strict = store.directory().with_longest_token(Some(Duration::from_secs(3600)));
    let strict = strict.as_seen_by(Viewer::Operator);
    let now = clock::unix_seconds();
    for (expires_at, is_good) in [(None, false), (Some(now + 4000), false), (Some(now + 3000), true)] {
        let made = Token::generate(store.directory().checksum_key()).unwrap();
        let (digest, name, scope) = (made.digest(), Text::empty(), NewScope::default());
        let new = NewToken { user: "ann".into(), digest, name, expires_at, scope };
        let created = strict.create_tokens(vec![new]).await.map(|made| made[0].expires_at);
        assert_eq!(created.is_ok(), is_good, "{expires_at:?} {created:?}");
        let edited = strict.edit_token(before.id, TokenEdit { name: None, expires_at: Some(expires_at) }).await;
        assert_eq!(edited.is_ok(), is_good, "{expires_at:?}");
    }
    let digest = Token::generate(store.directory().checksum_key()).unwrap().digest();
    let edit = TokenEdit { name: None, expires_at: Some(None) };
    store.edit_token(before.id, edit).await.unwrap();
    // One of before is as it was, until it is changed.
    assert!(store.directory().token_snapshot(&secret.digest()).await.unwrap().is_some());
    assert!(strict.rotate_token(before.id, digest, None).await.is_err());
    assert!(strict.rotate_token(before.id, digest, Some(Some(now + 600))).await.is_ok());
}

/// The database refuses what is no scope; and what it would have let through is good for nothing.
async fn a_scope_that_cannot_be_read_is_good_for_nothing(on: &dyn Backend) {
    let store = on.store();
    user(&store, "ann").await;
    let (secret, _) = token(&store, "ann").await;
    for wrong in ["organizations = 'acme'", "organizations = ','", "permissions = ','", "permissions = 'a b'"] {
        assert!(on.sql(&format!("UPDATE tokens SET {wrong}")).is_err(), "{wrong}");
    }
    let before = store.directory().position().await.unwrap();
    let id = "00000000-0000-4000-8000-000000000000";
    assert_eq!(on.sql(&format!("UPDATE tokens SET organizations = '{id}'")), Ok(1));
    let changes = store.directory().changes(&before).await.unwrap();
    assert_eq!(changes.changes.len(), 1, "raw SQL is told too: {changes:?}");
    let found = store.directory().token_snapshot(&secret.digest()).await.unwrap().unwrap().snapshot;
    assert!(found.scope().is_some_and(|scope| scope.narrows_rights()));
}

/// By one replica: its first use within a minute, then only now and then, so that many replicas do not write all the time.
async fn a_token_in_use_is_written_once_in_ten_minutes(on: &dyn Backend) {
    let store = on.store();
    user(&store, "ann").await;
    let (secret, record) = token(&store, "ann").await;
    let position = store.directory().position().await.unwrap();
    let memberships =
        FactCache::new(Arc::new(store.directory().clone()), position, Duration::from_secs(60), Capacity::default())
            .unwrap();
    memberships.catch_up().await.unwrap();
    let text = secret.expose();
    let uses =
        || matches!(memberships.remembered(Kind::Token, text.as_bytes(), clock::monotonic()), Some(Lookup::Known(_)));
    assert!(matches!(memberships.load(memberships.wanted(text)).await, Lookup::Known(_)));
    assert_eq!(memberships.take_used(1000, 10), [record.id]);
    assert!(uses());
    assert_eq!(memberships.take_used(1009, 10), []);
    assert_eq!(memberships.take_used(1010, 10), [record.id], "what was put off is not forgotten");
    assert_eq!(memberships.take_used(1030, 10), [], "nobody has used it since");
    assert!(uses());
    assert_eq!(memberships.take_used(1030, 0), [record.id], "at the end all of it");
}
