//! The one place where a [`Reason`] becomes a status code and an answer: a page for browsers, problem
//! details (RFC 9457) for programs that ask for JSON, text for all others. `words` holds what is said,
//! `page` how it looks, `accept` which of the three the client wants. Whether a request is refused was
//! decided before.

mod accept;
mod page;
mod words;

pub use page::escape;

use crate::base::reason::Reason;
use accept::Format;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName,
    HeaderValue, LOCATION, REFERRER_POLICY, RETRY_AFTER, VARY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use std::time::Duration;

/// The field that carries the request identifier, in both directions.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The status of a refusal that challenges nobody.
#[must_use]
pub fn status(reason: Reason) -> StatusCode {
    match reason {
        Reason::CertificateRequired
        | Reason::CertificateUntrusted
        | Reason::CertificateExpired
        | Reason::CertificateNotYetValid
        | Reason::CertificateRevoked
        | Reason::CertificateUnsuitable
        | Reason::RevocationUnknown
        | Reason::IdentityMissing
        | Reason::IdentityInvalid
        | Reason::IdentityAmbiguous
        | Reason::IssuerNotAllowed
        | Reason::AccountUnknown
        | Reason::AccountInactive
        | Reason::ClaimMismatch
        | Reason::NotAuthorized
        | Reason::DigestFailed
        | Reason::BasicFailed
        | Reason::HandoverRefused => StatusCode::FORBIDDEN,
        Reason::LockedOut | Reason::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Reason::BadRequest => StatusCode::BAD_REQUEST,
        Reason::NoRoute => StatusCode::NOT_FOUND,
        Reason::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Reason::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Reason::Misdirected => StatusCode::MISDIRECTED_REQUEST,
        Reason::AccountsUnavailable | Reason::UpstreamBusy | Reason::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        Reason::UpstreamUnavailable => StatusCode::BAD_GATEWAY,
        Reason::LoopDetected => StatusCode::LOOP_DETECTED,
        Reason::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
    }
}

/// A request that is turned away, or asked for credentials.
#[derive(Debug, Clone)]
pub struct Refusal<'a> {
    reason: Reason,
    status: StatusCode,
    request_id: &'a str,
    challenges: Vec<HeaderValue>,
    retry_after: Option<Duration>,
}

impl<'a> Refusal<'a> {
    /// For this reason; the identifier is the one that the audit record carries.
    #[must_use]
    pub fn new(reason: Reason, request_id: &'a str) -> Self {
        Self { reason, status: status(reason), request_id, challenges: Vec::new(), retry_after: None }
    }

    /// Asks for credentials by these values of `WWW-Authenticate`, in the order of preference: the status
    /// is 401 if there are any.
    #[must_use]
    pub fn with_challenges(mut self, challenges: Vec<HeaderValue>) -> Self {
        if !challenges.is_empty() {
            self.status = StatusCode::UNAUTHORIZED;
        }
        self.challenges = challenges;
        self
    }

    /// Says when it is worth trying again, in whole seconds rounded up.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The head, not the body, is too large: 431 instead of 413.
    #[must_use]
    pub fn of_head(mut self) -> Self {
        if self.reason == Reason::TooLarge {
            self.status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        }
        self
    }

    /// The status that the answer will have.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The answer to a request with this method and these fields.
    #[must_use]
    pub fn response(&self, method: &Method, headers: &HeaderMap) -> Response<Full<Bytes>> {
        let words = words::of(self.reason, self.status);
        let format = accept::preferred(headers);
        let body = match format {
            Format::Text => words.text(self.reason, self.status, self.request_id),
            Format::Html => page::refusal(&words, self.reason, self.status, self.request_id),
            Format::Json | Format::Problem => words.json(self.reason, self.status, self.request_id),
        };
        let mut response = answer(self.status, format.content_type(), body.into(), method, self.request_id);
        let fields = response.headers_mut();
        fields.insert(VARY, HeaderValue::from_static("Accept"));
        fields.insert(CONTENT_LANGUAGE, HeaderValue::from_static("en"));
        if format == Format::Html {
            fields.insert(CONTENT_SECURITY_POLICY, page::CONTENT_SECURITY_POLICY.clone());
        }
        for challenge in &self.challenges {
            fields.append(WWW_AUTHENTICATE, challenge.clone());
        }
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            fields.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Sends the client to another path or URL with status 302. Octets that cannot stand in a URL are encoded.
#[must_use]
pub fn redirect(to: &str, method: &Method, request_id: &str) -> Response<Full<Bytes>> {
    redirect_as(StatusCode::FOUND, to, method, request_id)
}

/// The same with another status.
#[must_use]
pub fn redirect_as(status: StatusCode, to: &str, method: &Method, request_id: &str) -> Response<Full<Bytes>> {
    let mut response = found(to, |location| format!("See {location}\n"), method, request_id);
    *response.status_mut() = status;
    response
}

/// The same for a URL that nobody else should see: it stands in `Location` alone.
#[must_use]
pub fn redirect_with_secret(to: &str, method: &Method, request_id: &str) -> Response<Full<Bytes>> {
    found(to, |_| "You are being logged in.\n".to_owned(), method, request_id)
}

fn found(to: &str, body: impl FnOnce(&str) -> String, method: &Method, request_id: &str) -> Response<Full<Bytes>> {
    let mut location = String::with_capacity(to.len());
    for byte in to.bytes() {
        if byte.is_ascii_graphic() {
            location.push(char::from(byte));
        } else {
            super::path::push_encoded(byte, &mut location);
        }
    }
    let body = Bytes::from(body(&location));
    let mut response = answer(StatusCode::FOUND, "text/plain; charset=utf-8", body, method, request_id);
    if let Ok(location) = HeaderValue::from_maybe_shared(Bytes::from(location)) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// A fixed text with a status.
#[must_use]
pub fn text(status: StatusCode, body: Bytes, method: &Method, request_id: &str) -> Response<Full<Bytes>> {
    answer(status, "text/plain; charset=utf-8", body, method, request_id)
}

/// What a local service answers: with the fields that every answer of the gate has, where it has not set them.
#[must_use]
pub fn of_service(response: Response<Bytes>, method: &Method, request_id: &str) -> Response<Full<Bytes>> {
    let (parts, body) = response.into_parts();
    let mut response = answer(parts.status, "text/plain; charset=utf-8", body, method, request_id);
    let fields = response.headers_mut();
    for name in parts.headers.keys() {
        fields.remove(name);
    }
    for (name, value) in &parts.headers {
        fields.append(name.clone(), value.clone());
    }
    if parts.status == StatusCode::NOT_MODIFIED {
        // It has no body, and its length would be that of the body that it stands for.
        fields.remove(CONTENT_LENGTH);
        fields.remove(CONTENT_TYPE);
    }
    response
}

fn answer(
    status: StatusCode,
    content_type: &'static str,
    body: Bytes,
    method: &Method,
    request_id: &str,
) -> Response<Full<Bytes>> {
    let length = body.len();
    // hyper drops the body of an answer to HEAD over HTTP/1 alone, and over HTTP/2 sends it.
    let body = if *method == Method::HEAD { Bytes::new() } else { body };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    fields.insert(CONTENT_LENGTH, HeaderValue::from(length));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    fields.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if let Ok(request_id) = HeaderValue::from_str(request_id) {
        fields.insert(REQUEST_ID, request_id);
    }
    response
}

#[cfg(test)]
mod tests;
