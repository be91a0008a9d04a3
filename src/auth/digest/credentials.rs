//! The `Authorization` header of HTTP Digest, read (RFC 7616, section 3.4, over the grammar of RFC 9110,
//! sections 5.6 and 11.2). The header is the attacker's own text: everything in it is bounded, nothing in
//! it is believed, and what cannot mean one thing only is refused. Whether it is right is `digest`'s to
//! say.

use crate::base::hex;
use crate::base::secret::Secret;
use crate::config::DigestAlgorithm;
use std::borrow::Cow;

/// The longest header that is read, in octets.
pub const MAX_HEADER: usize = 8 * 1024;
/// The largest number of parameters in it. RFC 7616 knows twelve.
pub const MAX_PARAMETERS: usize = 32;
/// The longest user name, in octets of UTF-8.
pub const MAX_USERNAME: usize = 256;

/// What a client says about itself, in a form that can be checked. Nothing of it has been.
///
/// `Debug` does not show the response: who sees it can guess at the password at leisure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    pub(super) username: String,
    pub(super) realm: String,
    pub(super) nonce: String,
    pub(super) uri: String,
    pub(super) algorithm: DigestAlgorithm,
    /// The octets that the hexadecimal digits write, as many as the algorithm makes.
    pub(super) response: Secret,
    pub(super) cnonce: String,
    /// The nonce count as it was sent: the response hashes these digits, in their case.
    pub(super) count_digits: String,
    /// The nonce count, at least 1.
    pub(super) count: u32,
}

