//! Signed and encrypted JSON, as far as the gate speaks it: public keys ([`jwk`], RFC 7517), signatures by ES256 and
//! EdDSA in the compact form ([`jws`], RFC 7515), and encryption to a P-256 key ([`jwe`], RFC 7516). It knows octets
//! and keys; what the JSON claims, and whether it is to be believed, is for `assertion` and `handover`.
//!
//! Every reader here takes one algorithm for a key and no other, never the one that a token names, refuses what it
//! does not understand, and bounds what it reads.

pub mod jwe;
pub mod jwk;
pub mod jws;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use serde::de::DeserializeOwned;

/// The largest token that is read, in octets.
pub const MOST_OCTETS: usize = 16 * 1024;

/// Why a token, a key or a set of keys is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoseError {
    /// It is not built as such a thing is.
    #[error("{0}")]
    Malformed(&'static str),
    /// It is for another algorithm, or demands something that is not understood.
    #[error("{what} is {found:?}, which is not taken here")]
    Unsupported {
        /// `alg`, `enc`, `typ`, `crit`.
        what: &'static str,
        /// What it says.
        found: String,
    },
    /// It names a key that is not among those at hand.
    #[error("there is no key {0:?} for it")]
    UnknownKey(String),
    /// The signature or the authentication tag is not that of the content under the key.
    #[error("{0} does not verify")]
    NotAuthentic(&'static str),
    /// The cryptography failed; it says no more.
    #[error("{0} failed")]
    Failed(&'static str),
}

/// Base64url without padding (RFC 7515, section 2).
#[must_use]
pub fn encode(octets: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(octets)
}

/// The octets of base64url without padding, if it is that and nothing else: one text for each value.
#[must_use]
pub fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

/// The parts of a compact token, all of them in base64url.
fn parts<const N: usize>(token: &str) -> Result<[&str; N], JoseError> {
    if token.len() > MOST_OCTETS {
        return Err(JoseError::Malformed("it is too long for a token"));
    }
    let parts: Vec<&str> = token.split('.').take(N + 1).collect();
    parts.try_into().map_err(|_| JoseError::Malformed("it has not as many parts as such a token has"))
}

/// JSON in base64url. An object that says one thing twice is refused by serde itself, for the members it knows.
fn json<T: DeserializeOwned>(part: &str) -> Result<T, JoseError> {
    let octets = decode(part).ok_or(JoseError::Malformed("a part of it is not base64url"))?;
    serde_json::from_slice(&octets)
        .map_err(|_| JoseError::Malformed("a header of it is not the JSON that it should be"))
}
