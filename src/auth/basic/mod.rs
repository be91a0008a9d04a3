//! HTTP Basic, the server's side (RFC 7617): the challenge, and whether a password is the one whose hash is stored.
//! `credentials` reads the header; hashing happens on threads of its own (`hashing`), since one hash takes as long
//! as thousands of requests do.
//!
//! A client sends the password with every request. One that was right is remembered for a while, by a keyed hash
//! over the user name, what is stored, and the password, under a key that this process alone has: whoever reads the
//! memory finds nothing to guess at without the key, and another stored hash makes another entry, so that a
//! change of the password ends it. Requests with one password that come at once are hashed once. Wrong passwords are
//! not remembered: what holds guessing up is `throttle`.
//!
//! A user who does not exist takes as long as one who does: what is hashed then is like what was hashed last for
//! somebody who does.

mod credentials;
mod hashing;

pub use credentials::{Credentials, MAX_HEADER, MAX_USERNAME, Malformed};

use super::throttle::Effort;
use crate::account::password::Password;
use crate::base::secret::Secret;
use crate::config;
use arc_swap::ArcSwap;
use aws_lc_rs::hmac;
use hashing::{Hashing, NoRoom};
use moka::future::Cache;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How many right passwords are remembered at most.
const MOST_REMEMBERED: u64 = 100_000;
/// When a client may come again for whose password there was no room.
pub const COME_AGAIN: Duration = Duration::from_secs(1);

/// Gives challenges and verifies passwords; one for each configuration, shared by all threads.
pub struct Verifier {
    realm: Arc<str>,
    challenge: String,
    key: hmac::Key,
    remembered: Option<Cache<[u8; 32], ()>>,
    hashing: Hashing,
    /// What is hashed for those who have no password.
    nobodys: ArcSwap<Password>,
    /// Whether somebody's password is being hashed anew, or the store does not let us.
    rehashing: AtomicBool,
}

/// A [`Verifier`] cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The operating system gave no randomness.
    #[error("cannot make a key for remembering passwords: the system gave no randomness")]
    NoRandomness,
    /// The operating system gave no thread.
    #[error("cannot start a thread for hashing: {0}")]
    Thread(#[from] std::io::Error),
}

/// Whether a password is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is.
    Right,
    /// It is not, or there is none.
    Wrong,
    /// Too many wait to be hashed.
    Crowded,
}

impl Verifier {
    /// For this configuration.
    ///
    /// # Errors
    /// When the system has no randomness, or no threads.
    pub fn new(config: &config::Basic) -> Result<Self, SetupError> {
        let mut key = [0; 32];
        aws_lc_rs::rand::fill(&mut key).map_err(|_| SetupError::NoRandomness)?;
        let remembered = (config.remember > Duration::ZERO)
            .then(|| Cache::builder().max_capacity(MOST_REMEMBERED).time_to_live(config.remember).build());
        Ok(Self {
            realm: Arc::from(config.realm.as_str()),
            // The realm was checked to be ASCII without quotes and backslashes.
            challenge: format!(r#"Basic realm="{}", charset="UTF-8""#, config.realm),
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
            remembered,
            hashing: Hashing::start(config.hashes_at_once, config.hashes_waiting)?,
            nobodys: ArcSwap::from_pointee(Password::nobodys()),
            rehashing: AtomicBool::new(false),
        })
    }

    /// The realm that clients are told.
    #[must_use]
    pub fn realm(&self) -> &Arc<str> {
        &self.realm
    }

    /// The value of `WWW-Authenticate`.
    #[must_use]
    pub fn challenge(&self) -> &str {
        &self.challenge
    }

    /// Whether the password is the stored one's; `None` is a user without any, who takes as long. `effort` is told when it
    /// is being hashed.
    pub async fn verify(&self, credentials: &Credentials, stored: Option<&Arc<Password>>, effort: &Effort) -> Outcome {
        let compared = match stored {
            Some(stored) => Arc::clone(stored),
            None => self.nobodys.load_full(),
        };
        let hashed = async {
            match self.hashing.verify(Arc::clone(&compared), credentials.password().clone(), effort.clone()).await {
                Ok(true) if stored.is_some() => Ok(()),
                Ok(_) => Err(Outcome::Wrong),
                Err(NoRoom) => Err(Outcome::Crowded),
            }
        };
        let outcome = match &self.remembered {
            Some(remembered) => {
                let entry = self.entry(credentials, &compared);
                remembered.try_get_with(entry, hashed).await.map_err(|outcome| *outcome)
            }
            None => hashed.await,
        };
        if let (Some(stored), Ok(()) | Err(Outcome::Wrong)) = (stored, &outcome)
            && !self.nobodys.load().costs_like(stored)
        {
            self.nobodys.store(Arc::new(stored.nobodys_like()));
        }
        outcome.map_or_else(|outcome| outcome, |()| Outcome::Right)
    }

    /// The hash that is to be stored instead of an outdated one, unless that is being done for somebody or was found
    /// to be impossible. What comes of it is told to [`rehashed`](Self::rehashed).
    pub async fn rehash(&self, credentials: &Credentials) -> Option<Secret> {
        if self.rehashing.swap(true, Ordering::AcqRel) {
            return None;
        }
        let made = self.hashing.make(credentials.password().clone()).await.ok().flatten();
        if made.is_none() {
            self.rehashed(true);
        }
        made
    }

    /// Whether the store took a new hash. If it did not let us, nothing is hashed anew from now on.
    pub fn rehashed(&self, possible: bool) {
        if possible {
            self.rehashing.store(false, Ordering::Release);
        }
    }

    /// By what a right password is remembered.
    fn entry(&self, credentials: &Credentials, stored: &Password) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        let mut part = |octets: &[u8]| {
            context.update(&octets.len().to_le_bytes());
            context.update(octets);
        };
        part(credentials.username().as_bytes());
        part(credentials.password().expose());
        stored.each_part(part);
        let mut entry = [0; 32];
        for (to, from) in entry.iter_mut().zip(context.sign().as_ref()) {
            *to = *from;
        }
        entry
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("challenge", &self.challenge).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
