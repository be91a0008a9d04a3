//! Names and values as browsers write them in queries and forms (`application/x-www-form-urlencoded`, URL Standard,
//! section 5.1): read strictly, with a bound, and each name once.

/// The most parameters that are read.
const MOST: usize = 16;

/// A text that is no set of parameters, or one that could be read in two ways.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// More than anybody needs.
    #[error("there are too many parameters")]
    TooMany,
    /// One stands there twice.
    #[error("the parameter {0:?} is given twice")]
    Repeated(String),
    /// `%` without two hexadecimal digits, or octets that are not UTF-8.
    #[error("a parameter is not encoded as it should be")]
    Encoding,
}

/// The parameters of a text, in their order.
///
/// # Errors
/// When it could be read in two ways.
pub fn parse(text: &str) -> Result<Vec<(String, String)>, FormError> {
    let mut parameters: Vec<(String, String)> = Vec::new();
    for part in text.split('&').filter(|part| !part.is_empty()) {
        if parameters.len() == MOST {
            return Err(FormError::TooMany);
        }
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let (name, value) = (decoded(name)?, decoded(value)?);
        if parameters.iter().any(|(known, _)| *known == name) {
            return Err(FormError::Repeated(name));
        }
        parameters.push((name, value));
    }
    Ok(parameters)
}

/// The value of a parameter.
#[must_use]
pub fn value<'p>(parameters: &'p [(String, String)], name: &str) -> Option<&'p str> {
    parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn decoded(text: &str) -> Result<String, FormError> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => octets.push(b' '),
            b'%' => {
                let (digits, after) = rest.split_first_chunk::<2>().ok_or(FormError::Encoding)?;
                let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                let [high, low] = digits.map(digit);
                octets.push((high.ok_or(FormError::Encoding)? << 4) | low.ok_or(FormError::Encoding)?);
                rest = after;
            }
            _ => octets.push(byte),
        }
    }
    String::from_utf8(octets).map_err(|_| FormError::Encoding)
}

/// A value, encoded so that it stays one whatever it holds.
#[must_use]
pub fn encoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parameters_are_read_in_one_way_or_not_at_all() {
        let pairs = |pairs: &[(&str, &str)]| -> Result<Vec<(String, String)>, FormError> {
            Ok(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
        };
        for (text, expected) in [
            ("", pairs(&[])),
            ("&&", pairs(&[])),
            ("to=b&return=%2Fmail%2f", pairs(&[("to", "b"), ("return", "/mail/")])),
            ("a+b=c+d", pairs(&[("a b", "c d")])),
            ("a", pairs(&[("a", "")])),
            ("a=b=c", pairs(&[("a", "b=c")])),
            ("%C3%A9=1", pairs(&[("é", "1")])),
            ("a=1&a=2", Err(FormError::Repeated("a".to_owned()))),
            ("a=1&%61=2", Err(FormError::Repeated("a".to_owned()))),
            ("a=%", Err(FormError::Encoding)),
            ("a=%4", Err(FormError::Encoding)),
            ("a=%zz", Err(FormError::Encoding)),
            ("a=%+1", Err(FormError::Encoding)),
            ("a=%ff", Err(FormError::Encoding)),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
        let many: Vec<String> = (0..17).map(|number| format!("p{number}=")).collect();
        assert_eq!(parse(&many.join("&")), Err(FormError::TooMany));
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_read_again(value in ".*") {
            let parameters = parse(&format!("a={}&b=1", encoded(&value))).unwrap();
            prop_assert_eq!(super::value(&parameters, "a"), Some(value.as_str()));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in ".*") {
            let _ = parse(&text);
        }
    }
}
