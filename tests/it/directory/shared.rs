//! What is particular to the shared store: transactions that overlap, connections that go, and a server with rules of its own.

use super::feed::look;
use super::{Backend, Postgres, feed, open_postgres, token, user};
use crate::support::postgres::{Database, Server};
use crate::support::tls::Authority;
use postern::directory::postgres::migrate::{MIGRATIONS, MigrateError};
use postern::directory::postgres::{OpenError, OpenProblem, Options, PostgresStore, Target, inspect, migrate, status};
use postern::directory::schema::Mismatch;
use postern::directory::{Change, Directory, Viewer};
use postern::fact_cache::{Capacity, FactCache, Lookup};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::{Client, NoTls};

/// A connection as another program has it.
async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

impl Postgres {
    fn url(&self) -> String {
        self.database.url()
    }
}

#[tokio::test]
async fn transactions_that_commit_in_another_order_than_they_began_are_all_told() {
    let on = Postgres::new().await;
    let store = on.store();
    let (ann, bob) = (user(&store, "ann").await.id, user(&store, "bob").await.id);
    let at = store.directory().position().await.unwrap();
    let (first, second) = (connect(&on.url()).await, connect(&on.url()).await);
    first.batch_execute("BEGIN; UPDATE users SET is_staff = true WHERE username = 'ann'").await.unwrap();
    second.batch_execute("BEGIN; UPDATE users SET is_staff = true WHERE username = 'bob'; COMMIT").await.unwrap();
    let (told, at) = feed::since(&on, &at).await;
    assert_eq!(told, HashSet::from([Change::User(bob)]), "the younger one has committed");
    feed::silent_since(&on, &at).await;
    first.batch_execute("COMMIT").await.unwrap();
    let (told, at) = feed::since(&on, &at).await;
    assert_eq!(told, HashSet::from([Change::User(ann)]), "the older one is told although its numbers are smaller");
    feed::silent_since(&on, &at).await;
}

#[tokio::test]
async fn a_transaction_that_stays_open_hides_nobody_else_s_changes_and_is_told_at_its_end() {
    let on = Postgres::new().await;
    let store = on.store();
    let (ann, bob) = (user(&store, "ann").await.id, user(&store, "bob").await.id);
    let open = connect(&on.url()).await;
    open.batch_execute("BEGIN; UPDATE users SET is_active = false WHERE username = 'ann'").await.unwrap();
    let mut at = store.directory().position().await.unwrap();
    for flag in ["true", "false", "true"] {
        on.sql(&format!("UPDATE users SET is_staff = {flag} WHERE username = 'bob'")).unwrap();
        let (told, next) = feed::since(&on, &at).await;
        assert_eq!(told, HashSet::from([Change::User(bob)]), "each of them once, while the other is open");
        at = next;
    }
    // Nor may its own row be trimmed before it was seen: it was written long ago.
    on.sql("UPDATE changes SET at = '-infinity'").unwrap();
    for _ in 0..2 {
        on.sql("UPDATE changes_kept SET marked = '-infinity'").unwrap();
        on.sql("SELECT trim_changes()").unwrap();
    }
    open.batch_execute("COMMIT").await.unwrap();
    assert_eq!(feed::since(&on, &at).await.0, HashSet::from([Change::User(ann)]));
}

/// On a server of its own: a transaction of another test would be older than everything here.
#[tokio::test]
async fn the_outbox_is_trimmed_behind_everybody() {
    let server = Server::own();
    let store = open_postgres(&server.url("postern")).await;
    let beginning = store.directory().position().await.unwrap();
    user(&store, "ann").await;
    let rows = || server.text("postern", "SELECT count(*)::text FROM changes");
    server.sql("postern", "SELECT trim_changes()");
    assert_eq!(rows(), "1", "too young");
    let at = store.directory().position().await.unwrap();
    for _ in 0..2 {
        server.sql("postern", "UPDATE changes_kept SET marked = '-infinity'; SELECT trim_changes()");
    }
    assert_eq!(rows(), "0");
    assert!(look(&store, &beginning).await.lost, "who was away too long is told so");
    let told = look(&store, &at).await;
    assert!(!told.lost && told.changes.is_empty(), "who had seen it has missed nothing");
}

