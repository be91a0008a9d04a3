//! `wicketgate check -c FILE`: is this configuration good?

use super::{Exit, Failure, print};
use crate::config::{self, Faults};
use serde_json::{Value, json};
use std::io::IsTerminal;
use std::path::PathBuf;

/// The arguments of `check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration file
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

/// Prints all that is wrong with the configuration.
///
/// # Errors
/// When standard output cannot be written to.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let (faults, good) = match config::load(&args.config) {
        Ok(loaded) => (loaded.warnings, true),
        Err(faults) => (faults, false),
    };
    if args.json {
        print(&format!("{:#}\n", report(&faults, good)))?;
    } else {
        print(&text(&faults, good))?;
    }
    Ok(if good { Exit::Success } else { Exit::Bad })
}

fn report(faults: &Faults, good: bool) -> Value {
    let faults: Vec<_> = faults.iter().collect();
    json!({ "good": good, "faults": faults })
}

fn text(faults: &Faults, good: bool) -> String {
    let mut text = String::new();
    if !faults.is_empty() {
        text.push_str(&faults.render(std::io::stdout().is_terminal()));
        text.push_str("\n\n");
    }
    text.push_str(&format!(
        "{}: {}\n",
        faults.file(),
        if good { "the configuration is good" } else { "the configuration is bad" }
    ));
    text
}
