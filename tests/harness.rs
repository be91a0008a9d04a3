//! The upstream that the other tests believe is strict indeed: what two readers could read in two ways is noted
//! as a fault, and what is sound is recorded as it was sent.
#![cfg(test)]

mod common;

use common::eventually;
use common::upstream::Upstream;
use std::io::{Read, Write};
use std::net::TcpStream;

/// Sends octets to an upstream and closes; gives back what it answered.
fn say(upstream: &Upstream, octets: &str) -> String {
    let mut stream = TcpStream::connect(upstream.address()).unwrap();
    stream.write_all(octets.as_bytes()).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

#[test]
fn what_could_be_read_in_two_ways_is_a_fault() {
    for text in [
        "GET / HTTP/1.1\nHost: a\n\n\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a",
    ] {
        let upstream = Upstream::start();
        say(&upstream, text);
        eventually(&format!("a fault for {text:?}"), || (!upstream.faults().is_empty()).then_some(()));
    }
}

#[test]
fn what_is_sound_is_recorded_as_it_was_sent() {
    let upstream = Upstream::start();
    let chunked =
        "POST /b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nX-End: 1\r\n\r\n";
    let answers = say(&upstream, &format!("GET /a HTTP/1.1\r\nHost: a\r\nX-One: 1\r\n\r\n{chunked}"));
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
    let [first, second] = <[_; 2]>::try_from(upstream.requests()).unwrap();
    assert_eq!((first.line(), first.target(), first.whole), ("GET /a HTTP/1.1", "/a", true));
    assert_eq!(first.header("x-one").as_deref(), Some("1"));
    assert_eq!((second.body.as_slice(), second.trailers.as_str()), (&b"hello"[..], "X-End: 1\n"));
    assert_eq!((first.connection, second.connection, upstream.connections()), (0, 0, 1));
    assert_eq!(upstream.faults(), Vec::<String>::new());
}

#[test]
fn a_body_that_breaks_off_is_not_whole() {
    let upstream = Upstream::start();
    say(&upstream, "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
    let seen = eventually("the broken request", || upstream.requests().pop().filter(|seen| seen.length == 5));
    assert!(!seen.whole && seen.body == b"hello", "{seen:?}");
    assert_eq!(upstream.faults(), Vec::<String>::new(), "an end is no ambiguity");
}

#[test]
fn a_database_server_of_its_own_starts_stops_and_keeps_what_it_has() {
    let mut mariadb = common::mariadb::MariaDb::start();
    mariadb.sql("CREATE TABLE kept (n INT); INSERT INTO kept VALUES (7)");
    mariadb.stop();
    assert!(TcpStream::connect(mariadb.address()).is_err());
    mariadb.start_again();
    assert!(TcpStream::connect(mariadb.address()).is_ok());
    assert_eq!(mariadb.sql("SELECT n FROM kept").trim(), "7");
}
