//! A strict reader of DER (X.690), as far as certificates and revocation lists need one. It borrows,
//! allocates nothing and allows one spelling of everything: definite lengths in their shortest form,
//! tags below 31, nothing left over. What an element means is for its caller to say.
//!
//! `x509-parser` passes over octets that are left inside a SEQUENCE, and needs gigabytes for a list of a
//! million revoked certificates; whatever this gate decides by is therefore framed here.

use crate::base::clock::Timestamp;
use std::fmt::Write;
use time::{Date, Month};

/// BOOLEAN.
pub const BOOLEAN: u8 = 0x01;
/// INTEGER.
pub const INTEGER: u8 = 0x02;
/// BIT STRING.
pub const BIT_STRING: u8 = 0x03;
/// OCTET STRING.
pub const OCTET_STRING: u8 = 0x04;
/// OBJECT IDENTIFIER.
pub const OBJECT_IDENTIFIER: u8 = 0x06;
/// ENUMERATED.
pub const ENUMERATED: u8 = 0x0a;
/// UTCTime.
pub const UTC_TIME: u8 = 0x17;
/// GeneralizedTime.
pub const GENERALIZED_TIME: u8 = 0x18;
/// SEQUENCE and SEQUENCE OF.
pub const SEQUENCE: u8 = 0x30;
/// SET and SET OF.
pub const SET: u8 = 0x31;

/// The tag `[number]` of a constructed element, number below 31.
#[must_use]
pub const fn constructed(number: u8) -> u8 {
    0xa0 | number
}

/// The tag `[number]` of a primitive element, number below 31.
#[must_use]
pub const fn primitive(number: u8) -> u8 {
    0x80 | number
}

/// Why octets are not the DER that was expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DerError {
    /// Fewer octets than a length promises, or none at all.
    #[error("it ends too early")]
    Truncated,
    /// A length is indefinite, above 4 GiB or not in its shortest form.
    #[error("a length is not encoded as DER demands")]
    Length,
    /// A tag of more than one octet, which nothing in a certificate has.
    #[error("a tag is above 30")]
    HighTag,
    /// Another element was expected.
    #[error("an element has the tag {found:#04x} where {expected:#04x} belongs")]
    Tag {
        /// The tag that belongs there.
        expected: u8,
        /// The tag that stands there.
        found: u8,
    },
    /// Octets behind the last element that belongs there.
    #[error("octets are left over behind its end")]
    Leftover,
    /// A value breaks the rules of its type.
    #[error("{0} is malformed")]
    Value(&'static str),
}

/// One element: tag, content, and the octets of both with the length between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    /// The tag octet.
    pub tag: u8,
    /// What is inside.
    pub content: &'a [u8],
    /// The element from its tag to its end.
    pub whole: &'a [u8],
}

/// The tag and the length that stand before an element's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The tag octet.
    pub tag: u8,
    /// How many octets both have together: 2 to 6.
    pub octets: usize,
    /// How many octets the content has.
    pub content: usize,
}

/// Reads the head of the element that begins these octets; its content need not be among them.
///
/// # Errors
/// When there is none, or it is not DER.
pub fn head(octets: &[u8]) -> Result<Head, DerError> {
    let (&tag, behind_tag) = octets.split_first().ok_or(DerError::Truncated)?;
    if tag & 0x1f == 0x1f {
        return Err(DerError::HighTag);
    }
    let (&first, behind) = behind_tag.split_first().ok_or(DerError::Truncated)?;
    let count = match first {
        0..=0x7f => return Ok(Head { tag, octets: 2, content: usize::from(first) }),
        0x81..=0x84 => usize::from(first & 0x7f),
        _ => return Err(DerError::Length),
    };
    let length = behind.get(..count).ok_or(DerError::Truncated)?;
    let content = length.iter().fold(0, |length: usize, octet| length << 8 | usize::from(*octet));
    if content < 0x80 || length.first() == Some(&0) {
        return Err(DerError::Length);
    }
    Ok(Head { tag, octets: 2 + count, content })
}

