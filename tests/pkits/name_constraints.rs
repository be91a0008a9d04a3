//! Section 4.13 of the NIST document: name constraints.

use super::case::{Case, case};

pub(crate) const CASES: &[Case] = &[
    case(
        "4.13.1",
        "Valid DN nameConstraints Test1",
        &["nameConstraintsDN1CACert"],
        "ValidDNnameConstraintsTest1EE",
        &["nameConstraintsDN1CACRL"],
    ),
    case(
        "4.13.2",
        "Invalid DN nameConstraints Test2",
        &["nameConstraintsDN1CACert"],
        "InvalidDNnameConstraintsTest2EE",
        &["nameConstraintsDN1CACRL"],
    )
    .refused("6.1.3(b)"),
    case(
        "4.13.3",
        "Invalid DN nameConstraints Test3",
        &["nameConstraintsDN1CACert"],
        "InvalidDNnameConstraintsTest3EE",
        &["nameConstraintsDN1CACRL"],
    )
    .refused("6.1.3(b)"),
    case(
        "4.13.4",
        "Valid DN nameConstraints Test4",
        &["nameConstraintsDN1CACert"],
        "ValidDNnameConstraintsTest4EE",
        &["nameConstraintsDN1CACRL"],
    ),
    case(
        "4.13.5",
        "Valid DN nameConstraints Test5",
        &["nameConstraintsDN2CACert"],
        "ValidDNnameConstraintsTest5EE",
        &["nameConstraintsDN2CACRL"],
    ),
    case(
        "4.13.6",
        "Valid DN nameConstraints Test6",
        &["nameConstraintsDN3CACert"],
        "ValidDNnameConstraintsTest6EE",
        &["nameConstraintsDN3CACRL"],
    ),
    case(
        "4.13.7",
        "Invalid DN nameConstraints Test7",
        &["nameConstraintsDN3CACert"],
        "InvalidDNnameConstraintsTest7EE",
        &["nameConstraintsDN3CACRL"],
    )
    .refused("6.1.3(c)"),
    case(
        "4.13.8",
        "Invalid DN nameConstraints Test8",
        &["nameConstraintsDN4CACert"],
        "InvalidDNnameConstraintsTest8EE",
        &["nameConstraintsDN4CACRL"],
    )
    .refused("6.1.3(c)"),
    case(
        "4.13.9",
        "Invalid DN nameConstraints Test9",
        &["nameConstraintsDN4CACert"],
        "InvalidDNnameConstraintsTest9EE",
        &["nameConstraintsDN4CACRL"],
    )
    .refused("6.1.3(c)"),
    case(
        "4.13.10",
        "Invalid DN nameConstraints Test10",
        &["nameConstraintsDN5CACert"],
        "InvalidDNnameConstraintsTest10EE",
        &["nameConstraintsDN5CACRL"],
    )
    .refused("6.1.3(c)"),
    case(
        "4.13.11",
        "Valid DN nameConstraints Test11",
        &["nameConstraintsDN5CACert"],
        "ValidDNnameConstraintsTest11EE",
        &["nameConstraintsDN5CACRL"],
    ),
    case(
        "4.13.12",
        "Invalid DN nameConstraints Test12",
        &["nameConstraintsDN1CACert", "nameConstraintsDN1subCA1Cert"],
        "InvalidDNnameConstraintsTest12EE",
        &["nameConstraintsDN1CACRL", "nameConstraintsDN1subCA1CRL"],
    )
    .refused("6.1.3(b)"),
    case(
        "4.13.13",
        "Invalid DN nameConstraints Test13",
        &["nameConstraintsDN1CACert", "nameConstraintsDN1subCA2Cert"],
        "InvalidDNnameConstraintsTest13EE",
        &["nameConstraintsDN1CACRL", "nameConstraintsDN1subCA2CRL"],
    )
    .refused("6.1.3(b)"),
    case(
        "4.13.14",
        "Valid DN nameConstraints Test14",
        &["nameConstraintsDN1CACert", "nameConstraintsDN1subCA2Cert"],
        "ValidDNnameConstraintsTest14EE",
        &["nameConstraintsDN1CACRL", "nameConstraintsDN1subCA2CRL"],
    ),
    case(
        "4.13.15",
        "Invalid DN nameConstraints Test15",
        &["nameConstraintsDN3CACert", "nameConstraintsDN3subCA1Cert"],
        "InvalidDNnameConstraintsTest15EE",
        &["nameConstraintsDN3CACRL", "nameConstraintsDN3subCA1CRL"],
    )
    .refused("6.1.3(c)"),
    case(
        "4.13.16",
        "Invalid DN nameConstraints Test16",
        &["nameConstraintsDN3CACert", "nameConstraintsDN3subCA1Cert"],
        "InvalidDNnameConstraintsTest16EE",
        &["nameConstraintsDN3CACRL", "nameConstraintsDN3subCA1CRL"],
    )
    .refused("6.1.3(c)"),
    case(
        "4.13.17",
        "Invalid DN nameConstraints Test17",
        &["nameConstraintsDN3CACert", "nameConstraintsDN3subCA2Cert"],
        "InvalidDNnameConstraintsTest17EE",
        &["nameConstraintsDN3CACRL", "nameConstraintsDN3subCA2CRL"],
    )
    .refused("6.1.3(c)"),
    case(
        "4.13.18",
        "Valid DN nameConstraints Test18",
        &["nameConstraintsDN3CACert", "nameConstraintsDN3subCA2Cert"],
        "ValidDNnameConstraintsTest18EE",
        &["nameConstraintsDN3CACRL", "nameConstraintsDN3subCA2CRL"],
    ),
    case(
        "4.13.19",
        "Valid Self-Issued DN nameConstraints Test19",
        &["nameConstraintsDN1CACert", "nameConstraintsDN1SelfIssuedCACert"],
        "ValidDNnameConstraintsTest19EE",
        &["nameConstraintsDN1CACRL"],
    ),
    case(
        "4.13.20",
        "Invalid Self-Issued DN nameConstraints Test20",
        &["nameConstraintsDN1CACert"],
        "InvalidDNnameConstraintsTest20EE",
        &["nameConstraintsDN1CACRL"],
    )
    .refused("6.1.3(b)"),
    case(
        "4.13.21",
        "Valid RFC822 nameConstraints Test21",
        &["nameConstraintsRFC822CA1Cert"],
        "ValidRFC822nameConstraintsTest21EE",
        &["nameConstraintsRFC822CA1CRL"],
    ),
    case(
        "4.13.22",
        "Invalid RFC822 nameConstraints Test22",
        &["nameConstraintsRFC822CA1Cert"],
        "InvalidRFC822nameConstraintsTest22EE",
        &["nameConstraintsRFC822CA1CRL"],
    )
    .refused("6.1.3(b)"),
    case(
        "4.13.23",
        "Valid RFC822 nameConstraints Test23",
        &["nameConstraintsRFC822CA2Cert"],
        "ValidRFC822nameConstraintsTest23EE",
        &["nameConstraintsRFC822CA2CRL"],
    ),
    case(
        "4.13.24",
        "Invalid RFC822 nameConstraints Test24",
        &["nameConstraintsRFC822CA2Cert"],
        "InvalidRFC822nameConstraintsTest24EE",
        &["nameConstraintsRFC822CA2CRL"],
    )
    .refused("6.1.3(b)"),
    case(
        "4.13.25",
        "Valid RFC822 nameConstraints Test25",
        &["nameConstraintsRFC822CA3Cert"],
        "ValidRFC822nameConstraintsTest25EE",
        &["nameConstraintsRFC822CA3CRL"],
    ),
    case(
        "4.13.26",
        "Invalid RFC822 nameConstraints Test26",
        &["nameConstraintsRFC822CA3Cert"],
        "InvalidRFC822nameConstraintsTest26EE",
        &["nameConstraintsRFC822CA3CRL"],
    )
    .refused("6.1.3(c)"),
    case(
        "4.13.27",
        "Valid DN and RFC822 nameConstraints Test27",
        &["nameConstraintsDN1CACert", "nameConstraintsDN1subCA3Cert"],
        "ValidDNandRFC822nameConstraintsTest27EE",
        &["nameConstraintsDN1CACRL", "nameConstraintsDN1subCA3CRL"],
    ),
    case(
        "4.13.28",
        "Invalid DN and RFC822 nameConstraints Test28",
        &["nameConstraintsDN1CACert", "nameConstraintsDN1subCA3Cert"],
        "InvalidDNandRFC822nameConstraintsTest28EE",
        &["nameConstraintsDN1CACRL", "nameConstraintsDN1subCA3CRL"],
    )
    .refused("6.1.3(b)"),
    case(
        "4.13.29",
        "Invalid DN and RFC822 nameConstraints Test29",
        &["nameConstraintsDN1CACert", "nameConstraintsDN1subCA3Cert"],
        "InvalidDNandRFC822nameConstraintsTest29EE",
        &["nameConstraintsDN1CACRL", "nameConstraintsDN1subCA3CRL"],
    )
    .refused("6.1.3(b)"),
    case(
        "4.13.30",
        "Valid DNS nameConstraints Test30",
        &["nameConstraintsDNS1CACert"],
        "ValidDNSnameConstraintsTest30EE",
        &["nameConstraintsDNS1CACRL"],
    ),
    case(
        "4.13.31",
        "Invalid DNS nameConstraints Test31",
        &["nameConstraintsDNS1CACert"],
        "InvalidDNSnameConstraintsTest31EE",
        &["nameConstraintsDNS1CACRL"],
    )
    .refused("6.1.3(b)"),
    case(
        "4.13.32",
        "Valid DNS nameConstraints Test32",
        &["nameConstraintsDNS2CACert"],
        "ValidDNSnameConstraintsTest32EE",
        &["nameConstraintsDNS2CACRL"],
    ),
    case(
        "4.13.33",
        "Invalid DNS nameConstraints Test33",
        &["nameConstraintsDNS2CACert"],
        "InvalidDNSnameConstraintsTest33EE",
        &["nameConstraintsDNS2CACRL"],
    )
    .refused("6.1.3(c)"),
    case(
        "4.13.34",
        "Valid URI nameConstraints Test34",
        &["nameConstraintsURI1CACert"],
        "ValidURInameConstraintsTest34EE",
        &["nameConstraintsURI1CACRL"],
    ),
    case(
        "4.13.35",
        "Invalid URI nameConstraints Test35",
        &["nameConstraintsURI1CACert"],
        "InvalidURInameConstraintsTest35EE",
        &["nameConstraintsURI1CACRL"],
    )
    .refused("6.1.3(b)"),
    case(
        "4.13.36",
        "Valid URI nameConstraints Test36",
        &["nameConstraintsURI2CACert"],
        "ValidURInameConstraintsTest36EE",
        &["nameConstraintsURI2CACRL"],
    ),
    case(
        "4.13.37",
        "Invalid URI nameConstraints Test37",
        &["nameConstraintsURI2CACert"],
        "InvalidURInameConstraintsTest37EE",
        &["nameConstraintsURI2CACRL"],
    )
    .refused("6.1.3(c)"),
    case(
        "4.13.38",
        "Invalid DNS nameConstraints Test38",
        &["nameConstraintsDNS1CACert"],
        "InvalidDNSnameConstraintsTest38EE",
        &["nameConstraintsDNS1CACRL"],
    )
    .refused("6.1.3(b)"),
];
