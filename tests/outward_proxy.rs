//! Servers that take the PROXY protocol: they are told who the client is, and never one client over another's connection.
#![cfg(test)]

mod common;

use common::setup::Setup;
use common::upstream::Upstream;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use wicketgate::listen::proxy_protocol::{Header, Parser};

/// What came on one connection: the header as it stood there, what it says, and how many requests followed.
#[derive(Debug, Clone)]
struct Seen {
    octets: Vec<u8>,
    header: Header,
    requests: usize,
}

/// A server that wants a header first.
fn server() -> (SocketAddr, Arc<Mutex<Vec<Seen>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::<Mutex<Vec<Seen>>>::default();
    let shared = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let seen = Arc::clone(&shared);
            std::thread::spawn(move || serve(stream, &seen));
        }
    });
    (address, seen)
}

fn serve(mut stream: TcpStream, seen: &Mutex<Vec<Seen>>) {
    let (mut parser, mut octets) = (Parser::default(), Vec::new());
    let header = loop {
        let mut octet = [0];
        if stream.read_exact(&mut octet).is_err() {
            return;
        }
        octets.extend(octet);
        if let (_, Some(header)) = parser.take(&octet).unwrap() {
            break header;
        }
    };
    let index = {
        let mut seen = seen.lock().unwrap();
        seen.push(Seen { octets, header, requests: 0 });
        seen.len() - 1
    };
    let (mut head, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = stream.read(&mut piece) {
        head.extend_from_slice(&piece[..read]);
        if head.ends_with(b"\r\n\r\n") {
            seen.lock().unwrap()[index].requests += 1;
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
            head.clear();
        }
    }
}

fn holds(octets: &[u8], part: &[u8]) -> bool {
    octets.windows(part.len()).any(|window| window == part)
}

#[tokio::test]
async fn a_server_is_told_who_each_client_is_on_connections_of_its_own() {
    let (address, seen) = server();
    let gate = Setup::before(&Upstream::start())
        .open_to_all()
        .upstream("servers", &format!("[\"http://{address}\"]"))
        .upstream("proxy_protocol", "v2")
        .start();
    let mut alice = gate.alice().http1().await.unwrap();
    let mut nobody = gate.client().from("127.0.0.9").http2().await.unwrap();
    for _ in 0..3 {
        assert_eq!(alice.get("/").await.status, 200, "{}", gate.log());
        assert_eq!(nobody.get("/").await.status, 200, "{}", gate.log());
    }
    let seen = seen.lock().unwrap().clone();
    let [first, second] = &seen[..] else { panic!("{seen:#?}") };
    assert_eq!((first.requests, second.requests), (3, 3));
    let (Header::Proxied { source: a, destination }, Header::Proxied { source: b, .. }) = (first.header, second.header)
    else {
        panic!("{seen:#?}");
    };
    assert_eq!((a.ip().to_string().as_str(), b.ip().to_string().as_str()), ("127.0.0.1", "127.0.0.9"));
    assert_eq!(destination, gate.address);
    // TLS, a certificate, verified; and neither.
    assert!(holds(&first.octets, &[0x20]) && holds(&first.octets, &[0x03, 0, 0, 0, 0, 0x21]), "{:?}", first.octets);
    assert!(holds(&first.octets, b"TLSv1.3") && holds(&first.octets, b"gate.example.org"));
    assert!(holds(&second.octets, &[0x01, 0, 0, 0, 1, 0x21]), "{:?}", second.octets);
    assert!(holds(&second.octets, b"\x01\0\x02h2"));
}

#[tokio::test]
async fn checks_are_the_gates_own() {
    let (address, seen) = server();
    let gate = Setup::before(&Upstream::start())
        .upstream("servers", &format!("[\"http://{address}\"]"))
        .upstream("proxy_protocol", "v2")
        .upstream("health", "{ path: / }")
        .start();
    common::eventually("a check", || seen.lock().unwrap().first().filter(|seen| seen.requests > 0).map(|_| ()));
    assert_eq!(seen.lock().unwrap()[0].header, Header::Local);
    assert_eq!(gate.alice().get("/").await.status, 200);
}
