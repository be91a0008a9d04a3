//! The entries of a list, packed so that a million of them take 24 MiB, sorted by serial number for each issuer whose
//! certificates they revoke (an indirect list has several; RFC 5280, section 5.3.3).

use super::fault::Fault;
use super::reason::RevocationReason;
use crate::base::clock::Timestamp;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

/// The longest serial number that an entry may have, in octets (RFC 5280, section 4.1.2.2).
const MAX_SERIAL: usize = 20;
/// How many issuers one indirect list may speak of.
const MAX_ISSUERS: usize = 10_000;

/// The bits of [`Entry::kind`] beside the code of the reason.
const NEGATIVE: u8 = 0x80;
const REMOVED: u8 = 0x40;

/// A revoked certificate, of 25 octets without padding. The order of the fields is that of the index: by serial
/// number and sign; of several entries for one certificate those that revoke it come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// The serial number, filled up with zeros from the left.
    serial: [u8; MAX_SERIAL],
    /// [`NEGATIVE`], [`REMOVED`] and the code of the reason.
    kind: u8,
    /// Since when, in seconds since 1970, big-endian; what is outside that range is moved to its end.
    at: [u8; 4],
}

/// What an entry says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub reason: RevocationReason,
}

impl Entry {
    /// An entry of a serial number without leading zeros; `None` if it is longer than there are.
    pub(super) fn new(serial: &[u8], negative: bool, at: Timestamp, reason: RevocationReason) -> Option<Self> {
        let removed = if reason == RevocationReason::RemoveFromCrl { REMOVED } else { 0 };
        let sign = if negative { NEGATIVE } else { 0 };
        let seconds = at.as_unix();
        let seconds = u32::try_from(seconds).unwrap_or(if seconds < 0 { 0 } else { u32::MAX });
        Some(Self { serial: padded(serial)?, kind: sign | removed | reason.code(), at: seconds.to_be_bytes() })
    }

    pub(super) fn is_removal(&self) -> bool {
        self.kind & REMOVED != 0
    }

    /// The serial number without leading zeros; zero is one octet.
    pub(super) fn serial(&self) -> &[u8] {
        let zeros = self.serial.iter().take(MAX_SERIAL - 1).take_while(|octet| **octet == 0).count();
        self.serial.get(zeros..).unwrap_or_default()
    }

    pub(super) fn revocation(&self) -> Revocation {
        Revocation {
            at: Timestamp::from_unix(i64::from(u32::from_be_bytes(self.at))),
            reason: RevocationReason::from_code(self.kind & 0x0f).unwrap_or(RevocationReason::Unspecified),
        }
    }

    fn key(&self) -> ([u8; MAX_SERIAL], u8) {
        (self.serial, self.kind & NEGATIVE)
    }
}

/// A serial number as the index has it; `None` if it is longer than any in a list.
fn padded(serial: &[u8]) -> Option<[u8; MAX_SERIAL]> {
    let mut padded = [0; MAX_SERIAL];
    let place = MAX_SERIAL.checked_sub(serial.len())?;
    padded.get_mut(place..)?.copy_from_slice(serial);
    Some(padded)
}

/// All entries of a list.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// By the canonical name of the certificates' issuer, none without entries.
    groups: Vec<Group>,
}

/// The entries for the certificates of one issuer.
#[derive(Debug)]
struct Group {
    issuer: Arc<[u8]>,
    /// Sorted, none twice.
    entries: Vec<Entry>,
}

impl Index {
    /// What the list says of a certificate, named by its issuer's canonical name and its serial number.
    pub(super) fn find(&self, issuer: &[u8], serial: &[u8], negative: bool) -> Option<Revocation> {
        let entries = self.of(issuer);
        let wanted = (padded(serial)?, if negative { NEGATIVE } else { 0 });
        let place = entries.binary_search_by(|entry| entry.key().cmp(&wanted)).ok()?;
        entries.get(place).map(Entry::revocation)
    }

    /// How many entries there are.
    pub(super) fn len(&self) -> usize {
        self.groups.iter().map(|group| group.entries.len()).sum()
    }

    /// How many octets of memory they take.
    pub(super) fn octets(&self) -> usize {
        self.groups.iter().map(|group| group.entries.capacity() * size_of::<Entry>() + group.issuer.len()).sum()
    }

    /// The entries for each issuer, by its canonical name.
    pub(super) fn groups(&self) -> impl Iterator<Item = (&[u8], &[Entry])> {
        self.groups.iter().map(|group| (&*group.issuer, group.entries.as_slice()))
    }

    /// The entries for one issuer.
    pub(super) fn of(&self, issuer: &[u8]) -> &[Entry] {
        let place = self.groups.binary_search_by(|group| (*group.issuer).cmp(issuer));
        place.ok().and_then(|place| self.groups.get(place)).map(|group| group.entries.as_slice()).unwrap_or_default()
    }
}

