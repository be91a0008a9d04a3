//! The memory that bodies take on their way, those of requests and of answers, over all connections together. Each connection
//! is bounded by itself: by the windows of HTTP/2, by the queues of HTTP/1.1, by what TLS may seal ahead. With thousands of
//! clients who ask for much and read nothing that is gigabytes; here is the bound for all of them.
//!
//! A connection counts what it holds when its task has nothing more to do and something is left that did not go on: what
//! is taken at once is never counted, and costs nothing here. When all together hold more than they may, some give way, which
//! means that they are closed: of the address that holds the most for the longest, the connection that does. So clients of one address
//! harm each other first, and whoever takes what was asked for is the last to lose anything.

use crate::base::address::AddressPrefix;
use crate::listen::activity::Activity;
use crate::telemetry::seldom::Seldom;
use std::collections::{BinaryHeap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// What a connection holds is counted in steps of so many octets.
const STEP: u64 = 16 * 1024;
/// A connection has moved when so many octets have gone on: by drops nobody keeps much for long.
const MOVED: u64 = 16 * 1024;
/// For how long a connection's standing still counts against it.
const LONGEST: Duration = Duration::from_secs(60);
/// How much is freed where there is too much, as a part of what may be held: an eighth, so that connections are not looked
/// through for each piece.
const FREED: u64 = 8;
/// How often it is said that connections are closed for want of memory.
const SAID: Duration = Duration::from_secs(60);

/// How much is held; one for the process, which goes on over reloads.
#[derive(Debug)]
pub struct Buffers {
    origin: Instant,
    /// How much may be.
    most: AtomicU64,
    all: AtomicU64,
    /// Of these, what is held by those who give way, and is as good as gone.
    leaving: AtomicU64,
    holders: Mutex<Holders>,
    /// Held by who makes room: it is enough that one does.
    making_room: Mutex<()>,
    said: Seldom<()>,
}

/// The connections that have held something.
#[derive(Debug, Default)]
struct Holders {
    next: u64,
    by_number: HashMap<u64, Arc<Holder>>,
}

/// What others know of a connection.
#[derive(Debug)]
struct Holder {
    number: u64,
    prefix: AddressPrefix,
    octets: AtomicU64,
    /// When it has moved, in milliseconds since the origin.
    moved: AtomicU64,
    /// With how much it is to give way, if it is.
    leaves_with: AtomicU64,
    activity: Arc<Activity>,
}

/// What one connection, or the tunnel that it became, holds of the memory for all; given back when it is dropped.
#[derive(Debug)]
pub struct Holding {
    buffers: Arc<Buffers>,
    address: IpAddr,
    activity: Arc<Activity>,
    /// Whether it is known whom to wake.
    is_driven: bool,
    counted: u64,
    /// What had gone on when it last moved.
    passed: u64,
    /// Made when there is something to count for the first time: most connections never hold anything.
    holder: Option<Arc<Holder>>,
}

/// All together hold more than `limits.buffers`, and this one holds much of it, and has for long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("limits.buffers is reached, and {octets} octets are held for this connection, whose other end takes little")]
pub struct GivesWay {
    /// How many octets it holds.
    pub octets: u64,
}

impl Default for Buffers {
    /// Where any number may be held.
    fn default() -> Self {
        Self {
            origin: Instant::now(),
            most: AtomicU64::new(u64::MAX),
            all: AtomicU64::new(0),
            leaving: AtomicU64::new(0),
            holders: Mutex::default(),
            making_room: Mutex::default(),
            said: Seldom::new(SAID),
        }
    }
}

impl Buffers {
    /// Where `most` octets may be held.
    #[must_use]
    pub fn new(most: u64) -> Arc<Self> {
        Arc::new(Self { most: AtomicU64::new(most), ..Self::default() })
    }

    /// Lets so many be held from now on.
    pub fn set(&self, most: u64) {
        self.most.store(most, Relaxed);
    }

    /// How many octets may be held.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.most.load(Relaxed)
    }

    /// How many octets are held.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.all.load(Relaxed)
    }

    /// A connection of this address, on which this is done and for which nothing is counted yet.
    #[must_use]
    pub fn holding(self: &Arc<Self>, address: IpAddr, activity: &Arc<Activity>) -> Holding {
        let (buffers, activity) = (Arc::clone(self), Arc::clone(activity));
        Holding { buffers, address, activity, is_driven: false, counted: 0, passed: 0, holder: None }
    }

    /// So many more are held, by whomever. Connections give way to that if need be.
    pub(super) fn take(&self, octets: u64) {
        self.all.fetch_add(octets, Relaxed);
        if self.staying() > self.most() {
            self.make_room();
        }
    }

    /// So many are given back.
    pub(super) fn give_back(&self, octets: u64) {
        self.all.fetch_sub(octets, Relaxed);
    }

    /// How many octets are held without those that are as good as gone.
    fn staying(&self) -> u64 {
        self.all().saturating_sub(self.leaving.load(Relaxed))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn holders(&self) -> MutexGuard<'_, Holders> {
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn register(&self, address: IpAddr, activity: &Arc<Activity>) -> Arc<Holder> {
        let mut holders = self.holders();
        let number = holders.next;
        holders.next += 1;
        let holder = Arc::new(Holder {
            number,
            prefix: AddressPrefix::of(address),
            octets: AtomicU64::new(0),
            moved: AtomicU64::new(self.now()),
            leaves_with: AtomicU64::new(0),
            activity: Arc::clone(activity),
        });
        holders.by_number.insert(number, Arc::clone(&holder));
        holder
    }

    /// Has connections give way, if what they hold is too much even without those that do already.
    fn make_room(&self) {
        let Ok(_one) = self.making_room.try_lock() else { return };
        let (now, most, all) = (self.now(), self.most(), self.staying());
        if all <= most {
            return;
        }
        let holders: Vec<Arc<Holder>> = self.holders().by_number.values().map(Arc::clone).collect();
        let mut staying = Vec::with_capacity(holders.len());
        for holder in &holders {
            let octets = holder.octets.load(Relaxed);
            if octets > 0 && holder.leaves_with.load(Relaxed) == 0 {
                let still = Duration::from_millis(now.saturating_sub(holder.moved.load(Relaxed)));
                staying.push((holder, Share { prefix: holder.prefix, octets, still }));
            }
        }
        let shares: Vec<Share> = staying.iter().map(|(_, share)| *share).collect();
        let leaving = who_gives_way(&shares, all.saturating_sub(most - most / FREED));
        for (holder, share) in leaving.iter().filter_map(|index| staying.get(*index)) {
            holder.leaves_with.store(share.octets, Relaxed);
            self.leaving.fetch_add(share.octets, Relaxed);
            holder.activity.wake();
        }
        if !leaving.is_empty()
            && let Some(suppressed) = self.said.may_be_said((), Instant::now())
        {
            let (connections, holding) = (leaving.len(), shares.len());
            tracing::warn!(
                connections,
                holding,
                octets = all,
                most,
                suppressed,
                "limits.buffers is reached: connections are closed whose other ends take little of what is held for them"
            );
        }
    }
}

