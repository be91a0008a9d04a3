//! What an authority puts into certificates, and what it refuses to.

use super::*;
use crate::ca::profile::AlternativeName;
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

const NOW: Timestamp = Timestamp::from_unix(1_795_254_812);
const DAY: Duration = Duration::from_secs(86_400);

fn named(common_name: &str) -> Subject {
    Subject { common_name: common_name.into(), organization: Some("Example".into()), names: Vec::new() }
}

fn alice() -> Subject {
    Subject { names: vec![AlternativeName::Email("alice@example.org".into())], ..named("Alice") }
}

fn key() -> Box<dyn SigningKey> {
    Box::new(SoftwareKey::generate().unwrap())
}

fn root() -> Authority {
    Authority::root(key(), &named("Root"), Validity::starting(NOW, DAY * 3650)).unwrap()
}

fn intermediate(root: &Authority) -> Authority {
    root.intermediate(key(), &named("Intermediate"), 0, Validity::starting(NOW, DAY * 1825)).unwrap()
}

fn parse(certificate: &CertificateDer<'static>) -> X509Certificate<'static> {
    let octets: &'static [u8] = Vec::leak(certificate.to_vec());
    let (rest, parsed) = X509Certificate::from_der(octets).unwrap();
    assert!(rest.is_empty());
    parsed
}

/// The extensions by OID: critical or not, and what they say.
fn extension<'a>(certificate: &'a X509Certificate<'_>, oid: &str) -> (bool, &'a ParsedExtension<'a>) {
    let found: Vec<_> =
        certificate.extensions().iter().filter(|extension| extension.oid.to_id_string() == oid).collect();
    assert_eq!(found.len(), 1, "{oid}");
    (found[0].critical, found[0].parsed_extension())
}

#[test]
fn each_certificate_is_signed_by_the_one_above_it() {
    let root = root();
    let intermediate = intermediate(&root);
    let issued = intermediate.issue(&Profile::client(), &alice(), Validity::starting(NOW, DAY)).unwrap();
    assert_eq!(issued.chain, [intermediate.certificate().clone()]);
    let path = [parse(&issued.certificate), parse(intermediate.certificate()), parse(root.certificate())];
    for (certificate, issuer) in path.iter().zip(path.iter().skip(1).chain([&path[2]])) {
        assert_eq!(certificate.issuer().as_raw(), issuer.subject().as_raw());
        certificate.verify_signature(Some(issuer.public_key())).unwrap();
        let (_, ParsedExtension::AuthorityKeyIdentifier(named)) = extension(certificate, "2.5.29.35") else { panic!() };
        let (_, ParsedExtension::SubjectKeyIdentifier(is)) = extension(issuer, "2.5.29.14") else { panic!() };
        assert_eq!(named.key_identifier.as_ref(), Some(is));
    }
    assert_eq!(root.chain(), []);
}

#[test]
fn an_authority_may_sign_certificates_and_lists_and_nothing_else() {
    let root = root();
    let intermediate = intermediate(&root);
    for (authority, path_length) in [(&root, None), (&intermediate, Some(0))] {
        let certificate = parse(authority.certificate());
        let (critical, ParsedExtension::BasicConstraints(constraints)) = extension(&certificate, "2.5.29.19") else {
            panic!()
        };
        assert!(critical && constraints.ca);
        assert_eq!(constraints.path_len_constraint, path_length);
        let (critical, ParsedExtension::KeyUsage(usage)) = extension(&certificate, "2.5.29.15") else { panic!() };
        assert!(critical);
        assert_eq!(usage.flags, 0b110_0000);
        assert_eq!(certificate.version().0, 2);
        assert_eq!(certificate.extensions().len(), 4);
    }
}

