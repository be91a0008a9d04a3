//! A MariaDB server (or a MySQL server in its place) of the tests' own, never the machine's: in a temporary folder, on a loopback address,
//! as the user who runs the tests. It does not outlive them, however they end: a shell stands between,
//! which ends the server when the pipe from the test process is closed.

use super::gate::unused_address;
use super::{PATIENCE, eventually};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The user of [`DATABASE`], with all rights in it, and its password.
pub(crate) const USER: &str = "wicketgate";
pub(crate) const PASSWORD: &str = "of the test";
/// A database, empty at first.
pub(crate) const DATABASE: &str = "wicketgate";

/// Ends the server (and with the pipe closed removes its folder too) when told to by the pipe.
const GUARD: &str = r#"
directory=$1; shift
"$@" >"$directory/server.log" 2>&1 &
server=$!
if read -r _; then
    kill "$server"; wait "$server"
else
    kill -KILL "$server"; wait "$server"; rm -rf "$directory"
fi
"#;

/// A server, and the folder it keeps everything in.
pub(crate) struct MariaDb {
    directory: PathBuf,
    address: SocketAddr,
    guard: Option<Child>,
    runs_as: RunsAs,
    /// Options that stand after all others.
    pub(super) options: Vec<String>,
}

/// Whose the server's process and files are when the tests are run by root. Everybody else runs it as themselves.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum RunsAs {
    /// As root, like the tests.
    Tests,
    /// As the user `mysql`, whom Debian's package makes: what passes a node's state on would give root's rights away.
    Mysql,
}

/// Another database on a server, empty, with a user of its own who may do everything in it.
pub(crate) struct Database {
    pub(crate) name: String,
    pub(crate) user: String,
    pub(crate) password: String,
}

impl MariaDb {
    /// The server that all tests of one test binary share.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<MariaDb> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Makes a server's files and starts it: for one test, which may stop it.
    pub(crate) fn start() -> Self {
        let mut server = Self::prepare(RunsAs::Tests);
        server.start_again();
        server.make_database();
        server
    }

    /// The files of a server that has never run.
    pub(super) fn prepare(runs_as: RunsAs) -> Self {
        let server = Self::in_new_folder(runs_as);
        make_certificates(&server.directory, server.address);
        server.give_files_away();
        let mut preparing = match server.mysql() {
            Some(mysqld) => program(&mysqld),
            None => program("mariadb-install-db"),
        };
        preparing.arg("--no-defaults").args(server.shared_arguments());
        preparing.args(match server.mysql() {
            Some(_) => &["--initialize-insecure"][..],
            None => &["--auth-root-authentication-method=normal", "--skip-test-db"],
        });
        let output = preparing.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        server
    }

    /// The files of another one, which is stopped, for a server with another address of the same machine: all
    /// addresses of one test process differ in their port alone, so that the certificates are good for both.
    pub(super) fn copy(&self) -> Self {
        assert!(self.guard.is_none(), "the files of a running server are not whole");
        let copy = Self::in_new_folder(self.runs_as);
        let from = self.directory.join(".");
        assert!(Command::new("cp").arg("-R").arg(from).arg(&copy.directory).status().unwrap().success());
        copy.give_files_away();
        copy
    }

    fn in_new_folder(runs_as: RunsAs) -> Self {
        let directory = tempfile::Builder::new().prefix("wicketgate-mariadb-").tempdir().unwrap().keep();
        Self { directory, address: unused_address(), guard: None, runs_as, options: Vec::new() }
    }

    /// The program of a MySQL server that takes MariaDB's place, which `tests/mysql.sh` names. Galera is MariaDB's.
    fn mysql(&self) -> Option<String> {
        std::env::var("WICKETGATE_TEST_MYSQLD").ok().filter(|_| self.runs_as == RunsAs::Tests)
    }

    fn give_files_away(&self) {
        if self.runs_as == RunsAs::Mysql && is_root() {
            assert!(Command::new("chown").args(["-R", "mysql"]).arg(&self.directory).status().unwrap().success());
        }
    }

