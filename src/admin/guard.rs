//! Who may come to the address for administrators. On a loopback address that is whoever is logged in on the machine,
//! by name: a web page that has its own name lead there (DNS rebinding) is turned away by the `Host` header, and one
//! that sends requests there unseen by what browsers say of where a request comes from (W3C, Fetch Metadata). On any
//! other address nobody gets past the TLS handshake without a certificate that the trust set accepts, and then it is
//! decided as for a route.

use super::Sources;
use crate::auth::authorization::{Authorization, Origin};
use crate::auth::decision::{ClaimEvidence, Evidence, Finding, Policy, Verdict, decide};
use crate::auth::trust::TrustSet;
use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::certificate::Presented;
use crate::config::Advertise;
use crate::config::{
    Anonymous, ClientCertificate, ClientPolicy, HostPattern, Method, OnMissing, OnRejected, TlsVersion,
};
use crate::listen::tls::{ListenerTls, ServerCertificate, Settings, TrustMaterial};
use crate::revocation::live::Look;
use http::header::{HOST, HeaderMap, ORIGIN};
use rustls::ServerConfig;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// TLS and authorization for administrators.
pub struct Guard {
    pub(super) tls: Arc<ServerConfig>,
    trust: String,
    policy: Policy,
    /// The names of the certificate that is shown.
    names: Vec<HostPattern>,
}

impl Guard {
    /// Shows this certificate, and lets in whom the authorization names, by certificates that the trust set accepts.
    ///
    /// # Errors
    /// When rustls cannot speak TLS with them.
    pub fn new(
        certificate: ServerCertificate,
        trust: Arc<TrustSet>,
        authorization: Authorization,
    ) -> Result<Self, rustls::Error> {
        let client = ClientPolicy {
            client_certificate: ClientCertificate::Need,
            on_missing: OnMissing::Alert,
            on_rejected: OnRejected::Alert,
            trust: Some(trust.name().to_owned()),
            advertise: Advertise::All,
        };
        let names = certificate.names.clone();
        let name = trust.name().to_owned();
        let material = move |_: &ClientPolicy, _: Option<&HostPattern>| TrustMaterial {
            hints: trust.subjects(),
            trust: vec![Arc::clone(&trust)],
        };
        let settings = Settings {
            certificates: vec![certificate],
            min_version: TlsVersion::V1_2,
            // No tickets are given out where refusals are alerts.
            ticket_secret: Secret::new(Vec::new()),
            trust: &material,
        };
        let tls = ListenerTls::build(&client, &[], &settings)?;
        let server = tls.host(None).server.as_deref();
        let mut tls = server.cloned().ok_or_else(|| rustls::Error::General("there is no TLS".to_owned()))?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let policy = Policy {
            authenticate: vec![Method::Certificate],
            anonymous: Anonymous::Deny,
            claim: false,
            authorization,
            certificate_needed: true,
        };
        Ok(Self { tls: Arc::new(tls), trust: name, policy, names })
    }

    /// Whether somebody may ask who presented this, from this address, at this time; or why not. Sources that need
    /// time to answer are asked each time: administrators are few.
    pub(super) async fn judge(
        &self,
        sources: &Sources,
        presented: &Presented,
        from: IpAddr,
        at: Timestamp,
    ) -> Result<String, String> {
        let gate = sources.gate.load_full();
        let trust = gate.trust.get(&self.trust).map(Arc::as_ref);
        let look = Look::of_nobody();
        let standing = gate.authenticator.certificate(Some(presented), trust, None, at, &look).await;
        let evidence = Evidence {
            origin: Origin::new(from, standing.path.as_deref()),
            certificate: standing.evidence,
            credentials: Finding::NotAsked,
            authorization_sent: false,
            claim: ClaimEvidence::NotAsked,
        };
        match decide(&self.policy, &evidence) {
            Verdict::Permit(permit) => match permit.identity() {
                Some(identity) => Ok(identity.account.username.clone()),
                None => Err("nobody is known by the certificate".to_owned()),
            },
            Verdict::Refuse(reason) | Verdict::Challenge { reason, .. } => Err(reason.as_str().to_owned()),
            Verdict::Redirect(_) => Err("nobody is sent elsewhere from here".to_owned()),
        }
    }
}

