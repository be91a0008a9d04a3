//! What RFC 7616 has beyond a plain answer: bodies that are covered, hashed and encoded names, sessions, what the
//! server says in return; and what Wicketgate adds: realms that a header names, nonces that outlive a reload and their
//! secret.
#![cfg(test)]

mod common;

use common::client::{Body, Client, Connection, full, streamed};
use common::digest::{PASSWORD, authorization, get_with, ha1_of, offer, session, set_password, with_password};
use common::eventually;
use common::gate::unused_address;
use common::haproxy::HaProxy;
use common::pki::write_private;
use common::setup::Setup;
use common::upstream::Upstream;
use http::Request;
use hyper::body::Frame;
use wicketgate::auth::digest::client::{Offer, Outgoing, Session};
use wicketgate::config::ChallengeAlgorithm::{self, Sha256};

const ALL: &str = "{ realm: example.org, algorithms: [SHA-512-256, SHA-512-256-sess, SHA-256, SHA-256-sess, MD5, \
                   MD5-sess], userhash: true, auth_int: { limit: 1KiB }, domain: [/, \"https://www.example.org/\"] }";

/// A POST of alice's that covers `signed` and brings a body.
fn post(session: &mut Session, signed: &[u8], body: Body) -> Request<Body> {
    let ha1 = ha1_of("alice", PASSWORD, session.offer());
    let request = Outgoing { method: "POST", uri: "/", cnonce: "c", body: Some(signed) };
    let authorization = session.authorization("alice", &ha1, &request).unwrap();
    assert!(authorization.contains("qop=auth-int"), "{authorization}");
    Request::post("/").header("authorization", authorization).body(body).unwrap()
}

#[tokio::test]
async fn every_algorithm_lets_in_and_the_gate_shows_that_it_knows_the_password() {
    let upstream = Upstream::start();
    let gate = with_password(Setup::before(&upstream), ALL);
    for (version, mut connection) in gate.client().both().await {
        for algorithm in ChallengeAlgorithm::ALL {
            let mut session = session(&mut connection, algorithm).await;
            for _ in 0..2 {
                let authorization = authorization(&mut session, "/");
                assert!(authorization.contains("userhash=true") && !authorization.contains("alice"));
                let answer = connection.send(get_with("/", &authorization)).await;
                assert_eq!(answer.status, 200, "{version} {algorithm:?}: {}", gate.log());
                let info = answer.header("authentication-info");
                assert_eq!(session.informed(info.as_bytes()), Some(true), "{version} {algorithm:?}: {info}");
                assert_eq!(upstream.last().header("remote-user").as_deref(), Some("alice"));
                assert_eq!(upstream.last().header("authorization"), None);
            }
        }
    }
    let challenge = gate.client().get("/").await.header("www-authenticate").to_owned();
    assert!(challenge.contains("domain=\"/ https://www.example.org/\"") && challenge.contains("userhash=true"));
}

