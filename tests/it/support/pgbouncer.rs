//! A PgBouncer of one test's own, in transaction mode: a few connections to the server, which all its clients share.

use super::postgres::{Server, command};
use super::{eventually, free_port};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use tempfile::TempDir;

/// A running pgbouncer; it is killed when dropped.
pub struct PgBouncer {
    child: Child,
    _directory: TempDir,
    port: u16,
}

impl PgBouncer {
    /// Before the database `postern` of a server.
    pub fn before(server: &Server) -> Self {
        let directory = TempDir::new().unwrap();
        let port = free_port();
        let path = directory.path();
        let config = format!(
            "[databases]\npostern = host=127.0.0.1 port={} dbname=postern\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {}/users.txt\npool_mode = transaction\n\
             default_pool_size = 3\n",
            server.port(),
            path.display()
        );
        std::fs::write(path.join("pgbouncer.ini"), config).unwrap();
        std::fs::write(path.join("users.txt"), "\"postgres\" \"\"\n").unwrap();
        // It reads its files as another user.
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        // Debian's place is not in everybody's path.
        let there = Path::new("/usr/sbin/pgbouncer");
        let program = if there.exists() { "/usr/sbin/pgbouncer" } else { "pgbouncer" };
        let mut command = command(program);
        let child =
            command.arg("-q").arg(path.join("pgbouncer.ini")).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.expect("pgbouncer (scripts/test.sh installs it)");
        eventually("PgBouncer listens", || TcpStream::connect(("127.0.0.1", port)).ok());
        Self { child, _directory: directory, port }
    }

    /// The database's URL, through it.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postern?sslmode=disable", self.port)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
