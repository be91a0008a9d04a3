//! The way in: a file, or its text, becomes a checked configuration or a report of all that is wrong
//! with it. And its JSON Schema.

use super::fault::{Fault, Faults, Span};
use super::tree::MAX_OCTETS;
use super::{Config, check, raw, read, tree};
use std::io::Read;
use std::path::Path;

/// A configuration that can be used.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// It.
    pub config: Config,
    /// What is hardly meant that way.
    pub warnings: Faults,
}

/// Reads and checks a file. Its paths are relative to the directory that it stands in. A file of more
/// than 1 MiB is refused.
///
/// # Errors
/// All that is wrong with it, warnings included; or the one reason why it cannot be read.
pub fn load(path: &Path) -> Result<Loaded, Faults> {
    let file = path.display().to_string();
    let broken =
        |message: String| Faults::new(file.as_str(), String::new(), vec![Fault::error(Span::default(), "", message)]);
    let mut octets = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_OCTETS + 1).read_to_end(&mut octets))
        .map_err(|error| broken(format!("the file cannot be read: {error}")))?;
    if u64::try_from(octets.len()).unwrap_or(u64::MAX) > MAX_OCTETS {
        return Err(broken("the file is larger than 1 MiB".to_owned()));
    }
    let text = String::from_utf8(octets).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let lines = error.as_bytes().iter().take(at).filter(|octet| **octet == b'\n').count();
        broken(format!("the file is not UTF-8: see line {}", lines + 1))
    })?;
    parse(&text, &file, path.parent().unwrap_or(Path::new("")))
}

/// Checks the text of a file. `file` is its name in reports, `base` the directory that its paths are
/// relative to.
///
/// # Errors
/// All that is wrong with it, warnings included.
pub fn parse(text: &str, file: &str, base: &Path) -> Result<Loaded, Faults> {
    let tree::Parsed { root, mut faults, secrets } = tree::parse(text);
    let config = root.and_then(|root| {
        let read = read::read(&root);
        faults.extend(read.faults);
        let (config, all) = check::check(&read.value, &read.places, base, std::mem::take(&mut faults));
        faults = all;
        config
    });
    let faults = Faults::new(file, tree::blotted(text, &secrets), faults);
    match config {
        Some(config) if !faults.has_errors() => Ok(Loaded { config, warnings: faults }),
        _ => Err(faults),
    }
}

/// The JSON Schema (draft 2020-12) of the file.
#[must_use]
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(raw::File)
}

#[cfg(test)]
mod tests;
