//! Bodies are streamed both ways: what the gate holds of one does not grow with it, and whoever is slow slows
//! the other end down instead of filling the gate.
#![cfg(test)]

mod common;

use bytes::Bytes;
use common::client::{Connection, full, get, streamed};
use common::eventually;
use common::gate::Gate;
use common::setup::Setup;
use common::upstream::Upstream;
use http::Request;
use http_body_util::BodyExt;
use hyper::body::Frame;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const MIB: u64 = 1 << 20;

/// How much the gate's memory may grow while a body of any length passes.
const ALLOWED_KIB: u64 = 32 * 1024;

/// An upstream that counts an upload, and that sends so many MiB to `GET /MIB`.
fn counting() -> Upstream {
    Upstream::answering(|exchange| {
        exchange.read_body().unwrap();
        let Ok(mebibytes) = exchange.request.target()[1..].parse::<u64>() else {
            let counted = exchange.request.length.to_string();
            return exchange.answer(&counted);
        };
        exchange.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", mebibytes * MIB));
        let part = vec![b'd'; 1 << 20];
        for _ in 0..mebibytes {
            exchange.send(&part);
        }
    })
}

async fn upload(connection: &mut Connection, mebibytes: u64) {
    let (sender, body) = streamed();
    let feeding = tokio::spawn(async move {
        let part = Bytes::from(vec![b'u'; 1 << 20]);
        for _ in 0..mebibytes {
            sender.send(Frame::data(part.clone())).await.unwrap();
        }
    });
    let answer = connection.send(Request::put("/count").body(body).unwrap()).await;
    assert_eq!(answer.text(), (mebibytes * MIB).to_string());
    feeding.await.unwrap();
}

async fn download(connection: &mut Connection, mebibytes: u64) {
    let response = connection.start(get(&format!("/{mebibytes}"))).await.unwrap();
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    let mut count = 0;
    while let Some(frame) = body.frame().await {
        count += frame.unwrap().data_ref().map_or(0, |data| data.len() as u64);
    }
    assert_eq!(count, mebibytes * MIB);
}

/// Sends bodies of this length both ways over both versions, and gives the growth of the gate's peak memory.
async fn growth(gate: &Gate, mebibytes: u64) -> u64 {
    let alice = gate.alice();
    let mut one = alice.http1().await.unwrap();
    let mut two = alice.http2().await.unwrap();
    for connection in [&mut one, &mut two] {
        upload(connection, 4).await;
        download(connection, 4).await;
    }
    let before = gate.process.memory_kib("VmHWM");
    for (version, connection) in [("HTTP/1.1", &mut one), ("HTTP/2", &mut two)] {
        let start = Instant::now();
        upload(connection, mebibytes).await;
        let up = start.elapsed();
        download(connection, mebibytes).await;
        let down = start.elapsed() - up;
        println!("{mebibytes} MiB over {version}: up in {up:.1?}, down in {down:.1?}");
    }
    gate.process.memory_kib("VmHWM").saturating_sub(before)
}

#[tokio::test]
async fn large_bodies_pass_both_ways_in_bounded_memory() {
    let upstream = counting();
    let gate = Setup::before(&upstream).start();
    let grown = growth(&gate, 128).await;
    assert!(grown < ALLOWED_KIB, "512 MiB of bodies cost {grown} KiB");
}

#[tokio::test]
#[ignore = "takes minutes: make prove"]
async fn five_gibibytes_pass_both_ways_in_bounded_memory() {
    let upstream = counting();
    let gate = Setup::before(&upstream).start();
    let grown = growth(&gate, 5 * 1024).await;
    println!("5 GiB each way over each version: the gate's peak memory grew by {grown} KiB");
    assert!(grown < ALLOWED_KIB, "5 GiB cost {grown} KiB");
}

