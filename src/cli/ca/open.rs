//! How the commands of `ca` come to the authority: its section of the configuration, its folder, the passphrase of
//! its keys, and what each fault means to whoever typed the command.

use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::ca::directory::{Directory, DirectoryError, patiently};
use crate::ca::issue::Authority;
use crate::ca::key::KeyError;
use crate::ca::key::clocked::Clock;
use crate::ca::key::sealed::SealError;
use crate::ca::key::token::Token;
use crate::ca::passphrase::{Ask, Passphrase};
use crate::cli::{Failure, OrFail};
use crate::config::profile::INTERMEDIATE;
use crate::config::{self, Config};
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

/// The section of the configuration.
///
/// # Errors
/// When there is none.
pub fn section(config: &Config) -> Result<&config::Authority, Failure> {
    config.authority.as_ref().ok_or_else(|| {
        let why = "the configuration has no `authority` section";
        Failure::new("looking for the authority", "the configuration", why, "add `authority: {directory: authority}`")
            .bad()
    })
}

/// The authority's folder.
///
/// # Errors
/// When there is none, or it cannot be read.
pub fn directory(section: &config::Authority) -> Result<Directory, Failure> {
    Directory::of(section).map_err(|error| failure("reading the authority", section.directory.display(), &error))
}

/// The token that keeps the keys of intermediates, if the configuration names one.
#[must_use]
pub fn token(section: &config::Authority) -> Option<Token> {
    section.token.clone().map(Token::new)
}

/// The rules that the authority's own intermediates are made by; `validity` takes the place of theirs.
#[must_use]
pub(super) fn intermediate(section: &config::Authority, validity: Option<Duration>) -> config::Profile {
    let rules = section.profiles.get(INTERMEDIATE).cloned().unwrap_or_else(config::Profile::intermediate);
    config::Profile { validity: validity.unwrap_or(rules.validity), ..rules }
}

/// The intermediate that issues now, its key opened.
///
/// # Errors
/// When its key is not there or does not open.
pub fn issuing(section: &config::Authority, directory: &Directory) -> Result<Authority, Failure> {
    let (passphrase, clock) = (passphrase(section), clock());
    opened(directory, || directory.issuing(&passphrase, &clock))
}

/// Opens a key, and waits before that if the passphrase was wrong lately.
///
/// # Errors
/// Those of `open`.
pub fn opened<T>(directory: &Directory, open: impl FnMut() -> Result<T, DirectoryError>) -> Result<T, Failure> {
    let sleep = |wait: Duration| {
        // With standard error gone the wait is the same.
        let _ = writeln!(std::io::stderr(), "the passphrase was wrong: waiting {} s", wait.as_secs());
        std::thread::sleep(wait);
    };
    patiently(open, sleep).map_err(|error| failure("opening a key", directory.path().display(), &error))
}

/// Where the passphrase comes from: the configuration says it, or a person is asked who sits at a terminal.
#[must_use]
pub fn passphrase(section: &config::Authority) -> Passphrase {
    let ask: Option<Ask> = std::io::stdin().is_terminal().then_some(ask);
    Passphrase::of(section.passphrase.as_ref(), ask)
}

/// The passphrase that new keys are sealed with; a person is asked twice.
///
/// # Errors
/// When it cannot be had, or the two are not the same.
pub fn new_passphrase(section: &config::Authority) -> Result<Secret, Failure> {
    let source = passphrase(section);
    let first = read(section, &source)?;
    if let Passphrase::Asked(ask) = source {
        let what_to_do = "type it at a terminal";
        let second = ask("Again").or_fail("reading the passphrase", section.directory.display(), what_to_do)?;
        if first != second {
            let why = "the two are not the same";
            return Err(Failure::new("reading the passphrase", section.directory.display(), why, "try again"));
        }
    }
    Ok(first)
}

/// The passphrase itself.
///
/// # Errors
/// When it cannot be had.
pub fn read(section: &config::Authority, source: &Passphrase) -> Result<Secret, Failure> {
    source.read("Passphrase of the authority's keys").or_fail(
        "reading the passphrase",
        section.directory.display(),
        "set `authority.passphrase` in the configuration, or type it at a terminal",
    )
}

pub(super) fn ask(what_for: &str) -> std::io::Result<Secret> {
    Ok(Secret::new(rpassword::prompt_password(format!("{what_for}: "))?.into_bytes()))
}

/// The machine's clock.
#[must_use]
pub fn clock() -> Clock {
    Arc::new(Timestamp::now)
}

/// What a fault of the folder means to whoever typed the command.
pub fn failure(what: &str, on: impl std::fmt::Display, error: &DirectoryError) -> Failure {
    let what_to_do = match error {
        DirectoryError::Missing(_) => "make one by `wicketgate ca init`, or correct `authority.directory`",
        DirectoryError::Exposed { .. } => "take the rights of others away (chmod go-rwx), and ask who had them",
        DirectoryError::Seal { source: SealError::WrongPassphrase, .. } => {
            "give the passphrase that was given to `ca init`; each wrong one makes the next attempt wait longer"
        }
        DirectoryError::Seal { .. } => "restore the key from a backup",
        DirectoryError::TooSoon { .. } => "wait, and look for who tries passphrases",
        DirectoryError::Passphrase(_) => "set `authority.passphrase` in the configuration, or type it at a terminal",
        DirectoryError::Key(KeyError::ClockWentBack { .. } | KeyError::NotYetValid { .. }) => "set the clock right",
        DirectoryError::Key(KeyError::Token(_)) => "look whether the token is there, and correct `authority.key`",
        DirectoryError::NoKey(_) => "restore the key from a backup",
        DirectoryError::Unreadable { .. } => "look at the owner and the mode of the file",
        _ => "restore the folder from a backup",
    };
    Failure::new(what, on, error, what_to_do)
}
