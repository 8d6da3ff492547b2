//! Accounts of organizations: codes whatever their case, names that are unique in one, and primary organizations.

use super::{Backend, as_manager, join, organization, organization_with_slug, stories, user, user_with_email};
use postern::directory::name::{PermissionName, Slug};
use postern::directory::{
    Blank, Change, DirectoryError, Grants, Import, ImportStream, ImportedUser, List, LoginQuery, MembershipRecord,
    NewOrganization, NewPerson, NewUser, Noun, OrganizationEdit, Unique, UserEdit, UserKey, UserRecord, Usernames,
    View,
};
use postern::id::{OrgId, UserId};

stories!(
    a_slug_is_one_whatever_its_case_and_never_comes_back_in_another,
    a_username_is_never_an_id,
    names_are_unique_whoever_has_a_primary_organization,
    an_organization_that_is_somebody_s_primary_one_is_not_deleted,
    a_user_is_made_with_a_membership,
    names_are_unique_within_a_primary_organization,
    everybody_keeps_a_primary_organization_and_its_membership,
    raw_sql_keeps_the_rules_too,
    usernames_go_from_one_way_to_the_other,
    people_are_written_with_their_organization,
    a_credential_that_names_somebody_says_of_which_organization,
    a_login_names_the_primary_organization,
    a_manager_moves_no_name_that_they_do_not_see,
    a_new_primary_organization_is_told,
    a_person_is_of_the_first_organization_that_they_are_made_with,
    an_import_needs_primary_organizations_and_says_so,
);

fn moved(to: Option<&str>) -> UserEdit {
    UserEdit { organization_slug: Some(to.map(Into::into)), ..UserEdit::default() }
}

fn of(username: &str, organization: &str) -> NewUser {
    NewUser { organization_slug: Some(organization.into()), ..NewUser::named(username).unwrap() }
}

async fn make(store: &View, new: NewUser) -> Result<UserRecord, DirectoryError> {
    store.create_users(vec![new]).await.map(|mut made| made.remove(0)).map_err(|refused| refused.error)
}

/// Acme and Bolt, each with an ann; root is a superuser.
async fn accounts(store: &View) -> (UserRecord, UserRecord) {
    organization(store, "Acme").await;
    organization(store, "Bolt").await;
    let root = NewUser { is_superuser: true, ..NewUser::named("root").unwrap() };
    make(store, root).await.unwrap();
    assert!(store.change_usernames(Usernames::PerOrganization, false).await.unwrap().done);
    (make(store, of("ann", "acme")).await.unwrap(), make(store, of("ann", "bolt")).await.unwrap())
}

async fn a_slug_is_one_whatever_its_case_and_never_comes_back_in_another(on: &dyn Backend) {
    let store = on.store();
    let acme = organization_with_slug(&store, "acme").await.unwrap();
    let again = organization_with_slug(&store, "ACME").await.unwrap_err();
    assert_eq!(again, DirectoryError::Taken { unique: Unique::Slug, value: "ACME".into() });
    let slug = |slug: &str| OrganizationEdit { slug: Some(Blank(Slug::new(slug).ok())), ..Default::default() };
    assert_eq!(store.edit_organization(&acme.id.into(), slug("Acme")).await.unwrap().slug, "Acme", "its own");
    store.edit_organization(&acme.id.into(), slug("apex")).await.unwrap();
    let error = organization_with_slug(&store, "aCMe").await.unwrap_err();
    assert_eq!(error, DirectoryError::SlugOnceUsed { slug: "aCMe".into() });
    let raw = |slug: &str| {
        let id = OrgId::generate();
        on.sql(&format!("INSERT INTO organizations (id, name, slug) VALUES ('{id}', 'A', '{slug}')"))
    };
    for slug in ["APEX", "acme", "ACME"] {
        assert!(raw(slug).is_err(), "{slug}");
    }
    assert_eq!(raw("other"), Ok(1));
    assert!(on.sql("UPDATE organizations SET slug = 'APEX' WHERE slug = 'other'").is_err());
    assert_eq!(on.sql("UPDATE organizations SET slug = 'OTHER' WHERE slug = 'other'"), Ok(1));
    assert_eq!(organization(&store, "Acme").await.slug, "acme-2");
}

