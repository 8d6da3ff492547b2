//! Triggers that are gone, dumps that are restored, and tables that change while postern serves.

use super::{Live, django, options, postern, text, token_of};
use crate::support::postgres::command;
use crate::support::{Postern, RedisServer, Upstream, eventually};
use postern::directory::postgres::LOOK_OVER;

#[test]
fn an_owner_puts_triggers_in_again_by_itself() {
    let live = Live::new();
    let token = token_of(&live, "alpha_manager");
    live.soon(&token, "/me/x", 200);
    live.sql(
        "DROP TRIGGER postern_told ON public.authtoken_token; DROP TRIGGER postern_told ON public.openwisp_users_user",
    );
    // In this moment nobody tells, and what is remembered is forgotten when somebody does again.
    live.sql(&format!("DELETE FROM public.authtoken_token WHERE key = '{token}'"));
    live.soon(&token, "/me/x", 401);
    let triggers = "SELECT count(*)::text FROM pg_trigger WHERE tgname = 'postern_told'";
    eventually("the triggers are there", || (live.text(triggers) == "12").then_some(()));
}

#[test]
fn tokens_that_came_while_triggers_were_off_count_when_they_are_on() {
    let live = Live::new();
    let token = "0123456789abcdef0123456789abcdef01234567";
    live.sql(&format!(
        "ALTER TABLE public.authtoken_token DISABLE TRIGGER USER; DELETE FROM public.authtoken_token;
         INSERT INTO public.authtoken_token (key, created, user_id)
         SELECT '{token}', now(), id FROM public.openwisp_users_user WHERE username = 'admin'"
    ));
    live.sql("ALTER TABLE public.authtoken_token ENABLE TRIGGER USER");
    live.soon(token, "/admin/x", 200);
}

/// What a role needs that serves and owns nothing: as the page says.
fn grants(role: &str) -> String {
    let (_, page) = include_str!("../../../docs/openwisp.md").split_once("```sql\n").unwrap();
    let (block, _) = page.split_once("```").unwrap();
    assert!(block.contains(" TO postern;") && block.contains(" FROM postern;"));
    block.replace(" TO postern;", &format!(" TO {role};")).replace(" FROM postern;", &format!(" FROM {role};"))
        + &format!(
            "ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA postern GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role}"
        )
}

#[test]
fn a_role_that_owns_nothing_serves_and_refuses_in_words_where_nothing_tells() {
    let (database, upstream) = (django(), Upstream::echo());
    let role = format!("r_{}", database.name);
    let server = database.server;
    let sql = |sql: &str| server.sql(&database.name, sql);
    sql(&format!("CREATE ROLE {role} LOGIN"));
    let home = super::configured(&database, "");
    let url = database.url().replace("postgres@", &format!("{role}@"));
    let as_role = || {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_postern"));
        command.current_dir(home.path()).env("POSTERN_DATA_DIR", home.path()).env("POSTERN__DATABASE", &url);
        text(&command.args(["migrate"]).output().unwrap())
    };
    let told = as_role();
    assert!(told.contains("this role may not change it"), "{told}");
    assert!(postern(home.path(), &database, &["migrate"]).status.success());
    sql(&grants(&role));
    let options = options(&database, "").set("database", &url);
    let live = Live { postern: Postern::start(upstream.address(), &options), database, upstream };
    let token = token_of(&live, "alpha_manager");
    live.soon(&token, "/me/x", 200);
    let create = "POST /api/v1/users/organization/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let admin = token_of(&live, "admin");
    let made =
        live.send(format!("{create}Authorization: Bearer {admin}\r\nContent-Length: 16\r\n\r\n{{\"name\":\"newer\"}}"));
    assert!(made.status == 201 || made.status == 400, "{} {}", made.status, made.text());

    live.sql("DROP TRIGGER postern_told ON public.openwisp_users_user");
    let said = |line: &String| line.contains("openwisp_users_user") && line.contains("postern migrate");
    eventually("it says why", || live.postern.stderr().iter().any(said).then_some(()));
    // What is remembered is not believed any more: each request is asked about.
    for (active, status) in [(false, 401), (true, 200)] {
        live.sql(&format!(
            "UPDATE public.openwisp_users_user SET is_active = {active} WHERE username = 'alpha_manager'"
        ));
        live.soon(&token, "/me/x", status);
    }
    assert!(live.cli(&["migrate"]).contains("django"));
    live.soon(&token, "/me/x", 200);
    drop(live);
    let _ = server.try_sql("postgres", &format!("DROP ROLE {role}"));
}

