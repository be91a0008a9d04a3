//! Whether a path leads from a presented certificate to a configured authority (RFC 5280, section 6).
//! Pure: the certificates, the anchors, the policy and the time go in, a verdict comes out.
//!
//! `rustls-webpki` builds the path and checks signatures, dates, basic and name constraints, path
//! lengths and purposes. What it lets pass is checked here on every path that it finds: key usages, the
//! dates and the path length of the anchor, the depth. A path that fails there is dropped and the
//! search goes on. Why none was found is told by `story`, which never changes the verdict.

mod anchors;
mod story;
mod suitable;
mod valid;

pub use anchors::{AnchorError, TrustAnchors};
pub use valid::{PathCertificate, ValidPath};

use super::facts::FactsError;
use super::fields::Fields;
use super::signature::ACCEPTED;
use super::{MAX_CHAIN, name};
use crate::base::clock::Timestamp;
use crate::base::reason::Reason;
use rustls_pki_types::{CertificateDer, UnixTime};
use std::cell::RefCell;
use std::time::Duration;
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};

/// What a path must fulfil besides leading to an anchor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirements {
    /// The longest path accepted, leaf and anchor included.
    pub max_depth: usize,
    /// What the leaf is to be used for.
    pub purpose: Purpose,
}

/// What a leaf is to be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To prove who a TLS client is.
    Client,
}

impl Requirements {
    /// For TLS clients, on paths of at most this many certificates.
    #[must_use]
    pub fn for_clients(max_depth: usize) -> Self {
        Self { max_depth, purpose: Purpose::Client }
    }
}

/// Why there is no valid path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct PathError {
    /// What it means for the request: one of the `certificate_…` reasons.
    pub reason: Reason,
    /// Which certificate failed and why, for the log and for `explain`.
    pub detail: String,
}

/// Finds a path from the first certificate of `chain` over any others of it to one of the anchors, valid
/// at the time `at` for what `requirements` demand.
///
/// An anchor is a name and a key, with the dates of its certificate: one that has expired, or is not yet
/// valid, makes every path to it so. It may be an intermediate authority, and then the path ends there. It
/// is never a leaf: [`TrustAnchors::new`] takes only the certificates of authorities, and the certificate of
/// an authority presented by a client is refused. To let in single certificates without an authority, an
/// identity rule can read the fingerprint; who issued them must be trusted all the same.
///
/// # Errors
/// When there is no such path; the error tells the most useful story of why.
pub fn validate(
    chain: &[CertificateDer<'_>],
    anchors: &TrustAnchors,
    requirements: &Requirements,
    at: Timestamp,
) -> Result<ValidPath, PathError> {
    let Requirements { max_depth, purpose: Purpose::Client } = *requirements;
    let Some((leaf, others)) = chain.split_first() else {
        return Err(PathError::untrusted("no certificate was presented"));
    };
    if chain.len() > MAX_CHAIN {
        return Err(PathError::unsuitable(format!(
            "{} certificates were presented, {MAX_CHAIN} are looked at",
            chain.len()
        )));
    }
    // What cannot be read here must not be judged by what another reader makes of it.
    let own = Fields::read(leaf).map_err(|why| PathError::unreadable("the presented certificate", &why))?;
    suitable::for_client(&own).map_err(|error| story::unless_untrusted(error, chain, anchors, at))?;

    let found = RefCell::new(None);
    let first_error = RefCell::new(None);
    let judge = |candidate: &VerifiedPath<'_>| match judge(leaf, candidate, anchors, max_depth, at) {
        Ok(path) => {
            found.replace(Some(path));
            Ok(())
        }
        Err(error) => {
            first_error.borrow_mut().get_or_insert(error);
            Err(webpki::Error::UnknownIssuer)
        }
    };
    let verified = EndEntityCert::try_from(leaf).and_then(|end_entity| {
        end_entity
            .verify_for_usage(
                ACCEPTED,
                anchors.for_webpki(),
                others,
                unix_time(at),
                KeyUsage::client_auth(),
                None,
                Some(&judge),
            )
            .map(|_| ())
    });
    match (verified, found.into_inner(), first_error.into_inner()) {
        (Ok(()), Some(path), _) => Ok(path),
        (Err(_), _, Some(error)) => Err(error),
        (Err(error), _, None) => Err(story::tell(&error, chain, anchors, max_depth, at)),
        // webpki asks the judge before it says yes.
        (Ok(()), None, _) => Err(PathError::untrusted("no path was found")),
    }
}

/// Checks what webpki does not on a path that it found.
fn judge(
    leaf: &CertificateDer<'_>,
    candidate: &VerifiedPath<'_>,
    anchors: &TrustAnchors,
    max_depth: usize,
    at: Timestamp,
) -> Result<ValidPath, PathError> {
    let others: Vec<_> = candidate.intermediate_certificates().map(webpki::Cert::der).collect();
    let certificates: Vec<&CertificateDer<'_>> = std::iter::once(leaf).chain(&others).collect();
    let steps = certificates
        .iter()
        .map(|certificate| Fields::read(certificate))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|why| PathError::unreadable("a certificate of the path", &why))?;
    // A renewed authority has two certificates of one name and key: any that is valid now will do.
    let mut first_error = None;
    for anchor in anchors.alike(candidate.anchor()) {
        match anchor.check_dates(at).and_then(|()| suitable::path(&steps, anchor, max_depth)) {
            Ok(()) => return Ok(ValidPath::new(&certificates, &steps, anchor)),
            Err(error) => _ = first_error.get_or_insert(error),
        }
    }
    Err(first_error.unwrap_or_else(|| PathError::untrusted("no path was found")))
}

fn unix_time(at: Timestamp) -> UnixTime {
    // Before 1970 no certificate is valid, nor is one at 1970.
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(at.as_unix()).unwrap_or(0)))
}

/// How a certificate is named in an error: by its subject, cut to a length that a log line can take.
fn title(subject: &[u8]) -> String {
    const LONGEST: usize = 200;
    let text = match name::read(subject) {
        Ok(name) if name.text.is_empty() => return "the certificate without a subject".to_owned(),
        Ok(name) => name.text,
        Err(_) => return "a certificate whose subject cannot be read".to_owned(),
    };
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

impl PathError {
    fn untrusted(detail: impl Into<String>) -> Self {
        Self { reason: Reason::CertificateUntrusted, detail: detail.into() }
    }

    fn unsuitable(detail: impl Into<String>) -> Self {
        Self { reason: Reason::CertificateUnsuitable, detail: detail.into() }
    }

    fn unreadable(what: &str, why: &FactsError) -> Self {
        Self::untrusted(format!("{what} cannot be used: {why}"))
    }

    /// The error if the dates do not hold at this time.
    fn check_dates(title: &str, not_before: Timestamp, not_after: Timestamp, at: Timestamp) -> Result<(), Self> {
        if at > not_after {
            let detail = format!("{title} expired at {not_after}");
            return Err(Self { reason: Reason::CertificateExpired, detail });
        }
        if at < not_before {
            let detail = format!("{title} is valid only from {not_before} on");
            return Err(Self { reason: Reason::CertificateNotYetValid, detail });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
