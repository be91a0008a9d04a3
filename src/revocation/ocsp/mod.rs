//! The Online Certificate Status Protocol (RFC 6960, and RFC 5019, its profile for many clients), without the
//! network: the question that is sent about one certificate, and what an answer to it is worth. `fetch::ocsp`
//! carries questions and answers over HTTP and keeps the latter.
//!
//! An answer counts only if the issuer's own key signed it, or that of a delegate whose certificate the same
//! key signed for this very purpose. A delegate is not itself asked for its revocation, with or without
//! id-pkix-ocsp-nocheck: whoever holds the issuer's trust to say who is revoked would have to say so of himself.

pub mod request;
mod response;
mod verify;

pub use request::{CertId, HashAlgorithm};
pub use verify::{Asked, verify};

use super::crl::RevocationReason;
use crate::base::clock::Timestamp;
use crate::certificate::der::DerError;
use crate::certificate::facts::FactsError;
use crate::certificate::signature::SignatureError;
use std::fmt;
use std::time::Duration;

/// The largest answer that is read, in octets.
pub const MAX_RESPONSE: usize = 64 * 1024;
/// How many certificates one answer may speak of.
const MAX_SINGLE_RESPONSES: usize = 16;
/// How many certificates an answer may bring along.
const MAX_CERTIFICATES: usize = 10;

/// How far the clocks of a responder and of this machine may be apart.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(5 * 60);
/// How long an answer without nextUpdate is believed: its responder has newer ones at any time.
pub const WITHOUT_NEXT_UPDATE: Duration = Duration::from_secs(5 * 60);

/// What a verified answer says of one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Whether it is revoked.
    pub status: Status,
    /// The time at which that was known to be so.
    pub this_update: Timestamp,
    /// The last second in which it may be believed, the tolerance for clocks that differ included.
    pub until: Timestamp,
    /// When there will be a newer answer, as far as the answer says.
    pub next_update: Option<Timestamp>,
}

/// The status of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It is not revoked.
    Good,
    /// It is revoked, or suspended.
    Revoked {
        /// Since when.
        at: Timestamp,
        /// Why, if the responder says.
        reason: Option<RevocationReason>,
    },
    /// The responder does not know it.
    Unknown,
}

/// What responders say about the certificates of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OcspAnswer {
    /// No certificate names a responder, none is configured, and none is required.
    NoResponder,
    /// Of those that could be asked for, none is revoked.
    Good {
        /// The oldest time at which one of them was known to be good.
        since: Timestamp,
        /// Until when that may be believed.
        until: Timestamp,
    },
    /// One was revoked.
    Revoked {
        /// Its place in the path; the client's own is 0.
        position: usize,
        /// Since when.
        at: Timestamp,
        /// Why, if the responder says.
        reason: Option<RevocationReason>,
        /// The time at which that was known.
        since: Timestamp,
    },
    /// For one there is no answer that may be believed, and none is known to be revoked.
    Unknown {
        /// Whose answer is missing, and why.
        why: String,
        /// When it is worth asking again.
        until: Timestamp,
    },
}

impl fmt::Display for OcspAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoResponder => f.write_str("no certificate of the path names a responder"),
            Self::Good { since, until } => {
                write!(f, "not revoked, as of answers from {since} that are good until {until}")
            }
            Self::Revoked { position, at, reason, since } => {
                write!(f, "certificate {position} of the path was revoked at {at}")?;
                if let Some(reason) = reason {
                    write!(f, ": {}", reason.as_str())?;
                }
                write!(f, " (an answer from {since})")
            }
            Self::Unknown { why, .. } => write!(f, "unknown: {why}"),
        }
    }
}

/// Why an answer is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// More octets than are read.
    #[error("the answer is larger than {MAX_RESPONSE} octets")]
    TooLarge,
    /// A web page, most likely of a server that is no responder.
    #[error("the answer is a web page or other text, not an OCSP response")]
    Text,
    /// It is not the DER of an answer.
    #[error("the answer cannot be read: {0}")]
    Malformed(#[from] DerError),
    /// A certificate or an extension in it is malformed.
    #[error("the answer cannot be read: {0}")]
    Unreadable(#[from] FactsError),
    /// The responder does not answer (RFC 6960, section 2.3).
    #[error("the responder refuses to answer: {0}")]
    Refused(Refusal),
    /// It is not a basic response.
    #[error("the answer is of the type {0}, which is not understood")]
    Type(String),
    /// More of something than is read.
    #[error("the answer holds too many {0}")]
    TooMany(&'static str),
    /// A critical extension is not understood.
    #[error("the answer's critical extension {0} is not understood")]
    CriticalExtension(String),
    /// It says nothing of the certificate in question.
    #[error("the answer speaks of another certificate than the one that was asked for")]
    OtherCertificate,
    /// It says two things of it.
    #[error("the answer speaks of the certificate twice")]
    Twice,
    /// It is from the future.
    #[error("the answer is from the future: {0}")]
    Future(Timestamp),
    /// It is too old.
    #[error("the answer ran out at {0}")]
    Expired(Timestamp),
    /// It runs out before it begins.
    #[error("the answer's nextUpdate is before its thisUpdate")]
    Dates,
    /// It answers another question.
    #[error("the answer repeats another nonce than the one that was sent")]
    OtherNonce,
    /// It may be an old one that somebody replays.
    #[error("the answer does not repeat the nonce that was sent")]
    NoNonce,
    /// The responder names itself as somebody who is neither the issuer nor has a certificate in the answer.
    #[error(
        "the answer is signed by somebody else than the certificate's issuer, and brings no certificate of the signer"
    )]
    OtherSigner,
    /// The responder's certificate does not make it a delegate of the issuer.
    #[error("the answer is signed by {subject}, which may not answer for the issuer: {why}")]
    NoDelegate {
        /// The subject of its certificate.
        subject: String,
        /// Why.
        why: &'static str,
    },
    /// The signature's algorithm or key is not accepted, or the signature is wrong.
    #[error("the answer's signature: {0}")]
    Signature(#[from] SignatureError),
}

/// An answer that says nothing of any certificate and is not signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It could not read the question.
    #[error("malformedRequest")]
    MalformedRequest,
    /// It is out of order.
    #[error("internalError")]
    InternalError,
    /// It is busy.
    #[error("tryLater")]
    TryLater,
    /// It answers signed questions only.
    #[error("sigRequired")]
    SigRequired,
    /// It answers others only, or is not responsible for the certificate (RFC 5019, section 2.2.3).
    #[error("unauthorized")]
    Unauthorized,
}

#[cfg(test)]
mod tests;
