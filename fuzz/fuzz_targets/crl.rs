//! Any octets as a file of revocation lists, and as one list.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use wicketgate::certificate::pem;
use wicketgate::revocation::crl::List;

fuzz_target!(|octets: &[u8]| {
    let file = Path::new("some.crl");
    let lists = pem::revocation_lists_in(file, octets.to_vec()).unwrap_or_default();
    for der in lists.iter().map(AsRef::as_ref).chain([octets]) {
        if let Ok(list) = List::read(der, file) {
            assert!(list.this_update() <= list.next_update());
            assert!(list.octets() <= 25 * der.len());
            let _ = (list.find(&[1]), list.is_signed_with(list.issuer()));
        }
    }
});
