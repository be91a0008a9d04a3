//! What the gate signs for upstreams: a short-lived JWT (RFC 7519) that says who is there, how they showed it, and
//! for whom that is meant. An upstream that verifies it need not trust the network between the gate and itself.
//! [`keys`] holds the keys and changes them, [`held`] what one connection has been given, so that a signature is made
//! for a connection, an account and an audience and not for a request. Who may pass was decided before (`auth`).

pub mod held;
pub mod keys;

pub use held::Held;
pub use keys::{KeyError, Keys};

use crate::account::Account;
use crate::auth::Proof;
use crate::auth::decision::{ClientVerify, Permit};
use crate::base::clock::Timestamp;
use crate::certificate::facts::CertificateFacts;
use crate::config::{self, Method};
use crate::jose::{JoseError, encode};
use arc_swap::ArcSwap;
use keys::Ring;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Signs assertions by the keys of one configuration.
pub struct Issuer {
    name: String,
    ring: Ring,
    keys: ArcSwap<Keys>,
    signed: AtomicU64,
}

/// For whom assertions are, and for how long they count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Whom they are for (`aud`).
    pub audience: String,
    /// For how long they count.
    pub lifetime: Duration,
}

/// Of whom something is asserted: all of it stands in the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    account: Arc<Account>,
    /// How they showed who they are (`amr`, RFC 8176): `mtls`, `digest`, `pwd`.
    methods: Vec<String>,
    /// The SHA-256 of the certificate that was accepted.
    certificate: Option<[u8; 32]>,
}

/// A signed assertion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// The token in its compact form: visible ASCII.
    pub token: String,
    /// From when on another one is to be made: half of its life.
    pub renew_at: Timestamp,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    iat: i64,
    exp: i64,
    jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    groups: &'a [String],
    amr: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation>,
}

/// The certificate that the connection was made with (RFC 8705, section 3.1).
#[derive(Serialize)]
struct Confirmation {
    #[serde(rename = "x5t#S256")]
    thumbprint: String,
}

impl Subject {
    /// Whom a permit is for; `None` if it is for anybody. `facts` are those of the connection's certificate, `proof` is
    /// what the permit rests on if that is not the certificate.
    #[must_use]
    pub fn of(permit: &Permit, facts: Option<&CertificateFacts>, proof: Option<&Proof>) -> Option<Self> {
        let identity = permit.identity()?;
        // Where both were shown, they are one person's: `auth::decision` refuses everything else.
        let certificate = facts.filter(|_| permit.client_verify() == ClientVerify::Success);
        // Who came by a hand-over has logged in at the other site.
        let mut methods = match proof.and_then(Proof::session) {
            Some(session) => session.methods.clone(),
            None => vec![method_name(identity.method).to_owned()],
        };
        let by_certificate = method_name(Method::Certificate);
        if certificate.is_some() && !methods.iter().any(|method| method == by_certificate) {
            methods.push(by_certificate.to_owned());
        }
        let certificate = certificate.map(|facts| facts.fingerprint);
        Some(Self { account: Arc::clone(&identity.account), methods, certificate })
    }
}

/// A method's name in `amr`.
#[must_use]
pub fn method_name(method: Method) -> &'static str {
    match method {
        Method::Certificate => "mtls",
        Method::Digest => "digest",
        Method::Session => "session",
        Method::Basic => "pwd",
    }
}

impl Issuer {
    /// An issuer with the keys that are in force at this time; in a folder for keys that has none, the first is made.
    ///
    /// # Errors
    /// When a key cannot be had, or none can be made.
    pub fn open(settings: &config::Assertion, overlap: Duration, at: Timestamp) -> Result<Self, KeyError> {
        let ring = Ring::new(&settings.keys, overlap);
        let keys = ring.turn(at)?;
        Ok(Self { name: settings.issuer.clone(), ring, keys: ArcSwap::from_pointee(keys), signed: AtomicU64::new(0) })
    }

    /// Makes, exchanges and drops keys as it is time for. Reads and writes files: not for a worker thread.
    ///
    /// # Errors
    /// When that fails; the keys in force stay.
    pub fn turn(&self, at: Timestamp) -> Result<(), KeyError> {
        let keys = self.ring.turn(at)?;
        if *self.keys.load_full().jwks() != *keys.jwks() || self.keys.load().signing().kid() != keys.signing().kid() {
            tracing::info!(signing = keys.signing().kid(), published = keys.published(), "keys of assertions changed");
        }
        self.keys.store(Arc::new(keys));
        Ok(())
    }

    /// The keys in force.
    #[must_use]
    pub fn keys(&self) -> Arc<Keys> {
        self.keys.load_full()
    }

    /// How many assertions it has signed.
    #[must_use]
    pub fn signed(&self) -> u64 {
        self.signed.load(Ordering::Relaxed)
    }

    /// Signs an assertion.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn issue(&self, terms: &Terms, subject: &Subject, at: Timestamp) -> Result<Assertion, JoseError> {
        let mut identifier = [0; 16];
        aws_lc_rs::rand::fill(&mut identifier).map_err(|_| JoseError::Failed("making an identifier"))?;
        let account = &subject.account;
        let claims = Claims {
            iss: &self.name,
            sub: &account.username,
            aud: &terms.audience,
            iat: at.as_unix(),
            exp: at.plus(terms.lifetime).as_unix(),
            jti: encode(identifier),
            email: account.email.as_deref(),
            name: account.display_name.as_deref(),
            groups: &account.groups,
            amr: &subject.methods,
            cnf: subject.certificate.map(|hash| Confirmation { thumbprint: encode(hash) }),
        };
        let claims = serde_json::to_vec(&claims).map_err(|_| JoseError::Failed("writing claims"))?;
        let token = self.keys.load().signing().sign("JWT", &claims)?;
        self.signed.fetch_add(1, Ordering::Relaxed);
        Ok(Assertion { token, renew_at: at.plus(terms.lifetime / 2) })
    }
}

#[cfg(test)]
mod tests;
