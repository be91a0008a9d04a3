//! How many connections may be open, in all and for each client address. A place is taken before the
//! handshake, which is the expensive part, and given back when the connection is dropped.

use crate::base::address::AddressPrefix;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

const SHARDS: usize = 64;

/// Counts open connections. Shared by all workers; survives reloads.
#[derive(Debug)]
pub struct ConnectionLimit {
    most: AtomicUsize,
    most_per_address: AtomicUsize,
    open: AtomicUsize,
    /// Open connections by prefix, spread over locks by a keyed hash so that clients cannot choose one.
    shards: Vec<Mutex<HashMap<AddressPrefix, usize>>>,
    hasher: RandomState,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    /// `limits.connections` are open.
    #[error("limits.connections reached")]
    Total,
    /// `limits.connections_per_address` are open from this address.
    #[error("limits.connections_per_address reached")]
    PerAddress,
}

/// A place for one connection, given back on drop.
#[derive(Debug)]
pub struct Place {
    limit: Arc<ConnectionLimit>,
    prefix: AddressPrefix,
}

impl ConnectionLimit {
    /// Limits in all and for each IPv4 address or IPv6 /64.
    #[must_use]
    pub fn new(most: usize, most_per_address: usize) -> Arc<Self> {
        Arc::new(Self {
            most: AtomicUsize::new(most),
            most_per_address: AtomicUsize::new(most_per_address),
            open: AtomicUsize::new(0),
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
        })
    }

    /// Takes new limits, which hold for connections from now on.
    pub fn set(&self, most: usize, most_per_address: usize) {
        self.most.store(most, Ordering::Relaxed);
        self.most_per_address.store(most_per_address, Ordering::Relaxed);
    }

    /// How many connections are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Takes a place for a connection from this address.
    ///
    /// # Errors
    /// Which limit is reached.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Result<Place, NoPlace> {
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.most.load(Ordering::Relaxed) {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(NoPlace::Total);
        }
        let prefix = AddressPrefix::of(address);
        let most = self.most_per_address.load(Ordering::Relaxed);
        let taken = self.with_shard(prefix, |shard| {
            let open = shard.entry(prefix).or_insert(0);
            let free = *open < most;
            if free {
                *open += 1;
            }
            free
        });
        if taken {
            Ok(Place { limit: Arc::clone(self), prefix })
        } else {
            self.open.fetch_sub(1, Ordering::Relaxed);
            Err(NoPlace::PerAddress)
        }
    }

    fn with_shard<T>(&self, prefix: AddressPrefix, work: impl FnOnce(&mut HashMap<AddressPrefix, usize>) -> T) -> T
    where
        T: Default,
    {
        let hash = self.hasher.hash_one(prefix);
        let shard = usize::try_from(hash % self.shards.len() as u64).unwrap_or(0);
        match self.shards.get(shard) {
            Some(shard) => work(&mut shard.lock().unwrap_or_else(PoisonError::into_inner)),
            None => T::default(),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.limit.open.fetch_sub(1, Ordering::Relaxed);
        let prefix = self.prefix;
        self.limit.with_shard(prefix, |shard| {
            if let Some(open) = shard.get_mut(&prefix) {
                *open -= 1;
                if *open == 0 {
                    shard.remove(&prefix);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_refused_when_there_is_none_and_given_back_on_drop() {
        let limit = ConnectionLimit::new(3, 2);
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let places = [limit.take(one).unwrap(), limit.take(one).unwrap()];
        assert_eq!(limit.take(one).unwrap_err(), NoPlace::PerAddress);
        let third = limit.take(other).unwrap();
        assert_eq!(limit.take(other).unwrap_err(), NoPlace::Total);
        drop(third);
        drop(places);
        assert_eq!(limit.open(), 0);
        assert!(limit.shards.iter().all(|shard| shard.lock().unwrap().is_empty()), "nothing is kept of who has left");
        assert!(limit.take(one).is_ok());
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_counted_together() {
        let limit = ConnectionLimit::new(9, 1);
        let _place = limit.take("2001:db8::1".parse().unwrap()).unwrap();
        assert!(limit.take("2001:db8::2".parse().unwrap()).is_err());
        assert!(limit.take("2001:db8:0:1::2".parse().unwrap()).is_ok());
    }
}
