//! `wicketgate ca crl`: signs a revocation list and publishes it, or fetches the one that is published. A running
//! authority does the former by itself; this is for one that does not run, and for the root, whose key is elsewhere.

use super::Common;
use super::open::{clock, directory, issuing, opened, passphrase, section};
use crate::account::CertificateKey;
use crate::base::clock::Timestamp;
use crate::ca::directory::Directory;
use crate::ca::files::{Access, write};
use crate::ca::hierarchy;
use crate::ca::history::recorder::Recorder;
use crate::ca::history::whoever_runs_this;
use crate::ca::issue::Authority;
use crate::ca::pem;
use crate::ca::publish::Publisher;
use crate::ca::publish::tables::{self, Kind, StoredList};
use crate::ca::register::{Register, Replace};
use crate::certificate::fields::Fields;
use crate::cli::{Exit, Failure, OrFail, configuration, print, runtime};
use crate::config::{self, PublishedLists, Publishing, parse_duration};
use crate::store::{Database, Deadlines};
use rustls_pki_types::CertificateDer;
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// The arguments of `ca crl`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,
    /// Give out the delta list; the whole one is signed and published along with it
    #[arg(long, conflicts_with = "root")]
    delta: bool,
    /// Where to write the list; by default to standard output, as PEM
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Write PEM into the file; by default it is DER
    #[arg(long, requires = "out")]
    pem: bool,
    /// Fetch the list that is published; no key is needed for that
    #[arg(long, conflicts_with = "root")]
    published: bool,
    /// Sign the list of the root, which says of the intermediates whether they are revoked
    #[arg(long)]
    root: bool,
    /// The root's key, where it has been taken away: the file that `ca export --root-key` wrote
    #[arg(long, value_name = "FILE", requires = "root")]
    root_key: Option<PathBuf>,
    /// How long the root's list holds
    #[arg(long, value_name = "DURATION", default_value = "365d", value_parser = parse_duration, requires = "root")]
    validity: Duration,
}

const WHAT: &str = "publishing a revocation list";
const RIGHTS: &str = "look at the reason; the user needs the rights of `wicketgate db grants --authority-user NAME`";

/// Signs or fetches a list, and writes it.
///
/// # Errors
/// When the key or the database is not to be had, or the file cannot be written.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let config = configuration(&args.common.config)?;
    let section = section(&config)?;
    let store = &config.authority_store();
    if store.foreign().is_some() {
        let why = "what is revoked stands in tables of our own, and `accounts.mysql` names those of somebody else";
        let what_to_do = "name a database that `wicketgate db init` made, in a configuration for the authority";
        return Err(Failure::new(WHAT, store, why, what_to_do).bad());
    }
    let directory = directory(section)?;
    let kind = if args.delta { Kind::Delta } else { Kind::Full };
    let list =
        if args.published { published(&directory, store, kind)? } else { signed(args, section, &directory, store)? };
    hand_out(args, &list)
}

/// The list that is published.
fn published(directory: &Directory, store: &config::Store, kind: Kind) -> Result<StoredList, Failure> {
    let current = directory.current().or_fail(WHAT, directory.path().display(), "restore the folder from a backup")?;
    let fields = Fields::read(current.certificate());
    let fields = fields.or_fail(WHAT, directory.path().display(), "restore the folder from a backup")?;
    let issuer = CertificateKey::new(fields.subject, fields.public_key, &[1]).issuer;
    let found = runtime()?.block_on(async {
        let database = Database::open(store, Handle::current(), Deadlines::default()).await;
        let database = database.or_fail(WHAT, store, RIGHTS)?;
        tables::list(&database, issuer, kind).await.or_fail(WHAT, store, RIGHTS)
    })?;
    found.ok_or_else(|| {
        let what_to_do = "start `wicketgate authority serve`, or sign one: leave --published out";
        Failure::new("fetching a revocation list", store, "none is published", what_to_do)
    })
}

