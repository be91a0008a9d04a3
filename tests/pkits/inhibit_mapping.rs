//! Section 4.11 of the NIST document: inhibitPolicyMapping.

use super::case::{Case, case};

pub(crate) const CASES: &[Case] = &[
    case(
        "4.11.1",
        "Invalid inhibitPolicyMapping Test1",
        &["inhibitPolicyMapping0CACert", "inhibitPolicyMapping0subCACert"],
        "InvalidinhibitPolicyMappingTest1EE",
        &["inhibitPolicyMapping0CACRL", "inhibitPolicyMapping0subCACRL"],
    )
    .refused("6.1.3(f)"),
    case(
        "4.11.2",
        "Valid inhibitPolicyMapping Test2",
        &["inhibitPolicyMapping1P12CACert", "inhibitPolicyMapping1P12subCACert"],
        "ValidinhibitPolicyMappingTest2EE",
        &["inhibitPolicyMapping1P12CACRL", "inhibitPolicyMapping1P12subCACRL"],
    )
    .valid_for(&["1"]),
    case(
        "4.11.3",
        "Invalid inhibitPolicyMapping Test3",
        &[
            "inhibitPolicyMapping1P12CACert",
            "inhibitPolicyMapping1P12subCACert",
            "inhibitPolicyMapping1P12subsubCACert",
        ],
        "InvalidinhibitPolicyMappingTest3EE",
        &["inhibitPolicyMapping1P12CACRL", "inhibitPolicyMapping1P12subCACRL", "inhibitPolicyMapping1P12subsubCACRL"],
    )
    .refused("6.1.3(f)"),
    case(
        "4.11.4",
        "Valid inhibitPolicyMapping Test4",
        &[
            "inhibitPolicyMapping1P12CACert",
            "inhibitPolicyMapping1P12subCACert",
            "inhibitPolicyMapping1P12subsubCACert",
        ],
        "ValidinhibitPolicyMappingTest4EE",
        &["inhibitPolicyMapping1P12CACRL", "inhibitPolicyMapping1P12subCACRL", "inhibitPolicyMapping1P12subsubCACRL"],
    )
    .valid_for(&["2"]),
    case(
        "4.11.5",
        "Invalid inhibitPolicyMapping Test5",
        &[
            "inhibitPolicyMapping5CACert",
            "inhibitPolicyMapping5subCACert",
            "inhibitPolicyMapping5subsubCACert",
            "inhibitPolicyMapping5subsubsubCACert",
        ],
        "InvalidinhibitPolicyMappingTest5EE",
        &[
            "inhibitPolicyMapping5CACRL",
            "inhibitPolicyMapping5subCACRL",
            "inhibitPolicyMapping5subsubCACRL",
            "inhibitPolicyMapping5subsubsubCACRL",
        ],
    )
    .refused("6.1.3(f)"),
    case(
        "4.11.6",
        "Invalid inhibitPolicyMapping Test6",
        &[
            "inhibitPolicyMapping1P12CACert",
            "inhibitPolicyMapping1P12subCAIPM5Cert",
            "inhibitPolicyMapping1P12subsubCAIPM5Cert",
        ],
        "InvalidinhibitPolicyMappingTest6EE",
        &[
            "inhibitPolicyMapping1P12CACRL",
            "inhibitPolicyMapping1P12subCAIPM5CRL",
            "inhibitPolicyMapping1P12subsubCAIPM5CRL",
        ],
    )
    .refused("6.1.3(f)"),
    case(
        "4.11.7",
        "Valid Self-Issued inhibitPolicyMapping Test7",
        &[
            "inhibitPolicyMapping1P1CACert",
            "inhibitPolicyMapping1P1SelfIssuedCACert",
            "inhibitPolicyMapping1P1subCACert",
        ],
        "ValidSelfIssuedinhibitPolicyMappingTest7EE",
        &["inhibitPolicyMapping1P1CACRL", "inhibitPolicyMapping1P1subCACRL"],
    )
    .valid_for(&["1"]),
    case(
        "4.11.8",
        "Invalid Self-Issued inhibitPolicyMapping Test8",
        &[
            "inhibitPolicyMapping1P1CACert",
            "inhibitPolicyMapping1P1SelfIssuedCACert",
            "inhibitPolicyMapping1P1subCACert",
            "inhibitPolicyMapping1P1subsubCACert",
        ],
        "InvalidSelfIssuedinhibitPolicyMappingTest8EE",
        &["inhibitPolicyMapping1P1CACRL", "inhibitPolicyMapping1P1subCACRL", "inhibitPolicyMapping1P1subsubCACRL"],
    )
    .refused("6.1.3(f)"),
    case(
        "4.11.9",
        "Invalid Self-Issued inhibitPolicyMapping Test9",
        &[
            "inhibitPolicyMapping1P1CACert",
            "inhibitPolicyMapping1P1SelfIssuedCACert",
            "inhibitPolicyMapping1P1subCACert",
            "inhibitPolicyMapping1P1subsubCACert",
        ],
        "InvalidSelfIssuedinhibitPolicyMappingTest9EE",
        &["inhibitPolicyMapping1P1CACRL", "inhibitPolicyMapping1P1subCACRL", "inhibitPolicyMapping1P1subsubCACRL"],
    )
    .refused("6.1.3(f)"),
    case(
        "4.11.10",
        "Invalid Self-Issued inhibitPolicyMapping Test10",
        &[
            "inhibitPolicyMapping1P1CACert",
            "inhibitPolicyMapping1P1SelfIssuedCACert",
            "inhibitPolicyMapping1P1subCACert",
            "inhibitPolicyMapping1P1SelfIssuedsubCACert",
        ],
        "InvalidSelfIssuedinhibitPolicyMappingTest10EE",
        &["inhibitPolicyMapping1P1CACRL", "inhibitPolicyMapping1P1subCACRL"],
    )
    .refused("6.1.3(f)"),
    case(
        "4.11.11",
        "Invalid Self-Issued inhibitPolicyMapping Test11",
        &[
            "inhibitPolicyMapping1P1CACert",
            "inhibitPolicyMapping1P1SelfIssuedCACert",
            "inhibitPolicyMapping1P1subCACert",
            "inhibitPolicyMapping1P1SelfIssuedsubCACert",
        ],
        "InvalidSelfIssuedinhibitPolicyMappingTest11EE",
        &["inhibitPolicyMapping1P1CACRL", "inhibitPolicyMapping1P1subCACRL"],
    )
    .refused("6.1.3(f)"),
];
