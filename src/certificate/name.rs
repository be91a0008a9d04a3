//! Distinguished names (RFC 5280, section 4.1.2.4): from DER to text, by RFC 4514, whichever of the
//! string types of X.680 their values have, and to the one form in which equal names have equal octets
//! (RFC 5280, section 7.1).

use super::der::{self, DerError, Element, Reader};
use super::facts::{Attribute, DistinguishedName, FactsError};
use crate::base::hex;
use std::fmt::Write;
use unicode_normalization::UnicodeNormalization;

/// commonName.
pub const COMMON_NAME: &str = "2.5.4.3";
/// emailAddress (PKCS #9).
pub const EMAIL_ADDRESS: &str = "1.2.840.113549.1.9.1";
/// userid (RFC 4519).
pub const USER_ID: &str = "0.9.2342.19200300.100.1.1";

const MAX_ATTRIBUTES: usize = 64;
const UTF8_STRING: u8 = 0x0c;

/// The types that have a short name in LDAP's registry (RFC 4514, section 3, and RFC 4519). All others are
/// written as RFC 4514, section 2.4, says: dotted, with the value's DER in hexadecimal.
const SHORT_NAMES: [(&str, &str); 20] = [
    (COMMON_NAME, "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "street"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.13", "description"),
    ("2.5.4.17", "postalCode"),
    ("2.5.4.42", "givenName"),
    ("2.5.4.43", "initials"),
    ("2.5.4.44", "generationQualifier"),
    ("2.5.4.46", "dnQualifier"),
    ("2.5.4.65", "pseudonym"),
    (EMAIL_ADDRESS, "emailAddress"),
    (USER_ID, "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
];

/// The short name of an attribute's type, given in dotted form, if it has one: `CN`.
#[must_use]
pub fn short_name(oid: &str) -> Option<&'static str> {
    SHORT_NAMES.iter().find(|(dotted, _)| *dotted == oid).map(|(_, name)| *name)
}

/// Reads a whole Name.
///
/// # Errors
/// When it is not one, has too many attributes, or a value that its type does not allow.
pub fn read(name: &[u8]) -> Result<DistinguishedName, FactsError> {
    let malformed = |why| FactsError::Malformed { what: "a name", why };
    let mut relative_names = Reader::new(der::single(name, der::SEQUENCE).map_err(malformed)?);
    let mut attributes: Vec<Attribute> = Vec::new();
    let mut texts = Vec::new();
    while !relative_names.is_empty() {
        let mut set = relative_names.inside(der::SET).map_err(malformed)?;
        let mut text = String::new();
        loop {
            let (oid, element) = attribute(&mut set).map_err(malformed)?;
            let value = decode(&oid, element)?;
            let encoding = || format!("#{}", hex::encode(element.whole));
            match (short_name(&oid), &value) {
                (Some(name), Some(value)) => {
                    text.extend([name, "="]);
                    escape(value, &mut text);
                }
                (Some(name), None) => text.extend([name, "=", &encoding()]),
                (None, _) => text.extend([&oid, "=", &encoding()]),
            }
            if attributes.len() == MAX_ATTRIBUTES {
                return Err(FactsError::TooMany("attributes of a name"));
            }
            attributes.push(Attribute { oid, value: value.unwrap_or_else(encoding) });
            if set.is_empty() {
                break;
            }
            text.push('+');
        }
        texts.push(text);
    }
    texts.reverse();
    Ok(DistinguishedName { text: texts.join(","), der: name.to_vec(), attributes })
}

fn attribute<'a>(set: &mut Reader<'a>) -> Result<(String, Element<'a>), DerError> {
    let mut reader = set.inside(der::SEQUENCE)?;
    let oid = der::dotted(reader.expect(der::OBJECT_IDENTIFIER)?.content)?;
    let value = reader.element()?;
    reader.finish()?;
    Ok((oid, value))
}

