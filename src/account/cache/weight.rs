//! How much room an answer takes, so that a cache of accounts with a thousand groups each is no larger than one of
//! accounts with two.

use super::Credential;
use crate::account::password::Password;
use crate::account::{Account, CertificateKey, Ha1, Lookup};
use crate::base::clock::Timestamp;
use std::sync::Arc;

/// What an entry takes beside its key and its value: its places in the table and in the queues of the cache, its
/// instants, the allocator's own room. About so much was measured.
const OVERHEAD: usize = 256;

/// Something that takes room.
pub(super) trait Weigh {
    /// Octets, beyond those of the type itself.
    fn octets(&self) -> usize;
}

/// The weight of an entry.
pub(super) fn of<K: Weigh, V: Weigh>(key: &K, value: &V) -> u32 {
    let octets = OVERHEAD + size_of::<K>() + size_of::<V>() + key.octets() + value.octets();
    u32::try_from(octets).unwrap_or(u32::MAX)
}

impl Weigh for Lookup {
    fn octets(&self) -> usize {
        self.name.capacity()
    }
}

impl Weigh for Credential {
    fn octets(&self) -> usize {
        self.username.capacity() + self.realm.capacity()
    }
}

impl Weigh for CertificateKey {
    fn octets(&self) -> usize {
        self.serial.capacity()
    }
}

impl Weigh for Arc<[Arc<Account>]> {
    fn octets(&self) -> usize {
        self.iter().map(|account| size_of::<Arc<Account>>() + size_of::<Account>() + account.octets()).sum()
    }
}

impl Weigh for Account {
    fn octets(&self) -> usize {
        let optional = [&self.email, &self.display_name, &self.home];
        let names = self.aliases.iter().chain(&self.groups).map(|name| size_of::<String>() + name.capacity());
        let optional = optional.into_iter().flatten().map(String::capacity);
        self.username.capacity() + names.chain(optional).sum::<usize>()
    }
}

impl Weigh for String {
    fn octets(&self) -> usize {
        self.capacity()
    }
}

impl Weigh for Option<Arc<Password>> {
    fn octets(&self) -> usize {
        let Some(password) = self else { return 0 };
        let mut octets = size_of::<Password>();
        // Text, salt and digest of each hash: about twice its text.
        password.each_part(|part| octets += 2 * part.len());
        octets
    }
}

impl Weigh for Option<Arc<Ha1>> {
    fn octets(&self) -> usize {
        self.as_ref().map_or(0, |ha1| size_of::<Ha1>() + ha1.0.expose().len())
    }
}

impl Weigh for Option<Arc<str>> {
    fn octets(&self) -> usize {
        self.as_ref().map_or(0, |name| name.len())
    }
}

impl Weigh for Option<Timestamp> {
    fn octets(&self) -> usize {
        0
    }
}
