//! `wicketgate authority`: the authority as a process of its own, which alone has the key of the intermediate.

use super::{Exit, Failure};
use crate::app;
use crate::config::Faults;
use std::path::PathBuf;

/// What `authority` takes.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Run the authority: enrol by EST, and sign revocation lists and OCSP answers
    Serve(Serve),
}

#[derive(Debug, clap::Args)]
struct Serve {
    /// The configuration file
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,

    /// End when the process ends that started this one
    #[arg(long, hide = true)]
    with_parent: bool,
}

/// Runs what is asked for.
///
/// # Errors
/// When the authority cannot start.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let Command::Serve(args) = &args.command;
    let file = args.config.display();
    app::authority::run(&args.config, args.with_parent).map_err(|error| {
        // A configuration that is bad in itself is another answer than a database that does not answer.
        let bad = error.is::<Faults>();
        let what_to_do = format!("run `wicketgate check -c {file}`, which names every fault of the configuration");
        let failure = Failure::new("starting the authority", file, format!("{error:#}"), what_to_do);
        if bad { failure.bad() } else { failure }
    })?;
    Ok(Exit::Success)
}
