use crate::directory::error::{DirectoryError, Noun};
use crate::directory::grants::{BundleEdit, Grants};
use crate::directory::list::{List, Rows};
use crate::directory::memory::Memory;
use crate::directory::name::{ExternalId, PermissionName, Text, Username};
use crate::directory::resources::{
    GroupRecord, MembershipRecord, NewUser, OrganizationEdit, OrganizationRecord, Resource, RoleRecord, TokenRecord,
    UserEdit, UserRecord,
};
use crate::directory::{StoreError, groups, list, logins, lookup, organizations, users};
use crate::id::TokenId;

const ALL: [&str; 9] = [
    "openwisp_users.add_user",
    "openwisp_users.change_user",
    "openwisp_users.delete_user",
    "openwisp_users.view_organization",
    "openwisp_users.change_organization",
    "openwisp_users.add_organizationuser",
    "openwisp_users.change_organizationuser",
    "openwisp_users.delete_organizationuser",
    "openwisp_users.change_group",
];

/// Two tenants: Acme, owned by olga, managed by ann, with bob and the superuser sue; Bolt, owned by otto, with bob and eve.
fn tenants() -> Memory {
    let mut memory =
        Memory::new().users(&["olga", "ann", "bob", "sue", "otto", "eve"]).organization("Acme").organization("Bolt");
    for (slug, user, is_admin) in [
        ("acme", "olga", true),
        ("acme", "ann", true),
        ("acme", "bob", false),
        ("acme", "sue", false),
        ("bolt", "otto", true),
        ("bolt", "bob", false),
        ("bolt", "eve", false),
    ] {
        memory.join(slug, user, is_admin).unwrap();
    }
    edit(&mut memory, "sue", UserEdit { is_superuser: Some(true), ..UserEdit::default() }).unwrap();
    memory
}

/// A user who manages Acme, and may do whatever the organization's managers can be let do.
fn manager() -> Memory {
    let mut memory = tenants();
    memory.as_manager("ann", &ALL);
    memory
}

fn listed<R: Resource>(memory: &mut Memory, wanted: List) -> Result<Rows<R>, DirectoryError> {
    memory.write(|tx| Box::pin(async move { list::all(tx, &wanted).await }))
}

fn usernames(memory: &mut Memory, wanted: List) -> Vec<String> {
    let found = listed::<UserRecord>(memory, wanted).unwrap();
    assert_eq!(found.total, found.rows.len() as u64);
    found.rows.into_iter().map(|user| user.username).collect()
}

fn edit(memory: &mut Memory, username: &'static str, edit: UserEdit) -> Result<UserRecord, DirectoryError> {
    memory.write(|tx| Box::pin(async move { users::edit(tx, &username.into(), edit).await }))
}

fn renamed() -> UserEdit {
    UserEdit { first_name: Some(Text::new("first_name", "Other").unwrap()), ..UserEdit::default() }
}

fn is_unseen<T>(done: &Result<T, DirectoryError>) -> bool {
    matches!(done, Err(DirectoryError::NotFound { .. }))
}

fn is_forbidden<T>(done: &Result<T, DirectoryError>) -> bool {
    matches!(done, Err(DirectoryError::Forbidden { .. }))
}

#[test]
fn manager_sees_the_users_of_their_organizations_and_no_superuser() {
    let mut memory = manager();
    assert_eq!(usernames(&mut memory, List::default()), ["ann", "bob", "olga"]);
    assert_eq!(usernames(&mut memory, List { search: Some("eve".into()), ..List::default() }), [""; 0]);
    for unseen in ["eve", "otto", "sue", "nobody"] {
        let found = memory.write(|tx| Box::pin(async move { lookup::user(tx, &unseen.into()).await }));
        let told = DirectoryError::NotFound { noun: Noun::User, reference: unseen.to_owned() };
        assert_eq!(found, Err(told), "told as what does not exist");
    }
}

#[test]
fn list_takes_all_that_is_asked_or_says_that_it_is_too_much() {
    let mut memory = manager();
    let all = |name: &str, count: usize| vec![(name.to_owned(), "true".to_owned()); count];
    assert_eq!(usernames(&mut memory, List { filter: all("active", 20), ..List::default() }), ["ann", "bob", "olga"]);
    let order = |count| vec!["-username".to_owned(); count];
    assert_eq!(usernames(&mut memory, List { order: order(20), ..List::default() }), ["olga", "bob", "ann"]);
    for list in [
        List { filter: all("active", 21), ..List::default() },
        List { search: Some("a ".repeat(21)), ..List::default() },
        List { order: order(21), ..List::default() },
    ] {
        assert!(matches!(listed::<UserRecord>(&mut memory, list), Err(DirectoryError::Invalid { .. })));
    }
}

