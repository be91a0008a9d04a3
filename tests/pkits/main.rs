//! NIST's Public Key Interoperability Test Suite (PKITS, version 1.0.1): every test of sections 4.1 to 4.16, with
//! the settings that its document gives, on the code that a listener judges by. The tables stand in one file for
//! each section. The certificates are not in the repository: `fetch.sh` gets them.

#![cfg(test)]

mod basic_constraints;
mod case;
mod chaining;
mod delta;
mod distribution;
mod explicit_policy;
mod extensions;
mod inhibit_any;
mod inhibit_mapping;
mod key_usage;
mod mappings;
mod name_constraints;
mod policies;
mod revocation;
mod second_opinion;
mod self_issued;
mod signatures;
mod suite;
mod validity;

use case::{Case, Expected};
use wicketgate::revocation::crl::CrlAnswer;

/// The tests by the section of the document.
const SECTIONS: [(&str, &[Case]); 16] = [
    ("4.1", signatures::CASES),
    ("4.2", validity::CASES),
    ("4.3", chaining::CASES),
    ("4.4", revocation::CASES),
    ("4.5", self_issued::CASES),
    ("4.6", basic_constraints::CASES),
    ("4.7", key_usage::CASES),
    ("4.8", policies::CASES),
    ("4.9", explicit_policy::CASES),
    ("4.10", mappings::CASES),
    ("4.11", inhibit_mapping::CASES),
    ("4.12", inhibit_any::CASES),
    ("4.13", name_constraints::CASES),
    ("4.14", distribution::CASES),
    ("4.15", delta::CASES),
    ("4.16", extensions::CASES),
];

/// The tests that have no row, and why.
const LEFT_OUT: [(&str, &str); 3] = [
    ("4.1.4", "Valid DSA Signatures Test4: DSA is no algorithm that is accepted"),
    ("4.1.5", "Valid DSA Parameter Inheritance Test5: DSA is no algorithm that is accepted"),
    ("4.1.6", "Invalid DSA Signature Test6: DSA is no algorithm that is accepted"),
];

/// How many tests each section of the document has.
const TESTS: [usize; 16] = [6, 8, 11, 21, 8, 17, 5, 20, 8, 14, 11, 10, 38, 35, 10, 2];

#[test]
fn every_test_of_the_document_has_a_row_or_a_reason() {
    for ((section, cases), tests) in SECTIONS.iter().zip(TESTS) {
        let mut there: Vec<&str> = cases.iter().map(|case| case.number.split('/').next().unwrap()).collect();
        there.dedup();
        there.extend(
            LEFT_OUT.iter().map(|(number, _)| *number).filter(|number| number.starts_with(&format!("{section}."))),
        );
        let expected: Vec<String> = (1..=tests).map(|test| format!("{section}.{test}")).collect();
        assert_eq!(there, expected, "section {section}");
    }
}

#[test]
fn every_path_is_judged_as_the_document_says() {
    report(SECTIONS.iter().flat_map(|(_, cases)| *cases).map(|case| {
        let verdict = suite::path(case);
        let right = match (&case.expected, &verdict) {
            (Expected::Valid | Expected::Revoked(_) | Expected::Unknown, Ok(_)) => true,
            (Expected::ValidFor(expected), Ok(path)) => suite::policies(path) == *expected,
            (Expected::Refused(section), Err(error)) => error.section == format!("RFC 5280, {section}"),
            _ => false,
        };
        let verdict = match verdict {
            Ok(path) => format!("valid for {:?}", suite::policies(&path)),
            Err(error) => format!("refused by {}: {error}", error.section),
        };
        (case, verdict, right)
    }));
}

#[test]
fn the_lists_of_every_path_say_what_the_document_says() {
    let cases = SECTIONS.iter().flat_map(|(_, cases)| *cases);
    report(cases.filter_map(|case| Some((case, suite::path(case).ok()?))).map(|(case, path)| {
        let answer = suite::lists(case, &path);
        let right = match case.expected {
            Expected::Valid | Expected::ValidFor(_) => matches!(answer, CrlAnswer::Good { .. }),
            Expected::Revoked(expected) => matches!(answer, CrlAnswer::Revoked { reason, .. } if reason == expected),
            Expected::Unknown => matches!(answer, CrlAnswer::Unknown { .. }),
            Expected::Refused(_) => false,
        };
        (case, answer.to_string(), right)
    }));
}

/// Prints every row with its verdict, and fails with those that are not as they should be.
fn report<'a>(rows: impl Iterator<Item = (&'a Case, String, bool)>) {
    let mut wrong = Vec::new();
    for (case, verdict, right) in rows {
        let row = format!("{} {}: {verdict}", case.number, case.name);
        println!("{row}");
        if !right {
            wrong.push(format!("{row}; expected: {}", case.expected));
        }
    }
    assert!(wrong.is_empty(), "{} rows differ:\n{}", wrong.len(), wrong.join("\n"));
}
