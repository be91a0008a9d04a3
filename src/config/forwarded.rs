//! Which proxies may say in a header who a request's client is.

use crate::base::address::AddressRange;
use schemars::JsonSchema;
use serde::Deserialize;
use std::net::IpAddr;

/// Proxies that end HTTP before a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarded {
    /// Their addresses; at least one.
    pub from: Vec<AddressRange>,
    /// Where they write the address of whoever asked them.
    pub header: ForwardedHeader,
}

/// The header that is believed. There is one, since a client can send whatever its proxy does not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`.
    #[default]
    #[serde(rename = "X-Forwarded-For")]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl Forwarded {
    /// Whether what this address says of its own client is believed.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.from.iter().any(|range| range.contains(address))
    }
}
