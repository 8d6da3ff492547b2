//! What AuthZEN's searches look through: who can be meant at all, in the order of ids, some at a time.

use super::{Backend, join, organization, stories, user};
use postern::directory::name::{PermissionName, RightsName, Text};
use postern::directory::{Holders, NewPermission, NewRole, OrganizationEdit, Scope, UserEdit};
use postern::id::{OrgId, RoleId, UserId};

stories!(
    those_who_may_be_meant_are_found_and_nobody_is_left_out,
    what_is_behind_a_page_is_found_from_its_last_place,
    roles_are_found_by_who_holds_them,
);

async fn world(on: &dyn Backend) -> [UserId; 4] {
    let store = on.store();
    let mut ids = Vec::new();
    for name in ["ann", "bob", "cid", "root"] {
        ids.push(user(&store, name).await.id);
    }
    store.edit_user(&"root".into(), UserEdit { is_superuser: Some(true), ..Default::default() }).await.unwrap();
    for slug in ["acme", "bolt"] {
        organization(&store, slug).await;
        join(&store, slug, "ann", false).await;
    }
    join(&store, "bolt", "bob", true).await;
    let word = |word: &str| PermissionName::new(word).unwrap();
    let permissions =
        ["app.one", "app.two"].map(|name| NewPermission { id: None, codename: word(name), name: Text::empty() });
    store.create_permissions(permissions.into()).await.unwrap();
    let role = |slug: &str, name: &str, users: &[&str]| NewRole {
        scope: Scope::Organization(slug.into()),
        name: RightsName::new(name).unwrap(),
        permissions: vec![word("app.one")],
        users: users.iter().map(|name| (*name).into()).collect(),
    };
    store
        .create_roles(vec![
            role("acme", "editor", &["ann"]),
            role("bolt", "editor", &["ann", "bob"]),
            role("bolt", "auditor", &["bob"]),
        ])
        .await
        .unwrap();
    ids.try_into().unwrap()
}

fn sorted(ids: impl IntoIterator<Item = UserId>) -> Vec<UserId> {
    let mut ids: Vec<_> = ids.into_iter().collect();
    ids.sort_unstable();
    ids
}

async fn those_who_may_be_meant_are_found_and_nobody_is_left_out(on: &dyn Backend) {
    let [ann, bob, cid, root] = world(on).await;
    let store = on.store();
    let organizations = store.directory().organizations_after(OrgId::default(), 9).await.unwrap();
    let (acme, _) = organizations.into_iter().find(|(_, slug)| slug == "acme").unwrap();
    let found = async |who: Holders| store.directory().holders(&who, UserId::default(), 100).await.unwrap();
    assert_eq!(found(Holders::Anybody).await, sorted([ann, bob, cid, root]));
    assert_eq!(found(Holders::Members("acme".into())).await, sorted([ann, root]));
    assert_eq!(found(Holders::Members(acme.to_string())).await, sorted([ann, root]));
    assert_eq!(found(Holders::Members("none".into())).await, [root]);
    assert_eq!(found(Holders::Permission("app.one".into())).await, sorted([ann, bob, root]));
    assert_eq!(found(Holders::Permission("app.two".into())).await, [root]);
    assert_eq!(found(Holders::Role("editor".into())).await, sorted([ann, bob]));
    assert_eq!(found(Holders::Role("' OR 1=1 --".into())).await, []);
    store.edit_user(&"ann".into(), UserEdit { is_active: Some(false), ..Default::default() }).await.unwrap();
    assert_eq!(found(Holders::Role("editor".into())).await, [bob]);
}

async fn what_is_behind_a_page_is_found_from_its_last_place(on: &dyn Backend) {
    let all = sorted(world(on).await);
    let store = on.store();
    let directory = store.directory();
    let first = directory.holders(&Holders::Anybody, UserId::default(), 3).await.unwrap();
    assert_eq!(first, all[..3]);
    assert_eq!(directory.holders(&Holders::Anybody, first[2], 3).await.unwrap(), all[3..]);
    let organizations = directory.organizations_after(OrgId::default(), 1).await.unwrap();
    let rest = directory.organizations_after(organizations[0].0, 9).await.unwrap();
    let mut slugs: Vec<_> = organizations.iter().chain(&rest).map(|(_, slug)| slug.as_str()).collect();
    slugs.sort_unstable();
    assert_eq!((rest.len(), slugs), (1, vec!["acme", "bolt"]));
    let permissions = directory.permissions_after("app.", 1).await.unwrap();
    assert_eq!(permissions, ["app.one"]);
    assert_eq!(directory.permissions_after("app.one", 1).await.unwrap(), ["app.two"]);
}

async fn roles_are_found_by_who_holds_them(on: &dyn Backend) {
    let [ann, bob, cid, _] = world(on).await;
    let store = on.store();
    let held = async |who: UserId, named: Option<&str>| {
        let held = store.directory().roles_held(who, named, RoleId::default(), 9).await.unwrap();
        let mut told: Vec<_> = held.iter().map(|role| format!("{} of {}", role.name, role.slug)).collect();
        told.sort();
        told
    };
    assert_eq!(held(ann, None).await, ["editor of acme", "editor of bolt"]);
    assert_eq!(held(bob, None).await, ["auditor of bolt", "editor of bolt"]);
    assert_eq!(held(bob, Some("auditor")).await, ["auditor of bolt"]);
    assert_eq!(held(bob, Some("none")).await, [""; 0]);
    assert_eq!(held(cid, None).await, [""; 0]);
    let first = store.directory().roles_held(ann, None, RoleId::default(), 1).await.unwrap();
    let second = store.directory().roles_held(ann, None, first[0].id, 9).await.unwrap();
    assert_eq!((first.len(), second.len()), (1, 1));
    let by_id = store.directory().roles_held(ann, Some(&first[0].id.to_string()), RoleId::default(), 9).await.unwrap();
    assert_eq!(by_id, first);
    let edit = OrganizationEdit { is_active: Some(false), ..Default::default() };
    store.edit_organization(&"bolt".into(), edit).await.unwrap();
    assert_eq!(held(ann, None).await, ["editor of acme"]);
}
