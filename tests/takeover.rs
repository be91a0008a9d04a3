//! One process takes the place of another (`takeover`, `wicketgate serve --take-over`, SIGUSR2), and no client loses a
//! connection.
#![cfg(test)]

mod common;

use common::admin::{get, with_admin};
use common::client::Client;
use common::echo::echo;
use common::gate::Gate;
use common::load::Load;
use common::process::Process;
use common::setup::Setup;
use common::upstream::{Exchange, Upstream};
use common::{PATIENCE, eventually};
use http_body_util::BodyExt;
use rustls::HandshakeKind;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// An application with WebSockets and downloads of three seconds.
fn application(exchange: &mut Exchange<'_>) {
    if exchange.request.target() != "/download" {
        return match exchange.request.header("sec-websocket-key") {
            Some(_) => echo(exchange),
            None => exchange.answer("ok"),
        };
    }
    exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for _ in 0..30 {
        exchange.send("5\r\npart \r\n");
        std::thread::sleep(Duration::from_millis(100));
    }
    exchange.send("0\r\n\r\n");
}

const TAKEOVER: &str = "{ socket: takeover.sock }";

fn setup(upstream: &Upstream) -> Setup {
    Setup::before(upstream).section("takeover", TAKEOVER).section("timeouts", "{ drain: 12s }")
}

/// Starts a process that is to take over, with these words before it.
fn successor(folder: &Path, before: &[&str]) -> Process {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]).args(before).args([env!("CARGO_BIN_EXE_wicketgate"), "serve", "--take-over"]);
    Process::start(command.arg("-c").arg(folder.join("wicketgate.yaml")))
}

#[track_caller]
fn logs(process: &Process, text: &str) {
    eventually(&format!("{text:?} in:\n{}", process.output()), || process.output().contains(text).then_some(()));
}

