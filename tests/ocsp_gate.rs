//! OCSP at the running gate: who makes it ask, and what becomes of connections that were let in on an answer.
#![cfg(test)]

mod common;

use common::origin::{Origin, page};
use common::pki::{Authority, Leaf};
use common::responder::{Responder, State};
use common::setup::Setup;
use common::upstream::Upstream;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

fn trust(revocation: &str) -> String {
    format!("{{ staff: {{ authorities: [ca.pem], revocation: {{ scope: leaf, {revocation} }} }} }}")
}

/// A cache before a responder, which says that answers are fresh for a second.
fn cache(responder: SocketAddr) -> Origin {
    Origin::start(move |request, stream| {
        let mut behind = TcpStream::connect(responder).unwrap();
        behind.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        let _ = behind.read_to_end(&mut answer);
        let head = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        let _ = stream.write_all(&page("Cache-Control: max-age=1\r\n", &answer[head..]));
    })
}

#[tokio::test]
async fn nobody_untrusted_makes_the_gate_ask_anybody() {
    let upstream = Upstream::start();
    let setup = Setup::before(&upstream);
    let web = Origin::saying(page("", b"<html>"));
    let url = web.url("/");
    let named = |leaf: Leaf| leaf.responders(&[&url]);
    let stranger = Authority::root("Example Root").issue(named(Leaf::person("alice@example.org")));
    let expired = setup.pki.people.issue(named(Leaf::person("alice@example.org").expired()));
    let ours = setup.pki.people.issue(named(Leaf::person("alice@example.org")));
    let gate = setup.section("trust", &trust("ocsp: { mode: prefer, private_addresses: true }")).start();
    assert!(gate.client().with(&stranger).get("/").await.says().contains("certificate_untrusted"));
    assert!(gate.client().with(&expired).get("/").await.says().contains("certificate_expired"));
    assert_eq!(web.requests(), Vec::<String>::new());
    assert!(gate.client().with(&ours).get("/").await.says().contains("revocation_unknown"));
    assert!(!web.requests().is_empty(), "the same certificate, trusted, does");
}

#[tokio::test]
async fn a_certificate_that_its_responder_revokes_loses_its_open_connections() {
    let upstream = Upstream::start();
    let setup = Setup::before(&upstream);
    let alice = setup.pki.person("alice");
    let people = &setup.pki.people;
    let mut responder = Responder::start(people, &people.signer(), &[(&alice, State::Good)]);
    let cache = cache(responder.address());
    let ocsp = format!("mode: require, responder: \"{}\", private_addresses: true, timeout: 20s", cache.url("/"));
    let gate = setup.section("trust", &trust(&format!("ocsp: {{ {ocsp} }}"))).start();
    let mut open = gate.client().with(&alice).both().await;
    for (version, connection) in &mut open {
        assert_eq!(connection.get("/").await.status, 200, "{version}");
    }
    responder.learns(&alice, &State::Revoked);
    let start = Instant::now();
    // An answer is kept for ten seconds at least, however short-lived a cache says that it is.
    while !gate.client().with(&alice).get("/").await.says().contains("certificate_revoked") {
        assert!(start.elapsed() < common::PATIENCE, "{}", gate.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(cache.requests().len(), 2);
    // What was found for these holds to the end of the second in which it is asked about again.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    for (version, connection) in &mut open {
        assert!(connection.is_refused("certificate_revoked").await, "{version}");
    }
}
