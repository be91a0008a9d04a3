//! The keys of a listener that another front asks.

use super::Secret;
use crate::config::read::Field;
use crate::config::{AuthorizerStatuses, CertificateForm, OriginalRequest};
use schemars::JsonSchema;
use serde::Deserialize;

/// A listener that is asked by another front (nginx, HAProxy, Traefik, Caddy, Envoy) whether each of its requests may
/// pass. The front has ended TLS, and says in a header which certificate it has seen.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["form", "from"]))]
pub(in crate::config) struct Authorizer {
    /// How the front writes a client's certificate.
    pub(in crate::config) form: Field<CertificateForm>,
    /// The header that it writes the certificate into. Default: the one that is usual for the form.
    pub(in crate::config) header: Field<String>,
    /// The header with the rest of the chain; of `rfc9440` and `haproxy` only. Default: the one that is usual for the form.
    pub(in crate::config) chain_header: Field<String>,
    /// Where the method, host and path of the original request stand. Default: what is usual for the form.
    pub(in crate::config) request: Field<OriginalRequest>,
    /// What stands before the path of the original request; with `request: itself` only. Default: nothing.
    pub(in crate::config) prefix: Field<String>,
    /// Which statuses the front understands. Default: `auth_request` for the form `nginx`, else `all`.
    pub(in crate::config) statuses: Field<AuthorizerStatuses>,
    /// How the front proves that it is the front: one of these, or both.
    pub(in crate::config) from: Field<AuthorizerFrom>,
    /// Lets a front on another machine ask without TLS. Default: `false`.
    pub(in crate::config) insecure: Field<bool>,
}

/// How a front proves that it is the front.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::config) struct AuthorizerFrom {
    /// By a client certificate of its own.
    pub(in crate::config) certificate: Field<FrontCertificate>,
    /// By a secret that it sends with each request.
    pub(in crate::config) secret: Field<FrontSecret>,
}

/// The certificate that a front shows.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["trust", "names"]))]
pub(in crate::config) struct FrontCertificate {
    /// The trust set, by name, that it comes from.
    pub(in crate::config) trust: Field<String>,
    /// DNS names, one of which it must be for (subject alternative name).
    pub(in crate::config) names: Field<Vec<Field<String>>>,
}

/// The secret that a front sends.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["value"]))]
pub(in crate::config) struct FrontSecret {
    /// The header that it stands in. Default: `X-Wicketgate-Front`.
    pub(in crate::config) header: Field<String>,
    /// The secret itself: 16 octets or more.
    pub(in crate::config) value: Field<Secret>,
}
