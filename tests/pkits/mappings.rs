//! Section 4.10 of the NIST document: policy mappings.

use super::case::{Case, case};

pub(crate) const CASES: &[Case] = &[
    case(
        "4.10.1/1",
        "Valid Policy Mapping Test1",
        &["Mapping1to2CACert"],
        "ValidPolicyMappingTest1EE",
        &["Mapping1to2CACRL"],
    )
    .user_policies(&["1"])
    .valid_for(&["1"]),
    case(
        "4.10.1/2",
        "Valid Policy Mapping Test1",
        &["Mapping1to2CACert"],
        "ValidPolicyMappingTest1EE",
        &["Mapping1to2CACRL"],
    )
    .user_policies(&["2"])
    .refused("6.1.5(g)"),
    case(
        "4.10.1/3",
        "Valid Policy Mapping Test1",
        &["Mapping1to2CACert"],
        "ValidPolicyMappingTest1EE",
        &["Mapping1to2CACRL"],
    )
    .without_mapping()
    .refused("6.1.3(f)"),
    case(
        "4.10.2/1",
        "Invalid Policy Mapping Test2",
        &["Mapping1to2CACert"],
        "InvalidPolicyMappingTest2EE",
        &["Mapping1to2CACRL"],
    )
    .refused("6.1.3(f)"),
    case(
        "4.10.2/2",
        "Invalid Policy Mapping Test2",
        &["Mapping1to2CACert"],
        "InvalidPolicyMappingTest2EE",
        &["Mapping1to2CACRL"],
    )
    .without_mapping()
    .refused("6.1.3(f)"),
    case(
        "4.10.3/1",
        "Valid Policy Mapping Test3",
        &["P12Mapping1to3CACert", "P12Mapping1to3subCACert", "P12Mapping1to3subsubCACert"],
        "ValidPolicyMappingTest3EE",
        &["P12Mapping1to3CACRL", "P12Mapping1to3subCACRL", "P12Mapping1to3subsubCACRL"],
    )
    .user_policies(&["1"])
    .refused("6.1.5(g)"),
    case(
        "4.10.3/2",
        "Valid Policy Mapping Test3",
        &["P12Mapping1to3CACert", "P12Mapping1to3subCACert", "P12Mapping1to3subsubCACert"],
        "ValidPolicyMappingTest3EE",
        &["P12Mapping1to3CACRL", "P12Mapping1to3subCACRL", "P12Mapping1to3subsubCACRL"],
    )
    .user_policies(&["2"])
    .valid_for(&["2"]),
    case(
        "4.10.4",
        "Invalid Policy Mapping Test4",
        &["P12Mapping1to3CACert", "P12Mapping1to3subCACert", "P12Mapping1to3subsubCACert"],
        "InvalidPolicyMappingTest4EE",
        &["P12Mapping1to3CACRL", "P12Mapping1to3subCACRL", "P12Mapping1to3subsubCACRL"],
    )
    .refused("6.1.3(f)"),
    case(
        "4.10.5/1",
        "Valid Policy Mapping Test5",
        &["P1Mapping1to234CACert", "P1Mapping1to234subCACert"],
        "ValidPolicyMappingTest5EE",
        &["P1Mapping1to234CACRL", "P1Mapping1to234subCACRL"],
    )
    .user_policies(&["1"])
    .valid_for(&["1"]),
    case(
        "4.10.5/2",
        "Valid Policy Mapping Test5",
        &["P1Mapping1to234CACert", "P1Mapping1to234subCACert"],
        "ValidPolicyMappingTest5EE",
        &["P1Mapping1to234CACRL", "P1Mapping1to234subCACRL"],
    )
    .user_policies(&["6"])
    .refused("6.1.5(g)"),
    case(
        "4.10.6/1",
        "Valid Policy Mapping Test6",
        &["P1Mapping1to234CACert", "P1Mapping1to234subCACert"],
        "ValidPolicyMappingTest6EE",
        &["P1Mapping1to234CACRL", "P1Mapping1to234subCACRL"],
    )
    .user_policies(&["1"])
    .valid_for(&["1"]),
    case(
        "4.10.6/2",
        "Valid Policy Mapping Test6",
        &["P1Mapping1to234CACert", "P1Mapping1to234subCACert"],
        "ValidPolicyMappingTest6EE",
        &["P1Mapping1to234CACRL", "P1Mapping1to234subCACRL"],
    )
    .user_policies(&["6"])
    .refused("6.1.5(g)"),
    case(
        "4.10.7",
        "Invalid Mapping From anyPolicy Test7",
        &["MappingFromanyPolicyCACert"],
        "InvalidMappingFromanyPolicyTest7EE",
        &["MappingFromanyPolicyCACRL"],
    )
    .refused("6.1.4(a)"),
    case(
        "4.10.8",
        "Invalid Mapping To anyPolicy Test8",
        &["MappingToanyPolicyCACert"],
        "InvalidMappingToanyPolicyTest8EE",
        &["MappingToanyPolicyCACRL"],
    )
    .refused("6.1.4(a)"),
    case(
        "4.10.9",
        "Valid Policy Mapping Test9",
        &["PanyPolicyMapping1to2CACert"],
        "ValidPolicyMappingTest9EE",
        &["PanyPolicyMapping1to2CACRL"],
    )
    .valid_for(&["1"]),
    case(
        "4.10.10",
        "Invalid Policy Mapping Test10",
        &["GoodCACert", "GoodsubCAPanyPolicyMapping1to2CACert"],
        "InvalidPolicyMappingTest10EE",
        &["GoodCACRL", "GoodsubCAPanyPolicyMapping1to2CACRL"],
    )
    .refused("6.1.3(f)"),
    case(
        "4.10.11",
        "Valid Policy Mapping Test11",
        &["GoodCACert", "GoodsubCAPanyPolicyMapping1to2CACert"],
        "ValidPolicyMappingTest11EE",
        &["GoodCACRL", "GoodsubCAPanyPolicyMapping1to2CACRL"],
    )
    .valid_for(&["1"]),
    case(
        "4.10.12/1",
        "Valid Policy Mapping Test12",
        &["P12Mapping1to3CACert"],
        "ValidPolicyMappingTest12EE",
        &["P12Mapping1to3CACRL"],
    )
    .user_policies(&["1"])
    .valid_for(&["1"]),
    case(
        "4.10.12/2",
        "Valid Policy Mapping Test12",
        &["P12Mapping1to3CACert"],
        "ValidPolicyMappingTest12EE",
        &["P12Mapping1to3CACRL"],
    )
    .user_policies(&["2"])
    .valid_for(&["2"]),
    case(
        "4.10.13/1",
        "Valid Policy Mapping Test13",
        &["P1anyPolicyMapping1to2CACert"],
        "ValidPolicyMappingTest13EE",
        &["P1anyPolicyMapping1to2CACRL"],
    )
    .valid_for(&["1"]),
    case(
        "4.10.13/2",
        "Valid Policy Mapping Test13",
        &["P1anyPolicyMapping1to2CACert"],
        "ValidPolicyMappingTest13EE",
        &["P1anyPolicyMapping1to2CACRL"],
    )
    .user_policies(&["1", "2"])
    .valid_for(&["1"]),
    case(
        "4.10.13/3",
        "Valid Policy Mapping Test13",
        &["P1anyPolicyMapping1to2CACert"],
        "ValidPolicyMappingTest13EE",
        &["P1anyPolicyMapping1to2CACRL"],
    )
    .user_policies(&["2"])
    .refused("6.1.5(g)"),
    case(
        "4.10.14",
        "Valid Policy Mapping Test14",
        &["P1anyPolicyMapping1to2CACert"],
        "ValidPolicyMappingTest14EE",
        &["P1anyPolicyMapping1to2CACRL"],
    )
    .valid_for(&["1"]),
];