#[tokio::test]
async fn a_covered_body_is_verified_before_any_of_it_is_forwarded() {
    let upstream = Upstream::start();
    let gate = with_password(Setup::before(&upstream), ALL);
    for (version, mut connection) in gate.client().both().await {
        let before = upstream.requests().len();
        let mut session = session(&mut connection, Sha256).await;
        let answer = connection.send(post(&mut session, b"amount=1", full("amount=1"))).await;
        assert_eq!(answer.status, 200, "{version}: {}", gate.log());
        assert_eq!(upstream.last().body, b"amount=1");
        let answer = connection.send(post(&mut session, b"amount=1", full("amount=9"))).await;
        assert_eq!((answer.status, offer(&answer, Sha256).stale), (401, false), "{version}");
        // One of unknown length comes whole, too, and without the trailers, which nothing covers.
        let (sender, body) = streamed();
        let request = post(&mut session, b"amount=2", body);
        let sending = async {
            sender.send(Frame::data("amount".into())).await.unwrap();
            sender.send(Frame::data("=2".into())).await.unwrap();
            let trailers = http::HeaderMap::from_iter([("x-trailer".parse().unwrap(), "1".parse().unwrap())]);
            sender.send(Frame::trailers(trailers)).await.unwrap();
            drop(sender);
        };
        let (answer, ()) = tokio::join!(connection.send(request), sending);
        assert_eq!(answer.status, 200, "{version}: {}", gate.log());
        let seen = upstream.last();
        assert_eq!((seen.body.as_slice(), seen.trailers.as_str()), (&b"amount=2"[..], ""), "{version}");
        assert_eq!(upstream.requests().len(), before + 2, "{version}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_to_be_held_is_not_offered_to_be_covered_and_refused_if_it_is() {
    let upstream = Upstream::start();
    let gate = with_password(Setup::before(&upstream), ALL);
    for (version, mut connection) in gate.client().both().await {
        let plain = |body: Body| Request::post("/").body(body).unwrap();
        assert!(offer(&connection.send(plain(full(vec![b'x'; 1024]))).await, Sha256).auth_int, "{version}");
        // The gate may close instead of reading what nobody wants.
        let mut connection = if version == "HTTP/2" { connection } else { gate.client().http1().await.unwrap() };
        let large = offer(&connection.send(plain(full(vec![b'x'; 1025]))).await, Sha256);
        assert!(large.auth && !large.auth_int, "{version}");
    }
    let large = vec![b'x'; 1025];
    for known in [true, false] {
        let mut connection = gate.client().http1().await.unwrap();
        let mut session = session(&mut connection, Sha256).await;
        let (sender, body) = streamed();
        let request = post(&mut session, &large, if known { full(large.clone()) } else { body });
        let octets = large.clone();
        let sending = async move {
            let _ = sender.send(Frame::data(octets.into())).await;
        };
        let (answer, ()) = tokio::join!(connection.send(request), sending);
        assert_eq!(answer.status, 413, "{known}: {}", answer.text());
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn bodies_that_are_held_take_no_more_memory_than_they_may_however_many_come() {
    let upstream = Upstream::start();
    let setup = Setup::before(&upstream).section("limits", "{ held_bodies: 16MiB }");
    let gate = with_password(setup, "{ realm: example.org, auth_int: { limit: 1MiB } }");
    let plain = || Request::post("/").body(full("x")).unwrap();
    // Of an eighth of it, which one address has, two bodies take all that may become as large as they like.
    let mut uploading = Vec::new();
    for _ in 0..2 {
        let mut connection = gate.client().http1().await.unwrap();
        let mut session = session(&mut connection, Sha256).await;
        let (sender, body) = streamed();
        let request = post(&mut session, b"amount=1", body);
        sender.send(Frame::data("amount".into())).await.unwrap();
        uploading.push((sender, tokio::spawn(async move { connection.send(request).await })));
    }
    let mut connection = gate.client().http1().await.unwrap();
    let mut session = session(&mut connection, Sha256).await;
    // Until both have come.
    let no_longer_offered = async {
        while offer(&connection.send(plain()).await, Sha256).auth_int {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(common::PATIENCE, no_longer_offered).await.unwrap();
    let answer = gate.client().http1().await.unwrap().send(post(&mut session, b"x", full("x"))).await;
    assert_eq!((answer.status, answer.header("retry-after")), (503, "2"), "{}", answer.text());
    assert!(answer.says().contains("overloaded"), "{}", answer.text());
    // One from elsewhere has its own part, and who leaves gives his back.
    let elsewhere = gate.client().from("127.0.0.9").http1().await.unwrap().send(plain()).await;
    assert!(offer(&elsewhere, Sha256).auth_int);
    let (left, leaving) = uploading.pop().unwrap();
    leaving.abort();
    drop(left);
    let (sender, answered) = uploading.pop().unwrap();
    sender.send(Frame::data("=1".into())).await.unwrap();
    drop(sender);
    let answer = answered.await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(upstream.last().body, b"amount=1");
    let offered_again = async {
        while !offer(&gate.client().http1().await.unwrap().send(plain()).await, Sha256).auth_int {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(common::PATIENCE, offered_again).await.unwrap();
}

/// A GET of alice's that says in `From` who she is, with or without credentials.
async fn from(connection: &mut Connection, from: &[&str], authorization: Option<&str>) -> common::client::Answer {
    let mut request = Request::get("/");
    for value in from {
        request = request.header("from", *value);
    }
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    connection.send(request.body(common::client::empty()).unwrap()).await
}

#[tokio::test]
async fn the_realm_is_the_domain_in_a_header_if_it_is_one_of_ours() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream)
        .section("routes", "[{ path: /, authenticate: [certificate, digest], upstream: app }]")
        .section("digest", "{ realm: { from_header: From, allowed: [a.example, b.example] } }")
        .start();
    set_password(&gate, &["--realm", "a.example"]);
    for (version, mut connection) in gate.client().both().await {
        let of_a = "\"Alice\" <sip:alice@A.example>;tag=1";
        let challenged = from(&mut connection, &[of_a], None).await;
        let mut session = Session::new(offer(&challenged, Sha256));
        assert_eq!(session.offer().realm, "a.example", "{version}");
        let right = authorization(&mut session, "/");
        let passed = from(&mut connection, &["sip:alice@a.example"], Some(&right)).await;
        assert_eq!(passed.status, 200, "{version}: {}", gate.log());
        assert_eq!(upstream.last().header("from").as_deref(), Some("sip:alice@a.example"));
        // The same credentials for the other realm are none.
        let other = authorization(&mut session, "/");
        assert_eq!(from(&mut connection, &["alice@b.example"], Some(&other)).await.status, 401, "{version}");
        // Nor has alice a password there.
        let of_b = Session::new(offer(&from(&mut connection, &["alice@b.example"], None).await, Sha256));
        assert_eq!(of_b.offer().realm, "b.example");
        assert_eq!(
            from(&mut connection, &["alice@b.example"], Some(&authorization(&mut of_b.clone(), "/"))).await.status,
            401
        );
        let cases: [(&[&str], &str); 4] = [
            (&[], "From: there is no such header"),
            (&["alice@a.example", "alice@a.example"], "From: it is there more than once"),
            (&["alice@c.example"], "is not among the realms"),
            (&["alice@a.example, eve@b.example"], "From: it is not an address"),
        ];
        for (values, why) in cases {
            for credentials in [None, Some(authorization(&mut session, "/"))] {
                let answer = from(&mut connection, values, credentials.as_deref()).await;
                assert_eq!(answer.status, 400, "{version} {values:?}: {}", answer.text());
                gate.log_line(&[answer.header("x-request-id"), why]);
            }
        }
    }
    // A header that ends here, or that an application may read otherwise, names no realm.
    for (name, value) in
        [("connection", "from"), ("from", "alice@b.example"), ("f-rom", "a"), ("connection", "x, FROM")]
    {
        let request = Request::get("/").header("from", "alice@a.example").header(name, value);
        let mut connection = gate.client().http1().await.unwrap();
        let answer = connection.send(request.body(common::client::empty()).unwrap()).await;
        assert_eq!(answer.status, if name == "f-rom" { 401 } else { 400 }, "{name}: {value}");
    }
    // Who has a certificate needs none of this.
    assert_eq!(gate.alice().get("/").await.status, 200);
}

#[tokio::test]
async fn a_reload_and_a_new_secret_ask_nobody_again() {
    let upstream = Upstream::start();
    let setup = Setup::before(&upstream).file("nonce.secret", "a secret for tests alone\n");
    let gate = with_password(setup, "{ realm: example.org, nonce: { secret: { file: nonce.secret } } }");
    let mut connection = gate.client().http1().await.unwrap();
    let mut session = session(&mut connection, Sha256).await;
    let first = authorization(&mut session, "/");
    assert_eq!(connection.send(get_with("/", &first)).await.status, 200);
    write_private(&gate.folder().join("nonce.secret"), "another secret for tests\n");
    gate.reload();
    gate.log_line(&["configuration", "taken up"]);
    assert_eq!(connection.send(get_with("/", &first)).await.status, 401, "a replay stays one");
    assert_eq!(connection.send(get_with("/", &authorization(&mut session, "/"))).await.status, 200);
    // What another gate with the new secret makes of a new nonce shows that it is in force.
    let twin = gate.twin();
    let other = common::client::Client::new(twin.address, &gate.pki.root);
    let fresh = offer(&connection.get("/").await, Sha256);
    let mut there = other.http1().await.unwrap();
    let answer = there.send(get_with("/", &authorization(&mut Session::new(fresh), "/"))).await;
    assert_eq!((answer.status, offer(&answer, Sha256).stale), (401, true));
}

#[tokio::test]
async fn two_gates_behind_a_balancer_ask_once_wherever_each_connection_leads() {
    let upstream = Upstream::start();
    let setup = Setup::before(&upstream).file("nonce.secret", "a secret for tests alone\n");
    let gate = with_password(setup, "{ realm: example.org, nonce: { secret: { file: nonce.secret } } }");
    let twin = gate.twin();
    let front = unused_address();
    let gates = format!(
        "listen gates\n  bind {front}\n  balance roundrobin\n  server one {}\n  server other {}\n",
        gate.address, twin.address
    );
    let _balancer = HaProxy::start(&gates, &[front]);
    let client = Client::new(front, &gate.pki.root);
    let mut known: Option<Session> = None;
    let mut prompts = 0;
    for number in 0..20 {
        let mut connection = client.http1().await.unwrap();
        for attempt in 0..3 {
            let answer = match &mut known {
                Some(session) => connection.send(get_with("/", &authorization(session, "/"))).await,
                None => connection.get("/").await,
            };
            if answer.status == 200 {
                break;
            }
            assert!(attempt < 2, "connection {number} leads nowhere");
            let offered: Offer = offer(&answer, Sha256);
            // Who is told so asks nobody.
            prompts += usize::from(!offered.stale);
            known = Some(Session::new(offered));
        }
    }
    assert_eq!(prompts, 1);
    assert_eq!(upstream.requests().len(), 20);
    eventually("the other gate to say what it saw", || {
        twin.process.output().contains("nonce_of_another_process").then_some(())
    });
}
