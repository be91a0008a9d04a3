//! The databases: pools, dialects, migrations. What the rows mean is `account`'s and `revocation`'s business.
