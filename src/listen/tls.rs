//! TLS 1.2 and 1.3 on a listener (RFC 5246, RFC 8446): which certificate is shown and which policy holds
//! for a server name (RFC 6066, section 3), and sessions that are sealed for each policy.

use super::ticket::PolicyTickets;
use super::verifier::PossessionVerifier;
use crate::auth::trust::TrustSet;
use crate::base::secret::Secret;
use crate::config::{ClientCertificate, ClientPolicy, HostPattern, OnMissing, OnRejected, TlsVersion};
use arc_swap::ArcSwap;
use rustls::DistinguishedName;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::sync::Arc;

/// How much a connection may have sealed before its writer has to wait. Larger than rustls's own 64 KiB so that what hyper
/// gathers of an answer is one write.
pub(super) const BUFFER_LIMIT: usize = 128 * 1024;

/// A certificate with its key, and the names it is for.
#[derive(Clone)]
pub struct ServerCertificate {
    /// The names of its subject alternative names, lower case.
    pub names: Vec<HostPattern>,
    /// Chain and key, and the OCSP answer that is sent along; exchanged when there is a newer one.
    pub certified: Arc<ArcSwap<CertifiedKey>>,
}

/// What a policy needs besides its settings.
pub struct TrustMaterial {
    /// Subjects (DER) of the authorities that clients are told of.
    pub hints: Vec<Vec<u8>>,
    /// Judge chains in memory, where refusals are to fail the handshake: the host's own set, then those of
    /// the routes that can be reached there. What one of them accepts may come in.
    pub trust: Vec<Arc<TrustSet>>,
}

/// TLS for one policy: what a server name leads to.
#[derive(Clone)]
pub struct HostTls {
    /// What is asked of clients.
    pub policy: Arc<ClientPolicy>,
    /// The configuration that asks it; `None` where there is no TLS.
    pub server: Option<Arc<ServerConfig>>,
}

/// TLS of one listener.
pub struct ListenerTls {
    resolver: Arc<BySni>,
    default: HostTls,
    hosts: Vec<(HostPattern, HostTls)>,
}

/// What a listener's TLS is built from.
pub struct Settings<'a> {
    /// Certificates in the order of the configuration; at least one.
    pub certificates: Vec<ServerCertificate>,
    /// The oldest version spoken.
    pub min_version: TlsVersion,
    /// What tickets are sealed with.
    pub ticket_secret: Secret,
    /// Hints and judgement for a policy and its host, which is `None` for the listener's own policy. Not asked
    /// where no certificate is.
    pub trust: &'a dyn Fn(&ClientPolicy, Option<&HostPattern>) -> TrustMaterial,
}

impl ListenerTls {
    /// Builds a configuration for the listener's policy and for each of its hosts'.
    ///
    /// # Errors
    /// When rustls cannot speak the versions with this provider.
    pub fn build(
        policy: &ClientPolicy,
        hosts: &[(HostPattern, ClientPolicy)],
        settings: &Settings<'_>,
    ) -> Result<Self, rustls::Error> {
        let resolver = Arc::new(BySni { certificates: settings.certificates.clone() });
        let build = |policy: &ClientPolicy, host: Option<&HostPattern>| {
            let server = server_config(policy, host, settings, Arc::clone(&resolver))?;
            Ok::<_, rustls::Error>(HostTls { policy: Arc::new(policy.clone()), server: Some(Arc::new(server)) })
        };
        let default = build(policy, None)?;
        let hosts = hosts
            .iter()
            .map(|(name, policy)| Ok((name.clone(), build(policy, Some(name))?)))
            .collect::<Result<_, rustls::Error>>()?;
        Ok(Self { resolver, default, hosts })
    }

    /// No TLS: every connection comes under this policy, which asks for no certificate.
    #[must_use]
    pub fn off(policy: &ClientPolicy) -> Self {
        let default = HostTls { policy: Arc::new(policy.clone()), server: None };
        Self { resolver: Arc::new(BySni { certificates: Vec::new() }), default, hosts: Vec::new() }
    }

    /// Whether there is no TLS.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.default.server.is_none()
    }

    /// The certificates that are shown, in the order of the configuration.
    #[must_use]
    pub fn certificates(&self) -> &[ServerCertificate] {
        &self.resolver.certificates
    }

    /// What holds for a server name (lower case): an exact name before a wildcard, the listener's own policy
    /// for any other name and for none.
    #[must_use]
    pub fn host(&self, server_name: Option<&str>) -> &HostTls {
        let Some(name) = server_name else { return &self.default };
        let exact = |pattern: &HostPattern| matches!(pattern, HostPattern::Exact(exact) if exact == name);
        self.hosts
            .iter()
            .find(|(pattern, _)| exact(pattern))
            .or_else(|| self.hosts.iter().find(|(pattern, _)| pattern.matches(name)))
            .map_or(&self.default, |(_, host)| host)
    }
}

/// The part of a policy that a session is made for: mode, trust and rejection (rule 6 of the design). Two
/// hosts that agree in it may share sessions and connections. The trust sets of routes are no part of it:
/// they decide on each request, whatever the session was made for.
#[must_use]
pub fn same_session(one: &ClientPolicy, other: &ClientPolicy) -> bool {
    one.client_certificate == other.client_certificate
        && one.trust == other.trust
        && one.on_missing == other.on_missing
        && one.on_rejected == other.on_rejected
}

