//! How many requests may be sent again: a share of those that come, so that servers which fail under load are not given
//! more of it. Each worker has a purse of its own and whose turn it is; no core waits for another one's.

use std::cell::Cell;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::Relaxed};

/// Purses; threads beyond them share.
const PURSES: usize = 32;
/// What a retry costs; a request brings a share of it.
const PRICE: u32 = 100;
/// Retries that a purse holds at most, and has at the beginning: as many requests as may be under way at a server when
/// it dies.
const RESERVE: u32 = 128;

/// What each worker has of an upstream.
#[derive(Debug)]
pub(super) struct Purses {
    /// What a request brings, in hundredths of a retry.
    share: u32,
    purses: Box<[Purse]>,
}

/// On a cache line of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Purse {
    tokens: AtomicU32,
    turn: AtomicUsize,
}

thread_local! {
    static NUMBER: Cell<Option<usize>> = const { Cell::new(None) };
}

/// A number of this thread, from 0.
fn number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NUMBER.get().unwrap_or_else(|| {
        let number = NEXT.fetch_add(1, Relaxed);
        NUMBER.set(Some(number));
        number
    })
}

impl Purses {
    /// For retries that are this share of requests, in percent.
    #[must_use]
    pub(super) fn new(share: u8) -> Self {
        let tokens = if share == 0 { 0 } else { RESERVE * PRICE };
        // Workers that begin at one server would all go on to the next one together.
        let purse = |number| Purse { tokens: AtomicU32::new(tokens), turn: AtomicUsize::new(number) };
        Self { share: u32::from(share), purses: (0..PURSES).map(purse).collect() }
    }

    /// A request has come. Gives a number that grows with each one of this worker's.
    #[must_use]
    pub(super) fn request(&self) -> usize {
        let Some(purse) = self.own() else { return 0 };
        // Of one thread mostly, so nothing is lost; where it is not, a share of a retry is.
        let tokens = purse.tokens.load(Relaxed);
        if tokens < RESERVE * PRICE {
            purse.tokens.store((tokens + self.share).min(RESERVE * PRICE), Relaxed);
        }
        let turn = purse.turn.load(Relaxed);
        purse.turn.store(turn.wrapping_add(1), Relaxed);
        turn
    }

    /// Whether one may be sent again, which is paid for with that.
    #[must_use]
    pub(super) fn retry(&self) -> bool {
        let pay = |tokens: u32| tokens.checked_sub(PRICE);
        self.own().is_some_and(|purse| purse.tokens.fetch_update(Relaxed, Relaxed, pay).is_ok())
    }

    /// How many retries are left to the workers that have had a request, all together; to one, if there was none yet.
    #[must_use]
    pub(super) fn left(&self) -> u64 {
        let in_use = |(number, purse): &(usize, &Purse)| purse.turn.load(Relaxed) != *number;
        let tokens = self.purses.iter().enumerate().filter(in_use).map(|(_, purse)| purse.tokens.load(Relaxed));
        let known: Vec<u64> = tokens.map(|tokens| u64::from(tokens / PRICE)).collect();
        match (&*known, self.purses.first()) {
            ([], Some(one)) => u64::from(one.tokens.load(Relaxed) / PRICE),
            (known, _) => known.iter().sum(),
        }
    }

    fn own(&self) -> Option<&Purse> {
        self.purses.get(number() % PURSES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_a_share_of_requests_once_the_reserve_is_spent() {
        for share in [0, 10, 20, 100] {
            let purses = Purses::new(share);
            let reserve = (0..10_000).filter(|_| purses.retry()).count();
            assert_eq!(reserve, if share == 0 { 0 } else { RESERVE as usize });
            let paid = (0..1000)
                .filter(|_| {
                    let _ = purses.request();
                    purses.retry()
                })
                .count();
            assert_eq!(paid, 10 * usize::from(share), "{share}%");
        }
    }

    #[test]
    fn quiet_times_save_no_more_than_the_reserve() {
        let purses = Purses::new(50);
        (0..10_000).for_each(|_| _ = purses.request());
        assert_eq!((0..10_000).filter(|_| purses.retry()).count(), RESERVE as usize);
    }

    #[test]
    fn what_is_left_is_that_of_the_workers_in_use() {
        let purses = Purses::new(20);
        assert_eq!(purses.left(), u64::from(RESERVE));
        let _ = purses.request();
        assert!(purses.retry() && purses.retry());
        assert_eq!(purses.left(), u64::from(RESERVE) - 2);
        assert_eq!(Purses::new(0).left(), 0);
    }

    #[test]
    fn turns_follow_one_another() {
        let purses = Purses::new(20);
        let first = purses.request();
        assert_eq!((1..4).map(|_| purses.request() - first).collect::<Vec<_>>(), [1, 2, 3]);
    }
}
