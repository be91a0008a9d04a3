//! A request that passes reaches the upstream as the client meant it, and the answer comes back as the
//! upstream meant it (RFC 9110, sections 7.6 and 10.1.1; RFC 9112).
#![cfg(test)]

mod common;

use bytes::Bytes;
use common::client::{empty, full, get, streamed};
use common::raw::{Raw, status};
use common::setup::Setup;
use common::upstream::Upstream;
use http::{HeaderMap, Request};
use hyper::body::Frame;
use std::sync::mpsc;
use std::time::Duration;

#[tokio::test]
async fn method_target_host_and_body_arrive_as_they_were_sent() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    for (version, mut connection) in gate.alice().both().await {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"] {
            let request = Request::builder().method(method).uri("/a/b?x=1&y=%2F%20z").body(full("content")).unwrap();
            let answer = connection.send(request).await;
            assert_eq!((answer.status, answer.text().as_str()), (200, "ok"), "{method} over {version}");
            let seen = upstream.last();
            assert_eq!(seen.line(), format!("{method} /a/b?x=1&y=%2F%20z HTTP/1.1"), "{version}");
            assert_eq!(seen.header("host").as_deref(), Some("gate.example.org"), "{version}");
            assert_eq!(seen.body, b"content", "{method} over {version}");
        }
    }
    assert_eq!(upstream.faults(), Vec::<String>::new());
}

#[tokio::test]
async fn a_body_of_known_length_stays_so_and_one_of_unknown_length_is_chunked() {
    let upstream = Upstream::answering(|exchange| {
        exchange.read_body().unwrap();
        match exchange.request.target() {
            "/counted" => exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
            _ => exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n"),
        }
    });
    let gate = Setup::before(&upstream).start();
    for (version, mut connection) in gate.alice().both().await {
        let answer = connection.send(Request::post("/counted").body(full("12345")).unwrap()).await;
        assert_eq!((answer.text().as_str(), answer.header("content-length")), ("hello", "5"), "{version}");
        assert_eq!(upstream.last().header("content-length").as_deref(), Some("5"), "{version}");

        let (sender, body) = streamed();
        tokio::spawn(async move {
            for part in ["one ", "two ", "three"] {
                sender.send(Frame::data(Bytes::from(part))).await.unwrap();
            }
        });
        let answer = connection.send(Request::post("/chunked").body(body).unwrap()).await;
        assert_eq!((answer.text().as_str(), answer.header("content-length")), ("hello", ""), "{version}");
        let seen = upstream.last();
        assert_eq!(seen.header("transfer-encoding").as_deref(), Some("chunked"), "{version}");
        assert_eq!(seen.body, b"one two three", "{version}");
    }
    assert_eq!(upstream.faults(), Vec::<String>::new());
}

#[tokio::test]
async fn a_get_with_a_body_of_unknown_length_keeps_it() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    for (version, mut connection) in gate.alice().both().await {
        for method in ["GET", "DELETE", "OPTIONS"] {
            let (sender, body) = streamed();
            tokio::spawn(async move { sender.send(Frame::data(Bytes::from("a query"))).await });
            // hyper's client leaves the body of a GET out over HTTP/1.1 unless it is announced.
            let request = Request::builder().method(method).uri("/");
            let request = if version == "HTTP/2" { request } else { request.header("Transfer-Encoding", "chunked") };
            assert_eq!(connection.send(request.body(body).unwrap()).await.status, 200, "{method} over {version}");
            assert_eq!(upstream.last().body, b"a query", "{method} over {version}");
        }
    }
    assert_eq!(upstream.faults(), Vec::<String>::new());
}

#[test]
fn a_request_without_host_names_the_upstream_in_its_own() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let answer = Raw::exchange(&gate.alice(), "GET /old HTTP/1.0\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.0 200 "), "{answer}");
    assert_eq!(upstream.only().header("host"), Some(upstream.address().to_string()));
    assert_eq!(upstream.faults(), Vec::<String>::new());
}

#[tokio::test]
async fn a_trace_does_not_show_what_the_application_alone_is_told() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    for (version, mut connection) in gate.alice().both().await {
        for method in ["TRACE", "trace"] {
            let request = Request::builder().method(method).uri("/").body(empty()).unwrap();
            assert_eq!(connection.send(request).await.status, 400, "{method} over {version}");
        }
    }
    assert!(upstream.requests().is_empty(), "{:#?}", upstream.requests());
}

