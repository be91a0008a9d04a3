//! Part of the checked model: how those who guess at passwords are held back.

use crate::base::address::AddressRange;
use std::time::Duration;

/// How those who guess at passwords are held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Throttle {
    /// How many attempts of a name from an address prefix may fail within the window, from 1.
    pub failures: u32,
    /// How long a failure counts.
    pub window: Duration,
    /// The first delay; zero is none.
    pub delay: Duration,
    /// How long a name is locked at an address prefix.
    pub lock: Duration,
    /// Addresses that are neither counted nor held back.
    pub exempt: Vec<AddressRange>,
}
