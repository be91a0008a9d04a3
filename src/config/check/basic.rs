//! `basic`.

use super::Context;
use crate::config::Basic;
use crate::config::raw;
use crate::config::read::{At, Field};

/// Passwords that may be hashed at once or wait for it: far more than any machine serves.
const MOST: u64 = 10_000;

impl Context<'_> {
    /// HTTP Basic; the outer `None` is a fault.
    pub(super) fn basic(&mut self, basic: &Field<raw::Basic>) -> Option<Option<Basic>> {
        let At { place, value: raw } = match basic {
            Field::Absent => return Some(None),
            Field::Faulty => return None,
            Field::Given(basic) => basic,
        };
        let realm = self.required(&raw.realm, *place, "realm").and_then(|realm| self.realm(realm.place, &realm.value));
        let remember = self.period_or_zero(&raw.remember, 300);
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let half = u64::try_from(cores.div_ceil(2)).unwrap_or(1);
        let hashes_at_once = self.at_most(&raw.hashes_at_once, half);
        let hashes_waiting = self.at_most(&raw.hashes_waiting, 64);
        Some(Some(Basic {
            realm: realm?,
            remember: remember?,
            hashes_at_once: hashes_at_once?,
            hashes_waiting: hashes_waiting?,
        }))
    }

    fn at_most(&mut self, number: &Field<u64>, default: u64) -> Option<usize> {
        match number.given() {
            Some(At { place, value }) if *value > MOST => {
                self.error(*place, format!("{MOST} is the most that makes sense here"), None)
            }
            _ => self.count(number, default),
        }
    }
}
