//! `throttle`.

use super::Context;
use crate::config::Throttle;
use crate::config::raw;
use crate::config::read::At;

/// More failures than this hold nobody back.
const MOST_FAILURES: u64 = 1000;

impl Context<'_> {
    pub(super) fn throttle(&mut self, throttle: Option<&raw::Throttle>) -> Option<Throttle> {
        let absent = raw::Throttle::default();
        let raw = throttle.unwrap_or(&absent);
        let failures = match raw.failures.given() {
            Some(At { place, value }) if *value > MOST_FAILURES => {
                self.error(*place, format!("{MOST_FAILURES} is the most that holds anybody back"), None)
            }
            _ => self.count(&raw.failures, 5),
        };
        let window = self.period(&raw.window, 600);
        let delay = self.period_or_zero(&raw.delay, 1);
        let lock = self.period(&raw.lock, 300);
        let exempt = self.exempted(&raw.exempt);
        Some(Throttle { failures: failures?, window: window?, delay: delay?, lock: lock?, exempt: exempt? })
    }
}