#[test]
fn a_dump_that_is_restored_is_what_counts() {
    let live = Live::new();
    let (database, token) = (&live.database, token_of(&live, "alpha_manager"));
    let port = database.server.port().to_string();
    let flags =
        ["--clean", "--if-exists", "--no-owner", "-h", "127.0.0.1", "-U", "postgres", "-p", &port, &database.name];
    let dump = command("pg_dump").args(flags).output().unwrap();
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    live.sql("UPDATE public.openwisp_users_user SET is_superuser = true WHERE username = 'alpha_manager'");
    live.soon(&token, "/admin/x", 200);
    let file = live.postern.home().join("dump.sql");
    std::fs::write(&file, &dump.stdout).unwrap();
    let mut psql = std::process::Command::new("psql");
    psql.args(["-X", "-q", "--single-transaction", "-v", "ON_ERROR_STOP=1", "-d", &database.url(), "-f"]).arg(&file);
    let restored = psql.output().unwrap();
    assert!(restored.status.success(), "{}", String::from_utf8_lossy(&restored.stderr));
    live.soon(&token, "/admin/x", 403);
    live.sql("UPDATE public.openwisp_users_user SET is_superuser = true WHERE username = 'alpha_manager'");
    live.soon(&token, "/admin/x", 200);
}

#[test]
fn django_migrates_while_it_serves() {
    let live = Live::new();
    let token = token_of(&live, "alpha_manager");
    live.soon(&token, "/api/v1/org/alpha/x", 200);
    live.sql(
        "ALTER TABLE public.openwisp_users_user ALTER COLUMN email TYPE varchar(320);
         ALTER TABLE public.openwisp_users_user ADD COLUMN nickname varchar(20) NOT NULL DEFAULT '';
         ALTER TABLE public.openwisp_users_organizationuser ALTER COLUMN is_admin SET DEFAULT false",
    );
    live.sql("UPDATE public.openwisp_users_user SET email = 'other@example.org' WHERE username = 'alpha_manager'");
    live.soon(&token, "/api/v1/org/alpha/x", 200);
    // A column that there must be is away for a while.
    live.sql("ALTER TABLE public.openwisp_users_user RENAME COLUMN is_active TO active");
    live.sql("UPDATE public.openwisp_users_organization SET name = 'Alpha again' WHERE slug = 'alpha'");
    live.soon(&token, "/api/v1/org/alpha/x", 503);
    live.sql("ALTER TABLE public.openwisp_users_user RENAME COLUMN active TO is_active");
    live.soon(&token, "/api/v1/org/alpha/x", 200);
}

#[test]
fn what_django_remembers_of_memberships_is_dropped_when_they_change() {
    let (database, upstream, redis) = (django(), Upstream::echo(), RedisServer::start());
    let key = |user: &str| format!(":1:user_{user}_organizations");
    let options = options(&database, &format!("openwisp: {{ cache: \"redis://127.0.0.1:{}\" }}\n", redis.port));
    let live = Live { postern: Postern::start(upstream.address(), &options), database, upstream };
    let id =
        |name: &str| live.text(&format!("SELECT id::text FROM public.openwisp_users_user WHERE username = '{name}'"));
    let (manager, member, admin) = (id("alpha_manager"), id("alpha_member"), id("admin"));
    let remember = || [&manager, &member, &admin].iter().for_each(|user| drop(redis.cli(&["SET", &key(user), "x"])));
    let is_there = |user: &str| redis.cli(&["EXISTS", &key(user)]).contains('1');
    let dropped = |user: &str| eventually("it is dropped", || (!is_there(user)).then_some(()));

    eventually("postern is connected", || (redis.cli(&["CLIENT", "LIST"]).lines().count() > 1).then_some(()));
    remember();
    live.cli(&["member", "remove", "--org", "alpha", "--user", "alpha_member"]);
    dropped(&member);
    assert!(is_there(&admin) && is_there(&manager), "nobody else's");
    // A disabled organization concerns all of its members.
    live.sql("UPDATE public.openwisp_users_organization SET is_active = false WHERE slug = 'alpha'");
    dropped(&manager);
    assert!(is_there(&admin));
    live.sql("TRUNCATE public.openwisp_users_organizationowner");
    dropped(&admin);
}

