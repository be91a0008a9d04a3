//! Reads `index.txt`, the text in which `openssl ca` keeps what it issued (openssl-ca(1); it is written by OpenSSL's
//! `TXT_DB`). A line is a certificate: its status, notAfter, the revocation if there is one, the serial number, a
//! file's name and the subject, with tabs between them. Nothing is guessed at: a line that is not understood would
//! be a certificate that nobody can revoke, or one that counts again.

use crate::base::clock::Timestamp;
use crate::base::hex;
use crate::ca::register::Reason;

/// The longest line, in octets.
const LONGEST_LINE: usize = 16 * 1024;
/// The most lines.
pub const MOST_LINES: usize = 5_000_000;
/// The longest serial number (RFC 5280, section 4.1.2.2).
const SERIAL_OCTETS: usize = 20;

/// One certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The last second in which it is valid.
    pub not_after: Timestamp,
    /// If it is revoked: since when, and why.
    pub revoked: Option<(Timestamp, Reason)>,
    /// Its serial number's octets, big-endian, without leading zeros.
    pub serial: Vec<u8>,
    /// The serial number as it is written, which is what `openssl ca` calls the copy of the certificate by.
    pub written: String,
    /// The subject, as it is written.
    pub subject: String,
}

/// A line cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {why}")]
pub struct RowError {
    /// Its number, from 1 on.
    pub line: usize,
    /// Why.
    pub why: &'static str,
}

/// All certificates of an index.
///
/// # Errors
/// The first line that cannot be read.
pub fn read(text: &[u8]) -> Result<Vec<Row>, RowError> {
    let mut rows = Vec::new();
    for (number, line) in (1..).zip(text.split(|octet| *octet == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // OpenSSL takes a line that begins so for a comment.
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let row = if rows.len() >= MOST_LINES { Err("there are too many lines") } else { row(line) };
        rows.push(row.map_err(|why| RowError { line: number, why })?);
    }
    Ok(rows)
}

fn row(line: &[u8]) -> Result<Row, &'static str> {
    if line.len() > LONGEST_LINE {
        return Err("it is longer than 16 KiB");
    }
    let line = std::str::from_utf8(line).map_err(|_| "it is not UTF-8")?;
    let fields = fields(line);
    let [status, not_after, revoked, serial, _file, subject] =
        <[String; 6]>::try_from(fields).map_err(|_| "it has not six fields with tabs between them")?;
    let revoked = match (status.as_str(), revoked.as_str()) {
        // What has expired may have been revoked before, and stays so.
        ("V" | "E", "") => None,
        ("V", _) => return Err("it is valid, and yet it has a time of revocation"),
        ("R" | "E", revoked) => Some(revocation(revoked)?),
        _ => return Err("its status is none of V, R and E"),
    };
    Ok(Row {
        not_after: time(&not_after).ok_or("its notAfter is not YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ")?,
        revoked,
        serial: self::serial(&serial).ok_or("its serial number is not hexadecimal of 1 to 20 octets")?,
        written: serial,
        subject,
    })
}

/// What stands between tabs; one after a backslash belongs to the text.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    for character in line.chars() {
        let escaped = fields.last().is_some_and(|field| field.ends_with('\\'));
        match (character, fields.last_mut()) {
            ('\t', Some(field)) if escaped => {
                field.pop();
                field.push('\t');
            }
            ('\t', _) => fields.push(String::new()),
            (other, Some(field)) => field.push(other),
            (_, None) => {}
        }
    }
    fields
}

/// `230101000000Z`, `230101000000Z,keyCompromise`, `230101000000Z,keyTime,230101000000Z`.
fn revocation(text: &str) -> Result<(Timestamp, Reason), &'static str> {
    let mut parts = text.split(',');
    let at = parts.next().and_then(time).ok_or("its time of revocation is not YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ")?;
    let Some(word) = parts.next() else { return Ok((at, Reason::Unspecified)) };
    let reason = match word {
        "holdInstruction" => Reason::CertificateHold,
        "keyTime" => Reason::KeyCompromise,
        "CAkeyTime" => Reason::CaCompromise,
        // A certificate that is off a delta list again is revoked all the same as long as its line says so.
        "removeFromCRL" => Reason::Unspecified,
        word => word.parse().map_err(|_| "its reason of revocation is none of RFC 5280, section 5.3.1")?,
    };
    Ok((at, reason))
}

