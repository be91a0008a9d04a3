//! One active check of a server: a GET over a connection of its own, whose status says whether the server is well.

use super::connect::open;
use super::pool::MOST_HEAD;
use super::{Server, Stream};
use crate::config::{HealthCheck, HttpVersion, names_status};
use bytes::Bytes;
use http::header::{CONNECTION, HOST, HeaderValue, USER_AGENT};
use http::{Request, Response, Uri, Version};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::future::Future;

/// Checks a server, to which this is said before.
///
/// # Errors
/// Why it is not well, in words for the log.
pub(super) async fn check(server: &Server, settings: &HealthCheck, said: Option<&[u8]>) -> Result<(), String> {
    let status = match tokio::time::timeout(settings.timeout, ask(server, settings, said)).await {
        Ok(status) => status?,
        Err(_) => return Err(format!("no answer within {:?}", settings.timeout)),
    };
    if !names_status(&settings.statuses, status) {
        return Err(format!("status {status}"));
    }
    Ok(())
}

async fn ask(server: &Server, settings: &HealthCheck, said: Option<&[u8]>) -> Result<u16, String> {
    let stream = open(server, settings.timeout, said).await.map_err(|error| error.to_string())?;
    let host = match &settings.host {
        Some(host) => host.clone(),
        None => server.authority(),
    };
    let mut request = Request::new(Empty::<Bytes>::new());
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("wicketgate (health check)"));
    let told = |error: hyper::Error| error.to_string();
    if speaks_two(&stream, server) {
        let scheme = if server.tls().is_some() { "https" } else { "http" };
        let uri = Uri::builder().scheme(scheme).authority(host).path_and_query(settings.path.as_str()).build();
        *request.uri_mut() = uri.map_err(|error| error.to_string())?;
        *request.version_mut() = Version::HTTP_2;
        let (mut sender, driver) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(told)?;
        driven(driver, sender.send_request(request)).await
    } else {
        *request.uri_mut() = settings.path.parse().map_err(|error: http::uri::InvalidUri| error.to_string())?;
        request.headers_mut().insert(HOST, HeaderValue::try_from(host).map_err(|error| error.to_string())?);
        request.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        let mut builder = http1::Builder::new();
        let (mut sender, driver) =
            builder.max_header_size(MOST_HEAD).handshake(TokioIo::new(stream)).await.map_err(told)?;
        driven(driver, sender.send_request(request)).await
    }
}

/// The status, while the connection is driven by this very task: with the check it goes, too.
async fn driven(
    driver: impl Future<Output = hyper::Result<()>>,
    answer: impl Future<Output = hyper::Result<Response<Incoming>>>,
) -> Result<u16, String> {
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => return answer.map(|answer| answer.status().as_u16()).map_err(|error| error.to_string()),
        _ = driver => {}
    }
    answer.await.map(|answer| answer.status().as_u16()).map_err(|error| error.to_string())
}

/// Whether HTTP/2 is spoken over a connection to this server.
pub(super) fn speaks_two(stream: &Stream, server: &Server) -> bool {
    server.http() == HttpVersion::Two && stream.chosen().is_none_or(|protocol| protocol == b"h2")
}
