//! Which route a request belongs to: by listener, host and path, the most specific one. A host by its name
//! goes before a wildcard, a wildcard before a route for every host. Among the paths of a host one that is given whole goes
//! first, and then the one that fixes most segments: `/app` covers `/app` and `/app/x` but not `/apple`, and
//! a slash at its end says nothing; a pattern counts with the whole segments that everything which matches it begins with, and goes before
//! the prefix of as many. Only among routes of the same host and path do `conditions` choose. What a route means is
//! the caller's: it attaches what it likes.
//!
//! Host and path come from `path`, in normal form. Encoded octets are decoded before they are compared, as
//! every upstream does; and because some upstreams drop `;` and what follows it from a segment
//! (RFC 3986, section 3.3), a path that would then belong to another route is refused as ambiguous.

mod conditions;

pub use conditions::{Asked, BadCondition, Conditions};

use super::path::{decode, normalise};
use crate::base::reason::Reason;
use crate::config::{HostPattern, PathPattern, RoutePath};
use conditions::Place;
use http::{HeaderName, HeaderValue};
use std::collections::BTreeMap;

/// One route, before it is sorted in.
#[derive(Debug, Clone)]
pub struct Entry<T> {
    /// Which hosts it is for; `None` is every host, and requests that name none.
    pub host: Option<HostPattern>,
    /// Which paths, in normal form, without `;`.
    pub path: RoutePath,
    /// What it asks of requests besides.
    pub conditions: Conditions,
    /// Which listeners it is for, by index; empty is all. Where two routes have the same host, path and conditions, one
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
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Miss {
    /// None covers it.
    #[error("no route covers the request")]
    NoRoute,
    /// The upstream might read the path as one of another route.
    #[error("with the parameters of its segments dropped, the path belongs to another route")]
    Ambiguous,
    /// The routes of its path are for other methods.
    #[error("no route of this host and path has the method")]
    Method {
        /// These.
        allow: HeaderValue,
    },
    /// A method that a route names is written in other letters.
    #[error("in capitals, the method is one that routes are chosen by")]
    UncertainMethod,
    /// A field by which routes are chosen does not say the same to everybody.
    #[error("routes are chosen by `{0}`, which is there twice, in another spelling, or named in Connection")]
    UncertainField(HeaderName),
}

impl Miss {
    /// Why the request is turned away.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::NoRoute => Reason::NoRoute,
            Self::Method { .. } => Reason::MethodNotAllowed,
            Self::Ambiguous | Self::UncertainMethod | Self::UncertainField(_) => Reason::BadRequest,
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
    exact: BTreeMap<String, Paths>,
    /// By the name that follows `*.`.
    wildcard: BTreeMap<String, Paths>,
    any: Paths,
}

/// The routes of one listener and host.
#[derive(Debug, Default)]
struct Paths {
    /// Those of whole paths, decoded, without a slash at their end.
    whole: BTreeMap<Vec<u8>, Place>,
    root: Node,
    /// By the decoded prefix without a slash at its end.
    below: BTreeMap<Vec<u8>, Node>,
    /// The most segments that any of them has, so that a path of a thousand costs no more.
    deepest: usize,
    /// Whether there are patterns below.
    patterned: bool,
}

/// The routes whose paths begin with the same whole segments.
#[derive(Debug, Default)]
struct Node {
    /// In the order in which they were given.
    patterns: Vec<(PathPattern, Place)>,
    prefix: Option<Place>,
}

impl<T> Router<T> {
    /// Sorts routes in for as many listeners as there are.
    ///
    /// # Errors
    /// When a path is not in normal form, or holds `;`.
    pub fn new(listeners: usize, entries: impl IntoIterator<Item = Entry<T>>) -> Result<Self, BadRoutePath> {
        let mut router = Self { payloads: Vec::new(), listeners: Vec::new() };
        router.listeners.resize_with(listeners, Hosts::default);
        for Entry { host, path, conditions, listeners, payload } in entries {
            if let RoutePath::Prefix(path) | RoutePath::Exact(path) = &path {
                let normal = normalise(path).is_ok_and(|normal| normal == *path);
                if !normal || decode(path).contains(&b';') {
                    return Err(BadRoutePath(path.clone()));
                }
            }
            let names_listener = !listeners.is_empty();
            for (index, hosts) in router.listeners.iter_mut().enumerate() {
                if !names_listener || listeners.contains(&index) {
                    let number = router.payloads.len();
                    let paths = hosts.paths_mut(host.as_ref());
                    paths.add(&path, |place| place.add(number, &conditions, names_listener));
                }
            }
            router.payloads.push(payload);
        }
        Ok(router)
    }

