//! The PROXY protocol, versions 1 and 2 (HAProxy's `proxy-protocol.txt`, sections 2.1 and 2.2): what a TCP
//! balancer writes before the client's first octet, so that the client's address is known behind it.
//! [`Parser`] does no IO; [`read`] takes from a socket what belongs to the header and not one octet more,
//! for what follows is TLS. Whose headers are believed is left to the accept loop.

mod binary;
mod crc32c;
mod text;

pub use binary::MOST as MOST_BINARY;
pub use text::MOST as MOST_TEXT;

use std::io;
use std::net::{IpAddr, SocketAddr};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// How much is looked at, and taken, at once; a header without fields of its balancer's own is shorter.
const PIECE: usize = 256;

/// What a header says. Addresses of IPv4 are plain, also where the header has them in IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// The balancer hands on a connection between these two.
    Proxied {
        /// The client.
        source: SocketAddr,
        /// What the client connected to.
        destination: SocketAddr,
    },
    /// The balancer hands on a connection of which it names no addresses that have a port: version 1's
    /// `UNKNOWN`, version 2's `UNSPEC`, or a Unix socket. The socket's own addresses are the ones that count.
    Unknown,
    /// The connection is the balancer's own: it looks whether the gate is there. The same addresses count.
    Local,
}

/// Why octets are no header that is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Neither version begins like this.
    #[error("what came first is no PROXY header")]
    NoHeader,
    /// The line of version 1.
    #[error("version 1: {0}")]
    Line(&'static str),
    /// Version 2: another version, or a command that is not assigned.
    #[error("version 2: version and command {0:#04x} are none of 0x20 (LOCAL) and 0x21 (PROXY)")]
    Command(u8),
    /// Version 2: no stream, or a family that is not assigned.
    #[error("version 2: family and protocol {0:#04x} are no stream over IPv4, IPv6 or a Unix socket")]
    Family(u8),
    /// Version 2: more than is read.
    #[error("version 2: {0} octets follow, and at most {MOST_BINARY} are read")]
    TooLong(u16),
    /// Version 2: fewer octets than the addresses of the family have.
    #[error("version 2: {0} octets are too few for the addresses of the family")]
    TooShort(usize),
    /// Version 2: a field that ends behind the header.
    #[error("version 2: the field of type {0:#04x} runs over the end of the header")]
    Field(u8),
    /// Version 2: a checksum that is not the header's.
    #[error("version 2: the checksum is not that of the header")]
    Checksum,
}

/// Takes a header piece by piece, however it is cut.
#[derive(Debug, Default)]
pub struct Parser {
    octets: Vec<u8>,
}

impl Parser {
    /// Takes from the beginning of `octets` what belongs to the header: how many those are, and the header
    /// if it is whole. All of them are taken while it is not. What is wrong is found with the first octet
    /// that shows it, and nothing can be taken after that, or after the end.
    ///
    /// # Errors
    /// Why this cannot become a header.
    pub fn take(&mut self, octets: &[u8]) -> Result<(usize, Option<Header>), HeaderError> {
        for (before, octet) in octets.iter().enumerate() {
            self.octets.push(*octet);
            let header = match self.octets.first() {
                Some(&text::FIRST) => text::look(&self.octets),
                _ => binary::look(&self.octets),
            };
            if let Some(header) = header? {
                return Ok((before + 1, Some(header)));
            }
        }
        Ok((octets.len(), None))
    }

    /// How many octets were taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.octets.len()
    }
}

/// Whether these first octets of a connection are a header's, as far as they tell.
#[must_use]
pub fn is_header(octets: &[u8]) -> bool {
    octets.starts_with(text::BEGINNING) || octets.starts_with(&binary::SIGNATURE)
}

/// Whether a header may begin with this octet. TLS cannot.
#[must_use]
pub fn may_begin(octet: u8) -> bool {
    octet == text::FIRST || octet == binary::FIRST
}

/// Why there is no header on a socket.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The socket.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The octets.
    #[error("{0}")]
    Header(#[from] HeaderError),
    /// The connection ended.
    #[error("the connection ended after {0} octets of the PROXY header")]
    Ended(usize),
}

/// Takes a header from a socket, and leaves in it what follows. It waits as long as the header takes: a
/// deadline is the caller's.
///
/// # Errors
/// When the socket fails or ends, or has no header.
pub async fn read(stream: &mut TcpStream) -> Result<Header, ReadError> {
    let mut parser = Parser::default();
    let mut piece = [0; PIECE];
    loop {
        let seen = stream.peek(&mut piece).await?;
        let octets = piece.get(..seen).unwrap_or_default();
        if octets.is_empty() {
            return Err(ReadError::Ended(parser.taken()));
        }
        let (taken, header) = parser.take(octets)?;
        stream.read_exact(piece.get_mut(..taken).unwrap_or_default()).await?;
        if let Some(header) = header {
            return Ok(header);
        }
    }
}

/// An address with what is IPv4 made plain.
#[must_use]
pub fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

fn proxied(source: (IpAddr, u16), destination: (IpAddr, u16)) -> Header {
    Header::Proxied { source: plain(source.into()), destination: plain(destination.into()) }
}

#[cfg(test)]
mod tests;
