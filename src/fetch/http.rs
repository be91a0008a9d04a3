//! One guarded exchange over HTTP/1.1 (RFC 9110, RFC 9112): a name is resolved, an address that may be connected
//! to is connected to, one question is asked on a connection of its own, and at most so many octets are read in
//! at most so much time, whatever the server does. Redirects are followed for GET only, three at most, each of
//! them guarded like the first URL; answers are not decompressed.

use super::guard::Guard;
use crate::base::url::{HttpUrl, UrlError};
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::time::Duration;
use tokio::net::TcpStream;

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 3;
/// How many addresses of a name are tried.
const MAX_ADDRESSES: usize = 4;
/// The largest head of an answer, in octets.
const MAX_HEAD: usize = 16 * 1024;
/// The most header fields of an answer.
const MAX_HEADERS: usize = 64;
/// The longest validator that is kept, in octets.
const MAX_VALIDATOR: usize = 512;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// Where.
    pub url: &'a HttpUrl,
    /// The media type that is expected, for the `Accept` field.
    pub accept: &'static str,
    /// What an earlier answer was recognised by; the server may say that there is no newer one.
    pub validators: Option<&'a Validators>,
    /// If present, what is sent with POST: its media type and its octets.
    pub body: Option<(&'static str, Bytes)>,
}

/// What one exchange may cost.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// From the resolution of the name to the last octet, redirects included.
    pub deadline: Duration,
    /// The size of the answer's body in octets.
    pub size: usize,
}

/// What an answer can be recognised by later (RFC 9110, section 8.8).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Validators {
    /// The `ETag` field as it came.
    pub etag: Option<String>,
    /// The `Last-Modified` field as it came.
    pub last_modified: Option<String>,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// What was asked for (status 200).
    Content {
        /// The body.
        octets: Vec<u8>,
        /// What it can be recognised by.
        validators: Validators,
        /// For how long it need not be asked for again, if the server says (RFC 9111, section 5.2.2.1).
        fresh_for: Option<Duration>,
    },
    /// There is no newer one than the one with the validators (status 304).
    Unchanged {
        /// As above.
        fresh_for: Option<Duration>,
    },
}

/// There is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// The name has no address, or none could be asked for.
    #[error("the name {host} cannot be resolved: {why}")]
    Resolve {
        /// The name.
        host: String,
        /// Why.
        why: String,
    },
    /// No address of the host may be connected to.
    #[error("{host} is {address}, a private or special address that may not be connected to (see private_addresses)")]
    Address {
        /// The host as the URL names it.
        host: String,
        /// An address of it.
        address: IpAddr,
    },
    /// None of its addresses could be connected to.
    #[error("cannot connect to {address}: {why}")]
    Connect {
        /// The last that was tried.
        address: SocketAddr,
        /// Why.
        why: String,
    },
    /// What came was not HTTP, or ended early.
    #[error("the exchange failed: {0}")]
    Exchange(String),
    /// Another status than 200.
    #[error("the server answered with status {0}")]
    Status(u16),
    /// A redirect that is not followed.
    #[error("the server redirects to where it cannot be followed: {0}")]
    Redirect(UrlError),
    /// More redirects than are followed, or one without a target.
    #[error("the server redirects more than {MAX_REDIRECTS} times, or nowhere")]
    Redirects,
    /// An answer that would have to be decompressed.
    #[error("the server encodes its answer although it was asked not to")]
    Encoding,
    /// More octets than are read.
    #[error("the answer is larger than {0} octets")]
    TooLarge(usize),
    /// No answer in time.
    #[error("there was no whole answer within {0:?}")]
    TooSlow(Duration),
}

/// Asks one question.
///
/// # Errors
/// When there is no answer, or none that may be taken.
pub async fn ask(question: &Question<'_>, guard: &Guard, bounds: Bounds) -> Result<Answer, FetchError> {
    match tokio::time::timeout(bounds.deadline, follow(question, guard, bounds)).await {
        Ok(answer) => answer,
        Err(_) => Err(FetchError::TooSlow(bounds.deadline)),
    }
}

