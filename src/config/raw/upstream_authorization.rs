//! The shape of an upstream's `authorization`.

use super::Secret;
use crate::config::read::Field;
use schemars::JsonSchema;
use serde::Deserialize;

/// How the gate shows who it is to servers that ask for a password.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["digest"]))]
pub(in crate::config) struct UpstreamAuthorization {
    /// By HTTP Digest.
    pub(in crate::config) digest: Field<UpstreamDigest>,
}

/// Our password there, as the hash of `user:realm:password` (HA1): at least one of the two hashes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["user"]))]
pub(in crate::config) struct UpstreamDigest {
    /// The name under which the servers know us.
    pub(in crate::config) user: Field<String>,
    /// The realm that the password was hashed for; a challenge for another one is not answered. Default: any is.
    pub(in crate::config) realm: Field<String>,
    /// By SHA-256.
    pub(in crate::config) ha1_sha256: Field<Secret>,
    /// By MD5.
    pub(in crate::config) ha1_md5: Field<Secret>,
}
