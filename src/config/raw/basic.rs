//! The keys of HTTP Basic.

use super::Duration;
use crate::config::read::Field;
use schemars::JsonSchema;
use serde::Deserialize;

/// HTTP Basic (RFC 7617).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["realm"]))]
pub(in crate::config) struct Basic {
    /// The realm that clients are told, and mostly show to people.
    pub(in crate::config) realm: Field<String>,
    /// How long a right password need not be hashed again; `0s` is never. Default: `5m`.
    pub(in crate::config) remember: Field<Duration>,
    /// How many passwords are hashed at once, each in up to 128 MiB. Default: half as many as there are cores.
    pub(in crate::config) hashes_at_once: Field<u64>,
    /// How many may wait for that; any more are told to come again. Default: 64.
    pub(in crate::config) hashes_waiting: Field<u64>,
}
