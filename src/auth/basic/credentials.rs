//! The `Authorization` header of HTTP Basic, read (RFC 7617, section 2). The header is the attacker's own text:
//! it is bounded, it is UTF-8 as the challenge asks for, and no error shows any of it.

use crate::base::secret::Secret;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::fmt;
use zeroize::Zeroizing;

/// The longest header that is read, in octets.
pub const MAX_HEADER: usize = 2 * 1024;
/// The longest user name, in octets of UTF-8.
pub const MAX_USERNAME: usize = 256;
/// The longest password, in octets of UTF-8.
const MAX_PASSWORD: usize = crate::account::password::MAX_PASSWORD;

/// Some clients leave the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Who a client says it is, and by which password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    username: String,
    password: Secret,
}

/// An `Authorization` header with the scheme Basic cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// There is more than one `Authorization` header, and so no saying which one holds.
    #[error("there is more than one Authorization header")]
    Repeated,
    /// It is longer than [`MAX_HEADER`].
    #[error("it is longer than {MAX_HEADER} octets")]
    TooLong,
    /// What follows the scheme is not Base64.
    #[error("it is not in Base64")]
    NotBase64,
    /// It is not UTF-8, which `charset="UTF-8"` in the challenge asks for.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// There is no colon between user name and password.
    #[error("there is no colon in it")]
    NoColon,
    /// It holds a control character, which RFC 7617 forbids.
    #[error("it holds a control character")]
    ControlCharacter,
    /// The user name is empty.
    #[error("the user name is empty")]
    NoUsername,
    /// The user name is longer than [`MAX_USERNAME`].
    #[error("the user name is longer than {MAX_USERNAME} octets")]
    UsernameTooLong,
    /// The password is longer than is ever set.
    #[error("the password is longer than {MAX_PASSWORD} octets")]
    PasswordTooLong,
}

impl Credentials {
    /// Reads the value of one `Authorization` header; `None` is another scheme than Basic.
    ///
    /// # Errors
    /// When the scheme is Basic and the rest cannot be used.
    pub fn parse(header: &[u8]) -> Result<Option<Self>, Malformed> {
        let header = header.trim_ascii();
        let Some((scheme, rest)) = header.split_at_checked(5) else { return Ok(None) };
        let ends = rest.first().is_none_or(|next| !next.is_ascii_alphanumeric() && *next != b'-');
        if !scheme.eq_ignore_ascii_case(b"basic") || !ends {
            return Ok(None);
        }
        if header.len() > MAX_HEADER {
            return Err(Malformed::TooLong);
        }
        let Some(encoded) = rest.strip_prefix(b" ") else { return Err(Malformed::NotBase64) };
        let octets = Zeroizing::new(BASE64.decode(encoded.trim_ascii()).map_err(|_| Malformed::NotBase64)?);
        let text = std::str::from_utf8(&octets).map_err(|_| Malformed::NotUtf8)?;
        let (username, password) = text.split_once(':').ok_or(Malformed::NoColon)?;
        if text.chars().any(char::is_control) {
            return Err(Malformed::ControlCharacter);
        }
        match (username.len(), password.len()) {
            (0, _) => Err(Malformed::NoUsername),
            (1..=MAX_USERNAME, 0..=MAX_PASSWORD) => {
                Ok(Some(Self { username: username.to_owned(), password: Secret::from(password) }))
            }
            (1..=MAX_USERNAME, _) => Err(Malformed::PasswordTooLong),
            _ => Err(Malformed::UsernameTooLong),
        }
    }

