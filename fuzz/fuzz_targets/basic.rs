//! An `Authorization` header of HTTP Basic with whatever in it: none ends the process, and what is read keeps to
//! its bounds.
#![no_main]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use wicketgate::account::password::MAX_PASSWORD;
use wicketgate::auth::basic::{Credentials, MAX_HEADER, MAX_USERNAME};

fuzz_target!(|data: &[u8]| {
    // Most inputs would be another scheme, or not be Base64, if the fuzzer had to find that first.
    let encoded = STANDARD.encode(data);
    for header in [data.to_vec(), [b"Basic ".as_slice(), data].concat(), format!("Basic {encoded}").into_bytes()] {
        let Ok(Some(credentials)) = Credentials::parse(&header) else { continue };
        assert!(header.trim_ascii().len() <= MAX_HEADER);
        let username = credentials.username();
        assert!(!username.is_empty() && username.len() <= MAX_USERNAME && !username.contains(':'));
        assert!(!username.chars().any(char::is_control));
        assert!(credentials.password().expose().len() <= MAX_PASSWORD && credentials.password().expose_str().is_some());
    }
});