async fn a_username_is_never_an_id(on: &dyn Backend) {
    let id = "67E55044-10b1-426f-9247-bb680e5fe0c8";
    for name in [id.to_owned(), id.replace('-', "")] {
        assert!(matches!(NewUser::named(&name), Err(DirectoryError::Invalid { field: "username", .. })));
        let insert = format!("INSERT INTO users (id, username) VALUES ('{}', '{name}')", UserId::generate());
        assert!(on.sql(&insert).unwrap_err().contains("a username is never a UUID"));
    }
    let store = on.store();
    user(&store, "ann").await;
    assert!(on.sql(&format!("UPDATE users SET username = '{id}' WHERE username = 'ann'")).is_err());
    assert_eq!(on.sql("UPDATE users SET username = '67e55044-10b1-426f-9247-bb680e5fe0cg'"), Ok(1));
}

async fn names_are_unique_whoever_has_a_primary_organization(on: &dyn Backend) {
    let store = on.store();
    assert_eq!(store.directory().usernames().await, Ok(Usernames::Global));
    organization(&store, "Acme").await;
    let ann = make(&store, of("ann", "acme")).await.unwrap();
    for new in [of("ann", "acme"), NewUser::named("ann").unwrap()] {
        let taken = make(&store, new).await;
        assert_eq!(taken, Err(DirectoryError::Taken { unique: Unique::Username, value: "ann".into() }));
    }
    assert!(on.sql(&format!("INSERT INTO users (id, username) VALUES ('{}', 'ann')", UserId::generate())).is_err());
    assert_eq!(on.sql(&format!("INSERT INTO users (id, username) VALUES ('{}', 'bob')", UserId::generate())), Ok(1));
    assert!(on.sql("UPDATE users SET username = 'ann' WHERE username = 'bob'").is_err());
    assert!(on.sql(&format!("UPDATE users SET username = 'bob' WHERE id = '{}'", ann.id)).is_err());
    store.edit_user(&ann.id.into(), moved(None)).await.unwrap();
}

async fn an_organization_that_is_somebody_s_primary_one_is_not_deleted(on: &dyn Backend) {
    let store = on.store();
    let acme = organization(&store, "Acme").await;
    make(&store, of("ann", "acme")).await.unwrap();
    let bob = make(&store, of("bob", "acme")).await.unwrap();
    let refused = store.delete_organization(&"acme".into()).await.unwrap_err();
    assert_eq!(refused, DirectoryError::PrimaryOfUsers { organization: "acme".into(), users: 2 });
    assert_eq!(
        (refused.code(), refused.to_string().as_str()),
        ("refused", "`acme` is the primary organization of 2 users")
    );
    assert!(refused.hint().is_some_and(|hint| hint.contains("--filter org=acme")));
    assert!(on.sql(&format!("DELETE FROM organizations WHERE id = '{}'", acme.id)).is_err());
    store.edit_user(&"ann".into(), moved(None)).await.unwrap();
    store.delete_user(&bob.id.into()).await.unwrap();
    store.delete_organization(&"acme".into()).await.unwrap();
}

