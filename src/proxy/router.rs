//! Which route a request belongs to: by listener, host and path, the most specific one. A host by its name
//! goes before a wildcard, a wildcard before a route for every host, and among these the longest path
//! prefix decides. Prefixes match whole segments: `/app` covers `/app` and `/app/x` but not `/apple`, and
//! a slash at its end says nothing. What a route means is the caller's: it attaches what it likes.
//!
//! Host and path come from `path`, in normal form. Encoded octets are decoded before they are compared, as
//! every upstream does; and because some upstreams drop `;` and what follows it from a segment
//! (RFC 3986, section 3.3), a path that would then belong to another route is refused as ambiguous.

use super::path::{decode, normalise};
use crate::base::reason::Reason;
use crate::config::HostPattern;
use std::collections::BTreeMap;

/// One route, before it is sorted in.
#[derive(Debug, Clone)]
pub struct Entry<T> {
    /// Which hosts it is for; `None` is every host, and requests that name none.
    pub host: Option<HostPattern>,
    /// The path prefix in normal form, without `;`.
    pub path: String,
    /// Which listeners it is for, by index; empty is all. Where two routes have the same host and path, one
    /// that names the listener goes before one that does not, then the one given first.
    pub listeners: Vec<usize>,
    /// What the caller finds.
    pub payload: T,
}

/// A route's path can never match, or not only what it seems to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the route's path {0:?} is not in normal form, or holds a semicolon")]
pub struct BadRoutePath(String);

/// Why a request has no route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Miss {
    /// None covers it.
    #[error("no route covers the request")]
    NoRoute,
    /// The upstream might read the path as one of another route.
    #[error("with the parameters of its segments dropped, the path belongs to another route")]
    Ambiguous,
}

impl Miss {
    /// Why the request is turned away.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::NoRoute => Reason::NoRoute,
            Self::Ambiguous => Reason::BadRequest,
        }
    }
}

/// All routes, sorted for look-up: a handful of look-ups for each request, however many there are.
#[derive(Debug)]
pub struct Router<T> {
    payloads: Vec<T>,
    listeners: Vec<Hosts>,
}

/// The routes of one listener. Trees, because keys so few and short are compared faster than hashed.
#[derive(Debug, Default)]
struct Hosts {
    exact: BTreeMap<String, Prefixes>,
    /// By the name that follows `*.`.
    wildcard: BTreeMap<String, Prefixes>,
    any: Prefixes,
}

/// The routes of one listener and host.
#[derive(Debug, Default)]
struct Prefixes {
    root: Option<Candidate>,
    /// By the decoded prefix without a slash at its end.
    routes: BTreeMap<Vec<u8>, Option<Candidate>>,
    /// The most segments that any of them has, so that a path of a thousand costs no more.
    deepest: usize,
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    payload: usize,
    names_listener: bool,
}

impl<T> Router<T> {
    /// Sorts routes in for as many listeners as there are.
    ///
    /// # Errors
    /// When a path is not in normal form, or holds `;`.
    pub fn new(listeners: usize, entries: impl IntoIterator<Item = Entry<T>>) -> Result<Self, BadRoutePath> {
        let mut router = Self { payloads: Vec::new(), listeners: Vec::new() };
        router.listeners.resize_with(listeners, Hosts::default);
        for entry in entries {
            let normal = normalise(&entry.path).is_ok_and(|normal| normal == entry.path);
            let prefix = decode(entry.path.trim_end_matches('/'));
            if !normal || prefix.contains(&b';') {
                return Err(BadRoutePath(entry.path));
            }
            let names_listener = !entry.listeners.is_empty();
            let candidate = Candidate { payload: router.payloads.len(), names_listener };
            for (index, hosts) in router.listeners.iter_mut().enumerate() {
                if !names_listener || entry.listeners.contains(&index) {
                    hosts.prefixes_mut(entry.host.as_ref()).add(&prefix, candidate);
                }
            }
            router.payloads.push(entry.payload);
        }
        Ok(router)
    }

    /// The most specific route for a listener (by index), a host (in lower case, without port and trailing
    /// dot) and a path in normal form. `*` (of `OPTIONS *`) is what the route of `/` covers.
    ///
    /// # Errors
    /// When there is none, or the path might mean different routes to us and to the upstream.
    pub fn find(&self, listener: usize, host: Option<&str>, path: &str) -> Result<&T, Miss> {
        let hosts = self.listeners.get(listener).ok_or(Miss::NoRoute)?;
        let found = if path.bytes().any(|byte| matches!(byte, b'%' | b';')) {
            let decoded = decode(path);
            let found = hosts.find(host, &decoded);
            if hosts.find(host, &without_parameters(&decoded)) != found {
                return Err(Miss::Ambiguous);
            }
            found
        } else {
            hosts.find(host, path.as_bytes())
        };
        found.and_then(|payload| self.payloads.get(payload)).ok_or(Miss::NoRoute)
    }

    /// What was attached to the routes, in the order in which they were given.
    #[must_use]
    pub fn payloads(&self) -> &[T] {
        &self.payloads
    }
}

impl Hosts {
    fn prefixes_mut(&mut self, host: Option<&HostPattern>) -> &mut Prefixes {
        match host {
            Some(HostPattern::Exact(name)) => self.exact.entry(name.clone()).or_default(),
            Some(HostPattern::Wildcard(parent)) => self.wildcard.entry(parent.clone()).or_default(),
            None => &mut self.any,
        }
    }

    fn find(&self, host: Option<&str>, path: &[u8]) -> Option<usize> {
        let exact = || self.exact.get(host?);
        let wildcard = || {
            // One label, as in `HostPattern::matches`.
            let (label, parent) = host?.split_once('.')?;
            if label.is_empty() { None } else { self.wildcard.get(parent) }
        };
        exact()
            .and_then(|prefixes| prefixes.longest(path))
            .or_else(|| wildcard().and_then(|prefixes| prefixes.longest(path)))
            .or_else(|| self.any.longest(path))
    }
}

impl Prefixes {
    fn add(&mut self, prefix: &[u8], candidate: Candidate) {
        let place = if prefix.is_empty() { &mut self.root } else { self.routes.entry(prefix.to_vec()).or_default() };
        if place.is_none_or(|present| candidate.names_listener && !present.names_listener) {
            *place = Some(candidate);
        }
        self.deepest = self.deepest.max(prefix.iter().filter(|byte| **byte == b'/').count());
    }

    fn longest(&self, path: &[u8]) -> Option<usize> {
        let slashes = path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/').map(|(end, _)| end);
        slashes
            .chain([path.len()])
            .take(self.deepest)
            .filter_map(|end| *self.routes.get(path.get(..end)?)?)
            .last()
            .or(self.root)
            .map(|candidate| candidate.payload)
    }
}

/// The path as an upstream reads it that takes `;` and what follows for parameters of the segment.
fn without_parameters(path: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(path.len());
    for segment in path.split(|byte| *byte == b'/') {
        let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        if !name.is_empty() {
            plain.push(b'/');
            plain.extend_from_slice(name);
        }
    }
    plain
}

#[cfg(test)]
mod tests;
