//! From a socket to a [`Connection`](connection::Connection): accept, limits, the TLS handshake within its
//! deadline. What is asked over the connection is `proxy`'s business.

pub mod activity;
pub mod connection;
pub mod io;
pub mod limit;
mod ticket;
pub mod tls;
mod verifier;

use crate::certificate::Presented;
use arc_swap::ArcSwap;
use connection::{Connection, ConnectionId, TlsFacts};
use limit::{ConnectionLimit, Place};
use socket2::{Domain, Protocol, Socket, TcpKeepalive, Type};
use std::future::Future;
use std::io as std_io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tls::ListenerTls;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

/// The first octet of a ClientHello's record (RFC 8446, section 5.1).
const TLS_HANDSHAKE: u8 = 22;
const BACKLOG: i32 = 4096;
/// Finds out that a client is gone while a tunnel to it stands still.
const KEEPALIVE: TcpKeepalive =
    TcpKeepalive::new().with_time(Duration::from_secs(60)).with_interval(Duration::from_secs(15));
/// How long to wait after the system refused to accept, for want of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listener, as its accept loops share it. What it does is exchanged whole at a reload.
pub struct Listener {
    settings: ArcSwap<Settings>,
}

/// What a listener does.
pub struct Settings {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// TLS for each server name.
    pub tls: Arc<ListenerTls>,
    /// From accept to the end of the handshake.
    pub handshake: Duration,
}

impl Listener {
    /// A listener before its first connection.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings: ArcSwap::from_pointee(settings) }
    }

    /// Does this from the next connection on.
    pub fn set(&self, settings: Settings) {
        self.settings.store(Arc::new(settings));
    }

    /// What it does now.
    #[must_use]
    pub fn settings(&self) -> Arc<Settings> {
        self.settings.load_full()
    }
}

/// Opens sockets on one address, one for each worker; the kernel spreads connections over them
/// (`SO_REUSEPORT`).
///
/// # Errors
/// When the address cannot be had. It is first bound alone, because `SO_REUSEPORT` would let a second
/// instance of ours listen beside the first and take half of its connections without a word.
pub fn bind(address: SocketAddr, workers: usize) -> std_io::Result<Vec<std::net::TcpListener>> {
    let probe = socket(address)?;
    probe.bind(&address.into())?;
    let address = if address.port() == 0 { probe.local_addr()?.as_socket().unwrap_or(address) } else { address };
    probe.listen(1)?;
    drop(probe);
    (0..workers.max(1))
        .map(|_| {
            let socket = socket(address)?;
            socket.set_reuse_port(true)?;
            // Accepted sockets inherit these, which saves two calls for each connection.
            socket.set_tcp_nodelay(true)?;
            socket.set_tcp_keepalive(&KEEPALIVE)?;
            socket.bind(&address.into())?;
            socket.listen(BACKLOG)?;
            Ok(socket.into())
        })
        .collect()
}

fn socket(address: SocketAddr) -> std_io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    Ok(socket)
}

/// Accepts connections for ever, and hands each one over when its handshake is done. Dropping the future
/// stops accepting; handshakes and connections under way go on.
pub async fn accept<F, Fut>(socket: TcpListener, listener: Arc<Listener>, limit: Arc<ConnectionLimit>, serve: F)
where
    F: Fn(Connection, TlsStream<TcpStream>, Place) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let mut refused = Quiet::default();
    let mut failing = Quiet::default();
    loop {
        let (stream, peer) = match socket.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                if failing.speak() {
                    tracing::error!(listener = %listener.settings().name, %error, "cannot accept connections");
                }
                // What concerns one connection alone is over at once; what concerns the process is not.
                if !matches!(error.kind(), std_io::ErrorKind::ConnectionAborted | std_io::ErrorKind::ConnectionReset) {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
                continue;
            }
        };
        let place = match limit.take(peer.ip()) {
            Ok(place) => place,
            Err(reason) => {
                if refused.speak() {
                    tracing::warn!(listener = %listener.settings().name, client = %peer, %reason, "connection refused");
                }
                continue;
            }
        };
        let (settings, serve) = (listener.settings(), serve.clone());
        tokio::spawn(async move {
            // The server name is for the log of a handshake that fails after the client told it.
            let mut server_name = None;
            let within = settings.handshake;
            // In a box, so that the room it takes is free once the connection is served.
            let handshake = Box::pin(handshake(stream, peer, &settings, &mut server_name));
            let outcome = tokio::time::timeout(within, handshake).await;
            let error = match outcome {
                Ok(Ok((connection, stream))) => return serve(connection, stream, place).await,
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("not finished within {within:?}"),
            };
            let sni = server_name.as_deref().unwrap_or("-");
            tracing::info!(listener = %settings.name, client = %peer, sni, error, "TLS handshake failed");
        });
    }
}

#[derive(Debug, thiserror::Error)]
enum HandshakeError {
    #[error("{0}")]
    Io(#[from] std_io::Error),
    #[error("the client went away without a word")]
    Silent,
    #[error("the client speaks plain HTTP, or another protocol, on a TLS port")]
    NotTls,
    #[error("{0}")]
    Certificate(#[from] crate::certificate::PresentedError),
}

async fn handshake(
    stream: TcpStream,
    peer: SocketAddr,
    settings: &Settings,
    sni: &mut Option<Arc<str>>,
) -> Result<(Connection, TlsStream<TcpStream>), HandshakeError> {
    let local = stream.local_addr()?;
    // Looked at before TLS is, which would answer with an alert that no HTTP client understands.
    let mut first = [0];
    if stream.peek(&mut first).await? == 0 {
        return Err(HandshakeError::Silent);
    }
    if first != [TLS_HANDSHAKE] {
        answer_in_plain(stream).await?;
        return Err(HandshakeError::NotTls);
    }
    let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
    *sni = start.client_hello().server_name().map(|name| Arc::from(name.to_ascii_lowercase()));
    let host = settings.tls.host(sni.as_deref()).clone();
    let mut stream = start.into_stream(host.server).await?;
    let (_, session) = stream.get_mut();
    session.set_buffer_limit(Some(tls::BUFFER_LIMIT));
    let presented = match session.peer_certificates() {
        Some(chain) if !chain.is_empty() => Some(Presented::new(chain)?),
        _ => None,
    };
    let tls = TlsFacts {
        version: match session.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "TLSv1.3",
        },
        cipher: session.negotiated_cipher_suite().map(|suite| format!("{:?}", suite.suite())).unwrap_or_default(),
        http2: session.alpn_protocol() == Some(b"h2"),
        server_name: sni.clone(),
        resumed: session.handshake_kind() == Some(rustls::HandshakeKind::Resumed),
    };
    let connection = Connection {
        id: ConnectionId::next(),
        peer,
        local,
        listener: Arc::clone(&settings.name),
        policy: host.policy,
        tls,
        presented,
    };
    Ok((connection, stream))
}

/// Tells a client that came without TLS what is wrong, in the words that nginx's users know.
async fn answer_in_plain(mut stream: TcpStream) -> std_io::Result<()> {
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

/// Lets a message through once a second, so that a flood of clients is not a flood of lines.
#[derive(Default)]
struct Quiet {
    spoke: Option<Instant>,
}

impl Quiet {
    fn speak(&mut self) -> bool {
        let speaks = self.spoke.is_none_or(|at| at.elapsed() >= Duration::from_secs(1));
        if speaks {
            self.spoke = Some(Instant::now());
        }
        speaks
    }
}
