//! The memory for all bodies on their way: clients in masses who ask for much and read nothing, who send what no application
//! takes, or whose tunnels stand still, hold no more of it than there is, lose to those who take what they have asked for, and leave
//! nothing behind.
#![cfg(test)]

mod common;

use bytes::Bytes;
use common::admin::{sample, with_admin};
use common::client::{Client, empty, streamed};
use common::eventually;
use common::frames::{
    CANCEL, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW_SIZE, PREFACE, RST_STREAM, SETTINGS, WINDOW_UPDATE, block,
    frame, settings,
};
use common::gate::Gate;
use common::open;
use common::setup::Setup;
use common::upstream::Upstream;
use http::{Method, Request};
use http_body_util::BodyExt;
use hyper::body::Frame;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

const MIB: usize = 1 << 20;
/// More than the kernel takes for a client that does not read.
const MUCH: usize = 8 * MIB;
/// The budget of these tests.
const MOST: f64 = 16.0 * 1_048_576.0;
const HELD: &str = "wicketgate_buffers_bytes";
const CUT: &str = "wicketgate_connections_cut_total{reason=\"overloaded\"}";
/// The largest window that there is.
const OPEN: u32 = (1 << 31) - 1;

/// How a client asks that is not going to read.
#[derive(Debug, Clone, Copy)]
enum Asks {
    Http1,
    /// With this window, for this number of answers.
    Http2(u32, u32),
}

/// An upstream that has much at `/much`, pushes as much into every tunnel, and never reads what is sent to `/stuck`.
fn upstream() -> Upstream {
    Upstream::answering(|exchange| match exchange.request.target() {
        "/much" => {
            exchange.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {MUCH}\r\n\r\n"));
            if exchange.request.line().starts_with("HEAD") {
                return;
            }
            for _ in 0..MUCH / 65_536 {
                if !exchange.is_open() {
                    return;
                }
                exchange.send([7; 65_536]);
            }
        }
        "/stuck" => {
            std::thread::sleep(Duration::from_secs(12));
            exchange.close();
        }
        "/socket" => {
            exchange.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
            let (_, mut wire) = exchange.upgrade();
            // Messages without end, until nobody is there.
            while std::io::Write::write_all(&mut wire, &[0x82, 126, 0x10, 0]).is_ok() {
                if std::io::Write::write_all(&mut wire, &[7; 0x1000]).is_err() {
                    break;
                }
            }
        }
        _ => {
            if exchange.read_body().is_ok() {
                exchange.answer("ok");
            }
        }
    })
}

fn gate(upstream: &Upstream) -> (Gate, SocketAddr) {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let setup = Setup::before(upstream)
        .open_to_all()
        .section("limits", "{ buffers: 16MiB, held_bodies: 16MiB, connections_per_address: 5000 }")
        // Hundreds of connections at once are more than wait in the line of a listener.
        .upstream("timeouts", "{ connect: 30s }");
    let (setup, admin) = with_admin(setup);
    (setup.start(), admin)
}

async fn ask(client: &Client, how: Asks) -> TlsStream<TcpStream> {
    let Asks::Http2(window, answers) = how else {
        let mut stream = client.tls(&["http/1.1"]).await.unwrap();
        stream.write_all(b"GET /much HTTP/1.1\r\nHost: gate.example.org\r\n\r\n").await.unwrap();
        stream.flush().await.unwrap();
        return stream;
    };
    let mut stream = client.tls(&["h2"]).await.unwrap();
    let mut octets = [PREFACE, &frame(SETTINGS, 0, 0, &settings(&[(INITIAL_WINDOW_SIZE, window)]))].concat();
    if window == OPEN {
        octets.extend(frame(WINDOW_UPDATE, 0, 0, &(OPEN - 65_535).to_be_bytes()));
    }
    let head =
        block(&[(":method", "GET"), (":scheme", "https"), (":authority", "gate.example.org"), (":path", "/much")]);
    for number in 0..answers {
        octets.extend(frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, &head));
    }
    stream.write_all(&octets).await.unwrap();
    stream.flush().await.unwrap();
    stream
}

fn nothing_is_held(admin: SocketAddr) {
    eventually("all to be given back", || (sample(admin, HELD) == Some(0.0)).then_some(()));
}

fn something_is_held(admin: SocketAddr) -> f64 {
    eventually("something to be held", || sample(admin, HELD).filter(|held| *held > 0.0))
}

