//! HTTP/2 as RFC 9113 has it, and its header compression as RFC 7541 does, section by section: what must be understood is
//! answered, and what must not is answered by the error that the section names, at the stream or at the connection.
//! An error at the connection may show as its end alone: GOAWAY is what an endpoint should send before (section 5.4.1).
#![cfg(test)]

mod common;

use common::client::Client;
use common::frames::{
    ACK, CANCEL, COMPRESSION_ERROR, CONTINUATION, DATA, ENABLE_PUSH, END_HEADERS, END_STREAM, FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR, Frame, Frames, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE, Literal, MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE, PADDED, PING, PREFACE, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE, REFUSED_STREAM, RST_STREAM,
    SETTINGS, STREAM_CLOSED, WINDOW_UPDATE, WITH_PRIORITY, block, field, frame, huffman, indexed, literal, plain,
    settings, table_size,
};
use common::setup::Setup;
use common::upstream::Upstream;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// What the upstream says to everything.
const BODY: &str = "hello world";

const HEAD: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "https"), (":authority", "gate.example.org"), (":path", "/")];

/// What must come of a case.
enum Expected {
    /// The request on stream 1 is answered whole.
    Answer,
    /// The connection goes on: a PING is answered.
    GoesOn,
    /// The stream, or the connection with it, ends by one of these errors.
    Stream(&'static [u32]),
    /// The connection ends by one of these errors.
    Connection(&'static [u32]),
    /// What the case itself has looked at.
    Seen,
}
use Expected::{Answer, Connection, GoesOn, Seen, Stream};

struct Case {
    section: &'static str,
    what: &'static str,
    act: Box<dyn Fn(&mut Frames)>,
    expected: Expected,
}

fn case(section: &'static str, what: &'static str, expected: Expected, act: impl Fn(&mut Frames) + 'static) -> Case {
    Case { section, what, act: Box::new(act), expected }
}

/// The head with this field in the place of its own of that name.
fn instead<'a>(name: &str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    HEAD.iter().map(|(known, old)| if *known == name { (*known, value) } else { (*known, *old) }).collect()
}

/// The head without a field.
fn without(name: &str) -> Vec<(&'static str, &'static str)> {
    HEAD.into_iter().filter(|(known, _)| *known != name).collect()
}

/// The head and more.
fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    HEAD.iter().chain(more).copied().collect()
}

fn post() -> Vec<u8> {
    block(&instead(":method", "POST"))
}

fn get() -> Vec<u8> {
    block(&HEAD)
}

/// A request without a body on this stream.
fn ask(frames: &mut Frames, stream: u32) {
    frames.frame(HEADERS, END_HEADERS | END_STREAM, stream, &get());
}

/// A request whose body is to come.
fn open(frames: &mut Frames, stream: u32) {
    frames.frame(HEADERS, END_HEADERS, stream, &post());
}

/// Reads until this stream's answer is whole. `0x88` is the index of `:status: 200`.
#[track_caller]
fn answered(frames: &mut Frames, stream: u32) {
    let mut body: Vec<u8> = Vec::new();
    let mut head = false;
    loop {
        let frame = frames.next().expect("the connection ended before the answer");
        assert!(frame.kind != GOAWAY && !(frame.kind == RST_STREAM && frame.stream == stream), "{frame:?}");
        if frame.stream != stream {
            continue;
        }
        match frame.kind {
            HEADERS if !head => {
                head = true;
                let status = frame.payload.iter().find(|octet| **octet & 0xe0 != 0x20).copied();
                assert_eq!(status, Some(0x88), "not status 200: {frame:?}");
            }
            DATA => body.extend(&frame.payload),
            _ => {}
        }
        if (frame.kind == HEADERS || frame.kind == DATA) && frame.has(END_STREAM) {
            assert!(head && (body.is_empty() || body == BODY.as_bytes()), "{body:?}");
            return;
        }
    }
}

/// Whether a GOAWAY or RST_STREAM says what it should. The library that the gate uses ends the connection for every fault in
/// a frame or a block, and says PROTOCOL_ERROR where the section has a more precise word.
#[track_caller]
fn says(frame: &Frame, codes: &[u32]) {
    let code = frame.error();
    assert!(codes.contains(&code) || (frame.kind == GOAWAY && code == PROTOCOL_ERROR), "{frame:?}");
}

#[track_caller]
fn stream_error(frames: &mut Frames, codes: &[u32]) {
    while let Some(frame) = frames.next() {
        if frame.kind == RST_STREAM || frame.kind == GOAWAY {
            return says(&frame, codes);
        }
        let answered = frame.kind == HEADERS && frame.payload.contains(&0x88);
        assert!(!answered, "it was answered: {frame:?}");
    }
}

/// The connection ends, and is told so.
#[track_caller]
fn connection_error(frames: &mut Frames, codes: &[u32]) {
    let mut told = false;
    while let Some(frame) = frames.next() {
        if frame.kind == GOAWAY && !told {
            told = true;
            says(&frame, codes);
        }
    }
}

#[track_caller]
fn goes_on(frames: &mut Frames) {
    frames.frame(PING, 0, 0, b"going on");
    loop {
        let frame = frames.next().expect("the connection ended");
        assert!(frame.kind != GOAWAY, "{frame:?}");
        if frame.kind == PING && frame.has(ACK) && frame.payload == b"going on" {
            return;
        }
    }
}

