//! Permissions, groups, roles and super roles: who may do what, where, and how soon it is known.

use super::feed::{look, silent_since, since};
use super::{Backend, join, organization, stories, user};
use postern::directory::name::{PermissionName, RightsName, Text};
use postern::directory::{
    BundleEdit, Change, DirectoryError, Grants, GroupRecord, List, NewGroup, NewPermission, NewRole, Noun,
    OrganizationEdit, PermissionEdit, RoleRecord, RoleSelector, Scope, Through, Unique, UserEdit, View,
};
use postern::facts::Snapshot;
use postern::id::{OrgId, UserId};
use std::collections::HashSet;

stories!(
    nobody_may_do_anything_by_being_there,
    what_is_granted_to_a_user_holds_everywhere,
    a_group_s_permissions_hold_everywhere_and_its_name_is_known,
    a_super_role_holds_in_every_organization,
    a_role_holds_in_its_organization_and_without_one,
    a_role_holds_while_its_organization_is_active,
    a_role_ends_with_the_membership_and_does_not_come_back,
    only_members_hold_a_role,
    the_inactive_have_nothing_and_superusers_everything,
    a_user_s_permissions_are_told_with_their_origin,
    the_default_groups_are_there_from_the_beginning,
    only_permissions_that_exist_are_granted,
    names_are_unique_where_they_count,
    a_role_without_its_organization_is_found_where_there_is_only_one,
    grants_are_replaced_given_and_taken_as_told,
    groups_and_roles_are_listed_by_user_and_by_organization,
    a_batch_is_kept_whole_or_not_at_all,
    every_change_of_a_right_is_told_for_whom_it_concerns,
    what_changes_no_right_is_silent,
    raw_sql_is_told_for_whom_it_concerns,
    raw_sql_cannot_give_a_role_to_strangers,
    raw_sql_leaves_no_right_behind,
    a_change_of_very_many_users_makes_followers_forget_all;
    sqlite:
    rights_that_raw_sql_replaces_are_told_too,
);

fn word(permission: &str) -> PermissionName {
    PermissionName::new(permission).unwrap()
}

fn name(text: &str) -> RightsName {
    RightsName::new(text).unwrap()
}

fn grants(grant: &[&str], revoke: &[&str]) -> Grants {
    Grants { grant: grant.iter().map(|p| word(p)).collect(), revoke: revoke.iter().map(|p| word(p)).collect() }
}

fn users(names: &[&str]) -> Vec<postern::directory::UserSelector> {
    names.iter().map(|name| (*name).into()).collect()
}

fn of(organization: &str, role: &str) -> RoleSelector {
    RoleSelector { text: role.into(), scope: Some(Scope::Organization(organization.into())) }
}

fn everywhere(role: &str) -> RoleSelector {
    RoleSelector { text: role.into(), scope: Some(Scope::Everywhere) }
}

async fn permission(store: &View, codename: &str) {
    let new = NewPermission { id: None, codename: word(codename), name: Text::empty() };
    store.create_permissions(vec![new]).await.unwrap();
}

async fn group(store: &View, called: &str, permissions: &[&str], of: &[&str]) -> GroupRecord {
    let permissions = permissions.iter().map(|p| word(p)).collect();
    let new = NewGroup { name: name(called), permissions, users: users(of) };
    store.create_groups(vec![new]).await.unwrap().remove(0)
}

fn new_role(organization: Option<&str>, called: &str, permissions: &[&str], of: &[&str]) -> NewRole {
    let scope = organization.map_or(Scope::Everywhere, |slug| Scope::Organization(slug.into()));
    let permissions = permissions.iter().map(|p| word(p)).collect();
    NewRole { scope, name: name(called), permissions, users: users(of) }
}

async fn role(store: &View, at: Option<&str>, called: &str, permissions: &[&str], of: &[&str]) -> RoleRecord {
    store.create_roles(vec![new_role(at, called, permissions, of)]).await.unwrap().remove(0)
}

async fn snapshot(on: &dyn Backend, user: UserId) -> Snapshot {
    on.store().directory().user_snapshot(user).await.unwrap().unwrap()
}

/// Acme and Bolt; ann and bob in Acme; the permissions `app.one` and `app.two`.
struct World {
    acme: OrgId,
    bolt: OrgId,
    ann: UserId,
    bob: UserId,
}

