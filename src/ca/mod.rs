//! The certificates that we make (RFC 5280): `key` signs, `profile` says what a kind of certificate
//! holds and whom one is about, `issue` makes certificates, `crl` takes them back, `pkcs12` packs them
//! for browsers, `files` lays them down. What other people's certificates say is `certificate`'s
//! business, and whether they still count is `revocation`'s.

pub mod crl;
pub mod files;
pub mod issue;
pub mod key;
pub mod pkcs12;
pub mod profile;

use der::pem::LineEnding;

/// One PEM block (RFC 7468) with the given label: `CERTIFICATE`, `PRIVATE KEY`, `X509 CRL`.
///
/// # Errors
/// When the label is none, or the text would not fit into memory.
pub fn pem(label: &str, der: &[u8]) -> Result<String, der::pem::Error> {
    der::pem::encode_string(label, LineEnding::LF, der)
}
