//! The first octets of a connection from a balancer: whatever they are, they end no process, a header keeps to its
//! bounds, and it reads the same however the network cuts it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wicketgate::listen::proxy_protocol::{Header, HeaderError, MOST_BINARY, MOST_TEXT, Parser};

/// What becomes of octets that come in pieces of this length: how many were taken, and the header.
fn parse(octets: &[u8], length: usize) -> (usize, Result<Option<Header>, HeaderError>) {
    let mut parser = Parser::default();
    for piece in octets.chunks(length) {
        match parser.take(piece) {
            Ok((taken, None)) => assert_eq!(taken, piece.len()),
            Ok((_, header)) => return (parser.taken(), Ok(header)),
            Err(error) => return (parser.taken(), Err(error)),
        }
    }
    (parser.taken(), Ok(None))
}

fuzz_target!(|data: &[u8]| {
    // Most inputs would be no header at all if the fuzzer had to find the signature first.
    for beginning in [&b""[..], b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n"] {
        let octets = [beginning, data].concat();
        let whole = parse(&octets, octets.len().max(1));
        let (taken, outcome) = whole;
        assert!(taken <= MOST_TEXT.max(16 + MOST_BINARY));
        if let Ok(Some(Header::Proxied { source, destination })) = outcome {
            let mapped = |address: std::net::SocketAddr| address.ip() != address.ip().to_canonical();
            assert!(!mapped(source) && !mapped(destination));
        }
        for length in [1, 7] {
            assert_eq!(parse(&octets, length), whole);
        }
    }
});
