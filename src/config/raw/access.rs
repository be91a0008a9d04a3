//! The shape of a route's `allow` and `deny`.

use crate::config::Method;
use crate::config::read::Field;
use schemars::JsonSchema;
use serde::Deserialize;

/// Conditions on a client; at least one.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Access {
    /// Groups of the account.
    pub(in crate::config) groups: Field<Vec<Field<String>>>,
    /// User names of accounts.
    pub(in crate::config) accounts: Field<Vec<Field<String>>>,
    /// Certificate files, or SHA-256 of public keys (`sha256:…`), of authorities on the path of the certificate.
    pub(in crate::config) issuers: Field<Vec<Field<String>>>,
    /// How the client shows who it is.
    pub(in crate::config) methods: Field<Vec<Field<Method>>>,
    /// Where the client comes from: `10.0.0.0/8`, `2001:db8::/32`, `192.0.2.7`.
    pub(in crate::config) addresses: Field<Vec<Field<String>>>,
}
