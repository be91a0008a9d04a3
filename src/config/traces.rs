//! Part of the checked model: whom traces of requests are sent to, and of which requests.

use super::ServerName;
use crate::base::address::AddressRange;
use crate::base::secret::SecretSource;
use std::path::PathBuf;

/// Of a million requests.
pub(crate) const ALL_REQUESTS: u32 = 1_000_000;

/// Traces for OpenTelemetry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracing {
    /// The collector.
    pub server: ServerName,
    /// The authorities that its certificate may come from, where it is spoken to over TLS.
    pub ca: Option<PathBuf>,
    /// How many of a million requests are traced that no trace goes before.
    pub sample: u32,
    /// From where the word counts that a trace is recorded.
    pub sampled_by: Vec<AddressRange>,
    /// What the gate is called in traces.
    pub service: String,
    /// Whether spans say whose request it is.
    pub account: bool,
    /// Fields for the collector, such as a token.
    pub headers: Vec<(String, SecretSource)>,
}
