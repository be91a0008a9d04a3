//! Version 2: sixteen octets, addresses, and fields (section 2.2). The fields are stepped over, each within the
//! header; of those assigned only the checksum is looked at, because it says whether to believe the rest.

use super::crc32c::crc32c;
use super::{Header, HeaderError, proxied};
use std::net::IpAddr;

/// How many octets may follow the first sixteen. The addresses take 216 at most; a balancer that describes the
/// TLS connection that it ended itself takes some hundred more.
pub const MOST: usize = 4096;

pub(super) const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
pub(super) const FIRST: u8 = b'\r';

/// The two addresses of a pair of Unix sockets.
const UNIX: usize = 216;
/// `PP2_TYPE_CRC32C`.
const CHECKSUM: u8 = 0x03;

/// The header that these octets are, if they are all of it. They were looked at after each octet before.
pub(super) fn look(octets: &[u8]) -> Result<Option<Header>, HeaderError> {
    if !octets.iter().zip(&SIGNATURE).all(|(octet, expected)| octet == expected) {
        return Err(HeaderError::NoHeader);
    }
    let Some((fixed, rest)) = octets.split_first_chunk::<16>() else { return Ok(None) };
    let [.., command, family, high, low] = *fixed;
    let length = u16::from_be_bytes([high, low]);
    let local = match command {
        0x20 => true,
        0x21 => false,
        other => return Err(HeaderError::Command(other)),
    };
    if !local && !matches!(family, 0x00 | 0x11 | 0x21 | 0x31) {
        return Err(HeaderError::Family(family));
    }
    if usize::from(length) > MOST {
        return Err(HeaderError::TooLong(length));
    }
    if rest.len() < usize::from(length) {
        return Ok(None);
    }
    if local {
        // Whatever follows is to be thrown away, its family as well.
        return Ok(Some(Header::Local));
    }
    let too_short = HeaderError::TooShort(rest.len());
    let (header, fields) = match family {
        0x11 => addresses::<4>(rest).ok_or(too_short)?,
        0x21 => addresses::<16>(rest).ok_or(too_short)?,
        0x31 => (Header::Unknown, rest.get(UNIX..).ok_or(too_short)?),
        _ => (Header::Unknown, rest),
    };
    check_fields(octets, fields)?;
    Ok(Some(header))
}

fn addresses<const N: usize>(octets: &[u8]) -> Option<(Header, &[u8])>
where
    IpAddr: From<[u8; N]>,
{
    let (source, rest) = octets.split_first_chunk::<N>()?;
    let (destination, rest) = rest.split_first_chunk::<N>()?;
    let (source_port, rest) = rest.split_first_chunk()?;
    let (destination_port, rest) = rest.split_first_chunk()?;
    let header = proxied(
        (IpAddr::from(*source), u16::from_be_bytes(*source_port)),
        (IpAddr::from(*destination), u16::from_be_bytes(*destination_port)),
    );
    Some((header, rest))
}

/// Steps over the fields at the header's end: a type, the length of a value in two octets, the value.
fn check_fields(header: &[u8], mut fields: &[u8]) -> Result<(), HeaderError> {
    let mut checksums = 0;
    while let Some((&kind, rest)) = fields.split_first() {
        let runs_over = HeaderError::Field(kind);
        let (length, rest) = rest.split_first_chunk().ok_or(runs_over)?;
        let (value, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into()).ok_or(runs_over)?;
        if kind == CHECKSUM {
            let before = header.len() - rest.len() - value.len();
            checksums += 1;
            // Two checksums would each be made over the other one.
            if checksums > 1 || !is_checksum(header, before, value, rest) {
                return Err(HeaderError::Checksum);
            }
        }
        fields = rest;
    }
    Ok(())
}

/// Whether a value is the checksum of its header, which is made with zeros in its place.
fn is_checksum(header: &[u8], before: usize, value: &[u8], behind: &[u8]) -> bool {
    let computed = crc32c([header.get(..before).unwrap_or_default(), &[0; 4], behind].into_iter().flatten());
    value == computed.to_be_bytes()
}
