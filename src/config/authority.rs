//! The authority that issues the certificates which the gate trusts.

use std::path::PathBuf;

/// The authority.
#[derive(Debug, Clone, PartialEq)]
pub struct Authority {
    /// The folder with its certificates and keys.
    pub directory: PathBuf,
    /// Where the passphrase of its keys is kept; without it a person is asked.
    pub passphrase: Option<PassphraseSource>,
}

/// Where the passphrase of the authority's keys is kept. It never stands in the configuration itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PassphraseSource {
    /// The first line of this file.
    File(PathBuf),
    /// The value of this environment variable.
    Environment(String),
    /// The credential of this name that systemd gives to the service.
    Credential(String),
}
