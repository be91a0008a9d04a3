//! What an answer is worth: whether it is about the certificate in question, in force, and signed by somebody
//! who may say it (RFC 6960, sections 3.2 and 4.2.2.2).

use super::request::{CertId, HashAlgorithm, NONCE, key_octets};
use super::response::{Basic, ResponderId, Single};
use super::{CLOCK_TOLERANCE, Fault, Statement, WITHOUT_NEXT_UPDATE};
use crate::base::clock::Timestamp;
use crate::certificate::der;
use crate::certificate::fields::{self, DIGITAL_SIGNATURE, Extension, Fields};
use crate::certificate::name;
use crate::certificate::signature::{self, Sealed};
use std::time::Duration;

/// id-kp-OCSPSigning.
const OCSP_SIGNING: &str = "1.3.6.1.5.5.7.3.9";
/// The extensions of a delegate's certificate that may be critical.
const UNDERSTOOD: &[&[u8]] = &[
    fields::KEY_USAGE,
    fields::BASIC_CONSTRAINTS,
    fields::EXTENDED_KEY_USAGE,
    fields::SUBJECT_ALTERNATIVE_NAME,
    fields::CERTIFICATE_POLICIES,
    OCSP_NO_CHECK,
];
/// The content of id-pkix-ocsp-nocheck, 1.3.6.1.5.5.7.48.1.5.
const OCSP_NO_CHECK: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x05];

/// The question that an answer must fit.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// The certificate.
    pub id: &'a CertId,
    /// Its issuer's whole Name.
    pub issuer_name: &'a [u8],
    /// Its issuer's whole SubjectPublicKeyInfo.
    pub issuer_spki: &'a [u8],
    /// The nonce that was sent.
    pub nonce: Option<&'a [u8]>,
    /// Whether the answer must repeat it.
    pub nonce_needed: bool,
    /// How far the responder's clock and ours may be apart.
    pub tolerance: Duration,
}

impl<'a> Asked<'a> {
    /// The question about a certificate without a nonce, with the default tolerance for clocks.
    #[must_use]
    pub fn new(id: &'a CertId, issuer_name: &'a [u8], issuer_spki: &'a [u8]) -> Self {
        Self { id, issuer_name, issuer_spki, nonce: None, nonce_needed: false, tolerance: CLOCK_TOLERANCE }
    }
}

/// Reads an answer, and believes it only if it fits the question, is in force at that time, and is signed by the
/// issuer or a delegate of it.
///
/// # Errors
/// Why it is not believed.
pub fn verify(answer: &[u8], asked: &Asked<'_>, at: Timestamp) -> Result<Statement, Fault> {
    let basic = Basic::read(answer)?;
    let single = find(&basic.singles, asked.id)?;
    for extension in basic.extensions.iter().chain(&single.extensions) {
        if extension.critical && extension.identifier != NONCE {
            return Err(Fault::CriticalExtension(der::dotted(extension.identifier)?));
        }
    }
    check_nonce(&basic.extensions, asked)?;
    let until = check_dates(&basic, single, asked.tolerance, at)?;
    // The signature comes last: it costs the most, and says nothing of an answer that is of no use.
    check_signer(&basic, asked, at)?;
    Ok(Statement { status: single.status, this_update: single.this_update, until, next_update: single.next_update })
}

fn find<'s, 'a>(singles: &'s [Single<'a>], id: &CertId) -> Result<&'s Single<'a>, Fault> {
    let mut fitting = singles.iter().filter(|single| {
        single.algorithm == Some(id.algorithm)
            && single.name_hash == id.name_hash
            && single.key_hash == id.key_hash
            && single.serial == id.serial
    });
    match (fitting.next(), fitting.next()) {
        (Some(single), None) => Ok(single),
        (Some(_), Some(_)) => Err(Fault::Twice),
        (None, _) => Err(Fault::OtherCertificate),
    }
}

