//! Kept connections to the servers of an upstream, one set for each worker (RFC 9112, section 9.3; RFC 9113, section 9.1).
//!
//! An HTTP/1.1 connection's driver is polled by the task that uses the connection: no dispatcher task and no channel
//! stand between a request and its upstream, which saves two wake-ups a request. While a connection is
//! kept nobody polls it but [`Pools::sweep`]: that a server has closed it shows when the next request is handed to it, before
//! anything of that is sent. An HTTP/2 connection
//! is many requests' at once, and driven by a task of its own.

mod body;
mod kept;
mod quiet;
mod settings;
mod shared;

pub use body::{BodyError, PooledBody};

use super::checks::speaks_two;
use super::connect::{ConnectError, open};
use super::server::Key;
use super::{Server, Stream};
use crate::config::UpstreamTimeouts;
use crate::telemetry::metrics::ServerNumbers;
use futures_util::future::Either;
use http::{Request, Response, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use kept::{Kept, keep};
use quiet::Quiet;
use shared::{Shared, Stream2};
use std::error::Error;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Connections of one worker, of each version, that are one client's alone and are kept for its next request.
const MOST_PRIVATE: usize = 1024;
/// The largest response head, in octets, and over HTTP/1.1 the most of an answer that is read ahead: a client that takes
/// nothing has the gate hold that, and once more what waits for it.
pub(super) const MOST_HEAD: usize = 64 * 1024;
/// The largest number of fields in a response head.
const MOST_FIELDS: usize = 256;

/// The most of an answer that may be read ahead over a connection of its own.
pub const MOST_AHEAD: u64 = MOST_HEAD as u64;

type BoxError = Box<dyn Error + Send + Sync>;

/// A connection to one server, or a share of one, and what drives it.
pub struct Pooled<B: Body + 'static> {
    key: Key,
    wire: Wire<B>,
    /// How long it is kept unused.
    keep: Duration,
    reused: bool,
    /// What is counted of the server.
    numbers: Arc<ServerNumbers>,
}

enum Wire<B: Body + 'static> {
    /// For one request at a time.
    One {
        sender: SendRequest<B>,
        /// `None` once it has ended.
        driver: Option<Driver<B>>,
        quiet: Quiet,
    },
    /// One stream of many.
    Two(Stream2<B>),
}

/// In a box, because a connection goes from hand to hand several times a request.
type Driver<B> = Box<http1::Connection<TokioIo<Stream>, B>>;

/// The connections of one worker.
pub struct Pools<B: Body + 'static> {
    idle: Mutex<Kept<B>>,
    shared: Shared<B>,
}

