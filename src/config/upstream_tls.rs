//! Part of the checked model: TLS to the servers of an upstream.

use super::CertificateFiles;
use std::path::PathBuf;

/// How servers are spoken to over TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamTls {
    /// PEM file of the authorities that servers' certificates may come from.
    pub ca: PathBuf,
    /// Our own certificate and its key, for servers that ask for one.
    pub client: Option<CertificateFiles>,
    /// The name that certificates must be for, and that is asked for (SNI); `None` is each server's own.
    pub name: Option<String>,
}
