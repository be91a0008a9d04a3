//! The keys of `handover`.

use super::{Duration, Secret};
use crate::config::read::Field;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Hand-over of people who have logged in, to and from other sites.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["url", "signing", "decryption", "sites"]))]
pub(in crate::config) struct Handover {
    /// The origin that this gate is reached under: `https://gate.example.org`.
    pub(in crate::config) url: Field<String>,
    /// PEM files of private keys (PKCS#8; P-256 or Ed25519). The first signs tokens, all are published.
    pub(in crate::config) signing: Field<Vec<Field<String>>>,
    /// PEM files of private keys (PKCS#8; P-256) that other sites encrypt tokens to.
    pub(in crate::config) decryption: Field<Vec<Field<String>>>,
    /// The sessions of who was handed over to us.
    pub(in crate::config) session: Field<HandoverSession>,
    /// The other sites, by our names for them.
    pub(in crate::config) sites: Field<BTreeMap<String, Field<HandoverSite>>>,
}

/// The sessions of who was handed over to us.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct HandoverSession {
    /// What sessions are sealed with; the same on every node. Default: random.
    pub(in crate::config) secret: Field<Secret>,
    /// How long a session counts at most. Default: `8h`.
    pub(in crate::config) lifetime: Field<Duration>,
}

/// Another site.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["url", "keys"]))]
pub(in crate::config) struct HandoverSite {
    /// Its origin: `https://library.example.net`.
    pub(in crate::config) url: Field<String>,
    /// The file with its keys, as it publishes them.
    pub(in crate::config) keys: Field<String>,
    /// Paths of its that our people may be handed to. Default: none.
    pub(in crate::config) send: Field<Vec<Field<String>>>,
    /// Paths of ours that its people may come to. Default: none.
    pub(in crate::config) accept: Field<Vec<Field<String>>>,
    /// What its people are looked up by here. Default: `username`.
    pub(in crate::config) lookup: Field<SiteLookup>,
}

/// What people of another site are looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum SiteLookup {
    Username,
    Email,
}

impl JsonSchema for SiteLookup {
    fn schema_name() -> Cow<'static, str> {
        "SiteLookup".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "What people of another site are looked up by.", "enum": ["username", "email"] })
    }
}
