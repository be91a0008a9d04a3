use super::*;
use proptest::prelude::*;

fn plan(weights: &[u32]) -> Plan {
    Plan::new(weights.iter().enumerate().map(|(index, weight)| Candidate {
        index,
        weight: *weight,
        key: hash(format!("10.0.0.{index}:8080").as_bytes()),
    }))
}

fn sequence(plan: &Plan, length: usize) -> Vec<usize> {
    (0..length).map(|turn| plan.in_turn(turn, |_| true).unwrap()).collect()
}

#[test]
fn turns_are_spread_as_evenly_as_the_weights_allow() {
    let cases: [(&[u32], &[usize]); 6] = [
        (&[1], &[0, 0, 0]),
        (&[1, 1, 1], &[0, 1, 2, 0, 1, 2]),
        (&[16, 16], &[0, 1, 0, 1]),
        (&[5, 1, 1], &[0, 0, 1, 0, 2, 0, 0]),
        (&[2, 1], &[0, 1, 0, 0, 1, 0]),
        (&[4, 2, 2], &[0, 1, 2, 0]),
    ];
    for (weights, expected) in cases {
        assert_eq!(sequence(&plan(weights), expected.len()), expected, "{weights:?}");
    }
}

#[test]
fn of_nobody_nobody_is_chosen() {
    let (none, some) = (plan(&[]), plan(&[1, 2]));
    for plan in [&none, &some] {
        let nobody = |_| std::ptr::eq(plan, &none);
        assert_eq!(plan.in_turn(3, nobody), None);
        assert_eq!(plan.less_busy(3, nobody, |_| 0), None);
        assert_eq!(plan.of_key(3, nobody), None);
    }
    assert!(none.is_empty());
}

#[test]
fn who_may_not_be_used_is_passed_over() {
    let plan = plan(&[1, 1, 1]);
    let turns: Vec<_> = (0..4).map(|turn| plan.in_turn(turn, |index| index != 1).unwrap()).collect();
    assert_eq!(turns, [0, 2, 2, 0]);
}

#[test]
fn of_two_the_less_busy_one_is_chosen_for_its_weight() {
    // (weights, loads, who must be chosen whenever both are looked at)
    let cases: [(&[u32], &[u32], usize); 5] = [
        (&[1, 1], &[3, 2], 1),
        (&[1, 1], &[0, 9], 0),
        (&[4, 1], &[3, 1], 0),
        (&[4, 1], &[9, 1], 1),
        (&[1, 4], &[0, 0], 1),
    ];
    for (weights, loads, expected) in cases {
        let plan = plan(weights);
        for random in (0..64).map(mix) {
            assert_eq!(plan.less_busy(random, |_| true, |index| loads[index]), Some(expected), "{weights:?} {loads:?}");
        }
    }
}

#[test]
fn with_two_choices_the_busiest_of_many_is_never_chosen_while_others_may_be() {
    let plan = plan(&[1; 8]);
    for random in (0..1000).map(mix) {
        let chosen = plan.less_busy(random, |_| true, |index| if index == 5 { 100 } else { 1 });
        assert_ne!(chosen, Some(5));
    }
}

#[test]
fn keys_are_shared_out_by_weight() {
    let plan = plan(&[1, 2, 5]);
    let mut counts = [0_u32; 3];
    for key in 0..8000_u32 {
        counts[plan.of_key(hash(&key.to_be_bytes()), |_| true).unwrap()] += 1;
    }
    for (count, expected) in counts.into_iter().zip([1000, 2000, 5000]) {
        assert!(count.abs_diff(expected) < expected / 5, "{counts:?}");
    }
}

#[test]
fn a_key_belongs_to_the_same_server_in_every_process() {
    // Pinned: two nodes of different builds must agree.
    assert_eq!(hash(b"alice"), 0x1a04_6f57_3e1e_5475);
    let plan = plan(&[1, 1, 1]);
    let owners = ["alice", "bob", "carol", "dave", "erin", "frank"]
        .map(|name| plan.of_key(hash(name.as_bytes()), |_| true).unwrap());
    assert_eq!(owners, [1, 1, 0, 1, 1, 0]);
}

#[test]
fn a_server_that_came_back_gets_its_share_step_by_step() {
    let second = Duration::from_secs(1);
    for (weight, back_for, slow_start, expected) in [
        (1, None, 30 * second, 16),
        (1, Some(Duration::ZERO), 30 * second, 1),
        (1, Some(15 * second), 30 * second, 8),
        (1, Some(29 * second), 30 * second, 15),
        (1, Some(30 * second), 30 * second, 16),
        (4, Some(15 * second), 30 * second, 32),
        (1, Some(Duration::ZERO), Duration::ZERO, 16),
    ] {
        assert_eq!(parts(weight, back_for, slow_start), expected, "{weight} {back_for:?} {slow_start:?}");
    }
}

proptest! {
    #[test]
    fn each_server_has_as_many_turns_as_its_weight_says(weights in prop::collection::vec(1_u32..=64, 1..12)) {
        let plan = plan(&weights);
        let common = weights.iter().fold(0, |common, weight| greatest_common_divisor(common, *weight));
        let period: u32 = weights.iter().sum::<u32>() / common;
        let seen = sequence(&plan, period as usize);
        for (index, weight) in weights.iter().enumerate() {
            prop_assert_eq!(seen.iter().filter(|one| **one == index).count() as u32, weight / common);
        }
    }

    #[test]
    fn nobody_waits_much_longer_than_its_share(weights in prop::collection::vec(1_u32..=8, 2..8)) {
        let plan = plan(&weights);
        let sum: u32 = weights.iter().sum();
        let seen = sequence(&plan, 4 * sum as usize);
        for (index, weight) in weights.iter().enumerate() {
            let turns: Vec<usize> = (0..seen.len()).filter(|turn| seen[*turn] == index).collect();
            let longest = turns.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
            prop_assert!(longest as u32 <= 2 * sum.div_ceil(*weight), "{index} waits {longest} of {weights:?}");
        }
    }

    #[test]
    fn large_weights_are_rounded_and_nobody_is_left_out(weights in prop::collection::vec(1_u32..=4096, 1..40)) {
        let plan = plan(&weights);
        prop_assert!(plan.turns.len() as u64 <= MOST_TURNS + weights.len() as u64);
        for index in 0..weights.len() {
            prop_assert!(plan.turns.contains(&(index as u16)));
        }
    }

    #[test]
    fn only_the_keys_of_a_server_that_leaves_move(
        weights in prop::collection::vec(1_u32..=8, 2..10),
        gone in any::<prop::sample::Index>(),
        keys in prop::collection::vec(any::<u64>(), 200),
    ) {
        let gone = gone.index(weights.len());
        let all = plan(&weights);
        for key in keys {
            let before = all.of_key(key, |_| true).unwrap();
            let after = all.of_key(key, |index| index != gone).unwrap();
            prop_assert!(after != gone);
            prop_assert!(before == gone || before == after);
        }
    }

    #[test]
    fn leaving_out_a_server_is_the_same_as_a_plan_without_it(key in any::<u64>(), gone in 0_usize..5) {
        let all = plan(&[1; 5]);
        let fewer = Plan::new(all.candidates().iter().copied().filter(|candidate| candidate.index != gone));
        prop_assert_eq!(all.of_key(key, |index| index != gone), fewer.of_key(key, |_| true));
    }
}
