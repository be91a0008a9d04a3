//! The access log: one line for each request, written beside the workers by a thread of its own. Unlike an audit
//! record a line may be left out: each thread has room for a mebibyte of lines, and while the disk is slower than the
//! requests for so long that this is full, further lines are dropped and counted
//! (`wicketgate_access_log_dropped_total`). Nobody who serves a request ever waits, neither for the disk nor for
//! another core. Lines of one worker are in the order in which their answers ended; those of several come in batches.

pub mod line;

pub use line::{ConnectionFields, Line, Rendered};

use super::shard::{SHARDS, shard};
use crate::config;
use crate::telemetry::metrics::{ACCESS_DROPPED, ACCESS_LINES};
use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::Duration;

/// How many octets may wait in each shard.
const BOUND: usize = 1 << 20;
/// How long a line may wait for others.
const DELAY: Duration = Duration::from_millis(100);
/// How long a failed write is not tried again, and so how often it is reported.
const RETRY: Duration = Duration::from_secs(1);

/// The access log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The file.
    #[error("cannot open the access log {path}: {source}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The thread that writes it.
    #[error("cannot start the thread that writes the access log: {0}")]
    Thread(io::Error),
}

/// The access log. What waits when it is dropped is written by its thread; nobody waits for that who does not ask.
#[derive(Debug)]
pub struct AccessLog {
    settings: config::AccessLog,
    shared: Arc<Shared>,
    writer: Thread,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What those who hand lines in and the thread that writes them share.
struct Shared {
    shards: [Mutex<Vec<u8>>; SHARDS],
    /// Whether the writer is going to look anyway.
    awake: AtomicBool,
    closing: AtomicBool,
    replacement: Mutex<Option<Sink>>,
    bound: usize,
}

type Sink = Box<dyn Write + Send>;

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("awake", &self.awake).finish_non_exhaustive()
    }
}

impl AccessLog {
    /// Appends to the file that the settings name, which is made with mode 0640 if it is absent.
    ///
    /// # Errors
    /// When the file cannot be opened for appending.
    pub fn open(settings: &config::AccessLog) -> Result<Self, AccessError> {
        Self::start(settings.clone(), Box::new(append_to(&settings.path)?), DELAY, BOUND)
    }

    fn start(settings: config::AccessLog, sink: Sink, delay: Duration, bound: usize) -> Result<Self, AccessError> {
        let shared = Arc::new(Shared {
            shards: [const { Mutex::new(Vec::new()) }; SHARDS],
            awake: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            replacement: Mutex::default(),
            bound,
        });
        let writer = Writer { shared: Arc::clone(&shared), sink, delay, was_failing: false };
        let thread = std::thread::Builder::new().name("access".to_owned()).spawn(|| writer.run());
        let thread = thread.map_err(AccessError::Thread)?;
        Ok(Self { settings, shared, writer: thread.thread().clone(), thread: Mutex::new(Some(thread)) })
    }

    /// What it was opened with.
    #[must_use]
    pub fn settings(&self) -> &config::AccessLog {
        &self.settings
    }

    /// Hands a line in, and returns at once: it is kept if there is room.
    pub fn write(&self, line: &Line<'_>) {
        thread_local! {
            static TEXT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
        }
        TEXT.with_borrow_mut(|text| {
            text.clear();
            line.render(self.settings.format, text);
            if self.shared.hand_in(text) {
                ACCESS_LINES.increment();
                if !self.shared.awake.swap(true, Ordering::AcqRel) {
                    self.writer.unpark();
                }
            } else {
                ACCESS_DROPPED.increment();
            }
        });
    }

