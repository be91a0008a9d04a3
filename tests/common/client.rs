//! A well-behaved HTTP client over TLS, HTTP/1.1 and HTTP/2, with or without a certificate.

use super::pki::{Authority, Credential};
use bytes::Bytes;
use http::{HeaderMap, Request, Version};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
};
use rustls::{ClientConfig, NamedGroup, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::ServerName;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A request body.
pub(crate) type Body = BoxBody<Bytes, io::Error>;

/// No body.
pub(crate) fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed()
}

/// A body of known length.
pub(crate) fn full(octets: impl Into<Bytes>) -> Body {
    Full::new(octets.into()).map_err(|never| match never {}).boxed()
}

/// A body of unknown length, whose frames are sent through the channel; dropping it ends the body.
pub(crate) fn streamed() -> (mpsc::Sender<Frame<Bytes>>, Body) {
    let (sender, mut receiver) = mpsc::channel(1);
    let frames = futures_util::stream::poll_fn(move |context| receiver.poll_recv(context).map(|frame| frame.map(Ok)));
    (sender, BodyExt::boxed(StreamBody::new(frames)))
}

/// A client of one gate. Its clones share its sessions.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    /// Where it comes from, and what it says before TLS.
    from: Option<IpAddr>,
    before: Vec<u8>,
    name: String,
    roots: Arc<RootCertStore>,
    credential: Option<Credential>,
    versions: Vec<&'static SupportedProtocolVersion>,
    config: ClientConfig,
}

