//! A MariaDB of one test's own, on a loopback port and a Unix socket. `root` needs no password, `reader` may read, and has one.
//!
//! It runs as the user that PostgreSQL runs as: not root, which it refuses.

use super::postgres::{belongs_to_the_server, command};
use super::{eventually_within, free_port};
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// A running server; it is killed when dropped.
pub struct MariaDb {
    home: TempDir,
    port: u16,
    options: Vec<String>,
    child: Option<Child>,
}

impl MariaDb {
    /// With an empty database `legacy`.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// The same, with these arguments.
    pub fn with(options: &[String]) -> Self {
        let home = TempDir::new().unwrap();
        belongs_to_the_server(&home.path().join("data"), Some(&home));
        let mut server = Self { home, port: free_port(), options: options.to_vec(), child: None };
        let made = command("mariadb-install-db")
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--datadir"])
            .arg(server.home.path().join("data"))
            .args(["--innodb-flush-method=nosync", "--innodb-log-file-size=4M", "--innodb-buffer-pool-size=8M"])
            .output()
            .expect("mariadb-install-db (scripts/test.sh installs it)");
        assert!(made.status.success(), "mariadb-install-db: {}", String::from_utf8_lossy(&made.stderr));
        server.up();
        server.sql(
            "CREATE DATABASE legacy CHARACTER SET utf8mb4;
             CREATE USER reader IDENTIFIED BY 'reads, only';
             GRANT SELECT, EXECUTE ON legacy.* TO reader",
        );
        server
    }

    /// Starts it, after [`Self::down`].
    pub fn up(&mut self) {
        // Debian's place is not in everybody's path.
        let there = std::path::Path::new("/usr/sbin/mariadbd");
        let mut command = command(if there.exists() { "/usr/sbin/mariadbd" } else { "mariadbd" });
        command
            .args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve", "--innodb-flush-method=nosync"])
            .args(["--innodb-log-file-size=4M", "--innodb-buffer-pool-size=8M", "--performance-schema=off"])
            .arg(format!("--datadir={}", self.home.path().join("data").display()))
            .arg(format!("--socket={}", self.socket().display()))
            .arg(format!("--pid-file={}", self.home.path().join("data/pid").display()))
            .arg(format!("--port={}", self.port))
            .args(&self.options);
        let log = std::fs::File::create(self.home.path().join("log")).unwrap();
        self.child = Some(command.stdout(Stdio::null()).stderr(log).spawn().unwrap());
        eventually_within(Duration::from_secs(30), "MariaDB answers", || self.try_sql("SELECT 1").ok());
    }

    /// Kills it, as a power cut does.
    pub fn down(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// The URL of its database for this account, at its port.
    pub fn url(&self, account: &str) -> String {
        format!("mysql://{account}@127.0.0.1:{}/legacy", self.port)
    }

    pub fn socket(&self) -> PathBuf {
        self.home.path().join("socket")
    }

    /// Runs statements on a connection of their own.
    pub fn sql(&self, sql: &str) {
        self.try_sql(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The one number that a query gives.
    pub fn number(&self, sql: &str) -> i64 {
        let sql = sql.to_owned();
        self.on_a_connection(async move |db| db.query_first(sql).await).unwrap().unwrap()
    }

    fn try_sql(&self, sql: &str) -> Result<(), String> {
        let sql = sql.to_owned();
        self.on_a_connection(async move |db| db.query_drop(sql).await)
    }

    fn on_a_connection<T: Send + 'static>(
        &self,
        work: impl AsyncFnOnce(&mut Conn) -> Result<T, mysql_async::Error> + Send + 'static,
    ) -> Result<T, String> {
        let options = OptsBuilder::default().user(Some("root")).socket(Some(self.socket().display().to_string()));
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut connection = Conn::new(options).await?;
                // Not there yet in a server that is new.
                let _ = connection.query_drop("USE legacy").await;
                let done = work(&mut connection).await;
                connection.disconnect().await?;
                done
            })
        };
        std::thread::spawn(run).join().unwrap().map_err(|error| error.to_string())
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        self.down();
    }
}
