//! Section 4.15 of the NIST document: delta lists.

use super::case::{Case, case};
use wicketgate::revocation::crl::RevocationReason::KeyCompromise;

pub(crate) const CASES: &[Case] = &[
    case(
        "4.15.1",
        "Invalid deltaCRLIndicator No Base Test1",
        &["deltaCRLIndicatorNoBaseCACert"],
        "InvaliddeltaCRLIndicatorNoBaseTest1EE",
        &["deltaCRLIndicatorNoBaseCACRL"],
    )
    .unknown(),
    case(
        "4.15.2",
        "Valid delta-CRL Test2",
        &["deltaCRLCA1Cert"],
        "ValiddeltaCRLTest2EE",
        &["deltaCRLCA1CRL", "deltaCRLCA1deltaCRL"],
    ),
    case(
        "4.15.3",
        "Invalid delta-CRL Test3",
        &["deltaCRLCA1Cert"],
        "InvaliddeltaCRLTest3EE",
        &["deltaCRLCA1CRL", "deltaCRLCA1deltaCRL"],
    )
    .revoked(KeyCompromise),
    case(
        "4.15.4",
        "Invalid delta-CRL Test4",
        &["deltaCRLCA1Cert"],
        "InvaliddeltaCRLTest4EE",
        &["deltaCRLCA1CRL", "deltaCRLCA1deltaCRL"],
    )
    .revoked(KeyCompromise),
    case(
        "4.15.5",
        "Valid delta-CRL Test5",
        &["deltaCRLCA1Cert"],
        "ValiddeltaCRLTest5EE",
        &["deltaCRLCA1CRL", "deltaCRLCA1deltaCRL"],
    ),
    case(
        "4.15.6",
        "Invalid delta-CRL Test6",
        &["deltaCRLCA1Cert"],
        "InvaliddeltaCRLTest6EE",
        &["deltaCRLCA1CRL", "deltaCRLCA1deltaCRL"],
    )
    .revoked(KeyCompromise),
    case(
        "4.15.7",
        "Valid delta-CRL Test7",
        &["deltaCRLCA1Cert"],
        "ValiddeltaCRLTest7EE",
        &["deltaCRLCA1CRL", "deltaCRLCA1deltaCRL"],
    ),
    case(
        "4.15.8",
        "Valid delta-CRL Test8",
        &["deltaCRLCA2Cert"],
        "ValiddeltaCRLTest8EE",
        &["deltaCRLCA2CRL", "deltaCRLCA2deltaCRL"],
    ),
    case(
        "4.15.9",
        "Invalid delta-CRL Test9",
        &["deltaCRLCA2Cert"],
        "InvaliddeltaCRLTest9EE",
        &["deltaCRLCA2CRL", "deltaCRLCA2deltaCRL"],
    )
    .revoked(KeyCompromise),
    case(
        "4.15.10",
        "Invalid delta-CRL Test10",
        &["deltaCRLCA3Cert"],
        "InvaliddeltaCRLTest10EE",
        &["deltaCRLCA3CRL", "deltaCRLCA3deltaCRL"],
    )
    .unknown(),
];
