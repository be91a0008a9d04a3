//! Signed tokens in the compact form (RFC 7515, section 7.1), by ES256 (RFC 7518, section 3.4) and EdDSA over Ed25519
//! (RFC 8037, section 3.1). A key signs by the one algorithm of its kind; a reader goes by the kind of the key that the
//! token names, so that a token cannot choose how it is verified.

use super::jwk::PublicKey;
use super::{JoseError, encode, json, parts};
use crate::base::secret::Secret;
use crate::config::SignatureAlgorithm as Algorithm;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    UnparsedPublicKey,
};
use serde::Deserialize;
use std::fmt;

/// A private key that signs, in this process' memory.
pub struct SigningKey {
    pair: Pair,
    public: PublicKey,
    kid: String,
}

enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, [secret])", self.kid)
    }
}

impl SigningKey {
    /// The key in an unencrypted PKCS#8 PrivateKeyInfo in DER (RFC 5208, RFC 5958): of P-256 or Ed25519.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, JoseError> {
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8) {
            let public = PublicKey::p256(pair.public_key().as_ref())?;
            return Ok(Self::of(Pair::Es256(pair), public));
        }
        let not_taken = JoseError::Malformed("this is no private key of P-256 or Ed25519 in PKCS#8");
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| not_taken.clone())?;
        let public: [u8; 32] = pair.public_key().as_ref().try_into().map_err(|_| not_taken)?;
        Ok(Self::of(Pair::EdDsa(pair), PublicKey::Ed25519(public)))
    }

    fn of(pair: Pair, public: PublicKey) -> Self {
        let kid = public.thumbprint();
        Self { pair, public, kid }
    }

    /// A new random key, in PKCS#8.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate(algorithm: Algorithm) -> Result<Secret, JoseError> {
        let failed = |_| JoseError::Failed("making a key");
        let pkcs8 = match algorithm {
            Algorithm::Es256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
                .and_then(|pair| pair.to_pkcs8v1())
                .map_err(failed)?,
            Algorithm::EdDsa => Ed25519KeyPair::generate().and_then(|pair| pair.to_pkcs8v1()).map_err(failed)?,
        };
        Ok(Secret::new(pkcs8.as_ref().to_vec()))
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Its name: the thumbprint of the public half.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Which kind it is of.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Es256(_) => Algorithm::Es256,
            Pair::EdDsa(_) => Algorithm::EdDsa,
        }
    }

    /// A token of this type (`typ`) with these claims, which are JSON.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn sign(&self, typ: &str, claims: &[u8]) -> Result<String, JoseError> {
        let head = serde_json::json!({ "alg": self.public.signature_algorithm(), "kid": self.kid, "typ": typ });
        let mut token = encode(head.to_string());
        token.push('.');
        token.push_str(&encode(claims));
        let signature = match &self.pair {
            Pair::Es256(pair) => {
                pair.sign(&SystemRandom::new(), token.as_bytes()).map_err(|_| JoseError::Failed("signing"))?
            }
            Pair::EdDsa(pair) => pair.sign(token.as_bytes()),
        };
        token.push('.');
        token.push_str(&encode(signature));
        Ok(token)
    }
}

#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: String,
    #[serde(default)]
    typ: String,
    crit: Option<serde_json::Value>,
}

