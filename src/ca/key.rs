//! Keys that sign certificates and revocation lists. A [`SigningKey`] may live anywhere: `software` has
//! those in this process' memory, `sealed` is the encrypted form in which they lie in files, `foreign` reads the forms of others, `token` is for those that never leave
//! a token, and `clocked`
//! keeps any of them from signing with a clock that has gone back. `Signer` fits all of them into the builder
//! of `x509-cert`.

mod algorithm;
pub mod clocked;
pub mod foreign;
pub mod sealed;
mod software;
pub mod token;

pub use algorithm::{KeyAlgorithm, UnknownAlgorithm};
pub use software::SoftwareKey;

use crate::base::clock::Timestamp;
use der::Document;
use x509_cert::AlgorithmIdentifier;
use x509_cert::spki::{self, DynSignatureAlgorithmIdentifier, EncodePublicKey};

/// A private key that signs, wherever it lives.
pub trait SigningKey: Send + Sync {
    /// Its public half: a SubjectPublicKeyInfo in DER (RFC 5280, section 4.1.2.7).
    fn public_key(&self) -> &[u8];

    /// What stands in the signature fields of what it signs.
    fn algorithm(&self) -> AlgorithmIdentifier;

    /// The signature over a message, as it stands in the BIT STRING of a certificate: of ECDSA the DER of
    /// an ECDSA-Sig-Value (RFC 3279, section 2.2.3).
    ///
    /// # Errors
    /// When the key's keeper refuses or cannot be reached.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError>;
}

/// A key cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The octets are no key of a kind that is wanted.
    #[error("this is no private key that can sign here: {0}")]
    Rejected(String),
    /// The cryptography failed; it says no more.
    #[error("{0} failed")]
    Failed(&'static str),
    /// The machine's clock shows less than when the key signed last.
    #[error("the clock has gone back: it shows {now}, and this key has signed at {last}")]
    ClockWentBack {
        /// What the clock shows.
        now: Timestamp,
        /// When the key signed last.
        last: Timestamp,
    },
    /// The machine's clock shows less than the first second of the authority whose key it is.
    #[error("the clock shows {now}, and the authority whose key this is begins at {not_before}")]
    NotYetValid {
        /// What the clock shows.
        now: Timestamp,
        /// The authority's first second.
        not_before: Timestamp,
    },
    /// The token that keeps the key does not do what it is asked to.
    #[error("the token does not give the key: {0}")]
    Token(String),
    /// When the key signs cannot be written down, so that a clock that goes back would not be seen.
    #[error("cannot write down when this key signs: {0}")]
    Unrecorded(String),
}

/// What the builder of `x509-cert` wants to know of a key. The signing itself goes past it, so that a
/// [`KeyError`] arrives with its words.
pub(super) struct Signer<'a>(pub(super) &'a dyn SigningKey);

/// The public half of a key, for the builder.
#[derive(Clone)]
pub(super) struct PublicKey(Vec<u8>);

impl EncodePublicKey for PublicKey {
    fn to_public_key_der(&self) -> spki::Result<Document> {
        Ok(Document::try_from(self.0.as_slice())?)
    }
}

impl signature::Keypair for Signer<'_> {
    type VerifyingKey = PublicKey;

    fn verifying_key(&self) -> PublicKey {
        PublicKey(self.0.public_key().to_vec())
    }
}

impl DynSignatureAlgorithmIdentifier for Signer<'_> {
    fn signature_algorithm_identifier(&self) -> spki::Result<AlgorithmIdentifier> {
        Ok(self.0.algorithm())
    }
}