async fn world(on: &dyn Backend) -> World {
    let store = on.store();
    for codename in ["app.one", "app.two"] {
        permission(&store, codename).await;
    }
    let (acme, bolt) = (organization(&store, "Acme").await.id, organization(&store, "Bolt").await.id);
    let (ann, bob) = (user(&store, "ann").await.id, user(&store, "bob").await.id);
    for name in ["ann", "bob"] {
        join(&store, "acme", name, false).await;
    }
    World { acme, bolt, ann, bob }
}

async fn nobody_may_do_anything_by_being_there(on: &dyn Backend) {
    let World { acme, ann, .. } = world(on).await;
    on.store().edit_membership(&"acme".into(), &"ann".into(), true).await.unwrap();
    on.store().transfer_ownership(&"acme".into(), &"ann".into()).await.unwrap();
    let ann = snapshot(on, ann).await;
    assert!(
        !ann.has_permission("app.one", Some(acme)) && !ann.has_permission("app.one", None),
        "levels permit nothing"
    );
    assert!(ann.groups().is_empty());
}

async fn what_is_granted_to_a_user_holds_everywhere(on: &dyn Backend) {
    let World { acme, bolt, ann, bob } = world(on).await;
    on.store().edit_user_permissions(&"ann".into(), grants(&["app.one"], &[])).await.unwrap();
    let facts = snapshot(on, ann).await;
    for at in [None, Some(acme), Some(bolt), Some(OrgId::generate())] {
        assert!(facts.has_permission("app.one", at), "{at:?}");
        assert!(!facts.has_permission("app.two", at), "{at:?}");
    }
    assert!(!snapshot(on, bob).await.has_permission("app.one", None));
    on.store().edit_user_permissions(&"ann".into(), grants(&[], &["app.one"])).await.unwrap();
    assert!(!snapshot(on, ann).await.has_permission("app.one", None));
}

async fn a_group_s_permissions_hold_everywhere_and_its_name_is_known(on: &dyn Backend) {
    let World { bolt, ann, bob, .. } = world(on).await;
    let store = on.store();
    group(&store, "writers", &["app.one"], &["ann"]).await;
    group(&store, "artists", &[], &["ann"]).await;
    let facts = snapshot(on, ann).await;
    assert!(facts.has_permission("app.one", Some(bolt)));
    assert_eq!(facts.groups().iter().map(|g| &**g).collect::<Vec<_>>(), ["artists", "writers"]);
    assert!(!snapshot(on, bob).await.has_permission("app.one", Some(bolt)));
    store.edit_group(&"writers".into(), BundleEdit { remove: users(&["ann"]), ..Default::default() }).await.unwrap();
    let facts = snapshot(on, ann).await;
    assert!(!facts.has_permission("app.one", None));
    assert_eq!(facts.groups().len(), 1);
}

async fn a_super_role_holds_in_every_organization(on: &dyn Backend) {
    let World { acme, bolt, ann, bob } = world(on).await;
    role(&on.store(), None, "support", &["app.one"], &["ann"]).await;
    let facts = snapshot(on, ann).await;
    for at in [None, Some(acme), Some(bolt)] {
        assert!(facts.has_permission("app.one", at), "{at:?}");
    }
    assert!(!snapshot(on, bob).await.has_permission("app.one", None));
    on.store().delete_role(&everywhere("support")).await.unwrap();
    assert!(!snapshot(on, ann).await.has_permission("app.one", None));
}

async fn a_role_holds_in_its_organization_and_without_one(on: &dyn Backend) {
    let World { acme, bolt, ann, .. } = world(on).await;
    let store = on.store();
    join(&store, "bolt", "ann", false).await;
    role(&store, Some("acme"), "editor", &["app.one"], &["ann"]).await;
    role(&store, Some("bolt"), "editor", &["app.two"], &["ann"]).await;
    let facts = snapshot(on, ann).await;
    assert!(facts.has_permission("app.one", Some(acme)) && !facts.has_permission("app.one", Some(bolt)));
    assert!(facts.has_permission("app.two", Some(bolt)) && !facts.has_permission("app.two", Some(acme)));
    assert!(facts.has_permission("app.one", None) && facts.has_permission("app.two", None), "any role will do");
}

