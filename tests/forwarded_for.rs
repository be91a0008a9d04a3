//! An HTTP proxy before the gate says in a header for whom it asks. Whoever is not trusted to say so is not heard.
#![cfg(test)]

mod common;

use common::client::{Client, Connection, empty};
use common::eventually;
use common::gate::Gate;
use common::setup::Setup;
use common::upstream::Upstream;
use http::Request;
use std::io::{Read, Write};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// Where the proxies of these tests connect from.
const PROXY: &str = "127.9.0.1";

fn gate(upstream: &Upstream, keys: &str) -> Gate {
    Setup::before(upstream).listener("forwarded", &format!("{{ from: [127.9.0.0/16]{keys} }}")).open_to_all().start()
}

/// Asks with these fields, and gives what the application was told: the address, and how `Forwarded` has it.
async fn told(upstream: &Upstream, connection: &mut Connection, fields: &[(&str, &str)]) -> (String, String) {
    let request = fields.iter().fold(Request::get("/"), |request, (name, value)| request.header(*name, *value));
    assert_eq!(connection.send(request.body(empty()).unwrap()).await.status, 200);
    let request = upstream.last();
    (request.header("x-forwarded-for").unwrap(), request.header("forwarded").unwrap())
}

fn from(gate: &Gate, address: &str) -> Client {
    gate.alice().from(address)
}

#[tokio::test]
async fn each_request_of_a_trusted_proxy_is_its_clients() {
    let upstream = Upstream::start();
    let gate = gate(&upstream, "");
    for (version, mut connection) in from(&gate, PROXY).both().await {
        for (said, expected) in [
            ("203.0.113.7", "203.0.113.7"),
            ("192.0.2.1, 203.0.113.8", "203.0.113.8"),
            ("203.0.113.9, 127.9.0.2", "203.0.113.9"),
            ("2001:db8::7", "2001:db8::7"),
            ("unknown", PROXY),
        ] {
            let (address, forwarded) = told(&upstream, &mut connection, &[("x-forwarded-for", said)]).await;
            assert_eq!(address, expected, "{said} over {version}");
            let expected =
                if expected.contains(':') { format!("for=\"[{expected}]\"") } else { format!("for={expected}") };
            assert!(forwarded.starts_with(&format!("{expected};host=")), "{forwarded}");
        }
        assert_eq!(told(&upstream, &mut connection, &[]).await.0, PROXY, "its own requests are its own");
    }
}

#[tokio::test]
async fn who_is_not_trusted_is_not_heard() {
    let upstream = Upstream::start();
    let gate = gate(&upstream, "");
    let said = [("x-forwarded-for", "203.0.113.7"), ("forwarded", "for=203.0.113.7"), ("x-real-ip", "203.0.113.7")];
    let mut connection = from(&gate, "127.0.0.70").http1().await.unwrap();
    assert_eq!(told(&upstream, &mut connection, &said).await.0, "127.0.0.70");
    // A proxy that is trusted writes one of these headers; the others are its client's.
    let mut connection = from(&gate, PROXY).http1().await.unwrap();
    assert_eq!(told(&upstream, &mut connection, &said[1..]).await.0, PROXY);
    let untouched = Setup::before(&upstream).start();
    let mut connection = from(&untouched, PROXY).http1().await.unwrap();
    assert_eq!(told(&upstream, &mut connection, &said).await.0, PROXY, "without the key nobody is heard");
}

#[tokio::test]
async fn the_header_may_be_that_of_rfc_7239() {
    let upstream = Upstream::start();
    let gate = gate(&upstream, ", header: Forwarded");
    let mut connection = from(&gate, PROXY).http1().await.unwrap();
    let said = [("forwarded", "for=192.0.2.1, for=\"203.0.113.7:4711\";proto=https"), ("x-forwarded-for", "192.0.2.1")];
    assert_eq!(told(&upstream, &mut connection, &said).await.0, "203.0.113.7");
}

#[tokio::test]
async fn what_a_trusted_proxy_says_goes_on_record() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).listener("forwarded", "{ from: [127.9.0.0/16] }").start();
    let mut connection = gate.client().from(PROXY).http1().await.unwrap();
    let request = Request::get("/").header("x-forwarded-for", "203.0.113.7").body(empty()).unwrap();
    assert_eq!(connection.send(request).await.status, 403);
    let line = gate.log_line(&["certificate_required"]);
    assert!(line.contains("\"client\":\"203.0.113.7:0\"") && line.contains(&format!("\"via\":\"{PROXY}:")), "{line}");
}

