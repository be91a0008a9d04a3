//! Any octets as an OCSP question, and any text as one in a path: what is read is within its bounds, what is spelled
//! anew is one plain segment that means the same and is spelled the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wicketgate::ca::ocsp::request::{MAX_CERTIFICATES, from_path, one_segment};
use wicketgate::ca::ocsp::{MAX_REQUEST, Request};

fuzz_target!(|octets: &[u8]| {
    if let Ok(request) = Request::read(octets) {
        assert!(octets.len() <= MAX_REQUEST);
        assert!((1..=MAX_CERTIFICATES).contains(&request.certificates.len()));
        for length in 0..octets.len() {
            assert!(Request::read(&octets[..length]).is_err(), "cut to {length}");
        }
    }
    let Ok(text) = std::str::from_utf8(octets) else { return };
    let segment = one_segment(text);
    assert_eq!(segment.is_some(), from_path(text).is_some());
    if let Some(segment) = segment {
        assert!(segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')));
        assert_eq!(from_path(&segment), from_path(text));
        assert_eq!(one_segment(&segment), Some(segment));
    }
});
