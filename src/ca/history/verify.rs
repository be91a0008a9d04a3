//! Verifies a history: whether its lines are a chain from the first to the last, and whether the heads that were kept
//! elsewhere stand in it. The first line that is wrong is named, with why. Reading the files is done here, the judgement
//! by [`Chain`], which knows of no file.

use super::line::{Head, Seen, hash_of};
use super::{LONGEST_LINE, sha256};
use crate::base::hex;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Why a line is not the next one of its chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    /// It cannot be read as a record.
    #[error("it is no record: {0}")]
    NotARecord(String),
    /// Records are missing, or stand in another order.
    #[error("it is record {found}, where record {expected} belongs: lines were removed, put in or moved")]
    OutOfOrder {
        /// The number that comes next.
        expected: u64,
        /// The number in the line.
        found: u64,
    },
    /// The hash of the line before is another one.
    #[error("it does not continue the line before: that one was changed since, or this one")]
    Broken,
    /// The line says that it belongs to another history.
    #[error("it belongs to the history {0}")]
    OtherHistory(String),
    /// The first line is not the beginning, and no head is known that it continues.
    #[error("the history begins with record {0}: what came before is missing, and no head of it is known")]
    BeginsLate(u64),
    /// A head that was kept elsewhere says otherwise.
    #[error("record {0} is another one than was kept elsewhere: from some line up to this one, all was written anew")]
    NotAsKept(u64),
    /// A head that was kept elsewhere is not reached.
    #[error("the history ends with record {last}, and record {kept} was kept elsewhere: the end was cut off")]
    CutOff {
        /// The last record that is there.
        last: u64,
        /// The last one that was kept.
        kept: u64,
    },
}

/// A history that is as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sound {
    /// Its identity: 32 hexadecimal digits.
    pub history: String,
    /// The number of the first record that is there.
    pub first: u64,
    /// The number of the last record.
    pub last: u64,
    /// SHA-256 of the last line.
    pub hash: String,
    /// How many heads that were kept elsewhere stand in it.
    pub confirmed: u64,
    /// How many half lines a crash or a full disk left, each vouched for by the record after it.
    pub mended: u64,
    /// Whether the last line is such a half one, which the next record will vouch for.
    pub torn: bool,
}

/// A history that is not as it was written, or cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A line is wrong.
    #[error("{path}, line {line}: {wrong}")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line; the first is 1.
        line: u64,
        /// What is wrong.
        wrong: Wrong,
    },
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The chain as far as it was followed.
#[derive(Debug)]
pub struct Chain {
    identity: Option<String>,
    head: Option<Head>,
    first: u64,
    /// Heads that were kept elsewhere, by the number of their record. Two places may contradict each other.
    kept: BTreeMap<u64, BTreeSet<[u8; 32]>>,
    confirmed: u64,
    /// The hash of a line that is no record, and why it is none.
    torn: Option<([u8; 32], String)>,
    mended: u64,
}

impl Chain {
    /// A chain that has not begun, and the heads that it must go through.
    #[must_use]
    pub fn new(kept: impl IntoIterator<Item = Head>) -> Self {
        let mut hashes: BTreeMap<u64, BTreeSet<[u8; 32]>> = BTreeMap::new();
        for head in kept {
            hashes.entry(head.seq).or_default().insert(head.hash);
        }
        Self { identity: None, head: None, first: 0, kept: hashes, confirmed: 0, torn: None, mended: 0 }
    }

    /// Follows the chain by one whole line, given without its end.
    ///
    /// # Errors
    /// Why it is not the next one. Of a line that is no record that is said with the line after it, which may vouch for
    /// it.
    pub fn line(&mut self, line: &[u8]) -> Result<(), Wrong> {
        let seen = match Seen::parse(line) {
            Ok(seen) => seen,
            Err(why) => return self.half(line, why),
        };
        if let Some((hash, why)) = self.torn.take() {
            if seen.act != "mend" || seen.detail != Some(hex::encode(&hash)) {
                return Err(Wrong::NotARecord(why));
            }
            self.mended += 1;
        }
        match &self.head {
            None => self.begin(&seen)?,
            Some(head) => {
                let expected = head.seq.saturating_add(1);
                if seen.seq != expected {
                    return Err(Wrong::OutOfOrder { expected, found: seen.seq });
                }
                if seen.previous != head.hash {
                    return Err(Wrong::Broken);
                }
                if self.identity.as_ref() != Some(&seen.history) {
                    return Err(Wrong::OtherHistory(seen.history));
                }
            }
        }
        let head = Head { seq: seen.seq, hash: hash_of(line) };
        if let Some(kept) = self.kept.get(&head.seq) {
            if kept.iter().any(|kept| *kept != head.hash) {
                return Err(Wrong::NotAsKept(head.seq));
            }
            self.confirmed += 1;
        }
        self.head = Some(head);
        Ok(())
    }

