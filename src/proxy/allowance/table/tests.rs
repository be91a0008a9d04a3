use super::*;
use proptest::prelude::*;
use std::collections::HashMap;

const SECOND: u64 = 1_000_000_000;

fn rate(per_second: u64, burst: u64) -> Terms {
    let interval = SECOND / per_second;
    Terms { interval, window: interval * burst, most: None }
}

#[test]
fn a_burst_passes_at_once_and_then_one_request_for_each_interval() {
    let table = Table::with_buckets(1);
    let terms = rate(10, 3);
    let tenth = SECOND / 10;
    // When, and until when a refused one must wait.
    let cases = [
        (0, None),
        (0, None),
        (0, None),
        (0, Some(tenth)),
        (tenth - 1, Some(tenth)),
        (tenth, None),
        (tenth, Some(2 * tenth)),
        (3 * tenth, None),
        (3 * tenth, None),
        (3 * tenth, Some(4 * tenth)),
        // After a long pause there is the burst again, and no more.
        (100 * tenth, None),
        (100 * tenth, None),
        (100 * tenth, None),
        (100 * tenth, Some(101 * tenth)),
        // A worker whose clock was read a little earlier takes nothing back.
        (100 * tenth - 5, Some(101 * tenth)),
    ];
    for (number, (now, until)) in cases.into_iter().enumerate() {
        let expected = until.map_or(Ok(()), |until| Err(Refused::Until(until)));
        assert_eq!(table.take(1, now, &terms), expected, "{number}");
    }
    assert_eq!(table.take(2, 100 * tenth, &terms), Ok(()), "another one is another one");
}

#[test]
fn no_more_are_under_way_than_may_be_and_what_ends_makes_room() {
    let table = Table::with_buckets(1);
    let terms = Terms { most: Some(2), ..rate(10, 3) };
    assert_eq!([table.take(1, 0, &terms), table.take(1, 0, &terms)], [Ok(()); 2]);
    assert_eq!(table.take(1, 0, &terms), Err(Refused::UnderWay));
    table.give_back(1);
    // What was refused for want of a place has used nothing of the rate.
    assert_eq!(table.take(1, 0, &terms), Ok(()));
    table.give_back(1);
    assert_eq!(table.take(1, 0, &terms), Err(Refused::Until(SECOND / 10)));
}

#[test]
fn a_flood_of_keys_gives_nobody_a_fresh_start() {
    let table = Table::with_buckets(1);
    let terms = rate(1, 5);
    while table.take(1, 0, &terms).is_ok() {}
    let admitted = (100..10_000).filter(|key| table.take(*key, 0, &terms).is_ok()).count();
    // Fifteen places are left; from then on everybody is taken for whoever was thrown out.
    assert!((15..=16 * 5).contains(&admitted), "{admitted}");
    assert!(table.take(1, 0, &terms).is_err());
    // Whoever falls among them waits for one interval and not for longer, as soon as the flood is over.
    assert_eq!(table.take(7, 5 * SECOND, &terms), Ok(()));
}

#[test]
fn those_who_have_used_up_slow_terms_keep_nobody_waiting_under_fast_ones() {
    let table = Table::with_buckets(1);
    let a_hundred_a_day = Terms { interval: 864 * SECOND, window: 86_400 * SECOND, most: None };
    for key in 1..=17 {
        assert_eq!(table.take(key, 0, &a_hundred_a_day), Ok(()));
    }
    let fast = rate(50, 50);
    assert_eq!(table.take(99, 0, &fast), Err(Refused::Until(SECOND / 50)));
    assert_eq!(table.take(99, SECOND / 50, &fast), Ok(()));
}

