//! What crypt(3) has of its own: its Base64, which takes octets from the low end, the orders in which SHA-crypt and
//! MD5-crypt write theirs, and MD5-crypt itself, which FreeBSD brought (`$1$`) and Apache calls `$apr1$`.

use md5::{Digest, Md5};

/// The digits of its Base64, from 0 to 63.
const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The value of a digit.
pub(super) fn value(digit: u8) -> Option<u32> {
    DIGITS.iter().position(|known| *known == digit).and_then(|value| u32::try_from(value).ok())
}

/// Octets in Base64: of each three, the low six bits of the first come first.
pub(super) fn encode(octets: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(octets.len().div_ceil(3) * 4);
    for three in octets.chunks(3) {
        let word = three.iter().rev().fold(0, |word, octet| word << 8 | u32::from(*octet));
        push(&mut text, word, three.len() + 1);
    }
    text
}

/// What [`encode`] makes this text of.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(text.len());
    for four in text.chunks(4) {
        let mut word = 0;
        for digit in four.iter().rev() {
            word = word << 6 | value(*digit)?;
        }
        let length = four.len() - 1;
        let bytes = word.to_le_bytes();
        if length == 0 || bytes.iter().skip(length).any(|octet| *octet != 0) {
            return None;
        }
        octets.extend(bytes.into_iter().take(length));
    }
    Some(octets)
}

/// A number from its digits, the low ones first.
pub(super) fn number(digits: &[u8]) -> Option<u32> {
    digits.iter().rev().try_fold(0_u32, |number, digit| Some(number.checked_mul(64)? | value(*digit)?))
}

/// The digits of a word, the low ones first.
fn push(text: &mut Vec<u8>, mut word: u32, digits: usize) {
    for _ in 0..digits {
        text.push(DIGITS.get((word & 63) as usize).copied().unwrap_or(b'.'));
        word >>= 6;
    }
}

/// Three octets of a hash as four digits; where there is no such octet, it is 0.
fn push_three(text: &mut Vec<u8>, hash: &[u8], [high, middle, low]: [usize; 3], digits: usize) {
    let octet = |place: usize| u32::from(hash.get(place).copied().unwrap_or(0));
    push(text, octet(high) << 16 | octet(middle) << 8 | octet(low), digits);
}

/// No octet.
const NONE: usize = usize::MAX;

/// SHA-256-crypt's order.
pub(super) fn sha256_text(hash: &[u8; 32]) -> Vec<u8> {
    let mut text = Vec::with_capacity(43);
    let [mut a, mut b, mut c] = [0, 10, 20];
    for _ in 0..10 {
        push_three(&mut text, hash, [a, b, c], 4);
        [a, b, c] = [c + 1, a + 1, b + 1];
    }
    push_three(&mut text, hash, [NONE, 31, 30], 3);
    text
}

/// SHA-512-crypt's order.
pub(super) fn sha512_text(hash: &[u8; 64]) -> Vec<u8> {
    let mut text = Vec::with_capacity(86);
    let [mut a, mut b, mut c] = [0, 21, 42];
    for _ in 0..21 {
        push_three(&mut text, hash, [a, b, c], 4);
        [a, b, c] = [b + 1, c + 1, a + 1];
    }
    push_three(&mut text, hash, [NONE, NONE, 63], 2);
    text
}

/// MD5-crypt in its own order; the magic is `$1$` or `$apr1$`.
pub(super) fn md5(password: &[u8], magic: &[u8], salt: &[u8]) -> Vec<u8> {
    let inner = Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize();
    let mut context = Md5::new().chain_update(password).chain_update(magic).chain_update(salt);
    for _ in 0..password.len() / inner.len() {
        context.update(inner);
    }
    context.update(inner.get(..password.len() % inner.len()).unwrap_or_default());
    // For each bit of the length, from the lowest: a NUL for one that is set, the first letter for one that is not.
    let mut length = password.len();
    while length > 0 {
        context.update(if length & 1 == 1 { &[0] } else { password.get(..1).unwrap_or_default() });
        length >>= 1;
    }
    let mut hash = context.finalize();
    for round in 0..1000 {
        let mut context = Md5::new();
        let odd = round % 2 == 1;
        if odd {
            context.update(password)
        } else {
            context.update(hash)
        };
        if round % 3 != 0 {
            context.update(salt);
        }
        if round % 7 != 0 {
            context.update(password);
        }
        if odd {
            context.update(hash)
        } else {
            context.update(password)
        };
        hash = context.finalize();
    }
    let mut text = Vec::with_capacity(22);
    for places in [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]] {
        push_three(&mut text, &hash, places, 4);
    }
    push_three(&mut text, &hash, [NONE, NONE, 11], 2);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        for length in 0..40_u8 {
            let octets: Vec<u8> = (0..length).map(|octet| octet.wrapping_mul(37)).collect();
            assert_eq!(decode(&encode(&octets)), Some(octets));
        }
        for text in ["a", "aaaaa", "a$", "zz", "aaé"] {
            assert_eq!(decode(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn numbers_have_their_low_digits_first() {
        assert_eq!(number(b"6...."), Some(8));
        assert_eq!(number(b"./..."), Some(64));
        assert_eq!(number(b"zzzzz"), Some((1 << 30) - 1));
        assert_eq!(number(b"zzzzzz"), None);
        assert_eq!(number(b"6 "), None);
    }
}
