//! Who is claimed, who is not, and which name of a certificate that is.

use super::*;
use crate::base::clock::Timestamp;
use crate::certificate::facts::AlternativeNames;
use crate::certificate::path::policy::Outcome;
use crate::certificate::testing::facts_of as certificate;
use proptest::prelude::*;

const AUTHORITY: [u8; 32] = [1; 32];
const ALL: &[IdentitySource] = &[
    IdentitySource::SubjectCn,
    IdentitySource::SanEmail,
    IdentitySource::SanUri,
    IdentitySource::SanDns,
    IdentitySource::SanUpn,
];

fn rule_from(forms: &[&str], from: &[IdentitySource], lookup: LookupKind) -> Arc<Rule> {
    let claim = config::Claim {
        header: "From".to_owned(),
        forms: forms.iter().map(|form| Template::parse(form).unwrap()).collect(),
        from: from.to_vec(),
        lookup,
        issuers: Vec::new(),
    };
    Arc::new(Rule::new::<std::convert::Infallible>(&claim, |_| Ok(Vec::new())).unwrap())
}

fn rule(forms: &[&str]) -> Arc<Rule> {
    rule_from(forms, ALL, LookupKind::Email)
}

fn sip() -> Arc<Rule> {
    rule(&["sip:{username}@{realm};gr={device}", "sip:{username}@{realm}"])
}

fn claimed(username: &str, realm: &str, device: &str) -> Claimed {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Claimed { username: some(username), realm: some(realm), device: some(device) }
}

fn path() -> ValidPath {
    ValidPath {
        certificates: Vec::new(),
        authorities: [AUTHORITY].into(),
        not_after: Timestamp::FAR_FUTURE,
        anchor: Vec::new().into(),
        policies: Outcome::default(),
    }
}

fn with_uris(uris: &[&str]) -> CertificateFacts {
    let uris = uris.iter().map(|uri| (*uri).to_owned()).collect();
    certificate("", AlternativeNames { uris, ..AlternativeNames::default() })
}

fn with_emails(emails: &[&str]) -> CertificateFacts {
    let emails = emails.iter().map(|email| (*email).to_owned()).collect();
    certificate("", AlternativeNames { emails, ..AlternativeNames::default() })
}

/// What a request with this value claims of a certificate.
fn select(rule: &Arc<Rule>, value: &str, facts: &CertificateFacts) -> Result<String, Reason> {
    let claim = rule.read([value.as_bytes()]);
    rule.select(&claim.said, facts, &path()).map(|name| name.value).map_err(|mismatch| mismatch.reason())
}

