//! The keys of what the gate asks of others over HTTP.

use crate::config::read::Field;
use schemars::JsonSchema;
use serde::Deserialize;

/// `true`, `false` or how the responder is reached.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$kind")]
#[schemars(rename = "Stapling", untagged)]
pub(in crate::config) enum Stapling {
    /// Whether answers are stapled.
    #[serde(rename = "$text")]
    Word(bool),
    /// They are, and this is how the responder is reached.
    #[serde(rename = "$map")]
    Settings(StaplingSettings),
}

/// How the responder of our own certificates is reached.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct StaplingSettings {
    /// An `http://` URL. Default: the one that the certificate names.
    pub(in crate::config) responder: Field<String>,
    /// Whether it may have an address that is not the open Internet's.
    pub(in crate::config) private_addresses: Field<PrivateAddresses>,
}

/// Whether addresses that are not the open Internet's may be connected to: `true`, `false`, or the ranges of
/// those that may, such as `[10.0.0.0/8]`. Default: `false`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename = "$kind")]
#[schemars(rename = "PrivateAddresses", untagged)]
pub(in crate::config) enum PrivateAddresses {
    /// All of them, or none.
    #[serde(rename = "$text")]
    Word(bool),
    /// Those in these ranges.
    #[serde(rename = "$list")]
    Ranges(Vec<Field<String>>),
}
