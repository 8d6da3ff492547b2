//! Private PostgreSQL servers: a shared one for the tests of one run, in which every test has a database of its own, and
//! servers that belong to one test, to be stopped and restarted.
//!
//! A server runs as the user `postgres` where the tests run as root, listens on a loopback port and a Unix socket, and trusts
//! whoever can reach it, but for the role `guest`, which needs a password. It ends, by its process id, with the test or the
//! run that it was started for, and its directory goes with it.

use std::net::TcpListener;
use std::os::unix::process::{CommandExt, parent_id};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;
use tokio_postgres::NoTls;

/// A running server.
pub struct Server {
    directory: PathBuf,
    port: u16,
    /// Its directory, where it belongs to one test.
    own: Option<TempDir>,
}

/// Where the server's programs are: of the newest version that is installed, or those in the path.
fn program(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<_> = versions.map(|v| v.path().join("bin").join(name)).filter(|path| path.exists()).collect();
    found.sort();
    found.pop().unwrap_or_else(|| name.into())
}

/// The user and group that a server runs as: not root, which it refuses.
fn unprivileged() -> Option<(u32, u32)> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let root = status.lines().any(|line| line.starts_with("Uid:\t0\t"));
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let of = |name: &str| {
        let line = users.lines().find(|line| line.starts_with(&format!("{name}:")))?;
        let fields: Vec<_> = line.split(':').collect();
        Some((fields[2].parse().unwrap(), fields[3].parse().unwrap()))
    };
    root.then(|| of("postgres").or_else(|| of("nobody")).expect("a user for PostgreSQL"))
}

/// A new directory, in which a server may write.
pub fn belongs_to_the_server(directory: &Path, own: Option<&TempDir>) {
    std::fs::create_dir_all(directory).unwrap();
    let Some((user, group)) = unprivileged() else { return };
    for path in [Some(directory), own.map(TempDir::path)].into_iter().flatten() {
        std::os::unix::fs::chown(path, Some(user), Some(group)).unwrap();
    }
}

/// A program of PostgreSQL's, or that keeps it company, as the user that it runs as.
pub fn command(name: &str) -> Command {
    let mut command = Command::new(program(name));
    if let Some((user, group)) = unprivileged() {
        command.uid(user).gid(group);
    }
    // Of no process group of ours: the end of a test must not look like the end of the server.
    command.current_dir("/").stdin(Stdio::null()).process_group(0);
    command
}

