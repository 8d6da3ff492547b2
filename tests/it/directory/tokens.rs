//! Tokens: shown once, kept as a digest, edited and revoked by id.

use super::{Backend, stories, token, user};
use postern::clock;
use postern::directory::name::Text;
use postern::directory::token::{Shape, TokenDigest, parse};
use postern::directory::{DirectoryError, List, NewToken, Noun, TokenEdit, Unique};
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
    let import = |user: &str| NewToken { user: user.into(), digest, name: Text::empty(), expires_at: None };
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
