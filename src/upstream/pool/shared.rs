//! HTTP/2 connections of one worker (RFC 9113): many requests share one, another one is opened when it is full, and each
//! is let go when it was not used for a while. Requests come as they would be sent over HTTP/1.1, and go back so
//! if nothing of them was sent, since the next connection may be of either version.

use super::settings::{Heard, UNTOLD};
use super::{BoxError, MOST_HEAD};
use crate::upstream::Stream;
use crate::upstream::server::{ByKey, Key};
use http::header::{CONNECTION, HOST, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use http::{Request, Response, Uri, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};

/// Streams on one connection, if its server takes as many: what servers allow by custom.
const MOST_STREAMS: u32 = 100;
/// How much of one answer a server may send ahead of a client that reads slowly: with what waits for that client besides,
/// no more than is held of an answer over HTTP/1.1.
pub(super) const STREAM_WINDOW: u32 = 192 * 1024;
/// And on a connection, which is shared by clients that have nothing to do with each other: so much that each stream has its
/// own, and those that nobody reads leave the others theirs.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * MOST_STREAMS;
/// How often a server that says nothing is asked whether it is there, and how long it may take to say so.
const PING: Duration = Duration::from_secs(20);
const PONG: Duration = Duration::from_secs(10);

/// The connections.
pub(super) struct Shared<B> {
    of: Mutex<ByKey<Of<B>>>,
    /// Those that are one client's alone, of so many clients at most.
    private: Mutex<ByKey<Of<B>>>,
    most_private: usize,
}

/// Those to one server.
struct Of<B> {
    connections: Vec<Connection<B>>,
    /// Held by whoever opens one.
    opening: Arc<tokio::sync::Mutex<()>>,
}

struct Connection<B> {
    sender: SendRequest<B>,
    scheme: &'static str,
    room: Arc<Room>,
    used: Instant,
    keep: Duration,
}

/// One stream.
pub(super) struct Stream2<B> {
    sender: SendRequest<B>,
    scheme: &'static str,
    _place: Place,
}

/// How many streams a connection has and may have.
struct Room {
    streams: AtomicU32,
    /// As its server says at the time.
    most: AtomicU32,
}

impl Room {
    fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { streams: AtomicU32::new(0), most: AtomicU32::new(bounded(most)) })
    }

    fn set(&self, most: usize) {
        self.most.store(bounded(most), Relaxed);
    }

    fn is_used(&self) -> bool {
        self.streams.load(Relaxed) > 0
    }

    fn is_left(&self) -> bool {
        self.streams.load(Relaxed) < self.most.load(Relaxed)
    }
}

fn bounded(most: usize) -> u32 {
    u32::try_from(most).unwrap_or(u32::MAX).min(MOST_STREAMS)
}

/// Counts a stream of a connection.
struct Place(Arc<Room>);

impl Place {
    fn new(room: &Arc<Room>) -> Self {
        room.streams.fetch_add(1, Relaxed);
        Self(Arc::clone(room))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Relaxed);
    }
}

/// A server has begun HTTP/2 and ended it, or takes no request.
#[derive(Debug, thiserror::Error)]
pub(super) enum BeginError {
    /// What it says is no HTTP/2, or the connection is broken.
    #[error("{0}")]
    Broken(#[from] hyper::Error),
    /// It has closed the connection.
    #[error("it closed the connection before it said how many requests it takes over HTTP/2")]
    Closed,
    /// It takes none.
    #[error("it takes no requests over HTTP/2 (SETTINGS_MAX_CONCURRENT_STREAMS is 0)")]
    NoRoom,
}

impl<B> Shared<B>
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    pub(super) fn new(most_private: usize) -> Self {
        Self { of: Mutex::default(), private: Mutex::default(), most_private }
    }

    /// A stream on a connection that has room for it.
    pub(super) fn take(&self, key: &Key) -> Option<Stream2<B>> {
        let mut of = self.of(key);
        let connections = &mut of.get_mut(key)?.connections;
        connections.retain(|connection| !connection.sender.is_closed());
        let connection = connections.iter_mut().find(|connection| connection.room.is_left())?;
        connection.used = Instant::now();
        Some(Stream2 {
            sender: connection.sender.clone(),
            scheme: connection.scheme,
            _place: Place::new(&connection.room),
        })
    }