/// The next DATA frame that is not empty, and its length.
#[track_caller]
fn data(frames: &mut Frames) -> usize {
    loop {
        let frame = frames.until(DATA).expect("the connection ended before the body");
        if !frame.payload.is_empty() {
            return frame.payload.len();
        }
    }
}

/// Runs all cases of a table, each on a connection of its own, and tells of all that fail together.
#[track_caller]
fn all_hold(cases: Vec<Case>) {
    let upstream = Upstream::answering(|exchange| {
        if exchange.read_body().is_ok() {
            exchange.answer(BODY);
        }
    });
    let gate = Setup::before(&upstream).start();
    let alice = gate.alice();
    let names: BTreeSet<_> = cases.iter().map(|case| (case.section, case.what)).collect();
    assert_eq!(names.len(), cases.len(), "each case is there once");
    let failed: Vec<String> = cases.iter().filter_map(|case| failure(&alice, case)).collect();
    assert!(failed.is_empty(), "{} of {} cases fail:\n{}", failed.len(), cases.len(), failed.join("\n"));
    assert_eq!(upstream.faults(), Vec::<String>::new());
    let requests = upstream.requests();
    let pseudo = requests.iter().find(|request| request.trailers.lines().any(|line| line.starts_with(':')));
    assert!(pseudo.is_none(), "{pseudo:#?}");
    // After all of them, the gate serves on.
    let mut frames = Frames::connect(&alice);
    ask(&mut frames, 1);
    answered(&mut frames, 1);
}

