//! The request that a front asks about: its method, its host and its target, from where the front is set up to say them.
//! Each is said once, or the question is refused: a front that leaves one out lets its client say it, and two values would
//! be two requests. Pure. Whether the target can be read in two ways is looked at later, as with every request.

use crate::config::OriginalRequest;
use http::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use http::{Method, Uri};

/// The names of the three fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fields {
    method: &'static str,
    host: &'static str,
    target: &'static str,
}

const ORIGINAL: Fields = Fields { method: "x-original-method", host: "x-original-host", target: "x-original-uri" };
const FORWARDED: Fields = Fields { method: "x-forwarded-method", host: "x-forwarded-host", target: "x-forwarded-uri" };

/// The head of a request as far as everything rests on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its method.
    pub method: Method,
    /// Its target: path and query as the client has sent them.
    pub target: Uri,
    /// Its host, perhaps with a port.
    pub host: HeaderValue,
}

/// The front does not say what it asks about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotSaid {
    /// A field is not there.
    #[error("{0} is missing: the front must set it on each question")]
    Missing(&'static str),
    /// It is there twice.
    #[error("{0} stands there twice: the front must set it in the place of what its client sends")]
    Twice(&'static str),
    /// It is none of what it should be.
    #[error("{0} cannot be read")]
    Malformed(&'static str),
    /// The target and `Host` of the question name different hosts.
    #[error("the target and Host name different hosts")]
    HostDiffers,
    /// The path does not begin with the prefix that was agreed upon.
    #[error("the path does not begin with the prefix {0}")]
    Prefix(String),
}

/// The fields that say what the original request was, which are part of no request themselves.
pub fn names(form: OriginalRequest) -> impl Iterator<Item = HeaderName> {
    let fields = fields(form).map(|Fields { method, host, target }| [method, host, target]);
    fields.into_iter().flatten().map(HeaderName::from_static)
}

fn fields(form: OriginalRequest) -> Option<Fields> {
    match form {
        OriginalRequest::Original => Some(ORIGINAL),
        OriginalRequest::Forwarded => Some(FORWARDED),
        OriginalRequest::Itself => None,
    }
}

/// What a question is about. `prefix` stands before the path if the question is the request itself.
///
/// # Errors
/// When the front does not say it, or says it twice.
pub fn read(form: OriginalRequest, prefix: &str, asked: &Parts) -> Result<Head, NotSaid> {
    match fields(form) {
        Some(fields) => {
            let method = sole(&asked.headers, fields.method)?;
            let method = Method::from_bytes(method.as_bytes()).map_err(|_| NotSaid::Malformed(fields.method))?;
            let target = sole(&asked.headers, fields.target)?;
            let target = origin_form(target.as_bytes()).ok_or(NotSaid::Malformed(fields.target))?;
            Ok(Head { method, target, host: sole(&asked.headers, fields.host)?.clone() })
        }
        None => {
            let target = asked.uri.path_and_query().map(PathAndQuery::as_str).unwrap_or_default();
            let below = target.strip_prefix(prefix).ok_or_else(|| NotSaid::Prefix(prefix.to_owned()))?;
            let target = origin_form(below.as_bytes()).ok_or_else(|| NotSaid::Prefix(prefix.to_owned()))?;
            Ok(Head { method: asked.method.clone(), target, host: host(asked)? })
        }
    }
}

/// The host of the question itself: over HTTP/2 the `:authority`.
fn host(asked: &Parts) -> Result<HeaderValue, NotSaid> {
    let host = match sole(&asked.headers, "host") {
        Err(NotSaid::Missing(_)) => None,
        other => Some(other?),
    };
    match (asked.uri.authority().map(Authority::as_str), host) {
        (None, None) => Err(NotSaid::Missing("host")),
        (None, Some(host)) => Ok(host.clone()),
        (Some(authority), Some(host)) if !host.as_bytes().eq_ignore_ascii_case(authority.as_bytes()) => {
            Err(NotSaid::HostDiffers)
        }
        (Some(authority), _) => HeaderValue::from_str(authority).map_err(|_| NotSaid::Malformed("host")),
    }
}

/// A target of a path and perhaps a query. Everything else that a request line may have is for other servers.
fn origin_form(text: &[u8]) -> Option<Uri> {
    if !text.starts_with(b"/") {
        return None;
    }
    PathAndQuery::try_from(text).ok().filter(|target| target.as_str().as_bytes() == text).map(Uri::from)
}

/// The one value of a field.
pub(super) fn sole<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<&'h HeaderValue, NotSaid> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        (None, _) => Err(NotSaid::Missing(name)),
        (Some(_), Some(_)) => Err(NotSaid::Twice(name)),
    }
}

