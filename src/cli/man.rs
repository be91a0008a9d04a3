//! `wicketgate man`: the manual, made from the same table that the command line is read by, so that
//! neither says what the other does not.

use super::{Cli, Exit, Failure, OrFail, print};
use clap::CommandFactory;
use std::path::PathBuf;

/// The arguments of `man`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write a page for every command into this directory, instead of printing the first one
    #[arg(long, value_name = "DIRECTORY")]
    directory: Option<PathBuf>,
}

/// Prints or writes the pages.
///
/// # Errors
/// When the directory or standard output cannot be written to.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    match &args.directory {
        Some(directory) => {
            clap_mangen::generate_to(Cli::command(), directory).or_fail(
                "writing the manual",
                directory.display(),
                "name a directory that exists and that you may write to",
            )?;
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command()).render(&mut page).or_fail(
                "making the manual",
                "memory",
                "report this as a fault of wicketgate",
            )?;
            print(&String::from_utf8_lossy(&page))?;
        }
    }
    Ok(Exit::Success)
}
