//! Any octets as a certificate request, and as a public key.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wicketgate::ca::request::Request;
use wicketgate::ca::weak::PublicKey;
use wicketgate::config::Profile;

fuzz_target!(|octets: &[u8]| {
    let _ = PublicKey::read(octets);
    if let Ok(request) = Request::read_any(octets) {
        // Whoever has no account, by a profile that lets nobody name a host, gets no name at all.
        if let Some(profile) = Profile::built_in("server") {
            assert!(request.permitted(&profile, None, &[]).is_empty());
        }
        assert_eq!(PublicKey::read(request.key.spki()).as_ref(), Ok(&request.key));
    }
});
