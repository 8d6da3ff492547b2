//! What is put into Django's database, and taken out again.

use super::{configured, django, postern, schema_of, text};
use crate::support::postgres::{Database, Server};

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

#[test]
fn it_works_on_what_openwisp_users_was_before() {
    for (version, has_expiry) in [("1.0.2", false), ("1.3.2", true)] {
        let database = Server::shared().database();
        let server = database.server;
        server.sql(&database.name, "DROP SCHEMA public CASCADE; CREATE SCHEMA public");
        let file = format!("{}/tests/reference/versions/{version}.sql", env!("CARGO_MANIFEST_DIR"));
        let mut psql = std::process::Command::new("psql");
        let read = psql.args(["-X", "-q", "-d", &database.url(), "-f", &file]).output().unwrap();
        assert!(read.status.success(), "{}", text(&read));
        let home = configured(&database, "");
        let run = |args: &[&str]| text(&postern(home.path(), &database, args));
        assert!(run(&["migrate"]).contains("applied 2"));
        assert!(run(&["user", "list"]).contains("ann@example.org"), "{version}");
        assert!(run(&["user", "create", "newer", "--email", "newer@example.org"]).contains("created"), "{version}");
        let told = run(&["user", "edit", "newer", "--expiration-date", "2030-01-01"]);
        assert_eq!(told.contains("has no expiration_date"), !has_expiry, "{version}: {told}");
        assert!(run(&["user", "edit", "newer", "--first-name", "New"]).contains("changed"), "{version}");
        assert!(run(&["user", "delete", "newer"]).contains("deleted"), "{version}");
    }
    // One that is newer.
    let database = django();
    database.server.sql(&database.name, "ALTER TABLE public.openwisp_users_user ADD COLUMN rank int; UPDATE public.openwisp_users_user SET rank = 1; ALTER TABLE public.openwisp_users_user ALTER rank SET NOT NULL");
    assert!(migrate(&database, "", &[]).0);
    let home = configured(&database, "");
    let told = text(&postern(home.path(), &database, &["doctor"]));
    assert!(told.contains("must be given: openwisp_users_user.rank"), "{told}");
    let told = text(&postern(home.path(), &database, &["user", "create", "newer"]));
    assert!(told.contains(r#"null value in column "rank""#), "{told}");
    assert!(text(&postern(home.path(), &database, &["user", "list"])).contains("alpha_manager"));
    // One that is too old, or something else.
    let database = Server::shared().database();
    database.server.sql(
        &database.name,
        "DROP SCHEMA public CASCADE; CREATE SCHEMA public; CREATE TABLE openwisp_users_user (id uuid, username text)",
    );
    let (done, told) = migrate(&database, "", &[]);
    assert!(!done && told.contains("has no column") && told.contains("1.0 to 1.3"), "{told}");
}

/// Definer functions that everybody may call, of a schema.
fn open_functions(database: &Database, schema: &str, kind: &str) -> String {
    let sql = format!(
        "SELECT coalesce(string_agg(proname, ' '), '') FROM pg_proc WHERE pronamespace = '{schema}'::regnamespace AND prosecdef {kind}
         AND EXISTS (SELECT 1 FROM aclexplode(coalesce(proacl, acldefault('f', proowner))) WHERE grantee = 0 AND privilege_type = 'EXECUTE')"
    );
    database.server.text(&database.name, &sql)
}

#[test]
fn functions_with_the_owner_s_rights_are_nobody_else_s() {
    let own = Server::shared().database();
    assert_eq!(open_functions(&own, "public", "AND prorettype = 'trigger'::regtype"), "");

    let database = django();
    assert!(migrate(&database, "", &[]).0);
    assert_eq!(open_functions(&database, "postern", ""), "");
    let (server, role) = (database.server, format!("r_{}", database.name));
    let sql = |sql: &str| server.try_sql(&database.name, sql);
    sql(&format!("CREATE ROLE {role}; GRANT USAGE ON SCHEMA postern TO {role}")).unwrap();
    for forbidden in [
        "CREATE TEMP TABLE t (id uuid); CREATE TRIGGER t BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION postern.put_token()",
        "SELECT postern.put_lock('users', gen_random_uuid()::text)",
        "SELECT postern.index_tokens()",
        "SELECT postern.put_uses('{}', '{}')",
        "SELECT postern.put_later(gen_random_uuid(), 'expiration_date', '2031-01-01')",
    ] {
        let told = sql(&format!("SET ROLE {role}; {forbidden}")).unwrap_err();
        assert!(told.contains("permission denied"), "{forbidden}: {told}");
    }
    sql(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).unwrap();
}

#[test]
fn a_role_that_serves_needs_what_the_manual_says() {
    let database = django();
    assert!(migrate(&database, "", &[]).0);
    let manual = include_str!("../../../docs/openwisp.md");
    let rights = manual.split("## A role that serves").nth(1).unwrap().split("```").nth(1).unwrap();
    let role = format!("r_{}", database.name);
    let rights = rights.trim_start_matches("sql").replace(" TO postern;", &format!(" TO {role};"));
    let rights = rights.replace(" FROM postern;", &format!(" FROM {role};"));
    let sql = |sql: &str| database.server.sql(&database.name, sql);
    sql(&format!("CREATE ROLE {role} LOGIN; {rights}"));
    let home = configured(&database, "");
    let doctor = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_postern"));
        command.current_dir(home.path()).env("POSTERN_DATA_DIR", home.path()).arg("doctor");
        command.env("POSTERN__DATABASE", database.url().replace("postgres@", &format!("{role}@")));
        text(&command.output().unwrap())
    };
    let told = doctor();
    assert!(told.contains("enough, and the schema is safe from the role"), "{told}");
    sql(&format!("REVOKE EXECUTE ON FUNCTION postern.put_uses FROM {role}"));
    let told = doctor();
    assert!(told.contains("the role lacks EXECUTE on put_uses"), "{told}");
    sql(&format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}"));
}

#[test]
fn triggers_are_not_taken_out_by_who_may_not_put_them_in() {
    let database = django();
    let (server, role) = (database.server, format!("r_{}", database.name));
    let sql = |sql: &str| server.sql(&database.name, sql);
    sql(&format!(
        "CREATE ROLE {role} LOGIN; GRANT CREATE ON DATABASE {} TO {role}; GRANT USAGE ON SCHEMA public TO {role};
         GRANT SELECT, TRIGGER ON ALL TABLES IN SCHEMA public TO {role}",
        database.name
    ));
    let home = configured(&database, "");
    let as_role = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_postern"));
        command.current_dir(home.path()).env("POSTERN_DATA_DIR", home.path());
        command.env("POSTERN__DATABASE", database.url().replace("postgres@", &format!("{role}@")));
        text(&command.arg("migrate").output().unwrap())
    };
    assert!(as_role().contains("applied 2"));
    sql(&format!(
        "REVOKE TRIGGER ON ALL TABLES IN SCHEMA public FROM {role}; ALTER TABLE public.auth_group ALTER COLUMN id TYPE bigint"
    ));
    let told = as_role();
    assert!(told.contains("may put none there"), "{told}");
    let triggers = "SELECT count(*)::text FROM pg_trigger WHERE tgname LIKE 'postern_%'";
    assert_eq!(server.text(&database.name, triggers), "24");
    sql(&format!("GRANT TRIGGER ON ALL TABLES IN SCHEMA public TO {role}"));
    assert!(as_role().contains("applied 1"));
    sql(&format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}"));
}

#[test]
fn a_schema_of_somebody_else_s_is_left_alone() {
    let database = django();
    let sql = |sql: &str| database.server.sql(&database.name, sql);
    sql(
        "CREATE SCHEMA postern; CREATE TABLE postern.schema_migrations (version text); CREATE TABLE postern.articles (id int)",
    );
    for args in [&[][..], &["--uninstall"]] {
        let (done, told) = migrate(&database, "", args);
        assert!(!done && told.contains("tables of another program"), "{told}");
    }
    let kept = "SELECT count(*)::text FROM pg_class WHERE oid = to_regclass('postern.articles')";
    assert_eq!(database.server.text(&database.name, kept), "1");
}
