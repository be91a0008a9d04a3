//! Section 4.4 of the NIST document: basic revocation.

use super::case::{Case, case};
use wicketgate::revocation::crl::RevocationReason::KeyCompromise;

pub(crate) const CASES: &[Case] = &[
    case("4.4.1", "Missing CRL Test1", &["NoCRLCACert"], "InvalidMissingCRLTest1EE", &[]).unknown(),
    case(
        "4.4.2",
        "Invalid Revoked CA Test2",
        &["GoodCACert", "RevokedsubCACert"],
        "InvalidRevokedCATest2EE",
        &["GoodCACRL", "RevokedsubCACRL"],
    )
    .revoked(KeyCompromise),
    case("4.4.3", "Invalid Revoked EE Test3", &["GoodCACert"], "InvalidRevokedEETest3EE", &["GoodCACRL"])
        .revoked(KeyCompromise),
    case(
        "4.4.4",
        "Invalid Bad CRL Signature Test4",
        &["BadCRLSignatureCACert"],
        "InvalidBadCRLSignatureTest4EE",
        &["BadCRLSignatureCACRL"],
    )
    .unknown(),
    case(
        "4.4.5",
        "Invalid Bad CRL Issuer Name Test5",
        &["BadCRLIssuerNameCACert"],
        "InvalidBadCRLIssuerNameTest5EE",
        &["BadCRLIssuerNameCACRL"],
    )
    .unknown(),
    case("4.4.6", "Invalid Wrong CRL Test6", &["WrongCRLCACert"], "InvalidWrongCRLTest6EE", &["WrongCRLCACRL"])
        .unknown(),
    case(
        "4.4.7",
        "Valid Two CRLs Test7",
        &["TwoCRLsCACert"],
        "ValidTwoCRLsTest7EE",
        &["TwoCRLsCAGoodCRL", "TwoCRLsCABadCRL"],
    ),
    case(
        "4.4.8",
        "Invalid Unknown CRL Entry Extension Test8",
        &["UnknownCRLEntryExtensionCACert"],
        "InvalidUnknownCRLEntryExtensionTest8EE",
        &["UnknownCRLEntryExtensionCACRL"],
    )
    .unknown(),
    case(
        "4.4.9",
        "Invalid Unknown CRL Extension Test9",
        &["UnknownCRLExtensionCACert"],
        "InvalidUnknownCRLExtensionTest9EE",
        &["UnknownCRLExtensionCACRL"],
    )
    .unknown(),
    case(
        "4.4.10",
        "Invalid Unknown CRL Extension Test10",
        &["UnknownCRLExtensionCACert"],
        "InvalidUnknownCRLExtensionTest10EE",
        &["UnknownCRLExtensionCACRL"],
    )
    .unknown(),
    case(
        "4.4.11",
        "Invalid Old CRL nextUpdate Test11",
        &["OldCRLnextUpdateCACert"],
        "InvalidOldCRLnextUpdateTest11EE",
        &["OldCRLnextUpdateCACRL"],
    )
    .unknown(),
    case(
        "4.4.12",
        "Invalid pre2000 CRL nextUpdate Test12",
        &["pre2000CRLnextUpdateCACert"],
        "Invalidpre2000CRLnextUpdateTest12EE",
        &["pre2000CRLnextUpdateCACRL"],
    )
    .unknown(),
    case(
        "4.4.13",
        "Valid GeneralizedTime CRL nextUpdate Test13",
        &["GeneralizedTimeCRLnextUpdateCACert"],
        "ValidGeneralizedTimeCRLnextUpdateTest13EE",
        &["GeneralizedTimeCRLnextUpdateCACRL"],
    ),
    case(
        "4.4.14",
        "Valid Negative Serial Number Test14",
        &["NegativeSerialNumberCACert"],
        "ValidNegativeSerialNumberTest14EE",
        &["NegativeSerialNumberCACRL"],
    ),
    case(
        "4.4.15",
        "Invalid Negative Serial Number Test15",
        &["NegativeSerialNumberCACert"],
        "InvalidNegativeSerialNumberTest15EE",
        &["NegativeSerialNumberCACRL"],
    )
    .revoked(KeyCompromise),
    case(
        "4.4.16",
        "Valid Long Serial Number Test16",
        &["LongSerialNumberCACert"],
        "ValidLongSerialNumberTest16EE",
        &["LongSerialNumberCACRL"],
    ),
    case(
        "4.4.17",
        "Valid Long Serial Number Test17",
        &["LongSerialNumberCACert"],
        "ValidLongSerialNumberTest17EE",
        &["LongSerialNumberCACRL"],
    ),
    case(
        "4.4.18",
        "Invalid Long Serial Number Test18",
        &["LongSerialNumberCACert"],
        "InvalidLongSerialNumberTest18EE",
        &["LongSerialNumberCACRL"],
    )
    .revoked(KeyCompromise),
    case(
        "4.4.19",
        "Valid Separate Certificate and CRL Keys Test19",
        &["SeparateCertificateandCRLKeysCertificateSigningCACert", "SeparateCertificateandCRLKeysCRLSigningCert"],
        "ValidSeparateCertificateandCRLKeysTest19EE",
        &["SeparateCertificateandCRLKeysCRL"],
    ),
    case(
        "4.4.20",
        "Invalid Separate Certificate and CRL Keys Test20",
        &["SeparateCertificateandCRLKeysCertificateSigningCACert", "SeparateCertificateandCRLKeysCRLSigningCert"],
        "InvalidSeparateCertificateandCRLKeysTest20EE",
        &["SeparateCertificateandCRLKeysCRL"],
    )
    .revoked(KeyCompromise),
    case(
        "4.4.21",
        "Invalid Separate Certificate and CRL Keys Test21",
        &["SeparateCertificateandCRLKeysCA2CertificateSigningCACert", "SeparateCertificateandCRLKeysCA2CRLSigningCert"],
        "InvalidSeparateCertificateandCRLKeysTest21EE",
        &["SeparateCertificateandCRLKeysCA2CRL"],
    )
    .unknown(),
];
