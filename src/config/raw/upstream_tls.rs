//! The shape of an upstream's `tls`.

use crate::config::read::Field;
use schemars::JsonSchema;
use serde::Deserialize;

/// TLS to servers whose URLs begin with `https://`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["ca"]))]
pub(in crate::config) struct UpstreamTls {
    /// PEM file of the authorities that the servers' certificates may come from.
    pub(in crate::config) ca: Field<String>,
    /// Our own certificate, for servers that ask for one.
    pub(in crate::config) certificate: Field<String>,
    /// Its key.
    pub(in crate::config) key: Field<String>,
    /// The name that certificates must be for. Default: the host in each server's URL.
    pub(in crate::config) name: Field<String>,
}
