//! May this one pass? [`decide`] takes a route's policy and the evidence that was gathered and gives the
//! verdict. It is pure: no IO, no clock, no logging; it never permits on what was not asked or could
//! not be known. Only it can make a [`Permit`], and only a `Permit` opens the way to an upstream.

use super::Proof;
use super::authorization::{Authorization, Denied, Origin, Subject};
use crate::account::{Account, Status};
use crate::base::reason::Reason;
use crate::config::{Anonymous, Method};
use crate::identity::claim::Claim;
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
    /// What the credentials in `Authorization` say; asked where [`Policy::asks_credentials`] says so.
    pub credentials: Finding<CredentialEvidence>,
    /// Whether an `Authorization` header came, of whatever scheme.
    pub authorization_sent: bool,
    /// Whose the request says it is; asked where [`Policy::claim`] says so.
    pub claim: ClaimEvidence,
    /// By which way the request comes.
    pub origin: Origin,
}

impl Evidence {
    /// Whether the request says whose it is.
    fn names_somebody(&self) -> bool {
        matches!(self.claim, ClaimEvidence::Named | ClaimEvidence::Agrees)
    }
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

/// What the credentials of a request say, other than a certificate.
#[derive(Debug, Clone)]
pub enum CredentialEvidence {
    /// There were none of a method that the route lists.
    Absent,
    /// They are right by this method, and this is the account.
    Right(Method, Arc<Account>),
    /// They were right by Digest, but the nonce is no longer good: the client asks again without its user.
    Stale,
    /// They are wrong by this method.
    Wrong(Method),
    /// Nobody looked: there were too many failures before.
    LockedOut,
    /// There was no room to find out; the client may come again.
    Crowded,
    /// The header cannot be read.
    Malformed,
    /// They were right once, and what they stand for was taken back since.
    Refused(Reason),
}

/// What a request says of whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimEvidence {
    /// Nobody looked.
    NotAsked,
    /// It names nobody, or not in the form that it should.
    Faulty,
    /// It names somebody. [`CertificateEvidence::Account`] is then whom the certificate is as the one that is named.
    Named,
    /// It names somebody, and that is whose the credentials beside it are.
    Agrees,
}

impl ClaimEvidence {
    /// What a request says, and the password or session that it shows, if it shows one that is right, with what came of
    /// it.
    #[must_use]
    pub fn of(claim: Option<&Claim>, proof: Option<&Proof>, credentials: &Finding<CredentialEvidence>) -> Self {
        let Some(claim) = claim else { return Self::NotAsked };
        let Ok(claimed) = &claim.said else { return Self::Faulty };
        match (proof, credentials) {
            (Some(proof), Finding::Known(CredentialEvidence::Right(_, account)))
                if proof.is_of(&claim.rule, claimed, account) =>
            {
                Self::Agrees
            }
            _ => Self::Named,
        }
    }
}

/// What a route demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// What identifies a client.
    pub authenticate: Vec<Method>,
    /// What happens to clients that present nothing.
    pub anonymous: Anonymous,
    /// Whether a request must say whose it is.
    pub claim: bool,
    /// Who may pass, and whence.
    pub authorization: Authorization,
    /// Whether the listener or host needs a certificate on every route.
    pub certificate_needed: bool,
}

impl Policy {
    /// Whether the verdict depends on credentials in `Authorization`: where the route lists a method that has
    /// such and the client presented no certificate, or one that holds on a route that does not take
    /// certificates for an answer.
    /// Who gathers evidence asks here, so that a refused certificate causes no look at the rest.
    #[must_use]
    pub fn asks_credentials(&self, certificate: &CertificateEvidence) -> bool {
        self.authenticate.iter().any(|method| *method != Method::Certificate)
            && match certificate {
                CertificateEvidence::None => !self.certificate_needed,
                CertificateEvidence::Account(account) => {
                    account.status == Status::Active && !self.authenticate.contains(&Method::Certificate)
                }
                CertificateEvidence::NotAsked
                | CertificateEvidence::Refused(_)
                | CertificateEvidence::AccountsUnavailable => false,
            }
    }

