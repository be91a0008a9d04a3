//! Facts of ordinary, odd and hostile certificates.

use super::*;
use crate::certificate::testing::{Authority, LEAF_KEY, named, openssl, sequence, tlv};
use crate::certificate::{MAX_CHAIN, Presented, PresentedError};
use proptest::prelude::*;
use rcgen::string::{BmpString, Ia5String, PrintableString, TeletexString, UniversalString};
use rcgen::{
    CustomExtension, DistinguishedName as RcgenName, DnType, DnValue, ExtendedKeyUsagePurpose, KeyUsagePurpose,
    OtherNameValue, SanType, SerialNumber, date_time_ymd,
};
use rustls_pki_types::CertificateDer;
use std::sync::LazyLock;
use x509_parser::prelude::FromDer;

static AUTHORITY: LazyLock<Authority> = LazyLock::new(|| Authority::root("Some Authority"));

fn ia5(text: &str) -> Ia5String {
    Ia5String::try_from(text).unwrap()
}

fn ordinary() -> CertificateDer<'static> {
    AUTHORITY.leaf_with("", |params| {
        let mut name = RcgenName::new();
        name.push(DnType::CountryName, DnValue::PrintableString(PrintableString::try_from("AT").unwrap()));
        name.push(DnType::OrganizationName, "Example, Inc.");
        name.push(DnType::CommonName, "Alice Liddell");
        name.push(
            DnType::CustomDnType(vec![1, 2, 840, 113_549, 1, 9, 1]),
            DnValue::Ia5String(ia5("alice@example.org")),
        );
        params.distinguished_name = name;
        params.serial_number = Some(SerialNumber::from_slice(&[0x00, 0xff, 0x01]));
        params.not_before = date_time_ymd(2026, 1, 2);
        params.not_after = date_time_ymd(2060, 3, 4);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyAgreement];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::EmailProtection,
            ExtendedKeyUsagePurpose::ClientAuth,
            ExtendedKeyUsagePurpose::Other(vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 2]),
        ];
        params.subject_alt_names = vec![
            SanType::Rfc822Name(ia5("alice@example.org")),
            SanType::OtherName((
                vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 3],
                OtherNameValue::Utf8String("alice@corp.example".to_owned()),
            )),
            SanType::OtherName((vec![1, 2, 3, 4], OtherNameValue::Utf8String("passed over".to_owned()))),
            SanType::DnsName(ia5("alice.example.org")),
            SanType::URI(ia5("https://example.org/alice")),
            SanType::IpAddress("192.0.2.7".parse().unwrap()),
            SanType::IpAddress("2001:db8::7".parse().unwrap()),
            SanType::Rfc822Name(ia5("Liddell@example.org")),
        ];
        let policies = sequence(&[
            &sequence(&[&[0x06, 0x03, 0x2a, 0x03, 0x04]]),
            &sequence(&[&[0x06, 0x04, 0x55, 0x1d, 0x20, 0x00]]),
        ]);
        params.custom_extensions = vec![CustomExtension::from_oid_content(&[2, 5, 29, 32], policies)];
    })
}