#[test]
fn a_role_that_may_only_read_looks_for_itself() {
    let (database, upstream) = (django(), Upstream::echo());
    let role = format!("r_{}", database.name);
    let server = database.server;
    server.sql(
        &database.name,
        &format!(
            "CREATE ROLE {role} LOGIN; GRANT CREATE ON DATABASE {} TO {role}; GRANT USAGE ON SCHEMA public TO {role};
         GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
            database.name
        ),
    );
    let url = database.url().replace("postgres@", &format!("{role}@"));
    let redis = RedisServer::start();
    let cache = format!("openwisp: {{ cache: \"redis://127.0.0.1:{}\" }}\n", redis.port);
    let options = options(&database, &cache).set("database", &url);
    let live = Live { postern: Postern::start(upstream.address(), &options), database, upstream };
    let as_role = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_postern"));
        command
            .current_dir(live.postern.home())
            .env("POSTERN_DATA_DIR", live.postern.home())
            .env("POSTERN__DATABASE", &url);
        text(&command.args(args).output().unwrap())
    };
    assert!(as_role(&["migrate", "--status"]).contains("is up to date"));
    let triggers = "SELECT count(*)::text FROM pg_trigger WHERE tgname LIKE 'postern_%'";
    assert_eq!(live.text(triggers), "0");
    let token = token_of(&live, "alpha_manager");
    live.soon(&token, "/api/v1/org/alpha/x", 200);
    // Sessions end with the password and the activity that they began with, and roles with the membership.
    let of = |name: &str| format!("(SELECT id FROM public.openwisp_users_user WHERE username = '{name}')");
    for name in ["admin", "alpha_manager", "alpha_member"] {
        live.sql(&format!(
            "INSERT INTO postern.sessions (id, digest, user_id, expires_at) VALUES (gen_random_uuid(), sha256('{name}'), {}, 99999999999)",
            of(name)
        ));
    }
    live.sql(&format!(
        "INSERT INTO postern.roles SELECT gen_random_uuid(), id, 'r' FROM public.openwisp_users_organization WHERE slug = 'alpha';
         INSERT INTO postern.role_users SELECT r.id, {}, r.organization_id FROM postern.roles r",
        of("alpha_member")
    ));
    std::thread::sleep(LOOK_OVER + std::time::Duration::from_secs(1));
    let left =
        "SELECT concat_ws(' ', (SELECT count(*) FROM postern.sessions), (SELECT count(*) FROM postern.role_users))";
    assert_eq!(live.text(left), "3 1");
    live.sql(&format!(
        "UPDATE public.openwisp_users_user SET password = '!' WHERE id = {};
         UPDATE public.openwisp_users_user SET is_active = false WHERE id = {member};
         DELETE FROM public.openwisp_users_organizationuser WHERE user_id = {member}",
        of("alpha_manager"),
        member = of("alpha_member")
    ));
    eventually("they end", || (live.text(left) == "1 0").then_some(()));
    // Django's cache was searched when the following began, and not at each look.
    let scans = || {
        redis.cli(&["INFO", "commandstats"]).lines().find(|line| line.starts_with("cmdstat_scan:")).map(str::to_owned)
    };
    let before = scans();
    std::thread::sleep(2 * LOOK_OVER);
    assert_eq!(scans(), before);
    for sql in ["UPDATE public.openwisp_users_organization SET is_active = false", "DELETE FROM public.authtoken_token"]
    {
        let start = postern::clock::monotonic();
        live.sql(sql);
        live.soon(&token, "/api/v1/org/alpha/x", if sql.starts_with("DELETE") { 401 } else { 403 });
        assert!(start.elapsed() < std::time::Duration::from_secs(5), "{sql}: {:?}", start.elapsed());
    }
    for args in
        [&["user", "create", "zed"][..], &["user", "edit", "admin", "--first-name", "x"], &["org", "delete", "alpha"]]
    {
        let told = as_role(args);
        assert!(told.contains("is only read"), "{args:?}: {told}");
    }
    assert!(as_role(&["doctor"]).contains("learnt within 2s"));
    // Its own tokens are its own.
    let own = as_role(&["token", "create", "--user", "admin"]);
    let own =
        own.split_whitespace().find(|word| word.starts_with("pst_")).unwrap_or_else(|| panic!("{own}")).to_owned();
    live.soon(&own, "/admin/x", 200);
    // Once somebody may, it is told and written as elsewhere.
    assert!(live.cli(&["migrate"]).contains("django"));
    assert_eq!(live.text(triggers), "24");
    drop(live);
    let _ = server.try_sql("postgres", &format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

#[test]
fn rows_that_are_loaded_as_a_replica_loads_them_are_told_too() {
    let live = Live::new();
    let token = token_of(&live, "alpha_manager");
    live.soon(&token, "/me/x", 200);
    live.sql("SET session_replication_role = replica; UPDATE public.openwisp_users_user SET is_active = false WHERE username = 'alpha_manager'");
    live.soon(&token, "/me/x", 401);
}
