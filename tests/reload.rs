//! A changed configuration or a renewed certificate is taken up without a restart, whole or not at all, and
//! nobody who is being served notices.
#![cfg(test)]

mod common;

use common::admin::{command, with_admin};
use common::client::{Client, get};
use common::eventually;
use common::gate::Gate;
use common::pki::{Authority, Leaf, write_private};
use common::raw::Raw;
use common::setup::Setup;
use common::upstream::Upstream;
use http_body_util::BodyExt;
use rustls_pki_types::CertificateDer;
use std::path::Path;
use std::time::Duration;

/// The certificate that a new connection is presented.
async fn presented(client: &Client) -> CertificateDer<'static> {
    let stream = client.tls(&["http/1.1"]).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].clone()
}

/// Waits until new connections are presented this certificate.
async fn until_presented(client: &Client, expected: &CertificateDer<'static>) {
    let start = std::time::Instant::now();
    while presented(client).await != *expected {
        assert!(start.elapsed() < common::PATIENCE, "the renewed certificate is never presented");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn renewed(gate: &Gate) -> common::pki::Credential {
    gate.pki.root.issue(Leaf::server(&["gate.example.org", "*.example.org"]))
}

fn replace(file: &Path, text: &str) {
    write_private(file, text);
}

#[tokio::test]
async fn a_certificate_renewed_on_disk_is_taken_up_by_itself() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let alice = gate.alice();
    let mut open = alice.http1().await.unwrap();
    assert_eq!(open.get("/").await.status, 200);
    for _ in 0..2 {
        let renewed = renewed(&gate);
        // As renewal tools do it, one file after the other: in between they do not match.
        replace(&gate.folder().join("server.key"), &renewed.key_pem);
        tokio::time::sleep(Duration::from_millis(300)).await;
        replace(&gate.folder().join("server.pem"), &renewed.chain_pem());
        until_presented(&alice, &renewed.chain[0]).await;
    }
    assert_eq!(open.get("/").await.status, 200, "connections that were open go on");
}

#[tokio::test]
async fn a_certificate_renewed_on_disk_is_taken_up_at_sighup() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let renewed = renewed(&gate);
    // Written in place, as some tools do.
    std::fs::write(gate.folder().join("server.key"), &renewed.key_pem).unwrap();
    std::fs::write(gate.folder().join("server.pem"), renewed.chain_pem()).unwrap();
    gate.reload();
    until_presented(&gate.client(), &renewed.chain[0]).await;
    assert_eq!(gate.alice().get("/").await.status, 200);
}

#[tokio::test]
async fn a_broken_renewal_is_refused_and_the_old_certificate_goes_on() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let alice = gate.alice();
    let old = gate.pki.server.clone();
    let other = renewed(&gate);
    let half = &other.key_pem[..other.key_pem.len() / 2];
    for (what, key) in [("another's key", other.key_pem.as_str()), ("half a key", half), ("no key", "")] {
        let logged = gate.log().len();
        replace(&gate.folder().join("server.key"), key);
        gate.reload();
        eventually(&format!("a log line on {what}"), || {
            gate.log()[logged..].lines().any(|line| line.contains("server.key")).then_some(())
        });
        assert_eq!(presented(&alice).await, old.chain[0], "{what}");
        assert_eq!(alice.get("/").await.status, 200, "{what}");
        let secret = other.key_pem.lines().nth(1).unwrap();
        assert!(!gate.log().contains(&secret[..16]), "no key is ever logged");
    }
    replace(&gate.folder().join("server.pem"), &other.chain_pem());
    replace(&gate.folder().join("server.key"), &other.key_pem);
    until_presented(&alice, &other.chain[0]).await;
}

/// Changes the text of the configuration and reloads.
fn change(gate: &Gate, from: &str, to: &str) {
    let file = gate.folder().join("wicketgate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{from} does not stand in {text}");
    std::fs::write(&file, text.replace(from, to)).unwrap();
    gate.reload();
}