async fn a_user_is_made_with_a_membership(on: &dyn Backend) {
    let store = on.store();
    let acme = organization(&store, "Acme").await;
    let nowhere = make(&store, of("ann", "nowhere")).await;
    assert!(matches!(nowhere, Err(DirectoryError::NotFound { noun: Noun::Organization, .. })), "{nowhere:?}");
    let ann = make(&store, of("ann", "acme")).await.unwrap();
    assert_eq!((ann.organization, ann.organization_slug.as_deref()), (Some(acme.id), Some("acme")));
    assert_eq!(store.user(&"ann".into()).await.as_ref(), Ok(&ann));
    let membership = store.membership(&"acme".into(), &"ann".into()).await.unwrap();
    assert_eq!((membership.level.as_str(), membership.is_owner), ("member", false));
    // By its id too, and several at once.
    let both = vec![of("bob", &acme.id.to_string()), of("eve", "acme")];
    store.create_users(both).await.unwrap();
    assert_eq!(store.memberships(&List::of_organization("acme")).await.unwrap().total, 3);
    let filter = vec![("org".to_owned(), "acme".to_owned())];
    assert_eq!(store.users(&List { filter, ..List::default() }).await.unwrap().total, 3);
}

async fn names_are_unique_within_a_primary_organization(on: &dyn Backend) {
    let store = on.store();
    let (ann, other) = accounts(&store).await;
    assert_ne!(ann.id, other.id);
    let taken = make(&store, of("ann", "acme")).await;
    assert!(matches!(taken, Err(DirectoryError::Taken { unique: Unique::Username, .. })), "{taken:?}");
    join(&store, "bolt", &ann.id.to_string(), false).await;
    let taken = store.edit_user(&ann.id.into(), moved(Some("bolt"))).await;
    assert!(matches!(taken, Err(DirectoryError::Taken { unique: Unique::Username, .. })), "{taken:?}");
    // Addresses are one everywhere.
    let with_email = |organization| NewUser {
        email: postern::directory::name::Email::new("a@x.org").ok(),
        ..of("zoe", organization)
    };
    make(&store, with_email("acme")).await.unwrap();
    let taken = make(&store, with_email("bolt")).await;
    assert!(matches!(taken, Err(DirectoryError::Taken { unique: Unique::Email, .. })), "{taken:?}");
}

async fn everybody_keeps_a_primary_organization_and_its_membership(on: &dyn Backend) {
    let store = on.store();
    let (ann, _) = accounts(&store).await;
    let none = make(&store, NewUser::named("bob").unwrap()).await.unwrap_err();
    assert_eq!(none, DirectoryError::NoPrimary { user: "bob".into() });
    assert!(none.hint().is_some());
    let refused = store.edit_user(&ann.id.into(), moved(None)).await;
    assert_eq!(refused, Err(DirectoryError::NoPrimary { user: "ann".into() }));
    let removed = store.delete_membership(&"acme".into(), &ann.id.into()).await;
    assert_eq!(removed, Err(DirectoryError::NameRemoved { user: "ann".into(), organization: "acme".into() }));
    let foreign = store.edit_user(&ann.id.into(), moved(Some("bolt"))).await;
    assert_eq!(foreign, Err(DirectoryError::NotMember { user: "ann".into(), organization: "bolt".into() }));
    let carl = organization(&store, "Carl").await;
    join(&store, "carl", &ann.id.to_string(), false).await;
    let ann = store.edit_user(&ann.id.into(), moved(Some("carl"))).await.unwrap();
    assert_eq!(ann.organization, Some(carl.id));
    store.delete_membership(&"acme".into(), &ann.id.into()).await.unwrap();
    // A superuser needs none, until they are one no longer.
    let superuser = |is_superuser| UserEdit { is_superuser: Some(is_superuser), ..UserEdit::default() };
    let demoted = store.edit_user(&"root".into(), superuser(false)).await;
    assert_eq!(demoted, Err(DirectoryError::NoPrimary { user: "root".into() }));
    join(&store, "acme", "root", false).await;
    store.edit_user(&"root".into(), UserEdit { is_superuser: Some(false), ..moved(Some("acme")) }).await.unwrap();
}

