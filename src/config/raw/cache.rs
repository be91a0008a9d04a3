//! The shape of `accounts.cache`.

use super::Duration;
use crate::config::read::Field;
use crate::config::values::parse_capacity;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use std::borrow::Cow;

/// The cache of account look-ups.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Cache {
    /// How long a found account is good. Default: `60s`.
    pub(in crate::config) ttl: Field<Duration>,
    /// How long it is remembered that there is none. Default: `5s`.
    pub(in crate::config) negative_ttl: Field<Duration>,
    /// How many answers are kept, or in how much memory: `64MiB`. Default: 100000.
    pub(in crate::config) capacity: Field<Capacity>,
}

/// How much a cache may hold, in answers of ordinary size.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::config) struct Capacity(pub(in crate::config) u64);

impl TryFrom<String> for Capacity {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        parse_capacity(&text).map(Self)
    }
}

impl JsonSchema for Capacity {
    fn schema_name() -> Cow<'static, str> {
        "Capacity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number of answers of ordinary size, or a size in octets with its unit: `100000`, `64MiB`.",
            "anyOf": [
                { "type": "string", "pattern": "^[0-9]+(B|KiB|MiB|GiB|TiB)?$" },
                { "type": "integer", "minimum": 1 },
            ],
        })
    }
}
