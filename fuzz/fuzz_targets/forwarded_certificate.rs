//! What fronts write of their clients' certificates, and what clients write who get past them: it is read or refused, and
//! what is read is no more than was agreed upon.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wicketgate::certificate::{MAX_CHAIN, Presented};
use wicketgate::config::CertificateForm;
use wicketgate::forward_auth::certificate::{read, says_none};

fuzz_target!(|data: &[u8]| {
    let Some((cut, data)) = data.split_first() else { return };
    let (own, rest) = data.split_at(usize::from(*cut).min(data.len()));
    for form in [
        CertificateForm::Rfc9440,
        CertificateForm::Nginx,
        CertificateForm::Haproxy,
        CertificateForm::Traefik,
        CertificateForm::Envoy,
    ] {
        for (own, rest) in [(data, None), (own, Some(rest))] {
            if let Ok(chain) = read(form, Some(own), rest) {
                assert!(chain.len() <= MAX_CHAIN);
                assert_eq!(chain.is_empty(), says_none(form, own), "a certificate is shown, or none is said to be");
                // Which may be too large in all, or say nothing that can be read.
                assert!(!chain.is_empty() || Presented::new(&chain).is_err());
            }
        }
    }
});
