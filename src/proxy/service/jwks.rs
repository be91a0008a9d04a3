//! The keys by which assertions are verified, for whoever asks (RFC 7517): `/.well-known/wicketgate/jwks.json`.

use super::{Access, Answer, LocalService, Reserved, ServiceRequest, method_not_allowed};
use crate::assertion::{Issuer, keys::PUBLISHED_FOR};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use std::sync::Arc;

/// Publishes an issuer's keys.
pub struct Jwks(Arc<Issuer>);

impl Jwks {
    /// The keys of this issuer.
    #[must_use]
    pub fn new(issuer: Arc<Issuer>) -> Self {
        Self(issuer)
    }

    fn published(&self, headers: &HeaderMap) -> Response<Bytes> {
        let keys = self.0.keys();
        let etag = format!("\"{}\"", keys.etag());
        let known = is_known(headers, &etag);
        let body = if known { Bytes::new() } else { Bytes::copy_from_slice(keys.jwks().as_bytes()) };
        let mut response = Response::new(body);
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let fields = response.headers_mut();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
        let caching = format!("public, max-age={}", PUBLISHED_FOR.as_secs());
        for (name, value) in [(CACHE_CONTROL, caching), (ETAG, etag)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                fields.insert(name, value);
            }
        }
        response
    }
}

/// Whether the client has this already (RFC 9110, section 13.1.2).
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag)
}

impl LocalService for Jwks {
    fn name(&self) -> &'static str {
        "jwks"
    }

    fn reserves(&self) -> Vec<Reserved> {
        vec![Reserved { name: "jwks.json", access: Access::Public }]
    }

    fn answer<'a>(&'a self, request: &'a ServiceRequest<'a>) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            match *request.method {
                Method::GET | Method::HEAD => Answer::Response(self.published(request.headers)),
                _ => method_not_allowed("GET, HEAD"),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_has_the_keys_is_not_sent_them_again() {
        for (value, expected) in [
            ("\"abc\"", true),
            ("W/\"abc\"", true),
            ("\"x\", \"abc\"", true),
            ("*", true),
            ("\"abcd\"", false),
            ("abc", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::from_static(value));
            assert_eq!(is_known(&headers, "\"abc\""), expected, "{value}");
        }
        assert!(!is_known(&HeaderMap::new(), "\"abc\""));
    }
}
