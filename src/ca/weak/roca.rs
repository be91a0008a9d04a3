//! The fingerprint of keys from a chip's broken generator (CVE-2017-15361, Nemec and others, "The Return of
//! Coppersmith's Attack", section 2). Each prime is k·M + (65537^a mod M) for M the product of the first primes, so that
//! the modulus is a power of 65537 modulo every one of them; another modulus is that by chance once in some 2^27.

use super::{SMALL_PRIMES, remainder};

/// Whether a modulus, big-endian, bears the fingerprint.
pub(super) fn is_vulnerable(modulus: &[u8]) -> bool {
    SMALL_PRIMES.iter().skip(1).all(|prime| is_power(remainder(modulus, *prime), *prime))
}

/// Whether a number is a power of 65537 modulo a prime.
fn is_power(number: u32, prime: u32) -> bool {
    let generator = 65537 % prime;
    std::iter::successors(Some(1), |power| Some(power * generator % prime))
        .take(usize::try_from(prime).unwrap_or(0))
        .any(|power| power == number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_bigint::BigUint;

    #[test]
    fn a_product_of_such_primes_is_told_from_other_numbers() {
        let product = SMALL_PRIMES.iter().fold(BigUint::from(1_u32), |product, prime| product * *prime);
        let made = |k: u32, a: u32| {
            (&product * (BigUint::from(k) << 700_u32)) + BigUint::from(65537_u32).modpow(&a.into(), &product)
        };
        let broken = made(12345, 77) * made(54321, 1234);
        assert!(is_vulnerable(&broken.to_bytes_be()));
        let sound =
            (0_u32..200).map(|step| &broken + 2 * step + 2_u32).filter(|number| is_vulnerable(&number.to_bytes_be()));
        assert_eq!(sound.count(), 0);
    }
}
