//! Clients that send and take so slowly that they only hold their places: they lose them, and nobody does who is slow for
//! a reason.
#![cfg(test)]

mod common;

use bytes::Bytes;
use common::client::{Client, get, streamed};
use common::eventually;
use common::frames::{END_HEADERS, END_STREAM, Frames, HEADERS, INITIAL_WINDOW_SIZE, WINDOW_UPDATE, block};
use common::gate::Gate;
use common::open;
use common::setup::Setup;
use common::upstream::Upstream;
use http::Request;
use http_body_util::BodyExt;
use hyper::body::Frame;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn gate(upstream: &Upstream, least: &str) -> Gate {
    let timeouts = format!("{{ request_head: 1s, least_rate: {least} }}");
    Setup::before(upstream).section("timeouts", &timeouts).start()
}

/// Sends a body of so many pieces, one every 50 ms, as long as they are taken; gives the status, if there is one.
async fn upload(client: &Client, version: &str, piece: usize, count: usize) -> Option<u16> {
    let mut connection =
        if version == "HTTP/2" { client.http2().await.unwrap() } else { client.http1().await.unwrap() };
    let (sender, body) = streamed();
    let feeding = tokio::spawn(async move {
        for _ in 0..count {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if sender.send(Frame::data(Bytes::from(vec![7; piece]))).await.is_err() {
                return;
            }
        }
    });
    let answer = connection.try_send(Request::put("/").body(body).unwrap()).await;
    feeding.abort();
    answer.ok().map(|answer| answer.status)
}

#[tokio::test]
async fn a_body_that_drips_in_is_given_up_and_one_that_flows_passes() {
    let upstream = Upstream::start();
    let gate = gate(&upstream, "{ upload: 4KiB/s, grace: 2s }");
    for version in ["HTTP/1.1", "HTTP/2"] {
        let start = Instant::now();
        let status = upload(&gate.alice(), version, 10, 2000).await;
        assert!(status.is_none_or(|status| status == 400), "{version}: {status:?}");
        assert!(start.elapsed() < Duration::from_secs(60), "{version}: it was waited for to the end");
        assert!(upstream.requests().iter().all(|request| !request.whole), "{version}");
    }
    gate.log_line(&["timeouts.least_rate"]);
    for version in ["HTTP/1.1", "HTTP/2"] {
        assert_eq!(upload(&gate.alice(), version, 1000, 80).await, Some(200), "{version}: 20 kB a second for 4 s");
    }
}

#[tokio::test]
async fn a_route_may_have_slow_bodies() {
    let upstream = Upstream::start();
    let routes = "[{ path: /, authenticate: [certificate], upstream: app, limits: { least_upload: off } }]";
    let gate = Setup::before(&upstream)
        .section("routes", routes)
        .section("timeouts", "{ request_head: 1s, least_rate: { upload: 4KiB/s, grace: 1s } }")
        .start();
    assert_eq!(upload(&gate.alice(), "HTTP/2", 10, 60).await, Some(200));
}

#[tokio::test]
async fn what_is_said_in_turn_with_an_answer_has_all_the_time_it_likes() {
    // As gRPC does when both sides stream.
    let upstream = Upstream::answering(|exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n");
        if exchange.read_body().is_ok() {
            let length = exchange.request.length.to_string();
            exchange.send(format!("{:x}\r\n{length}\r\n0\r\n\r\n", length.len()));
        }
    });
    let gate = gate(&upstream, "{ upload: 4KiB/s, download: 4KiB/s, grace: 1s }");
    let mut connection = gate.alice().http2().await.unwrap();
    let (sender, body) = streamed();
    tokio::spawn(async move {
        for _ in 0..40 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            sender.send(Frame::data(Bytes::from_static(b"x"))).await.unwrap();
        }
    });
    assert_eq!(connection.send(Request::post("/").body(body).unwrap()).await.text(), "hi40");
}

