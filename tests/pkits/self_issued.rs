//! Section 4.5 of the NIST document: self-issued certificates.

use super::case::{Case, case};
use wicketgate::revocation::crl::RevocationReason::KeyCompromise;

pub(crate) const CASES: &[Case] = &[
    case(
        "4.5.1",
        "Valid Basic Self-Issued Old With New Test1",
        &["BasicSelfIssuedNewKeyCACert", "BasicSelfIssuedNewKeyOldWithNewCACert"],
        "ValidBasicSelfIssuedOldWithNewTest1EE",
        &["BasicSelfIssuedNewKeyCACRL"],
    ),
    case(
        "4.5.2",
        "Invalid Basic Self-Issued Old With New Test2",
        &["BasicSelfIssuedNewKeyCACert", "BasicSelfIssuedNewKeyOldWithNewCACert"],
        "InvalidBasicSelfIssuedOldWithNewTest2EE",
        &["BasicSelfIssuedNewKeyCACRL"],
    )
    .revoked(KeyCompromise),
    case(
        "4.5.3",
        "Valid Basic Self-Issued New With Old Test3",
        &["BasicSelfIssuedOldKeyCACert", "BasicSelfIssuedOldKeyNewWithOldCACert"],
        "ValidBasicSelfIssuedNewWithOldTest3EE",
        &["BasicSelfIssuedOldKeySelfIssuedCertCRL", "BasicSelfIssuedOldKeyCACRL"],
    ),
    case(
        "4.5.4",
        "Valid Basic Self-Issued New With Old Test4",
        &["BasicSelfIssuedOldKeyCACert", "BasicSelfIssuedOldKeyNewWithOldCACert"],
        "ValidBasicSelfIssuedNewWithOldTest4EE",
        &["BasicSelfIssuedOldKeySelfIssuedCertCRL", "BasicSelfIssuedOldKeyCACRL"],
    ),
    case(
        "4.5.5",
        "Invalid Basic Self-Issued New With Old Test5",
        &["BasicSelfIssuedOldKeyCACert", "BasicSelfIssuedOldKeyNewWithOldCACert"],
        "InvalidBasicSelfIssuedNewWithOldTest5EE",
        &["BasicSelfIssuedOldKeySelfIssuedCertCRL", "BasicSelfIssuedOldKeyCACRL"],
    )
    .revoked(KeyCompromise),
    case(
        "4.5.6",
        "Valid Basic Self-Issued CRL Signing Key Test6",
        &["BasicSelfIssuedCRLSigningKeyCACert", "BasicSelfIssuedCRLSigningKeyCRLCert"],
        "ValidBasicSelfIssuedCRLSigningKeyTest6EE",
        &["BasicSelfIssuedCRLSigningKeyCRLCertCRL", "BasicSelfIssuedCRLSigningKeyCACRL"],
    ),
    case(
        "4.5.7",
        "Invalid Basic Self-Issued CRL Signing Key Test7",
        &["BasicSelfIssuedCRLSigningKeyCACert", "BasicSelfIssuedCRLSigningKeyCRLCert"],
        "InvalidBasicSelfIssuedCRLSigningKeyTest7EE",
        &["BasicSelfIssuedCRLSigningKeyCRLCertCRL", "BasicSelfIssuedCRLSigningKeyCACRL"],
    )
    .revoked(KeyCompromise),
    case(
        "4.5.8",
        "Invalid Basic Self-Issued CRL Signing Key Test8",
        &["BasicSelfIssuedCRLSigningKeyCACert", "BasicSelfIssuedCRLSigningKeyCRLCert"],
        "InvalidBasicSelfIssuedCRLSigningKeyTest8EE",
        &["BasicSelfIssuedCRLSigningKeyCRLCertCRL", "BasicSelfIssuedCRLSigningKeyCACRL"],
    )
    .refused("6.1.4(k)"),
];
