//! The `Authorization` header of HTTP Digest, read (RFC 7616, section 3.4, over the grammar of RFC 9110,
//! sections 5.6 and 11.2, which `parameters` reads). The header is the attacker's own text: everything in it is
//! bounded, nothing in it is believed, and what cannot mean one thing only is refused. Whether it is right, and
//! whether it was offered at all, is `digest`'s to say.

use super::parameters::{Parameters, ParametersError, Value, excerpt, is_token_octet};
use crate::base::hex;
use crate::base::secret::Secret;
use crate::config::ChallengeAlgorithm;

/// The longest header that is read, in octets.
pub const MAX_HEADER: usize = 8 * 1024;
/// The longest user name, in octets of UTF-8.
pub const MAX_USERNAME: usize = 256;

/// What a client says about itself, in a form that can be checked. Nothing of it has been.
///
/// `Debug` does not show the response: who sees it can guess at the password at leisure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name, or its hash in lower-case hexadecimal.
    pub(super) username: String,
    /// Whether `username` is a hash.
    pub(super) hashed: bool,
    pub(super) realm: String,
    pub(super) nonce: String,
    pub(super) uri: String,
    pub(super) algorithm: ChallengeAlgorithm,
    pub(super) quality: Quality,
    /// The octets that the hexadecimal digits write, as many as the algorithm makes.
    pub(super) response: Secret,
    pub(super) cnonce: String,
    /// The nonce count as it was sent: the response hashes these digits, in their case.
    pub(super) count_digits: String,
    /// The nonce count, at least 1.
    pub(super) count: u32,
}

/// What a response covers (RFC 7616, section 3.4, `qop`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quality {
    /// `auth`: method and target.
    Auth,
    /// `auth-int`: these and the body.
    AuthInt,
}

impl Quality {
    /// As it stands in headers.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::AuthInt => "auth-int",
        }
    }
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
    /// It is not UTF-8, which `charset=UTF-8` in the challenge asks for.
    #[error("it is not UTF-8")]
    NotUtf8,
    /// It is not a list of parameters.
    #[error(transparent)]
    Parameters(#[from] ParametersError),
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
    #[error("response is not the {} hexadecimal digits of {}", 2 * .0.hash().length(), .0.as_str())]
    Response(ChallengeAlgorithm),
    /// `userhash` is something else than `true` or `false`.
    #[error("userhash is neither true nor false")]
    Userhash,
    /// The user name is said to be a hash of the algorithm, and is none.
    #[error("the user name is not the {} hexadecimal digits of {}", 2 * .0.hash().length(), .0.as_str())]
    HashedUsername(ChallengeAlgorithm),
    /// `username*` is not as RFC 8187 has it, stands beside `username`, or is said to be a hash.
    #[error("username* cannot be used: {0}")]
    ExtendedUsername(&'static str),
    /// A quality of protection that nobody knows.
    #[error("there is no qop {0:?}")]
    Qop(String),
    /// An algorithm that nobody knows.
    #[error("there is no algorithm {0:?}")]
    Algorithm(String),
}

/// The parameters of one `Authorization` header; `None` is another scheme than Digest.
fn parameters(header: &[u8]) -> Result<Option<Parameters<'_>>, Malformed> {
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
        return Err(ParametersError::Syntax("no space follows the scheme").into());
    }
    let text = std::str::from_utf8(rest).map_err(|_| Malformed::NotUtf8)?;
    Ok(Some(Parameters::read(text)?))
}

impl Credentials {
    /// Reads the value of one `Authorization` header; `None` is another scheme than Digest.
    ///
    /// # Errors
    /// When the scheme is Digest and the rest cannot be used.
    pub fn parse(header: &[u8]) -> Result<Option<Self>, Malformed> {
        parameters(header)?.map(|parameters| Self::from_parameters(&parameters)).transpose()
    }

    /// The realm that the value of one `Authorization` header is for, whatever else it says; `None` is another scheme than
    /// Digest.
    ///
    /// # Errors
    /// When the scheme is Digest and no realm can be read.
    pub fn realm_of(header: &[u8]) -> Result<Option<String>, Malformed> {
        let Some(parameters) = parameters(header)? else { return Ok(None) };
        let realm = parameters.get("realm").ok_or(Malformed::Missing("realm"))?;
        Ok(Some(realm.text.clone().into_owned()))
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

    /// Who the client says it is: a name, or its hash if [`is_hashed`](Self::is_hashed).
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }

    /// Whether the user name is hashed with the realm (RFC 7616, section 3.4.4).
    #[must_use]
    pub fn is_hashed(&self) -> bool {
        self.hashed
    }

    /// What the response covers.
    #[must_use]
    pub fn quality(&self) -> Quality {
        self.quality
    }

    /// The realm that it answers for.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The algorithm that it chose.
    #[must_use]
    pub fn algorithm(&self) -> ChallengeAlgorithm {
        self.algorithm
    }