async fn follow(question: &Question<'_>, guard: &Guard, bounds: Bounds) -> Result<Answer, FetchError> {
    let mut url = question.url.clone();
    for _ in 0..=MAX_REDIRECTS {
        match exchange(question, &url, guard, bounds).await? {
            Exchanged::Answer(answer) => return Ok(answer),
            Exchanged::Redirect(location) => url = url.join(&location).map_err(FetchError::Redirect)?,
        }
    }
    Err(FetchError::Redirects)
}

enum Exchanged {
    Answer(Answer),
    Redirect(String),
}

async fn exchange(
    question: &Question<'_>,
    url: &HttpUrl,
    guard: &Guard,
    bounds: Bounds,
) -> Result<Exchanged, FetchError> {
    let failed = |error: hyper::Error| FetchError::Exchange(chain(&error));
    let stream = connect(url, guard, bounds.deadline).await?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_HEADERS)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    let request = request(question, url)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(failed)?;
        read(question, response, bounds.size).await
    };
    // The connection is driven here and not in a task of its own, so that it ends with whoever waits for it.
    let (mut exchange, connection) = (pin!(exchange), pin!(connection));
    tokio::select! {
        biased;
        answer = &mut exchange => answer,
        _ = connection => exchange.await,
    }
}

/// Connects to the first address of the host that may be connected to and accepts.
async fn connect(url: &HttpUrl, guard: &Guard, deadline: Duration) -> Result<TcpStream, FetchError> {
    let addresses = match url.address() {
        Some(address) => vec![SocketAddr::new(address, url.port())],
        None => {
            let resolve = |why: String| FetchError::Resolve { host: url.host().to_owned(), why };
            let found = tokio::net::lookup_host((url.host(), url.port())).await;
            let found: Vec<SocketAddr> = found.map_err(|error| resolve(error.to_string()))?.take(64).collect();
            if found.is_empty() {
                return Err(resolve("it has no address".to_owned()));
            }
            found
        }
    };
    let mut error = addresses
        .first()
        .map(|address| FetchError::Address { host: url.host().to_owned(), address: address.ip() })
        .ok_or(FetchError::Redirects)?;
    let allowed: Vec<_> =
        addresses.into_iter().filter(|address| guard.allows(address.ip())).take(MAX_ADDRESSES).collect();
    // An address that never answers leaves time for the next one.
    let patience = deadline / u32::try_from(allowed.len()).unwrap_or(u32::MAX).max(1);
    for address in allowed {
        let why = match tokio::time::timeout(patience, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(why)) => why.to_string(),
            Err(_) => format!("it did not answer within {patience:?}"),
        };
        error = FetchError::Connect { address, why };
    }
    Err(error)
}

fn request(question: &Question<'_>, url: &HttpUrl) -> Result<Request<Full<Bytes>>, FetchError> {
    let (method, body) = match &question.body {
        None => (Method::GET, Bytes::new()),
        Some((_, body)) => (Method::POST, body.clone()),
    };
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = url.target().parse().map_err(|_| FetchError::Redirect(UrlError::Character))?;
    let headers = request.headers_mut();
    let mut set = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(header::HOST, &url.authority());
    set(header::ACCEPT, question.accept);
    set(header::ACCEPT_ENCODING, "identity");
    set(header::USER_AGENT, "wicketgate");
    set(header::CONNECTION, "close");
    if let Some((kind, _)) = &question.body {
        set(header::CONTENT_TYPE, kind);
    }
    if let Some(validators) = question.validators {
        if let Some(etag) = &validators.etag {
            set(header::IF_NONE_MATCH, etag);
        }
        if let Some(last_modified) = &validators.last_modified {
            set(header::IF_MODIFIED_SINCE, last_modified);
        }
    }
    Ok(request)
}

