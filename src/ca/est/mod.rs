//! Enrolment over Secure Transport (RFC 7030, with the clarifications of RFC 8951), as a local service of the gate to which
//! a route leads. The route has found out who asks; this module reads what they ask for and hands it to the authority
//! ([`server::client`](crate::ca::server::client)), which decides.
//!
//! Proof of possession is linked to the TLS session by no one here (RFC 7030, section 3.5): the value for it,
//! `tls-unique`, does not exist in TLS 1.3, is not given out by this program's TLS library in 1.2, and EST knows no
//! other (the exporter of RFC 9266 came later). So nobody is asked for it, and a request that holds one is judged
//! without it. `docs/authority.md` says what that leaves open.

mod answer;
pub mod attributes;
pub mod body;

use crate::base::clock::Timestamp;
use crate::ca::server::client::{Client, ClientError};
use crate::ca::server::message::{Act, Enrolment, KeyForm, Octets, Shown};
use crate::proxy::service::{Answer, LocalService, ServiceRequest, method_not_allowed};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, Method, Response, StatusCode};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The path that a route to this service has (RFC 7030, section 3.2.2).
pub const PATH: &str = "/.well-known/est";

/// How long the authority's certificates are known before it is asked again: they change once in years.
const KNOWN: Duration = Duration::from_secs(60);

/// The longest label.
const MOST_LABEL: usize = 64;

/// The service `est`.
pub struct Est {
    authority: Client,
    /// What `cacerts` answers, and since when.
    authorities: Mutex<Option<(Bytes, Timestamp)>>,
}

/// What a path asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Authorities,
    Attributes,
    Enrol(Act),
}

impl Operation {
    /// The operation of a path in normal form, and the label before it; `None` is none of ours.
    fn of(path: &str) -> Option<(Self, Option<&str>)> {
        let path = path.strip_prefix(PATH)?.strip_prefix('/')?;
        let (label, name) = match path.split_once('/') {
            Some((label, name)) => (Some(label), name),
            None => (None, path),
        };
        let operation = match name {
            "cacerts" => Self::Authorities,
            "csrattrs" => Self::Attributes,
            "simpleenroll" => Self::Enrol(Act::Enrol),
            "simplereenroll" => Self::Enrol(Act::Renew),
            "serverkeygen" => Self::Enrol(Act::Generate),
            _ => return None,
        };
        let is_label = |label: &str| {
            (1..=MOST_LABEL).contains(&label.len())
                && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-._".contains(&octet))
        };
        label.is_none_or(is_label).then_some((operation, label))
    }
}

impl Est {
    /// Has this authority issue.
    #[must_use]
    pub fn new(authority: Client) -> Self {
        Self { authority, authorities: Mutex::default() }
    }

    /// The authority's certificates. What was known last is good enough while it gives no answer.
    async fn authorities(&self, request: &ServiceRequest<'_>) -> Response<Bytes> {
        let known = self.authorities.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((body, since)) = &known
            && request.at < since.plus(KNOWN)
        {
            return answer::certificates(body.clone());
        }
        let asked = self.authority.authorities().await;
        let made = asked
            .map_err(|error| error.to_string())
            .and_then(|asked| answer::authorities(&asked).map_err(|error| error.to_string()));
        match (made, known) {
            (Ok(body), _) => {
                let mut known = self.authorities.lock().unwrap_or_else(PoisonError::into_inner);
                *known = Some((body.clone(), request.at));
                answer::certificates(body)
            }
            (Err(error), Some((body, _))) => {
                tracing::warn!(request = request.request_id, error, "EST answers with the authorities that it knew");
                answer::certificates(body)
            }
            (Err(error), None) => {
                tracing::error!(request = request.request_id, error, "EST has no authorities to answer with");
                answer::unavailable()
            }
        }
    }

    async fn attributes(&self, request: &ServiceRequest<'_>, label: Option<&str>) -> Response<Bytes> {
        match self.authority.attributes(label).await {
            Ok(attributes) => answer::attributes(&attributes.der.0),
            Err(error) => failed(request, &error),
        }
    }

    async fn enrol(&self, request: &ServiceRequest<'_>, act: Act, label: Option<&str>) -> Response<Bytes> {
        let enrolment = match enrolment(request, act, label) {
            Ok(enrolment) => enrolment,
            Err((status, why)) => return answer::plain(status, &why),
        };
        let enrolled = match self.authority.enrol(&enrolment).await {
            Ok(enrolled) => enrolled,
            Err(error) => return failed(request, &error),
        };
        answer::enrolled(&enrolled).unwrap_or_else(|error| {
            tracing::error!(request = request.request_id, %error, "EST has issued a certificate and cannot hand it over");
            answer::unavailable()
        })
    }
}

