//! Who we are to servers that ask for a password by HTTP Digest (RFC 7616): our name, HA1, and the nonces that each
//! server has given, which all workers use with counts that grow. Which requests may be sent twice, and what a client is
//! told of a refusal, is for `proxy::authorized` to say; the arithmetic is `auth::digest::client`'s.
//!
//! A nonce is kept for each server and not for the upstream: servers need not know each other's nonces, and requests go
//! to them in turn.
//!
//! A server that refuses us is left alone for a while, longer each time, and is then tried by one request: servers lock out
//! who comes with a wrong password again and again, and this gate's requests are other people's. What was under way
//! when the first refusal came is not held back by it.

use crate::account::{Ha1, ha1};
use crate::auth::digest::client::{Offer, Outgoing, Session};
use crate::base::hex;
use crate::base::secret::{SecretError, SecretSource};
use crate::config::{ChallengeAlgorithm, DigestAlgorithm, ServerName, UpstreamDigest};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a server is left alone after it has refused us; twice as long after each further refusal, up to the last.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// How long it is waited for what comes of the one request that tries it again.
const TRIAL: Duration = Duration::from_secs(10);

/// How much of a server's text an error repeats, in characters.
const EXCERPT: usize = 80;

/// Our credentials for the servers of one upstream.
#[derive(Debug)]
pub struct Credentials {
    user: String,
    realm: Option<String>,
    ha1: Vec<(DigestAlgorithm, Ha1)>,
    nonces: Mutex<Nonces>,
}

#[derive(Debug, Default)]
struct Nonces {
    kept: HashMap<ServerName, Kept>,
    /// Those that have refused us since they last let us in.
    refused: HashMap<ServerName, Refusals>,
    /// How many there have been.
    count: u64,
}

/// The nonce that is in use with a server.
#[derive(Debug)]
struct Kept {
    session: Session,
    /// Tells it from the nonces before and after it.
    number: u64,
}

/// How a server stands that has refused us.
#[derive(Debug)]
struct Refusals {
    count: u32,
    /// Until when it is left alone.
    until: Instant,
    /// Until when it is waited for a request that tries it again.
    tried_until: Option<Instant>,
}

/// What one request was sent with, to understand its answer by.
#[derive(Debug)]
pub struct Sent {
    session: Session,
    number: u64,
}

impl Sent {
    /// The algorithm that was used.
    #[must_use]
    pub fn algorithm(&self) -> ChallengeAlgorithm {
        self.session.offer().algorithm
    }
}

/// [`Credentials`] cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A hash is not to be had.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// A hash is none of its algorithm.
    #[error("the hash is not {0} hexadecimal digits")]
    Hash(usize),
}

/// A server does not let us in. What it says itself is quoted, and cut short.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotLetIn {
    /// It did not ask for what we have.
    #[error("it answers 401 without a challenge of HTTP Digest with qop=auth")]
    NoDigest,
    /// It asks for the password of another realm.
    #[error("it asks for a password of the realm {0:?}, and authorization.digest.realm is another one")]
    Realm(String),
    /// It asks for hashes that we do not have.
    #[error("it takes {0}, and authorization.digest has no hash for that")]
    Algorithm(String),
    /// It has seen our credentials under a nonce of its own.
    #[error("it refuses the credentials of {user:?} ({algorithm})")]
    Refused {
        /// Our name there.
        user: String,
        /// What was used.
        algorithm: &'static str,
    },
    /// It has refused our credentials, and is not shown them again yet.
    #[error("it has refused the credentials of {user:?} ({count} in a row): it is left alone for {left} s more")]
    Pausing {
        /// Our name there.
        user: String,
        /// How often.
        count: u32,
        /// How long, in seconds rounded up.
        left: u64,
    },
    /// No credentials could be made for this request.
    #[error("it asks for a password, and its challenge cannot be answered for this request")]
    Unanswerable,
    /// It asks for credentials only when the body is there, which is not held for a second time.
    #[error("it asks for a password after it let a HEAD pass, and the body is too large to be sent again")]
    TooLarge,
}

impl Credentials {
    /// From the configuration, without nonces.
    ///
    /// # Errors
    /// When a hash cannot be read, or is none.
    pub fn new(settings: &UpstreamDigest) -> Result<Self, SetupError> {
        let hash = |(algorithm, source): &(DigestAlgorithm, SecretSource)| {
            let secret = source.read()?;
            let hash = ha1::of_digits(&secret, *algorithm).ok_or(SetupError::Hash(2 * algorithm.length()))?;
            Ok((*algorithm, hash))
        };
        let ha1 = settings.ha1.iter().map(hash).collect::<Result<_, SetupError>>()?;
        Ok(Self { user: settings.user.clone(), realm: settings.realm.clone(), ha1, nonces: Mutex::default() })
    }

