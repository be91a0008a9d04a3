//! Socket activation (sd_listen_fds(3)): the gate serves on sockets that the service manager has opened, and refuses
//! those that its configuration has no use for.
#![cfg(test)]

mod common;

use common::admin::{command, get};
use common::client::Client;
use common::gate::{Gate, unused_address};
use common::process::Process;
use common::setup::Setup;
use common::upstream::Upstream;
use common::{PATIENCE, eventually};
use rustix::io::{FdFlags, fcntl_setfd};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// A gate as systemd starts it: when somebody connects, on the sockets that are passed.
fn activated(folder: &Path, passed: &[(&str, SocketAddr)], words: &[&str]) -> Process {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "systemd-socket-activate"]);
    for (_, address) in passed {
        command.arg("--listen").arg(address.to_string());
    }
    let names: Vec<&str> = passed.iter().map(|(name, _)| *name).collect();
    command.arg(format!("--fdname={}", names.join(":"))).arg(env!("CARGO_BIN_EXE_wicketgate")).args(words);
    Process::start(command.arg("-c").arg(folder.join("wicketgate.yaml")))
}

fn written(setup: &Setup) -> (TempDir, SocketAddr) {
    let (folder, address) = (tempfile::tempdir().unwrap(), unused_address());
    setup.write(folder.path(), address);
    (folder, address)
}

#[tokio::test]
async fn sockets_of_the_service_manager_are_served_by_all_workers() {
    let upstream = Upstream::start();
    let admin = unused_address();
    let setup = Setup::before(&upstream).section("admin", &format!("{{ address: \"{admin}\" }}"));
    let (folder, address) = written(&setup);
    // One by its name and address, one by its address alone.
    let gate = activated(folder.path(), &[("guarded", address), ("wicketgate.socket", admin)], &["serve"]);
    let alice = Client::new(address, &setup.pki.root).with(&setup.pki.person("alice"));
    eventually("the socket", || TcpStream::connect(address).ok());
    for _ in 0..20 {
        assert_eq!(alice.get("/").await.status, 200);
    }
    assert_eq!(get(admin, "/healthz").status, 200);
    let listening = gate.output().lines().find(|line| line.contains("\"listening\"")).map(str::to_owned);
    let line = listening.unwrap_or_else(|| panic!("{}", gate.output()));
    assert!(line.contains("managers") && line.contains("true"), "{line}");
}

#[test]
fn a_socket_that_the_configuration_has_no_use_for_is_refused_with_the_reason() {
    let upstream = Upstream::start();
    let setup = Setup::before(&upstream);
    let (folder, address) = written(&setup);
    for (name, expected) in [("guarded", "guarded is to listen on"), ("unknown", "nothing is to listen there")] {
        for words in ["serve", "check"] {
            let elsewhere = unused_address();
            let mut gate = activated(folder.path(), &[(name, elsewhere)], &[words]);
            eventually("the socket", || TcpStream::connect(elsewhere).ok());
            let status = gate.wait(PATIENCE).unwrap_or_else(|| panic!("{words} runs:\n{}", gate.output()));
            assert!(!status.success(), "{words}");
            let said = || gate.output().replace('\n', " ");
            eventually("the reason", || said().contains(expected).then_some(()));
            assert!(said().contains(&elsewhere.to_string()) && said().contains("socket unit"), "{}", said());
        }
    }
    assert!(TcpStream::connect(address).is_err());
}

/// A service manager of the test's own: it keeps the socket, and passes it to whatever it starts as descriptor 3.
struct Manager {
    socket: TcpListener,
    folder: TempDir,
}

impl Manager {
    fn start(&self) -> Process {
        let script = format!(
            "exec 3<&{}; export LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=guarded; exec \"$0\" serve -c \"$1\"",
            self.socket.as_raw_fd()
        );
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "bash", "-c", &script, env!("CARGO_BIN_EXE_wicketgate")]);
        Process::start(command.arg(self.folder.path().join("wicketgate.yaml")))
    }
}

fn manager(setup: &Setup) -> Manager {
    let (folder, address) = written(setup);
    let socket = TcpListener::bind(address).unwrap();
    fcntl_setfd(&socket, FdFlags::empty()).unwrap();
    Manager { socket, folder }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_refused_while_the_gate_is_restarted_on_the_same_socket() {
    let upstream = Upstream::start();
    let setup = Setup::before(&upstream);
    let manager = manager(&setup);
    let address = manager.socket.local_addr().unwrap();
    let alice = Client::new(address, &setup.pki.root).with(&setup.pki.person("alice"));
    let mut gate = manager.start();
    assert_eq!(alice.get("/").await.status, 200);
    for _ in 0..3 {
        gate.signal("TERM");
        eventually("the end to begin", || gate.output().contains("draining").then_some(()));
        let mut asking = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let alice = alice.clone();
            asking.spawn(async move { alice.get("/").await.status });
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let ended = tokio::task::block_in_place(|| gate.wait(PATIENCE));
        assert!(ended.is_some_and(|status| status.success()), "{}", gate.output());
        gate = manager.start();
        while let Some(status) = asking.join_next().await {
            assert_eq!(status.unwrap(), 200, "who came meanwhile has waited");
        }
    }
}

#[tokio::test]
async fn a_listener_that_goes_and_comes_again_has_its_socket_back() {
    let upstream = Upstream::start();
    let other = unused_address();
    let setup = Setup::before(&upstream);
    let manager = manager(&setup);
    let address = manager.socket.local_addr().unwrap();
    let alice = Client::new(address, &setup.pki.root).with(&setup.pki.person("alice"));
    let gate = manager.start();
    assert_eq!(alice.get("/").await.status, 200);
    let file = manager.folder.path().join("wicketgate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace(&address.to_string(), &other.to_string())).unwrap();
    eventually("the other address", || TcpStream::connect(other).ok());
    eventually("a warning", || gate.output().contains("listens here and nobody accepts").then_some(()));
    std::fs::write(&file, text).unwrap();
    eventually("the other address to be given up", || TcpStream::connect(other).is_err().then_some(()));
    assert_eq!(alice.get("/").await.status, 200);
}

#[test]
fn variables_for_another_process_mean_nothing() {
    let upstream = Upstream::start();
    let gate: Gate = Setup::before(&upstream).start();
    let file = gate.folder().join("wicketgate.yaml");
    let mut check = Command::new(env!("CARGO_BIN_EXE_wicketgate"));
    check.args(["check", "-c"]).arg(file).env("LISTEN_PID", "1").env("LISTEN_FDS", "3");
    assert!(check.status().unwrap().success());
    assert!(command(&gate, &["check"]).status.success());
}
