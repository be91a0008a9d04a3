//! The shape of `trust`: authorities, the conditions of paths, and the sources of revocation.

use super::{Duration, PrivateAddresses, Size};
use crate::config::read::Field;
use crate::config::{OcspMode, Scope, Unknown};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use std::borrow::Cow;

/// A named set of authorities.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["authorities"]))]
pub(in crate::config) struct Trust {
    /// PEM files of trust anchors.
    pub(in crate::config) authorities: Field<Vec<Field<String>>>,
    /// PEM files of certificates that paths may lead over, and of signers of revocation lists; never trusted by
    /// themselves. Default: none.
    pub(in crate::config) intermediates: Field<Vec<Field<String>>>,
    /// The longest path accepted, leaf and anchor included. Default: 10.
    pub(in crate::config) max_depth: Field<u64>,
    /// Which certificate policies are accepted. Default: any, and none.
    pub(in crate::config) policies: Field<Policies>,
    /// Certificate files, or SHA-256 of public keys (`sha256:…`), one of which must occur on the path. Default:
    /// any.
    pub(in crate::config) issuers: Field<Vec<Field<String>>>,
    /// Whether certificates for smart-card logon are accepted that are not for TLS clients. Default: false.
    pub(in crate::config) smart_card_logon: Field<bool>,
    /// Where it is asked whether a certificate was revoked.
    pub(in crate::config) revocation: Field<Revocation>,
}

/// Which certificate policies are accepted (RFC 5280, section 6.1.1).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Policies {
    /// Object identifiers such as `1.2.3.4`, one of which must be valid for the path if any is, or if one is
    /// required. Default: any.
    pub(in crate::config) accept: Field<Vec<Field<String>>>,
    /// Whether a path without a valid policy is refused. Default: false.
    pub(in crate::config) require: Field<bool>,
    /// Whether policies that authorities map to each other are not taken for the same. Default: false.
    pub(in crate::config) inhibit_mapping: Field<bool>,
    /// Whether `anyPolicy` does not stand for every policy. Default: false.
    pub(in crate::config) inhibit_any: Field<bool>,
}

/// Where it is asked whether a certificate was revoked.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Revocation {
    /// `chain`: all certificates below the authority. `leaf`: the client's own. Default: `chain`.
    pub(in crate::config) scope: Field<Scope>,
    /// How far the clocks of those who make lists and answers may be ahead of ours. Default: `5m`.
    pub(in crate::config) clock_tolerance: Field<Duration>,
    /// Certificate revocation lists. Default: none.
    pub(in crate::config) crl: Field<Crl>,
    /// OCSP responders. Default: none is asked.
    pub(in crate::config) ocsp: Field<Ocsp>,
    /// Our own database. Default: true.
    pub(in crate::config) database: Field<bool>,
}

/// Certificate revocation lists: at least one of `files`, `urls` and `from_certificates`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Crl {
    /// PEM or DER files; the last component of a path may hold `*`, and a folder stands for every file in it.
    pub(in crate::config) files: Field<Vec<Field<String>>>,
    /// `http://` URLs of lists that are kept fresh.
    pub(in crate::config) urls: Field<Vec<Field<String>>>,
    /// Whether lists are fetched from the distribution points of certificates that lead to an authority of ours.
    /// Default: false.
    pub(in crate::config) from_certificates: Field<bool>,
    /// How often it is asked whether there is a newer list. Default: `10m`.
    pub(in crate::config) refresh: Field<Duration>,
    /// The folder in which fetched lists survive a restart. Default: none.
    pub(in crate::config) cache: Field<Option<String>>,
    /// The largest list that is fetched. Default: `64MiB`.
    pub(in crate::config) max_size: Field<Size>,
    /// Whether lists may be fetched from addresses that are not the open Internet's.
    pub(in crate::config) private_addresses: Field<PrivateAddresses>,
    /// What an issuer without a current list means. Default: `reject`.
    pub(in crate::config) unknown: Field<Unknown>,
}

/// OCSP responders (RFC 6960).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Ocsp {
    /// `off`; `prefer`: where a certificate names a responder or one is configured; `require`: always.
    /// Default: `off`.
    pub(in crate::config) mode: Field<OcspMode>,
    /// The `http://` URL of the responder that is asked. Default: the one that the certificate names.
    pub(in crate::config) responder: Field<Option<String>>,
    /// How long one question may take. Default: `2s`.
    pub(in crate::config) timeout: Field<Duration>,
    /// Whether an answer must be made for the question. Default: false.
    pub(in crate::config) nonce: Field<bool>,
    /// Whether a responder may have an address that is not the open Internet's.
    pub(in crate::config) private_addresses: Field<PrivateAddresses>,
    /// What no answer means. Default: `reject`.
    pub(in crate::config) unknown: Field<Unknown>,
}

impl JsonSchema for OcspMode {
    fn schema_name() -> Cow<'static, str> {
        "OcspMode".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Whether responders are asked.",
            "enum": ["off", "prefer", "require", false],
        })
    }
}