/// Exchanges the process of a gate so often under load, and prints what came of it.
async fn exchange_under_load(times: usize) {
    let upstream = Upstream::answering(application);
    let (setup, admin) = with_admin(setup(&upstream));
    let mut gate = setup.start();
    let alice = gate.alice();
    let mut load = Load::start(&alice);
    let mut before = Vec::new();
    for round in 0..times {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let (mut one, mut two) = (alice.http1().await.unwrap(), alice.http2().await.unwrap());
        let downloads = [
            one.start(common::client::get("/download")).await.unwrap(),
            two.start(common::client::get("/download")).await.unwrap(),
        ];
        // The second one has another number of workers.
        let next = successor(gate.folder(), if round % 2 == 1 { &["taskset", "-c", "0"] } else { &[] });
        let waiting = tokio::task::spawn_blocking(move || {
            logs(&next, "took over");
            next
        });
        let next = waiting.await.unwrap();
        assert_eq!(get(admin, "/healthz").status, 200);
        for download in downloads {
            assert_eq!(download.into_body().collect().await.unwrap().to_bytes().len(), 150, "round {round}");
        }
        before.push(std::mem::replace(&mut gate.process, next));
    }
    let before = tokio::task::spawn_blocking(move || {
        for process in &mut before {
            let status = process.wait(PATIENCE);
            assert!(status.is_some_and(|status| status.success()), "{status:?}:\n{}", process.output());
        }
        before
    });
    let before = before.await.unwrap();
    println!("{times} exchanges of the process under load\n{}", load.finish().await);
    load.assert_nothing_failed();
    for process in &before {
        assert!(process.output().contains("accepts connections in the place of this one"), "{}", process.output());
    }
    assert!(gate.folder().join("takeover.sock").exists(), "the next one can be asked");
    assert_eq!(upstream.faults(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_takes_over_loses_no_connection() {
    exchange_under_load(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "make prove: ten processes one after the other"]
async fn ten_processes_that_take_over_lose_no_connection() {
    exchange_under_load(10).await;
}

#[tokio::test]
async fn a_successor_that_cannot_start_changes_nothing() {
    let upstream = Upstream::start();
    let mut gate = setup(&upstream).start();
    let alice = gate.alice();
    let mut open = alice.http1().await.unwrap();
    assert_eq!(open.get("/").await.status, 200);
    let file = gate.folder().join("wicketgate.yaml");
    let good = std::fs::read_to_string(&file).unwrap();
    for (from, to, expected) in [
        ("upstream: app", "upstream: ap", "`ap`"),
        ("ca.pem", "absent.pem", "absent.pem"),
        (TAKEOVER, "{ socket: /nowhere/takeover.sock }", "listen"),
    ] {
        std::fs::write(&file, good.replace(from, to)).unwrap();
        let mut next = successor(gate.folder(), &[]);
        let status = next.wait(PATIENCE).unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert!(!status.success() && next.output().contains(expected), "{status}: {}", next.output());
        assert_eq!(open.get("/").await.status, 200, "{to}");
        assert_eq!(alice.get("/").await.status, 200, "{to}");
    }
    std::fs::write(&file, good).unwrap();
    assert!(gate.process.ended().is_none());
    gate.log_line(&["nobody took over; this process goes on"]);
    let next = successor(gate.folder(), &[]);
    logs(&next, "took over");
    assert_eq!(alice.get("/").await.status, 200);
}

/// As where other processes of the user watch all the files that one user may: the one thing that a start needs last.
#[tokio::test]
async fn a_successor_that_cannot_watch_files_changes_nothing() {
    let upstream = Upstream::start();
    let mut gate = setup(&upstream).start();
    let alice = gate.alice();
    // The bound is one of the user namespace, and nobody else's.
    let without = "echo 0 > /proc/sys/user/max_inotify_instances && exec \"$@\"";
    let mut next = successor(gate.folder(), &["unshare", "--user", "--map-root-user", "sh", "-c", without, "sh"]);
    let status = next.wait(PATIENCE).unwrap();
    assert!(!status.success() && next.output().contains("cannot watch files"), "{status}: {}", next.output());
    assert!(gate.process.ended().is_none(), "{}", gate.log());
    assert_eq!(alice.get("/").await.status, 200);
    assert!(!gate.log().contains("in the place of this one"), "{}", gate.log());
    let next = successor(gate.folder(), &[]);
    logs(&next, "took over");
    assert_eq!(alice.get("/").await.status, 200);
}

#[tokio::test]
async fn each_process_names_the_one_before_it() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).start();
    let mut before = gate.process.id();
    let mut processes = Vec::new();
    for _ in 0..3 {
        let next = successor(gate.folder(), &[]);
        logs(&next, "took over");
        let (named, text) = (format!("\"predecessor\":{before}"), next.output());
        let lines = |said: &str| text.lines().filter(|line| line.contains(said) && line.contains(&named)).count();
        assert_eq!((lines("taking over"), lines("took over")), (1, 1), "{named} in:\n{text}");
        before = next.id();
        processes.push(next);
    }
    assert_eq!(gate.alice().get("/").await.status, 200);
}

#[tokio::test]
async fn sessions_of_the_process_before_are_resumed_though_no_secret_is_configured() {
    let upstream = Upstream::start();
    let mut gate = setup(&upstream).start();
    let alice = gate.alice();
    assert!(!visit(&alice).await);
    let next = successor(gate.folder(), &[]);
    logs(&next, "took over");
    let mut before = std::mem::replace(&mut gate.process, next);
    assert!(before.wait(PATIENCE).is_some());
    assert!(visit(&alice).await);
    let secret = gate.folder().join("ticket.secret");
    assert!(!secret.exists(), "it went from memory to memory");
}

/// One request over a new connection: whether its session was resumed.
async fn visit(client: &Client) -> bool {
    let stream = client.tls(&["http/1.1"]).await.unwrap();
    let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
    let stream = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("/").header("Host", client.name()).body(common::client::empty()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    // By the end of the body the tickets of TLS 1.3 have been read as well.
    response.into_body().collect().await.unwrap();
    resumed
}

#[test]
fn who_begins_with_take_over_and_finds_nobody_starts_as_ever() {
    let upstream = Upstream::start();
    let folder = tempfile::tempdir().unwrap();
    let address = common::gate::unused_address();
    setup(&upstream).write(folder.path(), address);
    let mut first = successor(folder.path(), &[]);
    eventually("the gate to accept connections", || {
        assert!(first.ended().is_none(), "{}", first.output());
        TcpStream::connect(address).ok()
    });
    let socket = folder.path().join("takeover.sock");
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    first.signal("TERM");
    assert!(first.wait(PATIENCE).is_some());
    assert!(!socket.exists());

    let text = std::fs::read_to_string(folder.path().join("wicketgate.yaml")).unwrap();
    std::fs::write(folder.path().join("wicketgate.yaml"), text.replace(&format!("takeover: {TAKEOVER}"), "")).unwrap();
    let mut without = successor(folder.path(), &[]);
    assert!(without.wait(PATIENCE).is_some_and(|status| !status.success()));
    logs(&without, "needs `takeover");
}

/// Another user of the machine, with a copy of the configuration and, by mistake, a way to the socket.
#[tokio::test]
async fn another_user_is_passed_no_socket_and_none_is_taken_from_another_user() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).start();
    let open = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    open(gate.folder(), 0o755);
    for name in ["takeover.sock", "wicketgate.yaml"] {
        open(&gate.folder().join(name), 0o666);
    }
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let mut thief = successor(gate.folder(), &nobody);
    assert!(thief.wait(PATIENCE).is_some_and(|status| !status.success()), "{}", thief.output());
    gate.log_line(&["a process of another user asked for our sockets and was turned away", "65534"]);
    assert_eq!(gate.alice().get("/").await.status, 200);

    // Whoever listens there instead could pass sockets of its own.
    let folder = tempfile::tempdir().unwrap();
    open(folder.path(), 0o777);
    let socket = folder.path().join("takeover.sock");
    let mut trap = Command::new("setpriv");
    trap.args(["--pdeathsig", "KILL"]).args(nobody).args(["systemd-socket-activate", "--listen"]);
    let trap = Process::start(trap.arg(&socket).args(["sleep", "60"]));
    eventually("the trap", || socket.exists().then_some(()));
    let file = gate.folder().join("wicketgate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace(TAKEOVER, &format!("{{ socket: {} }}", socket.display()))).unwrap();
    let mut next = successor(gate.folder(), &[]);
    assert!(next.wait(PATIENCE).is_some_and(|status| !status.success()));
    logs(&next, "user 65534 listens there");
    drop(trap);
}

/// What a successor of the gate's own is ended by, since it is no child of the test.
struct Ended(String);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = Command::new("sh").args(["-c", &format!("kill -KILL {}", self.0)]).status();
    }
}

