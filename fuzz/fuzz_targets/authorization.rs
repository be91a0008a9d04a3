//! An `Authorization` header with whatever in it: no header ends the process, what is read keeps to its
//! bounds, and nothing that is made up passes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use std::time::Duration;
use wicketgate::account::ha1;
use wicketgate::auth::digest::{Credentials, MAX_HEADER, MAX_USERNAME, Outcome, Verifier};
use wicketgate::base::clock::Timestamp;
use wicketgate::base::secret::Secret;
use wicketgate::config::{self, DigestAlgorithm};

const NOW: Timestamp = Timestamp::from_unix(1_795_254_812);

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let config = config::Digest {
        realm: "r".to_owned(),
        algorithms: vec![DigestAlgorithm::Sha256, DigestAlgorithm::Md5],
        nonce_secret: None,
        nonce_lifetime: Duration::from_secs(300),
    };
    // Without a secret, so that a made-up nonce gets as far as the password.
    Verifier::new(&config, None).expect("this configuration is fit")
});

fuzz_target!(|data: &[u8]| {
    // Most inputs would be another scheme if the fuzzer had to find the word first.
    for header in [data.to_vec(), [b"Digest ".as_slice(), data].concat()] {
        let Ok(Some(credentials)) = Credentials::parse(&header) else { continue };
        assert!(header.trim_ascii().len() <= MAX_HEADER);
        let username = credentials.username();
        assert!(!username.is_empty() && username.len() <= MAX_USERNAME && !username.chars().any(char::is_control));
        let Ok(examined) = VERIFIER.examine(&credentials, "GET", "/", NOW) else { continue };
        let ha1 = ha1::compute(username, examined.realm(), &Secret::from("not in any input"), examined.algorithm());
        assert!(matches!(examined.verify(Some(&ha1)), Outcome::Wrong(_)));
    }
});
