//! Nonces that need no memory until they are used (RFC 7616, sections 3.3 and 5.4): each carries when,
//! by which process and for which algorithm it was made, and an HMAC over that and the realm. So any
//! gate with the same secret knows a nonce again, and nobody else can make one.
//!
//! | octets | what |
//! |---|---|
//! | 1 | version of this layout: 2 |
//! | 1 | algorithm |
//! | 8 | seconds since the epoch, big-endian |
//! | 8 | process: random, drawn at start |
//! | 8 | sequence: counts the nonces of the process from 1 |
//! | 6 | zero, or the first 48 bits of HMAC-SHA-256 over the 26 octets above and the client's address |
//! | 16 | the first 128 bits of HMAC-SHA-256 over the 32 octets above and the realm |
//!
//! All together 48 octets, so that base64url writes them as 64 characters with no bit to spare: one
//! nonce has one spelling.
//!
//! When the secret changes, nonces of the old one are known for one lifetime more ([`Nonces::succeed`]).

use super::SetupError;
use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::config::ChallengeAlgorithm;
use aws_lc_rs::{hkdf, hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use subtle::ConstantTimeEq;

/// The shortest secret that nonces may be authenticated with, in octets.
pub const MIN_SECRET: usize = 16;

const VERSION: u8 = 2;
/// What the mark of an address is made over.
const PAYLOAD: usize = 26;
const MARK: usize = 6;
const TAG: usize = 16;

/// Makes nonces and knows them again.
pub(super) struct Nonces {
    /// The configured secret, by which a new configuration is seen to have the same.
    secret: Option<Secret>,
    key: hmac::Key,
    /// The key before this one, and until when its nonces are known.
    previous: Option<(hmac::Key, Timestamp)>,
    process: u64,
    /// Shared with whoever succeeds, so that no number is given out twice.
    last: Arc<AtomicU64>,
}

/// What an authentic nonce says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Nonce {
    /// What it was issued for.
    pub(super) algorithm: ChallengeAlgorithm,
    /// When.
    pub(super) issued: Timestamp,
    /// The process that did.
    pub(super) process: u64,
    /// Which one of that process's it is.
    pub(super) sequence: u64,
    /// Whether it is bound to another address than the one it came from.
    pub(super) elsewhere: bool,
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
        let (key, process) = (key(secret)?, u64::from_be_bytes(process));
        Ok(Self { secret: secret.cloned(), key, previous: None, process, last: Arc::new(AtomicU64::new(0)) })
    }

    /// Those of the same process under a configuration that may have another secret. Nonces of the secret before
    /// are known until then.
    pub(super) fn succeed(&self, secret: Option<&Secret>, until: Timestamp) -> Result<Self, SetupError> {
        let same = self.secret.as_ref() == secret;
        let (key, previous) = match same {
            true => (self.key.clone(), self.previous.clone()),
            false => (key(secret)?, Some((self.key.clone(), until))),
        };
        Ok(Self { secret: secret.cloned(), key, previous, process: self.process, last: Arc::clone(&self.last) })
    }

    /// Whether other processes, and this one after a restart, have the same key.
    pub(super) fn key_is_shared(&self) -> bool {
        self.secret.is_some()
    }

    /// The process whose nonces these are.
    pub(super) fn process(&self) -> u64 {
        self.process
    }

    /// A new nonce, for one address alone if there is one.
    pub(super) fn issue(
        &self,
        realm: &str,
        algorithm: ChallengeAlgorithm,
        client: Option<IpAddr>,
        now: Timestamp,
    ) -> String {
        // The number only has to be new; nothing else is ordered by it.
        let sequence = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let mut octets = Vec::with_capacity(PAYLOAD + MARK + TAG);
        octets.extend([VERSION, code(algorithm)]);
        octets.extend(now.as_unix().to_be_bytes());
        octets.extend(self.process.to_be_bytes());
        octets.extend(sequence.to_be_bytes());
        let mark = client.map_or([0; MARK], |client| mark(&self.key, &octets, client));
        octets.extend(mark);
        let tag = tag(&self.key, &octets, realm);
        octets.extend(tag.as_ref().iter().take(TAG));
        URL_SAFE_NO_PAD.encode(octets)
    }

    /// What a text is that came back from this address as a nonce for this realm.
    pub(super) fn open(&self, text: &str, realm: &str, client: IpAddr, now: Timestamp) -> Opened {
        let mut octets = [0; PAYLOAD + MARK + TAG];
        if URL_SAFE_NO_PAD.decode_slice(text, &mut octets) != Ok(octets.len()) {
            return Opened::Unlike;
        }
        let Some((signed, proof)) = octets.split_first_chunk::<{ PAYLOAD + MARK }>() else { return Opened::Unlike };
        let Some((payload, bound_to)) = signed.split_first_chunk::<PAYLOAD>() else { return Opened::Unlike };
        let Some(nonce) = read(payload) else { return Opened::Unlike };
        let previous = self.previous.as_ref().filter(|(_, until)| now <= *until).map(|(key, _)| key);
        let made_with = |key: &&hmac::Key| {
            let expected = tag(key, signed, realm);
            expected.as_ref().get(..TAG).is_some_and(|expected| expected.ct_eq(proof).into())
        };
        match [Some(&self.key), previous].into_iter().flatten().find(made_with) {
            Some(key) => {
                let elsewhere = *bound_to != [0; MARK] && mark(key, payload, client) != *bound_to;
                Opened::Authentic(Nonce { elsewhere, ..nonce })
            }
            None => Opened::Unauthentic,
        }
    }
}

