//! Logins at providers: who becomes whom, once, and what a claim makes of them; the same on every store.

use super::{Backend, Postgres, organization, stories, user};
use postern::directory::name::Email;
use postern::directory::{DirectoryError, List, NewUser, ProviderEntry, ProviderLogin, Ties, UserEdit, Viewer};
use postern::password::PasswordHash;
use std::sync::Arc;

stories!(
    of_many_ends_of_one_login_one_is_good,
    of_many_first_logins_of_one_subject_comes_one_user,
    what_is_named_follows_the_claim_and_the_rest_stays,
    nobody_takes_over_an_account,
    an_address_links_one_subject_of_an_issuer,
    who_is_no_member_any_more_is_no_manager_of_their_primary_organization,
    the_last_way_in_stays,
);

fn login(subject: &str, digest: u8) -> ProviderLogin {
    ProviderLogin {
        provider: "example".to_owned(),
        issuer: "https://id.example.com".to_owned(),
        subject: subject.to_owned(),
        once: ([digest; 32], 4_000_000_000),
        link: None,
        create: None,
        ties: Ties::default(),
        today: None,
    }
}

async fn of_many_ends_of_one_login_one_is_good(on: &dyn Backend) {
    let stores = [on.store(), on.another().await];
    let ann = user(&stores[0], "ann").await.id;
    stores[0].bind_subject(&ann.into(), "https://id.example.com".into(), "1".into()).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..40 {
        let store = Arc::clone(&stores[n % 2]);
        tasks.spawn(async move { store.directory().enter(login("1", 7)).await.unwrap() });
    }
    let ends = tasks.join_all().await;
    assert_eq!(ends.iter().filter(|end| **end == ProviderEntry::Entered(ann)).count(), 1);
    assert_eq!(ends.iter().filter(|end| **end == ProviderEntry::Replayed).count(), 39);
    // What is too old to come again is forgotten.
    let old = ProviderLogin { once: ([8; 32], 1), ..login("1", 0) };
    assert_eq!(stores[0].directory().enter(old).await.unwrap(), ProviderEntry::Entered(ann));
    stores[0].directory().enter(login("1", 9)).await.unwrap();
    assert_eq!(on.sql("DELETE FROM used_logins").unwrap(), 2);
}

async fn of_many_first_logins_of_one_subject_comes_one_user(on: &dyn Backend) {
    let stores = [on.store(), on.another().await];
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..20_u8 {
        let store = Arc::clone(&stores[usize::from(n % 2)]);
        let create = Some(NewUser::named("ann").unwrap());
        tasks.spawn(async move { store.directory().enter(ProviderLogin { create, ..login("1", n) }).await.unwrap() });
    }
    let ends = tasks.join_all().await;
    assert!(matches!(ends[0], ProviderEntry::Entered(_)) && ends.iter().all(|end| *end == ends[0]), "{ends:?}");
    assert_eq!(stores[0].users(&List::default()).await.unwrap().rows.len(), 1);
}

async fn what_is_named_follows_the_claim_and_the_rest_stays(on: &dyn Backend) {
    let store = on.store();
    let ann = user(&store, "ann").await.id;
    organization(&store, "Acme").await;
    organization(&store, "Bolt").await;
    store.bind_subject(&ann.into(), "https://id.example.com".into(), "1".into()).await.unwrap();
    let seen = async |digest: u8, acme: Option<bool>, staff: Option<bool>| {
        let organizations = vec![("acme".to_owned(), acme), ("nowhere".to_owned(), Some(true))];
        let ties = Ties { organizations, groups: vec![("Nobody".to_owned(), true)], staff };
        let end = store.directory().enter(ProviderLogin { ties, ..login("1", digest) }).await.unwrap();
        assert_eq!(end, ProviderEntry::Entered(ann));
        let list = store.memberships(&List::of_user(ann)).await.unwrap();
        let levels: Vec<String> = list.rows.into_iter().map(|of| format!("{} {}", of.slug, of.level)).collect();
        (levels.join(", "), store.user(&ann.into()).await.unwrap().is_staff)
    };
    assert_eq!(seen(1, Some(true), Some(true)).await, ("acme manager".to_owned(), true), "and not the owner");
    assert_eq!(seen(2, Some(false), None).await, ("acme member".to_owned(), true));
    assert_eq!(seen(3, None, Some(false)).await, (String::new(), false));
    // An inactive user becomes nothing.
    let edit = UserEdit { is_active: Some(false), ..UserEdit::default() };
    store.edit_user(&ann.into(), edit).await.unwrap();
    let ties = Ties { staff: Some(true), ..Ties::default() };
    let end = store.directory().enter(ProviderLogin { ties, ..login("1", 4) }).await.unwrap();
    assert_eq!((end, store.user(&ann.into()).await.unwrap().is_staff), (ProviderEntry::Inactive, false));
}

async fn nobody_takes_over_an_account(on: &dyn Backend) {
    let store = on.store();
    user(&store, "ann").await;
    let create = Some(NewUser::named("ann").unwrap());
    let taken = store.directory().enter(ProviderLogin { create, ..login("2", 1) }).await.unwrap_err();
    assert!(matches!(taken, DirectoryError::Taken { .. }), "{taken}");
    let link = Some(Email::new("ann@example.org").unwrap());
    let edit = UserEdit { email: Some(link.clone()), ..UserEdit::default() };
    store.edit_user(&"ann".into(), edit).await.unwrap();
    let end = store.directory().enter(ProviderLogin { link, ..login("2", 2) }).await.unwrap();
    assert_eq!(end, ProviderEntry::Nobody, "she has not verified it");
    assert_eq!(store.subjects(&"ann".into()).await.unwrap(), []);
}

