//! What comes of requests that are sent on, by an upstream and by each of its servers.

use super::histogram::{self, Histogram};
use super::sharded::Sharded;
use super::{STATUS_CLASSES, UpstreamFailure, class};
use http::StatusCode;
use std::time::Duration;

/// What came of the requests that were sent somewhere.
pub struct Answers {
    duration: Histogram,
    responses: Sharded<{ STATUS_CLASSES.len() }>,
    failures: Sharded<{ UpstreamFailure::ALL.len() }>,
}

impl Default for Answers {
    fn default() -> Self {
        Self { duration: Histogram::new(histogram::LONG), responses: Sharded::new(), failures: Sharded::new() }
    }
}

impl Answers {
    /// Counts the head of an answer that took so long.
    pub fn answered(&self, status: StatusCode, took: Duration) {
        self.responses.add(class(Some(status)), 1);
        self.duration.observe(took);
    }

    /// Counts a request that got no answer.
    pub fn failed(&self, cause: UpstreamFailure) {
        self.failures.add(cause as usize, 1);
    }

    /// How long it takes from a request to the head of its answer.
    #[must_use]
    pub fn duration(&self) -> &Histogram {
        &self.duration
    }

    /// How many answers had a status of this class, by its number.
    #[must_use]
    pub fn responses(&self, class: usize) -> u64 {
        self.responses.get(class)
    }

    /// How many answers there were.
    #[must_use]
    pub fn all_responses(&self) -> u64 {
        (0..STATUS_CLASSES.len()).map(|class| self.responses(class)).sum()
    }

    /// How many requests got no answer for this cause.
    #[must_use]
    pub fn failures(&self, cause: UpstreamFailure) -> u64 {
        self.failures.get(cause as usize)
    }

    /// How many requests got no answer.
    #[must_use]
    pub fn all_failures(&self) -> u64 {
        UpstreamFailure::ALL.iter().map(|(cause, _)| self.failures(*cause)).sum()
    }
}