#[test]
fn a_claim_is_read_as_a_whole_or_not_at_all() {
    let one = ["sip:{username}@{realm}"];
    let both = ["sip:{username}@{realm};gr={device}", "sip:{username}@{realm}"];
    let quoted = ["\"{username}\" <sip:{email}>"];
    let cases: [(&[&str], &str, Option<Claimed>); 37] = [
        (&one, "sip:alice@example.org", Some(claimed("alice", "example.org", ""))),
        (&one, " \tsip:alice@example.org ", Some(claimed("alice", "example.org", ""))),
        // A domain has no case, a user has.
        (&one, "sip:Alice@EXAMPLE.Org", Some(claimed("Alice", "example.org", ""))),
        (&one, "sip:alice@bücher.example", Some(claimed("alice", "xn--bcher-kva.example", ""))),
        (&one, "sip:älice@example.org", Some(claimed("älice", "example.org", ""))),
        (&one, "sip:o'brien+work.2@example.org", Some(claimed("o'brien+work.2", "example.org", ""))),
        // Text is text.
        (&one, "SIP:alice@example.org", None),
        (&one, "sips:alice@example.org", None),
        (&one, "alice@example.org", None),
        (&one, "xsip:alice@example.org", None),
        (&one, "", None),
        (&one, "sip:@example.org", None),
        (&one, "sip:alice@", None),
        (&one, "sip:alice", None),
        (&one, "sip:alice@example.org.", None),
        (&one, "sip:alice@example..org", None),
        (&one, "sip:alice@example.org:5061", None),
        (&one, "sip:alice@[::1]", None),
        (&one, "sip:alice@bob@example.org", None),
        (&one, "sip:alice:secret@example.org", None),
        // Whoever reads these again may find somebody else.
        (&one, "sip:%61lice@example.org", None),
        (&one, "sip:alice%40a.example@example.org", None),
        (&one, "\"bob\" <sip:alice@example.org>", None),
        (&one, "<sip:alice@example.org>", None),
        (&one, "sip:alice@example.org;tag=1", None),
        (&one, "sip:alice@example.org, sip:bob@example.org", None),
        (&one, "sip:alice@example.org (bob)", None),
        (&one, "sip:al ice@example.org", None),
        (&one, "sip:alice@ｅｘａｍｐｌｅ.org", None),
        (&one, "sip:аlice@example.org", None),
        // The form of a device.
        (&both, "sip:alice@example.org", Some(claimed("alice", "example.org", ""))),
        (
            &both,
            "sip:alice@example.org;gr=urn:uuid:f81d4fae-7dec",
            Some(claimed("alice", "example.org", "urn:uuid:f81d4fae-7dec")),
        ),
        (&both, "sip:alice@example.org;gr=", None),
        (&both, "sip:alice@example.org;gr=a;gr=b", None),
        (&both, "sip:alice@example.org;gr=a;tag=b", None),
        // What a form has of quotes and brackets must be there; the same name twice is no form.
        (&["<sip:{email}>"], "<sip:alice@example.org>", Some(claimed("alice", "example.org", ""))),
        (&["{realm}"], "A.Example", Some(claimed("", "a.example", ""))),
    ];
    assert!(Template::parse(quoted[0]).is_err());
    for (forms, value, expected) in cases {
        assert_eq!(rule(forms).read([value.as_bytes()]).said.ok(), expected, "{forms:?} {value:?}");
    }
}

#[test]
fn a_claim_is_made_once() {
    let rule = sip();
    let alice = b"sip:alice@example.org".as_slice();
    assert_eq!(rule.read([]).said, Err(Unclaimed::Absent));
    assert_eq!(rule.read([alice, alice]).said, Err(Unclaimed::Repeated));
    assert_eq!(rule.read([b"sip:alice@example.org\xff".as_slice()]).said, Err(Unclaimed::Unfit));
    let long = format!("sip:alice@example.org;gr={}", "a".repeat(MAX_LENGTH));
    assert_eq!(rule.read([long.as_bytes()]).said, Err(Unclaimed::Unfit));
    assert!(rule.read([alice]).said.is_ok());
}

#[test]
fn the_claim_selects_among_the_names_of_a_certificate() {
    let mismatch = Err(Reason::ClaimMismatch);
    let two = with_uris(&["sip:alice@example.org", "sip:bob@example.com"]);
    let shared = with_emails(&["alice@example.org", "bob@EXAMPLE.com"]);
    let of_device = with_uris(&["sip:alice@example.org;gr=one"]);
    let by_name = certificate("sip:alice@example.org", AlternativeNames::default());
    let by_address = certificate("alice@example.org", AlternativeNames::default());
    let by_word = certificate("alice", AlternativeNames::default());
    let upns = vec!["alice@example.org".to_owned()];
    let by_upn = certificate("Alice", AlternativeNames { upns, ..AlternativeNames::default() });
    let cases = [
        (&two, "sip:alice@example.org", Ok("alice@example.org")),
        (&two, "sip:bob@example.com", Ok("bob@example.com")),
        (&two, "sip:bob@EXAMPLE.com", Ok("bob@example.com")),
        (&two, "sip:alice@example.org;gr=any", Ok("alice@example.org")),
        (&two, "sip:alice@example.com", mismatch),
        (&two, "sip:Alice@example.org", mismatch),
        (&two, "alice@example.org", mismatch),
        (&shared, "sip:bob@example.com", Ok("bob@example.com")),
        (&shared, "sip:carol@example.org", mismatch),
        // A certificate of one device is not that of another one.
        (&of_device, "sip:alice@example.org;gr=one", Ok("alice@example.org")),
        (&of_device, "sip:alice@example.org;gr=two", mismatch),
        (&of_device, "sip:alice@example.org", mismatch),
        (&by_name, "sip:alice@example.org", Ok("alice@example.org")),
        (&by_address, "sip:alice@example.org", Ok("alice@example.org")),
        (&by_upn, "sip:alice@example.org", Ok("alice@example.org")),
        // The user's name alone may be anybody's of that name.
        (&by_word, "sip:alice@example.org", mismatch),
        (&with_emails(&["x@alice@example.org"]), "sip:alice@example.org", mismatch),
        (&with_emails(&[]), "sip:alice@example.org", mismatch),
    ];
    for (facts, value, expected) in cases {
        let expected = expected.map(str::to_owned);
        assert_eq!(select(&sip(), value, facts), expected, "{value} of {:?}", facts.names);
    }
}