impl<B> Pools<B>
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    /// No connections yet.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Self::with_private(MOST_PRIVATE)
    }

    /// The same, with so many connections at most that are one client's alone.
    fn with_private(most: usize) -> Arc<Self> {
        Arc::new(Self { idle: Mutex::new(Kept::new(most)), shared: Shared::new(most) })
    }

    /// A connection to a server: with `kept`, the one used last if one is still open and was not kept for too long; else a
    /// new one. Over HTTP/2, a share of one that has room. Where something is said of the client before anything else, only
    /// connections on which just that was said.
    ///
    /// # Errors
    /// When the name has no address, nobody listens there, TLS fails, or it takes longer than `timeouts.connect`.
    pub async fn connection(
        &self,
        server: &Server,
        timeouts: &UpstreamTimeouts,
        said: Option<&Arc<[u8]>>,
        kept: bool,
    ) -> Result<Pooled<B>, ConnectError> {
        let private;
        let key = match said {
            None => &server.key,
            Some(said) => {
                private = server.key.with_said(said);
                &private
            }
        };
        if server.speaks_two() {
            return Box::pin(self.shared_connection(server, key, timeouts, kept)).await;
        }
        match if kept { self.take(key) } else { None } {
            Some(connection) => Ok(connection),
            None => Box::pin(Pooled::connect(server, key, timeouts)).await,
        }
    }

    fn take(&self, key: &Key) -> Option<Pooled<B>> {
        let now = Instant::now();
        loop {
            let (mut connection, since) = self.with(|kept| kept.take(key))?;
            if now.saturating_duration_since(since) < connection.keep {
                connection.reused = true;
                return Some(connection);
            }
        }
    }

    /// Keeps a connection for the next request, if it can be used for one.
    fn give_back(&self, mut connection: Pooled<B>) {
        if connection.usable() {
            let since = Instant::now();
            self.with(|kept| kept.give(connection, since));
        }
    }

    /// Drops connections that their server has closed, and those that were kept for too long.
    pub fn sweep(&self) {
        self.with(Kept::sweep);
        self.shared.sweep();
    }

    fn with<T>(&self, work: impl FnOnce(&mut Kept<B>) -> T) -> T {
        work(&mut self.idle.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<B> Pooled<B>
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    async fn connect(server: &Server, key: &Key, timeouts: &UpstreamTimeouts) -> Result<Self, ConnectError> {
        let stream = open(server, timeouts.connect, key.said.as_deref()).await?;
        Self::over(stream, server, key, timeouts).await
    }

    async fn over(
        stream: Stream,
        server: &Server,
        key: &Key,
        timeouts: &UpstreamTimeouts,
    ) -> Result<Self, ConnectError> {
        let (sender, driver) = http1::Builder::new()
            .max_header_size(MOST_HEAD)
            .max_buf_size(MOST_HEAD)
            .max_headers(MOST_FIELDS)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| ConnectError::of_http(server, error))?;
        let wire = Wire::One { sender, driver: Some(Box::new(driver)), quiet: Quiet::new() };
        let numbers = Arc::clone(server.numbers());
        Ok(Self { key: key.clone(), wire, keep: keep(key, timeouts), reused: false, numbers })
    }

    /// Whether a request went over this connection before, so that its server may just have closed it.
    #[must_use]
    pub fn reused(&self) -> bool {
        self.reused
    }

    /// Sends a request, whose URI is a path and which has a `Host`, and waits for the head of its response.
    ///
    /// # Errors
    /// What hyper says; with the request, if none of it was sent.
    pub fn send(
        &mut self,
        request: Request<B>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<B>>>> + Unpin {
        let (sender, driver, quiet) = match &mut self.wire {
            Wire::One { sender, driver, quiet } => (sender, driver, quiet),
            Wire::Two(stream) => return Either::Right(Box::pin(stream.send(request))),
        };
        // In a box, since it has room for the whole request in case that comes back.
        let mut response = Box::pin(sender.try_send_request(request));
        Either::Left(poll_fn(move |cx| {
            if let Poll::Ready(response) = quiet.poll_other_end(|cx| response.as_mut().poll(cx)) {
                return Poll::Ready(response);
            }
            quiet.poll_for(cx, |cx| drive(driver, cx));
            // What the driver has just read is handed over without another wake-up.
            quiet.poll_other_end(|cx| response.as_mut().poll(cx))
        }))
    }

    /// Whether another request can be sent over it. Nobody is woken by what comes of this look.
    fn usable(&mut self) -> bool {
        match &mut self.wire {
            Wire::One { sender, driver, quiet } => {
                quiet.poll_for_nobody(|cx| drive(driver, cx));
                driver.is_some() && sender.is_ready()
            }
            // What is shared is kept elsewhere.
            Wire::Two(_) => false,
        }
    }
}

/// Makes a request that was not sent what it was before, whatever it was to be sent over.
pub fn restore<B>(request: &mut Request<B>) {
    if request.version() == Version::HTTP_2 {
        shared::to_one(request);
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

impl<B> Pools<B>
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    /// A share of a connection that has room for another stream, or of a new one. Only one is opened at a time to each
    /// server: who waited for it mostly finds room on it.
    async fn shared_connection(
        &self,
        server: &Server,
        key: &Key,
        timeouts: &UpstreamTimeouts,
        kept: bool,
    ) -> Result<Pooled<B>, ConnectError> {
        let of = |wire, reused| {
            let numbers = Arc::clone(server.numbers());
            Pooled { key: key.clone(), wire, keep: keep(key, timeouts), reused, numbers }
        };
        if kept && let Some(stream) = self.shared.take(key) {
            return Ok(of(Wire::Two(stream), true));
        }
        // Where the server has chosen HTTP/1.1.
        if kept && let Some(connection) = self.take(key) {
            return Ok(connection);
        }
        let opening = self.shared.opening(key);
        let _turn = opening.lock().await;
        if kept && let Some(stream) = self.shared.take(key) {
            return Ok(of(Wire::Two(stream), true));
        }
        let began = Instant::now();
        let stream = open(server, timeouts.connect, key.said.as_deref()).await?;
        if !speaks_two(&stream, server) {
            return Pooled::over(stream, server, key, timeouts).await;
        }
        let scheme = if server.tls().is_some() { "https" } else { "http" };
        let left = timeouts.connect.saturating_sub(began.elapsed());
        match timeout(left, self.shared.open(stream, key, scheme, keep(key, timeouts))).await {
            Ok(Ok(stream)) => Ok(of(Wire::Two(stream), false)),
            Ok(Err(error)) => Err(ConnectError::of_http(server, error)),
            Err(_) => Err(ConnectError::TimedOut { server: server.name().clone(), limit: timeouts.connect }),
        }
    }
}

#[cfg(test)]
mod tests;
