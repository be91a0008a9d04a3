//! Answers on the authority's socket: HTTP/1.1, few connections, a deadline for each phase, bounds before memory.
//! What the answers are is for a [`Desk`] to say; this module neither issues nor decides.

use super::message::{
    ATTRIBUTES, AUTHORITIES, Attributes, Authorities, ENROL, Enrolled, Enrolment, Label, MOST_REQUEST, Refusal,
};
use super::socket::{Peers, Socket};
use crate::base::clock::Timestamp;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How many connections are open at a time; a gate keeps far fewer.
const CONNECTIONS: usize = 64;
/// How long a connection may be without a whole request head: between requests, too.
pub const IDLE: Duration = Duration::from_secs(30);
/// How long the body of a request may take.
const BODY: Duration = Duration::from_secs(5);
/// How long an answer may take. Less than a gate waits, so that it hears why.
pub const ANSWER: Duration = Duration::from_secs(20);
/// How long answers that are on their way have when the process is told to end.
const DRAIN: Duration = Duration::from_secs(25);
/// How long nothing is accepted after the system had no descriptor for a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// What an authority does for a gate.
pub trait Desk: Send + Sync + 'static {
    /// Issues a certificate to somebody, or says why not.
    fn enrol(&self, enrolment: Enrolment, at: Timestamp) -> BoxFuture<'_, Result<Enrolled, Refusal>>;

    /// Its own certificates.
    fn authorities(&self) -> Authorities;

    /// What a request below this label should hold.
    ///
    /// # Errors
    /// [`Refusal::Unknown`] when there is no such label.
    fn attributes(&self, label: Option<&str>) -> Result<Attributes, Refusal>;
}

/// Answers until `end` comes, and then until the answers that are on their way are given, or for 25 s.
pub async fn serve(socket: Socket, peers: Peers, desk: Arc<dyn Desk>, end: impl Future<Output = ()>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let (stop, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut end = std::pin::pin!(end);
    loop {
        // A place before a connection: those beyond the limit wait in the kernel's queue.
        let accept = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, socket.accept().await)
        };
        tokio::select! {
            biased;
            () = &mut end => break,
            Some(_) = connections.join_next() => {}
            (place, accepted) = accept => match accepted {
                Ok((stream, user)) if peers.allow(user) => {
                    let (desk, stopped) = (Arc::clone(&desk), stopped.clone());
                    connections.spawn(async move {
                        converse(stream, desk, stopped).await;
                        drop(place);
                    });
                }
                Ok((_, user)) => tracing::warn!(user, "a process of a user that may not connect was turned away"),
                Err(error) => {
                    tracing::error!(%error, "cannot accept a connection");
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
    // The file goes first, so that nobody connects to a process that no longer listens.
    drop(socket);
    stop.send_replace(true);
    if timeout(DRAIN, async { while connections.join_next().await.is_some() {} }).await.is_err() {
        tracing::warn!("answers that took too long were broken off");
    }
}

/// One connection, until it ends or is told to.
async fn converse(stream: UnixStream, desk: Arc<dyn Desk>, mut stopped: watch::Receiver<bool>) {
    let service = service_fn(move |request| {
        let desk = Arc::clone(&desk);
        async move { Ok::<_, Infallible>(answer(desk.as_ref(), request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_headers(32)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let told = async { drop(stopped.wait_for(|stopped| *stopped).await) };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = told => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

async fn answer(desk: &dyn Desk, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path().to_owned();
    let expected = match path.as_str() {
        AUTHORITIES => Method::GET,
        ENROL | ATTRIBUTES => Method::POST,
        _ => return said(&Err::<(), _>(Refusal::Unknown { why: "there is nothing of this name".to_owned() })),
    };
    if request.method() != expected {
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        let allowed = if expected == Method::GET { "GET" } else { "POST" };
        response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        return response;
    }
    let answering = async {
        match path.as_str() {
            AUTHORITIES => said(&Ok(desk.authorities())),
            ATTRIBUTES => said(&read::<Label>(request).await.and_then(|asked| desk.attributes(asked.label.as_deref()))),
            _ => said(&match read::<Enrolment>(request).await {
                Ok(enrolment) => desk.enrol(enrolment, Timestamp::now()).await,
                Err(refusal) => Err(refusal),
            }),
        }
    };
    timeout(ANSWER, answering).await.unwrap_or_else(|_| {
        tracing::error!(path, "an answer took longer than {} s", ANSWER.as_secs());
        said(&Err::<(), _>(Refusal::Unavailable))
    })
}

async fn read<T: DeserializeOwned>(request: Request<Incoming>) -> Result<T, Refusal> {
    let body = Limited::new(request.into_body(), MOST_REQUEST).collect();
    let body = match timeout(BODY, body).await {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) => return Err(Refusal::unacceptable(format!("the request cannot be read: {error}"))),
        Err(_) => return Err(Refusal::unacceptable("the request came too slowly")),
    };
    serde_json::from_slice(&body)
        .map_err(|error| Refusal::unacceptable(format!("the request is not understood: {error}")))
}

fn said<T: Serialize>(said: &Result<T, Refusal>) -> Response<Full<Bytes>> {
    let (status, text) = match said {
        Ok(answer) => (StatusCode::OK, serde_json::to_vec(answer)),
        Err(refusal) => (refusal.status(), serde_json::to_vec(refusal)),
    };
    let Ok(text) = text else {
        // Only maps with keys that are no strings fail, and there are none.
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        return response;
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