    /// Reads all `Authorization` headers of a request, in which there may be one at most (RFC 9110, section
    /// 11.6.2). `None` is none, or another scheme.
    ///
    /// # Errors
    /// When there are several, one of them Basic, or when [`Credentials::parse`] refuses the one.
    pub fn parse_all<'a>(headers: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<Self>, Malformed> {
        let mut headers = headers.into_iter();
        let Some(first) = headers.next() else { return Ok(None) };
        let credentials = Self::parse(first)?;
        for other in headers {
            if credentials.is_some() || Self::parse(other)?.is_some() {
                return Err(Malformed::Repeated);
            }
        }
        Ok(credentials)
    }

    /// Who the client says it is.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }

    /// The password that it sent.
    #[must_use]
    pub fn password(&self) -> &Secret {
        &self.password
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    fn header(text: impl AsRef<[u8]>) -> Vec<u8> {
        format!("Basic {}", STANDARD.encode(text)).into_bytes()
    }

    type Pair = (String, String);
    type Case<'a> = (&'a [u8], Option<(&'a str, &'a str)>);

    fn parsed(header: &[u8]) -> Result<Option<Pair>, Malformed> {
        let shown = |credentials: Credentials| {
            (credentials.username.clone(), credentials.password.expose_str().unwrap().to_owned())
        };
        Credentials::parse(header).map(|credentials| credentials.map(shown))
    }

    #[test]
    fn credentials_are_read() {
        let cases: [Case<'_>; 12] = [
            // RFC 7617, sections 2 and 2.1.
            (b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", Some(("Aladdin", "open sesame"))),
            (b"Basic dGVzdDoxMjPCow==", Some(("test", "123\u{a3}"))),
            (b"basic dGVzdDoxMjPCow", Some(("test", "123\u{a3}"))),
            (b" BASIC  dGVzdDoxMjPCow== ", Some(("test", "123\u{a3}"))),
            (b"Basic YTo=", Some(("a", ""))),
            (b"Basic YTpiOmM=", Some(("a", "b:c"))),
            (b"", None),
            (b"Bas", None),
            (b"Bearer QWxhZGRpbjpvcGVuIHNlc2FtZQ==", None),
            (b"Basic-x QWxhZGRpbjpvcGVuIHNlc2FtZQ==", None),
            (b"BasicQWxhZGRpbjpvcGVuIHNlc2FtZQ==", None),
            (b"Digest username=\"a\"", None),
        ];
        for (header, expected) in cases {
            let expected = expected.map(|(name, password)| (name.to_owned(), password.to_owned()));
            assert_eq!(parsed(header), Ok(expected), "{}", header.escape_ascii());
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_and_not_shown() {
        let long = format!("a:{}", "x".repeat(MAX_PASSWORD + 1));
        let cases = [
            (b"Basic".to_vec(), Malformed::NotBase64),
            (b"Basic ".to_vec(), Malformed::NotBase64),
            (b"Basic\tYTpi".to_vec(), Malformed::NotBase64),
            (b"Basic,YTpi".to_vec(), Malformed::NotBase64),
            (b"Basic YTpi YTpi".to_vec(), Malformed::NotBase64),
            (b"Basic Y".to_vec(), Malformed::NotBase64),
            (b"Basic YTp_".to_vec(), Malformed::NotBase64),
            (b"Basic realm=\"hunter2\"".to_vec(), Malformed::NotBase64),
            (header(b"a:hunter2\xff"), Malformed::NotUtf8),
            (header("hunter2"), Malformed::NoColon),
            (header(":hunter2"), Malformed::NoUsername),
            (header("a:hunter2\0"), Malformed::ControlCharacter),
            (header("a\n:hunter2"), Malformed::ControlCharacter),
            (header("a:hunter2\u{85}"), Malformed::ControlCharacter),
            (header(format!("{}:b", "x".repeat(MAX_USERNAME + 1))), Malformed::UsernameTooLong),
            (header(long), Malformed::PasswordTooLong),
            (header("x".repeat(2000)), Malformed::TooLong),
        ];
        for (header, expected) in cases {
            // Of `Basic ` nothing but the scheme is left when it is trimmed.
            let read = parsed(&header);
            assert_eq!(read, Err(expected), "{}", header.escape_ascii());
            assert!(!format!("{expected} {expected:?}").contains("hunter2"));
        }
        assert!(!format!("{:?}", Credentials::parse(&header("a:hunter2"))).contains("hunter2"));
    }

    #[test]
    fn two_headers_are_none() {
        let all = |headers: &[&[u8]]| Credentials::parse_all(headers.iter().copied());
        let basic: &[u8] = b"Basic YTpi";
        assert!(all(&[basic]).unwrap().is_some());
        assert_eq!(all(&[]), Ok(None));
        assert_eq!(all(&[b"Bearer a", b"Bearer b"]), Ok(None));
        for headers in [[basic, basic], [basic, b"Bearer a"], [b"Digest a=b", basic]] {
            assert_eq!(all(&headers), Err(Malformed::Repeated));
        }
    }

    proptest! {
        #[test]
        fn what_is_sent_is_read(username in "[^:\\p{Cc}]{1,40}", password in "[^\\p{Cc}]{0,60}") {
            let read = parsed(&header(format!("{username}:{password}")));
            prop_assert_eq!(read, Ok(Some((username, password))));
        }

        #[test]
        fn no_header_upsets_the_reader(rest in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Credentials::parse(&rest);
            let _ = Credentials::parse(&[b"Basic ".as_slice(), &rest].concat());
            let _ = Credentials::parse(&header(&rest));
        }
    }
}
