//! What a route changes of requests on their way to an upstream, and of answers on their way back: `path` makes the path
//! that the upstream is asked for, `fields` sets and removes what the configuration says, `answer` puts right where an answer
//! leads, so that it leads back through the same route. Everything that a client may be, or that only the gate says, was settled
//! before: a rewritten path chooses no other route, and no other guard.

mod answer;
mod fields;
mod path;

pub use path::PathMaker;

use super::path::RequestTarget;
use crate::account::Account;
use crate::base::reason::Reason;
use crate::config::{self, HostRewrite, PathRewrite, RoutePath, ServerName};
use answer::Back;
use fields::Edits;
use http::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use path::PathChange;

/// The prefix that was taken off or exchanged, for applications that make links from it.
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// What a route changes.
#[derive(Debug)]
pub struct Rewrite {
    path: Option<PathChange>,
    host: Option<NewHost>,
    /// The servers that answers may name where they mean us.
    back: Back,
    request: Edits,
    response: Edits,
}

#[derive(Debug)]
enum NewHost {
    OfServer,
    Name(HeaderValue),
}

/// A route's rewriting cannot be made of its configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRewrite {
    /// A header field that no route may change.
    #[error("the field {0:?} cannot be rewritten")]
    Field(String),
    /// A value that cannot stand in a head.
    #[error("the value of {0:?} cannot stand in a head")]
    Value(String),
    /// A host that is none.
    #[error("{0:?} is not a host")]
    Host(String),
    /// A path that does not fit the route's own.
    #[error("a prefix can take the place of a prefix alone")]
    Path,
}

/// The rewritten path is none that an upstream may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// It is not in normal form.
    #[error("what the path is rewritten to is not in normal form")]
    NotNormal,
    /// Only the gate itself answers there.
    #[error("what the path is rewritten to is reserved for the gate")]
    Reserved,
    /// It is to be on the request's host, and the request has none.
    #[error("the request names no host")]
    NoHost,
}

impl Unwritable {
    /// Why the request is turned away.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::NotNormal | Self::NoHost => Reason::BadRequest,
            Self::Reserved => Reason::NoRoute,
        }
    }
}

impl Rewrite {
    /// What this section of a route with this path says. `servers` are those of all upstreams that the route leads to, each with whether it is spoken
    /// to over TLS; `is_ours` tells which names only the gate may set.
    ///
    /// # Errors
    /// When something cannot be written so, which `config::check` has usually found before.
    pub fn new(
        settings: &config::Rewrite,
        path: &RoutePath,
        servers: Vec<ServerName>,
        is_ours: impl Fn(&str) -> bool,
    ) -> Result<Self, BadRewrite> {
        let change = match (&settings.path, path) {
            (None, _) => None,
            (Some(PathRewrite::Prefix(new)), RoutePath::Prefix(own)) => Some(PathChange::prefix(own, new)),
            (Some(PathRewrite::Prefix(_)), _) => return Err(BadRewrite::Path),
            (Some(PathRewrite::Made(template)), path) => {
                Some(PathChange::Made(PathMaker::new(template.clone(), path.clone())))
            }
        };
        let (host, servers) = match &settings.host {
            None => (None, Vec::new()),
            Some(HostRewrite::OfServer) => (Some(NewHost::OfServer), servers),
            Some(HostRewrite::Name { host, port }) => {
                let text = port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
                let value = HeaderValue::from_str(&text).map_err(|_| BadRewrite::Host(text))?;
                let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
                let server = |port| ServerName { host: bare.to_owned(), port };
                let named = port.map_or_else(|| vec![server(80), server(443)], |port| vec![server(port)]);
                (Some(NewHost::Name(value)), named)
            }
        };
        let back = Back::new(change.as_ref().and_then(PathChange::prefixes), servers);
        Ok(Self {
            path: change,
            host,
            back,
            request: Edits::of_requests(&settings.request, &is_ours)?,
            response: Edits::of_answers(&settings.response)?,
        })
    }

    /// Path and query that the upstream is asked for, where they are not the request's own.
    ///
    /// # Errors
    /// When that is no path for an upstream.
    pub fn target(&self, target: &RequestTarget) -> Result<Option<PathAndQuery>, Unwritable> {
        match &self.path {
            // `*` is no path.
            Some(change) if target.path() != "*" => change.apply(target).map(Some),
            _ => Ok(None),
        }
    }

    /// Writes the head of a request, after everything that the gate says itself.
    pub fn request(&self, headers: &mut HeaderMap, account: Option<&Account>) {
        match &self.host {
            None => {}
            // What is not said is that of the server.
            Some(NewHost::OfServer) => drop(headers.remove(HOST)),
            Some(NewHost::Name(name)) => drop(headers.insert(HOST, name.clone())),
        }
        if let Some(prefix) = self.path.as_ref().and_then(PathChange::own_prefix) {
            headers.insert(FORWARDED_PREFIX, prefix.clone());
        }
        self.request.apply(headers, account);
    }

    /// Writes the head of the answer to a request for this host and port.
    pub fn answer(&self, headers: &mut HeaderMap, authority: Option<&HeaderValue>) {
        if self.path.is_some() || self.host.is_some() {
            self.back.apply(headers, authority.and_then(|authority| authority.to_str().ok()));
        }
        self.response.apply(headers, None);
    }
}

#[cfg(test)]
mod tests;
