//! A real OCSP responder, `openssl ocsp`. It binds every address that there is, so it gets a network namespace
//! of its own; what reaches it comes through a relay on a loopback address, which counts the questions and can hold
//! them up.

use super::eventually;
use super::pki::{Authority, Credential, write_private};
use super::process::Process;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// The port inside the namespace, where nobody else is.
const PORT: u16 = 8888;
/// How long its answers hold, in minutes.
pub(crate) const MINUTES: u64 = 10;

/// A running responder.
pub(crate) struct Responder {
    // Declared first so that it is stopped before its folder is removed.
    process: Process,
    /// The process's id, for the relay.
    id: Arc<AtomicU32>,
    address: SocketAddr,
    questions: Arc<AtomicUsize>,
    delay: Arc<AtomicU64>,
    folder: tempfile::TempDir,
}

/// What a responder is to say of a certificate.
pub(crate) enum State {
    Good,
    Revoked,
}

impl Responder {
    /// A responder for what `issuer` issued, which signs with `signer`'s key and knows these certificates.
    pub(crate) fn start(issuer: &Authority, signer: &Credential, index: &[(&Credential, State)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("ca.pem"), issuer.pem()).unwrap();
        std::fs::write(path("signer.pem"), &signer.leaf_pem).unwrap();
        write_private(&path("signer.key"), &signer.key_pem);
        let lines: String = index.iter().map(|(certificate, state)| line(certificate, state)).collect();
        std::fs::write(path("index"), lines).unwrap();
        let process = serve(folder.path());
        let (questions, delay) = (Arc::<AtomicUsize>::default(), Arc::<AtomicU64>::default());
        let id = Arc::new(AtomicU32::new(process.id()));
        let address = relay(Arc::clone(&id), Arc::clone(&questions), Arc::clone(&delay));
        Self { process, id, address, questions, delay, folder }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Knows this certificate alone from now on.
    pub(crate) fn learns(&mut self, certificate: &Credential, state: &State) {
        std::fs::write(self.folder.path().join("index"), line(certificate, state)).unwrap();
        // A running one would look at the file again only after its next answer.
        self.process = serve(self.folder.path());
        self.id.store(self.process.id(), Ordering::SeqCst);
    }

    /// How many questions have come.
    pub(crate) fn questions(&self) -> usize {
        self.questions.load(Ordering::SeqCst)
    }

    /// Holds up every question from now on.
    pub(crate) fn delay(&self, by: Duration) {
        self.delay.store(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }
}

/// A certificate in the index that `openssl ca` keeps.
fn line(certificate: &Credential, state: &State) -> String {
    let (_, parsed) = x509_parser::parse_x509_certificate(&certificate.chain[0]).unwrap();
    let serial: String = parsed.raw_serial().iter().map(|octet| format!("{octet:02X}")).collect();
    let serial = serial.strip_prefix("00").unwrap_or(&serial);
    match state {
        State::Good => format!("V\t801231235959Z\t\t{serial}\tunknown\t/CN=somebody\n"),
        State::Revoked => format!("R\t801231235959Z\t260101000000Z,keyCompromise\t{serial}\tunknown\t/CN=somebody\n"),
    }
}

fn serve(folder: &Path) -> Process {
    let openssl = format!(
        "ip link set lo up && exec openssl ocsp -index index -CA ca.pem -rsigner signer.pem -rkey signer.key \
         -port {PORT} -nmin {MINUTES}"
    );
    let mut command = Command::new("unshare");
    command.args(user_namespace("--map-root-user")).args([
        "--net",
        "setpriv",
        "--pdeathsig",
        "KILL",
        "sh",
        "-c",
        &openssl,
    ]);
    let mut process = Process::start(command.current_dir(folder));
    eventually("the responder to wait for questions", || {
        let ended = process.ended().is_some();
        assert!(!ended, "no network namespace, or no responder in it: {}", process.output());
        process.output().contains("waiting for OCSP client connections").then_some(())
    });
    process
}

/// What gives somebody who is not root the right to a network namespace. Root has it, and may be where there are no
/// user namespaces, in a sandbox or under another root directory.
fn user_namespace(option: &str) -> Option<&str> {
    let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    (!root).then_some(option)
}

/// Accepts on a loopback address, and hands every connection on into the namespace of a process.
fn relay(process: Arc<AtomicU32>, questions: Arc<AtomicUsize>, delay: Arc<AtomicU64>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (process, questions, delay) = (Arc::clone(&process), Arc::clone(&questions), Arc::clone(&delay));
            std::thread::spawn(move || {
                questions.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(delay.load(Ordering::SeqCst)));
                let _ = hand_on(process.load(Ordering::SeqCst), stream);
            });
        }
    });
    address
}

fn hand_on(process: u32, mut client: TcpStream) -> std::io::Result<()> {
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{PORT}; cat <&3 & exec cat >&3");
    let mut inside = Command::new("nsenter")
        .args(["--target", &process.to_string(), "--net", "--preserve-credentials"])
        .args(user_namespace("--user"))
        .args(["bash", "-c", &script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let (mut question, mut answer) = (inside.stdin.take().unwrap(), inside.stdout.take().unwrap());
    let mut asking = client.try_clone()?;
    let asked = std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count) = asking.read(&mut buffer) {
            if count == 0 || question.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
    });
    std::io::copy(&mut answer, &mut client)?;
    // The side that reads the question ends with the connection.
    client.shutdown(Shutdown::Both)?;
    let _ = asked.join();
    inside.wait().map(|_| ())
}
