//! The directory of the demo: whose it is, and that nobody else uses it at the same time. What is
//! somebody else's is never written to.

use crate::ca::files::{Access, WriteError, write};
use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// The file by which the demo knows its own directory again.
const MARK: &str = ".wicketgate-demo";

const MARK_TEXT: &str = "`wicketgate demo` made this directory and writes to it. Remove it whole to start afresh.\n";

/// A directory that belongs to the demo, held as long as this lives.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// The open mark, whose lock goes when it is closed.
    _mark: File,
}

/// A directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClaimError {
    /// It has files that are not ours.
    #[error("it holds files that the demo did not make, such as {0:?}")]
    NotOurs(String),
    /// Another demo runs in it.
    #[error("another demo is running in it")]
    InUse,
    /// It cannot be made, read or written to.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The mark cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl Directory {
    /// Makes the directory if there is none, and takes it if it is empty or bears the mark.
    pub(super) fn claim(path: &Path) -> Result<Self, ClaimError> {
        std::fs::create_dir_all(path)?;
        let mark = path.join(MARK);
        if !mark.try_exists()? {
            if let Some(entry) = std::fs::read_dir(path)?.next() {
                return Err(ClaimError::NotOurs(entry?.file_name().to_string_lossy().into_owned()));
            }
            write(&mark, MARK_TEXT.as_bytes(), Access::Public)?;
        }
        let file = File::open(&mark)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _mark: file }),
            Err(TryLockError::WouldBlock) => Err(ClaimError::InUse),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    /// Its own path.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in it.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_taken_if_it_is_absent_empty_or_ours() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        drop(Directory::claim(&path).unwrap());
        std::fs::write(path.join("ca.pem"), "").unwrap();
        drop(Directory::claim(&path).unwrap());
        let empty = parent.path().join("empty");
        std::fs::create_dir(&empty).unwrap();
        drop(Directory::claim(&empty).unwrap());
    }

    #[test]
    fn a_directory_of_somebody_else_is_left_as_it_is() {
        let theirs = tempfile::tempdir().unwrap();
        std::fs::write(theirs.path().join("wicketgate.yaml"), "listeners: []").unwrap();
        let refused = Directory::claim(theirs.path());
        assert!(matches!(refused, Err(ClaimError::NotOurs(name)) if name == "wicketgate.yaml"));
        assert_eq!(std::fs::read_dir(theirs.path()).unwrap().count(), 1);
    }

    #[test]
    fn two_demos_do_not_share_a_directory() {
        let directory = tempfile::tempdir().unwrap();
        let first = Directory::claim(directory.path()).unwrap();
        assert!(matches!(Directory::claim(directory.path()), Err(ClaimError::InUse)));
        drop(first);
        assert!(Directory::claim(directory.path()).is_ok());
    }
}