    /// The most specific route for a listener (by index), a host (in lower case, without port and trailing
    /// dot) and a path in normal form, among those of the same host and path by what is asked. `*` (of `OPTIONS *`) is what the
    /// route of `/` covers.
    ///
    /// # Errors
    /// When there is none, or the request might mean different routes to us and to the upstream.
    pub fn find(&self, listener: usize, host: Option<&str>, path: &str, asked: &Asked<'_>) -> Result<&T, Miss> {
        let hosts = self.listeners.get(listener).ok_or(Miss::NoRoute)?;
        let found = if path.bytes().any(|byte| matches!(byte, b'%' | b';')) {
            let decoded = decode(path);
            let found = hosts.find(host, &decoded);
            if !are_one(hosts.find(host, &without_parameters(&decoded)), found) {
                return Err(Miss::Ambiguous);
            }
            found
        } else {
            hosts.find(host, path.as_bytes())
        };
        let payload = found.ok_or(Miss::NoRoute)?.choose(asked)?;
        self.payloads.get(payload).ok_or(Miss::NoRoute)
    }

    /// What was attached to the routes, in the order in which they were given.
    #[must_use]
    pub fn payloads(&self) -> &[T] {
        &self.payloads
    }
}

fn are_one(one: Option<&Place>, other: Option<&Place>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => std::ptr::eq(one, other),
        (None, None) => true,
        _ => false,
    }
}

impl Hosts {
    fn paths_mut(&mut self, host: Option<&HostPattern>) -> &mut Paths {
        match host {
            Some(HostPattern::Exact(name)) => self.exact.entry(name.clone()).or_default(),
            Some(HostPattern::Wildcard(parent)) => self.wildcard.entry(parent.clone()).or_default(),
            None => &mut self.any,
        }
    }

    fn find(&self, host: Option<&str>, path: &[u8]) -> Option<&Place> {
        let exact = || self.exact.get(host?);
        let wildcard = || {
            // One label, as in `HostPattern::matches`.
            let (label, parent) = host?.split_once('.')?;
            if label.is_empty() { None } else { self.wildcard.get(parent) }
        };
        exact()
            .and_then(|paths| paths.find(path))
            .or_else(|| wildcard().and_then(|paths| paths.find(path)))
            .or_else(|| self.any.find(path))
    }
}

impl Paths {
    fn add(&mut self, path: &RoutePath, add: impl FnOnce(&mut Place)) {
        match path {
            RoutePath::Exact(path) => add(self.whole.entry(decode(path.trim_end_matches('/'))).or_default()),
            RoutePath::Prefix(path) => {
                add(self.node_mut(decode(path.trim_end_matches('/'))).prefix.get_or_insert_default());
            }
            RoutePath::Pattern(pattern) => {
                self.patterned |= !pattern.fixed().is_empty();
                self.node_mut(pattern.fixed().as_bytes().to_vec()).add_pattern(pattern, add);
            }
        }
    }

    fn node_mut(&mut self, fixed: Vec<u8>) -> &mut Node {
        self.deepest = self.deepest.max(fixed.iter().filter(|byte| **byte == b'/').count());
        if fixed.is_empty() { &mut self.root } else { self.below.entry(fixed).or_default() }
    }

    fn find(&self, path: &[u8]) -> Option<&Place> {
        if !self.whole.is_empty()
            && let Some(place) = self.whole.get(path.strip_suffix(b"/").unwrap_or(path))
        {
            return Some(place);
        }
        let slashes = path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/').map(|(end, _)| end);
        let ends = slashes.chain([path.len()]).take(self.deepest);
        let mut nodes = ends.filter_map(|end| self.below.get(path.get(..end)?));
        let deepest = if self.patterned {
            deepest_first(&mut nodes, path)
        } else {
            nodes.filter_map(|node| node.prefix.as_ref()).last()
        };
        deepest.or_else(|| self.root.find(path))
    }
}

/// What the last of these nodes has for a path, or the one before it, and so on: a pattern is only looked at where nothing
/// more specific is.
fn deepest_first<'r>(nodes: &mut dyn Iterator<Item = &'r Node>, path: &[u8]) -> Option<&'r Place> {
    let node = nodes.next()?;
    deepest_first(nodes, path).or_else(|| node.find(path))
}

impl Node {
    fn add_pattern(&mut self, pattern: &PathPattern, add: impl FnOnce(&mut Place)) {
        if let Some((_, place)) = self.patterns.iter_mut().find(|(known, _)| known == pattern) {
            return add(place);
        }
        let mut place = Place::default();
        add(&mut place);
        self.patterns.push((pattern.clone(), place));
    }

    fn find(&self, path: &[u8]) -> Option<&Place> {
        let pattern = self.patterns.iter().find(|(pattern, _)| pattern.matches(path));
        pattern.map(|(_, place)| place).or(self.prefix.as_ref())
    }
}

/// The path as an upstream reads it that takes `;` and what follows for parameters of the segment.
fn without_parameters(path: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(path.len());
    let mut ends_in_slash = true;
    for segment in path.split(|byte| *byte == b'/') {
        let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        ends_in_slash = name.is_empty();
        if !name.is_empty() {
            plain.push(b'/');
            plain.extend_from_slice(name);
        }
    }
    if ends_in_slash {
        plain.push(b'/');
    }
    plain
}

#[cfg(test)]
mod tests;
