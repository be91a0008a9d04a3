//! The shape of a route's `{by_account: …}`.

use crate::config::read::Field;
use schemars::JsonSchema;
use serde::Deserialize;

/// What of an account says where its requests go.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum AccountColumn {
    /// Its home.
    Home,
}

/// Which URLs a home may be.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["pattern", "like"]))]
pub(in crate::config) struct HomeUrls {
    /// A regular expression that the whole URL must match: `https://mbox[0-9]+\.example\.org:8443`.
    pub(in crate::config) pattern: Field<String>,
    /// The upstream that such a server is spoken to like: by its TLS, its headers, its timeouts and limits.
    pub(in crate::config) like: Field<String>,
}
