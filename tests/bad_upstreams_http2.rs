//! Servers that speak HTTP/2 wrongly or go away in the middle of it (RFC 9113, sections 5.4, 6.8, 6.9 and 10.5): what is no
//! answer becomes 502 or another connection, and none of them makes the gate hold more than a bounded amount. The
//! frames are written by hand.
#![cfg(test)]

mod common;

use common::PATIENCE;
use common::client::{full, get};
use common::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, MAX_CONCURRENT_STREAMS, PREFACE, PUSH_PROMISE,
    REFUSED_STREAM, RST_STREAM, SETTINGS, field, frame, settings,
};
use common::gate::Gate;
use common::setup::Setup;
use common::upstream::Upstream;
use http::Request;
use http_body_util::BodyExt;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

/// `:status: 200` (RFC 7541, appendix A).
const STATUS_200: u8 = 0x88;

/// A connection of the gate's, whose preface was read.
struct Wire(TcpStream);

impl Wire {
    /// The next frame: its kind, flags, stream and payload; `None` when the gate has closed.
    fn next(&mut self) -> Option<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut payload).ok()?;
        Some((head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
    }

    /// Sends octets; `false` when the gate has closed.
    fn send(&mut self, octets: impl AsRef<[u8]>) -> bool {
        self.0.write_all(octets.as_ref()).is_ok()
    }

    /// A whole answer of status 200 on this stream.
    fn answer(&mut self, stream: u32, body: &str) {
        self.send(frame(HEADERS, END_HEADERS, stream, &[STATUS_200]));
        self.send(frame(DATA, END_STREAM, stream, body.as_bytes()));
    }
}

/// A server that runs this script for each request's stream; it is given the number of the connection and the stream.
fn server(script: impl Fn(&mut Wire, usize, u32) + Send + Sync + 'static) -> (SocketAddr, Arc<AtomicUsize>) {
    server_with(&[], script)
}

/// The same with these settings.
fn server_with(
    values: &[(u16, u32)],
    script: impl Fn(&mut Wire, usize, u32) + Send + Sync + 'static,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let begins = frame(SETTINGS, 0, 0, &settings(values));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, script) = (listener.local_addr().unwrap(), Arc::new(script));
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let begins = begins.clone();
            let (script, number) = (Arc::clone(&script), count.fetch_add(1, Ordering::SeqCst));
            std::thread::spawn(move || {
                let mut preface = [0; PREFACE.len()];
                if stream.read_exact(&mut preface).is_err() {
                    return;
                }
                let mut wire = Wire(stream);
                wire.send(begins);
                while let Some((kind, flags, stream, _)) = wire.next() {
                    match kind {
                        SETTINGS if flags & ACK == 0 => _ = wire.send(frame(SETTINGS, ACK, 0, &[])),
                        HEADERS => script(&mut wire, number, stream),
                        _ => {}
                    }
                }
            });
        }
    });
    (address, connections)
}

/// A gate before this server, which it speaks HTTP/2 to.
fn before(server: SocketAddr) -> Setup {
    Setup::before(&Upstream::start())
        .upstream("servers", &format!("[\"http://{server}\"]"))
        .upstream("http", "2")
        .upstream("timeouts", "{ response: 2s }")
}

#[tokio::test]
async fn a_stream_that_is_reset_is_a_bad_gateway_and_its_neighbours_go_on() {
    let (address, connections) = server(|wire, _, stream| match stream % 4 {
        1 => wire.answer(stream, "ok"),
        _ => _ = wire.send(frame(RST_STREAM, 0, stream, &2_u32.to_be_bytes())),
    });
    let gate = before(address).start();
    let mut alice = gate.alice().http1().await.unwrap();
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let post = Request::post("/").body(full("a body")).unwrap();
        statuses.push(alice.send(post).await.status);
    }
    assert!(statuses.contains(&200) && statuses.contains(&502), "{statuses:?}");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 502)), "{statuses:?}");
    let workers = std::thread::available_parallelism().unwrap().get();
    assert!(connections.load(Ordering::SeqCst) <= workers, "a reset stream costs no connection");
}

#[tokio::test]
async fn a_server_that_says_goodbye_is_asked_again_over_another_connection() {
    // What came after the last stream that it names was not looked at (RFC 9113, section 6.8).
    let (address, connections) = server(|wire, number, stream| {
        if number == 0 && stream > 1 {
            let last = [1_u32.to_be_bytes(), 0_u32.to_be_bytes()].concat();
            wire.send(frame(GOAWAY, 0, 0, &last));
            let _ = wire.0.shutdown(std::net::Shutdown::Both);
        } else {
            wire.answer(stream, "ok");
        }
    });
    let gate = before(address).start();
    let mut alice = gate.alice().http1().await.unwrap();
    for round in 0..4 {
        let answer = alice.get("/").await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "ok"), "round {round}: {}", gate.log());
    }
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

