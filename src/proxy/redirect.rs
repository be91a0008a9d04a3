//! Answers of a route's own: where a redirect leads, and what a fixed answer says. A redirect that is made of what was asked for
//! leads to a path in normal form of one host; no path can become a host, and nothing in it can end its field.

use super::path::RequestTarget;
use super::rewrite::{PathMaker, Unwritable};
use crate::config::{self, RedirectOrigin, RedirectQuery, RedirectTo, RoutePath};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use std::borrow::Cow;

/// A redirect of a route's.
#[derive(Debug)]
pub struct Redirect {
    status: StatusCode,
    to: To,
}

#[derive(Debug)]
enum To {
    Fixed(String),
    Made { origin: Option<RedirectOrigin>, path: PathMaker, query: RedirectQuery },
}

impl Redirect {
    /// What this section of a route with this path says; `None` if the status is none.
    #[must_use]
    pub fn new(settings: &config::Redirect, path: &RoutePath) -> Option<Self> {
        let to = match &settings.to {
            RedirectTo::Fixed(to) => To::Fixed(to.clone()),
            RedirectTo::Made { origin, path: template, query } => To::Made {
                origin: origin.clone(),
                path: PathMaker::new(template.clone(), path.clone()),
                query: query.clone(),
            },
        };
        Some(Self { status: StatusCode::from_u16(settings.status).ok()?, to })
    }

    /// Its status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Where whoever asks for this is sent.
    ///
    /// # Errors
    /// When the path that is made is not in normal form, or the request names no host where one is needed.
    pub fn location(&self, target: &RequestTarget) -> Result<Cow<'_, str>, Unwritable> {
        let (origin, path, query) = match &self.to {
            To::Fixed(to) => return Ok(Cow::Borrowed(to)),
            To::Made { origin, path, query } => (origin, path, query),
        };
        let mut location = String::new();
        if let Some(RedirectOrigin { https, host, port }) = origin {
            location.push_str(if *https { "https://" } else { "http://" });
            location.push_str(host.as_deref().or(target.host()).ok_or(Unwritable::NoHost)?);
            if let Some(port) = port {
                location.push_str(&format!(":{port}"));
            }
        }
        location.push_str(&path.normal(target.path())?);
        match (query, target.query()) {
            (RedirectQuery::Fixed(query), _) => location.push_str(&format!("?{query}")),
            (RedirectQuery::Same, Some(query)) => location.push_str(&format!("?{query}")),
            (RedirectQuery::Same | RedirectQuery::None, _) => {}
        }
        Ok(Cow::Owned(location))
    }
}

/// A fixed answer of a route's.
#[derive(Debug)]
pub struct FixedAnswer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl FixedAnswer {
    /// What this section says, with the octets of its body; `None` if something of it cannot stand in a head.
    #[must_use]
    pub fn new(settings: &config::FixedAnswer, body: Bytes) -> Option<Self> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_str(&settings.content_type).ok()?);
        for (name, value) in &settings.headers {
            headers.insert(HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?);
        }
        Some(Self { status: StatusCode::from_u16(settings.status).ok()?, headers, body })
    }

    /// Its status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The answer, without what every answer of the gate has.
    #[must_use]
    pub fn response(&self) -> Response<Bytes> {
        let mut response = Response::new(self.body.clone());
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{PathPattern, PathTemplate};
    use http::{Method, Uri, Version};
    use proptest::prelude::*;

    fn target(uri: &str) -> Option<RequestTarget> {
        let headers = HeaderMap::from_iter([(http::header::HOST, HeaderValue::from_static("www.example.org:8443"))]);
        RequestTarget::parse(&Method::GET, Version::HTTP_11, &uri.parse::<Uri>().ok()?, &headers).ok()
    }

    fn made(origin: Option<&str>, template: &str, query: RedirectQuery) -> Redirect {
        let pattern = PathPattern::parse("/old/?(.*)").unwrap();
        let origin = origin.map(|host| RedirectOrigin {
            https: true,
            host: (!host.is_empty()).then(|| host.to_owned()),
            port: None,
        });
        let to = RedirectTo::Made { origin, path: PathTemplate::parse(template, Some(&pattern)).unwrap(), query };
        Redirect::new(&config::Redirect { to, status: 308 }, &RoutePath::Pattern(pattern)).unwrap()
    }

    #[test]
    fn a_redirect_leads_to_what_is_made_of_the_request() {
        for (origin, template, query, uri, expected) in [
            (Some(""), "{path}", RedirectQuery::Same, "/old/x?a=b", Ok("https://www.example.org/old/x?a=b")),
            (Some(""), "{path}", RedirectQuery::Same, "/old/%78", Ok("https://www.example.org/old/x")),
            (Some("a.example"), "/new/{1}", RedirectQuery::None, "/old/x?a=b", Ok("https://a.example/new/x")),
            (None, "/new/{1}", RedirectQuery::Fixed("c=d".to_owned()), "/old/x?a=b", Ok("/new/x?c=d")),
            (None, "{1}", RedirectQuery::None, "/old/evil.example", Err(Unwritable::NotNormal)),
            (None, "/{1}", RedirectQuery::None, "/old/evil.example/x", Ok("/evil.example/x")),
            (None, "/{0}", RedirectQuery::None, "/old/x", Err(Unwritable::NotNormal)),
            (Some("a.example"), "{1}", RedirectQuery::None, "/old/.evil.example", Err(Unwritable::NotNormal)),
        ] {
            let redirect = made(origin, template, query);
            assert_eq!(redirect.location(&target(uri).unwrap()).as_deref(), expected.as_deref(), "{template} {uri}");
        }
    }

    proptest! {
        #[test]
        fn no_request_makes_a_redirect_lead_to_another_host(
            path in "(/|//|\\\\|%5c|%2f|%0d%0a|evil\\.example|@|:|\\.\\.?|;|x){0,8}",
            query in "[!-~]{0,8}",
        ) {
            let Some(target) = target(&format!("/old{path}?{query}")) else { return Ok(()) };
            for (origin, template) in [(Some("a.example"), "{1}"), (Some("a.example"), "/{1}"), (Some(""), "{path}")] {
                if let Ok(location) = made(origin, template, RedirectQuery::Same).location(&target) {
                    let host = if origin == Some("") { "https://www.example.org/" } else { "https://a.example/" };
                    prop_assert!(location.starts_with(host), "{}", location);
                    prop_assert!(location.bytes().all(|byte| byte.is_ascii_graphic()), "{}", location);
                }
            }
            for template in ["{1}", "/{1}", "{path}"] {
                if let Ok(location) = made(None, template, RedirectQuery::Same).location(&target) {
                    prop_assert!(location.starts_with('/') && !location.starts_with("//"), "{}", location);
                }
            }
        }
    }
}
