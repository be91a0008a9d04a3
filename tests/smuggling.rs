//! What two servers could read in two ways is refused, or reaches the upstream as one request framed anew:
//! never as two, and never as it came (RFC 9112, sections 6 and 11.2; RFC 9113, section 8.1.1).
#![cfg(test)]

mod common;

use common::gate::Gate;
use common::raw::{Raw, status};
use common::setup::Setup;
use common::upstream::Upstream;

/// Sends each text as alice and checks that the request hidden in it never arrives, that nothing ambiguous
/// arrives either, and that the answer has one of the statuses. Status 0 is a closed connection.
#[track_caller]
fn none_of_these_gets_through(gate: &Gate, upstream: &Upstream, cases: &[(&str, String)], allowed: &[u16]) {
    let alice = gate.alice();
    for (what, text) in cases {
        let before = upstream.requests().len();
        let answer = Raw::exchange(&alice, text);
        let got = if answer.is_empty() { 0 } else { status(&answer) };
        assert!(allowed.contains(&got), "{what}: {answer:?}");
        let seen = &upstream.requests()[before..];
        assert!(seen.len() <= 1, "{what}: the upstream saw {seen:#?}");
        let hidden = seen.iter().find(|request| request.head.contains("hidden"));
        assert!(hidden.is_none(), "{what}: the upstream saw {hidden:#?}");
        assert_eq!(upstream.faults(), Vec::<String>::new(), "{what}");
    }
}

/// A POST with these fields, and behind its empty line this text.
fn post(fields: &str, rest: &str) -> String {
    format!("POST /open HTTP/1.1\r\nHost: gate.example.org\r\n{fields}\r\n\r\n{rest}")
}

const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: gate.example.org\r\nConnection: close\r\n\r\n";

#[test]
fn a_request_with_two_framings_is_one_request_or_none() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let both = |length: usize, coding: &str| format!("Content-Length: {length}\r\nTransfer-Encoding: {coding}");
    let turned = |coding: &str, length: usize| format!("Transfer-Encoding: {coding}\r\nContent-Length: {length}");
    let chunked = format!("0\r\n\r\n{HIDDEN}");
    let cases = [
        ("length covers the hidden request", post(&both(chunked.len(), "chunked"), &chunked)),
        ("coding first", post(&turned("chunked", chunked.len()), &chunked)),
        (
            "length ends before the chunk",
            post(&both(4, "chunked"), &format!("{:x}\r\n{HIDDEN}\r\n0\r\n\r\n", HIDDEN.len())),
        ),
        ("length zero", post(&both(0, "chunked"), &chunked)),
        ("an unknown coding", post(&both(chunked.len(), "xchunked"), &chunked)),
        ("identity", post(&both(chunked.len(), "identity"), &chunked)),
    ];
    // Where the coding counts and the length does not, there is one request, and the connection ends after it.
    none_of_these_gets_through(&gate, &upstream, &cases, &[0, 200, 400, 501]);
}

#[test]
fn a_length_that_is_not_one_number_is_refused() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let cases: Vec<(&str, String)> = [
        ("two lengths", "Content-Length: 5\r\nContent-Length: 6"),
        ("a list of two", "Content-Length: 5, 6"),
        ("a sign", "Content-Length: +5"),
        ("a negative number", "Content-Length: -5"),
        ("hexadecimal", "Content-Length: 0x5"),
        ("a fraction", "Content-Length: 5.0"),
        ("nothing", "Content-Length: "),
        ("words", "Content-Length: five"),
        ("two numbers", "Content-Length: 5 5"),
        ("too large for any machine", "Content-Length: 99999999999999999999999"),
    ]
    .map(|(what, fields)| (what, post(fields, &format!("12345{HIDDEN}"))))
    .into();
    none_of_these_gets_through(&gate, &upstream, &cases, &[0, 400, 413]);
}

