//! Servers that are spoken to over TLS: whom they must show to be, what the gate shows them, and what the log says of
//! those that do not hold.
#![cfg(test)]

mod common;

use common::client::get;
use common::pki::{Authority, Credential, Leaf};
use common::raw::Raw;
use common::setup::Setup;
use common::tls_front::TlsFront;
use common::upstream::Upstream;
use http::Request;
use std::io::{BufRead, Write};
use std::time::Duration;

const NAME: &str = "app.internal.example";

/// An authority inside, and a server's certificate of it.
fn inside() -> (Authority, Credential) {
    let authority = Authority::root("Inside");
    let server = authority.issue(Leaf::server(&[NAME]));
    (authority, server)
}

/// A gate before this front, with these keys under `tls`.
fn before(upstream: &Upstream, front: &TlsFront, authority: &Authority, tls: &str) -> Setup {
    Setup::before(upstream)
        .upstream("servers", &format!("[\"https://{}\"]", front.address()))
        .upstream("tls", &format!("{{ ca: inside.pem, name: {NAME}{tls} }}"))
        .file("inside.pem", &authority.pem())
}

#[tokio::test]
async fn a_server_is_reached_over_tls_and_its_connection_is_kept() {
    let upstream = Upstream::start();
    let (authority, server) = inside();
    let front = TlsFront::start(&upstream, &server, None);
    let gate = before(&upstream, &front, &authority, "").start();
    let mut alice = gate.alice().http1().await.unwrap();
    for _ in 0..5 {
        let answer = alice.send(get("/inbox")).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"), "{}", gate.log());
    }
    let upload = Request::post("/upload").body(common::client::full(vec![b'u'; 1 << 20])).unwrap();
    assert_eq!(alice.send(upload).await.status, 200);
    assert_eq!(upstream.last().length, 1 << 20);
    assert_eq!(upstream.last().header("remote-user").as_deref(), Some("alice"));
    assert_eq!(upstream.last().header("host").as_deref(), Some("gate.example.org"), "the client's own");
    let handshakes = front.handshakes();
    let [handshake] = &handshakes[..] else { panic!("{handshakes:?}") };
    assert_eq!((handshake.name.as_deref(), &handshake.certificate), (Some(NAME), &None));
}

