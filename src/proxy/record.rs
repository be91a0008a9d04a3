//! The audit record of a request: what the stages found, flat.

use super::gate::Route;
use super::path::RequestTarget;
use super::{Exchange, Page};
use crate::auth::decision::{CertificateEvidence, CredentialEvidence, Finding, Permit};
use crate::auth::{CredentialFinding, Standing};
use crate::base::reason::Reason;
use crate::telemetry::audit::{Event, Outcome, Record};
use crate::telemetry::metrics::Verdict;
use http::StatusCode;
use std::sync::Arc;
use std::time::Duration;

/// How far a request got, for its record.
#[derive(Clone)]
pub(super) struct About<'a> {
    pub(super) page: &'a Page,
    /// The target as it came, where it is refused for what it is.
    pub(super) raw_target: Option<&'a str>,
    pub(super) target: Option<&'a RequestTarget>,
    pub(super) route: Option<&'a Route>,
    pub(super) standing: Option<&'a Arc<Standing>>,
    pub(super) credentials: Option<&'a CredentialFinding>,
    /// What there is to say beyond what the certificate and the credentials say.
    pub(super) detail: Option<String>,
    /// When it is worth trying again, where that is known.
    pub(super) retry_after: Option<Duration>,
}

impl<'a> About<'a> {
    /// A request of which no more is known.
    pub(super) fn of(page: &'a Page) -> Self {
        Self {
            page,
            raw_target: None,
            target: None,
            route: None,
            standing: None,
            credentials: None,
            detail: None,
            retry_after: None,
        }
    }
}

impl Exchange<'_> {
    /// Puts a verdict on record.
    pub(super) fn record(
        &self,
        about: &About<'_>,
        outcome: Outcome,
        reason: Option<Reason>,
        status: Option<StatusCode>,
        permit: Option<&Permit>,
    ) {
        match (outcome, reason) {
            (Outcome::Challenge, Some(reason)) => self.notes.decided(Verdict::Challenge(reason)),
            (Outcome::Refuse, Some(reason)) => self.notes.decided(Verdict::Refuse(reason)),
            (Outcome::Redirect, _) => self.notes.decided(Verdict::Redirect),
            // What may pass is counted each time, and put on record once.
            _ => {}
        }
        let refused = matches!(
            about.standing.map(|standing| &standing.evidence),
            Some(CertificateEvidence::Refused(_) | CertificateEvidence::AccountsUnavailable)
        );
        let detail = about
            .detail
            .as_deref()
            .or_else(|| about.credentials.and_then(|credentials| credentials.why.as_deref()))
            .or_else(|| about.standing.filter(|_| refused).map(|standing| standing.last()));
        let failed = about.credentials.and_then(|credentials| match &credentials.evidence {
            Finding::Known(CredentialEvidence::Wrong(method)) => Some(method.as_str()),
            _ => None,
        });
        let identity = permit.and_then(Permit::identity);
        let account = identity.map(|identity| identity.account.username.as_str()).or_else(|| named(about));
        let record = Record {
            reason,
            detail,
            request_id: Some(self.id.as_str()),
            host: about.target.and_then(RequestTarget::host),
            method: Some(about.page.method.as_str()),
            path: about.target.map(RequestTarget::path).or(about.raw_target),
            route: about.route.map(|route| route.name.as_str()),
            status: status.map(|status| status.as_u16()),
            account,
            failed,
            authentication: identity.map(|identity| identity.method.as_str()),
            ..Record::new(self.at, Event::Request, outcome)
        };
        match self.origin() {
            Some(origin) => self.gate.audit.write(&self.client.audited_from(origin), &record),
            None => self.gate.audit.write(self.client.audited(), &record),
        }
    }
}

/// Whom the certificate or the credentials name, where nobody was let in.
fn named<'a>(about: &About<'a>) -> Option<&'a str> {
    let certificate = about.standing.and_then(|standing| match &standing.evidence {
        CertificateEvidence::Account(account) => Some(account.username.as_str()),
        _ => None,
    });
    certificate.or_else(|| {
        let credentials = about.credentials?;
        match &credentials.evidence {
            Finding::Known(CredentialEvidence::Right(_, account)) => Some(account.username.as_str()),
            _ => credentials.username.as_deref(),
        }
    })
}
