//! Keys in this process' memory, made and used by aws-lc-rs.

use super::{KeyAlgorithm, KeyError, SigningKey};
use crate::base::secret::Secret;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::error::KeyRejected;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
};
use der::asn1::{Any, ObjectIdentifier};
use der::{Decode, Tag};
use pkcs8::PrivateKeyInfoRef;
use x509_cert::AlgorithmIdentifier;

/// `id-ecPublicKey` and the curves (RFC 5480, section 2.1).
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
/// `rsaEncryption` (RFC 8017, appendix A.1).
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// `id-Ed25519`, of the key and of its signatures (RFC 8410, section 3).
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// `ecdsa-with-SHA256` and `ecdsa-with-SHA384` (RFC 5758, section 3.2).
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
/// `sha256WithRSAEncryption` (RFC 4055, section 5).
const SHA256_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");

/// The sizes of an RSA modulus, in octets, that are neither weak nor slow.
const RSA_OCTETS: std::ops::RangeInclusive<usize> = 256..=512;

/// A key in this process' memory.
pub struct SoftwareKey {
    pair: Pair,
    public: Vec<u8>,
}

enum Pair {
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl std::fmt::Debug for SoftwareKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SoftwareKey([secret])")
    }
}

impl SoftwareKey {
    /// A new random key of the default kind: ECDSA over P-256.
    ///
    /// # Errors
    /// When the cryptography fails.
    pub fn generate() -> Result<Self, KeyError> {
        Self::generate_of(KeyAlgorithm::default())
    }

    /// A new random key. One of RSA takes up to a second or two.
    ///
    /// # Errors
    /// When the cryptography fails.
    pub fn generate_of(algorithm: KeyAlgorithm) -> Result<Self, KeyError> {
        let failed = |_| KeyError::Failed("generating a key");
        Self::from_pair(match algorithm {
            KeyAlgorithm::EcdsaP256 => {
                Pair::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(failed)?)
            }
            KeyAlgorithm::EcdsaP384 => {
                Pair::P384(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_ASN1_SIGNING).map_err(failed)?)
            }
            KeyAlgorithm::Rsa2048 => Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).map_err(failed)?),
            KeyAlgorithm::Rsa3072 => Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa3072).map_err(failed)?),
            KeyAlgorithm::Rsa4096 => Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa4096).map_err(failed)?),
            KeyAlgorithm::Ed25519 => Pair::Ed25519(Ed25519KeyPair::generate().map_err(failed)?),
        })
    }

    /// The key in a PKCS#8 PrivateKeyInfo in DER (RFC 5208), without encryption.
    ///
    /// # Errors
    /// When it is anything else, or a kind of key that is not in [`KeyAlgorithm`]; RSA may have any modulus of 2048
    /// to 4096 bits.
    pub fn from_pkcs8(pkcs8: &Secret) -> Result<Self, KeyError> {
        // What the decoder says of octets that do not decode may quote them.
        let info = PrivateKeyInfoRef::from_der(pkcs8.expose())
            .map_err(|_| KeyError::Rejected("it is not PKCS#8 in DER".into()))?;
        let curve = info.algorithm.parameters.and_then(|parameters| ObjectIdentifier::try_from(parameters).ok());
        let ecdsa = |signing: &'static EcdsaSigningAlgorithm| {
            EcdsaKeyPair::from_pkcs8(signing, pkcs8.expose()).map_err(|why| KeyError::Rejected(why.to_string()))
        };
        Self::from_pair(match (info.algorithm.oid, curve) {
            (EC_PUBLIC_KEY, Some(P256)) => Pair::P256(ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING)?),
            (EC_PUBLIC_KEY, Some(P384)) => Pair::P384(ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING)?),
            (RSA_ENCRYPTION, _) => rsa(RsaKeyPair::from_pkcs8(pkcs8.expose()))?,
            (ED25519, _) => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8.expose());
                Pair::Ed25519(pair.map_err(|why| KeyError::Rejected(why.to_string()))?)
            }
            _ => {
                let why = "it is neither ECDSA over P-256 or P-384 nor RSA nor Ed25519";
                return Err(KeyError::Rejected(why.into()));
            }
        })
    }

    /// The key in an RSAPrivateKey of PKCS#1 in DER (RFC 8017, appendix A.1.2).
    ///
    /// # Errors
    /// When it is anything else, or its modulus has not 2048 to 4096 bits.
    pub fn from_pkcs1(pkcs1: &Secret) -> Result<Self, KeyError> {
        Self::from_pair(rsa(RsaKeyPair::from_der(pkcs1.expose()))?)
    }

    /// The key in an ECPrivateKey in DER (RFC 5915), over P-256 or P-384.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn from_sec1(sec1: &Secret) -> Result<Self, KeyError> {
        let read = |signing| EcdsaKeyPair::from_private_key_der(signing, sec1.expose());
        if let Ok(pair) = read(&ECDSA_P256_SHA256_ASN1_SIGNING) {
            return Self::from_pair(Pair::P256(pair));
        }
        let pair = read(&ECDSA_P384_SHA384_ASN1_SIGNING);
        Self::from_pair(Pair::P384(pair.map_err(|why| KeyError::Rejected(why.to_string()))?))
    }

    fn from_pair(pair: Pair) -> Result<Self, KeyError> {
        let public: Result<PublicKeyX509Der<'_>, _> = match &pair {
            Pair::P256(pair) | Pair::P384(pair) => pair.public_key().as_der(),
            Pair::Rsa(pair) => pair.public_key().as_der(),
            Pair::Ed25519(pair) => pair.public_key().as_der(),
        };
        let public = public.map_err(|_| KeyError::Failed("encoding a public key"))?.as_ref().to_vec();
        Ok(Self { pair, public })
    }

    /// The key as a PKCS#8 PrivateKeyInfo in DER.
    ///
    /// # Errors
    /// When the cryptography fails.
    pub fn to_pkcs8(&self) -> Result<Secret, KeyError> {
        let failed = |_| KeyError::Failed("encoding a private key");
        // The documents that are copied from wipe themselves.
        Ok(Secret::new(match &self.pair {
            Pair::P256(pair) | Pair::P384(pair) => pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
                der.as_ref().to_vec()
            }
            // OpenSSL 1.1 reads no version 2, which would hold the public key as well.
            Pair::Ed25519(pair) => pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec(),
        }))
    }
}

