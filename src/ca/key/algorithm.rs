//! Which kinds of keys there are, by the names that an administrator writes.

use std::fmt;
use std::str::FromStr;

/// A kind of key, and with it how it signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum KeyAlgorithm {
    /// ECDSA over P-256 with SHA-256 (RFC 5758, section 3.2).
    #[default]
    EcdsaP256,
    /// ECDSA over P-384 with SHA-384.
    EcdsaP384,
    /// RSA with a modulus of 2048 bits, PKCS#1 v1.5 with SHA-256 (RFC 4055, section 5).
    Rsa2048,
    /// The same with 3072 bits.
    Rsa3072,
    /// The same with 4096 bits.
    Rsa4096,
    /// Ed25519 (RFC 8410). Browsers and Windows know no certificates signed with it.
    Ed25519,
}

/// The text names no kind of key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no kind of key: ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072, rsa-4096 and ed25519 are")]
pub struct UnknownAlgorithm(String);

impl KeyAlgorithm {
    /// All kinds, the default first.
    pub const ALL: [Self; 6] =
        [Self::EcdsaP256, Self::EcdsaP384, Self::Rsa2048, Self::Rsa3072, Self::Rsa4096, Self::Ed25519];

    /// Its name: `ecdsa-p256`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EcdsaP256 => "ecdsa-p256",
            Self::EcdsaP384 => "ecdsa-p384",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
            Self::Ed25519 => "ed25519",
        }
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for KeyAlgorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Self, UnknownAlgorithm> {
        let found = Self::ALL.into_iter().find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(text));
        found.ok_or_else(|| UnknownAlgorithm(text.to_owned()))
    }
}