fn failure(client: &Client, case: &Case) -> Option<String> {
    let run = || {
        // Each case begins before its preface, or behind it.
        let mut frames = Frames::silent(client);
        (case.act)(&mut frames);
        match case.expected {
            Answer => answered(&mut frames, 1),
            GoesOn => goes_on(&mut frames),
            Stream(codes) => stream_error(&mut frames, codes),
            Connection(codes) => connection_error(&mut frames, codes),
            Seen => {}
        }
    };
    let outcome = catch_unwind(AssertUnwindSafe(run)).err()?;
    let why = outcome.downcast_ref::<String>().cloned();
    let why = why.or_else(|| outcome.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    Some(format!("{}: {}: {}", case.section, case.what, why.unwrap_or_default()))
}

/// A case after the preface, with settings exchanged.
fn then(section: &'static str, what: &'static str, expected: Expected, act: impl Fn(&mut Frames) + 'static) -> Case {
    under(section, what, &[], expected, act)
}

/// The same under these settings of the client's.
fn under(
    section: &'static str,
    what: &'static str,
    values: &'static [(u16, u32)],
    expected: Expected,
    act: impl Fn(&mut Frames) + 'static,
) -> Case {
    case(section, what, expected, move |frames| {
        frames.send(PREFACE);
        frames.frame(SETTINGS, 0, 0, &settings(values));
        assert_eq!(
            frames.next().map(|frame| (frame.kind, frame.flags)),
            Some((SETTINGS, 0)),
            "its settings come first"
        );
        frames.frame(SETTINGS, ACK, 0, &[]);
        act(frames);
    })
}

/// The dependency and weight of a PRIORITY frame.
fn priority(on: u32, weight: u8) -> Vec<u8> {
    [&on.to_be_bytes()[..], &[weight]].concat()
}

fn padded(padding: u8, payload: &[u8]) -> Vec<u8> {
    [&[padding][..], payload, &vec![0; usize::from(padding)]].concat()
}

#[test]
fn the_preface_and_frames_of_any_kind_are_understood() {
    all_hold(vec![
        then("3.4", "the preface and a request", Answer, |frames| ask(frames, 1)),
        case("3.4", "the first frame of the server is SETTINGS", Seen, |frames| {
            frames.send(PREFACE);
            frames.frame(SETTINGS, 0, 0, &[]);
            let first = frames.next().map(|frame| (frame.kind, frame.flags, frame.stream));
            assert_eq!(first, Some((SETTINGS, 0, 0)));
        }),
        case("3.4", "another preface", Connection(&[PROTOCOL_ERROR]), |frames| {
            frames.send("INVALID CONNECTION PREFACE\r\n\r\n");
        }),
        case("3.4", "a request in HTTP/1.1", Connection(&[PROTOCOL_ERROR]), |frames| {
            frames.send("GET / HTTP/1.1\r\nHost: gate.example.org\r\n\r\n");
        }),
        // The library does not insist on settings; nothing depends on them.
        case("3.4", "a preface without settings", Answer, |frames| {
            frames.send(PREFACE);
            ask(frames, 1);
        }),
        then("4.1", "a type that nobody knows", GoesOn, |frames| frames.frame(0x16, 0, 0, b"01234567")),
        then("4.1", "a type that nobody knows, on a stream", Answer, |frames| {
            frames.frame(0x16, 0xff, 1, b"01234567");
            ask(frames, 1);
        }),
        then("4.1", "a flag that is not defined", GoesOn, |frames| frames.frame(PING, 0x16, 0, b"01234567")),
        then("4.1", "the reserved bit", GoesOn, |frames| frames.frame(PING, 0, 1 << 31, b"01234567")),
        then("4.2", "DATA of 2^14 octets", Answer, |frames| {
            open(frames, 1);
            frames.frame(DATA, END_STREAM, 1, &[7; 1 << 14]);
        }),
        then("4.2", "DATA beyond the largest frame", Stream(&[FRAME_SIZE_ERROR]), |frames| {
            open(frames, 1);
            frames.frame(DATA, END_STREAM, 1, &[7; (1 << 14) + 1]);
        }),
        then("4.2", "HEADERS beyond the largest frame", Connection(&[FRAME_SIZE_ERROR]), |frames| {
            let block = [get(), field("x-long", "a".repeat(1 << 14))].concat();
            frames.frame(HEADERS, END_HEADERS | END_STREAM, 1, &block);
        }),
        then("5.5", "a frame of an extension", GoesOn, |frames| frames.frame(0xff, 0, 0, b"")),
        then("5.5", "a frame of an extension within a head", Connection(&[PROTOCOL_ERROR]), |frames| {
            frames.frame(HEADERS, END_STREAM, 1, &get());
            frames.frame(0xff, 0, 1, b"");
        }),
        then("6.1", "DATA", Answer, |frames| {
            open(frames, 1);
            frames.frame(DATA, END_STREAM, 1, b"test");
        }),
        then("6.1", "several DATA", Answer, |frames| {
            open(frames, 1);
            frames.frame(DATA, 0, 1, b"test");
            frames.frame(DATA, END_STREAM, 1, b"test");
        }),
        then("6.1", "DATA with padding", Answer, |frames| {
            open(frames, 1);
            frames.frame(DATA, END_STREAM | PADDED, 1, &padded(6, b"test"));
        }),
        then("6.2", "HEADERS", Answer, |frames| ask(frames, 1)),
        then("6.2", "HEADERS with padding", Answer, |frames| {
            frames.frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, &padded(6, &get()));
        }),
        then("6.2", "HEADERS with a priority", Answer, |frames| {
            let payload = [priority(0, 15), get()].concat();
            frames.frame(HEADERS, END_HEADERS | END_STREAM | WITH_PRIORITY, 1, &payload);
        }),
        then("6.2", "HEADERS with both", Answer, |frames| {
            let payload = padded(6, &[priority(0, 15), get()].concat());
            frames.frame(HEADERS, END_HEADERS | END_STREAM | WITH_PRIORITY | PADDED, 1, &payload);
        }),
        then("6.3", "PRIORITY of weight 1", Answer, |frames| {
            frames.frame(PRIORITY, 0, 1, &priority(0, 0));
            ask(frames, 1);
        }),
        then("6.3", "PRIORITY of weight 256", Answer, |frames| {
            frames.frame(PRIORITY, 0, 1, &priority(0, 255));
            ask(frames, 1);
        }),
        then("6.3", "PRIORITY that depends on a stream", Answer, |frames| {
            frames.frame(PRIORITY, 0, 1, &priority(0, 255));
            frames.frame(PRIORITY, 0, 3, &priority(1, 255));
            ask(frames, 1);
        }),
        then("6.3", "PRIORITY that is exclusive", Answer, |frames| {
            frames.frame(PRIORITY, 0, 1, &priority(1 << 31, 255));
            ask(frames, 1);
        }),
        then("6.3", "PRIORITY of a later stream", Answer, |frames| {
            frames.frame(PRIORITY, 0, 5, &priority(0, 15));
            ask(frames, 1);
        }),
        then("6.4", "RST_STREAM", GoesOn, |frames| {
            open(frames, 1);
            frames.frame(RST_STREAM, 0, 1, &CANCEL.to_be_bytes());
        }),
        then("6.5", "SETTINGS are acknowledged", Seen, |frames| {
            // One for those of the preface, one for these.
            frames.frame(SETTINGS, 0, 0, &settings(&[(INITIAL_WINDOW_SIZE, 1000)]));
            for _ in 0..2 {
                let frame = frames.until(SETTINGS).unwrap();
                assert!(frame.has(ACK) && frame.payload.is_empty(), "{frame:?}");
            }
        }),
        then("6.5.2", "a setting that nobody knows", GoesOn, |frames| {
            frames.frame(SETTINGS, 0, 0, &settings(&[(0xff, 1)]));
        }),
        then("6.7", "PING comes back as it was", Seen, |frames| {
            frames.frame(PING, 0, 0, b"h2 ping!");
            let frame = frames.until(PING).unwrap();
            assert_eq!((frame.flags, frame.payload.as_slice()), (ACK, &b"h2 ping!"[..]));
        }),
        then("6.7", "an answer to no PING is not answered", Seen, |frames| {
            frames.frame(PING, ACK, 0, b"unasked ");
            frames.frame(PING, 0, 0, b"h2 ping!");
            let frame = frames.until(PING).unwrap();
            assert_eq!((frame.flags, frame.payload.as_slice()), (ACK, &b"h2 ping!"[..]));
        }),
        then("6.8", "GOAWAY lets what is under way end", Answer, |frames| {
            ask(frames, 1);
            frames.frame(GOAWAY, 0, 0, &[0; 8]);
        }),
        then("6.9", "WINDOW_UPDATE of the connection", Answer, |frames| {
            frames.frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes());
            ask(frames, 1);
        }),
        then("6.9", "WINDOW_UPDATE of a stream", Answer, |frames| {
            open(frames, 1);
            frames.frame(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes());
            frames.frame(DATA, END_STREAM, 1, b"test");
        }),
        then("6.10", "CONTINUATION", Answer, |frames| {
            let block = get();
            frames.frame(HEADERS, END_STREAM, 1, &block[..10]);
            frames.frame(CONTINUATION, END_HEADERS, 1, &block[10..]);
        }),
        then("6.10", "several CONTINUATION", Answer, |frames| {
            let block = [get(), field("x-dummy", "a".repeat(1000))].concat();
            frames.frame(HEADERS, END_STREAM, 1, &block[..10]);
            frames.frame(CONTINUATION, 0, 1, &block[10..50]);
            frames.frame(CONTINUATION, 0, 1, &[]);
            frames.frame(CONTINUATION, END_HEADERS, 1, &block[50..]);
        }),
        then("7", "GOAWAY of a code that nobody knows", GoesOn, |frames| {
            frames.frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 0xff]);
        }),
        then("7", "RST_STREAM of a code that nobody knows", GoesOn, |frames| {
            open(frames, 1);
            frames.frame(RST_STREAM, 0, 1, &0xff_u32.to_be_bytes());
        }),
        then("8.1", "GET", Answer, |frames| ask(frames, 1)),
        then("8.1", "HEAD", Answer, |frames| {
            frames.frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&instead(":method", "HEAD")));
        }),
        then("8.1", "POST", Answer, |frames| {
            open(frames, 1);
            frames.frame(DATA, END_STREAM, 1, b"test");
        }),
        then("8.1", "POST with trailers", Answer, |frames| {
            let head = block(&[&*instead(":method", "POST"), &[("trailer", "x-test")]].concat());
            frames.frame(HEADERS, END_HEADERS, 1, &head);
            frames.frame(DATA, 0, 1, b"test");
            frames.frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&[("x-test", "ok")]));
        }),
    ]);
}

