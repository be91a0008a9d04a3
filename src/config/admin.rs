//! Part of the checked model: the address for administrators, and the access log.

use super::{Access, CertificateFiles};
use schemars::JsonSchema;
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Where metrics, health and status are to be had, and reloads to be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// A loopback address if nothing guards it.
    pub address: SocketAddr,
    /// TLS, and who may come.
    pub guard: Option<AdminGuard>,
}

/// How an administrator shows who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdminGuard {
    /// What the gate shows.
    pub certificate: CertificateFiles,
    /// The name of the trust set that certificates come from.
    pub trust: String,
    /// Who of those may pass.
    pub allow: Access,
}

/// A line for each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// The file that lines are appended to.
    pub path: PathBuf,
    /// How a line looks.
    pub format: AccessFormat,
    /// Whether queries are written.
    pub query: bool,
}

/// How a line of the access log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessFormat {
    /// One JSON object a line, with all that is known.
    #[default]
    Json,
    /// The Common Log Format, as Apache httpd and nginx write it.
    Common,
    /// The same with referrer and user agent.
    Combined,
}
