//! A balancer that passes TCP on says by the PROXY protocol whom it has before it. HAProxy is one; what it would never
//! say, these tests say in its place.
#![cfg(test)]

mod common;

use common::client::Client;
use common::gate::{Gate, unused_address};
use common::haproxy::HaProxy;
use common::setup::Setup;
use common::upstream::Upstream;
use common::{PATIENCE, eventually};
use socket2::{Domain, Socket, Type};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Where the balancers of these tests connect from, and the ranges that hold it.
const BALANCER: &str = "127.9.0.1";
const REQUIRED: &str = "{ from: [127.9.0.0/16] }";
const OPTIONAL: &str = "{ from: [127.9.0.0/16], required: false }";

/// The beginning of every header of version 2.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// The header of version 2 for a client at 203.0.113.7:50000 that connected to 198.51.100.1:443, with these fields.
fn header(fields: &[u8]) -> Vec<u8> {
    let addresses = [203, 0, 113, 7, 198, 51, 100, 1, 0xc3, 0x50, 1, 0xbb];
    let length = u16::try_from(addresses.len() + fields.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[0x21, 0x11], &length, &addresses, fields].concat()
}

const LINE: &str = "PROXY TCP4 203.0.113.7 198.51.100.1 50000 443\r\n";

fn gate(upstream: &Upstream, proxy_protocol: &str) -> Gate {
    Setup::before(upstream).listener("proxy_protocol", proxy_protocol).section("log", "{ level: debug }").start()
}

/// A plain connection to a gate from a loopback address.
fn connect(gate: &Gate, from: &str) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&format!("{from}:0").parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.connect(&gate.address.into()).unwrap();
    let stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Waits until the gate has closed, without an answer.
fn is_closed_without_a_word(mut stream: TcpStream) {
    match stream.read(&mut [0; 100]) {
        Ok(0) => {}
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {}
        other => panic!("{other:?}"),
    }
}

/// A HAProxy before a gate, which connects to it from `BALANCER`: a frontend for each of these options of its server.
fn haproxy<const N: usize>(gate: &Gate, options: [&str; N]) -> (HaProxy, [SocketAddr; N]) {
    let addresses = options.map(|_| unused_address());
    let sections: String = options
        .iter()
        .zip(&addresses)
        .map(|(option, address)| {
            let gate = gate.address;
            format!(
                "listen f{port}\n  bind {address}\n  unique-id-format %ID-%ci\n  server one {gate} source {BALANCER} {option}\n",
                port = address.port()
            )
        })
        .collect();
    (HaProxy::start(&sections, &addresses), addresses)
}

/// The address that the application was told of last, in both headers, and the port.
#[track_caller]
fn told(upstream: &Upstream) -> (String, String) {
    let request = upstream.last();
    let address = request.header("x-forwarded-for").unwrap();
    assert!(request.header("forwarded").unwrap().contains(&format!("for={address};")), "{}", request.head);
    (address, request.header("x-forwarded-port").unwrap())
}

/// Whether a client gets no connection.
async fn is_turned_away(client: &Client) -> bool {
    client.tls(&["http/1.1"]).await.is_err()
}

#[tokio::test]
async fn the_clients_address_comes_through_haproxy_in_either_version() {
    let upstream = Upstream::start();
    let gate = gate(&upstream, REQUIRED);
    let options = ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id,authority"];
    let (_haproxy, addresses) = haproxy(&gate, options);
    for (number, (address, options)) in addresses.into_iter().zip(options).enumerate() {
        let from = format!("127.0.0.{}", 70 + number);
        let client = gate.alice().at(address).from(&from);
        assert_eq!(client.get("/").await.status, 200, "{options}\n{}", gate.log());
        let port = address.port().to_string();
        assert_eq!(told(&upstream), (from.clone(), port), "the port is the one that the client came to: {options}");
        let line = gate.log_line(&["\"verdict\":\"permit\"", &format!("\"client\":\"{from}:")]);
        assert!(line.contains(&format!("\"via\":\"{BALANCER}:")), "{line}");
    }
}

