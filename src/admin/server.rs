//! The address for administrators: HTTP/1.1, in plain text on a loopback address or over TLS for whom the
//! [`Guard`] lets in. Few come here, so few are served at once, each for a bounded time.

use super::guard::{self, Guard};
use super::health::{is_ready, text};
use super::{Admin, Reloaded};
use crate::base::clock::Timestamp;
use crate::certificate::Presented;
use crate::telemetry::metrics::page::CONTENT_TYPE as METRICS;
use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

/// How many connections are served at once; others wait in the kernel's queue.
const MOST: usize = 64;
/// How long a handshake may take, and a request's head.
const HEAD: Duration = Duration::from_secs(10);
/// How long a connection may last: monitoring comes again by itself.
const LONGEST: Duration = Duration::from_secs(600);
/// The largest head in octets, and its fields.
const HEAD_OCTETS: usize = 16 * 1024;
const HEAD_FIELDS: usize = 64;
const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const PAGES: &str = "GET /metrics\nGET /healthz\nGET /readyz\nGET /status\nPOST /reload\n";

/// What became of a demand to reload, as `wicketgate reload` reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done.
    Reloaded(Reloaded),
    /// It was refused, and nothing was changed: this is what is wrong.
    Refused(String),
}

/// The address, served until this is dropped.
pub struct Server {
    address: SocketAddr,
    bound: SocketAddr,
    guard: Arc<ArcSwapOption<Guard>>,
    task: AbortHandle,
}

/// An address that nobody is served at yet.
pub struct Socket {
    address: SocketAddr,
    listener: TcpListener,
}

impl Socket {
    /// Takes the address.
    ///
    /// # Errors
    /// When it cannot be had.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self { address, listener: TcpListener::bind(address).await? })
    }

    /// Takes the address as a socket that was opened by somebody else, and that must not block.
    ///
    /// # Errors
    /// When the system has no room for another one.
    pub fn of(address: SocketAddr, socket: std::net::TcpListener) -> io::Result<Self> {
        Ok(Self { address, listener: TcpListener::from_std(socket)? })
    }

    /// Another descriptor of the same socket.
    ///
    /// # Errors
    /// When the system has none.
    pub fn try_clone(&self) -> io::Result<std::net::TcpListener> {
        self.listener.as_fd().try_clone_to_owned().map(std::net::TcpListener::from)
    }
}

impl Server {
    /// Serves at this address from now on, whom the guard lets in.
    ///
    /// # Errors
    /// When the socket has no address.
    pub fn start(socket: Socket, admin: Arc<Admin>, guard: Option<Arc<Guard>>) -> io::Result<Self> {
        let Socket { address, listener } = socket;
        let bound = listener.local_addr()?;
        let guard = Arc::new(ArcSwapOption::new(guard));
        let task = tokio::spawn(accept(listener, bound, admin, Arc::clone(&guard))).abort_handle();
        Ok(Self { address, bound, guard, task })
    }

    /// The address as it is configured.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address that it is bound to.
    #[must_use]
    pub fn bound(&self) -> SocketAddr {
        self.bound
    }

    /// Lets in whom this guard does, from the next connection on.
    pub fn set(&self, guard: Option<Arc<Guard>>) {
        self.guard.store(guard);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, bound: SocketAddr, admin: Arc<Admin>, guard: Arc<ArcSwapOption<Guard>>) {
    let places = Arc::new(Semaphore::new(MOST));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections of administrators");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let visit = Visit { admin: Arc::clone(&admin), guard: guard.load_full(), bound, peer, presented: None };
        tokio::spawn(async move {
            let _ = tokio::time::timeout(LONGEST, visit.serve(stream)).await;
            drop(place);
        });
    }
}

/// One connection.
struct Visit {
    admin: Arc<Admin>,
    guard: Option<Arc<Guard>>,
    bound: SocketAddr,
    peer: SocketAddr,
    presented: Option<Presented>,
}

