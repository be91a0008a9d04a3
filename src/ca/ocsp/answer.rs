//! Answers (RFC 6960, section 4.2). What is signed ahead of time is kept without the certificate of who signed it,
//! which is the same for thousands; [`assemble`] puts both into an OCSPResponse and needs no key.

use crate::base::clock::Timestamp;
use crate::ca::encode::{
    NULL, bit_string, element, enumerated, generalized_time, head, identifier, octet_string, sequence, unsigned,
};
use crate::ca::issue::{IssueError, encoding};
use crate::ca::ocsp::Delegate;
use crate::certificate::der::{DerError, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, constructed, primitive};
use crate::revocation::crl::RevocationReason;
use crate::revocation::ocsp::request::key_octets;
use crate::revocation::ocsp::{HashAlgorithm, Status};
use der::Encode;

/// The content of id-pkix-ocsp-basic, 1.3.6.1.5.5.7.48.1.1.
const BASIC: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01];

/// An authority as questions name it, under both hash algorithms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuer {
    sha1: (Vec<u8>, Vec<u8>),
    sha256: (Vec<u8>, Vec<u8>),
}

impl Issuer {
    /// The authority of this Name and SubjectPublicKeyInfo, both whole.
    ///
    /// # Errors
    /// When the SubjectPublicKeyInfo is malformed.
    pub fn new(name: &[u8], spki: &[u8]) -> Result<Self, DerError> {
        let key = key_octets(spki)?;
        let hashes = |algorithm: HashAlgorithm| (algorithm.hash(name), algorithm.hash(key));
        Ok(Self { sha1: hashes(HashAlgorithm::Sha1), sha256: hashes(HashAlgorithm::Sha256) })
    }

    /// The hashes of its Name and of its key.
    #[must_use]
    pub fn hashes(&self, algorithm: HashAlgorithm) -> (&[u8], &[u8]) {
        let (name, key) = match algorithm {
            HashAlgorithm::Sha1 => &self.sha1,
            HashAlgorithm::Sha256 => &self.sha256,
        };
        (name, key)
    }

    fn cert_id(&self, algorithm: HashAlgorithm, serial: &[u8]) -> Vec<u8> {
        let (name, key) = self.hashes(algorithm);
        let hashed_with = sequence(&[&identifier(algorithm.identifier()), NULL]);
        sequence(&[&hashed_with, &octet_string(name), &octet_string(key), &unsigned(serial)])
    }
}

/// What is said of one certificate, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The octets of its serial number.
    pub serial: Vec<u8>,
    /// What it is.
    pub status: Status,
    /// thisUpdate: when that was known to be so.
    pub this_update: Timestamp,
    /// nextUpdate: when there will be a newer answer at the latest.
    pub next_update: Timestamp,
}

impl Statement {
    /// A SingleResponse.
    fn encode(&self, issuer: &Issuer, algorithm: HashAlgorithm) -> Vec<u8> {
        let status = match self.status {
            Status::Good => element(primitive(0), &[]),
            Status::Revoked { at, reason } => {
                // What says nothing is left out, as in lists.
                let reason = reason.filter(|reason| *reason != RevocationReason::Unspecified);
                let reason = reason.map(|reason| element(constructed(0), &[&enumerated(reason.code())]));
                element(constructed(1), &[&generalized_time(at), &reason.unwrap_or_default()])
            }
            Status::Unknown => element(primitive(2), &[]),
        };
        let next_update = element(constructed(0), &[&generalized_time(self.next_update)]);
        sequence(&[
            &issuer.cert_id(algorithm, &self.serial),
            &status,
            &generalized_time(self.this_update),
            &next_update,
        ])
    }
}

/// Signs what an authority's delegate says of some of its certificates, named under one hash algorithm: ResponseData,
/// signatureAlgorithm and signature one behind the other.
///
/// # Errors
/// When the delegate's key fails.
pub fn sign(
    delegate: &Delegate,
    issuer: &Issuer,
    algorithm: HashAlgorithm,
    statements: &[Statement],
    produced_at: Timestamp,
) -> Result<Vec<u8>, IssueError> {
    let singles: Vec<u8> = statements.iter().flat_map(|statement| statement.encode(issuer, algorithm)).collect();
    let responder = element(constructed(2), &[&octet_string(delegate.key_hash())]);
    let mut signed = sequence(&[&responder, &generalized_time(produced_at), &element(SEQUENCE, &[&singles])]);
    let signature = delegate.key().sign(&signed)?;
    signed.extend(delegate.key().algorithm().to_der().map_err(encoding("an OCSP answer"))?);
    signed.extend(bit_string(&signature));
    Ok(signed)
}

/// The OCSPResponse of what was [`sign`]ed and the certificate of who signed it.
#[must_use]
pub fn assemble(signed: &[u8], certificate: &[u8]) -> Vec<u8> {
    // From the inside out: the length of each element must be known before its head is written.
    let certificates = size(certificate.len());
    let basic = signed.len() + size(certificates);
    let response = size(size(basic));
    let bytes = BASIC.len() + 2 + response;
    let mut answer = Vec::with_capacity(bytes + 24);
    head(&mut answer, SEQUENCE, 3 + size(size(bytes)));
    // responseStatus: successful
    answer.extend_from_slice(&[0x0a, 1, 0]);
    head(&mut answer, constructed(0), size(bytes));
    head(&mut answer, SEQUENCE, bytes);
    head(&mut answer, OBJECT_IDENTIFIER, BASIC.len());
    answer.extend_from_slice(BASIC);
    head(&mut answer, OCTET_STRING, size(basic));
    head(&mut answer, SEQUENCE, basic);
    answer.extend_from_slice(signed);
    head(&mut answer, constructed(0), size(certificate.len()));
    head(&mut answer, SEQUENCE, certificate.len());
    answer.extend_from_slice(certificate);
    answer
}

/// The octets of an element whose content has so many.
fn size(content: usize) -> usize {
    let length = match content {
        0..=0x7f => 1,
        0x80..=0xff => 2,
        0x100..=0xffff => 3,
        0x1_0000..=0xff_ffff => 4,
        _ => 5,
    };
    1 + length + content
}

/// An answer that says nothing of any certificate and is not signed (RFC 6960, section 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The question cannot be read.
    Malformed,
    /// There is nothing to answer from at the moment.
    TryLater,
    /// There is no answer that was signed ahead of time: we do not know the certificate, or are asked about several
    /// at once (RFC 5019, section 2.2.3).
    Unauthorized,
}

impl Refusal {
    /// Its OCSPResponse.
    #[must_use]
    pub fn encode(self) -> &'static [u8] {
        match self {
            Self::Malformed => &[SEQUENCE, 3, 0x0a, 1, 1],
            Self::TryLater => &[SEQUENCE, 3, 0x0a, 1, 3],
            Self::Unauthorized => &[SEQUENCE, 3, 0x0a, 1, 6],
        }
    }
}