/// Takes entries in the order of the list.
pub(super) struct Builder {
    groups: Vec<Group>,
    places: HashMap<Arc<[u8]>, usize>,
    /// The place of the group that the next entry belongs to.
    current: usize,
    count: usize,
    most: usize,
    /// Whether an entry brings a certificate back.
    removes: bool,
}

impl Builder {
    /// Entries of at most this many certificates, those of `issuer` (its canonical name) first.
    pub(super) fn new(issuer: &Arc<[u8]>, most: usize) -> Self {
        let group = Group { issuer: Arc::clone(issuer), entries: Vec::new() };
        Self {
            groups: vec![group],
            places: HashMap::from([(Arc::clone(issuer), 0)]),
            current: 0,
            count: 0,
            most,
            removes: false,
        }
    }

    /// Makes room for about this many entries. Room that stays empty is never touched and costs no memory.
    pub(super) fn expect(&mut self, entries: usize) {
        if let Some(group) = self.groups.get_mut(self.current) {
            group.entries.reserve_exact(entries.min(self.most));
        }
    }

    /// The entries that follow are of certificates of this issuer (its canonical name).
    pub(super) fn turn_to(&mut self, issuer: Vec<u8>) -> Result<(), Fault> {
        if let Some(place) = self.places.get(issuer.as_slice()) {
            self.current = *place;
            return Ok(());
        }
        if self.groups.len() == MAX_ISSUERS {
            return Err(Fault::TooManyIssuers(MAX_ISSUERS));
        }
        let issuer: Arc<[u8]> = issuer.into();
        self.current = self.groups.len();
        self.places.insert(Arc::clone(&issuer), self.current);
        self.groups.push(Group { issuer, entries: Vec::new() });
        Ok(())
    }

    pub(super) fn push(&mut self, entry: Entry) -> Result<(), Fault> {
        if self.count == self.most {
            return Err(Fault::TooManyEntries(self.most));
        }
        self.count += 1;
        self.removes |= entry.is_removal();
        if let Some(group) = self.groups.get_mut(self.current) {
            group.entries.push(entry);
        }
        Ok(())
    }

    /// Only a delta list can bring certificates back; in a whole one such an entry revokes like any other.
    pub(super) fn finish(self, is_delta: bool) -> Index {
        let mut groups = self.groups;
        groups.retain(|group| !group.entries.is_empty());
        for Group { entries, .. } in &mut groups {
            if self.removes && !is_delta {
                entries.iter_mut().for_each(|entry| entry.kind &= !REMOVED);
            }
            // Many authorities write their lists in order, which is seen in one pass.
            entries.sort_unstable();
            entries.dedup_by_key(|entry| entry.key());
            if entries.capacity() - entries.len() > entries.len() / 8 {
                entries.shrink_to_fit();
            }
        }
        groups.sort_unstable_by(|a, b| a.issuer.cmp(&b.issuer));
        Index { groups }
    }
}

