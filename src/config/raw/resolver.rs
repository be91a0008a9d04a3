//! The shape of `resolver`.

use super::Duration;
use crate::config::read::Field;
use schemars::JsonSchema;
use serde::Deserialize;

/// Who is asked for the addresses of upstreams' servers.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["servers"]))]
pub(in crate::config) struct Resolver {
    /// Name servers: `192.0.2.53`, `127.0.0.1:5353`. The port defaults to 53.
    pub(in crate::config) servers: Field<Vec<Field<String>>>,
    /// How long one may take to answer. Default: `2s`.
    pub(in crate::config) timeout: Field<Duration>,
}
