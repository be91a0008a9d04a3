//! Whether all servers would find the end of a request at the same place (RFC 9112, section 6.1). hyper reads
//! any list of codings that ends in `chunked`; a server that takes the list at its word finds another
//! body in the same octets.

use http::header::{HeaderMap, TRANSFER_ENCODING};

/// Whether there is no transfer coding, or `chunked` alone. A length beside it does not get here: hyper drops
/// it, and closes the connection after the request.
#[must_use]
pub fn is_certain(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn one_chunked_is_certain_and_nothing_else() {
        let cases: [(&[&str], bool); 8] = [
            (&[], true),
            (&["chunked"], true),
            (&["Chunked"], true),
            (&["chunked, chunked"], false),
            (&["gzip, chunked"], false),
            (&["chunked", "chunked"], false),
            (&["identity", "chunked"], false),
            (&["chunked;q=1"], false),
        ];
        for (codings, expected) in cases {
            let mut headers = HeaderMap::new();
            for coding in codings {
                headers.append(TRANSFER_ENCODING, HeaderValue::from_str(coding).unwrap());
            }
            assert_eq!(is_certain(&headers), expected, "{codings:?}");
        }
    }
}