/// Reads element after element.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of the elements that stand in these octets one behind the other.
    #[must_use]
    pub fn new(octets: &'a [u8]) -> Self {
        Self { rest: octets }
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The tag of the next element, if there is one.
    #[must_use]
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next element, whatever it is.
    ///
    /// # Errors
    /// When there is none, or it is not DER.
    pub fn element(&mut self) -> Result<Element<'a>, DerError> {
        let Head { tag, octets, content } = head(self.rest)?;
        let (whole, rest) = octets
            .checked_add(content)
            .and_then(|length| self.rest.split_at_checked(length))
            .ok_or(DerError::Truncated)?;
        let content = whole.get(octets..).ok_or(DerError::Truncated)?;
        self.rest = rest;
        Ok(Element { tag, content, whole })
    }

    /// The next element, which must have this tag.
    ///
    /// # Errors
    /// When there is none, it is not DER, or has another tag.
    pub fn expect(&mut self, tag: u8) -> Result<Element<'a>, DerError> {
        match self.peek() {
            Some(found) if found != tag => Err(DerError::Tag { expected: tag, found }),
            _ => self.element(),
        }
    }

    /// The next element if it has this tag.
    ///
    /// # Errors
    /// When it has the tag and is not DER.
    pub fn optional(&mut self, tag: u8) -> Result<Option<Element<'a>>, DerError> {
        if self.peek() == Some(tag) { self.element().map(Some) } else { Ok(None) }
    }

    /// A reader of the next element's content; the element must have this tag.
    ///
    /// # Errors
    /// As [`Reader::expect`].
    pub fn inside(&mut self, tag: u8) -> Result<Reader<'a>, DerError> {
        Ok(Reader::new(self.expect(tag)?.content))
    }

    /// Ends the reading: nothing may be left.
    ///
    /// # Errors
    /// When something is.
    pub fn finish(self) -> Result<(), DerError> {
        if self.is_empty() { Ok(()) } else { Err(DerError::Leftover) }
    }

    /// A BOOLEAN, `false` where none stands.
    ///
    /// # Errors
    /// When one stands there that is neither `00` nor `ff`.
    pub fn default_false(&mut self) -> Result<bool, DerError> {
        match self.optional(BOOLEAN)?.map(|element| element.content) {
            None | Some([0x00]) => Ok(false),
            Some([0xff]) => Ok(true),
            Some(_) => Err(DerError::Value("a BOOLEAN")),
        }
    }

    /// The octets of an INTEGER without leading zeros; zero is one octet. The sign is not looked at:
    /// serial numbers are compared, not computed with.
    ///
    /// # Errors
    /// When none stands there or it has more octets than it needs.
    pub fn integer(&mut self) -> Result<&'a [u8], DerError> {
        match self.expect(INTEGER)?.content {
            [] => Err(DerError::Value("an INTEGER")),
            [0x00, second, ..] if *second < 0x80 => Err(DerError::Value("an INTEGER")),
            [0xff, second, ..] if *second >= 0x80 => Err(DerError::Value("an INTEGER")),
            [0x00, rest @ ..] if !rest.is_empty() => Ok(rest),
            octets => Ok(octets),
        }
    }

    /// The octets of a BIT STRING that has no unused bits.
    ///
    /// # Errors
    /// When none stands there or it has unused bits.
    pub fn octets_of_bit_string(&mut self) -> Result<&'a [u8], DerError> {
        match self.expect(BIT_STRING)?.content {
            [0, octets @ ..] => Ok(octets),
            _ => Err(DerError::Value("a BIT STRING")),
        }
    }

    /// A UTCTime or GeneralizedTime in the only forms that RFC 5280 allows (section 4.1.2.5): with
    /// seconds, without fractions, in UTC. A two-digit year is one of 1950 to 2049.
    ///
    /// # Errors
    /// When none stands there or it has another form.
    pub fn time(&mut self) -> Result<Timestamp, DerError> {
        let element = self.element()?;
        let (year_digits, year_base) = match element.tag {
            UTC_TIME => (2, None),
            GENERALIZED_TIME => (4, Some(0)),
            found => return Err(DerError::Tag { expected: UTC_TIME, found }),
        };
        timestamp(element.content, year_digits, year_base).ok_or(DerError::Value("a time"))
    }
}

