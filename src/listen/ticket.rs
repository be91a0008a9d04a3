//! Session tickets (RFC 8446, section 4.6.1; RFC 5077) that never cross policies: they are sealed with a
//! key that is derived by HKDF (RFC 5869) from the shared secret, the client-certificate policy of the
//! host and the period in which they were made. Nodes that share the secret resume each other's sessions;
//! a host with another policy cannot even open the ticket.

use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use rustls::server::ProducesTickets;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// How long one key seals, in seconds. Tickets are opened for this period and the one after it.
const PERIOD: i64 = 6 * 3600;
const PERIOD_OCTETS: usize = 8;

/// Seals and opens the tickets of one policy.
pub(super) struct PolicyTickets {
    secret: Secret,
    policy: String,
    /// The keys in use by period: at most the current one and the one before.
    keys: Mutex<Vec<(i64, Arc<LessSafeKey>)>>,
    now: fn() -> Timestamp,
}

impl PolicyTickets {
    /// Tickets for the policy that this text names, under this secret (at least 128 bits of entropy).
    pub(super) fn new(secret: Secret, policy: String) -> Self {
        Self { secret, policy, keys: Mutex::default(), now: Timestamp::now }
    }

    fn key(&self, period: i64) -> Option<Arc<LessSafeKey>> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, key)) = keys.iter().find(|(of, _)| *of == period) {
            return Some(Arc::clone(key));
        }
        let key = Arc::new(self.derive(period)?);
        // Keys of periods that are over are forgotten, which is what makes old tickets worthless.
        let current = self.period();
        keys.retain(|(of, _)| *of >= current - 1);
        keys.push((period, Arc::clone(&key)));
        Some(key)
    }

    fn derive(&self, period: i64) -> Option<LessSafeKey> {
        let period = period.to_be_bytes();
        let info: [&[u8]; 2] = [&period, self.policy.as_bytes()];
        let prk = Salt::new(HKDF_SHA256, b"wicketgate session ticket 1").extract(self.secret.expose());
        let okm = prk.expand(&info, &AES_256_GCM).ok()?;
        Some(LessSafeKey::new(UnboundKey::from(okm)))
    }

    fn period(&self) -> i64 {
        (self.now)().as_unix().div_euclid(PERIOD)
    }
}

impl fmt::Debug for PolicyTickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicyTickets").field("policy", &self.policy).finish_non_exhaustive()
    }
}

impl ProducesTickets for PolicyTickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(PERIOD).unwrap_or(u32::MAX)
    }

    /// `period (8) || nonce (12) || ciphertext and tag`, the period authenticated along.
    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let period = self.period();
        let key = self.key(period)?;
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).ok()?;
        let period = period.to_be_bytes();
        let mut sealed = plain.to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(period), &mut sealed).ok()?;
        Some([&period[..], &nonce[..], &sealed[..]].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (period, rest) = ticket.split_first_chunk::<PERIOD_OCTETS>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let current = self.period();
        let claimed = i64::from_be_bytes(*period);
        // Checked before a key is derived: nobody makes us derive keys for periods of their choice.
        if claimed != current && claimed != current - 1 {
            return None;
        }
        let key = self.key(claimed)?;
        let mut octets = sealed.to_vec();
        let plain =
            key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(*period), &mut octets).ok()?.len();
        octets.truncate(plain);
        Some(octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tickets(secret: &str, policy: &str) -> PolicyTickets {
        PolicyTickets::new(Secret::from(secret), policy.to_owned())
    }

    #[test]
    fn a_ticket_opens_under_the_same_secret_and_policy_alone() {
        let sealed = tickets("one", "need").encrypt(b"session").unwrap();
        assert_eq!(tickets("one", "need").decrypt(&sealed).as_deref(), Some(&b"session"[..]));
        assert_eq!(tickets("one", "want").decrypt(&sealed), None);
        assert_eq!(tickets("two", "need").decrypt(&sealed), None);
    }

    #[test]
    fn a_changed_or_cut_ticket_does_not_open() {
        let tickets = tickets("one", "need");
        let sealed = tickets.encrypt(b"session").unwrap();
        for length in 0..sealed.len() {
            assert_eq!(tickets.decrypt(&sealed[..length]), None);
        }
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert_eq!(tickets.decrypt(&changed), None);
        }
    }

    #[test]
    fn a_ticket_opens_in_its_period_and_the_next_one() {
        let at = |now| PolicyTickets { now, ..tickets("one", "need") };
        let sealed = at(|| Timestamp::from_unix(PERIOD)).encrypt(b"session").unwrap();
        assert!(at(|| Timestamp::from_unix(3 * PERIOD - 1)).decrypt(&sealed).is_some());
        assert!(at(|| Timestamp::from_unix(3 * PERIOD)).decrypt(&sealed).is_none());
    }

    #[test]
    fn only_keys_in_use_are_kept() {
        let tickets = tickets("one", "need");
        for period in [5, 6, 7] {
            tickets.key(period);
        }
        let current = tickets.period();
        tickets.key(current - 1);
        tickets.key(current);
        assert_eq!(tickets.keys.lock().unwrap().len(), 2);
    }
}