fn rsa(pair: Result<RsaKeyPair, KeyRejected>) -> Result<Pair, KeyError> {
    let pair = pair.map_err(|why| KeyError::Rejected(why.to_string()))?;
    if !RSA_OCTETS.contains(&pair.public_modulus_len()) {
        return Err(KeyError::Rejected("an RSA key has 2048 to 4096 bits".into()));
    }
    Ok(Pair::Rsa(pair))
}

impl SigningKey for SoftwareKey {
    fn public_key(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> AlgorithmIdentifier {
        let (oid, parameters) = match self.pair {
            Pair::P256(_) => (ECDSA_WITH_SHA256, None),
            Pair::P384(_) => (ECDSA_WITH_SHA384, None),
            // NULL, and not absent (RFC 4055, section 5).
            Pair::Rsa(_) => (SHA256_WITH_RSA, Any::new(Tag::Null, []).ok()),
            Pair::Ed25519(_) => (ED25519, None),
        };
        AlgorithmIdentifier { oid, parameters }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let failed = |_| KeyError::Failed("signing");
        let random = SystemRandom::new();
        Ok(match &self.pair {
            Pair::P256(pair) | Pair::P384(pair) => pair.sign(&random, message).map_err(failed)?.as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map_err(failed)?;
                signature
            }
            Pair::Ed25519(pair) => pair.try_sign(message).map_err(failed)?.as_ref().to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::signature::Sealed;
    use der::Encode;

    #[test]
    fn a_key_of_each_kind_read_back_signs_for_the_same_public_key() {
        for algorithm in KeyAlgorithm::ALL {
            let key = SoftwareKey::generate_of(algorithm).unwrap();
            let again = SoftwareKey::from_pkcs8(&key.to_pkcs8().unwrap()).unwrap();
            assert_eq!(key.public_key(), again.public_key(), "{algorithm}");
            let signature = again.sign(b"message").unwrap();
            // The content of the SEQUENCE: its head has two octets.
            let identifier = again.algorithm().to_der().unwrap().split_off(2);
            Sealed::new(&identifier, b"message", &signature).unwrap().verify(key.public_key()).unwrap();
        }
    }

    #[test]
    fn a_kind_of_key_has_one_name() {
        for algorithm in KeyAlgorithm::ALL {
            assert_eq!(algorithm.as_str().to_uppercase().parse(), Ok(algorithm));
        }
        for unknown in ["", "rsa", "rsa-1024", "p256"] {
            assert!(unknown.parse::<KeyAlgorithm>().is_err(), "{unknown}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_shown() {
        let error = SoftwareKey::from_pkcs8(&Secret::from("hunter2")).unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert_eq!(format!("{:?}", SoftwareKey::generate().unwrap()), "SoftwareKey([secret])");
    }
}
