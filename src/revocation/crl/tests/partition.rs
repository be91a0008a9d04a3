//! Lists of a part of the certificates, of the reasons, or of other issuers' certificates.

use super::*;
use rcgen::CustomExtension;

const USERS: u8 = 1;
const AUTHORITIES: u8 = 2;
const INDIRECT: u8 = 4;
const ATTRIBUTES: u8 = 5;

/// keyCompromise and cACompromise, and all the others, as the content of a ReasonFlags.
const COMPROMISE: &[u8] = &[5, 0x60];
const OTHERS: &[u8] = &[7, 0x1f, 0x80];

/// `distributionPoint [0] { fullName [0] { URI } }`.
fn place(uri: &str) -> Vec<u8> {
    tlv(der::constructed(0), &[&tlv(der::constructed(0), &[&tlv(der::primitive(6), &[uri.as_bytes()])])])
}

fn directory(issuer: &Authority) -> Vec<u8> {
    tlv(der::constructed(4), &[Fields::read(&issuer.der).unwrap().subject])
}

fn yes(number: u8) -> Vec<u8> {
    tlv(der::primitive(number), &[&[0xff]])
}

/// A list with this issuingDistributionPoint.
fn part(parts: &[&[u8]], serials: &[&[u8]]) -> Draft {
    Draft { extensions: vec![number(7), extension(28, true, &sequence(parts))], ..draft(serials) }
}

/// A world whose leaf has these distribution points.
fn world_of(points: &[&[&[u8]]]) -> World {
    let points: Vec<Vec<u8>> = points.iter().map(|parts| sequence(parts)).collect();
    let value = sequence(&points.iter().map(Vec::as_slice).collect::<Vec<_>>());
    world(|_| {}, |leaf| leaf.custom_extensions.push(CustomExtension::from_oid_content(&[2, 5, 29, 31], value)))
}

const NOT_COVERED: &str = "no revocation list of CN=Middle is for certificates of this kind and distribution point";

#[test]
fn a_list_of_a_distribution_point_is_for_certificates_that_name_it() {
    let (one, two) = (place("http://a.example/1"), place("http://a.example/2"));
    let cases = [
        (world_of(&[&[&one]]), Some(&one), "good"),
        (world_of(&[&[&one]]), Some(&two), NOT_COVERED),
        (world_of(&[&[&one], &[&two]]), Some(&two), "good"),
        (world_of(&[&[&one]]), None, "good"),
        (world(|_| {}, |_| {}), Some(&one), NOT_COVERED),
    ];
    for (world, point, expected) in cases {
        let list = part(&point.into_iter().map(Vec::as_slice).collect::<Vec<_>>(), &[]);
        assert_eq!(said(world.ask_middle(&[list])), expected, "{point:?}");
    }
    // What the certificate's own point revokes is revoked, and what another one does is not.
    let world = world_of(&[&[&one]]);
    let serials: &[&[u8]] = &[&[0x12, 0x34]];
    assert_eq!(said(world.ask_middle(&[part(&[&one], serials), part(&[&two], &[])])), "0 revoked: unspecified");
    assert_eq!(said(world.ask_middle(&[part(&[&one], &[]), part(&[&two], serials)])), "good");
}

#[test]
fn a_list_of_a_kind_of_certificates_is_for_these() {
    let of_root = |kind: u8| part(&[&yes(kind)], &[]).signed_by(&WORLD.root);
    let of_middle = |kind: u8| part(&[&yes(kind)], &[]).signed_by(&WORLD.middle);
    let root = NOT_COVERED.replace("Middle", "Root");
    let cases = [
        (of_middle(USERS), of_root(AUTHORITIES), "good"),
        (of_middle(AUTHORITIES), of_root(AUTHORITIES), NOT_COVERED),
        (of_middle(ATTRIBUTES), of_root(AUTHORITIES), NOT_COVERED),
        (of_middle(USERS), of_root(USERS), &root),
    ];
    for (middle, root, expected) in cases {
        assert_eq!(said(WORLD.ask(vec![middle, root])), expected);
    }
}