#[test]
fn the_common_name_is_asked_where_no_alternative_name_is_the_one() {
    let names = AlternativeNames { emails: vec!["old@example.org".to_owned()], ..AlternativeNames::default() };
    let facts = certificate("new@example.org", names);
    for value in ["sip:old@example.org", "sip:new@example.org"] {
        assert!(select(&sip(), value, &facts).is_ok(), "{value}");
    }
    let alternative_only = rule_from(&["sip:{email}"], &[IdentitySource::SanEmail], LookupKind::Email);
    assert_eq!(select(&alternative_only, "sip:new@example.org", &facts), Err(Reason::ClaimMismatch));
    let uris_only = rule_from(&["sip:{email}"], &[IdentitySource::SanUri], LookupKind::Email);
    assert_eq!(select(&uris_only, "sip:old@example.org", &facts), Err(Reason::ClaimMismatch));
}

#[test]
fn a_form_may_name_a_user_or_a_realm_alone() {
    let user = rule_from(&["{username}"], ALL, LookupKind::Username);
    let facts = certificate("alice", AlternativeNames { dns: vec!["Mail.Example".to_owned()], ..Default::default() });
    assert_eq!(select(&user, "alice", &facts).as_deref(), Ok("alice"));
    assert_eq!(select(&user, "Alice", &facts), Err(Reason::ClaimMismatch));
    let realm = rule_from(&["{domain}"], ALL, LookupKind::Username);
    assert_eq!(select(&realm, "mail.EXAMPLE", &facts).as_deref(), Ok("mail.example"));
    assert_eq!(select(&realm, "example", &facts), Err(Reason::ClaimMismatch));
    // The one realm stands in the form: what is looked up is the user.
    let fixed = rule_from(&["sip:{username}@example.org"], ALL, LookupKind::Username);
    let facts = with_uris(&["sip:alice@example.org", "sip:bob@evil.example"]);
    assert_eq!(select(&fixed, "sip:alice@example.org", &facts).as_deref(), Ok("alice"));
    assert_eq!(select(&fixed, "sip:bob@example.org", &facts), Err(Reason::ClaimMismatch));
    assert_eq!(select(&fixed, "sip:bob@evil.example", &facts), Err(Reason::ClaimMismatch));
}

#[test]
fn only_the_accepted_issuers_may_give_a_name_that_is_claimed() {
    let with = |issuers: Vec<IssuerPin>| {
        let claim = config::Claim {
            header: "From".to_owned(),
            forms: vec![Template::parse("sip:{email}").unwrap()],
            from: ALL.to_vec(),
            lookup: LookupKind::Email,
            issuers,
        };
        Arc::new(Rule::new(&claim, |path| path.exists().then(Vec::new).ok_or(())).unwrap_or_else(|()| unreachable!()))
    };
    let facts = with_emails(&["alice@example.org"]);
    let other = IssuerPin::SpkiSha256([2; 32]);
    let ours = IssuerPin::SpkiSha256(AUTHORITY);
    assert!(select(&with(vec![other.clone(), ours]), "sip:alice@example.org", &facts).is_ok());
    assert_eq!(select(&with(vec![other.clone()]), "sip:alice@example.org", &facts), Err(Reason::IssuerNotAllowed));
    assert_eq!(select(&with(vec![other]), "sip:bob@example.org", &facts), Err(Reason::ClaimMismatch));
    // A file without a certificate accepts none.
    let empty = IssuerPin::File("/".into());
    assert_eq!(select(&with(vec![empty]), "sip:alice@example.org", &facts), Err(Reason::IssuerNotAllowed));
}

