//! The shape of `tracing`: traces of requests for OpenTelemetry.

use super::Secret;
use crate::config::read::Field;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Traces of requests, sent to a collector by OTLP over HTTP. Needs a build with the cargo feature `otel`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["endpoint"]))]
pub(in crate::config) struct Tracing {
    /// The collector: `http://127.0.0.1:4318`. Spans are sent to `/v1/traces` there.
    pub(in crate::config) endpoint: Field<String>,
    /// PEM file of the authorities that its certificate may come from; needed for `https://`.
    pub(in crate::config) ca: Field<String>,
    /// Which share of requests is traced. Default: `1%`.
    pub(in crate::config) sample: Field<String>,
    /// Addresses of clients whose word counts that a trace is recorded, beyond `sample`. Default: none.
    pub(in crate::config) sampled_by: Field<Vec<Field<String>>>,
    /// What the gate is called in traces (`service.name`). Default: `wicketgate`.
    pub(in crate::config) service: Field<String>,
    /// Whether spans say the user name of the account (`user.name`). Default: `false`.
    pub(in crate::config) account: Field<bool>,
    /// Header fields for the collector, such as `authorization`.
    pub(in crate::config) headers: Field<BTreeMap<String, Field<Secret>>>,
}
