//! Section 4.3 of the NIST document: names that chain.

use super::case::{Case, case};

pub(crate) const CASES: &[Case] = &[
    case("4.3.1", "Invalid Name Chaining EE Test1", &["GoodCACert"], "InvalidNameChainingTest1EE", &["GoodCACRL"])
        .refused("6.1.3(a)(4)"),
    case(
        "4.3.2",
        "Invalid Name Chaining Order Test2",
        &["NameOrderingCACert"],
        "InvalidNameChainingOrderTest2EE",
        &["NameOrderCACRL"],
    )
    .refused("6.1.3(a)(4)"),
    case(
        "4.3.3",
        "Valid Name Chaining Whitespace Test3",
        &["GoodCACert"],
        "ValidNameChainingWhitespaceTest3EE",
        &["GoodCACRL"],
    ),
    case(
        "4.3.4",
        "Valid Name Chaining Whitespace Test4",
        &["GoodCACert"],
        "ValidNameChainingWhitespaceTest4EE",
        &["GoodCACRL"],
    ),
    case(
        "4.3.5",
        "Valid Name Chaining Capitalization Test5",
        &["GoodCACert"],
        "ValidNameChainingCapitalizationTest5EE",
        &["GoodCACRL"],
    ),
    case("4.3.6", "Valid Name Chaining UIDs Test6", &["UIDCACert"], "ValidNameUIDsTest6EE", &["UIDCACRL"]),
    case(
        "4.3.7",
        "Valid RFC3280 Mandatory Attribute Types Test7",
        &["RFC3280MandatoryAttributeTypesCACert"],
        "ValidRFC3280MandatoryAttributeTypesTest7EE",
        &["RFC3280MandatoryAttributeTypesCACRL"],
    ),
    case(
        "4.3.8",
        "Valid RFC3280 Optional Attribute Types Test8",
        &["RFC3280OptionalAttributeTypesCACert"],
        "ValidRFC3280OptionalAttributeTypesTest8EE",
        &["RFC3280OptionalAttributeTypesCACRL"],
    ),
    case(
        "4.3.9",
        "Valid UTF8String Encoded Names Test9",
        &["UTF8StringEncodedNamesCACert"],
        "ValidUTF8StringEncodedNamesTest9EE",
        &["UTF8StringEncodedNamesCACRL"],
    ),
    case(
        "4.3.10",
        "Valid Rollover from PrintableString to UTF8String Test10",
        &["RolloverfromPrintableStringtoUTF8StringCACert"],
        "ValidRolloverfromPrintableStringtoUTF8StringTest10EE",
        &["RolloverfromPrintableStringtoUTF8StringCACRL"],
    ),
    case(
        "4.3.11",
        "Valid UTF8String Case Insensitive Match Test11",
        &["UTF8StringCaseInsensitiveMatchCACert"],
        "ValidUTF8StringCaseInsensitiveMatchTest11EE",
        &["UTF8StringCaseInsensitiveMatchCACRL"],
    ),
];
