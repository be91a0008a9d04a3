//! What a person types: the table of commands, the one way in which all of them report that they
//! failed, and the way to standard output. Each command has its own file with its `Args` and a
//! `run(&Args) -> Result<Exit, Failure>`; what it does is done in the modules above.

pub mod account;
pub mod authority;
pub mod ca;
pub mod cache;
pub mod check;
pub mod completions;
pub mod crl;
pub mod db;
pub mod demo;
pub mod explain;
pub mod failure;
mod gate;
pub mod man;
pub mod reload;
pub mod serve;
pub mod schema;
pub mod status;
pub mod top;
pub mod verify;

pub use failure::{Failure, OrFail};

use crate::config::{self, Config};
use clap::{Parser, Subcommand};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "wicketgate",
    version,
    about = "A reverse proxy that lets people in by their client certificate",
    long_about = "Wicketgate is a reverse proxy that lets people in by their client certificate and tells the \
                  application behind it who they are.\n\nEvery command exits with 0 on success, 1 when the answer \
                  is no or the work could not be done, and 2 on bad usage or a bad configuration.",
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a working gate with an authority, accounts and an application of its own
    Demo(demo::Args),
    /// Run the gate
    Serve(serve::Args),
    /// Say what a running gate does
    Status(status::Args),
    /// Show what a running gate does, again and again
    Top(top::Args),
    /// Have a running gate read its configuration anew
    Reload(reload::Args),
    /// Say what would happen to a certificate, stage by stage
    Explain(explain::Args),
    /// Say whether a configuration is good
    Check(check::Args),
    /// Say whether a certificate is valid, without a configuration
    Verify(verify::Args),
    /// Look after the authority that issues certificates
    Ca(ca::Args),
    /// Run that authority, beside the gate
    Authority(authority::Args),
    /// Look into revocation lists
    Crl(crl::Args),
    /// Look after the people who may pass
    Account(account::Args),
    /// Look after the database that they are kept in
    Db(db::Args),
    /// Look after what running gates have cached of it
    Cache(cache::Args),
    /// Print the JSON Schema of the configuration file
    Schema(schema::Args),
    /// Print a completion script for a shell
    Completions(completions::Args),
    /// Print the manual page, or write one for each command
    Man(man::Args),
}

impl Command {
    fn run(&self) -> Result<Exit, Failure> {
        match self {
            Self::Demo(args) => demo::run(args),
            Self::Serve(args) => serve::run(args),
            Self::Status(args) => status::run(args),
            Self::Top(args) => top::run(args),
            Self::Reload(args) => reload::run(args),
            Self::Explain(args) => explain::run(args),
            Self::Check(args) => check::run(args),
            Self::Verify(args) => verify::run(args),
            Self::Ca(args) => ca::run(args),
            Self::Authority(args) => authority::run(args),
            Self::Crl(args) => crl::run(args),
            Self::Account(args) => account::run(args),
            Self::Db(args) => db::run(args),
            Self::Cache(args) => cache::run(args),
            Self::Schema(args) => schema::run(args),
            Self::Completions(args) => completions::run(args),
            Self::Man(args) => man::run(args),
        }
    }
}

/// How a command that did its work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It did what it was asked to, or the answer is yes: 0.
    Success,
    /// The answer is no: 1.
    No,
    /// The usage or the configuration is bad, and the command has said so itself: 2.
    Bad,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Success => Self::SUCCESS,
            Exit::No => Self::from(1),
            Exit::Bad => Self::from(2),
        }
    }
}

/// Runs the command and prints its failure, if it fails, on standard error.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    match cli.command.run() {
        Ok(exit) => exit.into(),
        Err(failure) => {
            // With standard error gone there is nobody left to tell; the exit code still says it.
            let _ = writeln!(std::io::stderr(), "{failure}");
            failure.exit().into()
        }
    }
}

/// Writes to standard output. A reader that has gone away (`wicketgate schema | head`) is no failure.
///
/// # Errors
/// When standard output cannot be written to for another reason, such as a full disk.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::new("writing", "standard output", error, "look whether the disk it goes to is full"))
        }
        _ => Ok(()),
    }
}

/// The configuration that a command works with.
///
/// # Errors
/// All that is wrong with it.
pub fn configuration(file: &Path) -> Result<Config, Failure> {
    let what_to_do = "correct what is named above; `wicketgate check` shows it with its surroundings";
    let loaded = config::load(file).or_fail("reading the configuration", file.display(), what_to_do);
    Ok(loaded.map_err(Failure::bad)?.config)
}

/// A runtime for a command that talks to a database or to a network. It has one thread, which is the
/// one that blocks on it.
///
/// # Errors
/// When the system gives no descriptors for it.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().or_fail(
        "starting",
        "the runtime",
        "raise the limit on open files (ulimit -n)",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_table_of_commands_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_says_what_it_does() {
        for command in Cli::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
        }
    }
}
