//! People: logins, passwords, profiles, addresses, encrypted tokens, and what an import brings.

use super::{Backend, join, organization, stories, token, user, user_with_email};
use jiff::civil::date;
use postern::directory::name::{Email, Prose, Slug};
use postern::directory::token::TokenDigest;
use postern::directory::{
    Blank, Change, DirectoryError, EmailEdit, Import, ImportStream, ImportedUser, List, LoginQuery, MembershipRecord,
    NewEmail, NewOrganization, NewSealedToken, NewUser, OrganizationRecord, PermissionRecord, UserEdit, UserRecord,
};
use postern::id::{GroupId, OrgId, PermissionId, UserId};
use postern::password::PasswordHash;
use uuid::Uuid;

stories!(
    an_identifier_means_users_by_phone_address_and_name,
    a_password_is_kept_and_upgraded_only_where_it_is_still_the_old_one,
    a_new_password_is_told_and_a_last_login_is_not,
    a_profile_changes_where_it_is_named,
    whose_name_is_of_an_organization_stays_a_member_of_it,
    an_address_is_one_user_s_where_it_is_verified,
    the_encrypted_token_of_a_user_is_one,
    an_import_can_be_repeated_and_leaves_out_what_breaks_a_rule,
);

fn hash(text: &str) -> PasswordHash {
    PasswordHash::from_stored(text)
}

async fn an_identifier_means_users_by_phone_address_and_name(on: &dyn Backend) {
    let store = on.store();
    let ann = user_with_email(&store, "ann", "Ann@Example.org").await.unwrap();
    let phone = postern::directory::name::PhoneNumber::new("+39 366 5243702").unwrap();
    store.edit_user(&ann.id.into(), UserEdit { phone_number: Some(Some(phone)), ..UserEdit::default() }).await.unwrap();
    let twin = user(&store, "ann@example.org").await;
    let names = async |query: LoginQuery| {
        let found = store.directory().login_candidates(&query).await.unwrap();
        found.into_iter().map(|candidate| candidate.username).collect::<Vec<_>>()
    };
    let text = || Some("ann@example.org".to_owned());
    assert_eq!(
        names(LoginQuery { email: text(), username: text(), ..LoginQuery::default() }).await,
        ["ann", "ann@example.org"]
    );
    let phones = vec!["+39123".to_owned(), "+393665243702".to_owned()];
    assert_eq!(names(LoginQuery { phones, email: text(), ..LoginQuery::default() }).await, ["ann"]);
    assert_eq!(names(LoginQuery { username: Some("Ann".into()), ..LoginQuery::default() }).await, [""; 0]);
    assert_eq!(names(LoginQuery::default()).await, [""; 0]);
    // Letters beyond ASCII, which an import may bring, have cases too.
    for (name, email) in [("zoe", "Zoë@example.org"), ("ilya", "илья@example.org")] {
        user(&store, name).await;
        assert_eq!(on.sql(&format!("UPDATE users SET email = '{email}' WHERE username = '{name}'")), Ok(1));
    }
    for (email, name) in [("ZOË@EXAMPLE.ORG", "zoe"), ("zoë@example.org", "zoe"), ("ИЛЬЯ@Example.org", "ilya")] {
        let query = LoginQuery { email: Some(email.to_owned()), ..LoginQuery::default() };
        assert_eq!(names(query).await, [name], "{email}");
    }
    let one = organization(&store, "One").await;
    join(&store, "one", &twin.id.to_string(), false).await;
    let edit = UserEdit { organization_slug: Some(Some(one.id.into())), ..UserEdit::default() };
    store.edit_user(&twin.id.into(), edit).await.unwrap();
    let query = |slug: &str| LoginQuery {
        email: text(),
        username: text(),
        organization: Some(slug.into()),
        ..LoginQuery::default()
    };
    assert_eq!(names(query("ONE")).await, ["ann@example.org"], "where one is named, it must be theirs");
    assert_eq!(names(query("two")).await, [""; 0]);
}