#[tokio::test]
async fn sigusr2_starts_the_program_anew_and_the_service_manager_is_told_of_the_other_process() {
    let upstream = Upstream::start();
    let (folder, address) = (tempfile::tempdir().unwrap(), common::gate::unused_address());
    let setup = setup(&upstream);
    setup.write(folder.path(), address);
    let path = folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", env!("CARGO_BIN_EXE_wicketgate"), "serve", "-c"]);
    command.arg(folder.path().join("wicketgate.yaml")).env("NOTIFY_SOCKET", &path);
    let mut first = Process::start(&mut command);
    let hear = || {
        let mut octets = [0; 4096];
        let length = manager.recv(&mut octets).unwrap();
        String::from_utf8(octets[..length].to_vec()).unwrap()
    };
    assert!(hear().starts_with("READY=1"));
    first.signal("USR2");
    // By the process that is the service until then, before the other one says anything.
    let said = hear();
    let process = said.strip_prefix("MAINPID=").unwrap_or_else(|| panic!("{said}\n{}", first.output())).to_owned();
    let _ended = Ended(process.clone());
    assert!(hear().starts_with("READY=1"));
    assert_ne!(process, first.id().to_string());
    assert!(first.wait(PATIENCE).is_some_and(|status| status.success()), "{}", first.output());
    assert!(first.output().contains("a successor was started"));
    let alice = Client::new(address, &setup.pki.root).with(&setup.pki.person("alice"));
    assert_eq!(alice.get("/").await.status, 200);
    manager.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(manager.recv(&mut [0; 64]).is_err(), "the process that is gone has said nothing of its end");
}

#[tokio::test]
async fn without_a_place_to_hand_over_sigusr2_is_answered_in_the_log() {
    let upstream = Upstream::start();
    let gate: Gate = Setup::before(&upstream).start();
    gate.process.signal("USR2");
    gate.log_line(&["no successor is started"]);
    assert_eq!(gate.alice().get("/").await.status, 200);
}
