//! Which addresses may be connected to. What is tested is the address of the connection itself, after the name
//! was resolved and for each redirect anew, so that no name, whoever answers for it, leads inside.

use crate::base::address;
use crate::config::PrivateAddresses;
use std::net::IpAddr;

/// The addresses that may be connected to: the open Internet's, and what the configuration adds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Guard {
    private: PrivateAddresses,
}

impl Guard {
    /// A guard that allows these besides the open Internet.
    #[must_use]
    pub fn new(private: PrivateAddresses) -> Self {
        Self { private }
    }

    /// Whether an address may be connected to.
    #[must_use]
    pub fn allows(&self, address: IpAddr) -> bool {
        match &self.private {
            PrivateAddresses::Allow => true,
            PrivateAddresses::Refuse => address::is_public(address),
            PrivateAddresses::Within(ranges) => {
                address::is_public(address) || ranges.iter().any(|range| range.contains(address))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_inside_is_connected_to_only_if_the_configuration_says_so() {
        let within = PrivateAddresses::Within(vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        let cases = [
            ("1.1.1.1", [true, true, true]),
            ("10.1.2.3", [false, true, true]),
            ("::ffff:10.1.2.3", [false, true, true]),
            ("192.168.0.1", [false, true, false]),
            ("127.0.0.1", [false, true, false]),
            ("169.254.169.254", [false, true, false]),
            ("fd00::1", [false, true, true]),
            ("64:ff9b::a01:203", [false, true, false]),
        ];
        let guards = [PrivateAddresses::Refuse, PrivateAddresses::Allow, within].map(Guard::new);
        for (address, expected) in cases {
            let allowed = guards.each_ref().map(|guard| guard.allows(address.parse().unwrap()));
            assert_eq!(allowed, expected, "{address}");
        }
    }
}
