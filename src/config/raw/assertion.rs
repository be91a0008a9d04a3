//! The keys of assertions: who signs them, and what an upstream gets.

use super::Duration;
use crate::config::SignatureAlgorithm;
use crate::config::read::Field;
use schemars::JsonSchema;
use serde::Deserialize;

/// What the gate signs for upstreams of who is there.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Assertion {
    /// What assertions say of who made them (`iss`), usually a URL of the gate's. Default: `wicketgate`.
    pub(in crate::config) issuer: Field<String>,
    /// By which keys.
    pub(in crate::config) keys: Field<AssertionKeys>,
}

/// The keys that sign: `files`, or a `directory` in which they are made.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct AssertionKeys {
    /// PEM files of private keys (PKCS#8; P-256 or Ed25519). The first signs, all are published.
    pub(in crate::config) files: Field<Vec<Field<String>>>,
    /// The folder in which keys are made and exchanged. Default: `assertion-keys`.
    pub(in crate::config) directory: Field<String>,
    /// Of which kind the keys are that are made. Default: `ES256`.
    pub(in crate::config) algorithm: Field<SignatureAlgorithm>,
    /// How long a key that was made signs. Default: `30d`.
    pub(in crate::config) rotate: Field<Duration>,
}

/// What an upstream is asserted of who is there.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["audience"]))]
pub(in crate::config) struct UpstreamAssertion {
    /// The header field that carries the assertion. Default: `X-Wicketgate-Assertion`.
    pub(in crate::config) header: Field<String>,
    /// Whom it is for (`aud`): what the application expects there.
    pub(in crate::config) audience: Field<String>,
    /// For how long it counts, an hour at most. Default: `5m`.
    pub(in crate::config) lifetime: Field<Duration>,
}
