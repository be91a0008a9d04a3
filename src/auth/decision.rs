//! May this one pass? [`decide`] takes a route's policy and the evidence that was gathered and gives the
//! verdict. It is pure: no IO, no clock, no logging; it never permits on what was not asked or could
//! not be known. Only it can make a [`Permit`], and only a `Permit` opens the way to an upstream.

use crate::account::{Account, Status};
use crate::base::reason::Reason;
use crate::config::{Anonymous, Method};
use std::sync::Arc;

/// A piece of evidence: asked for or not, known or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding<T> {
    /// Nobody looked.
    NotAsked,
    /// The answer.
    Known(T),
    /// Somebody looked and there was no answer.
    Unavailable,
}

/// What is known about one request's client. Data only.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// What the client certificate says, as far as it was followed.
    pub certificate: CertificateEvidence,
    /// What the Digest credentials say; asked only of clients without a certificate.
    pub digest: Finding<DigestEvidence>,
    /// Whether an `Authorization` header came, of whatever scheme.
    pub authorization_sent: bool,
}

/// How far a client certificate got. Gathering stops at the first refusal.
#[derive(Debug, Clone)]
pub enum CertificateEvidence {
    /// Nobody looked.
    NotAsked,
    /// The client presented none.
    None,
    /// It was refused, by path, dates, revocation, identity or account.
    Refused(Reason),
    /// Its account could not be looked up.
    AccountsUnavailable,
    /// Path, dates, revocation and identity hold, and this is the account.
    Account(Arc<Account>),
}

/// What Digest credentials say.
#[derive(Debug, Clone)]
pub enum DigestEvidence {
    /// There were none.
    Absent,
    /// They are right, and this is the account.
    Right(Arc<Account>),
    /// They were right, but the nonce is no longer good: the client asks again without its user.
    Stale,
    /// They are wrong.
    Wrong,
    /// The header cannot be read.
    Malformed,
}

/// What a route demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What identifies a client.
    pub authenticate: Vec<Method>,
    /// What happens to clients that present nothing.
    pub anonymous: Anonymous,
    /// If present, only members of any of these groups pass.
    pub allow_groups: Option<Vec<String>>,
    /// Whether the listener or host needs a certificate on every route.
    pub certificate_needed: bool,
}

/// What happens to the request.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// It passes.
    Permit(Permit),
    /// The client is asked for credentials: 401.
    Challenge {
        /// What it has been told is wrong: `certificate_required` if it sent nothing.
        reason: Reason,
        /// Whether the nonce was stale and the credentials otherwise right.
        stale: bool,
    },
    /// It is sent elsewhere.
    Redirect(String),
    /// It is turned away.
    Refuse(Reason),
}

/// Leave to pass, which only [`decide`] gives.
#[derive(Debug, Clone)]
pub struct Permit {
    identity: Option<Identity>,
    client_verify: ClientVerify,
}

impl Permit {
    /// Who passes; `None` is anybody.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// What the application is told of the certificate.
    #[must_use]
    pub fn client_verify(&self) -> ClientVerify {
        self.client_verify
    }
}

/// Somebody, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The account.
    pub account: Arc<Account>,
    /// How the client showed it.
    pub method: Method,
}

/// What `X-Client-Verify` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientVerify {
    /// `NONE`: no certificate was presented.
    None,
    /// `SUCCESS`: a certificate was presented and accepted.
    Success,
    /// `FAILED:<reason>`: one was presented and refused, and the route lets anybody pass.
    Failed(Reason),
}

/// The verdict on a request, by the table in section 5 of the design.
#[must_use]
pub fn decide(policy: &Policy, evidence: &Evidence) -> Verdict {
    match &evidence.certificate {
        // A listener that asks for no certificate leaves `None`, never `NotAsked`.
        CertificateEvidence::NotAsked => Verdict::Refuse(Reason::CertificateRequired),
        CertificateEvidence::None => without_certificate(policy, evidence),
        CertificateEvidence::Refused(reason) => refused(policy, *reason),
        CertificateEvidence::AccountsUnavailable => Verdict::Refuse(Reason::AccountsUnavailable),
        CertificateEvidence::Account(account) => match account.status {
            Status::Locked | Status::Closed => refused(policy, Reason::AccountInactive),
            Status::Active if policy.authenticate.contains(&Method::Certificate) => {
                authorize(policy, account, Method::Certificate, ClientVerify::Success)
            }
            // The route asks for Digest beside the certificate: it must be the same person's.
            Status::Active => match by_digest(policy, evidence, ClientVerify::Success) {
                Verdict::Permit(Permit { identity: Some(identity), .. })
                    if identity.account.username != account.username =>
                {
                    Verdict::Refuse(Reason::ClaimMismatch)
                }
                verdict => verdict,
            },
        },
    }
}

fn refused(policy: &Policy, reason: Reason) -> Verdict {
    match policy.anonymous {
        Anonymous::Allow if !policy.certificate_needed => {
            Verdict::Permit(Permit { identity: None, client_verify: ClientVerify::Failed(reason) })
        }
        _ => Verdict::Refuse(reason),
    }
}

fn without_certificate(policy: &Policy, evidence: &Evidence) -> Verdict {
    if policy.certificate_needed {
        return Verdict::Refuse(Reason::CertificateRequired);
    }
    by_digest(policy, evidence, ClientVerify::None)
}

fn by_digest(policy: &Policy, evidence: &Evidence, client_verify: ClientVerify) -> Verdict {
    let challenge = |reason, stale| Verdict::Challenge { reason, stale };
    if policy.authenticate.contains(&Method::Digest) {
        match &evidence.digest {
            Finding::Unavailable => return Verdict::Refuse(Reason::AccountsUnavailable),
            Finding::Known(DigestEvidence::Right(account)) => {
                return match account.status {
                    Status::Active => authorize(policy, account, Method::Digest, client_verify),
                    Status::Locked | Status::Closed => Verdict::Refuse(Reason::AccountInactive),
                };
            }
            Finding::Known(DigestEvidence::Stale) => return challenge(Reason::DigestFailed, true),
            Finding::Known(DigestEvidence::Wrong) => return challenge(Reason::DigestFailed, false),
            Finding::Known(DigestEvidence::Malformed) => return Verdict::Refuse(Reason::BadRequest),
            Finding::Known(DigestEvidence::Absent) | Finding::NotAsked => {}
        }
    }
    match &policy.anonymous {
        Anonymous::Allow => Verdict::Permit(Permit { identity: None, client_verify }),
        Anonymous::Redirect(to) if !evidence.authorization_sent => Verdict::Redirect(to.clone()),
        _ if policy.authenticate.contains(&Method::Digest) => challenge(Reason::CertificateRequired, false),
        _ => Verdict::Refuse(Reason::CertificateRequired),
    }
}

fn authorize(policy: &Policy, account: &Arc<Account>, method: Method, client_verify: ClientVerify) -> Verdict {
    let allowed =
        policy.allow_groups.as_ref().is_none_or(|groups| groups.iter().any(|group| account.groups.contains(group)));
    if !allowed {
        return Verdict::Refuse(Reason::NotAuthorized);
    }
    Verdict::Permit(Permit { identity: Some(Identity { account: Arc::clone(account), method }), client_verify })
}
