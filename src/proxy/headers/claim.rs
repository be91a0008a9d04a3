//! The values in which a request says whose it is. Some servers see no difference between `X-Claim` and `x_claim`, or
//! join what has one name in their eyes: so every spelling counts, and a claim beside another spelling of its header is
//! one that came twice.

use super::strip::is_alike;
use http::HeaderMap;
use http::header::CONNECTION;

/// The values of a header under every name that could be taken for this one. The exact name comes first; where the
/// header came under another name alone, that is as good as its absence, and the result is empty.
#[must_use]
pub fn values<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h [u8]> {
    let exact: Vec<&[u8]> = headers.get_all(name).iter().map(http::HeaderValue::as_bytes).collect();
    if exact.is_empty() {
        return exact;
    }
    // What `Connection` names ends here: the application would not see what was verified.
    let is_named = |token: &str| token.trim().eq_ignore_ascii_case(name);
    let mut ends_here = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    if ends_here.any(|value| value.split(',').any(is_named)) {
        return Vec::new();
    }
    let similar = headers
        .iter()
        .filter(|(other, _)| !other.as_str().eq_ignore_ascii_case(name) && is_alike(other.as_str(), name));
    exact.into_iter().chain(similar.map(|(_, value)| value.as_bytes())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    #[test]
    fn a_claim_beside_another_spelling_of_its_header_came_twice() {
        let cases: [(&[&str], usize); 8] = [
            (&[], 0),
            (&["x-claim"], 1),
            (&["x-claim", "x-claim"], 2),
            (&["x-claim", "x_claim"], 2),
            (&["x-claim", "x.claim", "x_claim"], 3),
            // The application may or may not see it: nothing was said.
            (&["x_claim"], 0),
            (&["x-claims", "x-claim"], 1),
            (&["y-claim", "x-claim"], 1),
        ];
        for (names, count) in cases {
            let mut headers = HeaderMap::new();
            for name in names {
                headers.append(HeaderName::from_static(name), HeaderValue::from_static("a"));
            }
            assert_eq!(values(&headers, "X-Claim").len(), count, "{names:?}");
            headers.append(CONNECTION, HeaderValue::from_static("keep-alive, X-CLAIM"));
            assert!(values(&headers, "X-Claim").is_empty(), "an application that is not told of it");
        }
    }
}