/// The value's text; `None` if it is no string, which only an attribute that names nobody may have: a
/// date of birth or a bit string does no harm.
fn decode(oid: &str, value: Element<'_>) -> Result<Option<String>, FactsError> {
    match decode_string(value.tag, value.content) {
        Some(Ok(text)) => Ok(Some(text)),
        None if ![COMMON_NAME, EMAIL_ADDRESS, USER_ID].contains(&oid) => Ok(None),
        Some(Err(NotInAlphabet)) | None => Err(FactsError::Undecodable(format!("the attribute {oid}"))),
    }
}

/// The octets are not text in the alphabet of their string type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NotInAlphabet;

/// Text from one of the string types of X.680; `None` if the tag is not that of a string.
///
/// TeletexString is taken as ISO 8859-1, which is what all who still issue it mean. PrintableString may
/// hold any ASCII, since `*`, `@` and `_` stand in many; what a name may hold is for `identity` to say.
pub(super) fn decode_string(tag: u8, content: &[u8]) -> Option<Result<String, NotInAlphabet>> {
    let ascii = |allowed: fn(u8) -> bool| {
        content.iter().map(|octet| allowed(*octet).then(|| char::from(*octet))).collect::<Option<String>>()
    };
    let text = match tag {
        0x0c => std::str::from_utf8(content).ok().map(str::to_owned),
        0x12 => ascii(|octet| octet.is_ascii_digit() || octet == b' '),
        0x13 | 0x16 => ascii(|octet| octet.is_ascii()),
        0x14 => Some(content.iter().map(|octet| char::from(*octet)).collect()),
        0x1a => ascii(|octet| matches!(octet, b' '..=b'~')),
        0x1c => wide(content, |octets: [u8; 4]| u32::from_be_bytes(octets)),
        0x1e => wide(content, |octets: [u8; 2]| u32::from(u16::from_be_bytes(octets))),
        _ => return None,
    };
    Some(text.ok_or(NotInAlphabet))
}

/// Text of characters of `N` octets each; surrogates are no characters.
fn wide<const N: usize>(content: &[u8], number: fn([u8; N]) -> u32) -> Option<String> {
    let (characters, []) = content.as_chunks::<N>() else { return None };
    characters.iter().map(|octets| char::from_u32(number(*octets))).collect()
}

/// The form of a whole Name in which two names that RFC 5280, section 7.1, calls equal have the same octets,
/// and two others have not. It is no DER and for comparison alone.
///
/// Text is equal whatever its string type, its case and its white space, and however Unicode composes it, as
/// RFC 4518 prepares it; values of other types are equal octet by octet, and so is all of a name that cannot be
/// read. The order of the attributes within one relative name makes no difference, that of the relative names does.
#[must_use]
pub fn canonical(name: &[u8]) -> Vec<u8> {
    // No readable name begins with this octet: its first is that of a relative name.
    const UNREADABLE: u8 = 0xff;
    prepared(name).unwrap_or_else(|_| [&[UNREADABLE], name].concat())
}

/// As [`canonical`], of a name that can be read; its relative names stand one behind the other, so that a name
/// begins with the octets of another just when it is that name or stands below it.
///
/// # Errors
/// When it is no Name, or has too many attributes.
pub(super) fn prepared(name: &[u8]) -> Result<Vec<u8>, DerError> {
    let mut relative_names = Reader::new(der::single(name, der::SEQUENCE)?);
    let mut all = Vec::with_capacity(name.len());
    let mut count = 0;
    while !relative_names.is_empty() {
        let mut set = relative_names.inside(der::SET)?;
        let mut attributes = Vec::with_capacity(1);
        loop {
            let mut reader = set.inside(der::SEQUENCE)?;
            let identifier = reader.expect(der::OBJECT_IDENTIFIER)?.content;
            let value = reader.element()?;
            reader.finish()?;
            count += 1;
            if count > MAX_ATTRIBUTES {
                return Err(DerError::Value("a name"));
            }
            attributes.push(prepared_attribute(identifier, value));
            if set.is_empty() {
                break;
            }
        }
        attributes.sort_unstable();
        framed(der::SET, &attributes.concat(), &mut all);
    }
    Ok(all)
}

