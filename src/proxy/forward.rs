//! From a permitted request to the head of its upstream's response (RFC 9110, section 7.6). The request
//! that comes in here has the headers that the application is to see; only a [`Permit`] opens the way.

use super::body::{ClientBody, Upload, UploadFault};
use crate::auth::decision::Permit;
use crate::config::ServerName;
use crate::upstream::digest::NotLetIn;
use crate::upstream::pool::{ConnectError, Pooled, PooledBody, Pools};
use crate::upstream::{Server, Upstream};
use http::header::{HOST, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// How often a request is begun again because a kept connection turned out to be closed, before a new one is
/// opened for it.
const MOST_STALE: usize = 3;

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
    /// The client's own body ended it.
    #[error(transparent)]
    Upload(#[from] UploadFault),
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

/// Sends a request to an upstream and waits for the head of its response.
///
/// Servers that cannot be connected to are passed over. A request that went out on a kept connection which
/// its server had just closed is sent again: if nothing of it was sent, or if it has no body and its method
/// is idempotent (RFC 9110, section 9.2.2).
///
/// # Errors
/// When no server answers in time; when the client's body breaks off.
pub async fn forward(
    permit: &Permit,
    upstream: &Upstream,
    pools: &Arc<Pools<ClientBody>>,
    request: Request<ClientBody>,
) -> Result<Response<Box<PooledBody<ClientBody>>>, ForwardError> {
    send(permit, upstream, upstream.in_turn(), pools, request, |_, _| ()).await
}

/// The same, to one of these servers; `prepare` makes the request ready for each that it is sent to.
///
/// # Errors
/// As for [`forward`].
pub(super) async fn send<'u>(
    _: &Permit,
    upstream: &'u Upstream,
    servers: impl Iterator<Item = &'u Server>,
    pools: &Arc<Pools<ClientBody>>,
    mut request: Request<ClientBody>,
    mut prepare: impl FnMut(&'u Server, &mut Request<ClientBody>),
) -> Result<Response<Box<PooledBody<ClientBody>>>, ForwardError> {
    *request.version_mut() = Version::HTTP_11;
    let upload = request.body().upload();
    let repeatable = request.body().is_none() && request.method().is_idempotent();
    let mut unreachable = None;
    // Only HTTP/1.0 lets a client say nothing, and the upstream is spoken to in HTTP/1.1.
    let hostless = !request.headers().contains_key(HOST);
    for server in servers {
        prepare(server, &mut request);
        if hostless && let Ok(name) = HeaderValue::from_str(&server.to_string()) {
            request.headers_mut().insert(HOST, name);
        }
        let mut stale = 0;
        loop {
            let kept = if stale < MOST_STALE { pools.take(server).await } else { None };
            let mut connection = match kept {
                Some(connection) => connection,
                None => match Box::pin(Pooled::connect(server, &upstream.timeouts)).await {
                    Ok(connection) => connection,
                    Err(error) => {
                        unreachable = Some(error);
                        break;
                    }
                },
            };
            let copy = (repeatable && connection.reused()).then(|| Head::of(&request));
            let answer = head(&mut connection, request, upload.as_deref(), upstream.timeouts.response).await;
            let error = match answer {
                Some(Ok(response)) => return respond(response, connection, upstream, server, pools).await,
                Some(Err(error)) => error,
                None => {
                    let (upstream, server, limit) =
                        (upstream.name.clone(), server.name().clone(), upstream.timeouts.response);
                    return Err(ForwardError::TimedOut { upstream, server, limit });
                }
            };
            match again(error, connection.reused(), copy) {
                Ok(same) => request = same,
                Err(source) => {
                    if let Some(fault) = upload.and_then(|upload| upload.fault()) {
                        return Err(fault.into());
                    }
                    let (upstream, server) = (upstream.name.clone(), server.name().clone());
                    return Err(ForwardError::Broken { upstream, server, source });
                }
            }
            stale += 1;
        }
    }
    let source = unreachable.unwrap_or_else(ConnectError::no_servers);
    Err(ForwardError::Connect { upstream: upstream.name.clone(), source })
}

/// The head of a response; `None` when nothing came for `limit`, counted anew while an upload goes on.
async fn head(
    connection: &mut Pooled<ClientBody>,
    request: Request<ClientBody>,
    upload: Option<&Upload>,
    limit: Duration,
) -> Option<Result<Response<Incoming>, TrySendError<Request<ClientBody>>>> {
    let mut answer = pin!(connection.send(request));
    loop {
        match tokio::time::timeout(limit, answer.as_mut()).await {
            Ok(answer) => return Some(answer),
            Err(_) if upload.is_some_and(Upload::progressed) => {}
            Err(_) => return None,
        }
    }
}

/// The request once more, if it may be sent again; or the error that ends it.
fn again(
    mut error: TrySendError<Request<ClientBody>>,
    reused: bool,
    copy: Option<Head>,
) -> Result<Request<ClientBody>, hyper::Error> {
    if let Some(unsent) = error.take_message() {
        return if reused { Ok(unsent) } else { Err(error.into_error()) };
    }
    let error = error.into_error();
    // An answer that is not HTTP is an answer: the server would give it again.
    match copy {
        Some(copy) if !error.is_parse() && !error.is_user() => Ok(copy.into_request()),
        _ => Err(error),
    }
}

async fn respond(
    response: Response<Incoming>,
    connection: Pooled<ClientBody>,
    upstream: &Upstream,
    server: &Server,
    pools: &Arc<Pools<ClientBody>>,
) -> Result<Response<Box<PooledBody<ClientBody>>>, ForwardError> {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Err(ForwardError::Unasked { upstream: upstream.name.clone(), server: server.name().clone() });
    }
    let (mut parts, incoming) = response.into_parts();
    // How the server framed its answer is between it and us.
    parts.version = Version::HTTP_11;
    let body = PooledBody::new(incoming, connection, Arc::clone(pools), upstream.timeouts.response).await;
    Ok(Response::from_parts(parts, Box::new(body)))
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
