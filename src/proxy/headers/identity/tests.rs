use super::*;
use crate::account::{Account, Status};
use crate::auth::authorization::{Authorization, Origin};
use crate::auth::decision::{CertificateEvidence, ClaimEvidence, Evidence, Finding, Policy, Verdict, decide};
use crate::base::clock::Timestamp;
use crate::base::reason::Reason;
use crate::certificate::facts::{AlternativeNames, DistinguishedName};
use crate::config::{Anonymous, Method};
use http::HeaderMap;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

fn alice() -> Account {
    Account {
        username: "alice".to_owned(),
        email: Some("alice@example.org".to_owned()),
        display_name: Some("Alice Liddell".to_owned()),
        status: Status::Active,
        home: None,
        aliases: Vec::new(),
        groups: vec!["readers".to_owned(), "staff".to_owned()],
    }
}

fn permit(certificate: CertificateEvidence) -> Permit {
    let policy = Policy {
        authenticate: vec![Method::Certificate],
        anonymous: Anonymous::Allow,
        claim: false,
        authorization: Authorization::default(),
        certificate_needed: false,
    };
    let origin = Origin { address: IpAddr::V4(Ipv4Addr::LOCALHOST), authorities: None };
    let evidence = Evidence {
        certificate,
        credentials: Finding::NotAsked,
        authorization_sent: false,
        claim: ClaimEvidence::NotAsked,
        origin,
    };
    match decide(&policy, &evidence) {
        Verdict::Permit(permit) => permit,
        other => panic!("{other:?}"),
    }
}

fn permit_of(account: Account) -> Permit {
    permit(CertificateEvidence::Account(Arc::new(account)))
}

fn headers() -> IdentityHeaders {
    IdentityHeaders {
        user: Some("Remote-User".to_owned()),
        email: Some("Remote-Email".to_owned()),
        name: Some("Remote-Name".to_owned()),
        groups: Some("Remote-Groups".to_owned()),
        client_cert: false,
        xfcc: false,
        set: Vec::new(),
    }
}

fn facts(subject: &str) -> CertificateFacts {
    let name = |text: &str| DistinguishedName { text: text.to_owned(), der: Vec::new(), attributes: Vec::new() };
    CertificateFacts {
        subject: name(subject),
        issuer: name("CN=Example CA"),
        serial: vec![1],
        not_before: Timestamp::from_unix(0),
        not_after: Timestamp::FAR_FUTURE,
        fingerprint: [0xab; 32],
        spki_sha256: [0; 32],
        names: AlternativeNames {
            uris: vec!["spiffe://example.org/alice".to_owned(), "urn:x?a=\"1\";b,c".to_owned()],
            dns: vec!["alice.example.org".to_owned(), "a b\n;DNS=root".to_owned()],
            ..AlternativeNames::default()
        },
        key_usage: None,
        extended_key_usage: None,
        policies: Vec::new(),
        is_authority: false,
    }
}

fn shown(fields: &Prepared) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
}

