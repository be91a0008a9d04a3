//! The shape of an upstream's `authorization`.

use super::Secret;
use crate::config::read::Field;
use schemars::JsonSchema;
use serde::Deserialize;

/// How the gate shows who it is to servers that ask for a password.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct UpstreamAuthorization {
    /// As itself, by HTTP Digest, to servers that ask for it.
    pub(in crate::config) digest: Field<UpstreamDigest>,
    /// As each client, by HTTP Basic, to applications that know nothing else.
    pub(in crate::config) basic: Field<UpstreamBasic>,
}

/// What clients are logged in with.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["user", "password"]))]
pub(in crate::config) struct UpstreamBasic {
    /// The name of the user, made from the account: `{username}`, `{email}`, `{name}` and `{home}` stand for its fields.
    pub(in crate::config) user: Field<String>,
    /// The password, the same for all.
    pub(in crate::config) password: Field<Secret>,
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