async fn a_password_is_kept_and_upgraded_only_where_it_is_still_the_old_one(on: &dyn Backend) {
    let store = on.store();
    let ann = user(&store, "ann").await;
    let query = LoginQuery { username: Some("ann".into()), ..LoginQuery::default() };
    let stored = async || {
        store.directory().login_candidates(&query).await.unwrap().remove(0).password.map(|p| p.expose().to_owned())
    };
    assert_eq!(stored().await, None);
    store.set_password(&ann.id.into(), Some(hash("one")), date(2026, 1, 31)).await.unwrap();
    assert!(!store.directory().upgrade_password(ann.id, hash("other"), hash("two")).await.unwrap());
    assert!(store.directory().upgrade_password(ann.id, hash("one"), hash("two")).await.unwrap());
    assert_eq!(stored().await.as_deref(), Some("two"));
    let profile = store.user(&ann.id.into()).await.unwrap();
    assert_eq!((profile.password_updated, profile.has_password.0), (Some(date(2026, 1, 31)), false));
    assert!(!store.directory().exchange_password(ann.id, hash("one"), hash("three"), date(2026, 2, 1)).await.unwrap());
    assert!(store.directory().exchange_password(ann.id, hash("two"), hash("three"), date(2026, 2, 1)).await.unwrap());
    assert!(
        !store.directory().exchange_password(ann.id, hash("two"), hash("four"), date(2026, 2, 1)).await.unwrap(),
        "once"
    );
    assert_eq!(stored().await.as_deref(), Some("three"));
    assert_eq!(store.user(&ann.id.into()).await.unwrap().password_updated, Some(date(2026, 2, 1)));
    store.set_password(&ann.id.into(), None, date(2026, 2, 1)).await.unwrap();
    assert_eq!(stored().await, None);
    // The empty text is nobody's password, and stands for none.
    assert!(store.directory().exchange_password(ann.id, hash(""), hash("first"), date(2026, 2, 1)).await.unwrap());
    assert!(!store.directory().exchange_password(ann.id, hash(""), hash("x"), date(2026, 2, 1)).await.unwrap());
    assert_eq!(stored().await.as_deref(), Some("first"));
}

async fn a_new_password_is_told_and_a_last_login_is_not(on: &dyn Backend) {
    let store = on.store();
    let ann = user(&store, "ann").await;
    let before = store.directory().position().await.unwrap();
    let edit =
        UserEdit { last_login: Some(Some(1)), bio: Some(Prose::new("bio", "x").unwrap()), ..UserEdit::default() };
    store.edit_user(&ann.id.into(), edit).await.unwrap();
    assert_eq!(store.directory().changes(&before).await.unwrap().changes, []);
    store.set_password(&ann.id.into(), Some(hash("one")), date(2026, 1, 31)).await.unwrap();
    assert_eq!(store.directory().changes(&before).await.unwrap().changes, [Change::User(ann.id)]);
}

async fn a_profile_changes_where_it_is_named(on: &dyn Backend) {
    let store = on.store();
    let ann = user(&store, "ann").await;
    let edit = UserEdit {
        notes: Some(Prose::new("notes", "a note").unwrap()),
        birth_date: Some(Some(date(1990, 12, 31))),
        password_based_token: Some(Some(true)),
        ..UserEdit::default()
    };
    let told = store.edit_user(&ann.id.into(), edit).await.unwrap();
    let edit = UserEdit { birth_date: Some(None), ..UserEdit::default() };
    let then = store.edit_user(&ann.id.into(), edit).await.unwrap();
    assert_eq!(then, store.user(&ann.id.into()).await.unwrap());
    assert_eq!((then.birth_date, &then.notes, then.language.as_str()), (None, &told.notes, "en-gb"));
    assert!(store.user(&UserId::generate().into()).await.is_err());
}

async fn whose_name_is_of_an_organization_stays_a_member_of_it(on: &dyn Backend) {
    let store = on.store();
    let (acme, bolt) = (organization(&store, "Acme").await, organization(&store, "Bolt").await);
    let ann = user(&store, "ann").await;
    for slug in ["acme", "bolt"] {
        join(&store, slug, "ann", false).await;
    }
    let home = |organization: Option<OrgId>| UserEdit {
        organization_slug: Some(organization.map(Into::into)),
        ..UserEdit::default()
    };
    store.edit_user(&ann.id.into(), home(Some(acme.id))).await.unwrap();
    assert_eq!(
        store.delete_membership(&"acme".into(), &ann.id.into()).await,
        Err(DirectoryError::NameRemoved { user: "ann".into(), organization: "acme".into() })
    );
    store.edit_user(&ann.id.into(), home(Some(bolt.id))).await.unwrap();
    store.delete_membership(&"acme".into(), &ann.id.into()).await.unwrap();
    store.edit_user(&ann.id.into(), home(None)).await.unwrap();
    store.delete_membership(&"bolt".into(), &ann.id.into()).await.unwrap();
}

async fn an_address_is_one_user_s_where_it_is_verified(on: &dyn Backend) {
    let store = on.store();
    let (ann, bob) = (user(&store, "ann").await, user(&store, "bob").await);
    let new = |text: &str, verified, is_primary| NewEmail { email: Email::new(text).unwrap(), verified, is_primary };
    let first = store.create_email(&ann.id.into(), new("a@x.org", true, true)).await.unwrap();
    let second = store.create_email(&ann.id.into(), new("b@x.org", false, true)).await.unwrap();
    assert!(!store.email(ann.id, first.id).await.unwrap().is_primary);
    let stolen = store.create_email(&bob.id.into(), new("A@X.org", true, false)).await;
    assert!(matches!(stolen, Err(DirectoryError::Taken { .. })), "{stolen:?}");
    let edit = EmailEdit { verified: Some(true), ..EmailEdit::default() };
    let claimed = store.create_email(&bob.id.into(), new("A@X.org", false, false)).await.unwrap();
    assert!(store.edit_email(bob.id, claimed.id, edit.clone()).await.is_err());
    assert!(store.edit_email(bob.id, first.id, edit.clone()).await.is_err(), "not his");
    assert!(store.edit_email(ann.id, second.id, edit).await.unwrap().verified);
    store.delete_email(ann.id, first.id).await.unwrap();
    assert_eq!(store.emails(&List::of_user(ann.id)).await.unwrap().total, 1);
    store.delete_user(&ann.id.into()).await.unwrap();
    assert!(store.email(ann.id, second.id).await.is_err());
}

