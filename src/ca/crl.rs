//! Makes certificate revocation lists (RFC 5280, section 5): version 2, complete, with a number, signed
//! by the issuer of the certificates itself. What others' lists say is read by `revocation::crl`.

use crate::base::clock::Timestamp;
use crate::ca::issue::{Authority, IssueError, encode_time, encoding};
use der::Encode;
use der::asn1::BitString;
use x509_cert::Version;
use x509_cert::crl::{CertificateList, RevokedCert, TbsCertList};
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, CrlNumber};
use x509_cert::ext::{Extension, ToExtension};
use x509_cert::serial_number::SerialNumber;

pub use x509_cert::ext::pkix::CrlReason;

/// A certificate that no longer counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// The serial number's octets, big-endian.
    pub serial: Vec<u8>,
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub reason: CrlReason,
}

/// A list's own particulars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Edition {
    /// cRLNumber: greater than that of every list before it.
    pub number: u64,
    /// thisUpdate: when it was made.
    pub this_update: Timestamp,
    /// nextUpdate: when there will be a newer one at the latest. From then on it says nothing.
    pub next_update: Timestamp,
}

/// A list, in DER, of all the certificates of this authority that no longer count.
///
/// # Errors
/// When a serial number or date does not encode, or the authority's key fails.
pub fn make(authority: &Authority, edition: Edition, revoked: &[Revoked]) -> Result<Vec<u8>, IssueError> {
    const WHAT: &str = "the revocation list";
    let key = authority.key();
    let name = authority.name_parsed();
    let entries = revoked.iter().map(|entry| entry.encode(authority)).collect::<Result<Vec<_>, _>>()?;
    // x509-cert's own builder copies the issuer's authorityKeyIdentifier, which below a root is another key's.
    let issuer_key =
        AuthorityKeyIdentifier { key_identifier: Some(authority.key_identifier().clone()), ..Default::default() };
    let number = CrlNumber::try_from(edition.number).map_err(encoding("the list's number"))?;
    let to_be_signed = TbsCertList {
        version: Version::V2,
        signature: key.algorithm(),
        issuer: name.clone(),
        this_update: encode_time(edition.this_update)?,
        next_update: Some(encode_time(edition.next_update)?),
        // An empty list has no such field (RFC 5280, section 5.1.2.6).
        revoked_certificates: (!entries.is_empty()).then_some(entries),
        crl_extensions: Some(vec![
            issuer_key.to_extension(name, &[]).map_err(encoding(WHAT))?,
            number.to_extension(name, &[]).map_err(encoding(WHAT))?,
        ]),
    };
    let signature = key.sign(&to_be_signed.to_der().map_err(encoding(WHAT))?)?;
    let list = CertificateList {
        tbs_cert_list: to_be_signed,
        signature_algorithm: key.algorithm(),
        signature: BitString::from_bytes(&signature).map_err(encoding(WHAT))?,
    };
    list.to_der().map_err(encoding(WHAT))
}

impl Revoked {
    fn encode(&self, authority: &Authority) -> Result<RevokedCert, IssueError> {
        const SERIAL: &str = "a revoked serial number";
        if self.serial.iter().all(|octet| *octet == 0) {
            return Err(encoding(SERIAL)("it is zero"));
        }
        let reason = match self.reason {
            // It says nothing, and is left out for that (RFC 5280, section 5.3.1).
            CrlReason::Unspecified => None,
            reason => Some(vec![reason_extension(reason, authority)?]),
        };
        Ok(RevokedCert {
            serial_number: SerialNumber::new(&self.serial).map_err(encoding(SERIAL))?,
            revocation_date: encode_time(self.at)?,
            crl_entry_extensions: reason,
        })
    }
}

fn reason_extension(reason: CrlReason, authority: &Authority) -> Result<Extension, IssueError> {
    reason.to_extension(authority.name_parsed(), &[]).map_err(encoding("a revocation's reason"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::key::SoftwareKey;
    use crate::ca::profile::{Subject, Validity};
    use std::time::Duration;
    use x509_parser::prelude::{CertificateRevocationList, FromDer, ParsedExtension, X509Certificate};

    const NOW: Timestamp = Timestamp::from_unix(1_795_254_812);
    const DAY: Duration = Duration::from_secs(86_400);
    const EDITION: Edition =
        Edition { number: 7, this_update: NOW, next_update: Timestamp::from_unix(1_795_254_812 + 86_400) };

    fn subject(common_name: &str) -> Subject {
        Subject { common_name: common_name.into(), organization: None, names: Vec::new() }
    }

    fn intermediate() -> Authority {
        let key = || Box::new(SoftwareKey::generate().unwrap());
        let validity = Validity::starting(NOW, DAY * 30);
        let root = Authority::root(key(), &subject("Root"), validity).unwrap();
        root.intermediate(key(), &subject("Intermediate"), 0, validity).unwrap()
    }

    #[test]
    fn a_list_names_its_issuers_own_key_and_is_signed_with_it() {
        let authority = intermediate();
        let der = make(&authority, EDITION, &[]).unwrap();
        let (_, list) = CertificateRevocationList::from_der(&der).unwrap();
        let (_, issuer) = X509Certificate::from_der(authority.certificate()).unwrap();
        list.verify_signature(issuer.public_key()).unwrap();
        assert_eq!(list.issuer().as_raw(), issuer.subject().as_raw());
        assert_eq!(list.version().map(|version| version.0), Some(1));
        assert_eq!(list.crl_number().map(ToString::to_string).as_deref(), Some("7"));
        assert_eq!(list.next_update().map(|at| at.timestamp()), Some(EDITION.next_update.as_unix()));
        assert_eq!(list.iter_revoked_certificates().count(), 0);
        let named = list.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(named) => named.key_identifier.as_ref().map(|key| key.0),
            _ => None,
        });
        assert_eq!(named, Some(authority.key_identifier().as_bytes()));
    }

    #[test]
    fn a_revoked_certificate_stands_in_the_list_with_its_time_and_reason() {
        let revoked = [
            Revoked { serial: vec![0xff; 16], at: NOW.minus(DAY), reason: CrlReason::KeyCompromise },
            Revoked { serial: vec![5], at: NOW, reason: CrlReason::Unspecified },
        ];
        let der = make(&intermediate(), EDITION, &revoked).unwrap();
        let (_, list) = CertificateRevocationList::from_der(&der).unwrap();
        let entries: Vec<_> = list
            .iter_revoked_certificates()
            .map(|entry| {
                (
                    entry.serial().to_bytes_be(),
                    entry.revocation_date.timestamp(),
                    entry.reason_code().map(|(_, code)| code.0),
                )
            })
            .collect();
        let expected = [(vec![0xff; 16], NOW.minus(DAY).as_unix(), Some(1)), (vec![5], NOW.as_unix(), None)];
        assert_eq!(entries, expected);
    }

    #[test]
    fn a_serial_number_that_is_none_is_refused() {
        for serial in [Vec::new(), vec![0], vec![1; 21]] {
            let revoked = Revoked { serial: serial.clone(), at: NOW, reason: CrlReason::Superseded };
            assert!(make(&intermediate(), EDITION, &[revoked]).is_err(), "{serial:?}");
        }
    }
}
