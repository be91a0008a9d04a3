//! The signature algorithms that are accepted on certificates and revocation lists: RSA from 2048 bits
//! (PKCS#1 and PSS), ECDSA on P-256, P-384 and P-521, each with SHA-256, SHA-384 or SHA-512, and
//! Ed25519. SHA-1 and MD5 are not.

use super::der::{self, DerError, Reader};
use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::signature::{self as verification, UnparsedPublicKey, VerificationAlgorithm};
use rustls_pki_types::SignatureVerificationAlgorithm;
use rustls_pki_types::alg_id::RSA_ENCRYPTION;
use std::fmt;
use webpki::aws_lc_rs as accepted;

/// The accepted algorithms, for path building.
pub static ACCEPTED: &[&dyn SignatureVerificationAlgorithm] = &[
    accepted::ECDSA_P256_SHA256,
    accepted::ECDSA_P256_SHA384,
    accepted::ECDSA_P256_SHA512,
    accepted::ECDSA_P384_SHA256,
    accepted::ECDSA_P384_SHA384,
    accepted::ECDSA_P384_SHA512,
    accepted::ECDSA_P521_SHA256,
    accepted::ECDSA_P521_SHA384,
    accepted::ECDSA_P521_SHA512,
    accepted::RSA_PKCS1_2048_8192_SHA256,
    accepted::RSA_PKCS1_2048_8192_SHA384,
    accepted::RSA_PKCS1_2048_8192_SHA512,
    accepted::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
    accepted::RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS,
    accepted::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
    accepted::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    accepted::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
    accepted::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
    accepted::ED25519,
];

/// An accepted algorithm as `aws-lc-rs` has it, which can check a signature against a digest that was
/// taken before. Ed25519 alone needs the whole message and has no digest here.
struct Hashing {
    algorithm: &'static dyn SignatureVerificationAlgorithm,
    digest: &'static digest::Algorithm,
    verification: &'static dyn VerificationAlgorithm,
}

macro_rules! hashing {
    ($($algorithm:ident $digest:ident $verification:ident,)+) => {
        static HASHING: &[Hashing] = &[$(Hashing {
            algorithm: accepted::$algorithm,
            digest: &digest::$digest,
            verification: &verification::$verification,
        },)+];
    };
}

hashing! {
    ECDSA_P256_SHA256 SHA256 ECDSA_P256_SHA256_ASN1,
    ECDSA_P256_SHA384 SHA384 ECDSA_P256_SHA384_ASN1,
    ECDSA_P256_SHA512 SHA512 ECDSA_P256_SHA512_ASN1,
    ECDSA_P384_SHA256 SHA256 ECDSA_P384_SHA256_ASN1,
    ECDSA_P384_SHA384 SHA384 ECDSA_P384_SHA384_ASN1,
    ECDSA_P384_SHA512 SHA512 ECDSA_P384_SHA512_ASN1,
    ECDSA_P521_SHA256 SHA256 ECDSA_P521_SHA256_ASN1,
    ECDSA_P521_SHA384 SHA384 ECDSA_P521_SHA384_ASN1,
    ECDSA_P521_SHA512 SHA512 ECDSA_P521_SHA512_ASN1,
    RSA_PKCS1_2048_8192_SHA256 SHA256 RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384 SHA384 RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512 SHA512 RSA_PKCS1_2048_8192_SHA512,
    RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS SHA256 RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS SHA384 RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS SHA512 RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256_LEGACY_KEY SHA256 RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384_LEGACY_KEY SHA384 RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512_LEGACY_KEY SHA512 RSA_PSS_2048_8192_SHA512,
}

/// A signature does not show what it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The algorithm is not accepted.
    #[error("the signature algorithm {0} is not accepted")]
    Algorithm(String),
    /// The key is of another kind than the algorithm needs, or cannot be read.
    #[error("the key is not one for its signature algorithm")]
    Key,
    /// The key is not accepted.
    #[error("the key is not accepted: {0}")]
    WeakKey(&'static str),
    /// The signature is not this key's over these octets.
    #[error("the signature is not that of the key")]
    Wrong,
}

/// A signed message, kept as small as its algorithm allows until the signer's key is at hand: as its
/// digest, except for Ed25519.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// The content of the AlgorithmIdentifier.
    algorithm: Vec<u8>,
    message: Message,
    signature: Vec<u8>,
}

#[derive(Debug, Clone)]
enum Message {
    Digest(Digest),
    Whole(Vec<u8>),
}

/// A message that is being sealed while it is read.
#[derive(Debug)]
pub struct Sealing {
    /// The content of the AlgorithmIdentifier.
    algorithm: Vec<u8>,
    message: Taking,
}

enum Taking {
    Digest(digest::Context),
    Whole(Vec<u8>),
}

impl fmt::Debug for Taking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Digest(_) => "Digest",
            Self::Whole(_) => "Whole",
        })
    }
}

impl Sealing {
    /// Begins with a message that is signed with this algorithm (the content of the AlgorithmIdentifier).
    ///
    /// # Errors
    /// When the algorithm is not accepted.
    pub fn begin(algorithm: &[u8]) -> Result<Self, SignatureError> {
        let hashing = HASHING.iter().find(|hashing| hashing.algorithm.signature_alg_id().as_ref() == algorithm);
        let message = match hashing {
            Some(hashing) => Taking::Digest(digest::Context::new(hashing.digest)),
            None if accepted::ED25519.signature_alg_id().as_ref() == algorithm => Taking::Whole(Vec::new()),
            None => return Err(SignatureError::Algorithm(name_of(algorithm))),
        };
        Ok(Self { algorithm: algorithm.to_vec(), message })
    }

