//! What is put into Django's database, and taken out again.

use super::{configured, django, postern, schema_of, text};
use crate::support::postgres::Database;

fn migrate(database: &Database, more: &str, args: &[&str]) -> (bool, String) {
    let home = configured(database, more);
    let done = postern(home.path(), database, &[&["migrate"], args].concat());
    (done.status.success(), text(&done))
}

#[test]
fn it_is_put_in_once_told_before_and_taken_out_without_a_trace() {
    let database = django();
    let before = schema_of(&database);
    let (done, told) = migrate(&database, "", &["--dry-run"]);
    assert!(done && told.contains("24 triggers on Django's tables"), "{told}");
    for part in ["openwisp_users_user", "authtoken_token", "postern_told", "postern_emptied", "CREATE TRIGGER"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert_eq!(schema_of(&database), before, "a dry run");

    let (done, told) = migrate(&database, "", &[]);
    assert!(done && told.contains("applied 2"), "{told}");
    let with = schema_of(&database);
    let (done, told) = migrate(&database, "", &[]);
    assert!(done && told.contains("is up to date"), "{told}");
    assert_eq!(schema_of(&database), with);
    // Of Django's own, tables have triggers more, and nothing else.
    let public = with.lines().filter(|line| line.contains(" public.") && !line.contains("postern"));
    assert!(public.clone().count() > 50);
    for line in public {
        assert!(before.contains(line), "{line}");
    }
    let triggers =
        with.lines().filter(|line| line.starts_with("CREATE TRIGGER postern_") && line.contains(" ON public."));
    assert_eq!(triggers.count(), 24);

    let (done, told) = migrate(&database, "", &["--uninstall"]);
    assert!(done && told.contains("is gone"), "{told}");
    assert_eq!(schema_of(&database), before);
    let (done, told) = migrate(&database, "", &["--uninstall"]);
    assert!(done && told.contains("nothing of postern's"), "{told}");
}

#[test]
fn views_keep_django_from_no_migration() {
    let database = django();
    assert!(migrate(&database, "", &[]).0);
    let sql = |sql: &str| database.server.sql(&database.name, sql);
    sql("ALTER TABLE public.openwisp_users_user ALTER COLUMN email TYPE varchar(320)");
    sql("ALTER TABLE public.openwisp_users_user DROP COLUMN password_based_token");
    sql("ALTER TABLE public.auth_group ALTER COLUMN id TYPE bigint");
    sql("ALTER TABLE public.openwisp_users_user_groups ALTER COLUMN group_id TYPE bigint");
    sql("ALTER TABLE public.auth_group_permissions ALTER COLUMN group_id TYPE bigint");
    sql("UPDATE public.openwisp_users_user SET notes = 'x', is_staff = true WHERE username = 'admin'");
    // Its numbers are of another type now, which the views must say.
    let (done, told) = migrate(&database, "", &["--status"]);
    assert!(!done && told.contains("1 pending"), "{told}");
    assert!(migrate(&database, "", &[]).0);
    let home = configured(&database, "");
    let listed = postern(home.path(), &database, &["group", "list"]);
    assert!(text(&listed).contains("Administrator"), "{}", text(&listed));
}

#[test]
fn what_is_missing_is_said() {
    let database = django();
    let sql = |sql: &str| database.server.sql(&database.name, sql);
    sql("ALTER TABLE public.openwisp_users_user RENAME TO people_user");
    let (done, told) = migrate(&database, "", &[]);
    assert!(
        !done && told.contains("tokens are those of `people_user`") && told.contains("openwisp.tables.user"),
        "{told}"
    );
    let named = "openwisp: { tables: { user: people_user, user_groups: openwisp_users_user_groups, user_permissions: openwisp_users_user_user_permissions } }";
    let (done, told) = migrate(&database, named, &[]);
    assert!(done && told.contains("applied 2"), "{told}");

    sql("ALTER TABLE public.people_user RENAME COLUMN notes TO remarks");
    let (done, told) = migrate(&database, named, &["--status"]);
    assert!(!done && told.contains("has no column `notes`"), "{told}");
    sql("DROP TABLE public.account_emailaddress");
    sql("ALTER TABLE public.people_user RENAME COLUMN remarks TO notes");
    let (done, told) = migrate(&database, named, &[]);
    assert!(!done && told.contains("no table `account_emailaddress`"), "{told}");

    let (done, told) = migrate(&database, "openwisp: { schema: public }", &[]);
    assert!(!done && told.contains("schema of Django's tables"), "{told}");
    let (done, told) = migrate(&database, "openwisp: { tables: { people: x } }", &[]);
    assert!(!done && told.contains("no table that postern knows"), "{told}");
}