async fn raw_sql_keeps_the_rules_too(on: &dyn Backend) {
    let store = on.store();
    let (ann, _) = accounts(&store).await;
    let (acme, bolt) = (ann.organization.unwrap(), store.organization_record(&"bolt".into()).await.unwrap().id);
    let id = UserId::generate();
    assert!(on.sql(&format!("INSERT INTO users (id, username) VALUES ('{id}', 'bob')")).is_err());
    let insert = |name: &str, organization: OrgId| {
        on.sql(&format!(
            "INSERT INTO users (id, username, organization_id) VALUES ('{id}', '{name}', '{organization}')"
        ))
    };
    assert!(insert("ann", acme).is_err(), "the name is taken there");
    assert!(insert("bob", OrgId::generate()).is_err(), "nowhere");
    assert_eq!(insert("bob", acme), Ok(1));
    assert_eq!(store.membership(&"acme".into(), &"bob".into()).await.unwrap().level, "member");
    for sql in [
        format!("DELETE FROM memberships WHERE user_id = '{id}'"),
        format!("UPDATE memberships SET organization_id = '{bolt}' WHERE user_id = '{id}'"),
        format!("UPDATE users SET organization_id = NULL WHERE id = '{id}'"),
        format!("UPDATE users SET organization_id = '{bolt}' WHERE id = '{id}'"),
        "UPDATE users SET is_superuser = false WHERE username = 'root'".to_owned(),
        "UPDATE settings SET value = 'global' WHERE name = 'usernames'".to_owned(),
    ] {
        assert!(on.sql(&sql).is_err(), "{sql}");
    }
    assert_eq!(on.sql(&format!("UPDATE users SET is_superuser = true WHERE id = '{id}'")), Ok(1));
    assert_eq!(on.sql(&format!("UPDATE users SET organization_id = NULL WHERE id = '{id}'")), Ok(1));
    assert_eq!(on.sql(&format!("DELETE FROM users WHERE id = '{id}'")), Ok(1));
    assert_eq!(on.sql(&format!("DELETE FROM users WHERE id = '{}'", ann.id)), Ok(1), "with the membership");
    assert_eq!(on.sql(&format!("DELETE FROM organizations WHERE id = '{acme}'")), Ok(1));
}

async fn usernames_go_from_one_way_to_the_other(on: &dyn Backend) {
    let store = on.store();
    organization(&store, "Acme").await;
    organization(&store, "Bolt").await;
    for name in ["ann", "bob", "eve"] {
        user(&store, name).await;
    }
    join(&store, "acme", "ann", false).await;
    for slug in ["acme", "bolt"] {
        join(&store, slug, "bob", false).await;
    }
    let change = async |to, dry_run| store.change_usernames(to, dry_run).await.unwrap();
    let first = change(Usernames::PerOrganization, true).await;
    let names = [&first.placed, &first.undecided, &first.homeless].map(|people| people.first.join(" "));
    assert_eq!((names, first.is_possible(), first.done), (["ann", "bob", "eve"].map(str::to_owned), false, false));
    assert!(!change(Usernames::PerOrganization, false).await.done, "somebody stands in the way");
    assert_eq!(store.user(&"ann".into()).await.unwrap().organization, None, "nothing was changed");
    store.edit_user(&"bob".into(), moved(Some("bolt"))).await.unwrap();
    store.delete_user(&"eve".into()).await.unwrap();
    let disabled = OrganizationEdit { is_active: Some(false), ..Default::default() };
    store.edit_organization(&"bolt".into(), disabled).await.unwrap();
    let second = change(Usernames::PerOrganization, true).await;
    assert_eq!((second.locked_out.first.join(" ").as_str(), second.done), ("bolt/bob", false));
    assert_eq!(store.directory().usernames().await, Ok(Usernames::Global));
    assert!(change(Usernames::PerOrganization, false).await.done);
    assert_eq!(store.directory().usernames().await, Ok(Usernames::PerOrganization));
    assert_eq!(store.user(&"acme/ann".into()).await.unwrap().organization_slug.as_deref(), Some("acme"));
    // And back, once nobody shares a name.
    make(&store, of("ann", "bolt")).await.unwrap();
    let back = change(Usernames::Global, false).await;
    assert_eq!((back.collisions.first.join(" ").as_str(), back.done), ("acme/ann bolt/ann", false));
    let renamed = UserEdit { username: postern::directory::name::Username::new("anna").ok(), ..UserEdit::default() };
    store.edit_user(&"bolt/ann".into(), renamed).await.unwrap();
    assert!(change(Usernames::Global, false).await.done);
    assert!(change(Usernames::Global, false).await.done, "it is so already");
    assert!(make(&store, of("ann", "bolt")).await.is_err());
    user(&store, "eve").await;
    user(&store, "boss").await;
    let boss = as_manager(&store, "boss").await;
    assert!(matches!(boss.change_usernames(Usernames::Global, true).await, Err(DirectoryError::Forbidden { .. })));
}

