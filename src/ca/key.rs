//! Keys that sign certificates and revocation lists. A [`SigningKey`] may live anywhere; the one in
//! memory is ECDSA over P-256 with SHA-256 (RFC 5758, section 3.2), made by aws-lc-rs. `Signer` fits
//! either into the builder of `x509-cert`.

use crate::base::secret::Secret;
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use der::Document;
use der::asn1::ObjectIdentifier;
use x509_cert::AlgorithmIdentifier;
use x509_cert::spki::{self, DynSignatureAlgorithmIdentifier, EncodePublicKey};

/// `ecdsa-with-SHA256`.
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");

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
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The octets are no key of the kind that is wanted.
    #[error("this is not an ECDSA P-256 private key in PKCS#8: {0}")]
    Rejected(String),
    /// The cryptography failed; it says no more.
    #[error("{0} failed")]
    Failed(&'static str),
}

/// An ECDSA P-256 key in this process' memory.
pub struct SoftwareKey {
    pair: EcdsaKeyPair,
    public: Vec<u8>,
}

impl std::fmt::Debug for SoftwareKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SoftwareKey([secret])")
    }
}

impl SoftwareKey {
    /// A new random key.
    ///
    /// # Errors
    /// When the cryptography fails.
    pub fn generate() -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)
            .map_err(|_| KeyError::Failed("generating an ECDSA key"))?;
        Self::from_pair(pair)
    }

    /// The key in a PKCS#8 PrivateKeyInfo in DER (RFC 5208), without encryption.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn from_pkcs8(pkcs8: &Secret) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.expose())
            .map_err(|rejected| KeyError::Rejected(rejected.to_string()))?;
        Self::from_pair(pair)
    }

    fn from_pair(pair: EcdsaKeyPair) -> Result<Self, KeyError> {
        let public = pair.public_key().as_der().map_err(|_| KeyError::Failed("encoding a public key"))?;
        let public = public.as_ref().to_vec();
        Ok(Self { pair, public })
    }

    /// The key as a PKCS#8 PrivateKeyInfo in DER.
    ///
    /// # Errors
    /// When the cryptography fails.
    pub fn to_pkcs8(&self) -> Result<Secret, KeyError> {
        // The document that is copied from wipes itself.
        let document = self.pair.to_pkcs8v1().map_err(|_| KeyError::Failed("encoding a private key"))?;
        Ok(Secret::new(document.as_ref().to_vec()))
    }
}

impl SigningKey for SoftwareKey {
    fn public_key(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> AlgorithmIdentifier {
        AlgorithmIdentifier { oid: ECDSA_WITH_SHA256, parameters: None }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signature =
            self.pair.sign(&SystemRandom::new(), message).map_err(|_| KeyError::Failed("signing with an ECDSA key"))?;
        Ok(signature.as_ref().to_vec())
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};

    #[test]
    fn a_key_read_back_signs_for_the_same_public_key() {
        let key = SoftwareKey::generate().unwrap();
        let again = SoftwareKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap();
        assert_eq!(key.public_key(), again.public_key());
        let signature = again.sign(b"message").unwrap();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key.public_key()).verify(b"message", &signature).unwrap();
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_shown() {
        let error = SoftwareKey::from_pkcs8(&Secret::from("hunter2")).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert_eq!(format!("{:?}", SoftwareKey::generate().unwrap()), "SoftwareKey([secret])");
    }
}
