//! The shape of what a route asks of a request besides its host.

use crate::config::read::Field;
use schemars::JsonSchema;
use serde::Deserialize;

/// A prefix in whole segments, `{exact: …}` or `{pattern: …}`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$kind")]
#[schemars(rename = "RoutePath", untagged)]
pub(in crate::config) enum RoutePath {
    /// These whole segments, and all that is below them.
    #[serde(rename = "$text")]
    Prefix(String),
    /// Other paths.
    #[serde(rename = "$map")]
    Other(OtherPath),
}

/// Paths that are no prefix: exactly one of the two.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct OtherPath {
    /// This path and no other.
    pub(in crate::config) exact: Field<String>,
    /// A regular expression that the whole path must match: `/users/[0-9]+/avatar`.
    pub(in crate::config) pattern: Field<String>,
}

/// The value of a header field, or `{pattern: …}` or `{present: true}`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$kind")]
#[schemars(rename = "HeaderMatch", untagged)]
pub(in crate::config) enum HeaderMatch {
    /// It must have this value.
    #[serde(rename = "$text")]
    Equals(String),
    /// Something else must be true of it.
    #[serde(rename = "$map")]
    Other(OtherHeaderMatch),
}

/// What must be true of a header field: exactly one of the two.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct OtherHeaderMatch {
    /// It must be there, with whatever value: `true`.
    pub(in crate::config) present: Field<bool>,
    /// A regular expression that its whole value must match.
    pub(in crate::config) pattern: Field<String>,
}
