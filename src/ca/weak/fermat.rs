//! Fermat's way to factor: of two primes that lie close together the middle is near the square root of their product,
//! and the distance from it to either is the root of a square. Printers have made such keys (CVE-2022-26320).

use num_bigint::BigUint;

/// How far from the root it is looked. Keys that were found in the field fell within the first few.
const STEPS: u32 = 100;

/// Whether a modulus, big-endian, falls apart near its root.
pub(super) fn factors(modulus: &[u8]) -> bool {
    let modulus = BigUint::from_bytes_be(modulus);
    let mut middle = modulus.sqrt();
    if &middle * &middle < modulus {
        middle += 1_u32;
    }
    for _ in 0..STEPS {
        let square = &middle * &middle - &modulus;
        if is_square(&square) {
            return true;
        }
        middle += 1_u32;
    }
    false
}

fn is_square(number: &BigUint) -> bool {
    // A square leaves one of these when it is divided by 16: three of four numbers need no root.
    let low = number.iter_u32_digits().next().unwrap_or(0) % 16;
    matches!(low, 0 | 1 | 4 | 9) && {
        let root = number.sqrt();
        &root * &root == *number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number of 1024 bits, odd.
    fn large() -> BigUint {
        (BigUint::from(0xc0ff_ee11_u32) << 992_u32) + (BigUint::from(0x1234_5678_u32) << 300_u32) + 1_u32
    }

    #[test]
    fn close_factors_are_found_and_distant_ones_are_not() {
        let large = large();
        let near = &large + (BigUint::from(1_u32) << 400_u32);
        let far = &large + (BigUint::from(1_u32) << 1010_u32);
        for (other, found) in [(large.clone(), true), (&large + 2_u32, true), (near, true), (far, false)] {
            assert_eq!(factors(&(&large * other).to_bytes_be()), found);
        }
    }
}