async fn read(question: &Question<'_>, response: Response<Incoming>, size: usize) -> Result<Exchanged, FetchError> {
    let status = response.status();
    let headers = response.headers();
    let fresh_for = fresh_for(headers);
    match status {
        StatusCode::OK => {}
        StatusCode::NOT_MODIFIED if question.validators.is_some() => {
            return Ok(Exchanged::Answer(Answer::Unchanged { fresh_for }));
        }
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::SEE_OTHER
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT
            if question.body.is_none() =>
        {
            let location = headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
            return location.map(|location| Exchanged::Redirect(location.to_owned())).ok_or(FetchError::Redirects);
        }
        _ => return Err(FetchError::Status(status.as_u16())),
    }
    let encoded = |value: &HeaderValue| !value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(header::CONTENT_ENCODING).iter().any(encoded) {
        return Err(FetchError::Encoding);
    }
    let validator = |name: HeaderName| {
        headers.get(name)?.to_str().ok().filter(|text| text.len() <= MAX_VALIDATOR).map(str::to_owned)
    };
    let validators = Validators { etag: validator(header::ETAG), last_modified: validator(header::LAST_MODIFIED) };
    let octets = read_body(response.into_body(), size).await?;
    Ok(Exchanged::Answer(Answer::Content { octets, validators, fresh_for }))
}

async fn read_body(mut body: Incoming, size: usize) -> Result<Vec<u8>, FetchError> {
    use hyper::body::Body;
    let promised = body.size_hint().lower();
    if usize::try_from(promised).is_ok_and(|promised| promised > size) {
        return Err(FetchError::TooLarge(size));
    }
    let mut octets = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| FetchError::Exchange(chain(&error)))?;
        if let Ok(data) = frame.into_data() {
            if octets.len() + data.len() > size {
                return Err(FetchError::TooLarge(size));
            }
            octets.extend_from_slice(&data);
        }
    }
    Ok(octets)
}

/// For how long `Cache-Control` says that an answer is fresh, less the time that it has been on its way.
fn fresh_for(headers: &HeaderMap) -> Option<Duration> {
    let number = |text: &str| text.trim().trim_matches('"').parse::<u32>().ok();
    let mut fresh = None;
    for value in headers.get_all(header::CACHE_CONTROL) {
        for directive in value.to_str().unwrap_or_default().split(',') {
            let (name, argument) = directive.split_once('=').unwrap_or((directive, ""));
            if name.trim().eq_ignore_ascii_case("max-age") {
                fresh = number(argument).or(fresh);
            }
        }
    }
    let age = headers.get(header::AGE).and_then(|age| number(age.to_str().ok()?)).unwrap_or(0);
    fresh.map(|fresh| Duration::from_secs(u64::from(fresh.saturating_sub(age))))
}

/// An error with what it came from.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_fresh_for_what_is_left_of_its_age() {
        type Fields = &'static [(&'static str, &'static str)];
        let cases: [(Fields, Option<u64>); 9] = [
            (&[], None),
            (&[("cache-control", "max-age=600")], Some(600)),
            (&[("cache-control", "public, Max-Age=600 , must-revalidate"), ("age", "100")], Some(500)),
            (&[("cache-control", "max-age=\"60\"")], Some(60)),
            (&[("cache-control", "max-age=60"), ("age", "100")], Some(0)),
            // It is for caches on the way, and says nothing of how often to ask.
            (&[("cache-control", "no-cache")], None),
            (&[("cache-control", "max-age=60, no-store")], Some(60)),
            (&[("cache-control", "max-age=-1")], None),
            (&[("cache-control", "public"), ("age", "10")], None),
        ];
        for (fields, expected) in cases {
            let headers: HeaderMap = fields
                .iter()
                .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), HeaderValue::from_static(value)))
                .collect();
            assert_eq!(fresh_for(&headers), expected.map(Duration::from_secs), "{fields:?}");
        }
    }
}
