//! HTTP Digest, the server's side (RFC 7616; the client's is in [`client`]): the challenge that a client is given, and whether what it
//! answers is right. Algorithms SHA-512-256, SHA-256 and MD5 and their session forms, qualities of protection `auth`
//! and `auth-int`, user names as they are, encoded or hashed. Pure but for the
//! record of used nonce counts, which one [`Verifier`] shares among all threads.
//!
//! A request is checked in two steps, so that no credentials cause a query that could not succeed:
//! [`Verifier::examine`] looks at all that can be judged without the password (realm, algorithm, nonce,
//! uri), then the caller fetches HA1, and the body if it is covered, then [`Examined::verify`] compares the response
//! and uses the nonce count up. Who may have credentials at all, and what becomes of the account, is for `auth` to
//! say; what a client is told is the same for every [`Wrong`], which is for the log.
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

pub mod client;
mod counts;
mod credentials;
mod examined;
mod hash;
mod nonce;
mod outcome;
mod parameters;
mod realm;

pub use counts::{LONGEST_CNONCE, NONCES_PER_SHARD, SHARDS, WINDOW};
pub use credentials::{Credentials, MAX_HEADER, MAX_USERNAME, Malformed, Quality};
pub use examined::{Examined, User, Verified};
pub use hash::{Digits, Hash, Parts, answer, of_body, response, response_of_server, session_key};
pub use nonce::MIN_SECRET;
pub use outcome::{Outcome, Stale, Wrong};
pub use parameters::{MAX_PARAMETERS, ParametersError};
pub use realm::{MAX_ADDRESS, NoRealm};

use crate::account::Ha1;
use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::config::{self, ChallengeAlgorithm, DigestRealm};
use counts::Counts;
use examined::{Standing, escaped};
use nonce::{Nonces, Opened};
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Gives challenges and verifies what comes back, shared by all threads. One [`succeeds`](Self::succeed) another at
/// a reload, so that nobody has to try again.
pub struct Verifier {
    realm: DigestRealm,
    /// The strongest first.
    algorithms: Vec<ChallengeAlgorithm>,
    lifetime: Duration,
    for_one_address: bool,
    auth_int_limit: Option<u64>,
    userhash: bool,
    /// Items of `domain` with spaces between, empty for none.
    domain: String,
    nonces: Nonces,
    counts: Arc<Counts>,
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

/// What a request is, as far as credentials rest on it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its method: `GET`.
    pub method: &'a str,
    /// Its target exactly as it came: over HTTP/2 the `:path`.
    pub target: &'a str,
    /// Its realm: [`Verifier::realm`].
    pub realm: &'a str,
    /// The client's address.
    pub client: IpAddr,
    /// When it came.
    pub now: Timestamp,
}

/// What a challenge is an answer to.
#[derive(Debug, Clone, Copy)]
pub struct Challenge<'a> {
    /// The realm that is asked for: [`Verifier::realm`].
    pub realm: &'a str,
    /// Whether the credentials were right, but for the nonce.
    pub stale: bool,
    /// How large the body of the request is, if that is known.
    pub body: Option<u64>,
    /// The client's address.
    pub client: IpAddr,
    /// When it is made.
    pub now: Timestamp,
}

impl Verifier {
    /// For this configuration; `secret` is what its `nonce_secret` was found to hold.
    ///
    /// # Errors
    /// When the realm or the secret is unfit, or the system has no randomness.
    pub fn new(config: &config::Digest, secret: Option<&Secret>) -> Result<Self, SetupError> {
        Self::with(config, Nonces::new(secret)?, Arc::new(Counts::new()))
    }

    /// In the place of this one, under a configuration that may be another: nonces that were issued before stay as
    /// good as they were, with their counts. If the secret is another one now, what was made with the old one is
    /// known for the longer of the two lifetimes, counted from now.
    ///
    /// # Errors
    /// As for [`new`](Self::new).
    pub fn succeed(
        &self,
        config: &config::Digest,
        secret: Option<&Secret>,
        now: Timestamp,
    ) -> Result<Self, SetupError> {
        let until = now.plus(self.lifetime.max(config.nonce_lifetime));
        Self::with(config, self.nonces.succeed(secret, until)?, Arc::clone(&self.counts))
    }

    /// Of how many nonces it is known which counts were used.
    #[must_use]
    pub fn nonces(&self) -> usize {
        self.counts.len()
    }

    fn with(config: &config::Digest, nonces: Nonces, counts: Arc<Counts>) -> Result<Self, SetupError> {
        if let Some(realm) = config.realm.names().iter().find(|realm| realm.chars().any(char::is_control)) {
            return Err(SetupError::Realm(realm.clone()));
        }
        let mut algorithms = config.algorithms.clone();
        algorithms.sort();
        Ok(Self {
            realm: config.realm.clone(),
            algorithms,
            lifetime: config.nonce_lifetime,
            for_one_address: config.nonce_for_one_address,
            auth_int_limit: config.auth_int_limit,
            userhash: config.userhash,
            domain: config.domain.join(" "),
            nonces,
            counts,
        })
    }