fn prepared_attribute(identifier: &[u8], value: Element<'_>) -> Vec<u8> {
    let mut attribute = Vec::with_capacity(identifier.len() + value.whole.len() + 10);
    framed(der::OBJECT_IDENTIFIER, identifier, &mut attribute);
    match decode_string(value.tag, value.content) {
        // The tag stands for all string types.
        Some(Ok(text)) => framed(UTF8_STRING, prepared_text(&text).as_bytes(), &mut attribute),
        Some(Err(NotInAlphabet)) | None => framed(der::OCTET_STRING, value.whole, &mut attribute),
    }
    attribute
}

/// Octets with their kind and length before them, so that nothing in them can pass for what follows.
fn framed(kind: u8, octets: &[u8], to: &mut Vec<u8>) {
    to.push(kind);
    to.extend_from_slice(&u32::try_from(octets.len()).unwrap_or(u32::MAX).to_be_bytes());
    to.extend_from_slice(octets);
}

/// Text as RFC 4518 prepares it for a comparison without regard to case: what is seen of nothing is left out,
/// all white space is one space between words, and compatible characters are one.
fn prepared_text(text: &str) -> String {
    let words = |characters: &mut dyn Iterator<Item = char>| {
        let mut prepared = String::with_capacity(text.len());
        let mut between = false;
        for character in characters {
            if character.is_whitespace() {
                between = !prepared.is_empty();
            } else {
                prepared.extend(between.then_some(' '));
                between = false;
                prepared.push(character);
            }
        }
        prepared
    };
    if text.bytes().all(|octet| matches!(octet, b' '..=b'~')) {
        return words(&mut text.chars().map(|character| character.to_ascii_lowercase()));
    }
    let seen = text.chars().filter(|character| !leaves_no_trace(*character));
    // Composed before and after: lower case exists of some composed characters alone, and can decompose.
    let folded = seen.nfkc().flat_map(char::to_lowercase).map(|character| match character {
        // The sigma at a word's end has the same capital.
        'ς' => 'σ',
        _ => character,
    });
    words(&mut folded.nfkc())
}

/// Whether RFC 4518, section 2.2, maps a character to nothing.
fn leaves_no_trace(character: char) -> bool {
    match character {
        '\u{ad}' | '\u{34f}' | '\u{6dd}' | '\u{70f}' | '\u{1806}' | '\u{180b}'..='\u{180e}' => true,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2063}' | '\u{206a}'..='\u{206f}' => true,
        '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffc}' => true,
        '\u{1d173}'..='\u{1d17a}' | '\u{e0001}' | '\u{e0020}'..='\u{e007f}' => true,
        _ => character.is_control() && !character.is_whitespace(),
    }
}