#[test]
fn a_coding_that_does_not_end_in_one_chunked_is_refused() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let cases: Vec<(&str, String)> = [
        ("another name", "Transfer-Encoding: xchunked"),
        ("a control character", "Transfer-Encoding: \x0bchunked"),
        ("chunked not last", "Transfer-Encoding: chunked, identity"),
        ("chunked twice", "Transfer-Encoding: chunked, chunked"),
        ("chunked twice in two fields", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
        ("a second field that hides it", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
        ("a parameter", "Transfer-Encoding: chunked;q=0.5"),
        ("quotes", "Transfer-Encoding: \"chunked\""),
        ("a space before the colon", "Transfer-Encoding : chunked"),
        ("a folded line", "Transfer-Encoding:\r\n chunked"),
        ("a line that is folded with a tab", "Transfer-Encoding: x\r\n\tchunked"),
    ]
    .map(|(what, fields)| (what, post(fields, &format!("0\r\n\r\n{HIDDEN}"))))
    .into();
    none_of_these_gets_through(&gate, &upstream, &cases, &[0, 400, 501]);
}

#[test]
fn chunks_that_are_written_wrongly_never_reach_the_upstream_as_they_are() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let cases: Vec<(&str, String)> = [
        ("a sign", "+5\r\nhello\r\n0\r\n\r\n"),
        ("a negative size", "-1\r\nhello\r\n0\r\n\r\n"),
        ("hexadecimal with a prefix", "0x5\r\nhello\r\n0\r\n\r\n"),
        ("no size", "\r\nhello\r\n0\r\n\r\n"),
        ("a size beyond all memory", "fffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
        ("a size that wraps to five", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
        ("nothing behind the chunk", "5\r\nhello0\r\n\r\n"),
        ("more than the chunk", "3\r\nhello\r\n0\r\n\r\n"),
        ("a bare LF behind the size", "5\nhello\r\n0\r\n\r\n"),
        ("a bare LF behind the chunk", "5\r\nhello\n0\r\n\r\n"),
        ("a bare CR behind the size", "5\rXhello\r\n0\r\n\r\n"),
        ("a bare LF in an extension", "5;x=\ny\r\nhello\r\n0\r\n\r\n"),
        ("a trailer without a colon", "5\r\nhello\r\n0\r\nnonsense\r\n\r\n"),
    ]
    .map(|(what, chunks)| (what, post("Transfer-Encoding: chunked", &format!("{chunks}{HIDDEN}"))))
    .into();
    // Where the gate takes a form that is harmless, what follows the body is a request of its own: alice's, and
    // not hidden in anything. Only what the upstream was sent counts.
    let alice = gate.alice();
    for (what, text) in &cases {
        let before = upstream.requests().len();
        Raw::exchange(&alice, text);
        for request in &upstream.requests()[before..] {
            let smuggled = request.body.windows(6).any(|part| part == b"hidden");
            assert!(!smuggled && (!request.whole || request.length <= 5), "{what}: {request:#?}");
        }
        assert_eq!(upstream.faults(), Vec::<String>::new(), "{what}");
    }
}

#[test]
fn well_formed_chunks_arrive_as_one_body_framed_anew() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    for chunks in [
        "5\r\nhello\r\n0\r\n\r\n",
        "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        "5;name=value\r\nhello\r\n0;last\r\n\r\n",
        "0005\r\nhello\r\n000\r\n\r\n",
    ] {
        for coding in ["chunked", "Chunked", "CHUNKED"] {
            let mut raw = Raw::connect(&gate.alice());
            raw.send(post(&format!("Transfer-Encoding: {coding}"), chunks));
            assert_eq!(status(&raw.read_response().0), 200, "{chunks:?}");
            assert_eq!(upstream.last().body, b"hello", "{chunks:?}");
        }
    }
    assert_eq!(upstream.faults(), Vec::<String>::new());
}

#[test]
fn a_head_that_is_not_exactly_http_is_refused_or_made_so() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let get =
        |line: &str, fields: &str| format!("{line}\r\nHost: gate.example.org\r\n{fields}Connection: close\r\n\r\n");
    let cases = [
        ("a space in a field name", get("GET /x HTTP/1.1", "X Hidden: 1\r\n")),
        ("a space before the colon", get("GET /x HTTP/1.1", "X-Hidden : 1\r\n")),
        ("no colon", get("GET /x HTTP/1.1", "hidden\r\n")),
        ("no name", get("GET /x HTTP/1.1", ": hidden\r\n")),
        ("a NUL in a value", get("GET /x HTTP/1.1", "X-Mine: hid\0den\r\n")),
        ("a bare CR in a value", get("GET /x HTTP/1.1", "X-Mine: a\rX-hidden: 1\r\n")),
        ("a folded value", get("GET /x HTTP/1.1", "X-Mine: a\r\n hidden\r\n")),
        ("a first line that is folded", format!("GET /x HTTP/1.1\r\n Host: hidden\r\n{HIDDEN}")),
        ("no version", get("GET /x", "")),
        ("version 0.9", "GET /hidden\r\n\r\n".to_owned()),
        ("version 2.0", get("GET /x HTTP/2.0", "")),
        ("a version in lower case", get("GET /x http/1.1", "")),
        ("two spaces", get("GET  /x HTTP/1.1", "")),
        ("a tab", get("GET\t/x HTTP/1.1", "")),
        ("a space in the target", get("GET /x /hidden HTTP/1.1", "")),
        ("a method that is no token", get("GE(T /x HTTP/1.1", "")),
        ("two hosts", get("GET /x HTTP/1.1", "Host: hidden.example.org\r\n")),
        ("no host", "GET /x HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned()),
        ("an empty host", "GET /x HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n".to_owned()),
        (
            "a host with a path",
            "GET /x HTTP/1.1\r\nHost: gate.example.org/hidden\r\nConnection: close\r\n\r\n".to_owned(),
        ),
        (
            "a host with user information",
            "GET /x HTTP/1.1\r\nHost: hidden@gate.example.org\r\nConnection: close\r\n\r\n".to_owned(),
        ),
        (
            "a tunnel",
            "CONNECT hidden.example.org:443 HTTP/1.1\r\nHost: gate.example.org\r\nConnection: close\r\n\r\n".to_owned(),
        ),
        ("an asterisk for a GET", get("GET * HTTP/1.1", "")),
        ("a target without a slash", get("GET hidden HTTP/1.1", "")),
        (
            "a chunked body in HTTP/1.0",
            format!(
                "POST /x HTTP/1.0\r\nHost: gate.example.org\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}"
            ),
        ),
    ];
    none_of_these_gets_through(&gate, &upstream, &cases, &[0, 400, 405, 501, 505]);
}

#[test]
fn lines_that_end_in_a_bare_line_feed_are_refused_or_made_whole() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let cases = [
        ("all of them", "GET /x HTTP/1.1\nHost: gate.example.org\nConnection: close\n\n".to_owned()),
        ("one within", "GET /x HTTP/1.1\r\nHost: gate.example.org\nConnection: close\r\n\r\n".to_owned()),
        ("the empty one", "GET /x HTTP/1.1\r\nHost: gate.example.org\r\nConnection: close\r\n\n".to_owned()),
    ];
    none_of_these_gets_through(&gate, &upstream, &cases, &[0, 200, 400]);
}

