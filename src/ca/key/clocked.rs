//! Keeps a key from signing with a clock that has gone back. Certificates and lists that are dated before what was
//! signed already would be taken for older than they are, and a list for one that has been superseded. The latest
//! time at which anything was signed stands in a file, so that it outlives the process.

use super::{KeyError, SigningKey};
use crate::base::clock::Timestamp;
use crate::ca::files::{Access, write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;
use x509_cert::AlgorithmIdentifier;

/// How far a clock may go back, as clocks do that are set right.
pub const TOLERANCE: Duration = Duration::from_secs(60);

/// How much later it must be for the file to be written again.
const GRAIN: Duration = Duration::from_secs(60);

/// Reads the time: [`Timestamp::now`], but for tests.
pub type Clock = std::sync::Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The latest time at which anything was signed, and the file in which it stands.
pub struct Record {
    path: PathBuf,
    times: Mutex<Times>,
}

#[derive(Clone, Copy)]
struct Times {
    last: Timestamp,
    written: Timestamp,
}

impl Record {
    /// The record in this file; a file that is not there yet says that nothing was signed.
    ///
    /// # Errors
    /// When the file cannot be read, or holds something else.
    pub fn open(path: &Path) -> Result<Self, KeyError> {
        let last = read(path)?;
        Ok(Self { path: path.to_owned(), times: Mutex::new(Times { last, written: last }) })
    }

    /// Notes that something is signed at this time.
    ///
    /// # Errors
    /// When it is earlier than something was signed before, or cannot be written down.
    pub fn advance(&self, now: Timestamp) -> Result<(), KeyError> {
        // A thread that panicked with the lock left two times behind, and those are whole.
        let mut times = self.times.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if now.plus(TOLERANCE) < times.last {
            return Err(KeyError::ClockWentBack { now, last: times.last });
        }
        if now >= times.written.plus(GRAIN) {
            // Another process may have signed meanwhile.
            let last = read(&self.path)?;
            if now.plus(TOLERANCE) < last {
                times.last = last;
                return Err(KeyError::ClockWentBack { now, last });
            }
            let written = write(&self.path, format!("{}\n", now.max(last)).as_bytes(), Access::Private);
            written.map_err(|error| KeyError::Unrecorded(error.to_string()))?;
            times.written = now.max(last);
        }
        times.last = times.last.max(now);
        Ok(())
    }
}

fn read(path: &Path) -> Result<Timestamp, KeyError> {
    let unrecorded = |why: String| KeyError::Unrecorded(format!("{}: {why}", path.display()));
    match std::fs::read_to_string(path) {
        Ok(text) => {
            text.trim_end().parse().map_err(|error: crate::base::clock::NotATime| unrecorded(error.to_string()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Timestamp::from_unix(i64::MIN)),
        Err(error) => Err(unrecorded(error.to_string())),
    }
}

/// A key that signs only while the clock goes forward.
pub struct ClockedKey {
    key: Box<dyn SigningKey>,
    not_before: Timestamp,
    record: Record,
    clock: Clock,
}

impl ClockedKey {
    /// Puts the clock before a key. `not_before` is the first second of the authority whose key it is.
    #[must_use]
    pub fn new(key: Box<dyn SigningKey>, not_before: Timestamp, record: Record, clock: Clock) -> Self {
        Self { key, not_before, record, clock }
    }
}

impl SigningKey for ClockedKey {
    fn public_key(&self) -> &[u8] {
        self.key.public_key()
    }

    fn algorithm(&self) -> AlgorithmIdentifier {
        self.key.algorithm()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let now = (self.clock)();
        if now < self.not_before {
            return Err(KeyError::NotYetValid { now, not_before: self.not_before });
        }
        self.record.advance(now)?;
        self.key.sign(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::key::SoftwareKey;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    const BEGIN: i64 = 1_795_254_812;

    /// A key in a folder, and the clock by which it signs.
    fn key(folder: &Path) -> (ClockedKey, Arc<AtomicI64>) {
        let now = Arc::new(AtomicI64::new(BEGIN));
        let shown = Arc::clone(&now);
        let clock: Clock = Arc::new(move || Timestamp::from_unix(shown.load(Ordering::Relaxed)));
        let record = Record::open(&folder.join("clock")).unwrap();
        let key = Box::new(SoftwareKey::generate().unwrap());
        (ClockedKey::new(key, Timestamp::from_unix(BEGIN), record, clock), now)
    }

    #[test]
    fn nothing_is_signed_while_the_clock_shows_less_than_it_did() {
        let folder = tempfile::tempdir().unwrap();
        let (key, now) = key(folder.path());
        for (at, signs) in [(0, true), (3600, true), (3540, true), (3539, false), (-1, false), (3601, true)] {
            now.store(BEGIN + at, Ordering::Relaxed);
            assert_eq!(key.sign(b"message").is_ok(), signs, "{at}");
        }
        now.store(BEGIN + 60, Ordering::Relaxed);
        let last = Timestamp::from_unix(BEGIN + 3601);
        let went_back = KeyError::ClockWentBack { now: Timestamp::from_unix(BEGIN + 60), last };
        assert_eq!(key.sign(b"message"), Err(went_back));
    }

    #[test]
    fn a_new_process_knows_when_the_last_one_signed() {
        let folder = tempfile::tempdir().unwrap();
        let (first, now) = key(folder.path());
        now.store(BEGIN + 86_400, Ordering::Relaxed);
        first.sign(b"message").unwrap();
        let (second, now) = key(folder.path());
        now.store(BEGIN + 3600, Ordering::Relaxed);
        assert!(matches!(second.sign(b"message"), Err(KeyError::ClockWentBack { .. })));
    }

    #[test]
    fn processes_that_sign_side_by_side_know_of_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let ((first, early), (second, late)) = (key(folder.path()), key(folder.path()));
        late.store(BEGIN + 86_400, Ordering::Relaxed);
        second.sign(b"message").unwrap();
        early.store(BEGIN + 3600, Ordering::Relaxed);
        assert!(matches!(first.sign(b"message"), Err(KeyError::ClockWentBack { .. })));
    }

    #[test]
    fn a_record_that_cannot_be_read_or_written_lets_nothing_be_signed() {
        let folder = tempfile::tempdir().unwrap();
        let (key, _) = key(&folder.path().join("missing"));
        assert!(matches!(key.sign(b"message"), Err(KeyError::Unrecorded(_))));
        std::fs::write(folder.path().join("clock"), "soon").unwrap();
        assert!(matches!(Record::open(&folder.path().join("clock")), Err(KeyError::Unrecorded(_))));
    }
}
