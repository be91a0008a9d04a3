//! The keys of `authority` that say as whom its process asks the database, and whom it enrols.

use super::Secret;
use crate::config::read::Field;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The authority's own user of the database; servers, database and authorities are those of `accounts.mysql`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["user"]))]
pub(in crate::config) struct DatabaseUser {
    /// Its name. `wicketgate db grants` prints what it must be allowed.
    pub(in crate::config) user: Field<String>,
    /// Its password.
    pub(in crate::config) password: Field<Secret>,
    /// Its certificate: a PEM file.
    pub(in crate::config) certificate: Field<String>,
    /// The key of the certificate: a PEM file.
    pub(in crate::config) key: Field<String>,
}

/// Enrolment by EST (RFC 7030), to which a route leads by `upstream: {service: est}`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Est {
    /// The profile of what is issued. Default: `client`.
    pub(in crate::config) profile: Field<String>,
    /// Other profiles, by the label in the path: `/.well-known/est/LABEL/simpleenroll`. Default: none.
    pub(in crate::config) labels: Field<BTreeMap<String, Field<String>>>,
    /// Groups of which an account must be in one to be enrolled. Default: every account may be.
    pub(in crate::config) groups: Field<Vec<Field<String>>>,
    /// Groups whose accounts are not enrolled. Default: none.
    pub(in crate::config) except: Field<Vec<Field<String>>>,
    /// Whether the authority makes keys for others (`serverkeygen`). Default: no.
    pub(in crate::config) server_keys: Field<bool>,
    /// How many certificates may be asked for within an hour, by everybody together. Default: 600.
    pub(in crate::config) hourly: Field<u64>,
    /// How many certificates may be asked for within an hour by one account. Default: 10.
    pub(in crate::config) hourly_by_account: Field<u64>,
}
