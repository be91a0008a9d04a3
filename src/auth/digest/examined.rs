//! Credentials of which only the password is still in question: whose HA1 is wanted, and whether the response is
//! the one that it makes.

use super::counts::Count;
use super::hash::{self, Digits, Hash, Parts};
use super::outcome::{Outcome, Stale, Wrong};
use super::{Credentials, Quality, Verifier};
use crate::account::Ha1;
use crate::base::clock::Timestamp;
use crate::config::DigestAlgorithm;
use std::net::IpAddr;

/// Credentials of which only the password is still in question.
#[derive(Debug)]
#[must_use = "nothing has been verified yet"]
pub struct Examined<'a> {
    pub(super) verifier: &'a Verifier,
    pub(super) credentials: &'a Credentials,
    pub(super) realm: &'a str,
    pub(super) method: &'a str,
    pub(super) client: IpAddr,
    pub(super) now: Timestamp,
    pub(super) standing: Standing,
}

/// What is known of a nonce before the response is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Standing {
    Good {
        sequence: u64,
        /// When it was issued.
        issued: Timestamp,
    },
    Stale(Stale),
}

/// Whose HA1 is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User<'a> {
    /// The user of this name.
    Named(&'a str),
    /// The user whose name has this hash (`account::ha1::userhash`).
    Hashed(&'a str),
}

/// What came of a verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Whether the credentials are right.
    pub outcome: Outcome,
    /// The value of `Authentication-Info` for the response (RFC 7616, section 3.5); there if they are right.
    pub authentication_info: Option<String>,
}

impl Verified {
    fn without_info(outcome: Outcome) -> Self {
        Self { outcome, authentication_info: None }
    }
}

