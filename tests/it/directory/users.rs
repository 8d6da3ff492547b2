//! Users: what is unique, how they are named, what goes with them.

use super::{Backend, join, organization, stories, token, user, user_with_email};
use postern::directory::name::{Email, ExternalId, PhoneNumber, Username};
use postern::directory::{DirectoryError, List, NewUser, Noun, Page, Unique, UserEdit, UserSelector};
use postern::id::UserId;

stories!(
    usernames_are_unique_and_their_case_matters,
    email_addresses_are_unique_whatever_the_case,
    phone_numbers_and_external_ids_are_unique,
    a_user_goes_by_id_username_or_email,
    a_text_that_names_two_users_names_none,
    an_edit_changes_what_it_names_and_clears_what_it_empties,
    an_edit_cannot_take_what_another_has,
    a_batch_is_kept_whole_or_not_at_all,
    a_deleted_user_takes_memberships_and_tokens_along,
    lists_are_sorted_and_come_in_pages,
    lists_are_filtered_searched_and_ordered_by_fields,
    the_database_refuses_what_the_store_would_refuse,
);

async fn usernames_are_unique_and_their_case_matters(on: &dyn Backend) {
    let store = on.store();
    user(&store, "ann").await;
    user(&store, "Ann").await;
    let again = store.create_users(vec![NewUser::named("ann").unwrap()]).await.unwrap_err();
    assert_eq!(again.error, DirectoryError::Taken { unique: Unique::Username, value: "ann".into() });
    assert!(again.error.hint().is_some());
}

async fn email_addresses_are_unique_whatever_the_case(on: &dyn Backend) {
    let store = on.store();
    let ann = user_with_email(&store, "ann", "Ann@Example.org").await.unwrap();
    assert_eq!(ann.email.as_deref(), Some("Ann@Example.org"), "kept as written");
    let twin = user_with_email(&store, "twin", "aNN@eXAMPLE.ORG").await;
    assert!(matches!(twin, Err(DirectoryError::Taken { unique: Unique::Email, .. })), "{twin:?}");
    user(&store, "no-email").await;
    user(&store, "no-email-either").await;
}

async fn phone_numbers_and_external_ids_are_unique(on: &dyn Backend) {
    let store = on.store();
    let with = |name: &str, phone: Option<&str>, external: Option<&str>| NewUser {
        phone_number: phone.map(|p| PhoneNumber::new(p).unwrap()),
        external_id: external.map(|e| ExternalId::new(e).unwrap()),
        ..NewUser::named(name).unwrap()
    };
    store.create_users(vec![with("ann", Some("+39 333 1234567"), Some("a-1"))]).await.unwrap();
    let phone = store.create_users(vec![with("bob", Some("+393331234567"), None)]).await.unwrap_err().error;
    assert!(matches!(phone, DirectoryError::Taken { unique: Unique::PhoneNumber, .. }));
    let external = store.create_users(vec![with("bob", None, Some("a-1"))]).await.unwrap_err().error;
    assert!(matches!(external, DirectoryError::Taken { unique: Unique::UserExternalId, .. }));
    let id = store.user(&"ann".into()).await.unwrap().id;
    let chosen = NewUser { id: Some(id), ..NewUser::named("bob").unwrap() };
    let same_id = store.create_users(vec![chosen]).await.unwrap_err().error;
    assert!(matches!(same_id, DirectoryError::Taken { unique: Unique::UserId, .. }));
}

async fn a_user_goes_by_id_username_or_email(on: &dyn Backend) {
    let store = on.store();
    let ann = user_with_email(&store, "ann", "ann@example.org").await.unwrap();
    let upper = ann.id.to_string().to_uppercase();
    for name in ["ann", "ANN@example.org", &ann.id.to_string(), &upper] {
        assert_eq!(store.user(&name.into()).await.as_ref(), Ok(&ann), "{name}");
    }
    assert_eq!(store.user(&UserSelector::Id(ann.id)).await, Ok(ann));
    for nobody in ["ANN", "nobody", &UserId::generate().to_string(), ""] {
        let error = store.user(&nobody.into()).await.unwrap_err();
        assert_eq!(error, DirectoryError::NotFound { noun: Noun::User, reference: nobody.into() });
    }
}

