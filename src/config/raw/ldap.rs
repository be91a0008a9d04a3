//! The keys of `authority.ldap`.

use super::{Duration, Secret};
use crate::config::read::Field;
use schemars::JsonSchema;
use serde::Deserialize;

/// The LDAP directory that certificates are published in, for those who write encrypted mail.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["servers", "ca", "bind_dn", "password", "base", "filter"]))]
pub(in crate::config) struct Ldap {
    /// Its servers: `ldaps://HOST`, or `ldap://HOST` for StartTLS; the first that answers is asked.
    pub(in crate::config) servers: Field<Vec<Field<String>>>,
    /// A PEM file with the authorities that the servers' certificates may come from.
    pub(in crate::config) ca: Field<String>,
    /// The name that the authority binds with. It needs the right to write the attributes.
    pub(in crate::config) bind_dn: Field<String>,
    /// The password for it.
    pub(in crate::config) password: Field<Secret>,
    /// The entry that all others are searched below: `ou=people,dc=example,dc=org`.
    pub(in crate::config) base: Field<String>,
    /// Which entry is an account's, with `{username}`, `{email}` and `{name}`: `(mail={email})`.
    pub(in crate::config) filter: Field<String>,
    /// The attributes that hold certificates. Default: `[userCertificate;binary]`; Active Directory has
    /// `userCertificate`.
    pub(in crate::config) attributes: Field<Vec<Field<String>>>,
    /// The profiles whose certificates are published. Default: `[smime]`.
    pub(in crate::config) profiles: Field<Vec<Field<String>>>,
    /// How long each answer may take. Default: `5s`.
    pub(in crate::config) timeout: Field<Duration>,
}