/// A new list, published.
fn signed(
    args: &Args,
    section: &config::Authority,
    directory: &Directory,
    store: &config::Store,
) -> Result<StoredList, Failure> {
    let (authority, above, settings) = if args.root {
        let lists = PublishedLists { validity: args.validity, every: args.validity / 2, delta: false };
        (root(args, section, directory)?, Vec::new(), Publishing { crl: lists, ..section.publish.clone() })
    } else {
        let mut settings = section.publish.clone();
        settings.crl.delta |= args.delta;
        (issuing(section, directory)?, vec![directory.root().clone()], settings)
    };
    let lists = runtime()?.block_on(publish(directory, store, authority, &above, settings))?;
    if args.delta {
        lists.delta.ok_or_else(|| Failure::new(WHAT, store, "there is no delta list", "look at the log"))
    } else {
        Ok(lists.full)
    }
}

/// The root, with its key from wherever it is.
fn root(args: &Args, section: &config::Authority, directory: &Directory) -> Result<Authority, Failure> {
    let (passphrase, clock) = (passphrase(section), clock());
    match &args.root_key {
        Some(file) => opened(directory, || directory.root_authority_from(file, &passphrase, &clock)),
        None => opened(directory, || directory.root_authority(&passphrase, &clock))?.ok_or_else(|| {
            let what_to_do = "fetch it, and name its file: --root-key FILE";
            Failure::new(WHAT, section.directory.display(), "the root's key has been taken away", what_to_do)
        }),
    }
}

async fn publish(
    directory: &Directory,
    store: &config::Store,
    authority: Authority,
    above: &[CertificateDer<'static>],
    settings: Publishing,
) -> Result<crate::ca::publish::publisher::Lists, Failure> {
    let database = Database::open(store, Handle::current(), Deadlines::default()).await.or_fail(WHAT, store, RIGHTS)?;
    let history = Recorder::of(directory.path(), database.clone());
    let entries = hierarchy::entries(directory).or_fail(WHAT, store, RIGHTS)?;
    let recorded = Register::new(database.clone()).record_all(entries, Replace::None, Timestamp::now()).await;
    recorded.or_fail(WHAT, store, RIGHTS)?;
    let publisher = Publisher::new(database, Arc::new(authority), above, settings).or_fail(WHAT, store, RIGHTS)?;
    let lists = publisher.recording(history, &whoever_runs_this()).publish_lists(Timestamp::now()).await;
    let lists = lists.or_fail(WHAT, store, RIGHTS)?;
    if !lists.is_published {
        let why = format!("somebody else has published a list with a greater number than {}", lists.full.number);
        return Err(Failure::new(WHAT, store, why, "fetch that one: --published"));
    }
    Ok(lists)
}

fn hand_out(args: &Args, list: &StoredList) -> Result<Exit, Failure> {
    let octets = match &args.out {
        Some(_) if !args.pem => list.der.to_vec(),
        _ => pem::revocation_list(&list.der).or_fail(WHAT, "the list", "use --out, which writes DER")?.into_bytes(),
    };
    let told = json!({
        "number": list.number,
        "this_update": list.this_update.to_string(),
        "next_update": list.next_update.to_string(),
        "file": args.out,
    });
    match &args.out {
        None if args.common.json => {
            print(&format!("{:#}\n", json!({ "list": String::from_utf8_lossy(&octets), "about": told })))?
        }
        None => print(&String::from_utf8_lossy(&octets))?,
        Some(file) => {
            write(file, &octets, Access::Public).or_fail(WHAT, file.display(), "choose another place")?;
            if args.common.json {
                print(&format!("{told:#}\n"))?;
            } else {
                let (number, until) = (list.number, list.next_update);
                print(&format!("list {number}, good until {until}, in {}\n", file.display()))?;
            }
        }
    }
    if args.out.is_none() {
        // Standard output is the list's own.
        let _ = writeln!(std::io::stderr(), "list {}, good until {}", list.number, list.next_update);
    }
    Ok(Exit::Success)
}