impl Server {
    /// The server that all tests of this run share.
    pub fn shared() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(|| {
            // nextest runs each test in a process of its own, all of them its children.
            let runner = if std::env::var_os("NEXTEST").is_some() { parent_id() } else { std::process::id() };
            let directory = std::env::temp_dir().join(format!("postern-pg-{runner}"));
            let lock = std::fs::File::create(directory.with_extension("lock")).unwrap();
            lock.lock().unwrap();
            if !directory.join("ready").exists() {
                let _ = std::fs::remove_dir_all(&directory);
                std::fs::create_dir(&directory).unwrap();
                let server = Self::make(&directory, None, "");
                server.end_with(runner);
                server.sql("postgres", "CREATE DATABASE template_postern");
                server.migrated("template_postern");
                std::fs::write(directory.join("ready"), server.port.to_string()).unwrap();
            }
            let port = std::fs::read_to_string(directory.join("ready")).unwrap().parse().unwrap();
            Self { directory, port, own: None }
        })
    }

    /// A server for one test alone, with an empty database `postern`.
    pub fn own() -> Self {
        Self::own_with("")
    }

    /// The same, with these lines in its configuration.
    pub fn own_with(settings: &str) -> Self {
        let home = TempDir::new().unwrap();
        let server = Self::make(&home.path().join("server"), Some(home), settings);
        server.sql("postgres", "CREATE DATABASE postern");
        server
    }

    /// A standby that follows this one, until it is [promoted](Self::promote).
    pub fn standby(&self) -> Self {
        let home = TempDir::new().unwrap();
        let directory = home.path().join("server");
        belongs_to_the_server(&directory, Some(&home));
        let data = directory.join("data");
        let copied = command("pg_basebackup")
            .args(["-h", "127.0.0.1", "-U", "postgres", "-c", "fast", "-R", "-p", &self.port.to_string(), "-D"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(copied.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&copied.stderr));
        let port = super::free_port();
        let mut all = std::fs::read_to_string(data.join("postgresql.conf")).unwrap();
        all += &format!("port = {port}\nunix_socket_directories = '{}'\n", directory.display());
        std::fs::write(data.join("postgresql.conf"), all).unwrap();
        let server = Self { directory, port, own: Some(home) };
        server.start();
        server
    }

    /// Makes a standby the primary.
    pub fn promote(&self) {
        self.control(&["promote", "-w", "-s"]);
    }

    /// Turns TLS on, with the certificate that an authority has signed under this name.
    pub fn encrypt(&self, authority: &super::tls::Authority, name: &str) {
        for (ending, file) in [("crt", "server.crt"), ("key", "server.key")] {
            let to = self.directory.join("data").join(file);
            std::fs::copy(authority.file(&format!("{name}.{ending}")), &to).unwrap();
            std::fs::set_permissions(&to, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
            if let Some((user, group)) = unprivileged() {
                std::os::unix::fs::chown(&to, Some(user), Some(group)).unwrap();
            }
        }
        self.sql("postgres", "ALTER SYSTEM SET ssl = on");
        self.sql("postgres", "SELECT pg_reload_conf()");
    }

    fn make(directory: &Path, own: Option<TempDir>, settings: &str) -> Self {
        belongs_to_the_server(directory, own.as_ref());
        let data = directory.join("data");
        let made = command("initdb")
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", "-D"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let hba = data.join("pg_hba.conf");
        let trusting = std::fs::read_to_string(&hba).unwrap();
        std::fs::write(&hba, format!("host all guest all scram-sha-256\nlocal all guest scram-sha-256\n{trusting}"))
            .unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{}'\nfsync = off\n\
             full_page_writes = off\nmax_connections = 400\nshared_buffers = 32MB\n\
             autovacuum = off\nlog_destination = stderr\n{settings}\n",
            directory.display()
        );
        let mut all = std::fs::read_to_string(data.join("postgresql.conf")).unwrap();
        all += &settings;
        std::fs::write(data.join("postgresql.conf"), all).unwrap();
        let server = Self { directory: directory.to_owned(), port, own };
        server.start();
        server
    }

    /// Starts it, after [`Server::stop`].
    pub fn start(&self) {
        self.control(&["start", "-w", "-t", "60", "-s"]);
    }

    /// Stops it, and drops whoever is connected.
    pub fn stop(&self) {
        self.control(&["stop", "-m", "immediate", "-w", "-s"]);
    }

    fn control(&self, args: &[&str]) {
        let log = self.directory.join("log");
        let mut command = command("pg_ctl");
        command.args(args).arg("-D").arg(self.directory.join("data")).arg("-l").arg(&log);
        // What the server inherits must not be what the runner waits for.
        let done = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        let said = || std::fs::read_to_string(&log).unwrap_or_default();
        assert!(done.success(), "pg_ctl {args:?}: {}", said());
    }

    /// Somebody who outlives the tests ends the server when `runner` is gone.
    fn end_with(&self, runner: u32) {
        let directory = self.directory.display();
        let script = format!(
            "while kill -0 {runner} 2>/dev/null; do sleep 1; done; kill -QUIT $(head -1 {directory}/data/postmaster.pid); \
             sleep 1; rm -rf {directory} {directory}.lock"
        );
        let mut watch = Command::new("sh");
        watch.args(["-c", &script]).current_dir("/").process_group(0);
        watch.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        // It outlives this process, so nobody waits for it.
        drop(std::thread::spawn(move || watch.spawn().unwrap().wait()));
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.directory.join("log")).unwrap()).into_owned()
    }

    /// How often the gateway's question about a credential was asked so far, with `log_statement = all`.
    pub fn questions(&self) -> usize {
        self.log().matches("WITH who AS MATERIALIZED").count()
    }

    /// A connection that stays, as another program has it.
    pub fn session(&self, database: &str) -> Session {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&self.url(database), NoTls).await.unwrap();
            tokio::spawn(connection);
            client
        });
        Session { client, runtime }
    }

    /// The URL of one of its databases, for the owner of everything.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}?sslmode=disable", self.port)
    }

    /// Its port on the loopback interface.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Every byte of the tables of one of its databases, as it is on disk.
    pub fn bytes(&self, database: &str) -> Vec<u8> {
        self.sql(database, "CHECKPOINT");
        let oid = self.text(database, "SELECT oid::text FROM pg_database WHERE datname = current_database()");
        let files = std::fs::read_dir(self.directory.join("data/base").join(oid)).unwrap();
        let ours = |file: &std::fs::DirEntry| {
            let name = file.file_name().to_string_lossy().into_owned();
            name.parse::<u32>().is_ok_and(|number| number >= 16384)
        };
        files.flatten().filter(ours).flat_map(|file| std::fs::read(file.path()).unwrap()).collect()
    }

    /// Runs statements on a connection of their own.
    pub fn sql(&self, database: &str, sql: &str) {
        self.try_sql(database, sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The same; why the server refused.
    pub fn try_sql(&self, database: &str, sql: &str) -> Result<(), String> {
        let sql = sql.to_owned();
        on_a_connection(&self.url(database), async move |db| db.batch_execute(&sql).await)
    }

    /// Runs one statement; how many rows it changed.
    pub fn execute(&self, database: &str, sql: &str) -> Result<u64, String> {
        let sql = sql.to_owned();
        on_a_connection(&self.url(database), async move |db| db.execute(&sql, &[]).await)
    }

    /// The one text that a query gives.
    pub fn text(&self, database: &str, sql: &str) -> String {
        let sql = sql.to_owned();
        on_a_connection(&self.url(database), async move |db| db.query_one(&sql, &[]).await?.try_get(0)).unwrap()
    }

    /// Brings a database's schema up to date.
    pub fn migrated(&self, database: &str) {
        use postern::directory::postgres::{Options, Target, migrate};
        let target = Target::parse(&self.url(database)).unwrap();
        let run = async move { migrate(&target, &Options::default()).await.map(drop).map_err(|e| e.to_string()) };
        in_a_runtime(run).unwrap();
    }

    /// A new database with an up-to-date schema and nothing else; the shared server's only.
    pub fn database(&'static self) -> Database {
        let name = format!("t_{}", uuid::Uuid::new_v4().simple());
        self.sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE template_postern"));
        Database { server: self, name }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A test may have stopped it already.
        if self.own.is_some() && self.directory.join("data/postmaster.pid").exists() {
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.stop()));
        }
    }
}