    fn begin(&mut self, seen: &Seen) -> Result<(), Wrong> {
        match seen.seq.checked_sub(1) {
            Some(0) if seen.previous == [0; 32] && seen.act == "begin" => {}
            Some(before) => match self.kept.get(&before) {
                Some(kept) if kept.iter().all(|kept| *kept == seen.previous) => self.confirmed += 1,
                Some(_) => return Err(Wrong::Broken),
                None => return Err(Wrong::BeginsLate(seen.seq)),
            },
            None => return Err(Wrong::BeginsLate(0)),
        }
        self.identity = Some(seen.history.clone());
        self.first = seen.seq;
        Ok(())
    }

    /// A line that is no record: the next one may vouch for it, but only once and not at the very beginning.
    fn half(&mut self, line: &[u8], why: String) -> Result<(), Wrong> {
        if let Some((_, earlier)) = self.torn.take() {
            return Err(Wrong::NotARecord(earlier));
        }
        if self.head.is_none() {
            return Err(Wrong::NotARecord(why));
        }
        self.torn = Some((sha256(line), why));
        Ok(())
    }

    /// Whether the line that came last is no record, so that the fault of the next one is its.
    #[must_use]
    fn is_torn(&self) -> bool {
        self.torn.is_some()
    }

    /// Ends the chain. `torn` says that a half line stands at its end.
    ///
    /// # Errors
    /// When the last line is no record, or a head that was kept is not reached.
    pub fn end(self, torn: bool) -> Result<Sound, Wrong> {
        if let Some((_, why)) = self.torn {
            return Err(Wrong::NotARecord(why));
        }
        let last_kept = self.kept.keys().next_back().copied().unwrap_or(0);
        let (Some(head), Some(history)) = (self.head, self.identity) else {
            return Err(Wrong::CutOff { last: 0, kept: last_kept.max(1) });
        };
        if last_kept > head.seq {
            return Err(Wrong::CutOff { last: head.seq, kept: last_kept });
        }
        Ok(Sound {
            history,
            first: self.first,
            last: head.seq,
            hash: hex::encode(&head.hash),
            confirmed: self.confirmed,
            mended: self.mended,
            torn,
        })
    }
}

/// Verifies the files of a history, in their order, against the heads that were kept elsewhere.
///
/// # Errors
/// The first line that is wrong, and why; or a file that cannot be read.
pub fn verify(files: &[PathBuf], kept: impl IntoIterator<Item = Head>) -> Result<Sound, VerifyError> {
    let mut chain = Chain::new(kept);
    let mut here = (PathBuf::new(), 0);
    // Where a line stands that is no record, until the next one has vouched for it.
    let mut half = None;
    let mut torn = false;
    for (index, path) in files.iter().enumerate() {
        let is_last = index + 1 == files.len();
        here = (path.clone(), 0);
        each_line(path, |line, is_whole| {
            here.1 += 1;
            if !is_whole && is_last && half.is_none() {
                torn = true;
                return Ok(());
            }
            match chain.line(line) {
                Ok(()) => {
                    half = chain.is_torn().then(|| here.clone());
                    Ok(())
                }
                Err(fault @ Wrong::NotARecord(_)) => Err(wrong(half.take().unwrap_or_else(|| here.clone()), fault)),
                Err(fault) => Err(wrong(here.clone(), fault)),
            }
        })?;
    }
    chain.end(torn).map_err(|fault| wrong(half.unwrap_or(here), fault))
}

/// The identity of the history in a file: what its first line says.
///
/// # Errors
/// When the file cannot be read, or its first line is no record.
pub fn identity(path: &Path) -> Result<String, VerifyError> {
    let mut first = None;
    each_line(path, |line, _| {
        if first.is_none() {
            let fault = |why| wrong((path.to_owned(), 1), Wrong::NotARecord(why));
            first = Some(Seen::parse(line).map_err(fault)?.history);
        }
        Ok(())
    })?;
    first.ok_or_else(|| wrong((path.to_owned(), 1), Wrong::CutOff { last: 0, kept: 1 }))
}

fn wrong((path, line): (PathBuf, u64), wrong: Wrong) -> VerifyError {
    VerifyError::Line { path, line, wrong }
}

/// Hands over each line without its end, and whether it has one. A line that is too long is handed over in part, which
/// is no record.
pub(super) fn each_line(
    path: &Path,
    mut use_it: impl FnMut(&[u8], bool) -> Result<(), VerifyError>,
) -> Result<(), VerifyError> {
    let failed = |source| VerifyError::Io { path: path.to_owned(), source };
    let mut reader = BufReader::new(File::open(path).map_err(failed)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut limited = io::Read::take(&mut reader, LONGEST_LINE as u64 + 1);
        if limited.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            return Ok(());
        }
        let is_long = line.len() > LONGEST_LINE;
        match line.strip_suffix(b"\n") {
            Some(whole) => use_it(whole, true)?,
            None => use_it(&line, is_long)?,
        }
    }
}
