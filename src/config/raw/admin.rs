//! The shape of `admin`: the address that administrators and monitoring come to.

use super::{Access, CertificateFiles};
use crate::config::read::Field;
use schemars::JsonSchema;
use serde::Deserialize;

/// Where metrics, health and status are to be had, and reloads to be asked for: plain HTTP on a loopback address, or
/// TLS with client certificates.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["address"]))]
pub(in crate::config) struct Admin {
    /// Address and port: `127.0.0.1:9901`. Without `tls` it must be a loopback address.
    pub(in crate::config) address: Field<String>,
    /// The certificate to be shown. With it, whoever comes needs one, too.
    pub(in crate::config) tls: Field<CertificateFiles>,
    /// The trust set, by name, that certificates of administrators come from; needed beside `tls`.
    pub(in crate::config) trust: Field<String>,
    /// Who of those is an administrator; needed beside `tls`.
    pub(in crate::config) allow: Field<Access>,
}