impl Client {
    pub(crate) fn new(address: SocketAddr, root: &Authority) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(root.der()).unwrap();
        let roots = Arc::new(roots);
        let versions = rustls::DEFAULT_VERSIONS.to_vec();
        let config = configure(&roots, None, &versions);
        Self {
            address,
            from: None,
            before: Vec::new(),
            name: "gate.example.org".to_owned(),
            roots,
            credential: None,
            versions,
            config,
        }
    }

    /// Presents this certificate. Sessions are begun anew.
    pub(crate) fn with(mut self, credential: &Credential) -> Self {
        self.credential = Some(credential.clone());
        self.config = configure(&self.roots, self.credential.as_ref(), &self.versions);
        self
    }

    /// Speaks this version of TLS alone. Sessions are begun anew.
    pub(crate) fn speaking(mut self, version: &'static SupportedProtocolVersion) -> Self {
        self.versions = vec![version];
        self.config = configure(&self.roots, self.credential.as_ref(), &self.versions);
        self
    }

    /// Visits this address, of another gate for example, with the sessions that it has.
    pub(crate) fn at(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Comes from this loopback address.
    pub(crate) fn from(mut self, address: &str) -> Self {
        self.from = Some(address.parse().unwrap());
        self
    }

    /// Says this before its TLS handshake, as a balancer would.
    pub(crate) fn saying_before(mut self, octets: impl AsRef<[u8]>) -> Self {
        self.before = octets.as_ref().to_vec();
        self
    }

    /// Asks for this name, by SNI and by `Host`.
    pub(crate) fn named(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Offers the sessions that it has whatever the name they were made for, as only an attacker does.
    pub(crate) fn with_sessions_of_any_name(mut self) -> Self {
        self.config.resumption = Resumption::store(Arc::new(AnyName(ClientSessionMemoryCache::new(64))));
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What it presents; it has been given something.
    #[track_caller]
    pub(crate) fn credential(&self) -> &Credential {
        self.credential.as_ref().unwrap()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The TLS configuration that offers these application protocols.
    pub(crate) fn config(&self, protocols: &[&str]) -> ClientConfig {
        let mut config = self.config.clone();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        config
    }

    /// A TLS connection.
    pub(crate) async fn tls(&self, protocols: &[&str]) -> io::Result<TlsStream<TcpStream>> {
        self.tls_with(self.config(protocols)).await
    }

    /// A TLS connection of this configuration.
    pub(crate) async fn tls_with(&self, config: ClientConfig) -> io::Result<TlsStream<TcpStream>> {
        let socket = if self.address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(address) = self.from {
            socket.bind(SocketAddr::new(address, 0))?;
        }
        let mut stream = socket.connect(self.address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(&self.before).await?;
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(self.name.clone()).unwrap(), stream).await
    }

    /// A connection that speaks HTTP/1.1.
    pub(crate) async fn http1(&self) -> io::Result<Connection> {
        let stream = self.tls(&["http/1.1"]).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection.with_upgrades());
        Ok(Connection { name: self.name.clone(), sender: Sender::One(sender) })
    }

    /// A connection that speaks HTTP/2.
    pub(crate) async fn http2(&self) -> io::Result<Connection> {
        let stream = self.tls(&["h2"]).await?;
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(Connection { name: self.name.clone(), sender: Sender::Two(sender) })
    }

    /// A connection of each version, with its name for messages.
    pub(crate) async fn both(&self) -> [(&'static str, Connection); 2] {
        [("HTTP/1.1", self.http1().await.unwrap()), ("HTTP/2", self.http2().await.unwrap())]
    }

    /// One GET on a connection of its own, over HTTP/1.1.
    #[track_caller]
    pub(crate) fn get(&self, target: &str) -> impl Future<Output = Answer> {
        let client = self.clone();
        let target = target.to_owned();
        async move { client.http1().await.unwrap().get(&target).await }
    }
}

fn configure(
    roots: &Arc<RootCertStore>,
    credential: Option<&Credential>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(Arc::clone(roots));
    match credential {
        Some(credential) => builder.with_client_auth_cert(credential.chain.clone(), credential.key()).unwrap(),
        None => builder.with_no_client_auth(),
    }
}

/// A session store that takes all names for one.
#[derive(Debug)]
struct AnyName(ClientSessionMemoryCache);

impl AnyName {
    fn name() -> ServerName<'static> {
        ServerName::try_from("any").unwrap()
    }
}

impl ClientSessionStore for AnyName {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.0.set_kx_hint(Self::name(), group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.0.kx_hint(&Self::name())
    }

    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.0.set_tls12_session(Self::name(), value);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.0.tls12_session(&Self::name())
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.0.remove_tls12_session(&Self::name());
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.0.insert_tls13_ticket(Self::name(), value);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.take_tls13_ticket(&Self::name())
    }
}

/// An open connection.
pub(crate) struct Connection {
    name: String,
    sender: Sender,
}

enum Sender {
    One(http1::SendRequest<Body>),
    Two(http2::SendRequest<Body>),
}

impl Connection {
    /// The same HTTP/2 connection, for another stream at the same time.
    pub(crate) fn another(&self) -> Self {
        match &self.sender {
            Sender::One(_) => panic!("HTTP/1.1 has one request at a time"),
            Sender::Two(sender) => Self { name: self.name.clone(), sender: Sender::Two(sender.clone()) },
        }
    }

    /// Sends a request whose URI is a path (or an absolute URI, over HTTP/2 for another authority) and gives the
    /// response before its body.
    pub(crate) async fn start(&mut self, request: Request<Body>) -> hyper::Result<http::Response<Incoming>> {
        let (mut head, body) = request.into_parts();
        match &mut self.sender {
            Sender::One(sender) => {
                if !head.headers.contains_key("host") {
                    head.headers.insert("host", self.name.parse().unwrap());
                }
                sender.ready().await?;
                sender.send_request(Request::from_parts(head, body)).await
            }
            Sender::Two(sender) => {
                if head.uri.authority().is_none() {
                    head.uri = format!("https://{}{}", self.name, head.uri).parse().unwrap();
                }
                head.version = Version::HTTP_2;
                sender.ready().await?;
                sender.send_request(Request::from_parts(head, body)).await
            }
        }
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn try_send(&mut self, request: Request<Body>) -> hyper::Result<Answer> {
        let (head, body) = self.start(request).await?.into_parts();
        let collected = body.collect().await?;
        let trailers = collected.trailers().cloned().unwrap_or_default();
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body: collected.to_bytes(), trailers })
    }

    /// The same where an answer must come.
    pub(crate) async fn send(&mut self, request: Request<Body>) -> Answer {
        self.try_send(request).await.unwrap()
    }

    /// A GET of a path.
    pub(crate) async fn get(&mut self, target: &str) -> Answer {
        self.send(get(target)).await
    }

    /// Whether the next request on it does not pass: because it is refused for this reason, or because the
    /// connection was ended.
    pub(crate) async fn is_refused(&mut self, reason: &str) -> bool {
        match self.try_send(get("/")).await {
            Ok(answer) => answer.status == 403 && answer.text().contains(reason),
            Err(_) => true,
        }
    }
}

/// A GET of a path, for [`Connection::send`].
pub(crate) fn get(target: &str) -> Request<Body> {
    Request::get(target).body(empty()).unwrap()
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: HeaderMap,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// What a visitor is told: the text if the visit passed, else the first line of the page that refuses.
    pub(crate) fn says(&self) -> String {
        let text = self.text();
        if self.status == 200 { text } else { text.lines().next().unwrap_or_default().to_owned() }
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }

    /// A header's value, empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}
