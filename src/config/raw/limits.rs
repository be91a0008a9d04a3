//! The keys of `timeouts` and `limits`, and those of the limits of a route.

use super::{Duration, Size};
use crate::config::limits::CountedBy;
use crate::config::read::Field;
use crate::config::values::{parse_byte_rate, parse_rate};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use std::borrow::Cow;
use std::num::NonZeroU64;

/// How long each phase of a connection may take.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Timeouts {
    /// From accept to the end of the TLS handshake. Default: `10s`.
    pub(in crate::config) handshake: Field<Duration>,
    /// Until the head of a request is complete. Default: `10s`.
    pub(in crate::config) request_head: Field<Duration>,
    /// How long a connection may stand without a request. Default: `75s`.
    pub(in crate::config) idle: Field<Duration>,
    /// How long open requests may take to end at shutdown. Default: `30s`.
    pub(in crate::config) drain: Field<Duration>,
    /// How fast a client must send and take, at least, while the gate waits for it.
    pub(in crate::config) least_rate: Field<LeastRate>,
}

/// How fast a client must send and take, at least, while the gate waits for it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct LeastRate {
    /// Of the body of a request, until its answer begins. Default: `240B/s`.
    pub(in crate::config) upload: Field<ByteRate>,
    /// Of answers. Default: `240B/s`.
    pub(in crate::config) download: Field<ByteRate>,
    /// For how long a client may be slower. Default: `75s`.
    pub(in crate::config) grace: Field<Duration>,
}

/// Octets in a second, `240B/s` or `16KiB/s`; or `off`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::config) struct ByteRate(pub(in crate::config) Option<NonZeroU64>);

impl TryFrom<String> for ByteRate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        parse_byte_rate(&text).map(Self)
    }
}

impl JsonSchema for ByteRate {
    fn schema_name() -> Cow<'static, str> {
        "ByteRate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Octets in a second, `240B/s` or `16KiB/s`; `off` for any rate.",
            "anyOf": [{ "type": "string", "pattern": "^([0-9]+(B|KiB|MiB)/s|off)$" }, { "const": false }],
        })
    }
}

/// How much a client may send and hold.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Limits {
    /// Open connections in all. Default: 20000.
    pub(in crate::config) connections: Field<u64>,
    /// Open connections of one address (IPv6: of one /64). Default: 200.
    pub(in crate::config) connections_per_address: Field<u64>,
    /// The size of a request head, from 8KiB to 1MiB. Default: `32KiB`.
    pub(in crate::config) head: Field<Size>,
    /// The number of header fields of a request. Default: 100.
    pub(in crate::config) headers: Field<u64>,
    /// Memory for all bodies on their way, of requests and answers, all together. Default: `512MiB`.
    pub(in crate::config) buffers: Field<Size>,
    /// The part of it for request bodies that are held whole; one address has an eighth. Default: `64MiB`.
    pub(in crate::config) held_bodies: Field<Size>,
    /// How many requests one address (IPv6: one /64) may make, whatever it asks for. Default: no limit.
    pub(in crate::config) requests_per_address: Field<AddressRequests>,
    /// Ranges of addresses whose requests are not counted by address. Default: `[127.0.0.0/8, "::1"]`.
    pub(in crate::config) exempt: Field<Vec<Field<String>>>,
}

/// How many requests one address may make; at least one of `rate` and `concurrency`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct AddressRequests {
    /// How many in which time. Default: any number.
    pub(in crate::config) rate: Field<Rate>,
    /// How many of them may come at once. Default: the number of the rate.
    pub(in crate::config) burst: Field<u64>,
    /// How many may be under way at once. Default: any number.
    pub(in crate::config) concurrency: Field<u64>,
}

/// Limits of a route.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct RouteLimits {
    /// The largest request body. Default: no limit.
    pub(in crate::config) body: Field<Size>,
    /// How many requests one client may make in which time. Default: any number.
    pub(in crate::config) rate: Field<Rate>,
    /// How many of them may come at once. Default: the number of the rate.
    pub(in crate::config) burst: Field<u64>,
    /// How many requests of one client may be under way at once. Default: any number.
    pub(in crate::config) concurrency: Field<u64>,
    /// What one client is. Default: `account`.
    pub(in crate::config) by: Field<CountedBy>,
    /// How fast a client must send a body here, at least. Default: `timeouts.least_rate.upload`.
    pub(in crate::config) least_upload: Field<ByteRate>,
}

/// A number of requests in a time: `50/s`, `600/m`, `1000/h`.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "String")]
pub(in crate::config) struct Rate {
    /// How many.
    pub(in crate::config) requests: u32,
    /// In which time.
    pub(in crate::config) per: std::time::Duration,
}

impl TryFrom<String> for Rate {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        parse_rate(&text).map(|(requests, per)| Self { requests, per })
    }
}

impl JsonSchema for Rate {
    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number of requests in a second, a minute or an hour: `50/s`, `600/m`, `1000/h`.",
            "type": "string",
            "pattern": "^[0-9]+/(s|m|h)$",
        })
    }
}