fn timestamp(text: &[u8], year_digits: usize, year_base: Option<i32>) -> Option<Timestamp> {
    let (year, rest) = text.split_at_checked(year_digits)?;
    let [m1, m2, d1, d2, h1, h2, n1, n2, s1, s2, b'Z'] = *rest else { return None };
    let number = |digits: &[u8]| {
        digits
            .iter()
            .try_fold(0, |value: i32, digit| digit.is_ascii_digit().then(|| value * 10 + i32::from(digit - b'0')))
    };
    let pair = |tens, ones| number(&[tens, ones]).and_then(|value| u8::try_from(value).ok());
    let year = number(year)?;
    let year = year + year_base.unwrap_or(if year < 50 { 2000 } else { 1900 });
    let date = Date::from_calendar_date(year, Month::try_from(pair(m1, m2)?).ok()?, pair(d1, d2)?).ok()?;
    let at = date.with_hms(pair(h1, h2)?, pair(n1, n2)?, pair(s1, s2)?).ok()?;
    Some(Timestamp::from_unix(at.assume_utc().unix_timestamp()))
}

/// The content of the single element that these octets are.
///
/// # Errors
/// When they are not DER, not of this tag, or more than one element.
pub fn single(octets: &[u8], tag: u8) -> Result<&[u8], DerError> {
    let mut reader = Reader::new(octets);
    let element = reader.expect(tag)?;
    reader.finish()?;
    Ok(element.content)
}

