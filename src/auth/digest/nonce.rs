//! Nonces that need no memory until they are used (RFC 7616, sections 3.3 and 5.4): each carries when,
//! by which process and for which algorithm it was made, and an HMAC over that and the realm. So any
//! gate with the same secret knows a nonce again, and nobody else can make one.
//!
//! | octets | what |
//! |---|---|
//! | 1 | version of this layout: 1 |
//! | 1 | algorithm |
//! | 8 | seconds since the epoch, big-endian |
//! | 8 | process: random, drawn at start |
//! | 8 | sequence: counts the nonces of the process from 1 |
//! | 22 | the first 176 bits of HMAC-SHA-256 over the 26 octets above and the realm |
//!
//! All together 48 octets, so that base64url writes them as 64 characters with no bit to spare: one
//! nonce has one spelling.

use super::SetupError;
use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::config::DigestAlgorithm;
use aws_lc_rs::{hkdf, hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::atomic::{AtomicU64, Ordering};
use subtle::ConstantTimeEq;

/// The shortest secret that nonces may be authenticated with, in octets.
pub const MIN_SECRET: usize = 16;

const VERSION: u8 = 1;
const PAYLOAD: usize = 26;
const TAG: usize = 22;

/// Makes nonces and knows them again.
pub(super) struct Nonces {
    key: hmac::Key,
    process: u64,
    last: AtomicU64,
}

/// What an authentic nonce says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Nonce {
    /// What it was issued for.
    pub(super) algorithm: DigestAlgorithm,
    /// When.
    pub(super) issued: Timestamp,
    /// The process that did.
    pub(super) process: u64,
    /// Which one of that process's it is.
    pub(super) sequence: u64,
}

/// What a text turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opened {
    /// A nonce made with our secret, for this realm.
    Authentic(Nonce),
    /// It has the form of one.
    Unauthentic,
    /// Something else.
    Unlike,
}

impl Nonces {
    /// With a key of the configured secret, or without one with a random key. The process is drawn at
    /// random in either case.
    pub(super) fn new(secret: Option<&Secret>) -> Result<Self, SetupError> {
        let mut process = [0; 8];
        rand::fill(&mut process).map_err(|_| SetupError::NoRandomness)?;
        let key = match secret {
            Some(secret) if secret.expose().len() < MIN_SECRET => return Err(SetupError::ShortSecret),
            Some(secret) => derive(secret).map_err(|_| SetupError::NoRandomness)?,
            None => hmac::Key::generate(hmac::HMAC_SHA256, &rand::SystemRandom::new())
                .map_err(|_| SetupError::NoRandomness)?,
        };
        Ok(Self { key, process: u64::from_be_bytes(process), last: AtomicU64::new(0) })
    }

    /// The process whose nonces these are.
    pub(super) fn process(&self) -> u64 {
        self.process
    }

    /// A new nonce.
    pub(super) fn issue(&self, realm: &str, algorithm: DigestAlgorithm, now: Timestamp) -> String {
        // The number only has to be new; nothing else is ordered by it.
        let sequence = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let mut octets = Vec::with_capacity(PAYLOAD + TAG);
        octets.extend([VERSION, code(algorithm)]);
        octets.extend(now.as_unix().to_be_bytes());
        octets.extend(self.process.to_be_bytes());
        octets.extend(sequence.to_be_bytes());
        let tag = self.tag(&octets, realm);
        octets.extend(tag.as_ref().iter().take(TAG));
        URL_SAFE_NO_PAD.encode(octets)
    }

    /// What a text is that came back as a nonce for this realm.
    pub(super) fn open(&self, text: &str, realm: &str) -> Opened {
        let mut octets = [0; PAYLOAD + TAG];
        if URL_SAFE_NO_PAD.decode_slice(text, &mut octets) != Ok(octets.len()) {
            return Opened::Unlike;
        }
        let Some((payload, tag)) = octets.split_first_chunk::<PAYLOAD>() else { return Opened::Unlike };
        let Some(nonce) = read(payload) else { return Opened::Unlike };
        let expected = self.tag(payload, realm);
        let right = expected.as_ref().get(..TAG).is_some_and(|expected| expected.ct_eq(tag).into());
        if right { Opened::Authentic(nonce) } else { Opened::Unauthentic }
    }

    fn tag(&self, payload: &[u8], realm: &str) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.key);
        // The payload has one length, so that no realm can be taken for a part of it.
        context.update(payload);
        context.update(realm.as_bytes());
        context.sign()
    }
}

/// A key for this purpose alone: the same secret may serve another.
fn derive(secret: &Secret) -> Result<hmac::Key, aws_lc_rs::error::Unspecified> {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"wicketgate");
    let derived = salt.extract(secret.expose());
    let key = derived.expand(&[b"digest nonce"], hmac::HMAC_SHA256)?;
    Ok(hmac::Key::from(key))
}

fn code(algorithm: DigestAlgorithm) -> u8 {
    match algorithm {
        DigestAlgorithm::Sha256 => 1,
        DigestAlgorithm::Md5 => 2,
    }
}

fn read(payload: &[u8; PAYLOAD]) -> Option<Nonce> {
    let ([version, algorithm], rest) = payload.split_first_chunk::<2>()?;
    let (issued, rest) = rest.split_first_chunk::<8>()?;
    let (process, rest) = rest.split_first_chunk::<8>()?;
    let (sequence, _) = rest.split_first_chunk::<8>()?;
    let known = [DigestAlgorithm::Sha256, DigestAlgorithm::Md5];
    (*version == VERSION).then_some(())?;
    Some(Nonce {
        algorithm: known.into_iter().find(|known| code(*known) == *algorithm)?,
        issued: Timestamp::from_unix(i64::from_be_bytes(*issued)),
        process: u64::from_be_bytes(*process),
        sequence: u64::from_be_bytes(*sequence),
    })
}

#[cfg(test)]
mod tests;
