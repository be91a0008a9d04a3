//! Keys that never leave a PKCS#11 token (OASIS PKCS #11, version 3.0): an HSM, a smart card, or SoftHSM. The token
//! makes the key and signs with it; what lies in the authority's folder instead of the key is its name. Which module,
//! token and PIN, the configuration says. Without the cargo feature `pkcs11` none of this is in the program, and a
//! configuration that asks for it is told so.

#[cfg(feature = "pkcs11")]
mod cryptoki;
#[cfg(not(feature = "pkcs11"))]
mod absent;

#[cfg(not(feature = "pkcs11"))]
use absent as backend;
#[cfg(feature = "pkcs11")]
use cryptoki as backend;

use super::{KeyAlgorithm, KeyError, SigningKey};
use crate::base::secret::Secret;
use crate::ca::passphrase::Passphrase;
use crate::config::Pkcs11;

/// How the file of a key that is in a token begins (RFC 7512).
const SCHEME: &str = "pkcs11:object=";

/// A token, and where its PIN is to be had from.
#[derive(Debug, Clone)]
pub struct Token {
    settings: Pkcs11,
}

impl Token {
    /// The token that the configuration names.
    #[must_use]
    pub fn new(settings: Pkcs11) -> Self {
        Self { settings }
    }

    /// The label of an intermediate's key: `wicketgate-2`.
    #[must_use]
    pub fn label(&self, number: u32) -> String {
        format!("{}-{number}", self.settings.key)
    }

    /// The key with this label. One that the token has is taken, whoever made it; otherwise it makes one.
    ///
    /// # Errors
    /// When the token is not there, refuses the PIN, has a key of another kind by this label, or makes none of this
    /// kind.
    pub fn make(&self, label: &str, algorithm: KeyAlgorithm) -> Result<Box<dyn SigningKey>, KeyError> {
        backend::make(&self.settings, &self.pin()?, label, algorithm)
    }

    /// The key with this label.
    ///
    /// # Errors
    /// When the token is not there, refuses the PIN, or has not one key by this label.
    pub fn open(&self, label: &str) -> Result<Box<dyn SigningKey>, KeyError> {
        backend::open(&self.settings, &self.pin()?, label)
    }

    fn pin(&self) -> Result<Secret, KeyError> {
        let pin = Passphrase::Kept(self.settings.pin.clone()).read("PIN");
        pin.map_err(|error| KeyError::Token(error.to_string()))
    }
}

/// What lies in the folder instead of a key with this label.
#[must_use]
pub fn reference(label: &str) -> String {
    format!("{SCHEME}{label}\n")
}

/// The label that a file names; `None` if it is no such reference.
#[must_use]
pub fn referred(file: &[u8]) -> Option<&str> {
    std::str::from_utf8(file).ok()?.trim_end().strip_prefix(SCHEME).filter(|label| !label.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_in_a_token_is_referred_to_by_its_label() {
        assert_eq!(referred(reference("wicketgate-2").as_bytes()), Some("wicketgate-2"));
        for other in ["", "pkcs11:object=", "-----BEGIN ENCRYPTED PRIVATE KEY-----"] {
            assert_eq!(referred(other.as_bytes()), None, "{other}");
        }
    }

    #[cfg(not(feature = "pkcs11"))]
    #[test]
    fn a_program_without_pkcs11_says_so() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("pin"), "1234").unwrap();
        let token = Token::new(Pkcs11 {
            module: "/nowhere/at/all.so".into(),
            token: "gate".into(),
            key: "wicketgate".into(),
            pin: crate::config::PassphraseSource::File(folder.path().join("pin")),
        });
        assert_eq!(token.label(2), "wicketgate-2");
        for refused in [token.open("wicketgate-2"), token.make("wicketgate-2", KeyAlgorithm::EcdsaP256)] {
            assert!(matches!(refused, Err(KeyError::Token(why)) if why.contains("--features pkcs11")));
        }
    }
}