fn session_name(policy: &ClientPolicy) -> String {
    let ClientPolicy { client_certificate, on_missing, on_rejected, trust, advertise: _ } = policy;
    format!("{client_certificate:?}|{on_missing:?}|{on_rejected:?}|{trust:?}")
}

fn server_config(
    policy: &ClientPolicy,
    host: Option<&HostPattern>,
    settings: &Settings<'_>,
    resolver: Arc<BySni>,
) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions: &[&rustls::SupportedProtocolVersion] = match settings.min_version {
        TlsVersion::V1_2 => &[&rustls::version::TLS13, &rustls::version::TLS12],
        TlsVersion::V1_3 => &[&rustls::version::TLS13],
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(versions)?;
    let builder = match policy.client_certificate {
        ClientCertificate::Off => builder.with_no_client_auth(),
        mode => {
            let TrustMaterial { hints, trust } = (settings.trust)(policy, host);
            builder.with_client_cert_verifier(Arc::new(PossessionVerifier {
                provider: Arc::clone(&provider),
                mandatory: mode == ClientCertificate::Need && policy.on_missing == OnMissing::Alert,
                hints: hints.into_iter().map(DistinguishedName::from).collect(),
                judges: (policy.on_rejected == OnRejected::Alert).then_some(trust),
            }))
        }
    };
    let mut server = builder.with_cert_resolver(resolver);
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    server.max_early_data_size = 0;
    server.session_storage = Arc::new(NoServerSessionStorage {});
    if policy.on_rejected == OnRejected::Alert {
        // A refusal must be seen in a handshake, and a resumed one judges nothing.
        server.send_tls13_tickets = 0;
    } else {
        server.send_tls13_tickets = 1;
        server.ticketer = Arc::new(PolicyTickets::new(settings.ticket_secret.clone(), session_name(policy)));
    }
    Ok(server)
}

/// Chooses a certificate by the server name: the first one that covers it and whose key the client can
/// check, then the first whose key it can check, then the first.
struct BySni {
    certificates: Vec<ServerCertificate>,
}

impl fmt::Debug for BySni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.certificates.iter().map(|certificate| &certificate.names)).finish()
    }
}

impl ResolvesServerCert for BySni {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let covers = |certificate: &&ServerCertificate| {
            hello.server_name().is_some_and(|name| certificate.names.iter().any(|pattern| pattern.matches(name)))
        };
        let usable = |certificate: &&ServerCertificate| {
            certificate.certified.load().key.choose_scheme(hello.signature_schemes()).is_some()
        };
        let all = || self.certificates.iter();
        all()
            .filter(covers)
            .find(usable)
            .or_else(|| all().find(covers))
            .or_else(|| all().find(usable))
            .or_else(|| all().next())
            .map(|certificate| certificate.certified.load_full())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Advertise;

    fn policy(client_certificate: ClientCertificate, trust: Option<&str>) -> ClientPolicy {
        ClientPolicy {
            client_certificate,
            on_missing: OnMissing::Alert,
            on_rejected: OnRejected::Page,
            trust: trust.map(str::to_owned),
            advertise: Advertise::All,
        }
    }

    #[test]
    fn sessions_are_shared_where_mode_trust_and_rejection_are_the_same() {
        let need = policy(ClientCertificate::Need, Some("staff"));
        assert!(same_session(&need, &ClientPolicy { advertise: Advertise::None, ..need.clone() }));
        for other in [
            policy(ClientCertificate::Want, Some("staff")),
            policy(ClientCertificate::Need, Some("guests")),
            ClientPolicy { on_rejected: OnRejected::Alert, ..need.clone() },
            ClientPolicy { on_missing: OnMissing::Page, ..need.clone() },
        ] {
            assert!(!same_session(&need, &other));
            assert_ne!(session_name(&need), session_name(&other));
        }
    }

    #[test]
    fn an_exact_host_is_preferred_to_a_wildcard() {
        let settings = Settings {
            certificates: Vec::new(),
            min_version: TlsVersion::V1_2,
            ticket_secret: Secret::from("a secret of the tests"),
            trust: &|_, _| TrustMaterial { hints: Vec::new(), trust: Vec::new() },
        };
        let off = policy(ClientCertificate::Off, None);
        let want = policy(ClientCertificate::Want, Some("staff"));
        let need = policy(ClientCertificate::Need, Some("staff"));
        let hosts = [
            (HostPattern::Wildcard("example.org".into()), want.clone()),
            (HostPattern::Exact("a.example.org".into()), off.clone()),
        ];
        let tls = ListenerTls::build(&need, &hosts, &settings).unwrap();
        let cases = [
            (Some("a.example.org"), &off),
            (Some("b.example.org"), &want),
            (Some("b.a.example.org"), &need),
            (Some("example.org"), &need),
            (None, &need),
        ];
        for (name, expected) in cases {
            assert_eq!(*tls.host(name).policy, *expected, "{name:?}");
        }
    }
}
