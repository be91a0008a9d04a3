//! Where a request came from by the word of the HTTP proxies before the gate: `X-Forwarded-For`, or `Forwarded`
//! (RFC 7239). Each proxy adds whoever asked it at the end, so these fields are read from the end, and only as
//! long as it was a trusted proxy that wrote: what stands before that is the client's own, and may say anything.

use crate::config::{Forwarded, ForwardedHeader};
use http::header::{FORWARDED, HeaderMap, HeaderName};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What a trusted proxy has added cannot be read. Its client may have brought that about, so the proxy's own address
/// is no answer either.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a proxy before the gate does not say in a form that can be read who its client is")]
pub struct Unreadable;

/// What one proxy has added: an address, or that it does not say.
type Said = Result<Option<SocketAddr>, Unreadable>;

/// Who asked the first of the trusted proxies that a request came through. The port is 0 where none was said.
/// Nothing if the connection's own address is no trusted proxy's, or that proxy does not say; behind several, it is
/// the last one that a trusted proxy has named.
///
/// # Errors
/// When that cannot be read.
pub fn of(peer: IpAddr, headers: &HeaderMap, trusted: &Forwarded) -> Said {
    if !trusted.trusts(peer) {
        return Ok(None);
    }
    let said = match trusted.header {
        ForwardedHeader::XForwardedFor => x_forwarded_for(headers),
        ForwardedHeader::Forwarded => forwarded(headers).ok_or(Unreadable)?,
    };
    let mut origin = None;
    for said in said.into_iter().rev() {
        let Some(address) = said? else { break };
        origin = Some(address);
        if !trusted.trusts(address.ip()) {
            break;
        }
    }
    Ok(origin)
}

/// What was added, in that order.
fn x_forwarded_for(headers: &HeaderMap) -> Vec<Said> {
    let values = headers.get_all(X_FORWARDED_FOR).iter();
    values.flat_map(|value| value.as_bytes().split(|octet| *octet == b',')).map(|text| node(text, true)).collect()
}

/// The `for` of each element, in their order; nothing if the field is not what RFC 7239, section 4 describes, because
/// then nobody knows where its elements end.
fn forwarded(headers: &HeaderMap) -> Option<Vec<Said>> {
    let mut said = Vec::new();
    for value in headers.get_all(FORWARDED) {
        let mut rest = value.as_bytes();
        loop {
            let (element, behind) = element(rest)?;
            said.push(element);
            match behind.split_first() {
                Some((_, behind)) => rest = behind,
                None => break,
            }
        }
    }
    Some(said)
}

/// One element, and what stands behind it, which begins with a comma or is nothing.
fn element(mut rest: &[u8]) -> Option<(Said, &[u8])> {
    let mut said = Ok(None);
    let mut count = 0;
    loop {
        rest = rest.trim_ascii_start();
        let end = rest.iter().position(|octet| b"=,;".contains(octet)).unwrap_or(rest.len());
        let (name, behind) = rest.split_at_checked(end)?;
        rest = behind;
        if let Some(value) = rest.strip_prefix(b"=") {
            let (value, behind) = token_or_quoted(value)?;
            rest = behind.trim_ascii_start();
            if name.trim_ascii_end() != name {
                return None;
            }
            if name.eq_ignore_ascii_case(b"for") {
                count += 1;
                said = if count == 1 { node(&value, false) } else { Err(Unreadable) };
            }
        } else if !name.trim_ascii().is_empty() {
            return None;
        }
        match rest.split_first() {
            Some((b';', behind)) => rest = behind,
            Some((b',', _)) | None => return Some((said, rest)),
            Some(_) => return None,
        }
    }
}

/// A value and what stands behind it.
fn token_or_quoted(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let Some(mut rest) = text.strip_prefix(b"\"") else {
        let end = text.iter().position(|octet| b",; \t".contains(octet)).unwrap_or(text.len());
        let (token, rest) = text.split_at_checked(end)?;
        return (!token.is_empty() && !token.contains(&b'"')).then(|| (token.to_vec(), rest));
    };
    let mut value = Vec::new();
    loop {
        let (octet, behind) = rest.split_first()?;
        rest = behind;
        match octet {
            b'"' => return Some((value, rest)),
            b'\\' => {
                let (escaped, behind) = rest.split_first()?;
                value.push(*escaped);
                rest = behind;
            }
            octet => value.push(*octet),
        }
    }
}