async fn the_encrypted_token_of_a_user_is_one(on: &dyn Backend) {
    let store = on.store();
    let ann = user(&store, "ann").await;
    token(&store, "ann").await;
    assert!(store.directory().sealed_token(ann.id).await.unwrap().is_none());
    let new = |text: &str, instead_of| NewSealedToken {
        user: ann.id,
        digest: TokenDigest::of(text),
        sealed: text.as_bytes().to_vec(),
        instead_of,
    };
    let first = store.directory().create_sealed_token(new("first", None)).await.unwrap();
    let second = store.directory().create_sealed_token(new("second", None)).await.unwrap();
    assert_eq!((first.token, second.sealed), (second.token, b"first".to_vec()));
    let third = store.directory().create_sealed_token(new("third", Some(first.token))).await.unwrap();
    assert_eq!(store.directory().sealed_token(ann.id).await.unwrap().unwrap().token, third.token);
    store.revoke_token(third.token).await.unwrap();
    assert!(store.directory().sealed_token(ann.id).await.unwrap().is_none());
    store.directory().create_sealed_token(new("fourth", None)).await.unwrap();
    let profile = store.user(&ann.id.into()).await.unwrap();
    assert_eq!(profile.password_based_token, Some(true));
    let nobody = NewSealedToken { user: UserId::generate(), ..new("fifth", None) };
    assert!(store.directory().create_sealed_token(nobody).await.is_err());
}

async fn an_import_can_be_repeated_and_leaves_out_what_breaks_a_rule(on: &dyn Backend) {
    let store = on.store();
    let (ann, other, org) = (UserId::generate(), UserId::generate(), OrgId::generate());
    let someone = |id, username: &str| ImportedUser {
        user: UserRecord {
            created: 1_700_000_000,
            created_micros: 123_456,
            password_updated: Some(date(2024, 1, 31)),
            ..NewUser::named(username).unwrap().into_record(id)
        },
        password: Some(hash("md5$salt$x")),
    };
    let acme = NewOrganization { slug: Blank(Slug::new("acme").ok()), ..NewOrganization::named("Acme").unwrap() };
    let permission = |id, codename: &str, name: &str| PermissionRecord {
        id: PermissionId(id),
        codename: codename.into(),
        name: name.into(),
        model: "organization".into(),
    };
    let import = Import {
        organizations: vec![OrganizationRecord {
            created: 1,
            created_micros: 1,
            modified: 2,
            modified_micros: 2,
            ..acme.into_record(org)
        }],
        users: vec![someone(ann, "ann"), someone(other, "ann")],
        memberships: vec![MembershipRecord {
            id: Uuid::now_v7(),
            user: ann,
            organization: org,
            is_admin: true,
            created: 0,
            modified: 0,
            username: String::new(),
            user_org: None,
            slug: String::new(),
            level: String::new(),
            is_owner: false,
        }],
        owners: vec![(org, ann)],
        permissions: vec![permission(1000, "openwisp_users.view_user", "Can view user"), permission(1, "x.y", "y")],
        groups: vec![(7, "Operator".into())],
        group_permissions: vec![(7, 1000)],
        user_groups: vec![(ann, 7)],
        user_permissions: vec![(ann, 1)],
        ..Import::default()
    };
    for _ in 0..2 {
        let report = store.directory().import(ImportStream::of(import.clone())).await.unwrap();
        assert_eq!(report.skipped.len(), 1, "{:?}", report.skipped);
        assert_eq!((report.skipped[0].kind, report.skipped[0].record.as_str()), ("user", "ann"));
        let record = store.user(&"ann".into()).await.unwrap();
        assert_eq!((record.id, record.created), (ann, 1_700_000_000));
        assert_eq!(store.user(&ann.into()).await.unwrap().created_micros, 123_456);
        assert_eq!(store.organization_record(&"acme".into()).await.unwrap().owner, Some(ann));
        let group = store.group(&"Operator".into()).await.unwrap();
        assert_eq!((group.id.0, group.permissions), (7, vec!["openwisp_users.view_user".to_owned()]));
        let group = store.group_with_permissions(GroupId(7)).await.unwrap();
        assert_eq!(group.permissions[0].model, "organization", "what the import says, not the codename");
        let grants = store.user_permissions(&ann.into()).await.unwrap();
        let codenames: Vec<&str> = grants.iter().map(|grant| grant.permission.as_str()).collect();
        assert_eq!(codenames, ["openwisp_users.view_user", "x.y"]);
    }
}
