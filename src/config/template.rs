//! Part of the checked model: texts that are made from an account, such as `{username}@imap`.

use std::fmt;

/// A text with fields of an account in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(TemplateField),
}

/// What of an account stands in a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateField {
    /// `{username}`.
    Username,
    /// `{email}`.
    Email,
    /// `{name}`: the display name.
    Name,
    /// `{home}`.
    Home,
}

impl TemplateField {
    const ALL: [(&'static str, Self); 4] =
        [("username", Self::Username), ("email", Self::Email), ("name", Self::Name), ("home", Self::Home)];
}

/// A text is no template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadTemplate(String);

impl fmt::Display for BadTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Template {
    /// Reads a template: text, and fields in braces.
    ///
    /// # Errors
    /// What is wrong, for whoever wrote it.
    pub fn parse(text: &str) -> Result<Self, BadTemplate> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, behind)) = after.split_once('}') else {
                return Err(BadTemplate("a brace is opened and not closed".to_owned()));
            };
            let known = TemplateField::ALL.iter().find(|(known, _)| *known == name);
            let Some((_, field)) = known else {
                let why = "is none of `{username}`, `{email}`, `{name}` and `{home}`";
                return Err(BadTemplate(format!("`{{{}}}` {why}", name.escape_debug().take(40).collect::<String>())));
            };
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Field(*field));
            rest = behind;
        }
        if rest.contains('}') {
            return Err(BadTemplate("a brace is closed that was not opened".to_owned()));
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        if parts.is_empty() || text.chars().any(char::is_control) {
            return Err(BadTemplate("it is empty, or holds a control character".to_owned()));
        }
        Ok(Self(parts))
    }

    /// The text, if it is the same for every account.
    #[must_use]
    pub fn as_constant(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The text for an account; `None` if it lacks one of the fields.
    pub fn fill<'a>(&self, field: impl Fn(TemplateField) -> Option<&'a str>) -> Option<String> {
        let mut filled = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Field(name) => filled.push_str(field(*name)?),
            }
        }
        Some(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_in_braces_and_nothing_else_does() {
        let field = |field| match field {
            TemplateField::Username => Some("alice"),
            TemplateField::Email => Some("alice@example.org"),
            TemplateField::Name | TemplateField::Home => None,
        };
        for (text, expected) in [
            ("{username}", Some("alice")),
            ("{username}*master", Some("alice*master")),
            ("<{email}> {username}", Some("<alice@example.org> alice")),
            ("imap", Some("imap")),
            ("{name}", None),
            ("{username}@{home}", None),
        ] {
            assert_eq!(Template::parse(text).unwrap().fill(field).as_deref(), expected, "{text}");
        }
        for text in ["", "{", "}", "{}", "{user}", "{{username}}", "{username", "username}", "a\nb"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}
