//! Elements of DER one behind the other as an authority, a client's certificate and others that it sends:
//! whatever path is found must be the client's, in date, and within the depth, and must be found as well if the
//! others stand in the configuration.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustls_pki_types::CertificateDer;
use wicketgate::base::clock::Timestamp;
use wicketgate::certificate::der::Reader;
use wicketgate::certificate::fields::Fields;
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
    let requirements = Requirements::for_clients(MAX_DEPTH);
    let found = validate(&chain, &anchors, &requirements, NOW);
    let (own, others) = chain.split_at(chain.len().min(1));
    let pool = others.iter().filter(|one| Fields::read(one).is_ok()).map(|one| one.clone().into_owned()).collect();
    if let (Ok(_), Ok(anchors)) = (&found, anchors.with_intermediates(pool)) {
        assert!(validate(own, &anchors, &requirements, NOW).is_ok());
    }
    match found {
        Ok(path) => {
            assert_eq!(path.certificates.first().map(|own| own.der.as_ref()), chain.first().map(AsRef::as_ref));
            assert_eq!(path.certificates.len(), path.authorities.len());
            assert!(path.certificates.len() < MAX_DEPTH);
            assert!(path.not_after >= NOW);
        }
        Err(error) => {
            assert!(error.reason.as_str().starts_with("certificate_"));
            assert!(error.section.starts_with("RFC 5280, "));
            assert!(!error.detail.is_empty());
        }
    }
});