/// Why a request is turned away by what it says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Foreign {
    /// By its `Host`.
    #[error("the Host header names no host that this address is for: a name that leads here is not enough")]
    Host,
    /// By where a browser says that it comes from.
    #[error("a page of another site sent this request")]
    Site,
}

/// Whether a request is meant for this address: by its `Host`, which must be an address of the machine's own or a name
/// of the certificate, and by where a browser says that it comes from.
pub(super) fn check(headers: &HeaderMap, bound: SocketAddr, guard: Option<&Guard>) -> Result<(), Foreign> {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(Foreign::Host) };
    let host = host.to_str().map_err(|_| Foreign::Host)?;
    if !names_us(host, bound, guard) {
        return Err(Foreign::Host);
    }
    let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
    if headers.contains_key(ORIGIN) || !matches!(site, None | Some(b"none" | b"same-origin")) {
        return Err(Foreign::Site);
    }
    Ok(())
}

fn names_us(host: &str, bound: SocketAddr, guard: Option<&Guard>) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, "")) => address,
            Some((address, port)) if port.strip_prefix(':').is_some_and(is_port) => address,
            _ => return false,
        },
        None => match host.split_once(':') {
            Some((name, port)) if is_port(port) => name,
            Some(_) => return false,
            None => host,
        },
    };
    let name = name.to_ascii_lowercase();
    match (name.parse::<IpAddr>(), guard) {
        // An address cannot be made to lead elsewhere by whoever owns a name.
        (Ok(address), None) => address.is_loopback(),
        (Ok(address), Some(_)) => address.is_loopback() || address == bound.ip() || bound.ip().is_unspecified(),
        (Err(_), None) => name == "localhost",
        (Err(_), Some(guard)) => name == "localhost" || guard.names.iter().any(|pattern| pattern.matches(&name)),
    }
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_name_that_was_made_to_lead_here_opens_nothing() {
        let bound = "127.0.0.1:9901".parse().unwrap();
        type Fields<'f> = &'f [(&'f str, &'f str)];
        let cases: &[(Fields<'_>, Result<(), Foreign>)] = &[
            (&[("host", "127.0.0.1:9901")], Ok(())),
            (&[("host", "127.0.0.1")], Ok(())),
            (&[("host", "127.1.2.3:80")], Ok(())),
            (&[("host", "LOCALHOST:9901")], Ok(())),
            (&[("host", "[::1]:9901")], Ok(())),
            (&[("host", "[::1]")], Ok(())),
            (&[], Err(Foreign::Host)),
            (&[("host", "")], Err(Foreign::Host)),
            (&[("host", "localhost"), ("host", "localhost")], Err(Foreign::Host)),
            (&[("host", "attacker.example:9901")], Err(Foreign::Host)),
            (&[("host", "localhost.attacker.example")], Err(Foreign::Host)),
            (&[("host", "127.0.0.1.attacker.example")], Err(Foreign::Host)),
            (&[("host", "192.0.2.1:9901")], Err(Foreign::Host)),
            (&[("host", "localhost:")], Err(Foreign::Host)),
            (&[("host", "localhost:99011x")], Err(Foreign::Host)),
            (&[("host", "localhost:1@attacker.example")], Err(Foreign::Host)),
            (&[("host", "[::1")], Err(Foreign::Host)),
            (&[("host", "[::1]x")], Err(Foreign::Host)),
            (&[("host", "localhost"), ("sec-fetch-site", "none")], Ok(())),
            (&[("host", "localhost"), ("sec-fetch-site", "same-origin")], Ok(())),
            (&[("host", "localhost"), ("sec-fetch-site", "cross-site")], Err(Foreign::Site)),
            (&[("host", "localhost"), ("sec-fetch-site", "same-site")], Err(Foreign::Site)),
            (&[("host", "localhost"), ("origin", "https://attacker.example")], Err(Foreign::Site)),
            (&[("host", "localhost"), ("origin", "null")], Err(Foreign::Site)),
        ];
        for (fields, expected) in cases {
            assert_eq!(check(&headers(fields), bound, None), *expected, "{fields:?}");
        }
    }
}
