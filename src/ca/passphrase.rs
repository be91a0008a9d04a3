//! Where the passphrase of the authority's keys comes from: what the configuration names, or a person who is asked.
//! It is read when a key is opened and not before, so that nobody is asked for what is not needed.

use crate::base::secret::{Secret, SecretError, SecretSource};
use crate::config::PassphraseSource;
use std::path::{Path, PathBuf};

/// The variable that names the folder of a service's credentials (systemd.exec(5)).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Asks a person, and yields what was typed; the text says what for.
pub type Ask = fn(&str) -> std::io::Result<Secret>;

/// Where the passphrase comes from.
#[derive(Debug, Clone)]
pub enum Passphrase {
    /// It is known.
    Given(Secret),
    /// The configuration says where it is kept.
    Kept(PassphraseSource),
    /// A person knows it.
    Asked(Ask),
    /// Nobody says where it is.
    Nowhere,
}

/// The passphrase cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum PassphraseError {
    /// The file or the environment variable gives none.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The program was not started by systemd, or its unit names no credentials.
    #[error("the credential {0:?} is to be had from systemd, which gives this process none ({CREDENTIALS} is not set)")]
    NoCredentials(String),
    /// Nobody answers.
    #[error("cannot ask for the passphrase: {0}")]
    Unanswered(#[from] std::io::Error),
    /// The configuration names no place, and nobody can be asked.
    #[error("the configuration does not say where the passphrase of the authority's keys is kept")]
    Nowhere,
}

impl Passphrase {
    /// What the configuration names; without that a person is asked, where there is one.
    #[must_use]
    pub fn of(kept: Option<&PassphraseSource>, ask: Option<Ask>) -> Self {
        match (kept, ask) {
            (Some(kept), _) => Self::Kept(kept.clone()),
            (None, Some(ask)) => Self::Asked(ask),
            (None, None) => Self::Nowhere,
        }
    }

    /// The passphrase. `what_for` says it to a person who is asked: `Passphrase of the root key`.
    ///
    /// # Errors
    /// When it cannot be had.
    pub fn read(&self, what_for: &str) -> Result<Secret, PassphraseError> {
        match self {
            Self::Given(secret) => Ok(secret.clone()),
            Self::Kept(PassphraseSource::File(path)) => Ok(SecretSource::File(path.clone()).read()?),
            Self::Kept(PassphraseSource::Environment(name)) => Ok(SecretSource::Environment(name.clone()).read()?),
            Self::Kept(PassphraseSource::Credential(name)) => {
                credential(name, std::env::var_os(CREDENTIALS).as_deref().map(Path::new))
            }
            Self::Asked(ask) => Ok(ask(what_for)?),
            Self::Nowhere => Err(PassphraseError::Nowhere),
        }
    }
}

fn credential(name: &str, folder: Option<&Path>) -> Result<Secret, PassphraseError> {
    let folder: PathBuf = folder.ok_or_else(|| PassphraseError::NoCredentials(name.to_owned()))?.into();
    Ok(SecretSource::File(folder.join(name)).read()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_a_file_in_the_folder_that_systemd_names() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("authority"), "correct horse\n").unwrap();
        assert_eq!(credential("authority", Some(folder.path())).unwrap(), Secret::from("correct horse"));
        assert!(matches!(credential("other", Some(folder.path())), Err(PassphraseError::Secret(_))));
        assert!(matches!(credential("authority", None), Err(PassphraseError::NoCredentials(_))));
    }

    #[test]
    fn a_person_is_asked_only_where_the_configuration_names_no_place() {
        let ask: Ask = |what_for| Ok(Secret::from(what_for));
        let kept = PassphraseSource::File("/nowhere/at/all".into());
        assert!(matches!(Passphrase::of(Some(&kept), Some(ask)).read("key"), Err(PassphraseError::Secret(_))));
        assert_eq!(Passphrase::of(None, Some(ask)).read("key").unwrap(), Secret::from("key"));
        assert!(matches!(Passphrase::of(None, None).read("key"), Err(PassphraseError::Nowhere)));
    }
}
