//! From a permitted request to the head of its upstream's response (RFC 9110, section 7.6). The request
//! that comes in here has the headers that the application is to see; only a [`Permit`] opens the way.
//!
//! A request that a server has failed is sent to another one: if nothing of it was sent, always; else if its method is
//! idempotent (RFC 9110, section 9.2.2), its body is none or was kept, and the budget has a retry left. Once the head of a response
//! is on its way to the client, there is no second try.

use super::body::{ClientBody, Upload, UploadFault};
use super::framing;
use super::measure::{Notes, failure};
use crate::auth::decision::Permit;
use crate::config::ServerName;
use crate::telemetry::metrics::UpstreamFailure;
use crate::telemetry::trace::Attempt;
use crate::upstream::digest::NotLetIn;
use crate::upstream::pool::{Pooled, PooledBody, Pools, restore};
use crate::upstream::{Busy, Chosen, ConnectError, Server, Tour, Upstream};
use http::header::{HOST, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often a request is begun again because a kept connection turned out to be closed, before a new one is
/// opened for it.
const MOST_STALE: usize = 3;
/// How much of a page that nobody wants is read, in octets, and how long it may take, so that its connection can be used
/// again.
const MOST_OF_PAGE: usize = 16 * 1024;
const PAGE: Duration = Duration::from_millis(500);

/// The head of an answer, and its body on the way.
pub(super) type Answer = Response<Box<PooledBody<ClientBody>>>;

/// There is no response.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// No server of the upstream could be connected to.
    #[error("upstream {upstream}: {source}")]
    Connect {
        /// The upstream's name.
        upstream: String,
        /// What the last server that was tried said.
        source: ConnectError,
    },
    /// All servers have enough to do.
    #[error("upstream {upstream}: {source}")]
    Busy {
        /// The upstream's name.
        upstream: String,
        /// How long that was so.
        source: Busy,
    },
    /// The connection broke off, or what came over it is not HTTP.
    #[error("upstream {upstream} ({server}): {}", with_cause(source))]
    Broken {
        /// The upstream's name.
        upstream: String,
        /// The server.
        server: ServerName,
        /// What hyper says.
        source: hyper::Error,
    },
    /// Nothing came within `timeouts.response`.
    #[error("upstream {upstream} ({server}): no answer within {limit:?}")]
    TimedOut {
        /// The upstream's name.
        upstream: String,
        /// The server.
        server: ServerName,
        /// The limit.
        limit: Duration,
    },
    /// It changed the protocol without being asked to.
    #[error("upstream {upstream} ({server}): it switched protocols without being asked to")]
    Unasked {
        /// The upstream's name.
        upstream: String,
        /// The server.
        server: ServerName,
    },
    /// Its answer is coded in a way that nobody has asked for, so that its end and its content are anybody's guess.
    #[error("upstream {upstream} ({server}): the transfer coding of its answer is not `chunked` alone")]
    Coding {
        /// The upstream's name.
        upstream: String,
        /// The server.
        server: ServerName,
    },
    /// It does not let us in.
    #[error("upstream {upstream} ({server}): {source}")]
    NotLetIn {
        /// The upstream's name.
        upstream: String,
        /// The server.
        server: ServerName,
        /// Why.
        source: NotLetIn,
    },
    /// The request has come back.
    #[error("upstream {upstream}: the request has passed this gate before, so the upstream leads back to it (Via)")]
    Loop {
        /// The upstream's name.
        upstream: String,
    },
    /// The client's own body ended it.
    #[error(transparent)]
    Upload(#[from] UploadFault),
}

impl ForwardError {
    /// No server is left to try, and none was tried.
    pub(super) fn nobody(upstream: &Upstream) -> Self {
        let source = ConnectError::NoServer(upstream.why_nobody());
        Self::Connect { upstream: upstream.name.clone(), source }
    }

    pub(super) fn broken(upstream: &Upstream, server: &Server, source: hyper::Error) -> Self {
        Self::Broken { upstream: upstream.name.clone(), server: server.name().clone(), source }
    }
}

/// What hyper says, and what is behind it: it tells of a connection that broke off, and not that the server's TLS has
/// refused our certificate.
fn with_cause(error: &hyper::Error) -> String {
    let mut told = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        told.push_str(": ");
        told.push_str(&error.to_string());
        cause = error.source();
    }
    told
}

