//! Elements of DER one behind the other as an authority, a client's certificate and others that it sends:
//! whatever path is found must be the client's, in date, and within the depth.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustls_pki_types::CertificateDer;
use wicketgate::base::clock::Timestamp;
use wicketgate::certificate::der::Reader;
use wicketgate::certificate::path::{Requirements, TrustAnchors, validate};

/// 2026-06-01T00:00:00Z.
const NOW: Timestamp = Timestamp::from_unix(1_780_272_000);
const MAX_DEPTH: usize = 4;

fuzz_target!(|octets: &[u8]| {
    let mut reader = Reader::new(octets);
    let Ok(authority) = reader.element() else { return };
    let mut chain = Vec::new();
    while let Ok(certificate) = reader.element() {
        chain.push(CertificateDer::from(certificate.whole));
    }
    let Ok(anchors) = TrustAnchors::new(vec![CertificateDer::from(authority.whole.to_vec())]) else { return };
    match validate(&chain, &anchors, &Requirements::for_clients(MAX_DEPTH), NOW) {
        Ok(path) => {
            assert_eq!(path.certificates.first().map(|own| own.der.as_ref()), chain.first().map(AsRef::as_ref));
            assert_eq!(path.certificates.len(), path.authorities.len());
            assert!(path.certificates.len() < MAX_DEPTH);
            assert!(path.not_after >= NOW);
        }
        Err(error) => {
            assert!(error.reason.as_str().starts_with("certificate_"));
            assert!(!error.detail.is_empty());
        }
    }
});
