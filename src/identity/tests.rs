//! Which names a certificate yields, and which it must not.

use super::*;
use crate::base::clock::Timestamp;
use crate::certificate::facts::{AlternativeNames, Attribute};
use crate::certificate::path::policy::Outcome;
use proptest::prelude::*;
use std::path::PathBuf;

const AUTHORITY: [u8; 32] = [1; 32];

fn path() -> ValidPath {
    ValidPath {
        certificates: Vec::new(),
        authorities: [[9; 32], AUTHORITY].into(),
        not_after: Timestamp::FAR_FUTURE,
        anchor: Vec::new().into(),
        policies: Outcome::default(),
    }
}

fn distinguished(text: &str, attributes: &[(&str, &str)]) -> DistinguishedName {
    let attributes =
        attributes.iter().map(|(oid, value)| Attribute { oid: (*oid).to_owned(), value: (*value).to_owned() });
    DistinguishedName { text: text.to_owned(), der: Vec::new(), attributes: attributes.collect() }
}

fn owned(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

fn alice() -> CertificateFacts {
    let subject = [
        (COMMON_NAME, "Alice"),
        (EMAIL_ADDRESS, "Alice@EXAMPLE.org"),
        (USER_ID, "alice"),
        (USER_ID, "alice2"),
        ("2.5.4.10", "Example"),
    ];
    CertificateFacts {
        subject: distinguished("CN=Alice,O=Example", &subject),
        issuer: distinguished("CN=Some Authority", &[(COMMON_NAME, "Some Authority")]),
        serial: vec![0x0a, 0xff],
        not_before: Timestamp::from_unix(0),
        not_after: Timestamp::FAR_FUTURE,
        fingerprint: [0xab; 32],
        spki_sha256: [0; 32],
        names: AlternativeNames {
            emails: owned(&["alice@example.org", "Alice@Example.ORG", "alice@EXAMPLE.ORG"]),
            dns: owned(&["alice.example.org"]),
            uris: owned(&["https://example.org/people/alice"]),
            upns: owned(&["alice@corp.example", "eve@other.example"]),
            ..AlternativeNames::default()
        },
        key_usage: None,
        extended_key_usage: None,
        policies: Vec::new(),
        is_authority: false,
    }
}

fn rule(source: IdentitySource, lookup: LookupKind) -> IdentityRule {
    IdentityRule { source, pattern: None, lookup, issuers: Vec::new(), if_unknown: IfUnknown::Refuse }
}

fn with_pattern(pattern: &str, rule: IdentityRule) -> IdentityRule {
    IdentityRule { pattern: Some(Regex::new(pattern).unwrap()), ..rule }
}

fn rules(rules: &[IdentityRule]) -> Rules {
    Rules::new(rules, |path| if path.ends_with("staff.pem") { Ok(vec![AUTHORITY]) } else { Err("no such file") })
        .unwrap()
}

fn all(list: &[IdentityRule], facts: &CertificateFacts) -> Vec<Result<Candidate, IdentityError>> {
    rules(list).candidates(facts, &path()).collect()
}

/// The names that a single rule yields.
fn names(rule: IdentityRule, facts: &CertificateFacts) -> Vec<String> {
    match all(&[rule], facts).as_slice() {
        [Ok(candidate)] => candidate.names.iter().map(|name| name.value.clone()).collect(),
        [Err(IdentityError::Missing)] => Vec::new(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_source_yields_what_the_certificate_says_there() {
    use IdentitySource::*;
    use LookupKind::{Alias, Email, Username};
    let fingerprint = "ab".repeat(32);
    let cases: [(IdentitySource, LookupKind, &[&str]); 11] = [
        (SanEmail, Email, &["alice@example.org", "Alice@example.org"]),
        (SanDns, Username, &["alice.example.org"]),
        (SanUri, Alias, &["https://example.org/people/alice"]),
        (SanUpn, Username, &["alice@corp.example", "eve@other.example"]),
        (SanUpn, Email, &["alice@corp.example", "eve@other.example"]),
        (SubjectCn, Username, &["Alice"]),
        (SubjectEmail, Email, &["Alice@example.org"]),
        (SubjectUid, Username, &["alice", "alice2"]),
        (SubjectDn, Alias, &["CN=Alice,O=Example"]),
        (SerialAndIssuer, Alias, &["0aff@CN=Some Authority"]),
        (Fingerprint, Alias, &[&fingerprint]),
    ];
    for (source, lookup, expected) in cases {
        assert_eq!(names(rule(source, lookup), &alice()), expected, "{source:?}");
    }
}

#[test]
fn a_pattern_picks_its_first_group_or_all_that_it_matches() {
    let upn = || rule(IdentitySource::SanUpn, LookupKind::Username);
    let cases: [(&str, &[&str]); 6] = [
        (r"^([^@]+)@corp\.example$", &["alice"]),
        (r"^[^@]+", &["alice", "eve"]),
        (r"^(?:eve|mallory)@.*$", &["eve@other.example"]),
        (r"^(?P<name>a[^@]+)@(.*)$", &["alice"]),
        (r"^([^@]+)@nowhere$", &[]),
        // A first group that takes no part in the match is no name.
        (r"^(x)?[^@]+@corp\.example$", &[]),
    ];
    for (pattern, expected) in cases {
        assert_eq!(names(with_pattern(pattern, upn()), &alice()), expected, "{pattern}");
    }
    let serial =
        with_pattern("^([0-9a-f]+)@CN=Some Authority$", rule(IdentitySource::SerialAndIssuer, LookupKind::Alias));
    assert_eq!(names(serial, &alice()), ["0aff"]);
}

#[test]
fn the_first_rule_that_yields_anything_decides() {
    let nothing = with_pattern("^nobody$", rule(IdentitySource::SubjectCn, LookupKind::Username));
    let common_name = rule(IdentitySource::SubjectCn, LookupKind::Username);
    let user_id = rule(IdentitySource::SubjectUid, LookupKind::Username);
    let found = all(&[nothing, common_name, user_id], &alice());
    let expected = Candidate {
        rule: 1,
        names: vec![Name { kind: LookupKind::Username, value: "Alice".to_owned() }],
        if_unknown: IfUnknown::Refuse,
    };
    assert_eq!(found, [Ok(expected)]);
}

#[test]
fn a_rule_may_give_way_to_the_next_and_then_nobody_is_known() {
    let gives_way = |source| IdentityRule { if_unknown: IfUnknown::Next, ..rule(source, LookupKind::Username) };
    let facts = alice();
    let list = [gives_way(IdentitySource::SubjectCn), gives_way(IdentitySource::SanDns)];
    let found = all(&list, &facts);
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(Result::is_ok));
    let (ready, path) = (rules(&list), path());
    let mut candidates = ready.candidates(&facts, &path);
    assert_eq!(candidates.by_ref().count(), 2);
    assert_eq!(candidates.next(), None);
}

#[test]
fn a_later_rule_is_not_asked_before_its_turn() {
    let mut facts = alice();
    facts.names.dns = owned(&["ali\0ce.example.org"]);
    let first = rule(IdentitySource::SubjectCn, LookupKind::Username);
    let second = rule(IdentitySource::SanDns, LookupKind::Username);
    assert!(all(&[first.clone(), second.clone()], &facts).iter().all(Result::is_ok));
    let found = all(&[IdentityRule { if_unknown: IfUnknown::Next, ..first }, second], &facts);
    assert_eq!(found.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn a_certificate_that_no_rule_finds_a_name_in_has_none() {
    let mut facts = alice();
    facts.names = AlternativeNames::default();
    facts.subject = distinguished("", &[]);
    let list = [IdentitySource::SanEmail, IdentitySource::SubjectCn, IdentitySource::SubjectDn]
        .map(|source| rule(source, LookupKind::Username));
    assert_eq!(all(&list, &facts), [Err(IdentityError::Missing)]);
    assert_eq!(all(&[], &facts), [Err(IdentityError::Missing)]);
    assert_eq!(IdentityError::Missing.reason(), Reason::IdentityMissing);
}

#[test]
fn a_hostile_value_is_refused_whatever_else_the_certificate_says() {
    type Change = fn(&mut CertificateFacts);
    use IdentitySource::*;
    let cases: [(&str, Change, IdentitySource, LookupKind); 12] = [
        (
            "a NUL",
            |facts| facts.subject.attributes[0].value = "alice\0.evil".to_owned(),
            SubjectCn,
            LookupKind::Username,
        ),
        (
            "a NUL in one of several",
            |facts| facts.names.emails.push("alice\0@example.org".to_owned()),
            SanEmail,
            LookupKind::Email,
        ),
        ("a mix of scripts", |facts| facts.names.upns = owned(&["аlice@corp.example"]), SanUpn, LookupKind::Username),
        (
            "a change of direction",
            |facts| facts.names.upns = owned(&["a\u{202e}lice@corp.example"]),
            SanUpn,
            LookupKind::Username,
        ),
        (
            "white space",
            |facts| facts.subject.attributes[0].value = "alice ".to_owned(),
            SubjectCn,
            LookupKind::Username,
        ),
        ("nothing", |facts| facts.subject.attributes[0].value.clear(), SubjectCn, LookupKind::Username),
        ("too much", |facts| facts.subject.attributes[0].value = "a".repeat(255), SubjectCn, LookupKind::Username),
        ("no address", |facts| facts.names.emails = owned(&["alice"]), SanEmail, LookupKind::Email),
        (
            "a quoted address",
            |facts| facts.names.emails = owned(&["\"alice eve\"@example.org"]),
            SanEmail,
            LookupKind::Email,
        ),
        (
            "an address with two @",
            |facts| facts.names.emails = owned(&["alice@example.org@evil.example"]),
            SanEmail,
            LookupKind::Email,
        ),
        (
            "a hostile attribute of a DN",
            |facts| facts.subject.attributes[4].value = "Exаmple".to_owned(),
            SubjectDn,
            LookupKind::Alias,
        ),
        (
            "too many names",
            |facts| facts.names.dns = (0..=MAX_NAMES).map(|n| format!("{n}.example.org")).collect(),
            SanDns,
            LookupKind::Username,
        ),
    ];
    for (what, change, source, lookup) in cases {
        let mut facts = alice();
        change(&mut facts);
        let gives_way = IdentityRule { if_unknown: IfUnknown::Next, ..rule(source, lookup) };
        let found = all(&[gives_way, rule(SubjectUid, LookupKind::Username)], &facts);
        let [Err(error)] = found.as_slice() else { panic!("{what}: {found:?}") };
        assert_eq!(error.reason(), Reason::IdentityInvalid, "{what}");
    }
}

#[test]
fn a_pattern_does_not_rescue_a_hostile_value() {
    let mut facts = alice();
    facts.names.upns = owned(&["alice@corp.example\0.evil.example"]);
    let found = all(&[with_pattern("^([^@]+)@", rule(IdentitySource::SanUpn, LookupKind::Username))], &facts);
    let [Err(error)] = found.as_slice() else { panic!("{found:?}") };
    let expected = "identity[0]: san.upn \"alice@corp.example\\0.evil.example\" cannot be a name: it holds a NUL";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn the_scripts_of_a_distinguished_name_are_those_of_its_values() {
    let mut facts = alice();
    facts.subject = distinguished("CN=Алиса,O=Example", &[(COMMON_NAME, "Алиса"), ("2.5.4.10", "Example")]);
    assert_eq!(names(rule(IdentitySource::SubjectDn, LookupKind::Alias), &facts), ["CN=Алиса,O=Example"]);
}

#[test]
fn a_name_from_an_issuer_that_may_not_give_it_is_refused_and_not_made_up_for() {
    let pinned = |issuers: Vec<IssuerPin>| IdentityRule {
        issuers,
        if_unknown: IfUnknown::Next,
        ..rule(IdentitySource::SubjectCn, LookupKind::Username)
    };
    let next = rule(IdentitySource::SubjectUid, LookupKind::Username);
    let allowed = [
        vec![IssuerPin::SpkiSha256(AUTHORITY)],
        vec![IssuerPin::SpkiSha256([7; 32]), IssuerPin::File(PathBuf::from("staff.pem"))],
    ];
    for issuers in allowed {
        assert!(all(&[pinned(issuers)], &alice())[0].is_ok());
    }
    let other = vec![IssuerPin::SpkiSha256([7; 32])];
    let found = all(&[pinned(other.clone()), next.clone()], &alice());
    assert_eq!(found, [Err(IdentityError::IssuerNotAllowed { rule: 0, origin: "subject.cn" })]);
    assert_eq!(found[0].as_ref().unwrap_err().reason(), Reason::IssuerNotAllowed);
    // A rule that would not have yielded anything has nothing to refuse.
    assert!(all(&[with_pattern("^nobody$", pinned(other)), next], &alice())[0].is_ok());
}

#[test]
fn issuers_that_cannot_be_resolved_are_an_error_and_never_mean_any() {
    let pinned = |path: &str| IdentityRule {
        issuers: vec![IssuerPin::File(PathBuf::from(path))],
        ..rule(IdentitySource::SubjectCn, LookupKind::Username)
    };
    assert_eq!(
        Rules::new(&[pinned("none.pem")], |_| Err::<Vec<[u8; 32]>, _>("no such file")).unwrap_err(),
        "no such file"
    );
    let nobody = Rules::new(&[pinned("empty.pem")], |_| Ok::<_, ()>(Vec::new())).unwrap();
    let found: Vec<_> = nobody.candidates(&alice(), &path()).collect();
    assert_eq!(found, [Err(IdentityError::IssuerNotAllowed { rule: 0, origin: "subject.cn" })]);
}

proptest! {
    #[test]
    fn whatever_a_certificate_says_every_name_that_it_yields_is_fit(value in any::<String>(), upn in "\\PC{0,12}@\\PC{0,12}") {
        let mut facts = alice();
        facts.subject = distinguished(&value, &[(COMMON_NAME, &value), (EMAIL_ADDRESS, &upn)]);
        facts.names.upns = vec![upn];
        for source in [IdentitySource::SubjectCn, IdentitySource::SanUpn, IdentitySource::SubjectEmail, IdentitySource::SubjectDn] {
            for lookup in [LookupKind::Username, LookupKind::Email] {
                for candidate in all(&[rule(source, lookup)], &facts).into_iter().flatten() {
                    for name in candidate.names {
                        prop_assert_eq!(name::check_form(&name.value), Ok(()));
                        prop_assert!(!name.value.chars().any(char::is_control));
                        if lookup == LookupKind::Email {
                            prop_assert_eq!(email::normalise(&name.value), Some(name.value.clone()));
                        }
                    }
                }
            }
        }
    }
}
