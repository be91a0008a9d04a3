//! HTTP/2 has fields that HTTP/1.1 cannot hold, and octets that would end a line of it. None of them reaches
//! the upstream, which speaks HTTP/1.1 (RFC 9113, sections 8.1.1, 8.2 and 10.3).
#![cfg(test)]

mod common;

use common::client::Client;
use common::raw::{Raw, is_timeout};
use common::setup::Setup;
use common::upstream::Upstream;
use std::time::Duration;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// A frame on a stream (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// A field as HPACK writes it literally, neither indexed nor compressed (RFC 7541, section 6.2.2).
fn field(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| {
        let mut octets = Vec::new();
        // An integer of seven bits, with up to two more octets where it does not fit.
        match text.len() {
            short @ 0..127 => octets.push(u8::try_from(short).unwrap()),
            long => {
                let rest = long - 127;
                octets.extend([127, u8::try_from(rest % 128).unwrap() | 128, u8::try_from(rest / 128).unwrap()]);
            }
        }
        octets.extend(text.as_bytes());
        octets
    };
    [vec![0], text(name), text(value)].concat()
}

/// What came of a request.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// A response head, whatever it says.
    Response,
    /// The stream was reset or the connection ended.
    Refused,
}

/// A connection on which frames are written by hand.
struct Frames(Raw);

impl Frames {
    fn connect(client: &Client) -> Self {
        let mut raw = Raw::offering(client, &["h2"]);
        raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        raw.send(frame(SETTINGS, 0, 0, &[]));
        raw.patience(Duration::from_secs(20));
        Self(raw)
    }

    /// Sends a request on stream 1 and says what came of it.
    fn request(mut self, fields: &[(&str, &str)], body: Option<&[u8]>) -> Outcome {
        let block: Vec<u8> = fields.iter().flat_map(|(name, value)| field(name, value)).collect();
        let end = if body.is_none() { END_STREAM } else { 0 };
        let mut octets = frame(HEADERS, END_HEADERS | end, 1, &block);
        if let Some(body) = body {
            octets.extend(frame(DATA, END_STREAM, 1, body));
        }
        let _ = self.0.try_send(octets);
        self.outcome()
    }

    fn outcome(&mut self) -> Outcome {
        let mut octets = Vec::new();
        loop {
            while octets.len() >= 9 {
                let length = usize::from(octets[0]) << 16 | usize::from(octets[1]) << 8 | usize::from(octets[2]);
                if octets.len() < 9 + length {
                    break;
                }
                match octets[3] {
                    HEADERS => return Outcome::Response,
                    RST_STREAM | GOAWAY => return Outcome::Refused,
                    _ => octets.drain(..9 + length),
                };
            }
            match self.0.read_some() {
                Ok(more) if more.is_empty() => return Outcome::Refused,
                Ok(more) => octets.extend(more),
                Err(error) if is_timeout(&error) => panic!("neither an answer nor a refusal after {octets:?}"),
                Err(_) => return Outcome::Refused,
            }
        }
    }
}

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
    frames.0.send(frame(DATA, END_STREAM, 9, b"hello"));
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
    let filler = field("x-filler", &"a".repeat(15_000));
    let _ = frames.0.try_send(frame(HEADERS, END_STREAM, 1, &block));
    for _ in 0..2_000 {
        if frames.0.try_send(frame(CONTINUATION, 0, 1, &filler)).is_err() {
            break;
        }
    }
    assert_eq!(frames.outcome(), Outcome::Refused);
    let grown = gate.process.memory_kib("VmRSS").saturating_sub(memory);
    assert!(grown < 16 * 1024, "30 MB of header frames cost {grown} KiB");
    assert!(upstream.requests().is_empty());
}
