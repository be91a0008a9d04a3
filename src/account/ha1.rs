//! HA1, the hash of `username:realm:password` that stands for a password in HTTP Digest (RFC 7616,
//! section 3.4.2): computed here, for the command that sets passwords as for the tests of Digest.

use crate::account::Ha1;
use crate::base::hex;
use crate::base::secret::Secret;
use crate::config::DigestAlgorithm;
use sha2::digest::Digest;
use zeroize::Zeroizing;

/// HA1 in lower-case hexadecimal: 32 digits for MD5, 64 for the others. The user name and the realm go in
/// as their UTF-8 octets, as `charset=UTF-8` promises to clients.
///
/// A user name that holds `:` would share its hash with another user of another realm; the caller
/// refuses such names (`account::names`).
#[must_use]
pub fn compute(username: &str, realm: &str, password: &Secret, algorithm: DigestAlgorithm) -> Ha1 {
    let parts = [username.as_bytes(), b":", realm.as_bytes(), b":", password.expose()];
    Ha1(Secret::new(hash_with(algorithm, &parts).into_bytes()))
}

/// HA1 as an administrator has it at hand: the hexadecimal digits, in either case. `None` if they are not as many as
/// the algorithm makes.
#[must_use]
pub fn of_digits(digits: &Secret, algorithm: DigestAlgorithm) -> Option<Ha1> {
    let digits = Secret::new(digits.expose().to_ascii_lowercase());
    let octets = digits.expose();
    let fits = octets.len() == 2 * algorithm.length() && octets.iter().all(u8::is_ascii_hexdigit);
    fits.then_some(Ha1(digits))
}

/// What a client sends in place of its user name where `userhash` is agreed upon (RFC 7616, section 3.4.4), in
/// lower-case hexadecimal.
#[must_use]
pub fn userhash(username: &str, realm: &str, algorithm: DigestAlgorithm) -> String {
    hash_with(algorithm, &[username.as_bytes(), b":", realm.as_bytes()])
}

fn hash_with(algorithm: DigestAlgorithm, parts: &[&[u8]]) -> String {
    match algorithm {
        DigestAlgorithm::Sha512_256 => hash::<sha2::Sha512_256>(parts),
        DigestAlgorithm::Sha256 => hash::<sha2::Sha256>(parts),
        DigestAlgorithm::Md5 => hash::<md5::Md5>(parts),
    }
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

    /// The users, realms and passwords of the examples in RFC 7616, sections 3.9.1 and 3.9.2.
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
            (
                "Jäsøn Doe",
                "api@example.org",
                "Secret, or not?",
                DigestAlgorithm::Sha512_256,
                "2d3d9f12c9f3d30011259dc5fecee005ae24de40e3e1f61806d03e65f1e6024f",
            ),
        ];
        for (username, realm, password, algorithm, expected) in cases {
            let ha1 = compute(username, realm, &Secret::from(password), algorithm);
            assert_eq!(ha1.0.expose_str(), Some(expected));
        }
    }

    /// RFC 7616, section 3.9.2, as erratum 4897 corrects it: the document's own values come from SHA-512 cut short.
    #[test]
    fn a_user_name_is_hashed_with_the_realm() {
        let hash = userhash("Jäsøn Doe", "api@example.org", DigestAlgorithm::Sha512_256);
        assert_eq!(hash, "793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b");
    }
}