#[test]
fn a_client_certificate_is_for_clients_and_a_server_certificate_for_servers() {
    let root = root();
    let localhost = Subject {
        names: vec![
            AlternativeName::Dns("localhost".into()),
            AlternativeName::Address(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            AlternativeName::Address(IpAddr::V6(Ipv6Addr::LOCALHOST)),
        ],
        ..named("localhost")
    };
    for (profile, subject) in [(Profile::client(), alice()), (Profile::server(), localhost)] {
        let issued = root.issue(&profile, &subject, Validity::starting(NOW, DAY)).unwrap();
        let certificate = parse(&issued.certificate);
        let (critical, ParsedExtension::BasicConstraints(constraints)) = extension(&certificate, "2.5.29.19") else {
            panic!()
        };
        assert!(critical && !constraints.ca);
        let (critical, ParsedExtension::KeyUsage(usage)) = extension(&certificate, "2.5.29.15") else { panic!() };
        assert!(critical);
        assert_eq!(usage.flags, 1);
        let (critical, ParsedExtension::ExtendedKeyUsage(usage)) = extension(&certificate, "2.5.29.37") else {
            panic!()
        };
        assert!(!critical && !usage.any && usage.other.is_empty());
        assert_eq!((usage.client_auth, usage.server_auth), (profile.name == "client", profile.name == "server"));
        let (critical, ParsedExtension::SubjectAlternativeName(names)) = extension(&certificate, "2.5.29.17") else {
            panic!()
        };
        assert!(!critical);
        let expected = match profile.name.as_ref() {
            "client" => vec![GeneralName::RFC822Name("alice@example.org")],
            _ => vec![
                GeneralName::DNSName("localhost"),
                GeneralName::IPAddress(&[127, 0, 0, 1]),
                GeneralName::IPAddress(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
            ],
        };
        assert_eq!(names.general_names, expected);
    }
}

#[test]
fn a_certificate_is_already_valid_for_a_clock_that_is_slow() {
    let issued = root().issue(&Profile::client(), &alice(), Validity::starting(NOW, DAY)).unwrap();
    let validity = parse(&issued.certificate).validity().clone();
    assert_eq!(validity.not_before.timestamp(), NOW.as_unix() - 300);
    assert_eq!(validity.not_after.timestamp(), NOW.as_unix() + 86_400);
}

#[test]
fn a_date_from_2050_on_is_a_generalized_time() {
    // 2049-12-31T23:59:59Z and the second after it.
    for (at, tag) in [(2_524_607_999, 0x17), (2_524_608_000, 0x18)] {
        let encoded = encode_time(Timestamp::from_unix(at)).unwrap().to_der().unwrap();
        assert_eq!(encoded.first(), Some(&tag));
    }
    assert!(encode_time(Timestamp::from_unix(-1)).is_err());
}

#[test]
fn serial_numbers_are_positive_random_and_never_meet() {
    let mut seen = HashSet::new();
    for _ in 0..1000 {
        let der = serial_number().unwrap().to_der().unwrap();
        assert!(der.get(2).is_some_and(|first| first & 0x80 == 0), "{der:?} is negative");
        assert!((12..=SERIAL_OCTETS + 3).contains(&der.len()), "{der:?}");
        assert!(seen.insert(der));
    }
}

#[test]
fn nothing_is_issued_beyond_the_issuers_validity() {
    let root = root();
    let own = root.validity();
    let longer = Validity { not_after: own.not_after.plus(Duration::from_secs(1)), ..own };
    let earlier = Validity { not_before: own.not_before.minus(Duration::from_secs(1)), ..own };
    for validity in [longer, earlier] {
        let refused = root.issue(&Profile::client(), &alice(), validity).unwrap_err();
        assert!(matches!(refused, IssueError::Validity { .. }), "{refused}");
    }
    assert!(root.issue(&Profile::client(), &alice(), own).is_ok());
}

#[test]
fn an_authority_issues_no_more_authorities_than_its_path_length_allows() {
    let root = root();
    let validity = root.validity();
    let two = root.intermediate(key(), &named("Two"), 1, validity).unwrap();
    let one = two.intermediate(key(), &named("One"), 0, validity).unwrap();
    assert_eq!(one.chain().len(), 2);
    for (issuer, path_length) in [(&two, 1), (&one, 0)] {
        let refused = issuer.intermediate(key(), &named("More"), path_length, validity).unwrap_err();
        assert!(matches!(refused, IssueError::PathLength { .. }), "{refused}");
    }
    let unlimited = two.certify(&Profile::authority(None), &named("More"), key().public_key(), validity);
    assert!(matches!(unlimited, Err(IssueError::PathLength { .. })));
}

#[test]
fn only_an_authoritys_certificate_with_its_own_key_is_an_authority() {
    let root = root();
    let other_key = Authority::open(key(), root.certificate().clone(), Vec::new());
    assert!(matches!(other_key, Err(IssueError::NotAnAuthority(_))));
    let issued = root.issue(&Profile::client(), &alice(), root.validity()).unwrap();
    let leaf_key = Box::new(SoftwareKey::from_pkcs8(&issued.key).unwrap());
    let leaf = Authority::open(leaf_key, issued.certificate, Vec::new());
    assert!(matches!(leaf, Err(IssueError::NotAnAuthority(_))));
    assert!(Authority::open(key(), CertificateDer::from(vec![0x30, 0x00]), Vec::new()).is_err());
}

#[test]
fn a_key_that_is_not_ours_is_certified_without_being_seen() {
    let root = root();
    let theirs = SoftwareKey::generate().unwrap();
    let certificate = root.certify(&Profile::client(), &alice(), theirs.public_key(), root.validity()).unwrap();
    assert_eq!(parse(&certificate).public_key().raw, theirs.public_key());
    assert!(root.certify(&Profile::client(), &alice(), b"no key", root.validity()).is_err());
}

#[test]
fn what_is_shown_of_an_issued_certificate_never_holds_its_key() {
    let issued = root().issue(&Profile::client(), &alice(), Validity::starting(NOW, DAY)).unwrap();
    assert!(format!("{issued:?}").contains("[secret]"));
}