#[test]
fn a_name_that_is_none_spoils_the_certificate() {
    let facts = with_emails(&["al\u{202e}ice@example.org", "alice@example.org"]);
    assert_eq!(select(&sip(), "sip:alice@example.org", &facts), Err(Reason::IdentityInvalid));
}

#[test]
fn a_claim_is_the_digest_user_in_that_realm() {
    let alice = claimed("alice", "example.org", "");
    let cases = [
        ("alice", "example.org", true),
        ("alice", "EXAMPLE.ORG", true),
        ("alice", "example.com", false),
        ("alice", "Example Organisation", false),
        ("Alice", "example.org", false),
        ("bob", "example.org", false),
        ("", "example.org", false),
        // Users whose name is their address.
        ("alice@example.org", "example.org", true),
        ("alice@EXAMPLE.org", "mail", true),
        ("alice@example.com", "example.org", false),
    ];
    for (name, realm, expected) in cases {
        assert_eq!(alice.is_user(name, realm), expected, "{name} {realm}");
    }
    let in_any_realm = claimed("alice", "", "");
    assert!(in_any_realm.is_user("alice", "Mail") && !in_any_realm.is_user("bob", "Mail"));
    let domain = claimed("", "a.example", "");
    assert!(domain.is_user("A.example", "a.example") && !domain.is_user("b.example", "a.example"));
    assert!(!domain.is_user("a.example", "b.example"));
}

#[test]
fn one_name_from_two_devices_is_one() {
    let of = |value: &str| sip().read([value.as_bytes()]);
    let alice = of("sip:alice@example.org;gr=one");
    assert!(alice.names_the_same_as(&of("sip:alice@EXAMPLE.org;gr=two")));
    assert_ne!(alice, of("sip:alice@example.org;gr=two"));
    assert!(!alice.names_the_same_as(&of("sip:bob@example.org;gr=one")));
    assert!(!alice.names_the_same_as(&of("nobody")));
    assert!(!alice.names_the_same_as(&rule(&["sip:{email}"]).read([b"sip:alice@example.org".as_slice()])));
}

proptest! {
    /// Whatever is claimed, the claimed parts put together are what the client sent, but for the case of the domain.
    #[test]
    fn nothing_is_read_into_a_claim(text in "sip:[a-zA-Z0-9.+%;:@\"<> \u{e4}-]{0,20}@?[a-zA-Z0-9.-]{0,12}(;gr=[a-z:;=]{0,6})?") {
        if let Ok(Claimed { username: Some(username), realm: Some(realm), device }) = sip().read([text.as_bytes()]).said {
            let device = device.map(|device| format!(";gr={device}")).unwrap_or_default();
            let (sent, whole) = (text.trim_end_matches(' '), format!("sip:{username}@{realm}{device}"));
            if sent.is_ascii() && !sent.contains("xn--") {
                prop_assert_eq!(sent.to_ascii_lowercase(), whole.to_ascii_lowercase());
            }
            prop_assert!(name::check(&username).is_ok());
            prop_assert_eq!(normalise_domain(&realm), Some(realm));
        }
    }

    /// A certificate is selected by nobody but those whom it names.
    #[test]
    fn only_whom_the_certificate_names_can_be_claimed(name in "[ab]{1,2}", domain in "[ab]{1,2}\\.x", who in "[ab]{1,2}", at in "[ab]{1,2}\\.x") {
        let facts = with_emails(&[&format!("{name}@{domain}")]);
        let found = select(&sip(), &format!("sip:{who}@{at}"), &facts);
        prop_assert_eq!(found.is_ok(), (name, domain) == (who, at));
    }

    #[test]
    fn no_header_ends_the_process(octets: Vec<u8>, text in "(sip:|@|;gr=|[a-z.]|\\PC){0,20}") {
        let _ = sip().read([octets.as_slice()]);
        let _ = sip().read([text.as_bytes()]);
    }
}
