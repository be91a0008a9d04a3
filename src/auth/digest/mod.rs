//! HTTP Digest, the server's side (RFC 7616): the challenge that a client is given, and whether what it
//! answers is right. Algorithms SHA-256 and MD5, quality of protection `auth`. Pure but for the
//! record of used nonce counts, which one [`Verifier`] shares among all threads.
//!
//! A request is checked in two steps, so that no credentials cause a query that could not succeed:
//! [`Verifier::examine`] looks at all that can be judged without the password (realm, algorithm, nonce,
//! uri), then the caller fetches HA1, then [`Examined::verify`] compares the response and uses the nonce
//! count up. Who may have credentials at all, and what becomes of the account, is for `auth` to say;
//! what a client is told is the same for every [`Wrong`], which is for the log.
//!
//! **Downgrade.** Each challenge has a nonce of its own, made for its algorithm. A client answers the
//! challenge that it likes best; an answer whose algorithm is not the nonce's, or is not configured
//! (any more), is wrong. A client that picks MD5 where MD5 is offered cannot be told from one
//! that knows nothing better: who does not want that leaves MD5 out of the configuration.
//!
//! **Stale.** `stale=true` tells a client to try again without asking its user, and RFC 7616, section
//! 3.3 allows it only if the response was right for the nonce it used. So the response is checked
//! against HA1 whatever the nonce's age or origin, and nothing but the answer "try again" is won by an
//! old one: neither a person who left the browser open over lunch nor one whose balancer chose another
//! gate is asked twice, and a replay gets a fresh challenge. What about a nonce whose HMAC is not
//! ours? With a configured secret no honest client holds one: it is refused before anything is asked of
//! a database. Without one the key is random, and every client holds such a nonce after a restart:
//! then it is treated like another process's.

mod counts;
mod credentials;
mod hash;
mod nonce;

pub use counts::{NONCES_PER_SHARD, SHARDS, WINDOW};
pub use credentials::{Credentials, MAX_HEADER, MAX_PARAMETERS, MAX_USERNAME, Malformed};
pub use hash::{Parts, length, response};
pub use nonce::MIN_SECRET;

use crate::account::Ha1;
use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::config::{self, DigestAlgorithm};
use counts::{Count, Counts};
use nonce::{Nonces, Opened};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// Gives challenges and verifies what comes back. One for each realm's configuration, shared by all
/// threads; making a new one at a reload costs each client one `stale=true`.
pub struct Verifier {
    realm: String,
    /// The realm as a quoted string has it.
    escaped_realm: String,
    algorithms: Vec<DigestAlgorithm>,
    lifetime: Duration,
    nonces: Nonces,
    /// Whether other processes, and this one after a restart, have the same key.
    key_is_shared: bool,
    counts: Counts,
}

/// A [`Verifier`] cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// The operating system gave no randomness, or the key could not be derived.
    #[error("cannot make a key for nonces: the system gave no randomness")]
    NoRandomness,
    /// The secret is shorter than [`MIN_SECRET`].
    #[error("the secret for nonces is shorter than {MIN_SECRET} octets")]
    ShortSecret,
    /// A control character in the realm could end the header that it stands in.
    #[error("the realm {0:?} holds a control character")]
    Realm(String),
}

/// Whether credentials are right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// They are, and this nonce count is used up.
    Right,
    /// The response is right and the nonce is not good any more: the client may try again with
    /// a fresh nonce without asking its user. It has no leave to pass.
    Stale(Stale),
    /// They are not.
    Wrong(Wrong),
}

/// Why a nonce is not good any more; for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stale {
    /// It is older than its lifetime, or dated after now (the clock was set back).
    Expired,
    /// Another process issued it, so its counts are not known here.
    OtherProcess,
    /// Its HMAC is not ours, and our key does not outlive a restart.
    UnknownKey,
    /// Its counts had to make room for newer ones.
    Forgotten,
    /// The count is so far below the highest that it cannot be told whether it was used.
    CountBehind,
}

/// Why credentials are wrong; for the log. The client is never told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// They are for another realm.
    Realm,
    /// They use an algorithm that is not configured.
    AlgorithmNotOffered,
    /// The nonce was not made with our secret for this realm.
    NonceForged,
    /// The nonce was made for another algorithm than the one they use.
    AlgorithmSwapped,
    /// The `uri` parameter is not the target of the request.
    Uri,
    /// The user has no HA1 for this realm and algorithm, or does not exist.
    UnknownUser,
    /// The stored HA1 is not as many lower-case hexadecimal digits as the algorithm makes.
    UnusableHa1,
    /// The response is not the one that the password makes.
    Response,
    /// The nonce count was used before: a replay.
    Replayed,
}