#[test]
fn an_ordinary_certificate_says_all_that_it_says() {
    let certificate = ordinary();
    let facts = parse(&certificate).unwrap();
    assert_eq!(facts.subject.text, "emailAddress=alice@example.org,CN=Alice Liddell,O=Example\\, Inc.,C=AT");
    let attribute = |oid: &str, value: &str| Attribute { oid: oid.to_owned(), value: value.to_owned() };
    let attributes = [
        attribute("2.5.4.6", "AT"),
        attribute("2.5.4.10", "Example, Inc."),
        attribute("2.5.4.3", "Alice Liddell"),
        attribute("1.2.840.113549.1.9.1", "alice@example.org"),
    ];
    assert_eq!(facts.subject.attributes, attributes);
    assert_eq!(facts.issuer.text, "CN=Some Authority");
    assert_eq!(facts.serial, [0xff, 0x01]);
    assert_eq!(
        (facts.not_before.to_string(), facts.not_after.to_string()),
        ("2026-01-02T00:00:00Z".to_owned(), "2060-03-04T00:00:00Z".to_owned())
    );
    assert_eq!(facts.fingerprint, sha256(&certificate));
    let names = AlternativeNames {
        emails: vec!["alice@example.org".to_owned(), "Liddell@example.org".to_owned()],
        dns: vec!["alice.example.org".to_owned()],
        uris: vec!["https://example.org/alice".to_owned()],
        addresses: vec!["192.0.2.7".parse().unwrap(), "2001:db8::7".parse().unwrap()],
        directory: Vec::new(),
        upns: vec!["alice@corp.example".to_owned()],
    };
    assert_eq!(facts.names, names);
    assert_eq!(facts.key_usage, Some(0b1_0001));
    let purposes = ["1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.2", "1.3.6.1.4.1.311.20.2.2"];
    assert_eq!(facts.extended_key_usage.unwrap(), purposes);
    assert_eq!(facts.policies, ["1.2.3.4", "2.5.29.32.0"]);
    assert!(!facts.is_authority);
    assert!(parse(&AUTHORITY.der).unwrap().is_authority);
}

#[test]
fn another_reader_reads_the_same() {
    let certificate = ordinary();
    let facts = parse(&certificate).unwrap();
    let (rest, other) = x509_parser::certificate::X509Certificate::from_der(&certificate).unwrap();
    assert!(rest.is_empty());
    assert_eq!(facts.subject.der, other.subject().as_raw());
    assert_eq!(facts.issuer.der, other.issuer().as_raw());
    assert_eq!(facts.not_before.as_unix(), other.validity().not_before.timestamp());
    assert_eq!(facts.not_after.as_unix(), other.validity().not_after.timestamp());
    assert_eq!(facts.spki_sha256, sha256(other.public_key().raw));
    assert_eq!([&[0], facts.serial.as_slice()].concat(), other.raw_serial());
    assert_eq!(facts.key_usage, Some(other.key_usage().unwrap().unwrap().value.flags));
    assert_eq!(
        facts.names.dns.len() + facts.names.emails.len() + 5,
        other.subject_alternative_name().unwrap().unwrap().value.general_names.len()
    );
}

#[test]
fn a_subject_is_decoded_from_every_string_type() {
    let cases: [(DnValue, &str); 6] = [
        (DnValue::Utf8String("Алиса".to_owned()), "Алиса"),
        (DnValue::BmpString(BmpString::try_from("Алиса").unwrap()), "Алиса"),
        (DnValue::UniversalString(UniversalString::try_from("Алиса🜚").unwrap()), "Алиса🜚"),
        (DnValue::TeletexString(TeletexString::try_from("Alice").unwrap()), "Alice"),
        (DnValue::PrintableString(PrintableString::try_from("Alice").unwrap()), "Alice"),
        // Whether it may be somebody's name is not for the facts to say.
        (DnValue::Utf8String("alice\0.evil.example".to_owned()), "alice\0.evil.example"),
    ];
    for (value, expected) in cases {
        let certificate = AUTHORITY.leaf_with("", |params| params.distinguished_name = named(value));
        assert_eq!(parse(&certificate).unwrap().subject.attributes[0].value, expected);
    }
}

#[test]
fn a_subject_alternative_name_may_be_a_directory_name() {
    let inner = crate::certificate::testing::name(&[(&[0x55, 0x04, 0x03], 0x0c, b"Alice")]);
    let names = sequence(&[&tlv(0xa4, &[&inner]), &tlv(0x88, &[&[0x2a, 0x03]])]);
    let facts = parse(&with_extension(&[2, 5, 29, 17], names)).unwrap();
    assert_eq!(facts.names.directory.len(), 1);
    assert_eq!(facts.names.directory[0].text, "CN=Alice");
}

fn with_extension(oid: &[u64], content: Vec<u8>) -> CertificateDer<'static> {
    AUTHORITY.leaf_with("x", |params| {
        params.custom_extensions = vec![CustomExtension::from_oid_content(oid, content)];
    })
}

