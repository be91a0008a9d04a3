//! Revocation lists of trust sets that come and go while the gate runs: files that change, and what was fetched.
//! They are read beside everything else, on a thread of lower priority, and exchanged as a whole; no request waits
//! for that, no connection is looked at that it does not concern, and the configuration is not read again.
//!
//! A file is read when it has stood still for a moment, so that one that is being written in place is read once.
//! A list that cannot be used is refused and the old one stays. A file that is taken away takes its lists along:
//! that is the administrator's to say, and unlike a bad list it cannot be said by mistake of whoever publishes.

use super::trust::Kept;
use super::watch::{Folders, State};
use crate::auth::trust::{TakenUp, TrustSet};
use crate::base::clock::Timestamp;
use crate::base::url::HttpUrl;
use crate::fetch::crl::Taken;
use crate::revocation::crl::{self, CrlError, Limits, List, Origin};
use crate::revocation::live::Live;
use anyhow::{Context, anyhow};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How long a file must stand still before it is read.
const STILL: Duration = Duration::from_millis(100);
/// How long a file must have been gone: those who publish may remove one and write it anew.
const GONE: Duration = Duration::from_secs(2);
/// How often it is looked without being told: not every file system tells.
const POLL: Duration = Duration::from_secs(5);
/// How often it is said that a list is about to run out.
const ALARM_EVERY: Duration = Duration::from_secs(5 * 60);
/// How much the thread that reads lists gives way to those that serve requests (`nice`).
const NICENESS: i32 = 10;

/// The files of one trust set's lists.
pub(super) struct ListFiles {
    patterns: Vec<PathBuf>,
    seen: Mutex<BTreeMap<PathBuf, Seen>>,
}

/// A file as it stood when it was read.
struct Seen {
    read: Option<State>,
    /// As it stands now, and since when.
    changed: Option<(Option<State>, Instant)>,
}

/// What is to be done with a file.
enum Change {
    Read(PathBuf),
    LetGo(PathBuf),
}

impl ListFiles {
    /// Files that none was read of yet.
    pub(super) fn new(patterns: Vec<PathBuf>) -> Self {
        Self { patterns, seen: Mutex::default() }
    }

    /// Notes the files as they stand, which are about to be read.
    fn begin(&self) -> anyhow::Result<Vec<PathBuf>> {
        let mut all = Vec::new();
        for pattern in &self.patterns {
            let files = crl_files(pattern);
            if files.is_empty() {
                return Err(anyhow!("revocation.crl.files: no file matches {}", pattern.display()));
            }
            all.extend(files);
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for file in &all {
            seen.insert(file.clone(), Seen { read: State::of_present(file), changed: None });
        }
        drop(seen);
        all.sort();
        all.dedup();
        Ok(all)
    }

    /// The files that are to be read or let go because they have stood still since they changed, and when to look
    /// again.
    fn changes(&self, now: Instant) -> (Vec<Change>, Duration) {
        let files: BTreeSet<PathBuf> = self.patterns.iter().flat_map(|pattern| crl_files(pattern)).collect();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for file in &files {
            seen.entry(file.clone()).or_insert(Seen { read: None, changed: None });
        }
        let (mut changes, mut again) = (Vec::new(), POLL);
        seen.retain(|file, seen| {
            let state = files.contains(file).then(|| State::of_present(file)).flatten();
            if state == seen.read {
                seen.changed = None;
                return seen.read.is_some();
            }
            let since = match &seen.changed {
                Some((changed, since)) if *changed == state => *since,
                _ => now,
            };
            let wait = if state.is_some() { STILL } else { GONE };
            let left = wait.saturating_sub(now.duration_since(since));
            seen.changed = Some((state.clone(), since));
            if !left.is_zero() {
                again = again.min(left);
                return true;
            }
            seen.changed = None;
            seen.read.clone_from(&state);
            changes.push(match state {
                Some(_) => Change::Read(file.clone()),
                None => Change::LetGo(file.clone()),
            });
            seen.read.is_some()
        });
        (changes, again)
    }

    /// The folders in which a change would show.
    fn folders(&self) -> BTreeSet<PathBuf> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let targets = seen.values().filter_map(|seen| seen.read.as_ref()?.target().map(Path::to_owned));
        let files = targets.chain(seen.keys().cloned()).chain(self.patterns.iter().cloned());
        let folders = files.filter_map(|file| file.parent().map(Path::to_owned));
        folders.chain(self.patterns.iter().filter(|pattern| pattern.is_dir()).cloned()).collect()
    }
}