async fn a_role_holds_while_its_organization_is_active(on: &dyn Backend) {
    let World { acme, ann, .. } = world(on).await;
    let store = on.store();
    role(&store, Some("acme"), "editor", &["app.one"], &["ann"]).await;
    for active in [false, true] {
        let edit = OrganizationEdit { is_active: Some(active), ..Default::default() };
        store.edit_organization(&"acme".into(), edit).await.unwrap();
        let facts = snapshot(on, ann).await;
        assert_eq!(facts.has_permission("app.one", Some(acme)), active);
        assert_eq!(facts.has_permission("app.one", None), active);
    }
}

async fn a_role_ends_with_the_membership_and_does_not_come_back(on: &dyn Backend) {
    let World { acme, ann, .. } = world(on).await;
    let store = on.store();
    role(&store, Some("acme"), "editor", &["app.one"], &["ann", "bob"]).await;
    store.delete_membership(&"acme".into(), &"ann".into()).await.unwrap();
    assert!(!snapshot(on, ann).await.has_permission("app.one", None));
    join(&store, "acme", "ann", true).await;
    assert!(!snapshot(on, ann).await.has_permission("app.one", Some(acme)));
    assert_eq!(store.role(&of("acme", "editor")).await.unwrap().users, 1);
}

async fn only_members_hold_a_role(on: &dyn Backend) {
    world(on).await;
    let store = on.store();
    user(&store, "out").await;
    let refused = DirectoryError::NotMember { user: "out".into(), organization: "acme".into() };
    let made = store.create_roles(vec![new_role(Some("acme"), "editor", &[], &["ann", "out"])]).await;
    assert_eq!(made.unwrap_err().error, refused);
    role(&store, Some("acme"), "editor", &[], &["ann"]).await;
    let edit = BundleEdit { add: users(&["out"]), ..Default::default() };
    assert_eq!(store.edit_role(&of("acme", "editor"), edit).await, Err(refused));
    assert_eq!(store.role(&of("acme", "editor")).await.unwrap().users, 1);
}

async fn the_inactive_have_nothing_and_superusers_everything(on: &dyn Backend) {
    let World { acme, ann, bob, .. } = world(on).await;
    let store = on.store();
    group(&store, "writers", &["app.one"], &["ann"]).await;
    role(&store, None, "support", &["app.one"], &["ann"]).await;
    role(&store, Some("acme"), "editor", &["app.one"], &["ann"]).await;
    store.edit_user(&"ann".into(), UserEdit { is_active: Some(false), ..Default::default() }).await.unwrap();
    store.edit_user(&"bob".into(), UserEdit { is_superuser: Some(true), ..Default::default() }).await.unwrap();
    let (ann, bob) = (snapshot(on, ann).await, snapshot(on, bob).await);
    for at in [None, Some(acme), Some(OrgId::generate())] {
        assert!(!ann.has_permission("app.one", at));
        assert!(bob.has_permission("app.one", at) && bob.has_permission("no.such", at));
    }
}

async fn a_user_s_permissions_are_told_with_their_origin(on: &dyn Backend) {
    world(on).await;
    let store = on.store();
    group(&store, "writers", &["app.one", "app.two"], &["ann"]).await;
    role(&store, None, "support", &["app.one"], &["ann"]).await;
    role(&store, Some("acme"), "editor", &["app.two"], &["ann"]).await;
    let told = store.edit_user_permissions(&"ann".into(), grants(&["app.one"], &[])).await.unwrap();
    assert_eq!(store.user_permissions(&"ann".into()).await.as_ref(), Ok(&told));
    let told: Vec<_> = told.iter().map(|g| (&*g.permission, g.organization.as_deref(), g.through, &*g.name)).collect();
    assert_eq!(
        told,
        [
            ("app.one", None, Through::Group, "writers"),
            ("app.one", None, Through::SuperRole, "support"),
            ("app.one", None, Through::User, ""),
            ("app.two", None, Through::Group, "writers"),
            ("app.two", Some("acme"), Through::Role, "editor"),
        ]
    );
    let disable = OrganizationEdit { is_active: Some(false), ..Default::default() };
    store.edit_organization(&"acme".into(), disable).await.unwrap();
    assert_eq!(store.user_permissions(&"ann".into()).await.unwrap().len(), 4);
}