async fn a_text_that_names_two_users_names_none(on: &dyn Backend) {
    let store = on.store();
    user(&store, "ann@example.org").await;
    let other = user_with_email(&store, "ann", "ann@example.org").await.unwrap();
    let error = store.delete_user(&"ann@example.org".into()).await.unwrap_err();
    assert!(matches!(error, DirectoryError::Ambiguous { noun: Noun::User, .. }));
    assert_eq!(store.user(&other.id.into()).await, Ok(other));
}

async fn an_edit_changes_what_it_names_and_clears_what_it_empties(on: &dyn Backend) {
    let store = on.store();
    let ann = user_with_email(&store, "ann", "ann@example.org").await.unwrap();
    let edit = UserEdit { is_staff: Some(true), username: Some(Username::new("anna").unwrap()), ..Default::default() };
    let edited = store.edit_user(&"ann".into(), edit).await.unwrap();
    assert_eq!((edited.username.as_str(), edited.is_staff, edited.id), ("anna", true, ann.id));
    assert_eq!(edited.email, ann.email);
    let cleared = store.edit_user(&"anna".into(), UserEdit { email: Some(None), ..Default::default() }).await.unwrap();
    assert_eq!(cleared.email, None);
    assert!(cleared.is_staff);
    assert_eq!(store.user(&ann.id.into()).await, Ok(cleared));
}

async fn an_edit_cannot_take_what_another_has(on: &dyn Backend) {
    let store = on.store();
    user_with_email(&store, "ann", "ann@example.org").await.unwrap();
    let bob = user(&store, "bob").await;
    let name = UserEdit { username: Some(Username::new("ann").unwrap()), ..Default::default() };
    let mail = UserEdit { email: Some(Some(Email::new("ANN@example.org").unwrap())), ..Default::default() };
    for edit in [name, mail] {
        let error = store.edit_user(&"bob".into(), edit).await.unwrap_err();
        assert!(matches!(error, DirectoryError::Taken { .. }), "{error}");
    }
    assert_eq!(store.user(&"bob".into()).await, Ok(bob));
}

async fn a_batch_is_kept_whole_or_not_at_all(on: &dyn Backend) {
    let store = on.store();
    user(&store, "carl").await;
    let names = ["ann", "bob", "carl", "dora"];
    let batch = names.iter().map(|name| NewUser::named(name).unwrap()).collect();
    let error = store.create_users(batch).await.unwrap_err();
    assert_eq!(error.index, 2);
    assert_eq!(error.to_string(), "item 3: a user with this username already exists: `carl`");
    assert_eq!(store.users(&List::default()).await.unwrap().rows.len(), 1);
}

async fn a_deleted_user_takes_memberships_and_tokens_along(on: &dyn Backend) {
    let store = on.store();
    user(&store, "ann").await;
    organization(&store, "Acme").await;
    join(&store, "acme", "ann", false).await;
    let (secret, _) = token(&store, "ann").await;
    store.delete_user(&"ann".into()).await.unwrap();
    assert!(store.directory().token_snapshot(&secret.digest()).await.unwrap().is_none());
    assert!(store.memberships(&List::default()).await.unwrap().rows.is_empty());
    assert!(store.tokens(&List::default()).await.unwrap().rows.is_empty());
}

