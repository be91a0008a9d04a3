//! Every way to write a framing beside every other, as products of tables: whatever form nginx, Apache httpd, HAProxy and
//! hyper have had advisories for, the upstream sees one request framed anew, or none, and never the one that is hidden
//! in it (RFC 9112, sections 2.2, 5, 6, 7.1 and 11.2). The upstream of these tests reads as strictly as RFC 9112 can be
//! read, so that whatever it takes without a fault has one reading, for a lenient server as well.
//!
//! What each class of forms has been good for elsewhere stands beside it. For HTTP/2 see `smuggling_http2.rs`.
#![cfg(test)]

mod common;

use common::client::Client;
use common::raw::{Raw, is_timeout, status};
use common::setup::Setup;
use common::upstream::{Recorded, Upstream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: gate.example.org\r\nConnection: close\r\n\r\n";

/// Upstreams and gates, so that what one exchange leaves behind is seen before the next.
const WORKERS: usize = 4;

/// Sends each text on a connection of its own, and hands what came back and what the upstream saw of it to `judge`,
/// which says what is wrong. Tells of all that is wrong together.
fn for_each<T: Sync>(
    cases: &[(T, String)],
    name: impl Fn(&T) -> String + Sync,
    judge: impl Fn(&T, &str, &[Recorded]) -> Result<(), String> + Sync,
) {
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        let upstream = Upstream::start();
        let routes = "[{ path: /, authenticate: [certificate], anonymous: allow, upstream: app }]";
        let gate = Setup::before(&upstream).section("routes", routes).start();
        let client: Client = gate.client();
        loop {
            let number = next.fetch_add(1, Ordering::SeqCst);
            let Some((case, text)) = cases.get(number) else { return };
            let (seen, faults) = (upstream.requests().len(), upstream.faults().len());
            // What was broken off may reach the upstream late: each case knows its own.
            let tag = format!("gate.example.org\r\nX-Case: {number}\r\n");
            let answer = exchange(&client, &text.replacen("gate.example.org\r\n", &tag, 1));
            let (mut requests, faulty) = (upstream.requests(), upstream.faults());
            requests.drain(..seen);
            requests.retain(|request| request.header("x-case").is_none_or(|own| own == number.to_string()));
            let verdict = match faulty.get(faults..) {
                Some([]) => judge(case, &answer, &requests),
                faults => Err(format!("the upstream could not make sense of it: {faults:?}")),
            };
            if let Err(why) = verdict {
                wrong.lock().unwrap().push(format!("{}: {why}\n  answered by {answer:?}", name(case)));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(work);
        }
    });
    let wrong = wrong.into_inner().unwrap();
    let shown = wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{shown}", wrong.len(), cases.len());
}

