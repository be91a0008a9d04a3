//! The parameters of a challenge and of what answers it: a list of `name=value`, as RFC 9110 has it in sections 5.6
//! and 11.2. Bounded in number; a name that stands there twice is refused, because it has no value to rely on.

use std::borrow::Cow;

/// The largest number of parameters. RFC 7616 knows twelve.
pub const MAX_PARAMETERS: usize = 32;

/// The largest number of schemes and parameters in a header with challenges, of which one may hold many.
const MOST_PARTS: usize = 4 * MAX_PARAMETERS;

/// A text is not a list of parameters.
///
/// What it quotes is cut short and escaped, fit for a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParametersError {
    /// There are more than [`MAX_PARAMETERS`].
    #[error("it has more than {MAX_PARAMETERS} parameters")]
    TooMany,
    /// It is not a list of `name=value`.
    #[error("it is not a list of name=value: {0}")]
    Syntax(&'static str),
    /// A value holds a control character, escaped or not.
    #[error("a value holds a control character")]
    ControlCharacter,
    /// A parameter stands in it twice.
    #[error("the parameter {0:?} stands in it twice")]
    Duplicate(String),
}

/// The parameters of the header, none twice.
pub(super) struct Parameters<'a>(Vec<(&'a str, Value<'a>)>);

pub(super) struct Value<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) quoted: bool,
}

/// The challenges of one `WWW-Authenticate` header (RFC 9110, section 11.6.1), each with its scheme. What follows a
/// scheme and is no parameter (`token68`) is passed over.
pub(super) fn challenges(text: &str) -> Result<Vec<(&str, Parameters<'_>)>, ParametersError> {
    let mut reader = Reader { rest: text };
    let mut found: Vec<(&str, Parameters<'_>)> = Vec::new();
    let mut count = 0;
    loop {
        reader.skip(&[' ', '\t', ',']);
        if reader.rest.is_empty() {
            return Ok(found);
        }
        count += 1;
        if count > MOST_PARTS {
            return Err(ParametersError::TooMany);
        }
        let before = reader.rest;
        let name = reader.token();
        if name.is_empty() {
            return Err(ParametersError::Syntax("a name is expected"));
        }
        reader.skip(BLANK);
        match (reader.take('='), found.last_mut()) {
            // A name with no = behind it begins a challenge.
            (false, _) => {
                found.push((name, Parameters(Vec::new())));
                let scheme_ends = before.get(name.len()..).unwrap_or_default();
                if let Some(rest) = after_token68(scheme_ends.trim_start_matches(BLANK)) {
                    reader.rest = rest;
                }
            }
            (true, None) => return Err(ParametersError::Syntax("a parameter stands before any scheme")),
            (true, Some((_, Parameters(parameters)))) => {
                if parameters.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                    return Err(ParametersError::Duplicate(excerpt(name)));
                }
                reader.skip(BLANK);
                parameters.push((name, reader.value()?));
                reader.skip(BLANK);
                if !reader.rest.is_empty() && !reader.rest.starts_with(',') {
                    return Err(ParametersError::Syntax("no comma follows a value"));
                }
            }
        }
    }
}

/// What follows a `token68` up to the next comma, if the text begins with one and not with a parameter.
fn after_token68(text: &str) -> Option<&str> {
    let end = text.find(',').unwrap_or(text.len());
    let (piece, rest) = text.split_at_checked(end)?;
    let piece = piece.trim_end_matches(BLANK);
    let body = piece.trim_end_matches('=');
    let plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~+/".contains(&octet);
    (!body.is_empty() && body.bytes().all(plain)).then_some(rest)
}

impl<'a> Parameters<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, ParametersError> {
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
                return Err(ParametersError::Syntax("a name is expected"));
            }
            if found.len() == MAX_PARAMETERS {
                return Err(ParametersError::TooMany);
            }
            if found.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                return Err(ParametersError::Duplicate(excerpt(name)));
            }
            reader.skip(BLANK);
            if !reader.take('=') {
                return Err(ParametersError::Syntax("no = follows a name"));
            }
            reader.skip(BLANK);
            found.push((name, reader.value()?));
            reader.skip(BLANK);
            if !reader.rest.is_empty() && !reader.rest.starts_with(',') {
                return Err(ParametersError::Syntax("no comma follows a value"));
            }
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.0.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, value)| value)
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

    fn value(&mut self) -> Result<Value<'a>, ParametersError> {
        if self.take('"') {
            return Ok(Value { text: self.quoted()?, quoted: true });
        }
        match self.token() {
            "" => Err(ParametersError::Syntax("a value is expected")),
            token => Ok(Value { text: Cow::Borrowed(token), quoted: false }),
        }
    }

    /// What stands before the closing quote, its escapes undone (RFC 9110, section 5.6.4).
    fn quoted(&mut self) -> Result<Cow<'a, str>, ParametersError> {
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
                return Err(ParametersError::ControlCharacter);
            }
            if let Some(text) = &mut unescaped {
                text.push(character);
            }
        }
        Err(UNCLOSED)
    }
}

const UNCLOSED: ParametersError = ParametersError::Syntax("a quoted value has no end");

pub(super) fn is_token_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet)
}

/// Enough of a hostile text to recognise it by.
pub(super) fn excerpt(text: &str) -> String {
    text.chars().take(32).collect()
}
