//! An upstream that is down, slow, broken or hostile: the client gets a clear answer or a clear end, and
//! nobody else's answer is lost or mixed up with it.
#![cfg(test)]

mod common;

use common::client::{empty, get};
use common::raw::{Raw, status};
use common::setup::Setup;
use common::upstream::Upstream;
use http::Request;
use http_body_util::BodyExt;
use std::net::TcpListener;
use std::time::{Duration, Instant};

#[tokio::test]
async fn an_upstream_that_is_down_is_a_bad_gateway() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).upstream("servers", &format!("[\"http://{nobody}\"]")).start();
    for (version, mut connection) in gate.alice().both().await {
        let answer = connection.get("/").await;
        assert_eq!(answer.status, 502, "{version}");
        assert!(answer.text().contains("upstream_unavailable"), "{version}: {}", answer.text());
        assert!(!answer.text().contains(&nobody.port().to_string()), "the page tells no address of the inside");
    }
    gate.log_line(&["upstream_unavailable"]);
}

#[tokio::test]
async fn when_one_server_of_an_upstream_is_down_the_other_answers() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let upstream = Upstream::start();
    let servers = format!("[\"http://{nobody}\", \"http://{}\"]", upstream.address());
    let gate = Setup::before(&upstream).upstream("servers", &servers).start();
    let mut connection = gate.alice().http1().await.unwrap();
    for round in 0..10 {
        assert_eq!(connection.get("/").await.status, 200, "request {round}");
    }
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_in_time_is_a_gateway_timeout() {
    let upstream = Upstream::answering(|exchange| {
        exchange.read_body().unwrap();
        if exchange.request.target() == "/slow" {
            std::thread::sleep(Duration::from_secs(5));
        }
        exchange.answer("ok");
    });
    let gate = Setup::before(&upstream).upstream("timeouts", "{ response: 1s }").start();
    for (version, mut connection) in gate.alice().both().await {
        let start = Instant::now();
        let answer = connection.get("/slow").await;
        assert_eq!(answer.status, 504, "{version}: {}", answer.text());
        assert!(answer.text().contains("upstream_timeout"), "{version}: {}", answer.text());
        assert!(start.elapsed() >= Duration::from_secs(1) && start.elapsed() < Duration::from_secs(4), "{version}");
        assert_eq!(connection.get("/quick").await.text(), "ok", "{version}: the client's connection goes on");
    }
    assert_eq!(upstream.requests().iter().filter(|seen| seen.target() == "/slow").count(), 2, "no second try");
}

/// Ways in which a response can end before its end.
fn broken_off() -> Upstream {
    Upstream::answering(|exchange| {
        exchange.read_body().unwrap();
        match exchange.request.target() {
            "/length" => exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nthe first part"),
            "/chunk" => exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\nthe first part"),
            "/between" => exchange.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"),
            _ => return exchange.answer("ok"),
        }
        exchange.close();
    })
}

#[test]
fn a_response_that_breaks_off_never_looks_whole() {
    let upstream = broken_off();
    let gate = Setup::before(&upstream).start();
    for target in ["/length", "/chunk", "/between"] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: gate.example.org\r\n\r\n");
        let answer = Raw::exchange(&gate.alice(), request);
        if answer.is_empty() {
            // The connection ended before the head of the response was on its way: clear enough.
            continue;
        }
        if status(&answer) == 200 {
            let body = answer.split_once("\r\n\r\n").unwrap().1;
            assert!(body.len() < 1000 && !body.ends_with("0\r\n\r\n"), "{target}: {answer:?}");
        } else {
            assert_eq!(status(&answer), 502, "{target}");
        }
    }
}

#[tokio::test]
async fn a_response_that_breaks_off_ends_its_own_stream_alone() {
    let upstream = broken_off();
    let gate = Setup::before(&upstream).start();
    let mut connection = gate.alice().http2().await.unwrap();
    for target in ["/length", "/chunk", "/between"] {
        match connection.start(get(target)).await {
            Ok(response) if response.status() == 200 => {
                assert!(response.into_body().collect().await.is_err(), "{target} looked whole");
            }
            Ok(response) => assert_eq!(response.status(), 502, "{target}"),
            // The stream was reset before the head of the response was on its way.
            Err(_) => {}
        }
        assert_eq!(connection.get("/").await.text(), "ok", "after {target}");
    }
}