/// What of the client decides over the way of its request.
#[derive(Clone, Copy)]
pub struct Way<'a> {
    /// What the request is hashed by, if its upstream is balanced so.
    pub key: Option<u64>,
    /// What servers are told on a connection before anything else.
    pub said: Option<&'a Arc<[u8]>>,
    /// What is noted of it on its way.
    pub(super) notes: &'a Notes,
}

/// Sends a request to an upstream by this way, and waits for the head of its response.
///
/// # Errors
/// When no server answers in time; when the client's body breaks off.
pub async fn forward(
    permit: &Permit,
    upstream: &Upstream,
    way: Way<'_>,
    pools: &Arc<Pools<ClientBody>>,
    request: Box<Request<ClientBody>>,
) -> Result<Response<Box<PooledBody<ClientBody>>>, ForwardError> {
    send(permit, upstream, (upstream.tour(way.key), way), pools, request, |_, _| ()).await
}

/// The same, to the servers of this tour; `prepare` makes the request ready for each that it is sent to. Requests are
/// in boxes wherever they wait, since every octet of a future is copied when its task begins.
///
/// # Errors
/// As for [`forward`].
pub(super) async fn send(
    _: &Permit,
    upstream: &Upstream,
    (mut tour, way): (Tour<'_>, Way<'_>),
    pools: &Arc<Pools<ClientBody>>,
    mut request: Box<Request<ClientBody>>,
    mut prepare: impl FnMut(&Arc<Server>, &mut Request<ClientBody>),
) -> Result<Answer, ForwardError> {
    *request.version_mut() = Version::HTTP_11;
    // Only HTTP/1.0 lets a client say nothing, and the upstream is spoken to in HTTP/1.1.
    let hostless = !request.headers().contains_key(HOST);
    let mut last = None;
    'servers: loop {
        let server = match tour.next().await {
            Ok(Some(server)) => server,
            Ok(None) => return Err(last.unwrap_or_else(|| ForwardError::nobody(upstream))),
            Err(source) => return Err(ForwardError::Busy { upstream: upstream.name.clone(), source }),
        };
        prepare(&server, &mut request);
        if hostless && let Ok(name) = HeaderValue::from_str(&server.authority()) {
            request.headers_mut().insert(HOST, name);
        }
        let mut stale = 0;
        let (error, copy) = loop {
            let attempt = way.notes.attempt(&server, request.headers_mut());
            let mut connection = match pools.connection(&server, &upstream.timeouts, way.said, stale < MOST_STALE).await
            {
                Ok(connection) => connection,
                Err(source) => {
                    upstream.failed(&server, UpstreamFailure::Connect, &source);
                    ended(attempt, UpstreamFailure::Connect);
                    last = Some(ForwardError::Connect { upstream: upstream.name.clone(), source });
                    continue 'servers;
                }
            };
            let copy = if connection.reused() || upstream.has_choice() { copy(&request) } else { None };
            let upload = request.body().upload();
            let sent = Instant::now();
            let answer = head(connection.send(*request), upload.as_deref(), upstream.timeouts.response).await;
            let mut error = match answer {
                Some(Ok(response)) => {
                    if let Some(upload) = &upload {
                        upload.answered();
                    }
                    let status = response.status();
                    upstream.answered(&server, status, sent.elapsed());
                    if let Some(attempt) = attempt {
                        attempt.answered(status.as_u16());
                    }
                    if let Some(same) = copy
                        && upstream.is_retried(status.as_u16())
                        && tour.may_go_on()
                    {
                        Box::pin(discard(respond(response, connection, upstream, server, pools)?)).await;
                        request = same;
                        continue 'servers;
                    }
                    return respond(response, connection, upstream, server, pools);
                }
                Some(Err(error)) => error,
                None => {
                    ended(attempt, UpstreamFailure::TimedOut);
                    let (upstream, server, limit) =
                        (upstream.name.clone(), server.name().clone(), upstream.timeouts.response);
                    break (ForwardError::TimedOut { upstream, server, limit }, copy);
                }
            };
            ended(attempt, UpstreamFailure::Broken);
            let unsent = error.take_message();
            let source = error.into_error();
            if let Some(mut unsent) = unsent {
                restore(&mut unsent);
                *request = unsent;
                stale += 1;
                if connection.reused() {
                    server.numbers().stale.increment();
                    continue;
                }
                upstream.failed(&server, UpstreamFailure::Broken, &source);
                last = Some(ForwardError::broken(upstream, &server, source));
                continue 'servers;
            }
            if let Some(fault) = upload.and_then(|upload| upload.fault()) {
                return Err(fault.into());
            }
            // An answer that is not HTTP is an answer: the server would give it again.
            match copy {
                Some(same) if connection.reused() && !source.is_parse() && !source.is_user() => {
                    server.numbers().stale.increment();
                    request = same;
                }
                copy => break (ForwardError::broken(upstream, &server, source), copy),
            }
            stale += 1;
        };
        upstream.failed(&server, failure(&error), &error);
        match copy {
            Some(same) if tour.may_go_on() => request = same,
            _ => return Err(error),
        }
        tracing::debug!(upstream = %upstream.name, %error, "asking another server");
        last = Some(error);
    }
}

