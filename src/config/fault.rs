//! What is wrong with a configuration file: each fault with its place and a suggestion, all of them in
//! one report, for people (with the lines of the file) and for programs (as JSON).

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::Serialize;
use std::fmt;
use std::ops::Range;

/// How many faults are shown to people. Aliases can make many out of few, and each is looked up in the text.
const MAX_RENDERED: usize = 100;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing works with it.
    Error,
    /// It works, but hardly as it is meant to.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// How bad it is.
    pub severity: Severity,
    /// The key: `listeners[0].tls.key`. Empty for the file as a whole.
    pub path: String,
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// The column in characters, from 1; 0 for the file as a whole.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
    /// The octets of the file that the fault is about.
    #[serde(skip)]
    pub(super) octets: Range<usize>,
}

/// A place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Span {
    /// The line, from 1; 0 is no place at all.
    pub(super) line: usize,
    /// The column in characters, from 1.
    pub(super) column: usize,
    /// The offset of the first octet.
    pub(super) start: usize,
    /// The offset after the last octet.
    pub(super) end: usize,
}

impl Fault {
    pub(super) fn error(span: Span, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            path: path.into(),
            line: span.line,
            column: span.column,
            message: message.into(),
            help: None,
            octets: span.start..span.end,
        }
    }

    pub(super) fn help(self, help: impl Into<Option<String>>) -> Self {
        Self { help: help.into(), ..self }
    }
}

/// Everything that is wrong with one file, in the order of the file.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Faults {
    file: String,
    /// The text that faults are shown in, with the secrets that stand in it blotted out.
    #[serde(skip)]
    text: String,
    faults: Vec<Fault>,
}

impl Faults {
    pub(super) fn new(file: impl Into<String>, text: String, mut faults: Vec<Fault>) -> Self {
        faults.sort_by_key(|fault| (fault.octets.start, fault.severity));
        Self { file: file.into(), text, faults }
    }

    /// Each of them, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    /// The file that they are in, as it was named.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    pub(super) fn has_errors(&self) -> bool {
        self.faults.iter().any(|fault| fault.severity == Severity::Error)
    }

    /// A report for people: every fault with the line that it is on. `colour` is for terminals.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let shown = self.faults.iter().take(MAX_RENDERED);
        let mut report: Vec<String> = shown.map(|fault| renderer.render(&[self.group(fault)])).collect();
        if let more @ 1.. = self.faults.len().saturating_sub(MAX_RENDERED) {
            report.push(format!("and {more} more"));
        }
        report.join("\n\n")
    }

    fn group<'a>(&'a self, fault: &'a Fault) -> Group<'a> {
        let level = match fault.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let title = level.primary_title(fault.message.as_str());
        // The renderer panics on a range that is not of its text.
        let group = if fault.line > 0 && self.text.get(fault.octets.clone()).is_some() {
            let annotation = AnnotationKind::Primary.span(fault.octets.clone()).label(fault.path.as_str());
            title.element(Snippet::source(self.text.as_str()).path(self.file.as_str()).annotation(annotation))
        } else {
            title.element(Origin::path(self.file.as_str()))
        };
        match &fault.help {
            Some(help) => group.element(Level::HELP.message(help.as_str())),
            None => group,
        }
    }
}

impl fmt::Display for Faults {
    /// One line for each: `wicketgate.yaml:4:5: error: routes[0].path: … (did you mean …)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.faults.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            f.write_str(&self.file)?;
            if fault.line > 0 {
                write!(f, ":{}:{}", fault.line, fault.column)?;
            }
            write!(f, ": {}: ", fault.severity)?;
            if !fault.path.is_empty() {
                write!(f, "{}: ", fault.path)?;
            }
            f.write_str(&fault.message)?;
            if let Some(help) = &fault.help {
                write!(f, " ({help})")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("file", &self.file).field("faults", &self.faults).finish_non_exhaustive()
    }
}

impl std::error::Error for Faults {}

/// The one of `known` that was most likely meant by `text`, if any is near enough.
pub(super) fn nearest<'a>(text: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| -> String {
        text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).take(64).collect()
    };
    let wanted = plain(text);
    // A third of the letters may be wrong, and one of a short word.
    let tolerance = (wanted.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &plain(candidate)), candidate))
        .filter(|(distance, _)| *distance <= tolerance)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "did you mean …?" if one is near, else the list of those that are known.
pub(super) fn suggest<'a>(text: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(near) = nearest(text, known.clone()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let all: Vec<String> = known.into_iter().map(|name| format!("`{name}`")).collect();
    (!all.is_empty()).then(|| format!("known here: {}", all.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_that_was_meant_is_found() {
        let known = ["client_certificate", "name", "tls", "on_missing_certificate", "SHA-256"];
        let cases = [
            ("client_certficate", Some("client_certificate")),
            ("clientCertificate", Some("client_certificate")),
            ("naem", Some("name")),
            ("TLS", Some("tls")),
            ("sha256", Some("SHA-256")),
            ("upstreams", None),
            ("x", None),
        ];
        for (text, expected) in cases {
            assert_eq!(nearest(text, known), expected, "{text}");
        }
    }

    #[test]
    fn nobody_is_shown_more_faults_than_can_be_read() {
        let fault = Fault::error(Span { line: 1, column: 1, start: 0, end: 1 }, "a", "wrong");
        let faults = Faults::new("gate.yaml", "a\n".to_owned(), vec![fault; MAX_RENDERED + 3]);
        assert!(faults.render(false).ends_with("and 3 more"));
        assert_eq!(faults.iter().count(), MAX_RENDERED + 3);
    }

    #[test]
    fn a_fault_is_shown_in_its_line() {
        let span = Span { line: 2, column: 3, start: 7, end: 11 };
        let fault = Fault::error(span, "a.naem", "`naem` is not known").help("did you mean `name`?".to_owned());
        let faults = Faults::new("gate.yaml", "a:\n  b\n  naem: 1\n".to_owned(), vec![fault]);
        assert_eq!(faults.to_string(), "gate.yaml:2:3: error: a.naem: `naem` is not known (did you mean `name`?)");
        let rendered = faults.render(false);
        for part in ["error: `naem` is not known", "--> gate.yaml:3", "naem: 1", "^^^^ a.naem", "did you mean `name`?"]
        {
            assert!(rendered.contains(part), "{part} is missing from\n{rendered}");
        }
    }
}
