//! The keys of `authority.publish`.

use super::Duration;
use crate::config::read::Field;
use schemars::JsonSchema;
use serde::Deserialize;

/// What the authority publishes of its certificates, and when.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Publishing {
    /// Below which `http://` URL everybody finds it. It stands in certificates that
    /// are issued from then on. Default: nothing says where anything is.
    pub(in crate::config) url: Field<String>,
    /// When revocation lists are made.
    pub(in crate::config) crl: Field<PublishedLists>,
    /// When OCSP answers are signed.
    pub(in crate::config) ocsp: Field<PublishedAnswers>,
}

/// When revocation lists are made. A revocation makes one at once.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct PublishedLists {
    /// How long one holds. Default: `7d`.
    pub(in crate::config) validity: Field<Duration>,
    /// How long after one the next is made, if nothing happens; at most half of `validity`. Default: `1d`.
    pub(in crate::config) every: Field<Duration>,
    /// Whether there are delta lists, too. Default: `false`.
    pub(in crate::config) delta: Field<bool>,
}

/// When OCSP answers are signed. A revocation has its own signed at once.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct PublishedAnswers {
    /// How long one holds. Default: `1d`.
    pub(in crate::config) validity: Field<Duration>,
    /// How long after one the next is signed, if nothing happens; at most half of `validity`. Default: `8h`.
    pub(in crate::config) every: Field<Duration>,
}
