//! What is wrong with a database, in words that say what to do about it. The log, `wicketgate check` and
//! `wicketgate db check` all show the same ones; who finds them is `mysql`'s and `sqlite`'s business.

use crate::config::Severity;
use std::fmt;

/// The most characters of one part.
const LONGEST: usize = 2000;

/// Something that stands in the way of using a database, or that is better mended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// Whether the gate can work with it.
    pub severity: Severity,
    /// The server, file, table or column that it is wrong with.
    pub on: String,
    /// What is wrong.
    pub what: String,
    /// What it was seen by; mostly the words of the server.
    pub why: String,
    /// How it is mended.
    pub what_to_do: String,
}

impl Diagnosis {
    /// Something that nothing works with.
    pub fn error(
        on: impl fmt::Display,
        what: impl Into<String>,
        why: impl Into<String>,
        what_to_do: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Error,
            on: printable(&on.to_string()),
            what: printable(&what.into()),
            why: printable(&why.into()),
            what_to_do: printable(&what_to_do.into()),
        }
    }

    /// Something that the gate works with, but hardly as it is meant to.
    pub fn warning(
        on: impl fmt::Display,
        what: impl Into<String>,
        why: impl Into<String>,
        what_to_do: impl Into<String>,
    ) -> Self {
        Self { severity: Severity::Warning, ..Self::error(on, what, why, what_to_do) }
    }
}

impl fmt::Display for Diagnosis {
    /// One line; what it is wrong with is left to whoever shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, why, what_to_do, .. } = self;
        write!(f, "{what}: {why}; what to do: {what_to_do}")
    }
}

/// Servers choose their words: without control characters, which could write elsewhere in a log or on a terminal, and
/// of a length that can be read.
fn printable(text: &str) -> String {
    text.chars().take(LONGEST).map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_server_cannot_draw_on_the_terminal() {
        let diagnosis = Diagnosis::warning("db1", "refused", "\u{1b}[2Jlogin:\n", "x".repeat(1 << 20));
        assert_eq!(diagnosis.why, "\u{fffd}[2Jlogin:\u{fffd}");
        assert_eq!(diagnosis.what_to_do.len(), LONGEST);
    }
}
