//! Object identifiers (X.660) as values: as they stand in DER for comparison, dotted for people, for the
//! configuration and for the command line.

use super::der::{self, DerError};
use std::fmt;
use std::str::FromStr;

/// How many octets the content of an identifier may have; those in use stay far below.
const MAX_OCTETS: usize = 128;

/// An object identifier, such as that of a certificate policy.
///
/// ```
/// use wicketgate::certificate::oid::Oid;
///
/// let policy: Oid = "2.16.840.1.101.3.2.1.48.1".parse()?;
/// assert_eq!(policy.to_string(), "2.16.840.1.101.3.2.1.48.1");
/// # Ok::<(), wicketgate::certificate::oid::OidError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Oid(Vec<u8>);

/// The text is no object identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OidError {
    /// It is not numbers with dots between them.
    #[error("an object identifier is numbers with dots between them, such as 1.3.6.1.4.1.311.20.2.2")]
    Form,
    /// Its first number is above 2, or the second above 39 below 0 or 1.
    #[error("an object identifier begins with 0.0 to 0.39, 1.0 to 1.39, or 2")]
    Root,
    /// It is longer than any that is in use.
    #[error(
        "an object identifier of more than {MAX_OCTETS} octets, or with a number of more than 128 bits, is not accepted"
    )]
    TooLong,
}

impl Oid {
    /// Takes the content of an OBJECT IDENTIFIER.
    ///
    /// # Errors
    /// When it is not in the one form that DER allows, or too long.
    pub fn from_content(content: &[u8]) -> Result<Self, DerError> {
        if content.len() > MAX_OCTETS {
            return Err(DerError::Value("an OBJECT IDENTIFIER"));
        }
        der::dotted(content)?;
        Ok(Self(content.to_vec()))
    }

    /// The content of its OBJECT IDENTIFIER.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The content was looked at when the value was made.
        f.write_str(&der::dotted(&self.0).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Oid({self})")
    }
}

impl FromStr for Oid {
    type Err = OidError;

    /// Reads the dotted form; a number has no leading zeros, so that there is one text for one identifier.
    fn from_str(text: &str) -> Result<Self, OidError> {
        let mut numbers = text.split('.').map(number);
        let (Some(root), Some(second)) = (numbers.next(), numbers.next()) else { return Err(OidError::Form) };
        let (root, second) = (root?, second?);
        if root > 2 || (root < 2 && second >= 40) {
            return Err(OidError::Root);
        }
        let mut content = Vec::new();
        push(second.checked_add(root * 40).ok_or(OidError::TooLong)?, &mut content);
        for number in numbers {
            push(number?, &mut content);
            if content.len() > MAX_OCTETS {
                return Err(OidError::TooLong);
            }
        }
        Ok(Self(content))
    }
}

fn number(text: &str) -> Result<u128, OidError> {
    let leading_zero = text.len() > 1 && text.starts_with('0');
    if text.is_empty() || leading_zero || !text.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(OidError::Form);
    }
    text.parse().map_err(|_| OidError::TooLong)
}

/// Writes a number in groups of seven bits, all but the last with the eighth bit set.
fn push(number: u128, content: &mut Vec<u8>) {
    let groups = (u128::BITS - number.leading_zeros()).div_ceil(7).max(1);
    for group in (0..groups).rev() {
        let bits = (number >> (group * 7) & 0x7f) as u8;
        content.push(if group == 0 { bits } else { bits | 0x80 });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_dotted_text_is_read_or_refused_by_name() {
        let long = format!("1.3{}", ".1".repeat(MAX_OCTETS));
        let cases: [(&str, Result<&[u8], OidError>); 16] = [
            ("2.5.29.32.0", Ok(&[0x55, 0x1d, 0x20, 0x00])),
            ("1.2.840.113549", Ok(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d])),
            ("0.0", Ok(&[0x00])),
            ("2.999.3", Ok(&[0x88, 0x37, 0x03])),
            ("", Err(OidError::Form)),
            ("1", Err(OidError::Form)),
            ("1.", Err(OidError::Form)),
            (".1.2", Err(OidError::Form)),
            ("1..2", Err(OidError::Form)),
            ("1.02", Err(OidError::Form)),
            ("1.+2", Err(OidError::Form)),
            ("1.2 ", Err(OidError::Form)),
            ("3.1", Err(OidError::Root)),
            ("1.40", Err(OidError::Root)),
            ("2.340282366920938463463374607431768211455", Err(OidError::TooLong)),
            (&long, Err(OidError::TooLong)),
        ];
        for (text, expected) in cases {
            let read = text.parse::<Oid>();
            assert_eq!(read.as_ref().map(Oid::content).map_err(|error| *error), expected, "{text}");
        }
    }

    #[test]
    fn content_that_is_not_der_is_refused() {
        for content in [&[][..], &[0x80, 0x01], &[0x55, 0x84], &[1; MAX_OCTETS + 1]] {
            assert!(Oid::from_content(content).is_err(), "{content:02x?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(root in 0u128..3, second in 0u128..40, numbers in proptest::collection::vec(any::<u128>(), 0..6)) {
            let text = [root, second].iter().chain(&numbers).map(u128::to_string).collect::<Vec<_>>().join(".");
            let oid: Oid = text.parse().unwrap();
            prop_assert_eq!(oid.to_string(), text);
            prop_assert_eq!(Oid::from_content(oid.content()), Ok(oid.clone()));
        }

        #[test]
        fn content_that_is_read_is_written_in_a_text_that_gives_it_back(content in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(oid) = Oid::from_content(&content) {
                prop_assert_eq!(oid.to_string().parse(), Ok(oid.clone()));
            }
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in "[0-9.]{0,60}|\\PC{0,20}") {
            if let Ok(oid) = text.parse::<Oid>() {
                prop_assert_eq!(oid.to_string(), text);
            }
        }
    }
}
