//! `wicketgate ca publish-directory`: does once what `authority serve` does all the time, for authorities that nothing
//! serves, and says what waits and why.

use super::Common;
use super::open::{directory, section};
use crate::account;
use crate::base::clock::Timestamp;
use crate::ca::ldap::{Pending, PublishError, Published, Publisher};
use crate::cli::{Exit, Failure, OrFail, configuration, print, runtime};
use crate::store::{Database, Deadlines};
use serde_json::{Value, json};
use tokio::runtime::Handle;

/// The arguments of `ca publish-directory`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    /// Only say what is not done yet, and what is in the way
    #[arg(long)]
    pending: bool,
}

const WHAT: &str = "publishing certificates";

/// Publishes what is due, or lists what waits.
///
/// # Errors
/// When there is no directory in the configuration, or it or the database does not answer.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let config = configuration(&args.common.config)?;
    let section = section(&config)?;
    let Some(ldap) = section.ldap.clone() else {
        let why = "the configuration has no `authority.ldap`";
        let what_to_do = "name the directory there; docs/authority.md shows how";
        return Err(Failure::new(WHAT, args.common.config.display(), why, what_to_do).bad());
    };
    let folder = directory(section)?;
    let chain = folder.certificates().into_iter().filter(|certificate| certificate != folder.root()).collect();
    let store = &config.authority_store();
    let rights = "look at the reason; the user needs the rights of `wicketgate db grants --authority-user NAME`";
    runtime()?.block_on(async {
        let database = Database::open(store, Handle::current(), Deadlines::default()).await;
        let database = database.or_fail("reaching the database", store, rights)?;
        let accounts = account::open_directory(store, Handle::current()).await.or_fail(WHAT, store, rights)?;
        let publisher = Publisher::new(ldap, database, accounts, chain).map_err(|error| failure(&error))?;
        if args.pending {
            let pending = publisher.pending().await.map_err(|error| failure(&error))?;
            print(&if args.common.json { as_json(&pending) } else { in_words(&pending) })?;
            return Ok(Exit::Success);
        }
        let published = publisher.work(Timestamp::now).await.map_err(|error| failure(&error))?;
        print(&told(published, args.common.json))?;
        Ok(if published.postponed == 0 { Exit::Success } else { Exit::No })
    })
}

fn told(published: Published, as_json: bool) -> String {
    let Published { added, removed, postponed, elsewhere } = published;
    if as_json {
        let value = json!({ "added": added, "removed": removed, "postponed": postponed, "elsewhere": elsewhere });
        return format!("{value:#}\n");
    }
    let mut text = format!("added {added}, removed {removed}, postponed {postponed}\n");
    if elsewhere {
        text.push_str("another process is at it, and does what is left\n");
    }
    if postponed > 0 {
        text.push_str("what to do: `wicketgate ca publish-directory --pending` says what is in the way\n");
    }
    text
}

fn in_words(pending: &[Pending]) -> String {
    if pending.is_empty() {
        return "nothing waits\n".to_owned();
    }
    let line = |pending: &Pending| {
        let Pending { key, username, wanted, attempts, due, problem } = pending;
        let what = if *wanted { "add" } else { "remove" };
        let why = problem.as_deref().unwrap_or("not tried yet");
        format!("{what} {} of {username}, next {due} ({attempts} attempts): {why}\n", key.name())
    };
    pending.iter().map(line).collect()
}

fn as_json(pending: &[Pending]) -> String {
    let value = |pending: &Pending| {
        json!({
            "certificate": pending.key.name(),
            "account": pending.username,
            "wanted": pending.wanted,
            "attempts": pending.attempts,
            "due": pending.due.to_string(),
            "problem": pending.problem,
        })
    };
    format!("{:#}\n", pending.iter().map(value).collect::<Value>())
}

fn failure(error: &PublishError) -> Failure {
    let (on, what_to_do) = match error {
        PublishError::Unreachable(_) => (
            "the directory",
            "look at the reason; what waits is published when the directory is there, and nothing is lost",
        ),
        PublishError::Queue(_) | PublishError::Accounts(_) => ("the database", "look at the reason"),
        PublishError::Random => ("the queue", "look what is wrong with the machine"),
    };
    Failure::new(WHAT, on, error, what_to_do)
}
