//! `wicketgate account import`: accounts from a file of comma-separated values or JSON lines. A progress bar goes to
//! standard error if that is a terminal, the outcome to standard output, and every line that was not taken to a
//! report.

use super::super::{Exit, Failure, OrFail, configuration, print, runtime};
use super::unavailable;
use crate::account::bulk::{Bulk, Format, ImportError, OnExisting, Options, Phase, Rejection, Report, Watch};
use clap::ValueEnum;
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustix::fs::{Mode, OFlags};
use serde_json::json;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Handle;

const WHAT: &str = "importing accounts";

/// How many rejected lines are shown where they stand in no file.
const SHOWN: usize = 20;

/// The arguments of `account import`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file of accounts; `-` is standard input
    accounts: PathBuf,
    /// The configuration file
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// How the file is written (default: by its ending, .csv, .jsonl or .ndjson)
    #[arg(long, value_enum)]
    format: Option<Written>,
    /// What to do with lines whose account exists
    #[arg(long, value_enum, default_value_t = Existing::Fail)]
    on_existing: Existing,
    /// Import what can be imported, and leave out lines that cannot; otherwise one such line stops all
    #[arg(long)]
    keep_going: bool,
    /// Check everything, say what would be done, and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Write every line that was not taken to this file, with its reason, as comma-separated values; `-` is standard
    /// output
    #[arg(long, value_name = "FILE")]
    rejected: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Written {
    /// Comma-separated values; the first line names the columns
    Csv,
    /// A JSON object on each line
    Jsonl,
}

impl Written {
    /// What `--format` says, or else the ending of the file's name.
    pub(super) fn of(said: Option<Self>, file: &Path, what: &str) -> Result<Format, Failure> {
        let by_name = || match file.extension()?.to_str()? {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            _ => None,
        };
        match said.or_else(by_name) {
            Some(Self::Csv) => Ok(Format::Csv),
            Some(Self::Jsonl) => Ok(Format::JsonLines),
            None => {
                let why = "the name of the file does not say how it is written";
                Err(Failure::new(what, file.display(), why, "say --format csv or --format jsonl").bad())
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Existing {
    /// Reject the line
    Fail,
    /// Leave the account as it is
    Skip,
    /// Make the account what the line says; what it is silent about stays
    Update,
}

/// Runs the command; exits with 1 if a line was rejected.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let options = Options {
        format: Written::of(args.format, &args.accounts, WHAT)?,
        on_existing: match args.on_existing {
            Existing::Fail => OnExisting::Fail,
            Existing::Skip => OnExisting::Skip,
            Existing::Update => OnExisting::Update,
        },
        keep_going: args.keep_going,
        dry_run: args.dry_run,
    };
    let store = configuration(&args.config)?.accounts.store;
    let file = open(&args.accounts)?;
    let report = runtime()?.block_on(async {
        let bulk = Bulk::open(&store, Handle::current()).await.map_err(unavailable)?;
        let watch = Terminal::new();
        let stop = Arc::clone(&watch.stopped);
        // Two of them end the process, as one would if nobody listened: what is left of it the next import removes.
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                if stop.swap(true, Ordering::Relaxed) {
                    std::process::exit(130);
                }
            }
        });
        let done = bulk.import(&file, &options, &watch).await;
        watch.bar.finish_and_clear();
        done.map_err(|error| failed(&args.accounts, error))
    })?;
    if let Some(file) = &args.rejected {
        write_rejected(file, &report.rejected)?;
    }
    print(&if args.json { as_json(args, &report) } else { as_text(args, &report) })?;
    Ok(if report.rejected.is_empty() { Exit::Success } else { Exit::No })
}

/// The file, or a copy of it in a file without a name if it is no file that can be read twice.
fn open(path: &Path) -> Result<File, Failure> {
    let fail = |error: std::io::Error| {
        Failure::new("opening the file of accounts", path.display(), error, "name a file that you may read").bad()
    };
    let standard_input = path == Path::new("-");
    let mut file = File::open(if standard_input { Path::new("/dev/stdin") } else { path }).map_err(fail)?;
    if file.metadata().map_err(fail)?.is_file() {
        return Ok(file);
    }
    let directory = std::env::temp_dir();
    let mut copied = || -> std::io::Result<File> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        let mut copy = File::from(rustix::fs::open(&directory, flags, Mode::RUSR | Mode::WUSR)?);
        std::io::copy(&mut file, &mut copy)?;
        Ok(copy)
    };
    copied().or_fail(
        "copying the accounts",
        directory.display(),
        "give a file instead, or a TMPDIR with room for a copy",
    )
}

fn failed(file: &Path, error: ImportError) -> Failure {
    let nothing = "; nothing was imported";
    let (why, what_to_do) = match error {
        ImportError::Unavailable(error) => {
            let rights = "; `wicketgate db check --role accounts` looks at the database and the rights of its user";
            let failure = format!("{}: {}{nothing}", error.what, error.why);
            return Failure::new(WHAT, &error.store, failure, format!("look at the reason{rights}"));
        }
        ImportError::Read(error) => {
            return Failure::new(WHAT, file.display(), format!("{error}{nothing}"), "mend the file").bad();
        }
        ImportError::Half(_) => (
            error.to_string(),
            "the rest is in the database: the next `wicketgate account import`, of whatever file, makes it first",
        ),
        ImportError::Uncertain(_) => {
            (error.to_string(), "look with `wicketgate account show` whether one of the accounts is there")
        }
        ImportError::Stopped | ImportError::TakenOver | ImportError::Lost | ImportError::Rejected(_) => {
            (format!("{error}{nothing}"), "import it again")
        }
    };
    Failure::new(WHAT, file.display(), why, what_to_do)
}

