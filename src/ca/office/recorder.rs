//! What the office tells of its acts, to whoever keeps a history of them.

use crate::account::{CertificateKey, IssuedCertificate};
use crate::base::clock::Timestamp;
use futures_util::future::BoxFuture;

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// A certificate is issued.
    Issue,
    /// A certificate is issued in the place of one that ends.
    Renew,
    /// A certificate is revoked or put on hold.
    Revoke,
    /// A certificate is removed from hold.
    Release,
}

/// An act of the authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// What is done.
    pub deed: Deed,
    /// Who does it: `uid 0`, `the account "alice" from 192.0.2.7`.
    pub by: String,
    /// To which certificate.
    pub key: CertificateKey,
    /// What is issued, or is on record of what is revoked.
    pub certificate: Option<IssuedCertificate>,
    /// Why it is revoked.
    pub reason: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// The history does not take an act, which therefore must not be done.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the history of the authority cannot be written: {0}")]
pub struct NotRecorded(pub String);

/// Keeps a history of the authority.
pub trait Recorder: Send + Sync {
    /// Writes down acts that are about to be done: all of them or none.
    fn record<'a>(&'a self, acts: &'a [Act]) -> BoxFuture<'a, Result<(), NotRecorded>>;

    /// Writes down that an act was not done after all, as far as that is possible.
    fn retract<'a>(&'a self, act: &'a Act, why: &'a str) -> BoxFuture<'a, ()>;
}

/// Keeps no history.
#[derive(Debug, Clone, Copy)]
pub struct Unrecorded;

impl Recorder for Unrecorded {
    fn record<'a>(&'a self, _acts: &'a [Act]) -> BoxFuture<'a, Result<(), NotRecorded>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn retract<'a>(&'a self, _act: &'a Act, _why: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }
}
