//! Kept connections to the servers of an upstream, one set for each worker (RFC 9112, section 9.3).
//!
//! A connection's driver is polled by the task that uses the connection: no dispatcher task and no channel
//! stand between a request and its upstream, which saves two wake-ups a request. While a connection is
//! kept nobody polls it, so it is polled once when it is taken again, and by [`Pools::sweep`] meanwhile.

use super::{Key, Server, Stream};
use crate::config::{ServerName, UpstreamTimeouts};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use std::collections::HashMap;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// Idle connections kept for each server and worker.
const MOST_IDLE: usize = 256;
/// The largest response head, in octets.
const MOST_HEAD: usize = 256 * 1024;
/// The largest number of fields in a response head.
const MOST_FIELDS: usize = 256;

type BoxError = Box<dyn Error + Send + Sync>;

/// A connection to one server, and what drives it.
pub struct Pooled<B: Body + 'static> {
    key: Key,
    sender: SendRequest<B>,
    /// How long it is kept unused.
    keep: Duration,
    /// `None` once it has ended.
    driver: Option<Driver<B>>,
    reused: bool,
}

/// In a box, because a connection goes from hand to hand several times a request.
type Driver<B> = Box<http1::Connection<TokioIo<Stream>, B>>;

/// The idle connections of one worker.
pub struct Pools<B: Body + 'static> {
    idle: Mutex<HashMap<Key, Vec<Idle<B>>>>,
}

struct Idle<B: Body + 'static> {
    connection: Pooled<B>,
    since: Instant,
}

/// No connection could be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Name resolution or connecting failed.
    #[error("cannot connect to {server}: {source}")]
    Failed {
        /// The server.
        server: ServerName,
        /// Why.
        source: std::io::Error,
    },
    /// It took longer than `timeouts.connect`.
    #[error("cannot connect to {server}: no answer within {limit:?}")]
    TimedOut {
        /// The server.
        server: ServerName,
        /// The limit.
        limit: Duration,
    },
    /// TLS did not come about.
    #[error("cannot connect to {server} over TLS: {why}")]
    Tls {
        /// The server.
        server: ServerName,
        /// Whose certificate was refused by whom, and why.
        why: String,
    },
}

impl ConnectError {
    /// What an upstream without servers says; a checked configuration has none such.
    #[must_use]
    pub fn no_servers() -> Self {
        let server = ServerName { host: "-".to_owned(), port: 0 };
        Self::Failed { server, source: std::io::Error::other("the upstream has no servers") }
    }
}

