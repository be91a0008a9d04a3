//! The keys of a listener's `tls`, which may be a word.

use super::Tls;
use schemars::JsonSchema;
use serde::Deserialize;

/// Certificates and protocol versions, or `off`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$kind")]
#[schemars(rename = "ListenerTls", untagged)]
pub(in crate::config) enum ListenerTls {
    /// Plain HTTP.
    #[serde(rename = "$text")]
    Word(TlsWord),
    /// TLS.
    #[serde(rename = "$map")]
    Keys(Box<Tls>),
}

/// Plain HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum TlsWord {
    /// Only routes to services that publish what an authority says can be reached here.
    #[serde(alias = "false")]
    Off,
}
