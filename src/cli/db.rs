//! `wicketgate db …`: makes, migrates and examines the schema of the database that the configuration
//! names.

use super::{Exit, Failure, OrFail, configuration, print, runtime};
use crate::app::preflight::{self, Finding};
use crate::config::{Config, MySql, Store};
use crate::store::migrations::{self, Standing};
use crate::store::rights::Role;
use crate::store::{Database, Deadlines, Migrated, OpenError, mysql};
use clap::Subcommand;
use serde_json::json;
use std::path::PathBuf;
use tokio::runtime::Handle;

/// The arguments of `db`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make the schema in a database that exists and has none
    Init(Common),
    /// Bring the schema to the version that this program works with
    Migrate(Common),
    /// Say what is wrong with the database: every server, the schema, the rights of the user
    Check(Check),
}

#[derive(Debug, clap::Args)]
struct Check {
    #[command(flatten)]
    common: Common,
    /// What the user of the configuration is for, which says what rights it should have: gate, portal, authority or
    /// accounts
    #[arg(long, value_name = "ROLE", default_value = "gate")]
    role: Role,
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

/// Does it.
///
/// # Errors
/// When the configuration is bad, or the database does not do it.
pub fn run(args: &Args) -> Result<Exit, Failure> {
    let (Action::Init(common) | Action::Migrate(common) | Action::Check(Check { common, .. })) = &args.action;
    let config = configuration(&common.config)?;
    let done = runtime()?.block_on(async {
        match &args.action {
            Action::Init(_) => migrate(&config, Wanted::Anything).await,
            Action::Migrate(_) => migrate(&config, Wanted::Schema).await,
            Action::Check(Check { role, .. }) => match &config.accounts.store {
                Store::MySql(settings) => Ok(examine(settings, *role).await),
                Store::Sqlite { .. } => check(&config).await,
            },
        }
    });
    let report = done?;
    print(&if common.json { format!("{:#}\n", report.json) } else { format!("{}\n", report.text) })?;
    Ok(if report.good { Exit::Success } else { Exit::No })
}

struct Report {
    good: bool,
    text: String,
    json: serde_json::Value,
}

/// What must be there before a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Anything,
    Schema,
}

async fn migrate(config: &Config, wanted: Wanted) -> Result<Report, Failure> {
    let store = &config.accounts.store;
    if let Some(foreign) = store.foreign() {
        let why = format!("`accounts.mysql.{}` says that its tables are yours", foreign.key);
        let what_to_do = "look after them with your own tools; to use Wicketgate's tables, leave that key out";
        return Err(Failure::new("making the schema", store, why, what_to_do).bad());
    }
    let database = connect(store).await?;
    if wanted == Wanted::Schema
        && database.schema_version().await.or_fail("reading the schema", store, ACCESS)?.is_none()
    {
        return Err(Failure::new(
            "migrating the database",
            store,
            OpenError::NoSchema,
            "run `wicketgate db init` first",
        ));
    }
    let rights = "give its user the rights to create, alter, drop and index tables, at least for this";
    let Migrated { from, to } = database.migrate().await.or_fail("migrating the database", store, rights)?;
    let text = match from {
        None => format!("{store}: made the schema, version {to}"),
        Some(from) if from == to => format!("{store}: the schema has version {to} already"),
        Some(from) => format!("{store}: brought the schema from version {from} to {to}"),
    };
    Ok(Report { good: true, text, json: json!({ "store": store.to_string(), "from": from, "to": to }) })
}

/// Every server of the settings, and what is wrong with it.
async fn examine(settings: &MySql, role: Role) -> Report {
    let known = migrations::newest();
    let examination = mysql::examine(settings, role, Deadlines::default()).await;
    let mut good = examination.is_good();
    let mut lines = Vec::new();
    for server in &examination.servers {
        let schema = match migrations::standing(server.schema) {
            _ if settings.foreign.is_some() => "its tables are not Wicketgate's".to_owned(),
            Standing::Current => format!("its schema has version {known}, as it should"),
            Standing::Absent => "no schema was found".to_owned(),
            Standing::Older(found) | Standing::Newer(found) => format!("its schema has version {found}"),
        };
        let writes = if server.writable { "" } else { "; it takes no writes" };
        lines.push(format!("{}: {} answers; {schema}{writes}", server.name, server.product));
    }
    let first = examination.servers.first();
    let (reachable, server, schema) =
        (first.is_some(), first.map(|server| server.product.clone()), first.and_then(|server| server.schema));
    let servers: Vec<_> = examination
        .servers
        .iter()
        .map(|server| {
            json!({
                "name": server.name, "server": server.product, "schema": server.schema, "writable": server.writable,
            })
        })
        .collect();
    let mut findings: Vec<Finding> = examination.diagnoses.into_iter().map(Finding::from).collect();
    let store = Store::MySql(settings.clone());
    if let Some(foreign) = settings.foreign.as_ref().filter(|_| reachable) {
        let unfit = preflight::examine_foreign(&store, foreign, Handle::current()).await;
        good = good && unfit.is_none();
        lines.extend(unfit.is_none().then(|| format!("`accounts.mysql.{}` fits its tables", foreign.key)));
        findings.extend(unfit);
    }
    lines.extend(findings.iter().map(ToString::to_string));
    let json = json!({
        "store": store.to_string(), "reachable": reachable, "server": server,
        "schema": schema, "known": known, "good": good, "servers": servers, "findings": findings,
    });
    Report { good, text: lines.join("\n"), json }
}

async fn check(config: &Config) -> Result<Report, Failure> {
    let store = &config.accounts.store;
    let known = migrations::newest();
    if let Store::Sqlite { path } = store
        && !path.exists()
    {
        let text =
            format!("{store}: there is no file yet; it is made by `wicketgate db init` or when it is first used");
        let json = json!({ "store": store.to_string(), "reachable": false, "known": known });
        return Ok(Report { good: false, text, json });
    }
    let database = connect(store).await?;
    let server = database.server().await.or_fail("asking the database", store, ACCESS)?;
    let version = database.schema_version().await.or_fail("reading the schema", store, ACCESS)?;
    let standing = migrations::standing(version);
    let schema = match standing {
        Standing::Current => format!("its schema has version {known}, as it should"),
        Standing::Absent => OpenError::NoSchema.to_string(),
        Standing::Older(found) => OpenError::OldSchema { found, known }.to_string(),
        Standing::Newer(found) => OpenError::NewSchema { found, known }.to_string(),
    };
    Ok(Report {
        good: standing == Standing::Current,
        text: format!("{store}: {server} answers; {schema}"),
        json: json!({
            "store": store.to_string(), "reachable": true, "server": server, "schema": version, "known": known,
        }),
    })
}

const ACCESS: &str = "look at the reason; for MySQL see that the server runs and that user, password and rights are as \
                      docs/database.md says, for SQLite that you may read and write the file and its folder";

async fn connect(store: &Store) -> Result<Database, Failure> {
    Database::connect(store, Handle::current(), Deadlines::default()).await.or_fail(
        "reaching the database",
        store,
        ACCESS,
    )
}
