//! The shape of what an upstream says of its servers: where they are, how requests are spread over them, and which of
//! them are fit for requests.

use super::{Duration, Size};
use crate::config::read::Field;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use std::borrow::Cow;

/// The URL of a server, or `{url: …}` with more about it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$kind")]
#[schemars(rename = "UpstreamServer", untagged)]
pub(in crate::config) enum UpstreamServer {
    /// `http://host:port`, `https://host:port` or `unix:/path`.
    #[serde(rename = "$text")]
    Url(String),
    /// The same with its share.
    #[serde(rename = "$map")]
    Of(UpstreamServerOf),
}

/// One server.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["url"]))]
pub(in crate::config) struct UpstreamServerOf {
    /// `http://host:port`, `https://host:port` or `unix:/path`.
    pub(in crate::config) url: Field<String>,
    /// Its share of requests in relation to the others', from 1 to 256. Default: 1.
    pub(in crate::config) weight: Field<u64>,
    /// Whether it gets requests only when no other server can take them. Default: `false`.
    pub(in crate::config) backup: Field<bool>,
}

/// What is spoken to servers.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(in crate::config) enum HttpVersion {
    /// HTTP/1.1.
    #[serde(rename = "1", alias = "1.1")]
    One,
    /// HTTP/2.
    #[serde(rename = "2", alias = "h2")]
    Two,
}

impl JsonSchema for HttpVersion {
    fn schema_name() -> Cow<'static, str> {
        "HttpVersion".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The version of HTTP that is spoken to servers: `1` or `2`.",
            "type": ["string", "integer"],
            "enum": ["1", "1.1", "2", "h2", 1, 2],
        })
    }
}

/// Whether the PROXY protocol is spoken to servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum OutwardProxy {
    /// It is not.
    #[serde(alias = "false")]
    Off,
    /// Version 2.
    V2,
}

/// `round_robin`, `least_requests` or `{hash: …}`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$kind")]
#[schemars(rename = "Balance", untagged)]
pub(in crate::config) enum Balance {
    /// By none of the request's properties.
    #[serde(rename = "$text")]
    Word(BalanceWord),
    /// By one of them.
    #[serde(rename = "$map")]
    By(BalanceBy),
}

/// How requests are spread.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum BalanceWord {
    /// To each server in turn.
    RoundRobin,
    /// To the one of two chosen at random that has fewer requests under way.
    LeastRequests,
}

/// The same always to the same server.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["hash"]))]
pub(in crate::config) struct BalanceBy {
    /// `account`, `client_address`, `cookie:NAME` or `header:NAME`.
    pub(in crate::config) hash: Field<String>,
}

/// Active checks of servers.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["path"]))]
pub(in crate::config) struct HealthCheck {
    /// What is asked for.
    pub(in crate::config) path: Field<String>,
    /// The statuses of a server that is well: numbers and ranges. Default: `["200-399"]`.
    pub(in crate::config) status: Field<Vec<Field<Statuses>>>,
    /// How long after an answer the next check begins. Default: `5s`.
    pub(in crate::config) every: Field<Duration>,
    /// How long a check may take in all. Default: `2s`.
    pub(in crate::config) timeout: Field<Duration>,
    /// Passed checks in a row that bring a server back. Default: 2.
    pub(in crate::config) rise: Field<u64>,
    /// Failed checks in a row that take one out. Default: 3.
    pub(in crate::config) fall: Field<u64>,
    /// The `Host` that is asked for. Default: the server's own.
    pub(in crate::config) host: Field<String>,
}

/// `off`, or when a server that fails requests is ejected.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$kind")]
#[schemars(rename = "Ejection", untagged)]
pub(in crate::config) enum Ejection {
    /// Never.
    #[serde(rename = "$text")]
    Word(EjectionWord),
    /// When this holds.
    #[serde(rename = "$map")]
    When(Box<EjectionWhen>),
}

/// Never.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum EjectionWord {
    /// No server is ejected for failing requests.
    #[serde(alias = "false")]
    Off,
}

/// When a server that fails requests is ejected.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct EjectionWhen {
    /// Failures in a row. Default: 5.
    pub(in crate::config) failures: Field<u64>,
    /// Statuses that count as failures, like no answer at all. Default: `["502-504"]`.
    pub(in crate::config) status: Field<Vec<Field<Statuses>>>,
    /// For how long the first time; doubled each time that it fails soon after. Default: `10s`.
    pub(in crate::config) first: Field<Duration>,
    /// For how long at most. Default: `5m`.
    pub(in crate::config) longest: Field<Duration>,
    /// The largest share of the servers that is ejected at once. Default: `50%`.
    pub(in crate::config) share: Field<Percent>,
}

/// How much servers are given at once.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct UpstreamLimits {
    /// Requests under way at one server. Default: no limit.
    pub(in crate::config) requests: Field<u64>,
    /// Requests that may wait for a server which is free; the next one gets 503. Default: 100.
    pub(in crate::config) queue: Field<u64>,
    /// How long one waits before it gets 503. Default: `1s`.
    pub(in crate::config) wait: Field<Duration>,
}

/// What becomes of a request that a server has failed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Retries {
    /// How many other servers it is sent to. Default: 2.
    pub(in crate::config) times: Field<u64>,
    /// Retries in relation to requests. Default: `20%`.
    pub(in crate::config) budget: Field<Percent>,
    /// Statuses for which another server is asked. Default: none.
    pub(in crate::config) status: Field<Vec<Field<Statuses>>>,
    /// The largest body that is kept to be sent again, up to 1MiB. Default: `0KiB`.
    pub(in crate::config) body: Field<Size>,
}

/// A status, or a range of them: `404`, `200-399`.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::config) struct Statuses(pub(in crate::config) String);

impl JsonSchema for Statuses {
    fn schema_name() -> Cow<'static, str> {
        "Statuses".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A status, or a range of them: `404`, `200-399`.",
            "type": ["string", "integer"],
            "pattern": "^[1-5][0-9]{2}(-[1-5][0-9]{2})?$",
        })
    }
}

/// A share: `20%`.
#[derive(Debug, Clone, Deserialize)]
pub(in crate::config) struct Percent(pub(in crate::config) String);

impl JsonSchema for Percent {
    fn schema_name() -> Cow<'static, str> {
        "Percent".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "A share: `20%`.", "type": "string", "pattern": "^[0-9]{1,3}%$" })
    }
}
