//! The passwords that PKCS#12 files are given: drawn here, or chosen by a person. How one came about
//! decides what a guess of it must cost, for nobody tries 2^100 of them however cheap each is, while what
//! people choose is among the first million. Passphrases of the authority's own keys are not its business.

use crate::base::secret::Secret;
use zeroize::Zeroizing;

/// Letters and digits of which no two look alike (Crockford's base 32, in lower case): there is no i, l, o
/// to be taken for 1 or 0, and no u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// How many symbols stand together, and how many such groups there are: 20 symbols of 5 bits each.
const GROUP: usize = 4;
const GROUPS: usize = 5;

/// How many bits a generated password holds.
pub const GENERATED_BITS: usize = GROUP * GROUPS * 5;

/// What a person chooses has at least so many characters (NIST SP 800-63B, section 5.1.1.2).
const SHORTEST: usize = 8;

/// More would only keep the key derivation busy.
const LONGEST: usize = 256;

/// A password, which `Debug` does not show, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Password {
    secret: Secret,
    origin: Origin,
}

/// Where a password comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Drawn here, with [`GENERATED_BITS`] bits.
    Generated,
    /// A person's choice.
    Chosen,
}

/// A password cannot be had or used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// The system gives no random octets.
    #[error("cannot generate a password: the system gives no random octets")]
    Random,
    /// It is not UTF-8.
    #[error("the password is not UTF-8 text")]
    NotText,
    /// It is too short to withstand guessing at all.
    #[error("the password has {0} characters: it needs at least {SHORTEST}")]
    Short(usize),
    /// It is too long.
    #[error("the password has more than {LONGEST} characters")]
    Long,
    /// PKCS#12 writes passwords in UCS-2 (RFC 7292, appendix B.1), and nobody can type control characters.
    #[error("the password has a character that programs which import PKCS#12 files cannot take")]
    Character,
}

/// A new password of 100 random bits, to be read out or typed: `7k2m-9xqf-0tbd-hw4r-s6ev`. The hyphens
/// belong to it.
///
/// # Errors
/// When the system gives no random octets.
pub fn generate() -> Result<Password, PasswordError> {
    let mut random = Zeroizing::new([0; GROUP * GROUPS]);
    aws_lc_rs::rand::fill(random.as_mut_slice()).map_err(|_| PasswordError::Random)?;
    // Reserved whole, so that no growing leaves a copy behind.
    let mut text = Vec::with_capacity((GROUP + 1) * GROUPS);
    for group in random.chunks(GROUP) {
        if !text.is_empty() {
            text.push(b'-');
        }
        // 256 is a multiple of 32: every symbol is as likely as another.
        text.extend(group.iter().filter_map(|octet| ALPHABET.get(usize::from(octet % 32))));
    }
    Ok(Password { secret: Secret::new(text), origin: Origin::Generated })
}

impl Password {
    /// A password that a person has chosen.
    ///
    /// # Errors
    /// When it has fewer than 8 or more than 256 characters, or such as no PKCS#12 file can have.
    pub fn chosen(secret: Secret) -> Result<Self, PasswordError> {
        let text = secret.expose_str().ok_or(PasswordError::NotText)?;
        let length = text.chars().count();
        if length < SHORTEST {
            return Err(PasswordError::Short(length));
        }
        if length > LONGEST {
            return Err(PasswordError::Long);
        }
        if text.chars().any(|character| character.is_control() || u32::from(character) > 0xffff) {
            return Err(PasswordError::Character);
        }
        Ok(Self { secret, origin: Origin::Chosen })
    }

    /// The password itself.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// Where it comes from.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.origin
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_generated_password_has_five_groups_of_symbols_that_are_not_confused() {
        let password = generate().unwrap();
        let text = password.secret().expose_str().unwrap();
        let groups: Vec<_> = text.split('-').collect();
        assert_eq!(groups.iter().map(|group| group.len()).collect::<Vec<_>>(), [4; 5], "{text}");
        assert!(groups.concat().bytes().all(|symbol| ALPHABET.contains(&symbol)), "{text}");
        assert_eq!(password.origin(), Origin::Generated);
        const { assert!(GENERATED_BITS >= 96) };
    }

    #[test]
    fn every_symbol_occurs_and_no_password_twice() {
        let drawn: HashSet<_> =
            (0..1000).map(|_| generate().unwrap().secret().expose_str().unwrap().to_owned()).collect();
        assert_eq!(drawn.len(), 1000);
        let symbols: HashSet<_> = drawn.iter().flat_map(|text| text.bytes()).collect();
        // 32 symbols and the hyphen: with 20,000 draws one is absent once in 10^275 runs.
        assert_eq!(symbols.len(), 33);
    }

    #[test]
    fn a_chosen_password_must_be_one_that_importers_can_take() {
        let long = "x".repeat(257);
        let cases: [(&[u8], Option<PasswordError>); 9] = [
            (b"wicketgate", None),
            ("wicketgåte".as_bytes(), None),
            (b"12345678", None),
            (b"1234567", Some(PasswordError::Short(7))),
            ("ååååååå".as_bytes(), Some(PasswordError::Short(7))),
            (b"", Some(PasswordError::Short(0))),
            (long.as_bytes(), Some(PasswordError::Long)),
            (b"wicket\ngate", Some(PasswordError::Character)),
            ("wicketgate\u{1f6aa}".as_bytes(), Some(PasswordError::Character)),
        ];
        for (octets, expected) in cases {
            let chosen = Password::chosen(Secret::new(octets.to_vec()));
            assert_eq!(chosen.err(), expected, "{octets:?}");
        }
        assert_eq!(Password::chosen(Secret::new(vec![0xff; 9])), Err(PasswordError::NotText));
    }

    #[test]
    fn a_password_is_never_shown() {
        assert_eq!(
            format!("{:?}", Password::chosen(Secret::from("wicketgate")).unwrap()),
            "Password { secret: [secret], origin: Chosen }"
        );
    }
}