    /// The name of the header that holds the realm, if the realm is not always the same.
    #[must_use]
    pub fn realm_header(&self) -> Option<&str> {
        match &self.realm {
            DigestRealm::Fixed(_) => None,
            DigestRealm::FromHeader { header, .. } => Some(header),
        }
    }

    /// The realm of a request; `values` are those of its [`realm_header`](Self::realm_header), if there is one.
    ///
    /// # Errors
    /// When it is taken from the header and the header names none of ours.
    pub fn realm<'h>(&self, values: impl IntoIterator<Item = &'h [u8]>) -> Result<&str, NoRealm> {
        match &self.realm {
            DigestRealm::Fixed(realm) => Ok(realm),
            DigestRealm::FromHeader { allowed, .. } => realm::among(allowed, values),
        }
    }

    /// The values of the `WWW-Authenticate` headers, one for each algorithm, the strongest first (RFC 7616, section
    /// 3.7), each with a fresh nonce. UTF-8: a realm outside ASCII stays as it is. `auth-int` is offered
    /// where it is configured and the body that came with the request would be within the limit.
    #[must_use]
    pub fn challenges(&self, challenge: &Challenge<'_>) -> Vec<String> {
        let Challenge { realm, stale, body, client, now } = *challenge;
        let covers = self.auth_int_limit.is_some_and(|limit| body.is_some_and(|body| body <= limit));
        let quality = if covers { "auth,auth-int" } else { "auth" };
        let domain = if self.domain.is_empty() { String::new() } else { format!(r#"domain="{}", "#, self.domain) };
        let userhash = if self.userhash { ", userhash=true" } else { "" };
        let stale = if stale { ", stale=true" } else { "" };
        let realm_escaped = escaped(realm);
        let challenge = |algorithm: &ChallengeAlgorithm| {
            let nonce = self.nonce(realm, *algorithm, client, now);
            format!(
                // `opaque` says nothing, and what comes back as it is not looked at: all that we need to know
                // again stands in the nonce. It is sent for clients that rely on there being one.
                r#"Digest realm="{realm_escaped}", {domain}qop="{quality}", algorithm={}, nonce="{nonce}", opaque="wicketgate", charset=UTF-8{userhash}{stale}"#,
                algorithm.as_str(),
            )
        };
        self.algorithms.iter().map(challenge).collect()
    }

    fn nonce(&self, realm: &str, algorithm: ChallengeAlgorithm, client: IpAddr, now: Timestamp) -> String {
        self.nonces.issue(realm, algorithm, self.for_one_address.then_some(client), now)
    }

    /// Judges all that can be judged without HA1, cheapest first.
    ///
    /// # Errors
    /// Why the credentials are wrong whatever HA1 is.
    pub fn examine<'a>(&'a self, credentials: &'a Credentials, asked: &Asked<'a>) -> Result<Examined<'a>, Wrong> {
        let Asked { method, target, realm, client, now } = *asked;
        if credentials.realm != realm {
            return Err(Wrong::Realm);
        }
        if !self.algorithms.contains(&credentials.algorithm) {
            return Err(Wrong::AlgorithmNotOffered);
        }
        if credentials.quality == Quality::AuthInt && self.auth_int_limit.is_none() {
            return Err(Wrong::AuthIntNotOffered);
        }
        if credentials.hashed && !self.userhash {
            return Err(Wrong::UserhashNotOffered);
        }
        let standing = match self.nonces.open(&credentials.nonce, realm, client, now) {
            Opened::Authentic(nonce) if nonce.algorithm != credentials.algorithm => {
                return Err(Wrong::AlgorithmSwapped);
            }
            Opened::Authentic(nonce) if nonce.process != self.nonces.process() => Standing::Stale(Stale::OtherProcess),
            Opened::Authentic(nonce) if nonce.issued > now || now.since(nonce.issued) > self.lifetime => {
                Standing::Stale(Stale::Expired)
            }
            Opened::Authentic(nonce) if nonce.elsewhere => Standing::Stale(Stale::OtherAddress),
            Opened::Authentic(nonce) => Standing::Good { sequence: nonce.sequence, issued: nonce.issued },
            Opened::Unauthentic if !self.nonces.key_is_shared() => Standing::Stale(Stale::UnknownKey),
            Opened::Unauthentic | Opened::Unlike => return Err(Wrong::NonceForged),
        };
        if !names_target(&credentials.uri, target) {
            return Err(Wrong::Uri);
        }
        Ok(Examined { verifier: self, credentials, realm, method, client, now, standing })
    }

    /// Both steps in one, for callers that have HA1 at hand and no body.
    pub fn verify(&self, credentials: &Credentials, asked: &Asked<'_>, ha1: Option<&Ha1>) -> Outcome {
        match self.examine(credentials, asked) {
            Ok(examined) => examined.verify(ha1, b"").outcome,
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
