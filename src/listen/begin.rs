//! The beginning of a connection: what its balancer says of it, if it came through one, then the TLS handshake. Why
//! one comes to nothing is logged here, each cause as loud as it deserves.

use super::connection::{Connection, ConnectionId, TlsFacts};
use super::io::ClientStream;
use super::limit::{NoPlace, Place};
use super::proxy_protocol::{self, Header, HeaderError, ReadError};
use super::tls;
use super::{Quiet, Settings};
use crate::certificate::{Presented, PresentedError};
use crate::config::ClientPolicy;
use crate::telemetry::metrics::Handshake;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;

/// The first octet of a ClientHello's record (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 22;
/// How long a header may take, and at most half of what the handshake may: a balancer writes it at once, so this is
/// for a segment that gets lost.
const HEADER: Duration = Duration::from_secs(5);

/// What is known of a connection so far, for the log if it comes to nothing.
pub(super) struct Beginning {
    /// The client: until a balancer has said more, whoever connected.
    client: SocketAddr,
    via: Option<SocketAddr>,
    /// A balancer connected for itself, as far as it says, to look whether the gate is there.
    is_check: bool,
    server_name: Option<Arc<str>>,
}

/// Why a connection came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("the client went away without a word")]
    Silent,
    #[error("the client speaks plain HTTP, or another protocol, on a TLS port")]
    NotTls,
    #[error("not finished within {0:?}")]
    Late(Duration),
    #[error("{0}")]
    Certificate(#[from] PresentedError),
    #[error("{0}")]
    NoPlace(#[from] NoPlace),
    #[error("{0}: every connection needs one here (send-proxy-v2 in HAProxy, proxy_protocol in nginx)")]
    NoHeader(HeaderError),
    #[error("no PROXY header was read: {0}")]
    Header(ReadError),
    #[error("the PROXY header did not come within {0:?}")]
    HeaderLate(Duration),
    #[error(
        "a PROXY header came from an address whose word is not taken: if a balancer has it, add it to the listener's \
         proxy_protocol.from"
    )]
    NotTrusted,
    #[error(
        "a second PROXY header came: the client made it up, or the balancer does not read that of another before it \
         (accept-proxy in HAProxy)"
    )]
    Twice,
}

impl Beginning {
    pub(super) fn of(peer: SocketAddr) -> Self {
        Self { client: peer, via: None, is_check: false, server_name: None }
    }

    /// As what it is counted that the connection came to nothing.
    pub(super) fn counted_as(&self, error: &Error) -> Handshake {
        match error {
            Error::Silent if self.is_check => Handshake::Check,
            Error::Silent => Handshake::Silent,
            Error::Io(_) => Handshake::Failed,
            Error::NotTls => Handshake::NotTls,
            Error::Late(_) => Handshake::Late,
            Error::Certificate(_) => Handshake::Certificate,
            Error::NoPlace(_) => Handshake::NoPlace,
            Error::NoHeader(_) | Error::Header(_) | Error::HeaderLate(_) | Error::NotTrusted | Error::Twice => {
                Handshake::ProxyHeader
            }
        }
    }

    /// What a balancer that looks whether somebody listens leaves behind is no fault, what it says wrong is one of
    /// somebody's configuration, and what clients do wrong is their own.
    pub(super) fn log(&self, listener: &str, error: &Error, refused: &Quiet) {
        let Self { client, via, is_check, server_name } = self;
        let sni = server_name.as_deref().unwrap_or("-");
        let via = via.map(tracing::field::display);
        match error {
            Error::Silent if *is_check => {
                tracing::debug!(listener, %client, "a balancer looked whether the gate is there")
            }
            Error::NoHeader(_) | Error::Header(_) | Error::NotTrusted => {
                tracing::warn!(listener, %client, %error, "connection closed");
            }
            Error::NoPlace(_) if !refused.speak() => {}
            Error::NoPlace(reason) => tracing::warn!(listener, %client, via, %reason, "connection refused"),
            Error::HeaderLate(_) | Error::Twice => {
                tracing::info!(listener, %client, via, %error, "connection closed");
            }
            _ => tracing::info!(listener, %client, via, sni, %error, "TLS handshake failed"),
        }
    }
}

