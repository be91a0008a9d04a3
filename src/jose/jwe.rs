//! Encrypted tokens in the compact form (RFC 7516, section 7.1): `ECDH-ES` over P-256 agrees on the key directly
//! (RFC 7518, section 4.6), `A256GCM` encrypts the content and authenticates the head (section 5.3). Each token has an
//! ephemeral key of its own, and with it a content key of its own.

use super::jwk::{Members, PublicKey};
use super::{JoseError, decode, encode, json, parts};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, ECDH_P256, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::digest::{self, SHA256};
use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::Zeroizing;

/// The length of a content key of A256GCM in octets.
const KEY: usize = 32;
const TAG: usize = 16;
const ENC: &str = "A256GCM";
const ALG: &str = "ECDH-ES";

/// A private key that tokens are encrypted to, in this process' memory.
pub struct DecryptionKey {
    private: PrivateKey,
    public: PublicKey,
    kid: String,
}

impl fmt::Debug for DecryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DecryptionKey({}, [secret])", self.kid)
    }
}

impl DecryptionKey {
    /// The key in an unencrypted PKCS#8 PrivateKeyInfo in DER: of P-256.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, JoseError> {
        let not_taken = JoseError::Malformed("this is no private key of P-256 in PKCS#8");
        let private = PrivateKey::from_private_key_der(&ECDH_P256, pkcs8).map_err(|_| not_taken.clone())?;
        let public = private.compute_public_key().map_err(|_| not_taken)?;
        let public = PublicKey::p256(public.as_ref())?;
        let kid = public.thumbprint();
        Ok(Self { private, public, kid })
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }
}

#[derive(Serialize, Deserialize)]
struct Head {
    alg: String,
    enc: String,
    kid: String,
    typ: String,
    epk: Members,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    apu: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    apv: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    zip: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crit: Option<serde_json::Value>,
}

/// Encrypts a content to the holder of a key, as a token of this type.
///
/// # Errors
/// When the key is not of P-256, or the system gives no randomness.
pub fn seal(content: &[u8], typ: &str, to: &PublicKey) -> Result<String, JoseError> {
    let PublicKey::P256(point) = to else {
        return Err(JoseError::Malformed("only a key of P-256 can be encrypted to"));
    };
    let failed = |_| JoseError::Failed("making an ephemeral key");
    let ephemeral = PrivateKey::generate(&ECDH_P256).map_err(failed)?;
    let epk: [u8; 65] = ephemeral
        .compute_public_key()
        .ok()
        .and_then(|public| public.as_ref().try_into().ok())
        .ok_or(JoseError::Failed("making an ephemeral key"))?;
    let head = Head {
        alg: ALG.to_owned(),
        enc: ENC.to_owned(),
        kid: to.thumbprint(),
        typ: typ.to_owned(),
        epk: Members::ephemeral(&epk),
        apu: None,
        apv: None,
        zip: None,
        crit: None,
    };
    let head = serde_json::to_string(&head).map_err(|_| JoseError::Failed("writing a head"))?;
    let head = encode(head);
    let key = agreed(&ephemeral, point, b"", b"")?;
    let mut iv = [0; NONCE_LEN];
    aws_lc_rs::rand::fill(&mut iv).map_err(|_| JoseError::Failed("making a nonce"))?;
    let mut octets = content.to_vec();
    let tag = content_key(&key)?
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(iv), Aad::from(head.as_bytes()), &mut octets)
        .map_err(|_| JoseError::Failed("encrypting"))?;
    Ok(format!("{head}..{}.{}.{}", encode(iv), encode(octets), encode(tag)))
}

