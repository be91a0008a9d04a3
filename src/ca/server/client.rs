//! The gate's side of the authority's socket: a few kept connections, a deadline for everything, and one error that
//! says that the authority does not answer. Nothing here waits for an authority that is dead: the kernel says at
//! once that nobody listens.

use super::message::{
    ATTRIBUTES, AUTHORITIES, Attributes, Authorities, ENROL, Enrolled, Enrolment, Label, MOST_ANSWER, Refusal,
};
use super::serve;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::UnixStream;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(2);
/// How long an answer may take: longer than the authority gives itself.
const ANSWER: Duration = serve::ANSWER.saturating_add(Duration::from_secs(5));
/// How many questions are asked at a time; more wait for their turn within [`ANSWER`].
const AT_A_TIME: usize = 16;
/// How long an unused connection is kept: less than the authority keeps it.
const KEPT: Duration = serve::IDLE.saturating_sub(Duration::from_secs(10));

/// The authority gave no answer that could be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// It does as it is asked to, and says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nobody listens, or we may not connect.
    #[error("the authority cannot be reached on {path}: {source}")]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It took too long.
    #[error("the authority did not answer in time")]
    Silent,
    /// The connection broke, or what came is no answer.
    #[error("the authority's answer cannot be used: {0}")]
    Garbled(String),
}

/// Asks the authority. Clones share their connections.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    path: PathBuf,
    control: Handle,
    places: Semaphore,
    kept: Mutex<Vec<(Connection, Instant)>>,
}

type Connection = SendRequest<Full<Bytes>>;

impl Client {
    /// Asks on the socket at this path. Connections live on `control`, whichever runtime the caller lives on.
    #[must_use]
    pub fn new(path: &Path, control: Handle) -> Self {
        let places = Semaphore::new(AT_A_TIME);
        Self(Arc::new(Inner { path: path.to_owned(), control, places, kept: Mutex::default() }))
    }

    /// Has a certificate issued.
    ///
    /// # Errors
    /// When the authority refuses, or gives no answer. It may have issued one all the same, if it was silent.
    pub async fn enrol(&self, enrolment: &Enrolment) -> Result<Enrolled, ClientError> {
        self.ask(ENROL, Some(enrolment)).await
    }

    /// The authority's own certificates.
    ///
    /// # Errors
    /// When it gives no answer.
    pub async fn authorities(&self) -> Result<Authorities, ClientError> {
        self.ask(AUTHORITIES, None::<&()>).await
    }

    /// What a request below this label should hold.
    ///
    /// # Errors
    /// When there is no such label, or no answer.
    pub async fn attributes(&self, label: Option<&str>) -> Result<Attributes, ClientError> {
        self.ask(ATTRIBUTES, Some(&Label { label: label.map(str::to_owned) })).await
    }

    async fn ask<Q: Serialize, A: DeserializeOwned>(
        &self,
        path: &'static str,
        question: Option<&Q>,
    ) -> Result<A, ClientError> {
        let body = question.map(serde_json::to_vec).transpose();
        let body = body.map_err(|error| ClientError::Garbled(error.to_string()))?.map(Bytes::from);
        let inner = Arc::clone(&self.0);
        // A client that goes away must not leave a connection with half an answer on it.
        let asking = self.0.control.spawn(async move {
            timeout(ANSWER, inner.exchange(path, body)).await.unwrap_or(Err(ClientError::Silent))
        });
        let (status, body) = asking.await.map_err(|error| ClientError::Garbled(error.to_string()))??;
        let garbled = |error: serde_json::Error| ClientError::Garbled(format!("{status}: {error}"));
        if status == StatusCode::OK {
            return serde_json::from_slice(&body).map_err(garbled);
        }
        Err(ClientError::Refused(serde_json::from_slice(&body).map_err(garbled)?))
    }
}

impl Inner {
    async fn exchange(&self, path: &'static str, body: Option<Bytes>) -> Result<(StatusCode, Bytes), ClientError> {
        let garbled = |error: &dyn std::fmt::Display| ClientError::Garbled(error.to_string());
        let _place = self.places.acquire().await.map_err(|error| garbled(&error))?;
        let mut request = Request::new(Full::from(body.clone().unwrap_or_default()));
        *request.uri_mut() = http::Uri::from_static(path);
        request.headers_mut().insert(HOST, HeaderValue::from_static("authority"));
        if body.is_some() {
            *request.method_mut() = Method::POST;
            request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let (response, connection) = self.send(request).await?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, MOST_ANSWER).collect().await.map_err(|error| garbled(&error))?.to_bytes();
        self.keep(connection);
        Ok((head.status, body))
    }

    /// Sends over a kept connection, or over a new one where there is none. What a kept connection did not take
    /// because the authority had closed it goes over the next; what was sent is never sent twice.
    async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<(Response<Incoming>, Connection), ClientError> {
        while let Some(mut connection) = self.kept() {
            match connection.try_send_request(request).await {
                Ok(response) => return Ok((response, connection)),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(ClientError::Garbled(error.into_error().to_string())),
                },
            }
        }
        let mut connection = self.connect().await?;
        let response = connection.send_request(request).await;
        Ok((response.map_err(|error| ClientError::Garbled(error.to_string()))?, connection))
    }

    async fn connect(&self) -> Result<Connection, ClientError> {
        let unreachable = |source| ClientError::Unreachable { path: self.path.clone(), source };
        let stream = match timeout(CONNECT, UnixStream::connect(&self.path)).await {
            Ok(connected) => connected.map_err(unreachable)?,
            Err(_) => return Err(unreachable(io::ErrorKind::TimedOut.into())),
        };
        let (connection, driver) = http1::Builder::new()
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| ClientError::Garbled(error.to_string()))?;
        tokio::spawn(async move {
            // Whoever asked over it hears of it.
            let _ = driver.await;
        });
        Ok(connection)
    }

    fn kept(&self) -> Option<Connection> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        kept.retain(|(connection, until)| *until > now && !connection.is_closed());
        kept.pop().map(|(connection, _)| connection)
    }

    fn keep(&self, connection: Connection) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < AT_A_TIME && !connection.is_closed() {
            kept.push((connection, Instant::now() + KEPT));
        }
    }
}
