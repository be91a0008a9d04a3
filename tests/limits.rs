//! How many connections there may be, in all and from one address, and that those beyond cost nobody else
//! their own.
#![cfg(test)]

mod common;

use common::client::empty;
use common::eventually;
use common::raw::{Raw, status};
use common::setup::Setup;
use common::upstream::Upstream;
use http::Request;
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

#[tokio::test]
async fn a_head_of_too_many_fields_is_refused_over_either_version() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).section("limits", "{ headers: 20 }").start();
    for (version, mut connection) in gate.alice().both().await {
        for (count, expected) in [(10, 200), (30, 431)] {
            let request = (0..count).fold(Request::get("/"), |request, n| request.header(format!("x-{n}"), "1"));
            let answer = connection.send(request.body(empty()).unwrap()).await;
            assert_eq!(answer.status, expected, "{count} fields over {version}");
        }
    }
    // A browser that sends its cookies one by one sends no more fields than one that joins them.
    let mut connection = gate.alice().http2().await.unwrap();
    let request = (0..30).fold(Request::get("/"), |request, n| request.header("cookie", format!("c{n}=1")));
    assert_eq!(connection.send(request.body(empty()).unwrap()).await.status, 200);
    let cookies: Vec<String> = (0..30).map(|n| format!("c{n}=1")).collect();
    assert_eq!(upstream.last().header("cookie"), Some(cookies.join("; ")));
}

#[test]
fn as_many_files_may_be_open_as_the_system_allows() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", gate.process.id())).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let (soft, hard) = line.trim().split_once(' ').unwrap();
    assert_eq!(Some(soft), hard.split_whitespace().next(), "{line}");
}
