//! Part of the checked model: how long a client may take, how much it may send and hold, and how many requests it may
//! make.

use crate::base::address::AddressRange;
use schemars::JsonSchema;
use serde::Deserialize;
use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::time::Duration;

/// How long each phase may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeouts {
    /// From accept to the end of the TLS handshake.
    pub handshake: Duration,
    /// From the first octet of a request (or the end of the handshake) to the end of its head.
    pub request_head: Duration,
    /// How long a connection may stand without a request.
    pub idle: Duration,
    /// How long open requests may take to end at shutdown.
    pub drain: Duration,
    /// How fast a client must be while the gate waits for it.
    pub least_rate: LeastRate,
}

/// How fast a client must send and take, in octets a second; `None` is any rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeastRate {
    /// The body of a request, until its answer begins.
    pub upload: Option<NonZeroU64>,
    /// Answers.
    pub download: Option<NonZeroU64>,
    /// For how long it may be slower.
    pub grace: Duration,
}

/// How much a client may send and hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Open connections in all.
    pub connections: usize,
    /// Open connections of one address (IPv6: of one /64).
    pub connections_per_address: usize,
    /// The size of a request head in octets.
    pub head: usize,
    /// The number of header fields.
    pub headers: usize,
    /// How many octets of bodies are in memory on their way, all together.
    pub buffers: u64,
    /// How many of them are request bodies that are held whole, all together.
    pub held_bodies: u64,
    /// How many requests one address (IPv6: one /64) may make, whatever it asks for; [by address](CountedBy::Address).
    pub requests_per_address: Option<RequestLimits>,
    /// Addresses whose requests are not counted by address.
    pub exempt: Vec<AddressRange>,
}

impl Limits {
    /// Whether requests from this address are not counted by it.
    #[must_use]
    pub fn exempts(&self, address: IpAddr) -> bool {
        self.exempt.iter().any(|range| range.contains(address))
    }
}

/// How many requests one client may make: at least one of the two limits is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestLimits {
    /// In which time.
    pub rate: Option<Rate>,
    /// At once: from the head of a request to the last octet of its answer, or to the end of what it was upgraded to.
    pub concurrency: Option<NonZeroU32>,
    /// What one client is.
    pub by: CountedBy,
}

/// A number of requests in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    /// How many, from 1 to a million.
    pub requests: u32,
    /// In which time: a second, a minute or an hour.
    pub per: Duration,
    /// How many of them may come at once after a pause that was long enough, from 1.
    pub burst: u32,
}

/// What requests are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CountedBy {
    /// The account of whoever was let through, and the address of whoever was without one.
    Account,
    /// The address (IPv6: the /64), whoever it is: before anybody is asked who they are.
    Address,
}