async fn lists_are_sorted_and_come_in_pages(on: &dyn Backend) {
    let store = on.store();
    for name in ["dora", "ann", "carl", "bob"] {
        user(&store, name).await;
    }
    let names = |page| {
        let store = on.store();
        async move { store.users(&List::from(page)).await.unwrap().rows.into_iter().map(|u| u.username).collect::<Vec<_>>() }
    };
    assert_eq!(names(Page::default()).await, ["ann", "bob", "carl", "dora"]);
    assert_eq!(names(Page { limit: Some(2), offset: 1 }).await, ["bob", "carl"]);
    assert!(names(Page { limit: None, offset: 9 }).await.is_empty());
    let total = async |page| store.users(&List { page, ..List::default() }).await.unwrap().total;
    for page in [
        Page::default(),
        Page { limit: Some(2), offset: 1 },
        Page { limit: Some(9), offset: 0 },
        Page { limit: None, offset: 9 },
        Page { limit: Some(2), offset: 9 },
        Page { limit: Some(0), offset: 0 },
    ] {
        assert_eq!(total(page).await, 4, "{page:?}");
    }
}

async fn lists_are_filtered_searched_and_ordered_by_fields(on: &dyn Backend) {
    let store = on.store();
    user_with_email(&store, "ann", "Ann@Example.org").await.unwrap();
    user_with_email(&store, "bob", "bob_b@example.org").await.unwrap();
    user(&store, "carl").await;
    store.edit_user(&"carl".into(), UserEdit { is_staff: Some(true), ..Default::default() }).await.unwrap();
    let acme = organization(&store, "Acme").await;
    join(&store, "acme", "bob", false).await;
    let names = async |list: List| {
        let found = store.users(&list).await?;
        assert_eq!(found.total, found.rows.len() as u64);
        Ok::<_, DirectoryError>(found.rows.into_iter().map(|user| user.username).collect::<Vec<_>>().join(" "))
    };
    let filter = |field: &str, value: &str| List { filter: vec![(field.into(), value.into())], ..List::default() };
    let search = |text: &str| List { search: Some(text.into()), ..List::default() };
    let order = |names: &[&str]| List { order: names.iter().map(ToString::to_string).collect(), ..List::default() };
    for (list, found) in [
        (filter("is_staff", "true"), "carl"),
        (filter("staff", "false"), "ann bob"),
        (filter("email", ""), "carl"),
        (filter("username", "Ann"), ""),
        (filter("id", &acme.id.to_string()), ""),
        (search("EXAMPLE"), "ann bob"),
        (search("example ann"), "ann"),
        // What is special in a pattern is not in a word.
        (search("b_b"), "bob"),
        (search("n_e"), ""),
        (search("%"), ""),
        (search("'; DROP TABLE users; --"), ""),
        (order(&["-username"]), "carl bob ann"),
        (order(&["first_name", "-username"]), "carl bob ann"),
        (List::of_organization(acme.id), "bob"),
        (List { search: Some("ann".into()), ..List::of_organization(acme.id) }, ""),
    ] {
        assert_eq!(names(list.clone()).await.as_deref(), Ok(found), "{list:?}");
    }
    for list in [
        filter("password", "x"),
        filter("is_staff", "perhaps"),
        filter("id", "1"),
        filter("1 = 1 --", "x"),
        order(&["password"]),
        order(&["username; --"]),
        List::of_user("ann"),
    ] {
        let refused = names(list.clone()).await;
        assert!(matches!(refused, Err(DirectoryError::Invalid { .. })), "{list:?}: {refused:?}");
    }
}

async fn the_database_refuses_what_the_store_would_refuse(on: &dyn Backend) {
    let store = on.store();
    user_with_email(&store, "ann", "ann@example.org").await.unwrap();
    let id = UserId::generate();
    for (columns, values) in [
        ("username", "'ann'"),
        ("username, email", "'x', 'ANN@EXAMPLE.ORG'"),
        ("username, email", "'x', ''"),
        ("username", "''"),
        ("username, is_superuser", "'x', 7"),
    ] {
        let refused = on.sql(&format!("INSERT INTO users (id, {columns}) VALUES ('{id}', {values})"));
        assert!(refused.is_err(), "{columns} = {values}");
    }
    assert_eq!(on.sql(&format!("INSERT INTO users (id, username) VALUES ('{id}', 'bob')")), Ok(1));
    assert_eq!(store.user(&id.into()).await.unwrap().username, "bob");
}
