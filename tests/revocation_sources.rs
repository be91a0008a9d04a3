//! What was revoked is known from whichever source says so: lists that the gate fetches, OCSP responders, its own
//! database; and where nobody says anything, the configuration decides.
#![cfg(test)]

mod common;

use common::client::{Client, get};
use common::gate::Gate;
use common::origin::{Origin, page};
use common::pki::{Credential, Leaf, far};
use common::responder::{Responder, State};
use common::setup::Setup;
use common::upstream::Upstream;
use std::io::Write;
use std::net::TcpStream;

fn trust(revocation: &str) -> String {
    format!("{{ staff: {{ authorities: [ca.pem], revocation: {{ {revocation} }} }} }}")
}

/// A server of the lists of both authorities, as `/root.crl` and `/people.crl`.
fn lists(root: String, people: String) -> impl Fn(&str, &mut TcpStream) + Send + Sync + 'static {
    move |request, stream| {
        let list = if request.starts_with("GET /root.crl ") { &root } else { &people };
        let _ = stream.write_all(&page("", list.as_bytes()));
    }
}

fn fetching(origin: &Origin, more: &str) -> String {
    let urls = format!("{}, {}", origin.url("/root.crl"), origin.url("/people.crl"));
    trust(&format!("crl: {{ urls: [{urls}], refresh: 1s, cache: kept, private_addresses: [127.0.0.0/8]{more} }}"))
}

#[tokio::test]
async fn lists_are_fetched_and_fetched_again_and_outlive_their_server() {
    let upstream = Upstream::start();
    let origin = Origin::saying("HTTP/1.1 503 Not Yet\r\nContent-Length: 0\r\n\r\n");
    let gate = Setup::before(&upstream).section("trust", &fetching(&origin, "")).start();
    let alice = gate.alice();
    assert!(alice.get("/").await.says().contains("revocation_unknown"));
    let (root, people) = (gate.pki.root.revocation_list(&[], far()), gate.pki.people.revocation_list(&[], far()));
    origin.behave(lists(root.clone(), people));
    gate.until(&alice, "ok").await;
    let mut open = alice.both().await;
    for (version, connection) in &mut open {
        assert_eq!(connection.get("/").await.status, 200, "{version}");
    }
    origin.behave(lists(root, gate.pki.people.numbered_list(2, &[alice.credential()], far())));
    gate.until(&alice, "certificate_revoked").await;
    for (version, connection) in &mut open {
        let answer = connection.try_send(get("/")).await;
        assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status == 403), "{version}");
    }

    // What the server says now is worse than nothing, and the gate begins anew with what it has kept.
    origin.behave(|_, stream| _ = stream.write_all(&page("", b"<html>It works!</html>")));
    gate.log_line(&["refused", "/people.crl", "a page of HTML"]);
    let folder = gate.folder().to_owned();
    let kept: Vec<_> = std::fs::read_dir(folder.join("kept")).unwrap().collect();
    assert!(!kept.is_empty());
    let gate = gate.restart();
    let alice = Client::new(gate.address, &gate.pki.root).with(alice.credential());
    assert!(alice.get("/").await.says().contains("certificate_revoked"));
    assert_eq!(gate.alice().get("/").await.says(), "ok", "another certificate of hers");
}

#[tokio::test]
async fn lists_are_fetched_from_where_certificates_say_and_the_first_client_waits_for_them() {
    let upstream = Upstream::start();
    let settings = "from_certificates: true, private_addresses: true, scope: leaf";
    let (crl, scope) = settings.rsplit_once(", ").unwrap();
    for (allowed, expected) in [(crl, "ok"), ("files: [root.crl]", "revocation_unknown")] {
        let revocation = format!("{scope}, crl: {{ {allowed}, cache: kept }}");
        let setup = Setup::before(&upstream).section("trust", &trust(&revocation));
        let root = setup.pki.root.revocation_list(&[], far());
        let origin = Origin::start(lists(String::new(), setup.pki.people.revocation_list(&[], far())));
        let gate = setup.file("root.crl", &root).start();
        let leaf = Leaf::person("alice@example.org").list_at(&origin.url("/people.crl"));
        let alice = gate.client().with(&gate.pki.people.issue(leaf));
        assert!(alice.get("/").await.says().contains(expected), "{allowed}:\n{}", gate.log());
        assert_eq!(origin.requests().len(), usize::from(expected == "ok"), "{allowed}");
    }
}

