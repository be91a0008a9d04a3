//! `wicketgate account export`: all accounts, page by page, in a form that `account import` reads back as the same.

use super::super::{Exit, Failure, OrFail, configuration, print, runtime};
use super::import::Written;
use super::unavailable;
use crate::account::bulk::{self, Bulk, Format};
use indicatif::HumanCount;
use serde_json::json;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{BufWriter, ErrorKind, IsTerminal, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use tokio::runtime::Handle;

const WHAT: &str = "exporting accounts";

/// The arguments of `account export`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The file to write, which only its owner may read; `-`, or nothing, is standard output
    accounts: Option<PathBuf>,
    /// The configuration file
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// How to write it (default: by the ending of the file, .csv, .jsonl or .ndjson; to standard output as CSV)
    #[arg(long, value_enum)]
    format: Option<Written>,
    /// Also what people log in with: who has the file can be anybody in it
    #[arg(long)]
    with_credentials: bool,
    /// Print as JSON how many accounts were written; needs a file
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let to = args.accounts.as_deref().filter(|path| *path != Path::new("-"));
    let format = match to {
        None => Written::of(args.format.or(Some(Written::Csv)), Path::new("-"), WHAT)?,
        Some(file) => Written::of(args.format, file, WHAT)?,
    };
    if to.is_none() && args.json {
        let why = "the accounts themselves go to standard output";
        return Err(Failure::new(WHAT, "standard output", why, "name a file, or leave --json out").bad());
    }
    if to.is_none() && args.with_credentials && std::io::stdout().is_terminal() {
        let why = "what people log in with would be seen on the terminal";
        return Err(Failure::new(WHAT, "standard output", why, "name a file").bad());
    }
    let store = configuration(&args.config)?.accounts.store;
    let count = runtime()?.block_on(async {
        let bulk = Bulk::open(&store, Handle::current()).await.map_err(unavailable)?;
        match to {
            None => export(&bulk, args, format, &mut std::io::stdout().lock()).await,
            Some(file) => {
                let partial = partial(file);
                let exported = async {
                    let mut out = BufWriter::new(create(&partial)?);
                    let count = export(&bulk, args, format, &mut out).await?;
                    let finish = || -> std::io::Result<()> {
                        out.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
                        std::fs::rename(&partial, file)
                    };
                    finish().or_fail(WHAT, file.display(), "look whether the disk is full")?;
                    Ok(count)
                };
                let done = exported.await;
                if done.is_err() {
                    // What is not whole is not left behind; if it cannot be removed, its name says what it is.
                    let _ = std::fs::remove_file(&partial);
                }
                done
            }
        }
    })?;
    if let Some(file) = to {
        let file = file.display();
        print(&if args.json {
            format!("{:#}\n", json!({ "written": count, "file": file.to_string() }))
        } else {
            format!("{} accounts written to {file}\n", HumanCount(count))
        })?;
    }
    Ok(Exit::Success)
}

/// The file beside the one that is wanted, until all is written.
fn partial(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

/// Makes a file that only its owner may read, from before anything stands in it.
fn create(file: &Path) -> Result<File, Failure> {
    let make = || -> std::io::Result<File> {
        let made = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file)?;
        made.set_permissions(Permissions::from_mode(0o600))?;
        Ok(made)
    };
    make().or_fail(WHAT, file.display(), "name a file in a directory that you may write to")
}

async fn export(bulk: &Bulk, args: &Args, format: Format, out: &mut dyn Write) -> Result<u64, Failure> {
    let mut text = bulk::header(format, args.with_credentials);
    let mut after: Option<String> = None;
    let mut count = 0;
    loop {
        let page = bulk.page(after.as_deref(), args.with_credentials).await.map_err(unavailable)?;
        let last = page.last().map(|person| person.account.username.clone());
        for person in page {
            bulk::write_line(format, person, args.with_credentials, &mut text);
            count += 1;
        }
        match out.write_all(text.as_bytes()) {
            // A reader that has gone away (`wicketgate account export | head`) has what it wanted.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(count),
            written => written.or_fail(WHAT, "what it is written to", "look whether the disk is full")?,
        }
        text.clear();
        match last {
            Some(last) => after = Some(last),
            None => break,
        }
    }
    out.flush().or_fail(WHAT, "what it is written to", "look whether the disk is full")?;
    Ok(count)
}
