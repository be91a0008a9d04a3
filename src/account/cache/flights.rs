//! Questions that are on their way to a store: one for each subject however many wait for it. A question is driven by a
//! task of its own, so that it goes on when the one who asked first has gone away.

use futures_util::future::{BoxFuture, FutureExt, Shared, ready};
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The end of a question: `None` if the runtime that asked it has stopped before.
pub(super) type Flight<T> = Shared<BoxFuture<'static, Option<T>>>;

/// Questions by what they ask. The lock is taken by those alone whose answer is not in the cache, and never while
/// they wait.
pub(super) struct Flights<K, T: Clone>(Mutex<HashMap<K, Flight<T>>>);

impl<K, T> Flights<K, T>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    /// None is on its way.
    pub(super) fn new() -> Self {
        Self(Mutex::default())
    }

    /// Waits for the question that is on its way; or else takes what `known` says of one that has just ended; or else
    /// begins one. `ask` must call [`landed`](Self::landed) when its answer is where `known` looks for it. Must be
    /// called on a runtime.
    pub(super) fn join<F>(&self, key: &K, known: impl FnOnce() -> Option<T>, ask: impl FnOnce() -> F) -> Flight<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut flights = self.lock();
        if let Some(flight) = flights.get(key) {
            return flight.clone();
        }
        if let Some(known) = known() {
            return ready(Some(known)).boxed().shared();
        }
        let flight = tokio::spawn(ask()).map(Result::ok).boxed().shared();
        flights.insert(key.clone(), flight.clone());
        flight
    }

    /// A question has ended, or will never end.
    pub(super) fn landed(&self, key: &K) {
        self.lock().remove(key);
    }

    /// How many are on their way.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Flight<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
