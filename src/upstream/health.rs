//! Whether a server is fit for requests: by active checks, which it passes or fails several times in a row, and by
//! ejection, for a time that grows, of one that fails requests. Pure: the answers and the time are parameters. Who checks is `checks`, who
//! counts failures and sees that not too many servers are ejected is [`super::Upstream`].

use crate::config::{Ejection, HealthCheck};
use std::time::{Duration, Instant};

/// What is known of a server.
#[derive(Debug, Clone, Default)]
pub struct Condition {
    /// What active checks say; `None` before the first.
    passes: Option<bool>,
    /// How many answers in a row say the opposite.
    contrary: u32,
    ejected: Option<Ejected>,
    /// When it came back from whatever it was; `None` if it was never away.
    back: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
struct Ejected {
    until: Instant,
    /// For how long, the last time.
    period: Duration,
    /// Whether that time is over.
    over: bool,
}

/// A server's state in a word, for logs, status pages and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It gets requests.
    Up,
    /// Active checks fail.
    Down,
    /// It failed requests.
    Ejected,
}

impl State {
    /// Its name in logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Ejected => "ejected",
        }
    }
}

impl Condition {
    /// The state.
    #[must_use]
    pub fn state(&self) -> State {
        if self.passes == Some(false) {
            State::Down
        } else if self.ejected.is_some_and(|ejected| !ejected.over) {
            State::Ejected
        } else {
            State::Up
        }
    }

    /// How long it has been back, if it was away.
    #[must_use]
    pub fn back_for(&self, now: Instant) -> Option<Duration> {
        self.back.map(|back| now.saturating_duration_since(back))
    }

    /// It has come to others that were there before, and starts slowly like one that came back.
    pub fn appears(&mut self, now: Instant) {
        self.back = Some(now);
    }

    /// When time alone changes something: its ejection is over.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.ejected.filter(|ejected| !ejected.over).map(|ejected| ejected.until)
    }

    /// An active check has been passed or not. The first one says how things are; later ones must agree `rise` or `fall`
    /// times in a row. Says whether the state has changed.
    pub fn checked(&mut self, passed: bool, settings: &HealthCheck, now: Instant) -> bool {
        let before = self.state();
        match self.passes {
            None => self.passes = Some(passed),
            Some(known) if known == passed => self.contrary = 0,
            Some(_) => {
                self.contrary += 1;
                if self.contrary >= if passed { settings.rise } else { settings.fall } {
                    self.passes = Some(passed);
                    self.contrary = 0;
                }
            }
        }
        self.settle(before, now)
    }

    /// It is ejected, for twice as long as before if it failed again within as long as it was ejected. Gives for how
    /// long.
    pub fn eject(&mut self, settings: &Ejection, now: Instant) -> Duration {
        let relapsed = |before: &Ejected| now.saturating_duration_since(before.until) <= before.period;
        let period = match self.ejected.filter(relapsed) {
            Some(before) => before.period.saturating_mul(2).min(settings.longest),
            None => settings.first,
        };
        self.ejected = Some(Ejected { until: now + period, period, over: false });
        period
    }

    /// Time has passed. Says whether the state has changed.
    pub fn passed(&mut self, now: Instant) -> bool {
        let before = self.state();
        if let Some(ejected) = &mut self.ejected
            && ejected.until <= now
        {
            ejected.over = true;
        }
        self.settle(before, now)
    }

    /// Whether it has not shown yet that it is well again: it was ejected, and is back for less long than it was away.
    #[must_use]
    pub fn is_on_probation(&self, now: Instant) -> bool {
        self.ejected
            .is_some_and(|ejected| ejected.over && now.saturating_duration_since(ejected.until) <= ejected.period)
    }

    fn settle(&mut self, before: State, now: Instant) -> bool {
        let after = self.state();
        if before != State::Up && after == State::Up {
            self.back = Some(now);
        }
        before != after
    }
}

/// How many of so many servers may be ejected at once: never all of them.
#[must_use]
pub fn most_ejected(servers: usize, share: u8) -> usize {
    // Of two servers with half of them allowed, one; of three, one; and one at least wherever another is left.
    let allowed = servers * usize::from(share) / 100;
    let least = usize::from(share > 0);
    allowed.max(least).min(servers.saturating_sub(1))
}

#[cfg(test)]
mod tests;
