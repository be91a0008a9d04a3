//! What comes of profiles for accounts and keys, down to what stands in the certificate.

use super::*;
use crate::ca::issue::Authority;
use crate::ca::key::{SigningKey, SoftwareKey};
use crate::ca::profile::Subject;
use crate::certificate::facts;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_unix(1_795_254_812);
const DAY: Duration = Duration::from_secs(86_400);

fn authority() -> Authority {
    let subject = Subject { common_name: "Root".into(), organization: None, names: Vec::new() };
    let key = Box::new(SoftwareKey::generate().unwrap());
    Authority::root(key, &subject, Validity::starting(NOW, DAY * 3650)).unwrap()
}

fn ann() -> Account {
    Account {
        username: "ann".to_owned(),
        email: Some("ann@example.org".to_owned()),
        display_name: Some("Ann Lee".to_owned()),
        status: Status::Active,
        home: None,
        aliases: Vec::new(),
        groups: Vec::new(),
    }
}

fn rules(name: &str) -> config::Profile {
    config::Profile::built_in(name).unwrap()
}

fn key() -> PublicKey {
    PublicKey::read(SoftwareKey::generate().unwrap().public_key()).unwrap()
}

fn applied(rules: &config::Profile, account: &Account) -> Result<Content, ProfileError> {
    let bearer = Bearer { account: Some(account), entry: &BTreeMap::new(), names: &[] };
    apply(rules, bearer, &key(), Validity::starting(NOW, DAY * 3650), NOW)
}

#[test]
fn a_client_is_called_by_its_user_name_and_never_by_what_people_may_choose() {
    let content = applied(&rules("client"), &ann()).unwrap();
    assert_eq!(content.name.to_string(), "CN=ann");
    assert_eq!(content.names, [AlternativeName::Email("ann@example.org".to_owned())]);
    assert_eq!(content.validity.not_before, NOW.minus(Duration::from_secs(300)));
    assert_eq!(content.validity.not_after, NOW.plus(DAY * 365));
    let short = applied(&rules("client-short"), &ann()).unwrap();
    assert_eq!(short.validity.not_after, NOW.plus(Duration::from_secs(8 * 3600)));
}

#[test]
fn everything_that_a_profile_says_stands_in_the_certificate() {
    let template = |text: &str| config::NameTemplate::parse(text).unwrap();
    let rules = config::Profile {
        subject: vec![
            (SubjectAttribute::Country, template("DE")),
            (SubjectAttribute::Organization, template("Example, Inc.")),
            (SubjectAttribute::OrganizationalUnit, template("{ldap:ou?}")),
            (SubjectAttribute::CommonName, template("{display_name|username}")),
            (SubjectAttribute::Email, template("{email}")),
        ],
        names: vec![
            (NameKind::Upn, template("{username}@corp.example")),
            (NameKind::Uri, template("urn:example:{ldap:employeeNumber}")),
            (NameKind::Dns, template("{username}.people.example.org")),
        ],
        policies: vec![ObjectIdentifier::new_unwrap("1.3.6.1.4.1.99999.1")],
        crl: Some(vec!["http://ca.example.org/list.crl".to_owned()]),
        ocsp: Some(vec!["http://ca.example.org/ocsp".to_owned()]),
        issuer: Some(vec!["http://ca.example.org/ca.der".to_owned()]),
        ..rules("smime")
    };
    assert_eq!(attributes(&rules), ["employeeNumber", "ou"]);
    let (account, key) = (ann(), key());
    let entry = BTreeMap::from([("employeeNumber".to_owned(), "7".to_owned())]);
    let bearer = Bearer { account: Some(&account), entry: &entry, names: &[] };
    let authority = authority();
    let content = apply(&rules, bearer, &key, authority.validity(), NOW).unwrap();
    let der = authority.certify_content(&content, key.spki()).unwrap();
    let facts = facts::parse(&der).unwrap();
    assert_eq!(
        facts.subject.attributes.iter().map(|attribute| attribute.value.as_str()).collect::<Vec<_>>(),
        ["DE", "Example, Inc.", "Ann Lee", "ann@example.org"]
    );
    assert_eq!(facts.names.emails, ["ann@example.org"]);
    assert_eq!(facts.names.upns, ["ann@corp.example"]);
    assert_eq!(facts.names.uris, ["urn:example:7"]);
    assert_eq!(facts.names.dns, ["ann.people.example.org"]);
    assert_eq!(facts.policies, ["1.3.6.1.4.1.99999.1"]);
    assert_eq!(facts.extended_key_usage.as_deref(), Some(&["1.3.6.1.5.5.7.3.4".to_owned()][..]));
    // digitalSignature and keyAgreement: an elliptic-curve key encrypts nothing.
    assert_eq!(facts.key_usage, Some(0b1_0001));
    for url in ["http://ca.example.org/list.crl", "http://ca.example.org/ocsp", "http://ca.example.org/ca.der"] {
        assert!(der.windows(url.len()).any(|octets| octets == url.as_bytes()), "{url}");
    }
}