#[tokio::test]
async fn each_client_behind_one_connection_of_a_proxy_is_on_record_once() {
    let upstream = Upstream::start();
    let gate = gate(&upstream, "");
    let mut connection = from(&gate, PROXY).http1().await.unwrap();
    for client in ["203.0.113.7", "203.0.113.8", "203.0.113.7", "203.0.113.8", "203.0.113.7"] {
        told(&upstream, &mut connection, &[("x-forwarded-for", client)]).await;
    }
    told(&upstream, &mut connection, &[]).await;
    let records = |client: &str| {
        let log = gate.log();
        let client = format!("\"client\":\"{client}");
        log.lines().filter(|line| line.contains("\"verdict\":\"permit\"") && line.contains(&client)).count()
    };
    gate.log_line(&["\"verdict\":\"permit\"", &format!("\"client\":\"{PROXY}")]);
    assert_eq!([records("203.0.113.7:0"), records("203.0.113.8:0"), records(PROXY)], [1, 1, 1], "{}", gate.log());
}

#[tokio::test]
async fn a_client_cannot_hide_behind_its_proxy_by_what_cannot_be_read() {
    let upstream = Upstream::start();
    let gate = gate(&upstream, ", header: Forwarded");
    let mut connection = from(&gate, PROXY).http1().await.unwrap();
    // The client left a quoted string open, and its proxy added what it always adds.
    let request = Request::get("/").header("forwarded", "host=\", for=203.0.113.7").body(empty()).unwrap();
    let answer = connection.send(request).await;
    assert_eq!((answer.status, upstream.requests().len()), (400, 0), "{}", answer.text());
    gate.log_line(&["bad_request", "who its client is"]);
}

#[tokio::test]
async fn a_route_for_some_addresses_asks_for_the_clients_and_not_for_its_proxys() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream)
        .listener("forwarded", "{ from: [127.9.0.0/16] }")
        .section("routes", "[{ path: /, allow: { addresses: [127.9.0.0/16, 198.51.100.0/24] }, upstream: app }]")
        .start();
    let mut connection = from(&gate, PROXY).http1().await.unwrap();
    for (said, expected) in [("203.0.113.7", 403), ("198.51.100.7", 200), ("127.9.0.2", 200), ("203.0.113.7", 403)] {
        let request = Request::get("/").header("x-forwarded-for", said).body(empty()).unwrap();
        assert_eq!(connection.send(request).await.status, expected, "{said}");
    }
}

#[tokio::test]
async fn a_tunnel_is_decided_anew_by_the_address_of_its_client() {
    let upstream = Upstream::answering(|exchange| {
        let key = exchange.request.header("sec-websocket-key").unwrap();
        exchange.send(format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {}\r\n\r\n",
            derive_accept_key(key.as_bytes())
        ));
        let (reader, mut wire) = exchange.upgrade();
        let mut frame = [0; 8];
        while reader.read_exact(&mut frame).is_ok() {
            let _ = wire.write_all(&[0x81, 2, frame[6], frame[7]]);
        }
    });
    let gate = Setup::before(&upstream)
        .listener("forwarded", "{ from: [127.9.0.0/16] }")
        .section("routes", "[{ path: /, allow: { addresses: [198.51.100.0/24] }, upstream: app }]")
        .start();
    let mut tunnel = from(&gate, PROXY).tls(&["http/1.1"]).await.unwrap();
    let request = "GET /socket HTTP/1.1\r\nHost: gate.example.org\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                   X-Forwarded-For: 198.51.100.7\r\n\r\n";
    tunnel.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tunnel.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));

    let file = gate.folder().join("wicketgate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    for (network, goes_on) in [("198.51.0.0/16", true), ("203.0.113.0/24", false)] {
        std::fs::write(&file, text.replace("198.51.100.0/24", network)).unwrap();
        let before = gate.log().matches("configuration taken up").count();
        gate.reload();
        eventually("the reload", || (gate.log().matches("configuration taken up").count() > before).then_some(()));
        tokio::time::sleep(Duration::from_millis(500)).await;
        // A text frame, masked with zeros, and what comes back for it: the same, or a Close frame.
        let _ = tunnel.write_all(b"\x81\x82\0\0\0\0ok").await;
        let mut first = [0; 4];
        let echoed = tunnel.read_exact(&mut first).await.is_ok() && &first == b"\x81\x02ok";
        assert_eq!(echoed, goes_on, "{network} {first:?}\n{}", gate.log());
    }
}
