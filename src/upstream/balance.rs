//! Which of some servers a request goes to: in turn by smooth weighted round robin, to the less busy of two, or to the
//! one that belongs to a key by weighted rendezvous hashing, which moves only the keys of a server that leaves. All of it is pure:
//! turns, random numbers and loads are parameters, and which servers are fit was decided before (`health`).

use std::time::Duration;

/// The longest sequence of turns. Weights whose sum is larger are rounded.
const MOST_TURNS: u64 = 4096;
/// Parts of a weight: a server that starts slowly has some of them.
const PARTS: u32 = 16;

/// A server that may be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// What it is called by; given back when it is chosen.
    pub index: usize,
    /// Its share in relation to the others'; at least 1.
    pub weight: u32,
    /// What tells it from the others in every process, as [`hash`] gives it.
    pub key: u64,
}

/// Servers, ready to be chosen from. It changes with the servers' state and not with requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    candidates: Box<[Candidate]>,
    /// Places in `candidates`, each as often as its weight says and as evenly spread as can be.
    turns: Box<[u16]>,
    /// Whether all weights are the same.
    even: bool,
}

impl Plan {
    /// A plan of these servers; the first 65536 of them.
    #[must_use]
    pub fn new(candidates: impl IntoIterator<Item = Candidate>) -> Self {
        let most = usize::from(u16::MAX) + 1;
        let candidates: Box<[Candidate]> = candidates.into_iter().take(most).collect();
        let even = candidates.windows(2).all(|pair| matches!(pair, [one, other] if one.weight == other.weight));
        let weights: Vec<u32> = candidates.iter().map(|candidate| candidate.weight).collect();
        Self { turns: turns(&weights), candidates, even }
    }

    /// Whether there is nobody to choose.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.candidates.is_empty()
    }

    /// Those that may be chosen.
    #[must_use]
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// The one whose turn it is, or the next one that may be used; `None` if none may.
    pub fn in_turn(&self, turn: usize, mut may: impl FnMut(usize) -> bool) -> Option<usize> {
        let first = turn.checked_rem(self.turns.len())?;
        let (before, after) = self.turns.split_at_checked(first)?;
        after.iter().chain(before).filter_map(|place| self.index(*place)).find(|index| may(*index))
    }

    /// The one of two that has less to do for its weight; both are chosen by this random number from those that may be
    /// used.
    pub fn less_busy(
        &self,
        random: u64,
        mut may: impl FnMut(usize) -> bool,
        load: impl Fn(usize) -> u32,
    ) -> Option<usize> {
        let [high, low] = [random >> 32, random & u64::from(u32::MAX)].map(|half| usize::try_from(half).unwrap_or(0));
        let one = self.in_turn(high, &mut may)?;
        let Some(other) = self.in_turn(low, |index| index != one && may(index)) else { return Some(one) };
        // One more than there are: of two idle servers, the one with the larger weight is the less busy.
        let cost = |this: usize, that: usize| u64::from(load(this)).saturating_add(1) * u64::from(self.weight(that));
        Some(if cost(one, other) <= cost(other, one) { one } else { other })
    }

    /// The one that this key belongs to among those that may be used.
    pub fn of_key(&self, key: u64, mut may: impl FnMut(usize) -> bool) -> Option<usize> {
        let mut best: Option<(f64, usize)> = None;
        for candidate in &self.candidates {
            let score = self.score(key, candidate);
            if best.is_none_or(|(known, _)| score < known) && may(candidate.index) {
                best = Some((score, candidate.index));
            }
        }
        best.map(|(_, index)| index)
    }

    /// How far a server is from a key: exponentially distributed with its weight for the rate, so that each server is the
    /// nearest one for its share of keys.
    fn score(&self, key: u64, candidate: &Candidate) -> f64 {
        // In (0, 1]: 53 bits of the hash.
        let uniform = ((mix(key ^ candidate.key) >> 11) as f64 + 1.0) / (1u64 << 53) as f64;
        if self.even { 1.0 - uniform } else { -uniform.ln() / f64::from(candidate.weight) }
    }

    fn index(&self, place: u16) -> Option<usize> {
        self.candidates.get(usize::from(place)).map(|candidate| candidate.index)
    }

    fn weight(&self, index: usize) -> u32 {
        self.candidates.iter().find(|candidate| candidate.index == index).map_or(1, |candidate| candidate.weight)
    }
}

/// A sequence in which each place stands as often as its weight says, spread evenly: with each turn all gain their
/// weight, and the one that has the most pays the sum for its turn.
fn turns(weights: &[u32]) -> Box<[u16]> {
    let sum: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    let common = weights.iter().fold(0, |common, weight| greatest_common_divisor(common, *weight)).max(1);
    let rounded = |weight: u32| match sum / u64::from(common) {
        short if short <= MOST_TURNS => i64::from(weight / common),
        _ => i64::try_from(u64::from(weight) * MOST_TURNS / sum).unwrap_or(1).max(1),
    };
    let mut standing: Vec<(i64, i64)> = weights.iter().map(|weight| (rounded(*weight), 0)).collect();
    let sum: i64 = standing.iter().map(|(weight, _)| weight).sum();
    let mut turns = Vec::with_capacity(usize::try_from(sum).unwrap_or_default());
    for _ in 0..sum {
        let mut best = 0;
        let mut most = i64::MIN;
        for (place, (weight, credit)) in standing.iter_mut().enumerate() {
            *credit += *weight;
            if *credit > most {
                (best, most) = (place, *credit);
            }
        }
        if let Some((_, credit)) = standing.get_mut(best) {
            *credit -= sum;
        }
        turns.push(u16::try_from(best).unwrap_or_default());
    }
    turns.into_boxed_slice()
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// The weight of a server that came back so long ago and gets its whole share after `slow_start`, in parts of which a
/// whole one has 16. Never nothing: what gets no request never shows that it is well.
#[must_use]
pub fn parts(weight: u16, back_for: Option<Duration>, slow_start: Duration) -> u32 {
    let whole = u32::from(weight) * PARTS;
    match back_for {
        Some(back_for) if back_for < slow_start => {
            let share = back_for.as_secs_f64() / slow_start.as_secs_f64();
            ((f64::from(whole) * share) as u32).clamp(1, whole)
        }
        _ => whole,
    }
}

/// What a text is known by in hashing, the same in every process (FNV-1a, then mixed).
#[must_use]
pub fn hash(octets: &[u8]) -> u64 {
    let fold = |hash: u64, octet: &u8| (hash ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01b3);
    mix(octets.iter().fold(0xcbf2_9ce4_8422_2325, fold))
}

/// A number that looks random, from one that need not (SplitMix64).
#[must_use]
pub fn mix(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests;