#[test]
fn streams_go_through_their_states_and_no_others() {
    let reset = |frames: &mut Frames| {
        open(frames, 1);
        frames.frame(RST_STREAM, 0, 1, &CANCEL.to_be_bytes());
    };
    let whole = |frames: &mut Frames| {
        ask(frames, 1);
        answered(frames, 1);
    };
    const CLOSED: &[u32] = &[STREAM_CLOSED];
    // A connection error in the place of a stream error is an endpoint's own choice (section 5.4.2).
    const CLOSED_OR_PROTOCOL: &[u32] = &[STREAM_CLOSED, PROTOCOL_ERROR];
    all_hold(vec![
        then("5.1", "idle: DATA", Connection(&[PROTOCOL_ERROR]), |frames| frames.frame(DATA, END_STREAM, 1, b"test")),
        then("5.1", "idle: RST_STREAM", Connection(&[PROTOCOL_ERROR]), |frames| {
            frames.frame(RST_STREAM, 0, 1, &CANCEL.to_be_bytes());
        }),
        then("5.1", "idle: WINDOW_UPDATE", Connection(&[PROTOCOL_ERROR]), |frames| {
            frames.frame(WINDOW_UPDATE, 0, 1, &100_u32.to_be_bytes());
        }),
        then("5.1", "idle: CONTINUATION", Connection(&[PROTOCOL_ERROR]), |frames| {
            frames.frame(CONTINUATION, END_HEADERS, 1, &get());
        }),
        then("5.1", "idle: PRIORITY", Answer, |frames| {
            frames.frame(PRIORITY, 0, 1, &priority(0, 255));
            ask(frames, 1);
        }),
        then("5.1", "half-closed (remote): DATA", Stream(CLOSED), |frames| {
            let both = [frame(HEADERS, END_HEADERS | END_STREAM, 1, &get()), frame(DATA, END_STREAM, 1, b"test")];
            frames.send(both.concat());
        }),
        then("5.1", "half-closed (remote): HEADERS", Stream(CLOSED_OR_PROTOCOL), |frames| {
            let head = frame(HEADERS, END_HEADERS | END_STREAM, 1, &get());
            frames.send([head.clone(), head].concat());
        }),
        then("5.1", "half-closed (remote): CONTINUATION", Stream(CLOSED_OR_PROTOCOL), |frames| {
            let head = frame(HEADERS, END_HEADERS | END_STREAM, 1, &get());
            frames.send([head, frame(CONTINUATION, END_HEADERS, 1, &get())].concat());
        }),
        then("5.1", "half-closed (remote): WINDOW_UPDATE", Answer, |frames| {
            ask(frames, 1);
            frames.frame(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes());
        }),
        then("5.1", "half-closed (remote): PRIORITY", Answer, |frames| {
            ask(frames, 1);
            frames.frame(PRIORITY, 0, 1, &priority(0, 255));
        }),
        then("5.1", "half-closed (remote): RST_STREAM", GoesOn, |frames| {
            ask(frames, 1);
            frames.frame(RST_STREAM, 0, 1, &CANCEL.to_be_bytes());
        }),
        then("5.1", "closed by RST_STREAM: DATA", Stream(CLOSED), move |frames| {
            reset(frames);
            frames.frame(DATA, END_STREAM, 1, b"test");
        }),
        then("5.1", "closed by RST_STREAM: HEADERS", Stream(CLOSED_OR_PROTOCOL), move |frames| {
            reset(frames);
            ask(frames, 1);
        }),
        then("5.1", "closed by RST_STREAM: CONTINUATION", Stream(CLOSED_OR_PROTOCOL), move |frames| {
            reset(frames);
            frames.frame(CONTINUATION, END_HEADERS, 1, &get());
        }),
        then("5.1", "closed: DATA", Stream(CLOSED), move |frames| {
            whole(frames);
            frames.frame(DATA, END_STREAM, 1, b"test");
        }),
        then("5.1", "closed: HEADERS", Connection(CLOSED_OR_PROTOCOL), move |frames| {
            whole(frames);
            ask(frames, 1);
        }),
        then("5.1", "closed: CONTINUATION", Connection(CLOSED_OR_PROTOCOL), move |frames| {
            whole(frames);
            frames.frame(CONTINUATION, END_HEADERS, 1, &get());
        }),
        then("5.1", "closed: PRIORITY", GoesOn, move |frames| {
            whole(frames);
            frames.frame(PRIORITY, 0, 1, &priority(0, 255));
        }),
        then("5.1.1", "an even number", Connection(&[PROTOCOL_ERROR]), |frames| ask(frames, 2)),
        then("5.1.1", "a smaller number than before", Connection(&[PROTOCOL_ERROR, STREAM_CLOSED]), |frames| {
            ask(frames, 5);
            ask(frames, 3);
        }),
        case("5.1.2", "more streams than may be", Stream(&[PROTOCOL_ERROR, REFUSED_STREAM]), |frames| {
            frames.send(PREFACE);
            frames.frame(SETTINGS, 0, 0, &[]);
            let told = frames.next().unwrap();
            frames.frame(SETTINGS, ACK, 0, &[]);
            let most = setting(&told, MAX_CONCURRENT_STREAMS).expect("there is a limit");
            for number in 0..=most {
                open(frames, 2 * number + 1);
            }
        }),
        then("5.3.1", "HEADERS that depend on themselves", Stream(&[PROTOCOL_ERROR]), |frames| {
            let payload = [priority(1, 255), get()].concat();
            frames.frame(HEADERS, END_HEADERS | END_STREAM | WITH_PRIORITY, 1, &payload);
        }),
        then("5.3.1", "PRIORITY that depends on itself", Stream(&[PROTOCOL_ERROR]), |frames| {
            frames.frame(PRIORITY, 0, 1, &priority(1, 255));
        }),
        then("5.4.1", "the connection is closed after an error", Seen, |frames| {
            frames.frame(PING, 0, 0, b"short");
            while frames.next().is_some() {}
        }),
        then("5.4.1", "GOAWAY is sent before", Seen, |frames| {
            frames.frame(PING, 0, 0, b"short");
            assert!(frames.until(GOAWAY).is_some());
        }),
    ]);
}