/// The content of a token of this type that was encrypted to one of these keys.
///
/// # Errors
/// When it is no such token, or was changed.
pub fn open(token: &str, typ: &str, keys: &[DecryptionKey]) -> Result<Zeroizing<Vec<u8>>, JoseError> {
    let [head_part, encrypted_key, iv, octets, tag] = parts(token)?;
    let head: Head = json(head_part)?;
    let unsupported = |what, found: &str| Err(JoseError::Unsupported { what, found: found.to_owned() });
    if head.alg != ALG {
        return unsupported("alg", &head.alg);
    }
    if head.enc != ENC {
        return unsupported("enc", &head.enc);
    }
    if head.typ != typ {
        return unsupported("typ", &head.typ);
    }
    // A compressed content would tell of itself by its length, and could be a bomb.
    if head.zip.is_some() {
        return unsupported("zip", "present");
    }
    if head.crit.is_some() {
        return unsupported("crit", "present");
    }
    if !encrypted_key.is_empty() {
        return Err(JoseError::Malformed("a key that is agreed on directly is not sent along"));
    }
    let Some(PublicKey::P256(epk)) = head.epk.key()? else {
        return Err(JoseError::Malformed("the ephemeral key is not of P-256"));
    };
    let key = keys.iter().find(|key| key.kid == head.kid).ok_or(JoseError::UnknownKey(head.kid))?;
    let not_base64 = JoseError::Malformed("a part of it is not base64url");
    let info = |text: &Option<String>| text.as_deref().map_or(Some(Vec::new()), decode).ok_or(not_base64.clone());
    let key = agreed(&key.private, &epk, &info(&head.apu)?, &info(&head.apv)?)?;
    let iv: [u8; NONCE_LEN] = decode(iv).and_then(|iv| iv.try_into().ok()).ok_or(not_base64.clone())?;
    let mut octets = Zeroizing::new(decode(octets).ok_or(not_base64.clone())?);
    let tag = decode(tag).filter(|tag| tag.len() == TAG).ok_or(not_base64)?;
    octets.extend_from_slice(&tag);
    let nonce = Nonce::assume_unique_for_key(iv);
    let length = content_key(&key)?
        .open_in_place(nonce, Aad::from(head_part.as_bytes()), &mut octets)
        .map_err(|_| JoseError::NotAuthentic("the content"))?
        .len();
    octets.truncate(length);
    Ok(octets)
}

fn content_key(key: &[u8]) -> Result<LessSafeKey, JoseError> {
    UnboundKey::new(&AES_256_GCM, key).map(LessSafeKey::new).map_err(|_| JoseError::Failed("setting up a cipher"))
}

/// The content key that the holders of two keys agree on. A point that is not on the curve is refused by the library.
fn agreed(own: &PrivateKey, peer: &[u8; 65], apu: &[u8], apv: &[u8]) -> Result<Zeroizing<Vec<u8>>, JoseError> {
    let peer = UnparsedPublicKey::new(&ECDH_P256, peer);
    let refused = JoseError::Malformed("the ephemeral key is no point of P-256");
    agreement::agree(own, peer, refused, |secret| Ok(concat_kdf(secret, ENC, KEY, apu, apv)))
}

/// The key derivation of NIST SP 800-56A, section 5.8.1, with SHA-256, as RFC 7518, section 4.6.2, uses it: `length`
/// octets of key for an algorithm by its name.
fn concat_kdf(secret: &[u8], algorithm: &str, length: usize, apu: &[u8], apv: &[u8]) -> Zeroizing<Vec<u8>> {
    let count = |octets: usize| u32::try_from(octets).unwrap_or(u32::MAX).to_be_bytes();
    let mut key = Zeroizing::new(Vec::with_capacity(length + KEY));
    let mut round: u32 = 1;
    while key.len() < length {
        let mut hash = digest::Context::new(&SHA256);
        hash.update(&round.to_be_bytes());
        hash.update(secret);
        for part in [algorithm.as_bytes(), apu, apv] {
            hash.update(&count(part.len()));
            hash.update(part);
        }
        hash.update(&count(length * 8));
        key.extend_from_slice(hash.finish().as_ref());
        round += 1;
    }
    key.truncate(length);
    key
}

#[cfg(test)]
mod tests {
    use super::super::jws::SigningKey;
    use super::*;
    use crate::config::SignatureAlgorithm as Algorithm;
    use proptest::prelude::*;

    fn key() -> DecryptionKey {
        DecryptionKey::from_pkcs8(SigningKey::generate(Algorithm::Es256).unwrap().expose()).unwrap()
    }