async fn the_default_groups_are_there_from_the_beginning(on: &dyn Backend) {
    let store = on.store();
    let groups = store.groups(&List::default()).await.unwrap().rows;
    assert_eq!(groups.iter().map(|g| (&*g.name, g.users)).collect::<Vec<_>>(), [("Administrator", 0), ("Operator", 0)]);
    assert_eq!(groups[1].permissions, ["openwisp_users.view_organization"]);
    let administrator: HashSet<&str> = groups[0].permissions.iter().map(String::as_str).collect();
    assert_eq!(administrator.len(), 18);
    for has in ["account.change_emailaddress", "openwisp_users.delete_user", "openwisp_users.view_group"] {
        assert!(administrator.contains(has), "{has}");
    }
    for lacks in ["account.add_emailaddress", "openwisp_users.add_organization", "openwisp_users.view_organization"] {
        assert!(!administrator.contains(lacks), "{lacks}");
    }
}

async fn only_permissions_that_exist_are_granted(on: &dyn Backend) {
    world(on).await;
    let store = on.store();
    let missing = DirectoryError::NotFound { noun: Noun::Permission, reference: "app.tow".into() };
    assert!(missing.hint().unwrap().contains("postern permission create app.tow"));
    let slip = || grants(&["app.one", "app.tow"], &[]);
    assert_eq!(store.edit_user_permissions(&"ann".into(), slip()).await, Err(missing.clone()));
    let edit = || BundleEdit { grants: slip(), ..Default::default() };
    assert_eq!(store.edit_group(&"Operator".into(), edit()).await, Err(missing.clone()));
    role(&store, Some("acme"), "editor", &[], &[]).await;
    assert_eq!(store.edit_role(&of("acme", "editor"), edit()).await, Err(missing.clone()));
    assert_eq!(store.edit_user_permissions(&"ann".into(), grants(&[], &["app.tow"])).await, Err(missing));
    assert!(store.user_permissions(&"ann".into()).await.unwrap().is_empty(), "nor is the one before the slip");
}

async fn names_are_unique_where_they_count(on: &dyn Backend) {
    world(on).await;
    let store = on.store();
    let taken = |unique, value: &str| DirectoryError::Taken { unique, value: value.into() };
    let again = NewPermission { id: None, codename: word("app.one"), name: Text::empty() };
    assert_eq!(store.create_permissions(vec![again]).await.unwrap_err().error, taken(Unique::Permission, "app.one"));
    let rename = PermissionEdit { codename: Some(word("app.one")), name: None };
    assert_eq!(store.edit_permission(&word("app.two"), rename).await, Err(taken(Unique::Permission, "app.one")));
    let again = NewGroup { name: name("Operator"), permissions: vec![], users: vec![] };
    assert_eq!(store.create_groups(vec![again]).await.unwrap_err().error, taken(Unique::GroupName, "Operator"));
    let rename = BundleEdit { name: Some(name("Operator")), ..Default::default() };
    assert_eq!(store.edit_group(&"Administrator".into(), rename).await, Err(taken(Unique::GroupName, "Operator")));
    for (at, unique) in [(Some("acme"), Unique::RoleName), (None, Unique::SuperRoleName)] {
        role(&store, at, "editor", &[], &[]).await;
        let again = store.create_roles(vec![new_role(at, "editor", &[], &[])]).await.unwrap_err().error;
        assert_eq!(again, taken(unique, "editor"));
        let other = role(&store, at, "other", &[], &[]).await;
        let rename = BundleEdit { name: Some(name("editor")), ..Default::default() };
        assert_eq!(store.edit_role(&other.id.into(), rename).await, Err(taken(unique, "editor")));
    }
    role(&store, Some("bolt"), "editor", &[], &[]).await;
}