impl<'a> Examined<'a> {
    /// Whose HA1 is wanted, for [`realm`](Self::realm) and [`hash`](Self::hash).
    #[must_use]
    pub fn user(&self) -> User<'a> {
        match self.credentials.hashed {
            true => User::Hashed(&self.credentials.username),
            false => User::Named(&self.credentials.username),
        }
    }

    /// The realm: the one that the request was examined for.
    #[must_use]
    pub fn realm(&self) -> &'a str {
        self.realm
    }

    /// The hash that HA1 is wanted in.
    #[must_use]
    pub fn hash(&self) -> DigestAlgorithm {
        self.credentials.algorithm.hash()
    }

    /// The largest body that [`verify`](Self::verify) needs to be given; `None` if the response does not cover it.
    #[must_use]
    pub fn covers_body(&self) -> Option<u64> {
        let is_good = matches!(self.standing, Standing::Good { .. });
        self.verifier.auth_int_limit.filter(|_| is_good && self.credentials.quality == Quality::AuthInt)
    }

    /// Why the nonce is not good any more, where a body would have to be read to know whether the response is right. None
    /// is read for that, since anybody can have a nonce that has grown old: to try again is all that it is told.
    #[must_use]
    pub fn stale_unread(&self) -> Option<Stale> {
        match self.standing {
            Standing::Stale(why) if self.credentials.quality == Quality::AuthInt => Some(why),
            _ => None,
        }
    }

    /// Compares the response with what HA1 makes of the request, and uses the nonce count up if it is
    /// right. `None` is a user without HA1, and takes as long as one who has it. `body` is looked at only if
    /// the response [covers](Self::covers_body) it.
    #[must_use]
    pub fn verify(self, ha1: Option<&Ha1>, body: &[u8]) -> Verified {
        let Credentials { nonce, uri, response, cnonce, count_digits, quality, .. } = self.credentials;
        let hash = self.hash();
        let body = (*quality == Quality::AuthInt).then(|| hash::of_body(hash, body));
        let parts = Parts { method: self.method, uri, nonce, count: count_digits, cnonce, body: body.as_ref() };
        let digits = 2 * hash.length();
        let usable = ha1.map(|ha1| ha1.0.expose()).filter(|ha1| is_ha1(ha1, digits));
        let key = Key::new(usable.unwrap_or_else(|| NOBODY.get(..digits).unwrap_or(NOBODY)), &self);
        let key = match (hash::response(hash, key.octets(), &parts) == *response.expose(), key) {
            (true, key) => Some(key),
            // A session that keeps to the letter has the key of its first request for all of them.
            (false, _) => self.key_of_session(usable, &parts),
        };
        let wrong = match (usable, &key) {
            // Whatever came out: NOBODY is no secret.
            (None, _) if ha1.is_none() => Some(Wrong::UnknownUser),
            (None, _) => Some(Wrong::UnusableHa1),
            (Some(_), None) => Some(match self.standing {
                Standing::Stale(Stale::UnknownKey) => Wrong::NonceForged,
                _ => Wrong::Response,
            }),
            (Some(_), Some(_)) => None,
        };
        let outcome = match (wrong, self.standing) {
            (Some(wrong), _) => Outcome::Wrong(wrong),
            (None, Standing::Stale(why)) => Outcome::Stale(why),
            (None, Standing::Good { sequence, .. }) => self.use_up(sequence),
        };
        match (outcome, key) {
            (Outcome::Right, Some(key)) => {
                Verified { outcome, authentication_info: Some(self.authentication_info(&key, parts)) }
            }
            _ => Verified::without_info(outcome),
        }
    }

    fn use_up(&self, sequence: u64) -> Outcome {
        let Credentials { algorithm, cnonce, count, .. } = self.credentials;
        let cnonce = algorithm.is_session().then_some(cnonce.as_str());
        match self.verifier.counts.use_up(sequence, *count, cnonce) {
            Count::New => Outcome::Right,
            Count::Used => Outcome::Wrong(Wrong::Replayed),
            Count::Behind => Outcome::Stale(Stale::CountBehind),
            Count::Forgotten => Outcome::Stale(Stale::Forgotten),
        }
    }

    /// The key of the session that this nonce began, if it has another cnonce than this request and makes the
    /// response right. RFC 7616, section 3.4.2 has one key for a session; clients make one for each cnonce.
    fn key_of_session<'h>(&self, ha1: Option<&'h [u8]>, parts: &Parts<'_>) -> Option<Key<'h>> {
        let (true, Standing::Good { sequence, .. }) = (self.credentials.algorithm.is_session(), self.standing) else {
            return None;
        };
        let first = self.verifier.counts.first_cnonce(sequence)?;
        let key = Key::Session(hash::session_key(self.hash(), ha1?, parts.nonce, &first));
        let response = hash::response(self.hash(), key.octets(), parts);
        (response == *self.credentials.response.expose()).then_some(key)
    }

    /// Shows the client that we know the password, too, and gives it the next nonce when this one nears its end.
    /// The body of the response is not covered: it is streamed, and its hash would be known only at its end.
    fn authentication_info(&self, key: &Key<'_>, parts: Parts<'_>) -> String {
        let proof: Hash = hash::response_of_server(self.hash(), key.octets(), &Parts { body: None, ..parts });
        let mut info = format!(
            r#"rspauth="{}", qop=auth, nc={}, cnonce="{}""#,
            proof.digits().as_str(),
            parts.count,
            escaped(parts.cnonce),
        );
        let Credentials { algorithm, .. } = self.credentials;
        if let Standing::Good { issued, .. } = self.standing
            // A session's key belongs to the nonce that it began with.
            && !algorithm.is_session()
            && self.now.since(issued) > self.verifier.lifetime / 4 * 3
        {
            let nonce = self.verifier.nonce(self.realm, *algorithm, self.client, self.now);
            info.push_str(&format!(r#", nextnonce="{nonce}""#));
        }
        info
    }
}

/// H(A1): what stands for the password in a response.
enum Key<'h> {
    Plain(&'h [u8]),
    Session(Digits),
}

impl<'h> Key<'h> {
    fn new(ha1: &'h [u8], examined: &Examined<'_>) -> Self {
        let Credentials { algorithm, nonce, cnonce, .. } = examined.credentials;
        match algorithm.is_session() {
            true => Self::Session(hash::session_key(algorithm.hash(), ha1, nonce, cnonce)),
            false => Self::Plain(ha1),
        }
    }

    fn octets(&self) -> &[u8] {
        match self {
            Self::Plain(ha1) => ha1,
            Self::Session(digits) => digits.as_bytes(),
        }
    }
}

/// The HA1 that is hashed where there is none.
pub(super) const NOBODY: &[u8] = &[b'0'; 64];

/// Whether a stored HA1 can be one. An empty or truncated one would be a password that anybody knows.
fn is_ha1(ha1: &[u8], digits: usize) -> bool {
    ha1.len() == digits && ha1.iter().all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'))
}

/// A text as a quoted string has it.
pub(super) fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', r#"\""#)
}
