//! The shape of `takeover`.

use crate::config::read::Field;
use schemars::JsonSchema;
use serde::Deserialize;

/// How a process that runs is succeeded by another one, of a newer program for example, without losing a connection.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["socket"]))]
pub(in crate::config) struct Takeover {
    /// The Unix socket on which the process that runs hands its listening sockets over to `wicketgate serve --take-over`:
    /// `/run/wicketgate-gate/takeover.sock`. Its folder should be the gate's alone.
    pub(in crate::config) socket: Field<String>,
}