#[test]
fn a_certificate_is_good_when_all_reasons_are_covered_and_revoked_by_any() {
    let reasons = |content: &[u8]| tlv(der::primitive(3), &[content]);
    let list = |content: &[u8], serials: &[&[u8]]| part(&[&reasons(content)], serials);
    let serials: &[&[u8]] = &[&[0x12, 0x34]];
    let missing = "no revocation list covers the reasons keyCompromise, cACompromise";
    let cases = [
        (vec![list(COMPROMISE, &[]), list(OTHERS, &[])], "good"),
        (vec![list(OTHERS, &[])], missing),
        (vec![list(COMPROMISE, &[]), list(OTHERS, serials)], "0 revoked: unspecified"),
        (vec![list(COMPROMISE, serials), list(OTHERS, &[])], "0 revoked: unspecified"),
        (vec![list(COMPROMISE, serials)], "0 revoked: unspecified"),
        (vec![list(OTHERS, &[]), draft(&[])], "good"),
    ];
    for (lists, expected) in cases {
        assert_eq!(said(WORLD.ask_middle(&lists)), expected);
    }
    // A distribution point may be for some of the reasons as well.
    let (point, some) = (place("http://a.example/1"), tlv(der::primitive(1), &[OTHERS]));
    let world = world_of(&[&[&point, &some]]);
    assert_eq!(said(world.ask_middle(&[part(&[&point], &[])])), missing);
    // The issuer's list for no point in particular covers the rest, whichever it is asked by.
    assert_eq!(said(world.ask_middle(&[draft(&[])])), "good");
}

#[test]
fn an_indirect_list_speaks_for_the_issuers_that_its_entries_name() {
    let root = Authority::root("Root");
    let other = root.below("Lists");
    let issuer = tlv(der::constructed(2), &[&directory(&other)]);
    let world = {
        let middle = root.below_with("Middle", |params| params.serial_number = Some(vec![0x0f].into()));
        let value = sequence(&[&sequence(&[&issuer])]);
        let leaf = middle.leaf_with("alice", |params| {
            params.serial_number = Some(vec![0x12, 0x34].into());
            params.custom_extensions.push(CustomExtension::from_oid_content(&[2, 5, 29, 31], value));
        });
        let anchors = TrustAnchors::new(vec![root.der.clone()]).unwrap();
        World { root, middle, leaf, anchors }
    };
    let world = world.with_intermediates(&[&other]);
    let of = |issuer: &Authority| extension(29, true, &sequence(&[&directory(issuer)]));
    let list = |indirect: bool, entries: Vec<Vec<u8>>| {
        let flag = if indirect { yes(INDIRECT) } else { Vec::new() };
        Draft { entries, ..part(&[&flag], &[]) }.signed_by(&other)
    };
    let (own, next) = (entry(&[0x12, 0x34], &[&of(&world.middle), &reason(1)]), entry(&[0x12, 0x34], &[]));
    let foreign = entry(&[0x77], &[&of(&world.middle)]);
    let back = entry(&[0x77], &[&of(&other)]);
    let no_list = "there is no revocation list of CN=Middle";
    let cases = [
        ("nothing revoked", list(true, vec![]), "good"),
        ("named", list(true, vec![own.clone()]), "0 revoked: keyCompromise"),
        ("the list issuer's own", list(true, vec![next.clone()]), "good"),
        ("the name holds for what follows", list(true, vec![foreign.clone(), next.clone()]), "0 revoked: unspecified"),
        ("until another one comes", list(true, vec![foreign, back, next]), "good"),
        (
            "not indirect",
            list(false, vec![]),
            "no revocation list of CN=Lists is for certificates of this kind and distribution point",
        ),
    ];
    let above = draft(&[]).signed_by(&world.root);
    for (what, list, expected) in cases {
        assert_eq!(said(world.ask(vec![list, above.clone()])), expected, "{what}");
    }
    // The issuer's own list does not stand in for it, as it is for no part of the reasons.
    assert_eq!(said(world.ask(vec![draft(&[]).signed_by(&world.middle), above.clone()])), "good");
    // A certificate that names no issuer of lists has none from elsewhere.
    assert_eq!(said(WORLD.ask(vec![list(true, vec![]), draft(&[]).signed_by(&WORLD.root)])), no_list);
}

#[test]
fn names_are_the_same_however_they_are_written() {
    let mut written = draft(&[]).body(&WORLD.middle);
    let place = written.windows(6).position(|octets| octets == b"Middle").unwrap();
    written[place..place + 6].copy_from_slice(b"MIDDLE");
    let signed = WORLD.middle.sign(&written);
    assert_eq!(said(WORLD.ask(vec![signed, draft(&[]).signed_by(&WORLD.root)])), "good");
}

#[test]
fn distribution_points_that_cannot_be_read_leave_the_certificate_unknown() {
    let world = world(
        |_| {},
        |leaf| leaf.custom_extensions.push(CustomExtension::from_oid_content(&[2, 5, 29, 31], sequence(&[]))),
    );
    let expected =
        "where its revocation lists are cannot be read: a distribution point cannot be read: it ends too early";
    assert_eq!(said(world.ask_middle(&[draft(&[])])), expected);
}