/// Reads the lists of trust sets that have none yet, the files side by side.
///
/// # Errors
/// When one cannot be used.
pub(super) fn load(sets: &[Arc<Kept>], live: &Live) -> anyhow::Result<()> {
    let at = Timestamp::now();
    let mut files = Vec::new();
    for kept in sets {
        let of_set = kept.files.begin().with_context(|| format!("trust.{}", kept.set.name()))?;
        files.extend(of_set.into_iter().map(|file| (kept, file)));
    }
    let read = side_by_side(&files, |(_, file)| crl::read_file(file, &Limits::default()));
    for ((kept, file), lists) in files.iter().zip(read) {
        let in_set = || format!("trust.{}", kept.set.name());
        let TakenUp { refused, .. } =
            kept.set.take_up(&Origin::File(file.clone()), lists.with_context(in_set)?, at, live);
        if let Some(refused) = refused.into_iter().next() {
            return Err(anyhow::Error::new(refused).context(in_set()));
        }
    }
    Ok(())
}

/// Does something with each item, on as many threads as there are cores.
fn side_by_side<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(items.len());
    if threads <= 1 {
        return items.iter().map(work).collect();
    }
    let (next, results) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(items.len())));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { return };
                    let result = work(item);
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Takes up what changes in the files of these sets, for ever.
pub(super) async fn keep(sets: Vec<Arc<Kept>>, live: Arc<Live>) {
    let (wake, mut woken) = mpsc::channel(1);
    let mut folders = Folders::new(wake).inspect_err(|error| {
        tracing::warn!(%error, every = ?POLL, "cannot watch for revocation lists; they are looked at now and then");
    });
    let mut alarmed = HashMap::new();
    loop {
        let looking = tokio::task::spawn_blocking({
            let (sets, live) = (sets.clone(), Arc::clone(&live));
            move || sets.iter().map(|kept| look(kept, &live)).min()
        });
        let again = looking.await.ok().flatten().unwrap_or(POLL);
        if let Ok(folders) = &mut folders {
            folders.set(sets.iter().flat_map(|kept| kept.files.folders()).collect());
        }
        sets.iter().for_each(|kept| alarm(&kept.set, &mut alarmed, Timestamp::now(), Instant::now()));
        tokio::select! {
            _ = woken.recv(), if folders.is_ok() => {}
            () = tokio::time::sleep(again) => {}
        }
    }
}

/// Takes up what has changed in the files of a set; when to look again.
fn look(kept: &Kept, live: &Live) -> Duration {
    let (changes, again) = kept.files.changes(Instant::now());
    for change in changes {
        match change {
            Change::Read(file) => read(&kept.set, &file, live),
            Change::LetGo(file) => {
                kept.set.let_go(&Origin::File(file.clone()), live);
                let (trust, file) = (kept.set.name(), file.display());
                tracing::warn!(trust, %file, "the file was removed, and its revocation lists are no longer believed");
            }
        }
    }
    again
}

/// Takes up the lists of one file.
fn read(set: &TrustSet, file: &Path, live: &Live) {
    let origin = Origin::File(file.to_owned());
    let took = Instant::now();
    let taken = giving_way(|| {
        crl::read_file(file, &Limits::default())
            .map(|lists| (lists.clone(), set.take_up(&origin, lists, Timestamp::now(), live)))
    });
    let trust = set.name();
    let refused = |why: String| {
        let what_to_do = "put the newest list of its issuer there, whole and in one step; until then the old one stays";
        tracing::error!(trust, file = %file.display(), why, what_to_do, "revocation list refused");
    };
    match taken {
        None => refused("reading it was broken off".to_owned()),
        Some(Err(error)) => {
            set.numbers.lists_refused.increment();
            refused(error.to_string());
        }
        Some(Ok((lists, taken))) => {
            taken.refused.iter().for_each(|list| refused(list.to_string()));
            warn(trust, &taken);
            let entries: usize = lists.iter().map(|list| list.len()).sum();
            let TakenUp { revoked, doubted, .. } = taken;
            if taken.refused.len() < lists.len() {
                tracing::info!(trust, file = %file.display(), entries, revoked, doubted, took = ?took.elapsed(), "revocation list taken up");
            }
        }
    }
}

