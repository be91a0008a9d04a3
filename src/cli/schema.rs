//! `wicketgate schema`: the JSON Schema of the configuration file, for editors that complete and check it
//! while it is written.

use super::{Exit, Failure, OrFail, print};
use crate::config;

/// The arguments of `schema`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Prints the schema.
///
/// # Errors
/// When standard output cannot be written to.
pub fn run(_: &Args) -> Result<Exit, Failure> {
    let what_to_do = "report this as a fault of wicketgate";
    let schema = serde_json::to_string_pretty(&config::schema()).or_fail("writing", "the schema", what_to_do)?;
    print(&format!("{schema}\n"))?;
    Ok(Exit::Success)
}
