//! The keys of assertions while the gate runs: whether a reload needs new ones, and who exchanges those that the gate
//! makes itself.

use super::build::longest_assertion;
use crate::assertion::Issuer;
use crate::base::clock::Timestamp;
use crate::config::{Assertion, AssertionKeys, Config};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::MissedTickBehavior;

/// How often it is looked whether keys are to be exchanged, and whether another node has done so.
const TICK: Duration = Duration::from_secs(60);

/// Whether the issuer of the old configuration is that of the new one: where it makes its keys itself, and nothing
/// of it has changed. Files may have another content under the same name.
pub(super) fn goes_on(old: &Config, new: &Config) -> bool {
    let made = matches!(&new.assertion, None | Some(Assertion { keys: AssertionKeys::Directory { .. }, .. }));
    made && old.assertion == new.assertion && longest_assertion(old) == longest_assertion(new)
}

/// Exchanges keys, until that is ended. A fault is logged, and the keys in force stay.
pub(super) fn keep(issuer: Option<Arc<Issuer>>) -> AbortHandle {
    tokio::spawn(async move {
        let Some(issuer) = issuer else { return };
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        tick.tick().await;
        loop {
            tick.tick().await;
            let turned = tokio::task::block_in_place(|| issuer.turn(Timestamp::now()));
            if let Err(error) = turned {
                tracing::error!(%error, "the keys of assertions could not be exchanged; the old ones go on");
            }
        }
    })
    .abort_handle()
}
