//! A gate that runs as its own process, on an address that no other test has.

use super::client::Client;
use super::pki::Pki;
use super::process::Process;
use super::setup::{Setup, wicketgate};
use super::{PATIENCE, eventually};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A running gate, and everything it runs on.
pub(crate) struct Gate {
    // Declared first so that it is stopped before its folder is removed.
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) pki: Pki,
    folder: TempDir,
}

/// A second gate beside another one.
pub(crate) struct Twin {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
    folder: TempDir,
}

impl Twin {
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Gate {
    pub(crate) fn start(setup: Setup, happening: impl FnOnce()) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = unused_address();
        setup.write(folder.path(), address);
        happening();
        let process = serve(folder.path());
        let more = setup.more_addresses();
        let mut gate = Self { process, address, pki: setup.pki, folder };
        gate.wait();
        eventually("the gate to listen everywhere", || more.iter().all(listens).then_some(()));
        gate
    }

    fn wait(&mut self) {
        eventually("the gate to accept connections", || {
            assert!(self.process.ended().is_none(), "the gate ended at once:\n{}", self.process.output());
            TcpStream::connect_timeout(&self.address, Duration::from_millis(200)).ok()
        });
    }

    /// Another gate of the same configuration, with its own copy of all files, on another address.
    pub(crate) fn twin(&self) -> Twin {
        let folder = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(self.folder()).unwrap().map(Result::unwrap) {
            std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
        }
        let (address, file) = (unused_address(), folder.path().join("wicketgate.yaml"));
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace(&self.address.to_string(), &address.to_string())).unwrap();
        let mut process = serve(folder.path());
        eventually("the second gate to accept connections", || {
            assert!(process.ended().is_none(), "the gate ended at once:\n{}", process.output());
            TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok()
        });
        Twin { process, address, folder }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// An HTTP client that trusts the gate's certificate, asks for `gate.example.org`, and has no certificate.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.address, &self.pki.root)
    }

    /// The same with alice's good certificate.
    pub(crate) fn alice(&self) -> Client {
        self.client().with(&self.pki.person("alice"))
    }

    /// Runs a subcommand of the product on this gate's configuration; it must succeed.
    #[track_caller]
    pub(crate) fn wicketgate(&self, words: &[&str]) -> String {
        wicketgate(self.folder.path(), words)
    }

    /// Waits until this client is told so.
    pub(crate) async fn until(&self, client: &Client, expected: &str) {
        let start = Instant::now();
        loop {
            let says = client.get("/").await.says();
            if says.contains(expected) {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "still {says} and not {expected}:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Everything that was logged, audit lines too.
    pub(crate) fn log(&self) -> String {
        self.process.output()
    }

    /// The first log line that holds all of these texts, waited for.
    #[track_caller]
    pub(crate) fn log_line(&self, texts: &[&str]) -> String {
        eventually(&format!("a log line with {texts:?} in:\n{}", self.log()), || {
            self.log().lines().find(|line| texts.iter().all(|text| line.contains(text))).map(str::to_owned)
        })
    }

    /// Sends SIGHUP.
    pub(crate) fn reload(&self) {
        self.process.signal("HUP");
    }

    /// Ends the gate and starts it anew on the same files.
    pub(crate) fn restart(mut self) -> Self {
        self.process.signal("TERM");
        self.process.wait(PATIENCE).unwrap_or_else(|| panic!("the gate did not end:\n{}", self.log()));
        self.process = serve(self.folder.path());
        self.wait();
        self
    }

    /// Sends SIGTERM and says how the gate ended.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.process.signal("TERM");
        self.process.wait(PATIENCE).unwrap_or_else(|| panic!("the gate did not end:\n{}", self.log()))
    }
}

/// Whether anybody listens on an address of IPv4, found out without a connection, which the gate would count and log.
fn listens(address: &SocketAddr) -> bool {
    let SocketAddr::V4(address) = address else { return true };
    // Octets of the address as this machine's processor has them, and state 10: LISTEN (proc_net_tcp of the kernel's documentation).
    let local = format!("{:08X}:{:04X}", u32::from_ne_bytes(address.ip().octets()), address.port());
    let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
    sockets.lines().any(|line| {
        let fields: Vec<&str> = line.split_whitespace().take(4).collect();
        fields.get(1) == Some(&local.as_str()) && fields.get(3) == Some(&"0A")
    })
}

/// Starts `wicketgate serve` on the configuration in a folder, with no more open files than a shell or a service
/// manager gives a program unasked. The kernel ends it when the test is ended from
/// outside and cannot do so itself.
pub(crate) fn serve(folder: &Path) -> Process {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "prlimit", "--nofile=1024:"]);
    command.args([env!("CARGO_BIN_EXE_wicketgate"), "serve", "-c"]);
    Process::start(command.arg(folder.join("wicketgate.yaml")))
}

/// A loopback address and port that belong to this test alone. The gate's listeners share their port
/// (`SO_REUSEPORT`), so a port that was free a moment ago could end up shared by two gates; an address made of the
/// process's own id cannot.
pub(crate) fn unused_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(20_000);
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    SocketAddr::new(Ipv4Addr::new(127, high + 1, middle, low).into(), NEXT.fetch_add(1, Ordering::Relaxed))
}
