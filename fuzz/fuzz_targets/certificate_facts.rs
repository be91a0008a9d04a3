//! Any octets as a certificate: what is read of it must be bounded and printable.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wicketgate::certificate::facts;

fuzz_target!(|octets: &[u8]| {
    if let Ok(facts) = facts::parse(octets) {
        assert!(!facts.serial.is_empty());
        for name in [&facts.subject, &facts.issuer].into_iter().chain(&facts.names.directory) {
            assert!(!name.text.chars().any(char::is_control), "{:?}", name.text);
        }
        let ascii = [&facts.names.emails, &facts.names.dns, &facts.names.uris];
        assert!(ascii.into_iter().flatten().all(|name| name.is_ascii()));
    }
});