    /// Takes the next octets of the message.
    pub fn update(&mut self, octets: &[u8]) {
        match &mut self.message {
            Taking::Digest(context) => context.update(octets),
            Taking::Whole(message) => message.extend_from_slice(octets),
        }
    }

    /// Puts the signature on the message.
    #[must_use]
    pub fn finish(self, signature: &[u8]) -> Sealed {
        let message = match self.message {
            Taking::Digest(context) => Message::Digest(context.finish()),
            Taking::Whole(message) => Message::Whole(message),
        };
        Sealed { algorithm: self.algorithm, message, signature: signature.to_vec() }
    }
}

impl Sealed {
    /// Takes a message and its signature. `algorithm` is the content of the AlgorithmIdentifier.
    ///
    /// # Errors
    /// When the algorithm is not accepted.
    pub fn new(algorithm: &[u8], message: &[u8], signature: &[u8]) -> Result<Self, SignatureError> {
        let mut sealing = Sealing::begin(algorithm)?;
        sealing.update(message);
        Ok(sealing.finish(signature))
    }

    /// The signature's octets.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Checks the signature with a key, a whole SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// When the key did not make it.
    pub fn verify(&self, public_key: &[u8]) -> Result<(), SignatureError> {
        let (kind, key) = read_key(public_key).map_err(|_| SignatureError::Key)?;
        match &self.message {
            Message::Digest(digest) => {
                let hashing = HASHING
                    .iter()
                    .find(|hashing| {
                        hashing.algorithm.signature_alg_id().as_ref() == self.algorithm
                            && hashing.algorithm.public_key_alg_id().as_ref() == kind
                    })
                    .ok_or(SignatureError::Key)?;
                UnparsedPublicKey::new(hashing.verification, key)
                    .verify_digest(digest, &self.signature)
                    .map_err(|_| SignatureError::Wrong)
            }
            Message::Whole(_) if accepted::ED25519.public_key_alg_id().as_ref() != kind => Err(SignatureError::Key),
            Message::Whole(message) => {
                accepted::ED25519.verify_signature(key, message, &self.signature).map_err(|_| SignatureError::Wrong)
            }
        }
    }
}

/// Checks that a key, a whole SubjectPublicKeyInfo, is of a kind and size that is accepted.
///
/// # Errors
/// When it is not.
pub fn check_key(public_key: &[u8]) -> Result<(), SignatureError> {
    let (kind, key) = read_key(public_key).map_err(|_| SignatureError::WeakKey("it cannot be read"))?;
    if !ACCEPTED.iter().any(|algorithm| algorithm.public_key_alg_id().as_ref() == kind) {
        return Err(SignatureError::WeakKey("it is of no kind that is accepted"));
    }
    if kind == RSA_ENCRYPTION.as_ref() {
        let modulus = Reader::new(key)
            .inside(der::SEQUENCE)
            .and_then(|mut key| key.integer())
            .map_err(|_| SignatureError::WeakKey("it cannot be read"))?;
        match modulus {
            [first, ..] if modulus.len() > 256 || (modulus.len() == 256 && *first >= 0x80) => {}
            _ => return Err(SignatureError::WeakKey("an RSA key must have at least 2048 bits")),
        }
    }
    Ok(())
}

/// The content of a key's AlgorithmIdentifier, and the octets of its BIT STRING.
fn read_key(public_key: &[u8]) -> Result<(&[u8], &[u8]), DerError> {
    let mut reader = Reader::new(der::single(public_key, der::SEQUENCE)?);
    let kind = reader.expect(der::SEQUENCE)?.content;
    let key = reader.octets_of_bit_string()?;
    reader.finish()?;
    Ok((kind, key))
}

/// What people call an accepted signature algorithm (the content of its AlgorithmIdentifier); of another one, its
/// identifier.
#[must_use]
pub fn algorithm_name(algorithm: &[u8]) -> String {
    let identifier = name_of(algorithm);
    let name = match identifier.as_str() {
        "1.2.840.113549.1.1.11" => "sha256WithRSAEncryption",
        "1.2.840.113549.1.1.12" => "sha384WithRSAEncryption",
        "1.2.840.113549.1.1.13" => "sha512WithRSAEncryption",
        "1.2.840.10045.4.3.2" => "ecdsa-with-SHA256",
        "1.2.840.10045.4.3.3" => "ecdsa-with-SHA384",
        "1.2.840.10045.4.3.4" => "ecdsa-with-SHA512",
        "1.3.101.112" => "Ed25519",
        other if other.starts_with("1.2.840.113549.1.1.10 ") => "RSASSA-PSS",
        _ => return identifier,
    };
    name.to_owned()
}

/// What people call an algorithm that is not accepted, or its identifier.
fn name_of(algorithm: &[u8]) -> String {
    let identifier = Reader::new(algorithm)
        .expect(der::OBJECT_IDENTIFIER)
        .and_then(|identifier| der::dotted(identifier.content))
        .unwrap_or_else(|_| "that cannot be read".to_owned());
    let name = match identifier.as_str() {
        "1.2.840.113549.1.1.4" => "MD5 with RSA",
        "1.2.840.113549.1.1.5" => "SHA-1 with RSA",
        "1.2.840.10045.4.1" => "SHA-1 with ECDSA",
        "1.2.840.10040.4.3" => "SHA-1 with DSA",
        "1.2.840.113549.1.1.10" => "RSA-PSS with these parameters",
        "1.3.101.113" => "Ed448",
        _ => return identifier,
    };
    format!("{identifier} ({name})")
}