impl<B> Pools<B>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    /// No connections yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { idle: Mutex::default() })
    }

    /// The connection used last, if one is still open and was not kept for too long.
    pub async fn take(&self, server: &Server) -> Option<Pooled<B>> {
        loop {
            let kept = self.with(|map| map.get_mut(&server.key).and_then(Vec::pop))?;
            let mut connection = kept.connection;
            if kept.since.elapsed() >= connection.keep {
                continue;
            }
            if poll_fn(|cx| Poll::Ready(connection.usable(cx))).await {
                connection.reused = true;
                return Some(connection);
            }
        }
    }

    fn put(&self, connection: Pooled<B>) {
        let since = Instant::now();
        self.with(|map| {
            // The server's entry is there after its first connection: no name is cloned for each request.
            if let Some(kept) = map.get_mut(&connection.key) {
                if kept.len() < MOST_IDLE {
                    kept.push(Idle { connection, since });
                }
            } else {
                map.insert(connection.key.clone(), vec![Idle { connection, since }]);
            }
        });
    }

    /// Drops connections that their server has closed, and those that were kept for too long.
    pub fn sweep(&self) {
        let cx = &mut Context::from_waker(Waker::noop());
        self.with(|map| {
            map.retain(|_, kept| {
                kept.retain_mut(|kept| kept.since.elapsed() < kept.connection.keep && kept.connection.usable(cx));
                !kept.is_empty()
            });
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<Key, Vec<Idle<B>>>) -> T) -> T {
        work(&mut self.idle.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<B> Pooled<B>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    /// Connects to a server.
    ///
    /// # Errors
    /// When the name has no address, nobody listens there, TLS fails, or it takes longer than `timeouts.connect`.
    pub async fn connect(server: &Server, timeouts: &UpstreamTimeouts) -> Result<Self, ConnectError> {
        let stream = open(server, timeouts.connect).await?;
        let (sender, driver) = http1::Builder::new()
            .max_header_size(MOST_HEAD)
            .max_headers(MOST_FIELDS)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| {
                let server = server.name().clone();
                ConnectError::Failed { server, source: std::io::Error::other(error) }
            })?;
        Ok(Self { key: server.key.clone(), sender, keep: timeouts.idle, driver: Some(Box::new(driver)), reused: false })
    }

    /// Whether a request went over this connection before, so that its server may just have closed it.
    #[must_use]
    pub fn reused(&self) -> bool {
        self.reused
    }

    /// Sends a request and waits for the head of its response.
    ///
    /// # Errors
    /// What hyper says; with the request, if none of it was sent.
    pub async fn send(&mut self, request: Request<B>) -> Result<Response<Incoming>, TrySendError<Request<B>>> {
        let mut response = pin!(self.sender.try_send_request(request));
        let driver = &mut self.driver;
        poll_fn(|cx| {
            if let Poll::Ready(response) = response.as_mut().poll(cx) {
                return Poll::Ready(response);
            }
            drive(driver, cx);
            // What the driver has just read is handed over without another wake-up.
            response.as_mut().poll(cx)
        })
        .await
    }

    fn usable(&mut self, cx: &mut Context<'_>) -> bool {
        drive(&mut self.driver, cx);
        self.driver.is_some() && self.sender.is_ready()
    }
}

/// Polls the driver; its end, whatever it was, shows in the sender and in the body.
fn drive<B>(driver: &mut Option<Driver<B>>, cx: &mut Context<'_>)
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    if let Some(running) = driver
        && Pin::new(running).poll(cx).is_ready()
    {
        *driver = None;
    }
}

/// Opens a connection to a server: each address of its name in turn, and then TLS if it is spoken to so.
///
/// # Errors
/// When the name has no address, nobody listens there, TLS fails, or all of it takes longer than `limit`.
pub async fn open(server: &Server, limit: Duration) -> Result<Stream, ConnectError> {
    let name = || server.name().clone();
    let connecting = async {
        let address = (server.name().host.as_str(), server.name().port);
        let failed = |source| ConnectError::Failed { server: name(), source };
        let stream = TcpStream::connect(address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        Ok(match server.tls() {
            None => Stream::Plain(stream),
            Some(tls) => {
                let stream = tls.connect(server.name(), stream).await;
                Stream::Tls(Box::new(stream.map_err(|why| ConnectError::Tls { server: name(), why })?))
            }
        })
    };
    match tokio::time::timeout(limit, connecting).await {
        Ok(outcome) => outcome,
        Err(_) => Err(ConnectError::TimedOut { server: name(), limit }),
    }
}

/// The body of a response, which drives the connection that it comes over and gives it back at its end.
pub struct PooledBody<B: Body + 'static>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    incoming: Incoming,
    connection: Option<Pooled<B>>,
    pools: Arc<Pools<B>>,
    /// How long the server may pause.
    pause: Duration,
    /// Running while the server pauses.
    pausing: Option<Pin<Box<tokio::time::Sleep>>>,
}

/// The rest of a response did not come.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The connection broke off, or what came over it is not HTTP.
    #[error("the upstream broke off its answer: {0}")]
    Broken(#[from] hyper::Error),
    /// Nothing came for `timeouts.response`.
    #[error("the upstream paused its answer for {0:?}")]
    Paused(Duration),
}

impl<B> PooledBody<B>
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    /// The body of a response that came over this connection; it may pause for `pause`.
    pub async fn new(incoming: Incoming, connection: Pooled<B>, pools: Arc<Pools<B>>, pause: Duration) -> Self {
        let mut body = Self { incoming, connection: Some(connection), pools, pause, pausing: None };
        if body.incoming.is_end_stream() {
            poll_fn(|cx| {
                body.release(cx);
                Poll::Ready(())
            })
            .await;
        }
        body
    }

    fn release(&mut self, cx: &mut Context<'_>) {
        if let Some(mut connection) = self.connection.take()
            && connection.usable(cx)
        {
            self.pools.put(connection);
        }
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        let Some(connection) = &mut self.connection else { return Poll::Pending };
        drive(&mut connection.driver, cx);
        Pin::new(&mut self.incoming).poll_frame(cx)
    }
}

impl<B> Body for PooledBody<B>
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.poll_incoming(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                self.pausing = None;
                if self.incoming.is_end_stream() {
                    self.release(cx);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                self.connection = None;
                Poll::Ready(Some(Err(error.into())))
            }
            Poll::Ready(None) => {
                self.release(cx);
                Poll::Ready(None)
            }
            Poll::Pending => {
                let pause = self.pause;
                let pausing = self.pausing.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
                if pausing.as_mut().poll(cx).is_ready() {
                    self.connection = None;
                    return Poll::Ready(Some(Err(BodyError::Paused(pause))));
                }
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
