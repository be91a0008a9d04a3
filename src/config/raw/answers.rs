//! The shape of answers that a route gives itself.

use crate::config::read::Field;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A path or URL, or `{to: …, status: …}`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$kind")]
#[schemars(rename = "Redirect", untagged)]
pub(in crate::config) enum Redirect {
    /// Where to, with status 302.
    #[serde(rename = "$text")]
    To(String),
    /// Where to, and with which status.
    #[serde(rename = "$map")]
    Keys(RedirectKeys),
}

/// A redirect with a status.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["to"]))]
pub(in crate::config) struct RedirectKeys {
    /// A path or URL, in which `{host}`, `{path}`, `{query}` and groups of the route's pattern may stand.
    pub(in crate::config) to: Field<String>,
    /// 301, 302, 303, 307 or 308. Default: 302.
    pub(in crate::config) status: Field<u16>,
}

/// A fixed answer.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Respond {
    /// The status. Default: 200.
    pub(in crate::config) status: Field<u16>,
    /// The body. Default: empty.
    pub(in crate::config) body: Field<String>,
    /// A file with the body, in place of it.
    pub(in crate::config) file: Field<String>,
    /// The type of the body. Default: `text/plain; charset=utf-8`.
    pub(in crate::config) r#type: Field<String>,
    /// Other header fields.
    pub(in crate::config) headers: Field<BTreeMap<String, Field<String>>>,
}
