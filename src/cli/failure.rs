//! The one form in which a command says that it failed: what failed, on what, why, and what to do
//! about it.

use super::Exit;
use std::fmt;

/// Why a command did not do its work.
#[derive(Debug)]
pub struct Failure {
    what: String,
    on: String,
    why: String,
    what_to_do: String,
    exit: Exit,
}

impl Failure {
    /// A failure with the exit code 1. `what` is what was being done (`reading`), `on` what it was done
    /// to (`/etc/wicketgate.yaml`), `why` mostly an error, `what_to_do` an imperative. None ends with a
    /// full stop, and none may hold a secret.
    pub fn new(
        what: impl Into<String>,
        on: impl fmt::Display,
        why: impl fmt::Display,
        what_to_do: impl Into<String>,
    ) -> Self {
        Self {
            what: what.into(),
            on: on.to_string(),
            why: why.to_string(),
            what_to_do: what_to_do.into(),
            exit: Exit::No,
        }
    }

    /// The same with the exit code 2: the usage or the configuration is bad.
    #[must_use]
    pub fn bad(self) -> Self {
        Self { exit: Exit::Bad, ..self }
    }

    /// The exit code that the command ends with.
    #[must_use]
    pub fn exit(&self) -> Exit {
        self.exit
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, on, why, what_to_do, .. } = self;
        write!(f, "error: {what} failed on {on}\n  why: {why}\n  what to do: {what_to_do}")
    }
}

/// Turns the error of a result into a [`Failure`].
pub trait OrFail<T> {
    /// The value, or a [`Failure`] whose reason is the error with all its sources.
    ///
    /// # Errors
    /// When `self` is one.
    fn or_fail(
        self,
        what: impl Into<String>,
        on: impl fmt::Display,
        what_to_do: impl Into<String>,
    ) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> OrFail<T> for Result<T, E> {
    fn or_fail(
        self,
        what: impl Into<String>,
        on: impl fmt::Display,
        what_to_do: impl Into<String>,
    ) -> Result<T, Failure> {
        // The alternate form writes the sources after the error, which is where the reason mostly is.
        self.map_err(|error| Failure::new(what, on, format!("{:#}", error.into()), what_to_do))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_says_what_on_what_why_and_what_to_do() {
        let missing = std::fs::read("/nowhere/at/all");
        let failure = missing.or_fail("reading", "/nowhere/at/all", "make the file").unwrap_err();
        assert_eq!(
            failure.to_string(),
            "error: reading failed on /nowhere/at/all\n  why: No such file or directory (os error 2)\n  what to do: \
             make the file"
        );
        assert_eq!(failure.exit(), Exit::No);
        assert_eq!(failure.bad().exit(), Exit::Bad);
    }
}