#[tokio::test]
async fn a_client_does_not_choose_its_address() {
    let upstream = Upstream::start();
    let gate = gate(&upstream, REQUIRED);
    let (_haproxy, [address]) = haproxy(&gate, ["send-proxy-v2"]);
    let client = gate.alice().at(address).from("127.0.0.70");

    for made_up in [LINE.as_bytes(), &header(b"")] {
        let liar = client.clone().saying_before(made_up);
        assert!(is_turned_away(&liar).await);
    }
    gate.log_line(&["a second PROXY header", "127.0.0.70"]);

    let request =
        http::Request::get("/").header("x-forwarded-for", "203.0.113.7").header("forwarded", "for=203.0.113.7");
    let request = request.header("x-real-ip", "203.0.113.7").body(common::client::empty()).unwrap();
    assert_eq!(client.http1().await.unwrap().send(request).await.status, 200);
    assert_eq!(told(&upstream).0, "127.0.0.70");
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn a_check_of_haproxy_is_no_fault() {
    let upstream = Upstream::start();
    let gate = gate(&upstream, REQUIRED);
    let check = "check inter 20ms fall 1";
    let options = ["send-proxy", "send-proxy-v2"].map(|version| format!("{version} {check} check-send-proxy"));
    let (haproxy, addresses) = haproxy(&gate, [&options[0], &options[1], check]);
    eventually("checks", || (gate.log().matches("looked whether the gate is there").count() > 10).then_some(()));
    // One that hangs up in the ordinary way instead of by a reset, without a header and with one.
    for octets in ["", "PROXY UNKNOWN\r\n"] {
        connect(&gate, BALANCER).write_all(octets.as_bytes()).unwrap();
    }
    let client = gate.alice().at(addresses[1]);
    assert_eq!(client.get("/").await.status, 200);
    let before = gate.log().matches("looked whether the gate is there").count();
    eventually("more checks", || {
        (gate.log().matches("looked whether the gate is there").count() > before).then_some(())
    });
    let log = gate.log();
    let of_the_balancer = log.lines().filter(|line| line.contains(&format!("\"client\":\"{BALANCER}:")));
    let faults: Vec<&str> = of_the_balancer.filter(|line| !line.contains("\"DEBUG\"")).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(!haproxy.process.output().contains("DOWN"), "{}", haproxy.process.output());
}

#[tokio::test]
async fn a_connection_without_a_header_is_closed_where_one_is_required() {
    let upstream = Upstream::start();
    let gate = gate(&upstream, REQUIRED);
    assert!(is_turned_away(&gate.alice().from(BALANCER)).await);
    gate.log_line(&["WARN", "no PROXY header", "send-proxy-v2", BALANCER]);
    let mut plain = connect(&gate, BALANCER);
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    is_closed_without_a_word(plain);
    assert_eq!(upstream.requests().len(), 0);
}

#[tokio::test]
async fn only_balancers_may_connect_where_a_header_is_required() {
    let upstream = Upstream::start();
    let gate = gate(&upstream, REQUIRED);
    // After the look whether the gate is up, of which the log has spoken within this second.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert!(is_turned_away(&gate.alice().from("127.0.0.70").saying_before(header(b""))).await);
    gate.log_line(&["WARN", "127.0.0.70", "only balancers may connect here", "proxy_protocol.from"]);
    assert!(is_turned_away(&gate.alice().from("127.0.0.71")).await, "without a header neither");
    assert_eq!(gate.alice().from(BALANCER).saying_before(header(b"")).get("/").await.status, 200);
    assert_eq!(upstream.requests().len(), 1);
}

#[tokio::test]
async fn a_header_from_an_address_that_is_not_trusted_is_never_believed() {
    let upstream = Upstream::start();
    for (settings, from) in [(Some(OPTIONAL), "127.0.0.70"), (None, BALANCER)] {
        let setup = Setup::before(&upstream);
        let gate = match settings {
            Some(settings) => setup.listener("proxy_protocol", settings).start(),
            None => setup.start(),
        };
        for made_up in [LINE.as_bytes(), &header(b"")] {
            assert!(is_turned_away(&gate.alice().from(from).saying_before(made_up)).await, "{settings:?}");
        }
        gate.log_line(&["WARN", from, "proxy_protocol.from"]);
        // Without one it is an ordinary client.
        assert_eq!(gate.alice().from(from).get("/").await.status, 200);
        assert_eq!(told(&upstream), (from.to_owned(), gate.address.port().to_string()));
        gate.log_line(&["\"verdict\":\"permit\"", &format!("\"client\":\"{from}:")]);
        assert!(!gate.log().contains("\"via\""), "{}", gate.log());
    }
    assert_eq!(upstream.requests().len(), 2);
}

#[tokio::test]
async fn where_a_header_may_be_left_out_the_first_octet_tells() {
    let upstream = Upstream::start();
    let gate = gate(&upstream, OPTIONAL);
    let balancer = gate.alice().from(BALANCER);
    assert_eq!(balancer.get("/").await.status, 200);
    assert_eq!(told(&upstream).0, BALANCER);
    for octets in [LINE.as_bytes(), &header(b"")] {
        assert_eq!(balancer.clone().saying_before(octets).get("/").await.status, 200);
        assert_eq!(told(&upstream), ("203.0.113.7".to_owned(), "443".to_owned()));
    }
}

#[tokio::test]
async fn a_header_without_an_address_keeps_that_of_the_balancer() {
    let upstream = Upstream::start();
    let gate = gate(&upstream, REQUIRED);
    let unix = [SIGNATURE, &[0x21, 0x31, 0, 216], &[b'/'; 216][..]].concat();
    let local = [SIGNATURE, &[0x20, 0, 0, 0]].concat();
    for octets in [b"PROXY UNKNOWN\r\n", &unix[..], &local] {
        assert_eq!(gate.alice().from(BALANCER).saying_before(octets).get("/").await.status, 200);
        assert_eq!(told(&upstream), (BALANCER.to_owned(), gate.address.port().to_string()));
    }
    assert!(!gate.log().contains("\"via\""), "what it did not say is not put on record as its word: {}", gate.log());
}

#[tokio::test]
async fn addresses_of_ipv6_arrive_and_what_is_ipv4_in_ipv6_is_made_plain() {
    let upstream = Upstream::start();
    let gate = gate(&upstream, REQUIRED);
    for (source, expected) in [("2001:db8::7", "2001:db8::7"), ("::ffff:203.0.113.9", "203.0.113.9")] {
        let line = format!("PROXY TCP6 {source} 2001:db8::1 50000 443\r\n");
        let client = gate.alice().from(BALANCER).saying_before(line);
        assert_eq!(client.get("/").await.status, 200);
        let request = upstream.last();
        assert_eq!(request.header("x-forwarded-for").as_deref(), Some(expected));
        gate.log_line(&["\"verdict\":\"permit\"", &format!("{}", SocketAddr::new(expected.parse().unwrap(), 50000))]);
    }
}

#[test]
fn a_header_that_is_cut_short_or_says_too_much_is_refused() {
    let upstream = Upstream::start();
    let gate = gate(&upstream, REQUIRED);
    let oversize = [&[4, 0xff, 0xff][..], &[0; 100]].concat();
    let mut huge = [SIGNATURE, &[0x21, 0x11, 0xff, 0xff]].concat();
    huge.extend(vec![0; 0xffff]);
    let cut = header(b"");
    for (octets, said) in [
        (&LINE.as_bytes()[..20], "ended after 20 octets"),
        (&cut[..17], "ended after 17 octets"),
        (&header(&oversize), "runs over the end of the header"),
        (&huge, "65535 octets follow"),
        (&header(&[3, 0, 4, 1, 2, 3, 4]), "checksum"),
        (b"PROXY TCP4 203.0.113.7 198.51.100.1 050 443\r\n", "two ports"),
        (b"PROXY UDP4 203.0.113.7 198.51.100.1 50000 443\r\n", "none of TCP4"),
    ] {
        let mut stream = connect(&gate, BALANCER);
        // The gate may close before it has read everything.
        let _ = stream.write_all(octets);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        is_closed_without_a_word(stream);
        gate.log_line(&["WARN", said, BALANCER]);
    }
}

#[tokio::test]
async fn a_header_that_comes_in_pieces_is_read_and_one_that_drips_is_not_waited_for() {
    let upstream = Upstream::start();
    let gate =
        Setup::before(&upstream).listener("proxy_protocol", REQUIRED).section("timeouts", "{ handshake: 3s }").start();
    let alice = gate.alice();
    for octets in [LINE.as_bytes(), &header(&[4, 0, 3, 0, 0, 0])] {
        let stream = connect(&gate, BALANCER);
        stream.set_nodelay(true).unwrap();
        let (before, last) = octets.split_at(octets.len() - 1);
        for piece in before.chunks(7) {
            (&stream).write_all(piece).unwrap();
            std::thread::sleep(Duration::from_millis(20));
        }
        // The header's last octet and the ClientHello come together.
        let name = rustls_pki_types::ServerName::try_from("gate.example.org").unwrap();
        let mut tls = rustls::ClientConnection::new(alice.config(&["http/1.1"]).into(), name).unwrap();
        let mut hello = last.to_vec();
        tls.write_tls(&mut hello).unwrap();
        (&stream).write_all(&hello).unwrap();
        let mut tls = rustls::StreamOwned::new(tls, stream);
        tls.write_all(b"GET / HTTP/1.1\r\nHost: gate.example.org\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = [0; 12];
        tls.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        assert_eq!(told(&upstream).0, "203.0.113.7");
    }
    let mut drips = connect(&gate, BALANCER);
    let closed = LINE.bytes().take(40).any(|octet| {
        std::thread::sleep(Duration::from_millis(200));
        drips.write_all(&[octet]).is_err()
    });
    assert!(closed, "each octet gains time:\n{}", gate.log());
    gate.log_line(&["the PROXY header did not come within", BALANCER]);
}

#[tokio::test]
async fn connections_are_counted_for_the_client_and_not_for_its_balancer() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream)
        .listener("proxy_protocol", REQUIRED)
        .section("limits", "{ connections: 100, connections_per_address: 3 }")
        .start();
    let (_haproxy, [address]) = haproxy(&gate, ["send-proxy-v2"]);
    let client = gate.alice().at(address).from("127.0.0.70");
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut connection = client.http1().await.unwrap();
        assert_eq!(connection.get("/").await.status, 200);
        open.push(connection);
    }
    assert!(is_turned_away(&client).await);
    gate.log_line(&["connections_per_address", "127.0.0.70", BALANCER]);
    for number in 71..80 {
        let other = gate.alice().at(address).from(&format!("127.0.0.{number}"));
        let mut connection = other.http1().await.unwrap();
        assert_eq!(connection.get("/").await.status, 200, "another client of the same balancer");
        open.push(connection);
    }
}

