use super::*;
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};

#[test]
fn counts_may_overtake_each_other_and_none_passes_twice() {
    let counts = Counts::new();
    for count in [3, 1, 2, 5, 4] {
        assert_eq!(counts.use_up(7, count, None), Count::New, "{count}");
    }
    for count in 1..=5 {
        assert_eq!(counts.use_up(7, count, None), Count::Used, "{count}");
    }
    assert_eq!(counts.use_up(7 + SHARDS as u64, 1, None), Count::New, "another nonce of the same shard");
}

#[test]
fn the_window_ends_where_it_is_said_to() {
    let counts = Counts::new();
    assert_eq!(counts.use_up(1, 1000, None), Count::New);
    assert_eq!(counts.use_up(1, 1000 - WINDOW, None), Count::Behind);
    assert_eq!(counts.use_up(1, 1000 - WINDOW + 1, None), Count::New);
    assert_eq!(counts.use_up(1, 1000 - WINDOW + 1, None), Count::Used);
    assert_eq!(counts.use_up(1, u32::MAX, None), Count::New);
    assert_eq!(counts.use_up(1, 1001, None), Count::Behind);
    assert_eq!(counts.use_up(1, u32::MAX, None), Count::Used);
}

#[test]
fn a_full_shard_forgets_its_oldest_nonce_for_good() {
    let counts = Counts::with_capacity(1, 3);
    for sequence in [10, 12, 11] {
        assert_eq!(counts.use_up(sequence, 1, None), Count::New);
    }
    assert_eq!(counts.use_up(13, 1, None), Count::New, "10 makes room");
    assert_eq!(counts.use_up(10, 2, None), Count::Forgotten, "the one that made room");
    assert_eq!(counts.use_up(9, 1, None), Count::Forgotten, "an older one that was never used");
    assert_eq!(counts.use_up(11, 2, None), Count::New, "one that is still known");
    assert_eq!(counts.use_up(11, 1, None), Count::Used);
    for sequence in [14, 15] {
        assert_eq!(counts.use_up(sequence, 1, None), Count::New, "11 and 12 make room");
    }
    assert_eq!(counts.use_up(11, 3, None), Count::Forgotten);
    assert_eq!(counts.use_up(12, 2, None), Count::Forgotten);
}

#[test]
fn a_nonce_older_than_all_of_a_full_shard_makes_room_itself() {
    let counts = Counts::with_capacity(1, 2);
    for sequence in [20, 30] {
        assert_eq!(counts.use_up(sequence, 1, None), Count::New);
    }
    assert_eq!(counts.use_up(15, 1, None), Count::Forgotten);
    assert_eq!(counts.use_up(15, 2, None), Count::Forgotten);
    assert_eq!(counts.use_up(20, 2, None), Count::New, "those in the table stay");
    assert_eq!(counts.use_up(30, 2, None), Count::New);
}

#[test]
fn one_shards_floor_is_not_anothers() {
    let counts = Counts::with_capacity(2, 1);
    assert_eq!(counts.use_up(2, 1, None), Count::New);
    assert_eq!(counts.use_up(4, 1, None), Count::New);
    assert_eq!(counts.use_up(2, 2, None), Count::Forgotten);
    assert_eq!(counts.use_up(1, 1, None), Count::New);
}

#[test]
fn the_table_keeps_to_its_memory() {
    let counts = Counts::new();
    let octets = |counts: &Counts| -> usize {
        counts.shards.iter().map(|shard| shard.lock().unwrap().entries.capacity() * size_of::<Entry>()).sum()
    };
    let all = SHARDS * NONCES_PER_SHARD * 48;
    assert_eq!(octets(&counts), all);
    let (shards, room) = (SHARDS as u64, (SHARDS * NONCES_PER_SHARD) as u64);
    // In order, and then with each two of a shard swapped, which puts entries in before the end.
    let swapped = (0..room / 2).flat_map(|step| {
        let first = 2 * room + 1 + step / shards * 2 * shards + step % shards;
        [first + shards, first]
    });
    for sequence in (1..=2 * room).chain(swapped) {
        assert_eq!(counts.use_up(sequence, 1, None), Count::New, "{sequence}");
    }
    assert_eq!(octets(&counts), all);
    assert!(counts.shards.iter().all(|shard| shard.lock().unwrap().entries.len() == NONCES_PER_SHARD));
}

