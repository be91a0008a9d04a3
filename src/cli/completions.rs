//! `wicketgate completions SHELL`: a script that completes the command line.

use super::{Cli, Exit, Failure, print};
use clap::CommandFactory;
use clap_complete::Shell;

/// The arguments of `completions`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell that the script is for
    shell: Shell,
}

/// Prints the script.
///
/// # Errors
/// When standard output cannot be written to.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "wicketgate", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Success)
}
