//! The shape of an upstream.

use super::{
    Balance, Duration, Ejection, Headers, HealthCheck, HttpVersion, OutwardProxy, Retries, UpstreamAssertion,
    UpstreamAuthorization, UpstreamLimits, UpstreamServer, UpstreamTls,
};
use crate::config::read::Field;
use schemars::JsonSchema;
use serde::Deserialize;

/// Servers that answer requests.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["servers"]))]
pub(in crate::config) struct Upstream {
    /// `http://host:port`, `https://host:port` or `unix:/path`. The port defaults to 80 or 443.
    pub(in crate::config) servers: Field<Vec<Field<UpstreamServer>>>,
    /// The version of HTTP that is spoken to them: `1` or `2`. Default: 1.
    pub(in crate::config) http: Field<HttpVersion>,
    /// Whether the PROXY protocol says to servers who the client is, before its requests: `off` or `v2`. Default: `off`.
    pub(in crate::config) proxy_protocol: Field<OutwardProxy>,
    /// Which server a request goes to. Default: `round_robin`.
    pub(in crate::config) balance: Field<Balance>,
    /// How long a server that came back takes to get its whole share of requests. Default: `0s`.
    pub(in crate::config) slow_start: Field<Duration>,
    /// Checks by which servers are taken out and brought back. Default: none.
    pub(in crate::config) health: Field<HealthCheck>,
    /// When servers that fail requests are taken out for a while.
    pub(in crate::config) ejection: Field<Ejection>,
    /// How much servers are given at once. Default: no limit.
    pub(in crate::config) limits: Field<UpstreamLimits>,
    /// What becomes of requests that a server has failed.
    pub(in crate::config) retries: Field<Retries>,
    /// TLS to the servers; needed by `https://`.
    pub(in crate::config) tls: Field<UpstreamTls>,
    /// How the gate shows who it is to servers that ask for a password. Default: not at all.
    pub(in crate::config) authorization: Field<UpstreamAuthorization>,
    /// How long each phase may take.
    pub(in crate::config) timeouts: Field<UpstreamTimeouts>,
    /// What the application is told of the client.
    pub(in crate::config) headers: Field<Headers>,
    /// What it is told under a signature. Default: nothing.
    pub(in crate::config) assertion: Field<UpstreamAssertion>,
}

/// How long an upstream may take.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct UpstreamTimeouts {
    /// To connect. Default: `2s`.
    pub(in crate::config) connect: Field<Duration>,
    /// From the end of the request to the head of the response, and between parts of a body. Default: `60s`.
    pub(in crate::config) response: Field<Duration>,
    /// How long an unused connection is kept. Default: `60s`.
    pub(in crate::config) idle: Field<Duration>,
}
