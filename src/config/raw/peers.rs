//! The shape of `peers`: servers of other domains.

use super::Secret;
use crate::config::read::Field;
use schemars::JsonSchema;
use serde::Deserialize;

/// A server of another domain, known by a certificate, by a password, or by either.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Peer {
    /// Alternative names of which its certificate must have one; the common name counts where it has none.
    pub(in crate::config) names: Field<Vec<Field<String>>>,
    /// Certificate files, or SHA-256 of public keys (`sha256:…`), one of which must occur in the path; needed beside
    /// `names`.
    pub(in crate::config) issuers: Field<Vec<Field<String>>>,
    /// The groups that it is in. Default: none.
    pub(in crate::config) groups: Field<Vec<Field<String>>>,
    /// Its password for HTTP Digest, hashed.
    pub(in crate::config) digest: Field<PeerDigest>,
}

/// A password for HTTP Digest, as the hash of `user:realm:password` (HA1): at least one of the two hashes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["realm"]))]
pub(in crate::config) struct PeerDigest {
    /// The realm that it was hashed for.
    pub(in crate::config) realm: Field<String>,
    /// By SHA-256.
    pub(in crate::config) ha1_sha256: Field<Secret>,
    /// By MD5.
    pub(in crate::config) ha1_md5: Field<Secret>,
}
