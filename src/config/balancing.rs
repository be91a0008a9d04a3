//! Part of the checked model: how requests are spread over the servers of an upstream, which of them are fit for
//! requests, and what becomes of a request that a server has failed.

use super::ServerName;
use std::ops::RangeInclusive;
use std::time::Duration;

/// A server of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamServer {
    /// Where it is.
    pub name: ServerName,
    /// Its share of requests in relation to the others'; from 1 to [`MOST_WEIGHT`].
    pub weight: u16,
    /// Whether it gets requests only when no other server can take them.
    pub backup: bool,
}

/// The largest weight of a server.
pub const MOST_WEIGHT: u16 = 256;

/// What is spoken to servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum HttpVersion {
    /// HTTP/1.1.
    #[default]
    One,
    /// HTTP/2: by ALPN over TLS, where a server may still choose HTTP/1.1, and with prior knowledge in clear text.
    Two,
}

/// Which server a request goes to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Balance {
    /// To each in turn.
    #[default]
    RoundRobin,
    /// To the one of two chosen at random that has fewer requests under way.
    LeastRequests,
    /// To the one that belongs to this part of the request; in turn where it is not there.
    Hash(HashKey),
}

/// What requests must have in common to reach the same server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashKey {
    /// The account.
    Account,
    /// The client's address.
    ClientAddress,
    /// The cookie of this name.
    Cookie(String),
    /// The header of this name, in lower case.
    Header(String),
}

/// Active checks of servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is asked for.
    pub path: String,
    /// The statuses of a server that is well; at least one range.
    pub statuses: Vec<RangeInclusive<u16>>,
    /// How long after an answer the next check begins.
    pub every: Duration,
    /// How long one may take in all.
    pub timeout: Duration,
    /// Passed checks in a row that bring a server back.
    pub rise: u32,
    /// Failed checks in a row that take one out.
    pub fall: u32,
    /// The `Host` that is asked for; `None` is the server's own name.
    pub host: Option<String>,
}

/// Ejection of servers that fail requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ejection {
    /// Failures in a row that eject a server.
    pub failures: u32,
    /// Statuses that count as failures, like no answer at all.
    pub statuses: Vec<RangeInclusive<u16>>,
    /// For how long a server is ejected the first time; doubled each time that it fails soon after.
    pub first: Duration,
    /// For how long at most.
    pub longest: Duration,
    /// The largest share of the servers that is ejected at once, in percent.
    pub share: u8,
}

/// How much servers are given at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamLimits {
    /// Requests under way at one server, of all workers together; `None` is any number.
    pub requests: Option<u32>,
    /// Requests that wait for a server which is free, in all.
    pub queue: u32,
    /// How long one waits at most.
    pub wait: Duration,
}

/// What becomes of a request that a server has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retries {
    /// How many other servers it is sent to; 0 for none.
    pub times: u32,
    /// Retries in relation to requests, in percent: what is beyond it fails at once.
    pub budget: u8,
    /// Statuses for which another server is asked; mostly none.
    pub statuses: Vec<RangeInclusive<u16>>,
    /// The largest body that is kept to be sent again, in octets; 0 for none.
    pub body: u64,
}

/// How requests are spread, and what becomes of those that fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balancing {
    /// Which server a request goes to.
    pub balance: Balance,
    /// How long a server that came back takes to get its whole share of requests; zero for none at all.
    pub slow_start: Duration,
    /// Active checks.
    pub health: Option<HealthCheck>,
    /// Ejection of servers that fail requests.
    pub ejection: Option<Ejection>,
    /// How much servers are given at once.
    pub limits: UpstreamLimits,
    /// What becomes of a request that a server has failed.
    pub retries: Retries,
}

impl Default for Balancing {
    fn default() -> Self {
        Self {
            balance: Balance::default(),
            slow_start: Duration::ZERO,
            health: None,
            ejection: Some(Ejection::default()),
            limits: UpstreamLimits::default(),
            retries: Retries::default(),
        }
    }
}

impl Default for Ejection {
    fn default() -> Self {
        Self {
            failures: 5,
            statuses: vec![502..=504],
            first: Duration::from_secs(10),
            longest: Duration::from_secs(300),
            share: 50,
        }
    }
}

impl Default for UpstreamLimits {
    fn default() -> Self {
        Self { requests: None, queue: 100, wait: Duration::from_secs(1) }
    }
}

impl Default for Retries {
    fn default() -> Self {
        Self { times: 2, budget: 20, statuses: Vec::new(), body: 0 }
    }
}

/// Whether a status is one of these.
#[must_use]
pub fn names_status(statuses: &[RangeInclusive<u16>], status: u16) -> bool {
    statuses.iter().any(|range| range.contains(&status))
}
