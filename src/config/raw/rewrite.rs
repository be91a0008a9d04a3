//! The shape of a route's `rewrite`.

use crate::config::read::Field;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// What of a request and its answer is changed on the way to an upstream and back.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Rewrite {
    /// What takes the place of the route's own prefix: `/` takes it away. Default: the path as it is.
    pub(in crate::config) prefix: Field<String>,
    /// For a route by pattern or exact path: another path, in which `{1}` or `{name}` stands for a group of the pattern.
    pub(in crate::config) path: Field<String>,
    /// The host that is asked for, perhaps with a port; `upstream` is that of the server. Default: the request's.
    pub(in crate::config) host: Field<String>,
    /// Fields of the request's head; values may hold `{username}`, `{email}`, `{name}` and `{home}`.
    pub(in crate::config) request_headers: Field<HeaderEdits>,
    /// Fields of the answer's head.
    pub(in crate::config) response_headers: Field<HeaderEdits>,
}

/// Header fields that are set, added or removed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct HeaderEdits {
    /// In the place of what is there under the name.
    pub(in crate::config) set: Field<BTreeMap<String, Field<String>>>,
    /// Besides what is there under the name.
    pub(in crate::config) add: Field<BTreeMap<String, Field<String>>>,
    /// Names of fields that are removed.
    pub(in crate::config) remove: Field<Vec<Field<String>>>,
}
