//! The history of the authority: an append-only file with one JSON object on one line for each of its acts, chained by
//! hash. Each line carries the SHA-256 of the one before it, so that a line that is changed, removed, put in or moved
//! shows ([`verify`]), and the newest hash is kept in the database as well ([`heads`]), so that a tail that was cut off
//! shows too. The hash has no key: whoever audits can verify the chain and needs nothing secret for it, while whoever
//! may write the file could compute a chain anew, which the kept heads contradict.
//!
//! A record is written before its act is done, and the act is not done if that fails; an act that fails afterwards has
//! a second record that says so. Several processes write at once, one after another under a lock on the file. What is
//! recorded of requests to the gate is `telemetry::audit`'s business.

pub mod compare;
pub mod heads;
mod line;
pub mod recorder;
pub mod verify;

pub use line::{Act, Entry, Head, NotAHead};

use crate::base::clock::Moment;
use crate::base::hex;
use crate::ca::directory::PRIVATE;
use aws_lc_rs::digest::{SHA256, digest};
use line::{Seen, Writing, hash_of};
use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The name of the file in the authority's private folder.
pub(super) const FILE: &str = "history.jsonl";

/// The most octets that a line may have. What goes into one is bounded far below it.
const LONGEST_LINE: usize = 64 << 10;

/// How long the lock of another process is waited for, in steps of [`LOCK_STEP`].
const LOCK_STEPS: u32 = 2000;
const LOCK_STEP: Duration = Duration::from_millis(5);

/// How often the file is opened anew because it was rotated away under our hands.
const REOPENINGS: u32 = 5;

/// A history that is being written. Share one in a process; other processes may have theirs.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    open: Mutex<Option<Open>>,
}

/// The file, and where it ended when it was last looked at.
#[derive(Debug)]
struct Open {
    file: File,
    end: Option<End>,
}

#[derive(Debug, Clone)]
struct End {
    length: u64,
    identity: String,
    head: Head,
    /// Octets of a line that was cut off by a crash or a full disk.
    torn: Vec<u8>,
}

/// A history cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// There is none.
    #[error("the history {0} is missing")]
    Missing(PathBuf),
    /// There is one where one was to be begun.
    #[error("there is a history in {0} already")]
    Exists(PathBuf),
    /// The file cannot be read or written.
    #[error("cannot {what} the history {path}: {source}")]
    Io {
        /// `open`, `read`, `write`, `lock`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process has held the lock for ten seconds.
    #[error("the history {0} has been locked by another process for ten seconds")]
    Locked(PathBuf),
    /// What stands at its end is no record, so that nothing can continue it.
    #[error("the history {path} is damaged: {why}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A record is longer than a line may be.
    #[error("a record of {0} octets is longer than a line of the history may be")]
    Long(usize),
    /// The system gives no random octets.
    #[error("cannot begin a history: the system gives no random octets")]
    Random,
}

/// What was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The identity of the history: 32 hexadecimal digits.
    pub history: String,
    /// The number of the first record.
    pub first: u64,
    /// The last record.
    pub head: Head,
}

/// What a rotation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// The file that was closed.
    pub closed: PathBuf,
    /// The last record of that file, and the first of the new one.
    pub recorded: Recorded,
}

impl End {
    /// The lines of what follows, and what is recorded by them.
    fn continued(&self, at: Moment, entries: &[Entry]) -> Result<(Vec<u8>, Recorded), HistoryError> {
        let mut octets = Vec::new();
        let mut head = self.head;
        let mut write = |octets: &mut Vec<u8>, entry: &Entry| {
            let (line, next) = Writing { identity: &self.identity, after: Some(head), at }.render(entry)?;
            octets.extend(line);
            head = next;
            Ok::<_, HistoryError>(next.seq)
        };
        if !self.torn.is_empty() {
            // The half line becomes one of its own, and the record after it vouches for it.
            octets.push(b'\n');
            write(&mut octets, &Entry::mending(&self.torn))?;
        }
        let mut first = None;
        for entry in entries {
            let seq = write(&mut octets, entry)?;
            first.get_or_insert(seq);
        }
        let recorded = Recorded { history: self.identity.clone(), first: first.unwrap_or(head.seq), head };
        Ok((octets, recorded))
    }
}

/// The first lines of a new history, for a folder that is being made: its beginning, and what was done by then.
pub(super) fn first_lines(at: Moment, by: &str, done: &[Entry]) -> Result<Vec<u8>, HistoryError> {
    let (mut octets, begun) = first_line(at, by)?;
    let end = End { length: 0, identity: begun.history, head: begun.head, torn: Vec::new() };
    octets.extend(end.continued(at, done)?.0);
    Ok(octets)
}

