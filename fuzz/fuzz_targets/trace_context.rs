//! What a client wrote into `traceparent` and `tracestate`: what is read is written as it was, and what is handed on is
//! bounded and cannot end its field.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wicketgate::telemetry::trace::Parent;
use wicketgate::telemetry::trace::context::{is_state, traceparent};

fuzz_target!(|data: &[u8]| {
    if let Some(parent) = Parent::parse(data) {
        let written = traceparent(parent.trace, parent.span, parent.sampled);
        assert_eq!(Parent::parse(written.as_bytes()), Some(parent));
        // Version and flags may be others; the numbers are not.
        assert_eq!(data.get(3..52), written.as_bytes().get(3..52));
    }
    if is_state(data) {
        assert!(data.len() <= 512 && data.iter().all(|octet| !octet.is_ascii_control() || *octet == b'\t'));
    }
});
