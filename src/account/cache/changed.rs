//! When changes were seen, by what they are about: only as long as answers live that were asked for before.

use crate::account::CertificateKey;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

const SHARDS: usize = 16;

/// An answer may be on its way for this long, which is more than a store is ever waited for.
const ON_ITS_WAY: Duration = Duration::from_secs(60);

/// Changes of one shard after which it is looked whether the oldest can go.
const LEAST_PRUNED: usize = 1024;

/// What a change is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Subject<'a> {
    /// An account or what it proves itself with, by its user name.
    Account(&'a str),
    /// Whether a certificate was revoked.
    Certificate(&'a CertificateKey),
}

/// Instants of changes. They are kept by a keyed hash; two subjects of one hash cost a question too many.
pub(super) struct Changed {
    hasher: RandomState,
    origin: Instant,
    /// Nanoseconds from `origin` to the latest change of all, and to that of any account; 0 before the first.
    latest: AtomicU64,
    latest_account: AtomicU64,
    shards: Vec<RwLock<Shard>>,
    keep: Duration,
}

#[derive(Default)]
struct Shard {
    seen: HashMap<u64, Instant>,
    /// How many there were when the old ones were last removed.
    pruned: usize,
}

impl Changed {
    /// No changes yet, of answers that are good for at most `longest`.
    pub(super) fn new(longest: Duration) -> Self {
        Self {
            hasher: RandomState::new(),
            origin: Instant::now(),
            latest: AtomicU64::new(0),
            latest_account: AtomicU64::new(0),
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            keep: longest.saturating_add(ON_ITS_WAY),
        }
    }

    /// A change is seen now.
    pub(super) fn note(&self, subject: &Subject<'_>) {
        let now = Instant::now();
        self.note_at(subject, now);
        if matches!(subject, Subject::Account(_)) {
            self.latest_account.fetch_max(self.since_origin(now), Ordering::Release);
        }
    }

    /// An answer that was asked for at this instant says that an account may not pass: what was asked for before it,
    /// perhaps by another of its names, says nothing of it any more. Nobody has taken or given up a name by that.
    pub(super) fn note_inactive(&self, username: &str, asked: Instant) {
        // The answer itself holds.
        let before = asked.checked_sub(Duration::from_nanos(1)).unwrap_or(asked);
        self.note_at(&Subject::Account(username), before);
    }

    fn note_at(&self, subject: &Subject<'_>, at: Instant) {
        let hash = self.hasher.hash_one(subject);
        if let Some(shard) = self.shard(hash) {
            let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
            let seen = shard.seen.entry(hash).or_insert(at);
            *seen = at.max(*seen);
            if shard.seen.len() >= LEAST_PRUNED.max(shard.pruned.saturating_mul(2)) {
                shard.seen.retain(|_, seen| at.saturating_duration_since(*seen) < self.keep);
                shard.pruned = shard.seen.len();
            }
        }
        self.latest.fetch_max(self.since_origin(at), Ordering::Release);
    }

    /// Whether what was asked for at this instant holds: it was after the last change of the subject.
    pub(super) fn holds(&self, asked: Instant, subject: &Subject<'_>) -> bool {
        if self.since_origin(asked) > self.latest.load(Ordering::Acquire) {
            return true;
        }
        let hash = self.hasher.hash_one(subject);
        self.shard(hash).is_some_and(|shard| {
            shard.read().unwrap_or_else(PoisonError::into_inner).seen.get(&hash).is_none_or(|seen| asked > *seen)
        })
    }

    /// The same for an answer that tells of these accounts. That there is none holds until any account changes,
    /// which may have taken the name.
    pub(super) fn account_holds<'a>(&self, asked: Instant, names: impl Iterator<Item = &'a str>) -> bool {
        let mut names = names.peekable();
        if names.peek().is_none() {
            return self.since_origin(asked) > self.latest_account.load(Ordering::Acquire);
        }
        names.all(|name| self.holds(asked, &Subject::Account(name)))
    }

    fn shard(&self, hash: u64) -> Option<&RwLock<Shard>> {
        self.shards.get(usize::try_from(hash % SHARDS as u64).unwrap_or(0))
    }

    /// Nanoseconds, and one more: nothing was seen at 0.
    fn since_origin(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.origin).as_nanos()).unwrap_or(u64::MAX).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: Subject<'static> = Subject::Account("ann");
    const BOB: Subject<'static> = Subject::Account("bob");

    #[test]
    fn what_was_asked_before_a_change_of_its_subject_does_not_hold() {
        let changed = Changed::new(Duration::from_secs(60));
        let key = CertificateKey { issuer: [1; 32], serial: vec![1] };
        let before = Instant::now();
        assert!(changed.holds(before, &ANN) && changed.account_holds(before, [].into_iter()));
        changed.note(&Subject::Certificate(&key));
        assert!(changed.account_holds(before, [].into_iter()), "it was no account");
        assert!(!changed.holds(before, &Subject::Certificate(&key)));
        changed.note(&ANN);
        std::thread::sleep(Duration::from_millis(1));
        let after = Instant::now();
        for (asked, names, expected) in [
            (before, vec!["ann"], false),
            (before, vec!["bob"], true),
            (before, vec!["bob", "ann"], false),
            (before, vec![], false),
            (after, vec!["ann"], true),
            (after, vec![], true),
        ] {
            let holds = changed.account_holds(asked, names.iter().copied());
            assert_eq!(holds, expected, "{names:?} asked {}", if asked == before { "before" } else { "after" });
        }
        assert!(changed.holds(before, &BOB));
    }

    #[test]
    fn an_answer_that_somebody_may_not_pass_ends_the_older_ones_about_them() {
        let changed = Changed::new(Duration::from_secs(60));
        let before = Instant::now();
        std::thread::sleep(Duration::from_millis(1));
        let asked = Instant::now();
        changed.note_inactive("ann", asked);
        assert!(!changed.holds(before, &ANN) && changed.holds(asked, &ANN) && changed.holds(before, &BOB));
        assert!(changed.account_holds(before, [].into_iter()), "no name was taken");
        changed.note(&ANN);
        changed.note_inactive("ann", asked);
        assert!(!changed.holds(asked, &ANN), "a later change is not forgotten");
    }

    #[test]
    fn changes_are_forgotten_when_no_answer_can_be_older() {
        let changed = Changed { keep: Duration::ZERO, ..Changed::new(Duration::ZERO) };
        for number in 0..100_000 {
            changed.note(&Subject::Account(&number.to_string()));
        }
        let kept: usize = changed.shards.iter().map(|shard| shard.read().unwrap().seen.len()).sum();
        assert!(kept <= SHARDS * LEAST_PRUNED, "{kept}");
    }
}
