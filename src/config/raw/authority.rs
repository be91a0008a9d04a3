//! The keys of `authority`.

use super::{DatabaseUser, Est, Ldap, Profile, Publishing};
use crate::config::profile::OneValidPer;
use crate::config::read::Field;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The authority that issues the certificates which the gate trusts.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["directory"]))]
pub(in crate::config) struct Authority {
    /// The folder with its certificates and keys, which `wicketgate ca init` makes.
    pub(in crate::config) directory: Field<String>,
    /// Where the passphrase of its keys is kept. Default: whoever runs a command is asked.
    pub(in crate::config) passphrase: Field<Passphrase>,
    /// The Unix socket that `wicketgate authority serve` answers gates on.
    pub(in crate::config) socket: Field<String>,
    /// The users whose processes may connect to it besides its own, by name or number. Default: none.
    pub(in crate::config) users: Field<Vec<Field<String>>>,
    /// As whom it is let into the database of `accounts.mysql`; needed there beside `socket`.
    pub(in crate::config) mysql: Field<DatabaseUser>,
    /// How machines are enrolled. Default: not at all.
    pub(in crate::config) est: Field<Est>,
    /// The kinds of certificates, by their names; `client`, `client-short`, `server`, `smime` and `intermediate` are built in.
    pub(in crate::config) profiles: Field<BTreeMap<String, Field<Profile>>>,
    /// What a new certificate of an account replaces, and revokes as superseded: `none`, those of the same `profile`, or
    /// all of the `account`. Default: `none`.
    pub(in crate::config) one_valid_per: Field<OneValidPer>,
    /// Files of keys that nothing is issued for: the SHA-256 of a SubjectPublicKeyInfo a line.
    pub(in crate::config) compromised_keys: Field<Vec<Field<String>>>,
    /// The LDAP directory that people's certificates are published in. Default: none.
    pub(in crate::config) ldap: Field<Ldap>,
    /// Where the keys of intermediates are kept. Default: in the folder.
    pub(in crate::config) key: Field<AuthorityKey>,
    /// What it publishes of its certificates, and when.
    pub(in crate::config) publish: Field<Publishing>,
}

/// Where the keys of intermediates are kept.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["pkcs11"]))]
pub(in crate::config) struct AuthorityKey {
    /// In a PKCS#11 token.
    pub(in crate::config) pkcs11: Field<Pkcs11>,
}

/// A PKCS#11 token.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["module", "token", "key", "pin"]))]
pub(in crate::config) struct Pkcs11 {
    /// The module that speaks to it: `/usr/lib/softhsm/libsofthsm2.so`.
    pub(in crate::config) module: Field<String>,
    /// The label of the token.
    pub(in crate::config) token: Field<String>,
    /// How the labels of the keys begin: `wicketgate` for `wicketgate-1`, `wicketgate-2` and so on.
    pub(in crate::config) key: Field<String>,
    /// Where its PIN is kept.
    pub(in crate::config) pin: Field<Passphrase>,
}

/// Where a passphrase is kept: exactly one of the three.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Passphrase {
    /// A file, of which the first line is the passphrase.
    pub(in crate::config) file: Field<String>,
    /// An environment variable.
    pub(in crate::config) env: Field<String>,
    /// A credential that systemd gives to the service (`LoadCredential=` in its unit), by its name.
    pub(in crate::config) credential: Field<String>,
}