#[test]
fn the_nonces_of_one_algorithm_find_the_whole_table() {
    for algorithms in 1..=3 {
        let counts = Counts::new();
        for number in 0..SHARDS * NONCES_PER_SHARD {
            assert_eq!(counts.use_up((1 + number * algorithms) as u64, 1, None), Count::New);
        }
        assert!(counts.shards.iter().all(|shard| shard.lock().unwrap().floor == 0), "none had to make room");
    }
}

#[test]
fn of_many_threads_with_one_count_one_passes() {
    let counts = Counts::new();
    let passed: Vec<u32> = std::thread::scope(|scope| {
        let one = || -> Vec<u32> { (1..=500).filter(|count| counts.use_up(1, *count, None) == Count::New).collect() };
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(one)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    // All of them, because every thread counts upwards: whichever is first at a count has none above it.
    let distinct: HashSet<u32> = passed.iter().copied().collect();
    assert_eq!((passed.len(), distinct.len()), (500, 500));
}

/// Everything that was ever used, without any bound.
#[derive(Default)]
struct Model(HashMap<u64, HashSet<u32>>);

proptest! {
    /// Few nonces and little room, so that windows are left and nonces forgotten all the time.
    #[test]
    fn no_count_ever_passes_twice_whatever_is_forgotten(
        uses in prop::collection::vec((1_u64..12, prop_oneof![1_u32..6, 1_u32..400]), 1..400),
    ) {
        let counts = Counts::with_capacity(2, 3);
        let mut model = Model::default();
        for (sequence, count) in uses {
            match counts.use_up(sequence, count, None) {
                Count::New => prop_assert!(model.0.entry(sequence).or_default().insert(count), "{sequence} {count}"),
                Count::Used => prop_assert!(model.0[&sequence].contains(&count)),
                Count::Behind => prop_assert!(model.0[&sequence].iter().any(|seen| *seen >= count + WINDOW)),
                Count::Forgotten => {}
            }
        }
    }

    /// With room enough every honest count passes: the model is exact.
    #[test]
    fn with_room_enough_the_answers_are_those_of_an_unbounded_record(
        uses in prop::collection::vec((1_u64..200, prop_oneof![1_u32..150, 1_u32..10_000]), 1..600),
    ) {
        let counts = Counts::with_capacity(4, 50);
        let mut model = Model::default();
        for (sequence, count) in uses {
            let used = model.0.entry(sequence).or_default();
            let highest = used.iter().copied().max().unwrap_or(0);
            let expected = if count + WINDOW <= highest {
                Count::Behind
            } else if used.insert(count) {
                Count::New
            } else {
                Count::Used
            };
            prop_assert_eq!(counts.use_up(sequence, count, None), expected, "{} {}", sequence, count);
        }
    }
}

#[test]
fn a_session_is_known_by_the_cnonce_that_it_began_with() {
    let counts = Counts::new();
    assert_eq!(counts.first_cnonce(1), None);
    assert_eq!(counts.use_up(1, 1, Some("first")), Count::New);
    assert_eq!(counts.use_up(1, 2, Some("second")), Count::New);
    assert_eq!(counts.first_cnonce(1).as_deref(), Some("first"));
    assert_eq!(counts.use_up(2, 1, Some(&"x".repeat(LONGEST_CNONCE + 1))), Count::New);
    assert_eq!(counts.first_cnonce(2), None, "one that is too long to keep");
    assert_eq!(counts.use_up(3, 1, None), Count::New);
    assert_eq!(counts.first_cnonce(3), None);
}
