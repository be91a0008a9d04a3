//! Section 4.16 of the NIST document: private extensions.

use super::case::{Case, case};

pub(crate) const CASES: &[Case] = &[
    case(
        "4.16.1",
        "Valid Unknown Not Critical Certificate Extension Test1",
        &[],
        "ValidUnknownNotCriticalCertificateExtensionTest1EE",
        &[],
    ),
    case(
        "4.16.2",
        "Invalid Unknown Critical Certificate Extension Test2",
        &[],
        "InvalidUnknownCriticalCertificateExtensionTest2EE",
        &[],
    )
    .refused("6.1.5(f)"),
];
