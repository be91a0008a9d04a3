//! Servers that speak HTTP/1.1 wrongly, too much or not at all: what is no answer becomes 502 with its cause in the log, a
//! connection whose next octet nobody can be sure of is not used again, and no server makes the gate hold more
//! than a bounded amount. What a broken body and a second answer do stands in `upstream_failures`.
#![cfg(test)]

mod common;

use common::PATIENCE;
use common::client::{empty, full, get, streamed};
use common::raw::{Raw, status};
use common::setup::Setup;
use common::upstream::Upstream;
use http::Request;
use http_body::Frame;
use http_body_util::BodyExt;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// Asks over both versions for each target, and says what came of it.
async fn each(setup: Setup, cases: &[(&str, Option<&str>)]) {
    let gate = setup.start();
    for (version, mut connection) in gate.alice().both().await {
        for (target, body) in cases {
            let answer = connection.get(target).await;
            match body {
                None => assert_eq!(answer.status, 502, "{target} over {version}: {}", answer.text()),
                Some(body) => {
                    assert_eq!((answer.status, answer.text().as_str()), (200, *body), "{target} over {version}");
                }
            }
            // Whatever it was, the next answer is the next request's.
            assert_eq!(connection.get("/next").await.text(), "next", "after {target} over {version}");
        }
    }
    for (target, _) in cases.iter().filter(|(_, body)| body.is_none()) {
        gate.log_line(&["upstream_unavailable", target]);
    }
}

