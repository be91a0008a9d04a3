//! The address for administrators, as monitoring and the command line see it.

use super::gate::{Gate, unused_address};
use super::setup::Setup;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Output};
use std::time::Duration;

/// An answer, as it came.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// An address for administrators, and a setup that has it.
pub(crate) fn with_admin(setup: Setup) -> (Setup, SocketAddr) {
    let address = unused_address();
    (setup.section("admin", &format!("{{ address: \"{address}\" }}")), address)
}

/// Sends this head, to which the empty line is added, and reads the answer to its end.
pub(crate) fn say(address: SocketAddr, head: &str) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// Asks for a page.
pub(crate) fn get(address: SocketAddr, path: &str) -> Answer {
    say(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}"))
}

/// The value of a sample on the page of metrics, by its name with its labels.
pub(crate) fn sample(address: SocketAddr, name: &str) -> Option<f64> {
    let page = get(address, "/metrics").body;
    page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

/// Runs a command of the product against a gate.
pub(crate) fn command(gate: &Gate, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wicketgate"));
    command.args(words).arg("-c").arg(gate.folder().join("wicketgate.yaml")).output().unwrap()
}