/// Takes up the lists that a URL led to.
pub(super) fn take_up_fetched(
    set: &TrustSet,
    live: &Live,
    url: &HttpUrl,
    octets: &[u8],
    most: u64,
) -> Result<Taken, String> {
    let origin = Origin::Url(url.to_string());
    let limits = Limits { octets: most, ..Limits::default() };
    let taken = giving_way(|| {
        crl::read(&origin, octets, &limits)
            .map(|lists| (lists.clone(), set.take_up(&origin, lists, Timestamp::now(), live)))
    });
    let (lists, taken) = taken.ok_or("reading it was broken off")?.map_err(|error: CrlError| error.to_string())?;
    warn(set.name(), &taken);
    match taken.refused.first() {
        Some(refused) => Err(refused.to_string()),
        None => holds(lists.iter().map(Arc::as_ref)).ok_or_else(|| "it holds no list".to_owned()),
    }
}

fn warn(trust: &str, taken: &TakenUp) {
    for warning in &taken.warnings {
        tracing::warn!(trust, %warning, "odd revocation list taken up");
    }
}

/// Between which times all of these lists hold.
fn holds<'a>(lists: impl Iterator<Item = &'a List> + Clone) -> Option<Taken> {
    let this_update = lists.clone().map(List::this_update).min()?;
    Some(Taken { this_update, next_update: lists.map(List::next_update).min()? })
}

/// Does something on a thread of its own that gives way to those that serve requests; `None` if it could not be
/// done.
fn giving_way<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("lists".to_owned()).spawn_scoped(scope, || {
            // Without it the work is done all the same.
            let _ = rustix::process::setpriority_process(None, NICENESS);
            work()
        });
        thread.ok()?.join().ok()
    })
}

/// Says loudly that a list from a file is about to run out. Those from URLs are watched by who fetches them.
fn alarm(set: &TrustSet, alarmed: &mut HashMap<(String, Origin), Instant>, at: Timestamp, now: Instant) {
    let lists = set.lists();
    let trust = set.name();
    for list in lists.lists().filter(|list| matches!(list.origin(), Origin::File(_))) {
        let rank = |list: &List| (list.next_update(), list.this_update());
        let outlived = lists.lists().any(|other| other.continues(list) && rank(other) > rank(list));
        let due = holds(std::iter::once(list.as_ref())).is_some_and(|held| held.is_overdue(at));
        let key = (trust.to_owned(), list.origin().clone());
        let said = alarmed.get(&key).is_some_and(|since| now.duration_since(*since) < ALARM_EVERY);
        if outlived || !due || said {
            continue;
        }
        alarmed.insert(key, now);
        let (file, issuer, next_update) = (list.origin(), list.issuer_name(), list.next_update());
        let what_to_do = "put a newer list of the issuer there, and look why nobody has";
        if at > next_update {
            tracing::error!(trust, %file, issuer, %next_update, what_to_do, "the revocation list has run out");
        } else {
            tracing::error!(trust, %file, issuer, %next_update, what_to_do, "the revocation list runs out soon");
        }
    }
}