#[tokio::test]
async fn a_change_tells_its_age() {
    let on = Postgres::new().await;
    let store = on.store();
    let at = store.directory().position().await.unwrap();
    on.sql("INSERT INTO users (id, username) VALUES (gen_random_uuid(), 'ann')").unwrap();
    let told = look(&store, &at).await;
    assert_eq!(told.changes.len(), 1);
    assert!(told.age.is_some_and(|age| age < Duration::from_secs(20)));
}

#[tokio::test]
async fn tables_that_are_emptied_void_everything() {
    for table in ["tokens", "memberships CASCADE", "users CASCADE", "group_users", "role_permissions", "changes"] {
        let on = Postgres::new().await;
        let store = on.store();
        user(&store, "ann").await;
        let at = store.directory().position().await.unwrap();
        on.sql(&format!("TRUNCATE {table}")).unwrap();
        assert!(look(&store, &at).await.lost, "{table}");
    }
}

#[tokio::test]
async fn a_killed_connection_is_made_anew_and_nothing_was_missed() {
    let on = Postgres::new().await;
    let store = on.store();
    let ann = user(&store, "ann").await.id;
    let (secret, _) = token(&store, "ann").await;
    let at = store.directory().position().await.unwrap();
    for flag in ["false", "true"] {
        on.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'postern'",
        )
        .unwrap();
        on.sql(&format!("UPDATE users SET is_active = {flag} WHERE username = 'ann'")).unwrap();
        let told = look(&store, &at).await;
        assert!(!told.lost && told.changes.contains(&Change::User(ann)));
        let found = store
            .directory()
            .token_snapshot(&secret.digest())
            .await
            .unwrap()
            .expect("the pool connects again by itself");
        assert_eq!(found.snapshot.user.is_active, flag == "true");
    }
}

#[tokio::test]
async fn a_restarted_server_is_another_life_and_needs_no_restart_of_ours() {
    let server = Server::own();
    let store = open_postgres(&server.url("postern")).await;
    user(&store, "ann").await;
    let (secret, _) = token(&store, "ann").await;
    let at = store.directory().position().await.unwrap();
    server.stop();
    assert!(store.directory().changes(&at).await.is_err());
    assert!(store.directory().token_snapshot(&secret.digest()).await.is_err());
    server.start();
    let told = look(&store, &at).await;
    assert!(told.lost, "what was remembered may have been of commits that the disk never saw");
    assert!(store.directory().token_snapshot(&secret.digest()).await.unwrap().is_some());
}

/// A stampede: as many as ask at once for one cold credential make one question, and each of many makes one of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_asks_once_for_each_credential() {
    const FLOOD: usize = 10_000;
    let server = Server::own_with("log_statement = 'all'");
    // Whoever waits for a connection waits as long as a busy machine takes.
    let options = Options { connections: 4, answer: Duration::from_secs(60), ..Options::default() };
    let store = PostgresStore::open(&Target::parse(&server.url("postern")).unwrap(), options).await.unwrap();
    let store = Directory::from(store).as_seen_by(Viewer::Operator);
    user(&store, "ann").await;
    let (secret, _) = token(&store, "ann").await;
    let position = store.directory().position().await.unwrap();
    let memberships =
        FactCache::new(Arc::new(store.directory().clone()), position, Duration::from_secs(60), Capacity::default())
            .unwrap();
    let memberships = Arc::new(memberships);
    memberships.catch_up().await.unwrap();
    let questions = || server.questions();
    let ask = |text: String| {
        let memberships = Arc::clone(&memberships);
        tokio::spawn(async move { memberships.load(memberships.wanted(&text)).await })
    };
    // All are waiting before the first can have an answer, which needs a connection.
    let crowd: Vec<_> = (0..1000).map(|_| ask(secret.expose().to_owned())).collect();
    for one in crowd {
        assert!(matches!(one.await.unwrap(), Lookup::Known(_)));
    }
    assert_eq!(questions(), 1, "one question for one credential");
    let strangers: Vec<_> = (0..FLOOD).map(|n| ask(format!("imported-token-{n}"))).collect();
    for one in strangers {
        assert!(matches!(one.await.unwrap(), Lookup::Unknown));
    }
    assert_eq!(questions(), 1 + FLOOD, "each cold credential is one statement");
    let connections = "SELECT count(*)::text FROM pg_stat_activity WHERE application_name = 'postern'";
    assert!(server.text("postern", connections).parse::<u32>().unwrap() <= 5, "four, and the one that follows");
}