/// A connection of another program's, for one statement after the other.
pub struct Session {
    client: tokio_postgres::Client,
    runtime: tokio::runtime::Runtime,
}

impl Session {
    /// Runs statements, in a transaction of their own.
    pub fn run(&self, sql: &str) {
        self.runtime.block_on(self.client.batch_execute(sql)).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
}

/// A database of the shared server, dropped with the test.
pub struct Database {
    /// Where it is.
    pub server: &'static Server,
    /// Its name.
    pub name: String,
}

impl Database {
    /// Its URL.
    pub fn url(&self) -> String {
        self.server.url(&self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let _ = self.server.try_sql("postgres", &format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

/// Runs something to its end, whatever runtime the caller is on.
fn in_a_runtime<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let run = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work);
    std::thread::spawn(run).join().unwrap()
}

fn on_a_connection<T: Send + 'static>(
    url: &str,
    work: impl AsyncFnOnce(&tokio_postgres::Client) -> Result<T, tokio_postgres::Error> + Send + 'static,
) -> Result<T, String> {
    let url = url.to_owned();
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (db, connection) = tokio_postgres::connect(&url, NoTls).await?;
            let driver = tokio::spawn(connection);
            let done = work(&db).await;
            drop(db);
            let _ = driver.await;
            done
        })
    };
    let done: Result<T, tokio_postgres::Error> = std::thread::spawn(run).join().unwrap();
    done.map_err(|error| error.as_db_error().map_or_else(|| error.to_string(), |db| db.message().to_owned()))
}
