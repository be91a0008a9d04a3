//! How an authority is told to whoever typed a command: what it is made of, and what a fault in making it means.

use crate::base::clock::Timestamp;
use crate::base::hex;
use crate::ca::directory::Directory;
use crate::ca::hierarchy::HierarchyError;
use crate::certificate::facts;
use crate::cli::{Failure, OrFail};
use rustls_pki_types::CertificateDer;
use serde_json::{Value, json};
use std::fmt;
use std::path::Path;

/// An authority's certificates in words.
pub(super) struct Shown {
    directory: String,
    root: Line,
    root_key: bool,
    /// By their numbers, the one that issues now first.
    intermediates: Vec<(u32, Line)>,
}

/// One certificate.
struct Line {
    subject: String,
    not_before: Timestamp,
    not_after: Timestamp,
    fingerprint: String,
}

impl Shown {
    /// What a folder holds.
    pub(super) fn of(directory: &Directory) -> Result<Self, Failure> {
        let intermediates = directory.intermediates().iter();
        Ok(Self {
            directory: directory.path().display().to_string(),
            root: Line::of(directory.root())?,
            root_key: directory.has_root_key(),
            intermediates: intermediates
                .map(|one| Ok((one.number, Line::of(one.certificate())?)))
                .collect::<Result<_, Failure>>()?,
        })
    }

    /// The same for programs.
    pub(super) fn as_json(&self) -> Value {
        let intermediates = self.intermediates.iter().map(|(number, line)| {
            let mut value = line.as_json();
            if let Some(value) = value.as_object_mut() {
                value.insert("number".to_owned(), (*number).into());
            }
            value
        });
        json!({
            "directory": self.directory,
            "root": self.root.as_json(),
            "root_key": self.root_key,
            "intermediates": intermediates.collect::<Vec<_>>(),
        })
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = if self.root_key { "" } else { " (its key has been taken away)" };
        writeln!(f, "root            {}{key}", self.root)?;
        for (number, line) in &self.intermediates {
            writeln!(f, "intermediate {number:<2} {line}")?;
        }
        Ok(())
    }
}

impl Line {
    fn of(certificate: &CertificateDer<'_>) -> Result<Self, Failure> {
        let what_to_do = "restore the folder from a backup";
        let facts = facts::parse(certificate).or_fail("reading a certificate", "the authority", what_to_do)?;
        Ok(Self {
            subject: facts.subject.text,
            not_before: facts.not_before,
            not_after: facts.not_after,
            fingerprint: hex::encode(&facts.fingerprint),
        })
    }

    fn as_json(&self) -> Value {
        json!({
            "subject": self.subject,
            "not_before": self.not_before.to_string(),
            "not_after": self.not_after.to_string(),
            "sha256": self.fingerprint,
        })
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, until {}\n                SHA-256 {}", self.subject, self.not_after, self.fingerprint)
    }
}

/// What a fault means to whoever typed the command.
pub(super) fn refused(on: &Path, error: &HierarchyError) -> Failure {
    let what_to_do = match error {
        HierarchyError::Exists(_) => "keep it, or name another folder in `authority.directory`",
        HierarchyError::Folder { .. } => "look whether the folder above it is there and may be written to",
        HierarchyError::Write(_) => "look whether the disk is full; nothing was left behind",
        HierarchyError::Seal(_) => "choose a longer passphrase: who has the file can guess at leisure",
        HierarchyError::Unacceptable(_) => "give another value",
        HierarchyError::NotLonger { .. } => "ask for a longer --validity; it ends with the root's at the latest",
        HierarchyError::RootIssues => "leave --same-key away",
        _ => "look at the reason",
    };
    Failure::new("making the authority", on.display(), error, what_to_do)
}
