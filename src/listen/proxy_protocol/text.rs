//! Version 1: one line of ASCII (section 2.1). It is read as strictly as it is written there: one space
//! between words, decimal ports without signs or leading zeros, and CRLF, so that nothing is read in it that
//! the balancer did not write.

use super::{Header, HeaderError, proxied};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The longest line, its end included.
pub const MOST: usize = 107;

pub(super) const BEGINNING: &[u8] = b"PROXY ";
pub(super) const FIRST: u8 = b'P';

/// The header that these octets are, if they are all of it. They were looked at after each octet before.
pub(super) fn look(octets: &[u8]) -> Result<Option<Header>, HeaderError> {
    if !octets.iter().zip(BEGINNING).all(|(octet, expected)| octet == expected) {
        return Err(HeaderError::NoHeader);
    }
    match octets.strip_suffix(b"\n") {
        Some(line) => {
            let line = line.strip_suffix(b"\r").ok_or(HeaderError::Line("the line does not end in CRLF"))?;
            parse(line.get(BEGINNING.len()..).unwrap_or_default()).map(Some)
        }
        None if octets.len() >= MOST => Err(HeaderError::Line("the line has more than 107 octets")),
        None => Ok(None),
    }
}

fn parse(line: &[u8]) -> Result<Header, HeaderError> {
    let line = std::str::from_utf8(line).map_err(|_| HeaderError::Line("the line is not ASCII"))?;
    let (protocol, rest) = line.split_once(' ').unwrap_or((line, ""));
    match protocol {
        "TCP4" => addresses::<Ipv4Addr>(rest),
        "TCP6" => addresses::<Ipv6Addr>(rest),
        "UNKNOWN" => Ok(Header::Unknown),
        _ => Err(HeaderError::Line("the protocol is none of TCP4, TCP6 and UNKNOWN")),
    }
}

fn addresses<A: FromStr + Into<IpAddr>>(text: &str) -> Result<Header, HeaderError> {
    const WRONG: HeaderError = HeaderError::Line("two addresses of the protocol's family and two ports are expected");
    let mut words = text.split(' ');
    let (Some(source), Some(destination), Some(source_port), Some(destination_port), None) =
        (words.next(), words.next(), words.next(), words.next(), words.next())
    else {
        return Err(WRONG);
    };
    let address = |word: &str| word.parse::<A>().map(Into::into).map_err(|_| WRONG);
    Ok(proxied(
        (address(source)?, port(source_port).ok_or(WRONG)?),
        (address(destination)?, port(destination_port).ok_or(WRONG)?),
    ))
}

fn port(word: &str) -> Option<u16> {
    let plain = word.bytes().all(|octet| octet.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    if plain { word.parse().ok() } else { None }
}
