//! One name against one subtree (RFC 5280, section 4.2.1.10). For names of which each stands for itself,
//! being held by a permitted subtree and being touched by an excluded one are the same question. They differ
//! where a name stands for many (a wildcard must be held whole, and must not be touched in part), or where
//! only the receiver knows whether two spellings are one (the local part of an address); then both
//! answers are the ones that let less through.

use super::Kind;
use crate::certificate::{facts, name};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A subtree of names that a constraint permits or excludes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subtree {
    /// The names that begin with these octets, in the form of [`name::prepared`].
    Directory(Vec<u8>),
    /// One address.
    Mailbox(Mailbox),
    /// The addresses at these hosts.
    EmailHosts(Hosts),
    DnsNames(Hosts),
    UriHosts(Hosts),
    Network(Network),
    /// A kind of which nobody has said how its names compare.
    Unknown(Kind),
}

/// A name that is held against subtrees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    /// In the form of [`name::prepared`].
    Directory(Vec<u8>),
    Email(Mailbox),
    Dns(String),
    /// All names that have one label more than this one.
    Wildcard(String),
    /// The host of the URI.
    Uri(String),
    V4(Ipv4Addr),
    V6(Ipv6Addr),
}

/// An address; the host is in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mailbox {
    local: String,
    host: String,
}

/// A set of hosts, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hosts {
    All,
    One(String),
    /// Those that have at least one label more.
    Below(String),
    /// This one and those below it.
    From(String),
}

/// A range of IP addresses: network and mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Network {
    V4(u32, u32),
    V6(u128, u128),
}

/// Why a name or a subtree cannot be used.
pub(super) type Why = &'static str;

impl Subtree {
    /// Reads the base of a GeneralSubtree.
    pub(super) fn read(kind: Kind, content: &[u8]) -> Result<Self, Why> {
        Ok(match kind {
            Kind::Directory => Self::Directory(name::prepared(content).map_err(|_| NO_NAME)?),
            Kind::Email => Self::addresses(ascii(content)?)?,
            Kind::Dns => Self::DnsNames(Hosts::read(ascii(content)?, Hosts::From)?),
            Kind::Uri => Self::UriHosts(Hosts::read(ascii(content)?, Hosts::One)?),
            Kind::Address => Self::Network(Network::read(content)?),
            Kind::Other | Kind::X400Address | Kind::EdiParty | Kind::Registered => Self::Unknown(kind),
        })
    }

    fn addresses(text: &str) -> Result<Self, Why> {
        Ok(match text.split_once('@') {
            None => Self::EmailHosts(Hosts::read(text, Hosts::One)?),
            // Not in RFC 5280, but there is only one thing it can mean.
            Some(("", host)) => Self::EmailHosts(Hosts::One(self::host(host)?)),
            Some(_) => Self::Mailbox(Mailbox::read(text)?),
        })
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Directory(_) => Kind::Directory,
            Self::Mailbox(_) | Self::EmailHosts(_) => Kind::Email,
            Self::DnsNames(_) => Kind::Dns,
            Self::UriHosts(_) => Kind::Uri,
            Self::Network(_) => Kind::Address,
            Self::Unknown(kind) => *kind,
        }
    }

    /// Whether all that the name stands for is within the subtree, so that permitting this permits the name.
    pub(super) fn holds(&self, name: &Name) -> bool {
        match (self, name) {
            (Self::Directory(base), Name::Directory(name)) => name.starts_with(base),
            (Self::Mailbox(one), Name::Email(address)) => one == address,
            (Self::EmailHosts(hosts), Name::Email(address)) => hosts.contain(&address.host),
            (Self::DnsNames(hosts), Name::Dns(host)) | (Self::UriHosts(hosts), Name::Uri(host)) => hosts.contain(host),
            (Self::DnsNames(hosts), Name::Wildcard(parent)) => hosts.contain_below(parent),
            (Self::Network(Network::V4(network, mask)), Name::V4(address)) => address.to_bits() & mask == *network,
            (Self::Network(Network::V6(network, mask)), Name::V6(address)) => address.to_bits() & mask == *network,
            _ => false,
        }
    }

    /// Whether any of what the name stands for may be within the subtree, so that excluding this excludes the name.
    pub(super) fn touches(&self, name: &Name) -> bool {
        match (self, name) {
            (Self::Mailbox(one), Name::Email(address)) => {
                one.host == address.host && one.local.eq_ignore_ascii_case(&address.local)
            }
            (Self::DnsNames(Hosts::From(domain)), Name::Wildcard(parent)) => {
                is_from(parent, domain) || domain.split_once('.').is_some_and(|(_, above)| above == parent)
            }
            (Self::Network(Network::V4(network, mask)), Name::V6(address)) => {
                address.to_ipv4_mapped().is_some_and(|address| address.to_bits() & mask == *network)
            }
            _ => self.holds(name),
        }
    }
}