    /// Whether these say the same of us, so that one may go on with the nonces of the other.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        (&self.user, &self.realm, &self.ha1) == (&other.user, &other.realm, &other.ha1)
    }

    /// The name under which servers know us.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The value of `Authorization` for a request to a server, and what its answer is understood by. `None` while that
    /// server has given no nonce or is left alone, or when the request cannot be answered for.
    #[must_use]
    pub fn authorize(
        &self,
        server: &ServerName,
        method: &str,
        uri: &str,
        cnonce: &str,
        now: Instant,
    ) -> Option<(String, Sent)> {
        let mut nonces = self.nonces();
        if nonces.refused.get(server).is_some_and(|refusals| refusals.left(now).is_some()) {
            return None;
        }
        let Kept { session, number } = nonces.kept.get_mut(server)?;
        let request = Outgoing { method, uri, cnonce, body: None };
        let value = self.ha1(session.offer()).and_then(|ha1| session.authorization(&self.user, ha1, &request));
        let Some(value) = value else {
            // All counts of the nonce are used: the server is asked for another.
            nonces.kept.remove(server);
            return None;
        };
        let sent = Sent { session: session.clone(), number: *number };
        if let Some(refusals) = nonces.refused.get_mut(server) {
            refusals.tried_until = Some(now + TRIAL);
        }
        Some((value, sent))
    }

    /// Takes up the challenges in the values of `WWW-Authenticate` of a 401: the next request to the server answers the
    /// strongest of those that we have a hash for. `sent` is what the request was sent with, if it was sent with credentials.
    ///
    /// # Errors
    /// When there is none that we may answer, or none that we would answer now.
    pub fn challenged<'h>(
        &self,
        server: &ServerName,
        headers: impl IntoIterator<Item = &'h [u8]>,
        sent: Option<&Sent>,
        now: Instant,
    ) -> Result<(), NotLetIn> {
        let offer = self.choose(Offer::all(headers))?;
        let mut nonces = self.nonces();
        if let Some(refusals) = nonces.refused.get_mut(server) {
            if sent.is_some() {
                // The one that tries the server tries it once more.
                refusals.tried_until = None;
            }
            if let Some(left) = refusals.left(now) {
                let left = left.as_secs() + u64::from(left.subsec_nanos() > 0);
                return Err(NotLetIn::Pausing { user: self.user.clone(), count: refusals.count, left });
            }
        }
        nonces.keep(server, Session::new(offer));
        Ok(())
    }

    /// A server has let us in.
    pub fn let_in(&self, server: &ServerName) {
        let mut nonces = self.nonces();
        if !nonces.refused.is_empty() {
            nonces.refused.remove(server);
        }
    }

    /// Takes up the `Authentication-Info` of an answer: the next nonce, if it is given while the one that was used is
    /// still in use. Gives whether the server has shown that it knows HA1, if it says anything of that.
    pub fn informed(&self, server: &ServerName, sent: &mut Sent, header: &[u8]) -> Option<bool> {
        let shown = sent.session.informed(header);
        let mut nonces = self.nonces();
        let in_use = nonces.kept.get(server).filter(|kept| kept.number == sent.number);
        // Taken up a second time, by the answer to a parallel request, it would begin with counts that were used.
        if in_use.is_some_and(|kept| kept.session.offer() != sent.session.offer()) {
            nonces.keep(server, Session::new(sent.session.offer().clone()));
        }
        shown
    }

    /// Forgets the nonce under which a server has refused us, leaves the server alone for a while, and says so.
    pub fn refused(&self, server: &ServerName, sent: &Sent, now: Instant) -> NotLetIn {
        let mut nonces = self.nonces();
        let new = Refusals { count: 0, until: now, tried_until: None };
        let refusals = nonces.refused.entry(server.clone()).or_insert(new);
        // Of several that were under way at once the first counts.
        if refusals.until <= now {
            refusals.count = refusals.count.saturating_add(1);
            let doublings = refusals.count.saturating_sub(1).min(16);
            refusals.until = now + PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE);
        }
        refusals.tried_until = None;
        if nonces.kept.get(server).is_some_and(|kept| kept.number == sent.number) {
            nonces.kept.remove(server);
        }
        NotLetIn::Refused { user: self.user.clone(), algorithm: sent.algorithm().as_str() }
    }

    fn choose(&self, mut offers: Vec<Offer>) -> Result<Offer, NotLetIn> {
        offers.retain(|offer| offer.auth);
        let Some(first) = offers.first() else { return Err(NotLetIn::NoDigest) };
        let realm = excerpt(&first.realm);
        offers.retain(|offer| self.realm.as_ref().is_none_or(|ours| *ours == offer.realm));
        if offers.is_empty() {
            return Err(NotLetIn::Realm(realm));
        }
        let algorithms: Vec<&str> = offers.iter().map(|offer| offer.algorithm.as_str()).take(6).collect();
        let algorithms = algorithms.join(", ");
        Offer::strongest(offers, |offer| self.ha1(offer).is_some()).ok_or(NotLetIn::Algorithm(algorithms))
    }

    fn ha1(&self, offer: &Offer) -> Option<&Ha1> {
        self.ha1.iter().find(|(algorithm, _)| *algorithm == offer.algorithm.hash()).map(|(_, ha1)| ha1)
    }

    /// Held for one hash, and never while anything is waited for.
    fn nonces(&self) -> MutexGuard<'_, Nonces> {
        self.nonces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Refusals {
    /// How long the server is left alone, if it is: until its time is over, and while another request tries it.
    fn left(&self, now: Instant) -> Option<Duration> {
        let until = self.tried_until.map_or(self.until, |tried| tried.max(self.until));
        until.checked_duration_since(now).filter(|left| !left.is_zero())
    }
}

impl Nonces {
    fn keep(&mut self, server: &ServerName, session: Session) {
        self.count += 1;
        self.kept.insert(server.clone(), Kept { session, number: self.count });
    }
}

/// A text that nobody can foretell, for one request; `None` if the system gives no randomness.
#[must_use]
pub fn cnonce() -> Option<String> {
    let mut octets = [0; 16];
    aws_lc_rs::rand::fill(&mut octets).ok()?;
    Some(hex::encode(&octets))
}

fn excerpt(text: &str) -> String {
    text.chars().take(EXCERPT).collect()
}

#[cfg(test)]
mod tests;