#[test]
fn whoever_has_requests_under_way_keeps_its_place() {
    let table = Table::with_buckets(1);
    let terms = Terms { most: Some(1), ..Terms::default() };
    for key in 1..=16 {
        assert_eq!(table.take(key, 0, &terms), Ok(()));
    }
    assert_eq!(table.take(17, 0, &terms), Err(Refused::UnderWay), "there is no place to count it");
    table.give_back(5);
    assert_eq!(table.take(17, 0, &terms), Ok(()));
    assert_eq!(table.take(5, 0, &terms), Err(Refused::UnderWay));
}

#[test]
fn it_is_as_large_as_is_written() {
    let table = Table::new();
    assert_eq!(table.buckets.len() * WAYS, 131_072);
    for key in 0..300_000_u64 {
        let _ = table.take(key.wrapping_mul(0x9e37_79b9_7f4a_7c15), 0, &rate(1, 1));
    }
    let size = table.buckets.capacity() * size_of::<Mutex<Bucket>>();
    assert!(size < 4 << 20, "{size}");
}

/// One step of somebody's: a pause before it, whose it is, and under which of the terms; or something ends.
type Step = (u64, u64, usize, bool);

const KINDS: [Terms; 5] = [
    Terms { interval: 5000, window: 20_000, most: None },
    Terms { interval: 100, window: 300, most: None },
    Terms { interval: 1000, window: 1000, most: None },
    Terms { interval: 10, window: 200, most: Some(2) },
    Terms { interval: 0, window: 0, most: Some(3) },
];

fn key(whose: u64, kind: usize) -> u64 {
    1 + whose * KINDS.len() as u64 + kind as u64
}

proptest! {
    /// The promise of the module: of forty clients under five kinds of terms who share sixteen places, none ever gets
    /// more than its terms say, in any stretch of time.
    #[test]
    fn nobody_ever_gets_more_than_its_terms_say(
        steps in prop::collection::vec((0..150_u64, 0..40_u64, 0..5_usize, any::<bool>()), 0..600),
    ) {
        let table = Table::with_buckets(1);
        let mut now = 0;
        let mut admitted: HashMap<u64, (usize, Vec<u64>, u32)> = HashMap::new();
        for (pause, whose, kind, ends) in steps as Vec<Step> {
            now += pause;
            let key = key(whose, kind);
            let known = admitted.entry(key).or_insert((kind, Vec::new(), 0));
            if ends && known.2 > 0 {
                table.give_back(key);
                known.2 -= 1;
            } else if table.take(key, now, &KINDS[kind]).is_ok() {
                known.1.push(now);
                known.2 += u32::from(KINDS[kind].most.is_some());
            }
            prop_assert!(KINDS[kind].most.is_none_or(|most| known.2 <= most));
        }
        for (kind, times, _) in admitted.values().filter(|(kind, ..)| KINDS[*kind].interval > 0) {
            let Terms { interval, window, .. } = KINDS[*kind];
            for (first, from) in times.iter().enumerate() {
                for (last, to) in times.iter().enumerate().skip(first) {
                    let most = window / interval + (to - from) / interval;
                    prop_assert!((last - first + 1) as u64 <= most, "{times:?}");
                }
            }
        }
    }

    /// Where there is room for all, each gets exactly what a bucket of tokens of its own would give.
    #[test]
    fn whoever_shares_with_few_gets_all_that_its_terms_say(
        steps in prop::collection::vec((0..150_u64, 0..4_u64), 0..300),
    ) {
        let table = Table::with_buckets(1);
        let terms = KINDS[1];
        let mut now = 0;
        // Tokens in hundredths, and when they were counted.
        let mut buckets: HashMap<u64, (u64, u64)> = HashMap::new();
        for (pause, whose) in steps {
            now += pause;
            let (tokens, at) = buckets.entry(whose).or_insert((300, now));
            *tokens = (*tokens + (now - *at)).min(300);
            *at = now;
            let expected = *tokens >= 100;
            *tokens -= if expected { 100 } else { 0 };
            prop_assert_eq!(table.take(key(whose, 1), now, &terms).is_ok(), expected);
        }
    }
}