#[test]
fn a_certificate_that_says_something_odd_says_nothing() {
    let upn: &[u8] = &[0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x14, 0x02, 0x03];
    let many: Vec<u8> = std::iter::repeat_n(tlv(0x81, &[b"a@example.org"]), MAX_NAMES + 1).flatten().collect();
    const SAN: &[u64] = &[2, 5, 29, 17];
    let cases: [(&str, &[u64], Vec<u8>); 16] = [
        ("an e-mail address beyond ASCII", SAN, sequence(&[&tlv(0x81, &["ä@example.org".as_bytes()])])),
        ("a constructed e-mail address", SAN, sequence(&[&tlv(0xa1, &[&tlv(0x16, &[b"a@example.org"])])])),
        ("an address of 5 octets", SAN, sequence(&[&tlv(0x87, &[&[1, 2, 3, 4, 5]])])),
        ("an alternative that there is not", SAN, sequence(&[&tlv(0x89, &[b"a"])])),
        ("too many names", SAN, sequence(&[&many])),
        ("octets behind the names", SAN, [sequence(&[]), vec![0x05, 0x00]].concat()),
        ("a UPN that is no UTF8String", SAN, sequence(&[&tlv(0xa0, &[upn, &tlv(0xa0, &[&tlv(0x16, &[b"a"])])])])),
        ("a UPN that is not UTF-8", SAN, sequence(&[&tlv(0xa0, &[upn, &tlv(0xa0, &[&tlv(0x0c, &[&[0xff]])])])])),
        (
            "a UPN with a second value",
            SAN,
            sequence(&[&tlv(0xa0, &[upn, &tlv(0xa0, &[&tlv(0x0c, &[b"a"]), &tlv(0x0c, &[b"b"])])])]),
        ),
        (
            "octets behind the UPN",
            SAN,
            sequence(&[&tlv(0xa0, &[upn, &tlv(0xa0, &[&tlv(0x0c, &[b"a"])]), &[0x05, 0x00]])]),
        ),
        ("an empty extendedKeyUsage", &[2, 5, 29, 37], sequence(&[])),
        ("octets behind extendedKeyUsage", &[2, 5, 29, 37], [sequence(&[&[0x06, 0x01, 0x2a]]), vec![0]].concat()),
        ("a keyUsage that is no BIT STRING", &[2, 5, 29, 15], vec![0x04, 0x01, 0x80]),
        ("octets behind keyUsage", &[2, 5, 29, 15], vec![0x03, 0x02, 0x07, 0x80, 0x00]),
        ("policies that are none", &[2, 5, 29, 32], vec![0x05, 0x00]),
        (
            "octets behind the policies",
            &[2, 5, 29, 32],
            [sequence(&[&sequence(&[&[0x06, 0x01, 0x2a]])]), vec![0]].concat(),
        ),
    ];
    for (what, oid, content) in cases {
        assert!(parse(&with_extension(oid, content)).is_err(), "{what}");
    }
}

#[test]
fn an_extension_that_stands_there_twice_is_refused() {
    let certificate = AUTHORITY.leaf_with("x", |params| {
        let extension = || CustomExtension::from_oid_content(&[1, 2, 3, 4], vec![5, 0]);
        params.custom_extensions = vec![extension(), extension()];
    });
    assert_eq!(parse(&certificate).unwrap_err(), FactsError::Twice("1.2.3.4".to_owned()));
}

