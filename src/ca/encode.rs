//! Writes DER (X.690) for what is too large, or too far from certificates, for the types of `x509-cert`:
//! revocation lists of many entries and OCSP answers. `certificate::der` reads.

use crate::base::clock::Timestamp;
use crate::certificate::der::{
    BIT_STRING, ENUMERATED, GENERALIZED_TIME, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, UTC_TIME,
};
use time::OffsetDateTime;

/// NULL.
pub const NULL: &[u8] = &[0x05, 0x00];

/// One element around these parts.
#[must_use]
pub fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut octets = Vec::with_capacity(length + 6);
    head(&mut octets, tag, length);
    parts.iter().for_each(|part| octets.extend_from_slice(part));
    octets
}

/// Appends a tag and a length in its shortest form.
pub fn head(octets: &mut Vec<u8>, tag: u8, length: usize) {
    octets.push(tag);
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => octets.push(short),
        _ => {
            let zeros = length.to_be_bytes().iter().take_while(|octet| **octet == 0).count();
            let significant = size_of::<usize>() - zeros;
            octets.push(0x80 | u8::try_from(significant).unwrap_or_default());
            octets.extend(length.to_be_bytes().iter().skip(zeros));
        }
    }
}

/// A SEQUENCE of these parts.
#[must_use]
pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(SEQUENCE, parts)
}

/// An OCTET STRING.
#[must_use]
pub fn octet_string(octets: &[u8]) -> Vec<u8> {
    element(OCTET_STRING, &[octets])
}

/// A BIT STRING without unused bits.
#[must_use]
pub fn bit_string(octets: &[u8]) -> Vec<u8> {
    element(BIT_STRING, &[&[0], octets])
}

/// An OBJECT IDENTIFIER of this content.
#[must_use]
pub fn identifier(content: &[u8]) -> Vec<u8> {
    element(OBJECT_IDENTIFIER, &[content])
}

/// An ENUMERATED below 128.
#[must_use]
pub fn enumerated(value: u8) -> Vec<u8> {
    element(ENUMERATED, &[&[value]])
}

/// A positive INTEGER of these octets, big-endian.
#[must_use]
pub fn unsigned(octets: &[u8]) -> Vec<u8> {
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    let significant = octets.get(zeros..).unwrap_or_default();
    // A first bit would be taken for the sign, and zero is one octet.
    let sign: &[u8] = if significant.first().is_none_or(|first| *first >= 0x80) { &[0] } else { &[] };
    element(INTEGER, &[sign, significant])
}

/// A GeneralizedTime in UTC, to the second: the only form of times in OCSP (RFC 6960, section 4.2.2.1).
#[must_use]
pub fn generalized_time(at: Timestamp) -> Vec<u8> {
    let (year, rest) = digits(at);
    element(GENERALIZED_TIME, &[format!("{year:04}{rest}").as_bytes()])
}

/// A time as certificates and revocation lists write it: UTCTime until 2049, GeneralizedTime from 2050 on
/// (RFC 5280, section 4.1.2.5).
#[must_use]
pub fn time(at: Timestamp) -> Vec<u8> {
    match digits(at) {
        (year @ 1950..=2049, rest) => element(UTC_TIME, &[format!("{:02}{rest}", year % 100).as_bytes()]),
        _ => generalized_time(at),
    }
}

/// The year, and all digits after it. What lies outside the years that can be written is brought to their end.
fn digits(at: Timestamp) -> (i32, String) {
    let seconds = at.as_unix().clamp(0, Timestamp::FAR_FUTURE.as_unix());
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (month, day) = (u8::from(at.month()), at.day());
    let (hour, minute, second) = at.to_hms();
    (at.year(), format!("{month:02}{day:02}{hour:02}{minute:02}{second:02}Z"))
}

/// An extension (RFC 5280, section 4.1): the content of its identifier, whether it is critical, its value in DER.
#[must_use]
pub fn extension(id: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[0x01, 0x01, 0xff] } else { &[] };
    sequence(&[&identifier(id), critical, &octet_string(value)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::der::Reader;
    use proptest::prelude::*;

    #[test]
    fn times_are_written_as_rfc_5280_wants_them() {
        for (at, expected) in [
            ("2026-11-21T09:53:32Z", "\x17\x0d261121095332Z"),
            ("2049-12-31T23:59:59Z", "\x17\x0d491231235959Z"),
            ("2050-01-01T00:00:00Z", "\x18\x0f20500101000000Z"),
        ] {
            assert_eq!(time(at.parse().unwrap()), expected.as_bytes(), "{at}");
        }
        assert_eq!(generalized_time(Timestamp::from_unix(0)), b"\x18\x0f19700101000000Z");
    }

    #[test]
    fn an_integer_is_positive_and_in_its_shortest_form() {
        for (octets, expected) in [
            (&[][..], &[2, 1, 0][..]),
            (&[0, 0], &[2, 1, 0]),
            (&[0, 5], &[2, 1, 5]),
            (&[0x7f], &[2, 1, 0x7f]),
            (&[0x80], &[2, 2, 0, 0x80]),
            (&[0, 0, 0xff, 1], &[2, 3, 0, 0xff, 1]),
        ] {
            assert_eq!(unsigned(octets), expected, "{octets:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(length in prop_oneof![0_usize..300, 65_000_usize..70_000], seconds in 0_i64..253_402_300_799) {
            let content = vec![0xab; length];
            let octets = octet_string(&content);
            let mut reader = Reader::new(&octets);
            prop_assert_eq!(reader.expect(OCTET_STRING).unwrap().content, content.as_slice());
            prop_assert!(reader.is_empty());
            let at = Timestamp::from_unix(seconds);
            // A two-digit year is one of 1950 to 2049, so that what lies in between is read as it was written.
            prop_assert_eq!(Reader::new(&time(at)).time().unwrap(), at);
            prop_assert_eq!(Reader::new(&generalized_time(at)).time().unwrap(), at);
        }
    }
}
