//! The keys of the PROXY protocol on a listener.

use crate::config::read::Field;
use schemars::JsonSchema;
use serde::Deserialize;

/// The PROXY protocol, versions 1 and 2, by which a TCP balancer says who its clients are.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["from"]))]
pub(in crate::config) struct ProxyProtocol {
    /// The addresses of the balancers, such as `[10.0.0.0/28, 192.0.2.7]`. Nobody else's headers are believed.
    pub(in crate::config) from: Field<Vec<Field<String>>>,
    /// Whether every connection needs a header, so that nobody but a balancer may connect. Default: `true`.
    pub(in crate::config) required: Field<bool>,
}
