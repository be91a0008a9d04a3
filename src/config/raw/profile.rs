//! The keys of `authority.profiles`.

use super::Duration;
use crate::config::profile::{EmailName, KeyType, KeyUse};
use crate::config::read::Field;
use schemars::JsonSchema;
use serde::Deserialize;

/// A kind of certificate. What is left out is as in the profile that it extends.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Profile {
    /// The built-in profile to begin from: `client`, `client-short`, `server`, `smime` or `intermediate`. Default: the one
    /// of the same name, else `client`.
    pub(in crate::config) extends: Field<String>,
    /// How long its certificates are valid.
    pub(in crate::config) validity: Field<Duration>,
    /// How far the beginning is set back, for clocks that are slow.
    pub(in crate::config) backdate: Field<Duration>,
    /// The kind of key that is made here.
    pub(in crate::config) key: Field<KeyType>,
    /// The kinds of keys that are certified.
    pub(in crate::config) keys: Field<Vec<Field<KeyType>>>,
    /// The subject's attributes; those that are left out are not in it.
    pub(in crate::config) subject: Field<Subject>,
    /// What the key may be used for; what a key cannot serve is left out.
    pub(in crate::config) key_usage: Field<Vec<Field<KeyUse>>>,
    /// What the certificate is for: names or object identifiers.
    pub(in crate::config) extended_key_usage: Field<Vec<Field<String>>>,
    /// The alternative names; those that are left out are not in it.
    pub(in crate::config) names: Field<Names>,
    /// Hosts that a request may name; `*.example.org` is all below it.
    pub(in crate::config) hosts: Field<Vec<Field<String>>>,
    /// The certificate policies: object identifiers.
    pub(in crate::config) policies: Field<Vec<Field<String>>>,
    /// Where revocation lists are: URLs. Default: below `authority.publish.url`.
    pub(in crate::config) crl: Field<Vec<Field<String>>>,
    /// Where OCSP answers are: URLs. Default: below `authority.publish.url`.
    pub(in crate::config) ocsp: Field<Vec<Field<String>>>,
    /// Where the issuer's certificate is: URLs. Default: below `authority.publish.url`.
    pub(in crate::config) issuer: Field<Vec<Field<String>>>,
}

/// The subject's attributes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Subject {
    /// Two letters.
    pub(in crate::config) country: Field<String>,
    /// The state or province.
    pub(in crate::config) state: Field<String>,
    /// The town.
    pub(in crate::config) locality: Field<String>,
    /// The organization.
    pub(in crate::config) organization: Field<String>,
    /// The unit of the organization.
    pub(in crate::config) organizational_unit: Field<String>,
    /// The common name.
    pub(in crate::config) common_name: Field<String>,
    /// The e-mail address, for programs that do not look among the alternative names.
    pub(in crate::config) email: Field<String>,
}

/// Alternative names.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Names {
    /// Whether the account's e-mail address is one.
    pub(in crate::config) email: Field<EmailName>,
    /// Host names.
    pub(in crate::config) dns: Field<Vec<Field<String>>>,
    /// URIs.
    pub(in crate::config) uri: Field<Vec<Field<String>>>,
    /// User principal names, for logging in to Windows.
    pub(in crate::config) upn: Field<Vec<Field<String>>>,
}
