//! Public keys as JSON (RFC 7517, RFC 7518 section 6.2, RFC 8037 section 2), sets of them, and the thumbprints by which
//! they are named (RFC 7638). Two kinds are read: P-256 and Ed25519. Keys of other kinds in a set are passed over,
//! as section 5 of RFC 7517 asks for.

use super::{JoseError, decode, encode};
use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The most keys that a set may have.
pub const MOST_KEYS: usize = 16;

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// A point of P-256, uncompressed: 4, x, y.
    P256([u8; 65]),
    /// Ed25519.
    Ed25519([u8; 32]),
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// `sig`: verifying signatures.
    Signature,
    /// `enc`: encrypting.
    Encryption,
}

impl PublicKey {
    /// From a point as aws-lc-rs gives it.
    ///
    /// # Errors
    /// When it is no uncompressed point.
    pub fn p256(point: &[u8]) -> Result<Self, JoseError> {
        match <[u8; 65]>::try_from(point) {
            Ok(point @ [4, ..]) => Ok(Self::P256(point)),
            _ => Err(JoseError::Malformed("the key is no point of P-256")),
        }
    }

    /// The members that define the key, in the order and form that its thumbprint is made of.
    fn members(&self) -> String {
        match self {
            Self::P256(point) => {
                let (x, y) = coordinates(point);
                format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, encode(x), encode(y))
            }
            Self::Ed25519(octets) => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encode(octets)),
        }
    }

    /// The key's name: the SHA-256 of its members, in base64url (RFC 7638).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        encode(digest(&SHA256, self.members().as_bytes()))
    }

    /// The one signature algorithm for keys of this kind.
    #[must_use]
    pub fn signature_algorithm(&self) -> &'static str {
        match self {
            Self::P256(_) => "ES256",
            Self::Ed25519(_) => "EdDSA",
        }
    }

    /// The key as JSON, named by its thumbprint.
    #[must_use]
    pub fn to_json(&self, purpose: Use) -> Value {
        let kid = self.thumbprint();
        let (usage, alg) = match purpose {
            Use::Signature => ("sig", self.signature_algorithm()),
            Use::Encryption => ("enc", "ECDH-ES"),
        };
        match self {
            Self::P256(point) => {
                let (x, y) = coordinates(point);
                json!({ "kty": "EC", "crv": "P-256", "x": encode(x), "y": encode(y), "use": usage, "alg": alg, "kid": kid })
            }
            Self::Ed25519(octets) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(octets), "use": usage, "alg": alg, "kid": kid })
            }
        }
    }
}

fn coordinates(point: &[u8; 65]) -> (&[u8], &[u8]) {
    point.get(1..).unwrap_or_default().split_at(32)
}

/// The text of a set of keys (RFC 7517, section 5).
#[must_use]
pub fn set<'a>(keys: impl IntoIterator<Item = (&'a PublicKey, Use)>) -> String {
    let keys: Vec<Value> = keys.into_iter().map(|(key, purpose)| key.to_json(purpose)).collect();
    json!({ "keys": keys }).to_string()
}

/// The members of a key that matter here. Unknown ones are passed over (RFC 7517, section 4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Members {
    pub(super) kty: String,
    #[serde(default)]
    pub(super) crv: String,
    #[serde(default)]
    pub(super) x: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) y: Option<String>,
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    purpose: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    d: Option<Value>,
}

impl Members {
    /// An ephemeral public key, as it stands in the head of an encrypted token.
    pub(super) fn ephemeral(point: &[u8; 65]) -> Self {
        let (x, y) = coordinates(point);
        let (kty, crv) = ("EC".to_owned(), "P-256".to_owned());
        Self { kty, crv, x: encode(x), y: Some(encode(y)), purpose: None, d: None }
    }

