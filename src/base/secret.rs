//! Secrets: octets that are wiped when dropped, never shown, and compared in constant time; and where
//! the configuration says they are to be had from.

use std::fmt;
use std::path::PathBuf;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Octets that must not be shown. `Debug` prints `[secret]`; there is no `Display`.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the octets over.
    #[must_use]
    pub fn new(octets: Vec<u8>) -> Self {
        Self(Zeroizing::new(octets))
    }

    /// The octets themselves: for the one call that needs them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The secret as text, if it is UTF-8.
    #[must_use]
    pub fn expose_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes().to_vec())
    }
}

impl PartialEq for Secret {
    /// In a time that depends on the lengths alone.
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Where the configuration says a secret is to be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// The first line of this file.
    File(PathBuf),
    /// The value of this environment variable.
    Environment(String),
    /// It stands in the configuration itself, which `check` warns about.
    Literal(Secret),
}

/// A secret could not be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error("cannot read the secret in {path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The environment variable is not set, or is not UTF-8.
    #[error("the environment variable {0} is not set")]
    Environment(String),
    /// There is nothing in it.
    #[error("the secret in {0} is empty")]
    Empty(String),
}

impl SecretSource {
    /// Reads the secret. Of a file it is the first line, without its line end.
    ///
    /// # Errors
    /// When the source is missing, unreadable or empty.
    pub fn read(&self) -> Result<Secret, SecretError> {
        match self {
            Self::File(path) => {
                let octets = std::fs::read(path).map_err(|source| SecretError::File { path: path.clone(), source })?;
                let octets = Zeroizing::new(octets);
                let line = octets.split(|byte| *byte == b'\n').next().unwrap_or_default();
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                if line.is_empty() {
                    return Err(SecretError::Empty(path.display().to_string()));
                }
                Ok(Secret::new(line.to_vec()))
            }
            Self::Environment(name) => match std::env::var(name) {
                Ok(value) if value.is_empty() => Err(SecretError::Empty(format!("the environment variable {name}"))),
                Ok(value) => Ok(Secret::new(value.into_bytes())),
                Err(_) => Err(SecretError::Environment(name.clone())),
            },
            Self::Literal(secret) => Ok(secret.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        assert_eq!(format!("{:?}", Secret::from("hunter2")), "[secret]");
        assert_eq!(format!("{:?}", SecretSource::Literal(Secret::from("hunter2"))), "Literal([secret])");
    }

    #[test]
    fn a_secret_in_a_file_is_its_first_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        for (content, expected) in [("one\r\ntwo\n", Some("one")), ("one", Some("one")), ("\n", None), ("", None)] {
            std::fs::write(&path, content).unwrap();
            let read = SecretSource::File(path.clone()).read();
            assert_eq!(read.ok(), expected.map(Secret::from), "{content:?}");
        }
        assert!(SecretSource::File(directory.path().join("none")).read().is_err());
    }
}