fn setting(frame: &Frame, name: u16) -> Option<u32> {
    let known = frame.payload.chunks(6).find(|setting| setting[..2] == name.to_be_bytes())?;
    Some(u32::from_be_bytes(known[2..].try_into().unwrap()))
}

#[test]
fn frames_that_are_wrong_are_answered_by_the_error_of_their_section() {
    const PROTOCOL: Expected = Connection(&[PROTOCOL_ERROR]);
    const SIZE: Expected = Connection(&[FRAME_SIZE_ERROR]);
    all_hold(vec![
        then("6.1", "DATA on stream 0", PROTOCOL, |frames| frames.frame(DATA, END_STREAM, 0, b"test")),
        then("6.1", "DATA on a stream that is not open", Stream(&[STREAM_CLOSED]), |frames| {
            let both = [frame(HEADERS, END_HEADERS | END_STREAM, 1, &get()), frame(DATA, END_STREAM, 1, b"test")];
            frames.send(both.concat());
        }),
        then("6.1", "DATA with more padding than payload", PROTOCOL, |frames| {
            open(frames, 1);
            frames.frame(DATA, END_STREAM | PADDED, 1, &[6, b't', b'e', b's', b't']);
        }),
        then("6.2", "HEADERS without an end, and PRIORITY", PROTOCOL, |frames| {
            frames.frame(HEADERS, END_STREAM, 1, &get());
            frames.frame(PRIORITY, 0, 1, &priority(0, 255));
        }),
        then("6.2", "HEADERS without an end, and another stream's", PROTOCOL, |frames| {
            frames.frame(HEADERS, END_STREAM, 1, &get());
            ask(frames, 3);
        }),
        then("6.2", "HEADERS on stream 0", PROTOCOL, |frames| ask(frames, 0)),
        then("6.2", "HEADERS with more padding than payload", PROTOCOL, |frames| {
            let block = get();
            let payload = [&[u8::try_from(block.len() + 1).unwrap()][..], &block].concat();
            frames.frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, &payload);
        }),
        then("6.3", "PRIORITY on stream 0", PROTOCOL, |frames| frames.frame(PRIORITY, 0, 0, &priority(1, 255))),
        then("6.3", "PRIORITY of four octets", Stream(&[FRAME_SIZE_ERROR]), |frames| {
            frames.frame(PRIORITY, 0, 1, &[0x80, 0, 0, 1]);
        }),
        then("6.4", "RST_STREAM on stream 0", PROTOCOL, |frames| {
            frames.frame(RST_STREAM, 0, 0, &CANCEL.to_be_bytes());
        }),
        then("6.4", "RST_STREAM on an idle stream", PROTOCOL, |frames| {
            frames.frame(RST_STREAM, 0, 1, &CANCEL.to_be_bytes());
        }),
        then("6.4", "RST_STREAM of three octets", SIZE, |frames| {
            open(frames, 1);
            frames.frame(RST_STREAM, 0, 1, &[0; 3]);
        }),
        then("6.5", "SETTINGS that acknowledge and say something", SIZE, |frames| {
            frames.frame(SETTINGS, ACK, 0, &[0]);
        }),
        then("6.5", "SETTINGS on a stream", PROTOCOL, |frames| frames.frame(SETTINGS, 0, 1, &settings(&[(3, 100)]))),
        then("6.5", "SETTINGS of three octets", SIZE, |frames| frames.frame(SETTINGS, 0, 0, &[0, 3, 0])),
        then("6.5.2", "ENABLE_PUSH of 2", PROTOCOL, |frames| {
            frames.frame(SETTINGS, 0, 0, &settings(&[(ENABLE_PUSH, 2)]));
        }),
        then("6.5.2", "INITIAL_WINDOW_SIZE of 2^31", Connection(&[FLOW_CONTROL_ERROR]), |frames| {
            frames.frame(SETTINGS, 0, 0, &settings(&[(INITIAL_WINDOW_SIZE, 1 << 31)]));
        }),
        then("6.5.2", "MAX_FRAME_SIZE below the least", PROTOCOL, |frames| {
            frames.frame(SETTINGS, 0, 0, &settings(&[(MAX_FRAME_SIZE, 16_383)]));
        }),
        then("6.5.2", "MAX_FRAME_SIZE above the most", PROTOCOL, |frames| {
            frames.frame(SETTINGS, 0, 0, &settings(&[(MAX_FRAME_SIZE, 1 << 24)]));
        }),
        then("6.7", "PING on a stream", PROTOCOL, |frames| frames.frame(PING, 0, 1, &[0; 8])),
        then("6.7", "PING of six octets", SIZE, |frames| frames.frame(PING, 0, 0, &[0; 6])),
        then("6.8", "GOAWAY on a stream", PROTOCOL, |frames| frames.frame(GOAWAY, 0, 1, &[0; 8])),
        then("6.9", "WINDOW_UPDATE by nothing", PROTOCOL, |frames| frames.frame(WINDOW_UPDATE, 0, 0, &[0; 4])),
        then("6.9", "WINDOW_UPDATE of a stream by nothing", Stream(&[PROTOCOL_ERROR]), |frames| {
            open(frames, 1);
            frames.frame(WINDOW_UPDATE, 0, 1, &[0; 4]);
        }),
        then("6.9", "WINDOW_UPDATE of three octets", SIZE, |frames| frames.frame(WINDOW_UPDATE, 0, 0, &[0, 0, 1])),
        then("6.10", "CONTINUATION, and another frame", PROTOCOL, |frames| {
            frames.frame(HEADERS, END_STREAM, 1, &get());
            frames.frame(CONTINUATION, 0, 1, &field("x-a", "1"));
            frames.frame(DATA, END_STREAM, 1, b"test");
        }),
        then("6.10", "CONTINUATION on stream 0", PROTOCOL, |frames| {
            frames.frame(HEADERS, END_STREAM, 1, &get());
            frames.frame(CONTINUATION, END_HEADERS, 0, &field("x-a", "1"));
        }),
        then("6.10", "CONTINUATION behind the end of a head", PROTOCOL, |frames| {
            let head = frame(HEADERS, END_HEADERS, 1, &post());
            frames.send([head, frame(CONTINUATION, END_HEADERS, 1, &field("x-a", "1"))].concat());
        }),
        then("6.10", "CONTINUATION behind the last CONTINUATION", PROTOCOL, |frames| {
            frames.frame(HEADERS, 0, 1, &post());
            frames.frame(CONTINUATION, END_HEADERS, 1, &field("x-a", "1"));
            frames.frame(CONTINUATION, END_HEADERS, 1, &field("x-b", "1"));
        }),
        then("6.10", "CONTINUATION behind DATA", PROTOCOL, |frames| {
            open(frames, 1);
            frames.frame(DATA, 0, 1, b"test");
            frames.frame(CONTINUATION, END_HEADERS, 1, &field("x-a", "1"));
        }),
        then("8.4", "PUSH_PROMISE of a client", PROTOCOL, |frames| {
            let payload = [&2_u32.to_be_bytes()[..], &get()].concat();
            frames.frame(PUSH_PROMISE, END_HEADERS, 1, &payload);
        }),
    ]);
}