/// An address, perhaps with a port; one of IPv6 stands in brackets where it may not be `bare`. Or what a proxy writes
/// that does not tell: `unknown`, or a name of its own that begins with `_` (RFC 7239, section 6).
fn node(text: &[u8], bare: bool) -> Said {
    let text = std::str::from_utf8(text.trim_ascii()).map_err(|_| Unreadable)?;
    if text.eq_ignore_ascii_case("unknown") || text.starts_with('_') {
        return Ok(None);
    }
    let alone = || text.parse::<IpAddr>().ok().filter(|address| bare || address.is_ipv4());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::from);
    let with_port = || text.parse::<SocketAddr>().ok();
    let address = alone().or_else(in_brackets).map(|address| SocketAddr::new(address, 0)).or_else(with_port);
    let address = address.ok_or(Unreadable)?;
    Ok(Some(SocketAddr::new(address.ip().to_canonical(), address.port())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    const PEER: &str = "10.0.0.4";

    fn trusted(header: ForwardedHeader) -> Forwarded {
        Forwarded { from: vec!["10.0.0.0/24".parse().unwrap(), "fd00::/64".parse().unwrap()], header }
    }

    /// What is made of these field lines, each a name and a value.
    fn origin(peer: &str, header: ForwardedHeader, lines: &[(&'static str, &str)]) -> String {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        match of(peer.parse().unwrap(), &headers, &trusted(header)) {
            Ok(Some(address)) if address.port() == 0 => address.ip().to_string(),
            Ok(Some(address)) => address.to_string(),
            Ok(None) => "not said".to_owned(),
            Err(Unreadable) => "unreadable".to_owned(),
        }
    }

    #[test]
    fn what_a_trusted_proxy_added_last_is_believed_and_what_stands_before_it_is_not() {
        let cases: &[(&[&str], &str)] = &[
            (&["203.0.113.7"], "203.0.113.7"),
            (&["192.0.2.1, 203.0.113.7"], "203.0.113.7"),
            (&["192.0.2.1", "203.0.113.7"], "203.0.113.7"),
            (&["192.0.2.1, 203.0.113.7, 10.0.0.9"], "203.0.113.7"),
            (&["192.0.2.1, 203.0.113.7", "10.0.0.9,10.0.0.8"], "203.0.113.7"),
            (&["10.0.0.9, 203.0.113.7"], "203.0.113.7"),
            (&["noise, \", 203.0.113.7"], "203.0.113.7"),
            (&["203.0.113.7:4711"], "203.0.113.7:4711"),
            (&["2001:db8::7"], "2001:db8::7"),
            (&["[2001:db8::7]"], "2001:db8::7"),
            (&["[2001:db8::7]:4711"], "[2001:db8::7]:4711"),
            (&["::ffff:203.0.113.7"], "203.0.113.7"),
            (&["203.0.113.7, fd00::1"], "203.0.113.7"),
            // All of them are trusted: it began inside.
            (&["10.0.0.9, 10.0.0.8"], "10.0.0.9"),
            // The last one whose word was heard.
            (&["203.0.113.7, unknown, 10.0.0.9"], "10.0.0.9"),
            (&["203.0.113.7, _hidden, 10.0.0.9"], "10.0.0.9"),
            (&["unknown"], "not said"),
            (&[], "not said"),
            (&["203.0.113.7, , 10.0.0.9"], "unreadable"),
            (&["203.0.113.7,"], "unreadable"),
            (&[""], "unreadable"),
            (&["203.0.113.7 198.51.100.1"], "unreadable"),
            (&["010.0.0.1"], "unreadable"),
            (&["203.0.113.7:x"], "unreadable"),
            (&["é"], "unreadable"),
        ];
        for (values, expected) in cases {
            let lines: Vec<(&str, &str)> = values.iter().map(|value| ("x-forwarded-for", *value)).collect();
            let origin = |peer| origin(peer, ForwardedHeader::XForwardedFor, &lines);
            assert_eq!(origin(PEER), *expected, "{values:?}");
            assert_eq!(origin("10.0.1.4"), "not said", "by an address that is not trusted: {values:?}");
        }
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_has_it() {
        let cases: &[(&[&str], &str)] = &[
            (&["for=203.0.113.7"], "203.0.113.7"),
            (&["For=\"[2001:db8:cafe::17]:4711\""], "[2001:db8:cafe::17]:4711"),
            (&["for=192.0.2.60;proto=http;by=203.0.113.43"], "192.0.2.60"),
            (&["for=192.0.2.43, for=198.51.100.17"], "198.51.100.17"),
            (&["for=192.0.2.43, for=198.51.100.17;by=10.0.0.4, for=10.0.0.9"], "198.51.100.17"),
            (&["for=192.0.2.43", "proto=https;for=198.51.100.17"], "198.51.100.17"),
            (&["host=\"a,for=192.0.2.1\";for=198.51.100.17"], "198.51.100.17"),
            (&["for=198.51.100.17;host=\"a\\\",for=192.0.2.1\""], "198.51.100.17"),
            (&["for=198.51.100.17, for=_hidden, for=10.0.0.9"], "10.0.0.9"),
            (&["for=198.51.100.17, for=unknown"], "not said"),
            (&["for=198.51.100.17, proto=https"], "not said"),
            (&[""], "not said"),
            (&["for = 198.51.100.17"], "unreadable"),
            (&["for=198.51.100.17;for=192.0.2.1"], "unreadable"),
            (&["for=2001:db8::7"], "unreadable"),
            (&["for=\"198.51.100.17"], "unreadable"),
            (&["for=\"198.51.100.17\"x, for=192.0.2.1"], "unreadable"),
            (&["for=19\"8.51.100.17"], "unreadable"),
            (&["198.51.100.17"], "unreadable"),
            (&["for="], "unreadable"),
            // A quoted string that a client left open would take in what its proxy added.
            (&["for=192.0.2.1;host=\", for=198.51.100.17"], "unreadable"),
            (&["for=192.0.2.1;host=\", for=\"[2001:db8::7]\""], "unreadable"),
            (&["for=\"", "for=198.51.100.17"], "unreadable"),
        ];
        for (values, expected) in cases {
            let lines: Vec<(&str, &str)> = values.iter().map(|value| ("forwarded", *value)).collect();
            assert_eq!(origin(PEER, ForwardedHeader::Forwarded, &lines), *expected, "{values:?}");
        }
    }

    #[test]
    fn only_the_header_that_the_proxies_write_is_read() {
        let lines =
            [("x-forwarded-for", "203.0.113.7"), ("forwarded", "for=198.51.100.17"), ("x-real-ip", "192.0.2.1")];
        assert_eq!(origin(PEER, ForwardedHeader::XForwardedFor, &lines), "203.0.113.7");
        assert_eq!(origin(PEER, ForwardedHeader::Forwarded, &lines), "198.51.100.17");
    }

    proptest! {
        #[test]
        fn whatever_a_client_wrote_before_its_proxy_did_changes_nothing(
            client in "[ -~]{0,60}",
            x_forwarded_for: bool,
        ) {
            let (header, name, added) = if x_forwarded_for {
                (ForwardedHeader::XForwardedFor, "x-forwarded-for", "203.0.113.7")
            } else {
                (ForwardedHeader::Forwarded, "forwarded", "for=203.0.113.7")
            };
            let origin = |lines: &[(&'static str, &str)]| origin(PEER, header, lines);
            for found in [origin(&[(name, &format!("{client}, {added}"))]), origin(&[(name, &client), (name, added)])] {
                prop_assert!(found == "203.0.113.7" || found == "unreadable", "{}", found);
            }
        }
    }
}