async fn a_role_without_its_organization_is_found_where_there_is_only_one(on: &dyn Backend) {
    world(on).await;
    let store = on.store();
    let bare = || RoleSelector { text: "editor".into(), scope: None };
    let missing = DirectoryError::NotFound { noun: Noun::Role, reference: "editor".into() };
    assert_eq!(store.role(&bare()).await, Err(missing.clone()));
    let made = role(&store, Some("acme"), "editor", &[], &[]).await;
    assert_eq!(store.role(&bare()).await.as_ref(), Ok(&made));
    assert_eq!(store.role(&made.id.into()).await.as_ref(), Ok(&made));
    assert_eq!(store.role(&of("bolt", "editor")).await, Err(missing.clone()));
    assert_eq!(store.role(&everywhere("editor")).await, Err(missing));
    let other = role(&store, None, "editor", &[], &[]).await;
    let ambiguous = DirectoryError::Ambiguous { noun: Noun::Role, reference: "editor".into() };
    assert!(ambiguous.hint().unwrap().contains("--org ORG or --super"));
    assert_eq!(store.role(&bare()).await, Err(ambiguous));
    assert_eq!(store.role(&everywhere("editor")).await, Ok(other));
    assert_eq!(store.role(&of("acme", &made.id.to_string())).await, Ok(made));
}

async fn grants_are_replaced_given_and_taken_as_told(on: &dyn Backend) {
    world(on).await;
    let store = on.store();
    permission(&store, "app.three").await;
    let made = group(&store, "writers", &["app.one", "app.one"], &["ann", "ann"]).await;
    assert_eq!((made.permissions, made.users), (vec!["app.one".to_owned()], 1), "twice is once");
    let edit = |permissions: Option<&[&str]>, give: &[&str], take: &[&str]| {
        let permissions = permissions.map(|list| list.iter().map(|p| word(p)).collect());
        let edit = BundleEdit { permissions, grants: grants(give, take), ..Default::default() };
        let store = on.store();
        async move { store.edit_group(&"writers".into(), edit).await.unwrap().permissions }
    };
    assert_eq!(edit(None, &["app.two"], &[]).await, ["app.one", "app.two"]);
    assert_eq!(edit(None, &["app.two"], &["app.one", "app.two"]).await, ["app.two"], "what is taken goes first");
    assert_eq!(edit(Some(&["app.three", "app.one"]), &[], &[]).await, ["app.one", "app.three"]);
    assert_eq!(edit(Some(&["app.two"]), &["app.one"], &[]).await, ["app.one", "app.two"]);
    assert_eq!(edit(Some(&[]), &[], &[]).await, Vec::<String>::new());
}

async fn groups_and_roles_are_listed_by_user_and_by_organization(on: &dyn Backend) {
    world(on).await;
    let store = on.store();
    group(&store, "writers", &[], &["bob", "ann"]).await;
    join(&store, "bolt", "ann", false).await;
    role(&store, Some("bolt"), "reader", &[], &["ann"]).await;
    role(&store, Some("acme"), "editor", &[], &["ann", "bob"]).await;
    role(&store, Some("acme"), "admin", &[], &[]).await;
    role(&store, None, "support", &[], &["bob"]).await;
    let listed = store.groups(&List::of_user("ann")).await.unwrap().rows;
    assert_eq!(listed.iter().map(|g| &*g.name).collect::<Vec<_>>(), ["writers"]);
    let names = |users: Vec<postern::directory::UserRecord>| users.into_iter().map(|u| u.username).collect::<Vec<_>>();
    assert_eq!(names(store.group_users(&"writers".into(), &List::default()).await.unwrap().rows), ["ann", "bob"]);
    assert_eq!(names(store.role_users(&everywhere("support"), &List::default()).await.unwrap().rows), ["bob"]);
    assert_eq!(names(store.role_users(&of("acme", "editor"), &List::default()).await.unwrap().rows), ["ann", "bob"]);
    let roles = |scope, user: Option<&str>| {
        let mut list = List { user: user.map(Into::into), ..List::default() };
        match scope {
            Some(Scope::Organization(organization)) => list.organization = Some(organization),
            Some(Scope::Everywhere) => list.filter.push(("is_super".into(), "true".into())),
            None => {}
        }
        let store = on.store();
        async move {
            let roles = store.roles(&list).await.unwrap().rows;
            let told = |role: RoleRecord| match role.slug {
                Some(slug) => format!("{slug}/{}", role.name),
                None => role.name,
            };
            roles.into_iter().map(told).collect::<Vec<_>>()
        }
    };
    assert_eq!(roles(None, None).await, ["support", "acme/admin", "acme/editor", "bolt/reader"]);
    assert_eq!(roles(Some(Scope::Everywhere), None).await, ["support"]);
    assert_eq!(roles(Some(Scope::Organization("acme".into())), None).await, ["acme/admin", "acme/editor"]);
    assert_eq!(roles(None, Some("bob")).await, ["support", "acme/editor"]);
    assert_eq!(roles(Some(Scope::Organization("acme".into())), Some("ann")).await, ["acme/editor"]);
}

