//! The memory that request bodies take which are held whole: those that credentials cover (Digest with `auth-int`), those that
//! are kept to be sent again, and those that the gate's own services read. Each is bounded by itself; here all of them
//! together are, and those of one address prefix, so that no number of connections takes more.
//!
//! A body takes its place before any of it is read, for as much as it may become, and gives it back when the last
//! octet of it is let go, be it by the connection that it was sent on. What is held counts among the [`Buffers`], too.

use super::buffers::Buffers;
use crate::base::address::AddressPrefix;
use bytes::Bytes;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Of all that may be held, the part that one address prefix may: an eighth.
const ADDRESS_SHARE: u64 = 8;
/// What a body is counted as at least, so that the list of those who hold any is bounded as well.
const LEAST: u64 = 1024;

/// How much is held, in octets; one for the process, which goes on over reloads.
#[derive(Debug, Default)]
pub struct HeldBodies {
    state: Mutex<State>,
    /// What they are a part of.
    buffers: Arc<Buffers>,
}

#[derive(Debug, Default)]
struct State {
    all: u64,
    /// Those that hold something.
    by_prefix: HashMap<AddressPrefix, u64>,
}

/// Where the bodies of one request may be held.
#[derive(Debug, Clone, Copy)]
pub struct Room<'a> {
    held: &'a Arc<HeldBodies>,
    most: u64,
    prefix: AddressPrefix,
}

/// A part of what may be held, until it is dropped.
#[derive(Debug)]
#[must_use = "it is given back when it is dropped"]
pub struct Place {
    held: Arc<HeldBodies>,
    prefix: AddressPrefix,
    octets: u64,
}

impl HeldBodies {
    /// None yet. Those that come are counted among all that is held, and connections give way to them.
    #[must_use]
    pub fn within(buffers: Arc<Buffers>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), buffers })
    }

    /// What they are a part of.
    #[must_use]
    pub fn buffers(&self) -> &Arc<Buffers> {
        &self.buffers
    }

    /// For a request from this address, where `most` octets may be held in all.
    #[must_use]
    pub fn room(self: &Arc<Self>, most: u64, address: IpAddr) -> Room<'_> {
        Room { held: self, most, prefix: AddressPrefix::of(address) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Two additions at a time are done under this lock, and nothing is waited for.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room<'_> {
    /// Takes a place for so many octets, if there is one. Whoever holds nothing yet may hold one body, however large, as
    /// long as there is room for it at all.
    #[must_use]
    pub fn take(&self, octets: u64) -> Option<Place> {
        let octets = octets.max(LEAST);
        let mut state = self.held.state();
        if !self.fits(&state, octets) {
            return None;
        }
        state.all += octets;
        *state.by_prefix.entry(self.prefix).or_default() += octets;
        drop(state);
        self.held.buffers.take(octets);
        Some(Place { held: Arc::clone(self.held), prefix: self.prefix, octets })
    }

    /// Whether there is one now.
    #[must_use]
    pub fn has(&self, octets: u64) -> bool {
        self.fits(&self.held.state(), octets.max(LEAST))
    }

    fn fits(&self, state: &State, octets: u64) -> bool {
        let with = |taken: u64| taken.saturating_add(octets);
        let own = state.by_prefix.get(&self.prefix).copied().unwrap_or(0);
        with(state.all) <= self.most && (own == 0 || with(own) <= self.most / ADDRESS_SHARE)
    }
}

impl Place {
    /// Octets that have this place until nobody has them any more.
    #[must_use]
    pub fn holding(self, octets: Vec<u8>) -> Bytes {
        Bytes::from_owner(Held { octets, _place: self })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.held.buffers.give_back(self.octets);
        let mut state = self.held.state();
        state.all = state.all.saturating_sub(self.octets);
        if let Entry::Occupied(mut own) = state.by_prefix.entry(self.prefix) {
            *own.get_mut() = own.get().saturating_sub(self.octets);
            if *own.get() == 0 {
                own.remove();
            }
        }
    }
}

/// A body and its place.
struct Held {
    octets: Vec<u8>,
    _place: Place,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.octets
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    const MOST: u64 = 80 * 1024;

    fn client(number: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, number))
    }

    #[test]
    fn one_address_holds_an_eighth_and_all_together_the_whole() {
        let held = Arc::new(HeldBodies::default());
        let one = held.room(MOST, client(1));
        let places: Vec<_> = std::iter::from_fn(|| one.take(2 * 1024)).collect();
        assert_eq!(places.len(), 5);
        assert!(!one.has(1) && held.room(MOST, client(2)).has(MOST / 2));
        let others: Vec<_> = (2..=255).map_while(|number| held.room(MOST, client(number)).take(10 * 1024)).collect();
        assert_eq!(others.len(), 7);
        assert!(held.room(MOST, client(255)).take(1).is_none(), "all is held");
        drop(places);
        assert!(held.room(MOST, client(255)).take(10 * 1024).is_some());
    }

    #[test]
    fn one_body_larger_than_a_share_is_held_where_there_is_room() {
        let held = Arc::new(HeldBodies::default());
        let room = held.room(MOST, client(1));
        let place = room.take(MOST / 2).unwrap();
        assert!(room.take(1).is_none());
        drop(place);
        assert!(room.take(MOST + 1).is_none());
    }

    #[test]
    fn a_place_is_given_back_with_the_last_octet() {
        let held = Arc::new(HeldBodies::default());
        let room = held.room(MOST, client(1));
        let body = room.take(10 * 1024).unwrap().holding(vec![7; 10 * 1024]);
        let last = body.slice(10 * 1024 - 1..);
        drop(body);
        assert!(!room.has(1), "one octet is still on its way");
        drop(last);
        assert!(room.has(10 * 1024) && held.state().by_prefix.is_empty() && held.state().all == 0);
    }

    proptest! {
        #[test]
        fn what_is_held_is_what_was_taken_and_not_given_back(
            acts in prop::collection::vec((0_u8..20, 0..40_000_u64, any::<bool>()), 0..200),
        ) {
            let held = Arc::new(HeldBodies::default());
            let mut places: Vec<Place> = Vec::new();
            for (number, octets, gives_back) in acts {
                if gives_back {
                    places.pop();
                } else {
                    places.extend(held.room(MOST, client(number)).take(octets));
                }
                let state = held.state();
                prop_assert_eq!(state.all, places.iter().map(|place| place.octets).sum::<u64>());
                prop_assert_eq!(state.all, state.by_prefix.values().sum::<u64>());
                prop_assert_eq!(state.all, held.buffers.all());
                prop_assert!(state.all <= MOST && state.by_prefix.len() <= places.len());
            }
        }
    }
}