/// An upstream that sends without end to `/endless`, and counts for whom it does.
fn endless(open: &Arc<AtomicUsize>) -> Upstream {
    let open = Arc::clone(open);
    Upstream::answering(move |exchange| {
        if exchange.request.target() != "/endless" {
            return exchange.answer("ok");
        }
        open.fetch_add(1, Ordering::SeqCst);
        exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        let piece = format!("10000\r\n{}\r\n", "a".repeat(1 << 16));
        while exchange.is_open() {
            exchange.send(&piece);
        }
        open.fetch_sub(1, Ordering::SeqCst);
    })
}

#[tokio::test]
async fn an_answer_that_is_taken_in_drops_is_given_up() {
    let open = Arc::default();
    let upstream = endless(&open);
    let gate = gate(&upstream, "{ download: 64KiB/s, grace: 2s }");
    let mut stream = gate.alice().tls(&["http/1.1"]).await.unwrap();
    stream.write_all(b"GET /endless HTTP/1.1\r\nHost: gate.example.org\r\n\r\n").await.unwrap();
    let start = Instant::now();
    let mut ended = false;
    while start.elapsed() < common::PATIENCE && !ended {
        let mut octets = [0; 100];
        ended = stream.read(&mut octets).await.is_err()
            || (start.elapsed() > Duration::from_secs(1) && open.load(Ordering::SeqCst) == 0);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(ended, "it was waited for:\n{}", gate.log());
    gate.log_line(&["Slow"]);
    assert_eq!(gate.alice().get("/").await.text(), "ok");
}

#[test]
fn a_window_that_is_opened_by_drops_is_given_up() {
    let open = Arc::default();
    let upstream = endless(&open);
    let gate = gate(&upstream, "{ download: 64KiB/s, grace: 2s }");
    let mut frames = Frames::with_settings(&gate.alice(), &[(INITIAL_WINDOW_SIZE, 1)]);
    let fields = [(":method", "GET"), (":scheme", "https"), (":authority", "gate.example.org"), (":path", "/endless")];
    frames.frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&fields));
    eventually("the connection to be given up", || {
        std::thread::sleep(Duration::from_millis(50));
        frames.raw.try_send(common::frames::frame(WINDOW_UPDATE, 0, 1, &20_u32.to_be_bytes())).is_err().then_some(())
    });
    gate.log_line(&["Slow"]);
    eventually("the upstream to be let go", || (open.load(Ordering::SeqCst) == 0).then_some(()));
}

#[tokio::test]
async fn an_answer_that_has_little_to_say_is_no_slow_client() {
    let upstream = Upstream::answering(|exchange| {
        if exchange.request.header("upgrade").is_some() {
            exchange.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n");
            let (reader, mut wire) = exchange.upgrade();
            let mut octet = [0];
            while std::io::Read::read_exact(reader, &mut octet).is_ok() {
                std::io::Write::write_all(&mut wire, &octet).unwrap();
            }
            return;
        }
        exchange.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        for _ in 0..12 {
            std::thread::sleep(Duration::from_millis(500));
            exchange.send("9\r\ndata: 1\n\n\r\n");
        }
        exchange.send("0\r\n\r\n");
    });
    let gate = gate(&upstream, "{ upload: 1MiB/s, download: 1MiB/s, grace: 1s }");
    let alice = gate.alice();
    let mut socket = open::websocket(&alice).await;
    let talking = tokio::spawn(async move {
        for _ in 0..12 {
            tokio::time::sleep(Duration::from_millis(500)).await;
            socket.write_all(b"x").await.unwrap();
            socket.read_u8().await.unwrap();
        }
    });
    let [(_, mut one), (_, mut two)] = alice.both().await;
    let events = async |connection: &mut common::client::Connection| {
        let response = connection.start(get("/events")).await.unwrap();
        response.into_body().collect().await.unwrap().to_bytes().len()
    };
    let both = tokio::join!(events(&mut one), events(&mut two));
    assert_eq!(both, (12 * 9, 12 * 9));
    talking.await.unwrap();
}