#[test]
fn what_is_missing_or_cannot_stand_there_is_named() {
    let without = Account { email: None, ..ann() };
    assert!(applied(&rules("client"), &without).unwrap().names.is_empty());
    assert!(matches!(applied(&rules("smime"), &without), Err(ProfileError::NoEmail { .. })));
    for status in [Status::Locked, Status::Closed] {
        let refused = applied(&rules("client"), &Account { status, ..ann() });
        assert!(matches!(refused, Err(ProfileError::Inactive { .. })), "{refused:?}");
    }
    let called = |text: &str| config::Profile {
        subject: vec![(SubjectAttribute::CommonName, config::NameTemplate::parse(text).unwrap())],
        ..rules("client")
    };
    assert!(matches!(applied(&called("{home}"), &ann()), Err(ProfileError::Unknown { .. })));
    let long = Account { username: "x".repeat(65), ..ann() };
    assert!(matches!(applied(&rules("client"), &long), Err(ProfileError::Unacceptable(_))), "no name is cut short");
    let country = config::Profile {
        subject: vec![(SubjectAttribute::Country, config::NameTemplate::parse("Germany").unwrap())],
        ..rules("client")
    };
    assert!(matches!(applied(&country, &ann()), Err(ProfileError::Unacceptable(_))));
}

#[test]
fn a_key_of_another_kind_is_refused_and_a_larger_one_is_not() {
    let only = |keys: Vec<KeyType>| config::Profile { keys, ..rules("client") };
    let refused = applied(&only(vec![KeyType::EcdsaP384, KeyType::Rsa2048]), &ann()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the profile \"client\" does not take a key of the kind ecdsa-p256: it takes ecdsa-p384, rsa-2048"
    );
    let cases = [
        (KeyType::Rsa2048, 2048, true),
        (KeyType::Rsa2048, 4096, true),
        (KeyType::Rsa3072, 2048, false),
        (KeyType::Rsa4096, 4096, true),
        (KeyType::EcdsaP256, 2048, false),
    ];
    for (allowed, bits, expected) in cases {
        assert_eq!(takes(allowed, KeyKind::Rsa { bits }), expected, "{allowed} {bits}");
    }
    let uses = [KeyUse::DigitalSignature, KeyUse::KeyEncipherment, KeyUse::KeyAgreement];
    let bits = |kind| key_usage(&uses, kind).bits();
    assert_eq!(
        [bits(KeyKind::Rsa { bits: 2048 }), bits(KeyKind::EcdsaP256), bits(KeyKind::Ed25519)],
        [0b101, 0b1_0001, 1]
    );
}

#[test]
fn nothing_lasts_longer_than_its_issuer() {
    let issuer = Validity { not_before: NOW.minus(DAY), not_after: NOW.plus(DAY) };
    let (account, entry, key) = (ann(), BTreeMap::new(), key());
    let at =
        |now| apply(&rules("client"), Bearer { account: Some(&account), entry: &entry, names: &[] }, &key, issuer, now);
    let content = at(NOW).unwrap();
    assert_eq!(content.validity.not_after, issuer.not_after);
    assert_eq!(at(NOW.minus(DAY)).unwrap().validity.not_before, issuer.not_before);
    for over in [NOW.plus(DAY), NOW.minus(DAY * 2)] {
        assert!(matches!(at(over), Err(ProfileError::IssuerOver { .. })));
    }
}

#[test]
fn a_certificate_has_no_more_names_than_it_should() {
    let names: Vec<_> = (0..=MOST_NAMES).map(|n| AlternativeName::Dns(format!("h{n}.example.org"))).collect();
    let entry = BTreeMap::new();
    let bearer = |names| Bearer { account: None, entry: &entry, names };
    let validity = Validity::starting(NOW, DAY * 3650);
    let refused = apply(&rules("server"), bearer(&names), &key(), validity, NOW).unwrap_err();
    assert_eq!(refused, ProfileError::TooManyNames(MOST_NAMES + 1));
    let content = apply(&rules("server"), bearer(&names[..2]), &key(), validity, NOW).unwrap();
    assert_eq!(content.name.to_string(), "CN=h0.example.org");
    // Without any name nothing is certified.
    let nobody = apply(&rules("server"), bearer(&[]), &key(), validity, NOW).unwrap();
    assert!(authority().certify_content(&nobody, key().spki()).is_err());
}
