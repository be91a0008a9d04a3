//! How many connections may be open, in all and for each client address. A place is taken before the
//! handshake, which is the expensive part, and given back when the connection is dropped. Whoever comes through a
//! balancer counts for it at first, and for themselves as soon as it has said who they are.

use crate::base::address::AddressPrefix;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

const SHARDS: usize = 64;

/// The part of all connections that may wait for what one balancer says of them. Much more than one client may
/// have, since everybody else comes through the same balancer; much less than all.
const UNANNOUNCED: usize = 4;

/// Counts open connections. Shared by all workers; survives reloads.
#[derive(Debug)]
pub struct ConnectionLimit {
    most: AtomicUsize,
    most_per_address: AtomicUsize,
    open: AtomicUsize,
    /// Open connections by whom they count for, spread over locks by a keyed hash so that clients cannot choose one.
    shards: Vec<Mutex<HashMap<Holder, usize>>>,
    hasher: RandomState,
}

/// Whom a connection counts for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Holder {
    /// The client.
    Client(AddressPrefix),
    /// The balancer that it came through, which has not said yet who the client is.
    Balancer(AddressPrefix),
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
    /// A quarter of `limits.connections` have come from this balancer and wait for their PROXY headers.
    #[error("a quarter of limits.connections wait for their PROXY headers")]
    Unannounced,
}

/// A place for one connection, given back on drop.
#[derive(Debug)]
pub struct Place {
    limit: Arc<ConnectionLimit>,
    holder: Holder,
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
        self.take_for(Holder::Client(AddressPrefix::of(address)))
    }

    /// Takes a place for a connection that comes through the balancer at this address, until it is known
    /// [whose](Place::announce) it is.
    ///
    /// # Errors
    /// Which limit is reached.
    pub fn take_unannounced(self: &Arc<Self>, balancer: IpAddr) -> Result<Place, NoPlace> {
        self.take_for(Holder::Balancer(AddressPrefix::of(balancer)))
    }

    fn take_for(self: &Arc<Self>, holder: Holder) -> Result<Place, NoPlace> {
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.most.load(Ordering::Relaxed) {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(NoPlace::Total);
        }
        match self.hold(holder) {
            Ok(()) => Ok(Place { limit: Arc::clone(self), holder }),
            Err(reason) => {
                self.open.fetch_sub(1, Ordering::Relaxed);
                Err(reason)
            }
        }
    }

    fn hold(&self, holder: Holder) -> Result<(), NoPlace> {
        let per_address = self.most_per_address.load(Ordering::Relaxed);
        let (most, reason) = match holder {
            Holder::Client(_) => (per_address, NoPlace::PerAddress),
            Holder::Balancer(_) => {
                (per_address.max(self.most.load(Ordering::Relaxed) / UNANNOUNCED), NoPlace::Unannounced)
            }
        };
        let taken = self.with_shard(holder, |shard| {
            let open = shard.entry(holder).or_insert(0);
            let free = *open < most;
            if free {
                *open += 1;
            }
            free
        });
        if taken { Ok(()) } else { Err(reason) }
    }

    fn release(&self, holder: Holder) {
        self.with_shard(holder, |shard| {
            if let Some(open) = shard.get_mut(&holder) {
                *open -= 1;
                if *open == 0 {
                    shard.remove(&holder);
                }
            }
        });
    }

    fn with_shard<T: Default>(&self, holder: Holder, work: impl FnOnce(&mut HashMap<Holder, usize>) -> T) -> T {
        let hash = self.hasher.hash_one(holder);
        let shard = usize::try_from(hash % self.shards.len() as u64).unwrap_or(0);
        match self.shards.get(shard) {
            Some(shard) => work(&mut shard.lock().unwrap_or_else(PoisonError::into_inner)),
            None => T::default(),
        }
    }
}

impl Place {
    /// From now on the connection counts for the client at this address.
    ///
    /// # Errors
    /// When the client has all the connections that it may have; the place stays what it was.
    pub fn announce(&mut self, client: IpAddr) -> Result<(), NoPlace> {
        let holder = Holder::Client(AddressPrefix::of(client));
        self.limit.hold(holder)?;
        self.limit.release(std::mem::replace(&mut self.holder, holder));
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.limit.open.fetch_sub(1, Ordering::Relaxed);
        self.limit.release(self.holder);
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

    #[test]
    fn a_connection_counts_for_its_balancer_until_it_is_known_whose_it_is() {
        let limit = ConnectionLimit::new(12, 2);
        let (balancer, client): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "192.0.2.7".parse().unwrap());
        let mut waiting: Vec<Place> = (0..3).map(|_| limit.take_unannounced(balancer).unwrap()).collect();
        assert_eq!(limit.take_unannounced(balancer).unwrap_err(), NoPlace::Unannounced);
        let own = limit.take(balancer).unwrap();
        for place in &mut waiting[..2] {
            place.announce(client).unwrap();
        }
        assert_eq!(waiting[2].announce(client).unwrap_err(), NoPlace::PerAddress);
        assert_eq!(limit.take(client).unwrap_err(), NoPlace::PerAddress, "there is one way to count a client");
        assert!(limit.take_unannounced(balancer).is_ok(), "those that were announced make room");
        assert_eq!(limit.open(), 4);
        drop((waiting, own));
        assert_eq!(limit.open(), 0);
        assert!(limit.shards.iter().all(|shard| shard.lock().unwrap().is_empty()), "nothing is kept of who has left");
    }

    #[test]
    fn silent_clients_of_a_balancer_leave_room_for_the_others() {
        let limit = ConnectionLimit::new(40, 2);
        let balancer: IpAddr = "192.0.2.1".parse().unwrap();
        let silent: Vec<Place> = (0..10).map(|_| limit.take_unannounced(balancer).unwrap()).collect();
        assert_eq!(limit.take_unannounced(balancer).unwrap_err(), NoPlace::Unannounced);
        assert!(limit.take_unannounced("192.0.2.2".parse().unwrap()).is_ok(), "another balancer is served");
        drop(silent);
    }
}
