//! Section 4.6 of the NIST document: basic constraints.

use super::case::{Case, case};

pub(crate) const CASES: &[Case] = &[
    case(
        "4.6.1",
        "Invalid Missing basicConstraints Test1",
        &["MissingbasicConstraintsCACert"],
        "InvalidMissingbasicConstraintsTest1EE",
        &["MissingbasicConstraintsCACRL"],
    )
    .refused("6.1.4(k)"),
    case(
        "4.6.2",
        "Invalid cA False Test2",
        &["basicConstraintsCriticalcAFalseCACert"],
        "InvalidcAFalseTest2EE",
        &["basicConstraintsCriticalcAFalseCACRL"],
    )
    .refused("6.1.4(k)"),
    case(
        "4.6.3",
        "Invalid cA False Test3",
        &["basicConstraintsNotCriticalcAFalseCACert"],
        "InvalidcAFalseTest3EE",
        &["basicConstraintsNotCriticalcAFalseCACRL"],
    )
    .refused("6.1.4(k)"),
    case(
        "4.6.4",
        "Valid basicConstraints Not Critical Test4",
        &["basicConstraintsNotCriticalCACert"],
        "ValidbasicConstraintsNotCriticalTest4EE",
        &["basicConstraintsNotCriticalCACRL"],
    ),
    case(
        "4.6.5",
        "Invalid pathLenConstraint Test5",
        &["pathLenConstraint0CACert", "pathLenConstraint0subCACert"],
        "InvalidpathLenConstraintTest5EE",
        &["pathLenConstraint0CACRL", "pathLenConstraint0subCACRL"],
    )
    .refused("6.1.4(l)"),
    case(
        "4.6.6",
        "Invalid pathLenConstraint Test6",
        &["pathLenConstraint0CACert", "pathLenConstraint0subCACert"],
        "InvalidpathLenConstraintTest6EE",
        &["pathLenConstraint0CACRL", "pathLenConstraint0subCACRL"],
    )
    .refused("6.1.4(l)"),
    case(
        "4.6.7",
        "Valid pathLenConstraint Test7",
        &["pathLenConstraint0CACert"],
        "ValidpathLenConstraintTest7EE",
        &["pathLenConstraint0CACRL"],
    ),
    case(
        "4.6.8",
        "Valid pathLenConstraint Test8",
        &["pathLenConstraint0CACert"],
        "ValidpathLenConstraintTest8EE",
        &["pathLenConstraint0CACRL"],
    ),
    case(
        "4.6.9",
        "Invalid pathLenConstraint Test9",
        &["pathLenConstraint6CACert", "pathLenConstraint6subCA0Cert", "pathLenConstraint6subsubCA00Cert"],
        "InvalidpathLenConstraintTest9EE",
        &["pathLenConstraint6CACRL", "pathLenConstraint6subCA0CRL", "pathLenConstraint6subsubCA00CRL"],
    )
    .refused("6.1.4(l)"),
    case(
        "4.6.10",
        "Invalid pathLenConstraint Test10",
        &["pathLenConstraint6CACert", "pathLenConstraint6subCA0Cert", "pathLenConstraint6subsubCA00Cert"],
        "InvalidpathLenConstraintTest10EE",
        &["pathLenConstraint6CACRL", "pathLenConstraint6subCA0CRL", "pathLenConstraint6subsubCA00CRL"],
    )
    .refused("6.1.4(l)"),
    case(
        "4.6.11",
        "Invalid pathLenConstraint Test11",
        &[
            "pathLenConstraint6CACert",
            "pathLenConstraint6subCA1Cert",
            "pathLenConstraint6subsubCA11Cert",
            "pathLenConstraint6subsubsubCA11XCert",
        ],
        "InvalidpathLenConstraintTest11EE",
        &[
            "pathLenConstraint6CACRL",
            "pathLenConstraint6subCA1CRL",
            "pathLenConstraint6subsubCA11CRL",
            "pathLenConstraint6subsubsubCA11XCRL",
        ],
    )
    .refused("6.1.4(l)"),
    case(
        "4.6.12",
        "Invalid pathLenConstraint Test12",
        &[
            "pathLenConstraint6CACert",
            "pathLenConstraint6subCA1Cert",
            "pathLenConstraint6subsubCA11Cert",
            "pathLenConstraint6subsubsubCA11XCert",
        ],
        "InvalidpathLenConstraintTest12EE",
        &[
            "pathLenConstraint6CACRL",
            "pathLenConstraint6subCA1CRL",
            "pathLenConstraint6subsubCA11CRL",
            "pathLenConstraint6subsubsubCA11XCRL",
        ],
    )
    .refused("6.1.4(l)"),
    case(
        "4.6.13",
        "Valid pathLenConstraint Test13",
        &[
            "pathLenConstraint6CACert",
            "pathLenConstraint6subCA4Cert",
            "pathLenConstraint6subsubCA41Cert",
            "pathLenConstraint6subsubsubCA41XCert",
        ],
        "ValidpathLenConstraintTest13EE",
        &[
            "pathLenConstraint6CACRL",
            "pathLenConstraint6subCA4CRL",
            "pathLenConstraint6subsubCA41CRL",
            "pathLenConstraint6subsubsubCA41XCRL",
        ],
    ),
    case(
        "4.6.14",
        "Valid pathLenConstraint Test14",
        &[
            "pathLenConstraint6CACert",
            "pathLenConstraint6subCA4Cert",
            "pathLenConstraint6subsubCA41Cert",
            "pathLenConstraint6subsubsubCA41XCert",
        ],
        "ValidpathLenConstraintTest14EE",
        &[
            "pathLenConstraint6CACRL",
            "pathLenConstraint6subCA4CRL",
            "pathLenConstraint6subsubCA41CRL",
            "pathLenConstraint6subsubsubCA41XCRL",
        ],
    ),
    case(
        "4.6.15",
        "Valid Self-Issued pathLenConstraint Test15",
        &["pathLenConstraint0CACert", "pathLenConstraint0SelfIssuedCACert"],
        "ValidSelfIssuedpathLenConstraintTest15EE",
        &["pathLenConstraint0CACRL"],
    ),
    case(
        "4.6.16",
        "Invalid Self-Issued pathLenConstraint Test16",
        &["pathLenConstraint0CACert", "pathLenConstraint0SelfIssuedCACert", "pathLenConstraint0subCA2Cert"],
        "InvalidSelfIssuedpathLenConstraintTest16EE",
        &["pathLenConstraint0CACRL", "pathLenConstraint0subCA2CRL"],
    )
    .refused("6.1.4(l)"),
    case(
        "4.6.17",
        "Valid Self-Issued pathLenConstraint Test17",
        &[
            "pathLenConstraint1CACert",
            "pathLenConstraint1SelfIssuedCACert",
            "pathLenConstraint1subCACert",
            "pathLenConstraint1SelfIssuedsubCACert",
        ],
        "ValidSelfIssuedpathLenConstraintTest17EE",
        &["pathLenConstraint1CACRL", "pathLenConstraint1subCACRL"],
    ),
];