/// Says something, and gives everything that comes until the gate closes, or for as long as it says something.
fn exchange(client: &Client, text: &str) -> String {
    let mut raw = Raw::connect(client);
    raw.patience(Duration::from_secs(10));
    let _ = raw.try_send(text);
    let mut answer = Vec::new();
    loop {
        match raw.read_some() {
            Ok(more) if more.is_empty() => break,
            Ok(more) => answer.extend(more),
            Err(error) if is_timeout(&error) => {
                answer.extend(b" (and it was left open)");
                break;
            }
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// No more than one request, not the hidden one, and nothing hidden in its head.
fn one_or_none(seen: &[Recorded]) -> Result<(), String> {
    match seen {
        [] => Ok(()),
        [one] if one.target().contains("hidden") => Err(format!("the hidden request came through: {one:#?}")),
        [one] if one.all("x-hidden").is_empty() => Ok(()),
        seen => Err(format!("the upstream saw {seen:#?}")),
    }
}

/// What a reader makes of a field that frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    /// It says what it should.
    Sound,
    /// It says nothing, or something wrong: there is no such body, or the request is refused.
    Wrong,
    /// It is a field of another name.
    Other,
    /// It is not there.
    Absent,
}

/// Lengths; `N` is that of all that follows the head.
const LENGTHS: [(&str, Field); 24] = [
    ("", Field::Absent),
    ("Content-Length: N", Field::Sound),
    ("content-length:N", Field::Sound),
    ("Content-Length: \t N \t", Field::Sound),
    ("Content-Length: 0", Field::Wrong),
    ("Content-Length: 5", Field::Wrong),
    // CVE-2023-40225 (HAProxy): an empty length was passed on.
    ("Content-Length:", Field::Wrong),
    // CVE-2021-32715 (hyper): a sign was taken.
    ("Content-Length: +N", Field::Wrong),
    ("Content-Length: -N", Field::Wrong),
    ("Content-Length: 0xN", Field::Wrong),
    ("Content-Length: N, N", Field::Wrong),
    ("Content-Length: 0, N", Field::Wrong),
    ("Content-Length: 0\r\nContent-Length: N", Field::Wrong),
    ("Content-Length: N\r\nContent-Length: 0", Field::Wrong),
    ("Content-Length: N;q=1", Field::Wrong),
    ("Content-Length: \"N\"", Field::Wrong),
    ("Content-Length: \x0bN", Field::Wrong),
    // Numbers that wrap to a small one in 64 bits.
    ("Content-Length: 18446744073709551616", Field::Wrong),
    ("Content-Length: 99999999999999999999999999", Field::Wrong),
    ("Content-Length : N", Field::Wrong),
    ("Content-Length\t: N", Field::Wrong),
    ("X-Before: 1\r\n Content-Length: N", Field::Wrong),
    ("Content_Length: N", Field::Other),
    // CVE-2023-25725 (HAProxy): an empty name ended the list of fields for one reader and not for the next.
    (": N\r\nContent-Length: N", Field::Wrong),
];

/// Codings.
const CODINGS: [(&str, Field); 26] = [
    ("", Field::Absent),
    ("Transfer-Encoding: chunked", Field::Sound),
    ("transfer-encoding:CHUNKED", Field::Sound),
    ("Transfer-Encoding: \tchunked \t", Field::Sound),
    // CVE-2019-18277 (HAProxy): what is no coding to one reader is `chunked` to the next.
    ("Transfer-Encoding: \x0bchunked", Field::Wrong),
    ("Transfer-Encoding: \x0cchunked", Field::Wrong),
    ("Transfer-Encoding: \0chunked", Field::Wrong),
    ("Transfer-Encoding: xchunked", Field::Wrong),
    ("Transfer-Encoding: chunkedx", Field::Wrong),
    ("Transfer-Encoding: \"chunked\"", Field::Wrong),
    ("Transfer-Encoding: chunked;q=1", Field::Wrong),
    ("Transfer-Encoding: identity", Field::Wrong),
    ("Transfer-Encoding:", Field::Wrong),
    // CVE-2022-26377, CVE-2022-36760 (Apache httpd): several codings, of which each reader took another.
    ("Transfer-Encoding: chunked, identity", Field::Wrong),
    ("Transfer-Encoding: identity, chunked", Field::Wrong),
    ("Transfer-Encoding: gzip, chunked", Field::Wrong),
    ("Transfer-Encoding: chunked, chunked", Field::Wrong),
    ("Transfer-Encoding: chunked,", Field::Wrong),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", Field::Wrong),
    ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", Field::Wrong),
    ("Transfer-Encoding : chunked", Field::Wrong),
    ("Transfer-Encoding\t: chunked", Field::Wrong),
    ("Transfer-Encoding:\r\n chunked", Field::Wrong),
    ("X-Before: 1\r\n Transfer-Encoding: chunked", Field::Wrong),
    ("Transfer_Encoding: chunked", Field::Other),
    (": 1\r\nTransfer-Encoding: chunked", Field::Wrong),
];

#[test]
fn no_length_beside_any_coding_makes_two_requests_of_one() {
    let body = format!("0\r\n\r\n{HIDDEN}");
    let mut cases = Vec::new();
    for (length, counted) in LENGTHS {
        for (coding, coded) in CODINGS {
            // A coding alone that is sound, or nothing at all, ends the request before what is behind it: that is
            // another one, and hidden from nobody.
            if matches!(counted, Field::Absent | Field::Other) && coded == Field::Sound {
                continue;
            }
            for (method, version) in [("POST", "1.1"), ("GET", "1.1"), ("POST", "1.0")] {
                for coding_first in [false, true] {
                    let mut fields = [length, coding].map(|field| field.replace('N', &body.len().to_string()));
                    if coding_first {
                        fields.reverse();
                    }
                    let fields: String =
                        fields.iter().filter(|field| !field.is_empty()).map(|field| format!("{field}\r\n")).collect();
                    let head = format!("{method} /x HTTP/{version}\r\nHost: gate.example.org\r\nConnection: close\r\n");
                    cases.push(((counted, coded, fields.clone()), format!("{head}{fields}\r\n{body}")));
                }
            }
        }
    }
    assert!(cases.len() > 3000, "{}", cases.len());
    for_each(
        &cases,
        |(.., fields)| format!("{fields:?}"),
        |(counted, coded, _), answer, seen| {
            one_or_none(seen)?;
            let is_sound = *counted == Field::Sound && matches!(coded, Field::Absent | Field::Other);
            let passed = seen.iter().any(|request| request.whole);
            match seen {
                [one] if is_sound && one.body == body.as_bytes() => Ok(()),
                _ if is_sound => Err("a sound request did not pass whole".to_owned()),
                // A length beside a coding is ignored (RFC 9112, section 6.3), and the connection ends after it.
                [one] if passed && !one.body.is_empty() && one.body != b"0\r\n\r\n" => {
                    Err(format!("another body passed: {one:#?}"))
                }
                _ if answer.matches("HTTP/1.1 ").count() > 1 => Err("there is more than one answer".to_owned()),
                _ => Ok(()),
            }
        },
    );
}

/// What may stand between two fields, and whether the second is one then.
const SEPARATORS: [&str; 14] = [
    "\n",
    "\r",
    "\r\r\n",
    "\n\r\n",
    "\n\r",
    "\0\r\n",
    "\0",
    "\r\n ",
    "\r\n\t",
    "\r\n\r\n ",
    "\x0b",
    "\x0c",
    "\x1c",
    "\u{85}",
];

#[test]
fn no_line_end_makes_a_field_of_a_value_or_hides_one() {
    let body = format!("0\r\n\r\n{HIDDEN}");
    let mut cases = Vec::new();
    for separator in SEPARATORS {
        for second in ["Transfer-Encoding: chunked", "X-Hidden: 1", "Content-Length: 0", "Host: hidden.example.org"] {
            for first in ["X-Before: 1", "X-Before:", "Accept: */*", "Cookie: a=b"] {
                let text = format!(
                    "POST /x HTTP/1.1\r\nHost: gate.example.org\r\nConnection: close\r\nContent-Length: {}\r\n\
                     {first}{separator}{second}\r\n\r\n{body}",
                    body.len()
                );
                cases.push(((separator, second, first), text));
            }
        }
    }
    for_each(
        &cases,
        |case| format!("{case:?}"),
        |(separator, second, _), _, seen| {
            // A bare LF ends a line (RFC 9112, section 2.2), and so the field behind it is one: written anew, on its own.
            let is_field = matches!(*separator, "\n" | "\n\r\n") && *second == "X-Hidden: 1";
            match seen {
                [one] if is_field && one.all("x-hidden") == ["1"] => Ok(()),
                seen => one_or_none(seen),
            }?;
            let hosts = seen.iter().flat_map(|request| request.all("host"));
            match hosts.into_iter().find(|host| host != "gate.example.org") {
                Some(host) => Err(format!("another host passed: {host}")),
                None => Ok(()),
            }
        },
    );
}

#[test]
fn what_stands_before_a_request_line_or_within_it_makes_no_request() {
    let rest = "Host: gate.example.org\r\nConnection: close\r\n\r\n";
    let mut cases: Vec<((String, bool), String)> = Vec::new();
    // Empty lines before a request are skipped (RFC 9112, section 2.2); nothing else is.
    for (before, passes) in [
        ("", true),
        ("\r\n", true),
        ("\r\n\r\n", true),
        ("\n", true),
        ("\r", false),
        ("\r\r\n", false),
        (" ", false),
        ("\t", false),
        ("\0", false),
        ("\0\r\n", false),
        ("0\r\n\r\n", false),
        ("x\r\n", false),
        ("\u{feff}", false),
        (" \r\n", false),
        ("X-Hidden: 1\r\n", false),
    ] {
        cases.push(((format!("before: {before:?}"), passes), format!("{before}GET /x HTTP/1.1\r\n{rest}")));
    }
    // Every octet that ends a word, a line or a string for somebody, in each place of the line. CVE-2021-33193 (Apache
    // httpd), CVE-2021-39241 (HAProxy): methods; CVE-2023-45539 (HAProxy): `#` in a target.
    for octet in (0..=0x20_u8).chain([b'#', 0x7f]) {
        let octet = char::from(octet);
        for line in [
            format!("GE{octet}T /x HTTP/1.1"),
            format!("GET{octet} /x HTTP/1.1"),
            format!("GET {octet}/x HTTP/1.1"),
            format!("GET /x{octet}/hidden HTTP/1.1"),
            format!("GET /x?{octet}hidden HTTP/1.1"),
            format!("GET /x{octet}HTTP/1.1"),
            format!("GET /x HTTP/{octet}1.1"),
            format!("GET /x HTTP/1.1{octet}"),
            format!("GET /x HTTP/1.1{octet}X-Hidden: 1"),
        ] {
            // A line feed behind the version ends the line, and the next one is no field or one.
            let is_end = line.contains("1.1\n") || line == "GET /x HTTP/1.1";
            cases.push(((format!("{line:?}"), is_end), format!("{line}\r\n{rest}")));
        }
    }
    for_each(
        &cases,
        |(what, _)| what.clone(),
        |(what, may_pass), answer, seen| {
            for request in seen {
                let line = request.line();
                // `#` may stand in a method, and ends a target.
                let sound = ["GET /x HTTP/1.1", "GET /x? HTTP/1.1", "GE#T /x HTTP/1.1", "GET# /x HTTP/1.1"];
                if !sound.contains(&line) {
                    return Err(format!("the upstream saw {line:?}"));
                }
                if request.header("x-hidden").is_some() && !what.contains("\\n") {
                    return Err(format!("a field was made: {request:#?}"));
                }
            }
            let refused = answer.is_empty() || status(answer) >= 400;
            match (seen.len(), *may_pass, refused) {
                (0, _, true) | (1, true, false) => Ok(()),
                // An octet that does no harm where it stands: a target may end in `#`, and what is behind it stays here.
                (1, false, false) if what.contains('#') => Ok(()),
                other => Err(format!("{other:?}")),
            }
        },
    );
}

#[test]
fn what_is_encoded_in_a_target_stays_encoded() {
    // CVE-2023-25690 (Apache httpd): a line end that was decoded on its way made a second request.
    let ends = ["%0d%0a", "%0D%0A", "%0a", "%0d", "%00", "%20", "%09", "%0b", "%c4%8a", "%e5%98%8a"];
    let mut cases = Vec::new();
    for end in ends {
        for place in ["/x", "/x?", "/x?a=", "/x/"] {
            let target = format!("{place}%20HTTP/1.1{end}Host:%20hidden{end}{end}GET%20/hidden");
            let text = format!("GET {target} HTTP/1.1\r\nHost: gate.example.org\r\nConnection: close\r\n\r\n");
            cases.push((target, text));
        }
    }
    for_each(&cases, Clone::clone, |target, answer, seen| match seen {
        [] if status(answer) >= 400 => Ok(()),
        [one] if one.target().eq_ignore_ascii_case(target) => Ok(()),
        seen => Err(format!("the upstream saw {seen:#?}")),
    });
}

#[test]
fn a_name_of_any_length_is_one_name() {
    // CVE-2021-40346 (HAProxy): the length of a name was kept in eight bits, so that what followed became another field.
    let body = format!("0\r\n\r\n{HIDDEN}");
    let mut cases = Vec::new();
    for name in ["Content-Length0", "Content-Length", "Transfer-Encoding", "Host", "Remote-User"] {
        for length in [255, 256, 257, 270, 512, 4096, 65_535] {
            let long = format!("{name}{}", "a".repeat(length - name.len()));
            let text = format!(
                "POST /x HTTP/1.1\r\nHost: gate.example.org\r\nConnection: close\r\n{long}:\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            cases.push(((name, length), text));
        }
    }
    for_each(
        &cases,
        |case| format!("{case:?}"),
        |_, _, seen| {
            one_or_none(seen)?;
            match seen.iter().find(|request| request.body != body.as_bytes() || !request.whole) {
                Some(request) => Err(format!("another body passed: {request:#?}")),
                None => Ok(()),
            }
        },
    );
}

/// How a chunk of five octets may be announced, and whether that is how the gate reads it.
const SIZES: [(&str, bool); 31] = [
    ("5", true),
    ("05", true),
    ("00000000000000005", true),
    // Extensions are read over (RFC 9112, section 7.1.1).
    ("5;a", true),
    ("5;a=b", true),
    ("5;a=\"b;c\"", true),
    ("5 ; a = b", true),
    ("5;", true),
    // White space behind a size is nobody's, and read over.
    ("5 ", true),
    ("5\t", true),
    ("", false),
    ("+5", false),
    ("-5", false),
    ("0x5", false),
    ("0X5", false),
    ("5h", false),
    ("5,", false),
    ("5.0", false),
    ("5_", false),
    (" 5", false),
    ("\t5", false),
    ("5 5", false),
    ("\0 5", false),
    ("5\0", false),
    ("５", false),
    // CVE-2021-32714 (hyper): sizes that wrap to five.
    ("10000000000000005", false),
    ("fffffffffffffffff5", false),
    ("100000000000000000000000000000005", false),
    // CVE-2025-55315 (Kestrel): a line that ends within an extension.
    ("5;a\nb", false),
    ("5;a\rb", false),
    ("5;a\n", false),
];

/// How its line, and the chunk itself, may end.
const ENDS: [(&str, bool); 9] = [
    ("\r\n", true),
    ("\n", false),
    ("\r", false),
    ("", false),
    ("\r\r\n", false),
    ("\n\r\n", false),
    ("\n\r", false),
    ("\0\r\n", false),
    ("\r\n\r\n", false),
];

/// How the body may end.
const LASTS: [(&str, bool); 20] = [
    ("0\r\n\r\n", true),
    ("00000\r\n\r\n", true),
    ("0;a=b\r\n\r\n", true),
    ("0 \r\n\r\n", true),
    ("0\r\nX-Trailer: 1\r\n\r\n", true),
    // Trailers that frame, or say who asks, are dropped (RFC 9110, section 6.5.1).
    ("0\r\nTransfer-Encoding: chunked\r\n\r\n", true),
    ("0\r\nContent-Length: 5\r\n\r\n", true),
    ("0\r\nHost: hidden\r\nX-Trailer: 1\r\n\r\n", true),
    ("0\r\nRemote-User: hidden\r\n\r\n", true),
    ("0\n\n", false),
    ("0\r\n\n", false),
    ("0\n\r\n", false),
    ("0\r\r", false),
    ("-0\r\n\r\n", false),
    ("+0\r\n\r\n", false),
    ("0x0\r\n\r\n", false),
    ("0\r\nX-Trailer : 1\r\n\r\n", false),
    ("0\r\n X-Trailer: 1\r\n\r\n", false),
    ("0\r\nnonsense\r\n\r\n", false),
    ("0\r\nX-Trailer: a\0b\r\n\r\n", false),
];

#[test]
fn chunks_are_read_in_one_way_or_not_at_all() {
    let mut cases = Vec::new();
    let mut add = |size: (&str, bool), end: (&str, bool), after: (&str, bool), last: (&str, bool)| {
        let chunks = format!("{}{}hello{}{}", size.0, end.0, after.0, last.0);
        let text =
            format!("POST /x HTTP/1.1\r\nHost: gate.example.org\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}{HIDDEN}");
        // An extension may hold any octet but the end of its line; nothing of it is passed on.
        let is_line = end.1 || (size.0.contains(';') && end.0 == "\0\r\n");
        cases.push(((chunks, size.1 && is_line && after.1 && last.1), text));
    };
    for size in SIZES {
        for end in ENDS {
            add(size, end, ENDS[0], LASTS[0]);
        }
    }
    for end in ENDS {
        for after in ENDS {
            for last in LASTS {
                add(SIZES[0], end, after, last);
            }
        }
    }
    assert!(cases.len() > 1500, "{}", cases.len());
    for_each(
        &cases,
        |(chunks, _)| format!("{chunks:?}"),
        |(_, is_read), answer, seen| {
            let trailers: Vec<&str> = seen.iter().flat_map(|request| request.trailers.lines()).collect();
            if trailers.iter().any(|line| *line != "x-trailer: 1") {
                return Err(format!("trailers passed: {trailers:?}"));
            }
            match seen {
                // What follows the end of a body that is read is a request of its own: everybody sees it there.
                [first, second] if *is_read => match (first.body == b"hello" && first.whole, second.target()) {
                    (true, "/hidden") if answer.matches("HTTP/1.1 200").count() == 2 => Ok(()),
                    _ => Err(format!("the upstream saw {seen:#?}")),
                },
                _ if *is_read => Err(format!("a body that is read did not pass: {seen:#?}")),
                [] => Ok(()),
                // It had begun to be passed on when it turned out to be wrong, or what is hidden was taken for its trailers.
                [first] if first.target() == "/x" && (!first.whole || first.body == b"hello") => Ok(()),
                seen => Err(format!("the upstream saw {seen:#?}")),
            }
        },
    );
}

#[test]
fn the_body_of_a_request_that_is_refused_is_no_request() {
    // CVE-2019-20372 (nginx), CVE-2022-22720 (Apache httpd): the body of a request that was answered by an error was
    // left in the connection, and read as the next one.
    let upstream = Upstream::start();
    let routes = "[{ path: /open, authenticate: [certificate], anonymous: allow, upstream: app, limits: { body: 10 } }, \
                  { path: /hidden, authenticate: [certificate], anonymous: allow, upstream: app }, \
                  { path: /closed, authenticate: [certificate], upstream: app }, \
                  { path: /moved, authenticate: [certificate], anonymous: allow, upstream: { redirect: /open } }, \
                  { path: /fixed, authenticate: [certificate], anonymous: allow, upstream: { respond: { body: fixed } } }]";
    let gate = Setup::before(&upstream).section("routes", routes).start();
    let hidden = HIDDEN.repeat(3);
    let length = format!("Content-Length: {}\r\n\r\n{hidden}", hidden.len());
    let chunked = format!("Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len());
    let broken = format!("Transfer-Encoding: chunked\r\n\r\nzz\r\n{hidden}");
    for target in ["/nowhere", "/closed", "/open", "/moved", "/fixed", "/%2f"] {
        for body in [&length, &chunked, &broken] {
            for expect in ["", "Expect: 100-continue\r\n"] {
                let text = format!("POST {target} HTTP/1.1\r\nHost: gate.example.org\r\n{expect}{body}");
                let mut raw = Raw::connect(&gate.client());
                let _ = raw.try_send(&text);
                // A request of its own, so that the connection ends in any case.
                let _ = raw.try_send("GET /nowhere HTTP/1.1\r\nHost: gate.example.org\r\nConnection: close\r\n\r\n");
                let answer = raw.read_to_end();
                let seen = upstream.requests();
                let hidden = seen.iter().find(|request| request.target().contains("hidden"));
                assert!(hidden.is_none(), "{text:?}: {hidden:#?}, answered by {answer}");
            }
        }
    }
    assert_eq!(upstream.faults(), Vec::<String>::new());
}

#[test]
fn a_protocol_that_was_not_switched_to_is_not_spoken() {
    // CVE-2019-17567 (Apache httpd): whatever followed a request for an upgrade was passed on, switched or not. What
    // speaks HTTP in a tunnel (h2c) is never asked for.
    let upstream = Upstream::start();
    let gate = Setup::before(&upstream).open_to_all().start();
    let settings = "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n";
    for (protocol, more) in [
        ("websocket", ""),
        ("h2c", settings),
        ("H2C", settings),
        ("websocket, h2c", settings),
        ("HTTP/2.0", ""),
        ("TLS/1.0", ""),
    ] {
        for connection in ["Upgrade", "Upgrade, HTTP2-Settings", "HTTP2-Settings, upgrade"] {
            let before = upstream.requests().len();
            let first = format!(
                "GET /x HTTP/1.1\r\nHost: gate.example.org\r\nConnection: {connection}\r\nUpgrade: {protocol}\r\n{more}\r\n"
            );
            let second =
                "GET /y HTTP/1.1\r\nHost: gate.example.org\r\nRemote-User: hidden\r\nConnection: close\r\n\r\n";
            let answer = Raw::exchange(&gate.client(), format!("{first}{second}"));
            assert!(answer.starts_with("HTTP/1.1 200 "), "{protocol}: {answer}");
            for request in &upstream.requests()[before..] {
                assert_eq!(request.header("http2-settings"), None, "{protocol}: {}", request.head);
                assert_eq!(request.header("remote-user"), None, "{protocol}: {}", request.head);
                let asked = request.header("upgrade");
                assert!(asked.is_none() || asked.as_deref() == Some("websocket"), "{protocol}: {}", request.head);
            }
        }
    }
    assert_eq!(upstream.faults(), Vec::<String>::new());
}