#[test]
fn manager_sees_the_users_of_a_disabled_organization_and_not_the_organization() {
    let mut memory = tenants();
    let off = OrganizationEdit { is_active: Some(false), ..OrganizationEdit::default() };
    memory.write(|tx| Box::pin(async move { organizations::edit(tx, &"acme".into(), off).await })).unwrap();
    memory.as_manager("ann", &ALL);
    assert_eq!(usernames(&mut memory, List::default()), ["ann", "bob", "olga"]);
    assert_eq!(listed::<OrganizationRecord>(&mut memory, List::default()).unwrap().total, 0);
}

#[test]
fn manager_sees_no_organization_membership_or_count_of_another_tenant() {
    let mut memory = tenants();
    let everybody = ["ann", "bob", "eve", "otto"].map(Into::into).to_vec();
    let fill = BundleEdit { add: everybody, ..BundleEdit::default() };
    let group = |memory: &mut Memory, edit: BundleEdit| {
        memory.write(|tx| {
            Box::pin(async move { groups::edit(tx, &"Operator".into(), edit).await.map(|group| group.users) })
        })
    };
    assert_eq!(group(&mut memory, fill), Ok(4));
    memory.as_manager("ann", &ALL);
    let organizations = listed::<OrganizationRecord>(&mut memory, List::default()).unwrap();
    assert_eq!((organizations.total, organizations.rows[0].slug.as_str()), (1, "acme"));
    let of_bob = listed::<MembershipRecord>(&mut memory, List::of_user("bob")).unwrap();
    assert_eq!((of_bob.total, of_bob.rows[0].slug.as_str()), (1, "acme"), "not that of bolt");
    assert!(is_unseen(&listed::<MembershipRecord>(&mut memory, List::of_organization("bolt"))));
    let groups = listed::<GroupRecord>(&mut memory, List::default()).unwrap();
    let operator = groups.rows.iter().find(|group| group.name == "Operator").unwrap();
    assert_eq!(operator.users, 2, "ann and bob");
}

#[test]
fn owners_are_changed_by_superusers_and_themselves_alone() {
    let mut memory = manager();
    assert!(is_forbidden(&edit(&mut memory, "olga", renamed())), "the owner of the organization");
    memory.as_operator();
    memory.join("acme", "otto", false).unwrap();
    memory.as_manager("ann", &ALL);
    assert!(is_forbidden(&edit(&mut memory, "otto", renamed())), "the owner of another, who is a member");
    let password = memory.write(|tx| {
        let today = jiff::civil::date(2026, 1, 31);
        Box::pin(async move { logins::set_password(tx, &"olga".into(), None, today).await })
    });
    assert!(is_forbidden(&password));
    assert!(edit(&mut memory, "bob", renamed()).is_ok());
    memory.as_manager("olga", &ALL);
    assert!(edit(&mut memory, "olga", renamed()).is_ok(), "themselves");
}

#[test]
fn nobody_gives_what_they_lack() {
    let mut memory = manager();
    let staff = || UserEdit { is_staff: Some(true), ..UserEdit::default() };
    assert!(is_forbidden(&edit(&mut memory, "bob", staff())));
    assert!(is_forbidden(&edit(&mut memory, "bob", UserEdit { is_superuser: Some(true), ..UserEdit::default() })));
    let group = |memory: &mut Memory, edit: BundleEdit| {
        memory.write(|tx| Box::pin(async move { groups::edit(tx, &"Operator".into(), edit).await }))
    };
    let permission = PermissionName::new("openwisp_users.add_organization").unwrap();
    let grants = Grants { grant: vec![permission], revoke: Vec::new() };
    assert!(is_forbidden(&group(&mut memory, BundleEdit { grants, ..BundleEdit::default() })));
    let add = || BundleEdit { add: vec!["bob".into()], ..BundleEdit::default() };
    assert!(group(&mut memory, add()).is_ok(), "what operators may, ann may");
    memory.as_manager("ann", &["openwisp_users.change_user"]);
    assert!(is_forbidden(&group(&mut memory, add())), "what operators may, ann may not");
    memory.as_operator();
    edit(&mut memory, "ann", staff()).unwrap();
    memory.as_manager("ann", &ALL);
    assert!(edit(&mut memory, "bob", staff()).is_ok());
}

