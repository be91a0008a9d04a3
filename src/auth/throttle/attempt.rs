//! An attempt that is under way, as those hold it who judge the password.

use super::{AtPrefix, End, Held, Place, Throttle};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// An attempt that is under way. One that is dropped without a word has come to nothing: there was no answer, or the
/// client has gone away. If [work](Effort) was spent on it by then, it counts against its prefix, and the name is no
/// longer known there: whoever does not stay for the answers would get hashing for nothing.
#[derive(Debug)]
#[must_use = "what comes of it must be said"]
pub struct Attempt {
    of: Option<(Arc<Throttle>, Place)>,
    effort: Effort,
}

/// Whether work was spent on an attempt. Clones are one.
#[derive(Debug, Clone, Default)]
pub struct Effort(Arc<AtomicBool>);

impl Effort {
    /// Work begins that costs much more than asking for it.
    pub fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Attempt {
    /// One that nobody counts.
    pub fn unthrottled() -> Self {
        Self { of: None, effort: Effort::default() }
    }

    pub(super) fn new(throttle: &Arc<Throttle>, place: Place) -> Self {
        Self { of: Some((Arc::clone(throttle), place)), effort: Effort::default() }
    }

    /// To be told when work on it begins.
    #[must_use]
    pub fn effort(&self) -> Effort {
        self.effort.clone()
    }

    /// The same attempt, at the account of this name, which was not known when it began: the client gave a hash of the
    /// name. Its prefix has had its turn; the name is asked for now, and what comes of it is the name's.
    ///
    /// # Errors
    /// When that name may not be tried from there.
    pub async fn at_name(mut self, name: &str, address: IpAddr) -> Result<Self, Held> {
        let Some((throttle, first)) = &self.of else { return Ok(self) };
        let Some(who) = throttle.who(name, address) else { return Ok(self) };
        if who == first.who {
            return Ok(self);
        }
        let place = Place { who, alias: None, at_prefix: AtPrefix::Free };
        // Until then the first holds the place at the prefix, and gives it back if the client goes away.
        let mut second = throttle.admit(place).await?;
        if let Some((_, second)) = &mut second.of {
            second.alias = Some(first.who.pair);
            second.at_prefix = first.at_prefix;
            self.of = None;
        }
        Ok(second)
    }

    /// The password was right, or it was not.
    pub fn settle(mut self, right: bool) {
        if let Some((throttle, place)) = self.of.take() {
            throttle.settle(place, if right { End::Right } else { End::Wrong }, Instant::now());
        }
    }

    /// There is no answer, and that is not the client's doing.
    pub fn without_answer(mut self) {
        if let Some((throttle, place)) = self.of.take() {
            throttle.settle(place, End::Nothing, Instant::now());
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some((throttle, place)) = self.of.take() {
            let end = if self.effort.has_begun() { End::Abandoned } else { End::Nothing };
            throttle.settle(place, end, Instant::now());
        }
    }
}