/// So many requests at once over one connection of a client's, and so by one worker.
async fn at_once(gate: &Gate, count: usize) -> Vec<u16> {
    let alice = gate.alice().http2().await.unwrap();
    let answers = (0..count).map(|_| {
        let mut stream = alice.another();
        async move { stream.get("/").await.status }
    });
    tokio::time::timeout(PATIENCE, futures_util::future::join_all(answers)).await.unwrap()
}

#[tokio::test]
async fn a_server_that_takes_few_requests_at_once_is_asked_over_more_connections() {
    // It answers none before all twelve are there: those that had to wait for others would wait in vain.
    let all = Arc::new(Barrier::new(12));
    let (address, connections) = server_with(&[(MAX_CONCURRENT_STREAMS, 2)], move |wire, _, stream| {
        let (mut wire, all) = (Wire(wire.0.try_clone().unwrap()), Arc::clone(&all));
        std::thread::spawn(move || {
            all.wait();
            wire.answer(stream, "ok");
        });
    });
    let gate = before(address).start();
    assert_eq!(at_once(&gate, 12).await, [200; 12], "{}", gate.log());
    assert_eq!(connections.load(Ordering::SeqCst), 6);
}

#[tokio::test]
async fn a_server_that_takes_fewer_requests_than_before_gets_no_more() {
    let all = Arc::new(Barrier::new(4));
    let (address, connections) = server(move |wire, number, stream| {
        if number == 0 && stream == 1 {
            wire.answer(stream, "ok");
            wire.send(frame(SETTINGS, 0, 0, &settings(&[(MAX_CONCURRENT_STREAMS, 1)])));
            return;
        }
        if number == 0 && stream == 3 {
            return wire.answer(stream, "ok");
        }
        let (mut wire, all) = (Wire(wire.0.try_clone().unwrap()), Arc::clone(&all));
        std::thread::spawn(move || {
            all.wait();
            wire.answer(stream, "ok");
        });
    });
    let gate = before(address).start();
    let mut alice = gate.alice().http2().await.unwrap();
    for _ in 0..2 {
        assert_eq!(alice.get("/").await.status, 200);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let answers = (0..4).map(|_| {
        let mut stream = alice.another();
        async move { stream.get("/").await.status }
    });
    let answers = tokio::time::timeout(PATIENCE, futures_util::future::join_all(answers)).await.unwrap();
    assert_eq!(answers, [200; 4], "{}", gate.log());
    assert_eq!(connections.load(Ordering::SeqCst), 2, "one request over the first, the others over a second");
}

#[tokio::test]
async fn a_server_that_takes_no_requests_or_does_not_say_how_many_is_a_bad_gateway_in_time() {
    let (address, _) = server_with(&[(MAX_CONCURRENT_STREAMS, 0)], |_, _, _| {});
    let gate = before(address).start();
    assert_eq!(at_once(&gate, 5).await, [502; 5]);
    gate.log_line(&["SETTINGS_MAX_CONCURRENT_STREAMS is 0"]);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let gate = before(silent.local_addr().unwrap()).upstream("timeouts", "{ connect: 500ms }").start();
    assert_eq!(tokio::time::timeout(PATIENCE, gate.alice().get("/")).await.unwrap().status, 502, "{}", gate.log());
}

#[tokio::test]
async fn a_stream_that_was_refused_unseen_is_asked_for_again() {
    let (address, _) = server(|wire, _, stream| match stream {
        3 => _ = wire.send(frame(RST_STREAM, 0, stream, &REFUSED_STREAM.to_be_bytes())),
        _ => wire.answer(stream, "ok"),
    });
    let gate = before(address).start();
    let mut alice = gate.alice().http1().await.unwrap();
    for round in 0..4 {
        assert_eq!(alice.get("/").await.status, 200, "round {round}: {}", gate.log());
    }
}

#[tokio::test]
async fn a_server_that_stalls_in_the_middle_is_given_up() {
    let (address, _) = server(|wire, _, stream| {
        wire.send(frame(HEADERS, END_HEADERS, stream, &[STATUS_200]));
        wire.send(frame(DATA, 0, stream, b"the first part"));
    });
    let gate = before(address).start();
    for (version, mut connection) in gate.alice().both().await {
        let response = connection.start(get("/")).await.unwrap();
        let body = tokio::time::timeout(PATIENCE, response.into_body().collect()).await.unwrap();
        assert!(body.is_err(), "{version}: it never looks whole");
    }
}

#[tokio::test]
async fn a_server_that_gives_no_room_for_a_body_times_out() {
    // It neither reads the body nor grows its window, which 64 KiB fill.
    let (address, _) = server(|_, _, _| {});
    let gate = before(address).start();
    let mut alice = gate.alice().http2().await.unwrap();
    let upload = Request::post("/").body(full(vec![b'x'; 1 << 20])).unwrap();
    let answer = tokio::time::timeout(PATIENCE, alice.send(upload)).await.unwrap();
    assert_eq!(answer.status, 504, "{}", answer.text());
}

#[tokio::test]
async fn a_head_without_end_costs_the_gate_a_bounded_amount() {
    let (address, _) = server(|wire, _, stream| {
        let more: Vec<u8> = field("x-more", "a".repeat(100)).repeat(100);
        wire.send(frame(HEADERS, 0, stream, &[STATUS_200]));
        // A gibibyte, if the gate takes it.
        for _ in 0..100_000 {
            if !wire.send(frame(CONTINUATION, 0, stream, &more)) {
                return;
            }
        }
    });
    let gate = before(address).start();
    let mut alice = gate.alice().http1().await.unwrap();
    let before = gate.process.memory_kib("VmHWM");
    for _ in 0..3 {
        let answer = tokio::time::timeout(PATIENCE, alice.get("/")).await.unwrap();
        assert_eq!(answer.status, 502, "{}", answer.text());
    }
    let grown = gate.process.memory_kib("VmHWM").saturating_sub(before);
    assert!(grown < 32 * 1024, "{grown} KiB");
}

#[tokio::test]
async fn what_is_no_answer_in_http_2_is_a_bad_gateway() {
    type Says = fn(&mut Wire, u32);
    let cases: [(&str, Says); 8] = [
        ("no status", |wire, stream| {
            wire.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, &field("x-a", "1")));
        }),
        ("a name in capitals", |wire, stream| {
            let block = [vec![STATUS_200], field("X-A", "1")].concat();
            wire.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, &block));
        }),
        ("a line end in a value", |wire, stream| {
            let block = [vec![STATUS_200], field("x-a", "1\r\nset-cookie: a=b")].concat();
            wire.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, &block));
        }),
        ("a field of HTTP/1.1", |wire, stream| {
            let block = [vec![STATUS_200], field("transfer-encoding", "chunked")].concat();
            wire.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, &block));
        }),
        ("a body before its head", |wire, stream| {
            wire.send(frame(DATA, END_STREAM, stream, b"body"));
        }),
        ("a push that nobody asked for", |wire, stream| {
            let promise = [2_u32.to_be_bytes().as_slice(), &[0x82, 0x84, 0x87]].concat();
            wire.send(frame(PUSH_PROMISE, END_HEADERS, stream, &promise));
        }),
        ("a block that HPACK cannot read", |wire, stream| {
            wire.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, &[0xff; 40]));
        }),
        ("a frame of another stream in the middle of a head", |wire, stream| {
            wire.send(frame(HEADERS, 0, stream, &[STATUS_200]));
            wire.send(frame(DATA, 0, stream, b"x"));
        }),
    ];
    for (what, says) in cases {
        let (address, _) = server(move |wire, _, stream| says(wire, stream));
        let gate = before(address).start();
        let mut alice = gate.alice().http1().await.unwrap();
        for _ in 0..2 {
            let answer = tokio::time::timeout(PATIENCE, alice.get("/")).await.unwrap();
            assert_eq!(answer.status, 502, "{what}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn a_length_that_the_body_does_not_have_never_looks_whole() {
    for (what, length, body) in [("less", "100", "short"), ("more", "2", "much more")] {
        let (address, _) = server(move |wire, _, stream| {
            let block = [vec![STATUS_200], field("content-length", length)].concat();
            wire.send(frame(HEADERS, END_HEADERS, stream, &block));
            std::thread::sleep(Duration::from_millis(50));
            wire.send(frame(DATA, END_STREAM, stream, body.as_bytes()));
        });
        let gate = before(address).start();
        for (version, mut connection) in gate.alice().both().await {
            let whole = match connection.start(get("/")).await {
                Ok(response) if response.status() == 200 => response.into_body().collect().await.is_ok(),
                Ok(response) => {
                    assert_eq!(response.status(), 502, "{what} over {version}");
                    false
                }
                Err(_) => false,
            };
            assert!(!whole, "{what} over {version}");
        }
    }
}