#[test]
fn octets_that_another_reader_would_pass_over_are_refused() {
    let certificate = ordinary();
    let grown = [&certificate, &[0x05, 0x00][..]].concat();
    assert!(parse(&grown).is_err());
    let Fields { signed, signature, .. } = Fields::read(&certificate).unwrap();
    let algorithm = crate::certificate::testing::ecdsa_with_sha256();
    let signature = tlv(der::BIT_STRING, &[&[0], signature]);
    assert!(parse(&sequence(&[signed, &algorithm, &signature])).is_ok());
    assert!(parse(&sequence(&[signed, &algorithm, &signature, &[0x05, 0x00]])).is_err());
    let body = der::single(signed, der::SEQUENCE).unwrap();
    assert!(parse(&sequence(&[&sequence(&[body, &[0x05, 0x00]]), &algorithm, &signature])).is_err());
    let grown = sequence(&[signed, &algorithm, &signature, &[0x05, 0x00]]);
    assert!(x509_parser::certificate::X509Certificate::from_der(&grown).is_ok(), "the other reader has become strict");
}

#[test]
fn a_certificate_of_version_1_is_read_without_extensions() {
    let directory = tempfile::tempdir().unwrap();
    openssl(directory.path(), "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem");
    openssl(directory.path(), "req -new -key key.pem -subj /O=Old/CN=Root+UID=r -out request.pem -multivalue-rdn");
    openssl(directory.path(), "x509 -req -in request.pem -signkey key.pem -days 10 -outform der -out old.der");
    let facts = parse(&std::fs::read(directory.path().join("old.der")).unwrap()).unwrap();
    let expected = openssl(directory.path(), "x509 -inform der -in old.der -noout -subject -nameopt RFC2253");
    // The order of the attributes within a multi-valued part means nothing; openssl turns it around.
    assert_eq!(expected.trim(), "subject=UID=r+CN=Root,O=Old");
    assert_eq!(facts.subject.text, "CN=Root+UID=r,O=Old");
    assert_eq!((facts.key_usage, facts.extended_key_usage, facts.is_authority), (None, None, false));
}

#[test]
fn a_chain_that_is_too_long_or_too_large_is_not_looked_at() {
    let leaf = ordinary();
    assert_eq!(Presented::new(&[]).unwrap_err(), PresentedError::Nothing);
    assert_eq!(Presented::new(&vec![leaf.clone(); MAX_CHAIN]).unwrap().chain.len(), MAX_CHAIN);
    assert_eq!(Presented::new(&vec![leaf.clone(); MAX_CHAIN + 1]).unwrap_err(), PresentedError::TooMany(11));
    let large = CertificateDer::from(vec![0; 60_000]);
    assert_eq!(Presented::new(&[large.clone(), large]).unwrap_err(), PresentedError::TooLarge(120_000));
    let presented = Presented::new(&[CertificateDer::from(vec![0x30, 0x00])]).unwrap();
    assert!(presented.facts.is_err());
}

#[test]
fn a_certificate_that_is_too_large_is_refused() {
    let octets = vec![0x30; fields::MAX_CERTIFICATE + 1];
    assert_eq!(parse(&octets), Err(FactsError::TooLarge(octets.len())));
}

proptest! {
    #[test]
    fn any_octets_are_read_without_a_panic(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&octets);
    }

    #[test]
    fn a_changed_certificate_is_read_without_a_panic(
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<proptest::sample::Index>(),
    ) {
        static ORDINARY: LazyLock<CertificateDer<'static>> = LazyLock::new(ordinary);
        let mut octets = ORDINARY.to_vec();
        for (place, value) in changes {
            let place = place.index(octets.len());
            octets[place] = value;
        }
        // Whatever both readers accept they frame in the same way.
        let other = x509_parser::certificate::X509Certificate::from_der(&octets);
        if let (Ok(facts), Ok((_, other))) = (parse(&octets), other) {
            prop_assert_eq!(facts.subject.der, other.subject().as_raw());
            prop_assert_eq!(facts.spki_sha256, sha256(other.public_key().raw));
        }
        octets.truncate(cut.index(octets.len()));
        prop_assert!(parse(&octets).is_err());
    }
}

#[test]
fn the_leaf_key_is_the_one_that_is_hashed() {
    let facts = parse(&ordinary()).unwrap();
    let spki = rcgen::PublicKeyData::subject_public_key_info(&*LEAF_KEY);
    assert_eq!(facts.spki_sha256, sha256(&spki));
}