fn pairs(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_upstream_is_told_what_it_wants_to_know_of_the_account() {
    let writer = IdentityWriter::new(&headers()).unwrap();
    let expected = [
        ("remote-user", "alice"),
        ("remote-email", "alice@example.org"),
        ("remote-name", "Alice Liddell"),
        ("remote-groups", "readers,staff"),
        ("x-client-verify", "SUCCESS"),
    ];
    assert_eq!(shown(&writer.prepare(&permit_of(alice()), None)), pairs(&expected));

    let bare = Account { email: None, display_name: None, groups: Vec::new(), ..alice() };
    let expected = [("remote-user", "alice"), ("x-client-verify", "SUCCESS")];
    assert_eq!(shown(&writer.prepare(&permit_of(bare), None)), pairs(&expected));

    let few =
        IdentityHeaders { user: Some("X-WebAuth-User".to_owned()), email: None, name: None, groups: None, ..headers() };
    let expected = [("x-webauth-user", "alice"), ("x-client-verify", "SUCCESS")];
    assert_eq!(shown(&IdentityWriter::new(&few).unwrap().prepare(&permit_of(alice()), None)), pairs(&expected));
}

#[test]
fn without_an_identity_nothing_is_said_but_how_the_certificate_fared() {
    let writer = IdentityWriter::new(&IdentityHeaders { client_cert: true, xfcc: true, ..headers() }).unwrap();
    let facts = facts("CN=Mallory");
    let certificate = ClientCertificate { facts: &facts, path: &[b"leaf"] };
    let cases = [
        (CertificateEvidence::None, None, "NONE"),
        (CertificateEvidence::Refused(Reason::CertificateRevoked), Some(certificate), "FAILED:certificate_revoked"),
    ];
    for (evidence, certificate, verify) in cases {
        let fields = writer.prepare(&permit(evidence), certificate);
        assert_eq!(shown(&fields), pairs(&[("x-client-verify", verify)]));
    }
}

#[test]
fn no_value_ends_its_field_or_splits_a_list() {
    let cases = [
        ("plain", "plain"),
        ("Alice Liddell", "Alice Liddell"),
        (" x ", "%20x%20"),
        (" ", "%20"),
        ("Jörg", "J%C3%B6rg"),
        ("100%", "100%25"),
        ("a,b", "a%2Cb"),
        ("a\r\nRemote-User: root", "a%0D%0ARemote-User: root"),
        ("a\tb\0", "a%09b%00"),
        ("", ""),
    ];
    for (value, expected) in cases {
        assert_eq!(encode(value), expected);
    }
    let account = Account { groups: vec!["a,admin".to_owned(), "Domain Users".to_owned()], ..alice() };
    let writer = IdentityWriter::new(&headers()).unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("remote-groups", http::HeaderValue::from_static("admin"));
    writer.prepare(&permit_of(account), None).apply(&mut headers);
    let groups: Vec<_> = headers.get_all("remote-groups").iter().collect();
    assert_eq!(groups, ["a%2Cadmin,Domain Users"]);
}

#[test]
fn the_certificate_is_shown_as_rfc_9440_has_it() {
    let writer = IdentityWriter::new(&IdentityHeaders { client_cert: true, ..headers() }).unwrap();
    let facts = facts("CN=Alice");
    let fields = |path: &[&[u8]]| {
        let shown = shown(&writer.prepare(&permit_of(alice()), Some(ClientCertificate { facts: &facts, path })));
        shown.into_iter().filter(|(name, _)| name.starts_with("client-cert")).collect::<Vec<_>>()
    };
    assert_eq!(fields(&[b"leaf"]), pairs(&[("client-cert", ":bGVhZg==:")]));
    assert_eq!(
        fields(&[b"leaf", b"one", b"two!"]),
        pairs(&[("client-cert", ":bGVhZg==:"), ("client-cert-chain", ":b25l:, :dHdvIQ==:")])
    );
}

#[test]
fn the_certificate_is_shown_as_envoy_writes_it() {
    let writer = IdentityWriter::new(&IdentityHeaders { xfcc: true, ..headers() }).unwrap();
    let facts = facts("CN=Alice\\, \\\"A\\\",O=Example");
    let certificate = ClientCertificate { facts: &facts, path: &[&[0xff; 50]] };
    let fields = writer.prepare(&permit_of(alice()), Some(certificate));
    let (_, value) = shown(&fields).into_iter().find(|(name, _)| name == "x-forwarded-client-cert").unwrap();
    let expected = format!(
        "Hash={};Cert=\"-----BEGIN%20CERTIFICATE-----%0A{}%0A%2F%2F8%3D%0A-----END%20CERTIFICATE-----%0A\";\
         Subject=\"CN=Alice\\, \\22A\\22,O=Example\";URI=spiffe://example.org/alice;\
         URI=\"urn:x?a=%221%22;b,c\";DNS=alice.example.org;DNS=\"a%20b%0A;DNS=root\"",
        "ab".repeat(32),
        "%2F".repeat(64),
    );
    assert_eq!(value, expected);
}

#[test]
fn a_subject_is_quoted_so_that_every_reader_sees_the_same_end() {
    let cases = [
        ("CN=Alice", "CN=Alice"),
        ("CN=a\\,b", "CN=a\\,b"),
        ("CN=a\\\\", "CN=a\\5C"),
        ("CN=a\\", "CN=a\\5C"),
        ("CN=a\\\\\\\"b", "CN=a\\5C\\22b"),
        ("CN=a\"b", "CN=a\\22b"),
        ("CN=\\ a\\ ", "CN=\\ a\\ "),
        ("CN=J\\C3\\B6rg", "CN=J\\C3\\B6rg"),
        ("CN=Jörg\r\n", "CN=J\\C3\\B6rg\\0D\\0A"),
        ("CN=\\ö", "CN=\\C3\\B6"),
    ];
    for (text, expected) in cases {
        assert_eq!(subject(text), expected);
    }
}

#[test]
fn a_name_with_another_meaning_cannot_say_who_the_client_is() {
    let user = |name: &str| IdentityWriter::new(&IdentityHeaders { user: Some(name.to_owned()), ..headers() }).err();
    for name in ["Host", "Content-Length", "connection", "transfer_encoding", "Cookie", "X-Client-Verify", "Forwarded"]
    {
        assert_eq!(user(name), Some(BadHeaderName::Taken(name.to_owned())), "{name}");
    }
    assert_eq!(user("Remote User"), Some(BadHeaderName::Invalid("Remote User".to_owned())));
    assert_eq!(user(""), Some(BadHeaderName::Invalid(String::new())));
    assert_eq!(user("remote_email"), Some(BadHeaderName::Repeated("Remote-Email".to_owned())));
    for name in ["X-Forwarded-User", "X-WebAuth-User", "remote_user"] {
        assert_eq!(user(name), None, "{name}");
    }
}

proptest! {
    #[test]
    fn an_encoded_value_is_visible_and_is_decoded_to_what_it_was(text in any::<String>()) {
        let encoded = encode(&text);
        prop_assert!(encoded.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b','));
        prop_assert_eq!(encoded.trim(), encoded.as_str());
        prop_assert_eq!(crate::proxy::path::decode(&encoded), text.into_bytes());
    }

    #[test]
    fn a_quoted_subject_holds_no_quotation_mark(text in "[\"\\\\a ,é\n]{0,12}") {
        let quoted = subject(&text);
        prop_assert!(quoted.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'"'));
        prop_assert!(!quoted.contains("\\\\") && !quoted.ends_with('\\'));
    }
}