    /// Whether the route lists a method whose credentials stand in `Authorization`, and are asked for by a challenge.
    #[must_use]
    pub fn is_challenged(&self) -> bool {
        self.authenticate.iter().any(|method| !matches!(method, Method::Certificate | Method::Session))
    }

    /// Whether somebody passes who is nobody in particular.
    fn lets_anybody_pass(&self) -> bool {
        self.anonymous == Anonymous::Allow && !self.claim && !self.authorization.is_of_somebody()
    }
}

/// What happens to the request.
#[derive(Debug, Clone, PartialEq, Eq)]
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

impl Verdict {
    /// Why the request does not pass, if there is more to say than where it is sent instead.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Challenge { reason, .. } | Self::Refuse(reason) => Some(*reason),
            Self::Permit(_) | Self::Redirect(_) => None,
        }
    }
}

/// Leave to pass, which only [`decide`] gives:
///
/// ```compile_fail,E0451
/// use wicketgate::auth::decision::{ClientVerify, Permit};
/// let forged = Permit { identity: None, client_verify: ClientVerify::None };
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
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
    weigh(policy, evidence).unwrap_or_else(|denied| Verdict::Refuse(denied.reason()))
}

/// The condition of the route's `allow` and `deny` by which the request does not pass, if it is one: for the log.
#[must_use]
pub fn denied(policy: &Policy, evidence: &Evidence) -> Option<Denied> {
    weigh(policy, evidence).err()
}

fn weigh(policy: &Policy, evidence: &Evidence) -> Result<Verdict, Denied> {
    policy.authorization.judge_address(evidence.origin.address)?;
    let holder = match &evidence.certificate {
        // A listener that asks for no certificate leaves `None`, never `NotAsked`.
        CertificateEvidence::NotAsked => return Ok(Verdict::Refuse(Reason::CertificateRequired)),
        CertificateEvidence::AccountsUnavailable => return Ok(Verdict::Refuse(Reason::AccountsUnavailable)),
        CertificateEvidence::Refused(reason) => return Ok(refused(policy, *reason)),
        CertificateEvidence::None if policy.certificate_needed => {
            return Ok(Verdict::Refuse(Reason::CertificateRequired));
        }
        CertificateEvidence::None => None,
        CertificateEvidence::Account(account) if account.status != Status::Active => {
            return Ok(refused(policy, Reason::AccountInactive));
        }
        CertificateEvidence::Account(_) if policy.claim && !evidence.names_somebody() => {
            return Ok(Verdict::Refuse(Reason::ClaimMismatch));
        }
        CertificateEvidence::Account(account) if policy.authenticate.contains(&Method::Certificate) => {
            return authorize(policy, evidence, (Method::Certificate, account), ClientVerify::Success);
        }
        CertificateEvidence::Account(account) => Some(account),
    };
    let client_verify = if holder.is_some() { ClientVerify::Success } else { ClientVerify::None };
    let challenge = |reason, stale| Verdict::Challenge { reason, stale };
    let goes_elsewhere = matches!(policy.anonymous, Anonymous::Redirect(_)) && !evidence.authorization_sent;
    if policy.claim && !evidence.names_somebody() && !(holder.is_none() && goes_elsewhere) {
        // A challenge would be answered in vain.
        return Ok(Verdict::Refuse(Reason::ClaimMismatch));
    }
    let asks_credentials = policy.asks_credentials(&evidence.certificate);
    if asks_credentials {
        match &evidence.credentials {
            Finding::Known(CredentialEvidence::Absent) => {}
            // Whoever gathered forgot to look, and what was not looked at lets nobody pass.
            Finding::NotAsked => return Ok(challenge(Reason::CertificateRequired, false)),
            Finding::Unavailable => return Ok(Verdict::Refuse(Reason::AccountsUnavailable)),
            Finding::Known(CredentialEvidence::Right(method, account)) if policy.authenticate.contains(method) => {
                return by_credentials(policy, evidence, (*method, account), holder);
            }
            // What the route does not ask for is no answer to it.
            Finding::Known(CredentialEvidence::Right(..)) => return Ok(challenge(Reason::CertificateRequired, false)),
            Finding::Known(CredentialEvidence::Stale) => return Ok(challenge(Reason::DigestFailed, true)),
            Finding::Known(CredentialEvidence::Wrong(method)) => return Ok(challenge(failed(*method), false)),
            Finding::Known(CredentialEvidence::LockedOut) => return Ok(Verdict::Refuse(Reason::LockedOut)),
            Finding::Known(CredentialEvidence::Crowded) => return Ok(Verdict::Refuse(Reason::RateLimited)),
            Finding::Known(CredentialEvidence::Malformed) => return Ok(Verdict::Refuse(Reason::BadRequest)),
            Finding::Known(CredentialEvidence::Refused(reason)) => return Ok(Verdict::Refuse(*reason)),
        }
    }
    Ok(match &policy.anonymous {
        _ if policy.lets_anybody_pass() => Verdict::Permit(Permit { identity: None, client_verify }),
        Anonymous::Redirect(to) if !evidence.authorization_sent => Verdict::Redirect(to.clone()),
        _ if asks_credentials && policy.is_challenged() => challenge(Reason::CertificateRequired, false),
        _ => Verdict::Refuse(Reason::CertificateRequired),
    })
}