    /// What is held by whoever opens a connection to a server. A client more than connections are kept for gets one of
    /// its own for each request.
    pub(super) fn opening(&self, key: &Key) -> Arc<tokio::sync::Mutex<()>> {
        let mut of = self.of(key);
        if key.is_private() && of.len() >= self.most_private && !of.contains_key(key) {
            return Arc::default();
        }
        let new = || Of { connections: Vec::new(), opening: Arc::default() };
        Arc::clone(&of.entry(key.clone()).or_insert_with(new).opening)
    }

    /// Begins HTTP/2, and gives a stream on the new connection when its server has said how many it takes.
    pub(super) async fn open(
        &self,
        stream: Stream,
        key: &Key,
        scheme: &'static str,
        keep: Duration,
    ) -> Result<Stream2<B>, BeginError> {
        let (io, heard) = Heard::new(TokioIo::new(stream));
        let (sender, mut driver) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_max_send_streams(UNTOLD)
            .max_header_list_size(u32::try_from(MOST_HEAD).unwrap_or(u32::MAX))
            .keep_alive_interval(PING)
            .keep_alive_timeout(PONG)
            .handshake(io)
            .await?;
        let most = poll_fn(|cx| {
            heard.register(cx.waker());
            match driver.current_max_send_streams() {
                UNTOLD => Pin::new(&mut driver)
                    .poll(cx)
                    .map(|ended| Err(ended.err().map_or(BeginError::Closed, BeginError::Broken))),
                0 => Poll::Ready(Err(BeginError::NoRoom)),
                most => Poll::Ready(Ok(most)),
            }
        });
        let room = Room::new(most.await?);
        let kept = Arc::clone(&room);
        tokio::spawn(async move {
            let ended = poll_fn(|cx| {
                let polled = Pin::new(&mut driver).poll(cx);
                // It is polled for each request, and what the server has said anew counts for the next one.
                kept.set(driver.current_max_send_streams());
                polled
            });
            if let Err(error) = ended.await {
                tracing::debug!(%error, "an HTTP/2 connection to a server ended");
            }
        });
        let place = Place::new(&room);
        let connection = Connection { sender: sender.clone(), scheme, room, used: Instant::now(), keep };
        if let Some(of) = self.of(key).get_mut(key) {
            of.connections.push(connection);
        }
        Ok(Stream2 { sender, scheme, _place: place })
    }

    /// Lets go of connections that nobody uses.
    pub(super) fn sweep(&self) {
        for of in [&self.of, &self.private] {
            held(of).retain(|_, of| {
                of.connections.retain(|connection| {
                    let used = connection.room.is_used() || connection.used.elapsed() < connection.keep;
                    used && !connection.sender.is_closed()
                });
                !of.connections.is_empty() || Arc::strong_count(&of.opening) > 1
            });
        }
    }

    fn of(&self, key: &Key) -> MutexGuard<'_, ByKey<Of<B>>> {
        held(if key.is_private() { &self.private } else { &self.of })
    }
}

/// Held for a few instructions.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<B> Stream2<B>
where
    B: Body + Send + Unpin + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    pub(super) async fn send(
        &mut self,
        mut request: Request<B>,
    ) -> Result<Response<Incoming>, TrySendError<Request<B>>> {
        to_two(&mut request, self.scheme);
        self.sender.try_send_request(request).await
    }
}

/// Makes an HTTP/2 request of one for HTTP/1.1 (RFC 9113, section 8.3.1).
fn to_two<B>(request: &mut Request<B>, scheme: &'static str) {
    let host = request.headers_mut().remove(HOST);
    let authority = host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or_default();
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    if let Ok(uri) = Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build() {
        *request.uri_mut() = uri;
    }
    for field in [CONNECTION, TRANSFER_ENCODING, UPGRADE] {
        request.headers_mut().remove(field);
    }
    *request.version_mut() = Version::HTTP_2;
}

/// And back again.
pub(super) fn to_one<B>(request: &mut Request<B>) {
    let uri = std::mem::take(request.uri_mut());
    let authority = uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(authority) = authority {
        request.headers_mut().insert(HOST, authority);
    }
    *request.uri_mut() = uri.path_and_query().map_or_else(Uri::default, |path| Uri::from(path.clone()));
    *request.version_mut() = Version::HTTP_11;
}
