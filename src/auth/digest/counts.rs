//! Which nonce counts were used (RFC 7616, section 3.4, `nc`; section 5.5 on replays): for each nonce
//! of this process the highest count that was seen and which of the counts just below it were, so that
//! the requests of a browser that come over several connections may overtake each other and yet none
//! passes twice.
//!
//! Memory is fixed: [`SHARDS`] × [`NONCES_PER_SHARD`] entries of 48 octets, 5.7 MiB; the session forms add the
//! client's first cnonce to theirs, of [`LONGEST_CNONCE`] octets at most. An entry is made only for a count whose
//! response was right, so guessing fills nothing. When
//! a shard is full its oldest nonce goes and the shard's floor rises to it: a nonce at or below the floor that
//! is not in the table may have been used before and is never good again. Its user's client is told that it
//! is stale, and asks anew without a word to the user.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// How many parts the table has, each behind its own lock. A prime: nonces of one algorithm have sequence
/// numbers in steps of as many as there are algorithms, and must fall into all parts alike.
pub const SHARDS: usize = 61;
/// How many nonces each part holds.
pub const NONCES_PER_SHARD: usize = 2048;
/// How many counts of a nonce, the highest and those next below it, are known one by one.
pub const WINDOW: u32 = 128;

/// The longest cnonce that is kept with a nonce of a session form, in octets.
pub const LONGEST_CNONCE: usize = 64;

/// The counts that were used, of nonces of this process.
pub(super) struct Counts {
    shards: Vec<Mutex<Shard>>,
}

/// What a count turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    /// New, and now on record.
    New,
    /// Used before.
    Used,
    /// Too far below the highest to be told from a used one.
    Behind,
    /// The nonce had to make room, or is older than one that had to.
    Forgotten,
}

struct Shard {
    /// In ascending order of `sequence`; nonces come nearly in that order, so they are put in near the end.
    entries: VecDeque<Entry>,
    /// The highest sequence that had to make room; 0 for none.
    floor: u64,
    capacity: usize,
}

#[derive(Debug, Clone)]
struct Entry {
    sequence: u64,
    /// The highest count seen.
    highest: u32,
    /// Bit n is whether `highest - n` was seen; bit 0 is always set.
    seen: u128,
    /// The cnonce that came with the first count that was right, of a session.
    cnonce: Option<Box<str>>,
}

impl Counts {
    /// An empty table of the documented size.
    pub(super) fn new() -> Self {
        Self::with_capacity(SHARDS, NONCES_PER_SHARD)
    }

    fn with_capacity(shards: usize, capacity: usize) -> Self {
        let shard = || Mutex::new(Shard { entries: VecDeque::with_capacity(capacity), floor: 0, capacity });
        Self { shards: std::iter::repeat_with(shard).take(shards).collect() }
    }

    /// Uses a count of the nonce with this sequence number up. Only for nonces of this process, and only
    /// after the response was found right. For a session, `cnonce` is the client's, which is kept if it is the
    /// first.
    pub(super) fn use_up(&self, sequence: u64, count: u32, cnonce: Option<&str>) -> Count {
        self.with_shard(sequence, |shard| shard.use_up(sequence, count, cnonce)).unwrap_or(Count::Forgotten)
    }

    /// The cnonce that a session with this nonce began with, if it is known.
    pub(super) fn first_cnonce(&self, sequence: u64) -> Option<Box<str>> {
        self.with_shard(sequence, |shard| shard.get(sequence).and_then(|entry| entry.cnonce.clone())).flatten()
    }

    /// How many nonces are known.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).entries.len()).sum()
    }

    fn with_shard<T>(&self, sequence: u64, work: impl FnOnce(&mut Shard) -> T) -> Option<T> {
        let index = usize::try_from(sequence % self.shards.len().max(1) as u64).ok()?;
        // Nothing in a shard is ever half done, so a thread that died holding the lock left it whole.
        let mut shard = self.shards.get(index)?.lock().unwrap_or_else(PoisonError::into_inner);
        Some(work(&mut shard))
    }
}

impl Shard {
    fn get(&self, sequence: u64) -> Option<&Entry> {
        let at = self.entries.binary_search_by_key(&sequence, |entry| entry.sequence).ok()?;
        self.entries.get(at)
    }

    fn use_up(&mut self, sequence: u64, count: u32, cnonce: Option<&str>) -> Count {
        match self.entries.binary_search_by_key(&sequence, |entry| entry.sequence) {
            Ok(at) => self.entries.get_mut(at).map_or(Count::Forgotten, |entry| entry.use_up(count)),
            Err(_) if sequence <= self.floor => Count::Forgotten,
            Err(at) => {
                let cnonce = cnonce.filter(|cnonce| cnonce.len() <= LONGEST_CNONCE).map(Box::from);
                let entry = Entry { sequence, highest: count, seen: 1, cnonce };
                if self.entries.len() < self.capacity {
                    self.entries.insert(at, entry);
                    return Count::New;
                }
                // The oldest makes room, be it the new one itself.
                if at == 0 {
                    self.floor = sequence;
                    return Count::Forgotten;
                }
                self.floor = self.entries.pop_front().map_or(sequence, |oldest| oldest.sequence);
                self.entries.insert(at - 1, entry);
                Count::New
            }
        }
    }
}

impl Entry {
    fn use_up(&mut self, count: u32) -> Count {
        if count > self.highest {
            self.seen = self.seen.checked_shl(count - self.highest).unwrap_or(0) | 1;
            self.highest = count;
            return Count::New;
        }
        let Some(bit) = 1_u128.checked_shl(self.highest - count) else { return Count::Behind };
        if self.seen & bit != 0 {
            return Count::Used;
        }
        self.seen |= bit;
        Count::New
    }
}

#[cfg(test)]
mod tests;