/// Nothing has come of an attempt, for this cause.
fn ended(attempt: Option<Attempt<'_>>, cause: UpstreamFailure) {
    if let Some(attempt) = attempt {
        attempt.failed(cause.as_str());
    }
}

/// The request once more, if it may be carried out twice and its body can be sent again.
fn copy(request: &Request<ClientBody>) -> Option<Box<Request<ClientBody>>> {
    if !request.method().is_idempotent() || !request.body().is_kept() {
        return None;
    }
    Head::of(request).with(request.body().again()).map(Box::new)
}

/// The head of a response; `None` when nothing came for `limit`, counted anew while an upload goes on.
async fn head<T>(mut answer: impl Future<Output = T> + Unpin, upload: Option<&Upload>, limit: Duration) -> Option<T> {
    loop {
        match tokio::time::timeout(limit, &mut answer).await {
            Ok(answer) => return Some(answer),
            Err(_) if upload.is_some_and(Upload::progressed) => {}
            Err(_) => return None,
        }
    }
}

fn respond(
    response: Response<Incoming>,
    connection: Pooled<ClientBody>,
    upstream: &Upstream,
    server: Chosen<'_>,
    pools: &Arc<Pools<ClientBody>>,
) -> Result<Answer, ForwardError> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(ForwardError::Unasked { upstream: upstream.name.clone(), server: server.name().clone() });
    }
    if !framing::is_certain(response.headers()) {
        return Err(ForwardError::Coding { upstream: upstream.name.clone(), server: server.name().clone() });
    }
    let (mut parts, incoming) = response.into_parts();
    // How the server framed its answer is between it and us.
    parts.version = Version::HTTP_11;
    let (pools, pause) = (Arc::clone(pools), upstream.timeouts.response);
    let body = PooledBody::new(incoming, connection, pools, pause, server.ticket());
    Ok(Response::from_parts(parts, Box::new(body)))
}

/// Reads a page that nobody wants, if that is quickly done.
pub(super) async fn discard(answer: Answer) {
    let page = Limited::new(answer.into_body(), MOST_OF_PAGE).collect();
    // The connection is closed where it was not read to its end.
    let _ = tokio::time::timeout(PAGE, page).await;
}

/// What is needed to send a request again, but for its body.
pub(super) struct Head {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Head {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        Self { method: request.method().clone(), uri: request.uri().clone(), headers: request.headers().clone() }
    }

    /// The request without a body.
    pub(super) fn into_request(self) -> Request<ClientBody> {
        self.with_body(ClientBody::none())
    }

    /// The request with its body, if that can be sent again.
    pub(super) fn with(self, body: Option<ClientBody>) -> Option<Request<ClientBody>> {
        body.map(|body| self.with_body(body))
    }

    fn with_body(self, body: ClientBody) -> Request<ClientBody> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        *request.headers_mut() = self.headers;
        request
    }
}