#[test]
fn a_new_user_is_no_superuser_and_has_no_key_of_a_legacy_system() {
    let mut memory = manager();
    let mut create = |new: NewUser| memory.write(|tx| Box::pin(users::create(tx, new)));
    let new = || NewUser::named("new").unwrap();
    assert!(is_forbidden(&create(NewUser { is_superuser: true, ..new() })));
    let external_id = ExternalId::new("7").ok();
    assert!(is_forbidden(&create(NewUser { external_id, ..new() })));
    assert!(create(new()).is_ok());
}

#[test]
fn a_permission_is_asked_before_anything_is_looked_for() {
    let mut memory = tenants();
    memory.as_manager("ann", &[]);
    for anybody in ["bob", "eve", "nobody"] {
        assert!(is_forbidden(&edit(&mut memory, anybody, renamed())), "{anybody}");
    }
    assert!(is_forbidden(&listed::<UserRecord>(&mut memory, List::default())));
    memory.as_manager("ann", &["openwisp_users.change_user"]);
    assert_eq!(usernames(&mut memory, List::default()), ["ann", "bob", "olga"], "who may change may see");
    for anybody in ["bob", "eve", "nobody"] {
        let deleted = memory.write(|tx| Box::pin(async move { users::delete(tx, &anybody.into()).await }));
        assert!(is_forbidden(&deleted), "{anybody}");
    }
}

#[test]
fn whoever_manages_nothing_sees_nothing() {
    let mut memory = tenants();
    memory.as_manager("bob", &ALL);
    assert_eq!(usernames(&mut memory, List::default()), [""; 0]);
    assert_eq!(listed::<OrganizationRecord>(&mut memory, List::default()).unwrap().total, 0);
}

#[test]
fn oneself_is_seen_and_changed_in_what_is_ones_own() {
    let mut memory = tenants();
    memory.as_oneself("bob");
    assert_eq!(usernames(&mut memory, List::default()), ["bob"]);
    assert_eq!(listed::<OrganizationRecord>(&mut memory, List::default()).unwrap().total, 2);
    assert_eq!(listed::<RoleRecord>(&mut memory, List::default()).unwrap().total, 0);
    assert_eq!(edit(&mut memory, "bob", renamed()).unwrap().first_name, "Other");
    let username = Username::new("root").ok();
    assert!(is_forbidden(&edit(&mut memory, "bob", UserEdit { username, ..UserEdit::default() })));
    assert!(is_forbidden(&edit(&mut memory, "bob", UserEdit { is_staff: Some(true), ..UserEdit::default() })));
    assert!(is_unseen(&edit(&mut memory, "ann", renamed())));
}

#[test]
fn tokens_are_ones_own() {
    let mut memory = tenants();
    for user in ["ann", "bob"] {
        let id = memory.id_of(user);
        let made = memory.write(|tx| {
            Box::pin(async move {
                let sql = "INSERT INTO tokens (id, digest, user_id) VALUES ($1, $2, $3)";
                let digest = [id.0.as_bytes().as_slice(), id.0.as_bytes().as_slice()].concat();
                Ok::<_, StoreError>(tx.execute(sql, &[&TokenId::generate(), &digest, &id]).await?)
            })
        });
        assert_eq!(made, Ok(1));
    }
    assert_eq!(listed::<TokenRecord>(&mut memory, List::default()).unwrap().total, 2);
    memory.as_manager("ann", &ALL);
    let own = listed::<TokenRecord>(&mut memory, List::default()).unwrap();
    assert_eq!((own.total, own.rows[0].username.as_str()), (1, "ann"));
    assert_eq!(listed::<TokenRecord>(&mut memory, List::of_user("bob")).unwrap().total, 0);
}

#[test]
fn pages_of_others_than_the_operator_are_bounded() {
    let mut memory = manager();
    let names: Vec<String> = (0..120).map(|number| format!("u{number}")).collect();
    memory.as_operator();
    let mut memory = memory.users(&names.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(listed::<UserRecord>(&mut memory, List::default()).unwrap().rows.len(), 126);
    let sue = memory.id_of("sue");
    memory.as_superuser(sue);
    let all = listed::<UserRecord>(&mut memory, List::default()).unwrap();
    assert_eq!((all.rows.len(), all.total), (100, 126));
}
