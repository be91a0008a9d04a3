//! Part of the checked model: HTTP Digest, passwords for those who have no certificate (RFC 7616).

use crate::base::secret::SecretSource;
use schemars::JsonSchema;
use serde::Deserialize;
use std::time::Duration;

/// HTTP Digest (RFC 7616).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest {
    /// What passwords are for.
    pub realm: DigestRealm,
    /// What challenges are made for, the strongest first; at least one, none twice.
    pub algorithms: Vec<ChallengeAlgorithm>,
    /// The secret that nonces are authenticated with; random if absent.
    pub nonce_secret: Option<SecretSource>,
    /// How long a nonce is good.
    pub nonce_lifetime: Duration,
    /// Whether a nonce is good for the address alone that it was issued to.
    pub nonce_for_one_address: bool,
    /// The largest body in octets that `qop=auth-int` is verified for; `None` does not offer it.
    pub auth_int_limit: Option<u64>,
    /// Whether user names may come hashed.
    pub userhash: bool,
    /// The URIs that one password is good for, as `domain` tells clients; none is the whole host.
    pub domain: Vec<String>,
}

impl Digest {
    /// For one realm, and with everything else as it is where the file says nothing.
    #[must_use]
    pub fn of_realm(realm: &str) -> Self {
        Self {
            realm: DigestRealm::Fixed(realm.to_owned()),
            algorithms: vec![ChallengeAlgorithm::Sha256, ChallengeAlgorithm::Md5],
            nonce_secret: None,
            nonce_lifetime: Duration::from_secs(300),
            nonce_for_one_address: false,
            auth_int_limit: None,
            userhash: false,
            domain: Vec::new(),
        }
    }

    /// The hashes that HA1 is needed in, each once.
    #[must_use]
    pub fn hashes(&self) -> Vec<DigestAlgorithm> {
        let needed = |hash: &DigestAlgorithm| self.algorithms.iter().any(|algorithm| algorithm.hash() == *hash);
        DigestAlgorithm::ALL.into_iter().filter(needed).collect()
    }
}

/// Where the realm of a request comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DigestRealm {
    /// It is always the same.
    Fixed(String),
    /// It is the domain of the address in a header.
    FromHeader {
        /// The header's name.
        header: String,
        /// The domains that it may be, in lower case; at least one.
        allowed: Vec<String>,
    },
}

impl DigestRealm {
    /// Every realm that there is.
    #[must_use]
    pub fn names(&self) -> &[String] {
        match self {
            Self::Fixed(realm) => std::slice::from_ref(realm),
            Self::FromHeader { allowed, .. } => allowed,
        }
    }
}

/// The hash of a Digest (RFC 7616, section 6.1), and so of the HA1 that is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, JsonSchema)]
pub enum DigestAlgorithm {
    /// SHA-512/256 (FIPS 180-4, section 5.3.6.2).
    #[serde(rename = "SHA-512-256")]
    Sha512_256,
    /// SHA-256.
    #[serde(rename = "SHA-256")]
    Sha256,
    /// MD5.
    #[serde(rename = "MD5")]
    Md5,
}

impl DigestAlgorithm {
    /// All of them, the strongest first.
    pub const ALL: [Self; 3] = [Self::Sha512_256, Self::Sha256, Self::Md5];

    /// The name that stands in the header and in the database: `SHA-512-256`, `SHA-256`, `MD5`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha512_256 => "SHA-512-256",
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }

    /// How many octets it makes.
    #[must_use]
    pub const fn length(self) -> usize {
        match self {
            Self::Sha512_256 | Self::Sha256 => 32,
            Self::Md5 => 16,
        }
    }
}

/// What a challenge is made for: a hash, as it is or in its session form (RFC 7616, section 3.4.2), in which the
/// key of all responses is a hash of HA1 and the first two nonces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, JsonSchema)]
pub enum ChallengeAlgorithm {
    /// SHA-512/256.
    #[serde(rename = "SHA-512-256")]
    Sha512_256,
    /// SHA-512/256 with a key for each session.
    #[serde(rename = "SHA-512-256-sess")]
    Sha512_256Session,
    /// SHA-256.
    #[serde(rename = "SHA-256")]
    Sha256,
    /// SHA-256 with a key for each session.
    #[serde(rename = "SHA-256-sess")]
    Sha256Session,
    /// MD5.
    #[serde(rename = "MD5")]
    Md5,
    /// MD5 with a key for each session.
    #[serde(rename = "MD5-sess")]
    Md5Session,
}

impl ChallengeAlgorithm {
    /// All of them, the strongest first; of one hash the form first that more clients speak.
    pub const ALL: [Self; 6] =
        [Self::Sha512_256, Self::Sha512_256Session, Self::Sha256, Self::Sha256Session, Self::Md5, Self::Md5Session];

    /// The name that stands in the header: `SHA-256`, `MD5-sess`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sha512_256 => "SHA-512-256",
            Self::Sha512_256Session => "SHA-512-256-sess",
            Self::Sha256 => "SHA-256",
            Self::Sha256Session => "SHA-256-sess",
            Self::Md5 => "MD5",
            Self::Md5Session => "MD5-sess",
        }
    }

    /// The hash that it is made with.
    #[must_use]
    pub const fn hash(self) -> DigestAlgorithm {
        match self {
            Self::Sha512_256 | Self::Sha512_256Session => DigestAlgorithm::Sha512_256,
            Self::Sha256 | Self::Sha256Session => DigestAlgorithm::Sha256,
            Self::Md5 | Self::Md5Session => DigestAlgorithm::Md5,
        }
    }

    /// Whether it is a session form.
    #[must_use]
    pub const fn is_session(self) -> bool {
        matches!(self, Self::Sha512_256Session | Self::Sha256Session | Self::Md5Session)
    }
}

impl From<DigestAlgorithm> for ChallengeAlgorithm {
    /// The hash as it is.
    fn from(hash: DigestAlgorithm) -> Self {
        match hash {
            DigestAlgorithm::Sha512_256 => Self::Sha512_256,
            DigestAlgorithm::Sha256 => Self::Sha256,
            DigestAlgorithm::Md5 => Self::Md5,
        }
    }
}
