//! A resumed session is worth no more than a new one: it is judged again, and it counts only under the policy
//! that it was made for (the class of CVE-2025-23419).
#![cfg(test)]

mod common;

use common::client::Client;
use common::gate::Gate;
use common::pki::{Authority, Leaf};
use common::setup::Setup;
use common::upstream::Upstream;
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};
use std::time::Duration;

/// One GET on a new connection: whether its session was resumed, and the status.
async fn visit(client: &Client) -> (bool, u16) {
    let stream = client.tls(&["http/1.1"]).await.unwrap();
    let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("/").header("Host", client.name()).body(common::client::empty()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let status = response.status().as_u16();
    // By the end of the body the tickets of TLS 1.3 have been read as well.
    response.into_body().collect().await.unwrap();
    (resumed, status)
}

fn gate(upstream: &Upstream) -> Gate {
    let partners = Authority::root("Partners");
    Setup::before(upstream)
        .file("partners.pem", &partners.pem())
        .section("trust", "{ staff: { authorities: [ca.pem] }, partners: { authorities: [partners.pem] } }")
        .section("accounts", "{ sqlite: { path: accounts.db }, cache: { ttl: 1s, negative_ttl: 1s } }")
        .listener(
            "hosts",
            "[{ name: public.example.org, client_certificate: \"off\" }, \
              { name: partners.example.org, trust: partners }, \
              { name: strict.example.org, on_rejected_certificate: alert }]",
        )
        .open_to_all()
        .start()
}

#[tokio::test]
async fn a_session_is_resumed_where_it_was_made() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    for version in [&TLS12, &TLS13] {
        let alice = gate.alice().speaking(version);
        assert_eq!(visit(&alice).await, (false, 200), "{:?}", version.version);
        assert_eq!(visit(&alice).await, (true, 200), "{:?}", version.version);
        assert_eq!(upstream.last().header("remote-user").as_deref(), Some("alice"), "{:?}", version.version);
    }
}

#[tokio::test]
async fn a_session_of_one_policy_is_no_session_of_another() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    let names = ["gate.example.org", "public.example.org", "partners.example.org"];
    for version in [&TLS12, &TLS13] {
        for made_for in names {
            for used_for in names.into_iter().filter(|name| *name != made_for) {
                let alice = gate.alice().speaking(version).with_sessions_of_any_name();
                let same = alice.clone().named(made_for);
                visit(&same).await;
                assert!(visit(&same).await.0, "the session of {made_for} is good, {:?}", version.version);
                let (resumed, _) = visit(&alice.named(used_for)).await;
                assert!(!resumed, "a session of {made_for} was resumed for {used_for}, {:?}", version.version);
            }
        }
    }
}

#[tokio::test]
async fn where_rejected_certificates_get_an_alert_no_session_is_resumed() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    for version in [&TLS12, &TLS13] {
        let alice = gate.alice().speaking(version).named("strict.example.org");
        assert_eq!(visit(&alice).await, (false, 200), "{:?}", version.version);
        assert_eq!(visit(&alice).await, (false, 200), "{:?}", version.version);
    }
}

#[tokio::test]
async fn a_resumed_session_is_judged_again() {
    let upstream = Upstream::start();
    for version in [&TLS12, &TLS13] {
        let gate = gate(&upstream);
        let brief = gate.pki.people.issue(Leaf::person("alice@example.org").expiring_in(5));
        let alice = gate.client().with(&brief).speaking(version);
        assert_eq!(visit(&alice).await, (false, 200));
        assert_eq!(upstream.last().header("x-client-verify").as_deref(), Some("SUCCESS"));
        tokio::time::sleep(Duration::from_secs(7)).await;
        let (_, status) = visit(&alice).await;
        assert_eq!(status, 200, "the route is open to all, {:?}", version.version);
        let seen = upstream.last();
        assert_eq!(
            seen.header("x-client-verify").as_deref(),
            Some("FAILED:certificate_expired"),
            "{:?}",
            version.version
        );
        assert_eq!(seen.header("remote-user"), None, "{:?}", version.version);
    }
}

#[tokio::test]
async fn a_certificate_that_expires_loses_its_open_connections() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let brief = gate.pki.people.issue(Leaf::person("alice@example.org").expiring_in(5));
    let mut connections = gate.client().with(&brief).both().await;
    for (version, connection) in &mut connections {
        assert_eq!(connection.get("/").await.status, 200, "{version}");
    }
    tokio::time::sleep(Duration::from_secs(7)).await;
    for (version, connection) in &mut connections {
        assert!(connection.is_refused("certificate_expired").await, "{version}");
    }
    assert_eq!(upstream.requests().len(), 2);
}

#[tokio::test]
async fn an_account_that_is_locked_loses_its_open_connections_and_sessions() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let alice = gate.alice();
    let mut connections = alice.both().await;
    for (version, connection) in &mut connections {
        assert_eq!(connection.get("/").await.status, 200, "{version}");
    }
    assert_eq!(visit(&alice).await.1, 200);
    gate.wicketgate(&["account", "lock", "alice"]);
    tokio::time::sleep(Duration::from_secs(1)).await;
    for (version, connection) in &mut connections {
        assert!(connection.is_refused("account_inactive").await, "{version}");
    }
    assert_eq!(visit(&alice).await.1, 403);
}
