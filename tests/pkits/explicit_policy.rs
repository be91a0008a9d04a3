//! Section 4.9 of the NIST document: requireExplicitPolicy.

use super::case::{Case, case};

pub(crate) const CASES: &[Case] = &[
    case(
        "4.9.1",
        "Valid RequireExplicitPolicy Test1",
        &[
            "requireExplicitPolicy10CACert",
            "requireExplicitPolicy10subCACert",
            "requireExplicitPolicy10subsubCACert",
            "requireExplicitPolicy10subsubsubCACert",
        ],
        "ValidrequireExplicitPolicyTest1EE",
        &[
            "requireExplicitPolicy10CACRL",
            "requireExplicitPolicy10subCACRL",
            "requireExplicitPolicy10subsubCACRL",
            "requireExplicitPolicy10subsubsubCACRL",
        ],
    )
    .valid_for(&[]),
    case(
        "4.9.2",
        "Valid RequireExplicitPolicy Test2",
        &[
            "requireExplicitPolicy5CACert",
            "requireExplicitPolicy5subCACert",
            "requireExplicitPolicy5subsubCACert",
            "requireExplicitPolicy5subsubsubCACert",
        ],
        "ValidrequireExplicitPolicyTest2EE",
        &[
            "requireExplicitPolicy5CACRL",
            "requireExplicitPolicy5subCACRL",
            "requireExplicitPolicy5subsubCACRL",
            "requireExplicitPolicy5subsubsubCACRL",
        ],
    )
    .valid_for(&[]),
    case(
        "4.9.3",
        "Invalid RequireExplicitPolicy Test3",
        &[
            "requireExplicitPolicy4CACert",
            "requireExplicitPolicy4subCACert",
            "requireExplicitPolicy4subsubCACert",
            "requireExplicitPolicy4subsubsubCACert",
        ],
        "InvalidrequireExplicitPolicyTest3EE",
        &[
            "requireExplicitPolicy4CACRL",
            "requireExplicitPolicy4subCACRL",
            "requireExplicitPolicy4subsubCACRL",
            "requireExplicitPolicy4subsubsubCACRL",
        ],
    )
    .refused("6.1.5(g)"),
    case(
        "4.9.4",
        "Valid RequireExplicitPolicy Test4",
        &[
            "requireExplicitPolicy0CACert",
            "requireExplicitPolicy0subCACert",
            "requireExplicitPolicy0subsubCACert",
            "requireExplicitPolicy0subsubsubCACert",
        ],
        "ValidrequireExplicitPolicyTest4EE",
        &[
            "requireExplicitPolicy0CACRL",
            "requireExplicitPolicy0subCACRL",
            "requireExplicitPolicy0subsubCACRL",
            "requireExplicitPolicy0subsubsubCACRL",
        ],
    )
    .valid_for(&["1"]),
    case(
        "4.9.5",
        "Invalid RequireExplicitPolicy Test5",
        &[
            "requireExplicitPolicy7CACert",
            "requireExplicitPolicy7subCARE2Cert",
            "requireExplicitPolicy7subsubCARE2RE4Cert",
            "requireExplicitPolicy7subsubsubCARE2RE4Cert",
        ],
        "InvalidrequireExplicitPolicyTest5EE",
        &[
            "requireExplicitPolicy7CACRL",
            "requireExplicitPolicy7subCARE2CRL",
            "requireExplicitPolicy7subsubCARE2RE4CRL",
            "requireExplicitPolicy7subsubsubCARE2RE4CRL",
        ],
    )
    .refused("6.1.3(f)"),
    case(
        "4.9.6",
        "Valid Self-Issued requireExplicitPolicy Test6",
        &["requireExplicitPolicy2CACert", "requireExplicitPolicy2SelfIssuedCACert"],
        "ValidSelfIssuedrequireExplicitPolicyTest6EE",
        &["requireExplicitPolicy2CACRL"],
    )
    .valid_for(&[]),
    case(
        "4.9.7",
        "Invalid Self-Issued requireExplicitPolicy Test7",
        &["requireExplicitPolicy2CACert", "requireExplicitPolicy2SelfIssuedCACert", "requireExplicitPolicy2subCACert"],
        "InvalidSelfIssuedrequireExplicitPolicyTest7EE",
        &["requireExplicitPolicy2CACRL", "requireExplicitPolicy2subCACRL"],
    )
    .refused("6.1.5(g)"),
    case(
        "4.9.8",
        "Invalid Self-Issued requireExplicitPolicy Test8",
        &[
            "requireExplicitPolicy2CACert",
            "requireExplicitPolicy2SelfIssuedCACert",
            "requireExplicitPolicy2subCACert",
            "requireExplicitPolicy2SelfIssuedsubCACert",
        ],
        "InvalidSelfIssuedrequireExplicitPolicyTest8EE",
        &["requireExplicitPolicy2CACRL", "requireExplicitPolicy2subCACRL"],
    )
    .refused("6.1.5(g)"),
];