fn check_nonce(extensions: &[Extension<'_>], asked: &Asked<'_>) -> Result<(), Fault> {
    let repeated = extensions.iter().find(|extension| extension.identifier == NONCE);
    match (asked.nonce, repeated) {
        (Some(sent), Some(repeated)) if der::single(repeated.value, der::OCTET_STRING)? == sent => Ok(()),
        (Some(_), Some(_)) => Err(Fault::OtherNonce),
        (_, None) if asked.nonce_needed => Err(Fault::NoNonce),
        _ => Ok(()),
    }
}

/// The last second in which the answer may be believed.
fn check_dates(basic: &Basic<'_>, single: &Single<'_>, tolerance: Duration, at: Timestamp) -> Result<Timestamp, Fault> {
    if let Some(future) = [single.this_update, basic.produced_at].into_iter().find(|time| *time > at.plus(tolerance)) {
        return Err(Fault::Future(future));
    }
    let next_update = single.next_update.unwrap_or_else(|| single.this_update.plus(WITHOUT_NEXT_UPDATE));
    if next_update < single.this_update {
        return Err(Fault::Dates);
    }
    let until = next_update.plus(tolerance);
    if at > until { Err(Fault::Expired(next_update)) } else { Ok(until) }
}

fn check_signer(basic: &Basic<'_>, asked: &Asked<'_>, at: Timestamp) -> Result<(), Fault> {
    let sealed = Sealed::new(basic.algorithm, basic.signed, basic.signature)?;
    if is_called(basic.responder, asked.issuer_name, asked.issuer_spki)? {
        // An issuer may have delegated to somebody of its own name, under a key of his own.
        match sealed.verify(asked.issuer_spki) {
            Err(why) if basic.certificates.is_empty() => return Err(why.into()),
            Err(_) => {}
            Ok(()) => return Ok(()),
        }
    }
    let mut fault = Fault::OtherSigner;
    for certificate in &basic.certificates {
        let fields = Fields::read(certificate)?;
        if !is_called(basic.responder, fields.subject, fields.public_key)? {
            continue;
        }
        match check_delegate(&fields, asked, at) {
            Ok(()) => return Ok(sealed.verify(fields.public_key)?),
            Err(why) => {
                let subject = name::read(fields.subject).map_or_else(|_| "somebody".to_owned(), |name| name.text);
                fault = Fault::NoDelegate { subject, why };
            }
        }
    }
    Err(fault)
}

/// Whether the responder says that it is the one with this Name and SubjectPublicKeyInfo.
fn is_called(responder: ResponderId<'_>, subject: &[u8], spki: &[u8]) -> Result<bool, Fault> {
    Ok(match responder {
        ResponderId::Name(called) => name::canonical(called) == name::canonical(subject),
        ResponderId::KeyHash(called) => called == HashAlgorithm::Sha1.hash(key_octets(spki)?),
    })
}

/// Whether a certificate makes its holder a delegate of the issuer (RFC 6960, section 4.2.2.2).
fn check_delegate(fields: &Fields<'_>, asked: &Asked<'_>, at: Timestamp) -> Result<(), &'static str> {
    const UNREADABLE: &str = "its certificate is malformed";
    if name::canonical(fields.issuer) != name::canonical(asked.issuer_name) {
        return Err("its certificate has another issuer");
    }
    if at < fields.not_before || at > fields.not_after {
        return Err("its certificate is expired or not yet valid");
    }
    let purposes = fields.purposes().map_err(|_| UNREADABLE)?;
    // anyExtendedKeyUsage is not enough: it would make every certificate of a careless issuer a responder.
    if !purposes.is_some_and(|purposes| purposes.iter().any(|purpose| purpose == OCSP_SIGNING)) {
        return Err("its certificate lacks the extended key usage OCSPSigning");
    }
    if !fields.allows(DIGITAL_SIGNATURE).map_err(|_| UNREADABLE)? {
        return Err("its key usage does not allow signatures");
    }
    if fields.extensions.iter().any(|extension| extension.critical && !UNDERSTOOD.contains(&extension.identifier)) {
        return Err("its certificate has a critical extension that is not understood");
    }
    signature::check_key(fields.public_key).map_err(|_| "its key is not accepted")?;
    Sealed::new(fields.signature_algorithm, fields.signed, fields.signature)
        .and_then(|sealed| sealed.verify(asked.issuer_spki))
        .map_err(|_| "its certificate is not signed with the issuer's key")
}
