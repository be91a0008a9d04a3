//! `throttle`.

use super::Context;
use crate::base::address::AddressRange;
use crate::config::Throttle;
use crate::config::raw;
use crate::config::read::{At, Field};

/// More failures than this hold nobody back.
const MOST_FAILURES: u64 = 1000;
/// This machine's own addresses: whoever sits behind a balancer here that hides the clients is everybody.
const OWN: [&str; 2] = ["127.0.0.0/8", "::1"];

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
        let exempt = match &raw.exempt {
            Field::Absent => Some(OWN.iter().filter_map(|range| range.parse().ok()).collect()),
            Field::Faulty => None,
            // An empty list says that nobody is exempted.
            Field::Given(list) if list.value.is_empty() => Some(Vec::new()),
            Field::Given(list) => self.items(list, |context, range| {
                context.parsed(range, |text| text.parse::<AddressRange>().map_err(|error| error.to_string()))
            }),
        };
        Some(Throttle { failures: failures?, window: window?, delay: delay?, lock: lock?, exempt: exempt? })
    }
}
