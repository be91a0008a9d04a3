//! Which balancers may say who a listener's clients are.

use crate::base::address::AddressRange;
use std::net::IpAddr;

/// The PROXY protocol on a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyProtocol {
    /// The addresses of the balancers whose headers are believed; at least one.
    pub from: Vec<AddressRange>,
    /// Whether every connection needs a header, so that nobody but a balancer may connect.
    pub required: bool,
}

impl ProxyProtocol {
    /// Whether a header from this address is believed.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.from.iter().any(|range| range.contains(address))
    }
}
