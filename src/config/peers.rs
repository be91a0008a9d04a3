//! Part of the checked model: servers of other domains, who come in without an account.

use super::{DigestAlgorithm, IssuerPin};
use crate::base::secret::SecretSource;

/// A server of another domain. Its name in the configuration is its user name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Peer {
    /// The names of which its certificate must have one, in lower case.
    pub names: Vec<String>,
    /// One of these must occur in the validated path; not empty where there are names.
    pub issuers: Vec<IssuerPin>,
    /// The groups that it is in.
    pub groups: Vec<String>,
    /// Its password for HTTP Digest, hashed.
    pub digest: Option<PeerDigest>,
}

/// A hashed password for HTTP Digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerDigest {
    /// The realm that it was hashed for.
    pub realm: String,
    /// HA1 in hexadecimal digits, by algorithm; at least one.
    pub ha1: Vec<(DigestAlgorithm, SecretSource)>,
}