#[tokio::test]
async fn a_head_that_is_not_exactly_http_is_a_bad_gateway_or_made_so() {
    let cases = [
        ("/http09", None),
        ("/http2", None),
        ("/http3.1", None),
        ("/status-99", None),
        ("/status-1000", None),
        ("/status-text", None),
        ("/nul-in-value", None),
        ("/cr-in-value", None),
        ("/nul-in-name", None),
        ("/space-before-colon", None),
        ("/no-colon", None),
        ("/length-text", None),
        ("/length-minus", None),
        ("/length-plus", None),
        ("/length-list", None),
        ("/lengths-differ", None),
        ("/length-huge", None),
        ("/coding-unknown", None),
        ("/fields", None),
    ];
    let upstream = Upstream::answering(|exchange| {
        exchange.read_body().unwrap();
        let target = exchange.request.target().to_owned();
        let many: String = (0..10_000).map(|number| format!("X-{number}: 1\r\n")).collect();
        let ok = "HTTP/1.1 200 OK\r\n";
        let answer = match target.as_str() {
            "/next" => return exchange.answer("next"),
            "/http09" => "<html>an answer of 1991</html>".to_owned(),
            "/http2" => "HTTP/2 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned(),
            "/http3.1" => "HTTP/3.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned(),
            "/status-99" => "HTTP/1.1 99 Less\r\nContent-Length: 2\r\n\r\nok".to_owned(),
            "/status-1000" => "HTTP/1.1 1000 More\r\nContent-Length: 2\r\n\r\nok".to_owned(),
            "/status-text" => "HTTP/1.1 two OK\r\nContent-Length: 2\r\n\r\nok".to_owned(),
            "/nul-in-value" => format!("{ok}X-A: a\0b\r\nContent-Length: 2\r\n\r\nok"),
            "/cr-in-value" => format!("{ok}X-A: a\rSet-Cookie: b=c\r\nContent-Length: 2\r\n\r\nok"),
            "/nul-in-name" => format!("{ok}X\0A: 1\r\nContent-Length: 2\r\n\r\nok"),
            "/space-before-colon" => format!("{ok}Content-Length : 2\r\n\r\nok"),
            "/no-colon" => format!("{ok}nothing\r\nContent-Length: 2\r\n\r\nok"),
            "/length-text" => format!("{ok}Content-Length: two\r\n\r\nok"),
            "/length-minus" => format!("{ok}Content-Length: -2\r\n\r\nok"),
            "/length-plus" => format!("{ok}Content-Length: +2\r\n\r\nok"),
            "/length-list" => format!("{ok}Content-Length: 2, 3\r\n\r\nok"),
            "/lengths-differ" => format!("{ok}Content-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
            "/length-huge" => format!("{ok}Content-Length: 99999999999999999999\r\n\r\nok"),
            "/coding-unknown" => format!("{ok}Transfer-Encoding: rot13\r\nContent-Length: 2\r\n\r\nok"),
            "/fields" => format!("{ok}{many}Content-Length: 2\r\n\r\nok"),
            other => panic!("{other}"),
        };
        exchange.send(answer);
        exchange.close();
    });
    each(Setup::before(&upstream), &cases).await;
}

#[tokio::test]
async fn chunks_that_are_written_wrongly_never_look_whole() {
    let upstream = Upstream::answering(|exchange| {
        exchange.read_body().unwrap();
        let chunks = match exchange.request.target() {
            "/next" => return exchange.answer("next"),
            "/text" => "xyz\r\nok\r\n0\r\n\r\n",
            "/huge" => "fffffffffffffffff\r\nok\r\n0\r\n\r\n",
            "/minus" => "-2\r\nok\r\n0\r\n\r\n",
            "/short" => "1\r\nok\r\n0\r\n\r\n",
            "/long" => "3\r\nok\r\n0\r\n\r\n",
            "/extension" => "2;a\nb\r\nok\r\n0\r\n\r\n",
            "/no-end" => "2\r\nok\r\n0\r\n",
            other => panic!("{other}"),
        };
        exchange.send(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"));
        exchange.close();
    });
    let gate = Setup::before(&upstream).start();
    for target in ["/text", "/huge", "/minus", "/short", "/long", "/extension", "/no-end"] {
        for (version, mut connection) in gate.alice().both().await {
            let came = connection.try_send(get(target)).await;
            assert!(came.is_err() || came.is_ok_and(|answer| answer.status == 502), "{target} over {version}");
            assert_eq!(gate.alice().get("/next").await.text(), "next", "after {target} over {version}");
        }
    }
}

#[tokio::test]
async fn what_has_only_one_meaning_is_passed_on_in_its_plain_form() {
    let cases = [
        ("/lengths-equal", Some("ok")),
        ("/length-list-equal", Some("ok")),
        ("/http10", Some("ok")),
        ("/until-close", Some("ok")),
        ("/both-framings", Some("ok")),
    ];
    let upstream = Upstream::answering(|exchange| {
        exchange.read_body().unwrap();
        let ok = "HTTP/1.1 200 OK\r\n";
        let answer = match exchange.request.target() {
            "/next" => return exchange.answer("next"),
            "/lengths-equal" => format!("{ok}Content-Length: 2\r\nContent-Length: 2\r\n\r\nok"),
            "/length-list-equal" => format!("{ok}Content-Length: 2, 2\r\n\r\nok"),
            "/http10" => "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned(),
            "/until-close" => format!("{ok}\r\nok"),
            "/both-framings" => {
                format!("{ok}Transfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n2\r\nok\r\n0\r\n\r\n")
            }
            other => panic!("{other}"),
        };
        exchange.send(answer);
        exchange.close();
    });
    let gate = Setup::before(&upstream).start();
    for (target, body) in cases {
        for (version, mut connection) in gate.alice().both().await {
            let answer = connection.get(target).await;
            assert_eq!((answer.status, Some(answer.text().as_str())), (200, body), "{target} over {version}");
            assert!(answer.headers.get_all("content-length").iter().count() <= 1, "{target}: {:?}", answer.headers);
            assert_eq!(connection.get("/next").await.text(), "next", "after {target} over {version}");
        }
        let text = Raw::exchange(
            &gate.alice(),
            format!("GET {target} HTTP/1.1\r\nHost: gate.example.org\r\nConnection: close\r\n\r\n"),
        );
        let head = text.split_once("\r\n\r\n").unwrap().0.to_ascii_lowercase();
        let framings = head.matches("content-length:").count() + head.matches("transfer-encoding:").count();
        assert_eq!(framings, 1, "{target}: {head}");
    }
}

#[test]
fn an_answer_to_head_says_its_length_once_or_not_at_all() {
    let upstream = Upstream::answering(|exchange| {
        exchange.read_body().unwrap();
        let lengths = match exchange.request.target() {
            "/equal" => "Content-Length: 5\r\nContent-Length: 5\r\n",
            "/different" => "Content-Length: 5\r\nContent-Length: 6\r\n",
            _ => "Content-Length: 5\r\n",
        };
        exchange.send(format!("HTTP/1.1 200 OK\r\n{lengths}\r\n"));
    });
    let gate = Setup::before(&upstream).start();
    for (target, expected) in [("/one", 1), ("/equal", 1), ("/different", 0)] {
        let request = format!("HEAD {target} HTTP/1.1\r\nHost: gate.example.org\r\nConnection: close\r\n\r\n");
        let text = Raw::exchange(&gate.alice(), request).to_ascii_lowercase();
        assert_eq!(text.matches("content-length: 5\r\n").count(), expected, "{target}: {text}");
        assert_eq!(text.matches("content-length:").count(), expected, "{target}: {text}");
    }
}

/// A server that says this to each connection when something was said to it, and then this again and again.
fn endless(begin: &'static str, then: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || flood(stream, begin, then));
        }
    });
    address
}

