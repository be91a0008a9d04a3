//! Whether a path leads from a presented certificate to a configured authority (RFC 5280, section 6).
//! Pure: the certificates, the anchors, the policy and the time go in, a verdict comes out.

use crate::base::clock::Timestamp;
use crate::base::reason::Reason;
use rustls_pki_types::CertificateDer;

/// A path that was found valid, leaf first, trust anchor last.
#[derive(Debug, Clone)]
pub struct ValidPath {
    /// The certificates, leaf first; the anchor is not among them.
    pub certificates: Vec<PathCertificate>,
    /// SHA-256 of the SubjectPublicKeyInfo of every authority on it, the anchor's last.
    pub authorities: Vec<[u8; 32]>,
    /// The earliest notAfter along it.
    pub not_after: Timestamp,
}

/// One certificate of a valid path, with what revocation needs to know of its issuer.
#[derive(Debug, Clone)]
pub struct PathCertificate {
    /// The certificate.
    pub der: CertificateDer<'static>,
    /// Its serial number's octets, without leading zeros.
    pub serial: Vec<u8>,
    /// The issuer's Name in DER (the whole SEQUENCE).
    pub issuer_name: Vec<u8>,
    /// The issuer's SubjectPublicKeyInfo in DER (the whole SEQUENCE).
    pub issuer_spki: Vec<u8>,
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
