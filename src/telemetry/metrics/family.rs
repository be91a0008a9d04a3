//! Numbers of the same kind about several things, told apart by names from the configuration: listeners,
//! routes, upstreams. What a client says is never such a name, so that no client can make the memory or the page grow.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// How many things of a family are told apart. Whatever comes later is counted as `other`: names come from the
/// administrator, who may yet change them with every reload.
const MOST: usize = 4096;
/// What stands for all names that came too late.
const OTHER: &str = "other";

/// Numbers about several things. A thing's numbers are never given back: a counter must not fall while the process
/// lives, and a thing that was taken away may come again.
pub struct Family<T: 'static> {
    members: Mutex<BTreeMap<Vec<String>, &'static Member<T>>>,
    /// Shared by all that came too late.
    other: OnceLock<&'static Member<T>>,
}

struct Member<T> {
    numbers: T,
    /// How many have them in use.
    users: AtomicUsize,
}

/// The numbers about one thing, in use for as long as this lives. What is not in use is not shown.
pub struct Series<T: 'static>(&'static Member<T>);

impl<T: Default + Sync> Family<T> {
    /// Nothing is told apart yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { members: Mutex::new(BTreeMap::new()), other: OnceLock::new() }
    }

    /// The numbers about the thing with these names, the same each time. Not for the path of a request: it takes a
    /// lock, and what it gives is to be kept.
    pub fn of(&self, names: &[&str]) -> Series<T> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let new = || -> &'static Member<T> {
            Box::leak(Box::new(Member { numbers: T::default(), users: AtomicUsize::new(0) }))
        };
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = members.len() >= MOST;
        let member = match members.get(&names) {
            Some(member) => member,
            None if is_full => self.other.get_or_init(new),
            None => {
                let member = new();
                members.insert(names, member);
                member
            }
        };
        member.users.fetch_add(1, Ordering::Relaxed);
        Series(member)
    }

    /// Calls `show` for each thing whose numbers are in use, with its names, in their order.
    pub fn for_each(&self, mut show: impl FnMut(&[&str], &'static T)) {
        let members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        for (names, member) in members.iter().filter(|(_, member)| member.is_in_use()) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            show(&names, &member.numbers);
        }
        let width = members.keys().next().map_or(1, Vec::len);
        if let Some(other) = self.other.get().filter(|other| other.is_in_use()) {
            show(&vec![OTHER; width], &other.numbers);
        }
    }
}

impl<T: Default + Sync> Default for Family<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Member<T> {
    fn is_in_use(&self) -> bool {
        self.users.load(Ordering::Relaxed) > 0
    }
}

impl<T> Series<T> {
    /// The numbers themselves, for what may outlive this: counting is never wrong, it only may not be seen.
    #[must_use]
    pub fn numbers(&self) -> &'static T {
        &self.0.numbers
    }
}

impl<T> Deref for Series<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.numbers
    }
}

impl<T> Clone for Series<T> {
    fn clone(&self) -> Self {
        self.0.users.fetch_add(1, Ordering::Relaxed);
        Self(self.0)
    }
}

impl<T> Drop for Series<T> {
    fn drop(&mut self) {
        self.0.users.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<T> std::fmt::Debug for Series<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Series").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::Counter;
    use super::*;

    fn shown(family: &Family<Counter>) -> Vec<(String, u64)> {
        let mut shown = Vec::new();
        family.for_each(|names, counter| shown.push((names.join("/"), counter.get())));
        shown
    }

    #[test]
    fn what_is_in_use_is_shown_and_a_thing_that_comes_again_goes_on_counting() {
        let family = Family::<Counter>::new();
        let (a, b) = (family.of(&["a"]), family.of(&["b"]));
        a.increment();
        b.clone().add(2);
        assert_eq!(shown(&family), [("a".to_owned(), 1), ("b".to_owned(), 2)]);
        drop(a);
        assert_eq!(shown(&family), [("b".to_owned(), 2)]);
        let again = family.of(&["a"]);
        again.increment();
        assert_eq!(shown(&family), [("a".to_owned(), 2), ("b".to_owned(), 2)]);
    }

    #[test]
    fn names_without_end_share_the_last_place() {
        let family = Family::<Counter>::new();
        let all: Vec<_> = (0..MOST + 10).map(|number| family.of(&[&number.to_string(), "x"])).collect();
        all.iter().for_each(|series| series.increment());
        let shown = shown(&family);
        assert_eq!(shown.len(), MOST + 1);
        assert_eq!(shown.last(), Some(&("other/other".to_owned(), 10)));
    }
}
