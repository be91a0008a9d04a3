//! Frames in masses, each of them allowed: resets, settings, pings, empty frames, heads that never end or that unfold. The
//! connection they come on is ended or made to wait, nothing piles up in memory, and whoever else is there does not
//! notice (RFC 9113, section 10.5).
#![cfg(test)]

mod common;

use common::client::Client;
use common::eventually;
use common::frames::{
    ACK, CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE, Literal,
    PING, PREFACE, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, block, field, frame, indexed, literal, plain,
    settings,
};
use common::gate::Gate;
use common::setup::Setup;
use common::upstream::Upstream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How much the gate's memory may grow under a flood, whatever its length.
const ALLOWED_KIB: u64 = 16 * 1024;
/// How long a writer is stopped before it is taken to be stopped for good.
const STOPPED: Duration = Duration::from_secs(2);

const HEAD: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "https"), (":authority", "gate.example.org"), (":path", "/")];

/// What the gate did about a flood.
#[derive(Debug, PartialEq, Eq)]
enum Response {
    /// It ended the connection.
    Ended,
    /// It does not read on.
    Stopped,
    /// It took all.
    Took,
}

/// Sends these octets so often, and says how that ended.
fn pour(frames: &mut Frames, times: usize, octets: impl Fn(usize) -> Vec<u8>) -> Response {
    frames.raw.write_patience(STOPPED);
    let mut number = 0;
    while number < times {
        // Several at a time, as somebody would who means harm.
        let end = (number + 200).min(times);
        let many: Vec<u8> = (number..end).flat_map(&octets).collect();
        number = end;
        match frames.raw.try_send(many) {
            Ok(()) => {}
            Err(error) if common::raw::is_timeout(&error) => return Response::Stopped,
            Err(_) => return Response::Ended,
        }
    }
    // What was sent may not have been read yet.
    frames.send(frame(PING, 0, 0, b"the end?"));
    loop {
        match frames.next_within(Duration::from_secs(5)) {
            Ok(Some(frame)) if frame.kind == GOAWAY => return Response::Ended,
            Ok(Some(frame)) if frame.kind == PING && frame.has(ACK) && frame.payload == b"the end?" => {
                return Response::Took;
            }
            Ok(Some(_)) => {}
            Ok(None) => return Response::Stopped,
            Err(_) => return Response::Ended,
        }
    }
}

/// Does something to a gate, and checks that others are served all along and that its memory did not grow.
#[track_caller]
fn unharmed<T>(gate: &Gate, flood: impl FnOnce(&Client) -> T) -> T {
    let alice = gate.alice();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicUsize::new(0));
    let (other, stopping, counter) = (gate.alice(), Arc::clone(&stop), Arc::clone(&served));
    let serving = runtime.spawn(async move {
        let mut connection = other.http2().await.unwrap();
        while !stopping.load(Ordering::SeqCst) {
            assert_eq!(connection.get("/").await.status, 200);
            counter.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    eventually("the first request", || (served.load(Ordering::SeqCst) > 0).then_some(()));
    let before = gate.process.memory_kib("VmRSS");
    let outcome = flood(&alice);
    let after = gate.process.memory_kib("VmRSS");
    let so_far = served.load(Ordering::SeqCst);
    eventually("others to be served after it", || (served.load(Ordering::SeqCst) > so_far + 3).then_some(()));
    stop.store(true, Ordering::SeqCst);
    runtime.block_on(serving).unwrap();
    assert!(after.saturating_sub(before) < ALLOWED_KIB, "it cost {} KiB", after.saturating_sub(before));
    outcome
}

fn gate_before(upstream: &Upstream) -> Gate {
    Setup::before(upstream).open_to_all().start()
}

fn head(end: u8, stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | end, stream, &block(&HEAD))
}

fn stream(number: usize) -> u32 {
    2 * u32::try_from(number).unwrap() + 1
}

#[test]
fn a_client_that_opens_and_resets_streams_without_end_is_cut_off() {
    // CVE-2023-44487: work is begun, and nothing limits it since the stream counts no more.
    let upstream = Upstream::start();
    let gate = gate_before(&upstream);
    let outcome = unharmed(&gate, |client| {
        let reset = |number| {
            let stream = stream(number);
            [head(END_STREAM, stream), frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes())].concat()
        };
        pour(&mut Frames::connect(client), 20_000, reset)
    });
    assert_eq!(outcome, Response::Ended);
}