macro_rules! names {
    ($type:ty: $($variant:ident = $name:literal,)+) => {
        impl $type {
            /// The name in the log.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

names! { Stale:
    Expired = "nonce_expired",
    OtherProcess = "nonce_of_another_process",
    UnknownKey = "nonce_of_an_unknown_key",
    Forgotten = "nonce_forgotten",
    CountBehind = "count_behind",
}

names! { Wrong:
    Realm = "wrong_realm",
    AlgorithmNotOffered = "algorithm_not_offered",
    NonceForged = "nonce_forged",
    AlgorithmSwapped = "algorithm_swapped",
    Uri = "uri_differs",
    UnknownUser = "unknown_user",
    UnusableHa1 = "unusable_ha1",
    Response = "wrong_response",
    Replayed = "count_replayed",
}

impl Verifier {
    /// For this configuration; `secret` is what its `nonce_secret` was found to hold.
    ///
    /// # Errors
    /// When the realm or the secret is unfit, or the system has no randomness.
    pub fn new(config: &config::Digest, secret: Option<&Secret>) -> Result<Self, SetupError> {
        if config.realm.chars().any(char::is_control) {
            return Err(SetupError::Realm(config.realm.clone()));
        }
        Ok(Self {
            escaped_realm: config.realm.replace('\\', r"\\").replace('"', r#"\""#),
            realm: config.realm.clone(),
            algorithms: config.algorithms.clone(),
            lifetime: config.nonce_lifetime,
            nonces: Nonces::new(secret)?,
            key_is_shared: secret.is_some(),
            counts: Counts::new(),
        })
    }

    /// The values of the `WWW-Authenticate` headers, one for each algorithm in the order of the
    /// configuration, each with a fresh nonce. UTF-8: a realm outside ASCII stays as it is.
    #[must_use]
    pub fn challenges(&self, stale: bool, now: Timestamp) -> Vec<String> {
        let challenge = |algorithm: &DigestAlgorithm| {
            let nonce = self.nonces.issue(&self.realm, *algorithm, now);
            format!(
                // `opaque` says nothing, and what comes back as it is not looked at: all that we need to know
                // again stands in the nonce. It is sent for clients that rely on there being one.
                r#"Digest realm="{}", qop="auth", algorithm={}, nonce="{nonce}", opaque="wicketgate", charset=UTF-8{}"#,
                self.escaped_realm,
                algorithm.as_str(),
                if stale { ", stale=true" } else { "" },
            )
        };
        self.algorithms.iter().map(challenge).collect()
    }

    /// Judges all that can be judged without HA1, cheapest first. `method` and `target` are the
    /// request's, the target exactly as it came: over HTTP/2 the `:path`.
    ///
    /// # Errors
    /// Why the credentials are wrong whatever HA1 is.
    pub fn examine<'a>(
        &'a self,
        credentials: &'a Credentials,
        method: &'a str,
        target: &str,
        now: Timestamp,
    ) -> Result<Examined<'a>, Wrong> {
        if credentials.realm != self.realm {
            return Err(Wrong::Realm);
        }
        if !self.algorithms.contains(&credentials.algorithm) {
            return Err(Wrong::AlgorithmNotOffered);
        }
        let standing = match self.nonces.open(&credentials.nonce, &self.realm) {
            Opened::Authentic(nonce) if nonce.algorithm != credentials.algorithm => {
                return Err(Wrong::AlgorithmSwapped);
            }
            Opened::Authentic(nonce) if nonce.process != self.nonces.process() => Standing::Stale(Stale::OtherProcess),
            Opened::Authentic(nonce) if nonce.issued > now || now.since(nonce.issued) > self.lifetime => {
                Standing::Stale(Stale::Expired)
            }
            Opened::Authentic(nonce) => Standing::Good { sequence: nonce.sequence },
            Opened::Unauthentic if !self.key_is_shared => Standing::Stale(Stale::UnknownKey),
            Opened::Unauthentic | Opened::Unlike => return Err(Wrong::NonceForged),
        };
        if !names_target(&credentials.uri, target) {
            return Err(Wrong::Uri);
        }
        Ok(Examined { verifier: self, credentials, method, standing })
    }

    /// Both steps in one, for callers that have HA1 at hand.
    pub fn verify(
        &self,
        credentials: &Credentials,
        method: &str,
        target: &str,
        ha1: Option<&Ha1>,
        now: Timestamp,
    ) -> Outcome {
        match self.examine(credentials, method, target, now) {
            Ok(examined) => examined.verify(ha1),
            Err(wrong) => Outcome::Wrong(wrong),
        }
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("realm", &self.realm)
            .field("algorithms", &self.algorithms)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

/// Credentials of which only the password is still in question.
#[derive(Debug)]
#[must_use = "nothing has been verified yet"]
pub struct Examined<'a> {
    verifier: &'a Verifier,
    credentials: &'a Credentials,
    method: &'a str,
    standing: Standing,
}

#[derive(Debug, Clone, Copy)]
enum Standing {
    Good { sequence: u64 },
    Stale(Stale),
}

impl Examined<'_> {
    /// Whose HA1 is wanted, for [`realm`](Self::realm) and [`algorithm`](Self::algorithm).
    #[must_use]
    pub fn username(&self) -> &str {
        &self.credentials.username
    }

    /// The realm: the verifier's own.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.verifier.realm
    }

    /// The algorithm: one that is configured.
    #[must_use]
    pub fn algorithm(&self) -> DigestAlgorithm {
        self.credentials.algorithm
    }

    /// Compares the response with what HA1 makes of the request, and uses the nonce count up if it is
    /// right. `None` is a user without HA1, and takes as long as one who has it.
    #[must_use]
    pub fn verify(self, ha1: Option<&Ha1>) -> Outcome {
        let Credentials { nonce, uri, algorithm, response, cnonce, count_digits, count, .. } = self.credentials;
        let parts = Parts { method: self.method, uri, nonce, count: count_digits, cnonce };
        let digits = 2 * length(*algorithm);
        let usable = ha1.map(|ha1| ha1.0.expose()).filter(|ha1| is_ha1(ha1, digits));
        let nobody = NOBODY.get(..digits).unwrap_or(NOBODY);
        let expected = Secret::new(hash::response(*algorithm, usable.unwrap_or(nobody), &parts));
        let right = expected == *response;
        match (usable, self.standing) {
            // Whatever came out: NOBODY is no secret.
            (None, _) if ha1.is_none() => Outcome::Wrong(Wrong::UnknownUser),
            (None, _) => Outcome::Wrong(Wrong::UnusableHa1),
            (Some(_), _) if !right => Outcome::Wrong(match self.standing {
                Standing::Stale(Stale::UnknownKey) => Wrong::NonceForged,
                _ => Wrong::Response,
            }),
            (Some(_), Standing::Stale(why)) => Outcome::Stale(why),
            (Some(_), Standing::Good { sequence }) => match self.verifier.counts.use_up(sequence, *count) {
                Count::New => Outcome::Right,
                Count::Used => Outcome::Wrong(Wrong::Replayed),
                Count::Behind => Outcome::Stale(Stale::CountBehind),
                Count::Forgotten => Outcome::Stale(Stale::Forgotten),
            },
        }
    }
}

/// The HA1 that is hashed where there is none.
const NOBODY: &[u8] = &[b'0'; 64];

/// Whether a stored HA1 can be one. An empty or truncated one would be a password that anybody knows.
fn is_ha1(ha1: &[u8], digits: usize) -> bool {
    ha1.len() == digits && ha1.iter().all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether `uri` means the target of the request (RFC 7616, section 3.4.6). A client that believes it
/// speaks to a proxy sends a target in absolute form and hashes it so, or hashes path and query alone.
fn names_target(uri: &str, target: &str) -> bool {
    uri == target || origin_form(target).is_some_and(|origin| uri == origin)
}

/// The origin form of a target in absolute form (RFC 9112, section 3.2): what follows the authority,
/// with the path `/` where there is none.
fn origin_form(target: &str) -> Option<Cow<'_, str>> {
    let (scheme, rest) = target.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let path_and_query = rest.get(rest.find(['/', '?']).unwrap_or(rest.len())..)?;
    Some(match path_and_query.starts_with('/') {
        true => Cow::Borrowed(path_and_query),
        false => Cow::Owned(format!("/{path_and_query}")),
    })
}

#[cfg(test)]
mod tests;
