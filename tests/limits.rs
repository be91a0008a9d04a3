//! How many connections there may be, in all and from one address, and that those beyond cost nobody else
//! their own.
#![cfg(test)]

mod common;

use common::eventually;
use common::raw::{Raw, status};
use common::setup::Setup;
use common::upstream::Upstream;
use std::net::TcpStream;

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: gate.example.org\r\n\r\n";

/// Opens connections and speaks on each until one is turned away.
fn as_many_as_there_may_be(gate: &common::gate::Gate, at_most: usize) -> Vec<Raw> {
    let alice = gate.alice();
    let mut open = Vec::new();
    for _ in 0..at_most {
        let Ok(mut raw) = Raw::try_connect(&alice, &["http/1.1"]) else { break };
        raw.send(REQUEST);
        assert_eq!(status(&raw.read_response().0), 200);
        open.push(raw);
    }
    open
}

#[test]
fn connections_beyond_the_limit_in_all_are_turned_away_until_one_ends() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).section("limits", "{ connections: 5, connections_per_address: 100 }").start();
    let mut open = eventually("the connection that looked whether the gate is up to be gone", || {
        let open = as_many_as_there_may_be(&gate, 12);
        (open.len() == 5).then_some(open)
    });
    for raw in &mut open {
        raw.send(REQUEST);
        assert_eq!(status(&raw.read_response().0), 200, "those within the limit are served on");
    }
    open.pop();
    eventually("the place of a connection that has ended", || Raw::try_connect(&gate.alice(), &["http/1.1"]).ok());
    gate.log_line(&["limit"]);
}

#[test]
fn one_address_cannot_take_all_connections() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).section("limits", "{ connections: 100, connections_per_address: 3 }").start();
    let open = eventually("the connection that looked whether the gate is up to be gone", || {
        let open = as_many_as_there_may_be(&gate, 12);
        (open.len() == 3).then_some(open)
    });
    // Another loopback address is another client.
    let output = gate.curl("/", &["--interface", "127.0.0.2"]);
    assert_eq!(output.status, 403, "another address is served, if without a certificate: {output:?}");
    drop(open);
}

#[test]
fn connections_that_never_speak_count_too_and_end_by_the_deadline() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream)
        .section("limits", "{ connections: 4, connections_per_address: 4 }")
        .section("timeouts", "{ handshake: 2s }")
        .start();
    let silent: Vec<TcpStream> = (0..8).map(|_| TcpStream::connect(gate.address).unwrap()).collect();
    eventually("the silent connections to make room", || Raw::try_connect(&gate.alice(), &["http/1.1"]).ok());
    drop(silent);
}
