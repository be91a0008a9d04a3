//! The key that signs OCSP answers in an authority's name (RFC 6960, section 4.2.2.2): made in memory, never written
//! anywhere, with a certificate of the authority's for this purpose alone that lives for days. The authority's own
//! key, which may be slow or far away, signs once a day. Nobody is asked whether the delegate is revoked
//! (id-pkix-ocsp-nocheck, section 4.2.2.2.1): that it runs out soon is what limits the harm of a lost one.

use crate::account::{CertificateKey, IssuedCertificate};
use crate::base::clock::Timestamp;
use crate::base::hex;
use crate::ca::encode::{self, NULL, bit_string, element, extension, identifier, octet_string, sequence, unsigned};
use crate::ca::issue::{Authority, IssueError, encoding};
use crate::ca::key::{KeyError, SigningKey, SoftwareKey};
use crate::ca::profile::BACKDATING;
use crate::ca::register::Entry;
use crate::certificate::der::{SET, constructed, primitive};
use crate::certificate::facts::{self, sha256};
use crate::config::profile::OCSP_SIGNERS;
use crate::revocation::ocsp::HashAlgorithm;
use crate::revocation::ocsp::request::key_octets;
use der::Encode;
use rustls_pki_types::CertificateDer;
use std::time::Duration;

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const SUBJECT_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 0x0e];
const AUTHORITY_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 0x23];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
/// The content of id-kp-OCSPSigning, 1.3.6.1.5.5.7.3.9.
const OCSP_SIGNING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x09];
/// The content of id-pkix-ocsp-nocheck, 1.3.6.1.5.5.7.48.1.5.
const NO_CHECK: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x05];
/// UTF8String.
const UTF8_STRING: u8 = 0x0c;
/// digitalSignature, the first bit of a KeyUsage.
const DIGITAL_SIGNATURE: &[u8] = &[0x03, 0x02, 0x07, 0x80];
/// How many octets of randomness a serial number has.
const SERIAL_OCTETS: usize = 16;

/// A key that may sign OCSP answers, and the certificate that says so.
pub struct Delegate {
    key: SoftwareKey,
    certificate: CertificateDer<'static>,
    serial: Vec<u8>,
    /// SHA-1 of the octets of the key: how answers name who signed them.
    key_hash: Vec<u8>,
    not_after: Timestamp,
}

impl std::fmt::Debug for Delegate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delegate").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

impl Delegate {
    /// A new one that lives for so long, but no longer than the authority.
    ///
    /// # Errors
    /// When a key fails.
    pub fn new(authority: &Authority, now: Timestamp, lifetime: Duration) -> Result<Self, IssueError> {
        const WHAT: &str = "the certificate of an OCSP signer";
        let key = SoftwareKey::generate()?;
        let octets = key_octets(key.public_key()).map_err(encoding(WHAT))?;
        let (key_hash, identifies) = (HashAlgorithm::Sha1.hash(octets), sha256(octets));
        let identifies = identifies.get(..20).unwrap_or_default();
        let own = authority.validity();
        let not_before = now.minus(BACKDATING).max(own.not_before);
        let not_after = now.plus(lifetime).min(own.not_after);
        let mut serial = [0; SERIAL_OCTETS];
        while serial.iter().all(|octet| *octet == 0) {
            aws_lc_rs::rand::fill(&mut serial).map_err(|_| KeyError::Failed("drawing random octets"))?;
        }
        // Each has a name of its own, so that nobody takes one for another.
        let name = format!("OCSP signer {}", hex::encode(identifies.get(..8).unwrap_or_default()));
        let name = sequence(&[&identifier(COMMON_NAME), &element(UTF8_STRING, &[name.as_bytes()])]);
        let issuer_key = element(primitive(0), &[authority.key_identifier().as_bytes()]);
        let extensions = sequence(&[
            &extension(AUTHORITY_KEY_IDENTIFIER, false, &sequence(&[&issuer_key])),
            &extension(SUBJECT_KEY_IDENTIFIER, false, &octet_string(identifies)),
            &extension(KEY_USAGE, true, DIGITAL_SIGNATURE),
            &extension(EXTENDED_KEY_USAGE, false, &sequence(&[&identifier(OCSP_SIGNING)])),
            &extension(NO_CHECK, false, NULL),
        ]);
        let algorithm = authority.key().algorithm().to_der().map_err(encoding(WHAT))?;
        let to_be_signed = sequence(&[
            // v3
            &[constructed(0), 3, 2, 1, 2],
            &unsigned(&serial),
            &algorithm,
            &authority.name_der()?,
            &sequence(&[&encode::time(not_before), &encode::time(not_after)]),
            &sequence(&[&element(SET, &[&name])]),
            key.public_key(),
            &element(constructed(3), &[&extensions]),
        ]);
        let signature = authority.key().sign(&to_be_signed)?;
        let certificate = sequence(&[&to_be_signed, &algorithm, &bit_string(&signature)]);
        let serial = serial.iter().skip_while(|octet| **octet == 0).copied().collect();
        Ok(Self { key, certificate: certificate.into(), serial, key_hash, not_after })
    }

    /// Its certificate, which goes along with the answers that it signs.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The serial number of its certificate, without leading zeros.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// The last second of its certificate: no answer of its may hold for longer.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// What is recorded of it: a certificate of no account, by a profile that nobody else has.
    ///
    /// # Errors
    /// When the certificate cannot be read, which was just made.
    pub fn entry(&self, authority: &Authority) -> Result<Entry, IssueError> {
        let facts = facts::parse(&self.certificate).map_err(encoding("the certificate of an OCSP signer"))?;
        let certificate = IssuedCertificate {
            key: CertificateKey::new(&authority.name_der()?, authority.public_key(), &facts.serial),
            issuer_name: authority.name(),
            username: None,
            subject: facts.subject.text,
            not_before: facts.not_before,
            not_after: facts.not_after,
            fingerprint: facts.fingerprint,
            profile: OCSP_SIGNERS.to_owned(),
        };
        Ok(Entry { certificate, spki: Some(facts.spki_sha256), der: Some(self.certificate.to_vec()) })
    }

    pub(super) fn key(&self) -> &dyn SigningKey {
        &self.key
    }

    pub(super) fn key_hash(&self) -> &[u8] {
        &self.key_hash
    }
}