#[tokio::test]
async fn a_client_that_stops_reading_stops_the_upstream_and_nobody_else() {
    let sent = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&sent);
    let upstream = Upstream::answering(move |exchange| {
        if exchange.request.target() != "/endless" {
            return exchange.answer("ok");
        }
        exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let chunk = [b"10000\r\n".to_vec(), vec![b'e'; 0x10000], b"\r\n".to_vec()].concat();
        while exchange.is_open() {
            exchange.send(&chunk);
            counter.fetch_add(0x10000, Ordering::SeqCst);
        }
    });
    let gate = Setup::before(&upstream).start();
    let alice = gate.alice();
    let before = gate.process.memory_kib("VmHWM");
    let mut stuck = Vec::new();
    for (_, mut connection) in alice.both().await {
        let response = connection.start(get("/endless")).await.unwrap();
        // Held, not read: over HTTP/1.1 the socket fills up, over HTTP/2 the window.
        stuck.push((connection, response));
    }
    let mut flowed = 0;
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = sent.swap(0, Ordering::SeqCst);
        flowed += now;
        if now == 0 && flowed > 0 {
            break;
        }
    }
    assert_eq!(sent.load(Ordering::SeqCst), 0, "the upstream is never stopped; {flowed} octets so far");
    let grown = gate.process.memory_kib("VmHWM").saturating_sub(before);
    assert!(grown < ALLOWED_KIB, "two clients that stopped reading cost {grown} KiB");
    assert_eq!(alice.get("/").await.text(), "ok", "others are served");
    let (connection, _) = &mut stuck[1];
    assert_eq!(connection.get("/").await.text(), "ok", "other streams of the same connection are served");
}

#[tokio::test]
async fn a_client_that_lets_all_its_streams_wait_does_not_hold_the_upstream_for_ever() {
    let open = Arc::new(AtomicUsize::new(0));
    let upstream = Upstream::answering({
        let open = Arc::clone(&open);
        move |exchange| {
            open.fetch_add(1, Ordering::SeqCst);
            exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            let piece = format!("10000\r\n{}\r\n", "a".repeat(1 << 16));
            while exchange.is_open() {
                exchange.send(&piece);
            }
            open.fetch_sub(1, Ordering::SeqCst);
        }
    });
    let gate = Setup::before(&upstream).section("timeouts", "{ idle: 2s, request_head: 2s }").start();
    // The connection is read, but what it brings is not: the windows of its streams stay shut.
    let mut connection = gate.alice().http2().await.unwrap();
    let mut responses = Vec::new();
    for _ in 0..10 {
        responses.push(connection.start(get("/")).await.unwrap());
    }
    assert_eq!(open.load(Ordering::SeqCst), 10);
    eventually("the upstream to be let go", || (open.load(Ordering::SeqCst) == 0).then_some(()));
    gate.log_line(&["Stalled"]);
    for response in responses {
        assert!(response.into_body().collect().await.is_err(), "what was cut does not look whole");
    }
}

#[tokio::test]
async fn an_upstream_that_stops_reading_stops_the_client() {
    let upstream = Upstream::answering(|exchange| {
        if exchange.request.target() != "/deaf" {
            return exchange.answer("ok");
        }
        std::thread::sleep(Duration::from_secs(8));
        exchange.close();
    });
    let gate = Setup::before(&upstream).start();
    let before = gate.process.memory_kib("VmHWM");
    for (version, mut connection) in gate.alice().both().await {
        let (sender, body) = streamed();
        let fed = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&fed);
        let feeding = tokio::spawn(async move {
            let part = Bytes::from(vec![b'u'; 1 << 20]);
            for _ in 0..512 {
                if sender.send(Frame::data(part.clone())).await.is_err() {
                    return;
                }
                counter.fetch_add(1, Ordering::SeqCst);
            }
        });
        let asking = tokio::spawn(async move { connection.try_send(Request::put("/deaf").body(body).unwrap()).await });
        tokio::time::sleep(Duration::from_secs(3)).await;
        let mebibytes = fed.load(Ordering::SeqCst);
        assert!(mebibytes < 64, "{version}: {mebibytes} MiB went into a gate that nobody empties");
        asking.abort();
        feeding.abort();
    }
    let grown = gate.process.memory_kib("VmHWM").saturating_sub(before);
    assert!(grown < ALLOWED_KIB, "{grown} KiB");
}