fn first_line(at: Moment, by: &str) -> Result<(Vec<u8>, Recorded), HistoryError> {
    let mut random = [0; 16];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| HistoryError::Random)?;
    let history = hex::encode(&random);
    let (line, head) = Writing { identity: &history, after: None, at }.render(&Entry::new(Act::Begin, by))?;
    Ok((line, Recorded { history, first: head.seq, head }))
}

impl History {
    /// The file that the history of an authority is in, by the authority's folder.
    #[must_use]
    pub fn of(directory: &Path) -> PathBuf {
        directory.join(PRIVATE).join(FILE)
    }

    /// Begins a history with its first record. `by` says who does it.
    ///
    /// # Errors
    /// When there is one already, or the file cannot be written.
    pub fn begin(path: &Path, at: Moment, by: &str) -> Result<Recorded, HistoryError> {
        let (line, recorded) = first_line(at, by)?;
        write_new(path, &line).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => HistoryError::Exists(path.to_owned()),
            _ => HistoryError::Io { what: "write", path: path.to_owned(), source },
        })?;
        Ok(recorded)
    }

    /// The history in a file. It is opened when there is something to record.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), open: Mutex::new(None) }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends records, all of them or none, and waits until they are on the disk. It blocks, for ten seconds at most
    /// while others write.
    ///
    /// # Errors
    /// When there is no history, it is damaged, others hold it too long, or it cannot be written; then nothing is
    /// recorded, and nothing may be done.
    pub fn record(&self, at: Moment, entries: &[Entry]) -> Result<Recorded, HistoryError> {
        self.locked(|file, end| {
            let (octets, recorded) = end.continued(at, entries)?;
            self.append(file, end.length, &octets)?;
            let length = end.length.saturating_add(u64::try_from(octets.len()).unwrap_or(u64::MAX));
            let after = End { length, identity: end.identity.clone(), head: recorded.head, torn: Vec::new() };
            Ok((recorded, Some(after)))
        })
    }

    /// Closes the file with a last record, keeps it beside itself under its name and the number of that record
    /// (`history.jsonl.1042`), and goes on in a new one that continues the chain.
    ///
    /// # Errors
    /// As [`History::record`]; then the file stays in use, but for a last record that says otherwise.
    pub fn rotate(&self, at: Moment, by: &str) -> Result<Rotated, HistoryError> {
        self.locked(|file, end| {
            let (octets, closed) = end.continued(at, &[Entry::new(Act::Rotate, by)])?;
            self.append(file, end.length, &octets)?;
            let kept = beside(&self.path, &closed.head.seq.to_string());
            let writing = Writing { identity: &end.identity, after: Some(closed.head), at };
            let (line, head) = writing.render(&Entry::new(Act::Continue, by))?;
            swap(&self.path, &kept, &line).map_err(|source| self.io("rotate", source))?;
            let recorded = Recorded { history: end.identity.clone(), first: closed.first, head };
            // The file that is open is the closed one.
            Ok((Rotated { closed: kept, recorded }, None))
        })
    }

    /// Runs something with the file locked and its end known. It returns what the end is afterwards; `None` has the
    /// file opened anew.
    fn locked<T>(
        &self,
        work: impl FnOnce(&mut File, &End) -> Result<(T, Option<End>), HistoryError>,
    ) -> Result<T, HistoryError> {
        let mut state = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..REOPENINGS {
            let mut open = match state.take() {
                Some(open) => open,
                None => self.open()?,
            };
            self.lock(&open.file)?;
            if !self.is_in_place(&open.file)? {
                // It was rotated away before we had the lock, which ends with the file.
                continue;
            }
            let end = self.end(&mut open)?;
            let worked = work(&mut open.file, &end);
            // Closing the file would free it as well.
            open.file.unlock().map_err(|source| self.io("unlock", source))?;
            let (value, end) = worked?;
            if end.is_some() {
                *state = Some(Open { file: open.file, end });
            }
            return Ok(value);
        }
        Err(HistoryError::Locked(self.path.clone()))
    }

    fn open(&self) -> Result<Open, HistoryError> {
        let file = OpenOptions::new().read(true).append(true).open(&self.path);
        let file = file.map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => HistoryError::Missing(self.path.clone()),
            _ => self.io("open", source),
        })?;
        Ok(Open { file, end: None })
    }

    fn lock(&self, file: &File) -> Result<(), HistoryError> {
        for _ in 0..LOCK_STEPS {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_STEP),
                Err(TryLockError::Error(source)) => return Err(self.io("lock", source)),
            }
        }
        Err(HistoryError::Locked(self.path.clone()))
    }

    /// Whether the path still leads to this file. One that was removed is missing.
    fn is_in_place(&self, file: &File) -> Result<bool, HistoryError> {
        let ours = file.metadata().map_err(|source| self.io("read", source))?;
        match std::fs::metadata(&self.path) {
            Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(HistoryError::Missing(self.path.clone())),
            Err(source) => Err(self.io("read", source)),
        }
    }

    /// How the file ends; read anew if another process has written since.
    fn end(&self, open: &mut Open) -> Result<End, HistoryError> {
        let length = open.file.metadata().map_err(|source| self.io("read", source))?.len();
        match open.end.take() {
            Some(end) if end.length == length => Ok(end),
            _ => self.read_end(&mut open.file, length),
        }
    }

    fn read_end(&self, file: &mut File, length: u64) -> Result<End, HistoryError> {
        // The last whole line and what may be torn off behind it.
        let window = length.min(2 * LONGEST_LINE as u64);
        let mut octets = Vec::new();
        let read = file.seek(SeekFrom::Start(length - window)).and_then(|_| file.take(window).read_to_end(&mut octets));
        read.map_err(|source| self.io("read", source))?;
        let (whole, rest) = match octets.iter().rposition(|octet| *octet == b'\n') {
            Some(at) => octets.split_at(at),
            None => return Err(self.damaged("it has no whole line at its end")),
        };
        let torn = rest.get(1..).unwrap_or_default();
        let last = whole.rsplit(|octet| *octet == b'\n').next().unwrap_or_default();
        let seen = Seen::parse(last).map_err(|why| self.damaged(&format!("its last line is no record: {why}")))?;
        let head = Head { seq: seen.seq, hash: hash_of(last) };
        if Seen::parse(torn).is_ok_and(|next| next.previous == head.hash) {
            // Nothing but the line end is missing, and a half line that is a record would be taken for one.
            self.append(file, length, b"\n")?;
            return self.read_end(file, length.saturating_add(1));
        }
        Ok(End { length, identity: seen.history, head, torn: torn.to_vec() })
    }

    /// Writes at the end, and takes back what was written of a part.
    fn append(&self, file: &mut File, length: u64, octets: &[u8]) -> Result<(), HistoryError> {
        let written = file.write_all(octets).and_then(|()| file.sync_data());
        written.map_err(|source| {
            // Where even that fails, the next record mends it.
            let _ = file.set_len(length);
            self.io("write", source)
        })
    }

    fn io(&self, what: &'static str, source: io::Error) -> HistoryError {
        HistoryError::Io { what, path: self.path.clone(), source }
    }

    fn damaged(&self, why: &str) -> HistoryError {
        HistoryError::Damaged { path: self.path.clone(), why: why.to_owned() }
    }
}