/// Brings a connection as far as its first request. It gives the place back as well, which by then counts for the
/// client.
pub(super) async fn begin(
    mut stream: TcpStream,
    mut place: Place,
    settings: &Settings,
    beginning: &mut Beginning,
) -> Result<(Connection, ClientStream, Place), Error> {
    let peer = beginning.client;
    let mut local = proxy_protocol::plain(stream.local_addr()?);
    let mut announced = false;
    if let Some(balancers) = settings.proxy_protocol.as_ref().filter(|balancers| balancers.trusts(peer.ip())) {
        let within = HEADER.min(settings.handshake / 2);
        let header = tokio::time::timeout(within, header(&mut stream, balancers.required, beginning));
        let header = header.await.map_err(|_| Error::HeaderLate(within))??;
        announced = header.is_some();
        match header {
            // HAProxy's checks in version 1 say so by naming their own connection.
            Some(Header::Proxied { source, .. }) if source == peer => beginning.is_check = true,
            Some(Header::Proxied { source, destination }) => {
                beginning.client = source;
                beginning.via = Some(peer);
                local = destination;
            }
            Some(Header::Local | Header::Unknown) => beginning.is_check = true,
            None => {}
        }
        place.announce(beginning.client.ip())?;
    }
    let (tls, policy, presented, stream) = if settings.tls.is_off() {
        (TlsFacts::none(), Arc::clone(&settings.tls.host(None).policy), None, ClientStream::Plain(stream))
    } else {
        match handshake(stream, settings, &mut beginning.server_name).await {
            Err(Error::NotTrusted) if announced => return Err(Error::Twice),
            outcome => outcome?,
        }
    };
    let connection = Connection {
        id: ConnectionId::next(),
        peer: beginning.client,
        local,
        via: beginning.via,
        listener: Arc::clone(&settings.name),
        policy,
        tls,
        presented,
    };
    Ok((connection, stream, place))
}

/// The header that a balancer sends, or nothing where it may leave it out: the first octet tells, for TLS begins
/// otherwise.
async fn header(stream: &mut TcpStream, required: bool, beginning: &mut Beginning) -> Result<Option<Header>, Error> {
    let Some(first) = first_octet(stream).await? else {
        beginning.is_check = true;
        return Err(Error::Silent);
    };
    if !required && !proxy_protocol::may_begin(first) {
        return Ok(None);
    }
    match proxy_protocol::read(stream).await {
        Ok(header) => Ok(Some(header)),
        Err(ReadError::Header(error @ HeaderError::NoHeader)) => Err(Error::NoHeader(error)),
        Err(error) => Err(Error::Header(error)),
    }
}

/// What comes first, left where it is; nothing if the connection ends before, in whatever way.
async fn first_octet(stream: &TcpStream) -> io::Result<Option<u8>> {
    let mut first = [0];
    match stream.peek(&mut first).await {
        Ok(0) => Ok(None),
        Ok(_) => Ok(first.first().copied()),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(None),
        Err(error) => Err(error),
    }
}

async fn handshake(
    stream: TcpStream,
    settings: &Settings,
    sni: &mut Option<Arc<str>>,
) -> Result<(TlsFacts, Arc<ClientPolicy>, Option<Presented>, ClientStream), Error> {
    // Looked at before TLS is, which would answer with an alert that neither an HTTP client nor a balancer
    // understands.
    match first_octet(&stream).await? {
        None => return Err(Error::Silent),
        Some(TLS_HANDSHAKE) => {}
        Some(first) if proxy_protocol::may_begin(first) && is_header(&stream).await? => return Err(Error::NotTrusted),
        Some(_) => {
            answer_in_plain(stream).await?;
            return Err(Error::NotTls);
        }
    }
    let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
    *sni = start.client_hello().server_name().map(|name| Arc::from(name.to_ascii_lowercase()));
    let host = settings.tls.host(sni.as_deref()).clone();
    let Some(server) = host.server else { return Err(Error::NotTls) };
    let mut stream = start.into_stream(server).await?;
    let (_, session) = stream.get_mut();
    session.set_buffer_limit(Some(tls::BUFFER_LIMIT));
    let presented = match session.peer_certificates() {
        Some(chain) if !chain.is_empty() => Some(Presented::new(chain)?),
        _ => None,
    };
    let facts = TlsFacts {
        version: match session.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "TLSv1.3",
        },
        cipher: session.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite())).unwrap_or_default(),
        http2: session.alpn_protocol() == Some(b"h2"),
        server_name: sni.clone(),
        resumed: session.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
    };
    Ok((facts, host.policy, presented, ClientStream::Tls(Box::new(stream))))
}

/// Whether what is there to be read begins like a PROXY header, by whoever wrote it.
async fn is_header(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0; 12];
    let seen = stream.peek(&mut first).await?;
    Ok(proxy_protocol::is_header(first.get(..seen).unwrap_or_default()))
}

/// Tells a client that came without TLS what is wrong, in the words that nginx's users know.
async fn answer_in_plain(mut stream: TcpStream) -> io::Result<()> {
    const BODY: &str =
        "This port speaks TLS: the plain HTTP request was sent to an HTTPS port. Use https:// in the address.\n";
    let answer = format!(
        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{BODY}",
        BODY.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    // What the client still sends is read, within the handshake's deadline, so that the answer is not lost
    // to a reset.
    let _ = tokio::io::copy(&mut tokio::io::AsyncReadExt::take(&mut stream, 1 << 16), &mut tokio::io::sink()).await;
    Ok(())
}
