//! What is shown at one host of a listener counts for nothing at another that asks for more: neither over a
//! session that is resumed there (the class of CVE-2025-23419) nor over a connection that a browser shares between
//! the names of one certificate (RFC 9113, section 9.1.1). Each over TLS 1.2 and 1.3.
#![cfg(test)]

mod common;

use common::client::{Client, Connection, empty};
use common::gate::Gate;
use common::pki::Authority;
use common::setup::Setup;
use common::upstream::Upstream;
use http::Request;
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};

const VERSIONS: [&rustls::SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// A listener that needs certificates, with one name that asks for none, one that trusts others and one where
/// refusals fail the handshake. Everybody may pass who may speak at all.
fn gate(upstream: &Upstream) -> Gate {
    let hosts = "[{ name: public.example.org, client_certificate: off }, \
                  { name: partners.example.org, trust: partners }, \
                  { name: strict.example.org, on_rejected_certificate: alert }]";
    Setup::before(upstream)
        .file("partners.pem", &Authority::root("Partners").pem())
        .section("trust", "{ staff: { authorities: [ca.pem] }, partners: { authorities: [partners.pem] } }")
        .listener("client_certificate", "need")
        .listener("on_missing_certificate", "page")
        .listener("hosts", hosts)
        .section("routes", "[{ host: public.example.org, anonymous: allow, upstream: app }, { upstream: app }]")
        .start()
}

/// One GET on a new connection: whether its session was resumed, and the status.
async fn visit(client: &Client) -> (bool, u16) {
    let stream = client.tls(&["http/1.1"]).await.unwrap();
    let resumed = stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("/").header("Host", client.name()).body(empty()).unwrap();
    let response = sender.send_request(request).await.unwrap();
    let status = response.status().as_u16();
    // By the end of the body the tickets of TLS 1.3 have been read as well.
    response.into_body().collect().await.unwrap();
    (resumed, status)
}

#[tokio::test]
async fn a_session_made_where_no_certificate_is_asked_for_opens_nothing_where_one_is_needed() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    for version in VERSIONS {
        let nobody = gate.client().speaking(version).with_sessions_of_any_name();
        let public = nobody.clone().named("public.example.org");
        visit(&public).await;
        assert_eq!(visit(&public).await, (true, 200), "the session is a good one, {:?}", version.version);
        let before = upstream.requests().len();
        for guarded in ["gate.example.org", "partners.example.org", "strict.example.org"] {
            let (resumed, status) = visit(&nobody.clone().named(guarded)).await;
            assert_eq!((resumed, status), (false, 403), "{guarded}, {:?}", version.version);
            // What was learnt there is worth nothing elsewhere either.
            visit(&public).await;
        }
        let after: Vec<_> = upstream.requests().split_off(before);
        assert!(after.iter().all(|seen| seen.header("host").as_deref() == Some("public.example.org")));
    }
}

#[tokio::test]
async fn a_session_with_a_certificate_identifies_nobody_where_none_is_asked_for() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    for version in VERSIONS {
        let alice = gate.alice().speaking(version).with_sessions_of_any_name();
        visit(&alice).await;
        assert_eq!(visit(&alice).await, (true, 200), "{:?}", version.version);
        assert_eq!(upstream.last().header("remote-user").as_deref(), Some("alice"), "{:?}", version.version);
        assert_eq!(visit(&alice.clone().named("public.example.org")).await, (false, 200), "{:?}", version.version);
        assert_eq!(upstream.last().header("remote-user"), None, "{:?}", version.version);
        let (resumed, status) = visit(&alice.named("partners.example.org")).await;
        assert_eq!((resumed, status), (false, 403), "other authorities decide there, {:?}", version.version);
    }
}

/// A request for a host over a connection that was made for another one.
async fn ask(connection: &mut Connection, host: &str) -> u16 {
    connection.send(Request::get(format!("https://{host}/")).body(empty()).unwrap()).await.status
}

#[tokio::test]
async fn a_connection_is_not_shared_with_a_host_that_asks_for_more() {
    let upstream = Upstream::start();
    let gate = gate(&upstream);
    for version in VERSIONS {
        for (session, host, expected) in [
            ("public.example.org", "gate.example.org", 421),
            ("public.example.org", "strict.example.org", 421),
            ("gate.example.org", "partners.example.org", 421),
            ("gate.example.org", "strict.example.org", 421),
            ("gate.example.org", "public.example.org", 421),
            ("gate.example.org", "other.example.org", 200),
        ] {
            let alice = gate.alice().speaking(version).named(session);
            let mut connection = alice.http2().await.unwrap();
            assert_eq!(ask(&mut connection, session).await, 200, "{session}, {:?}", version.version);
            let before = upstream.requests().len();
            let status = ask(&mut connection, host).await;
            assert_eq!(status, expected, "{session} asked for {host}, {:?}", version.version);
            assert_eq!(upstream.requests().len() - before, usize::from(expected == 200), "{session} {host}");
            // As RFC 9110, section 15.5.20, has it: over a connection of its own the same request is served.
            let own = gate.alice().speaking(version).named(host).get("/").await.status;
            assert_eq!(own, if host == "partners.example.org" { 403 } else { 200 }, "{host}, {:?}", version.version);
            assert_eq!(ask(&mut connection, session).await, 200, "the connection is still good for {session}");
        }
    }
}

#[tokio::test]
async fn nodes_that_share_a_secret_resume_each_others_sessions_and_others_do_not() {
    let upstream = Upstream::start();
    let first = Setup::before(&upstream);
    let tls = |folder: &str| {
        let certificate = format!("{{ chain: '{folder}server.pem', key: '{folder}server.key' }}");
        format!("{{ certificates: [{certificate}], ticket_secret: {{ file: ticket.secret }} }}")
    };
    let first = first.listener("tls", &tls("")).file("ticket.secret", "0123456789abcdef shared").start();
    let folder = format!("{}/", first.folder().display());
    let node = |secret: &str| {
        let trust = format!("{{ staff: {{ authorities: ['{folder}ca.pem'] }} }}");
        let setup = Setup::before(&upstream).section("trust", &trust).listener("tls", &tls(&folder));
        setup.file("ticket.secret", secret).start()
    };
    let (second, stranger) = (node("0123456789abcdef shared"), node("0123456789abcdef of its own"));
    for version in VERSIONS {
        let alice = first.alice().speaking(version);
        assert_eq!(visit(&alice).await, (false, 200), "{:?}", version.version);
        assert_eq!(visit(&alice.clone().at(second.address)).await, (true, 200), "{:?}", version.version);
        assert_eq!(upstream.last().header("remote-user").as_deref(), Some("alice"), "{:?}", version.version);
        let alice = first.alice().speaking(version);
        visit(&alice).await;
        assert_eq!(visit(&alice.at(stranger.address)).await, (false, 200), "{:?}", version.version);
    }
}
