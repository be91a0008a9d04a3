//! Section 4.2 of the NIST document: validity periods.

use super::case::{Case, case};

pub(crate) const CASES: &[Case] = &[
    case(
        "4.2.1",
        "Invalid CA notBefore Date Test1",
        &["BadnotBeforeDateCACert"],
        "InvalidCAnotBeforeDateTest1EE",
        &["BadnotBeforeDateCACRL"],
    )
    .refused("6.1.3(a)(2)"),
    case("4.2.2", "Invalid EE notBefore Date Test2", &["GoodCACert"], "InvalidEEnotBeforeDateTest2EE", &["GoodCACRL"])
        .refused("6.1.3(a)(2)"),
    case(
        "4.2.3",
        "Valid pre2000 UTC notBefore Date Test3",
        &["GoodCACert"],
        "Validpre2000UTCnotBeforeDateTest3EE",
        &["GoodCACRL"],
    ),
    case(
        "4.2.4",
        "Valid GeneralizedTime notBefore Date Test4",
        &["GoodCACert"],
        "ValidGeneralizedTimenotBeforeDateTest4EE",
        &["GoodCACRL"],
    ),
    case(
        "4.2.5",
        "Invalid CA notAfter Date Test5",
        &["BadnotAfterDateCACert"],
        "InvalidCAnotAfterDateTest5EE",
        &["BadnotAfterDateCACRL"],
    )
    .refused("6.1.3(a)(2)"),
    case("4.2.6", "Invalid EE notAfter Date Test6", &["GoodCACert"], "InvalidEEnotAfterDateTest6EE", &["GoodCACRL"])
        .refused("6.1.3(a)(2)"),
    case(
        "4.2.7",
        "Invalid pre2000 UTC EE notAfter Date Test7",
        &["GoodCACert"],
        "Invalidpre2000UTCEEnotAfterDateTest7EE",
        &["GoodCACRL"],
    )
    .refused("6.1.3(a)(2)"),
    case(
        "4.2.8",
        "Valid GeneralizedTime notAfter Date Test8",
        &["GoodCACert"],
        "ValidGeneralizedTimenotAfterDateTest8EE",
        &["GoodCACRL"],
    ),
];