/// What a refused certificate leads to, whatever else the client sent along.
fn refused(policy: &Policy, reason: Reason) -> Verdict {
    // No answer is not a refusal that somebody could be told of in passing: it may have been a yes or a no.
    let judged = reason != Reason::AccountsUnavailable;
    if judged && policy.lets_anybody_pass() && !policy.certificate_needed {
        return Verdict::Permit(Permit { identity: None, client_verify: ClientVerify::Failed(reason) });
    }
    Verdict::Refuse(reason)
}

/// Why wrong credentials are turned away.
fn failed(method: Method) -> Reason {
    match method {
        Method::Certificate | Method::Session => Reason::CertificateRequired,
        Method::Digest => Reason::DigestFailed,
        Method::Basic => Reason::BasicFailed,
    }
}

/// Right credentials of `account`, from whoever holds the certificate if there is one: it must be the same
/// person.
fn by_credentials(
    policy: &Policy,
    evidence: &Evidence,
    (method, account): (Method, &Arc<Account>),
    holder: Option<&Arc<Account>>,
) -> Result<Verdict, Denied> {
    if holder.is_some_and(|holder| holder.username != account.username) {
        return Ok(Verdict::Refuse(Reason::ClaimMismatch));
    }
    if policy.claim && evidence.claim != ClaimEvidence::Agrees {
        return Ok(Verdict::Refuse(Reason::ClaimMismatch));
    }
    let client_verify = if holder.is_some() { ClientVerify::Success } else { ClientVerify::None };
    match account.status {
        Status::Active => authorize(policy, evidence, (method, account), client_verify),
        Status::Locked | Status::Closed => Ok(Verdict::Refuse(Reason::AccountInactive)),
    }
}

/// Somebody is known, and passes if the route lets them.
fn authorize(
    policy: &Policy,
    evidence: &Evidence,
    (method, account): (Method, &Arc<Account>),
    client_verify: ClientVerify,
) -> Result<Verdict, Denied> {
    policy.authorization.judge(Subject { account, method, origin: &evidence.origin })?;
    Ok(Verdict::Permit(Permit { identity: Some(Identity { account: Arc::clone(account), method }), client_verify }))
}

#[cfg(test)]
mod tests;
