//! Paths that a protocol has put octets into: OCSP questions by GET stand there in base64 (RFC 6960, appendix A.1),
//! whose slashes some clients encode and some leave. Both are what `path` refuses or changes, rightly: two servers read
//! them differently. So below the route of a service that wants it, and nowhere else, the rest of the path is spelled
//! anew, as one plain segment, before it is read as a path at all.

use super::service::{LocalService, Services};
use crate::config::{HostPattern, Route, Target};
use http::Method;
use http::header::HOST;
use http::request::Parts;
use http::uri::{PathAndQuery, Uri};
use std::sync::Arc;

/// The route of a service that may spell paths anew.
pub(super) struct Place {
    host: Option<HostPattern>,
    /// The route's path with a slash at its end.
    prefix: String,
    service: Arc<dyn LocalService>,
}

/// The routes of services. One that takes the whole of every host does not get to spell other routes' paths.
pub(super) fn places(routes: &[Route], services: &Services) -> Vec<Place> {
    let place = |route: &Route| {
        let Target::Service(name) = &route.target else { return None };
        let prefix = format!("{}/", route.path.prefix()?.trim_end_matches('/'));
        if prefix == "/" && route.host.is_none() {
            return None;
        }
        Some(Place { host: route.host.clone(), prefix, service: Arc::clone(services.named(name)?) })
    };
    routes.iter().filter_map(place).collect()
}

/// The target of a GET request in the spelling that the service of its route wants. It differs in what stands below
/// the route's path, which is one segment afterwards, and has no query.
pub(super) fn uri(places: &[Place], head: &Parts) -> Option<Uri> {
    if places.is_empty() || !matches!(head.method, Method::GET | Method::HEAD) {
        return None;
    }
    // An absolute form is not worth more code: whoever sends it through a proxy may use POST.
    if head.uri.scheme().is_some() && head.version < http::Version::HTTP_2 {
        return None;
    }
    let path = head.uri.path();
    let host = head.uri.host().or_else(|| {
        let host = head.headers.get(HOST)?.to_str().ok()?;
        Some(host.rsplit_once(':').map_or(host, |(name, _)| name))
    });
    let host = host.map(|host| host.trim_end_matches('.').to_ascii_lowercase());
    let fits = |place: &&Place| match (&place.host, &host) {
        (None, _) => true,
        (Some(pattern), Some(host)) => pattern.matches(host),
        (Some(_), None) => false,
    };
    let place = places.iter().filter(fits).find(|place| path.starts_with(&place.prefix))?;
    let segment = place.service.respell(path.strip_prefix(&place.prefix)?)?;
    // Whatever a service answers, nothing but a plain segment takes the place of what came.
    if segment.is_empty() || !segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')) {
        return None;
    }
    let mut parts = head.uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{}{segment}", place.prefix)).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::service::{Answer, ServiceRequest};
    use futures_util::future::BoxFuture;

    /// Takes what has no dot, and makes dashes of slashes.
    struct Dashes;

    impl LocalService for Dashes {
        fn name(&self) -> &'static str {
            "dashes"
        }

        fn respell(&self, below: &str) -> Option<String> {
            (!below.contains('.')).then(|| below.replace("%2F", "-").replace('/', "-"))
        }

        fn answer<'a>(&'a self, _: &'a ServiceRequest<'a>) -> BoxFuture<'a, Answer> {
            Box::pin(async { super::super::service::method_not_allowed("") })
        }
    }

    fn respelled(host: Option<HostPattern>, method: &str, uri: &str) -> Option<String> {
        let places = [Place { host, prefix: "/ocsp/".to_owned(), service: Arc::new(Dashes) }];
        let request = http::Request::builder().method(method).uri(uri).header(HOST, "PKI.example.org:8080");
        let (head, ()) = request.body(()).unwrap().into_parts();
        super::uri(&places, &head).map(|uri| uri.to_string())
    }

    #[test]
    fn only_what_stands_below_the_services_route_is_spelled_anew() {
        let pki = || Some(HostPattern::Exact("pki.example.org".to_owned()));
        let other = || Some(HostPattern::Exact("www.example.org".to_owned()));
        for (host, method, uri, expected) in [
            (None, "GET", "/ocsp/a/b%2Fc", Some("/ocsp/a-b-c")),
            (None, "GET", "/ocsp/a//b?query", Some("/ocsp/a--b")),
            (pki(), "HEAD", "/ocsp/a/b", Some("/ocsp/a-b")),
            (other(), "GET", "/ocsp/a/b", None),
            (None, "POST", "/ocsp/a/b", None),
            (None, "GET", "/ocsp/", None),
            (None, "GET", "/ocsp", None),
            (None, "GET", "/app/a/b", None),
            (None, "GET", "/ocspa/b", None),
            (None, "GET", "/x/../ocsp/a/b", None),
            (None, "GET", "/ocsp/../app", None),
            // What is not a plain segment does not come through, whoever spelled it.
            (None, "GET", "/ocsp/a%2e%2eb", None),
            (None, "GET", "http://pki.example.org/ocsp/a/b", None),
        ] {
            assert_eq!(respelled(host, method, uri).as_deref(), expected, "{method} {uri}");
        }
    }
}
