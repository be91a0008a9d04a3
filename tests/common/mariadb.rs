//! A MariaDB server of the test's own: its own folder, its own port, never the machine's.

use super::gate::unused_address;
use super::process::Process;
use super::{PATIENCE, eventually};
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// The user, with all rights, and its password.
pub(crate) const USER: &str = "wicketgate";
pub(crate) const PASSWORD: &str = "of the test";
/// The database, empty at first.
pub(crate) const DATABASE: &str = "wicketgate";

/// A running server.
pub(crate) struct MariaDb {
    process: Option<Process>,
    address: SocketAddr,
    folder: TempDir,
}

impl MariaDb {
    /// Makes the server's files and starts it.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let output = program("mariadb-install-db")
            .args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"])
            .arg(format!("--datadir={}", folder.path().join("data").display()))
            .args(as_root())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let setup = format!(
            "CREATE DATABASE {DATABASE};\nCREATE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\n\
             GRANT ALL ON {DATABASE}.* TO '{USER}'@'%';\n"
        );
        std::fs::write(folder.path().join("setup.sql"), setup).unwrap();
        let mut server = Self { process: None, address: unused_address(), folder };
        server.serve(true);
        server
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The value of `accounts.mysql` that leads here; it wants a file `db.password` beside the configuration.
    pub(crate) fn configuration(&self) -> String {
        let address = self.address;
        format!("{{ servers: [\"{address}\"], database: {DATABASE}, user: {USER}, password: {{ file: db.password }} }}")
    }

    /// Ends the server. Its files stay.
    pub(crate) fn stop(&mut self) {
        let mut process = self.process.take().unwrap();
        process.signal("TERM");
        process.wait(PATIENCE).unwrap();
    }

    /// Starts it again after [`MariaDb::stop`].
    pub(crate) fn start_again(&mut self) {
        self.serve(false);
    }

    fn serve(&mut self, first: bool) {
        let folder = self.folder.path();
        let mut command = program("mariadbd");
        command
            .arg("--no-defaults")
            .arg(format!("--datadir={}", folder.join("data").display()))
            .arg(format!("--socket={}", folder.join("socket").display()))
            .arg(format!("--pid-file={}", folder.join("pid").display()))
            .arg(format!("--bind-address={}", self.address.ip()))
            .arg(format!("--port={}", self.address.port()))
            .args(["--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve"])
            .args(as_root());
        if first {
            command.arg(format!("--init-file={}", folder.join("setup.sql").display()));
        }
        let mut process = Process::start(&mut command);
        eventually("MariaDB to be ready", || {
            assert!(process.ended().is_none(), "mariadbd ended at once:\n{}", process.output());
            process.output().contains("ready for connections").then_some(())
        });
        self.process = Some(process);
    }

    /// Runs statements in the database as its administrator and gives what they print.
    pub(crate) fn sql(&self, statements: &str) -> String {
        let output = program("mariadb")
            .args(["--no-defaults", "--batch", "--skip-column-names", "--user=root", DATABASE, "--execute", statements])
            .arg(format!("--socket={}", self.folder.path().join("socket").display()))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(output.status.success(), "{statements}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// A program that may live in a folder for administrators.
fn program(name: &str) -> Command {
    let mut command = Command::new("env");
    let path = std::env::var("PATH").unwrap_or_default();
    command.arg(format!("PATH={path}:/usr/local/sbin:/usr/sbin:/sbin")).arg(name);
    command
}

/// MariaDB does not run as root unless it is told to.
fn as_root() -> Option<&'static str> {
    (std::fs::metadata("/proc/self").unwrap().uid() == 0).then_some("--user=root")
}
