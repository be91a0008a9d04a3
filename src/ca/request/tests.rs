//! What requests may ask for, and which are refused by which name.

use super::*;
use crate::account::Status;
use crate::base::clock::Timestamp;
use crate::ca::profile::Validity;
use crate::ca::profile::apply::{Bearer, apply};
use proptest::prelude::*;
use rcgen::{
    CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
};
use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

const NOW: Timestamp = Timestamp::from_unix(1_795_254_812);

fn ann() -> Account {
    Account {
        username: "ann".to_owned(),
        email: Some("ann@example.org".to_owned()),
        display_name: Some("Ann Lee".to_owned()),
        status: Status::Active,
        home: None,
        aliases: vec!["a.lee@example.org".to_owned(), "annie".to_owned()],
        groups: Vec::new(),
    }
}

fn request(change: impl FnOnce(&mut CertificateParams)) -> Vec<u8> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    change(&mut params);
    params.serialize_request(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}

/// The request for ann by a profile, as far as it is met.
fn held(rules: &config::Profile, der: &[u8]) -> Result<Content, RequestError> {
    let request = Request::read(der)?;
    let account = ann();
    let names = request.permitted(rules, Some(&account), &[]);
    let bearer = Bearer { account: Some(&account), entry: &BTreeMap::new(), names: &names };
    let validity = Validity::starting(NOW, Duration::from_secs(86_400 * 365));
    let content = apply(rules, bearer, &request.key, validity, NOW).unwrap();
    request.hold_against(&content, Some(&account)).map(|()| content)
}

fn client() -> config::Profile {
    config::Profile::built_in("client").unwrap()
}

fn named(what: DnType, value: &str) -> impl FnOnce(&mut CertificateParams) {
    move |params| params.distinguished_name.push(what, value)
}

fn with(name: SanType) -> impl FnOnce(&mut CertificateParams) {
    move |params| params.subject_alt_names = vec![name]
}

fn ia5(text: &str) -> rcgen::string::Ia5String {
    text.try_into().unwrap()
}

#[test]
fn a_request_may_ask_for_what_is_its_bearers() {
    let email = AlternativeName::Email("ann@example.org".to_owned());
    let alias = AlternativeName::Email("a.lee@example.org".to_owned());
    let cases = [
        (request(|_| {}), vec![email.clone()]),
        (request(named(DnType::CommonName, "ann")), vec![email.clone()]),
        (request(named(DnType::CommonName, "Ann Lee")), vec![email.clone()]),
        (request(named(DnType::CommonName, "a.lee@EXAMPLE.org")), vec![email.clone()]),
        (request(named(DnType::OrganizationName, "anything")), vec![email.clone()]),
        (request(with(SanType::Rfc822Name(ia5("ann@EXAMPLE.org")))), vec![email.clone()]),
        (request(with(SanType::Rfc822Name(ia5("a.lee@example.org")))), vec![email.clone(), alias]),
        (request(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]), vec![email]),
    ];
    for (number, (der, names)) in cases.into_iter().enumerate() {
        let content = held(&client(), &der).unwrap();
        assert_eq!(content.names, names, "case {number}");
        assert_eq!(content.name.to_string(), "CN=ann", "nothing of the request's subject is copied");
    }
}

#[test]
fn a_request_for_anything_else_is_refused() {
    let names = [
        SanType::Rfc822Name(ia5("ben@example.org")),
        SanType::Rfc822Name(ia5("ann@example.org.evil.example")),
        SanType::DnsName(ia5("www.example.org")),
        SanType::URI(ia5("urn:example:ann")),
        SanType::IpAddress([10, 0, 0, 1].into()),
        SanType::OtherName((
            vec![1, 3, 6, 1, 4, 1, 311, 20, 2, 3],
            rcgen::OtherNameValue::Utf8String("admin@corp.example".into()),
        )),
    ];
    for name in names {
        let refused = held(&client(), &request(with(name.clone())));
        assert!(matches!(refused, Err(RequestError::Name { .. })), "{name:?}: {refused:?}");
    }
    for called in ["ben", "root", "Ann", "ann@example.com"] {
        let refused = held(&client(), &request(named(DnType::CommonName, called)));
        assert!(matches!(refused, Err(RequestError::Name { what: "the common name", .. })), "{called}: {refused:?}");
    }
    let server = request(|params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    assert!(matches!(held(&client(), &server), Err(RequestError::Purpose { .. })));
    let signing = request(|params| params.key_usages = vec![KeyUsagePurpose::KeyCertSign]);
    assert_eq!(Request::read(&signing), Err(RequestError::Signing));
    let authority = request(|params| params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained));
    assert!(matches!(Request::read(&authority), Err(RequestError::Authority | RequestError::Signing)));
    let email = config::Profile { email: EmailName::None, ..client() };
    let refused = held(&email, &request(with(SanType::Rfc822Name(ia5("ann@example.org")))));
    assert!(matches!(refused, Err(RequestError::Name { .. })), "the profile gives no addresses: {refused:?}");
}