#[test]
fn a_target_that_names_another_host_than_the_host_field_is_refused() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let cases: Vec<(&str, String)> = [
        ("another name", "https://hidden.example.org/", "gate.example.org"),
        ("another port", "https://gate.example.org:1/", "gate.example.org:2"),
        ("user information", "https://hidden@gate.example.org/", "gate.example.org"),
        ("another scheme", "ftp://gate.example.org/", "gate.example.org"),
    ]
    .map(|(what, target, host)| (what, format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")))
    .into();
    none_of_these_gets_through(&gate, &upstream, &cases, &[400]);

    let same = "GET https://gate.example.org/whole HTTP/1.1\r\nHost: GATE.example.org\r\nConnection: close\r\n\r\n";
    assert_eq!(status(&Raw::exchange(&gate.alice(), same)), 200);
    assert_eq!(upstream.only().target(), "/whole");
}

#[test]
fn a_head_beyond_its_bounds_is_refused_and_costs_nobody_else_anything() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let head = |fields: &str| format!("GET /hidden HTTP/1.1\r\nHost: gate.example.org\r\n{fields}\r\n");
    let cases = [
        ("one header of a mebibyte", head(&format!("X-Long: {}\r\n", "a".repeat(1 << 20)))),
        ("a target of a mebibyte", format!("GET /{} HTTP/1.1\r\nHost: gate.example.org\r\n\r\n", "a".repeat(1 << 20))),
        ("a thousand headers", head(&(0..1000).map(|n| format!("X-{n}: 1\r\n")).collect::<String>())),
        ("more headers than the limit", head(&(0..101).map(|n| format!("X-{n}: 1\r\n")).collect::<String>())),
    ];
    let memory = gate.process.memory_kib("VmRSS");
    none_of_these_gets_through(&gate, &upstream, &cases, &[0, 400, 414, 431]);
    let grown = gate.process.memory_kib("VmRSS").saturating_sub(memory);
    assert!(grown < 16 * 1024, "four long heads cost {grown} KiB");

    // What stays within them passes.
    let fine = head(&(0..90).map(|n| format!("X-{n}: 1\r\n")).collect::<String>()).replace("hidden", "fine");
    let mut raw = Raw::connect(&gate.alice());
    raw.send(fine);
    assert_eq!(status(&raw.read_response().0), 200);
}

#[test]
fn after_an_ambiguous_request_the_connection_carries_nothing_more() {
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).start();
    let bad = "POST /x HTTP/1.1\r\nHost: gate.example.org\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n";
    let answer = Raw::exchange(&gate.alice(), format!("{bad}{HIDDEN}"));
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    assert!(upstream.requests().is_empty(), "{:#?}", upstream.requests());
}
