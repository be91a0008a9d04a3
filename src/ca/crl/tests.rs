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

fn revoked(serial: u8, reason: CrlReason) -> Revoked {
    Revoked { serial: vec![serial], at: NOW.minus(DAY), reason }
}

#[test]
fn a_delta_list_names_its_base_and_says_what_came_what_changed_and_what_went() {
    use CrlReason::{CertificateHold, KeyCompromise, RemoveFromCRL, Superseded};
    let base = [revoked(1, Superseded), revoked(2, CertificateHold), revoked(3, CertificateHold)];
    let now = [revoked(4, KeyCompromise), revoked(3, KeyCompromise), revoked(1, Superseded)];
    let changes = changes(&base, &now, NOW);
    let expected =
        [Revoked { at: NOW, ..revoked(2, RemoveFromCRL) }, revoked(3, KeyCompromise), revoked(4, KeyCompromise)];
    assert_eq!(changes, expected);
    let form = Form { base: Some(5), freshest: Some("http://example.org/never".into()), point: None };
    let der = make_in(&intermediate(), EDITION, &form, &changes).unwrap();
    let (_, list) = CertificateRevocationList::from_der(&der).unwrap();
    let indicator = list.extensions().iter().find(|extension| extension.oid.to_id_string() == "2.5.29.27").unwrap();
    assert!(indicator.critical);
    assert_eq!(indicator.value, [2, 1, 5]);
    // A delta list points to no other (RFC 5280, section 5.2.6).
    assert!(!list.extensions().iter().any(|extension| extension.oid.to_id_string() == "2.5.29.46"));
    assert_eq!(list.iter_revoked_certificates().count(), 3);
}

#[test]
fn our_own_reader_reads_back_what_was_written() {
    use crate::revocation::crl::{Limits, Origin, read};
    let entries: Vec<Revoked> = (1..=300_u16)
        .map(|number| Revoked { serial: number.to_be_bytes().to_vec(), at: NOW, reason: CrlReason::Superseded })
        .collect();
    let url = || Some("http://example.org/ca.crl".to_owned());
    for (form, expected) in [
        (Form::default(), (None, 0)),
        (Form { freshest: url(), ..Form::default() }, (None, 1)),
        (Form { point: url(), ..Form::default() }, (None, 0)),
        (Form { base: Some(256), ..Form::default() }, (Some("256"), 0)),
    ] {
        let der = make_in(&intermediate(), EDITION, &form, &entries).unwrap();
        let lists = read(&Origin::File("test".into()), der.as_slice(), &Limits::default()).unwrap();
        let [list] = lists.as_slice() else { panic!("{} lists", lists.len()) };
        assert_eq!(list.len(), 300);
        assert_eq!(list.number().map(ToString::to_string).as_deref(), Some("7"));
        assert_eq!((list.base().map(ToString::to_string).as_deref(), list.freshest().len()), expected);
        assert_eq!(list.next_update(), EDITION.next_update);
    }
}