#[test]
fn a_request_may_name_hosts_where_the_profile_says_which() {
    let server = config::Profile {
        hosts: vec!["mail.example.org".to_owned(), "*.web.example.org".to_owned()],
        ..config::Profile::built_in("server").unwrap()
    };
    for (host, allowed) in [
        ("mail.example.org", true),
        ("MAIL.example.org", true),
        ("a.web.example.org", true),
        ("a.b.web.example.org", true),
        ("web.example.org", false),
        ("xweb.example.org", false),
        ("*.web.example.org", false),
        ("mail.example.org.evil.example", false),
    ] {
        let der = request(with(SanType::DnsName(ia5(host))));
        let request = Request::read(&der).unwrap();
        let names = request.permitted(&server, None, &[]);
        assert_eq!(!names.is_empty(), allowed, "{host}");
        let granted = [AlternativeName::Dns(host.to_ascii_lowercase())];
        assert!(request.permitted(&server, None, &granted).contains(&granted[0]), "an administrator may grant it");
    }
}

#[test]
fn whoever_asks_must_have_the_key() {
    let good = request(|_| {});
    assert!(Request::read(&good).is_ok());
    let mut forged = good.clone();
    let last = forged.len() - 1;
    forged[last] ^= 1;
    assert!(matches!(Request::read(&forged), Err(RequestError::Possession(_))));
    // Another's signed request with one's own name in it.
    let position = good.len() / 3;
    let mut changed = good;
    changed[position] ^= 1;
    assert!(Request::read(&changed).is_err());
}

#[test]
fn a_request_is_bounded() {
    let many = |count: u64| {
        request(|params| {
            params.custom_extensions = (0..count)
                .map(|n| CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, n], vec![5, 0]))
                .collect();
        })
    };
    assert!(Request::read(&many(60)).is_ok(), "what is not understood and not critical is passed over");
    assert_eq!(Request::read(&many(3000)), Err(RequestError::Facts(FactsError::TooMany("extensions"))));
    assert_eq!(Request::read(&many(5000)), Err(RequestError::TooLarge));
    let critical = request(|params| {
        let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0]);
        extension.set_criticality(true);
        params.custom_extensions = vec![extension];
    });
    assert!(matches!(Request::read(&critical), Err(RequestError::Critical(_))));
    let names: Vec<_> = (0..2000).map(|n| SanType::DnsName(ia5(&format!("h{n}.example.org")))).collect();
    let names = request(|params| params.subject_alt_names = names);
    assert!(matches!(Request::read(&names), Err(RequestError::Facts(_))));
}

#[test]
fn a_request_is_read_as_pem_and_as_der() {
    let der = request(|_| {});
    let armoured = |label: &str| {
        use base64::Engine as _;
        let text = base64::engine::general_purpose::STANDARD.encode(&der);
        format!("Certificate request of ann\n-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
    };
    let expected = Request::read(&der).unwrap();
    for text in
        [armoured("CERTIFICATE REQUEST").into_bytes(), armoured("NEW CERTIFICATE REQUEST").into_bytes(), der.clone()]
    {
        assert_eq!(Request::read_any(&text).unwrap(), expected);
    }
    assert_eq!(Request::read_any(armoured("CERTIFICATE").as_bytes()), Err(RequestError::None));
    assert_eq!(Request::read_any(b""), Err(RequestError::None));
    assert_eq!(Request::read_any(&vec![b'x'; 200_000]), Err(RequestError::TooLarge));
}

/// What OpenSSL makes: weak keys and old hashes, and a challenge.
#[test]
fn requests_of_openssl_are_read_and_weak_ones_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let make = |arguments: &[&str]| {
        let file = directory.path().join("request.der");
        let mut command = Command::new("openssl");
        command.args([
            "req",
            "-new",
            "-nodes",
            "-batch",
            "-outform",
            "DER",
            "-subj",
            "/CN=ann",
            "-keyout",
            "/dev/null",
        ]);
        let done = command.args(arguments).arg("-out").arg(&file).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        std::fs::read(file).unwrap()
    };
    assert!(Request::read(&make(&["-newkey", "rsa:2048"])).is_ok());
    let ed25519 = Request::read(&make(&["-newkey", "ed25519"])).unwrap();
    assert_eq!(ed25519.key.kind().to_string(), "ed25519");
    assert_eq!(Request::read(&make(&["-newkey", "rsa:1024"])), Err(RequestError::Weak(WeakKey::Size(1024))));
    let exponent = make(&["-newkey", "rsa:2048", "-pkeyopt", "rsa_keygen_pubexp:3"]);
    assert_eq!(Request::read(&exponent), Err(RequestError::Weak(WeakKey::Exponent)));
    let old = make(&["-newkey", "rsa:2048", "-sha1"]);
    assert!(matches!(Request::read(&old), Err(RequestError::Possession(_))));
    let curve = make(&["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"]);
    assert_eq!(Request::read(&curve), Err(RequestError::Weak(WeakKey::Unknown)));
}

proptest! {
    #[test]
    fn no_octets_upset_the_reader(octets in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Request::read_any(&octets);
    }

    #[test]
    fn no_damage_gets_past_the_signature(at in 0_usize..10_000, bit in 0_u32..8) {
        let good = request(named(DnType::CommonName, "ann"));
        let mut damaged = good.clone();
        let at = at % good.len();
        damaged[at] ^= 1 << bit;
        prop_assert!(Request::read(&damaged).is_err());
    }

    #[test]
    fn no_address_of_others_is_permitted(local in "[a-z.]{1,12}", domain in "[a-z]{1,8}\\.[a-z]{2,3}") {
        let address = format!("{local}@{domain}");
        prop_assume!(address != "ann@example.org" && address != "a.lee@example.org");
        let der = request(with(SanType::Rfc822Name(ia5(&address))));
        if let Ok(request) = Request::read(&der) {
            prop_assert!(request.permitted(&client(), Some(&ann()), &[]).is_empty());
        }
    }
}
