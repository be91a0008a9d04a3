use super::*;
use crate::config::Rate;

fn limits(rate: Option<(u32, u64, u32)>, concurrency: Option<u32>) -> RequestLimits {
    RequestLimits {
        rate: rate.map(|(requests, seconds, burst)| Rate { requests, per: Duration::from_secs(seconds), burst }),
        concurrency: concurrency.and_then(NonZeroU32::new),
        by: CountedBy::Account,
    }
}

fn passed(allowances: &Arc<Allowances>, allowance: &Allowance, whose: Whose<'_>, now: Instant) -> usize {
    (0..1000).take_while(|_| allowances.take(allowance, whose, now).is_ok()).count()
}

#[test]
fn a_rate_is_kept_and_says_when_to_come_again() {
    // What is written, how long one waits after the burst.
    let cases = [
        ((50, 1, 100), 100, Duration::from_millis(20)),
        ((50, 1, 1), 1, Duration::from_millis(20)),
        ((3, 1, 3), 3, Duration::from_nanos(333_333_334)),
        ((600, 60, 10), 10, Duration::from_millis(100)),
        ((1, 3600, 2), 2, Duration::from_secs(3600)),
    ];
    for (rate, burst, wait) in cases {
        let (allowances, now) = (Allowances::new(), Instant::now());
        let allowance = Allowance::new("/", &limits(Some(rate), None));
        let ann = Whose::Account("ann");
        assert_eq!(passed(&allowances, &allowance, ann, now), burst, "{rate:?}");
        assert_eq!(allowances.take(&allowance, ann, now).unwrap_err(), Exceeded::Rate(wait), "{rate:?}");
        assert_eq!(passed(&allowances, &allowance, ann, now + wait), 1, "{rate:?}");
        assert_eq!(passed(&allowances, &allowance, Whose::Account("bob"), now), burst, "{rate:?}");
    }
}

#[test]
fn a_slot_is_given_back_with_its_last_clone() {
    let (allowances, now) = (Allowances::new(), Instant::now());
    let allowance = Allowance::new("/", &limits(None, Some(2)));
    let ann = Whose::Account("ann");
    let take = || allowances.take(&allowance, ann, now);
    let (first, second) = (take().unwrap().unwrap(), take().unwrap().unwrap());
    assert_eq!(take().unwrap_err(), Exceeded::Concurrency);
    let taken = Taken::default();
    taken.hold_of_route(Some(first));
    let tunnel = taken.clone();
    drop(taken);
    assert_eq!(take().unwrap_err().retry_after(), COME_AGAIN, "its tunnel goes on");
    drop(tunnel);
    assert!(take().is_ok());
    drop(second);
}

#[test]
fn what_has_not_changed_goes_on_and_what_has_begins_anew() {
    let (allowances, now) = (Allowances::new(), Instant::now());
    let ann = Whose::Account("ann");
    let slow = limits(Some((1, 60, 1)), None);
    assert_eq!(passed(&allowances, &Allowance::new("/", &slow), ann, now), 1);
    // The same configuration read again.
    assert_eq!(passed(&allowances, &Allowance::new("/", &slow), ann, now), 0);
    // Another place, and other limits.
    assert_eq!(passed(&allowances, &Allowance::new("/other", &slow), ann, now), 1);
    assert_eq!(passed(&allowances, &Allowance::new("/", &limits(Some((2, 60, 1)), None)), ann, now), 1);
}

#[test]
fn an_account_and_an_address_are_never_one_and_a_network_of_ipv6_is() {
    let (allowances, now) = (Allowances::new(), Instant::now());
    let allowance = Allowance::new("/", &limits(Some((1, 1, 1)), None));
    let address = |text: &str| Whose::Address(AddressPrefix::of(text.parse().unwrap()));
    assert_eq!(passed(&allowances, &allowance, address("192.0.2.1"), now), 1);
    assert_eq!(passed(&allowances, &allowance, Whose::Account("192.0.2.1"), now), 1);
    assert_eq!(passed(&allowances, &allowance, address("192.0.2.2"), now), 1);
    assert_eq!(passed(&allowances, &allowance, address("::ffff:192.0.2.1"), now), 0);
    assert_eq!(passed(&allowances, &allowance, address("2001:db8::1"), now), 1);
    assert_eq!(passed(&allowances, &allowance, address("2001:db8::2"), now), 0);
}

#[test]
fn where_nothing_is_counted_nothing_is_held() {
    let allowances = Allowances::new();
    assert!(allowances.table.get().is_none());
    passed(&allowances, &Allowance::new("/", &limits(None, Some(1))), Whose::Account("ann"), Instant::now());
    assert!(allowances.table.get().is_some());
}

#[test]
fn a_clock_that_was_read_before_the_first_request_is_no_harm() {
    let before = Instant::now();
    let allowances = Allowances::new();
    let allowance = Allowance::new("/", &limits(Some((1, 1, 1)), None));
    assert_eq!(passed(&allowances, &allowance, Whose::Account("ann"), before), 1);
}