/// A gate that asks a responder about alice and bob, the one good and the other revoked.
fn asking(upstream: &Upstream, ocsp: &str) -> (Gate, Responder, Credential, Credential) {
    let setup = Setup::before(upstream).account("bob", &["--email", "bob@example.org"]);
    let (alice, bob) = (setup.pki.person("alice"), setup.pki.person("bob"));
    let people = &setup.pki.people;
    let responder = Responder::start(people, &people.signer(), &[(&alice, State::Good), (&bob, State::Revoked)]);
    let ocsp = ocsp.replace("RESPONDER", &responder.url());
    let gate = setup.section("trust", &trust(&format!("scope: leaf, ocsp: {{ {ocsp} }}"))).start();
    (gate, responder, alice, bob)
}

#[tokio::test]
async fn a_responder_is_asked_once_about_each_certificate() {
    let upstream = Upstream::start();
    let (gate, responder, alice, bob) =
        asking(&upstream, "mode: require, responder: 'RESPONDER', private_addresses: true, timeout: 10s");
    let (alice, bob) = (gate.client().with(&alice), gate.client().with(&bob));
    for _ in 0..3 {
        assert_eq!(alice.get("/").await.says(), "ok", "{}", gate.log());
        assert!(bob.get("/").await.says().contains("certificate_revoked"));
    }
    assert_eq!(responder.questions(), 2);
    let unknown = gate.client().with(&gate.pki.person("alice"));
    assert!(unknown.get("/").await.says().contains("revocation_unknown"), "the responder does not know it");
    gate.log_line(&["revocation_unknown", "ocsp: unknown", "does not know it"]);
}

#[tokio::test]
async fn no_answer_of_a_responder_is_what_the_configuration_says() {
    let upstream = Upstream::start();
    for (ocsp, expected) in [
        ("mode: require, responder: 'http://127.0.0.1:9/', private_addresses: true", "revocation_unknown"),
        ("mode: prefer, responder: 'http://127.0.0.1:9/', private_addresses: true", "revocation_unknown"),
        ("mode: prefer, responder: 'http://127.0.0.1:9/', private_addresses: true, unknown: accept", "ok"),
        ("mode: prefer, responder: 'http://127.0.0.1:9/'", "revocation_unknown"),
        ("mode: require", "revocation_unknown"),
        ("mode: prefer", "ok"),
        ("mode: off, responder: 'http://127.0.0.1:9/'", "ok"),
    ] {
        let gate = Setup::before(&upstream).section("trust", &trust(&format!("ocsp: {{ {ocsp} }}"))).start();
        let reason = gate.alice().get("/").await.says();
        assert!(reason.contains(expected), "{ocsp}: {reason}");
    }
}

#[tokio::test]
async fn explain_tells_what_each_source_says() {
    let upstream = Upstream::start();
    let setup = Setup::before(&upstream);
    let alice = setup.pki.person("alice");
    let people = &setup.pki.people;
    let responder = Responder::start(people, &people.signer(), &[(&alice, State::Good)]);
    let ocsp = format!("mode: require, responder: '{}', private_addresses: true, timeout: 10s", responder.url());
    let list = people.numbered_list(7, &[], far());
    let origin = Origin::saying(page("", list.as_bytes()));
    let crl = format!("urls: ['{}'], cache: kept, private_addresses: true", origin.url("/people.crl"));
    let gate = setup
        .section("trust", &trust(&format!("scope: leaf, crl: {{ {crl} }}, ocsp: {{ {ocsp} }}")))
        .file("alice.pem", &alice.chain_pem())
        .start();
    let certificate = gate.folder().join("alice.pem").display().to_string();
    let told = gate.wicketgate(&["explain", &certificate]);
    let list = format!("list 7 of CN=Example People from {}, made at 2020-06-01", origin.url("/people.crl"));
    for text in ["crl: not revoked", &list, "database: not revoked", "ocsp: not revoked", "an", "permit"] {
        assert!(told.contains(text), "{text:?} is not in:\n{told}");
    }
}
