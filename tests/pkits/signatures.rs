//! Section 4.1 of the NIST document: signature verification.

use super::case::{Case, case};

pub(crate) const CASES: &[Case] = &[
    case("4.1.1", "Valid Signatures Test1", &["GoodCACert"], "ValidCertificatePathTest1EE", &["GoodCACRL"]),
    // The signature of this authority is no whole number of octets, so that its certificate cannot be read at all.
    case("4.1.2", "Invalid CA Signature Test2", &["BadSignedCACert"], "InvalidCASignatureTest2EE", &["BadSignedCACRL"])
        .refused("6.1.3(a)(4)"),
    case("4.1.3", "Invalid EE Signature Test3", &["GoodCACert"], "InvalidEESignatureTest3EE", &["GoodCACRL"])
        .refused("6.1.3(a)(1)"),
];
