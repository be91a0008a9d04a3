//! The shape of `digest`: passwords for those who have no certificate.

use super::{Duration, Secret, Size};
use crate::config::ChallengeAlgorithm;
use crate::config::read::Field;
use schemars::JsonSchema;
use serde::Deserialize;

/// HTTP Digest (RFC 7616).
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["realm"]))]
pub(in crate::config) struct Digest {
    /// The realm that passwords are for.
    pub(in crate::config) realm: Field<Realm>,
    /// What is offered; the strongest is offered first. Default: `[SHA-256, MD5]`.
    pub(in crate::config) algorithms: Field<Vec<Field<ChallengeAlgorithm>>>,
    /// Nonces.
    pub(in crate::config) nonce: Field<Nonce>,
    /// Offers `qop=auth-int`, which protects request bodies. Default: it is not offered.
    pub(in crate::config) auth_int: Field<AuthInt>,
    /// Whether clients are asked to send their user names hashed. Default: `false`.
    pub(in crate::config) userhash: Field<bool>,
    /// The URIs that one password is good for, as clients are told: paths, or whole URLs of other hosts. Default:
    /// the whole host.
    pub(in crate::config) domain: Field<Vec<Field<String>>>,
}

/// One realm, or the domain in a header.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename = "$kind")]
#[schemars(rename = "Realm", untagged)]
pub(in crate::config) enum Realm {
    /// It is always this one.
    #[serde(rename = "$text")]
    Fixed(String),
    /// It is the domain of the address in a header.
    #[serde(rename = "$map")]
    FromHeader(RealmFromHeader),
}

/// A realm that each request names: the domain of `sip:user@domain`, `user@domain` or `"Name" <sip:user@domain>`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["from_header", "allowed"]))]
pub(in crate::config) struct RealmFromHeader {
    /// The header with the address: `From`.
    pub(in crate::config) from_header: Field<String>,
    /// The domains that are realms.
    pub(in crate::config) allowed: Field<Vec<Field<String>>>,
}

/// Nonces of HTTP Digest.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct Nonce {
    /// What they are authenticated with; the same on every node. Default: random.
    pub(in crate::config) secret: Field<Secret>,
    /// How long one is good. Default: `5m`.
    pub(in crate::config) lifetime: Field<Duration>,
    /// What one is good for: any client, or the address alone that it was issued to. Default: `nothing`.
    pub(in crate::config) bind: Field<Bind>,
}

/// What a nonce is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Bind {
    /// Nothing: a client may change its address.
    Nothing,
    /// The client's address, or the /64 network of an IPv6 address.
    Address,
}

/// How request bodies are verified.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct AuthInt {
    /// The largest body: it is held in memory until it is verified. Default: `64KiB`.
    pub(in crate::config) limit: Field<Size>,
}