#[test]
fn a_client_that_gives_up_most_of_its_requests_one_by_one_is_cut_off() {
    // The same, slowly: each request is at the upstream before it is given up.
    let upstream = Upstream::answering(|exchange| {
        if exchange.request.target() == "/" {
            return exchange.answer("ok");
        }
        while exchange.is_open() {
            std::thread::sleep(Duration::from_millis(5));
            exchange.send("HTTP/1.1 100 Continue\r\n\r\n");
        }
    });
    let gate = gate_before(&upstream);
    let outcome = unharmed(&gate, |client| {
        let mut frames = Frames::connect(client);
        let fields = HEAD.map(|(name, value)| if name == ":path" { (name, "/slow") } else { (name, value) });
        for number in 0..3000 {
            let stream = stream(number);
            let asked = frames.raw.try_send(frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(&fields)));
            frames.frame(PING, 0, 0, b"arrived?");
            let pinged = frames.until(PING).is_some();
            let reset = frames.raw.try_send(frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes()));
            if asked.is_err() || reset.is_err() || !pinged {
                return number;
            }
        }
        3000
    });
    assert!((100..2000).contains(&outcome), "it gave up {outcome}");
    gate.log_line(&["gives up"]);
}

#[test]
fn a_client_that_has_its_streams_reset_without_end_is_cut_off() {
    // CVE-2025-8671: it is the server that resets, for one fault after another; CVE-2019-9514.
    let upstream = Upstream::start();
    let gate = gate_before(&upstream);
    for fault in
        [frame(WINDOW_UPDATE, 0, 0, &[0; 4]), frame(PRIORITY, 0, 0, &[0, 0, 0, 0, 0]), frame(DATA, END_STREAM, 0, b"x")]
    {
        let outcome = unharmed(&gate, |client| {
            let wrong = |number| {
                let stream = stream(number);
                let mut fault = fault.clone();
                fault[5..9].copy_from_slice(&stream.to_be_bytes());
                if fault[3] == PRIORITY {
                    // It depends on itself.
                    fault[9..13].copy_from_slice(&stream.to_be_bytes());
                }
                [head(if fault[3] == DATA { END_STREAM } else { 0 }, stream), fault].concat()
            };
            pour(&mut Frames::connect(client), 20_000, wrong)
        });
        assert_eq!(outcome, Response::Ended, "{fault:?}");
    }
}

#[test]
fn frames_that_say_nothing_are_bounded_however_many_come() {
    let upstream = Upstream::start();
    let gate = gate_before(&upstream);
    // CVE-2019-9512 (pings), 9515 (settings), 9518 (empty frames), 9513 (priorities), 9516 (names and values without
    // octets). The answers to pings and settings are never read.
    type Each = fn(usize) -> Vec<u8>;
    let floods: [(&str, Vec<u8>, Each); 8] = [
        ("pings", Vec::new(), |_| frame(PING, 0, 0, &[7; 8])),
        ("settings", Vec::new(), |_| frame(SETTINGS, 0, 0, &settings(&[(INITIAL_WINDOW_SIZE, 70_000)]))),
        ("empty settings", Vec::new(), |_| frame(SETTINGS, 0, 0, &[])),
        ("empty data", head(0, 1), |_| frame(DATA, 0, 1, &[])),
        ("data of padding", head(0, 1), |_| frame(DATA, 8, 1, &[0])),
        ("priorities", Vec::new(), |number| frame(PRIORITY, 0, stream(number), &[0, 0, 0, 0, 1])),
        ("unknown frames", Vec::new(), |_| frame(0xfa, 0, 0, &[0; 100])),
        ("windows", head(0, 1), |_| frame(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes())),
    ];
    for (what, first, each) in floods {
        let outcome = unharmed(&gate, |client| {
            let mut frames = Frames::connect(client);
            frames.send(&first);
            pour(&mut frames, 20_000, each)
        });
        println!("{what}: {outcome:?}");
        assert!(!what.contains("data") || outcome == Response::Ended, "{what}: {outcome:?}");
    }
}