    /// RFC 7518, appendix C: Alice's ephemeral key, Bob's key, and what both derive.
    #[test]
    fn the_key_that_is_derived_is_that_of_the_standard() {
        let private = |d: &str| PrivateKey::from_private_key(&ECDH_P256, &decode(d).unwrap()).unwrap();
        let point = |x: &str, y: &str| -> [u8; 65] {
            [&[4][..], &decode(x).unwrap(), &decode(y).unwrap()].concat().try_into().unwrap()
        };
        let alice = private("0_NxaRPUMQoAJt50Gz8YiTr8gRTwyEaCumd-MToTmIo");
        let bob = private("VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw");
        let of_alice =
            point("gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0", "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps");
        let of_bob =
            point("weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ", "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck");
        for (own, peer) in [(&alice, &of_bob), (&bob, &of_alice)] {
            let peer = UnparsedPublicKey::new(&ECDH_P256, peer);
            let derived =
                agreement::agree(own, peer, (), |secret| Ok(concat_kdf(secret, "A128GCM", 16, b"Alice", b"Bob")));
            assert_eq!(encode(&**derived.as_ref().unwrap()), "VqqN6vgjbSBcIijNcacQGg");
        }
        assert_eq!(concat_kdf(b"secret", ENC, 48, b"", b"").len(), 48);
    }

    #[test]
    fn what_is_sealed_is_opened_by_its_key_alone() {
        let (one, other) = (key(), key());
        let token = seal(b"content", "T", one.public()).unwrap();
        assert_eq!(&**open(&token, "T", &[other, one]).unwrap(), b"content");
        assert!(matches!(open(&token, "T", &[key()]), Err(JoseError::UnknownKey(_))));
        assert!(seal(b"", "T", &PublicKey::Ed25519([1; 32])).is_err());
    }

    #[test]
    fn no_octet_of_a_sealed_token_can_be_changed() {
        let keys = [key()];
        let token = seal(b"content", "T", keys[0].public()).unwrap();
        for at in 0..token.len() {
            for other in ["A", "_", "."] {
                let changed = format!("{}{other}{}", &token[..at], &token[at + 1..]);
                if changed != token {
                    assert!(open(&changed, "T", &keys).is_err(), "{changed}");
                }
            }
        }
    }

    #[test]
    fn a_head_that_asks_for_anything_else_is_refused() {
        let keys = [key()];
        let token = seal(b"content", "T", keys[0].public()).unwrap();
        let (head, rest) = token.split_once('.').unwrap();
        let head: serde_json::Value = json(head).unwrap();
        let with = |name: &str, value: serde_json::Value| {
            let mut head = head.clone();
            head[name] = value;
            format!("{}.{rest}", encode(head.to_string()))
        };
        for (name, value) in [
            ("alg", "ECDH-ES+A256KW".into()),
            ("alg", "dir".into()),
            ("enc", "A128GCM".into()),
            ("typ", "U".into()),
            ("zip", "DEF".into()),
            ("crit", serde_json::json!(["exp"])),
        ] {
            let found = open(&with(name, value), "T", &keys);
            assert!(matches!(&found, Err(JoseError::Unsupported { what, .. }) if *what == name), "{name}: {found:?}");
        }
        // A point that is not on the curve would tell of the private key (RFC 7518, section 8.1).
        let off = serde_json::json!({ "kty": "EC", "crv": "P-256", "x": encode([1; 32]), "y": encode([1; 32]) });
        assert!(matches!(open(&with("epk", off), "T", &keys), Err(JoseError::Malformed(_))));
        let wrong = serde_json::json!({ "kty": "OKP", "crv": "Ed25519", "x": encode([1; 32]) });
        assert!(matches!(open(&with("epk", wrong), "T", &keys), Err(JoseError::Malformed(_))));
    }

    proptest! {
        #[test]
        fn whatever_is_sealed_comes_back(content in prop::collection::vec(any::<u8>(), 0..2048)) {
            let keys = [key()];
            let token = seal(&content, "T", keys[0].public()).unwrap();
            prop_assert_eq!(&**open(&token, "T", &keys).unwrap(), &content[..]);
        }

        #[test]
        fn no_text_makes_a_reader_panic(text in "[A-Za-z0-9_.{}\":-]{0,200}") {
            prop_assert!(open(&text, "T", &[]).is_err());
        }
    }
}
