//! The gate's entry in `Via` (RFC 9110, section 7.6.3), and the loop that it shows: an upstream that leads back to the
//! gate, by its name or by another proxy's configuration, would have a request go round for ever.

use crate::telemetry::request_id::RequestId;
use http::Version;
use http::header::{HeaderMap, HeaderValue, VIA};
use std::sync::LazyLock;

/// How often a request may pass: an application may well call another one that the same gate stands before, and hand on
/// what it was called with.
const MOST_PASSAGES: usize = 2;

/// What this process is called there: no other one has the name, so that one gate may stand before another.
struct Name {
    pseudonym: String,
    /// By the version that a request came in.
    one: HeaderValue,
    two: HeaderValue,
}

static NAME: LazyLock<Name> = LazyLock::new(|| {
    let id = RequestId::random();
    let pseudonym = format!("wicketgate-{}", id.as_str().get(..12).unwrap_or_default());
    // Kept for as long as the process, so that no count is kept of who uses it.
    let entry = |version: &str| {
        let text: &'static str = Box::leak(format!("{version} {pseudonym}").into_boxed_str());
        HeaderValue::from_static(text)
    };
    Name { one: entry("1.1"), two: entry("2.0"), pseudonym }
});

/// Whether a request has passed this gate as often as it may.
pub(super) fn goes_round(headers: &HeaderMap) -> bool {
    if !headers.contains_key(VIA) {
        return false;
    }
    let entries =
        headers.get_all(VIA).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let ours = |entry: &&str| entry.split_whitespace().nth(1) == Some(NAME.pseudonym.as_str());
    entries.filter(ours).count() >= MOST_PASSAGES
}

/// Adds the gate to those that a request has passed.
pub(super) fn add(headers: &mut HeaderMap, version: Version) {
    let entry = if version == Version::HTTP_2 { &NAME.two } else { &NAME.one };
    // A head that is full already is let be: there is no room for a loop to show in.
    let _ = headers.try_append(VIA, entry.clone());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn via(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (VIA, HeaderValue::from_str(value).unwrap())).collect()
    }

    #[test]
    fn a_request_passes_twice_and_not_more_often() {
        for version in [Version::HTTP_11, Version::HTTP_2] {
            let mut headers = via(&["1.0 fred, 1.1 p.example.net"]);
            for passed in 0..4 {
                assert_eq!(goes_round(&headers), passed >= MOST_PASSAGES, "after {passed}");
                add(&mut headers, version);
            }
        }
    }

    #[test]
    fn entries_in_one_line_and_with_comments_are_read() {
        let name = &NAME.pseudonym;
        for (values, expected) in [
            (vec![format!("1.1 {name} (a gate), 2.0 {name}")], true),
            (vec![format!("1.1\t{name}"), format!("HTTP/1.1   {name}")], true),
            (vec![format!("1.1 {name}")], false),
            (vec![format!("1.1 {name}x, 1.1 {name}-1, {name}")], false),
            (vec!["1.1 wicketgate-000000000000".to_owned(); 9], false),
        ] {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            assert_eq!(goes_round(&via(&values)), expected, "{values:?}");
        }
    }
}
