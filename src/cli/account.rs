//! `wicketgate account …`: looks after the people who may pass. It works on the store that the
//! configuration names; a running gate sees the change when what it has cached is over.

mod export;
mod import;
mod password;
mod removal;

use super::{Exit, Failure, configuration, print, runtime};
use crate::account::{self, Account, Directory, Edit, Lookup, Registry, RegistryError, Status, Unavailable};
use crate::base::clock::Timestamp;
use crate::base::email;
use crate::config::{Config, LookupKind};
use clap::{Subcommand, ValueEnum};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::runtime::Handle;

/// How many accounts are read at once.
const PAGE: u32 = 500;

/// The arguments of `account`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add an account
    Add(Add),
    /// Show an account
    Show(Show),
    /// List accounts by user name
    List(List),
    /// Change an account
    Set(Set),
    /// Add or remove other names and addresses of an account
    Alias(Alias),
    /// Let nobody in by this account, for now
    Lock(Named),
    /// Let people in by this account again
    Unlock(Named),
    /// Let nobody in by this account any more, and keep it on record
    Close(Named),
    /// Set the password for HTTP Digest and Basic, for those without a certificate
    Password(password::Args),
    /// Remove an account; certificates that were issued to it are revoked
    Remove(Named),
    /// Add or change many accounts by a file, all of them or none
    Import(import::Args),
    /// Write all accounts to a file that `import` reads
    Export(export::Args),
}

#[derive(Debug, clap::Args)]
struct Common {
    /// The configuration file
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Named {
    /// The account's user name
    username: String,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct Add {
    /// The name that applications are told
    username: String,
    /// The e-mail address
    #[arg(long)]
    email: Option<String>,
    /// What people call them
    #[arg(long)]
    name: Option<String>,
    /// active, locked or closed
    #[arg(long, default_value = "active")]
    status: Status,
    /// The upstream server that keeps their data
    #[arg(long)]
    home: Option<String>,
    /// Another name or address; may be repeated
    #[arg(long)]
    alias: Vec<String>,
    /// A group; may be repeated
    #[arg(long)]
    group: Vec<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// The user name, or what `--by` says
    name: String,
    /// What the name is
    #[arg(long, value_enum, default_value_t = By::Username)]
    by: By,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// The user name
    Username,
    /// The e-mail address, or an alias that is one
    Email,
    /// An alias
    Alias,
}

#[derive(Debug, clap::Args)]
struct List {
    /// Only accounts with this status: active, locked or closed
    #[arg(long)]
    status: Option<Status>,
    /// Only members of this group
    #[arg(long)]
    group: Option<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct Set {
    /// The account's user name
    username: String,
    /// The new e-mail address
    #[arg(long)]
    email: Option<String>,
    /// Take the e-mail address away
    #[arg(long, conflicts_with = "email")]
    no_email: bool,
    /// What people call them
    #[arg(long)]
    name: Option<String>,
    /// Take the display name away
    #[arg(long, conflicts_with = "name")]
    no_name: bool,
    /// active, locked or closed
    #[arg(long)]
    status: Option<Status>,
    /// The upstream server that keeps their data
    #[arg(long)]
    home: Option<String>,
    /// Take the home away
    #[arg(long, conflicts_with = "home")]
    no_home: bool,
    /// Add to this group; may be repeated
    #[arg(long)]
    add_group: Vec<String>,
    /// Take out of this group; may be repeated
    #[arg(long)]
    remove_group: Vec<String>,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Args)]
struct Alias {
    #[command(subcommand)]
    action: AliasAction,
}

#[derive(Debug, Subcommand)]
enum AliasAction {
    /// Add aliases to an account
    Add(Aliases),
    /// Take aliases away from an account
    Remove(Aliases),
}

#[derive(Debug, clap::Args)]
struct Aliases {
    /// The account's user name
    username: String,
    /// The aliases
    #[arg(required = true)]
    alias: Vec<String>,
    #[command(flatten)]
    common: Common,
}

/// Does it.
///
/// # Errors
/// When the configuration is bad, the store does not answer, or refuses.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    match &args.action {
        Action::Add(add) => with_registry(&add.common, async |registry| {
            let account = Account {
                username: add.username.clone(),
                email: add.email.clone(),
                display_name: add.name.clone(),
                status: add.status,
                home: add.home.clone(),
                aliases: add.alias.clone(),
                groups: add.group.clone(),
            };
            registry.add(&account).await.map_err(|error| refused("adding the account", &add.username, &error))?;
            // As it is stored: with its addresses in their normal form.
            show(&*registry, &add.common, By::Username, &add.username).await
        }),
        Action::Show(args) => {
            with_directory(&args.common, async |directory| show(&*directory, &args.common, args.by, &args.name).await)
        }
        Action::List(args) => with_registry(&args.common, async |registry| list(&*registry, args).await),
        Action::Set(set) => {
            let or_none = |value: &Option<String>, none: bool| match value {
                Some(value) => Some(Some(value.clone())),
                None => none.then_some(None),
            };
            let edit = Edit {
                email: or_none(&set.email, set.no_email),
                display_name: or_none(&set.name, set.no_name),
                status: set.status,
                home: or_none(&set.home, set.no_home),
                add_groups: set.add_group.clone(),
                remove_groups: set.remove_group.clone(),
                ..Edit::default()
            };
            if edit == Edit::default() {
                let what_to_do = "say what to change; `wicketgate account set --help` lists what can be";
                return Err(
                    Failure::new("changing the account", &set.username, "nothing is to change", what_to_do).bad()
                );
            }
            change(&set.username, &set.common, &edit)
        }
        Action::Alias(Alias { action: AliasAction::Add(aliases) }) => {
            let edit = Edit { add_aliases: aliases.alias.clone(), ..Edit::default() };
            change(&aliases.username, &aliases.common, &edit)
        }
        Action::Alias(Alias { action: AliasAction::Remove(aliases) }) => {
            let edit = Edit { remove_aliases: aliases.alias.clone(), ..Edit::default() };
            change(&aliases.username, &aliases.common, &edit)
        }
        Action::Lock(named) => set_status(named, Status::Locked),
        Action::Unlock(named) => set_status(named, Status::Active),
        Action::Close(named) => set_status(named, Status::Closed),
        Action::Password(args) => password::run(args),
        Action::Import(args) => import::run(args),
        Action::Export(args) => export::run(args),
        Action::Remove(Named { username, common }) => with_configuration(&common.config, async |registry, config| {
            let now = Timestamp::now();
            let told = removal::tell(config, username, now).await?;
            if let Err(error) = registry.remove(username, now).await {
                if let Some(told) = told {
                    told.retract(&error.to_string(), now).await;
                }
                return Err(refused("removing the account", username, &error));
            }
            print(&if common.json {
                format!("{:#}\n", json!({ "removed": username }))
            } else {
                format!("removed {username}\n")
            })?;
            Ok(Exit::Success)
        }),
    }
}

