//! A certificate that was taken back is worth nothing, on open connections too; and where it cannot be known
//! whether it was, the configuration says what that means (RFC 5280, section 5).
#![cfg(test)]

mod common;

use common::gate::Gate;
use common::pki::{Authority, far, past};
use common::setup::Setup;
use common::upstream::Upstream;
use std::time::Duration;

const LISTS: &str = "crl: { files: [root.crl, people.crl] }";

fn trust(revocation: &str) -> String {
    format!("{{ staff: {{ authorities: [ca.pem], revocation: {{ {revocation} }} }} }}")
}

/// A setup whose lists of root and people are current and empty.
fn setup(upstream: &Upstream) -> Setup {
    let setup = Setup::before(upstream).account("bob", &["--email", "bob@example.org"]);
    let (root, people) = (setup.pki.root.revocation_list(&[], far()), setup.pki.people.revocation_list(&[], far()));
    setup.section("trust", &trust(LISTS)).file("root.crl", &root).file("people.crl", &people)
}

/// Replaces a list, as a job that fetches it does.
fn publish(gate: &Gate, file: &str, list: &str) {
    let half = gate.folder().join("half.crl");
    std::fs::write(&half, list).unwrap();
    std::fs::rename(half, gate.folder().join(file)).unwrap();
}

#[tokio::test]
async fn a_certificate_on_its_issuers_list_is_refused_and_its_neighbour_is_not() {
    let upstream = Upstream::start();
    let setup = setup(&upstream);
    let (alice, bob) = (setup.pki.person("alice"), setup.pki.person("bob"));
    let list = setup.pki.people.revocation_list(&[&alice], far());
    let gate = setup.file("people.crl", &list).start();
    assert!(gate.client().with(&alice).get("/").await.says().contains("certificate_revoked"));
    assert_eq!(gate.client().with(&bob).get("/").await.says(), "ok");
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn a_revoked_certificate_loses_its_open_connections() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).start();
    let (alice, bob) = (gate.pki.person("alice"), gate.pki.person("bob"));
    let mut hers = gate.client().with(&alice).both().await;
    let mut his = gate.client().with(&bob).both().await;
    for (version, connection) in hers.iter_mut().chain(&mut his) {
        assert_eq!(connection.get("/").await.status, 200, "{version}");
    }
    publish(&gate, "people.crl", &gate.pki.people.revocation_list(&[&alice], far()));
    gate.until(&gate.client().with(&alice), "certificate_revoked").await;
    for (version, connection) in &mut hers {
        assert!(connection.is_refused("certificate_revoked").await, "{version}");
    }
    for (version, connection) in &mut his {
        assert_eq!(connection.get("/").await.status, 200, "{version}");
    }
}

#[tokio::test]
async fn an_authority_on_its_issuers_list_takes_everybody_below_it_along() {
    let upstream = Upstream::start();
    let setup = setup(&upstream);
    let list = setup.pki.root.revocation_list(&[&setup.pki.people.credential()], far());
    let gate = setup.file("root.crl", &list).start();
    for name in ["alice", "bob"] {
        assert!(
            gate.client().with(&gate.pki.person(name)).get("/").await.says().contains("certificate_revoked"),
            "{name}"
        );
    }
}

#[tokio::test]
async fn where_nobody_knows_the_configuration_decides() {
    let upstream = Upstream::start();
    for (what, unknown, until, expected) in [
        ("a list that is over", "", past(), "revocation_unknown"),
        ("a list that is over, rejecting", ", unknown: reject", past(), "revocation_unknown"),
        ("a list that is over, accepting", ", unknown: accept", past(), "ok"),
        ("a list that is current", ", unknown: reject", far(), "ok"),
    ] {
        let setup = setup(&upstream);
        let list = setup.pki.people.revocation_list(&[], until);
        let lists = LISTS.replace(" }", &format!("{unknown} }}"));
        let gate = setup.file("people.crl", &list).section("trust", &trust(&lists)).start();
        let reason = gate.client().with(&gate.pki.person("alice")).get("/").await.says();
        assert!(reason.contains(expected), "{what}: {reason}");
    }
}

#[tokio::test]
async fn a_list_that_is_over_still_takes_back_what_it_took_back() {
    let upstream = Upstream::start();
    let setup = setup(&upstream);
    let alice = setup.pki.person("alice");
    let list = setup.pki.people.revocation_list(&[&alice], past());
    let gate =
        setup.section("trust", &trust(&LISTS.replace(" }", ", unknown: accept }"))).file("people.crl", &list).start();
    assert!(gate.client().with(&alice).get("/").await.says().contains("certificate_revoked"));
}

#[tokio::test]
async fn a_list_that_another_authority_signed_takes_nothing_back_and_answers_nothing() {
    let upstream = Upstream::start();
    let gate = setup(&upstream).start();
    let alice = gate.pki.person("alice");
    gate.until(&gate.client().with(&alice), "ok").await;
    // It has the same name, but another key.
    let impostor = Authority::root("Example People");
    publish(&gate, "people.crl", &impostor.revocation_list(&[&alice], far()));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let reason = gate.client().with(&alice).get("/").await.says();
    assert!(!reason.contains("certificate_revoked"), "{reason}");
    // Either the reload is refused and the old list counts, or there is no list of hers any more.
    assert!(reason == "ok" || reason.contains("revocation_unknown"), "{reason}");
}

#[tokio::test]
async fn a_damaged_list_is_refused_and_the_old_one_goes_on() {
    let upstream = Upstream::start();
    let setup = setup(&upstream);
    let alice = setup.pki.person("alice");
    let list = setup.pki.people.revocation_list(&[&alice], far());
    let gate = setup.file("people.crl", &list).start();
    publish(&gate, "people.crl", &list[..list.len() / 2]);
    gate.log_line(&["refused", "people.crl"]);
    assert!(gate.client().with(&alice).get("/").await.says().contains("certificate_revoked"));
    assert_eq!(gate.client().with(&gate.pki.person("bob")).get("/").await.says(), "ok");
}
