//! A bounded number of connections: the rights to use one, and those that nobody uses at the moment. Making
//! and closing them is the pool's business.

use super::super::{Fault, stopped};
use super::connect::{AVOIDED, Connected};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// A connection that nobody used for this long is closed: firewalls and servers forget idle ones.
const IDLE: Duration = Duration::from_secs(60);

/// For how many times the wait somebody stands in the queue for a connection while it moves.
const LONGEST_QUEUE: u32 = 5;

#[derive(Debug)]
pub(super) struct Slots {
    most: usize,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<Idle>>,
    /// When a connection was last given back in order.
    put_back: Mutex<Instant>,
}

/// A connection that nobody uses.
#[derive(Debug)]
pub(super) struct Idle {
    pub(super) connected: Connected,
    /// When the connection was made.
    pub(super) made: Instant,
    since: Instant,
}

impl Idle {
    /// Whether it may be used again: not when it was idle for long, and not when it leads to another server than
    /// the preferred one, which may have come back meanwhile.
    fn is_fresh(&self) -> bool {
        self.since.elapsed() < IDLE && !(self.connected.second_best && self.made.elapsed() > AVOIDED)
    }
}

impl Slots {
    pub(super) fn new(most: usize) -> Self {
        let permits = Arc::new(Semaphore::new(most));
        Self { most, permits, idle: Mutex::default(), put_back: Mutex::new(Instant::now()) }
    }

    /// The right to use a connection. Whoever waits for one is patient with a server that is busy, whose answers to
    /// others free connections meanwhile, and not with one that says nothing.
    pub(super) async fn permit(&self, wait: Duration) -> Result<OwnedSemaphorePermit, Fault> {
        let began = Instant::now();
        let mut acquiring = pin!(Arc::clone(&self.permits).acquire_owned());
        loop {
            if let Ok(permit) = timeout(wait, acquiring.as_mut()).await {
                return permit.map_err(|_| stopped());
            }
            let put_back = *self.put_back.lock().unwrap_or_else(PoisonError::into_inner);
            if began.elapsed() >= wait * LONGEST_QUEUE || put_back.elapsed() >= wait {
                let (most, waited) = (self.most, began.elapsed());
                return Err(Fault::Unavailable(match most {
                    1 => format!("its connection was busy for {waited:.1?}"),
                    _ => format!("all {most} connections were busy for {waited:.1?}"),
                }));
            }
        }
    }

    pub(super) fn nothing_is_idle(&self) -> bool {
        self.idle().is_empty()
    }

    /// An idle connection; if it is for writing, one to a server that took writes when it was made.
    pub(super) fn take(&self, writing: bool) -> Option<Idle> {
        let mut idle = self.idle();
        // Dropped here, those that are too old say good-bye on their own.
        idle.retain(Idle::is_fresh);
        // The last one returned is the one least likely to have been closed.
        let at = idle.iter().rposition(|idle| idle.connected.writable || !writing)?;
        Some(idle.remove(at))
    }

    /// Lets go of idle connections, the oldest first, so that a new one is not one too many: those to a server
    /// that takes no writes are idle while a writer needs another.
    pub(super) fn make_room(&self) {
        let in_use = self.most.saturating_sub(self.permits.available_permits());
        let mut idle = self.idle();
        let surplus = (idle.len() + in_use).saturating_sub(self.most).min(idle.len());
        idle.drain(..surplus);
    }

    pub(super) fn put_back(&self, connected: Connected, made: Instant) {
        *self.put_back.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.idle().push(Idle { connected, made, since: Instant::now() });
    }

    /// All idle connections.
    pub(super) fn take_all(&self) -> Vec<Idle> {
        std::mem::take(&mut *self.idle())
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
