//! The shape of a route's `claim`.

use crate::config::read::Field;
use crate::config::{IdentitySource, LookupKind};
use schemars::JsonSchema;
use serde::Deserialize;

/// What a client says of itself in a header, and must be.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["header", "match"]))]
pub(in crate::config) struct Claim {
    /// The name of the header field, such as `From`.
    pub(in crate::config) header: Field<String>,
    /// The form of its value, with `{username}`, `{realm}` (or `{domain}`), `{email}` and `{device}`; or a list of
    /// forms, of which the first that matches counts.
    pub(in crate::config) r#match: Field<Forms>,
    /// Which names of a certificate may be claimed: alternative names first, then `subject.cn`. Default:
    /// `[san.email, san.uri, subject.cn]`.
    pub(in crate::config) from: Field<Vec<Field<IdentitySource>>>,
    /// What the claim is looked up as. Default: `email` where it names a user and a realm, or else `username`.
    pub(in crate::config) r#as: Field<LookupKind>,
    /// Certificate files, or SHA-256 of public keys (`sha256:…`), one of which must occur in the path.
    pub(in crate::config) issuers: Field<Vec<Field<String>>>,
}

/// One form, or several.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$kind")]
#[schemars(rename = "Forms", untagged)]
pub(in crate::config) enum Forms {
    /// One.
    #[serde(rename = "$text")]
    One(String),
    /// Several.
    #[serde(rename = "$list")]
    Several(Vec<Field<String>>),
}