/// The claims of a token of this type that one of these keys has signed, as JSON.
///
/// # Errors
/// When it is no such token, or none of these keys has signed it.
pub fn verify(token: &str, typ: &str, keys: &[PublicKey]) -> Result<Vec<u8>, JoseError> {
    let [head, claims, signature] = parts(token)?;
    let signed = token.get(..head.len() + 1 + claims.len()).unwrap_or_default();
    let head: Head = json(head)?;
    if head.crit.is_some() {
        return Err(JoseError::Unsupported { what: "crit", found: "present".to_owned() });
    }
    if head.typ != typ {
        return Err(JoseError::Unsupported { what: "typ", found: head.typ });
    }
    let Some(key) = keys.iter().find(|key| key.thumbprint() == head.kid) else {
        return Err(JoseError::UnknownKey(head.kid));
    };
    if head.alg != key.signature_algorithm() {
        return Err(JoseError::Unsupported { what: "alg", found: head.alg });
    }
    let not_base64 = JoseError::Malformed("a part of it is not base64url");
    let signature = super::decode(signature).ok_or(not_base64.clone())?;
    let valid = match key {
        PublicKey::P256(point) => {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed.as_bytes(), &signature)
        }
        PublicKey::Ed25519(octets) => {
            UnparsedPublicKey::new(&signature::ED25519, octets).verify(signed.as_bytes(), &signature)
        }
    };
    valid.map_err(|_| JoseError::NotAuthentic("the signature"))?;
    super::decode(claims).ok_or(not_base64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(algorithm: Algorithm) -> SigningKey {
        SigningKey::from_pkcs8(SigningKey::generate(algorithm).unwrap().expose()).unwrap()
    }

    /// A token with another head and the same rest.
    fn with_head(token: &str, head: &str) -> String {
        format!("{}.{}", encode(head), token.split_once('.').unwrap().1)
    }

    #[test]
    fn what_a_key_has_signed_verifies_under_it_alone() {
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
            let (one, other) = (key(algorithm), key(algorithm));
            let token = one.sign("JWT", br#"{"sub":"alice"}"#).unwrap();
            let keys = [other.public().clone(), one.public().clone()];
            assert_eq!(verify(&token, "JWT", &keys).unwrap(), br#"{"sub":"alice"}"#);
            assert!(matches!(verify(&token, "JWT", &keys[..1]), Err(JoseError::UnknownKey(_))));
            assert!(matches!(verify(&token, "other", &keys), Err(JoseError::Unsupported { what: "typ", .. })));
            assert_eq!(one.algorithm(), algorithm);
            assert!(format!("{one:?}").contains("[secret]"));
        }
    }

    #[test]
    fn no_octet_of_a_token_can_be_changed() {
        let key = key(Algorithm::Es256);
        let token = key.sign("JWT", br#"{"sub":"alice"}"#).unwrap();
        let keys = [key.public().clone()];
        for at in 0..token.len() {
            for other in ["A", "_", "."] {
                let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
                if changed != token {
                    assert!(verify(&changed, "JWT", &keys).is_err(), "{changed}");
                }
            }
            assert!(verify(&token[..at], "JWT", &keys).is_err());
        }
    }

    #[test]
    fn a_token_cannot_choose_how_it_is_verified() {
        let key = key(Algorithm::Es256);
        let token = key.sign("JWT", b"{}").unwrap();
        let kid = key.kid();
        for (head, what) in [
            (format!(r#"{{"alg":"none","kid":"{kid}","typ":"JWT"}}"#), "alg"),
            (format!(r#"{{"alg":"HS256","kid":"{kid}","typ":"JWT"}}"#), "alg"),
            (format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"JWT"}}"#), "alg"),
            (format!(r#"{{"alg":"ES256","kid":"{kid}","typ":"JWT","crit":["b64"],"b64":false}}"#), "crit"),
            (format!(r#"{{"alg":"ES256","kid":"{kid}"}}"#), "typ"),
        ] {
            let found = verify(&with_head(&token, &head), "JWT", &[key.public().clone()]);
            assert!(matches!(&found, Err(JoseError::Unsupported { what: about, .. }) if *about == what), "{found:?}");
        }
        let twice = format!(r#"{{"alg":"ES256","kid":"{kid}","alg":"none","typ":"JWT"}}"#);
        assert!(matches!(verify(&with_head(&token, &twice), "JWT", &[]), Err(JoseError::Malformed(_))));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let long = "a".repeat(super::super::MOST_OCTETS + 1);
        for text in ["", ".", "..", "...", "a.b", "a.b.c.d", "e30.e30.", "e30=.e30.AA", "é.é.é", &long] {
            assert!(verify(text, "JWT", &[]).is_err(), "{text:?}");
        }
    }

    #[test]
    fn only_a_private_key_of_a_kind_that_signs_is_taken() {
        for octets in [&b""[..], b"\x30\x00", &[0; 64]] {
            assert!(SigningKey::from_pkcs8(octets).is_err());
        }
    }
}
