//! A header that names the realm, with whatever in it: no header ends the process, and no realm comes out of it but
//! those that are configured.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use wicketgate::auth::digest::Verifier;
use wicketgate::config::{Digest, DigestRealm};

const ALLOWED: [&str; 2] = ["a.example", "b.example"];

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let allowed = ALLOWED.map(str::to_owned).to_vec();
    let realm = DigestRealm::FromHeader { header: "From".to_owned(), allowed };
    Verifier::new(&Digest { realm, ..Digest::of_realm("") }, None).expect("this configuration is fit")
});

fuzz_target!(|data: &[u8]| {
    if let Ok(realm) = VERIFIER.realm([data]) {
        assert!(ALLOWED.contains(&realm));
        // It is the domain of an address, and what stands before it ends with an @.
        let text = String::from_utf8_lossy(data).to_ascii_lowercase();
        assert!(text.contains(&format!("@{realm}")));
    }
});