/// An `Authorization` header with the scheme Digest cannot be used.
///
/// What it quotes from the header is cut short and escaped, fit for a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// There is more than one `Authorization` header, and so no saying which one holds.
    #[error("there is more than one Authorization header")]
    Repeated,
    /// It is longer than [`MAX_HEADER`].
    #[error("it is longer than {MAX_HEADER} octets")]
    TooLong,
    /// It has more than [`MAX_PARAMETERS`] parameters.
    #[error("it has more than {MAX_PARAMETERS} parameters")]
    TooManyParameters,
    /// It is not UTF-8, which `charset=UTF-8` in the challenge asks for.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// It is not a list of `name=value`.
    #[error("it is not a list of name=value: {0}")]
    Syntax(&'static str),
    /// A value holds a control character, escaped or not.
    #[error("a value holds a control character")]
    ControlCharacter,
    /// A parameter stands in it twice, and so has no value to rely on.
    #[error("the parameter {0:?} stands in it twice")]
    Duplicate(String),
    /// A parameter is missing that we need.
    #[error("the parameter {0} is missing")]
    Missing(&'static str),
    /// The value of a parameter stands without the quotes that RFC 7616 demands.
    #[error("the value of {0} is not quoted")]
    NotQuoted(&'static str),
    /// The user name is empty.
    #[error("the user name is empty")]
    NoUsername,
    /// The user name is longer than [`MAX_USERNAME`].
    #[error("the user name is longer than {MAX_USERNAME} octets")]
    UsernameTooLong,
    /// `nc` is not eight hexadecimal digits, or is zero.
    #[error("nc is not a count of eight hexadecimal digits")]
    Count,
    /// `response` is not as many hexadecimal digits as the algorithm makes.
    #[error("response is not the {} hexadecimal digits of {}", 2 * super::hash::length(*.0), .0.as_str())]
    Response(DigestAlgorithm),
    /// The user name is hashed, which the challenge did not offer.
    #[error("userhash is not offered")]
    Userhash,
    /// The user name is written as RFC 8187 has it, which only `userhash` makes needful.
    #[error("username* is not offered")]
    ExtendedUsername,
    /// The body is hashed with the rest, which the challenge did not offer.
    #[error("qop=auth-int is not offered")]
    AuthInt,
    /// A quality of protection that nobody knows.
    #[error("there is no qop {0:?}")]
    Qop(String),
    /// A session form of an algorithm, which the challenge did not offer.
    #[error("the session form {0:?} of an algorithm is not offered")]
    Session(String),
    /// An algorithm that the challenge did not offer or nobody knows.
    #[error("the algorithm {0:?} is not offered")]
    Algorithm(String),
}

impl Credentials {
    /// Reads the value of one `Authorization` header; `None` is another scheme than Digest.
    ///
    /// # Errors
    /// When the scheme is Digest and the rest cannot be used.
    pub fn parse(header: &[u8]) -> Result<Option<Self>, Malformed> {
        let header = header.trim_ascii();
        let end = header.iter().position(|octet| !is_token_octet(*octet)).unwrap_or(header.len());
        let Some((scheme, rest)) = header.split_at_checked(end) else { return Ok(None) };
        if !scheme.eq_ignore_ascii_case(b"digest") {
            return Ok(None);
        }
        if header.len() > MAX_HEADER {
            return Err(Malformed::TooLong);
        }
        if !rest.is_empty() && !rest.starts_with(b" ") {
            return Err(Malformed::Syntax("no space follows the scheme"));
        }
        let text = std::str::from_utf8(rest).map_err(|_| Malformed::NotUtf8)?;
        Self::from_parameters(&Parameters::read(text)?).map(Some)
    }

    /// Reads all `Authorization` headers of a request, in which there may be one at most (RFC 9110,
    /// section 11.6.2). `None` is none, or another scheme.
    ///
    /// # Errors
    /// When there are several, one of them Digest, or when [`Credentials::parse`] refuses the one.
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

    /// The realm that it answers for.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The algorithm that it chose.
    #[must_use]
    pub fn algorithm(&self) -> DigestAlgorithm {
        self.algorithm
    }

    fn from_parameters(parameters: &Parameters<'_>) -> Result<Self, Malformed> {
        // What was not offered comes first: it explains why something else may be missing.
        if parameters.get("username*").is_some() {
            return Err(Malformed::ExtendedUsername);
        }
        match parameters.get("userhash") {
            Some(value) if value.text.eq_ignore_ascii_case("true") => return Err(Malformed::Userhash),
            Some(value) if !value.text.eq_ignore_ascii_case("false") => {
                return Err(Malformed::Syntax("userhash is neither true nor false"));
            }
            _ => {}
        }
        let algorithm = match parameters.get("algorithm") {
            Some(value) => algorithm(&value.text)?,
            // RFC 7616, section 3.3: without the parameter, it is MD5.
            None => DigestAlgorithm::Md5,
        };
        match parameters.required("qop")? {
            "auth" => {}
            "auth-int" => return Err(Malformed::AuthInt),
            other => return Err(Malformed::Qop(excerpt(other))),
        }
        let username = parameters.required_quoted("username")?;
        if username.is_empty() {
            return Err(Malformed::NoUsername);
        }
        if username.len() > MAX_USERNAME {
            return Err(Malformed::UsernameTooLong);
        }
        let count_digits = parameters.required("nc")?;
        let count = match u32::from_str_radix(count_digits, 16) {
            // `from_str_radix` takes a sign, and so would let `+1234567` pass.
            Ok(count) if count > 0 && count_digits.len() == 8 && is_hexadecimal(count_digits) => count,
            _ => return Err(Malformed::Count),
        };
        let response = parameters.required_quoted("response")?;
        let response = match hex::decode(response) {
            // `decode` takes colons, which have no place here.
            Some(octets) if octets.len() == super::hash::length(algorithm) && is_hexadecimal(response) => octets,
            _ => return Err(Malformed::Response(algorithm)),
        };
        Ok(Self {
            username: username.to_owned(),
            realm: parameters.required_quoted("realm")?.to_owned(),
            nonce: parameters.required_quoted("nonce")?.to_owned(),
            uri: parameters.required_quoted("uri")?.to_owned(),
            algorithm,
            response: Secret::new(response),
            cnonce: parameters.required_quoted("cnonce")?.to_owned(),
            count_digits: count_digits.to_owned(),
            count,
        })
    }
}

fn algorithm(name: &str) -> Result<DigestAlgorithm, Malformed> {
    let known = [DigestAlgorithm::Sha256, DigestAlgorithm::Md5];
    if let Some(algorithm) = known.into_iter().find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(name)) {
        return Ok(algorithm);
    }
    let session = name.to_ascii_lowercase().ends_with("-sess");
    Err(if session { Malformed::Session(excerpt(name)) } else { Malformed::Algorithm(excerpt(name)) })
}

/// The parameters of the header, none twice.
struct Parameters<'a>(Vec<(&'a str, Value<'a>)>);

struct Value<'a> {
    text: Cow<'a, str>,
    quoted: bool,
}

