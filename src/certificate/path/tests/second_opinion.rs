//! The second opinion: rustls-webpki on what the tests of this module make. Where it judges otherwise, an entry
//! of one of the lists says why, by a section of RFC 5280; without an entry the test that made the certificates
//! fails.

use super::*;
use crate::certificate::signature::ACCEPTED;
use rustls_pki_types::UnixTime;
use std::time::Duration;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

/// What webpki accepts: the section by which we refuse it, and what webpki does not look at.
const REFUSED_BY_US: [(&str, &str); 4] = [
    ("RFC 5280, 6.1.4(l)", "the path length of a trust anchor"),
    ("RFC 5280, 6.1.4(n)", "whether an authority's keyUsage allows signing certificates"),
    ("RFC 5280, 6.2", "the dates of a trust anchor, and how many certificates a path may have"),
    ("RFC 5280, 4.2.1.3", "whether a client's keyUsage allows signing"),
];

/// What webpki refuses: its error, and the section by which we accept it. The last two are errors that would hide
/// a path that we accept wrongly; a test that makes such a path names the error itself.
const REFUSED_BY_WEBPKI: [(&str, &str); 3] = [
    (OTHER_PURPOSE, "4.2.1.12: anyExtendedKeyUsage stands for every purpose"),
    (UNKNOWN_ISSUER, "7.1: names are compared without regard to case and white space"),
    (WRONG_SIGNATURE, "6.1.4(l): self-issued certificates take no room in a path"),
];

const OTHER_PURPOSE: &str = "RequiredEkuNotFoundContext";
/// webpki's word for a name that no other has.
pub(super) const UNKNOWN_ISSUER: &str = "UnknownIssuer";
/// What webpki says last of an authority with two keys of which one has no room left.
pub(super) const WRONG_SIGNATURE: &str = "InvalidSignatureForPublicKey";

/// Asks webpki about a chain that we judged for a client, and fails on a difference that is not listed.
pub(super) fn compare(chain: &[CertificateDer<'_>], anchors: &TrustAnchors, ours: Result<&ValidPath, &PathError>) {
    match (ours, judge(chain, anchors)) {
        (Ok(_), Err(theirs)) if theirs != OTHER_PURPOSE => {
            panic!("webpki refuses with {theirs} what we accept")
        }
        (Err(ours), Ok(())) if !REFUSED_BY_US.iter().any(|(section, _)| ours.section == *section) => {
            panic!("webpki accepts what we refuse by {}: {ours}", ours.section)
        }
        _ => {}
    }
}

/// webpki's verdict; an error by its name.
pub(super) fn judge(chain: &[CertificateDer<'_>], anchors: &TrustAnchors) -> Result<(), String> {
    let Some((leaf, others)) = chain.split_first() else { return Err("Nothing".to_owned()) };
    let anchors: Vec<_> = anchors.certificates().map(|one| anchor_from_trusted_cert(one).unwrap()).collect();
    let at = UnixTime::since_unix_epoch(Duration::from_secs(NOW.as_unix().try_into().unwrap()));
    EndEntityCert::try_from(leaf)
        .and_then(|leaf| {
            leaf.verify_for_usage(ACCEPTED, &anchors, others, at, KeyUsage::client_auth(), None, None).map(|_| ())
        })
        .map_err(|error| format!("{error:?}").split(['(', ' ', '{']).next().unwrap_or_default().to_owned())
}

#[test]
fn every_difference_that_is_listed_is_there() {
    let root = Authority::root("Root");
    let by = |change: fn(&mut CertificateParams)| {
        let middle = root.below_with("Middle", change);
        (vec![middle.leaf("alice"), middle.der], trust(&[&root.der]))
    };
    let leaf = |change: fn(&mut CertificateParams)| (vec![root.leaf_with("alice", change)], trust(&[&root.der]));
    let narrow = Authority::root_with("Root", |root| root.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    let lower = narrow.below("Lower");
    let capitals = root.renewed_with("ROOT", |_| {});
    let small = root.below_with("Small", |small| small.is_ca = IsCa::Ca(BasicConstraints::Constrained(0)));
    let renewed = small.below("Small");
    let old = Authority::root_with("Root", |root| years(root, 2020, 2021));
    let cases: [(&str, (Chain, TrustAnchors)); 7] = [
        ("RFC 5280, 6.1.4(l)", (vec![lower.leaf("alice"), lower.der], trust(&[&narrow.der]))),
        ("RFC 5280, 6.1.4(n)", by(|middle| middle.key_usages = vec![KeyUsagePurpose::CrlSign])),
        ("RFC 5280, 6.2", (vec![old.leaf("alice")], trust(&[&old.der]))),
        ("RFC 5280, 4.2.1.3", leaf(|leaf| leaf.key_usages = vec![KeyUsagePurpose::KeyAgreement])),
        (OTHER_PURPOSE, leaf(|leaf| leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::Any])),
        (UNKNOWN_ISSUER, (vec![root.leaf("alice")], trust(&[&capitals]))),
        (WRONG_SIGNATURE, (vec![renewed.leaf("alice"), renewed.der, small.der], trust(&[&root.der]))),
    ];
    let listed = REFUSED_BY_US.iter().chain(&REFUSED_BY_WEBPKI).map(|(what, _)| *what);
    assert!(listed.eq(cases.iter().map(|(what, _)| *what)), "a list and the cases differ");
    for (expected, (chain, anchors)) in cases {
        match (validate(&chain, &anchors, &Requirements::for_clients(10), NOW), judge(&chain, &anchors)) {
            (Ok(_), Err(theirs)) => assert_eq!(theirs, expected),
            (Err(ours), Ok(())) => assert_eq!(ours.section, expected),
            (ours, theirs) => panic!("{expected}: no difference: {:?}, {theirs:?}", ours.map(|_| ())),
        }
    }
}