impl Name {
    /// Reads the content of a GeneralName.
    pub(super) fn read(kind: Kind, content: &[u8]) -> Result<Self, Why> {
        Ok(match kind {
            Kind::Directory => Self::Directory(name::prepared(content).map_err(|_| NO_NAME)?),
            Kind::Email => Self::Email(Mailbox::read(ascii(content)?)?),
            Kind::Dns => {
                let text = ascii(content)?;
                match text.strip_prefix("*.") {
                    Some(parent) => Self::Wildcard(host(parent)?),
                    None => Self::Dns(host(text)?),
                }
            }
            Kind::Uri => Self::Uri(host_of_uri(ascii(content)?)?),
            Kind::Address => match facts::ip_address(content).map_err(|_| "it has neither 4 nor 16 octets")? {
                IpAddr::V4(address) => Self::V4(address),
                IpAddr::V6(address) => Self::V6(address),
            },
            Kind::Other | Kind::X400Address | Kind::EdiParty | Kind::Registered => {
                return Err("how such names compare is not known");
            }
        })
    }
}

impl Mailbox {
    /// Takes a plain address. A quoted local part has several spellings, and an address literal no host: neither
    /// can be told from what is excluded.
    fn read(text: &str) -> Result<Self, Why> {
        let (local, domain) = text.split_once('@').ok_or("it is no e-mail address")?;
        let plain = |octet: u8| octet.is_ascii_graphic() && !matches!(octet, b'"' | b'\\' | b'(' | b')' | b'<' | b'>');
        if local.is_empty() || !local.bytes().all(plain) {
            return Err("its local part is empty, quoted or no plain text");
        }
        Ok(Self { local: local.to_owned(), host: host(domain)? })
    }
}

impl Hosts {
    /// Reads a constraint of hosts: nothing, which is all of them as NSS and Go have it; `.example.org`, which is
    /// those below it; and `example.org`, whose meaning differs between kinds of names.
    fn read(text: &str, plain: fn(String) -> Self) -> Result<Self, Why> {
        match text.strip_prefix('.') {
            _ if text.is_empty() => Ok(Self::All),
            Some(domain) => host(domain).map(Self::Below),
            None => host(text).map(plain),
        }
    }

    fn contain(&self, host: &str) -> bool {
        match self {
            Self::All => true,
            Self::One(one) => one == host,
            Self::Below(domain) => host != domain && is_from(host, domain),
            Self::From(domain) => is_from(host, domain),
        }
    }

    /// Whether they contain every host that has one label more than this one.
    fn contain_below(&self, parent: &str) -> bool {
        match self {
            Self::All => true,
            Self::One(_) => false,
            Self::Below(domain) | Self::From(domain) => is_from(parent, domain),
        }
    }
}

impl Network {
    /// Reads an address and a mask. A mask with holes is no range (RFC 4632).
    fn read(content: &[u8]) -> Result<Self, Why> {
        const HOLES: Why = "its mask has holes";
        match *content {
            [a, b, c, d, ref mask @ ..] if mask.len() == 4 => {
                let mask = mask.iter().fold(0, |mask, octet| mask << 8 | u32::from(*octet));
                if mask.leading_ones() + mask.trailing_zeros() < u32::BITS {
                    return Err(HOLES);
                }
                Ok(Self::V4(u32::from_be_bytes([a, b, c, d]) & mask, mask))
            }
            _ => {
                let ([address, mask], []) = content.as_chunks::<16>() else {
                    return Err("it has neither 8 nor 32 octets");
                };
                let mask = u128::from_be_bytes(*mask);
                if mask.leading_ones() + mask.trailing_zeros() < u128::BITS {
                    return Err(HOLES);
                }
                Ok(Self::V6(u128::from_be_bytes(*address) & mask, mask))
            }
        }
    }
}

const NO_NAME: Why = "it is no distinguished name";

fn ascii(content: &[u8]) -> Result<&str, Why> {
    std::str::from_utf8(content).ok().filter(|text| text.is_ascii()).ok_or("it is not in ASCII")
}

/// A host name in lower case: labels of letters, digits, `-` and, since many have it, `_`; no dot at its end.
fn host(text: &str) -> Result<String, Why> {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-_".contains(&octet))
    };
    if text.len() <= 253 && text.split('.').all(is_label) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("it has no well-formed host name")
    }
}

/// Whether a host is the domain or below it.
fn is_from(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// The host of a URI (RFC 3986), which must be a fully qualified name. What is not in the alphabet of URIs is refused,
/// since programs differ in where they see the host's end.
fn host_of_uri(text: &str) -> Result<String, Why> {
    const ALPHABET: &[u8] = b"-._~:/?#[]@!$&'()*+,;=%";
    if !text.bytes().all(|octet| octet.is_ascii_alphanumeric() || ALPHABET.contains(&octet)) {
        return Err("it is no URI");
    }
    let (scheme, rest) = text.split_once(':').ok_or("it is no URI")?;
    let first_is_letter = scheme.starts_with(|first: char| first.is_ascii_alphabetic());
    if !first_is_letter || !scheme.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet)) {
        return Err("it is no URI");
    }
    let authority = rest.strip_prefix("//").ok_or("it has no host")?;
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let at_host = match authority.split_once('@') {
        Some((_, behind)) if behind.contains('@') => return Err("it is no URI"),
        Some((_, behind)) => behind,
        None => authority,
    };
    let (name, port) = at_host.split_once(':').unwrap_or((at_host, ""));
    if !port.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err("it has no well-formed host name");
    }
    let name = host(name)?;
    let is_number = |label: &str| label.bytes().all(|octet| octet.is_ascii_digit()) || label.starts_with("0x");
    match name.rsplit_once('.') {
        None => Err("its host is not fully qualified"),
        Some((_, last)) if is_number(last) => Err("its host is an IP address"),
        Some(_) => Ok(name),
    }
}

#[cfg(test)]
mod tests;