#[tokio::test]
async fn a_session_is_resumed_when_a_connection_is_made_anew() {
    let upstream = Upstream::start();
    let (authority, server) = inside();
    let front = TlsFront::start(&upstream, &server, None);
    let setup = before(&upstream, &front, &authority, "").upstream("timeouts", "{ idle: 1ms }");
    let gate = setup.start();
    let mut alice = gate.alice().http1().await.unwrap();
    for _ in 0..3 {
        assert_eq!(alice.send(get("/")).await.status, 200, "{}", gate.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let resumed: Vec<bool> = front.handshakes().iter().map(|handshake| handshake.resumed).collect();
    assert_eq!(resumed, [false, true, true]);
}

#[tokio::test]
async fn the_gate_shows_its_certificate_to_a_server_that_asks_for_one() {
    let upstream = Upstream::start();
    let (authority, server) = inside();
    let front = TlsFront::start(&upstream, &server, Some(&authority));
    let ours = authority.issue(Leaf::client("gate"));
    let theirs = authority.issue(Leaf::client("another upstream's"));
    let other = format!(
        "{{ servers: [\"https://{}\"], tls: {{ ca: inside.pem, name: {NAME}, certificate: theirs.pem, key: theirs.key }} }}",
        front.address()
    );
    let routes = "[{ path: /, upstream: app }, { path: /other, upstream: other }]";
    let gate = before(&upstream, &front, &authority, ", certificate: ours.pem, key: ours.key")
        .credential("ours", &ours)
        .credential("theirs", &theirs)
        .other_upstream("other", &other)
        .section("routes", routes)
        .start();
    let mut alice = gate.alice().http1().await.unwrap();
    // One server and two upstreams: what one has opened with its certificate is not the other's to use.
    for path in ["/", "/other", "/", "/other"] {
        assert_eq!(alice.send(get(path)).await.status, 200, "{path}: {}", gate.log());
    }
    let shown: Vec<_> = front.handshakes().into_iter().map(|handshake| handshake.certificate.unwrap()).collect();
    assert_eq!(shown, [ours.chain[0].to_vec(), theirs.chain[0].to_vec()]);
}

#[tokio::test]
async fn a_server_that_does_not_show_to_be_the_right_one_is_sent_nothing() {
    let upstream = Upstream::start();
    let (authority, _) = inside();
    let stranger = Authority::root("Stranger");
    let cases = [
        (stranger.issue(Leaf::server(&[NAME])), "it comes from none of the authorities in tls.ca"),
        (authority.issue(Leaf::server(&["other.internal.example"])), "it is not for \\\"app.internal.example\\\""),
        (authority.issue(Leaf::server(&[NAME]).expired()), "it has expired"),
        (authority.issue(Leaf::server(&[NAME]).not_yet_valid()), "it is not valid yet"),
    ];
    for (server, why) in cases {
        let front = TlsFront::start(&upstream, &server, None);
        let gate = before(&upstream, &front, &authority, "").start();
        let answer = gate.alice().get("/").await;
        assert_eq!(answer.status, 502, "{why}");
        assert!(
            answer.says().contains("upstream_unavailable") && !answer.text().contains("tls.ca"),
            "{}",
            answer.text()
        );
        gate.log_line(&["no answer for a permitted request", &front.address().to_string(), why]);
    }
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn a_server_that_refuses_the_gate_is_named_in_the_log() {
    let upstream = Upstream::start();
    let (authority, server) = inside();
    let front = TlsFront::start(&upstream, &server, Some(&authority));
    let stranger = Authority::root("Stranger").issue(Leaf::client("gate"));
    for (tls, why) in [("", "CertificateRequired"), (", certificate: ours.pem, key: ours.key", "UnknownCA")] {
        let gate = before(&upstream, &front, &authority, tls).credential("ours", &stranger).start();
        // In TLS 1.3 the refusal comes after the handshake, and the end of the connection may overtake it.
        let start = std::time::Instant::now();
        while !gate.log().contains(why) {
            assert_eq!(gate.alice().get("/").await.status, 502);
            assert!(start.elapsed() < common::PATIENCE, "{}", gate.log());
        }
    }
    // What listens there does not speak TLS at all.
    let gate = Setup::before(&upstream)
        .upstream("servers", &format!("[\"https://{}\"]", upstream.address()))
        .upstream("tls", "{ ca: ca.pem }")
        .start();
    assert_eq!(gate.alice().get("/").await.status, 502);
    gate.log_line(&["no answer for a permitted request", &upstream.address().to_string(), "no answer within"]);
    assert!(upstream.requests().is_empty());
}

#[tokio::test]
async fn a_connection_that_was_made_under_another_authority_is_not_used_after_a_reload() {
    let upstream = Upstream::start();
    let (authority, server) = inside();
    let front = TlsFront::start(&upstream, &server, None);
    let gate = before(&upstream, &front, &authority, "").start();
    let mut alice = gate.alice().http1().await.unwrap();
    assert_eq!(alice.send(get("/")).await.status, 200);
    std::fs::write(gate.folder().join("inside.pem"), Authority::root("Another").pem()).unwrap();
    let start = std::time::Instant::now();
    while alice.send(get("/")).await.status == 200 {
        assert!(start.elapsed() < common::PATIENCE, "{}", gate.log());
    }
    gate.log_line(&["none of the authorities in tls.ca"]);
}

#[tokio::test]
async fn a_websocket_goes_over_tls_as_well() {
    let upstream = Upstream::answering(|exchange| {
        exchange.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n");
        let (reader, mut wire) = exchange.upgrade();
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
            wire.write_all(line.as_bytes()).unwrap();
            line.clear();
        }
    });
    let (authority, server) = inside();
    let front = TlsFront::start(&upstream, &server, None);
    let gate = before(&upstream, &front, &authority, "").start();
    let alice = gate.alice();
    tokio::task::spawn_blocking(move || {
        let mut raw = Raw::connect(&alice);
        raw.send("GET /echo HTTP/1.1\r\nHost: gate.example.org\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n");
        assert!(raw.read_head().starts_with("HTTP/1.1 101 "));
        raw.send("hello\n");
        assert_eq!(raw.read_some().unwrap(), b"hello\n");
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn check_says_what_is_wrong_with_the_files_of_an_upstream() {
    let upstream = Upstream::start();
    let (authority, server) = inside();
    let front = TlsFront::start(&upstream, &server, None);
    let other = authority.issue(Leaf::client("other"));
    let gate = before(&upstream, &front, &authority, "").credential("ours", &other).start();
    let file = gate.folder().join("wicketgate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    for (tls, expected) in [
        ("ca: none.pem", "upstreams.app.tls.ca"),
        ("ca: inside.pem, certificate: ours.pem, key: server.key", "upstreams.app.tls.key"),
    ] {
        std::fs::write(&file, text.replace("ca: inside.pem", tls)).unwrap();
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_wicketgate"))
            .args(["check", "-c"])
            .arg(&file)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!output.status.success() && said.contains(expected), "{tls}: {said}");
    }
}