fn serial(text: &str) -> Option<Vec<u8>> {
    // `hex::decode` would let colons pass, which OpenSSL never writes here, and the text becomes the name of a file.
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let octets = if text.len() % 2 == 1 { hex::decode(&format!("0{text}")) } else { hex::decode(text) };
    let octets = octets.filter(|octets| !octets.is_empty())?;
    let zeros = octets.iter().take_while(|octet| **octet == 0).count().min(octets.len() - 1);
    let octets: Vec<u8> = octets.into_iter().skip(zeros).collect();
    (octets.len() <= SERIAL_OCTETS).then_some(octets)
}

/// A UTCTime or GeneralizedTime (RFC 5280, section 4.1.2.5).
fn time(text: &str) -> Option<Timestamp> {
    let digits = text.strip_suffix('Z').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let number = |range: std::ops::Range<usize>| digits.get(range)?.parse::<u16>().ok();
    let (year, rest) = match digits.len() {
        12 => (number(0..2).map(|year| if year < 50 { 2000 + year } else { 1900 + year })?, 2),
        14 => (number(0..4)?, 4),
        _ => return None,
    };
    let two = |at: usize| number(rest + at..rest + at + 2).and_then(|number| u8::try_from(number).ok());
    let month = time::Month::try_from(two(0)?).ok()?;
    let date = time::Date::from_calendar_date(i32::from(year), month, two(2)?).ok()?;
    let at = date.with_hms(two(4)?, two(6)?, two(8)?).ok()?;
    Some(Timestamp::from_unix(at.assume_utc().unix_timestamp()))
}