#[test]
fn what_is_sent_stays_within_the_windows_that_the_client_gives() {
    const OVERFLOW: u32 = (1 << 31) - 1;
    all_hold(vec![
        under(
            "6.5.3",
            "of several values the last one counts",
            &[(INITIAL_WINDOW_SIZE, 100), (INITIAL_WINDOW_SIZE, 1)],
            Seen,
            |frames| {
                ask(frames, 1);
                assert_eq!(data(frames), 1);
            },
        ),
        under("6.9.1", "a window of one octet", &[(INITIAL_WINDOW_SIZE, 1)], Seen, |frames| {
            ask(frames, 1);
            assert_eq!(data(frames), 1);
            let more = frames.next_within(Duration::from_millis(300)).unwrap();
            assert!(more.as_ref().is_none_or(|frame| frame.kind != DATA), "{more:?}");
            frames.frame(WINDOW_UPDATE, 0, 1, &100_u32.to_be_bytes());
            assert_eq!(data(frames), BODY.len() - 1);
        }),
        then("6.9.1", "a window of the connection above the most", Connection(&[FLOW_CONTROL_ERROR]), |frames| {
            frames.frame(WINDOW_UPDATE, 0, 0, &OVERFLOW.to_be_bytes());
            frames.frame(WINDOW_UPDATE, 0, 0, &OVERFLOW.to_be_bytes());
        }),
        then("6.9.1", "a window of a stream above the most", Stream(&[FLOW_CONTROL_ERROR]), |frames| {
            open(frames, 1);
            frames.frame(WINDOW_UPDATE, 0, 1, &OVERFLOW.to_be_bytes());
            frames.frame(WINDOW_UPDATE, 0, 1, &OVERFLOW.to_be_bytes());
        }),
        under("6.9.2", "a window that is opened after the request", &[(INITIAL_WINDOW_SIZE, 0)], Seen, |frames| {
            ask(frames, 1);
            assert!(frames.until(HEADERS).is_some());
            frames.frame(SETTINGS, 0, 0, &settings(&[(INITIAL_WINDOW_SIZE, 1)]));
            assert_eq!(data(frames), 1);
        }),
        under("6.9.2", "a window below zero", &[(INITIAL_WINDOW_SIZE, 3)], Seen, |frames| {
            ask(frames, 1);
            assert_eq!(data(frames), 3);
            frames.frame(SETTINGS, 0, 0, &settings(&[(INITIAL_WINDOW_SIZE, 2)]));
            frames.frame(WINDOW_UPDATE, 0, 1, &2_u32.to_be_bytes());
            assert_eq!(data(frames), 1);
        }),
        then("6.9.2", "an initial window above the most", Connection(&[FLOW_CONTROL_ERROR]), |frames| {
            frames.frame(SETTINGS, 0, 0, &settings(&[(INITIAL_WINDOW_SIZE, 1 << 31)]));
        }),
        then("6.9", "a body beyond the window that was given", Stream(&[FLOW_CONTROL_ERROR]), |frames| {
            open(frames, 1);
            // The gate gives a quarter of a mebibyte, and the upstream reads all; so much at once nobody can have given.
            let piece = frame(DATA, 0, 1, &[7; 1 << 14]);
            frames.send(piece.repeat(2000));
        }),
    ]);
}