async fn a_batch_is_kept_whole_or_not_at_all(on: &dyn Backend) {
    world(on).await;
    let store = on.store();
    let batch = vec![
        new_role(Some("acme"), "editor", &["app.one"], &["ann"]),
        new_role(Some("acme"), "reader", &["app.one"], &["nobody"]),
    ];
    let error = store.create_roles(batch).await.unwrap_err();
    assert_eq!(error.index, 1);
    assert_eq!(error.error, DirectoryError::NotFound { noun: Noun::User, reference: "nobody".into() });
    assert!(store.roles(&List::default()).await.unwrap().rows.is_empty());
}

async fn every_change_of_a_right_is_told_for_whom_it_concerns(on: &dyn Backend) {
    let World { ann, bob, .. } = world(on).await;
    let store = on.store();
    let mut at = store.directory().position().await.unwrap();
    macro_rules! tells {
        ($operation:expr, $($user:expr),*) => {
            $operation.await.unwrap();
            let (told, position) = since(on, &at).await;
            assert_eq!(told, HashSet::from([$(Change::User($user)),*]), "{}", stringify!($operation));
            at = position;
        };
    }
    let edit = BundleEdit::default;
    tells!(store.edit_user_permissions(&"ann".into(), grants(&["app.one"], &[])), ann);
    tells!(store.edit_user_permissions(&"ann".into(), grants(&[], &["app.one"])), ann);
    let writers = NewGroup { name: name("writers"), permissions: vec![word("app.one")], users: users(&["ann", "bob"]) };
    tells!(store.create_groups(vec![writers]), ann, bob);
    tells!(store.edit_group(&"writers".into(), BundleEdit { grants: grants(&["app.two"], &[]), ..edit() }), ann, bob);
    tells!(store.edit_group(&"writers".into(), BundleEdit { name: Some(name("authors")), ..edit() }), ann, bob);
    tells!(store.edit_group(&"authors".into(), BundleEdit { remove: users(&["bob"]), ..edit() }), bob);
    tells!(store.create_roles(vec![new_role(Some("acme"), "editor", &[], &["bob"])]), bob);
    let give = || BundleEdit { grants: grants(&["app.two"], &[]), ..edit() };
    tells!(store.edit_role(&of("acme", "editor"), give()), bob);
    tells!(store.create_roles(vec![new_role(None, "support", &[], &["ann"])]), ann);
    tells!(store.edit_role(&everywhere("support"), give()), ann);
    tells!(store.edit_role(&of("acme", "editor"), BundleEdit { name: Some(name("writer")), ..edit() }), bob);
    tells!(store.edit_role(&everywhere("support"), BundleEdit { name: Some(name("help")), ..edit() }), ann);
    let rename = PermissionEdit { codename: Some(word("app.zwei")), name: None };
    tells!(store.edit_permission(&word("app.two"), rename), ann, bob);
    tells!(store.delete_permission(&word("app.zwei")), ann, bob);
    tells!(store.delete_role(&of("acme", "writer")), bob);
    tells!(store.delete_role(&everywhere("help")), ann);
    tells!(store.delete_group(&"authors".into()), ann);
    silent_since(on, &at).await;
    assert!(!snapshot(on, ann).await.has_permission("app.one", None));
}

async fn what_changes_no_right_is_silent(on: &dyn Backend) {
    world(on).await;
    let store = on.store();
    group(&store, "writers", &["app.one"], &["ann"]).await;
    role(&store, Some("acme"), "editor", &["app.one"], &["ann"]).await;
    role(&store, None, "support", &["app.one"], &["ann"]).await;
    store.edit_user_permissions(&"ann".into(), grants(&["app.one"], &[])).await.unwrap();
    let before = store.directory().position().await.unwrap();
    store.edit_user_permissions(&"ann".into(), grants(&["app.one"], &["app.two"])).await.unwrap();
    let same = || BundleEdit {
        permissions: Some(vec![word("app.one")]),
        grants: grants(&["app.one"], &["app.two"]),
        add: users(&["ann"]),
        remove: users(&["bob"]),
        name: None,
    };
    let renamed = |called| BundleEdit { name: Some(name(called)), ..same() };
    store.edit_group(&"writers".into(), renamed("writers")).await.unwrap();
    store.edit_role(&of("acme", "editor"), renamed("editor")).await.unwrap();
    store.edit_role(&everywhere("support"), renamed("support")).await.unwrap();
    let told = PermissionEdit { codename: None, name: Some(Text::new("name", "The first").unwrap()) };
    store.edit_permission(&word("app.one"), told).await.unwrap();
    permission(&store, "app.four").await;
    group(&store, "nobody's", &["app.one"], &[]).await;
    silent_since(on, &before).await;
}