#[tokio::test]
async fn a_response_that_stalls_between_its_parts_is_given_up() {
    let upstream = Upstream::answering(|exchange| {
        exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nthe first part");
        std::thread::sleep(Duration::from_secs(20));
    });
    let gate = Setup::before(&upstream).upstream("timeouts", "{ response: 1s }").start();
    for (version, mut connection) in gate.alice().both().await {
        let start = Instant::now();
        let response = connection.start(get("/")).await.unwrap();
        assert!(response.into_body().collect().await.is_err(), "{version}");
        assert!(start.elapsed() < Duration::from_secs(10), "{version}: {:?}", start.elapsed());
    }
}

#[tokio::test]
async fn what_is_no_http_response_is_a_bad_gateway() {
    let long = format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\n\r\n", "a".repeat(4 << 20));
    let upstream = Upstream::answering(move |exchange| {
        exchange.read_body().unwrap();
        let target = exchange.request.target().to_owned();
        exchange.send(match target.as_str() {
            "/noise" => "\x16\x03\x01 is no HTTP\r\n\r\n",
            "/lengths" => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\nok",
            "/status" => "HTTP/1.1 99999 Much\r\nContent-Length: 2\r\n\r\nok",
            "/name" => "HTTP/1.1 200 OK\r\nA Name: 1\r\nContent-Length: 2\r\n\r\nok",
            "/switch" => "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
            "/long" => &long,
            _ => "",
        });
        exchange.close();
    });
    let gate = Setup::before(&upstream).start();
    for (version, mut connection) in gate.alice().both().await {
        for target in ["/noise", "/lengths", "/status", "/name", "/switch", "/long", "/nothing"] {
            let answer = connection.get(target).await;
            assert_eq!(answer.status, 502, "{target} over {version}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn an_upstream_that_says_too_much_does_not_answer_the_next_request_with_it() {
    let upstream = Upstream::answering(|exchange| {
        exchange.read_body().unwrap();
        let target = exchange.request.target().to_owned();
        exchange.answer(&target);
        if target == "/chatty" {
            exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged");
        }
    });
    let gate = Setup::before(&upstream).start();
    for (version, mut connection) in gate.alice().both().await {
        for round in 0..5 {
            assert_eq!(connection.get("/chatty").await.text(), "/chatty", "{round} over {version}");
            // What arrives after the next request has been sent cannot be told from its answer, by anybody.
            tokio::time::sleep(Duration::from_millis(100)).await;
            let next = format!("/next-{round}");
            let answer = connection.get(&next).await;
            assert!(answer.text() == next || answer.status == 502, "{round} over {version}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn a_body_where_none_may_be_answers_nobody_else() {
    let forged = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";
    let upstream = Upstream::answering(move |exchange| {
        exchange.read_body().unwrap();
        let target = exchange.request.target().to_owned();
        match target.as_str() {
            "/head" => exchange.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{forged}", forged.len())),
            "/204" => exchange.send(format!("HTTP/1.1 204 No Content\r\n\r\n{forged}")),
            "/304" => exchange.send(format!("HTTP/1.1 304 Not Modified\r\nContent-Length: 50\r\n\r\n{forged}")),
            "/early" => exchange.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok{forged}")),
            _ => exchange.answer(&target),
        }
    });
    let gate = Setup::before(&upstream).open_to_all().start();
    let mut somebody = gate.client().http1().await.unwrap();
    for (version, mut connection) in gate.alice().both().await {
        for (round, (method, target)) in [("HEAD", "/head"), ("GET", "/204"), ("GET", "/304"), ("GET", "/early")]
            .into_iter()
            .cycle()
            .take(12)
            .enumerate()
        {
            let request = Request::builder().method(method).uri(target).body(empty()).unwrap();
            connection.send(request).await;
            let next = format!("/next-{round}");
            let answer = somebody.get(&next).await;
            assert!(answer.text() == next || answer.status == 502, "{target} over {version}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn an_answer_with_two_framings_is_passed_on_with_one() {
    let upstream = Upstream::sending(
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n",
    );
    let gate = Setup::before(&upstream).start();
    for (version, mut connection) in gate.alice().both().await {
        for _ in 0..2 {
            let answer = connection.get("/").await;
            assert_eq!((answer.text().as_str(), answer.header("content-length")), ("whole", ""), "{version}");
        }
    }
}

#[tokio::test]
async fn informational_answers_do_not_stand_in_for_the_real_one() {
    let upstream = Upstream::sending(
        "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nreal",
    );
    let gate = Setup::before(&upstream).start();
    for (version, mut connection) in gate.alice().both().await {
        for _ in 0..3 {
            let answer = connection.get("/").await;
            assert_eq!((answer.status, answer.text().as_str()), (200, "real"), "{version}");
        }
    }
}