async fn refused(url: &str) -> OpenError {
    let options = Options { connect: Duration::from_secs(5), ..Options::default() };
    let error = PostgresStore::open(&Target::parse(url).unwrap(), options).await.err().expect("must be refused");
    assert!(!error.hint().is_empty() && !error.to_string().contains("hunter2"), "{error}");
    error
}

#[tokio::test]
async fn what_is_in_the_way_is_told_with_a_remedy() {
    let database = Server::shared().database();
    let (port, name) = (database.server.port(), &database.name);
    let role = format!("r{}", &name[2..10]);
    database.server.sql("postgres", &format!("CREATE ROLE {role} LOGIN CONNECTION LIMIT 0"));
    database.server.try_sql("postgres", "CREATE ROLE guest LOGIN PASSWORD 'right'").ok();
    let at = |user: &str, database: &str| format!("postgres://{user}@127.0.0.1:{port}/{database}?sslmode=disable");
    assert!(matches!(refused(&at("guest:hunter2", name)).await.problem, OpenProblem::Credentials(_)));
    assert!(matches!(refused(&at("postgres", "nowhere")).await.problem, OpenProblem::NoDatabase(_)));
    assert!(matches!(refused(&at(&role, name)).await.problem, OpenProblem::TooManyConnections(_)));
    assert!(matches!(refused(&at("guest:right", name)).await.problem, OpenProblem::Forbidden(_)));
    let nobody = refused("postgres://postgres@127.0.0.1:1/postern").await;
    assert!(matches!(nobody.problem, OpenProblem::Unreachable(_)) && nobody.to_string().contains("127.0.0.1:1"));
    let tls = refused(&format!("postgres://postgres@127.0.0.1:{port}/{name}?sslmode=verify-full")).await;
    assert!(matches!(tls.problem, OpenProblem::Tls(_)), "{tls}");
    database.server.sql("postgres", &format!("DROP ROLE {role}"));
}

/// With the authority at hand every connection is encrypted, the feed's too; another's certificate, or another name, is refused.
#[tokio::test]
async fn connections_are_encrypted_and_the_server_is_known_by_its_certificate() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    authority.sign("server", &["localhost"]);
    let server = Server::own();
    server.encrypt(&authority, "server");
    let url = |host: &str, authority: &Authority| {
        let port = server.port();
        let ca = authority.file("ca.pem");
        format!("postgres://postgres@{host}:{port}/postern?sslmode=verify-full&sslrootcert={}", ca.display())
    };
    let store = open_postgres(&url("localhost", &authority)).await;
    user(&store, "ann").await;
    store.directory().position().await.unwrap();
    let plain = "SELECT count(*) FILTER (WHERE ssl)::text || ' of ' || count(*)::text FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                 WHERE application_name = 'postern'";
    let encrypted = server.text("postern", plain);
    assert!(encrypted == "2 of 2", "{encrypted}");
    for url in [url("localhost", &stranger), url("127.0.0.1", &authority)] {
        let error = refused(&url).await;
        assert!(matches!(error.problem, OpenProblem::Tls(_)), "{error}");
    }
}

/// A database without a schema, gone with the test.
fn empty() -> Database {
    let database = Server::shared().database();
    database.server.sql(&database.name, "DROP SCHEMA public CASCADE");
    database.server.sql(&database.name, "CREATE SCHEMA public");
    database
}

#[tokio::test]
async fn ten_replicas_may_start_at_once() {
    let database = empty();
    let target = Target::parse(&database.url()).unwrap();
    assert!(status(&target, &Options::default()).await.unwrap().iter().all(|step| step.applied.is_none()));
    let starts: Vec<_> = (0..10)
        .map(|_| {
            let target = target.clone();
            tokio::spawn(async move { migrate(&target, &Options::default()).await.unwrap().len() })
        })
        .collect();
    let mut applied = Vec::new();
    for start in starts {
        applied.push(start.await.unwrap());
    }
    assert_eq!(applied.iter().sum::<usize>(), MIGRATIONS.len(), "one of them did all of it");
    assert!(status(&target, &Options::default()).await.unwrap().iter().all(|step| step.applied.is_some()));
}

