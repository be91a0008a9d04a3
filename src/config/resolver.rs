//! Part of the checked model: who is asked for the addresses of upstreams' servers.

use std::net::SocketAddr;
use std::time::Duration;

/// Name servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolver {
    /// Where they are; at least one.
    pub servers: Vec<SocketAddr>,
    /// How long one may take to answer.
    pub timeout: Duration,
}
