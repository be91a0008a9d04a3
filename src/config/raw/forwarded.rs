//! The keys of HTTP proxies before a listener.

use crate::config::ForwardedHeader;
use crate::config::read::Field;
use schemars::JsonSchema;
use serde::Deserialize;

/// HTTP proxies before the listener, which say in a header who their clients are.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["from"]))]
pub(in crate::config) struct Forwarded {
    /// The addresses of the proxies, such as `[10.0.0.0/28, 192.0.2.7]`. What anybody else says is not read.
    pub(in crate::config) from: Field<Vec<Field<String>>>,
    /// The header that they add their client's address to. Default: `X-Forwarded-For`.
    pub(in crate::config) header: Field<ForwardedHeader>,
}
