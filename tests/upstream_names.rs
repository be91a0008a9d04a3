//! Servers that are known by a name: all addresses of it are used, and it is asked for again when the answer is too old.
#![cfg(test)]

mod common;

use common::eventually;
use common::gate::Gate;
use common::setup::Setup;
use common::upstream::Upstream;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A name server for `app.internal.example`, and for nothing else.
struct NameServer {
    address: SocketAddr,
    answers: Arc<Mutex<Vec<Ipv4Addr>>>,
    questions: Arc<Mutex<usize>>,
}

impl NameServer {
    fn start(answers: &[Ipv4Addr]) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let answers = Arc::new(Mutex::new(answers.to_vec()));
        let questions = Arc::<Mutex<usize>>::default();
        let (known, count) = (Arc::clone(&answers), Arc::clone(&questions));
        std::thread::spawn(move || {
            let mut packet = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut packet) {
                *count.lock().unwrap() += 1;
                let answer = reply(&packet[..length], &known.lock().unwrap());
                _ = socket.send_to(&answer, from);
            }
        });
        Self { address, answers, questions }
    }

    fn set(&self, answers: &[Ipv4Addr]) {
        *self.answers.lock().unwrap() = answers.to_vec();
    }
}

/// The answer to a question (RFC 1035, section 4.1), which counts for a second.
fn reply(question: &[u8], addresses: &[Ipv4Addr]) -> Vec<u8> {
    let name = b"\x03app\x08internal\x07example\x00";
    let end = 12 + question[12..].iter().position(|octet| *octet == 0).unwrap() + 1;
    let is_ours = question[12..end].eq_ignore_ascii_case(name);
    let is_a = question[end..end + 2] == [0, 1];
    let addresses = if is_ours && is_a { addresses } else { &[] };
    let mut answer = question[..2].to_vec();
    // An answer to a recursive question; 3 says that there is no such name.
    answer.extend([0x81, if is_ours { 0x80 } else { 0x83 }, 0, 1, 0, addresses.len() as u8, 0, 0, 0, 0]);
    answer.extend_from_slice(&question[12..end + 4]);
    for address in addresses {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4]);
        answer.extend(address.octets());
    }
    answer
}

/// Servers on one port of several loopback addresses, which answer with their address.
fn servers(addresses: &[Ipv4Addr]) -> u16 {
    // What is free on the first may be somebody's on another.
    let (port, listeners) = common::eventually("a port that is free on all of them", || {
        let first = TcpListener::bind((addresses[0], 0)).ok()?;
        let port = first.local_addr().ok()?.port();
        let others = addresses[1..].iter().map(|address| TcpListener::bind((*address, port)));
        let all: std::io::Result<Vec<TcpListener>> = std::iter::once(Ok(first)).chain(others).collect();
        Some((port, all.ok()?))
    });
    for listener in listeners {
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                std::thread::spawn(move || serve(&stream));
            }
        });
    }
    port
}

fn serve(mut stream: &TcpStream) {
    use std::io::{Read, Write};
    let body = stream.local_addr().unwrap().ip().to_string();
    let (mut seen, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = stream.read(&mut piece) {
        seen.extend_from_slice(&piece[..read]);
        if seen.ends_with(b"\r\n\r\n") {
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
            seen.clear();
        }
    }
}

fn before(names: &NameServer, server: &str) -> Setup {
    Setup::before(&Upstream::start())
        .upstream("servers", &format!("[\"{server}\"]"))
        .section("resolver", &format!("{{ servers: [\"{}\"], timeout: 1s }}", names.address))
}

/// Who answers several requests.
async fn who(gate: &Gate, requests: usize) -> BTreeMap<String, usize> {
    let mut who = BTreeMap::new();
    let mut alice = gate.alice().http1().await.unwrap();
    for _ in 0..requests {
        let answer = alice.get("/").await;
        assert_eq!(answer.status, 200, "{}\n{}", answer.text(), gate.log());
        *who.entry(answer.text()).or_default() += 1;
    }
    who
}

async fn until_answered_by(gate: &Gate, addresses: &[Ipv4Addr]) {
    let wanted: BTreeSet<String> = addresses.iter().map(Ipv4Addr::to_string).collect();
    for _ in 0..300 {
        if who(gate, 12).await.into_keys().collect::<BTreeSet<_>>() == wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("never answered by {wanted:?}:\n{}", gate.log());
}

#[tokio::test]
async fn all_addresses_of_a_name_are_used_and_those_of_the_next_answer_after_them() {
    // Of this process alone, so that the ports of other tests do not matter.
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let at = |last: u8| Ipv4Addr::new(127, 100 + high, middle, low.wrapping_add(last).max(1));
    let (a, b, c) = (at(0), at(1), at(2));
    let port = servers(&[a, b, c]);
    let names = NameServer::start(&[a, b]);
    let gate = before(&names, &format!("http://app.internal.example:{port}")).start();
    let tally = who(&gate, 20).await;
    assert_eq!(tally.values().copied().collect::<Vec<_>>(), [10, 10], "{tally:?}");
    names.set(&[b, c]);
    until_answered_by(&gate, &[b, c]).await;
    gate.log_line(&["the addresses of a name", &c.to_string()]);
    // Nobody is left without an answer because a name server has none.
    names.set(&[]);
    gate.log_line(&["cannot be resolved", "last addresses"]);
    until_answered_by(&gate, &[b, c]).await;
    names.set(&[a]);
    until_answered_by(&gate, &[a]).await;
    assert!(IpAddr::from(a).is_loopback());
}

#[tokio::test]
async fn a_name_without_addresses_is_named_and_used_once_it_has_some() {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    let address = Ipv4Addr::new(127, 101 + high, middle, low.max(1));
    let port = servers(&[address]);
    let names = NameServer::start(&[]);
    let gate = before(&names, &format!("http://app.internal.example:{port}")).start();
    let answer = gate.alice().get("/").await;
    assert_eq!(answer.status, 502);
    gate.log_line(&["no answer for a permitted request", "app.internal.example", "it has no address"]);
    names.set(&[address]);
    eventually("another question", || (*names.questions.lock().unwrap() > 4).then_some(()));
    for _ in 0..300 {
        if gate.alice().get("/").await.text() == address.to_string() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("never used:\n{}", gate.log());
}