    /// The key; `None` if it is of a kind that is not read.
    pub(super) fn key(&self) -> Result<Option<PublicKey>, JoseError> {
        let octets = |text: &str| {
            let octets: Option<[u8; 32]> = decode(text).and_then(|octets| octets.try_into().ok());
            octets.ok_or(JoseError::Malformed("a coordinate of a key has not 32 octets in base64url"))
        };
        match (self.kty.as_str(), self.crv.as_str()) {
            ("EC", "P-256") => {
                let y = self.y.as_deref().ok_or(JoseError::Malformed("a key on P-256 has no y"))?;
                let point = [&[4][..], &octets(&self.x)?, &octets(y)?].concat();
                PublicKey::p256(&point).map(Some)
            }
            ("OKP", "Ed25519") => Ok(Some(PublicKey::Ed25519(octets(&self.x)?))),
            _ => Ok(None),
        }
    }
}

/// Public keys of somebody else's, by what they are for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeySet {
    /// Keys that verify signatures.
    pub signature: Vec<PublicKey>,
    /// Keys that may be encrypted to, the preferred one first.
    pub encryption: Vec<PublicKey>,
}

impl KeySet {
    /// Reads a set. A key without `use` is passed over: it would have to be guessed what it is for.
    ///
    /// # Errors
    /// When it is no set of keys, has too many, or one of a kind that is read is damaged or private.
    pub fn parse(text: &[u8]) -> Result<Self, JoseError> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Members>,
        }
        let Set { keys } =
            serde_json::from_slice(text).map_err(|_| JoseError::Malformed("this is no set of keys (JWK Set)"))?;
        if keys.len() > MOST_KEYS {
            return Err(JoseError::Malformed("the set has too many keys"));
        }
        let mut set = Self::default();
        for members in keys {
            if members.d.is_some() {
                return Err(JoseError::Malformed("the set holds a private key"));
            }
            let Some(key) = members.key()? else { continue };
            match (members.purpose.as_deref(), &key) {
                (Some("sig"), _) => set.signature.push(key),
                (Some("enc"), PublicKey::P256(_)) => set.encryption.push(key),
                _ => {}
            }
        }
        Ok(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbprint_is_that_of_the_standard() {
        // RFC 8037, appendix A.3.
        let members =
            r#"{"keys":[{"kty":"OKP","crv":"Ed25519","use":"sig","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        let set = KeySet::parse(members.as_bytes()).unwrap();
        assert_eq!(set.signature[0].thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_set_that_was_written_is_read_again() {
        let point: Vec<u8> = std::iter::once(4).chain((0..64).map(|n| n * 3)).collect();
        let key = PublicKey::p256(&point).unwrap();
        let other = PublicKey::Ed25519([7; 32]);
        let text = set([(&key, Use::Encryption), (&other, Use::Signature), (&key, Use::Signature)]);
        let read = KeySet::parse(text.as_bytes()).unwrap();
        assert_eq!(read, KeySet { signature: vec![other, key.clone()], encryption: vec![key] });
    }

    #[test]
    fn what_is_no_set_of_public_keys_is_refused() {
        for text in [
            "",
            "[]",
            "{}",
            r#"{"keys":{}}"#,
            r#"{"keys":[{"crv":"P-256"}]}"#,
            r#"{"keys":[{"kty":"EC","crv":"P-256","use":"sig","x":"AA","y":"AA"}]}"#,
            r#"{"keys":[{"kty":"EC","crv":"P-256","use":"sig","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
            r#"{"keys":[{"kty":"OKP","crv":"Ed25519","use":"sig","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo="}]}"#,
            r#"{"keys":[{"kty":"OKP","crv":"Ed25519","use":"sig","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"AA"}]}"#,
            r#"{"keys":[],"keys":[]}"#,
        ] {
            assert!(KeySet::parse(text.as_bytes()).is_err(), "{text}");
        }
        let many = format!(r#"{{"keys":[{}]}}"#, vec![r#"{"kty":"RSA"}"#; 17].join(","));
        assert!(KeySet::parse(many.as_bytes()).is_err());
        // Kinds that are not read, and keys that do not say what they are for, are passed over.
        let others = r#"{"keys":[{"kty":"RSA","n":"AQAB","use":"sig"},{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        assert_eq!(KeySet::parse(others.as_bytes()).unwrap(), KeySet::default());
    }
}