async fn raw_sql_is_told_for_whom_it_concerns(on: &dyn Backend) {
    let World { ann, bob, acme, .. } = world(on).await;
    let (store, other) = (on.store(), on.another().await);
    group(&store, "writers", &["app.one"], &["ann", "bob"]).await;
    role(&store, Some("acme"), "editor", &["app.one"], &["ann"]).await;
    role(&store, None, "support", &["app.one"], &["bob"]).await;
    store.edit_user_permissions(&"ann".into(), grants(&["app.one"], &[])).await.unwrap();
    let mut at = store.directory().position().await.unwrap();
    for store in [&store, &other] {
        assert!(look(store, &at).await.changes.is_empty());
    }
    for (sql, expected) in [
        ("DELETE FROM user_permissions", vec![ann]),
        ("UPDATE groups SET name = 'authors' WHERE name = 'writers'", vec![ann, bob]),
        ("UPDATE roles SET name = 'writer'", vec![ann]),
        ("UPDATE super_roles SET name = 'help'", vec![bob]),
        ("DELETE FROM group_permissions", vec![ann, bob]),
        ("DELETE FROM role_permissions", vec![ann]),
        ("DELETE FROM super_role_permissions", vec![bob]),
        ("INSERT INTO role_permissions SELECT r.id, p.id FROM roles r, permissions p", vec![ann]),
        ("UPDATE role_users SET user_id = (SELECT id FROM users WHERE username = 'bob')", vec![ann, bob]),
        ("UPDATE permissions SET codename = 'app.uno' WHERE codename = 'app.one'", vec![bob]),
        ("DELETE FROM permissions", vec![bob]),
        ("DELETE FROM role_users", vec![bob]),
        ("DELETE FROM super_roles", vec![bob]),
        ("DELETE FROM groups", vec![ann, bob]),
    ] {
        on.sql(sql).unwrap();
        for store in [&store, &other] {
            let told = look(store, &at).await;
            assert!(!told.lost);
            let told: HashSet<_> = told.changes.into_iter().collect();
            assert_eq!(told, expected.iter().map(|user| Change::User(*user)).collect(), "{sql}");
        }
        at = store.directory().position().await.unwrap();
    }
    for user in [ann, bob] {
        let facts = snapshot(on, user).await;
        assert!(!facts.has_permission("app.uno", Some(acme)) && !facts.has_permission("app.one", None));
        assert!(facts.groups().is_empty());
    }
}

async fn raw_sql_cannot_give_a_role_to_strangers(on: &dyn Backend) {
    let World { acme, bolt, ann, .. } = world(on).await;
    let store = on.store();
    let out = user(&store, "out").await.id;
    let editor = role(&store, Some("acme"), "editor", &["app.one"], &["ann"]).await.id;
    join(&store, "bolt", "out", false).await;
    for sql in [
        format!("INSERT INTO role_users VALUES ('{editor}', '{out}', '{acme}')"),
        format!("INSERT INTO role_users VALUES ('{editor}', '{out}', '{bolt}')"),
        format!("UPDATE role_users SET user_id = '{out}'"),
        format!("UPDATE role_users SET user_id = '{out}', organization_id = '{bolt}'"),
        format!("UPDATE roles SET organization_id = '{bolt}'"),
        "INSERT INTO permissions (codename) VALUES ('no dot')".into(),
        "INSERT INTO permissions (codename) VALUES ('a.b,c.d')".into(),
    ] {
        assert!(on.sql(&sql).is_err(), "{sql}");
    }
    assert!(snapshot(on, ann).await.has_permission("app.one", Some(acme)));
    assert!(!snapshot(on, out).await.has_permission("app.one", None));
}

