//! The identifier by which a client's page, an upstream's log and our audit record are matched. It is
//! random so that no two nodes or processes have to agree, but it is no secret: everybody who made the
//! request knows it.

use std::cell::RefCell;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// 128 random bits as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId([u8; 32]);

/// How many octets are drawn from the generator at once: a call for each identifier would cost more than
/// all the rest of it.
const DRAWN: usize = 2048;

struct Drawn {
    octets: [u8; DRAWN],
    used: usize,
}

thread_local! {
    static RANDOM: RefCell<Drawn> = const { RefCell::new(Drawn { octets: [0; DRAWN], used: DRAWN }) };
}

impl RequestId {
    /// A new one.
    #[must_use]
    pub fn random() -> Self {
        Self::from_octets(RANDOM.with_borrow_mut(next))
    }

    fn from_octets(octets: [u8; 16]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'0'; 32];
        for (pair, octet) in text.chunks_exact_mut(2).zip(octets) {
            for (digit, nibble) in pair.iter_mut().zip([octet >> 4, octet & 15]) {
                *digit = DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0');
            }
        }
        Self(text)
    }

    /// The 128 bits.
    #[must_use]
    pub fn octets(&self) -> [u8; 16] {
        let digit = |digit: &u8| (*digit as char).to_digit(16).and_then(|value| u8::try_from(value).ok()).unwrap_or(0);
        let mut octets = [0; 16];
        for (octet, pair) in octets.iter_mut().zip(self.0.chunks_exact(2)) {
            *octet = pair.iter().fold(0, |octet, one| octet << 4 | digit(one));
        }
        octets
    }

    /// Its 32 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

fn next(drawn: &mut Drawn) -> [u8; 16] {
    if drawn.used >= DRAWN {
        if aws_lc_rs::rand::fill(&mut drawn.octets).is_err() {
            // It need not be unpredictable, only of this request alone.
            static COUNTER: AtomicU64 = AtomicU64::new(0);
            let count = u128::from(COUNTER.fetch_add(1, Ordering::Relaxed));
            return (u128::from(std::process::id()) << 64 | count).to_be_bytes();
        }
        drawn.used = 0;
    }
    let octets = drawn.octets.get(drawn.used..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
    drawn.used += octets.len();
    octets
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_requests_have_the_same_identifier() {
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..1000).map(|_| RequestId::random().to_string()).collect::<Vec<_>>()))
            .collect();
        let all: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert!(all.iter().all(|id| id.len() == 32 && id.bytes().all(|digit| b"0123456789abcdef".contains(&digit))));
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), 4000);
    }

    #[test]
    fn the_digits_are_those_of_the_octets() {
        assert_eq!(RequestId::from_octets(0x0123_u128.to_be_bytes()).as_str(), "00000000000000000000000000000123");
        assert_eq!(RequestId::from_octets([0xfe; 16]).as_str(), "fe".repeat(16));
        let octets = 0x0123_4567_89ab_cdef_0011_2233_4455_6677_u128.to_be_bytes();
        assert_eq!(RequestId::from_octets(octets).octets(), octets);
    }
}
