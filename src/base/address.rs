//! Addresses: as limits and throttles count clients (one IPv4 address, or one IPv6 /64, which is what a
//! single subscriber is usually given), ranges of them, and whether one is open to the whole Internet.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// The unit in which clients are counted by address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressPrefix(IpAddr);

impl AddressPrefix {
    /// The prefix that an address belongs to; an IPv4-mapped IPv6 address counts as IPv4.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(IpAddr::V4(v4)),
            IpAddr::V6(v6) => {
                let network = u128::from(v6) & (u128::MAX << 64);
                Self(IpAddr::V6(Ipv6Addr::from(network)))
            }
        }
    }
}

impl fmt::Display for AddressPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(v4) => write!(f, "{v4}"),
            IpAddr::V6(v6) => write!(f, "{v6}/64"),
        }
    }
}

/// The addresses that agree in their first bits (RFC 4632): `10.0.0.0/8`, `2001:db8::/32`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AddressRange {
    network: IpAddr,
    bits: u8,
}

/// The text is not a range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotARange {
    /// It is no address, or no number of bits follows it.
    #[error("this is not a range of addresses: write `10.0.0.0/8`, `2001:db8::/32` or `192.0.2.7`")]
    Malformed,
    /// Bits are set behind the prefix, so that it is unclear which range is meant.
    #[error("bits are set behind the first {0}: write the first address of the range")]
    HostBits(u8),
}

impl AddressRange {
    /// Whether it is a good part of the Internet rather than anybody's own network: wider than the widest that are
    /// private (RFC 1918: 8 bits of IPv4; RFC 4193: 7 bits of IPv6), or than what a provider has.
    #[must_use]
    pub fn is_wide(&self) -> bool {
        self.bits < if self.network.is_ipv4() { 8 } else { 7 }
    }

    /// Whether an address lies in it. An IPv4-mapped IPv6 address counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => prefix_v4(address, self.bits) == network,
            (IpAddr::V6(network), IpAddr::V6(address)) => prefix_v6(address, self.bits) == network,
            _ => false,
        }
    }
}

fn prefix_v4(address: Ipv4Addr, bits: u8) -> Ipv4Addr {
    let mask = u32::MAX.checked_shl(32_u32.saturating_sub(u32::from(bits))).unwrap_or(0);
    Ipv4Addr::from(u32::from(address) & mask)
}

fn prefix_v6(address: Ipv6Addr, bits: u8) -> Ipv6Addr {
    let mask = u128::MAX.checked_shl(128_u32.saturating_sub(u32::from(bits))).unwrap_or(0);
    Ipv6Addr::from(u128::from(address) & mask)
}

impl FromStr for AddressRange {
    type Err = NotARange;

    fn from_str(text: &str) -> Result<Self, NotARange> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let network: IpAddr = address.parse().map_err(|_| NotARange::Malformed)?;
        let most = if network.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                bits.parse().ok().filter(|bits| *bits <= most).ok_or(NotARange::Malformed)?
            }
            Some(_) => return Err(NotARange::Malformed),
        };
        let range = Self { network, bits };
        let first = match network {
            IpAddr::V4(address) => IpAddr::V4(prefix_v4(address, bits)),
            IpAddr::V6(address) => IpAddr::V6(prefix_v6(address, bits)),
        };
        if first == network { Ok(range) } else { Err(NotARange::HostBits(bits)) }
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.bits)
    }
}

/// The IPv4 networks that are not of the open Internet (RFC 6890 and the registry it began), as address and
/// number of bits.
const SPECIAL_V4: &[([u8; 4], u8)] = &[
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 31, 196, 0], 24),
    ([192, 52, 193, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([192, 175, 48, 0], 24),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 3),
];

/// The parts of 2000::/3, the only IPv6 space that is given out, that are not of the open Internet: protocol
/// assignments with Teredo (RFC 4380), documentation, and 6to4 (RFC 3056), which leads to any IPv4 address.
const SPECIAL_V6: &[(u128, u8)] =
    &[(0x2001_0000 << 96, 23), (0x2001_0db8 << 96, 32), (0x2002 << 112, 16), (0x3fff << 112, 20)];

/// Whether an address is one of the open Internet: not private, loopback, link-local, multicast, unspecified,
/// shared (RFC 6598), for documentation or otherwise special, in IPv4 or in any IPv6 spelling of it: mapped,
/// NAT64 (RFC 6052, RFC 8215), 6to4 or Teredo. What is in doubt is not.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            !SPECIAL_V4.iter().any(|(network, bits)| prefix_v4(address, *bits) == Ipv4Addr::from(*network))
        }
        IpAddr::V6(address) => {
            prefix_v6(address, 3) == Ipv6Addr::from(0x2000 << 112)
                && !SPECIAL_V6.iter().any(|(network, bits)| prefix_v6(address, *bits) == Ipv6Addr::from(*network))
        }
    }
}

/// Whether a resolver could take a host name for a number: its last label is one, in whatever base.
#[must_use]
pub fn looks_numeric(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    let hexadecimal = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    (!last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()))
        || hexadecimal.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_range_holds_what_agrees_in_its_first_bits() {
        let cases = [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "::ffff:10.1.2.3", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.0.0.0/8", "::a00:1", false),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "192.0.2.6", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("2001:db8::/32", "2001:db8:ffff::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("::/0", "2001:db8::1", true),
            ("::1", "::1", true),
        ];
        for (range, address, expected) in cases {
            let range: AddressRange = range.parse().unwrap();
            assert_eq!(range.contains(address.parse().unwrap()), expected, "{range} {address}");
        }
    }

    #[test]
    fn a_range_is_written_with_its_first_address() {
        let malformed = ["", "10", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "::/129", "10.0.0.0/8/8", "localhost"];
        for text in malformed {
            assert_eq!(text.parse::<AddressRange>(), Err(NotARange::Malformed), "{text}");
        }
        assert_eq!("10.1.0.0/8".parse::<AddressRange>(), Err(NotARange::HostBits(8)));
        assert_eq!("2001:db8::1/32".parse::<AddressRange>(), Err(NotARange::HostBits(32)));
    }

    #[test]
    fn an_address_is_public_only_if_the_whole_internet_may_use_it() {
        let public = ["8.8.8.8", "1.1.1.1", "198.17.0.1", "100.128.0.1", "172.32.0.1", "2606:4700::1111", "2a00::1"];
        for address in public {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        let special = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::a00:1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        for address in special {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    proptest! {
        #[test]
        fn an_ipv4_address_is_judged_the_same_in_its_mapped_spelling(octets: [u8; 4]) {
            let address = Ipv4Addr::from(octets);
            prop_assert_eq!(is_public(address.into()), is_public(address.to_ipv6_mapped().into()));
        }

        #[test]
        fn a_range_reads_the_same_when_it_is_written(octets: [u8; 16], bits in 0_u8..=128) {
            let range = AddressRange { network: prefix_v6(Ipv6Addr::from(octets), bits).into(), bits };
            prop_assert_eq!(range.to_string().parse(), Ok(range));
            prop_assert!(range.contains(range.network));
        }
    }

    #[test]
    fn an_ipv6_client_is_counted_by_its_64() {
        let cases = [
            ("192.0.2.7", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ];
        for (address, expected) in cases {
            assert_eq!(AddressPrefix::of(address.parse().unwrap()).to_string(), expected);
        }
    }
}