async fn raw_sql_leaves_no_right_behind(on: &dyn Backend) {
    let World { acme, ann, bob, .. } = world(on).await;
    let store = on.store();
    role(&store, Some("acme"), "editor", &["app.one"], &["ann", "bob"]).await;
    group(&store, "writers", &["app.one"], &["bob"]).await;
    let at = store.directory().position().await.unwrap();
    on.sql(&format!("DELETE FROM memberships WHERE user_id = '{ann}'")).unwrap();
    assert_eq!(since(on, &at).await.0, HashSet::from([Change::User(ann)]));
    on.sql(&format!(
        "INSERT INTO memberships (id, user_id, organization_id) VALUES ('{}', '{ann}', '{acme}')",
        UserId::generate()
    ))
    .unwrap();
    assert!(!snapshot(on, ann).await.has_permission("app.one", None), "who joins again begins without roles");
    assert_eq!(store.role(&of("acme", "editor")).await.unwrap().users, 1);
    on.sql("UPDATE memberships SET organization_id = (SELECT id FROM organizations WHERE slug = 'bolt')").unwrap();
    on.sql("UPDATE memberships SET organization_id = (SELECT id FROM organizations WHERE slug = 'acme')").unwrap();
    assert_eq!(store.role(&of("acme", "editor")).await.unwrap().users, 0);
    on.sql("DELETE FROM organizations").unwrap();
    assert!(store.roles(&List::default()).await.unwrap().rows.is_empty());
    on.sql(&format!("DELETE FROM users WHERE id = '{bob}'")).unwrap();
    assert_eq!(store.group(&"writers".into()).await.unwrap().users, 0);
}

async fn rights_that_raw_sql_replaces_are_told_too(on: &dyn Backend) {
    let World { ann, bob, acme, .. } = world(on).await;
    let store = on.store();
    group(&store, "writers", &["app.one"], &["ann"]).await;
    let editor = role(&store, Some("acme"), "editor", &["app.one"], &["bob"]).await.id;
    role(&store, None, "support", &["app.one"], &["bob"]).await;
    let (new, mut at) = (UserId::generate(), store.directory().position().await.unwrap());
    for (sql, expected) in [
        ("INSERT OR REPLACE INTO groups (name) VALUES ('writers')".into(), vec![ann]),
        (
            format!("INSERT OR REPLACE INTO roles (id, organization_id, name) VALUES ('{new}', '{acme}', 'editor')"),
            vec![bob],
        ),
        (format!("INSERT OR REPLACE INTO super_roles (id, name) VALUES ('{new}', 'support')"), vec![bob]),
    ] {
        on.sql(&sql).unwrap();
        let (told, position) = since(on, &at).await;
        assert_eq!(told, expected.into_iter().map(Change::User).collect(), "{sql}");
        at = position;
    }
    assert_ne!(store.role(&of("acme", "editor")).await.unwrap().id, editor);
    for user in [ann, bob] {
        let facts = snapshot(on, user).await;
        assert!(!facts.has_permission("app.one", None), "what was replaced gives nothing");
        assert!(facts.groups().is_empty());
    }
    store.edit_user_permissions(&"ann".into(), grants(&["app.one"], &[])).await.unwrap();
    let (_, at) = since(on, &at).await;
    on.sql("UPDATE OR REPLACE permissions SET codename = 'app.one' WHERE codename = 'app.two'").unwrap();
    assert!(since(on, &at).await.0.contains(&Change::User(ann)));
    assert!(!snapshot(on, ann).await.has_permission("app.one", None));
}

async fn a_change_of_very_many_users_makes_followers_forget_all(on: &dyn Backend) {
    let store = on.store();
    permission(&store, "app.one").await;
    on.crowd(10_001);
    on.sql("INSERT INTO group_users SELECT g.id, u.id FROM groups g, users u WHERE g.name = 'Operator'").unwrap();
    let at = store.directory().position().await.unwrap();
    let edit = BundleEdit { grants: grants(&["app.one"], &[]), ..Default::default() };
    assert_eq!(store.edit_group(&"Operator".into(), edit).await.unwrap().users, 10_001);
    assert!(look(&store, &at).await.lost);
}
