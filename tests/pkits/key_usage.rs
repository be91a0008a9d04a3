//! Section 4.7 of the NIST document: key usage.

use super::case::{Case, case};

pub(crate) const CASES: &[Case] = &[
    case(
        "4.7.1",
        "Invalid keyUsage Critical keyCertSign False Test1",
        &["keyUsageCriticalkeyCertSignFalseCACert"],
        "InvalidkeyUsageCriticalkeyCertSignFalseTest1EE",
        &["keyUsageCriticalkeyCertSignFalseCACRL"],
    )
    .refused("6.1.4(n)"),
    case(
        "4.7.2",
        "Invalid keyUsage Not Critical keyCertSign False Test2",
        &["keyUsageNotCriticalkeyCertSignFalseCACert"],
        "InvalidkeyUsageNotCriticalkeyCertSignFalseTest2EE",
        &["keyUsageNotCriticalkeyCertSignFalseCACRL"],
    )
    .refused("6.1.4(n)"),
    case(
        "4.7.3",
        "Valid keyUsage Not Critical Test3",
        &["keyUsageNotCriticalCACert"],
        "ValidkeyUsageNotCriticalTest3EE",
        &["keyUsageNotCriticalCACRL"],
    ),
    case(
        "4.7.4",
        "Invalid keyUsage Critical cRLSign False Test4",
        &["keyUsageCriticalcRLSignFalseCACert"],
        "InvalidkeyUsageCriticalcRLSignFalseTest4EE",
        &["keyUsageCriticalcRLSignFalseCACRL"],
    )
    .unknown(),
    case(
        "4.7.5",
        "Invalid keyUsage Not Critical cRLSign False Test5",
        &["keyUsageNotCriticalcRLSignFalseCACert"],
        "InvalidkeyUsageNotCriticalcRLSignFalseTest5EE",
        &["keyUsageNotCriticalcRLSignFalseCACRL"],
    )
    .unknown(),
];