impl Visit {
    async fn serve(mut self, stream: TcpStream) {
        let Some(guard) = &self.guard else { return self.requests(stream).await };
        let acceptor = TlsAcceptor::from(Arc::clone(&guard.tls));
        let stream = match tokio::time::timeout(HEAD, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return tracing::info!(client = %self.peer, %error, "no administrator"),
            Err(_) => return,
        };
        let presented = stream.get_ref().1.peer_certificates().map(Presented::new);
        let Some(Ok(presented)) = presented else { return };
        self.presented = Some(presented);
        self.requests(stream).await;
    }

    async fn requests(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let this = Arc::new(self);
        let service = service_fn(move |request| {
            let this = Arc::clone(&this);
            async move { Ok::<_, Infallible>(this.answer(&request).await) }
        });
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD)
            .max_headers(HEAD_FIELDS)
            .max_header_size(HEAD_OCTETS)
            .serve_connection(TokioIo::new(stream), service)
            .await;
        if let Err(error) = served {
            tracing::debug!(%error, "a connection of an administrator ended");
        }
    }

    /// The body of a request is not read: nothing that is asked for here needs one.
    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let (at, now) = (Timestamp::now(), Instant::now());
        if let Err(foreign) = guard::check(request.headers(), self.bound, self.guard.as_deref()) {
            tracing::warn!(client = %self.peer, why = %foreign, "a request to the address for administrators was turned away");
            return say(StatusCode::MISDIRECTED_REQUEST, TEXT, format!("{foreign}\n"));
        }
        let who = match self.judge(at).await {
            Ok(who) => who,
            Err(why) => {
                tracing::warn!(client = %self.peer, why, "somebody who is no administrator was turned away");
                return say(StatusCode::FORBIDDEN, TEXT, format!("you are not known as an administrator: {why}\n"));
            }
        };
        let (path, method) = (request.uri().path(), request.method());
        let reads = matches!(*method, Method::GET | Method::HEAD);
        match path {
            "/metrics" if reads => say(StatusCode::OK, METRICS, self.admin.page(at, now)),
            "/healthz" if reads => say(StatusCode::OK, TEXT, "ok\n".to_owned()),
            "/readyz" if reads => {
                let checks = self.admin.sources().readiness.checks(at, now);
                let status = if is_ready(&checks) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                say(status, TEXT, text(&checks))
            }
            "/status" if reads => json(StatusCode::OK, &self.admin.status(at, now)),
            "/reload" if *method == Method::POST => {
                tracing::info!(client = %self.peer, administrator = who, "a reload was asked for");
                match self.admin.reload().await {
                    Ok(reloaded) => json(StatusCode::OK, &Outcome::Reloaded(reloaded)),
                    Err(why) => json(StatusCode::CONFLICT, &Outcome::Refused(why)),
                }
            }
            "/" if reads => say(StatusCode::OK, TEXT, PAGES.to_owned()),
            "/metrics" | "/healthz" | "/readyz" | "/status" | "/" => not_allowed("GET, HEAD"),
            "/reload" => not_allowed("POST"),
            _ => say(StatusCode::NOT_FOUND, TEXT, format!("there is nothing here but:\n{PAGES}")),
        }
    }

    /// Who asks, where that has to be known.
    async fn judge(&self, at: Timestamp) -> Result<Option<String>, String> {
        let Some(guard) = &self.guard else { return Ok(None) };
        let presented = self.presented.as_ref().ok_or("no certificate was presented")?;
        guard.judge(&self.admin.sources(), presented, self.peer.ip(), at).await.map(Some)
    }
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Full<Bytes>> {
    match serde_json::to_string_pretty(value) {
        Ok(text) => say(status, JSON, text + "\n"),
        Err(error) => say(StatusCode::INTERNAL_SERVER_ERROR, TEXT, format!("{error}\n")),
    }
}

fn not_allowed(allowed: &'static str) -> Response<Full<Bytes>> {
    let mut response = say(StatusCode::METHOD_NOT_ALLOWED, TEXT, format!("this takes {allowed}\n"));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

fn say(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