/// The entries that revoke now what `old` did not revoke, in one pass over both: those of `new` that are not in
/// `old`, and certificates that `old` had brought back (removeFromCRL) and `new` no longer mentions.
pub(super) fn newly_revoked<'a>(old: &'a [Entry], new: &'a [Entry]) -> impl Iterator<Item = &'a Entry> {
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    std::iter::from_fn(move || {
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => return None,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(before), Some(now)) => before.key().cmp(&now.key()),
            };
            let before = if order.is_le() { old.next() } else { None };
            let now = if order.is_ge() { new.next() } else { None };
            match (before, now) {
                (Some(before), None) if before.is_removal() => return Some(before),
                (None, Some(now)) if !now.is_removal() => return Some(now),
                (Some(before), Some(now)) if before.is_removal() && !now.is_removal() => return Some(now),
                _ => {}
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const AT: Timestamp = Timestamp::from_unix(1_700_000_000);

    fn index(most: usize, entries: &[(&[u8], &[u8], bool, RevocationReason)]) -> Result<Index, Fault> {
        let own: Arc<[u8]> = Arc::from(&b"own"[..]);
        let mut builder = Builder::new(&own, most);
        for (issuer, serial, negative, reason) in entries {
            builder.turn_to(issuer.to_vec())?;
            builder.push(Entry::new(serial, *negative, AT, *reason).unwrap())?;
        }
        Ok(builder.finish(true))
    }

    #[test]
    fn an_entry_takes_25_octets() {
        assert_eq!(size_of::<Entry>(), 25);
    }

    #[test]
    fn a_date_out_of_range_is_moved_to_its_end() {
        for (at, expected) in [(-5, 0), (0, 0), (1_700_000_000, 1_700_000_000), (i64::MAX, i64::from(u32::MAX))] {
            let entry = Entry::new(&[1], false, Timestamp::from_unix(at), RevocationReason::Superseded).unwrap();
            assert_eq!(entry.revocation().at.as_unix(), expected);
        }
        assert_eq!(Entry::new(&[1; 21], false, AT, RevocationReason::Superseded), None);
    }

    #[test]
    fn of_two_entries_for_one_certificate_the_one_that_revokes_counts() {
        use RevocationReason::{KeyCompromise, RemoveFromCrl};
        let index = index(9, &[(b"own", &[7], false, RemoveFromCrl), (b"own", &[7], false, KeyCompromise)]).unwrap();
        assert_eq!(index.len(), 1);
        assert_eq!(index.find(b"own", &[7], false).unwrap().reason, KeyCompromise);
    }

    #[test]
    fn a_whole_list_brings_nothing_back() {
        let own: Arc<[u8]> = Arc::from(&b"own"[..]);
        let mut builder = Builder::new(&own, 1);
        builder.push(Entry::new(&[7], false, AT, RevocationReason::RemoveFromCrl).unwrap()).unwrap();
        let index = builder.finish(false);
        assert_eq!(newly_revoked(&[], index.of(b"own")).count(), 1);
    }

    #[test]
    fn more_entries_or_issuers_than_allowed_are_refused() {
        use RevocationReason::Unspecified;
        let two: [(&[u8], &[u8], bool, _); 2] =
            [(b"own", &[1], false, Unspecified), (b"own", &[2], false, Unspecified)];
        assert!(index(2, &two).is_ok());
        assert_eq!(index(1, &two).map(|_| ()), Err(Fault::TooManyEntries(1)));
        let own: Arc<[u8]> = Arc::from(&b"own"[..]);
        let mut builder = Builder::new(&own, 1);
        let turned = (0..MAX_ISSUERS).find_map(|number| builder.turn_to(number.to_be_bytes().to_vec()).err());
        assert_eq!(turned, Some(Fault::TooManyIssuers(MAX_ISSUERS)));
    }

    type Naive = BTreeMap<(u8, Vec<u8>, bool), bool>;

    fn entries() -> impl Strategy<Value = Vec<(u8, Vec<u8>, bool, bool)>> {
        let serial = prop_oneof![
            proptest::collection::vec(1..4u8, 1..3),
            proptest::collection::vec(any::<u8>(), 1..=MAX_SERIAL).prop_map(|mut serial| {
                serial[0] |= 1;
                serial
            }),
        ];
        proptest::collection::vec((0..3u8, serial, any::<bool>(), any::<bool>()), 0..60)
    }

    fn build(entries: &[(u8, Vec<u8>, bool, bool)]) -> (Index, Naive) {
        let own: Arc<[u8]> = Arc::from(&[0][..]);
        let (mut builder, mut naive) = (Builder::new(&own, 1000), Naive::new());
        for (issuer, serial, negative, removed) in entries {
            let reason = if *removed { RevocationReason::RemoveFromCrl } else { RevocationReason::Superseded };
            builder.turn_to(vec![*issuer]).unwrap();
            builder.push(Entry::new(serial, *negative, AT, reason).unwrap()).unwrap();
            naive.entry((*issuer, serial.clone(), *negative)).and_modify(|all| *all &= removed).or_insert(*removed);
        }
        (builder.finish(true), naive)
    }

    proptest! {
        #[test]
        fn lookups_find_what_a_naive_set_finds(listed in entries(), asked in entries()) {
            let (index, naive) = build(&listed);
            prop_assert_eq!(index.len(), naive.len());
            for (issuer, serial, negative, _) in listed.iter().chain(&asked) {
                let found = index.find(&[*issuer], serial, *negative).map(|found| found.reason == RevocationReason::RemoveFromCrl);
                prop_assert_eq!(found, naive.get(&(*issuer, serial.clone(), *negative)).copied());
            }
        }

        #[test]
        fn what_is_newly_revoked_is_what_a_naive_comparison_finds(old in entries(), new in entries()) {
            let ((old, naive_old), (new, naive_new)) = (build(&old), build(&new));
            for issuer in 0..3u8 {
                let mut found: Vec<_> = newly_revoked(old.of(&[issuer]), new.of(&[issuer]))
                    .map(|entry| (issuer, entry.serial().to_vec(), entry.kind & NEGATIVE != 0))
                    .collect();
                found.sort();
                let is_new = |key: &&(u8, Vec<u8>, bool)| {
                    let change = (naive_old.get(*key), naive_new.get(*key));
                    key.0 == issuer && matches!(change, (Some(true), None) | (None | Some(true), Some(false)))
                };
                let mut expected: Vec<_> = naive_new.keys().chain(naive_old.keys()).filter(is_new).cloned().collect();
                expected.sort();
                expected.dedup();
                prop_assert_eq!(found, expected);
            }
        }
    }
}
