//! Another front before the application, which asks a gate about each request: what its gate is set up with, and how
//! certificates are written into headers.

use super::pki::Credential;
use super::setup::Setup;
use super::upstream::Upstream;
use base64::prelude::{BASE64_STANDARD, Engine};
use std::path::Path;

/// By what a front proves to be one.
pub(crate) const SECRET: &str = "a-secret-that-only-the-front-has";

/// A gate that finds the secret and the people's authority beside its configuration.
pub(crate) fn setup(upstream: &Upstream) -> Setup {
    let setup = Setup::before(upstream);
    let people = setup.pki.people.pem();
    setup
        .file("front.secret", &format!("{SECRET}\n"))
        .file("people.pem", &people)
        .section("trust", "{ staff: { authorities: [ca.pem], intermediates: [people.pem] } }")
}

/// A file of `examples/authorizer` with these words exchanged.
pub(crate) fn example(name: &str, exchange: &[(&str, &str)]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/authorizer").join(name);
    let mut text = std::fs::read_to_string(path).unwrap();
    for (from, to) in exchange {
        assert!(text.contains(from), "{from} does not stand in {name}");
        text = text.replace(from, to);
    }
    text
}

/// Everything but letters, digits and `-._~` as `%` and two digits.
pub(crate) fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

pub(crate) fn base64(der: &[u8]) -> String {
    BASE64_STANDARD.encode(der)
}

/// A certificate as nginx writes it.
pub(crate) fn nginx_form(credential: &Credential) -> String {
    escaped(&credential.leaf_pem)
}