/// What a connection holds, as it is judged.
#[derive(Debug, Clone, Copy)]
struct Share {
    prefix: AddressPrefix,
    octets: u64,
    /// For how long it has not moved.
    still: Duration,
}

impl Share {
    /// How much it holds, times how long: one that moves counts for a second.
    fn weight(&self) -> u64 {
        let time = Duration::from_secs(1) + self.still.min(LONGEST);
        self.octets.saturating_mul(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Which of these give way, by their places, so that `octets` are freed, or all: one after the other the heaviest of the
/// address that weighs the most.
fn who_gives_way(shares: &[Share], octets: u64) -> Vec<usize> {
    let mut by_prefix: HashMap<AddressPrefix, (u64, Vec<(u64, usize)>)> = HashMap::new();
    for (index, share) in shares.iter().enumerate() {
        let (weight, members) = by_prefix.entry(share.prefix).or_default();
        *weight = weight.saturating_add(share.weight());
        members.push((share.weight(), index));
    }
    let mut addresses: Vec<(u64, Vec<(u64, usize)>)> = by_prefix.into_values().collect();
    addresses.iter_mut().for_each(|(_, members)| members.sort_unstable());
    let mut heaviest: BinaryHeap<(u64, usize)> =
        addresses.iter().enumerate().map(|(place, (weight, _))| (*weight, place)).collect();
    let (mut leaving, mut left) = (Vec::new(), octets);
    while left > 0
        && let Some((weight, place)) = heaviest.pop()
    {
        let Some((own, index)) = addresses.get_mut(place).and_then(|(_, members)| members.pop()) else { continue };
        left = left.saturating_sub(shares.get(index).map_or(0, |share| share.octets));
        leaving.push(index);
        heaviest.push((weight.saturating_sub(own), place));
    }
    leaving
}

impl Holding {
    /// Counts what the connection holds, and `besides`. To be asked whenever its task, which is always the same, has nothing more
    /// to do. Ready when it must give way: until then the task is woken if that comes.
    pub fn poll(&mut self, besides: u64, cx: &Context<'_>) -> Poll<GivesWay> {
        if !self.is_driven {
            self.is_driven = true;
            self.activity.driven_by(cx.waker());
        }
        let (held, passed) = self.activity.look();
        let octets = held.saturating_add(besides);
        if octets == 0 && self.counted == 0 {
            if let Some(holder) = self.holder.as_ref().filter(|holder| holder.leaves_with.load(Relaxed) > 0) {
                holder.stay(&self.buffers);
            }
            return Poll::Pending;
        }
        let holder = self.holder.get_or_insert_with(|| self.buffers.register(self.address, &self.activity));
        if self.counted == 0 || passed.wrapping_sub(self.passed) >= MOVED {
            self.passed = passed;
            holder.moved.store(self.buffers.now(), Relaxed);
        }
        let octets = octets.div_ceil(STEP).saturating_mul(STEP);
        // A little less is not worth telling.
        if octets > self.counted || octets <= self.counted / 2 {
            let before = std::mem::replace(&mut self.counted, octets);
            holder.octets.store(octets, Relaxed);
            if octets > before {
                self.buffers.take(octets - before);
            } else {
                self.buffers.give_back(before - octets);
            }
        }
        if holder.leaves_with.load(Relaxed) == 0 {
            return Poll::Pending;
        }
        if octets == 0 {
            // By now it has done what it was to be closed for.
            holder.stay(&self.buffers);
            return Poll::Pending;
        }
        Poll::Ready(GivesWay { octets })
    }
}

impl Holder {
    /// It does not give way any more.
    fn stay(&self, buffers: &Buffers) {
        buffers.leaving.fetch_sub(self.leaves_with.swap(0, Relaxed), Relaxed);
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        if let Some(holder) = &self.holder {
            self.buffers.holders().by_number.remove(&holder.number);
            self.buffers.give_back(self.counted);
            // Whoever makes room at this moment may still have it in hand, and must not count it as leaving twice.
            let _one = self.buffers.making_room.lock().unwrap_or_else(PoisonError::into_inner);
            holder.stay(&self.buffers);
        }
    }
}

#[cfg(test)]
mod tests;
