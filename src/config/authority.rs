//! The authority that issues the certificates which the gate trusts.

use super::profile::{OneValidPer, Profile};
use super::{AuthorityProcess, DatabaseUser, Ldap, Publishing};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The authority.
#[derive(Debug, Clone, PartialEq)]
pub struct Authority {
    /// The folder with its certificates and keys.
    pub directory: PathBuf,
    /// Where the passphrase of its keys is kept; without it a person is asked.
    pub passphrase: Option<PassphraseSource>,
    /// The process of its own that it runs as, if it does.
    pub process: Option<AuthorityProcess>,
    /// As whom it asks the database; without one, as the gate.
    pub mysql: Option<DatabaseUser>,
    /// The kinds of certificates that it issues, by their names: those that are built in, and the administrator's own.
    pub profiles: BTreeMap<String, Profile>,
    /// What becomes of the older certificates of an account when it gets a new one.
    pub one_valid_per: OneValidPer,
    /// Lists of keys that nothing is issued for.
    pub compromised_keys: Vec<PathBuf>,
    /// The directory that people's certificates are published in, if there is one.
    pub ldap: Option<Ldap>,
    /// The token that keeps the keys of intermediates; without it they lie in the folder.
    pub token: Option<Pkcs11>,
    /// What it publishes of its certificates, and when.
    pub publish: Publishing,
}

/// A PKCS#11 token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pkcs11 {
    /// The module that speaks to it.
    pub module: PathBuf,
    /// Its label.
    pub token: String,
    /// How the labels of the keys begin.
    pub key: String,
    /// Where its PIN is kept.
    pub pin: PassphraseSource,
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
