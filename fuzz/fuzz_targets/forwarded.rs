//! What a client wrote into `Forwarded` or `X-Forwarded-For` before its trusted proxy added the client's address:
//! nobody but that client is ever found.
#![no_main]

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use wicketgate::config::{Forwarded, ForwardedHeader};
use wicketgate::proxy::headers::origin;

fuzz_target!(|data: &[u8]| {
    let Some((cut, data)) = data.split_first() else { return };
    let client: std::net::SocketAddr = ([203, 0, 113, 7], 0).into();
    for (header, name, added) in [
        (ForwardedHeader::XForwardedFor, "x-forwarded-for", "203.0.113.7"),
        (ForwardedHeader::Forwarded, "forwarded", "for=203.0.113.7"),
    ] {
        let trusted = Forwarded { from: vec!["10.0.0.0/8".parse().expect("a range")], header };
        let peer = [10, 0, 0, 4].into();
        // In lines of their own, or in the same one.
        let (first, second) = data.split_at(usize::from(*cut).min(data.len()));
        let joined = [data, b", ", added.as_bytes()].concat();
        for lines in [&[first, second, added.as_bytes()][..], &[&joined]] {
            let mut headers = HeaderMap::new();
            for line in lines {
                if let Ok(value) = HeaderValue::from_bytes(line) {
                    headers.append(name, value);
                }
            }
            if headers.len() == lines.len() {
                let found = origin::of(peer, &headers, &trusted);
                assert!(found.is_err() || found == Ok(Some(client)), "{found:?}");
            }
        }
    }
});