#[tokio::test]
async fn hop_by_hop_fields_end_at_the_gate_in_both_directions() {
    let upstream = Upstream::sending(
        "HTTP/1.1 200 OK\r\nConnection: X-Inner, keep-alive\r\nX-Inner: 1\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Connection: keep-alive\r\nX-Outer: 1\r\nContent-Length: 0\r\n\r\n",
    );
    let gate = Setup::before(&upstream).start();
    let mut connection = gate.alice().http1().await.unwrap();
    let request = Request::get("/")
        .header("Connection", "X-Mine, keep-alive")
        .header("X-Mine", "1")
        .header("Keep-Alive", "timeout=5")
        .header("Proxy-Connection", "keep-alive")
        .header("TE", "gzip")
        .header("X-Yours", "1");
    let answer = connection.send(request.body(empty()).unwrap()).await;
    let seen = upstream.only();
    assert_eq!(seen.header("x-yours").as_deref(), Some("1"));
    for name in ["x-mine", "keep-alive", "proxy-connection", "te"] {
        assert_eq!(seen.header(name), None, "{name} reached the upstream");
    }
    assert_eq!(answer.header("x-outer"), "1");
    for name in ["x-inner", "keep-alive", "proxy-connection"] {
        assert_eq!(answer.header(name), "", "{name} reached the client");
    }
}

#[tokio::test]
async fn the_upstream_learns_where_the_request_came_from_and_only_from_the_gate() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    for (version, mut connection) in gate.alice().both().await {
        let request = Request::get("/")
            .header("X-Forwarded-For", "203.0.113.9")
            .header("X-Forwarded-Proto", "http")
            .header("X-Forwarded-Host", "evil.example")
            .header("X-Real-IP", "203.0.113.9")
            .header("Forwarded", "for=203.0.113.9;proto=http;host=evil.example");
        assert_eq!(connection.send(request.body(empty()).unwrap()).await.status, 200);
        let seen = upstream.last();
        assert_eq!(seen.header("x-forwarded-for").as_deref(), Some("127.0.0.1"), "{version}");
        assert_eq!(seen.header("x-forwarded-proto").as_deref(), Some("https"), "{version}");
        assert_eq!(seen.header("x-forwarded-host").as_deref(), Some("gate.example.org"), "{version}");
        let forwarded = seen.header("forwarded").unwrap();
        assert!(forwarded.contains("for=127.0.0.1") && forwarded.contains("proto=https"), "{version}: {forwarded}");
        assert!(!seen.head.contains("203.0.113.9") && !seen.head.contains("evil"), "{version}: {}", seen.head);
    }
}

#[test]
fn a_client_that_expects_100_continue_is_told_to_go_on_once_it_may_pass() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let mut raw = Raw::connect(&gate.alice());
    let head = "POST /upload HTTP/1.1\r\nHost: gate.example.org\r\nExpect: 100-continue\r\nContent-Length: 7\r\n\r\n";
    raw.send(head);
    assert_eq!(status(&raw.read_head()), 100);
    raw.send("content");
    assert_eq!(raw.read_response().1, "ok");
    assert_eq!(upstream.only().body, b"content");

    let mut raw = Raw::connect(&gate.client());
    raw.send(head);
    assert_eq!(status(&raw.read_head()), 403, "no 100 comes before a refusal");
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn answers_without_a_body_leave_the_connection_usable() {
    let upstream = Upstream::answering(|exchange| {
        let method = exchange.request.line().split(' ').next().unwrap().to_owned();
        match (method.as_str(), exchange.request.target()) {
            ("HEAD", _) => exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nX-Kind: head\r\n\r\n"),
            (_, "/204") => exchange.send("HTTP/1.1 204 No Content\r\n\r\n"),
            (_, "/304") => exchange.send("HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nContent-Length: 1000\r\n\r\n"),
            _ => exchange.answer("end"),
        }
    });
    let gate = Setup::before(&upstream).start();
    let mut raw = Raw::connect(&gate.alice());
    for (request, expected, field) in [
        ("HEAD /head", 200, "content-length: 1000"),
        ("GET /204", 204, ""),
        ("GET /304", 304, "etag: \"1\""),
        ("HEAD /again", 200, "x-kind: head"),
    ] {
        raw.send(format!("{request} HTTP/1.1\r\nHost: gate.example.org\r\n\r\n"));
        let head = raw.read_head();
        assert_eq!(status(&head), expected, "{request}");
        assert!(head.to_lowercase().contains(field), "{request}: {head}");
    }
    raw.send("GET /end HTTP/1.1\r\nHost: gate.example.org\r\n\r\n");
    assert_eq!(raw.read_response().1, "end");
}

