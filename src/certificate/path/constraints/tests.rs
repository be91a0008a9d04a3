//! Constraints along a path: which names of a certificate are held against which of them.

use super::*;
use crate::certificate::testing::{bare, name, sequence, tlv};
use proptest::prelude::*;

const EMAIL: u8 = facts::RFC822_NAME;
const DNS: u8 = facts::DNS_NAME;
const OTHER: u8 = facts::OTHER_NAME;
const UPN: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x14, 0x02, 0x03];
const EMAIL_ADDRESS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01];
const CN: &[u8] = &[0x55, 0x04, 0x03];
const O: &[u8] = &[0x55, 0x04, 0x0a];

/// A GeneralName: the tag and its content.
type General<'a> = (u8, &'a [u8]);

fn fields<'a>(identifier: &'a [u8], value: &'a [u8]) -> Fields<'a> {
    bare(&[(identifier, false, value)])
}

fn list(tag: u8, subtrees: &[General<'_>]) -> Vec<u8> {
    if subtrees.is_empty() {
        return Vec::new();
    }
    let parts: Vec<Vec<u8>> = subtrees.iter().map(|(tag, base)| sequence(&[&tlv(*tag, &[base])])).collect();
    tlv(tag, &parts.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

fn apply(state: &mut State, permitted: &[General<'_>], excluded: &[General<'_>]) {
    let value = sequence(&[&list(0xa0, permitted), &list(0xa1, excluded)]);
    state.apply(&fields(NAME_CONSTRAINTS, &value)).unwrap();
}

fn state(permitted: &[General<'_>], excluded: &[General<'_>]) -> State {
    let mut state = State::new();
    apply(&mut state, permitted, excluded);
    state
}

fn check(state: &State, subject: &[u8], names: &[General<'_>]) -> Result<(), Violation> {
    let names: Vec<Vec<u8>> = names.iter().map(|(tag, content)| tlv(*tag, &[content])).collect();
    let value = sequence(&names.iter().map(Vec::as_slice).collect::<Vec<_>>());
    state.check(subject, &fields(SUBJECT_ALTERNATIVE_NAME, &value), true, false)
}

fn other(identifier: &[u8], text: &[u8]) -> Vec<u8> {
    [tlv(der::OBJECT_IDENTIFIER, &[identifier]), tlv(0xa0, &[&tlv(0x0c, &[text])])].concat()
}

#[test]
fn every_name_must_be_permitted_and_none_excluded() {
    let nobody = name(&[]);
    type Row<'a> = (&'a [General<'a>], &'a [General<'a>], &'a [General<'a>], Option<&'a str>);
    let rows: [Row<'_>; 13] = [
        (&[(EMAIL, b"example.org")], &[], &[(EMAIL, b"ann@example.org")], None),
        (&[(EMAIL, b"example.org")], &[], &[], None),
        // A constraint speaks of its own kind.
        (&[(EMAIL, b"example.org")], &[], &[(DNS, b"evil.example")], None),
        (&[(EMAIL, b"example.org")], &[], &[(OTHER, &other(UPN, b"ann@evil.example"))], None),
        (
            &[(EMAIL, b"example.org")],
            &[],
            &[(EMAIL, b"ann@example.org"), (EMAIL, b"ann@evil.example")],
            Some("has the rfc822Name ann@evil.example, which an authority above it does not permit"),
        ),
        (&[(EMAIL, b"example.org"), (EMAIL, b"example.net")], &[], &[(EMAIL, b"ann@example.net")], None),
        (&[], &[(EMAIL, b"example.org")], &[(EMAIL, b"ann@example.net")], None),
        (
            &[],
            &[(EMAIL, b"example.org")],
            &[(EMAIL, b"ann@example.org")],
            Some("has the rfc822Name ann@example.org, which an authority above it excludes"),
        ),
        // What is excluded is not rescued by what is permitted.
        (
            &[(DNS, b"example.org")],
            &[(DNS, b"www.example.org")],
            &[(DNS, b"www.example.org")],
            Some("has the dNSName www.example.org, which an authority above it excludes"),
        ),
        (&[(DNS, b"example.org")], &[(DNS, b"www.example.org")], &[(DNS, b"mail.example.org")], None),
        (
            &[(DNS, b"example.org")],
            &[(DNS, b"www.example.org")],
            &[(DNS, b"*.example.org")],
            Some("has the dNSName *.example.org, which an authority above it excludes"),
        ),
        (
            &[(facts::IP_ADDRESS, &[192, 0, 2, 0, 255, 255, 255, 0])],
            &[],
            &[(facts::IP_ADDRESS, &[198, 51, 100, 1])],
            Some("has the iPAddress 198.51.100.1, which an authority above it does not permit"),
        ),
        (
            &[(EMAIL, b"example.org")],
            &[],
            &[(EMAIL, b"ann\n@example.org")],
            Some(
                "has the rfc822Name ann\\n@example.org, which is constrained and cannot be compared: its local part is \
                 empty, quoted or no plain text",
            ),
        ),
    ];
    for (permitted, excluded, names, expected) in rows {
        let found = check(&state(permitted, excluded), &nobody, names).err();
        assert_eq!(found.as_ref().map(|violation| violation.detail.as_str()), expected, "{permitted:?} {excluded:?}");
        assert!(found.is_none_or(|violation| violation.section.starts_with("RFC 5280, ")));
    }
}

#[test]
fn a_kind_that_is_not_compared_is_refused_where_it_is_constrained() {
    let upn = other(UPN, b"ann@example.org");
    let kinds: [General<'_>; 4] =
        [(OTHER, &upn), (facts::X400_ADDRESS, &[]), (facts::EDI_PARTY_NAME, &[]), (facts::REGISTERED_ID, &[0x2a])];
    for constrained in kinds {
        for state in [state(&[constrained], &[]), state(&[], &[constrained])] {
            for borne in kinds {
                let refused = check(&state, &name(&[]), &[(DNS, b"a.example"), borne]).is_err();
                assert_eq!(refused, borne.0 == constrained.0, "{constrained:02x?} {borne:02x?}");
            }
        }
    }
    let why = check(&state(&[kinds[0]], &[]), &name(&[]), &[kinds[0]]).unwrap_err().detail;
    assert_eq!(
        why,
        "has the otherName, which is constrained and cannot be compared: how such names compare is not known"
    );
}

#[test]
fn an_international_address_counts_as_an_address() {
    let address = other(SMTP_UTF8_MAILBOX, "änn@example.org".as_bytes());
    let names: [General<'_>; 1] = [(OTHER, &address)];
    assert!(check(&state(&[(EMAIL, b"example.org")], &[]), &name(&[]), &names).is_err());
    assert!(check(&state(&[], &[(EMAIL, b"example.net")]), &name(&[]), &names).is_err());
    assert_eq!(check(&state(&[(DNS, b"example.org")], &[]), &name(&[]), &names), Ok(()));
}

#[test]
fn an_address_in_the_subject_is_constrained_like_one_outside() {
    let state = state(&[(EMAIL, b"example.org")], &[(EMAIL, b"root@example.org")]);
    let good: General<'_> = (EMAIL, b"ann@example.org");
    let rows: [(u8, &str, bool); 9] = [
        (0x16, "ann@example.org", true),
        (0x0c, "ann@example.org", true),
        (0x16, "ann@evil.example", false),
        (0x0c, "ann@evil.example", false),
        (0x1e, "\0a\0@\0b\0.\0c", false),
        (0x16, "root@example.org", false),
        (0x16, "ROOT@example.org", false),
        (0x0c, "ann@exämple.org", false),
        (0x04, "ann@example.org", false),
    ];
    for (tag, address, permitted) in rows {
        let subject = name(&[(O, 0x0c, b"Example"), (EMAIL_ADDRESS, tag, address.as_bytes()), (CN, 0x0c, b"Ann")]);
        for names in [&[][..], &[good]] {
            assert_eq!(check(&state, &subject, names).is_ok(), permitted, "{tag:#x} {address} {names:?}");
        }
    }
}

#[test]
fn the_subject_is_constrained_by_directory_names_unless_it_is_empty() {
    let within = name(&[(O, 0x13, b"Example"), (CN, 0x0c, b"Ann")]);
    let outside = name(&[(O, 0x13, b"Other"), (CN, 0x0c, b"Ann")]);
    let base = name(&[(O, 0x0c, b"EXAMPLE")]);
    fn directory(name: &[u8]) -> General<'_> {
        (facts::DIRECTORY_NAME, name)
    }
    let permitted = state(&[directory(&base)], &[]);
    let excluded = state(&[], &[directory(&base)]);
    assert_eq!(check(&permitted, &within, &[]), Ok(()));
    assert_eq!(check(&permitted, &name(&[]), &[]), Ok(()));
    assert_eq!(
        check(&permitted, &outside, &[]).unwrap_err().detail,
        "has the directoryName CN=Ann,O=Other, which an authority above it does not permit"
    );
    assert_eq!(check(&excluded, &outside, &[]), Ok(()));
    assert_eq!(check(&excluded, &name(&[]), &[]), Ok(()));
    assert!(check(&excluded, &within, &[]).is_err());
    // The same for a directoryName among the subject alternative names.
    assert_eq!(check(&permitted, &within, &[directory(&within)]), Ok(()));
    assert!(check(&permitted, &within, &[directory(&outside)]).is_err());
    assert!(check(&excluded, &outside, &[directory(&within)]).is_err());
    // A subject that cannot be read is within nothing, and outside nothing.
    for state in [permitted, excluded] {
        assert!(check(&state, b"O=Other", &[]).is_err());
    }
}

#[test]
fn each_authority_may_only_narrow_what_those_above_it_permit() {
    let mut narrowed = state(&[(DNS, b"example.org")], &[]);
    apply(&mut narrowed, &[(DNS, b"evil.example"), (DNS, b"mail.example.org")], &[]);
    let rows: [(&[u8], bool); 4] = [
        (b"mail.example.org", true),
        (b"a.mail.example.org", true),
        (b"www.example.org", false),
        (b"evil.example", false),
    ];
    for (host, permitted) in rows {
        assert_eq!(check(&narrowed, &name(&[]), &[(DNS, host)]).is_ok(), permitted, "{}", host.escape_ascii());
    }
    // A kind that the lower one does not name stays as it was; exclusions add up.
    apply(&mut narrowed, &[(EMAIL, b"example.org")], &[(DNS, b"a.mail.example.org")]);
    apply(&mut narrowed, &[], &[(DNS, b"b.mail.example.org")]);
    let rows: [(General<'_>, bool); 5] = [
        ((DNS, b"mail.example.org"), true),
        ((DNS, b"a.mail.example.org"), false),
        ((DNS, b"b.mail.example.org"), false),
        ((EMAIL, b"ann@example.org"), true),
        ((EMAIL, b"ann@evil.example"), false),
    ];
    for (borne, permitted) in rows {
        assert_eq!(check(&narrowed, &name(&[]), &[borne]).is_ok(), permitted, "{borne:?}");
    }
}

#[test]
fn only_a_self_issued_authority_is_exempt() {
    let state = state(&[(DNS, b"example.org")], &[]);
    let value = sequence(&[&tlv(DNS, &[b"evil.example"])]);
    let names = fields(SUBJECT_ALTERNATIVE_NAME, &value);
    for (last, self_issued, exempt) in
        [(false, true, true), (true, true, false), (false, false, false), (true, false, false)]
    {
        assert_eq!(state.check(&name(&[]), &names, last, self_issued).is_ok(), exempt, "{last} {self_issued}");
    }
}

#[test]
fn constraints_that_are_not_as_they_must_be_are_refused() {
    let base = tlv(DNS, &[b"example.org"]);
    let subtree = sequence(&[&base]);
    let permitted = |parts: &[&[u8]]| sequence(&[&tlv(0xa0, &[&sequence(parts)])]);
    let rows: [(&str, Vec<u8>, Option<&str>); 16] = [
        ("one", permitted(&[&base]), None),
        ("a minimum of 0", permitted(&[&base, &[0x80, 1, 0]]), None),
        ("a minimum of 1", permitted(&[&base, &[0x80, 1, 1]]), Some("minimum or a maximum")),
        ("a maximum", permitted(&[&base, &[0x81, 1, 0]]), Some("minimum or a maximum")),
        ("minimum and maximum", permitted(&[&base, &[0x80, 1, 0], &[0x81, 1, 5]]), Some("minimum or a maximum")),
        ("octets behind them", permitted(&[&base, &[0x80, 1, 0], &[0x05, 0]]), Some("left over")),
        ("no base", permitted(&[]), Some("ends too early")),
        ("nothing", sequence(&[]), Some("constrain nothing")),
        ("an empty list", sequence(&[&tlv(0xa0, &[])]), Some("ends too early")),
        ("a list of empty lists", sequence(&[&tlv(0xa0, &[]), &tlv(0xa1, &[])]), Some("ends too early")),
        ("no DER", vec![0x30, 0x05, 1], Some("ends too early")),
        ("octets behind it", [permitted(&[&base]), vec![0]].concat(), Some("left over")),
        ("the lists exchanged", sequence(&[&tlv(0xa1, &[&subtree]), &tlv(0xa0, &[&subtree])]), Some("left over")),
        ("a list twice", sequence(&[&tlv(0xa0, &[&subtree]), &tlv(0xa0, &[&subtree])]), Some("left over")),
        ("a kind of no name", permitted(&[&tlv(0x8a, &[])]), Some("a name is malformed")),
        ("a host of no name", permitted(&[&tlv(DNS, &[b"*.example.org"])]), Some("no well-formed host name")),
    ];
    for (what, value, expected) in rows {
        let found = State::new().apply(&fields(NAME_CONSTRAINTS, &value)).err();
        assert_eq!(found.is_some(), expected.is_some(), "{what}: {found:?}");
        if let (Some(violation), Some(expected)) = (found, expected) {
            assert!(violation.detail.contains(expected), "{what}: {violation}");
            assert_eq!(violation.section, "RFC 5280, 4.2.1.10");
        }
    }
}

#[test]
fn a_certificate_with_names_that_cannot_be_read_is_refused_where_any_are_constrained() {
    let constrained = state(&[(DNS, b"example.org")], &[]);
    for value in [sequence(&[&tlv(0x8a, &[])]), sequence(&[&[0x82, 0x05, b'a']]), vec![0x31, 0]] {
        let names = fields(SUBJECT_ALTERNATIVE_NAME, &value);
        assert!(constrained.check(&name(&[]), &names, true, false).is_err(), "{value:02x?}");
        assert_eq!(State::new().check(&name(&[]), &names, true, false), Ok(()));
    }
}

#[test]
fn the_work_for_one_certificate_is_bounded() {
    let subtrees = vec![(DNS, &b"example.org"[..]); 256];
    let names = vec![(DNS, &b"www.example.org"[..]); 257];
    let state = state(&subtrees, &[]);
    assert_eq!(check(&state, &name(&[]), &names[..256]), Ok(()));
    let violation = check(&state, &name(&[]), &names).unwrap_err();
    assert_eq!(violation.detail, "has 257 names to be held against 256 name constraints");
    // Names of kinds that are not constrained cost nothing.
    assert_eq!(check(&state, &name(&[]), &vec![(EMAIL, &b"ann@example.org"[..]); 1000]), Ok(()));
}

#[test]
fn a_long_name_is_cut_in_the_error() {
    let host = format!("ann@{}", "a.".repeat(1000));
    let violation =
        check(&state(&[(EMAIL, b"example.org")], &[]), &name(&[]), &[(EMAIL, host.as_bytes())]).unwrap_err();
    assert!(violation.detail.len() < 250, "{violation}");
}

proptest! {
    #[test]
    fn any_octets_are_checked_without_a_panic(
        constraints in prop::collection::vec(any::<u8>(), 0..60),
        names in prop::collection::vec(any::<u8>(), 0..60),
        subject in prop::collection::vec(any::<u8>(), 0..40),
        tags in prop::collection::vec(prop::sample::select(vec![0xa0u8, 0x81, 0x82, 0xa3, 0xa4, 0xa5, 0x86, 0x87, 0x88]), 1..4),
    ) {
        let _ = State::new().apply(&fields(NAME_CONSTRAINTS, &constraints));
        let bases: Vec<General<'_>> = tags.iter().map(|tag| (*tag, &constraints[..])).collect();
        let mut state = State::new();
        let value = sequence(&[&list(0xa0, &bases), &list(0xa1, &bases)]);
        let _ = state.apply(&fields(NAME_CONSTRAINTS, &value));
        apply(&mut state, &[(EMAIL, b""), (DNS, b"")], &[(facts::URI, b"")]);
        let _ = state.check(&subject, &fields(SUBJECT_ALTERNATIVE_NAME, &names), true, false);
        let borne: Vec<General<'_>> = tags.iter().map(|tag| (*tag, &names[..])).collect();
        let _ = check(&state, &subject, &borne);
    }
}
