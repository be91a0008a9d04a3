//! HTTP/2 has fields that HTTP/1.1 cannot hold, and octets that would end a line of it. None of them reaches
//! the upstream, which speaks HTTP/1.1 (RFC 9113, sections 8.1.1, 8.2 and 10.3).
#![cfg(test)]

mod common;

use common::frames::{CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, HEADERS, Outcome, block, field, frame};
use common::setup::Setup;
use common::upstream::Upstream;
use std::time::Duration;

const GOOD: [(&str, &str); 4] =
    [(":method", "POST"), (":scheme", "https"), (":authority", "gate.example.org"), (":path", "/x")];

fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    GOOD.iter().copied().chain(more.iter().copied()).collect()
}

fn instead<'a>(name: &str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    GOOD.iter().map(|(known, old)| if *known == name { (*known, value) } else { (*known, *old) }).collect()
}

#[test]
fn a_plain_request_written_by_hand_passes() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let outcome = Frames::connect(&gate.alice()).request(&with(&[("content-length", "5")]), Some(b"hello"));
    assert_eq!(outcome, Outcome::Response);
    assert_eq!(upstream.only().body, b"hello");
}

#[test]
fn a_length_that_is_given_twice_arrives_once() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let twice = with(&[("content-length", "5"), ("content-length", "05")]);
    Frames::connect(&gate.alice()).request(&twice, Some(b"hello"));
    assert_eq!(upstream.faults(), Vec::<String>::new());
    for request in upstream.requests() {
        assert_eq!((request.header("content-length").as_deref(), &*request.body), (Some("5"), &b"hello"[..]));
    }
}

#[test]
fn what_is_no_http_2_ends_with_a_line_in_the_log() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let mut frames = Frames::connect(&gate.alice());
    // DATA on a stream that was never opened is an error of the whole connection.
    frames.send(frame(DATA, END_STREAM, 9, b"hello"));
    assert_eq!(frames.outcome(), Outcome::Refused);
    gate.log_line(&["bad request", "protocol error"]);
}

#[test]
fn fields_that_http_2_forbids_never_reach_the_upstream() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let alice = gate.alice();
    let hidden = "x\r\n\r\nGET /hidden HTTP/1.1\r\nHost: gate.example.org\r\n\r\n";
    let cases: [(&str, Vec<(&str, &str)>); 18] = [
        ("a coding", with(&[("transfer-encoding", "chunked")])),
        ("a connection field", with(&[("connection", "close")])),
        ("an upgrade", with(&[("upgrade", "hidden")])),
        ("a keep-alive field", with(&[("keep-alive", "hidden")])),
        ("a te other than trailers", with(&[("te", "gzip")])),
        ("a name in upper case", with(&[("X-Hidden", "1")])),
        ("a line end in a value", with(&[("x-mine", hidden)])),
        ("a line end in a name", with(&[("x: 1\r\nx-hidden", "1")])),
        ("a NUL in a value", with(&[("x-mine", "hid\0den")])),
        ("a colon in a name", with(&[("x:hidden", "1")])),
        ("a line end in the path", instead(":path", "/ HTTP/1.1\r\nX-Hidden: 1\r\nX: ")),
        ("a space in the path", instead(":path", "/ /hidden")),
        ("a line end in the method", instead(":method", "GET /hidden HTTP/1.1\r\nX: ")),
        ("a space in the method", instead(":method", "GET /hidden")),
        ("an empty path", instead(":path", "")),
        ("a path without a slash", instead(":path", "hidden")),
        ("a line end in the authority", instead(":authority", "gate.example.org\r\nX-Hidden: 1")),
        ("a pseudo-field that nobody knows", with(&[(":hidden", "1")])),
    ];
    for (what, fields) in cases {
        Frames::connect(&alice).request(&fields, None);
        for request in upstream.requests() {
            assert!(!request.head.to_lowercase().contains("hidden"), "{what}: {}", request.head);
            assert_eq!(request.header("transfer-encoding"), None, "{what}: {}", request.head);
        }
        assert_eq!(upstream.faults(), Vec::<String>::new(), "{what}");
    }
}

#[test]
fn another_host_than_the_authority_is_refused() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    for fields in [with(&[("host", "hidden.example.org")]), with(&[("host", "gate.example.org"), ("host", "hidden")])] {
        Frames::connect(&gate.alice()).request(&fields, None);
        assert!(upstream.requests().is_empty(), "{:#?}", upstream.requests());
    }
}

#[test]
fn a_length_that_the_body_does_not_have_never_becomes_a_whole_request() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let alice = gate.alice();
    let cases = [
        ("shorter than the body", with(&[("content-length", "2")])),
        ("longer than the body", with(&[("content-length", "50")])),
        ("two lengths", with(&[("content-length", "5"), ("content-length", "0")])),
        ("no number", with(&[("content-length", "+5")])),
    ];
    for (what, fields) in cases {
        let before = upstream.requests().len();
        Frames::connect(&alice).request(&fields, Some(b"hello"));
        // The gate may have begun to forward; then the upstream sees the connection end within the body.
        std::thread::sleep(Duration::from_millis(200));
        let whole: Vec<_> = upstream.requests().split_off(before).into_iter().filter(|seen| seen.whole).collect();
        assert!(whole.is_empty(), "{what}: {whole:#?}");
        assert_eq!(upstream.faults(), Vec::<String>::new(), "{what}");
    }
}

