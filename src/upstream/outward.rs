//! What the gate says to servers that take the PROXY protocol: version 2 (HAProxy's `proxy-protocol.txt`, section 2.2), with
//! the client's addresses and what its TLS was. It belongs to the connection, which is therefore one client's alone.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2 with the command PROXY, and with LOCAL: the connection is the gate's own.
const PROXY: u8 = 0x21;
const LOCAL: u8 = 0x20;
/// A stream over IPv4, and over IPv6.
const TCP4: u8 = 0x11;
const TCP6: u8 = 0x21;
/// Types of fields (section 2.2.1), those of TLS within the one of TLS (section 2.2.6).
const ALPN: u8 = 0x01;
const AUTHORITY: u8 = 0x02;
const SSL: u8 = 0x20;
const SSL_VERSION: u8 = 0x21;
const SSL_CN: u8 = 0x22;
/// What the client did: it spoke TLS, and showed a certificate on this connection.
const CLIENT_SSL: u8 = 0x01;
const CLIENT_CERTIFICATE: u8 = 0x02;
/// The longest value that is said; what is longer is left out.
const MOST: usize = 1024;

/// What is said of a client.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// Where it came from.
    pub source: SocketAddr,
    /// What it connected to.
    pub destination: SocketAddr,
    /// The version of TLS: `TLSv1.3`.
    pub version: &'a str,
    /// The name that it asked for in TLS.
    pub server_name: Option<&'a str>,
    /// The protocol that was agreed upon.
    pub protocol: &'a str,
    /// The common name of its certificate, empty if that has none; `None` unless it showed one that was accepted.
    pub common_name: Option<&'a str>,
}

/// The header for a client's connection.
#[must_use]
pub fn header(said: &Said<'_>) -> Vec<u8> {
    let (source, destination) = (said.source.ip().to_canonical(), said.destination.ip().to_canonical());
    let mut rest = Vec::with_capacity(128);
    let family = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            rest.extend(source.octets());
            rest.extend(destination.octets());
            TCP4
        }
        (source, destination) => {
            rest.extend(as_six(source).octets());
            rest.extend(as_six(destination).octets());
            TCP6
        }
    };
    rest.extend(said.source.port().to_be_bytes());
    rest.extend(said.destination.port().to_be_bytes());
    field(&mut rest, ALPN, said.protocol.as_bytes());
    if let Some(name) = said.server_name {
        field(&mut rest, AUTHORITY, name.as_bytes());
    }
    let certificate = if said.common_name.is_some() { CLIENT_CERTIFICATE } else { 0 };
    let mut tls = vec![CLIENT_SSL | certificate];
    // Zero says that the certificate was verified.
    tls.extend(u32::from(said.common_name.is_none()).to_be_bytes());
    field(&mut tls, SSL_VERSION, said.version.as_bytes());
    if let Some(name) = said.common_name.filter(|name| !name.is_empty()) {
        field(&mut tls, SSL_CN, name.as_bytes());
    }
    field(&mut rest, SSL, &tls);
    whole(PROXY, family, &rest)
}

/// The header for a connection of the gate's own: a check.
#[must_use]
pub fn local() -> Vec<u8> {
    whole(LOCAL, 0, &[])
}

fn whole(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let mut header = SIGNATURE.to_vec();
    header.extend([command, family]);
    header.extend(u16::try_from(rest.len()).unwrap_or_default().to_be_bytes());
    header.extend(rest);
    header
}

fn field(to: &mut Vec<u8>, kind: u8, value: &[u8]) {
    if value.len() > MOST {
        return;
    }
    to.push(kind);
    to.extend(u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
    to.extend(value);
}

fn as_six(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::proxy_protocol::{Header, Parser};
    use proptest::prelude::*;

    const CLIENT: Said<'_> = Said {
        source: SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7)), 40_000),
        destination: SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)), 9443),
        version: "TLSv1.3",
        server_name: Some("a.example"),
        protocol: "h2",
        common_name: Some("alice"),
    };

    fn read(header: &[u8]) -> Header {
        let (taken, read) = Parser::default().take(header).unwrap();
        assert_eq!(taken, header.len());
        read.unwrap()
    }

    #[test]
    fn a_client_with_a_certificate_is_said_as_the_specification_has_it() {
        let mut expected = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x3c".to_vec();
        expected.extend(b"\xc0\0\x02\x07\x0a\0\0\x01\x9c\x40\x24\xe3");
        expected.extend(b"\x01\0\x02h2\x02\0\x09a.example");
        expected.extend(b"\x20\0\x17\x03\0\0\0\0\x21\0\x07TLSv1.3\x22\0\x05alice");
        let length = expected.len() - 16;
        expected[15] = u8::try_from(length).unwrap();
        assert_eq!(header(&CLIENT), expected);
    }

    #[test]
    fn who_was_not_accepted_is_not_verified_and_has_no_name() {
        let header = header(&Said { common_name: None, ..CLIENT });
        let tls = [SSL, 0, 15, CLIENT_SSL, 0, 0, 0, 1, SSL_VERSION];
        assert!(header.windows(tls.len()).any(|window| window == tls), "{header:?}");
        assert!(!header.windows(5).any(|window| window == b"alice"));
    }

    #[test]
    fn a_check_is_a_connection_of_the_gates_own() {
        assert_eq!(read(&local()), Header::Local);
    }

    proptest! {
        #[test]
        fn what_is_said_can_be_read(
            source: (IpAddr, u16),
            destination: (IpAddr, u16),
            name in proptest::option::of(".{0,2000}"),
        ) {
            let (source, destination) = (SocketAddr::from(source), SocketAddr::from(destination));
            let said = Said { source, destination, common_name: name.as_deref(), ..CLIENT };
            let plain = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
            let expected = Header::Proxied { source: plain(source), destination: plain(destination) };
            prop_assert_eq!(read(&header(&said)), expected);
        }
    }
}