#[tokio::test]
async fn a_schema_that_postern_does_not_know_is_refused() {
    let database = Server::shared().database();
    let sql = |sql: &str| database.server.sql(&database.name, sql);
    let problem = async || refused(&database.url()).await.problem;
    sql("INSERT INTO schema_migrations VALUES (99, 'future', 'x', 0)");
    assert!(matches!(problem().await, OpenProblem::Schema(MigrateError::Mismatch(Mismatch::Newer { found: 99, .. }))));
    sql(
        "DELETE FROM schema_migrations WHERE version = 99; UPDATE schema_migrations SET checksum = 'x' WHERE version = 1",
    );
    assert!(matches!(problem().await, OpenProblem::Schema(MigrateError::Mismatch(Mismatch::Changed { version: 1 }))));
    sql("DROP TABLE schema_migrations");
    assert!(matches!(problem().await, OpenProblem::Schema(MigrateError::Foreign)));
}

/// What docs/postgresql.md has operators do, done; and what the role that runs may do then, and may not.
#[tokio::test]
async fn the_documented_roles_are_enough_and_no_more() {
    let server = Server::own();
    let page = include_str!("../../../docs/postgresql.md");
    let blocks: Vec<_> = page.split("```sql\n").skip(1).map(|block| block.split("```").next().unwrap()).collect();
    for statement in blocks[0].split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
        let statement = statement.replace("\\connect postern\n", "");
        if !statement.starts_with("CREATE DATABASE") {
            server.sql("postern", &statement);
        }
    }
    // The test's database is there already.
    server.sql("postern", "ALTER DATABASE postern OWNER TO postern_owner");
    server.sql("postern", "GRANT CREATE ON SCHEMA public TO postern_owner; REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    let as_role = |role: &str| server.url("postern").replace("postgres@", &format!("{role}@"));
    let pending = refused(&as_role("postern")).await;
    assert!(matches!(pending.problem, OpenProblem::Schema(MigrateError::Forbidden { .. })), "{pending}");
    migrate(&Target::parse(&as_role("postern_owner")).unwrap(), &Options::default()).await.unwrap();
    // What the doctor will say of the last step, where it is forgotten.
    let running = Target::parse(&as_role("postern")).unwrap();
    let surplus = async || inspect(&running, &Options::default()).await.unwrap().surplus;
    let found = surplus().await;
    assert!(found.len() == 15 && found.contains(&"UPDATE on settings".to_owned()), "{found:?}");
    server.sql("postern", blocks[1]);
    assert_eq!(surplus().await, Vec::<String>::new());

    let store = open_postgres(&as_role("postern")).await;
    let at = store.directory().position().await.unwrap();
    let ann = user(&store, "ann").await.id;
    super::organization(&store, "Acme").await;
    super::join(&store, "acme", "ann", true).await;
    let (secret, record) = token(&store, "ann").await;
    store.directory().touch_tokens(&[(record.id, 5)]).await.unwrap();
    assert!(store.directory().token_snapshot(&secret.digest()).await.unwrap().is_some());
    assert!(look(&store, &at).await.changes.contains(&Change::User(ann)));
    let role = connect(&as_role("postern")).await;
    role.batch_execute("SELECT trim_changes(); UPDATE users SET is_staff = true").await.unwrap();
    for forbidden in [
        "DELETE FROM changes",
        "INSERT INTO changes (kind) VALUES ('everything')",
        "UPDATE settings SET value = ''",
        "DELETE FROM schema_migrations",
        "UPDATE totals SET number = 0",
        "ALTER TABLE users DISABLE TRIGGER ALL",
        "CREATE TABLE mine (x int)",
        "DROP TABLE users",
    ] {
        assert!(role.batch_execute(forbidden).await.is_err(), "{forbidden}");
    }
}