/// The files that a pattern names, sorted. `*` stands for any text in the last component; a folder stands for every
/// file in it whose name does not begin with a dot. Any other pattern names itself, whether the file is there
/// or not.
#[must_use]
pub fn crl_files(pattern: &Path) -> Vec<PathBuf> {
    let wildcard = pattern.file_name().and_then(|name| name.to_str()).and_then(|name| name.split_once('*'));
    let (folder, before, after) = match wildcard {
        Some((before, after)) => {
            let parent = pattern.parent().filter(|folder| !folder.as_os_str().is_empty());
            (parent.unwrap_or(Path::new(".")), before, after)
        }
        None if pattern.is_dir() => (pattern, "", ""),
        None => return vec![pattern.to_owned()],
    };
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let fits = |name: &str| {
        let whole_folder = wildcard.is_none() && !name.starts_with('.');
        let of_pattern = wildcard.is_some()
            && name.len() >= before.len() + after.len()
            && name.starts_with(before)
            && name.ends_with(after);
        whole_folder || of_pattern
    };
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.file_name().and_then(|name| name.to_str()).is_some_and(fits))
        .filter(|path| wildcard.is_some() || path.is_file())
        .collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(changes: &[Change]) -> Vec<String> {
        let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        let told = |change: &Change| match change {
            Change::Read(file) => format!("read {}", name(file)),
            Change::LetGo(file) => format!("let go {}", name(file)),
        };
        changes.iter().map(told).collect()
    }

    #[test]
    fn a_pattern_names_files_and_a_folder_all_that_are_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["b.crl", "a.crl", "a.pem", ".a.crl.half"] {
            std::fs::write(path(name), "").unwrap();
        }
        std::fs::create_dir(path("inner")).unwrap();
        let named = |pattern: &Path| {
            let files = crl_files(pattern);
            files.iter().map(|file| file.strip_prefix(folder.path()).unwrap().display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(named(&path("*.crl")), ["a.crl", "b.crl"]);
        assert_eq!(named(&path("a*")), ["a.crl", "a.pem"]);
        assert_eq!(named(&path("missing.crl")), ["missing.crl"]);
        assert_eq!(named(folder.path()), ["a.crl", "a.pem", "b.crl"]);
        assert!(named(&path("*.none")).is_empty());
        assert!(crl_files(&path("inner")).is_empty());
    }

    #[test]
    fn a_file_is_read_when_it_has_stood_still_and_let_go_when_it_stays_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("a.crl"), "one").unwrap();
        let files = ListFiles::new(vec![path("*.crl")]);
        assert_eq!(files.begin().unwrap(), [path("a.crl")]);
        let start = Instant::now();
        let at = |time: Duration| {
            let (changes, again) = files.changes(start + time);
            (names(&changes), again)
        };
        let (none, step) = (Vec::<String>::new(), STILL / 2);
        assert_eq!(at(Duration::ZERO), (none.clone(), POLL));

        std::fs::write(path("a.crl"), "half of").unwrap();
        std::fs::write(path("b.crl"), "new").unwrap();
        assert_eq!(at(step), (none.clone(), STILL));
        std::fs::write(path("a.crl"), "half of it and the rest").unwrap();
        assert_eq!(at(step * 2), (none.clone(), step), "it is still being written");
        assert_eq!(at(step * 3), (vec!["read b.crl".to_owned()], step));
        assert_eq!(at(step * 4), (vec!["read a.crl".to_owned()], POLL));
        assert_eq!(at(step * 5), (none.clone(), POLL), "once");

        std::fs::remove_file(path("a.crl")).unwrap();
        let gone = STILL * 10;
        assert_eq!(at(gone), (none.clone(), GONE));
        assert_eq!(at(gone + GONE - step), (none.clone(), step));
        std::fs::write(path("a.crl"), "half of it and the rest").unwrap();
        assert_eq!(at(gone + GONE), (none.clone(), STILL), "it was only replaced");
        assert_eq!(at(gone + GONE + STILL), (vec!["read a.crl".to_owned()], POLL));
        std::fs::remove_file(path("a.crl")).unwrap();
        let gone = gone + GONE * 2;
        at(gone);
        assert_eq!(at(gone + GONE), (vec!["let go a.crl".to_owned()], POLL));
        assert_eq!(at(gone + GONE * 2), (none, POLL), "it is forgotten");
    }

    #[test]
    fn no_file_for_a_pattern_is_an_error_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        let missing = ListFiles::new(vec![folder.path().join("*.crl")]);
        assert!(missing.begin().unwrap_err().to_string().contains("no file matches"));
    }

    #[test]
    fn work_that_is_done_side_by_side_comes_back_in_order() {
        let items: Vec<u64> = (0..100).collect();
        let slow_first = |item: &u64| {
            std::thread::sleep(Duration::from_micros(200 - item));
            item * 2
        };
        assert_eq!(side_by_side(&items, slow_first), (0..100).map(|item| item * 2).collect::<Vec<_>>());
        assert_eq!(side_by_side(&[] as &[u64], slow_first), Vec::<u64>::new());
    }

    #[test]
    fn work_that_gives_way_is_done_and_one_that_breaks_off_is_told() {
        let niceness = giving_way(|| rustix::process::getpriority_process(None).unwrap());
        assert!(niceness.unwrap() >= NICENESS);
        assert_eq!(giving_way(|| panic!("on purpose")).map(|()| 0), None);
    }
}
