//! When a piece of work on a server is begun again, and when it must not be. Pure: the pool asks, and does it.
//!
//! A cluster that commits optimistically (Galera, group replication) says at any statement, and mostly at COMMIT, that
//! another transaction came first; a node that lost the majority answers nothing; one that was stopped breaks
//! the connection. In all of these nothing was done, and it is begun again, on whichever server then takes writes. From
//! the moment that COMMIT is said nothing but the server's word that it failed will do: whatever else happens, the
//! transaction may stand, and to begin it again would be to do it twice.

use super::super::Fault;
use std::time::Duration;

/// How far a piece of work had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It only reads.
    Reading,
    /// It writes, and COMMIT has not been said.
    Writing,
    /// COMMIT has been said.
    Committing,
}

/// What is to be done after a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Begin again after this time.
    Again(Duration),
    /// Nothing was done, and it stays so.
    GiveUp,
    /// It may have been done.
    InDoubt,
}

/// How often a piece of work is begun in which another transaction was in the way.
const CONFLICTS: u32 = 30;

/// How often a piece of work is begun whose connection breaks: the first may be one that was closed while it
/// was idle, the next may lead to a server that is just leaving its cluster.
const CONNECTIONS: u32 = 4;

/// After this long nothing is begun again.
const LIMIT: Duration = Duration::from_secs(10);

/// The first pause is at most this long, each further one twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(10);

const LONGEST_PAUSE: Duration = Duration::from_millis(320);

/// What follows a fault at the end of the given attempt (1 is the first), so much time after the first began. The
/// pause is drawn between half of its length and all of it by `chance`, so that those who collided do
/// not collide again.
pub(super) fn next(stage: Stage, fault: &Fault, attempt: u32, spent: Duration, chance: u8) -> Next {
    match fault {
        Fault::Conflict(_) if attempt < CONFLICTS && spent < LIMIT => Next::Again(pause(attempt, chance)),
        // The server's own word that it undid everything.
        Fault::Conflict(_) => Next::GiveUp,
        _ if stage == Stage::Committing => Next::InDoubt,
        Fault::Lost(_) if attempt < CONNECTIONS && spent < LIMIT => Next::Again(Duration::ZERO),
        Fault::Lost(_)
        | Fault::Unavailable(_)
        | Fault::InDoubt(_)
        | Fault::Incomparable(_)
        | Fault::Duplicate(_)
        | Fault::Unexpected(_) => Next::GiveUp,
    }
}

fn pause(attempt: u32, chance: u8) -> Duration {
    let doubled = 2_u32.saturating_pow(attempt.saturating_sub(1));
    let longest = FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE);
    (longest + longest * u32::from(chance) / u32::from(u8::MAX)) / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use Stage::{Committing, Reading, Writing};

    #[test]
    fn work_is_begun_again_only_if_nothing_of_it_was_done() {
        let [conflict, lost, unavailable, duplicate, unexpected, incomparable] = [
            Fault::Conflict,
            Fault::Lost,
            Fault::Unavailable,
            Fault::Duplicate,
            Fault::Unexpected,
            Fault::Incomparable,
        ]
        .map(|fault| fault("why".to_owned()));
        let soon = Duration::from_millis(5);
        let (again, at_once) = (Next::Again(soon), Next::Again(Duration::ZERO));
        let cases = [
            ("another transaction", Reading, &conflict, 1, again),
            ("another transaction", Writing, &conflict, 1, again),
            ("another transaction, as COMMIT's answer", Committing, &conflict, 1, again),
            ("another transaction, once too often", Committing, &conflict, CONFLICTS, Next::GiveUp),
            ("a broken connection", Reading, &lost, 1, at_once),
            ("a broken connection", Writing, &lost, 1, at_once),
            ("a broken connection, once too often", Writing, &lost, CONNECTIONS, Next::GiveUp),
            ("a connection that broke at COMMIT", Committing, &lost, 1, Next::InDoubt),
            ("no answer", Reading, &unavailable, 1, Next::GiveUp),
            ("no answer", Writing, &unavailable, 1, Next::GiveUp),
            ("no answer to COMMIT", Committing, &unavailable, 1, Next::InDoubt),
            ("a name that is taken", Writing, &duplicate, 1, Next::GiveUp),
            ("a missing right", Writing, &unexpected, 1, Next::GiveUp),
            ("an error of COMMIT itself", Committing, &unexpected, 1, Next::InDoubt),
            ("two character sets", Reading, &incomparable, 1, Next::GiveUp),
        ];
        for (what, stage, fault, attempt, expected) in cases {
            assert_eq!(next(stage, fault, attempt, Duration::ZERO, 0), expected, "{what} while {stage:?}");
        }
        for stage in [Reading, Writing] {
            for fault in [&conflict, &lost] {
                assert_eq!(next(stage, fault, 1, LIMIT, 0), Next::GiveUp, "{fault:?} when time is up");
            }
        }
        assert_eq!(next(Committing, &lost, 9, LIMIT, 0), Next::InDoubt, "time does not make it known");
    }

    #[test]
    fn pauses_grow_differ_and_end() {
        let most: Vec<Duration> = (1..CONFLICTS).map(|attempt| pause(attempt, u8::MAX)).collect();
        assert!(most.is_sorted() && most.iter().all(|pause| *pause <= LONGEST_PAUSE), "{most:?}");
        for attempt in [1, 5, CONFLICTS, u32::MAX] {
            let [least, middle, most] = [0, 128, u8::MAX].map(|chance| pause(attempt, chance));
            assert!(least < middle && middle < most && least * 2 == most, "{attempt}: {least:?} {middle:?} {most:?}");
        }
        assert!(most.iter().sum::<Duration>() < LIMIT, "a writer in others' way gets all of its attempts");
    }
}