    fn from_parameters(parameters: &Parameters<'_>) -> Result<Self, Malformed> {
        let algorithm = match parameters.get("algorithm") {
            Some(value) => algorithm(&value.text)?,
            // RFC 7616, section 3.3: without the parameter, it is MD5.
            None => ChallengeAlgorithm::Md5,
        };
        let quality = match required(parameters, "qop")? {
            "auth" => Quality::Auth,
            "auth-int" => Quality::AuthInt,
            other => return Err(Malformed::Qop(excerpt(other))),
        };
        let hashed = match parameters.get("userhash") {
            Some(value) if value.text.eq_ignore_ascii_case("true") => true,
            Some(value) if !value.text.eq_ignore_ascii_case("false") => return Err(Malformed::Userhash),
            _ => false,
        };
        let username = username(parameters, algorithm, hashed)?;
        let count_digits = required(parameters, "nc")?;
        let count = match u32::from_str_radix(count_digits, 16) {
            // `from_str_radix` takes a sign, and so would let `+1234567` pass.
            Ok(count) if count > 0 && count_digits.len() == 8 && is_hexadecimal(count_digits) => count,
            _ => return Err(Malformed::Count),
        };
        let response = required_quoted(parameters, "response")?;
        let response = match hex::decode(response) {
            // `decode` takes colons, which have no place here.
            Some(octets) if octets.len() == algorithm.hash().length() && is_hexadecimal(response) => octets,
            _ => return Err(Malformed::Response(algorithm)),
        };
        Ok(Self {
            username,
            hashed,
            realm: required_quoted(parameters, "realm")?.to_owned(),
            nonce: required_quoted(parameters, "nonce")?.to_owned(),
            uri: required_quoted(parameters, "uri")?.to_owned(),
            algorithm,
            quality,
            response: Secret::new(response),
            cnonce: required_quoted(parameters, "cnonce")?.to_owned(),
            count_digits: count_digits.to_owned(),
            count,
        })
    }
}

/// A value that may be quoted or not: RFC 7616 says not, python-requests quotes `qop` and
/// `algorithm` all the same, and RFC 9110, section 11.2 has both forms mean the same.
fn required<'p>(parameters: &'p Parameters<'_>, name: &'static str) -> Result<&'p str, Malformed> {
    parameters.get(name).map(|value| value.text.as_ref()).ok_or(Malformed::Missing(name))
}

/// A value that must be quoted (RFC 7616, section 3.4).
fn required_quoted<'p>(parameters: &'p Parameters<'_>, name: &'static str) -> Result<&'p str, Malformed> {
    match parameters.get(name) {
        Some(value) if value.quoted => Ok(&value.text),
        Some(_) => Err(Malformed::NotQuoted(name)),
        None => Err(Malformed::Missing(name)),
    }
}

fn algorithm(name: &str) -> Result<ChallengeAlgorithm, Malformed> {
    let known = ChallengeAlgorithm::ALL.into_iter().find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(name));
    known.ok_or_else(|| Malformed::Algorithm(excerpt(name)))
}

/// The user name from whichever parameter it stands in (RFC 7616, section 3.4).
fn username(parameters: &Parameters<'_>, algorithm: ChallengeAlgorithm, hashed: bool) -> Result<String, Malformed> {
    let mut username = match (parameters.get("username"), parameters.get("username*")) {
        (_, None) => required_quoted(parameters, "username")?.to_owned(),
        (Some(_), Some(_)) => return Err(Malformed::ExtendedUsername("it stands beside username")),
        (None, Some(_)) if hashed => return Err(Malformed::ExtendedUsername("a hash needs no other alphabet")),
        (None, Some(value)) => extended(value)?,
    };
    if username.is_empty() {
        return Err(Malformed::NoUsername);
    }
    if username.len() > MAX_USERNAME {
        return Err(Malformed::UsernameTooLong);
    }
    if hashed {
        if username.len() != 2 * algorithm.hash().length() || !is_hexadecimal(&username) {
            return Err(Malformed::HashedUsername(algorithm));
        }
        username.make_ascii_lowercase();
    }
    Ok(username)
}

/// An ext-value (RFC 8187, section 3.2.1) in UTF-8, the one character encoding that RFC 7616 allows here.
fn extended(value: &Value<'_>) -> Result<String, Malformed> {
    let fault = |why| Malformed::ExtendedUsername(why);
    if value.quoted {
        return Err(fault("it is quoted"));
    }
    let mut parts = value.text.splitn(3, '\'');
    let (Some(charset), Some(_language), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(fault("it is not charset'language'value"));
    };
    if !charset.eq_ignore_ascii_case("UTF-8") {
        return Err(fault("it is not in UTF-8"));
    }
    let mut octets = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'%' => {
                let digit = |octet: Option<u8>| octet.and_then(|octet| char::from(octet).to_digit(16));
                match (digit(rest.next()), digit(rest.next())) {
                    (Some(high), Some(low)) => u8::try_from(high << 4 | low).unwrap_or_default(),
                    _ => return Err(fault("a % is not followed by two hexadecimal digits")),
                }
            }
            // The two token characters that may not stand for themselves here.
            b'*' | b'\'' => return Err(fault("it holds what must be encoded")),
            plain => plain,
        });
    }
    let name = String::from_utf8(octets).map_err(|_| fault("it is not in UTF-8"))?;
    match name.chars().any(char::is_control) {
        true => Err(fault("it holds a control character")),
        false => Ok(name),
    }
}

fn is_hexadecimal(text: &str) -> bool {
    text.bytes().all(|octet| octet.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests;
