//! The keys of a listener's `tls`, which may be a word.

use super::Tls;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use std::borrow::Cow;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum TlsWord {
    /// Only routes to services that publish what an authority says can be reached here.
    #[serde(alias = "false")]
    Off,
}

impl JsonSchema for TlsWord {
    fn schema_name() -> Cow<'static, str> {
        "TlsWord".into()
    }

    /// Readers of YAML 1.1 take `off` for a boolean.
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Plain HTTP: only routes to services that publish what an authority says can be reached here.",
            "enum": ["off", false],
        })
    }
}
