//! Memberships and ownership: the first manager owns, and an owner stays until ownership has moved.

use super::{Backend, as_manager, join, organization, stories, user};
use postern::directory::{DirectoryError, List, NewMembership, Noun, View, Viewer};
use postern::id::UserId;

stories!(
    the_first_manager_created_becomes_the_owner,
    a_plain_member_and_a_promoted_one_do_not_become_owners,
    an_owner_cannot_be_demoted_removed_or_deleted,
    an_owner_may_go_once_ownership_has_moved,
    ownership_moves_to_members_only,
    only_the_owner_or_a_superuser_moves_ownership,
    nobody_joins_twice,
    unknown_names_are_refused_and_the_batch_with_them,
    memberships_are_listed_by_user_and_by_organization,
    raw_sql_keeps_the_owner_a_managing_member,
);

async fn the_first_manager_created_becomes_the_owner(on: &dyn Backend) {
    let store = on.store();
    organization(&store, "Acme").await;
    for name in ["ann", "bob"] {
        user(&store, name).await;
    }
    assert!(join(&store, "acme", "ann", true).await.is_owner);
    assert!(!join(&store, "acme", "bob", true).await.is_owner);
    let acme = store.organization_record(&"acme".into()).await.unwrap();
    assert_eq!(acme.owner_username.as_deref(), Some("ann"));
}

async fn a_plain_member_and_a_promoted_one_do_not_become_owners(on: &dyn Backend) {
    let store = on.store();
    organization(&store, "Acme").await;
    user(&store, "ann").await;
    user(&store, "bob").await;
    assert!(!join(&store, "acme", "ann", false).await.is_owner);
    let promoted = store.edit_membership(&"acme".into(), &"ann".into(), true).await.unwrap();
    assert!(promoted.is_admin && !promoted.is_owner);
    assert!(join(&store, "acme", "bob", true).await.is_owner, "the first that is created as a manager");
}

async fn an_owner_cannot_be_demoted_removed_or_deleted(on: &dyn Backend) {
    let store = on.store();
    organization(&store, "Acme").await;
    organization(&store, "Bolt").await;
    user(&store, "ann").await;
    join(&store, "acme", "ann", true).await;
    join(&store, "bolt", "ann", true).await;
    let (user, organization) = ("ann".to_owned(), "acme".to_owned());
    assert_eq!(
        store.edit_membership(&"acme".into(), &"ann".into(), false).await,
        Err(DirectoryError::OwnerDemoted { user: user.clone(), organization: organization.clone() })
    );
    assert_eq!(
        store.delete_membership(&"acme".into(), &"ann".into()).await,
        Err(DirectoryError::OwnerRemoved { user: user.clone(), organization })
    );
    let deleted = store.delete_user(&"ann".into()).await.unwrap_err();
    assert_eq!(deleted, DirectoryError::OwnerDeleted { user, organizations: vec!["acme".into(), "bolt".into()] });
    assert_eq!(deleted.to_string(), "`ann` owns `acme`, `bolt` and cannot be deleted until ownership has moved");
    assert!(store.membership(&"acme".into(), &"ann".into()).await.unwrap().is_owner);
}

async fn an_owner_may_go_once_ownership_has_moved(on: &dyn Backend) {
    let store = on.store();
    organization(&store, "Acme").await;
    user(&store, "ann").await;
    user(&store, "bob").await;
    join(&store, "acme", "ann", true).await;
    join(&store, "acme", "bob", false).await;
    let moved = store.transfer_ownership(&"acme".into(), &"bob".into()).await.unwrap();
    assert_eq!(moved.owner_username.as_deref(), Some("bob"));
    let bob = store.membership(&"acme".into(), &"bob".into()).await.unwrap();
    assert!(bob.is_owner && !bob.is_admin, "ownership appoints nobody");
    assert!(store.membership(&"acme".into(), &"ann".into()).await.unwrap().is_admin, "the old owner stays a manager");
    store.edit_membership(&"acme".into(), &"ann".into(), false).await.unwrap();
    store.delete_membership(&"acme".into(), &"ann".into()).await.unwrap();
    store.delete_user(&"ann".into()).await.unwrap();
}

async fn ownership_moves_to_members_only(on: &dyn Backend) {
    let store = on.store();
    organization(&store, "Acme").await;
    user(&store, "ann").await;
    user(&store, "out").await;
    join(&store, "acme", "ann", true).await;
    let refused = store.transfer_ownership(&"acme".into(), &"out".into()).await;
    assert_eq!(refused, Err(DirectoryError::NotMember { user: "out".into(), organization: "acme".into() }));
    let same = store.transfer_ownership(&"acme".into(), &"ann".into()).await.unwrap();
    assert_eq!(same.owner_username.as_deref(), Some("ann"));
}

