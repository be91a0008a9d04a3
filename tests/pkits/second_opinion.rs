//! The second opinion: rustls-webpki on every path of the suite. Where it differs, one of the entries below
//! says why by a section of RFC 5280; a difference without an entry fails, and so does an entry without one.
//!
//! webpki knows no policies, and no purpose but that of a TLS client, which the suite's certificates do not
//! speak of.

use crate::SECTIONS;
use crate::suite;
use std::collections::BTreeMap;

/// What webpki accepts: the section by which we refuse it, what webpki does not look at, and the tests.
const REFUSED_BY_US: &[(&str, &str, &[&str])] = &[
    ("6.1.4(n)", "the keyUsage of authorities", &["4.7.1", "4.7.2"]),
    ("6.1.3(f)", "policies that are demanded", &["4.8.2/2", "4.8.3/2", "4.8.3/3", "4.8.4", "4.8.5", "4.8.9", "4.8.12"]),
    ("6.1.5(g)", "policies that are asked for", &["4.8.1/3", "4.8.14/2"]),
];

/// What webpki refuses: its error, the section by which the path is good all the same, and the tests.
const REFUSED_BY_WEBPKI: &[(&str, &str, &[&str])] = &[
    ("BadDerTime", "4.1.2.5.1: a UTCTime of the years from 50 on is one of the twentieth century", &["4.2.3"]),
    (
        "TrailingData(CertificateExtensions)",
        "4.1.2.8: whoever reads a certificate must be able to read unique identifiers",
        &["4.3.6"],
    ),
    (
        "UnknownIssuer",
        "7.1: names are compared without regard to case, white space and string type",
        &["4.3.3", "4.3.4", "4.3.5", "4.3.10", "4.3.11"],
    ),
    (
        "CaUsedAsEndEntity",
        "6.1.5: nothing is asked of the last certificate's basicConstraints (we do where it stands for a client)",
        &["4.6.8", "4.6.14", "4.8.6/1", "4.8.6/2", "4.14.11", "4.14.13"],
    ),
    (
        "InvalidSignatureForPublicKey",
        "6.1.4(l) and 6.1.3(b): self-issued certificates take no room in a path, and need not be permitted",
        &["4.6.15", "4.6.17", "4.13.19"],
    ),
    (
        "UnsupportedCriticalExtension",
        "4.2.1.5, 4.2.1.11 and 4.2.1.14: mappings, constraints and inhibitions of policies are processed",
        &[
            "4.9.1",
            "4.9.2",
            "4.9.4",
            "4.9.6",
            "4.10.1/1",
            "4.10.3/2",
            "4.10.5/1",
            "4.10.6/1",
            "4.10.9",
            "4.10.11",
            "4.10.12/1",
            "4.10.12/2",
            "4.10.13/1",
            "4.10.13/2",
            "4.10.14",
            "4.11.2",
            "4.11.4",
            "4.11.7",
            "4.12.2",
            "4.12.3/1",
            "4.12.7",
            "4.12.9",
        ],
    ),
    (
        "NameConstraintViolation",
        "4.2.1.10: constraints of directoryName, rfc822Name and uniformResourceIdentifier are processed",
        &[
            "4.13.1", "4.13.4", "4.13.5", "4.13.6", "4.13.11", "4.13.14", "4.13.18", "4.13.21", "4.13.23", "4.13.25",
            "4.13.27", "4.13.34", "4.13.36",
        ],
    ),
];

#[test]
fn webpki_agrees_on_every_path_but_those_that_are_listed() {
    let mut found: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for case in SECTIONS.iter().flat_map(|(_, cases)| *cases) {
        match (suite::path(case), suite::path_by_webpki(case)) {
            (Ok(_), Err(theirs)) => found.entry(format!("webpki: {theirs}")).or_default().push(case.number),
            (Err(ours), Ok(())) => found.entry(format!("ours: {}", ours.section)).or_default().push(case.number),
            (Ok(_), Ok(())) | (Err(_), Err(_)) => {}
        }
    }
    let ours = REFUSED_BY_US.iter().map(|(section, _, tests)| (format!("ours: RFC 5280, {section}"), tests.to_vec()));
    let theirs = REFUSED_BY_WEBPKI.iter().map(|(error, _, tests)| (format!("webpki: {error}"), tests.to_vec()));
    let listed: BTreeMap<String, Vec<&str>> = ours.chain(theirs).collect();
    assert_eq!(found, listed);
}