async fn people_are_written_with_their_organization(on: &dyn Backend) {
    let store = on.store();
    let (ann, other) = accounts(&store).await;
    let ambiguous = store.user(&"ann".into()).await.unwrap_err();
    assert!(matches!(ambiguous, DirectoryError::Ambiguous { noun: Noun::User, .. }), "{ambiguous:?}");
    assert!(ambiguous.hint().unwrap().contains("acme/ann"));
    for (text, id) in [("acme/ann", ann.id), ("ACME/ann", ann.id), ("bolt/ann", other.id)] {
        assert_eq!(store.user(&text.into()).await.unwrap().id, id, "{text}");
    }
    for nobody in ["acme/Ann", "carl/ann", "/ann", "ann/acme", "acme/root"] {
        assert!(matches!(store.user(&nobody.into()).await, Err(DirectoryError::NotFound { .. })), "{nobody}");
    }
    user_with_slash(&store).await;
    // A member of both; who belongs to bolt is told apart.
    join(&store, "bolt", "acme/ann", false).await;
    let members = store.memberships(&List::of_organization("bolt")).await.unwrap().rows;
    let mut told: Vec<_> = members.iter().map(|m| (m.username.as_str(), m.user_org.as_deref())).collect();
    told.sort_unstable();
    assert_eq!(told, [("ann", Some("acme")), ("ann", Some("bolt"))]);
    assert_eq!(store.memberships(&List::of_user("acme/ann")).await.unwrap().total, 2);
}

async fn a_credential_that_names_somebody_says_of_which_organization(on: &dyn Backend) {
    let store = on.store();
    let (ann, _) = accounts(&store).await;
    make(&store, of("zoe", "acme")).await.unwrap();
    let whose = async |name: &str| {
        let found = store.directory().snapshot_by(&UserKey::Username(name.to_owned())).await.unwrap();
        found.map(|snapshot| snapshot.user.id)
    };
    assert_eq!(whose("acme/ann").await, Some(ann.id));
    // Nor `zoe`, of whom there is one only until now.
    for nobody in ["ann", "zoe", "bolt/zoe", "acme/root", "carl/ann"] {
        assert_eq!(whose(nobody).await, None, "{nobody}");
    }
    assert!(whose("root").await.is_some());
}

/// An address may have a stroke too.
async fn user_with_slash(store: &View) {
    let new = NewUser { email: postern::directory::name::Email::new("acme/x@x.org").ok(), ..of("x", "acme") };
    let made = make(store, new).await.unwrap();
    assert_eq!(store.user(&"acme/x@x.org".into()).await.unwrap().id, made.id);
}

