//! Assertions: what the gate signs for upstreams of who is there, and by which keys.

use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// The longest time for which an assertion may count. Keys are published for as long after their last signature.
pub const MOST_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// The shortest time between two keys: the next one is published before it signs, the last one after it has.
pub const LEAST_ROTATION: Duration = Duration::from_secs(2 * 60 * 60);

/// Who signs assertions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// What they say of who made them (`iss`).
    pub issuer: String,
    /// By which keys.
    pub keys: AssertionKeys,
}

/// Where the keys are that sign assertions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssertionKeys {
    /// PEM files of private keys; at least one. The first signs, all are published.
    Files(Vec<PathBuf>),
    /// A folder in which keys are made, and exchanged for new ones.
    Directory {
        /// The folder.
        path: PathBuf,
        /// Of which kind they are.
        algorithm: SignatureAlgorithm,
        /// How long one signs.
        rotate: Duration,
    },
}

/// How tokens are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
pub enum SignatureAlgorithm {
    /// ECDSA over P-256 with SHA-256 (RFC 7518, section 3.4).
    #[default]
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519 (RFC 8037).
    #[serde(rename = "EdDSA")]
    EdDsa,
}

/// What one upstream is asserted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamAssertion {
    /// The header field that carries it.
    pub header: String,
    /// Whom it is for (`aud`).
    pub audience: String,
    /// For how long it counts.
    pub lifetime: Duration,
}
