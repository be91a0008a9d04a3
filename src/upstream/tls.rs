//! TLS to servers: whom they must show to be, and what we show them. A server's certificate must lead to an authority
//! of the configuration and be for its name; ours, if there is one, is shown to whoever asks for it (RFC 8446, section
//! 4.3.2). Sessions are resumed; the gate asks nobody whether a server's certificate was revoked, which its authority in
//! the configuration is trusted to make unnecessary.

use crate::config::ServerName;
use rustls::client::{ClientConfig, Resumption};
use rustls::pki_types::{self, CertificateDer, PrivateKeyDer};
use rustls::{AlertDescription, CertificateError, RootCertStore};
use sha2::{Digest, Sha256};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How the servers of one upstream are spoken to.
pub struct ClientTls {
    /// No other one of this process has it: connections that were made by another one are not ours.
    number: u64,
    connector: TlsConnector,
    /// The same with HTTP/2 on offer before HTTP/1.1.
    connector_two: TlsConnector,
    /// What it was made of, hashed.
    fingerprint: [u8; 32],
    /// The name that certificates must be for, if not the server's own.
    name: Option<String>,
    shows_certificate: bool,
}

/// What the files of an upstream's `tls` hold.
#[derive(Debug)]
pub struct Material {
    /// The authorities that servers' certificates may come from.
    pub authorities: Vec<CertificateDer<'static>>,
    /// Our own certificate with its intermediates, and its key.
    pub credential: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
}

/// TLS cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A certificate cannot be an authority.
    #[error("ca: {0}")]
    Authority(rustls::Error),
    /// Our certificate and key do not go together, or are of a kind that cannot be used.
    #[error("certificate, key: {0}")]
    Credential(rustls::Error),
    /// The TLS library lacks something.
    #[error(transparent)]
    Library(rustls::Error),
}

impl Material {
    /// A hash of all of it: each part with its length before it.
    fn fingerprint(&self, name: Option<&str>) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut add = |part: &[u8]| {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        add(name.unwrap_or_default().as_bytes());
        self.authorities.iter().for_each(|authority| add(authority));
        if let Some((chain, key)) = &self.credential {
            add(b"credential");
            chain.iter().for_each(|certificate| add(certificate));
            add(key.secret_der());
        }
        hash.finalize().into()
    }
}

impl ClientTls {
    /// With what the files hold; `name` is what certificates must be for, if not the server's own name.
    ///
    /// # Errors
    /// When a certificate or the key cannot be used.
    pub fn new(material: Material, name: Option<String>) -> Result<Self, SetupError> {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        let fingerprint = material.fingerprint(name.as_deref());
        let mut roots = RootCertStore::empty();
        for authority in material.authorities {
            roots.add(authority).map_err(SetupError::Authority)?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(SetupError::Library)?.with_root_certificates(roots);
        let shows_certificate = material.credential.is_some();
        let mut config = match material.credential {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).map_err(SetupError::Credential)?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut config_two = config.clone();
        config_two.alpn_protocols.insert(0, b"h2".to_vec());
        // Sessions of one are none of the other: the protocol belongs to them (RFC 8446, section 4.6.1).
        config_two.resumption = Resumption::default();
        Ok(Self {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            connector: TlsConnector::from(Arc::new(config)),
            connector_two: TlsConnector::from(Arc::new(config_two)),
            fingerprint,
            name,
            shows_certificate,
        })
    }

    /// A number that tells it from every other one of this process; never 0.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Whether another one was made of the same, so that connections of both are alike.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        self.fingerprint == other.fingerprint
    }

    /// Begins TLS on a connection to this server, with HTTP/2 on offer if it says `two`.
    ///
    /// # Errors
    /// What failed, in words for the log: whose certificate was refused by whom, and why.
    pub async fn connect(
        &self,
        server: &ServerName,
        stream: TcpStream,
        two: bool,
    ) -> Result<TlsStream<TcpStream>, String> {
        let connector = if two { &self.connector_two } else { &self.connector };
        let name = self.name.as_deref().unwrap_or(&server.host);
        let expected = pki_types::ServerName::try_from(name.to_owned())
            .map_err(|_| format!("no certificate can be for the name {name:?}"))?;
        connector.connect(expected, stream).await.map_err(|error| self.why(name, &error))
    }

    /// What a failed handshake means.
    fn why(&self, name: &str, error: &io::Error) -> String {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(error) => self.of_tls(name, error),
            None => format!("the server ended the handshake: {error}"),
        }
    }

    fn of_tls(&self, name: &str, error: &rustls::Error) -> String {
        use rustls::Error::{AlertReceived, InvalidCertificate};
        let certificate = |why: &str| format!("its certificate is refused: {why}");
        match error {
            InvalidCertificate(CertificateError::UnknownIssuer) => {
                certificate("it comes from none of the authorities in tls.ca")
            }
            InvalidCertificate(CertificateError::BadSignature) => {
                certificate("an authority of its issuer's name is in tls.ca, and has not signed it")
            }
            InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }) => {
                certificate(&format!("it is not for {name:?} (tls.name says for whom it must be)"))
            }
            InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
                certificate("it has expired")
            }
            InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
                certificate("it is not valid yet")
            }
            InvalidCertificate(other) => certificate(&other.to_string()),
            AlertReceived(alert) => self.of_alert(*alert),
            other => format!("TLS failed: {other}"),
        }
    }

    fn of_alert(&self, alert: AlertDescription) -> String {
        let ours = if self.shows_certificate { "tls.certificate" } else { "no certificate: add tls.certificate" };
        match alert {
            AlertDescription::CertificateRequired | AlertDescription::AccessDenied => {
                format!("the server wants a certificate, and was shown {ours} ({alert:?})")
            }
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnsupportedCertificate => {
                format!("the server refuses what it was shown, which is {ours} ({alert:?})")
            }
            other => format!("the server ended the handshake ({other:?})"),
        }
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").field("number", &self.number).field("name", &self.name).finish_non_exhaustive()
    }
}
