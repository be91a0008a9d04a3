//! `wicketgate serve`: run the gate.

use super::{Exit, Failure};
use crate::app;
use crate::config::Faults;
use std::path::PathBuf;

/// What `serve` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// Take the place of the process that runs with this configuration (`takeover`), if there is one, without losing a
    /// connection
    #[arg(long)]
    take_over: bool,
}

/// Runs until the process is told to end.
///
/// # Errors
/// When the gate cannot start.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    app::run(&args.config, args.take_over, |_| ()).map_err(|error| {
        // A configuration that is bad in itself is another answer than an address that is taken.
        let bad = error.is::<Faults>();
        let file = args.config.display();
        let what_to_do = format!("run `wicketgate check -c {file}`, which names every fault");
        let failure = Failure::new("starting the gate", file, format!("{error:#}"), what_to_do);
        if bad { failure.bad() } else { failure }
    })?;
    Ok(Exit::Success)
}