#[test]
fn a_head_that_never_ends_is_cut_off() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let mut frames = Frames::connect(&gate.alice());
    let memory = gate.process.memory_kib("VmRSS");
    let block: Vec<u8> = GOOD.iter().flat_map(|(name, value)| field(name, value)).collect();
    let filler = field("x-filler", "a".repeat(15_000));
    frames.send(frame(HEADERS, END_STREAM, 1, &block));
    for _ in 0..2_000 {
        if frames.raw.try_send(frame(CONTINUATION, 0, 1, &filler)).is_err() {
            break;
        }
    }
    assert_eq!(frames.outcome(), Outcome::Refused);
    let grown = gate.process.memory_kib("VmRSS").saturating_sub(memory);
    assert!(grown < 16 * 1024, "30 MB of header frames cost {grown} KiB");
    assert!(upstream.requests().is_empty());
}

/// The places of a request in which an octet may stand that ends something in HTTP/1.1.
const PLACES: [&str; 8] = [":method", ":path", ":authority", ":scheme", "name", "value", "host", "cookie"];

#[test]
fn no_octet_in_any_place_ends_a_line_a_field_or_a_request_of_http_1() {
    // CVE-2021-33193 (Apache httpd), CVE-2021-39240 to 39242 (HAProxy): what HTTP/2 can carry in a method, a scheme, a
    // path or an authority was written into a request of HTTP/1.1 as it came.
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).open_to_all().start();
    let client = gate.client();
    let octets = ["\0", "\r", "\n", "\r\n", " ", "\t", "\x0b", "\x1f", "\x7f", ":", "#", "\\", "@"];
    let mut refused = 0;
    for place in PLACES {
        for octet in octets {
            for text in [format!("{octet}x-hidden: 1"), format!("x{octet}x-hidden: 1"), format!("x{octet}")] {
                let path = format!("/{text}");
                let fields = match place {
                    "name" => with(&[(&*text, "1")]),
                    "value" => with(&[("x-mine", &*text)]),
                    "host" => with(&[("host", &*text)]),
                    "cookie" => with(&[("cookie", &*text)]),
                    ":path" => instead(":path", &path),
                    pseudo => instead(pseudo, &text),
                };
                let before = upstream.requests().len();
                let outcome = Frames::connect(&client).request(&fields, None);
                let what = format!("{place}: {text:?}");
                assert_eq!(upstream.faults(), Vec::<String>::new(), "{what}");
                let requests = upstream.requests();
                refused += usize::from(requests.len() == before);
                for request in &requests[before..] {
                    assert_eq!(outcome, Outcome::Response, "{what}");
                    assert_eq!(request.header("x-hidden"), None, "{what}: {}", request.head);
                    let target = if place == ":path" { "/" } else { "/x" };
                    assert!(
                        request.target().starts_with(target) && !request.target().contains("hidden"),
                        "{what}: {}",
                        request.head
                    );
                    let host = request.header("host").unwrap();
                    let is_host = host.bytes().all(|octet| octet.is_ascii_alphanumeric() || b".:".contains(&octet));
                    assert!(is_host, "{what}: {}", request.head);
                }
                assert!(requests.len() <= before + 1, "{what}");
            }
        }
    }
    assert!(refused > 200, "{refused}");
}

#[test]
fn a_length_and_what_comes_are_the_same_or_nothing_passes() {
    // A length that is not that of the DATA, in any spelling, and with or without trailers, is the way down to two
    // requests of HTTP/1.1 (CVE-2021-21295 in Netty).
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).open_to_all().start();
    let client = gate.client();
    let hidden = "GET /hidden HTTP/1.1\r\nHost: gate.example.org\r\n\r\n";
    let lengths = ["", "0", "5", "05", "4", "6", "+5", "-5", "0x5", "5, 5", "5 ", " 5", "five", "99999999999999999999"];
    let bodies: [&[&str]; 6] = [&["hello"], &["he", "llo"], &["hello", ""], &[""], &["hello", hidden], &[hidden]];
    let mut number = 0;
    for length in lengths {
        for pieces in bodies {
            for (coding, trailers) in [(false, false), (false, true), (true, false)] {
                number += 1;
                let own = number.to_string();
                let mut fields = with(&[("x-case", &*own)]);
                if !length.is_empty() {
                    fields.push(("content-length", length));
                }
                if coding {
                    fields.push(("transfer-encoding", "chunked"));
                }
                let before = upstream.requests().len();
                let mut octets = frame(HEADERS, END_HEADERS, 1, &block(&fields));
                for (index, piece) in pieces.iter().enumerate() {
                    let last = index + 1 == pieces.len() && !trailers;
                    octets.extend(frame(DATA, if last { END_STREAM } else { 0 }, 1, piece.as_bytes()));
                }
                if trailers {
                    let framing = block(&[("content-length", "0"), ("transfer-encoding", "chunked"), ("x-end", "1")]);
                    octets.extend(frame(HEADERS, END_HEADERS | END_STREAM, 1, &framing));
                }
                let mut frames = Frames::connect(&client);
                frames.send(octets);
                frames.outcome();
                let what = format!("{length:?} {pieces:?} {coding} {trailers}");
                // What was broken off may reach the upstream late: each case knows its own.
                let mut seen = upstream.requests().split_off(before);
                seen.retain(|request| request.header("x-case").is_none_or(|case| case == own));
                assert_eq!(upstream.faults(), Vec::<String>::new(), "{what}");
                assert!(seen.len() <= 1, "{what}: {seen:#?}");
                for request in &seen {
                    assert_eq!(request.target(), "/x", "{what}: {request:#?}");
                    assert!(!request.trailers.contains("transfer-encoding"), "{what}: {request:#?}");
                    let body = pieces.concat();
                    let is_right = length.is_empty() || length.trim_start_matches('0').parse() == Ok(body.len());
                    let is_nothing = matches!(length, "0") && body.is_empty();
                    assert!(
                        !request.whole || (!coding && (is_right || is_nothing) && request.body == body.as_bytes()),
                        "{what}: {request:#?}"
                    );
                }
            }
        }
    }
}
