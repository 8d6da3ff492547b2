//! What the gateway reads: snapshots and organizations.

use super::{Backend, join, organization, stories, token, user};
use postern::directory::name::{Email, ExternalId};
use postern::directory::{NewUser, OrgRef, OrganizationEdit, TokenEdit, UserEdit};
use postern::facts::Level;
use postern::id::{OrgId, UserId};

stories!(
    a_snapshot_tells_the_user_and_where_they_stand,
    an_owner_who_is_not_appointed_stands_as_owner,
    a_disabled_organization_drops_out_of_snapshots_and_comes_back,
    an_inactive_user_is_told_as_inactive,
    expiry_and_revocation_are_told_not_judged,
    nobody_has_an_unknown_token,
    an_organization_is_found_by_what_the_request_says_it_is,
    members_are_told_even_of_a_disabled_organization,
);

async fn a_snapshot_tells_the_user_and_where_they_stand(on: &dyn Backend) {
    let store = on.store();
    let new = NewUser {
        email: Some(Email::new("ann@example.org").unwrap()),
        external_id: Some(ExternalId::new("u-7").unwrap()),
        is_staff: true,
        ..NewUser::named("ann").unwrap()
    };
    let ann = store.create_users(vec![new]).await.unwrap().remove(0);
    let mut ids = Vec::new();
    for (name, is_admin) in [("Acme", true), ("Bolt", false), ("Cord", true)] {
        ids.push(organization(&store, name).await.id);
        if name == "Cord" {
            user(&store, "first").await;
            join(&store, "cord", "first", true).await;
        }
        join(&store, &name.to_lowercase(), "ann", is_admin).await;
    }
    organization(&store, "Elsewhere").await;
    let (secret, record) = token(&store, "ann").await;

    let found = store.directory().token_snapshot(&secret.digest()).await.unwrap().unwrap();
    assert_eq!((found.token, found.expires_at, found.revoked), (record.id, None, false));
    let snapshot = &found.snapshot;
    assert_eq!((snapshot.user.id, snapshot.user.known_as().as_ref()), (ann.id, "ann"));
    assert_eq!(snapshot.user.email.as_ref().map(|v| v.as_str()), Some("ann@example.org"));
    assert_eq!(snapshot.user.external_id.as_ref().map(|v| v.as_str()), Some("u-7"));
    assert!(snapshot.user.is_active && snapshot.user.is_staff && !snapshot.user.is_superuser);
    let levels: Vec<_> = ids.iter().map(|id| snapshot.membership(*id).unwrap().level()).collect();
    assert_eq!(levels, [Level::Owner, Level::Member, Level::Manager]);
    assert_eq!(snapshot.memberships().len(), 3);
    assert_eq!(snapshot.membership(ids[1]).unwrap().organization.slug.as_str(), "bolt");

    let same = store.directory().user_snapshot(ann.id).await.unwrap().unwrap();
    assert_eq!(format!("{same:?}"), format!("{snapshot:?}"));
    assert!(store.directory().user_snapshot(UserId::generate()).await.unwrap().is_none());
}

async fn an_owner_who_is_not_appointed_stands_as_owner(on: &dyn Backend) {
    let store = on.store();
    let acme = organization(&store, "Acme").await.id;
    user(&store, "ann").await;
    join(&store, "acme", "ann", false).await;
    store.transfer_ownership(&"acme".into(), &"ann".into()).await.unwrap();
    let (secret, _) = token(&store, "ann").await;
    let found = store.directory().token_snapshot(&secret.digest()).await.unwrap().unwrap();
    let membership = found.snapshot.membership(acme).unwrap();
    assert!(membership.is_owner && !membership.is_admin);
    assert!(membership.level() >= Level::Manager);
}

async fn a_disabled_organization_drops_out_of_snapshots_and_comes_back(on: &dyn Backend) {
    let store = on.store();
    let acme = organization(&store, "Acme").await.id;
    user(&store, "ann").await;
    join(&store, "acme", "ann", true).await;
    let (secret, _) = token(&store, "ann").await;
    for active in [false, true] {
        let edit = OrganizationEdit { is_active: Some(active), ..Default::default() };
        store.edit_organization(&"acme".into(), edit).await.unwrap();
        let found = store.directory().token_snapshot(&secret.digest()).await.unwrap().unwrap();
        assert_eq!(found.snapshot.membership(acme).is_some(), active);
        let told = store.directory().organization(&OrgRef::Id(acme)).await.unwrap().unwrap();
        assert_eq!(told.is_active, active, "superusers must still find it");
    }
}

async fn an_inactive_user_is_told_as_inactive(on: &dyn Backend) {
    let store = on.store();
    user(&store, "ann").await;
    let (secret, _) = token(&store, "ann").await;
    store.edit_user(&"ann".into(), UserEdit { is_active: Some(false), ..Default::default() }).await.unwrap();
    assert!(!store.directory().token_snapshot(&secret.digest()).await.unwrap().unwrap().snapshot.user.is_active);
}

async fn expiry_and_revocation_are_told_not_judged(on: &dyn Backend) {
    let store = on.store();
    user(&store, "ann").await;
    let (secret, record) = token(&store, "ann").await;
    store.edit_token(record.id, TokenEdit { name: None, expires_at: Some(Some(7)) }).await.unwrap();
    store.revoke_token(record.id).await.unwrap();
    let found = store.directory().token_snapshot(&secret.digest()).await.unwrap().unwrap();
    assert_eq!((found.expires_at, found.revoked), (Some(7), true));
}

async fn nobody_has_an_unknown_token(on: &dyn Backend) {
    let store = on.store();
    user(&store, "ann").await;
    token(&store, "ann").await;
    let other = postern::directory::token::Token::generate(store.directory().checksum_key()).unwrap();
    assert!(store.directory().token_snapshot(&other.digest()).await.unwrap().is_none());
}

async fn an_organization_is_found_by_what_the_request_says_it_is(on: &dyn Backend) {
    let store = on.store();
    let acme = organization(&store, "Acme").await;
    let edit = OrganizationEdit { external_id: Some(Some(ExternalId::new("bolt").unwrap())), ..Default::default() };
    store.edit_organization(&"acme".into(), edit).await.unwrap();
    let bolt = organization(&store, "Bolt").await;
    let find = |by| {
        let store = on.store();
        async move { store.directory().organization(&by).await.unwrap().map(|o| o.id) }
    };
    assert_eq!(find(OrgRef::Slug("bolt".into())).await, Some(bolt.id));
    assert_eq!(find(OrgRef::External("bolt".into())).await, Some(acme.id));
    assert_eq!(find(OrgRef::Id(acme.id)).await, Some(acme.id));
    assert_eq!(find(OrgRef::Slug(acme.id.to_string())).await, None);
    assert_eq!(find(OrgRef::Slug("ACME".into())).await, None);
    assert_eq!(find(OrgRef::External("acme".into())).await, None);
    assert_eq!(find(OrgRef::Id(OrgId::generate())).await, None);
}

async fn members_are_told_even_of_a_disabled_organization(on: &dyn Backend) {
    let store = on.store();
    let acme = organization(&store, "Acme").await.id;
    let ann = user(&store, "ann").await.id;
    user(&store, "out").await;
    join(&store, "acme", "ann", false).await;
    let edit = OrganizationEdit { is_active: Some(false), ..Default::default() };
    store.edit_organization(&"acme".into(), edit).await.unwrap();
    assert_eq!(store.directory().members_of(&[acme]).await, Ok(vec![ann]));
    assert_eq!(store.directory().members_of(&[OrgId::generate()]).await, Ok(vec![]));
}
