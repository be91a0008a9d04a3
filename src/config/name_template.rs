//! What stands in a certificate for a person, written with what is known of them: `{username}`,
//! `{display_name|username}`, `Room {ldap:roomNumber?}`. Only the words that are listed here are replaced, and what is
//! put in is never read again.

use std::fmt;

/// The longest template in octets.
const LONGEST: usize = 500;

/// Something that is known of whoever gets a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// The account's user name.
    Username,
    /// The account's e-mail address.
    Email,
    /// What people call them.
    DisplayName,
    /// The upstream server that keeps their data.
    Home,
    /// The first host that the certificate is for.
    Host,
    /// An attribute of the person's entry in the directory.
    Entry(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Username => f.write_str("username"),
            Self::Email => f.write_str("email"),
            Self::DisplayName => f.write_str("display_name"),
            Self::Home => f.write_str("home"),
            Self::Host => f.write_str("host"),
            Self::Entry(attribute) => write!(f, "ldap:{attribute}"),
        }
    }
}

/// Text with places to be filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameTemplate {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Place {
        /// The first that is known is put in.
        sources: Vec<Source>,
        /// Whether the whole is left out when none is known.
        optional: bool,
    },
}

/// Nothing is known that could fill a place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no {0}")]
pub struct Unknown(pub String);

impl NameTemplate {
    /// The user name alone.
    #[must_use]
    pub fn username() -> Self {
        Self::of(Source::Username)
    }

    /// The e-mail address alone.
    #[must_use]
    pub fn email() -> Self {
        Self::of(Source::Email)
    }

    /// The first host alone, if there is any.
    #[must_use]
    pub fn host() -> Self {
        Self { parts: vec![Part::Place { sources: vec![Source::Host], optional: true }] }
    }

    fn of(source: Source) -> Self {
        Self { parts: vec![Part::Place { sources: vec![source], optional: false }] }
    }

    /// Reads a template.
    ///
    /// # Errors
    /// When a brace does not close, or a place is none that can be filled.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
            return Err("this is empty, longer than 500 octets, or holds a control character".to_owned());
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, place)) = rest.split_once('{') {
            let (place, after) = place.split_once('}').ok_or("a brace opens and does not close")?;
            parts.extend(plain(before)?);
            parts.push(place_of(place)?);
            rest = after;
        }
        parts.extend(plain(rest)?);
        Ok(Self { parts })
    }

    /// The text with its places filled; `None` if it is to be left out for want of something.
    ///
    /// # Errors
    /// When a place that must be filled cannot be.
    pub fn fill(&self, known: impl Fn(&Source) -> Option<String>) -> Result<Option<String>, Unknown> {
        let mut filled = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Place { sources, optional } => {
                    match sources.iter().find_map(|source| known(source).filter(|value| !value.is_empty())) {
                        Some(value) => filled.push_str(&value),
                        None if *optional => return Ok(None),
                        None => {
                            let names: Vec<String> = sources.iter().map(ToString::to_string).collect();
                            return Err(Unknown(names.join(" or ")));
                        }
                    }
                }
            }
        }
        Ok(Some(filled))
    }

    /// What it is filled with.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        self.parts.iter().flat_map(|part| match part {
            Part::Text(_) => [].iter(),
            Part::Place { sources, .. } => sources.iter(),
        })
    }
}

fn plain(text: &str) -> Result<Option<Part>, String> {
    if text.contains('}') {
        return Err("a brace closes and does not open".to_owned());
    }
    Ok((!text.is_empty()).then(|| Part::Text(text.to_owned())))
}

fn place_of(place: &str) -> Result<Part, String> {
    let (names, optional) = match place.strip_suffix('?') {
        Some(names) => (names, true),
        None => (place, false),
    };
    let source = |name: &str| match name {
        "username" => Ok(Source::Username),
        "email" => Ok(Source::Email),
        "display_name" => Ok(Source::DisplayName),
        "home" => Ok(Source::Home),
        "host" => Ok(Source::Host),
        other => match other.strip_prefix("ldap:") {
            Some(attribute) if is_attribute(attribute) => Ok(Source::Entry(attribute.to_owned())),
            _ => Err(format!(
                "`{{{}}}` is not known: username, email, display_name, home, host and ldap:ATTRIBUTE are",
                other.chars().take(40).collect::<String>()
            )),
        },
    };
    Ok(Part::Place { sources: names.split('|').map(source).collect::<Result<_, _>>()?, optional })
}

/// A short name of an attribute type (RFC 4512, section 1.4).
fn is_attribute(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(template: &str) -> Result<Option<String>, String> {
        let known = |source: &Source| match source {
            Source::Username => Some("ann".to_owned()),
            Source::Email => Some("ann@example.org".to_owned()),
            Source::DisplayName => Some("{email}".to_owned()),
            Source::Entry(attribute) if attribute == "roomNumber" => Some("7".to_owned()),
            Source::Home => Some(String::new()),
            _ => None,
        };
        NameTemplate::parse(template)?.fill(known).map_err(|unknown| unknown.to_string())
    }

    #[test]
    fn places_are_filled_with_what_is_known() {
        let some = |text: &str| Ok(Some(text.to_owned()));
        let cases = [
            ("{username}", some("ann")),
            ("Room {ldap:roomNumber}, {username}", some("Room 7, ann")),
            ("{ldap:title|username}", some("ann")),
            ("{ldap:title?}", Ok(None)),
            ("Dr. {ldap:title|home?}", Ok(None)),
            ("{home}", Err("there is no home".to_owned())),
            ("{ldap:title|home}", Err("there is no ldap:title or home".to_owned())),
            ("{display_name}", some("{email}")),
            ("plain", some("plain")),
        ];
        for (template, expected) in cases {
            assert_eq!(filled(template), expected, "{template}");
        }
    }

    #[test]
    fn what_is_no_template_is_refused() {
        for wrong in ["", "{", "}", "{username", "a}b", "{}", "{name}", "{ldap:}", "{ldap:a b}", "{{username}}", "a\nb"]
        {
            assert!(NameTemplate::parse(wrong).is_err(), "{wrong:?}");
        }
        assert!(NameTemplate::parse(&"x".repeat(501)).is_err());
    }

    proptest! {
        #[test]
        fn what_is_put_in_is_never_read_again(value in "\\PC{1,30}") {
            let template = NameTemplate::parse("<{username}>").unwrap();
            let filled = template.fill(|_| Some(value.clone())).unwrap();
            prop_assert_eq!(filled, Some(format!("<{value}>")));
        }

        #[test]
        fn no_text_upsets_the_reader(text in "\\PC{0,60}") {
            let _ = NameTemplate::parse(&text);
        }
    }
}
