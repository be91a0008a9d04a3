//! The gate's own cookies: they are between it and the browser. None reaches an application, which could keep what
//! stands for a log-in, and none is taken from one, which could log somebody in as somebody else.

use bytes::Bytes;
use http::header::{COOKIE, HeaderMap, HeaderValue, SET_COOKIE};

/// What the names of all of them begin with. By `__Host-` a browser keeps them to this host, path `/` and TLS
/// (RFC 6265bis, section 4.1.3.2).
const OURS: &str = "__Host-wicketgate-";

/// The session of who was handed over to this site.
pub const SESSION: &str = "__Host-wicketgate-session";
/// What ties a hand-over to the browser that it was begun in.
pub const HANDOVER: &str = "__Host-wicketgate-handover";

/// The value of a cookie, one of ours for example. If it is there twice, it is not there: somebody has put one beside it.
#[must_use]
pub fn value<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = pairs(headers).filter_map(|pair| pair.split_once('=')).filter(|(known, _)| known.trim() == name);
    match (values.next(), values.next()) {
        (Some((_, value)), None) => Some(value.trim()),
        _ => None,
    }
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    // An application's cookie that is no text says nothing of ours beside it.
    let pairs = headers.get_all(COOKIE).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b';'));
    pairs.filter_map(|pair| std::str::from_utf8(pair).ok()).map(str::trim)
}

/// Whether a pair, or what a field sets, is one of ours, in whichever case: browsers compare the prefix without it.
fn is_ours(pair: &[u8]) -> bool {
    // A cookie without a name whose value looks like ours is sent as if it were ours by some browsers.
    let begins = pair.iter().position(|byte| !byte.is_ascii_whitespace() && *byte != b'=').unwrap_or(pair.len());
    let pair = pair.get(begins..).unwrap_or_default();
    pair.get(..OURS.len()).is_some_and(|start| start.eq_ignore_ascii_case(OURS.as_bytes()))
}

/// Takes our cookies out of a request.
pub fn remove_from_request(headers: &mut HeaderMap) {
    let has_ours = |value: &HeaderValue| value.as_bytes().split(|byte| *byte == b';').any(is_ours);
    if !headers.get_all(COOKIE).iter().any(has_ours) {
        return;
    }
    let kept: Vec<HeaderValue> = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| {
            let pairs = value.as_bytes().split(|byte| *byte == b';').filter(|pair| !is_ours(pair));
            let kept = pairs.collect::<Vec<_>>().join(&b';');
            let kept = Bytes::copy_from_slice(kept.trim_ascii());
            if kept.is_empty() { None } else { HeaderValue::from_maybe_shared(kept).ok() }
        })
        .collect();
    headers.remove(COOKIE);
    for value in kept {
        headers.append(COOKIE, value);
    }
}

/// Takes what would set one of our cookies out of an application's response.
pub fn remove_from_response(headers: &mut HeaderMap) {
    if !headers.get_all(SET_COOKIE).iter().any(|value| is_ours(value.as_bytes())) {
        return;
    }
    let kept: Vec<_> = headers.get_all(SET_COOKIE).iter().filter(|value| !is_ours(value.as_bytes())).cloned().collect();
    headers.remove(SET_COOKIE);
    for value in kept {
        headers.append(SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: http::HeaderName, values: &[&str]) -> HeaderMap {
        let values = values.iter().map(|value| (name.clone(), HeaderValue::from_str(value).unwrap()));
        values.collect()
    }

    #[test]
    fn our_cookies_stay_with_the_gate() {
        for (cookies, expected) in [
            (&["a=1; __Host-wicketgate-session=x; b=2"][..], &["a=1; b=2"][..]),
            (&["__Host-wicketgate-session=x"], &[]),
            (&["__host-WICKETGATE-session=x;a=1"], &["a=1"]),
            (&["a=1", "__Host-wicketgate-handover=x", "b=2"], &["a=1", "b=2"]),
            (&["a=__Host-wicketgate-session"], &["a=__Host-wicketgate-session"]),
            (&["__Host-other=1"], &["__Host-other=1"]),
        ] {
            let mut headers = headers(COOKIE, cookies);
            remove_from_request(&mut headers);
            assert_eq!(headers.get_all(COOKIE).iter().collect::<Vec<_>>(), expected, "{cookies:?}");
        }
    }

    #[test]
    fn no_application_sets_one_of_our_cookies() {
        let mut headers =
            headers(SET_COOKIE, &["a=1", "__Host-wicketgate-session=x; Path=/", " __HOST-Wicketgate-x=1"]);
        remove_from_response(&mut headers);
        assert_eq!(headers.get_all(SET_COOKIE).iter().collect::<Vec<_>>(), ["a=1"]);
    }

    #[test]
    fn a_cookie_that_is_there_twice_is_not_there() {
        for (cookies, expected) in [
            (&["a=1; __Host-wicketgate-session=x=y"][..], Some("x=y")),
            (&["a=1", "__Host-wicketgate-session=x"], Some("x")),
            (&["__Host-wicketgate-session=x; __Host-wicketgate-session=x"], None),
            (&["__Host-wicketgate-session=x", "__Host-wicketgate-session=y"], None),
            (&["__Host-wicketgate-session2=x"], None),
            (&[], None),
        ] {
            assert_eq!(value(&headers(COOKIE, cookies), SESSION), expected, "{cookies:?}");
        }
    }
}