/// Puts the host in the place of the question's own.
pub(super) fn set_host(headers: &mut HeaderMap, host: HeaderValue) {
    headers.insert(HOST, host);
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn parts(line: &str, fields: &[(&str, &str)]) -> Parts {
        let (method, uri) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn told(form: OriginalRequest, prefix: &str, line: &str, fields: &[(&str, &str)]) -> Result<String, NotSaid> {
        let Head { method, target, host } = read(form, prefix, &parts(line, fields))?;
        Ok(format!("{method} {target} {}", host.to_str().unwrap()))
    }

    #[test]
    fn a_request_is_what_the_front_says_once() {
        let missing = |name| Err(NotSaid::Missing(name));
        let malformed = |name| Err(NotSaid::Malformed(name));
        const M: (&str, &str) = ("x-original-method", "POST");
        const U: (&str, &str) = ("x-original-uri", "/a%20b/../c?q=%2f#");
        const H: (&str, &str) = ("x-original-host", "app.example.org:8443");
        let plain = ("x-original-uri", "/a?b");
        type Fields<'f> = &'f [(&'f str, &'f str)];
        let cases: &[(Fields<'_>, Result<&str, NotSaid>)] = &[
            (&[M, plain, H], Ok("POST /a?b app.example.org:8443")),
            (&[M, plain, H, ("host", "gate"), ("x-forwarded-uri", "/x")], Ok("POST /a?b app.example.org:8443")),
            (&[plain, H], missing("x-original-method")),
            (&[M, H], missing("x-original-uri")),
            (&[M, plain, ("host", "app.example.org")], missing("x-original-host")),
            (&[M, M, plain, H], Err(NotSaid::Twice("x-original-method"))),
            (&[M, plain, plain, H], Err(NotSaid::Twice("x-original-uri"))),
            (&[M, plain, H, H], Err(NotSaid::Twice("x-original-host"))),
            // What stands behind `#` would be lost on the way.
            (&[M, U, H], malformed("x-original-uri")),
            (&[M, ("x-original-uri", "http://evil.example/a"), H], malformed("x-original-uri")),
            (&[M, ("x-original-uri", "*"), H], malformed("x-original-uri")),
            (&[M, ("x-original-uri", ""), H], malformed("x-original-uri")),
            (&[M, ("x-original-uri", "/a b"), H], malformed("x-original-uri")),
            (&[("x-original-method", "GET /x"), plain, H], malformed("x-original-method")),
            (&[("x-original-method", ""), plain, H], malformed("x-original-method")),
        ];
        for (fields, expected) in cases {
            let expected = expected.clone().map(str::to_owned);
            assert_eq!(told(OriginalRequest::Original, "", "GET /auth", fields), expected, "{fields:?}");
        }
    }

    #[test]
    fn a_question_may_be_the_request_itself() {
        let itself = |prefix, line, fields: &[(&str, &str)]| told(OriginalRequest::Itself, prefix, line, fields);
        let host = ("host", "app.example.org");
        assert_eq!(itself("", "PUT /a/b?c", &[host]), Ok("PUT /a/b?c app.example.org".to_owned()));
        assert_eq!(itself("/check", "PUT /check/a?c", &[host]), Ok("PUT /a?c app.example.org".to_owned()));
        for line in ["GET /a", "GET /checks/a", "GET /check", "GET /check?a"] {
            assert_eq!(itself("/check", line, &[host]), Err(NotSaid::Prefix("/check".to_owned())), "{line}");
        }
        assert_eq!(itself("", "GET /a", &[]), Err(NotSaid::Missing("host")));
        assert_eq!(itself("", "GET /a", &[host, host]), Err(NotSaid::Twice("host")));
        assert_eq!(itself("", "GET https://app.example.org/a", &[]), Ok("GET /a app.example.org".to_owned()));
        assert_eq!(itself("", "GET https://APP.example.org/a", &[host]), Ok("GET /a APP.example.org".to_owned()));
        assert_eq!(itself("", "GET https://other.example.org/a", &[host]), Err(NotSaid::HostDiffers));
    }

    #[test]
    fn traefik_and_caddy_say_it_in_fields_of_their_own() {
        let fields = [("x-forwarded-method", "GET"), ("x-forwarded-uri", "/a"), ("x-forwarded-host", "app")];
        assert_eq!(told(OriginalRequest::Forwarded, "", "GET /", &fields), Ok("GET /a app".to_owned()));
        assert_eq!(names(OriginalRequest::Forwarded).count(), 3);
    }
}
