//! `wicketgate ca audit …`: verifies the history of the authority's acts, begins and rotates it, and tells its head for
//! those who keep one where nobody who looks after the authority can change it.

mod compare;

use super::Common;
use super::open::section;
use crate::base::clock::Moment;
use crate::ca::history::heads::{Heads, Known};
use crate::ca::history::verify::{Sound, VerifyError, identity, verify};
use crate::ca::history::{Entry, Head, History, HistoryError, Recorded, files, whoever_runs_this};
use crate::cli::{Exit, Failure, OrFail, configuration, print, runtime};
use crate::config::Config;
use crate::store::{Database, Deadlines};
use clap::Subcommand;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tokio::runtime::Handle;

/// The arguments of `ca audit`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say whether the history is as it was written, and if not, which line is the first that is not
    Verify(Verify),
    /// Say whether the register still has what the history says was issued, and still revokes what it says was revoked
    Compare(Common),
    /// Print the number and the hash of the last record, to be kept elsewhere and given to `verify --head`
    Head(Common),
    /// Close the file and go on in a new one, so that the old one can be put away
    Rotate(Common),
    /// Begin a history for an authority that has none
    Begin(Common),
}

#[derive(Debug, clap::Args)]
struct Verify {
    #[command(flatten)]
    common: Common,
    /// A head that was kept elsewhere (NUMBER:HASH), which the history must go through; may be repeated
    #[arg(long, value_name = "HEAD")]
    head: Vec<Head>,
    /// Do not ask the database for the heads that it keeps: a tail that was cut off does not show then
    #[arg(long)]
    without_database: bool,
}

/// Runs a command of `ca audit`.
///
/// # Errors
/// When it does not do its work. That the history is not sound is an answer.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    match &args.action {
        Action::Verify(args) => verifying(args),
        Action::Compare(args) => compare::run(args),
        Action::Head(args) => telling(args),
        Action::Rotate(args) => rotating(args),
        Action::Begin(args) => beginning(args),
    }
}

/// The configuration, and the file that the history of its authority is in.
fn history(args: &Common) -> Result<(Config, PathBuf), Failure> {
    let config = configuration(&args.config)?;
    let path = History::of(&section(&config)?.directory);
    Ok((config, path))
}

/// How many records there are before anything is done that the database knows of: those of `ca init`.
const AT_FIRST: u64 = 3;

const WITHOUT_DATABASE: &str =
    "look at the reason; --without-database verifies the chain alone, which shows no tail that was cut off";

fn verifying(args: &Verify) -> Result<Exit, Failure> {
    let (config, path) = history(&args.common)?;
    let files = files(&path).or_fail("reading the history", path.display(), MISSING)?;
    let (kept, others) = if args.without_database {
        (Vec::new(), Vec::new())
    } else {
        // What the file says of itself is only asked for: a history of another identity has no heads there.
        match identity(files.first().unwrap_or(&path)) {
            Ok(identity) => heads(&config, &identity)?,
            Err(error) => return answer(&Err(error), &[], args.common.json),
        }
    };
    let unknown = !args.without_database && kept.is_empty();
    let verified = verify(&files, kept.into_iter().chain(args.head.iter().copied()));
    match verified {
        Ok(sound) if unknown && sound.last > AT_FIRST => forgotten(&path, &sound, &others, args.common.json),
        verified => answer(&verified, &others, args.common.json),
    }
}

/// The heads that the database keeps of a history, and what other histories it knows.
fn heads(config: &Config, identity: &str) -> Result<(Vec<Head>, Vec<Known>), Failure> {
    let store = &config.authority_store();
    runtime()?.block_on(async {
        let heads = Heads::new(open(config).await?);
        let what = "asking for the heads of the history";
        let kept = heads.all(identity).await.or_fail(what, store, WITHOUT_DATABASE)?;
        let mut others = heads.histories().await.or_fail(what, store, WITHOUT_DATABASE)?;
        others.retain(|known| known.history != identity);
        Ok((kept, others))
    })
}

async fn open(config: &Config) -> Result<Database, Failure> {
    let store = &config.authority_store();
    let opened = Database::open(store, Handle::current(), Deadlines::default()).await;
    opened.or_fail("reaching the database", store, WITHOUT_DATABASE)
}

fn answer(verified: &Result<Sound, VerifyError>, others: &[Known], as_json: bool) -> Result<Exit, Failure> {
    let text = match (verified, as_json) {
        (Ok(sound), false) => in_words(sound, others),
        (Ok(sound), true) => {
            let mut value = serde_json::to_value(sound).or_fail("writing", "the answer", "report this")?;
            if let Some(object) = value.as_object_mut() {
                object.insert("sound".to_owned(), Value::Bool(true));
                object.insert("other_histories".to_owned(), others.iter().map(known).collect());
            }
            format!("{value:#}\n")
        }
        (Err(error @ VerifyError::Line { path, line, wrong }), json) => {
            if json {
                let place = (path.display().to_string(), line, wrong.to_string());
                format!("{:#}\n", json!({ "sound": false, "file": place.0, "line": place.1, "why": place.2 }))
            } else {
                format!("not sound: {error}\n")
            }
        }
        (Err(VerifyError::Io { path, source }), _) => {
            return Err(Failure::new("reading the history", path.display(), source, MISSING));
        }
    };
    print(&text)?;
    Ok(if verified.is_ok() { Exit::Success } else { Exit::No })
}

