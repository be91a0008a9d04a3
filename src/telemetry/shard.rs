//! Which of several places a thread writes to, so that threads that write at once seldom meet.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many places there are. Further threads share them, which is slower but right.
pub(super) const SHARDS: usize = 16;

/// The place of this thread, below [`SHARDS`]; the same for whatever it writes.
pub(super) fn shard() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static SHARD: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    SHARD.with(|shard| {
        if shard.get() == usize::MAX {
            shard.set(NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS);
        }
        shard.get()
    })
}