    /// Makes [`DATABASE`] and its [`USER`].
    pub(super) fn make_database(&self) {
        self.administer(&format!(
            "CREATE DATABASE {DATABASE}; CREATE USER {USER} IDENTIFIED BY '{PASSWORD}'; \
             GRANT ALL ON {DATABASE}.* TO {USER};"
        ));
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The value of `accounts.mysql` that leads to [`DATABASE`]; it wants a file `db.password` beside the
    /// configuration.
    pub(crate) fn configuration(&self) -> String {
        let address = self.address;
        format!("{{ servers: [\"{address}\"], database: {DATABASE}, user: {USER}, password: {{ file: db.password }} }}")
    }

    /// Starts the server after [`MariaDb::stop`], on the same address.
    pub(crate) fn start_again(&mut self) {
        self.spawn();
        eventually("MariaDB to be ready", || {
            self.require_running();
            self.greets().then_some(())
        });
    }

    /// Starts the server and does not wait for it.
    pub(super) fn spawn(&mut self) {
        let mut guard = program("sh");
        let server = self.mysql().unwrap_or_else(|| "mariadbd".to_owned());
        guard.args(["-c", GUARD, "sh"]).arg(&self.directory).args([&server, "--no-defaults"]);
        guard.args(self.shared_arguments()).args([
            format!("--bind-address={}", self.address.ip()),
            format!("--port={}", self.address.port()),
            format!("--socket={}", self.socket().display()),
            format!("--pid-file={}", self.process_file().display()),
            "--skip-name-resolve".to_owned(),
            "--performance-schema=OFF".to_owned(),
            "--innodb-flush-log-at-trx-commit=0".to_owned(),
            // As unhelpful as a server can be set up: nothing may depend on its defaults.
            "--character-set-server=latin1".to_owned(),
            "--sql-mode=".to_owned(),
            format!("--ssl-ca={}", self.tls("ca.pem").display()),
            format!("--ssl-cert={}", self.tls("server.pem").display()),
            format!("--ssl-key={}", self.tls("server.key").display()),
        ]);
        guard.args(&self.options);
        guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // One that was killed has left it behind.
        let _ = std::fs::remove_file(self.process_file());
        self.guard = Some(guard.spawn().unwrap());
    }

    /// Fails the test, with what the server wrote, if the server has ended by itself.
    pub(super) fn require_running(&mut self) {
        let ended = self.guard.as_mut().is_none_or(|guard| guard.try_wait().unwrap().is_some());
        assert!(!ended && !self.has_died(), "mariadbd has ended:\n{}", self.log());
    }

    /// Whether it began and is no more; the shell that guards it waits for the test to say what then.
    fn has_died(&self) -> bool {
        self.id().is_some_and(|id| !Path::new(&format!("/proc/{id}/cwd")).exists())
    }

    /// What the server wrote since it was started.
    pub(super) fn log(&self) -> String {
        let log = std::fs::read(self.directory.join("server.log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    fn process_file(&self) -> PathBuf {
        self.directory.join("server.pid")
    }

    /// The process id of the server, once it has begun.
    fn id(&self) -> Option<u32> {
        std::fs::read_to_string(self.process_file()).ok()?.trim().parse().ok()
    }

    /// Sends the server a signal by its name, `KILL`, `STOP` or `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.id().unwrap().to_string();
        assert!(Command::new("kill").args([format!("-{name}"), id]).status().unwrap().success(), "{name}");
    }

    /// Runs the server's program over its files with an option that has it end by itself, and gives what it said.
    pub(super) fn consult(&self, option: &str) -> String {
        let output = program("mariadbd")
            .arg("--no-defaults")
            .args(self.shared_arguments())
            .args(&self.options)
            .arg(option)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Starts the server anew with other options beside the usual ones.
    pub(crate) fn restart_with(&mut self, options: &[&str]) {
        self.stop();
        self.options = options.iter().map(|option| (*option).to_owned()).collect();
        self.start_again();
    }

    /// Stops the server and keeps its data.
    pub(crate) fn stop(&mut self) {
        if let Some(mut guard) = self.guard.take() {
            if !self.has_died() && self.id().is_some() {
                // One that was frozen would not hear that it shall end.
                self.signal("CONT");
            }
            guard.stdin.take().unwrap().write_all(b"stop\n").unwrap();
            guard.wait().unwrap();
        }
    }

    /// Another database.
    pub(crate) fn database(&self) -> Database {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let database = Database {
            name: format!("test_{number}"),
            user: format!("user_{number}"),
            password: format!("password {number}"),
        };
        let Database { name, user, password } = &database;
        self.administer(&format!(
            "CREATE DATABASE {name}; CREATE USER {user} IDENTIFIED BY '{password}'; GRANT ALL ON {name}.* TO {user};"
        ));
        database
    }

    /// Runs statements in [`DATABASE`] as the server's administrator, and gives what they print: a line for
    /// each row, columns separated by tabs, without a head.
    pub(crate) fn sql(&self, statements: &str) -> String {
        self.administer(&format!("USE {DATABASE}; {statements}"))
    }

    /// Runs statements as the server's administrator, in no database.
    pub(crate) fn administer(&self, statements: &str) -> String {
        self.run(statements).unwrap_or_else(|why| panic!("{statements}: {why}"))
    }

    /// The same, or nothing if the server refuses or does not answer.
    pub(super) fn try_administer(&self, statements: &str) -> Option<String> {
        self.run(statements).ok()
    }

    fn run(&self, statements: &str) -> Result<String, String> {
        let mut client = program("mariadb")
            .args(["--no-defaults", "--user=root", "--batch", "--skip-column-names"])
            .args(["--default-character-set=utf8mb4".to_owned(), format!("--socket={}", self.socket().display())])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // One that could not connect reads nothing.
        let _ = client.stdin.take().unwrap().write_all(statements.as_bytes());
        let output = client.wait_with_output().unwrap();
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).unwrap())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    /// A file of the test's authority: `ca.pem`, `server.pem`, `server.key`, `client.pem`, `client.key`,
    /// and `other-ca.pem`, which has signed `stranger.pem` and no other. The server's certificate is for its
    /// address and `localhost`, that of `nameless.pem` for nobody; the client's subject is `CN=gate`, the one of
    /// `other.pem` and `stranger.pem` `CN=other`. Each has its key beside it.
    pub(crate) fn tls(&self, file: &str) -> PathBuf {
        self.directory.join(file)
    }

    /// What the server and the program that prepares its folder are both told.
    fn shared_arguments(&self) -> Vec<String> {
        let mut arguments = vec![
            format!("--datadir={}", self.directory.join("data").display()),
            // Temporary tables are named after process ids, of which containers that share /tmp may have the same.
            format!("--tmpdir={}", self.directory.display()),
            "--innodb-buffer-pool-size=16M".to_owned(),
            "--loose-innodb-log-file-size=8M".to_owned(),
            "--innodb-use-native-aio=0".to_owned(),
        ];
        // MariaDB does not run as root unless it is told to.
        match self.runs_as {
            RunsAs::Mysql if is_root() => arguments.push("--user=mysql".to_owned()),
            RunsAs::Tests if is_root() => arguments.push("--user=root".to_owned()),
            RunsAs::Mysql | RunsAs::Tests => {}
        }
        arguments
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.join("server.sock")
    }

    /// Whether the server greets: its first packet begins with a length and the number 0.
    fn greets(&self) -> bool {
        let Ok(mut connection) = TcpStream::connect(self.address) else { return false };
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut head = [0xff; 4];
        connection.read_exact(&mut head).is_ok() && head[3] == 0
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        self.stop();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Whether the tests are run by root.
fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// A program, which may call others that live in a folder for administrators.
fn program(name: &str) -> Command {
    let mut command = Command::new("env");
    let path = std::env::var("PATH").unwrap_or_default();
    command.arg(format!("PATH={path}:/usr/local/sbin:/usr/sbin:/sbin")).arg(name);
    command
}

fn make_certificates(directory: &Path, address: SocketAddr) {
    let authority = |name: &str| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    };
    let write = |file: &str, content: String| std::fs::write(directory.join(file), content).unwrap();
    let ca = authority("Test database authority");
    write("ca.pem", ca.pem());
    let other_ca = authority("Another authority");
    write("other-ca.pem", other_ca.pem());
    let names = vec![SanType::DnsName("localhost".try_into().unwrap()), SanType::IpAddress(address.ip())];
    for (file, issuer, name, names, usage) in [
        ("server", &ca, "database", names, ExtendedKeyUsagePurpose::ServerAuth),
        ("nameless", &ca, "database", Vec::new(), ExtendedKeyUsagePurpose::ServerAuth),
        ("client", &ca, "gate", Vec::new(), ExtendedKeyUsagePurpose::ClientAuth),
        ("other", &ca, "other", Vec::new(), ExtendedKeyUsagePurpose::ClientAuth),
        ("stranger", &other_ca, "other", Vec::new(), ExtendedKeyUsagePurpose::ClientAuth),
    ] {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.subject_alt_names = names;
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().unwrap();
        write(&format!("{file}.pem"), params.signed_by(&key, issuer).unwrap().pem());
        write(&format!("{file}.key"), key.serialize_pem());
    }
}