// The two begin with different words, and what follows has one length, so that neither can be taken for the other
// and no realm for a part of a nonce.

fn tag(key: &hmac::Key, signed: &[u8], realm: &str) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    context.update(b"nonce");
    context.update(signed);
    context.update(realm.as_bytes());
    context.sign()
}

fn mark(key: &hmac::Key, payload: &[u8], client: IpAddr) -> [u8; MARK] {
    let mut context = hmac::Context::with_key(key);
    context.update(b"client");
    context.update(payload);
    match client.to_canonical() {
        IpAddr::V4(address) => context.update(&address.octets()),
        // A machine may change its address within its network at any time (RFC 8981).
        IpAddr::V6(address) => context.update(address.octets().get(..8).unwrap_or_default()),
    }
    let mut mark = [0; MARK];
    mark.iter_mut().zip(context.sign().as_ref()).for_each(|(to, from)| *to = *from);
    mark
}

/// A key for this purpose alone: the same secret may serve another.
fn key(secret: Option<&Secret>) -> Result<hmac::Key, SetupError> {
    match secret {
        Some(secret) if secret.expose().len() < MIN_SECRET => Err(SetupError::ShortSecret),
        Some(secret) => derive(secret).map_err(|_| SetupError::NoRandomness),
        None => {
            hmac::Key::generate(hmac::HMAC_SHA256, &rand::SystemRandom::new()).map_err(|_| SetupError::NoRandomness)
        }
    }
}

fn derive(secret: &Secret) -> Result<hmac::Key, aws_lc_rs::error::Unspecified> {
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"wicketgate");
    let derived = salt.extract(secret.expose());
    let key = derived.expand(&[b"digest nonce"], hmac::HMAC_SHA256)?;
    Ok(hmac::Key::from(key))
}

fn code(algorithm: ChallengeAlgorithm) -> u8 {
    match algorithm {
        ChallengeAlgorithm::Sha256 => 1,
        ChallengeAlgorithm::Md5 => 2,
        ChallengeAlgorithm::Sha512_256 => 3,
        ChallengeAlgorithm::Sha256Session => 4,
        ChallengeAlgorithm::Md5Session => 5,
        ChallengeAlgorithm::Sha512_256Session => 6,
    }
}

fn read(payload: &[u8; PAYLOAD]) -> Option<Nonce> {
    let ([version, algorithm], rest) = payload.split_first_chunk::<2>()?;
    let (issued, rest) = rest.split_first_chunk::<8>()?;
    let (process, rest) = rest.split_first_chunk::<8>()?;
    let (sequence, _) = rest.split_first_chunk::<8>()?;
    (*version == VERSION).then_some(())?;
    Some(Nonce {
        algorithm: ChallengeAlgorithm::ALL.into_iter().find(|known| code(*known) == *algorithm)?,
        issued: Timestamp::from_unix(i64::from_be_bytes(*issued)),
        process: u64::from_be_bytes(*process),
        sequence: u64::from_be_bytes(*sequence),
        elsewhere: false,
    })
}

#[cfg(test)]
mod tests;
