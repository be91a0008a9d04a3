use super::*;
use crate::config::Balancing;

fn check() -> HealthCheck {
    HealthCheck {
        path: "/healthz".to_owned(),
        statuses: vec![200..=299],
        every: Duration::from_secs(5),
        timeout: Duration::from_secs(2),
        rise: 2,
        fall: 3,
        host: None,
    }
}

fn ejection() -> Ejection {
    Balancing::default().ejection.unwrap()
}

#[test]
fn the_first_check_decides_and_later_ones_must_agree() {
    use State::{Down, Up};
    // Each answer, and the state after it.
    let cases: [&[(bool, State)]; 5] = [
        &[(true, Up), (false, Up), (false, Up), (false, Down), (true, Down), (true, Up)],
        &[(false, Down), (true, Down), (true, Up)],
        &[(true, Up), (false, Up), (false, Up), (true, Up), (false, Up), (false, Up), (false, Down)],
        &[(false, Down), (true, Down), (false, Down), (true, Down), (true, Up)],
        &[(true, Up), (true, Up)],
    ];
    for answers in cases {
        let (mut condition, now) = (Condition::default(), Instant::now());
        assert_eq!(condition.state(), Up, "a server that was never checked gets requests");
        for (number, (passed, expected)) in answers.iter().enumerate() {
            let before = condition.state();
            let changed = condition.checked(*passed, &check(), now);
            assert_eq!(condition.state(), *expected, "answer {number} of {answers:?}");
            assert_eq!(changed, before != *expected, "answer {number} of {answers:?}");
        }
    }
}

#[test]
fn ejections_grow_while_a_server_relapses_and_begin_anew_when_it_held() {
    let (settings, begin) = (ejection(), Instant::now());
    let at = |seconds| begin + Duration::from_secs(seconds);
    let mut condition = Condition::default();
    // When it fails, and for how long it is out.
    let mut now = 0;
    for expected in [10, 20, 40, 80, 160, 300, 300] {
        assert_eq!(condition.eject(&settings, at(now)).as_secs(), expected);
        assert_eq!(condition.state(), State::Ejected);
        assert!(!condition.passed(at(now + expected - 1)), "it is still out");
        assert_eq!(condition.due(), Some(at(now + expected)));
        assert!(condition.passed(at(now + expected)), "it is back");
        assert_eq!((condition.state(), condition.due()), (State::Up, None));
        assert!(condition.is_on_probation(at(now + expected + 1)));
        now += expected + 1;
    }
    now += 2 * 300;
    assert!(!condition.is_on_probation(at(now)));
    assert_eq!(condition.eject(&settings, at(now)).as_secs(), 10);
}

#[test]
fn a_server_is_back_when_both_say_so() {
    let (settings, now) = (ejection(), Instant::now());
    let mut condition = Condition::default();
    condition.checked(true, &check(), now);
    condition.eject(&settings, now);
    for _ in 0..3 {
        condition.checked(false, &check(), now);
    }
    assert_eq!(condition.state(), State::Down);
    let later = now + settings.first;
    assert!(!condition.passed(later), "its ejection is over, and its checks still fail");
    assert_eq!(condition.back_for(later), None);
    condition.checked(true, &check(), later);
    assert!(condition.checked(true, &check(), later));
    assert_eq!((condition.state(), condition.back_for(later)), (State::Up, Some(Duration::ZERO)));
}

#[test]
fn never_are_all_servers_ejected() {
    for (servers, share, expected) in [
        (0, 50, 0),
        (1, 50, 0),
        (1, 100, 0),
        (2, 50, 1),
        (3, 50, 1),
        (4, 50, 2),
        (10, 10, 1),
        (3, 10, 1),
        (4, 100, 3),
        (9, 0, 0),
    ] {
        assert_eq!(most_ejected(servers, share), expected, "{share}% of {servers}");
    }
}
