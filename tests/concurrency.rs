//! Many clients at once, well-behaved and not: everybody gets their own answer, and what a client leaves
//! behind is cleared away.
#![cfg(test)]

mod common;

use common::client::{Client, empty, full, get};
use common::eventually;
use common::gate::Gate;
use common::raw::Raw;
use common::setup::Setup;
use common::upstream::Upstream;
use http::Request;
use std::time::Duration;

/// An application that repeats who asked, for what, with what.
fn repeating() -> Upstream {
    Upstream::answering(|exchange| {
        if exchange.read_body().is_err() {
            return;
        }
        let request = &exchange.request;
        let user = request.header("remote-user").unwrap_or_default();
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let answer = format!("{user} {} {body}", request.target());
        exchange.answer(&answer);
    })
}

/// Asks so often, on either version, for something that nobody else asks for.
async fn ask_often(client: Client, name: String, http2: bool, count: usize) {
    let mut connection = if http2 { client.http2().await.unwrap() } else { client.http1().await.unwrap() };
    for round in 0..count {
        let target = format!("/{name}/{round}");
        let (body, text) = if round % 2 == 0 { (empty(), "") } else { (full(name.clone()), name.as_str()) };
        let answer = connection.send(Request::post(&target).body(body).unwrap()).await;
        assert_eq!(answer.text(), format!("{} {target} {text}", name.split('-').next().unwrap()));
    }
}

#[tokio::test]
async fn nobody_is_given_anothers_answer() {
    let upstream = repeating();
    let mut setup = Setup::before(&upstream);
    let names = ["alice", "bob", "carol", "dave"];
    for name in &names[1..] {
        setup = setup.account(name, &["--email", &format!("{name}@example.org")]);
    }
    let gate = setup.start();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..32 {
        let name = names[number % names.len()];
        let client = gate.client().with(&gate.pki.person(name));
        tasks.spawn(ask_often(client, format!("{name}-{number}"), number % 3 == 0, 40));
    }
    while let Some(outcome) = tasks.join_next().await {
        outcome.unwrap();
    }
    assert_eq!(upstream.requests().len(), 32 * 40);
    assert_eq!(upstream.faults(), Vec::<String>::new());
}

#[tokio::test]
async fn the_streams_of_one_connection_do_not_wait_for_each_other() {
    let upstream = Upstream::answering(|exchange| {
        let target = exchange.request.target().to_owned();
        if target == "/slow" {
            std::thread::sleep(Duration::from_secs(2));
        }
        exchange.answer(&target);
    });
    let gate = Setup::before(&upstream).start();
    let alice = gate.alice();
    let connection = alice.http2().await.unwrap();
    let mut slow = connection.another();
    let slow = tokio::spawn(async move { slow.get("/slow").await });
    let mut quick = connection.another();
    let start = std::time::Instant::now();
    for _ in 0..20 {
        assert_eq!(quick.get("/quick").await.text(), "/quick");
    }
    assert!(start.elapsed() < Duration::from_millis(1500), "{:?}", start.elapsed());
    assert_eq!(slow.await.unwrap().text(), "/slow");
}

/// How many descriptors the gate has open.
fn descriptors(gate: &Gate) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", gate.process.id())).unwrap().count()
}

#[tokio::test]
async fn clients_that_come_and_go_leave_nothing_behind() {
    let upstream = repeating();
    let gate = Setup::before(&upstream).start();
    let alice = gate.alice();
    assert_eq!(alice.get("/warm").await.status, 200);
    let before = descriptors(&gate);
    for round in 0..100 {
        match round % 4 {
            // A whole visit.
            0 => drop(alice.get("/").await),
            // A handshake and nothing more.
            1 => drop(alice.tls(&["h2"]).await),
            // A request whose answer nobody waits for.
            2 => {
                let mut raw = Raw::connect(&alice);
                raw.send("POST / HTTP/1.1\r\nHost: gate.example.org\r\nContent-Length: 9\r\n\r\nhalf");
            }
            // A connection and not even a handshake.
            _ => drop(std::net::TcpStream::connect(gate.address)),
        }
    }
    eventually("the descriptors of those who went", || (descriptors(&gate) <= before + 8).then_some(()));
    assert_eq!(alice.get("/").await.status, 200);
}

#[tokio::test]
async fn streams_that_are_given_up_are_given_up_at_the_upstream_too() {
    let upstream = Upstream::answering(|exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while exchange.is_open() {
            exchange.send("5\r\nagain\r\n");
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let gate = Setup::before(&upstream).start();
    let before = descriptors(&gate);
    let mut connection = gate.alice().http2().await.unwrap();
    for _ in 0..50 {
        // Dropping the response resets its stream.
        drop(connection.start(get("/")).await.unwrap());
    }
    let start = std::time::Instant::now();
    while descriptors(&gate) > before + 8 {
        assert!(start.elapsed() < common::PATIENCE, "{} descriptors, {before} before", descriptors(&gate));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