/// The dotted form of an OBJECT IDENTIFIER's content: `2.5.4.3`.
///
/// # Errors
/// When an arc is cut off, not in its shortest form, or above 128 bits.
pub fn dotted(identifier: &[u8]) -> Result<String, DerError> {
    const MALFORMED: DerError = DerError::Value("an OBJECT IDENTIFIER");
    if identifier.last().is_none_or(|last| *last >= 0x80) {
        return Err(MALFORMED);
    }
    let mut text = String::with_capacity(4 * identifier.len());
    for arc in identifier.split_inclusive(|octet| *octet < 0x80) {
        if arc.first() == Some(&0x80) {
            return Err(MALFORMED);
        }
        let value = arc
            .iter()
            .try_fold(0, |value: u128, octet| Some(value.checked_mul(1 << 7)? | u128::from(octet & 0x7f)))
            .ok_or(MALFORMED)?;
        let (before, value) = match (text.is_empty(), value) {
            (true, 0..40) => ("0.", value),
            (true, 40..80) => ("1.", value - 40),
            (true, _) => ("2.", value - 80),
            (false, _) => (".", value),
        };
        text.push_str(before);
        // A certificate has a dozen identifiers, and the digits of small numbers are found sooner. Writing to memory never fails.
        let _ = match u32::try_from(value) {
            Ok(small) => write!(text, "{small}"),
            Err(_) => write!(text, "{value}"),
        };
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_element_is_read_in_one_spelling_only() {
        type Read<'a> = Result<&'a [u8], DerError>;
        let cases: [(&[u8], Read<'_>); 12] = [
            (&[0x04, 0x01, 0xaa], Ok(&[0xaa])),
            (&[0x04, 0x00], Ok(&[])),
            (&[], Err(DerError::Truncated)),
            (&[0x04], Err(DerError::Truncated)),
            (&[0x04, 0x02, 0xaa], Err(DerError::Truncated)),
            (&[0x04, 0x82, 0x01], Err(DerError::Truncated)),
            (&[0x04, 0x80, 0x00, 0x00], Err(DerError::Length)),
            (&[0x04, 0x81, 0x01, 0xaa], Err(DerError::Length)),
            (&[0x04, 0x82, 0x00, 0x80], Err(DerError::Length)),
            (&[0x04, 0x85, 0, 0, 0, 0, 1, 0xaa], Err(DerError::Length)),
            (&[0x1f, 0x81, 0x01, 0x00], Err(DerError::HighTag)),
            (&[0x04, 0x01, 0xaa, 0xbb], Err(DerError::Leftover)),
        ];
        for (octets, expected) in cases {
            let mut reader = Reader::new(octets);
            let read = reader.element().and_then(|element| reader.finish().map(|()| element.content));
            assert_eq!(read, expected, "{octets:02x?}");
        }
    }

    #[test]
    fn a_long_element_is_read_with_the_octets_around_its_content() {
        let octets = [&[0x30, 0x82, 0x01, 0x00][..], &[7; 256], &[0x05, 0x00]].concat();
        let mut reader = Reader::new(&octets);
        let element = reader.expect(SEQUENCE).unwrap();
        assert_eq!((element.content, element.whole), (&octets[4..260], &octets[..260]));
        assert_eq!(reader.peek(), Some(0x05));
    }

    #[test]
    fn an_integer_loses_its_sign_octet_and_nothing_else() {
        let cases: [(&[u8], Option<&[u8]>); 7] = [
            (&[0x00], Some(&[0x00])),
            (&[0x7f], Some(&[0x7f])),
            (&[0x00, 0x80], Some(&[0x80])),
            (&[0xff, 0x00], Some(&[0xff, 0x00])),
            (&[], None),
            (&[0x00, 0x7f], None),
            (&[0xff, 0x80], None),
        ];
        for (content, expected) in cases {
            let octets = [&[INTEGER, u8::try_from(content.len()).unwrap()], content].concat();
            assert_eq!(Reader::new(&octets).integer().ok(), expected, "{content:02x?}");
        }
    }

    #[test]
    fn a_time_has_seconds_and_is_in_utc() {
        let cases = [
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (UTC_TIME, "500101000000Z", Some(-631_152_000)),
            (UTC_TIME, "261121095332Z", Some(1_795_254_812)),
            (GENERALIZED_TIME, "20261121095332Z", Some(1_795_254_812)),
            (GENERALIZED_TIME, "99991231235959Z", Some(Timestamp::FAR_FUTURE.as_unix())),
            (UTC_TIME, "2611210953Z", None),
            (UTC_TIME, "261121095332+0000", None),
            (UTC_TIME, "260231095332Z", None),
            (UTC_TIME, "261121095360Z", None),
            (UTC_TIME, "26112109533 Z", None),
            (GENERALIZED_TIME, "20261121095332.5Z", None),
            (GENERALIZED_TIME, "261121095332Z", None),
            (OCTET_STRING, "261121095332Z", None),
        ];
        for (tag, text, expected) in cases {
            let octets = [&[tag, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
            assert_eq!(Reader::new(&octets).time().ok().map(Timestamp::as_unix), expected, "{text}");
        }
    }

    #[test]
    fn an_object_identifier_is_written_with_dots() {
        let largest = [&[0x69, 0x83][..], &[0xff; 17], &[0x7f]].concat();
        let too_large = [&[0x69, 0x84][..], &[0x80; 17], &[0x00]].concat();
        let cases: [(&[u8], Option<&str>); 10] = [
            (&[0x55, 0x04, 0x03], Some("2.5.4.3")),
            // 2.25 is followed by a whole UUID.
            (&largest, Some("2.25.340282366920938463463374607431768211455")),
            (&too_large, None),
            (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01], Some("1.2.840.113549.1.9.1")),
            (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01], Some("0.9.2342.19200300.100.1.1")),
            (&[0x88, 0x37, 0x03], Some("2.999.3")),
            (&[], None),
            (&[0x55, 0x84], None),
            (&[0x55, 0x80, 0x01], None),
            (&[0xff; 20], None),
        ];
        for (content, expected) in cases {
            assert_eq!(dotted(content).ok().as_deref(), expected, "{content:02x?}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_a_panic(octets in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader::new(&octets);
            let mut total = 0;
            while let Ok(element) = reader.element() {
                total += element.whole.len();
                let _ = (Reader::new(element.whole).integer(), Reader::new(element.whole).time(), dotted(element.content));
            }
            prop_assert!(total <= octets.len());
        }
    }
}
