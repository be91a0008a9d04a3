//! From a socket to a [`Connection`]: accept, limits, what a balancer says of the client, and the TLS handshake, within
//! their deadline. What is asked over the connection is `proxy`'s business.

pub mod activity;
mod begin;
pub mod coalesce;
pub mod connection;
pub mod io;
pub mod limit;
pub mod proxy_protocol;
mod ticket;
pub mod tls;
mod verifier;

use crate::config::ProxyProtocol;
use crate::telemetry::metrics::{Closed, Handshake, ListenerNumbers, Series};
use arc_swap::ArcSwap;
use begin::{Beginning, begin};
use connection::Connection;
use io::ClientStream;
use limit::{ConnectionLimit, NoPlace, Place};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use std::future::Future;
use std::io as std_io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tls::ListenerTls;
use tokio::net::TcpListener;

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
    /// TLS for each server name, or none.
    pub tls: Arc<ListenerTls>,
    /// The balancers before it.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// From accept to the end of the handshake.
    pub handshake: Duration,
    /// What is counted of its connections.
    pub numbers: Series<ListenerNumbers>,
}

impl Settings {
    /// Takes a place for a connection from this address: a balancer's until it has said who the client is.
    fn place(&self, limit: &Arc<ConnectionLimit>, peer: IpAddr) -> Result<Place, Refused> {
        match &self.proxy_protocol {
            Some(balancers) if balancers.trusts(peer) => Ok(limit.take_unannounced(peer)?),
            Some(balancers) if balancers.required => Err(Refused::NoBalancer),
            _ => Ok(limit.take(peer)?),
        }
    }
}

/// Why a connection is closed as soon as it is accepted.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("{0}")]
    NoPlace(#[from] NoPlace),
    #[error(
        "only balancers may connect here, and this address is none: if it is, add it to the listener's \
         proxy_protocol.from"
    )]
    NoBalancer,
}

impl Refused {
    fn counted_as(&self) -> Closed {
        match self {
            Self::NoPlace(NoPlace::Total) => Closed::Total,
            Self::NoPlace(NoPlace::PerAddress) => Closed::PerAddress,
            Self::NoPlace(NoPlace::Unannounced) => Closed::Unannounced,
            Self::NoBalancer => Closed::NoBalancer,
        }
    }
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
            socket.bind(&address.into())?;
            socket.listen(BACKLOG)?;
            let socket = socket.into();
            adopt(&socket)?;
            Ok(socket)
        })
        .collect()
}

/// Makes a socket that somebody else has opened what one of our own is.
///
/// # Errors
/// When it is no TCP socket.
pub fn adopt(socket: &std::net::TcpListener) -> std_io::Result<()> {
    socket.set_nonblocking(true)?;
    // Accepted sockets inherit these, which saves two calls for each connection.
    let socket = SockRef::from(socket);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&KEEPALIVE)
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
    F: Fn(Connection, ClientStream, Place) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = ()> + Send,
{
    let refused = Arc::new(Quiet::default());
    let strangers = Quiet::default();
    let failing = Quiet::default();
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
        let peer = proxy_protocol::plain(peer);
        // Taken once, so that who is trusted now is who sends a header.
        let settings = listener.settings();
        settings.numbers.accepted.increment();
        let place = match settings.place(&limit, peer.ip()) {
            Ok(place) => place,
            Err(reason) => {
                settings.numbers.refused(reason.counted_as());
                // A stranger who knocks without end does not keep the log from saying that limits are reached.
                let quiet = if matches!(reason, Refused::NoBalancer) { &strangers } else { &*refused };
                if quiet.speak() {
                    tracing::warn!(listener = %settings.name, client = %peer, %reason, "connection refused");
                }
                continue;
            }
        };
        let (serve, refused) = (serve.clone(), Arc::clone(&refused));
        let accepted = Instant::now();
        tokio::spawn(async move {
            let mut beginning = Beginning::of(peer);
            let within = settings.handshake;
            // In a box and a block of its own, so that the room it takes is free once the connection is served.
            let served = {
                let begun = Box::pin(begin(stream, place, &settings, &mut beginning));
                let begun = match tokio::time::timeout(within, begun).await {
                    Ok(Ok((connection, stream, place))) => {
                        let result = if connection.tls.resumed { Handshake::Resumed } else { Handshake::Full };
                        settings.numbers.handshake(result, accepted.elapsed());
                        Ok(serve(connection, stream, place))
                    }
                    Ok(Err(error)) => Err(error),
                    Err(_) => Err(begin::Error::Late(within)),
                };
                match begun {
                    Ok(served) => served,
                    Err(error) => {
                        settings.numbers.handshake(beginning.counted_as(&error), accepted.elapsed());
                        return beginning.log(&settings.name, &error, &refused);
                    }
                }
            };
            served.await;
        });
    }
}

/// Lets a message through once a second, so that a flood of clients is not a flood of lines.
#[derive(Default)]
struct Quiet {
    spoke: Mutex<Option<Instant>>,
}

impl Quiet {
    fn speak(&self) -> bool {
        let mut spoke = self.spoke.lock().unwrap_or_else(PoisonError::into_inner);
        let speaks = spoke.is_none_or(|at| at.elapsed() >= Duration::from_secs(1));
        if speaks {
            *spoke = Some(Instant::now());
        }
        speaks
    }
}
