//! Section 4.8 of the NIST document: certificate policies.

use super::case::{ANY, Case, case};

pub(crate) const CASES: &[Case] = &[
    case(
        "4.8.1/1",
        "All Certificates Same Policy Test1",
        &["GoodCACert"],
        "ValidCertificatePathTest1EE",
        &["GoodCACRL"],
    )
    .explicit()
    .valid_for(&["1"]),
    case(
        "4.8.1/2",
        "All Certificates Same Policy Test1",
        &["GoodCACert"],
        "ValidCertificatePathTest1EE",
        &["GoodCACRL"],
    )
    .user_policies(&["1"])
    .explicit()
    .valid_for(&["1"]),
    case(
        "4.8.1/3",
        "All Certificates Same Policy Test1",
        &["GoodCACert"],
        "ValidCertificatePathTest1EE",
        &["GoodCACRL"],
    )
    .user_policies(&["2"])
    .explicit()
    .refused("6.1.5(g)"),
    case(
        "4.8.1/4",
        "All Certificates Same Policy Test1",
        &["GoodCACert"],
        "ValidCertificatePathTest1EE",
        &["GoodCACRL"],
    )
    .user_policies(&["1", "2"])
    .explicit()
    .valid_for(&["1"]),
    case(
        "4.8.2/1",
        "All Certificates No Policies Test2",
        &["NoPoliciesCACert"],
        "AllCertificatesNoPoliciesTest2EE",
        &["NoPoliciesCACRL"],
    )
    .valid_for(&[]),
    case(
        "4.8.2/2",
        "All Certificates No Policies Test2",
        &["NoPoliciesCACert"],
        "AllCertificatesNoPoliciesTest2EE",
        &["NoPoliciesCACRL"],
    )
    .explicit()
    .refused("6.1.3(f)"),
    case(
        "4.8.3/1",
        "Different Policies Test3",
        &["GoodCACert", "PoliciesP2subCACert"],
        "DifferentPoliciesTest3EE",
        &["GoodCACRL", "PoliciesP2subCACRL"],
    )
    .valid_for(&[]),
    case(
        "4.8.3/2",
        "Different Policies Test3",
        &["GoodCACert", "PoliciesP2subCACert"],
        "DifferentPoliciesTest3EE",
        &["GoodCACRL", "PoliciesP2subCACRL"],
    )
    .explicit()
    .refused("6.1.3(f)"),
    case(
        "4.8.3/3",
        "Different Policies Test3",
        &["GoodCACert", "PoliciesP2subCACert"],
        "DifferentPoliciesTest3EE",
        &["GoodCACRL", "PoliciesP2subCACRL"],
    )
    .user_policies(&["1", "2"])
    .explicit()
    .refused("6.1.3(f)"),
    case(
        "4.8.4",
        "Different Policies Test4",
        &["GoodCACert", "GoodsubCACert"],
        "DifferentPoliciesTest4EE",
        &["GoodCACRL", "GoodsubCACRL"],
    )
    .refused("6.1.3(f)"),
    case(
        "4.8.5",
        "Different Policies Test5",
        &["GoodCACert", "PoliciesP2subCA2Cert"],
        "DifferentPoliciesTest5EE",
        &["GoodCACRL", "PoliciesP2subCA2CRL"],
    )
    .refused("6.1.3(f)"),
    case(
        "4.8.6/1",
        "Overlapping Policies Test6",
        &["PoliciesP1234CACert", "PoliciesP1234subCAP123Cert", "PoliciesP1234subsubCAP123P12Cert"],
        "OverlappingPoliciesTest6EE",
        &["PoliciesP1234CACRL", "PoliciesP1234subCAP123CRL", "PoliciesP1234subsubCAP123P12CRL"],
    )
    .valid_for(&["1"]),
    case(
        "4.8.6/2",
        "Overlapping Policies Test6",
        &["PoliciesP1234CACert", "PoliciesP1234subCAP123Cert", "PoliciesP1234subsubCAP123P12Cert"],
        "OverlappingPoliciesTest6EE",
        &["PoliciesP1234CACRL", "PoliciesP1234subCAP123CRL", "PoliciesP1234subsubCAP123P12CRL"],
    )
    .user_policies(&["1"])
    .valid_for(&["1"]),
    case(
        "4.8.6/3",
        "Overlapping Policies Test6",
        &["PoliciesP1234CACert", "PoliciesP1234subCAP123Cert", "PoliciesP1234subsubCAP123P12Cert"],
        "OverlappingPoliciesTest6EE",
        &["PoliciesP1234CACRL", "PoliciesP1234subCAP123CRL", "PoliciesP1234subsubCAP123P12CRL"],
    )
    .user_policies(&["2"])
    .refused("6.1.5(g)"),
    case(
        "4.8.7",
        "Different Policies Test7",
        &["PoliciesP123CACert", "PoliciesP123subCAP12Cert", "PoliciesP123subsubCAP12P1Cert"],
        "DifferentPoliciesTest7EE",
        &["PoliciesP123CACRL", "PoliciesP123subCAP12CRL", "PoliciesP123subsubCAP12P1CRL"],
    )
    .refused("6.1.3(f)"),
    case(
        "4.8.8",
        "Different Policies Test8",
        &["PoliciesP12CACert", "PoliciesP12subCAP1Cert", "PoliciesP12subsubCAP1P2Cert"],
        "DifferentPoliciesTest8EE",
        &["PoliciesP12CACRL", "PoliciesP12subCAP1CRL", "PoliciesP12subsubCAP1P2CRL"],
    )
    .refused("6.1.3(f)"),
    case(
        "4.8.9",
        "Different Policies Test9",
        &[
            "PoliciesP123CACert",
            "PoliciesP123subCAP12Cert",
            "PoliciesP123subsubCAP12P2Cert",
            "PoliciesP123subsubsubCAP12P2P1Cert",
        ],
        "DifferentPoliciesTest9EE",
        &[
            "PoliciesP123CACRL",
            "PoliciesP123subCAP12CRL",
            "PoliciesP123subsubCAP2P2CRL",
            "PoliciesP123subsubsubCAP12P2P1CRL",
        ],
    )
    .refused("6.1.3(f)"),
    case(
        "4.8.10/1",
        "All Certificates Same Policies Test10",
        &["PoliciesP12CACert"],
        "AllCertificatesSamePoliciesTest10EE",
        &["PoliciesP12CACRL"],
    )
    .valid_for(&["1", "2"]),
    case(
        "4.8.10/2",
        "All Certificates Same Policies Test10",
        &["PoliciesP12CACert"],
        "AllCertificatesSamePoliciesTest10EE",
        &["PoliciesP12CACRL"],
    )
    .user_policies(&["1"])
    .valid_for(&["1"]),
    case(
        "4.8.10/3",
        "All Certificates Same Policies Test10",
        &["PoliciesP12CACert"],
        "AllCertificatesSamePoliciesTest10EE",
        &["PoliciesP12CACRL"],
    )
    .user_policies(&["2"])
    .valid_for(&["2"]),
    case(
        "4.8.11/1",
        "All Certificates AnyPolicy Test11",
        &["anyPolicyCACert"],
        "AllCertificatesanyPolicyTest11EE",
        &["anyPolicyCACRL"],
    )
    .valid_for(&[ANY]),
    case(
        "4.8.11/2",
        "All Certificates AnyPolicy Test11",
        &["anyPolicyCACert"],
        "AllCertificatesanyPolicyTest11EE",
        &["anyPolicyCACRL"],
    )
    .user_policies(&["1"])
    .valid_for(&["1"]),
    case(
        "4.8.12",
        "Different Policies Test12",
        &["PoliciesP3CACert"],
        "DifferentPoliciesTest12EE",
        &["PoliciesP3CACRL"],
    )
    .refused("6.1.3(f)"),
    case(
        "4.8.13/1",
        "All Certificates Same Policies Test13",
        &["PoliciesP123CACert"],
        "AllCertificatesSamePoliciesTest13EE",
        &["PoliciesP123CACRL"],
    )
    .user_policies(&["1"])
    .valid_for(&["1"]),
    case(
        "4.8.13/2",
        "All Certificates Same Policies Test13",
        &["PoliciesP123CACert"],
        "AllCertificatesSamePoliciesTest13EE",
        &["PoliciesP123CACRL"],
    )
    .user_policies(&["2"])
    .valid_for(&["2"]),
    case(
        "4.8.13/3",
        "All Certificates Same Policies Test13",
        &["PoliciesP123CACert"],
        "AllCertificatesSamePoliciesTest13EE",
        &["PoliciesP123CACRL"],
    )
    .user_policies(&["3"])
    .valid_for(&["3"]),
    case("4.8.14/1", "AnyPolicy Test14", &["anyPolicyCACert"], "AnyPolicyTest14EE", &["anyPolicyCACRL"])
        .user_policies(&["1"])
        .valid_for(&["1"]),
    case("4.8.14/2", "AnyPolicy Test14", &["anyPolicyCACert"], "AnyPolicyTest14EE", &["anyPolicyCACRL"])
        .user_policies(&["2"])
        .refused("6.1.5(g)"),
    case("4.8.15", "User Notice Qualifier Test15", &[], "UserNoticeQualifierTest15EE", &[]).valid_for(&["1"]),
    case("4.8.16", "User Notice Qualifier Test16", &["GoodCACert"], "UserNoticeQualifierTest16EE", &["GoodCACRL"])
        .valid_for(&["1"]),
    case("4.8.17", "User Notice Qualifier Test17", &["GoodCACert"], "UserNoticeQualifierTest17EE", &["GoodCACRL"])
        .valid_for(&["1"]),
    case(
        "4.8.18/1",
        "User Notice Qualifier Test18",
        &["PoliciesP12CACert"],
        "UserNoticeQualifierTest18EE",
        &["PoliciesP12CACRL"],
    )
    .user_policies(&["1"])
    .valid_for(&["1"]),
    case(
        "4.8.18/2",
        "User Notice Qualifier Test18",
        &["PoliciesP12CACert"],
        "UserNoticeQualifierTest18EE",
        &["PoliciesP12CACRL"],
    )
    .user_policies(&["2"])
    .valid_for(&["2"]),
    case("4.8.19", "User Notice Qualifier Test19", &[], "UserNoticeQualifierTest19EE", &[]).valid_for(&["1"]),
    case("4.8.20", "CPS Pointer Qualifier Test20", &["GoodCACert"], "CPSPointerQualifierTest20EE", &["GoodCACRL"])
        .user_policies(&["1"])
        .explicit()
        .valid_for(&["1"]),
];
