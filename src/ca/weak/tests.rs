//! Which keys are refused, and by which name.

use super::*;
use crate::ca::key::{KeyAlgorithm, SigningKey, SoftwareKey};
use num_bigint::BigUint;
use proptest::prelude::*;

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut octets = vec![tag];
    match length {
        0..0x80 => octets.push(length as u8),
        0x80..0x100 => octets.extend([0x81, length as u8]),
        _ => octets.extend([0x82, (length >> 8) as u8, length as u8]),
    }
    octets.extend(content);
    octets
}

fn integer(number: &BigUint) -> Vec<u8> {
    let mut octets = number.to_bytes_be();
    if octets[0] >= 0x80 {
        octets.insert(0, 0);
    }
    element(der::INTEGER, &octets)
}

fn rsa_key(modulus: &BigUint, exponent: u64) -> Vec<u8> {
    let numbers = [integer(modulus), integer(&exponent.into())].concat();
    let bits = [vec![0], element(der::SEQUENCE, &numbers)].concat();
    let algorithm = [element(der::OBJECT_IDENTIFIER, RSA_ENCRYPTION), vec![0x05, 0x00]].concat();
    element(der::SEQUENCE, &[element(der::SEQUENCE, &algorithm), element(der::BIT_STRING, &bits)].concat())
}

/// A number of so many bits without a small factor; nobody needs it to be a product of two primes.
fn modulus(bits: u64) -> BigUint {
    let mut number = (BigUint::from(1_u32) << (bits - 1)) + (BigUint::from(0xdead_beef_u32) << (bits / 3)) + 1_u32;
    while SMALL_PRIMES.iter().any(|prime| remainder(&number.to_bytes_be(), *prime) == 0) {
        number += 2_u32;
    }
    number
}

#[test]
fn an_rsa_key_is_refused_for_what_is_wrong_with_it() {
    let close = |bits: u64| {
        let factor = modulus(bits / 2) + (BigUint::from(1_u32) << (bits / 2 - 2));
        &factor * (&factor + 2_u32)
    };
    let cases = [
        (rsa_key(&modulus(2048), 65537), Ok(KeyKind::Rsa { bits: 2048 })),
        (rsa_key(&modulus(3072), 65539), Ok(KeyKind::Rsa { bits: 3072 })),
        (rsa_key(&modulus(2047), 65537), Err(WeakKey::Size(2047))),
        (rsa_key(&modulus(1024), 65537), Err(WeakKey::Size(1024))),
        (rsa_key(&modulus(8200), 65537), Err(WeakKey::Size(8200))),
        (rsa_key(&modulus(2048), 3), Err(WeakKey::Exponent)),
        (rsa_key(&modulus(2048), 65538), Err(WeakKey::Exponent)),
        (rsa_key(&modulus(2048), 1), Err(WeakKey::Exponent)),
        (rsa_key(&(modulus(2047) * 3_u32), 65537), Err(WeakKey::Divisible(3))),
        (rsa_key(&(modulus(2048) + 1_u32), 65537), Err(WeakKey::Divisible(2))),
    ];
    for (spki, expected) in cases {
        assert_eq!(PublicKey::read(&spki).map(|key| key.kind()), expected);
    }
    let spki = rsa_key(&close(2050), 65537);
    let refused = PublicKey::read(&spki).unwrap_err();
    assert!(matches!(refused, WeakKey::ClosePrimes | WeakKey::Divisible(_)), "{refused}");
}

#[test]
fn an_elliptic_curve_key_is_one_of_two_curves_and_not_compressed() {
    let key = SoftwareKey::generate().unwrap();
    let spki = key.public_key().to_vec();
    let read = PublicKey::read(&spki).unwrap();
    assert_eq!((read.kind(), read.spki()), (KeyKind::EcdsaP256, spki.as_slice()));
    assert_eq!(*read.hash(), sha256(&spki));
    let mut other_curve = spki.clone();
    other_curve[22] = 0x06;
    assert_eq!(PublicKey::read(&other_curve), Err(WeakKey::Unknown));
    let mut trailing = spki;
    trailing.push(0);
    assert_eq!(PublicKey::read(&trailing), Err(WeakKey::Unknown));
}

#[test]
fn a_point_that_everybody_signs_for_is_refused() {
    let spki = |point: [u8; 32]| {
        let bits = [vec![0], point.to_vec()].concat();
        let algorithm = element(der::SEQUENCE, &element(der::OBJECT_IDENTIFIER, ED25519));
        element(der::SEQUENCE, &[algorithm, element(der::BIT_STRING, &bits)].concat())
    };
    for text in SMALL_ORDER {
        let mut point: [u8; 32] = hex::decode(text).unwrap().try_into().unwrap();
        assert_eq!(PublicKey::read(&spki(point)), Err(WeakKey::SmallOrder));
        point[31] |= 0x80;
        assert_eq!(PublicKey::read(&spki(point)), Err(WeakKey::SmallOrder));
    }
    assert_eq!(PublicKey::read(&spki([7; 32])).map(|key| key.kind()), Ok(KeyKind::Ed25519));
}

#[test]
fn a_key_on_the_list_is_refused() {
    let key = PublicKey::read(SoftwareKey::generate().unwrap().public_key()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys");
    std::fs::write(&path, format!("# lost laptops\n\n{}\n{}\n", "00".repeat(32), hex::encode(key.hash()))).unwrap();
    let list = Compromised::read(std::slice::from_ref(&path)).unwrap();
    assert!(matches!(list.check(&key), Err(WeakKey::Compromised(_))));
    let other = PublicKey::read(SoftwareKey::generate().unwrap().public_key()).unwrap();
    assert_eq!(list.check(&other), Ok(()));
    assert_eq!(Compromised::default().check(&key), Ok(()));
    // Debian's lists know RSA keys by their moduli, and say nothing of others.
    let rsa = PublicKey::read(SoftwareKey::generate_of(KeyAlgorithm::Rsa2048).unwrap().public_key()).unwrap();
    let hash = hex::encode(&modulus_hash(rsa.spki()).unwrap());
    assert_eq!((hash.len(), modulus_hash(key.spki())), (20, None));
    std::fs::write(&path, format!("# blacklist.RSA-2048\n{}\n{hash}\n", "00".repeat(10))).unwrap();
    let debian = Compromised::read(std::slice::from_ref(&path)).unwrap();
    assert!(matches!(debian.check(&rsa), Err(WeakKey::Compromised(_))));
    assert_eq!(debian.check(&key), Ok(()));
    std::fs::write(&path, "00".repeat(32) + "\nabcd\n").unwrap();
    let error = Compromised::read(&[path]).unwrap_err();
    assert!(error.to_string().contains("line 2"), "{error}");
    assert!(Compromised::read(&[directory.path().join("missing")]).is_err());
}

proptest! {
    #[test]
    fn no_octets_upset_the_reader(octets in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = PublicKey::read(&octets);
    }
}