fn flood(mut stream: TcpStream, begin: &str, then: &str) {
    let mut some = [0; 4096];
    if std::io::Read::read(&mut stream, &mut some).is_ok_and(|count| count > 0) {
        let piece = then.repeat((1 << 16) / then.len());
        // 64 MiB, if the gate takes them: more than it may hold.
        let pieces = std::iter::once(begin.as_bytes()).chain(std::iter::repeat_n(piece.as_bytes(), 1 << 10));
        for piece in pieces {
            if stream.write_all(piece).is_err() {
                return;
            }
        }
    }
}

#[tokio::test]
async fn a_head_without_end_costs_the_gate_a_bounded_amount() {
    let well = Upstream::start();
    let cases = [
        ("one long field", endless("HTTP/1.1 200 OK\r\nX-Long: ", "aaaaaaaaaaaaaaaa"), 502),
        ("fields without end", endless("HTTP/1.1 200 OK\r\n", "X-Field: aaaaaa\r\n"), 502),
        ("a status line without end", endless("HTTP/1.1 200 ", "OK "), 502),
        ("a chunk size without end", endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "0"), 0),
        ("a chunk extension without end", endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2", ";a"), 0),
        (
            "trailers without end",
            endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", "X-Trailer: aaaaa\r\n"),
            0,
        ),
        ("informational answers without end", endless("", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"), 504),
    ];
    for (what, server, expected) in cases {
        let gate = Setup::before(&well)
            .upstream("servers", &format!("[\"http://{server}\"]"))
            .upstream("timeouts", "{ response: 2s }")
            .other_upstream("well", &format!("{{ servers: [\"http://{}\"] }}", well.address()))
            .section(
                "routes",
                "[{ path: /, authenticate: [certificate], upstream: app }, \
                  { path: /well, authenticate: [certificate], upstream: well }]",
            )
            .start();
        assert_eq!(gate.alice().get("/well").await.status, 200);
        let before = gate.process.memory_kib("VmHWM");
        for version in ["HTTP/1.1", "HTTP/2"] {
            let alice = gate.alice();
            let connection = if version == "HTTP/2" { alice.http2().await } else { alice.http1().await };
            let mut connection = connection.unwrap();
            let asking = tokio::spawn(async move { connection.try_send(get("/")).await.map(|answer| answer.status) });
            // Nobody else waits for it.
            let start = Instant::now();
            assert_eq!(gate.alice().get("/well").await.status, 200, "{what} over {version}");
            assert!(start.elapsed() < PATIENCE, "{what} over {version}");
            let came = tokio::time::timeout(PATIENCE, asking).await;
            let came = came.unwrap_or_else(|_| panic!("{what} over {version} never ended")).unwrap();
            match expected {
                // The head of the answer was good, and what followed never looks whole.
                0 => assert!(came.is_err() || came.as_ref().is_ok_and(|status| *status >= 500), "{what}: {came:?}"),
                expected => assert_eq!(came.unwrap(), expected, "{what} over {version}"),
            }
        }
        let grown = gate.process.memory_kib("VmHWM").saturating_sub(before);
        assert!(grown < 32 * 1024, "{what} cost {grown} KiB");
    }
}

#[tokio::test]
async fn a_connection_that_its_server_wants_closed_is_not_used_again() {
    let upstream = Upstream::answering(|exchange| {
        exchange.read_body().unwrap();
        match exchange.request.target() {
            "/close" => exchange.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"),
            "/close-list" => exchange.send("HTTP/1.1 200 OK\r\nConnection: x-a, Close\r\nContent-Length: 2\r\n\r\nok"),
            "/http10" => exchange.send("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"),
            _ => exchange.answer("ok"),
        }
    });
    let gate = Setup::before(&upstream).start();
    // HTTP/2, because a client of HTTP/1.1 would see its own connection as it was.
    let mut alice = gate.alice().http2().await.unwrap();
    for target in ["/close", "/close-list", "/http10"] {
        for _ in 0..3 {
            let answer = alice.get(target).await;
            assert_eq!(
                (answer.status, answer.text().as_str(), answer.header("connection")),
                (200, "ok", ""),
                "{target}"
            );
        }
        let connections: Vec<usize> =
            upstream.requests().iter().filter(|seen| seen.target() == target).map(|seen| seen.connection).collect();
        assert!(connections.windows(2).all(|pair| pair[0] != pair[1]), "{target}: {connections:?}");
    }
    // And none of it is passed on to whoever could be misled by it.
    let text =
        Raw::exchange(&gate.alice(), "GET /close-list HTTP/1.1\r\nHost: gate.example.org\r\nConnection: close\r\n\r\n");
    assert!(status(&text) == 200 && !text.to_ascii_lowercase().contains("x-a"), "{text}");
}

#[tokio::test]
async fn a_body_that_was_not_read_to_its_end_leaves_no_connection_behind() {
    let upstream = Upstream::answering(|exchange| {
        if exchange.read_body().is_err() {
            return;
        }
        match exchange.request.target() {
            "/long" => {
                exchange.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
                let piece = [b'x'; 65536];
                while exchange.is_open() {
                    exchange.send(piece);
                }
            }
            _ => exchange.answer("next"),
        }
    });
    let gate = Setup::before(&upstream).start();
    let mut alice = gate.alice().http2().await.unwrap();
    for _ in 0..3 {
        let response = alice.start(get("/long")).await.unwrap();
        let mut body = response.into_body();
        assert!(body.frame().await.unwrap().is_ok());
        drop(body);
        assert_eq!(alice.get("/next").await.text(), "next");
    }
    let requests = upstream.requests();
    for (place, long) in requests.iter().enumerate().filter(|(_, seen)| seen.target() == "/long") {
        let after = requests[place + 1..].iter().filter(|seen| seen.connection == long.connection);
        assert_eq!(after.count(), 0, "nothing comes after it: {requests:#?}");
    }
}

#[tokio::test]
async fn what_is_compressed_is_nobodys_business_but_the_clients() {
    // As small as a bomb begins: the gate never looks inside, so nothing of it is ever larger than on the wire.
    let bomb: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xed\xc1\x01\x0d\x00\x00\x00\xc2 not gzip at all";
    let upstream = Upstream::answering(move |exchange| {
        exchange.read_body().unwrap();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", bomb.len());
        exchange.send([head.as_bytes(), bomb].concat());
    });
    let gate = Setup::before(&upstream).start();
    for (version, mut connection) in gate.alice().both().await {
        let request = Request::get("/").header("accept-encoding", "br, gzip").body(empty()).unwrap();
        let answer = connection.send(request).await;
        assert_eq!((answer.header("content-encoding"), answer.body.as_ref()), ("gzip", bomb), "{version}");
        assert_eq!(upstream.last().header("accept-encoding").unwrap(), "br, gzip", "{version}");
    }
}

#[tokio::test]
async fn trailers_of_an_answer_say_nothing_that_belongs_into_its_head() {
    let upstream = Upstream::sending(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\n\
         X-Sum: 1\r\nContent-Length: 500\r\nTransfer-Encoding: chunked\r\nSet-Cookie: a=b\r\nLocation: /elsewhere\r\n\
         Connection: close\r\nContent-Type: text/html\r\nHost: elsewhere\r\nCache-Control: public\r\n\
         WWW-Authenticate: Basic\r\n\r\n",
    );
    let gate = Setup::before(&upstream).start();
    for (version, mut connection) in gate.alice().both().await {
        for _ in 0..2 {
            let request = Request::get("/").header("te", "trailers").body(empty()).unwrap();
            let answer = connection.send(request).await;
            assert_eq!(answer.text(), "ok", "{version}");
            let names: Vec<&str> = answer.trailers.keys().map(http::HeaderName::as_str).collect();
            assert!(names.is_empty() || names == ["x-sum"], "{version}: {names:?}");
            if version == "HTTP/2" {
                assert_eq!(answer.trailers["x-sum"], "1");
            }
        }
    }
}

#[tokio::test]
async fn events_reach_the_client_one_by_one_however_they_are_framed() {
    let upstream = Upstream::answering(|exchange| {
        exchange.read_body().unwrap();
        let event = "data: first\n\n";
        match exchange.request.target() {
            "/chunked" => exchange.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{event}\r\n",
                event.len()
            )),
            _ => exchange.send(format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n{event}")),
        }
        // The stream stays open, and nothing else comes.
        std::thread::sleep(Duration::from_secs(15));
        exchange.close();
    });
    let gate = Setup::before(&upstream).start();
    for target in ["/chunked", "/until-close"] {
        for (version, mut connection) in gate.alice().both().await {
            let start = Instant::now();
            let response = connection.start(get(target)).await.unwrap();
            let frame = response.into_body().frame().await.unwrap().unwrap();
            assert_eq!(frame.into_data().unwrap(), "data: first\n\n", "{target} over {version}");
            assert!(start.elapsed() < Duration::from_secs(14), "{target} over {version}: it waited for more");
        }
    }
}

#[tokio::test]
async fn an_answer_before_the_end_of_an_upload_is_the_answer_and_the_connection_is_not_used_again() {
    let upstream = Upstream::answering(|exchange| {
        if exchange.request.target() == "/upload" {
            exchange.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 4\r\n\r\nmuch");
            // It reads no more of it, and says nothing more either.
            std::thread::sleep(Duration::from_secs(2));
            exchange.close();
        } else {
            exchange.answer("next");
        }
    });
    let gate = Setup::before(&upstream).start();
    for (version, mut connection) in gate.alice().both().await {
        let (sender, body) = streamed();
        sender.send(Frame::data("the first of much".into())).await.unwrap();
        let answer = connection.start(Request::post("/upload").body(body).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 413, "{version}");
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "much", "{version}");
        drop(sender);
        let mut next = gate.alice().http1().await.unwrap();
        assert_eq!(next.get("/next").await.text(), "next", "{version}");
        let requests = upstream.requests();
        let [.., upload, next] = requests.as_slice() else { panic!("{requests:?}") };
        assert_ne!(upload.connection, next.connection, "{version}");
    }
}

#[tokio::test]
async fn a_request_whose_upload_is_refused_with_an_interim_answer_before_it_gets_the_final_one() {
    let upstream = Upstream::answering(|exchange| {
        exchange.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n");
        exchange.read_body().unwrap();
        exchange.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nSet-Cookie: early=1\r\n\r\n");
        exchange.send("HTTP/1.1 417 No\r\nContent-Length: 2\r\n\r\nno");
    });
    let gate = Setup::before(&upstream).start();
    for (version, mut connection) in gate.alice().both().await {
        let request = Request::post("/").header("expect", "100-continue").body(full("a body")).unwrap();
        let answer = connection.send(request).await;
        assert_eq!((answer.status, answer.text().as_str()), (417, "no"), "{version}");
        assert!(answer.header("set-cookie").is_empty() && answer.header("link").is_empty(), "{version}");
        assert_eq!(upstream.last().body, b"a body", "{version}");
    }
}
