//! Part of the checked model: a route's `claim`, by which a client says who it is. A [`Template`] is read here and
//! matched in `identity::claim`; what a claim is worth is for `auth` to say.
//!
//! A template is text with placeholders. Each placeholder takes as much as it can hold, and what follows it in the
//! template begins with something that it cannot hold: so every text matches in one way or in none, and in a time that
//! grows with its length alone.

use super::{IdentitySource, IssuerPin, LookupKind};

/// What a route asks a client to say of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The name of the header field.
    pub header: String,
    /// The forms that its value may have; the first that matches counts. At least one, and all of them name the same
    /// parts: a user, a realm, or both.
    pub forms: Vec<Template>,
    /// The parts of a certificate that may be claimed: alternative names, and perhaps the common name.
    pub from: Vec<IdentitySource>,
    /// What the claim is looked up as.
    pub lookup: LookupKind,
    /// If not empty, one of these must occur in the validated path.
    pub issuers: Vec<IssuerPin>,
}

/// A text with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

/// A part of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// This text, letter by letter.
    Text(String),
    /// Something that the client says.
    Placeholder(Placeholder),
}

/// Something that a client says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placeholder {
    /// `{username}`: a user, or what stands before the `@` of an address.
    Username,
    /// `{realm}` or `{domain}`: a domain.
    Realm,
    /// `{device}`: what tells the devices of one user apart.
    Device,
}

impl Placeholder {
    /// As it stands in a template, without its braces.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Username => "username",
            Self::Realm => "realm",
            Self::Device => "device",
        }
    }

    /// Whether a character may stand in what it takes. What separates the parts of an address, of a list or of a
    /// quoted text may not, nor may `%`: two readers could disagree on what is meant.
    #[must_use]
    pub fn holds(self, character: char) -> bool {
        let visible = !character.is_control() && !character.is_whitespace();
        match self {
            Self::Username => visible && !"@:;,<>\"\\%()[]{}|^`/?&=#".contains(character),
            Self::Realm => character.is_ascii_alphanumeric() || matches!(character, '-' | '.') || !character.is_ascii(),
            Self::Device => character.is_ascii_graphic() && !"<>\"\\;,%(){}".contains(character),
        }
    }
}

impl Template {
    /// Its parts, in their order.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// Whether it has this placeholder.
    #[must_use]
    pub fn has(&self, placeholder: Placeholder) -> bool {
        self.0.contains(&Piece::Placeholder(placeholder))
    }

    /// Reads one as it stands in the configuration. `{email}` is `{username}@{realm}`, and `{{` a brace.
    ///
    /// # Errors
    /// What is wrong with it, in words for the administrator.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expanded = text.replace("{email}", "{username}@{realm}");
        let mut pieces: Vec<Piece> = Vec::new();
        let mut rest = expanded.as_str();
        while let Some(next) = rest.chars().next() {
            let (piece, after) = match rest.strip_prefix('{') {
                Some(named) if !named.starts_with('{') => {
                    let (name, after) = named.split_once('}').ok_or("a `{` has no `}`: write `{{` for a brace")?;
                    (Piece::Placeholder(placeholder(name)?), after)
                }
                brace => {
                    let after = brace.and_then(|rest| rest.strip_prefix('{'));
                    (Piece::Text(next.to_string()), after.unwrap_or(rest.get(next.len_utf8()..).unwrap_or_default()))
                }
            };
            match (pieces.last_mut(), piece) {
                (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(&text),
                (_, piece) => pieces.push(piece),
            }
            rest = after;
        }
        let template = Self(pieces);
        template.check()?;
        Ok(template)
    }

    fn check(&self) -> Result<(), String> {
        if !self.has(Placeholder::Username) && !self.has(Placeholder::Realm) {
            return Err("this names nobody: write `{username}`, `{realm}` or `{email}` in it".to_owned());
        }
        for (place, piece) in self.0.iter().enumerate() {
            let Piece::Placeholder(placeholder) = piece else {
                if let Piece::Text(text) = piece
                    && !text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
                {
                    return Err("what a header says beside names is visible ASCII".to_owned());
                }
                continue;
            };
            let name = placeholder.as_str();
            let mut after = self.0.iter().skip(place + 1);
            if after.clone().any(|later| later == piece) {
                return Err(format!("`{{{name}}}` stands in it twice"));
            }
            let ends = match after.next() {
                None => true,
                Some(Piece::Placeholder(_)) => false,
                Some(Piece::Text(text)) => text.chars().next().is_some_and(|first| !placeholder.holds(first)),
            };
            if !ends {
                return Err(format!("it is open where `{{{name}}}` ends: what follows could be a part of it"));
            }
        }
        Ok(())
    }
}

fn placeholder(name: &str) -> Result<Placeholder, String> {
    match name {
        "username" => Ok(Placeholder::Username),
        "realm" | "domain" => Ok(Placeholder::Realm),
        "device" => Ok(Placeholder::Device),
        other => {
            const NAMES: [&str; 5] = ["username", "realm", "domain", "email", "device"];
            let near = super::fault::nearest(other, NAMES).map(|near| format!(" (did you mean `{{{near}}}`?)"));
            let other: String = other.chars().take(40).collect();
            Err(format!("there is no placeholder `{{{other}}}`{}", near.unwrap_or_default()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(text: &str) -> Piece {
        Piece::Text(text.to_owned())
    }

    #[test]
    fn a_template_is_text_with_placeholders() {
        use Placeholder::{Device, Realm, Username};
        let cases = [
            ("{username}", vec![Piece::Placeholder(Username)]),
            ("{domain}", vec![Piece::Placeholder(Realm)]),
            ("{email}", vec![Piece::Placeholder(Username), text("@"), Piece::Placeholder(Realm)]),
            (
                "sip:{username}@{realm}",
                vec![text("sip:"), Piece::Placeholder(Username), text("@"), Piece::Placeholder(Realm)],
            ),
            (
                "<sip:{username}@example.org>;gr={device}",
                vec![
                    text("<sip:"),
                    Piece::Placeholder(Username),
                    text("@example.org>;gr="),
                    Piece::Placeholder(Device),
                ],
            ),
            ("{{{username}}", vec![text("{"), Piece::Placeholder(Username), text("}")]),
        ];
        for (template, pieces) in cases {
            assert_eq!(Template::parse(template).map(|template| template.0), Ok(pieces), "{template}");
        }
    }

    #[test]
    fn a_template_that_could_match_in_two_ways_or_names_nobody_is_refused() {
        let cases = [
            ("", "names nobody"),
            ("sip:alice@example.org", "names nobody"),
            ("gr={device}", "names nobody"),
            ("{{username}}", "names nobody"),
            ("{usernam}", "did you mean `{username}`?"),
            ("{username", "has no `}`"),
            ("{username}{realm}", "open where `{username}` ends"),
            ("{username}.example.org", "open where `{username}` ends"),
            ("{realm}-x", "open where `{realm}` ends"),
            ("{username}@{username}", "twice"),
            ("{email} {domain}", "twice"),
            ("é{username}", "visible ASCII"),
            ("{username}\n", "visible ASCII"),
        ];
        for (template, why) in cases {
            let error = Template::parse(template).unwrap_err();
            assert!(error.contains(why), "{template}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_template_or_is_not(text in "(\\{(username|realm|device|email|x)\\}|[ -~é]){0,12}") {
            let _ = Template::parse(&text);
        }
    }
}
