//! Holds back whoever guesses at the passphrase of a key: after each wrong one the next attempt must wait, longer
//! each time. The count stands in a file beside the keys, under a lock, so that it holds for all processes together
//! and outlives each of them. Who can copy the key guesses elsewhere; against that stands the cost of scrypt.

use super::DirectoryError;
use crate::base::clock::Timestamp;
use crate::ca::key::sealed::SealError;
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// The longest that an attempt must wait.
const LONGEST: Duration = Duration::from_secs(60);

/// The most octets of the file that are read; it holds two numbers.
const MOST: u64 = 64;

/// How often the passphrase was wrong since it was last right, and when that was last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Failures {
    count: u32,
    last: Timestamp,
}

impl Failures {
    /// How long after the last failure the next attempt is due: 1 s, 2 s, 4 s and so on.
    fn delay(self) -> Duration {
        match self.count.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => {
                Duration::from_secs(1_u64.checked_shl(doublings.min(32)).unwrap_or(u64::MAX)).min(LONGEST)
            }
        }
    }

    /// How long an attempt at this time must wait.
    fn wait(self, now: Timestamp) -> Duration {
        self.delay().saturating_sub(now.since(self.last))
    }

    fn read(file: &mut File) -> io::Result<Self> {
        let mut text = String::new();
        // What is no record is none: whoever can write one can remove it.
        if file.take(MOST).read_to_string(&mut text).is_err() {
            text.clear();
        }
        let mut numbers = text.split_ascii_whitespace();
        let count = numbers.next().and_then(|count| count.parse().ok()).unwrap_or(0);
        let last = numbers.next().and_then(|last| last.parse().ok()).unwrap_or(0);
        Ok(Self { count, last: Timestamp::from_unix(last) })
    }

    fn write(self, file: &mut File) -> io::Result<()> {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{} {}", self.count, self.last.as_unix())?;
        file.sync_all()
    }
}

/// Makes an attempt at a passphrase. While it runs, no other process makes one.
pub(super) fn attempt<T>(
    path: &Path,
    now: Timestamp,
    open: impl FnOnce() -> Result<T, DirectoryError>,
) -> Result<T, DirectoryError> {
    let unreadable = |source| DirectoryError::Unreadable { path: path.to_owned(), source };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(unreadable)?;
    flock(&file, FlockOperation::LockExclusive).map_err(|error| unreadable(error.into()))?;
    let mut failures = Failures::read(&mut file).map_err(unreadable)?;
    if failures.count > 0 && now < failures.last {
        // The clock has been set right. The wait begins anew, and not at a time that may be years ahead.
        failures.last = now;
        failures.write(&mut file).map_err(unreadable)?;
    }
    let wait = failures.wait(now);
    if !wait.is_zero() {
        return Err(DirectoryError::TooSoon { failures: failures.count, wait });
    }
    let opened = open();
    let count = match &opened {
        Err(DirectoryError::Seal { source: SealError::WrongPassphrase, .. }) => failures.count.saturating_add(1),
        Err(_) => failures.count,
        Ok(_) => 0,
    };
    if count != failures.count {
        Failures { count, last: now }.write(&mut file).map_err(unreadable)?;
    }
    opened
}

/// Opens a key, and waits where an attempt would be too soon.
///
/// # Errors
/// Those of `open` but for [`DirectoryError::TooSoon`].
pub fn patiently<T>(
    mut open: impl FnMut() -> Result<T, DirectoryError>,
    sleep: impl Fn(Duration),
) -> Result<T, DirectoryError> {
    loop {
        match open() {
            Err(DirectoryError::TooSoon { wait, .. }) => sleep(wait),
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    const NOW: Timestamp = Timestamp::from_unix(1_795_254_812);

    fn wrong<T>() -> Result<T, DirectoryError> {
        Err(DirectoryError::Seal { path: "key".into(), source: SealError::WrongPassphrase })
    }

    #[test]
    fn each_wrong_passphrase_makes_the_next_attempt_wait_longer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("failures");
        let mut now = NOW;
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert!(matches!(attempt(&path, now, wrong::<()>), Err(DirectoryError::Seal { .. })));
            let refused = attempt(&path, now, || Ok(()));
            let Err(DirectoryError::TooSoon { wait, .. }) = refused else { panic!("{refused:?}") };
            assert_eq!(wait, Duration::from_secs(expected));
            now = now.plus(wait);
        }
        attempt(&path, now, || Ok(())).unwrap();
        attempt(&path, now, || Ok(())).unwrap();
    }

    #[test]
    fn a_clock_that_is_set_back_makes_the_wait_begin_anew_and_no_longer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("failures");
        assert!(attempt(&path, NOW, wrong::<()>).is_err());
        let back = NOW.minus(Duration::from_secs(3600));
        let refused = attempt(&path, back, || Ok(()));
        let Err(DirectoryError::TooSoon { wait, .. }) = refused else { panic!("{refused:?}") };
        assert_eq!(wait, Duration::from_secs(1));
        attempt(&path, back.plus(wait), || Ok(())).unwrap();
    }

    #[test]
    fn what_is_not_the_passphrases_fault_is_not_held_against_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("failures");
        let missing = || Err::<(), _>(DirectoryError::NoKey("key".into()));
        assert!(attempt(&path, NOW, missing).is_err());
        attempt(&path, NOW, || Ok(())).unwrap();
    }

    #[test]
    fn a_patient_attempt_waits_and_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("failures");
        assert!(attempt(&path, NOW, wrong::<()>).is_err());
        let now = Cell::new(NOW);
        let opened = patiently(|| attempt(&path, now.get(), || Ok(7)), |wait| now.set(now.get().plus(wait)));
        assert_eq!(opened.unwrap(), 7);
        assert_eq!(now.get(), NOW.plus(Duration::from_secs(1)));
    }

    #[test]
    fn a_damaged_record_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("failures");
        for content in ["", "x", "-1 -1", "9", "\u{0}\u{1}"] {
            std::fs::write(&path, content).unwrap();
            attempt(&path, NOW, || Ok(())).unwrap();
        }
    }
}