async fn a_login_names_the_primary_organization(on: &dyn Backend) {
    let store = on.store();
    let (ann, _) = accounts(&store).await;
    let email = postern::directory::name::Email::new("ann@x.org").ok();
    store.edit_user(&ann.id.into(), UserEdit { email: Some(email), ..UserEdit::default() }).await.unwrap();
    organization(&store, "Carl").await;
    join(&store, "carl", "acme/ann", false).await;
    join(&store, "carl", "root", false).await;
    let who = async |identifier: &str, organization: Option<&str>| {
        let text = Some(identifier.to_owned());
        let organization = organization.map(str::to_owned);
        let query = LoginQuery { email: text.clone(), username: text, organization, ..LoginQuery::default() };
        let found = store.directory().login_candidates(&query).await.unwrap();
        let mut names = Vec::new();
        for one in found {
            let record = store.user(&one.user.into()).await.unwrap();
            names.push(postern::directory::login_of(record.organization_slug.as_deref(), &record.username));
        }
        names.join(" ")
    };
    for (identifier, organization, found) in [
        ("ann", Some("acme"), "acme/ann"),
        ("ann", Some("aCMe"), "acme/ann"),
        ("ann", Some("bolt"), "bolt/ann"),
        ("ann", None, ""),
        ("ann", Some("carl"), ""),
        ("ann", Some("nowhere"), ""),
        ("root", None, "root"),
        ("root", Some("acme"), ""),
        ("root", Some("carl"), ""),
        ("root", Some("nowhere"), ""),
        ("ann@x.org", None, "acme/ann"),
        ("ANN@x.org", Some("ACME"), "acme/ann"),
        ("ann@x.org", Some("carl"), "acme/ann"),
        ("ann@x.org", Some("bolt"), ""),
        ("ann@x.org", Some("nowhere"), ""),
    ] {
        assert_eq!(who(identifier, organization).await, found, "{identifier} {organization:?}");
    }
    let disabled = OrganizationEdit { is_active: Some(false), ..Default::default() };
    store.edit_organization(&"acme".into(), disabled).await.unwrap();
    assert_eq!(who("ann", Some("acme")).await, "", "nobody by name");
    assert_eq!(who("ann@x.org", None).await, "acme/ann");
}

async fn a_manager_moves_no_name_that_they_do_not_see(on: &dyn Backend) {
    let store = on.store();
    let (ann, _) = accounts(&store).await;
    let boss = make(&store, of("boss", "bolt")).await.unwrap();
    store.edit_membership(&"bolt".into(), &boss.id.into(), true).await.unwrap();
    let all = ["change_user", "add_user", "view_user"];
    let grant = all.map(|verb| PermissionName::new(&format!("openwisp_users.{verb}")).unwrap()).to_vec();
    store.edit_user_permissions(&boss.id.into(), Grants { grant, revoke: Vec::new() }).await.unwrap();
    join(&store, "bolt", "acme/ann", false).await;
    let seen = as_manager(&store, "boss").await;
    let record = seen.user(&ann.id.into()).await.unwrap();
    assert_eq!(record.organization_slug, None, "acme is not their business");
    let moved_here = seen.edit_user(&ann.id.into(), moved(Some("bolt"))).await;
    assert!(matches!(moved_here, Err(DirectoryError::Forbidden { .. })), "{moved_here:?}");
    let filter = |word: &str| List { filter: vec![("org".to_owned(), word.to_owned())], ..List::default() };
    assert_eq!(seen.users(&filter("acme")).await.unwrap().total, 0);
    assert_eq!(seen.users(&filter("bolt")).await.unwrap().total, 2);
    let other = make(&seen, of("eve", "acme")).await;
    assert!(matches!(other, Err(DirectoryError::NotFound { noun: Noun::Organization, .. })), "{other:?}");
    assert_eq!(make(&seen, of("eve", "bolt")).await.unwrap().organization_slug.as_deref(), Some("bolt"));
    // What else is edited leaves the name where it is.
    let edit = UserEdit { is_active: Some(false), ..UserEdit::default() };
    seen.edit_user(&ann.id.into(), edit).await.unwrap();
    assert_eq!(store.user(&ann.id.into()).await.unwrap().organization_slug.as_deref(), Some("acme"));
}

async fn a_new_primary_organization_is_told(on: &dyn Backend) {
    let store = on.store();
    organization(&store, "Acme").await;
    let ann = user_with_email(&store, "ann", "ann@x.org").await.unwrap();
    join(&store, "acme", "ann", false).await;
    let before = store.directory().position().await.unwrap();
    store.edit_user(&ann.id.into(), moved(Some("acme"))).await.unwrap();
    assert_eq!(store.directory().changes(&before).await.unwrap().changes, [Change::User(ann.id)]);
}