async fn until_status(client: &Client, target: &str, status: u16) {
    let start = std::time::Instant::now();
    loop {
        let answer = client.get(target).await;
        if answer.status == status {
            return;
        }
        assert!(start.elapsed() < common::PATIENCE, "{target} still gives {}", answer.status);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

const ROUTE: &str = "{ path: /, authenticate: [certificate], upstream: app }";

#[tokio::test]
async fn a_changed_configuration_is_taken_up_whole_at_sighup() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let alice = gate.alice();
    let mut open = alice.both().await;
    for (version, connection) in &mut open {
        assert_eq!(connection.get("/new").await.status, 200, "{version}");
    }
    change(
        &gate,
        ROUTE,
        &format!(
            "{ROUTE}, {{ path: /new, upstream: {{ respond: {{ status: 203, body: new }} }}, authenticate: [certificate] }}"
        ),
    );
    until_status(&alice, "/new", 203).await;
    assert_eq!(alice.get("/").await.status, 200);
    for (version, connection) in &mut open {
        assert_eq!(connection.get("/new").await.status, 203, "the next request on an open connection: {version}");
    }
}

#[tokio::test]
async fn an_authority_that_is_no_longer_trusted_loses_its_open_connections() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let mut open = gate.alice().both().await;
    for (version, connection) in &mut open {
        assert_eq!(connection.get("/").await.status, 200, "{version}");
    }
    replace(&gate.folder().join("ca.pem"), &Authority::root("Example Successor").pem());
    gate.reload();
    until_status(&gate.alice(), "/", 403).await;
    for (version, connection) in &mut open {
        assert!(connection.is_refused("certificate_untrusted").await, "{version}");
    }
    gate.log_line(&["\"event\":\"connection\"", "certificate_untrusted", "\"account\":\"alice\""]);
}

#[tokio::test]
async fn a_broken_configuration_changes_nothing() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let alice = gate.alice();
    let good = std::fs::read_to_string(gate.folder().join("wicketgate.yaml")).unwrap();
    for (what, from, to) in [
        ("not YAML", "routes: [", "routes: [[["),
        ("an unknown key", ROUTE, "{ path: /, authenticate: [certificate], upstream: app, colour: red }"),
        ("an unknown upstream", "upstream: app", "upstream: elsewhere"),
        ("a trust file that is absent", "ca.pem", "absent.pem"),
        ("a certificate that is absent", "server.pem", "absent.pem"),
    ] {
        let logged = gate.log().len();
        change(&gate, from, &format!("{to} "));
        eventually(&format!("a log line on {what}"), || {
            gate.log()[logged..].lines().any(|line| line.contains("refused")).then_some(())
        });
        assert_eq!(alice.get("/").await.status, 200, "{what}");
        std::fs::write(gate.folder().join("wicketgate.yaml"), &good).unwrap();
    }
    change(
        &gate,
        ROUTE,
        "{ path: /, authenticate: [certificate], upstream: { respond: { status: 203, body: mended } } }",
    );
    until_status(&alice, "/", 203).await;
}

#[tokio::test]
async fn a_request_under_way_ends_under_the_configuration_it_began_with() {
    let upstream = Upstream::answering(|exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for _ in 0..30 {
            exchange.send("5\r\npart \r\n");
            std::thread::sleep(Duration::from_millis(100));
        }
        exchange.send("0\r\n\r\n");
    });
    let gate = Setup::before(&upstream).start();
    let alice = gate.alice();
    let mut under_way = Vec::new();
    for (version, mut connection) in alice.both().await {
        let response = connection.start(get("/")).await.unwrap();
        under_way.push((version, connection, response));
    }
    change(&gate, ROUTE, "{ path: /, authenticate: [certificate], upstream: { respond: { status: 203, body: new } } }");
    until_status(&alice, "/", 203).await;
    for (version, connection, response) in under_way {
        assert_eq!(response.status(), 200, "{version}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body.len(), 150, "{version}");
        drop(connection);
    }
}