#[test]
fn a_request_that_is_malformed_is_none() {
    const MALFORMED: Expected = Stream(&[PROTOCOL_ERROR]);
    let head = |fields: Vec<(&'static str, &'static str)>| {
        move |frames: &mut Frames| frames.frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&fields))
    };
    let sent = |length: &'static str, pieces: &'static [&'static str]| {
        move |frames: &mut Frames| {
            let fields = [&*instead(":method", "POST"), &[("content-length", length)]].concat();
            frames.frame(HEADERS, END_HEADERS, 1, &block(&fields));
            for (number, piece) in pieces.iter().enumerate() {
                let end = if number + 1 == pieces.len() { END_STREAM } else { 0 };
                frames.frame(DATA, end, 1, piece.as_bytes());
            }
        }
    };
    all_hold(vec![
        then("8.1", "a second head without an end", MALFORMED, |frames| {
            open(frames, 1);
            frames.frame(HEADERS, END_HEADERS, 1, &block(&[("x-test", "ok")]));
        }),
        then("8.1.1", "a length that the body does not have", MALFORMED, sent("1", &["test"])),
        then("8.1.1", "a length that the pieces do not have together", MALFORMED, sent("1", &["te", "st"])),
        then("8.1.1", "a length that the body does not reach", MALFORMED, sent("5", &["test"])),
        then("8.2.1", "a name in upper case", MALFORMED, head(with(&[("X-TEST", "ok")]))),
        then("8.2.2", "a field of the connection", MALFORMED, head(with(&[("connection", "keep-alive")]))),
        then("8.2.2", "a coding", MALFORMED, head(with(&[("transfer-encoding", "chunked")]))),
        then("8.2.2", "a te other than trailers", MALFORMED, head(with(&[("te", "trailers, deflate;q=0.5")]))),
        then("8.2.2", "te: trailers", Answer, head(with(&[("te", "trailers")]))),
        then("8.3", "a pseudo-field that nobody knows", MALFORMED, head(with(&[(":test", "ok")]))),
        then("8.3", "the pseudo-field of a response", MALFORMED, head(with(&[(":status", "200")]))),
        then("8.3", "a pseudo-field in trailers without an end", MALFORMED, |frames| {
            open(frames, 1);
            frames.frame(DATA, 0, 1, b"test");
            frames.frame(HEADERS, END_HEADERS, 1, &block(&[(":method", "POST")]));
        }),
        // The library drops it, and the request goes on without; that nothing of it passes is looked at for all cases.
        then("8.3", "a pseudo-field in trailers", Answer, |frames| {
            open(frames, 1);
            frames.frame(DATA, 0, 1, b"test");
            frames.frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&[(":method", "POST")]));
        }),
        then("8.3", "a pseudo-field behind a field", MALFORMED, |frames| {
            let fields = [&without(":path")[..], &[("x-test", "ok"), (":path", "/")]].concat();
            frames.frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&fields));
        }),
        then("8.3.1", "an empty path", MALFORMED, head(instead(":path", ""))),
        then("8.3.1", "no method", MALFORMED, head(without(":method"))),
        then("8.3.1", "no scheme", MALFORMED, head(without(":scheme"))),
        then("8.3.1", "no path", MALFORMED, head(without(":path"))),
        then("8.3.1", "two methods", MALFORMED, head(with(&[(":method", "POST")]))),
        then("8.3.1", "two schemes", MALFORMED, head(with(&[(":scheme", "https")]))),
        then("8.3.1", "two paths", MALFORMED, head(with(&[(":path", "/")]))),
        then("8.3.1", "two authorities", MALFORMED, head(with(&[(":authority", "gate.example.org")]))),
    ]);
}

