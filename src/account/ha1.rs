//! HA1, the hash of `username:realm:password` that stands for a password in HTTP Digest (RFC 7616,
//! section 3.4.2): computed here, for the command that sets passwords as for the tests of Digest.

use crate::account::Ha1;
use crate::base::hex;
use crate::base::secret::Secret;
use crate::config::DigestAlgorithm;
use sha2::digest::Digest;
use zeroize::Zeroizing;

/// HA1 in lower-case hexadecimal: 64 digits for SHA-256, 32 for MD5. The user name and the realm go in
/// as their UTF-8 octets, as `charset=UTF-8` promises to clients.
///
/// A user name that holds `:` would share its hash with another user of another realm; the caller
/// refuses such names (`account::names`).
#[must_use]
pub fn compute(username: &str, realm: &str, password: &Secret, algorithm: DigestAlgorithm) -> Ha1 {
    let parts = [username.as_bytes(), b":", realm.as_bytes(), b":", password.expose()];
    let digits = match algorithm {
        DigestAlgorithm::Sha256 => hash::<sha2::Sha256>(&parts),
        DigestAlgorithm::Md5 => hash::<md5::Md5>(&parts),
    };
    Ha1(Secret::new(digits.into_bytes()))
}

fn hash<D: Digest>(parts: &[&[u8]]) -> String {
    let mut digest = D::new();
    for part in parts {
        digest.update(part);
    }
    let octets = Zeroizing::new(digest.finalize().to_vec());
    hex::encode(&octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The user, realm and password of the example in RFC 7616, section 3.9.1.
    #[test]
    fn ha1_is_the_hash_of_name_realm_and_password() {
        let cases = [
            (
                "Mufasa",
                "http-auth@example.org",
                "Circle of Life",
                DigestAlgorithm::Md5,
                "3d78807defe7de2157e2b0b6573a855f",
            ),
            (
                "Mufasa",
                "http-auth@example.org",
                "Circle of Life",
                DigestAlgorithm::Sha256,
                "7987c64c30e25f1b74be53f966b49b90f2808aa92faf9a00262392d7b4794232",
            ),
        ];
        for (username, realm, password, algorithm, expected) in cases {
            let ha1 = compute(username, realm, &Secret::from(password), algorithm);
            assert_eq!(ha1.0.expose_str(), Some(expected));
        }
    }
}