/// What the authority is told of a request; or the status and the words by which it is turned away.
fn enrolment(request: &ServiceRequest<'_>, act: Act, label: Option<&str>) -> Result<Enrolment, (StatusCode, String)> {
    let Some(identity) = request.permit.identity() else {
        return Err((
            StatusCode::FORBIDDEN,
            "certificates are issued to somebody, and nobody has logged in".to_owned(),
        ));
    };
    let Some(shown) = Shown::of(identity.method) else {
        return Err((
            StatusCode::FORBIDDEN,
            "a log-in that another site has vouched for gives no certificate".to_owned(),
        ));
    };
    let path = request.standing.path.as_ref().filter(|_| shown == Shown::Certificate);
    let certificate = path.and_then(|path| path.certificates.first()).map(|own| Octets(own.der.to_vec()));
    if act == Act::Renew && certificate.is_none() {
        let why = "a certificate is renewed by whoever presents it; without one, use simpleenroll".to_owned();
        return Err((StatusCode::FORBIDDEN, why));
    }
    let form = match act {
        Act::Generate if accepts(request.headers, answer::PKCS12) => KeyForm::Pkcs12,
        _ => KeyForm::Pkcs8,
    };
    // The key is made there, and the names are the account's: there is nothing that the request need say.
    let pkcs10 = if act == Act::Generate && request.body.is_empty() {
        None
    } else {
        if !is_pkcs10(request.headers) {
            let why = "the media type is not application/pkcs10".to_owned();
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
        }
        Some(body::decode(&request.body).map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?)
    };
    Ok(Enrolment {
        act,
        label: label.map(str::to_owned),
        account: identity.account.username.clone(),
        shown,
        certificate,
        request: pkcs10.map(Octets),
        form,
        client: request.client,
        request_id: request.request_id.to_owned(),
    })
}

fn failed(request: &ServiceRequest<'_>, error: &ClientError) -> Response<Bytes> {
    match error {
        ClientError::Refused(refusal) => {
            tracing::info!(request = request.request_id, %refusal, "EST was refused by the authority");
        }
        _ => tracing::error!(request = request.request_id, %error, "EST has no authority"),
    }
    answer::refusal(error)
}

/// The media types of a field, without their parameters.
fn media_types(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).filter_map(|value| value.split(';').next()).map(str::trim)
}

fn is_pkcs10(headers: &HeaderMap) -> bool {
    let mut types = media_types(headers, CONTENT_TYPE);
    types.next().is_some_and(|found| found.eq_ignore_ascii_case("application/pkcs10")) && types.next().is_none()
}

/// Whether a media type is named, which `*/*` does not.
fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    media_types(headers, ACCEPT).any(|found| found.eq_ignore_ascii_case(media_type))
}

impl LocalService for Est {
    fn name(&self) -> &'static str {
        "est"
    }

    fn body_limit(&self) -> u64 {
        body::MOST_BODY as u64
    }

    fn answer<'a>(&'a self, request: &'a ServiceRequest<'a>) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            let Some((operation, label)) = Operation::of(request.target.path()) else {
                return answer::refused(StatusCode::NOT_FOUND, "EST has no such operation, or no label of this form");
            };
            let (allowed, methods) = match operation {
                Operation::Authorities | Operation::Attributes => ([Method::GET, Method::HEAD].as_slice(), "GET, HEAD"),
                Operation::Enrol(_) => ([Method::POST].as_slice(), "POST"),
            };
            if !allowed.contains(request.method) {
                return method_not_allowed(methods);
            }
            Answer::Response(match operation {
                Operation::Authorities => self.authorities(request).await,
                Operation::Attributes => self.attributes(request, label).await,
                Operation::Enrol(act) => self.enrol(request, act, label).await,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_the_last_segment_and_a_label_the_one_before() {
        let long = format!("/.well-known/est/{}/cacerts", "x".repeat(MOST_LABEL + 1));
        for (path, expected) in [
            ("/.well-known/est/cacerts", Some((Operation::Authorities, None))),
            ("/.well-known/est/csrattrs", Some((Operation::Attributes, None))),
            ("/.well-known/est/simpleenroll", Some((Operation::Enrol(Act::Enrol), None))),
            ("/.well-known/est/simplereenroll", Some((Operation::Enrol(Act::Renew), None))),
            ("/.well-known/est/serverkeygen", Some((Operation::Enrol(Act::Generate), None))),
            ("/.well-known/est/laptops/simpleenroll", Some((Operation::Enrol(Act::Enrol), Some("laptops")))),
            ("/.well-known/est/simpleenroll/simpleenroll", Some((Operation::Enrol(Act::Enrol), Some("simpleenroll")))),
            ("/.well-known/est/a/b/cacerts", None),
            ("/.well-known/est//cacerts", None),
            ("/.well-known/est/a%20b/cacerts", None),
            ("/.well-known/est/cacerts/", None),
            ("/.well-known/est/fullcmc", None),
            ("/.well-known/est", None),
            ("/.well-known/estcacerts", None),
            ("/est/cacerts", None),
            (&long, None),
        ] {
            assert_eq!(Operation::of(path), expected, "{path}");
        }
    }

    #[test]
    fn media_types_are_compared_without_parameters_and_case() {
        let headers = |name: HeaderName, value: &str| HeaderMap::from_iter([(name, value.parse().unwrap())]);
        for (value, expected) in [
            ("application/pkcs10", true),
            ("Application/PKCS10; charset=utf-8", true),
            ("application/pkcs10, text/plain", false),
            ("application/x-www-form-urlencoded", false),
            ("", false),
        ] {
            assert_eq!(is_pkcs10(&headers(CONTENT_TYPE, value)), expected, "{value:?}");
        }
        assert!(!is_pkcs10(&HeaderMap::new()));
        for (value, expected) in [
            ("application/x-pkcs12", true),
            ("text/html, Application/X-PKCS12;q=0.5", true),
            ("multipart/mixed", false),
            ("*/*", false),
        ] {
            assert_eq!(accepts(&headers(ACCEPT, value), answer::PKCS12), expected, "{value:?}");
        }
    }
}
