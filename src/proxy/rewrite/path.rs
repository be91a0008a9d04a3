//! The path that an upstream is asked for in the place of the request's. It is made of pieces of the request's path in its normal
//! form, and must be in normal form itself: what would be two slashes or a climb is refused instead of being put right, because
//! then it would be another path than the one that was written down.

use super::Unwritable;
use crate::config::{PathPart, PathTemplate, RoutePath};
use crate::proxy::path::{RequestTarget, decode, normalise};
use crate::proxy::service::RESERVED;
use bytes::Bytes;
use http::HeaderValue;
use http::uri::PathAndQuery;

/// How a path is changed.
#[derive(Debug)]
pub(super) enum PathChange {
    /// One prefix for another.
    Prefix {
        /// How many segments the route's own has.
        segments: usize,
        /// The route's own, without a slash at its end.
        own: String,
        /// What takes its place, without a slash at its end.
        new: String,
        /// The route's own as applications are told it; none if there is none.
        told: Option<HeaderValue>,
    },
    /// A path of its own.
    Made(PathMaker),
}

impl PathChange {
    pub(super) fn prefix(own: &str, new: &str) -> Self {
        let (own, new) = (own.trim_end_matches('/').to_owned(), new.trim_end_matches('/').to_owned());
        let told = HeaderValue::from_str(&own).ok().filter(|own| !own.is_empty());
        Self::Prefix { segments: own.matches('/').count(), own, new, told }
    }

    /// The route's own prefix and the upstream's, both without a slash at their end.
    pub(super) fn prefixes(&self) -> Option<(&str, &str)> {
        match self {
            Self::Prefix { own, new, .. } => Some((own, new)),
            Self::Made(_) => None,
        }
    }

    pub(super) fn own_prefix(&self) -> Option<&HeaderValue> {
        match self {
            Self::Prefix { told, .. } => told.as_ref(),
            Self::Made(_) => None,
        }
    }

    pub(super) fn apply(&self, target: &RequestTarget) -> Result<PathAndQuery, Unwritable> {
        let mut path = match self {
            Self::Prefix { segments, new, .. } => {
                let rest = after(target.path(), *segments);
                if new.is_empty() && rest.is_empty() { "/".to_owned() } else { format!("{new}{rest}") }
            }
            Self::Made(maker) => maker.make(target.path()),
        };
        if !is_normal(&path) {
            return Err(Unwritable::NotNormal);
        }
        if path.starts_with(RESERVED) {
            return Err(Unwritable::Reserved);
        }
        if let Some(query) = target.query() {
            path.push('?');
            path.push_str(query);
        }
        PathAndQuery::from_maybe_shared(Bytes::from(path)).map_err(|_| Unwritable::NotNormal)
    }
}

/// Whether a path is its own normal form.
pub(super) fn is_normal(path: &str) -> bool {
    normalise(path).is_ok_and(|normal| normal == path)
}

/// What follows the first segments of a path in normal form: nothing, or what begins with a slash. Prefixes are compared
/// decoded, so that it is the number of segments that counts and not their octets.
fn after(path: &str, segments: usize) -> &str {
    let end = path.match_indices('/').nth(segments).map_or(path.len(), |(end, _)| end);
    path.get(end..).unwrap_or_default()
}

/// Makes paths of other paths.
#[derive(Debug)]
pub struct PathMaker {
    template: PathTemplate,
    /// The route's own, of whose pattern the template may have groups.
    path: RoutePath,
}

impl PathMaker {
    /// By this template, on a route with this path.
    #[must_use]
    pub fn new(template: PathTemplate, path: RoutePath) -> Self {
        Self { template, path }
    }

    /// The same, if it is in normal form.
    ///
    /// # Errors
    /// When it is not.
    pub fn normal(&self, path: &str) -> Result<String, Unwritable> {
        Some(self.make(path)).filter(|made| is_normal(made)).ok_or(Unwritable::NotNormal)
    }

    /// The path that is made of one in normal form. Nobody has looked whether it is in normal form.
    #[must_use]
    pub fn make(&self, path: &str) -> String {
        let groups = match &self.path {
            RoutePath::Pattern(pattern)
                if self.template.parts().iter().any(|part| matches!(part, PathPart::Group(_))) =>
            {
                pattern.groups(&decode(path))
            }
            _ => Vec::new(),
        };
        let mut made = String::new();
        for part in self.template.parts() {
            match part {
                PathPart::Text(text) => made.push_str(text),
                PathPart::Path => made.push_str(path),
                PathPart::Group(group) => {
                    let place = groups.get(*group).copied().flatten();
                    made.push_str(place.and_then(|place| encoded(path, place)).unwrap_or_default());
                }
            }
        }
        made
    }
}

/// The part of a path in normal form that stands between these places when it is decoded.
fn encoded(path: &str, (start, end): (usize, usize)) -> Option<&str> {
    let mut at = 0;
    let mut offset_of = |wanted: usize, decoded: &mut usize| {
        while *decoded < wanted {
            at += if path.as_bytes().get(at) == Some(&b'%') { 3 } else { 1 };
            *decoded += 1;
        }
        at
    };
    let mut decoded = 0;
    let from = offset_of(start, &mut decoded);
    let to = offset_of(end, &mut decoded);
    path.get(from..to)
}
