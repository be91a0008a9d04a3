//! An `Authorization` header with whatever in it: no header ends the process, what is read keeps to its
//! bounds, and nothing that is made up passes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use std::net::{IpAddr, Ipv4Addr};
use wicketgate::account::ha1;
use wicketgate::auth::digest::{Asked, Credentials, MAX_HEADER, MAX_USERNAME, Outcome, Verifier};
use wicketgate::base::clock::Timestamp;
use wicketgate::base::secret::Secret;
use wicketgate::config::{ChallengeAlgorithm, Digest};

const ASKED: Asked<'_> = Asked {
    method: "GET",
    target: "/",
    realm: "r",
    client: IpAddr::V4(Ipv4Addr::LOCALHOST),
    now: Timestamp::from_unix(1_795_254_812),
};

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let algorithms = ChallengeAlgorithm::ALL.to_vec();
    let config = Digest { algorithms, auth_int_limit: Some(1024), userhash: true, ..Digest::of_realm("r") };
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
        let Ok(examined) = VERIFIER.examine(&credentials, &ASKED) else { continue };
        let ha1 = ha1::compute(username, examined.realm(), &Secret::from("not in any input"), examined.hash());
        assert!(matches!(examined.verify(Some(&ha1), data).outcome, Outcome::Wrong(_)));
    }
});
