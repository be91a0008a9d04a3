//! Section 4.14 of the NIST document: distribution points.

use super::case::{Case, case};
use wicketgate::revocation::crl::RevocationReason::{AffiliationChanged, CertificateHold, KeyCompromise};

pub(crate) const CASES: &[Case] = &[
    case(
        "4.14.1",
        "Valid distributionPoint Test1",
        &["distributionPoint1CACert"],
        "ValiddistributionPointTest1EE",
        &["distributionPoint1CACRL"],
    ),
    case(
        "4.14.2",
        "Invalid distributionPoint Test2",
        &["distributionPoint1CACert"],
        "InvaliddistributionPointTest2EE",
        &["distributionPoint1CACRL"],
    )
    .revoked(KeyCompromise),
    case(
        "4.14.3",
        "Invalid distributionPoint Test3",
        &["distributionPoint1CACert"],
        "InvaliddistributionPointTest3EE",
        &["distributionPoint1CACRL"],
    )
    .unknown(),
    case(
        "4.14.4",
        "Valid distributionPoint Test4",
        &["distributionPoint1CACert"],
        "ValiddistributionPointTest4EE",
        &["distributionPoint1CACRL"],
    ),
    case(
        "4.14.5",
        "Valid distributionPoint Test5",
        &["distributionPoint2CACert"],
        "ValiddistributionPointTest5EE",
        &["distributionPoint2CACRL"],
    ),
    case(
        "4.14.6",
        "Invalid distributionPoint Test6",
        &["distributionPoint2CACert"],
        "InvaliddistributionPointTest6EE",
        &["distributionPoint2CACRL"],
    )
    .revoked(KeyCompromise),
    case(
        "4.14.7",
        "Valid distributionPoint Test7",
        &["distributionPoint2CACert"],
        "ValiddistributionPointTest7EE",
        &["distributionPoint2CACRL"],
    ),
    case(
        "4.14.8",
        "Invalid distributionPoint Test8",
        &["distributionPoint2CACert"],
        "InvaliddistributionPointTest8EE",
        &["distributionPoint2CACRL"],
    )
    .unknown(),
    case(
        "4.14.9",
        "Invalid distributionPoint Test9",
        &["distributionPoint2CACert"],
        "InvaliddistributionPointTest9EE",
        &["distributionPoint2CACRL"],
    )
    .unknown(),
    case(
        "4.14.10",
        "Valid No issuingDistributionPoint Test10",
        &["NoissuingDistributionPointCACert"],
        "ValidNoissuingDistributionPointTest10EE",
        &["NoissuingDistributionPointCACRL"],
    ),
    case(
        "4.14.11",
        "Invalid onlyContainsUserCerts CRL Test11",
        &["onlyContainsUserCertsCACert"],
        "InvalidonlyContainsUserCertsTest11EE",
        &["onlyContainsUserCertsCACRL"],
    )
    .unknown(),
    case(
        "4.14.12",
        "Invalid onlyContainsCACerts CRL Test12",
        &["onlyContainsCACertsCACert"],
        "InvalidonlyContainsCACertsTest12EE",
        &["onlyContainsCACertsCACRL"],
    )
    .unknown(),
    case(
        "4.14.13",
        "Valid onlyContainsCACerts CRL Test13",
        &["onlyContainsCACertsCACert"],
        "ValidonlyContainsCACertsTest13EE",
        &["onlyContainsCACertsCACRL"],
    ),
    case(
        "4.14.14",
        "Invalid onlyContainsAttributeCerts Test14",
        &["onlyContainsAttributeCertsCACert"],
        "InvalidonlyContainsAttributeCertsTest14EE",
        &["onlyContainsAttributeCertsCACRL"],
    )
    .unknown(),
    case(
        "4.14.15",
        "Invalid onlySomeReasons Test15",
        &["onlySomeReasonsCA1Cert"],
        "InvalidonlySomeReasonsTest15EE",
        &["onlySomeReasonsCA1compromiseCRL", "onlySomeReasonsCA1otherreasonsCRL"],
    )
    .revoked(KeyCompromise),
    case(
        "4.14.16",
        "Invalid onlySomeReasons Test16",
        &["onlySomeReasonsCA1Cert"],
        "InvalidonlySomeReasonsTest16EE",
        &["onlySomeReasonsCA1compromiseCRL", "onlySomeReasonsCA1otherreasonsCRL"],
    )
    .revoked(CertificateHold),
    case(
        "4.14.17",
        "Invalid onlySomeReasons Test17",
        &["onlySomeReasonsCA2Cert"],
        "InvalidonlySomeReasonsTest17EE",
        &["onlySomeReasonsCA2CRL1", "onlySomeReasonsCA2CRL2"],
    )
    .unknown(),
    case(
        "4.14.18",
        "Valid onlySomeReasons Test18",
        &["onlySomeReasonsCA3Cert"],
        "ValidonlySomeReasonsTest18EE",
        &["onlySomeReasonsCA3compromiseCRL", "onlySomeReasonsCA3otherreasonsCRL"],
    ),
    case(
        "4.14.19",
        "Valid onlySomeReasons Test19",
        &["onlySomeReasonsCA4Cert"],
        "ValidonlySomeReasonsTest19EE",
        &["onlySomeReasonsCA4compromiseCRL", "onlySomeReasonsCA4otherreasonsCRL"],
    ),
    case(
        "4.14.20",
        "Invalid onlySomeReasons Test20",
        &["onlySomeReasonsCA4Cert"],
        "InvalidonlySomeReasonsTest20EE",
        &["onlySomeReasonsCA4compromiseCRL", "onlySomeReasonsCA4otherreasonsCRL"],
    )
    .revoked(KeyCompromise),
    case(
        "4.14.21",
        "Invalid onlySomeReasons Test21",
        &["onlySomeReasonsCA4Cert"],
        "InvalidonlySomeReasonsTest21EE",
        &["onlySomeReasonsCA4compromiseCRL", "onlySomeReasonsCA4otherreasonsCRL"],
    )
    .revoked(AffiliationChanged),
    case(
        "4.14.22",
        "Valid IDP with indirectCRL Test22",
        &["indirectCRLCA1Cert"],
        "ValidIDPwithindirectCRLTest22EE",
        &["indirectCRLCA1CRL"],
    ),
    case(
        "4.14.23",
        "Invalid IDP with indirectCRL Test23",
        &["indirectCRLCA1Cert"],
        "InvalidIDPwithindirectCRLTest23EE",
        &["indirectCRLCA1CRL"],
    )
    .revoked(KeyCompromise),
    case(
        "4.14.24",
        "Valid IDP with indirectCRL Test24",
        &["indirectCRLCA2Cert", "indirectCRLCA1Cert"],
        "ValidIDPwithindirectCRLTest24EE",
        &["indirectCRLCA1CRL"],
    ),
    case(
        "4.14.25",
        "Valid IDP with indirectCRL Test25",
        &["indirectCRLCA2Cert", "indirectCRLCA1Cert"],
        "ValidIDPwithindirectCRLTest25EE",
        &["indirectCRLCA1CRL"],
    ),
    case(
        "4.14.26",
        "Invalid IDP with indirectCRL Test26",
        &["indirectCRLCA2Cert", "indirectCRLCA1Cert"],
        "InvalidIDPwithindirectCRLTest26EE",
        &["indirectCRLCA1CRL"],
    )
    .unknown(),
    case(
        "4.14.27",
        "Invalid cRLIssuer Test27",
        &["indirectCRLCA2Cert", "GoodCACert"],
        "InvalidcRLIssuerTest27EE",
        &["GoodCACRL"],
    )
    .unknown(),
    case(
        "4.14.28",
        "Valid cRLIssuer Test28",
        &["indirectCRLCA3Cert", "indirectCRLCA3cRLIssuerCert"],
        "ValidcRLIssuerTest28EE",
        &["indirectCRLCA3CRL", "indirectCRLCA3cRLIssuerCRL"],
    ),
    case(
        "4.14.29",
        "Valid cRLIssuer Test29",
        &["indirectCRLCA3Cert", "indirectCRLCA3cRLIssuerCert"],
        "ValidcRLIssuerTest29EE",
        &["indirectCRLCA3CRL", "indirectCRLCA3cRLIssuerCRL"],
    ),
    case(
        "4.14.30",
        "Valid cRLIssuer Test30",
        &["indirectCRLCA4Cert", "indirectCRLCA4cRLIssuerCert"],
        "ValidcRLIssuerTest30EE",
        &["indirectCRLCA4cRLIssuerCRL"],
    ),
    case(
        "4.14.31",
        "Invalid cRLIssuer Test31",
        &["indirectCRLCA5Cert", "indirectCRLCA6Cert"],
        "InvalidcRLIssuerTest31EE",
        &["indirectCRLCA5CRL"],
    )
    .revoked(KeyCompromise),
    case(
        "4.14.32",
        "Invalid cRLIssuer Test32",
        &["indirectCRLCA5Cert", "indirectCRLCA6Cert"],
        "InvalidcRLIssuerTest32EE",
        &["indirectCRLCA5CRL"],
    )
    .revoked(KeyCompromise),
    case(
        "4.14.33",
        "Valid cRLIssuer Test33",
        &["indirectCRLCA5Cert", "indirectCRLCA6Cert"],
        "ValidcRLIssuerTest33EE",
        &["indirectCRLCA5CRL"],
    ),
    case(
        "4.14.34",
        "Invalid cRLIssuer Test34",
        &["indirectCRLCA5Cert"],
        "InvalidcRLIssuerTest34EE",
        &["indirectCRLCA5CRL"],
    )
    .revoked(KeyCompromise),
    case(
        "4.14.35",
        "Invalid cRLIssuer Test35",
        &["indirectCRLCA5Cert"],
        "InvalidcRLIssuerTest35EE",
        &["indirectCRLCA5CRL"],
    )
    .unknown(),
];
