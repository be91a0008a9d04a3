//! How commands speak to a running gate: over its address for administrators, which the configuration names. Shared by
//! `status`, `top` and `reload`.

use super::{Failure, OrFail, configuration};
use crate::certificate::pem;
use crate::config::{AdminGuard, Config};
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use rustls::client::ClientConfig;
use rustls::pki_types::ServerName;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How long an answer may take; a reload may read lists of a million entries.
const PATIENCE: Duration = Duration::from_secs(150);
/// How long it may take to connect.
const CONNECT: Duration = Duration::from_secs(5);
/// The largest answer in octets.
const MOST: usize = 16 * 1024 * 1024;

/// Which gate, and as whom.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "running_gate")]
pub(super) struct Args {
    /// The configuration file, whose `admin` says where the gate is to be asked
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// Another address than the configuration's
    #[arg(long, value_name = "ADDRESS:PORT")]
    address: Option<SocketAddr>,
    /// PEM file of your own certificate, where the gate asks for one
    #[arg(long, value_name = "CERT.pem", requires = "key")]
    certificate: Option<PathBuf>,
    /// PEM file of its key
    #[arg(long, value_name = "KEY.pem", requires = "certificate")]
    key: Option<PathBuf>,
    /// PEM file of the authority of the gate's own certificate
    #[arg(long, value_name = "CA.pem")]
    ca: Option<PathBuf>,
    /// The name that the gate's certificate is for, if not its address
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// A gate that can be asked.
pub(super) struct Gate {
    address: SocketAddr,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    host: String,
}

/// What it answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

impl Args {
    /// The gate that these name.
    ///
    /// # Errors
    /// When the configuration is bad or has no `admin`, or a certificate cannot be used.
    pub(super) fn gate(&self) -> Result<Gate, Failure> {
        let config = configuration(&self.config)?;
        let Some(admin) = &config.admin else { return Err(self.no_address()) };
        let address = self.address.unwrap_or(admin.address);
        if address.port() == 0 {
            return Err(Failure::new(
                "asking the gate",
                self.config.display(),
                "`admin.address` leaves the port to the system",
                "name the port that the gate's log tells with --address, or configure one",
            ));
        }
        // An address to listen on may stand for all of the machine's.
        let address = match address.ip().is_unspecified() {
            true if address.is_ipv4() => SocketAddr::from(([127, 0, 0, 1], address.port())),
            true => SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, address.port())),
            false => address,
        };
        let host = self.name.clone().unwrap_or_else(|| address.to_string());
        let tls = match &admin.guard {
            None => None,
            Some(guard) => Some(self.tls(&config, guard, address)?),
        };
        Ok(Gate { address, tls, host })
    }

    fn no_address(&self) -> Failure {
        Failure::new(
            "asking the gate",
            self.config.display(),
            "the configuration has no `admin`, so the gate cannot be asked anything",
            "add `admin: { address: 127.0.0.1:9901 }` to it and restart the gate",
        )
        .bad()
    }

    fn tls(
        &self,
        _: &Config,
        guard: &AdminGuard,
        address: SocketAddr,
    ) -> Result<(TlsConnector, ServerName<'static>), Failure> {
        const WHAT: &str = "setting up TLS";
        let (Some(chain), Some(key), Some(ca)) = (&self.certificate, &self.key, &self.ca) else {
            let why =
                format!("`admin.tls` is configured: the gate asks for a certificate that {} accepts", guard.trust);
            let what_to_do = "give yours with --certificate and --key, and the authority of the gate's with --ca";
            return Err(Failure::new("asking the gate", self.config.display(), why, what_to_do).bad());
        };
        let read =
            |file: &Path| pem::certificates(file).or_fail(WHAT, file.display(), "give a file of certificates in PEM");
        let mut roots = RootCertStore::empty();
        for authority in read(ca)? {
            roots.add(authority).or_fail(WHAT, ca.display(), "give the certificate of an authority")?;
        }
        let private = pem::private_key(key).or_fail(WHAT, key.display(), "give an unencrypted key in PEM")?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.or_fail(WHAT, "TLS", "report this")?.with_root_certificates(roots);
        let client = builder.with_client_auth_cert(read(chain)?, private);
        let client = client.or_fail(WHAT, chain.display(), "give the key that belongs to the certificate")?;
        let name = match &self.name {
            Some(name) => ServerName::try_from(name.clone()).or_fail(WHAT, name, "give a host name")?,
            None => ServerName::IpAddress(address.ip().into()),
        };
        Ok((TlsConnector::from(Arc::new(client)), name))
    }
}

impl Gate {
    /// The address, for people.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks, and waits for the whole answer.
    ///
    /// # Errors
    /// When there is no gate, or it gives no answer.
    pub(super) async fn ask(&self, method: Method, path: &str) -> Result<Answer, Failure> {
        let answer = match tokio::time::timeout(PATIENCE, self.asked(method, path)).await {
            Ok(answer) => answer,
            Err(_) => Err(anyhow::anyhow!("no answer within {PATIENCE:?}")),
        };
        let what_to_do = "look whether the gate runs, and whether it runs with this configuration";
        let answer: Answer = answer.or_fail("asking the gate", self.address, what_to_do)?;
        match answer.status {
            StatusCode::FORBIDDEN | StatusCode::MISDIRECTED_REQUEST | StatusCode::NOT_FOUND => {
                let why = String::from_utf8_lossy(&answer.body).trim().to_owned();
                Err(Failure::new("asking the gate", self.address, why, "look at `admin` in the configuration"))
            }
            _ => Ok(answer),
        }
    }

    async fn asked(&self, method: Method, path: &str) -> anyhow::Result<Answer> {
        let connecting = tokio::time::timeout(CONNECT, TcpStream::connect(self.address));
        let stream = connecting.await.map_err(|_| anyhow::anyhow!("nobody answers there"))??;
        let request = Request::builder().method(method).uri(path).header(HOST, HeaderValue::try_from(&self.host)?);
        let request = request.body(Empty::<Bytes>::new())?;
        match &self.tls {
            None => exchange(stream, request).await,
            Some((connector, name)) => exchange(connector.connect(name.clone(), stream).await?, request).await,
        }
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Empty<Bytes>>,
) -> anyhow::Result<Answer> {
    let (mut sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(driver);
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), MOST).collect().await;
    driver.abort();
    // The error of a body that is too large is not an `Error` by itself.
    let body = body.map_err(|error| anyhow::anyhow!("{error}"))?.to_bytes();
    Ok(Answer { status, body })
}