fn set_status(Named { username, common }: &Named, status: Status) -> Result<Exit, Failure> {
    change(username, common, &Edit { status: Some(status), ..Edit::default() })
}

fn change(username: &str, common: &Common, edit: &Edit) -> Result<Exit, Failure> {
    with_registry(common, async |registry| {
        let changed = registry.edit(username, edit).await;
        let account = changed.map_err(|error| refused("changing the account", username, &error))?;
        print(&rendered(&account, common.json))?;
        Ok(Exit::Success)
    })
}

/// Opens the store of the configuration and works on it.
fn with_registry(
    common: &Common,
    work: impl AsyncFnOnce(Arc<dyn Registry>) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    with_configuration(&common.config, async |registry, _| work(registry).await)
}

/// Opens the store of the configuration, which may be one that is only read, and asks it.
fn with_directory(
    common: &Common,
    work: impl AsyncFnOnce(Arc<dyn Directory>) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let config = configuration(&common.config)?;
    runtime()?.block_on(async {
        let directory = account::open_directory(&config.accounts.store, Handle::current()).await;
        work(directory.map_err(unavailable)?).await
    })
}

fn with_configuration(
    file: &std::path::Path,
    work: impl AsyncFnOnce(Arc<dyn Registry>, &Config) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let config = configuration(file)?;
    runtime()?.block_on(async {
        let registry = account::open(&config.accounts.store, Handle::current()).await;
        work(registry.map_err(unavailable)?, &config).await
    })
}

