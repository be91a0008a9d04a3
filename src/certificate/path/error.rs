//! Why there is no path: for a person who has to act on it, and for a program that asks which section of the
//! RFC it was.

use crate::base::reason::Reason;
use crate::certificate::name;

/// Section 6.2 lets an implementation limit what it accepts further than section 6.1 does.
pub(super) const FURTHER_LIMIT: &str = "RFC 5280, 6.2";
/// Signature and algorithm.
pub(super) const SIGNATURE: &str = "RFC 5280, 6.1.3(a)(1)";
/// Issuer and subject.
pub(super) const CHAINING: &str = "RFC 5280, 6.1.3(a)(4)";

/// Why there is no valid path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct PathError {
    /// What it means for the request: one of the `certificate_…` reasons.
    pub reason: Reason,
    /// Which certificate failed and why, for the log and for `explain`.
    pub detail: String,
    /// The certificate that failed, if it was one.
    pub certificate: Option<Place>,
    /// The section that it does not fulfil: `RFC 5280, 6.1.3(a)(1)`.
    pub section: &'static str,
    /// The subjects of the path that came closest, leaf first, and the anchor's last if it reached one; empty
    /// if there was nothing to try.
    pub tried: Vec<String>,
}

/// A certificate's place in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// From the leaf, which is 0, to the anchor.
    pub position: usize,
    /// Its subject as RFC 4514 writes it, cut to a length that a log line can take.
    pub subject: String,
}

impl PathError {
    pub(super) fn untrusted(detail: impl Into<String>) -> Self {
        Self::new(Reason::CertificateUntrusted, detail.into(), CHAINING)
    }

    /// More than is looked at.
    pub(super) fn too_much(detail: impl Into<String>) -> Self {
        Self::new(Reason::CertificateUnsuitable, detail.into(), FURTHER_LIMIT)
    }

    fn new(reason: Reason, detail: String, section: &'static str) -> Self {
        Self { reason, detail, certificate: None, section, tried: Vec::new() }
    }
}

/// What is wrong with one certificate of a path.
#[derive(Debug)]
pub(super) struct Fault {
    /// Its place, as in [`Place`].
    pub(super) position: usize,
    pub(super) reason: Reason,
    pub(super) section: &'static str,
    pub(super) detail: String,
}

impl Fault {
    /// The error, on a path of these titles.
    pub(super) fn on(self, tried: Vec<String>) -> PathError {
        let place = |subject: &String| Place { position: self.position, subject: subject.clone() };
        PathError {
            reason: self.reason,
            detail: self.detail,
            certificate: tried.get(self.position).map(place),
            section: self.section,
            tried,
        }
    }
}

/// How a certificate is named in an error: by its subject, cut to a length that a log line can take.
pub(super) fn title(subject: &[u8]) -> String {
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
