//! Any octets as a file of revocation lists, as one list, and as the extensions of certificates and lists that say
//! where lists are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::Arc;
use wicketgate::certificate::distribution::{self, Reasons};
use wicketgate::certificate::facts::sha256;
use wicketgate::revocation::crl::{self, Limits, List, Origin};

fuzz_target!(|octets: &[u8]| {
    let origin = Origin::File("some.crl".into());
    let limits = Limits { octets: 1 << 20, entries: 1000 };
    let lists = crl::read(&origin, octets, &limits).unwrap_or_default();
    for list in lists.into_iter().chain(List::read(octets, &origin).map(Arc::new)) {
        assert!(list.this_update() <= list.next_update());
        assert!(list.base().is_none() || list.number().is_some());
        for (issuer, serial, said) in list.entries() {
            // One of the two signs has it, with what the index says of it.
            let found = [false, true].map(|negative| list.find(issuer, serial, negative));
            assert!(found.into_iter().flatten().any(|found| found == said));
        }
        assert!(list.continues(&list));
        let _ = (list.is_signed_with(&sha256(list.issuer()), list.issuer()), list.coverage().to_string());
    }
    if let Ok(points) = distribution::read(octets, octets) {
        for point in points {
            assert!(!point.names.is_empty() || !point.issuers.is_empty());
            assert!(point.reasons.union(Reasons::ALL) == Reasons::ALL);
            assert!(point.uris().all(str::is_ascii));
        }
    }
    let _ = distribution::read_names(octets, &[0x30, 0]);
});
