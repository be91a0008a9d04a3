//! What puts open connections in doubt besides requests: the passing of dates, and reloads. What the sources of
//! revocation do themselves is told by whoever takes them up.

use super::trust::TrustSets;
use crate::base::clock::Timestamp;
use crate::config::Config;
use crate::revocation::live::{Cause, Key, Live};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// How often it is looked whether a date has passed. Dates are whole seconds.
const TICK: Duration = Duration::from_millis(100);

/// Doubts, for ever, the connections whose date has passed.
pub(super) async fn of_dates(live: Arc<Live>) {
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut last = Timestamp::now();
    loop {
        tick.tick().await;
        let now = Timestamp::now();
        // A clock that was set back makes nothing due; what is due is due once a second.
        if now != last {
            live.doubt_due(now);
            last = now;
        }
    }
}

/// Doubts what a reload may have changed, once the new configuration is in force: the connections of trust sets that
/// were made anew, all of them where identity rules or listeners have changed, and all tunnels, which outlive the
/// configuration that they began under.
pub(super) fn after_reload(live: &Live, old: (&Config, &TrustSets), new: (&Config, &TrustSets)) {
    let ((old, old_sets), (new, new_sets)) = (old, new);
    let same_rules = (&old.listeners, &old.identity) == (&new.listeners, &new.identity);
    for (name, kept) in old_sets {
        let goes_on = new_sets.get(name).is_some_and(|new| Arc::ptr_eq(new, kept));
        if !(goes_on && same_rules) {
            live.doubt(&Key::Trust(name), Cause::Trust);
        }
    }
    // Peers, their passwords in files, and sites that hand people over: a tunnel rests on too much to compare.
    live.doubt(&Key::Routes, Cause::Routes);
}