/// The files of a history: those that were rotated away in their order, then the one that is written.
///
/// # Errors
/// When the folder cannot be read.
pub fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let stem = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let current = std::fs::metadata(path)?;
    let mut closed = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let number = name.strip_prefix(&stem).and_then(|rest| rest.strip_prefix('.')?.parse::<u64>().ok());
        let Some(number) = number else { continue };
        let metadata = entry.metadata()?;
        // A rotation that was cut off leaves the file under both names.
        if (metadata.dev(), metadata.ino()) != (current.dev(), current.ino()) {
            closed.push((number, entry.path()));
        }
    }
    closed.sort();
    Ok(closed.into_iter().map(|(_, path)| path).chain([path.to_owned()]).collect())
}

/// A file that is whole from the moment that it has its name, and is nobody else's.
fn write_new(path: &Path, octets: &[u8]) -> io::Result<()> {
    let fresh = beside(path, "new");
    write_private(&fresh, octets)?;
    // Unlike renaming, this replaces nothing.
    let linked = std::fs::hard_link(&fresh, path);
    std::fs::remove_file(&fresh)?;
    linked?;
    sync_folder(path)
}

/// Gives the file that is closed its second name, then its place to a fresh one: at each moment there is a history.
fn swap(path: &Path, kept: &Path, line: &[u8]) -> io::Result<()> {
    let fresh = beside(path, "new");
    write_private(&fresh, line)?;
    std::fs::hard_link(path, kept)?;
    std::fs::rename(&fresh, path)?;
    sync_folder(path)
}

/// Only who holds the lock, or begins the history, writes there.
fn write_private(path: &Path, octets: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(octets)?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path.as_os_str());
    name.push(".");
    name.push(suffix);
    PathBuf::from(name)
}

fn sha256(octets: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    // It always has 32 octets.
    for (to, from) in hash.iter_mut().zip(digest(&SHA256, octets).as_ref()) {
        *to = *from;
    }
    hash
}

/// Who runs this process, for the records of commands: `uid 0`, and who called sudo if it says so.
#[must_use]
pub fn whoever_runs_this() -> String {
    let uid = rustix::process::getuid().as_raw();
    // Only root can set it for root's processes, and root could write anything here.
    match std::env::var("SUDO_USER") {
        Ok(name) if uid == 0 => format!("uid 0 (sudo by {})", name.chars().take(64).collect::<String>()),
        _ => format!("uid {uid}"),
    }
}

#[cfg(test)]
mod tests;
