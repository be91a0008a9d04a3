//! The keys of `timeouts` and `limits`.

use super::{Duration, Size};
use crate::config::read::Field;
use schemars::JsonSchema;
use serde::Deserialize;

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
    /// Memory for request bodies that are held whole, all together; one address has an eighth. Default: `64MiB`.
    pub(in crate::config) held_bodies: Field<Size>,
}
