//! `wicketgate cache …`: has running gates forget what they know of accounts. With our own tables that is a change in
//! their feed, which every gate reads; tables of somebody else's have none, so that each gate is told by a signal.

use super::{Exit, Failure, OrFail, configuration, print, runtime};
use crate::account;
use crate::config::Store;
use clap::Subcommand;
use serde_json::json;
use std::path::PathBuf;
use tokio::runtime::Handle;

/// The arguments of `cache`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Have every gate on this database ask for everything anew, after something was written into it by hand
    Flush(Flush),
}

#[derive(Debug, clap::Args)]
struct Flush {
    /// The configuration file
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const WHAT: &str = "flushing the caches";

/// Runs the command.
///
/// # Errors
/// When the configuration is bad, or the change cannot be written.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let Action::Flush(args) = &args.action;
    let store = configuration(&args.config)?.accounts.store;
    if let Some(foreign) = store.foreign() {
        return Err(without_feed(&store, &format!("accounts.mysql.{}", foreign.key)));
    }
    let number = runtime()?.block_on(async {
        let rights = "look at the reason; the user needs the rights of `wicketgate db grants --accounts-user NAME`, as those of \
                      a gate only read: name it in a configuration of its own, as for `wicketgate account`";
        let registry = account::open(&store, Handle::current()).await.or_fail(WHAT, &store, rights)?;
        registry.flush().await.or_fail(WHAT, &store, rights)
    })?;
    print(&if args.json {
        format!("{:#}\n", json!({ "store": store.to_string(), "change": number }))
    } else {
        format!("{store}: change {number}: every gate that runs on it asks for everything anew within two seconds\n")
    })?;
    Ok(Exit::Success)
}

fn without_feed(store: &Store, key: &str) -> Failure {
    Failure::new(
        WHAT,
        store,
        format!("`{key}` leads to tables of your own, which have no feed of changes that could tell the gates"),
        "send SIGHUP to each gate (`systemctl reload wicketgate`, or `kill -HUP` and its process id), which has it read its \
         configuration and forget what it knows; or wait until `accounts.cache.ttl` is over",
    )
}