#[tokio::test]
async fn trailers_pass_in_both_directions() {
    let upstream = Upstream::answering(|exchange| {
        exchange.read_body().unwrap();
        exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Answered\r\n\r\n");
        exchange.send("2\r\nok\r\n0\r\nX-Answered: yes\r\n\r\n");
    });
    let gate = Setup::before(&upstream).start();
    for (version, mut connection) in gate.alice().both().await {
        let (sender, body) = streamed();
        tokio::spawn(async move {
            let trailers = HeaderMap::from_iter([(http::HeaderName::from_static("x-asked"), "yes".parse().unwrap())]);
            sender.send(Frame::data("body".into())).await.unwrap();
            sender.send(Frame::trailers(trailers)).await.unwrap();
        });
        let request = Request::post("/").header("TE", "trailers").header("Trailer", "X-Asked").body(body).unwrap();
        let answer = connection.send(request).await;
        assert_eq!(answer.text(), "ok", "{version}");
        assert_eq!(answer.trailers.get("x-answered").map(|value| value.as_bytes()), Some(&b"yes"[..]), "{version}");
        assert_eq!(upstream.last().trailers.to_lowercase(), "x-asked: yes\n", "{version}");
    }
}

#[tokio::test]
async fn an_answer_that_comes_before_the_body_has_arrived_reaches_the_client() {
    let upstream = Upstream::answering(|exchange| {
        exchange.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig");
        // The rest is still read, as a careful server does, so that a reset cannot overtake the answer.
        let _ = exchange.read_body();
        exchange.close();
    });
    let gate = Setup::before(&upstream).start();
    for (version, mut connection) in gate.alice().both().await {
        let (sender, body) = streamed();
        let (answered, wait) = mpsc::channel::<()>();
        let feeding = tokio::task::spawn_blocking(move || {
            let _ = sender.blocking_send(Frame::data("the first part".into()));
            // Only when the answer has come does the body go on.
            wait.recv_timeout(Duration::from_secs(20)).unwrap();
            let _ = sender.blocking_send(Frame::data("the second part".into()));
        });
        let answer = connection.start(Request::put("/").body(body).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 413, "{version}");
        answered.send(()).unwrap();
        feeding.await.unwrap();
    }
}

#[tokio::test]
async fn requests_on_one_connection_share_one_connection_to_the_upstream() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    for (version, mut connection) in gate.alice().both().await {
        let before = upstream.connections();
        for _ in 0..10 {
            assert_eq!(connection.get("/").await.status, 200);
        }
        assert!(upstream.connections() - before <= 1, "{version}: {} connections", upstream.connections());
    }
}

#[tokio::test]
async fn a_pooled_connection_that_turns_out_to_be_closed_costs_the_client_nothing() {
    // Closes after every answer without having announced it.
    let upstream = Upstream::answering(|exchange| {
        exchange.read_body().unwrap();
        exchange.answer("ok");
        exchange.close();
    });
    let gate = Setup::before(&upstream).start();
    for (version, mut connection) in gate.alice().both().await {
        for round in 0..20 {
            let answer = connection.send(get("/")).await;
            assert_eq!(answer.status, 200, "request {round} over {version}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn a_request_that_may_have_been_carried_out_is_not_sent_twice() {
    // Reads the request, then dies without an answer: it may have done what it was asked.
    let upstream = Upstream::answering(|exchange| {
        exchange.read_body().unwrap();
        match exchange.request.target() {
            "/first" => exchange.answer("ok"),
            _ => exchange.close(),
        }
    });
    let gate = Setup::before(&upstream).start();
    for (version, mut connection) in gate.alice().both().await {
        let before = upstream.requests().len();
        assert_eq!(connection.get("/first").await.status, 200, "{version}");
        let answer = connection.send(Request::post("/pay").body(full("100")).unwrap()).await;
        assert_eq!(answer.status, 502, "{version}: {}", answer.text());
        assert_eq!(upstream.requests().len() - before, 2, "{version}");
    }
}

#[test]
fn requests_sent_without_waiting_are_answered_in_their_order() {
    let upstream = Upstream::answering(|exchange| {
        if exchange.request.target() == "/0" {
            std::thread::sleep(Duration::from_millis(300));
        }
        let target = exchange.request.target().to_owned();
        exchange.answer(&target);
    });
    let gate = Setup::before(&upstream).start();
    let mut raw = Raw::connect(&gate.alice());
    let requests: String = (0..5).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: gate.example.org\r\n\r\n")).collect();
    raw.send(requests);
    for n in 0..5 {
        assert_eq!(raw.read_response().1, format!("/{n}"));
    }
}

#[test]
fn a_client_of_http_1_0_is_answered_and_may_ask_to_stay() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let alice = gate.alice();
    let answer = Raw::exchange(&alice, "GET /old HTTP/1.0\r\nHost: gate.example.org\r\n\r\n");
    assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
    assert_eq!(upstream.last().line(), "GET /old HTTP/1.1");
    let mut raw = Raw::connect(&alice);
    for _ in 0..3 {
        raw.send("GET /old HTTP/1.0\r\nHost: gate.example.org\r\nConnection: keep-alive\r\n\r\n");
        let head = raw.read_head();
        assert!(head.to_lowercase().contains("connection: keep-alive"), "{head}");
        assert_eq!(raw.read_some().unwrap(), b"ok");
    }
    assert_eq!(upstream.faults(), Vec::<String>::new());
}