fn unavailable(Unavailable { what, store, why }: Unavailable) -> Failure {
    Failure::new(what, store, why, "look at the reason; `wicketgate db check` looks at the database alone")
}

/// What a registry's error means to whoever typed the command.
fn refused(what: &str, username: &str, error: &RegistryError) -> Failure {
    match error {
        RegistryError::Unavailable(error) => unavailable(error.clone()),
        RegistryError::NoSuchAccount(_) => {
            Failure::new(what, username, error, "see `wicketgate account list` for those that there are")
        }
        RegistryError::Taken { .. } => {
            Failure::new(what, username, error, "choose another, or take it away from the other account first")
        }
        RegistryError::Unacceptable { .. } => Failure::new(what, username, error, "give another value").bad(),
        RegistryError::AlreadyRecorded(_) => Failure::new(what, username, error, "nothing: it is there"),
    }
}

async fn show(directory: &dyn Directory, common: &Common, by: By, name: &str) -> Result<Exit, Failure> {
    let lookup = match by {
        By::Username => Lookup { kind: LookupKind::Username, name: name.to_owned() },
        By::Alias => Lookup { kind: LookupKind::Alias, name: account::names::normal_alias(name) },
        By::Email => {
            let Some(address) = email::normalise(name) else {
                let what_to_do = "write LOCAL@DOMAIN";
                return Err(Failure::new("looking up an account", name, "it is no e-mail address", what_to_do).bad());
            };
            Lookup { kind: LookupKind::Email, name: address }
        }
    };
    let found = directory.find(&lookup).await.map_err(unavailable)?;
    if found.is_empty() {
        let error = RegistryError::NoSuchAccount(name.to_owned());
        return Err(refused("looking up an account", name, &error));
    }
    for account in &found {
        print(&rendered(account, common.json))?;
    }
    Ok(Exit::Success)
}

/// Page by page, so that a million accounts need no more memory than one page of them.
async fn list(registry: &dyn Registry, args: &List) -> Result<Exit, Failure> {
    let mut after: Option<String> = None;
    let mut first = true;
    loop {
        let page = registry.list(after.as_deref(), PAGE).await;
        let page = page.map_err(|error| refused("listing accounts", "the store", &error))?;
        let Some(last) = page.last() else { break };
        after = Some(last.username.clone());
        let wanted = page.iter().filter(|account| {
            args.status.is_none_or(|status| account.status == status)
                && args.group.as_ref().is_none_or(|group| account.groups.contains(group))
        });
        let mut text = String::new();
        for account in wanted {
            match (args.common.json, first) {
                (true, true) => text.push_str("[\n"),
                (true, false) => text.push_str(",\n"),
                (false, true) => text.push_str(&line("USERNAME", "STATUS", "EMAIL", "GROUPS")),
                (false, false) => {}
            }
            first = false;
            if args.common.json {
                text.push_str(&as_json(account).to_string());
            } else {
                let email = account.email.as_deref().unwrap_or("-");
                text.push_str(&line(&account.username, account.status.as_str(), email, &account.groups.join(",")));
            }
        }
        print(&text)?;
    }
    if args.common.json {
        print(if first { "[]\n" } else { "\n]\n" })?;
    }
    Ok(Exit::Success)
}

fn line(username: &str, status: &str, email: &str, groups: &str) -> String {
    format!("{username:<24} {status:<8} {email:<32} {groups}").trim_end().to_owned() + "\n"
}

fn rendered(account: &Account, json: bool) -> String {
    if json {
        return format!("{:#}\n", as_json(account));
    }
    let or_dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let listed = |values: &[String]| if values.is_empty() { "-".to_owned() } else { values.join(", ") };
    let rows = [
        ("username", account.username.clone()),
        ("email", or_dash(&account.email)),
        ("name", or_dash(&account.display_name)),
        ("status", account.status.as_str().to_owned()),
        ("home", or_dash(&account.home)),
        ("aliases", listed(&account.aliases)),
        ("groups", listed(&account.groups)),
    ];
    rows.iter().map(|(key, value)| format!("{key:<9} {value}\n")).collect()
}

fn as_json(account: &Account) -> serde_json::Value {
    json!({
        "username": account.username,
        "email": account.email,
        "name": account.display_name,
        "status": account.status.as_str(),
        "home": account.home,
        "aliases": account.aliases,
        "groups": account.groups,
    })
}