/// `no-cache`, `custom-key` and `custom-value` in Huffman's code (RFC 7541, appendix C.4).
const NO_CACHE: [u8; 6] = [0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf];
const CUSTOM_KEY: [u8; 8] = [0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xa9, 0x7d, 0x7f];
const CUSTOM_VALUE: [u8; 9] = [0x25, 0xa8, 0x49, 0xe9, 0x5b, 0xb8, 0xe8, 0xb4, 0xbf];
/// The index of `cache-control` in the static table (appendix A).
const CACHE_CONTROL: usize = 24;

#[test]
fn a_head_is_read_in_every_form_that_it_can_be_written_in() {
    let adding = |octets: Vec<u8>| {
        move |frames: &mut Frames| {
            frames.frame(HEADERS, END_HEADERS | END_STREAM, 1, &[get(), octets.clone()].concat());
        }
    };
    let mut cases = vec![
        // `:method: GET`, `:path: /` and `:scheme: https` of the static table.
        then("6.1", "indexed fields", Answer, |frames| {
            let block = [indexed(2), indexed(4), indexed(7), field(":authority", "gate.example.org")].concat();
            frames.frame(HEADERS, END_HEADERS | END_STREAM, 1, &block);
        }),
        then("6.1", "a field of the dynamic table", Answer, |frames| {
            let new = literal(Literal::Indexed, 0, &[plain("custom-key"), plain("custom-value")].concat());
            frames.frame(HEADERS, END_HEADERS | END_STREAM, 1, &[get(), new, indexed(62)].concat());
        }),
        then("6.3", "a new size of the table", Answer, |frames| {
            frames.frame(HEADERS, END_HEADERS | END_STREAM, 1, &[table_size(128), get()].concat());
        }),
        then("6.3", "two new sizes of the table", Answer, |frames| {
            frames.frame(HEADERS, END_HEADERS | END_STREAM, 1, &[table_size(128), table_size(4096), get()].concat());
        }),
    ];
    let hows =
        [("indexed", Literal::Indexed), ("not indexed", Literal::NotIndexed), ("never indexed", Literal::NeverIndexed)];
    let forms: [(&str, usize, Vec<u8>); 4] = [
        ("its name by index", CACHE_CONTROL, plain("no-cache")),
        ("its name by index, in Huffman's code", CACHE_CONTROL, huffman(&NO_CACHE)),
        ("a new name", 0, [plain("custom-key"), plain("custom-value")].concat()),
        ("a new name, in Huffman's code", 0, [huffman(&CUSTOM_KEY), huffman(&CUSTOM_VALUE)].concat()),
    ];
    for (how, kind) in hows {
        for (form, name, strings) in &forms {
            let what: &'static str = Box::leak(format!("{how}, {form}").into_boxed_str());
            cases.push(then("6.2", what, Answer, adding(literal(kind, *name, strings))));
        }
    }
    all_hold(cases);
}

#[test]
fn a_head_that_cannot_be_decoded_ends_the_connection() {
    const DECODING: Expected = Connection(&[COMPRESSION_ERROR]);
    let with_end = |octets: Vec<u8>| {
        move |frames: &mut Frames| {
            frames.frame(HEADERS, END_HEADERS | END_STREAM, 1, &[get(), octets.clone()].concat());
        }
    };
    let custom = |value: &[u8]| with_end(literal(Literal::NotIndexed, 0, &[&plain("x-test"), value].concat()));
    all_hold(vec![
        then("RFC 9113, 4.3", "a block that is nonsense", DECODING, |frames| {
            // A field of which the value is to be longer than what is there.
            frames.frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x00, 0x85, 0xf2, 0xb2, 0x4a, 0x84, 0xff, 0x84, 0x49]);
        }),
        then("RFC 9113, 4.3", "PRIORITY within a block", Connection(&[PROTOCOL_ERROR]), |frames| {
            frames.frame(HEADERS, END_STREAM, 1, &get());
            frames.frame(PRIORITY, 0, 1, &priority(0, 255));
        }),
        then("RFC 9113, 4.3", "another stream's HEADERS within a block", Connection(&[PROTOCOL_ERROR]), |frames| {
            frames.frame(HEADERS, END_STREAM, 1, &get());
            ask(frames, 3);
        }),
        then("2.3.3", "an index that nothing has", DECODING, with_end(indexed(70))),
        then(
            "2.3.3",
            "a name of an index that nothing has",
            DECODING,
            with_end(literal(Literal::NotIndexed, 70, &plain("x"))),
        ),
        then("4.2", "a new size at the end of a block", DECODING, with_end(table_size(1))),
        then(
            "5.2",
            "padding of more than seven bits",
            DECODING,
            custom(&huffman(&[&CUSTOM_VALUE[..], &[0xff]].concat())),
        ),
        // A letter `a` of five bits (00011) leaves three, which are to be ones.
        then("5.2", "padding with zeros", DECODING, custom(&huffman(&[0x18]))),
        then("5.2", "the symbol of the end", DECODING, custom(&huffman(&[0xff, 0xff, 0xff, 0xff]))),
        then(
            "5.1",
            "an integer without an end",
            DECODING,
            with_end(vec![0x7f; 1].into_iter().chain([0xff; 20]).collect()),
        ),
        then("6.1", "index 0", DECODING, with_end(indexed(0))),
        then("6.3", "a size above the one that was agreed on", DECODING, |frames| {
            frames.frame(HEADERS, END_HEADERS | END_STREAM, 1, &[table_size(4097), get()].concat());
        }),
    ]);
}