async fn a_person_is_of_the_first_organization_that_they_are_made_with(on: &dyn Backend) {
    let store = on.store();
    accounts(&store).await;
    let (carl, acme) = (organization(&store, "Carl").await.id, organization_id(&store, "acme").await);
    let person = |name: &str, ties: Vec<(OrgId, bool)>| NewPerson {
        user: NewUser::named(name).unwrap(),
        password: None,
        email: None,
        ties,
        groups: Vec::new(),
    };
    let zoe = store.create_person(person("zoe", vec![(carl, true), (acme, false)])).await.unwrap();
    assert_eq!(zoe.user.organization_slug.as_deref(), Some("carl"));
    assert_eq!(zoe.ties, [(acme, false), (carl, true)]);
    assert_eq!(store.organization_record(&"carl".into()).await.unwrap().owner, Some(zoe.user.id), "its first manager");
    let nowhere = store.create_person(person("eve", Vec::new())).await.map(|person| person.user.username);
    assert_eq!(nowhere, Err(DirectoryError::NoPrimary { user: "eve".into() }));
    let taken = store.create_person(person("ann", vec![(acme, false)])).await.map(|person| person.user.username);
    assert!(matches!(taken, Err(DirectoryError::Taken { unique: Unique::Username, .. })), "{taken:?}");
}

async fn organization_id(store: &View, slug: &str) -> OrgId {
    store.organization_record(&slug.into()).await.unwrap().id
}

async fn an_import_needs_primary_organizations_and_says_so(on: &dyn Backend) {
    let store = on.store();
    let acme = accounts(&store).await.0.organization.unwrap();
    let someone = |username: &str, organization| ImportedUser {
        user: UserRecord { organization, ..NewUser::named(username).unwrap().into_record(UserId::generate()) },
        password: None,
    };
    let new = NewOrganization { slug: Blank(Slug::new("carl").ok()), ..NewOrganization::named("Carl").unwrap() };
    let carl = OrgId::generate();
    let users = vec![
        someone("ann", Some(acme)),
        someone("ann", Some(carl)),
        someone("bob", None),
        someone("eve", Some(OrgId::generate())),
    ];
    let id = uuid::Uuid::now_v7();
    let membership = MembershipRecord { id, ..membership(users[1].user.id, carl) };
    let import = Import {
        organizations: vec![new.into_record(carl)],
        users: users.clone(),
        memberships: vec![membership],
        owners: vec![(carl, users[1].user.id)],
        ..Import::default()
    };
    for _ in 0..2 {
        let report = store.directory().import(ImportStream::of(import.clone())).await.unwrap();
        let problems: Vec<_> = report.skipped.iter().map(|s| (s.kind, s.record.as_str(), s.problem.as_str())).collect();
        assert_eq!(problems[0], ("user", "ann", "a user with this username already exists"));
        let none = "where usernames are per organization, every user has a primary organization";
        assert_eq!(problems[1], ("user", "bob", none));
        assert_eq!((problems[2].1, problems.len()), ("eve", 3));
        assert!(!problems[2].2.contains("constraint"), "{problems:?}");
        let ann = store.user(&"carl/ann".into()).await.unwrap();
        assert_eq!(ann.id, users[1].user.id);
        let kept = store.membership(&"carl".into(), &ann.id.into()).await.unwrap();
        assert_eq!((kept.id, kept.level.as_str()), (id, "owner"));
    }
}

fn membership(user: UserId, organization: OrgId) -> MembershipRecord {
    MembershipRecord {
        id: uuid::Uuid::now_v7(),
        user,
        organization,
        is_admin: true,
        created: 0,
        modified: 0,
        username: String::new(),
        user_org: None,
        slug: String::new(),
        level: String::new(),
        is_owner: false,
    }
}
