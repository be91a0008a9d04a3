//! Part of the checked model: how the gate shows who it is to servers of an upstream that ask for a password.

use super::{DigestAlgorithm, Template};
use crate::base::secret::SecretSource;

/// Our name and hashed password for HTTP Digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamDigest {
    /// The name under which the servers know us.
    pub user: String,
    /// The realm that the password was hashed for; `None` answers challenges for any.
    pub realm: Option<String>,
    /// HA1 in hexadecimal digits, by algorithm; at least one.
    pub ha1: Vec<(DigestAlgorithm, SecretSource)>,
}

/// How the gate shows who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UpstreamAuthorization {
    /// As itself, by HTTP Digest, when it is asked.
    Digest(UpstreamDigest),
    /// As each client, by HTTP Basic, unasked.
    Basic(UpstreamBasic),
}

/// What clients are logged in with at applications that know HTTP Basic alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamBasic {
    /// The name of the user.
    pub user: Template,
    /// The password, the same for all: a master's.
    pub password: SecretSource,
}