async fn only_the_owner_or_a_superuser_moves_ownership(on: &dyn Backend) {
    let store = on.store();
    organization(&store, "Acme").await;
    user(&store, "ann").await;
    let bob = user(&store, "bob").await;
    join(&store, "acme", "ann", true).await;
    join(&store, "acme", "bob", true).await;
    let to_bob = async |by: View| by.transfer_ownership(&"acme".into(), &"bob".into()).await;
    let refused = Err(DirectoryError::NotOwner { organization: "acme".into() });
    assert_eq!(to_bob(as_manager(&store, "bob").await).await, refused);
    let stranger = store.directory().as_seen_by(Viewer::Oneself(UserId::generate()));
    assert!(matches!(to_bob(stranger).await, Err(DirectoryError::NotFound { .. })), "nothing that they see");
    assert_eq!(to_bob(as_manager(&store, "ann").await).await.unwrap().owner, Some(bob.id));
    assert_eq!(to_bob(as_manager(&store, "ann").await).await, refused, "ann is the owner no more");
}

async fn nobody_joins_twice(on: &dyn Backend) {
    let store = on.store();
    organization(&store, "Acme").await;
    user(&store, "ann").await;
    join(&store, "acme", "ann", false).await;
    let again = NewMembership { user: "ann".into(), organization: "acme".into(), is_admin: true };
    let error = store.create_memberships(vec![again]).await.unwrap_err().error;
    assert_eq!(error, DirectoryError::AlreadyMember { user: "ann".into(), organization: "acme".into() });
    assert!(!store.membership(&"acme".into(), &"ann".into()).await.unwrap().is_admin);
    assert_eq!(store.organization_record(&"acme".into()).await.unwrap().owner, None);
}

async fn unknown_names_are_refused_and_the_batch_with_them(on: &dyn Backend) {
    let store = on.store();
    organization(&store, "Acme").await;
    user(&store, "ann").await;
    let to = |user: &str, organization: &str| NewMembership {
        user: user.into(),
        organization: organization.into(),
        is_admin: false,
    };
    let error = store.create_memberships(vec![to("ann", "acme"), to("ann", "bolt")]).await.unwrap_err();
    assert_eq!(error.index, 1);
    assert_eq!(error.error, DirectoryError::NotFound { noun: Noun::Organization, reference: "bolt".into() });
    let missing = store.membership(&"acme".into(), &"ann".into()).await;
    assert_eq!(missing, Err(DirectoryError::NotMember { user: "ann".into(), organization: "acme".into() }));
}

async fn memberships_are_listed_by_user_and_by_organization(on: &dyn Backend) {
    let store = on.store();
    for name in ["Acme", "Bolt"] {
        organization(&store, name).await;
    }
    for name in ["ann", "bob"] {
        user(&store, name).await;
    }
    join(&store, "acme", "bob", true).await;
    join(&store, "acme", "ann", false).await;
    join(&store, "bolt", "ann", true).await;
    let list = |user: Option<&str>, organization: Option<&str>| {
        let list = List { user: user.map(Into::into), organization: organization.map(Into::into), ..List::default() };
        let store = on.store();
        async move {
            let rows = store.memberships(&list).await.unwrap().rows;
            rows.into_iter().map(|m| format!("{}/{}", m.slug, m.username)).collect::<Vec<_>>()
        }
    };
    assert_eq!(list(None, None).await, ["acme/ann", "acme/bob", "bolt/ann"]);
    assert_eq!(list(Some("ann"), None).await, ["acme/ann", "bolt/ann"]);
    assert_eq!(list(None, Some("acme")).await, ["acme/ann", "acme/bob"]);
    assert_eq!(list(Some("bob"), Some("bolt")).await, Vec::<String>::new());
}

async fn raw_sql_keeps_the_owner_a_managing_member(on: &dyn Backend) {
    let store = on.store();
    organization(&store, "Acme").await;
    let ann = user(&store, "ann").await.id;
    let out = user(&store, "out").await.id;
    join(&store, "acme", "ann", true).await;
    for refused in [
        format!("DELETE FROM memberships WHERE user_id = '{ann}'"),
        format!("UPDATE memberships SET is_admin = false WHERE user_id = '{ann}'"),
        format!("UPDATE memberships SET user_id = '{out}' WHERE user_id = '{ann}'"),
        format!("UPDATE owners SET user_id = '{out}'"),
        format!("DELETE FROM users WHERE id = '{ann}'"),
    ] {
        assert!(on.sql(&refused).is_err(), "{refused}");
    }
    assert!(store.membership(&"acme".into(), &"ann".into()).await.unwrap().is_owner);
}