async fn an_address_links_one_subject_of_an_issuer(on: &dyn Backend) {
    let stores = [on.store(), on.another().await];
    let ann = user(&stores[0], "ann").await.id;
    let verified = "INSERT INTO email_addresses (user_id, email, verified, is_primary)
                    SELECT id, 'ann@example.org', true, true FROM users WHERE username = 'ann'";
    on.sql(verified).unwrap();
    let link = Email::new("ann@example.org").unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..20_u8 {
        let (store, link) = (Arc::clone(&stores[usize::from(n % 2)]), Some(link.clone()));
        let login = ProviderLogin { link, ..login(&n.to_string(), n) };
        tasks.spawn(async move { store.directory().enter(login).await.unwrap() });
    }
    let ends = tasks.join_all().await;
    assert_eq!(ends.iter().filter(|end| **end == ProviderEntry::Entered(ann)).count(), 1, "{ends:?}");
    assert_eq!(ends.iter().filter(|end| **end == ProviderEntry::Nobody).count(), 19, "{ends:?}");
    // Another issuer has its own.
    let issuer = "https://other.example.com".to_owned();
    let other = ProviderLogin { issuer, link: Some(link), ..login("1", 30) };
    assert_eq!(stores[0].directory().enter(other).await.unwrap(), ProviderEntry::Entered(ann));
    assert_eq!(stores[0].subjects(&ann.into()).await.unwrap().len(), 2);
}

async fn who_is_no_member_any_more_is_no_manager_of_their_primary_organization(on: &dyn Backend) {
    let store = on.store();
    organization(&store, "Acme").await;
    let new = NewUser { organization_slug: Some("acme".into()), ..NewUser::named("ann").unwrap() };
    let ann = store.create_users(vec![new]).await.unwrap()[0].id;
    store.bind_subject(&ann.into(), "https://id.example.com".into(), "1".into()).await.unwrap();
    for (digest, told, level) in
        [(1, Some(true), "manager"), (2, None, "member"), (3, None, "member"), (4, Some(true), "manager")]
    {
        let ties = Ties { organizations: vec![("acme".to_owned(), told)], ..Ties::default() };
        let end = store.directory().enter(ProviderLogin { ties, ..login("1", digest) }).await.unwrap();
        assert_eq!(end, ProviderEntry::Entered(ann));
        let levels = store.memberships(&List::of_user(ann)).await.unwrap().rows;
        assert_eq!(levels.iter().map(|of| of.level.as_str()).collect::<Vec<_>>(), [level], "{told:?}");
    }
}

/// Two logins at once make the same membership, and one of the two statements fails; here a trigger refuses it.
#[tokio::test]
async fn a_login_whose_statement_fails_is_none() {
    let on = Postgres::new().await;
    let store = on.store();
    let ann = user(&store, "ann").await.id;
    organization(&store, "Acme").await;
    store.bind_subject(&ann.into(), "https://id.example.com".into(), "1".into()).await.unwrap();
    on.sql(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           RAISE EXCEPTION 'there already' USING ERRCODE = '23505', CONSTRAINT = 'memberships_user_organization';
         END $$",
    )
    .unwrap();
    on.sql("CREATE TRIGGER refuse BEFORE INSERT ON memberships FOR EACH ROW EXECUTE FUNCTION refuse()").unwrap();
    let tied = || {
        let ties = Ties { organizations: vec![("acme".to_owned(), Some(false))], ..Ties::default() };
        ProviderLogin { ties, ..login("1", 1) }
    };
    let failed = store.directory().enter(tied()).await.unwrap_err();
    assert!(matches!(failed, DirectoryError::AlreadyMember { .. }), "{failed}");
    on.sql("DROP TRIGGER refuse ON memberships").unwrap();
    assert_eq!(store.directory().enter(tied()).await.unwrap(), ProviderEntry::Entered(ann));
    assert_eq!(store.directory().enter(tied()).await.unwrap(), ProviderEntry::Replayed);
}

async fn the_last_way_in_stays(on: &dyn Backend) {
    let store = on.store();
    let ann = user(&store, "ann").await.id;
    let (issuer, oneself) = ("https://id.example.com", store.as_seen_by(Viewer::Oneself(ann)));
    for subject in ["1", "2"] {
        store.bind_subject(&ann.into(), issuer.into(), subject.into()).await.unwrap();
    }
    oneself.unlink_subject(&ann.into(), issuer.into(), "1".into()).await.unwrap();
    let last = oneself.unlink_subject(&ann.into(), issuer.into(), "2".into()).await.unwrap_err();
    assert!(matches!(last, DirectoryError::Forbidden { .. }), "{last}");
    assert_eq!(store.subjects(&ann.into()).await.unwrap().len(), 1);
    let bob = user(&store, "bob").await.id;
    let theirs = store.as_seen_by(Viewer::Oneself(bob));
    assert!(theirs.unlink_subject(&ann.into(), issuer.into(), "2".into()).await.is_err(), "she is out of sight");
    let password = PasswordHash::from_stored("pbkdf2_sha256$1$a$b");
    store.set_password(&ann.into(), Some(password), "2026-01-01".parse().unwrap()).await.unwrap();
    oneself.unlink_subject(&ann.into(), issuer.into(), "2".into()).await.unwrap();
}
