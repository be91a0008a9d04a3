//! Section 4.12 of the NIST document: inhibitAnyPolicy.

use super::case::{Case, case};

pub(crate) const CASES: &[Case] = &[
    case(
        "4.12.1",
        "Invalid inhibitAnyPolicy Test1",
        &["inhibitAnyPolicy0CACert"],
        "InvalidinhibitAnyPolicyTest1EE",
        &["inhibitAnyPolicy0CACRL"],
    )
    .refused("6.1.3(f)"),
    case(
        "4.12.2",
        "Valid inhibitAnyPolicy Test2",
        &["inhibitAnyPolicy0CACert"],
        "ValidinhibitAnyPolicyTest2EE",
        &["inhibitAnyPolicy0CACRL"],
    )
    .valid_for(&["1"]),
    case(
        "4.12.3/1",
        "inhibitAnyPolicy Test3",
        &["inhibitAnyPolicy1CACert", "inhibitAnyPolicy1subCA1Cert"],
        "inhibitAnyPolicyTest3EE",
        &["inhibitAnyPolicy1CACRL", "inhibitAnyPolicy1subCA1CRL"],
    )
    .valid_for(&["1"]),
    case(
        "4.12.3/2",
        "inhibitAnyPolicy Test3",
        &["inhibitAnyPolicy1CACert", "inhibitAnyPolicy1subCA1Cert"],
        "inhibitAnyPolicyTest3EE",
        &["inhibitAnyPolicy1CACRL", "inhibitAnyPolicy1subCA1CRL"],
    )
    .without_any()
    .refused("6.1.3(f)"),
    case(
        "4.12.4",
        "Invalid inhibitAnyPolicy Test4",
        &["inhibitAnyPolicy1CACert", "inhibitAnyPolicy1subCA1Cert"],
        "InvalidinhibitAnyPolicyTest4EE",
        &["inhibitAnyPolicy1CACRL", "inhibitAnyPolicy1subCA1CRL"],
    )
    .refused("6.1.3(f)"),
    case(
        "4.12.5",
        "Invalid inhibitAnyPolicy Test5",
        &["inhibitAnyPolicy5CACert", "inhibitAnyPolicy5subCACert", "inhibitAnyPolicy5subsubCACert"],
        "InvalidinhibitAnyPolicyTest5EE",
        &["inhibitAnyPolicy5CACRL", "inhibitAnyPolicy5subCACRL", "inhibitAnyPolicy5subsubCACRL"],
    )
    .refused("6.1.3(f)"),
    case(
        "4.12.6",
        "Invalid inhibitAnyPolicy Test6",
        &["inhibitAnyPolicy1CACert", "inhibitAnyPolicy1subCAIAP5Cert"],
        "InvalidinhibitAnyPolicyTest6EE",
        &["inhibitAnyPolicy1CACRL", "inhibitAnyPolicy1subCAIAP5CRL"],
    )
    .refused("6.1.3(f)"),
    case(
        "4.12.7",
        "Valid Self-Issued inhibitAnyPolicy Test7",
        &["inhibitAnyPolicy1CACert", "inhibitAnyPolicy1SelfIssuedCACert", "inhibitAnyPolicy1subCA2Cert"],
        "ValidSelfIssuedinhibitAnyPolicyTest7EE",
        &["inhibitAnyPolicy1CACRL", "inhibitAnyPolicy1subCA2CRL"],
    )
    .valid_for(&["1"]),
    case(
        "4.12.8",
        "Invalid Self-Issued inhibitAnyPolicy Test8",
        &[
            "inhibitAnyPolicy1CACert",
            "inhibitAnyPolicy1SelfIssuedCACert",
            "inhibitAnyPolicy1subCA2Cert",
            "inhibitAnyPolicy1subsubCA2Cert",
        ],
        "InvalidSelfIssuedinhibitAnyPolicyTest8EE",
        &["inhibitAnyPolicy1CACRL", "inhibitAnyPolicy1subCA2CRL", "inhibitAnyPolicy1subsubCA2CRL"],
    )
    .refused("6.1.3(f)"),
    case(
        "4.12.9",
        "Valid Self-Issued inhibitAnyPolicy Test9",
        &[
            "inhibitAnyPolicy1CACert",
            "inhibitAnyPolicy1SelfIssuedCACert",
            "inhibitAnyPolicy1subCA2Cert",
            "inhibitAnyPolicy1SelfIssuedsubCA2Cert",
        ],
        "ValidSelfIssuedinhibitAnyPolicyTest9EE",
        &["inhibitAnyPolicy1CACRL", "inhibitAnyPolicy1subCA2CRL"],
    )
    .valid_for(&["1"]),
    case(
        "4.12.10",
        "Invalid Self-Issued inhibitAnyPolicy Test10",
        &["inhibitAnyPolicy1CACert", "inhibitAnyPolicy1SelfIssuedCACert", "inhibitAnyPolicy1subCA2Cert"],
        "InvalidSelfIssuedinhibitAnyPolicyTest10EE",
        &["inhibitAnyPolicy1CACRL", "inhibitAnyPolicy1subCA2CRL"],
    )
    .refused("6.1.3(f)"),
];