#[tokio::test]
async fn a_body_beyond_the_limit_of_its_route_is_refused() {
    let upstream = Upstream::start();
    let routes = "[{ path: /, authenticate: [certificate], upstream: app, limits: { body: 1KiB } }]";
    let gate = Setup::before(&upstream).section("routes", routes).start();
    let alice = gate.alice();
    for (version, mut connection) in alice.both().await {
        let answer = connection.send(Request::post("/").body(full(vec![b'a'; 1024])).unwrap()).await;
        assert_eq!(answer.status, 200, "{version}: what fits passes");
    }
    for (version, mut connection) in alice.both().await {
        let answer = connection.send(Request::post("/").body(full(vec![b'a'; 1025])).unwrap()).await;
        assert_eq!(answer.status, 413, "{version}");
        assert!(answer.text().contains("too_large"), "{version}: {}", answer.text());
    }
    for (version, mut connection) in alice.both().await {
        let (sender, body) = streamed();
        tokio::spawn(async move {
            for _ in 0..8 {
                let _ = sender.send(Frame::data(Bytes::from(vec![b'a'; 512]))).await;
            }
        });
        // The length was not known beforehand: the answer is 413, or the request ends before its end.
        if let Ok(answer) = connection.try_send(Request::post("/").body(body).unwrap()).await {
            assert_eq!(answer.status, 413, "{version}");
        }
        assert!(!upstream.last().whole || upstream.last().length <= 1024, "{version}: {:#?}", upstream.last());
    }
}

#[tokio::test]
async fn a_client_that_goes_away_ends_its_request_at_the_upstream() {
    let (sender, ended) = std::sync::mpsc::channel();
    let (sender, ended) = (Mutex::new(sender), Arc::new(Mutex::new(ended)));
    let upstream = Upstream::answering(move |exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while exchange.is_open() {
            exchange.send("5\r\nagain\r\n");
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = sender.lock().unwrap().send(());
    });
    let gate = Setup::before(&upstream).start();
    for (version, mut connection) in gate.alice().both().await {
        let mut response = connection.start(get("/")).await.unwrap();
        assert!(response.body_mut().frame().await.is_some());
        drop(response);
        drop(connection);
        // Waits on a thread of its own, so that the connection's task can see that nobody holds it any more.
        let waiting = Arc::clone(&ended);
        let waiting = move || waiting.lock().unwrap().recv_timeout(Duration::from_secs(20)).is_ok();
        let outcome = tokio::task::spawn_blocking(waiting).await.unwrap();
        assert!(outcome, "{version}: the upstream still sends to nobody");
    }
}

#[tokio::test]
async fn an_upload_that_stalls_is_given_up_and_never_looks_whole() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).section("timeouts", "{ idle: 1s }").start();
    for (version, mut connection) in gate.alice().both().await {
        let (sender, body) = streamed();
        let asking = tokio::spawn(async move { connection.try_send(Request::put("/").body(body).unwrap()).await });
        sender.send(Frame::data("the first part".into())).await.unwrap();
        let outcome = tokio::time::timeout(Duration::from_secs(15), asking).await;
        let outcome = outcome.unwrap_or_else(|_| panic!("{version}: the gate still waits")).unwrap();
        assert!(outcome.is_err() || outcome.is_ok_and(|answer| answer.status >= 400), "{version}");
        assert!(upstream.requests().iter().all(|seen| !seen.whole), "{version}: {:#?}", upstream.requests());
        drop(sender);
    }
}