/// Reads the number in a file `crlnumber`: that of the next list, in hexadecimal.
///
/// # Errors
/// When it is no number, or one of more than 63 bits, which the database does not hold.
pub fn number(text: &[u8]) -> Result<u64, &'static str> {
    let text = std::str::from_utf8(text).map_err(|_| "it is not hexadecimal")?.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err("it is not hexadecimal");
    }
    let number = u64::from_str_radix(text, 16).ok().filter(|number| i64::try_from(*number).is_ok_and(|n| n < i64::MAX));
    number.ok_or("it has more than 63 bits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(line: &str) -> Result<Row, &'static str> {
        let mut rows = read(line.as_bytes()).map_err(|error| error.why)?;
        assert_eq!(rows.len(), 1, "{line:?}");
        Ok(rows.remove(0))
    }

    #[test]
    fn a_line_is_a_certificate() {
        let valid = one("V\t361118200000Z\t\t01AB\tunknown\t/C=NL/O=Example/CN=Alice\n").unwrap();
        assert_eq!(valid.not_after.to_string(), "2036-11-18T20:00:00Z");
        assert_eq!((valid.revoked, valid.serial, valid.written.as_str()), (None, vec![1, 0xab], "01AB"));
        assert_eq!(valid.subject, "/C=NL/O=Example/CN=Alice");
        let long_lived = one("V\t20510101000000Z\t\tABC\tunknown\t/CN=a\\\tb").unwrap();
        assert_eq!(long_lived.not_after.to_string(), "2051-01-01T00:00:00Z");
        assert_eq!((long_lived.serial, long_lived.subject.as_str()), (vec![0x0a, 0xbc], "/CN=a\tb"));
    }

    #[test]
    fn a_revocation_has_a_time_and_a_reason() {
        let cases = [
            ("R", "260101000000Z", Some(Reason::Unspecified)),
            ("R", "260101000000Z,keyCompromise", Some(Reason::KeyCompromise)),
            ("R", "260101000000Z,CACompromise", Some(Reason::CaCompromise)),
            ("R", "260101000000Z,superseded", Some(Reason::Superseded)),
            ("R", "260101000000Z,holdInstruction,1.2.840.10040.2.1", Some(Reason::CertificateHold)),
            ("R", "260101000000Z,keyTime,20250101000000Z", Some(Reason::KeyCompromise)),
            ("R", "260101000000Z,CAkeyTime,20250101000000Z", Some(Reason::CaCompromise)),
            ("R", "260101000000Z,removeFromCRL", Some(Reason::Unspecified)),
            ("E", "260101000000Z,superseded", Some(Reason::Superseded)),
            ("E", "", None),
        ];
        for (status, revoked, expected) in cases {
            let row = one(&format!("{status}\t361118200000Z\t{revoked}\t01\tunknown\t/CN=a")).unwrap();
            assert_eq!(row.revoked.map(|(_, reason)| reason), expected, "{status} {revoked}");
            assert!(row.revoked.is_none_or(|(at, _)| at.to_string() == "2026-01-01T00:00:00Z"));
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let long = "0".repeat(42);
        let cases = [
            "V\t361118200000Z\t\t01\tunknown".to_owned(),
            "V\t361118200000Z\t\t01\tunknown\t/CN=a\t".to_owned(),
            "X\t361118200000Z\t\t01\tunknown\t/CN=a".to_owned(),
            "V\t361118200000Z\t260101000000Z\t01\tunknown\t/CN=a".to_owned(),
            "R\t361118200000Z\t\t01\tunknown\t/CN=a".to_owned(),
            "R\t361118200000Z\t260101000000Z,lost\t01\tunknown\t/CN=a".to_owned(),
            "R\t361118200000Z\t260101000000\t01\tunknown\t/CN=a".to_owned(),
            "V\t361318200000Z\t\t01\tunknown\t/CN=a".to_owned(),
            "V\t3611182000Z\t\t01\tunknown\t/CN=a".to_owned(),
            "V\t361118200000Z\t\t\tunknown\t/CN=a".to_owned(),
            "V\t361118200000Z\t\t-1\tunknown\t/CN=a".to_owned(),
            format!("V\t361118200000Z\t\t1{long}\tunknown\t/CN=a"),
            format!("V\t361118200000Z\t\t01\tunknown\t/CN={}", "a".repeat(LONGEST_LINE)),
        ];
        for line in cases {
            assert!(one(&line).is_err(), "{line:?}");
        }
        let error = read(b"# a comment\n\nV\n").unwrap_err();
        assert_eq!(error.line, 3);
    }

    #[test]
    fn a_number_is_hexadecimal_and_fits_the_database() {
        assert_eq!(number(b"1000\n"), Ok(4096));
        assert_eq!(number(b"7FFFFFFFFFFFFFFE"), Ok(i64::MAX as u64 - 1));
        for bad in [&b""[..], b"7FFFFFFFFFFFFFFF", b"-1", b"1g", b"10000000000000000", b"\xff"] {
            assert!(number(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_octets_end_the_process(text in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&text);
            let _ = number(&text);
        }

        #[test]
        fn no_line_of_the_right_shape_ends_the_process(
            status in "[VREX]?", until in "[0-9]{0,15}Z?", revoked in "[0-9]{0,15}Z?(,[a-zA-Z0-9.]{0,20}){0,3}",
            serial in "[0-9a-fA-F:/.]{0,4}[0-9a-fA-F]{0,50}", subject in "\\PC{0,40}",
        ) {
            let line = format!("{status}\t{until}\t{revoked}\t{serial}\tunknown\t{subject}");
            if let Ok(rows) = read(line.as_bytes()) {
                prop_assert!(rows.iter().all(|row| (1..=20).contains(&row.serial.len())));
                prop_assert!(rows.iter().all(|row| row.written.bytes().all(|byte| byte.is_ascii_hexdigit())));
            }
        }
    }
}
