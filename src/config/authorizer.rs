//! Listeners that another front asks: what it says in which header, and how it proves that it is the front.

use super::{Advertise, ClientCertificate, ClientPolicy, OnMissing, OnRejected};
use crate::base::secret::SecretSource;
use schemars::JsonSchema;
use serde::Deserialize;

/// A listener that is asked whether requests may pass that another front has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorizer {
    /// How the front writes a certificate.
    pub form: CertificateForm,
    /// The header with the certificate, as the administrator has written its name.
    pub header: String,
    /// The header with the rest of the chain, if the form has one.
    pub chain_header: Option<String>,
    /// Where the original request stands.
    pub request: OriginalRequest,
    /// What stands before its path; empty for nothing. Begins with `/` and does not end with one.
    pub prefix: String,
    /// Which statuses the front understands.
    pub statuses: AuthorizerStatuses,
    /// The certificate that the front shows; there is this, or a secret, or both.
    pub certificate: Option<FrontCertificate>,
    /// The secret that it sends.
    pub secret: Option<FrontSecret>,
}

impl Authorizer {
    /// What the front's own TLS session is made for: its certificate, if it proves itself by one. What its clients are
    /// asked for is the listener's policy.
    #[must_use]
    pub fn handshake(&self) -> ClientPolicy {
        let client_certificate =
            if self.certificate.is_some() { ClientCertificate::Need } else { ClientCertificate::Off };
        ClientPolicy {
            client_certificate,
            on_missing: if self.certificate.is_some() { OnMissing::Alert } else { OnMissing::Page },
            on_rejected: OnRejected::Page,
            trust: self.certificate.as_ref().map(|certificate| certificate.trust.clone()),
            advertise: Advertise::None,
        }
    }
}

/// How a front writes a client's certificate into a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CertificateForm {
    /// `Client-Cert` and `Client-Cert-Chain`: byte sequences between colons (RFC 9440).
    Rfc9440,
    /// One certificate in PEM, percent-encoded, as nginx's `$ssl_client_escaped_cert`.
    Nginx,
    /// One certificate in DER, in Base64, as HAProxy's `%[ssl_c_der,base64]`; the chain likewise, one certificate behind
    /// the other (`%[ssl_c_chain_der,base64]`). Caddy writes the first, too.
    Haproxy,
    /// Base64 of DER without line ends, with commas between the certificates, perhaps percent-encoded:
    /// `X-Forwarded-Tls-Client-Cert` of Traefik.
    Traefik,
    /// `X-Forwarded-Client-Cert` of Envoy, with the keys `Cert` or `Chain`.
    Envoy,
}

impl CertificateForm {
    /// The header that is usual for it.
    #[must_use]
    pub fn usual_header(self) -> &'static str {
        match self {
            Self::Rfc9440 => "Client-Cert",
            Self::Nginx => "X-SSL-Client-Cert",
            Self::Haproxy => "X-SSL-Client-Der",
            Self::Traefik => "X-Forwarded-Tls-Client-Cert",
            Self::Envoy => "X-Forwarded-Client-Cert",
        }
    }

    /// The header of the chain that is usual for it, if the chain has one of its own.
    #[must_use]
    pub fn usual_chain_header(self) -> Option<&'static str> {
        match self {
            Self::Rfc9440 => Some("Client-Cert-Chain"),
            Self::Haproxy => Some("X-SSL-Client-Chain-Der"),
            Self::Nginx | Self::Traefik | Self::Envoy => None,
        }
    }

    /// Where such a front usually says what the original request was.
    #[must_use]
    pub fn usual_request(self) -> OriginalRequest {
        match self {
            Self::Rfc9440 | Self::Nginx | Self::Haproxy => OriginalRequest::Original,
            Self::Traefik => OriginalRequest::Forwarded,
            Self::Envoy => OriginalRequest::Itself,
        }
    }
}

/// Where the method, host and target of the original request stand. All three must be there, once each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OriginalRequest {
    /// `X-Original-Method`, `X-Original-Host` and `X-Original-URI`.
    Original,
    /// `X-Forwarded-Method`, `X-Forwarded-Host` and `X-Forwarded-Uri`, as Traefik and Caddy write them.
    Forwarded,
    /// The question has the method, the host and the target of the original request itself, as Envoy asks.
    Itself,
}

/// Which statuses a front understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthorizerStatuses {
    /// All of them: what the client is to be told is told to the front as it is.
    All,
    /// 200, 401 and 403, as nginx's `auth_request`, which makes 500 of all others. Those are 403 here, and
    /// `X-Wicketgate-Status` says what they would have been.
    AuthRequest,
}

/// The certificate that a front shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrontCertificate {
    /// The name of the trust set that it comes from.
    pub trust: String,
    /// DNS names in lower case, one of which it must be for; at least one.
    pub names: Vec<String>,
}

/// The secret that a front sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrontSecret {
    /// The header that it stands in.
    pub header: String,
    /// The secret itself.
    pub value: SecretSource,
}
