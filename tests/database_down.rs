//! A database that gives no answer is a 503, never a way in; and when it is back, so are the people.
#![cfg(test)]

mod common;

use common::client::Client;
use common::gate::Gate;
use common::mariadb::{MariaDb, PASSWORD};
use common::setup::Setup;
use common::upstream::Upstream;
use std::cell::RefCell;
use std::time::{Duration, Instant};

const CACHE: &str = "cache: { ttl: 1s, negative_ttl: 1s }";

/// Waits until a visit on a new connection ends with this status.
async fn until(client: &Client, status: u16) {
    let start = Instant::now();
    loop {
        let answer = client.get("/").await;
        if answer.status == status {
            return;
        }
        assert!(start.elapsed() < common::PATIENCE, "still {} instead of {status}: {}", answer.status, answer.text());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// While the database is down, on a connection that was open before, on a new one, and for somebody whom the gate has
/// never seen: 503. Once it is back: 200.
async fn falls_and_rises(upstream: &Upstream, gate: &Gate, stop: impl FnOnce(), start: impl FnOnce()) {
    let alice = gate.alice();
    let mut open = alice.both().await;
    for (version, connection) in &mut open {
        assert_eq!(connection.get("/").await.status, 200, "{version}");
    }
    stop();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = upstream.requests().len();
    let nobody = gate.client().with(&gate.pki.person("nobody"));
    for round in 0..3 {
        for (version, connection) in &mut open {
            let answer = connection.get("/").await;
            assert_eq!(answer.status, 503, "round {round}, open connection over {version}: {}", answer.text());
            assert!(answer.text().contains("accounts_unavailable"), "{}", answer.text());
        }
        assert_eq!(alice.get("/").await.status, 503, "round {round}, new connection");
        assert_eq!(nobody.get("/").await.status, 503, "round {round}, somebody else");
    }
    assert_eq!(upstream.requests().len(), before, "nothing passed");
    gate.log_line(&["accounts_unavailable"]);
    start();
    until(&alice, 200).await;
    until(&nobody, 403).await;
    for (version, connection) in &mut open {
        assert_eq!(connection.get("/").await.status, 200, "{version}");
    }
}

#[tokio::test]
async fn a_mariadb_that_is_down_is_never_a_way_in() {
    let mariadb = RefCell::new(MariaDb::start());
    let upstream = Upstream::start();
    let accounts = format!("{{ mysql: {}, {CACHE} }}", mariadb.borrow().configuration());
    let gate = Setup::before(&upstream).file("db.password", PASSWORD).section("accounts", &accounts).start();
    falls_and_rises(&upstream, &gate, || mariadb.borrow_mut().stop(), || mariadb.borrow_mut().start_again()).await;
}

#[tokio::test]
async fn an_sqlite_file_that_is_gone_is_never_a_way_in() {
    let upstream = Upstream::start();
    let accounts = format!("{{ sqlite: {{ path: accounts.db }}, {CACHE} }}");
    let gate = Setup::before(&upstream).section("accounts", &accounts).start();
    let (file, away) = (gate.folder().join("accounts.db"), gate.folder().join("away.db"));
    let stop = || std::fs::rename(&file, &away).unwrap();
    falls_and_rises(&upstream, &gate, stop, || std::fs::rename(&away, &file).unwrap()).await;
}

#[tokio::test]
async fn a_gate_that_starts_without_its_database_lets_nobody_in_until_it_is_there() {
    let mut mariadb = MariaDb::start();
    let upstream = Upstream::start();
    let accounts = format!("{{ mysql: {}, {CACHE} }}", mariadb.configuration());
    let setup = Setup::before(&upstream).file("db.password", PASSWORD).section("accounts", &accounts);
    let gate = setup.start_after(|| mariadb.stop());
    let alice = gate.alice();
    assert_eq!(alice.get("/").await.status, 503);
    assert!(upstream.requests().is_empty());
    gate.log_line(&["ERROR", &mariadb.address().to_string()]);
    assert!(!gate.log().contains(PASSWORD), "{}", gate.log());
    mariadb.start_again();
    until(&alice, 200).await;
}
