//! `wicketgate serve`: run the gate.

use super::{Exit, Failure, OrFail};
use crate::app;
use std::path::PathBuf;

/// What `serve` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
}

/// Runs until the process is told to end.
///
/// # Errors
/// When the gate cannot start.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    app::run(&args.config, |_| ()).or_fail(
        "starting the gate",
        args.config.display(),
        format!("run `wicketgate check -c {}`, which names every fault", args.config.display()),
    )?;
    Ok(Exit::Success)
}
