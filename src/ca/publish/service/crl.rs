//! Revocation lists: `…/NAME.crl` and `…/NAME-delta.crl`, by the authority's name in URLs or `ca`, the newest; a path
//! whose last segment has no dot is the newest authority's whole list.

use super::{Document, last_segment};
use crate::base::reason::Reason;
use crate::ca::publish::Shelf;
use crate::ca::publish::tables::Kind;
use crate::proxy::service::{Answer, LocalService, ServiceRequest, method_not_allowed};
use futures_util::future::BoxFuture;
use http::Method;
use std::sync::Arc;

/// Hands out revocation lists.
pub struct ListService(Arc<Shelf>);

impl ListService {
    /// From this shelf.
    #[must_use]
    pub fn new(shelf: Arc<Shelf>) -> Self {
        Self(shelf)
    }
}

/// Whose list a path is for, and which; `None` is none.
fn asked(path: &str) -> Option<(&str, Kind)> {
    let name = last_segment(path);
    if !name.contains('.') {
        return Some(("", Kind::Full));
    }
    let stem = name.strip_suffix(".crl")?;
    Some(match stem.strip_suffix("-delta") {
        Some(authority) => (authority, Kind::Delta),
        None => (stem, Kind::Full),
    })
}

impl LocalService for ListService {
    fn name(&self) -> &'static str {
        "crl"
    }

    fn answer<'a>(&'a self, request: &'a ServiceRequest<'a>) -> BoxFuture<'a, Answer> {
        Box::pin(async move {
            if !matches!(*request.method, Method::GET | Method::HEAD) {
                return method_not_allowed("GET, HEAD");
            }
            let found = asked(request.target.path())
                .and_then(|(name, kind)| self.0.named(name).and_then(|authority| authority.list(kind)));
            let Some(list) = found else { return Answer::refuse(Reason::NoRoute, "no such list is published") };
            // What has run out says nothing any more, and a client that is told so looks for another source.
            if list.next_update < request.at {
                return Answer::refuse(Reason::NoRoute, "the list that was published last has run out");
            }
            let document = Document {
                content_type: "application/pkix-crl",
                body: list.der,
                tag: list.tag,
                from: list.this_update,
                until: list.next_update,
            };
            Answer::Response(document.response(request.headers, request.at))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_an_authority_and_one_of_its_lists() {
        for (path, expected) in [
            ("/crl", Some(("", Kind::Full))),
            ("/crl/", Some(("", Kind::Full))),
            ("/crl/ca.crl", Some(("ca", Kind::Full))),
            ("/crl/0123456789abcdef.crl", Some(("0123456789abcdef", Kind::Full))),
            ("/crl/0123456789abcdef-delta.crl", Some(("0123456789abcdef", Kind::Delta))),
            ("/crl/ca.pem", None),
            ("/crl/ca.crl.txt", None),
        ] {
            assert_eq!(asked(path), expected, "{path}");
        }
    }
}
