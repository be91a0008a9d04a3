//! The body of an enrolment: a PKCS#10 request in DER as base64 (RFC 7030, section 4.2.1; RFC 8951, section 3). Line
//! ends and blanks may stand anywhere, and `Content-Transfer-Encoding` says nothing. What the request asks for, and
//! whether its signature is right, is found out by the authority; here it is only made sure that it is one
//! element of DER of a bounded size.

use crate::certificate::der::{self, DerError, SEQUENCE};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The largest request in DER, in octets. One for an RSA key of 4096 bits with all attributes that are ever sent has
/// three thousand; a post-quantum one has ten thousand.
pub const MOST_DER: usize = 32 * 1024;

/// The largest body, in octets: base64, with a line end after every 64 characters, and room to spare.
pub const MOST_BODY: usize = 48 * 1024;

/// How PEM begins, which people send by mistake.
const PEM: &[u8] = b"-----BEGIN";

/// A body is no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// There is nothing in it.
    #[error("the body is empty; it should be a PKCS#10 request in DER, as base64")]
    Empty,
    /// It is too large.
    #[error("the request is larger than {MOST_DER} octets")]
    TooLarge,
    /// It is PEM.
    #[error("the body is PEM; send the base64 between its lines, or the DER of the request as base64")]
    Pem,
    /// It is something else than base64.
    #[error("the body is not base64 (RFC 4648, section 4): the character at {0} does not belong there")]
    Character(usize),
    /// It is cut short or padded wrongly.
    #[error("the body is not base64 (RFC 4648, section 4): it is cut short or padded wrongly")]
    Length,
    /// What is inside is not one element of DER.
    #[error("the body does not hold a request in DER: {0}")]
    Der(DerError),
}

/// The request in DER.
///
/// # Errors
/// When it is not base64 of one SEQUENCE of at most [`MOST_DER`] octets.
pub fn decode(body: &[u8]) -> Result<Vec<u8>, BodyError> {
    if body.len() > MOST_BODY {
        return Err(BodyError::TooLarge);
    }
    if body.trim_ascii_start().starts_with(PEM) {
        return Err(BodyError::Pem);
    }
    let mut text = Vec::with_capacity(body.len());
    for (at, octet) in body.iter().enumerate() {
        match octet {
            b' ' | b'\t' | b'\r' | b'\n' => {}
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' | b'=' => text.push(*octet),
            _ => return Err(BodyError::Character(at)),
        }
    }
    if text.is_empty() {
        return Err(BodyError::Empty);
    }
    let request = STANDARD.decode(text).map_err(|_| BodyError::Length)?;
    let head = der::head(&request).map_err(BodyError::Der)?;
    if head.tag != SEQUENCE {
        return Err(BodyError::Der(DerError::Tag { expected: SEQUENCE, found: head.tag }));
    }
    match request.len().cmp(&head.octets.saturating_add(head.content)) {
        std::cmp::Ordering::Less => Err(BodyError::Der(DerError::Truncated)),
        std::cmp::Ordering::Greater => Err(BodyError::Der(DerError::Leftover)),
        std::cmp::Ordering::Equal if request.len() > MOST_DER => Err(BodyError::TooLarge),
        std::cmp::Ordering::Equal => Ok(request),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn base64_is_read_with_and_without_line_breaks() {
        let der = [&[0x30, 0x81, 0x80][..], &[7; 128]].concat();
        let text = STANDARD.encode(&der);
        let broken: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        for body in [
            text.clone(),
            format!("{text}\n"),
            format!("\r\n {text}\r\n\r\n"),
            broken.join("\n"),
            broken.join("\r\n"),
            broken.join("\r\n\t") + "\r\n",
        ] {
            assert_eq!(decode(body.as_bytes()).as_ref(), Ok(&der), "{body}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused_with_a_reason() {
        let of = |der: &[u8]| STANDARD.encode(der);
        let large = [&[0x30, 0x82, 0x80, 0x00][..], &[0; 0x8000]].concat();
        let huge = "A".repeat(MOST_BODY + 1);
        for (body, expected) in [
            (String::new(), BodyError::Empty),
            (" \r\n".to_owned(), BodyError::Empty),
            ("-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n".to_owned(), BodyError::Pem),
            ("MAA=\u{0}".to_owned(), BodyError::Character(4)),
            ("MA-_".to_owned(), BodyError::Character(2)),
            ("\u{30}\u{82}\u{1}".to_owned(), BodyError::Character(1)),
            ("MAA".to_owned(), BodyError::Length),
            ("MAB=".to_owned(), BodyError::Length),
            ("MAA=MAA=".to_owned(), BodyError::Length),
            ("=".to_owned(), BodyError::Length),
            (of(&[0x30, 1]), BodyError::Der(DerError::Truncated)),
            (of(&[0x30, 0, 0]), BodyError::Der(DerError::Leftover)),
            (of(&[0x30, 0x80, 0, 0]), BodyError::Der(DerError::Length)),
            (of(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), BodyError::Der(DerError::Truncated)),
            (of(&[0x31, 0]), BodyError::Der(DerError::Tag { expected: SEQUENCE, found: 0x31 })),
            (of(&large), BodyError::TooLarge),
            (huge, BodyError::TooLarge),
        ] {
            let shown: String = body.chars().take(40).collect();
            assert_eq!(decode(body.as_bytes()), Err(expected), "{shown:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(der) = decode(&body) {
                prop_assert_eq!(der.first(), Some(&SEQUENCE));
            }
        }

        #[test]
        fn a_request_survives_any_breaking_of_lines(
            content in proptest::collection::vec(any::<u8>(), 0..127),
            breaks in proptest::collection::vec((0usize..200, "[ \t\r\n]{1,3}"), 0..10),
        ) {
            let der = [&[0x30, u8::try_from(content.len()).unwrap()][..], &content].concat();
            let mut text = STANDARD.encode(&der);
            for (at, blank) in breaks {
                text.insert_str(at.min(text.len()), &blank);
            }
            prop_assert_eq!(decode(text.as_bytes()), Ok(der));
        }
    }
}