impl<'a> Parameters<'a> {
    fn read(text: &'a str) -> Result<Self, Malformed> {
        let mut reader = Reader { rest: text };
        let mut found: Vec<(&str, Value<'_>)> = Vec::with_capacity(12);
        loop {
            // Empty elements of a list are to be passed over (RFC 9110, section 5.6.1.2).
            reader.skip(&[' ', '\t', ',']);
            if reader.rest.is_empty() {
                return Ok(Self(found));
            }
            let name = reader.token();
            if name.is_empty() {
                return Err(Malformed::Syntax("a name is expected"));
            }
            if found.len() == MAX_PARAMETERS {
                return Err(Malformed::TooManyParameters);
            }
            if found.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                return Err(Malformed::Duplicate(excerpt(name)));
            }
            reader.skip(BLANK);
            if !reader.take('=') {
                return Err(Malformed::Syntax("no = follows a name"));
            }
            reader.skip(BLANK);
            found.push((name, reader.value()?));
            reader.skip(BLANK);
            if !reader.rest.is_empty() && !reader.rest.starts_with(',') {
                return Err(Malformed::Syntax("no comma follows a value"));
            }
        }
    }

    fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.0.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// A value that may be quoted or not: RFC 7616 says not, python-requests quotes `qop` and
    /// `algorithm` all the same, and RFC 9110, section 11.2 has both forms mean the same.
    fn required(&self, name: &'static str) -> Result<&str, Malformed> {
        self.get(name).map(|value| value.text.as_ref()).ok_or(Malformed::Missing(name))
    }

    /// A value that must be quoted (RFC 7616, section 3.4).
    fn required_quoted(&self, name: &'static str) -> Result<&str, Malformed> {
        match self.get(name) {
            Some(value) if value.quoted => Ok(&value.text),
            Some(_) => Err(Malformed::NotQuoted(name)),
            None => Err(Malformed::Missing(name)),
        }
    }
}

const BLANK: &[char] = &[' ', '\t'];

/// What is left of the text.
struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn skip(&mut self, any: &[char]) {
        self.rest = self.rest.trim_start_matches(any);
    }

    fn take(&mut self, expected: char) -> bool {
        let rest = self.rest.strip_prefix(expected);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// The token that the rest begins with (RFC 9110, section 5.6.2); empty if it begins with none.
    fn token(&mut self) -> &'a str {
        let end = self.rest.bytes().position(|octet| !is_token_octet(octet)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at_checked(end).unwrap_or(("", self.rest));
        self.rest = rest;
        token
    }

    fn value(&mut self) -> Result<Value<'a>, Malformed> {
        if self.take('"') {
            return Ok(Value { text: self.quoted()?, quoted: true });
        }
        match self.token() {
            "" => Err(Malformed::Syntax("a value is expected")),
            token => Ok(Value { text: Cow::Borrowed(token), quoted: false }),
        }
    }

    /// What stands before the closing quote, its escapes undone (RFC 9110, section 5.6.4).
    fn quoted(&mut self) -> Result<Cow<'a, str>, Malformed> {
        let mut unescaped: Option<String> = None;
        let mut characters = self.rest.char_indices();
        while let Some((at, character)) = characters.next() {
            let character = match character {
                '"' => {
                    let raw = self.rest.get(..at).unwrap_or_default();
                    self.rest = characters.as_str();
                    return Ok(unescaped.map_or(Cow::Borrowed(raw), Cow::Owned));
                }
                '\\' => {
                    unescaped.get_or_insert_with(|| self.rest.get(..at).unwrap_or_default().to_owned());
                    characters.next().map(|(_, escaped)| escaped).ok_or(UNCLOSED)?
                }
                plain => plain,
            };
            if character.is_control() {
                return Err(Malformed::ControlCharacter);
            }
            if let Some(text) = &mut unescaped {
                text.push(character);
            }
        }
        Err(UNCLOSED)
    }
}

const UNCLOSED: Malformed = Malformed::Syntax("a quoted value has no end");

fn is_token_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet)
}

fn is_hexadecimal(text: &str) -> bool {
    text.bytes().all(|octet| octet.is_ascii_hexdigit())
}

/// Enough of a hostile text to recognise it by.
fn excerpt(text: &str) -> String {
    text.chars().take(32).collect()
}

#[cfg(test)]
mod tests;
