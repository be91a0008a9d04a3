//! The keys of what holds back those who guess at passwords.

use super::Duration;
use crate::config::read::Field;
use schemars::JsonSchema;
use serde::Deserialize;

/// How those who guess at passwords are held back.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Throttle {
    /// How many attempts of a name from an address (IPv6: a /64) may fail within `window`. Default: 5.
    pub(in crate::config) failures: Field<u64>,
    /// How long a failure counts. Default: `10m`.
    pub(in crate::config) window: Field<Duration>,
    /// The first delay; it doubles up to eight times of it. `0s` is none. Default: `1s`.
    pub(in crate::config) delay: Field<Duration>,
    /// How long a name is locked at an address that failed too often. Default: `5m`.
    pub(in crate::config) lock: Field<Duration>,
    /// Ranges of addresses that are neither counted nor held back. Default: `[127.0.0.0/8, "::1"]`.
    pub(in crate::config) exempt: Field<Vec<Field<String>>>,
}