#[test]
fn a_head_that_never_ends_or_that_unfolds_is_cut_off() {
    let upstream = Upstream::start();
    let gate = gate_before(&upstream);
    let begun = |end| frame(HEADERS, end, 1, &block(&HEAD));
    let nothing = literal(Literal::NotIndexed, 0, &[plain("a"), plain("")].concat());
    // CVE-2024-27316 (Apache httpd) and its kin: a head goes on for ever, by much, by little and by nothing at all.
    let endless: [(&str, Vec<u8>); 3] =
        [("much", field("x-filler", "a".repeat(15_000))), ("little", nothing.repeat(100)), ("nothing", Vec::new())];
    for (what, more) in endless {
        let outcome = unharmed(&gate, |client| {
            let mut frames = Frames::connect(client);
            frames.send(begun(END_STREAM));
            pour(&mut frames, 20_000, |_| frame(CONTINUATION, 0, 1, &more))
        });
        assert_eq!(outcome, Response::Ended, "{what}");
    }
    // CVE-2016-6581: one field of the dynamic table, said over and over by one octet.
    let outcome = unharmed(&gate, |client| {
        let large = literal(Literal::Indexed, 0, &[plain("x-bomb"), plain("a".repeat(4000))].concat());
        let bomb = [block(&HEAD), large, indexed(62).repeat(10_000)].concat();
        let mut frames = Frames::connect(client);
        pour(&mut frames, 400, |number| frame(HEADERS, END_HEADERS | END_STREAM, stream(number), &bomb))
    });
    println!("a head that unfolds: {outcome:?}");
    assert!(
        upstream.requests().iter().all(|request| request.head.len() < 64 * 1024 && !request.head.contains("x-bomb"))
    );
}

/// An upstream that has 4 MiB for everybody at `/much`.
fn generous() -> Upstream {
    Upstream::answering(|exchange| {
        if exchange.request.target() != "/much" {
            return exchange.answer("ok");
        }
        exchange.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 4 << 20));
        for _ in 0..64 {
            exchange.send([7; 1 << 16]);
        }
    })
}

#[test]
fn answers_that_nobody_takes_are_left_with_the_upstream() {
    // CVE-2019-9511 and 9517: much is asked for, and taken in drops or not at all, by the window of HTTP/2 or of TCP.
    let upstream = generous();
    // Four hundred connections at once are more than wait in the line of a listener, and begin again after seconds.
    let gate = Setup::before(&upstream).open_to_all().upstream("timeouts", "{ connect: 30s }").start();
    let fields = HEAD.map(|(name, value)| if name == ":path" { (name, "/much") } else { (name, value) });
    let ask = |client: &Client, window: u32| {
        let mut frames = Frames::silent(client);
        frames.send(PREFACE);
        frames.send(frame(SETTINGS, 0, 0, &settings(&[(INITIAL_WINDOW_SIZE, window)])));
        if window > 0 {
            frames.send(frame(WINDOW_UPDATE, 0, 0, &(window - 65_535).to_be_bytes()));
        }
        for number in 0..100 {
            frames.send(frame(HEADERS, END_HEADERS | END_STREAM, stream(number), &block(&fields)));
        }
        frames
    };
    for (what, window) in [("no window", 0), ("every window, and nothing is read", (1 << 31) - 1)] {
        let before = gate.process.memory_kib("VmRSS");
        let frames: Vec<Frames> = (0..4).map(|_| ask(&gate.alice(), window)).collect();
        upstream.wait_for(400);
        std::thread::sleep(Duration::from_secs(2));
        let grown = gate.process.memory_kib("VmRSS").saturating_sub(before);
        println!("four hundred answers of 4 MiB, {what}: {grown} KiB");
        // Of each answer what waits for the client, and what was read at once from the upstream.
        assert!(grown < 400 * 384, "{what}: {grown} KiB");
        let start = Instant::now();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        assert_eq!(runtime.block_on(gate.alice().get("/")).status, 200, "{what}");
        println!("another client: {:.1?}", start.elapsed());
        drop(frames);
    }
}
