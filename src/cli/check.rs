//! `wicketgate check -c FILE`: is this configuration good? First what the file says, then the files and
//! the database that it names.

use super::{Exit, Failure, print, runtime};
use crate::app::preflight::{self, Finding};
use crate::base::clock::Timestamp;
use crate::config::{self, Config, Faults, Severity};
use serde_json::json;
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

/// Prints all that is wrong with the configuration, its files and its database. Warnings leave it good.
///
/// # Errors
/// When standard output cannot be written to.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let report = Report::of(args)?;
    if args.json { print(&report.as_json(args)) } else { print(&report.as_text(args)) }?;
    Ok(if report.is_good() { Exit::Success } else { Exit::Bad })
}

struct Report {
    /// What is wrong in the file itself.
    faults: Option<Faults>,
    /// Whether the file could be made into a configuration.
    loaded: bool,
    /// What is wrong around it.
    findings: Vec<Finding>,
}

impl Report {
    fn of(args: &Args) -> Result<Self, Failure> {
        if let Some(finding) = preflight::examine_file(&args.config) {
            return Ok(Self { faults: None, loaded: false, findings: vec![finding] });
        }
        match config::load(&args.config) {
            Ok(loaded) => {
                let findings = surroundings(&loaded.config)?;
                Ok(Self { faults: Some(loaded.warnings), loaded: true, findings })
            }
            Err(faults) => Ok(Self { faults: Some(faults), loaded: false, findings: Vec::new() }),
        }
    }

    fn is_good(&self) -> bool {
        self.loaded && self.findings.iter().all(|finding| finding.severity == Severity::Warning)
    }

    fn as_json(&self, args: &Args) -> String {
        let faults: Vec<_> = self.faults.iter().flat_map(Faults::iter).collect();
        let report = json!({
            "file": args.config.display().to_string(),
            "good": self.is_good(),
            "faults": faults,
            "findings": self.findings,
        });
        format!("{report:#}\n")
    }

    fn as_text(&self, args: &Args) -> String {
        let mut parts: Vec<String> = Vec::new();
        if let Some(faults) = self.faults.as_ref().filter(|faults| !faults.is_empty()) {
            parts.push(faults.render(std::io::stdout().is_terminal()));
        }
        parts.extend(self.findings.iter().map(ToString::to_string));
        let verdict = if self.is_good() { "the configuration is good" } else { "the configuration is bad" };
        parts.push(format!("{}: {verdict}\n", args.config.display()));
        parts.join("\n\n")
    }
}

fn surroundings(config: &Config) -> Result<Vec<Finding>, Failure> {
    let mut findings = preflight::examine_passed(config);
    findings.extend(preflight::examine(config, Timestamp::now()));
    let runtime = runtime()?;
    let store = &config.accounts.store;
    findings.extend(runtime.block_on(preflight::examine_store(store, runtime.handle().clone())));
    // A driver that still waits for a server must not keep the command from ending.
    runtime.shutdown_background();
    Ok(findings)
}