/// A history of which the database has no head, though something was recorded in it: somebody may have put another one
/// in the place of the real one.
fn forgotten(path: &Path, sound: &Sound, others: &[Known], as_json: bool) -> Result<Exit, Failure> {
    let why = "the database keeps no head of this history: it may have been put in the place of another";
    let text = if as_json {
        let others: Vec<Value> = others.iter().map(known).collect();
        let file = path.display().to_string();
        format!("{:#}\n", json!({ "sound": false, "file": file, "line": null, "why": why, "other_histories": others }))
    } else {
        format!("not sound: {}: {why}\n{}", path.display(), in_words(sound, others))
    };
    print(&text)?;
    Ok(Exit::No)
}

fn in_words(sound: &Sound, others: &[Known]) -> String {
    let mut text = format!(
        "history {}: records {} to {}, one chain\nhead    {}:{}\nheads   {} kept elsewhere stand in it\n",
        sound.history, sound.first, sound.last, sound.last, sound.hash, sound.confirmed
    );
    if sound.mended > 0 {
        text.push_str(&format!("mended  {} half lines that a crash or a full disk left\n", sound.mended));
    }
    if sound.torn {
        text.push_str("torn    the last line is a half one, whose act was not done\n");
    }
    for known in others {
        text.push_str(&format!("other   {} up to record {}, last kept {}\n", known.history, known.last, known.at));
    }
    text
}

fn known(known: &Known) -> Value {
    json!({ "history": known.history, "last": known.last, "kept_at": known.at.to_string() })
}

fn telling(args: &Common) -> Result<Exit, Failure> {
    let (config, path) = history(args)?;
    let files = files(&path).or_fail("reading the history", path.display(), MISSING)?;
    // What is kept elsewhere vouches for all before it, so that it is told only of a chain that is sound.
    let verified = match identity(&path) {
        Ok(identity) => verify(&files, heads(&config, &identity)?.0),
        Err(error) => Err(error),
    };
    match verified {
        Ok(sound) => told(&sound, args.json),
        unsound => answer(&unsound, &[], args.json),
    }
}

fn told(sound: &Sound, as_json: bool) -> Result<Exit, Failure> {
    let head = format!("{}:{}", sound.last, sound.hash);
    print(&if as_json {
        format!("{:#}\n", json!({ "history": sound.history, "head": head }))
    } else {
        format!("{head}\n")
    })?;
    Ok(Exit::Success)
}

fn rotating(args: &Common) -> Result<Exit, Failure> {
    let (config, path) = history(args)?;
    let at = Moment::now();
    let rotated = History::at(&path).rotate(at, &whoever_runs_this()).map_err(|error| failure(&path, &error))?;
    keep(&config, &rotated.recorded, at)?;
    let closed = rotated.closed.display().to_string();
    print(&if args.json { format!("{:#}\n", json!({ "closed": closed })) } else { format!("closed {closed}\n") })?;
    Ok(Exit::Success)
}

fn beginning(args: &Common) -> Result<Exit, Failure> {
    let (config, path) = history(args)?;
    let at = Moment::now();
    let begun = History::begin(&path, at, &whoever_runs_this()).map_err(|error| failure(&path, &error))?;
    keep(&config, &begun, at)?;
    let path = path.display().to_string();
    print(&if args.json {
        format!("{:#}\n", json!({ "history": begun.history, "file": path }))
    } else {
        format!("began the history {} in {path}\n", begun.history)
    })?;
    Ok(Exit::Success)
}

/// Has the database keep a head.
fn keep(config: &Config, recorded: &Recorded, at: Moment) -> Result<(), Failure> {
    let what_to_do = "look at the reason; the record stands in the file, and the next one is kept again";
    runtime()?.block_on(async {
        let heads = Heads::new(open(config).await?);
        let kept = heads.keep(&recorded.history, recorded.head, at.timestamp()).await;
        kept.or_fail("keeping the head of the history", &config.accounts.store, what_to_do)
    })
}

/// Records an act of a command that is about to be done.
///
/// # Errors
/// When it cannot be recorded; then it must not be done.
pub(super) fn record(config: &Config, directory: &Path, entry: Entry) -> Result<(), Failure> {
    let (path, at) = (History::of(directory), Moment::now());
    let recorded = History::at(&path).record(at, &[entry]).map_err(|error| failure(&path, &error))?;
    keep(config, &recorded, at)
}

const MISSING: &str =
    "restore it from a backup; an authority that never had one begins with `wicketgate ca audit begin`";

/// What a fault of the history means to whoever typed a command.
pub(in crate::cli) fn failure(path: &Path, error: &HistoryError) -> Failure {
    let what_to_do = match error {
        HistoryError::Missing(_) => MISSING,
        HistoryError::Exists(_) => "go on with it; `wicketgate ca audit verify` says whether it is sound",
        HistoryError::Io { .. } => "look whether the disk is full, and at the owner and the mode of the file",
        HistoryError::Locked(_) => "look which process holds it (`fuser`), and try again",
        HistoryError::Damaged { .. } => {
            "keep the file for whoever looks into it, and put the copy of a backup in its place; \
             `wicketgate ca audit verify` says what is wrong"
        }
        HistoryError::Long(_) => "give shorter names",
        HistoryError::Random => "look what is wrong with the machine",
    };
    Failure::new("writing the history", path.display(), error, what_to_do)
}