/// Asks again and again for something small, and counts how often it was served.
fn served(client: Client) -> (Arc<AtomicUsize>, Arc<AtomicBool>, tokio::task::JoinHandle<()>) {
    let (count, stop) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
    let (counter, stopped) = (Arc::clone(&count), Arc::clone(&stop));
    let task = tokio::spawn(async move {
        let [(_, mut one), (_, mut two)] = client.both().await;
        while !stopped.load(SeqCst) {
            assert_eq!((one.get("/").await.status, two.get("/").await.status), (200, 200));
            counter.fetch_add(1, SeqCst);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    (count, stop, task)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_who_read_nothing_hold_no_more_than_there_is_and_lose_to_those_who_read() {
    let upstream = upstream();
    let (gate, admin) = gate(&upstream);
    let (count, stop, others) = served(gate.alice());
    let reader = gate.alice().from("127.0.0.60");
    let reading = tokio::spawn(async move {
        let mut connection = reader.http1().await.unwrap();
        let mut body = connection.start(common::client::get("/much")).await.unwrap().into_body();
        let mut octets = 0;
        while let Some(frame) = body.frame().await {
            octets += frame.expect("who reads is served to the end").into_data().unwrap().len();
            // So that the gate always waits for it.
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        octets
    });
    let before = gate.process.memory_kib("VmRSS");
    let greedy = gate.alice().from("127.0.0.50");
    let (mut kept, mut most, mut grown) = (Vec::new(), 0.0_f64, 0);
    for number in 0..500 {
        let how = match number % 5 {
            0 => Asks::Http1,
            1 => Asks::Http2(OPEN, 2),
            _ => Asks::Http2(0, 3),
        };
        kept.push(ask(&greedy, how).await);
        if number % 10 == 9 {
            most = most.max(sample(admin, HELD).unwrap());
            grown = grown.max(gate.process.memory_kib("VmRSS").saturating_sub(before));
        }
    }
    eventually("some to give way", || sample(admin, CUT).filter(|cut| *cut > 100.0));
    for _ in 0..20 {
        most = most.max(sample(admin, HELD).unwrap());
        grown = grown.max(gate.process.memory_kib("VmRSS").saturating_sub(before));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!(
        "five hundred clients with 1,200 answers: {:.1} MiB counted at most, {grown} KiB more memory, {} closed",
        most / 1_048_576.0,
        sample(admin, CUT).unwrap()
    );
    assert!(most > MOST / 2.0 && most < MOST * 1.5, "{most}");
    assert!(grown < 80 * 1024, "{grown} KiB");
    gate.log_line(&["limits.buffers is reached"]);
    let so_far = count.load(SeqCst);
    eventually("others to be served", || (count.load(SeqCst) > so_far + 5).then_some(()));
    assert_eq!(reading.await.unwrap(), MUCH);
    stop.store(true, SeqCst);
    others.await.unwrap();
    drop(kept);
    nothing_is_held(admin);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_given_up_or_has_no_body_holds_nothing() {
    let upstream = upstream();
    let (gate, admin) = gate(&upstream);
    let alice = gate.alice();
    let mut connection = alice.http2().await.unwrap();
    let head = Request::builder().method(Method::HEAD).uri("/much").body(empty()).unwrap();
    assert_eq!(connection.send(head).await.status, 200);
    assert_eq!(sample(admin, HELD), Some(0.0));
    for window in [0, 1, 100_000, OPEN] {
        let mut stream = ask(&alice, Asks::Http2(window, 5)).await;
        let held = something_is_held(admin);
        println!("five answers, window {window}: {held} octets");
        for number in 0..5_u32 {
            stream.write_all(&frame(RST_STREAM, 0, 2 * number + 1, &CANCEL.to_be_bytes())).await.unwrap();
        }
        stream.flush().await.unwrap();
        if window == OPEN {
            // What is sealed already is no stream's any more.
            drop(stream);
        }
        nothing_is_held(admin);
    }
    let one = ask(&alice, Asks::Http1).await;
    let held = something_is_held(admin);
    println!("one answer over HTTP/1.1: {held} octets");
    assert!(held < 400_000.0, "{held}");
    drop(one);
    nothing_is_held(admin);
    assert_eq!(sample(admin, CUT), Some(0.0), "nobody had to give way");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_no_application_takes_are_held_within_the_same_bounds() {
    let upstream = upstream();
    let (gate, admin) = gate(&upstream);
    let (count, stop, others) = served(gate.alice());
    let greedy = gate.alice().from("127.0.0.50");
    let mut uploads = Vec::new();
    for number in 0..80 {
        let mut connection = match number % 4 {
            0 => greedy.http1().await.unwrap(),
            _ => greedy.http2().await.unwrap(),
        };
        uploads.push(tokio::spawn(async move {
            let (sender, body) = streamed();
            let feeding =
                tokio::spawn(
                    async move { while sender.send(Frame::data(Bytes::from(vec![7; 65_536]))).await.is_ok() {} },
                );
            let answer = connection.try_send(Request::put("/stuck").body(body).unwrap()).await;
            feeding.abort();
            answer.map(|answer| answer.status).ok()
        }));
    }
    eventually("some to give way", || sample(admin, CUT).filter(|cut| *cut > 0.0));
    let mut most = 0.0_f64;
    for _ in 0..20 {
        most = most.max(sample(admin, HELD).unwrap());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("{:.1} MiB at most, {} closed", most / 1_048_576.0, sample(admin, CUT).unwrap());
    assert!(most < MOST * 1.5, "{most}");
    let so_far = count.load(SeqCst);
    eventually("others to be served", || (count.load(SeqCst) > so_far + 5).then_some(()));
    stop.store(true, SeqCst);
    others.await.unwrap();
    // By then the application has closed its connections.
    for upload in uploads {
        let status = upload.await.unwrap();
        assert!(status.is_none_or(|status| status >= 500), "{status:?}");
    }
    nothing_is_held(admin);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tunnel_whose_client_reads_nothing_counts_until_it_is_gone() {
    let upstream = upstream();
    let (gate, admin) = gate(&upstream);
    let socket = open::websocket(&gate.alice()).await;
    let held = something_is_held(admin);
    println!("a tunnel: {held} octets");
    assert!(held < 300_000.0, "{held}");
    drop(socket);
    nothing_is_held(admin);
}
