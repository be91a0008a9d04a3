//! What systemd is told (sd_notify(3)), by a socket of the test's own in its place.
#![cfg(test)]

mod common;

use common::process::Process;
use common::setup::Setup;
use common::upstream::Upstream;
use common::{PATIENCE, gate};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::Command;

fn serve(folder: &Path, environment: &[(&str, &str)]) -> Process {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", env!("CARGO_BIN_EXE_wicketgate"), "serve", "-c"]);
    command.envs(environment.iter().copied());
    Process::start(command.arg(folder.join("wicketgate.yaml")))
}

/// The next thing that is said that begins so.
fn hear(socket: &UnixDatagram, expected: &str) -> String {
    let mut octets = [0; 4096];
    loop {
        let length = socket.recv(&mut octets).unwrap_or_else(|error| panic!("waited for {expected}: {error}"));
        let said = String::from_utf8(octets[..length].to_vec()).unwrap();
        if said.starts_with(expected) {
            return said;
        }
        assert!(said.starts_with("WATCHDOG=1"), "{said} instead of {expected}");
    }
}

#[test]
fn it_is_told_of_the_start_of_each_reload_and_of_the_end() {
    let upstream = Upstream::start();
    let (folder, address) = (tempfile::tempdir().unwrap(), gate::unused_address());
    Setup::before(&upstream).write(folder.path(), address);
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut gate = serve(folder.path(), &[("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", "400000")]);
    assert!(hear(&socket, "READY=1").contains("STATUS="));
    assert!(std::net::TcpStream::connect(address).is_ok(), "connections are accepted when it says so");
    assert_eq!(hear(&socket, "WATCHDOG=1"), "WATCHDOG=1");

    let uptime = || {
        let text = std::fs::read_to_string("/proc/uptime").unwrap();
        text.split(' ').next().unwrap().parse::<f64>().unwrap()
    };
    let before = uptime();
    for broken in [false, true] {
        if broken {
            std::fs::write(folder.path().join("ca.pem"), "nothing").unwrap();
        }
        gate.signal("HUP");
        let reloading = hear(&socket, "RELOADING=1");
        let at: f64 = reloading.split("MONOTONIC_USEC=").nth(1).unwrap().trim().parse().unwrap();
        assert!(at / 1e6 >= before - 1.0 && at / 1e6 <= uptime() + 1.0, "{reloading}");
        hear(&socket, "READY=1");
        // The file that was changed may be noticed by itself as well.
        if broken {
            break;
        }
    }
    gate.signal("TERM");
    loop {
        let mut octets = [0; 4096];
        let length = socket.recv(&mut octets).unwrap();
        if octets[..length].starts_with(b"STOPPING=1") {
            break;
        }
    }
    assert!(gate.wait(PATIENCE).is_some_and(|status| status.success()), "{}", gate.output());
}

#[test]
fn an_abstract_socket_is_told_and_another_processes_watchdog_is_not() {
    let upstream = Upstream::start();
    let (folder, address) = (tempfile::tempdir().unwrap(), gate::unused_address());
    Setup::before(&upstream).write(folder.path(), address);
    let name = format!("wicketgate-test-{}", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let told = format!("@{name}");
    let environment = [("NOTIFY_SOCKET", told.as_str()), ("WATCHDOG_USEC", "200000"), ("WATCHDOG_PID", "1")];
    let _gate = serve(folder.path(), &environment);
    hear(&socket, "READY=1");
    socket.set_read_timeout(Some(std::time::Duration::from_secs(1))).unwrap();
    assert!(socket.recv(&mut [0; 64]).is_err(), "the watchdog is for another process");
}

#[test]
fn a_manager_that_is_not_there_is_no_reason_not_to_run() {
    let upstream = Upstream::start();
    let (folder, address) = (tempfile::tempdir().unwrap(), gate::unused_address());
    Setup::before(&upstream).write(folder.path(), address);
    let _gate = serve(folder.path(), &[("NOTIFY_SOCKET", "/nowhere/notify"), ("WATCHDOG_USEC", "x")]);
    common::eventually("the gate to accept connections", || std::net::TcpStream::connect(address).ok());
}