/// Escapes a value by RFC 4514, section 2.4, and control characters besides, so that the text can stand
/// on one line of a log.
fn escape(value: &str, to: &mut String) {
    let last = value.chars().count().saturating_sub(1);
    for (position, character) in value.chars().enumerate() {
        match character {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => to.extend(['\\', character]),
            '#' if position == 0 => to.push_str("\\#"),
            ' ' if position == 0 || position == last => to.push_str("\\ "),
            _ if character.is_control() => {
                for octet in character.encode_utf8(&mut [0; 4]).bytes() {
                    // Writing to a String cannot fail.
                    let _ = write!(to, "\\{octet:02X}");
                }
            }
            _ => to.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::testing::{name, openssl, sequence, tlv};
    use proptest::prelude::*;

    const CN: &[u8] = &[0x55, 0x04, 0x03];
    const UTF8: u8 = 0x0c;

    #[test]
    fn a_value_is_decoded_from_its_string_type_or_refused() {
        let cases: [(u8, &[u8], Option<&str>); 18] = [
            (0x0c, "Zoë".as_bytes(), Some("Zoë")),
            (0x0c, &[0xff], None),
            (0x12, b"12 34", Some("12 34")),
            (0x12, b"12a", None),
            (0x13, b"a@b*_", Some("a@b*_")),
            (0x13, "ë".as_bytes(), None),
            (0x14, &[b'Z', b'o', 0xeb], Some("Zoë")),
            (0x16, b"a\0b", Some("a\0b")),
            (0x16, &[0x80], None),
            (0x1a, b"abc ~", Some("abc ~")),
            (0x1a, b"a\nb", None),
            (0x1c, &[0, 0, 0, b'Z', 0, 1, 0xf7, 0x1a], Some("Z🜚")),
            (0x1c, &[0, 0, 0], None),
            (0x1c, &[0, 0x11, 0, 0], None),
            (0x1e, &[0, b'Z', 0, 0xeb], Some("Zë")),
            (0x1e, &[0, b'Z', 0], None),
            (0x1e, &[0xd8, 0x3d, 0xdf, 0x1a], None),
            (0x04, b"Zoe", None),
        ];
        for (tag, content, expected) in cases {
            let read = read(&name(&[(CN, tag, content)]));
            assert_eq!(
                read.ok().map(|name| name.attributes[0].value.clone()).as_deref(),
                expected,
                "{tag:#x} {content:02x?}"
            );
        }
    }

    #[test]
    fn a_name_is_written_as_rfc_4514_says() {
        const O: &[u8] = &[0x55, 0x04, 0x0a];
        const DC: &[u8] = &[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19];
        type Attributes<'a> = &'a [(&'a [u8], u8, &'a [u8])];
        let cases: [(Attributes<'_>, &str); 10] = [
            (&[], ""),
            (&[(DC, 0x16, b"org"), (DC, 0x16, b"example"), (CN, UTF8, b"a")], "CN=a,DC=example,DC=org"),
            (&[(CN, UTF8, b"a,b+c\"d\\e<f>g;h")], "CN=a\\,b\\+c\\\"d\\\\e\\<f\\>g\\;h"),
            (&[(CN, UTF8, b" #a ")], "CN=\\ #a\\ "),
            (&[(CN, UTF8, b"#a b=c")], "CN=\\#a b=c"),
            (&[(CN, UTF8, b" ")], "CN=\\ "),
            (&[(CN, UTF8, b"")], "CN="),
            (&[(CN, UTF8, "a\0b\n\u{85}ë".as_bytes())], "CN=a\\00b\\0A\\C2\\85ë"),
            (&[(&[0x2a, 0x03], UTF8, b"x"), (O, UTF8, b"y")], "O=y,1.2.3=#0c0178"),
            (&[(O, 0x04, b"z")], "O=#04017a"),
        ];
        for (attributes, expected) in cases {
            assert_eq!(read(&name(attributes)).unwrap().text, expected);
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let attribute = sequence(&[&tlv(der::OBJECT_IDENTIFIER, &[CN]), &tlv(UTF8, &[b"a"])]);
        let longer = sequence(&[&tlv(der::OBJECT_IDENTIFIER, &[CN]), &tlv(UTF8, &[b"a"]), &tlv(UTF8, &[b"b"])]);
        assert!(read(&sequence(&[&tlv(der::SET, &[&attribute])])).is_ok());
        let cases: [(&str, Vec<u8>); 5] = [
            ("an empty part", sequence(&[&tlv(der::SET, &[])])),
            ("an attribute of three elements", sequence(&[&tlv(der::SET, &[&longer])])),
            ("an attribute outside a SET", sequence(&[&attribute])),
            ("octets behind the name", [sequence(&[]), vec![0]].concat()),
            ("too many attributes", sequence(&[&tlv(der::SET, &[&attribute]).repeat(MAX_ATTRIBUTES + 1)])),
        ];
        for (what, octets) in cases {
            assert!(read(&octets).is_err(), "{what}");
        }
    }

    #[test]
    fn names_are_equal_as_rfc_5280_says_and_no_further() {
        const O: &[u8] = &[0x55, 0x04, 0x0a];
        const PRINTABLE: u8 = 0x13;
        let plain = name(&[(O, PRINTABLE, b"Good Org"), (CN, PRINTABLE, b"Good CA")]);
        let cases: [(&str, Vec<u8>, bool); 12] = [
            ("another case", name(&[(O, PRINTABLE, b"GOOD ORG"), (CN, PRINTABLE, b"good ca")]), true),
            ("more white space", name(&[(O, PRINTABLE, b"  Good   Org "), (CN, PRINTABLE, b"Good CA")]), true),
            ("another string type", name(&[(O, UTF8, b"Good Org"), (CN, 0x1e, b"\0G\0o\0o\0d\0 \0C\0A")]), true),
            ("a soft hyphen", name(&[(O, UTF8, "Go\u{ad}od Org".as_bytes()), (CN, UTF8, b"Good CA")]), true),
            ("full width", name(&[(O, UTF8, "Ｇood\u{3000}Org".as_bytes()), (CN, UTF8, b"Good CA")]), true),
            ("white space within a word", name(&[(O, PRINTABLE, b"Go od Org"), (CN, PRINTABLE, b"Good CA")]), false),
            ("no white space", name(&[(O, PRINTABLE, b"GoodOrg"), (CN, PRINTABLE, b"Good CA")]), false),
            ("another order", name(&[(CN, PRINTABLE, b"Good CA"), (O, PRINTABLE, b"Good Org")]), false),
            ("an attribute more", name(&[(O, UTF8, b"Good Org"), (CN, UTF8, b"Good CA"), (CN, UTF8, b"")]), false),
            ("another type of attribute", name(&[(O, UTF8, b"Good Org"), (O, UTF8, b"Good CA")]), false),
            ("no string", name(&[(O, 0x04, b"Good Org"), (CN, PRINTABLE, b"Good CA")]), false),
            ("nothing", name(&[]), false),
        ];
        for (what, other, equal) in cases {
            assert_eq!(canonical(&plain) == canonical(&other), equal, "{what}");
        }
        let accented = |text: &str| canonical(&name(&[(CN, UTF8, text.as_bytes())]));
        assert_eq!(accented("Žluťoučký"), accented("Z\u{30c}LUT\u{30c}OUC\u{30c}KY\u{301}"));
        assert_ne!(accented("Zoë"), accented("Zoe"));
    }

    #[test]
    fn the_attributes_of_one_relative_name_have_no_order() {
        let attribute =
            |oid: &[u8], value: &[u8]| sequence(&[&tlv(der::OBJECT_IDENTIFIER, &[oid]), &tlv(UTF8, &[value])]);
        let (a, b) = (attribute(CN, b"a"), attribute(&[0x55, 0x04, 0x05], b"1"));
        let together = |parts: &[&[u8]]| canonical(&sequence(&[&tlv(der::SET, parts)]));
        assert_eq!(together(&[&a, &b]), together(&[&b, &a]));
        let apart = canonical(&sequence(&[&tlv(der::SET, &[&a]), &tlv(der::SET, &[&b])]));
        assert_ne!(together(&[&a, &b]), apart);
    }

    #[test]
    fn what_cannot_be_read_equals_itself_alone() {
        let unreadable =
            [vec![0x30, 0x01], vec![0x30, 0x01, 0x02], Vec::new(), name(&[(CN, UTF8, b"a")])[1..].to_vec()];
        for (one, first) in unreadable.iter().enumerate() {
            for (other, second) in unreadable.iter().enumerate() {
                assert_eq!(canonical(first) == canonical(second), one == other, "{first:02x?} {second:02x?}");
            }
            assert_ne!(canonical(first), canonical(&name(&[])));
        }
    }

    proptest! {
        #[test]
        fn a_canonical_text_is_so_in_any_case_and_once_for_all(text in any::<String>()) {
            let once = prepared_text(&text);
            prop_assert_eq!(prepared_text(&once), once.clone());
            prop_assert_eq!(prepared_text(&text.to_lowercase()), once);
        }
    }

    #[test]
    fn openssl_writes_the_same_name() {
        let directory = tempfile::tempdir().unwrap();
        let authority = crate::certificate::testing::Authority::root(" a,b+c\"d\\e<f>g;#h ");
        std::fs::write(directory.path().join("a.der"), &authority.der).unwrap();
        let theirs =
            openssl(directory.path(), "x509 -inform der -in a.der -noout -subject -nameopt RFC2253,-esc_msb,utf8");
        let ours = super::super::facts::parse(&authority.der).unwrap().subject.text;
        assert_eq!(theirs.trim_end_matches('\n'), format!("subject={ours}"));
    }
}
