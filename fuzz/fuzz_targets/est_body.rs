//! The body of an enrolment, as whoever has logged in sends it: whatever it is, it is read or refused, and what is read
//! is one element of DER of a bounded size that reads the same when its lines are broken elsewhere.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wicketgate::ca::est::body::{MOST_DER, decode};

fuzz_target!(|body: &[u8]| {
    if let Ok(request) = decode(body) {
        assert!(request.len() <= MOST_DER);
        assert_eq!(request.first(), Some(&0x30));
        let text: Vec<u8> = body.iter().copied().filter(|octet| !octet.is_ascii_whitespace()).collect();
        assert_eq!(decode(&text), Ok(request.clone()));
        let broken: Vec<u8> = text.iter().flat_map(|octet| [*octet, b'\n']).collect();
        if let Ok(again) = decode(&broken) {
            assert_eq!(again, request);
        }
    }
});
