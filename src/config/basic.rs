//! Part of the checked model: HTTP Basic.

use std::time::Duration;

/// HTTP Basic (RFC 7617).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basic {
    /// The realm that clients are told; ASCII, without `"` and `\`.
    pub realm: String,
    /// How long a right password need not be hashed again; zero is never.
    pub remember: Duration,
    /// How many passwords are hashed at once, from 1. Each may take 128 MiB.
    pub hashes_at_once: usize,
    /// How many may wait for that, from 1.
    pub hashes_waiting: usize,
}
