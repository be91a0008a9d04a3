//! When something is fetched next: what follows a success and what follows failures. Pure; `random` is any
//! number, by which the nodes that fetch the same thing fall out of step.

use std::time::Duration;

/// The first wait after a failure.
const FIRST_RETRY: Duration = Duration::from_secs(5);
/// The longest wait after failures.
const LAST_RETRY: Duration = Duration::from_secs(5 * 60);
/// The shortest wait after a success, however little the answer says it is good for.
const SHORTEST: Duration = Duration::from_secs(60);

/// The wait after a number of failures in a row, at least one: doubled each time, and at random between half of
/// that and the whole.
pub(super) fn after_failures(failures: u32, random: u32) -> Duration {
    let doubled = FIRST_RETRY.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    let longest = doubled.min(LAST_RETRY);
    longest / 2 + fraction(longest / 2, random)
}

/// The wait after a success: at most `refresh`; less if the server says that its answer is fresh for less, or if
/// what was fetched runs out before. It is looked for something newer when three quarters of what is left to it
/// have passed. The last tenth is at random.
pub(super) fn after_success(
    refresh: Duration,
    fresh_for: Option<Duration>,
    left: Option<Duration>,
    random: u32,
) -> Duration {
    let wait = [fresh_for, left.map(|left| left / 4 * 3)].into_iter().flatten().fold(refresh, Duration::min);
    let wait = wait.max(SHORTEST.min(refresh));
    wait - wait / 10 + fraction(wait / 10, random)
}

/// That part of a duration, from none of it to all of it, that a number is of the largest one.
fn fraction(duration: Duration, random: u32) -> Duration {
    duration.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

/// A number from the system's randomness; the middle one if there is none, since nothing secret hangs on it.
pub(super) fn random() -> u32 {
    let mut octets = [0; 4];
    match aws_lc_rs::rand::fill(&mut octets) {
        Ok(()) => u32::from_ne_bytes(octets),
        Err(_) => u32::MAX / 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_wait_doubles_with_each_failure_until_it_is_five_minutes() {
        let longest = |failures| after_failures(failures, u32::MAX).as_secs();
        assert_eq!([1, 2, 3, 4, 5, 6, 7, 8, 40, u32::MAX].map(longest), [5, 10, 20, 40, 80, 160, 300, 300, 300, 300]);
        assert_eq!(after_failures(1, 0), SECOND * 5 / 2);
    }

    #[test]
    fn the_wait_after_a_success_is_what_the_least_of_three_says() {
        let cases = [
            (600, None, None, 600),
            (600, Some(90), None, 90),
            (600, Some(6000), None, 600),
            (600, None, Some(400), 300),
            (600, Some(0), None, 60),
            (600, None, Some(0), 60),
            (1, None, Some(0), 1),
            (600, Some(100), Some(100), 75),
        ];
        for (refresh, fresh, left, expected) in cases {
            let seconds = |seconds: Option<u64>| seconds.map(Duration::from_secs);
            let wait = after_success(Duration::from_secs(refresh), seconds(fresh), seconds(left), u32::MAX);
            assert_eq!(wait, Duration::from_secs(expected), "{refresh} {fresh:?} {left:?}");
        }
    }

    proptest! {
        #[test]
        fn chance_takes_half_at_most_after_failures_and_a_tenth_after_a_success(failures in 1_u32..20, random: u32) {
            let (least, found, most) =
                (after_failures(failures, 0), after_failures(failures, random), after_failures(failures, u32::MAX));
            prop_assert!(least <= found && found <= most && least * 2 == most);
            let wait = after_success(SECOND * 600, None, None, random);
            prop_assert!(SECOND * 540 <= wait && wait <= SECOND * 600);
        }
    }
}
