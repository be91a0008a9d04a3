//! An HTTP/1.1 connection on which nothing is asked gives its buffers back, and nobody notices.
#![cfg(test)]

mod common;

use common::client::Connection;
use common::gate::Gate;
use common::raw::{Raw, status};
use common::setup::Setup;
use common::upstream::Upstream;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Longer than a connection is idle before it rests.
const A_WHILE: Duration = Duration::from_millis(1200);

const REQUEST: &str = "GET /again HTTP/1.1\r\nHost: gate.example.org\r\n\r\n";

#[track_caller]
fn is_answered(client: &mut Raw) {
    let (head, body) = client.read_response();
    assert_eq!((status(&head), body.as_str()), (200, "ok"), "{head}");
}

#[test]
fn a_connection_that_rested_answers_as_before() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let mut alice = Raw::connect(&gate.alice());
    for round in 0..2 {
        alice.send(REQUEST);
        is_answered(&mut alice);
        sleep(A_WHILE);
        // In two pieces, the first of which ends the rest, and then two at once.
        let (first, second) = REQUEST.split_at(1 + round * 20);
        alice.send(first);
        sleep(A_WHILE);
        alice.send(second);
        is_answered(&mut alice);
        sleep(A_WHILE);
        alice.send([REQUEST, REQUEST].concat());
        is_answered(&mut alice);
        is_answered(&mut alice);
    }
    assert_eq!(upstream.requests().len(), 8);
}

#[test]
fn a_large_body_ends_a_rest() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let mut alice = Raw::connect(&gate.alice());
    alice.send(REQUEST);
    is_answered(&mut alice);
    sleep(A_WHILE);
    let body = "0123456789".repeat(10_000);
    alice.send(format!("POST / HTTP/1.1\r\nHost: gate.example.org\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    is_answered(&mut alice);
    let seen = upstream.requests();
    assert_eq!(seen.last().map(|request| request.length), Some(body.len() as u64));
}

#[test]
fn whoever_rests_is_held_to_the_same_deadlines() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).section("timeouts", "{ idle: 3s, request_head: 2s }").start();
    let ends_after = |begun: &str| {
        let mut alice = Raw::connect(&gate.alice());
        alice.send(REQUEST);
        is_answered(&mut alice);
        sleep(A_WHILE);
        let start = Instant::now();
        if !begun.is_empty() {
            alice.send(begun);
        }
        alice.read_to_end();
        start.elapsed()
    };
    let idle = ends_after("");
    assert!(idle > Duration::from_secs(1) && idle < Duration::from_secs(12), "{idle:?}");
    let head = ends_after("GET / HT");
    assert!(head > Duration::from_secs(1) && head < Duration::from_secs(12), "{head:?}");
}

#[test]
fn a_gate_that_ends_does_not_wait_for_whoever_rests() {
    let upstream = Upstream::start();
    let mut gate = Setup::before(&upstream).start();
    let mut alice = Raw::connect(&gate.alice());
    alice.send(REQUEST);
    is_answered(&mut alice);
    sleep(A_WHILE);
    let start = Instant::now();
    gate.process.signal("TERM");
    assert_eq!(alice.read_to_end(), "");
    assert!(gate.process.wait(Duration::from_secs(20)).is_some());
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}

/// Opens connections with a request on each, and yields them with what the gate's memory has grown by for each.
async fn idle(gate: &Gate, count: usize) -> (Vec<Connection>, u64) {
    let alice = gate.alice();
    // What is there once is there before it is counted.
    let mut connections = Vec::new();
    for _ in 0..20 {
        connections.push(alice.http1().await.unwrap());
    }
    let before = gate.process.memory_kib("VmRSS");
    for _ in 0..count {
        let mut connection = alice.http1().await.unwrap();
        assert_eq!(connection.get("/").await.status, 200);
        connections.push(connection);
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let grown = gate.process.memory_kib("VmRSS").saturating_sub(before);
    (connections, grown * 1024 / count as u64)
}

#[tokio::test]
#[ignore = "make prove: 8,000 idle connections"]
async fn an_idle_connection_takes_no_more_than_32_kib() {
    let upstream = Upstream::start();
    let limits = "{ connections: 20000, connections_per_address: 20000 }";
    let gate = Setup::before(&upstream).section("limits", limits).section("timeouts", "{ idle: 30m }").start();
    let (mut connections, each) = idle(&gate, 8000).await;
    println!("an idle connection over HTTP/1.1 takes {:.1} KiB", each as f64 / 1024.0);
    assert!(each <= 32 * 1024, "{each} octets");
    for connection in connections.iter_mut().step_by(97) {
        assert_eq!(connection.get("/").await.status, 200, "it is alive");
    }
}
