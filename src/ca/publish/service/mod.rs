//! The local services by which a gate hands out what the authorities have published: revocation lists, OCSP answers and
//! authorities' certificates. All of it is signed, and meant for everybody; there is nothing to decide here. What may
//! be kept for how long by whoever stands between is said as RFC 5019, section 6, and RFC 9111 have it.

mod certificates;
mod crl;
mod ocsp;

pub use certificates::CertificateService;
pub use crl::ListService;
pub use ocsp::Responder;

use crate::base::clock::Timestamp;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, EXPIRES, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use std::time::Duration;
use time::OffsetDateTime;
use time::macros::format_description;

/// How long others may keep what is handed out, however long it holds: what is revoked in between shows after that.
const KEPT: Duration = Duration::from_secs(60 * 60);

/// What is handed out, and what caches need to know of it.
struct Document {
    content_type: &'static str,
    body: Bytes,
    /// What no other document at this place has had.
    tag: String,
    from: Timestamp,
    until: Timestamp,
}

impl Document {
    /// Its response to a GET; `304` to who has it already.
    fn response(self, headers: &HeaderMap, now: Timestamp) -> Response<Bytes> {
        let etag = format!("\"{}\"", self.tag);
        let known = is_known(headers, &etag, self.from);
        let mut response = Response::new(if known { Bytes::new() } else { self.body });
        if known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        }
        let left = self.until.since(now).min(KEPT).as_secs();
        let fields = response.headers_mut();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        let caching = [
            (CACHE_CONTROL, format!("max-age={left}, public, no-transform, must-revalidate")),
            (ETAG, etag),
            (LAST_MODIFIED, http_date(self.from)),
            (EXPIRES, http_date(now.plus(Duration::from_secs(left)))),
        ];
        for (name, value) in caching {
            insert(fields, name, value);
        }
        response
    }
}

fn insert(fields: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        fields.insert(name, value);
    }
}

/// Whether the client has it already (RFC 9110, section 13.2.2: If-None-Match goes before If-Modified-Since).
fn is_known(headers: &HeaderMap, etag: &str, from: Timestamp) -> bool {
    let tags = headers.get_all(IF_NONE_MATCH);
    if tags.iter().next().is_some() {
        let tags = tags.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        return tags.map(str::trim).any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag);
    }
    headers.get(IF_MODIFIED_SINCE).is_some_and(|since| since.as_bytes() == http_date(from).as_bytes())
}

/// `Sat, 21 Nov 2026 09:53:32 GMT` (RFC 9110, section 5.6.7).
fn http_date(at: Timestamp) -> String {
    let format =
        format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
    let at = OffsetDateTime::from_unix_timestamp(at.as_unix()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    at.format(format).unwrap_or_default()
}

/// The last segment of a path.
fn last_segment(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests;