#[tokio::test]
async fn no_request_is_lost_while_reloads_go_on() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let alice = gate.alice();
    let (mut one, mut two) = (alice.http1().await.unwrap(), alice.http2().await.unwrap());
    for round in 0..20 {
        gate.reload();
        for _ in 0..10 {
            assert_eq!(one.get("/").await.status, 200, "round {round} over HTTP/1.1");
            assert_eq!(two.get("/").await.status, 200, "round {round} over HTTP/2");
        }
        assert_eq!(alice.get("/").await.status, 200, "round {round} on a new connection");
    }
}

/// Changes the text of the configuration, and has it taken up.
fn take_up(gate: &Gate, from: &str, to: &str) {
    let file = gate.folder().join("wicketgate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{from} does not stand in {text}");
    std::fs::write(&file, text.replace(from, to)).unwrap();
    let outcome = command(gate, &["reload"]);
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stdout));
}

#[tokio::test]
async fn an_upstream_that_no_change_concerns_keeps_its_connections_and_what_is_known_of_its_servers() {
    let (app, other) = (Upstream::start(), Upstream::start());
    let failing = Upstream::sending("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n");
    let two = format!("[\"http://{}\", \"http://{}\"]", other.address(), failing.address());
    let ejection = "{ failures: 1, status: [500], first: 120s }";
    let routes = "[{ path: /, authenticate: [certificate], upstream: app }, \
                   { path: /two, authenticate: [certificate], upstream: two }, \
                   { path: /three, authenticate: [certificate], upstream: three }]";
    let setup = Setup::before(&app)
        .other_upstream("two", &format!("{{ servers: {two}, ejection: {ejection} }}"))
        .other_upstream("three", &format!("{{ servers: [\"http://{}\"], timeouts: {{ idle: 20s }} }}", other.address()))
        .section("routes", routes);
    let gate = with_admin(setup).0.start();
    let mut open = gate.alice().http1().await.unwrap();
    for _ in 0..4 {
        open.get("/").await;
        open.get("/two").await;
    }
    let (connections, failed) = (app.connections(), failing.requests().len());
    assert_eq!((connections, failed), (1, 1), "one connection, and the server that fails was taken out");
    for round in 20..25 {
        take_up(&gate, &format!("idle: {round}s"), &format!("idle: {}s", round + 1));
        for target in ["/", "/two", "/two", "/three"] {
            assert_eq!(open.get(target).await.status, 200, "{target}");
        }
    }
    assert_eq!((app.connections(), failing.requests().len()), (connections, failed));
}

#[tokio::test]
async fn at_sigterm_open_requests_end_and_new_ones_are_turned_away() {
    let upstream = Upstream::answering(|exchange| {
        std::thread::sleep(Duration::from_secs(2));
        exchange.answer("done");
    });
    let gate = Setup::before(&upstream).start();
    let alice = gate.alice();
    let mut asking = tokio::task::JoinSet::new();
    for (version, mut connection) in alice.both().await {
        asking.spawn(async move { (version, connection.get("/").await) });
    }
    while upstream.requests().len() < 2 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let idle = Raw::connect(&alice);
    let stopping = tokio::task::spawn_blocking(move || gate.stop());
    while let Some(outcome) = asking.join_next().await {
        let (version, answer) = outcome.unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "done"), "{version}");
    }
    let status = stopping.await.unwrap();
    assert!(status.success(), "{status}");
    assert!(alice.tls(&["http/1.1"]).await.is_err());
    drop(idle);
}

#[tokio::test]
async fn what_does_not_end_by_the_deadline_is_cut_off() {
    let upstream = Upstream::answering(|exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while exchange.is_open() {
            exchange.send("5\r\npart \r\n");
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let gate = Setup::before(&upstream).section("timeouts", "{ drain: 1s }").start();
    let mut connection = gate.alice().http1().await.unwrap();
    let response = connection.start(get("/")).await.unwrap();
    let start = std::time::Instant::now();
    let reading = tokio::spawn(response.into_body().collect());
    let status = tokio::task::spawn_blocking(move || gate.stop()).await.unwrap();
    assert!(status.success(), "{status}");
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    assert!(reading.await.unwrap().is_err(), "the response does not look whole");
}