    /// Writes what waits and ends, which it waits for: nothing that is handed in afterwards is kept.
    pub fn finish(&self) {
        self.close();
        if let Some(thread) = lock(&self.thread).take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes the access log broke off");
        }
    }

    fn close(&self) {
        self.shared.closing.store(true, Ordering::Release);
        self.writer.unpark();
    }

    /// Opens the file anew, so that what was moved away is let go of.
    ///
    /// # Errors
    /// When the file cannot be opened; then the one in use stays in use.
    pub fn reopen(&self) -> Result<(), AccessError> {
        let file = append_to(&self.settings.path)?;
        *lock(&self.shared.replacement) = Some(Box::new(file));
        self.shared.awake.store(true, Ordering::Release);
        self.writer.unpark();
        Ok(())
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        // Whoever drops it may be serving requests.
        self.close();
    }
}

impl Shared {
    /// Takes a line if there is room for it.
    fn hand_in(&self, line: &[u8]) -> bool {
        let Some(shard) = self.shards.get(shard()) else { return false };
        let mut waiting = lock(shard);
        let room = waiting.is_empty() || waiting.len() + line.len() <= self.bound;
        if room {
            waiting.extend_from_slice(line);
        }
        room
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn append_to(path: &Path) -> Result<File, AccessError> {
    let open = OpenOptions::new().append(true).create(true).mode(0o640).open(path);
    open.map_err(|source| AccessError::Open { path: path.to_owned(), source })
}

/// The thread that writes.
struct Writer {
    shared: Arc<Shared>,
    sink: Sink,
    delay: Duration,
    was_failing: bool,
}

impl Writer {
    fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut batch = Vec::new();
        loop {
            // Read first: what is handed in before the end is said is written.
            let closing = shared.closing.load(Ordering::Acquire);
            self.replace();
            let mut wrote = false;
            for shard in &shared.shards {
                std::mem::swap(&mut batch, &mut *lock(shard));
                if !batch.is_empty() {
                    wrote = true;
                    self.write(&batch);
                    batch.clear();
                }
            }
            match (closing, wrote) {
                (true, _) => return,
                (false, true) => std::thread::park_timeout(self.delay),
                (false, false) => {
                    shared.awake.store(false, Ordering::Release);
                    if self.is_idle() {
                        std::thread::park();
                    }
                    // Somebody has handed in a line: others will.
                    std::thread::park_timeout(self.delay);
                }
            }
        }
    }

    /// Whether there is nothing to do, after it was said that nobody looks any more.
    fn is_idle(&self) -> bool {
        let nothing = self.shared.shards.iter().all(|shard| lock(shard).is_empty());
        nothing && !self.shared.closing.load(Ordering::Acquire) && lock(&self.shared.replacement).is_none()
    }

    /// Goes on with another file, if there is one.
    fn replace(&mut self) -> bool {
        let replacement = lock(&self.shared.replacement).take();
        let is_there = replacement.is_some();
        if let Some(sink) = replacement {
            self.sink = sink;
        }
        is_there
    }

    /// Writes a batch whole. While that fails it is tried again, in another file as soon as there is one, and lines
    /// that find no room meanwhile are dropped; at the end of the process there is one attempt.
    fn write(&mut self, batch: &[u8]) {
        let mut written = 0;
        while let Some(rest @ [_, ..]) = batch.get(written..) {
            let error = match self.sink.write(rest) {
                Ok(0) => io::ErrorKind::WriteZero.into(),
                Ok(more) => {
                    written += more;
                    self.was_failing = false;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            if !std::mem::replace(&mut self.was_failing, true) {
                let what_to_do = "make room on its disk; lines are dropped and counted until then";
                tracing::error!(%error, what_to_do, "the access log cannot be written");
            }
            if self.shared.closing.load(Ordering::Acquire) {
                return;
            }
            std::thread::park_timeout(RETRY);
            if self.replace() {
                // A line that was begun in the other file is whole in this one.
                let before = batch.get(..written).unwrap_or_default();
                written = before.iter().rposition(|octet| *octet == b'\n').map_or(0, |end| end + 1);
            }
        }
    }
}

#[cfg(test)]
mod tests;