fn write_rejected(file: &Path, rejected: &[Rejection]) -> Result<(), Failure> {
    let write = || -> std::io::Result<()> {
        let mut out: Box<dyn Write> = if file == Path::new("-") {
            Box::new(std::io::stdout().lock())
        } else {
            // Whoever may not read the accounts need not read their names either.
            let made = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file)?;
            Box::new(BufWriter::new(made))
        };
        out.write_all(b"line,username,field,why\r\n")?;
        for Rejection { line, username, refusal } in rejected {
            let field = refusal.field.map_or("", |field| field.as_str());
            let username = quoted(username.as_deref().unwrap_or_default());
            write!(out, "{line},{username},{field},{}\r\n", quoted(&refusal.why))?;
        }
        out.flush()
    };
    write().or_fail("writing the report of rejected lines", file.display(), "name a file that can be written")
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\r', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

fn as_text(args: &Args, report: &Report) -> String {
    let mut text = String::new();
    let elsewhere = args.rejected.is_some();
    for Rejection { line, refusal, .. } in report.rejected.iter().take(if elsewhere { 0 } else { SHOWN }) {
        // Writing to a string does not fail.
        let _ = writeln!(text, "line {line}: {refusal}");
    }
    let more = report.rejected.len().saturating_sub(SHOWN);
    if more > 0 && !elsewhere {
        let _ = writeln!(text, "… and {more} more; --rejected FILE has them all");
    }
    let count = |count: u64, what: &str| (count > 0).then(|| format!("{} {what}", HumanCount(count)));
    let rejected = u64::try_from(report.rejected.len()).unwrap_or(u64::MAX);
    let counts: Vec<String> = [
        Some(format!("{} added", HumanCount(report.added))),
        count(report.updated, "changed"),
        count(report.unchanged, "unchanged"),
        count(report.skipped, "skipped"),
        count(rejected, "rejected"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let counts = counts.join(", ");
    let _ = match (report.imported, args.dry_run) {
        (true, _) => writeln!(text, "{} accounts read: {counts}", HumanCount(report.read)),
        (false, true) => writeln!(text, "{} accounts read: {counts}; nothing was written", HumanCount(report.read)),
        (false, false) => writeln!(
            text,
            "{} accounts read, {} rejected: nothing was imported; mend the file, or leave these lines out with \
             --keep-going",
            HumanCount(report.read),
            HumanCount(rejected)
        ),
    };
    text
}

fn as_json(args: &Args, report: &Report) -> String {
    let rejected: Vec<_> = report
        .rejected
        .iter()
        .map(|Rejection { line, username, refusal }| {
            let field = refusal.field.map(|field| field.as_str());
            json!({ "line": line, "username": username, "field": field, "why": refusal.why })
        })
        .collect();
    let value = json!({
        "read": report.read,
        "added": report.added,
        "updated": report.updated,
        "unchanged": report.unchanged,
        "skipped": report.skipped,
        "rejected": rejected,
        "imported": report.imported,
        "dry_run": args.dry_run,
    });
    format!("{value:#}\n")
}

/// Shows how far an import is, and hears when it is to end.
struct Terminal {
    bar: ProgressBar,
    phase: Mutex<Option<Phase>>,
    stopped: Arc<AtomicBool>,
}

impl Terminal {
    fn new() -> Self {
        let target =
            if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self {
            bar: ProgressBar::with_draw_target(Some(0), target),
            phase: Mutex::new(None),
            stopped: Arc::new(AtomicBool::new(false)),
        }
    }
}

impl Watch for Terminal {
    fn progress(&self, phase: Phase, done: u64, all: u64) {
        let mut shown = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        if *shown != Some(phase) {
            *shown = Some(phase);
            let (message, style) = match phase {
                Phase::Waiting => ("waiting for another import", "{msg} {pos} s"),
                Phase::CleaningUp => ("removing what an import left that was cut off", "{msg} {elapsed}"),
                Phase::Checking => ("checking", "{msg:10} {wide_bar} {bytes}/{total_bytes} {eta}"),
                Phase::Writing => ("writing", "{msg:10} {wide_bar} {bytes}/{total_bytes} {eta}"),
                Phase::Updating => ("changing", "{msg:10} {wide_bar} {human_pos}/{human_len} {eta}"),
            };
            // The templates are constants; one that were wrong would leave the usual bar.
            if let Ok(style) = ProgressStyle::with_template(style) {
                self.bar.set_style(style);
            }
            self.bar.reset();
            self.bar.set_message(message);
        }
        self.bar.set_length(all);
        self.bar.set_position(done);
    }

    fn given_up(&self, Rejection { line, username, refusal }: &Rejection) {
        let who = username.as_deref().map_or_else(String::new, |username| format!(" ({username:?})"));
        self.bar.suspend(|| {
            // Nobody can be told that standard error is closed.
            let _ = writeln!(
                std::io::stderr(),
                "warning: an import that was cut off before had noted a change that is not made: line {line} of its \
                 file{who}: {refusal}"
            );
        });
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }
}
