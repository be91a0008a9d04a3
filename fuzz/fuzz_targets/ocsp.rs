//! Elements of DER one behind the other as an issuer, a certificate of it and an answer about that: what is
//! believed speaks of a time that has begun, and nothing that is cut short is believed. Any octets as an answer,
//! too, and any text as a URL.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wicketgate::base::clock::Timestamp;
use wicketgate::base::url::HttpUrl;
use wicketgate::certificate::access;
use wicketgate::certificate::der::Reader;
use wicketgate::certificate::fields::Fields;
use wicketgate::revocation::ocsp::{Asked, CLOCK_TOLERANCE, CertId, HashAlgorithm, verify};

fuzz_target!(|octets: &[u8]| {
    if let Ok(text) = std::str::from_utf8(octets)
        && let Ok(url) = text.parse::<HttpUrl>()
    {
        assert_eq!(url.to_string().parse().as_ref(), Ok(&url));
    }
    let mut reader = Reader::new(octets);
    let (Ok(issuer), Ok(certificate)) = (reader.element(), reader.element()) else { return };
    let answer = octets.get(issuer.whole.len() + certificate.whole.len()..).unwrap_or_default();
    let (Ok(issuer), Ok(fields)) = (Fields::read(issuer.whole), Fields::read(certificate.whole)) else { return };
    let _ = access::responders(&fields);
    for algorithm in [HashAlgorithm::Sha1, HashAlgorithm::Sha256] {
        let Ok(id) = CertId::new(algorithm, issuer.subject, issuer.public_key, fields.serial) else { return };
        let asked = Asked::new(&id, issuer.subject, issuer.public_key);
        let Ok(statement) = verify(answer, &asked, Timestamp::now()) else { continue };
        assert!(statement.this_update <= statement.until);
        assert!(statement.this_update <= Timestamp::now().plus(CLOCK_TOLERANCE));
        for length in 0..answer.len() {
            assert!(verify(&answer[..length], &asked, Timestamp::now()).is_err(), "cut to {length}");
        }
    }
});