#[tokio::test]
async fn silent_connections_of_a_balancer_do_not_take_all_places() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream)
        .listener("proxy_protocol", "{ from: [127.9.0.0/16] }")
        .section("limits", "{ connections: 12, connections_per_address: 2 }")
        .section("timeouts", "{ handshake: 4s }")
        .start();
    let silent: Vec<TcpStream> = (0..3).map(|_| connect(&gate, BALANCER)).collect();
    is_closed_without_a_word(connect(&gate, BALANCER));
    gate.log_line(&["wait for their PROXY headers", BALANCER]);
    let other = gate.alice().from("127.9.0.2").saying_before(header(b""));
    assert_eq!(other.get("/").await.status, 200, "another balancer has its own places");
    silent.into_iter().for_each(is_closed_without_a_word);
    assert_eq!(gate.alice().from(BALANCER).saying_before(header(b"")).get("/").await.status, 200);
}

#[tokio::test]
async fn a_reload_changes_who_is_trusted() {
    let upstream = Upstream::start();
    let gate = gate(&upstream, REQUIRED);
    let new = gate.alice().from("127.10.0.1").saying_before(header(b""));
    assert!(is_turned_away(&new).await);
    let file = gate.folder().join("wicketgate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("127.9.0.0/16", "127.10.0.0/16")).unwrap();
    gate.reload();
    gate.log_line(&["configuration taken up"]);
    assert_eq!(new.get("/").await.status, 200);
    assert!(is_turned_away(&gate.alice().from(BALANCER).saying_before(header(b""))).await);
}
