//! The shape of `log.access`: a line for each request.

use crate::config::AccessFormat;
use crate::config::read::Field;
use schemars::JsonSchema;
use serde::Deserialize;

/// The access log: one line for each request that was answered.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["path"]))]
pub(in crate::config) struct AccessLog {
    /// The file that lines are appended to.
    pub(in crate::config) path: Field<String>,
    /// How a line looks. Default: `json`.
    pub(in crate::config) format: Field<AccessFormat>,
    /// Whether what follows the `?` of a target is written, too, here and in referrers. It may hold secrets. Default:
    /// false.
    pub(in crate::config) query: Field<bool>,
}
