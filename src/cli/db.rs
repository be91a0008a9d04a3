//! `wicketgate db …`: makes, migrates and examines the schema of the database that the configuration
//! names.

mod grants;

use super::{Exit, Failure, OrFail, configuration, print, runtime};
use crate::app::preflight::{self, Finding};
use crate::base::secret::{Secret, SecretSource};
use crate::config::{MySql, Store};
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
    Init(Init),
    /// Bring the schema to the version that this program works with
    Migrate(Common),
    /// Say what is wrong with the database: every server, the schema, the rights of the user
    Check(Check),
    /// Print the statements that make the database users, each with the least rights
    Grants(grants::Args),
}

#[derive(Debug, clap::Args)]
struct Init {
    #[command(flatten)]
    common: Common,
    /// Print the statements, for whoever runs SQL by hand, and do nothing
    #[arg(long, conflicts_with_all = ["admin_user", "json"])]
    print: bool,
    /// Make the database too, and the schema in it, as this user instead of the one of the configuration. Its password
    /// is asked for
    #[arg(long, value_name = "NAME")]
    admin_user: Option<String>,
    /// The file whose first line is the password of that user
    #[arg(long, value_name = "FILE", requires = "admin_user", conflicts_with = "admin_password_env")]
    admin_password_file: Option<PathBuf>,
    /// The environment variable that holds the password of that user
    #[arg(long, value_name = "VARIABLE", requires = "admin_user")]
    admin_password_env: Option<String>,
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
    match &args.action {
        Action::Init(args) => init(args),
        Action::Migrate(common) => {
            let store = store(common)?;
            is_ours(&store, "migrating the database")?;
            runtime()?.block_on(migrate(&store, Wanted::Schema))?.show(common)
        }
        Action::Check(Check { common, role }) => {
            let report = match &store(common)? {
                Store::MySql(settings) => runtime()?.block_on(examine(settings, *role)),
                store @ Store::Sqlite { .. } => runtime()?.block_on(check(store))?,
            };
            report.show(common)
        }
        Action::Grants(args) => grants::run(args),
    }
}

/// The store of the configuration.
fn store(common: &Common) -> Result<Store, Failure> {
    Ok(configuration(&common.config)?.accounts.store)
}

/// Refuses to do something to tables that are not Wicketgate's.
fn is_ours(store: &Store, what: &str) -> Result<(), Failure> {
    let Some(foreign) = store.foreign() else { return Ok(()) };
    let why = format!("`accounts.mysql.{}` says that its tables are yours", foreign.key);
    let what_to_do = "look after them with your own tools; to use Wicketgate's tables, leave that key out";
    Err(Failure::new(what, store, why, what_to_do).bad())
}

fn init(args: &Init) -> Result<Exit, Failure> {
    let store = store(&args.common)?;
    is_ours(&store, "making the schema")?;
    if args.print {
        return print_schema(&store);
    }
    let store = args.as_administrator(&store)?;
    let report = runtime()?.block_on(async {
        if args.admin_user.is_some() {
            make_database(&store).await?;
        }
        migrate(&store, Wanted::Anything).await
    })?;
    report.show(&args.common)
}

struct Report {
    good: bool,
    text: String,
    json: serde_json::Value,
}

impl Report {
    fn show(&self, common: &Common) -> Result<Exit, Failure> {
        print(&if common.json { format!("{:#}\n", self.json) } else { format!("{}\n", self.text) })?;
        Ok(if self.good { Exit::Success } else { Exit::No })
    }
}

/// What must be there before a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Anything,
    Schema,
}

impl Init {
    /// The store as whoever makes it reaches it. What only an administrator may do stands nowhere but on the command
    /// line.
    fn as_administrator(&self, store: &Store) -> Result<Store, Failure> {
        let Some(user) = &self.admin_user else { return Ok(store.clone()) };
        let Store::MySql(settings) = store else {
            let why = "an SQLite file has no users";
            return Err(Failure::new("making the schema", store, why, "leave --admin-user out").bad());
        };
        if let Some(server) = settings.exposed() {
            let why = format!("the administrator's password would travel unencrypted to {server}");
            return Err(Failure::new("making the schema", store, why, "add `tls: {mode: verify, ca: …}`").bad());
        }
        let password = match (&self.admin_password_file, &self.admin_password_env) {
            (Some(file), _) => Some(SecretSource::File(file.clone())),
            (None, Some(variable)) => Some(SecretSource::Environment(variable.clone())),
            (None, None) => ask(user)?.map(SecretSource::Literal),
        };
        Ok(Store::MySql(MySql { user: user.clone(), password, ..settings.clone() }))
    }
}

/// Asks for a password at the terminal, without showing what is typed; `None` if there is none.
fn ask(user: &str) -> Result<Option<Secret>, Failure> {
    let typed = rpassword::prompt_password(format!("Password of the database user {user}: ")).or_fail(
        "asking for the password",
        user,
        "run it at a terminal, or name --admin-password-file or --admin-password-env",
    )?;
    let secret = Secret::new(typed.into_bytes());
    Ok(Some(secret).filter(|secret| !secret.expose().is_empty()))
}

async fn make_database(store: &Store) -> Result<(), Failure> {
    let Store::MySql(settings) = store else { return Ok(()) };
    let rights = "see that this user may connect from here and has the right CREATE on the database; it has to have all \
                  the rights that `wicketgate db init` needs: CREATE, ALTER, DROP, INDEX, REFERENCES, SELECT, INSERT, UPDATE";
    mysql::create_database(settings, Deadlines::default()).await.or_fail("making the database", store, rights)
}

fn print_schema(store: &Store) -> Result<Exit, Failure> {
    let Store::MySql(settings) = store else {
        let why = "an SQLite file is made and brought up to date when it is first used";
        return Err(Failure::new("printing the schema", store, why, "configure accounts.mysql").bad());
    };
    let statements: Vec<String> =
        mysql::script(&settings.database).into_iter().map(|statement| format!("{statement};\n")).collect();
    print(&statements.join("\n"))?;
    Ok(Exit::Success)
}

async fn migrate(store: &Store, wanted: Wanted) -> Result<Report, Failure> {
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
    let rights = "give its user the rights to create, alter, drop and index tables, or use --admin-user with `db init`";
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
        let node = server.galera.as_ref().map_or(String::new(), |node| format!("; it is {node}"));
        lines.push(format!("{}: {} answers; {schema}{writes}{node}", server.name, server.product));
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
                "galera": server.galera.as_ref().map(|node| json!({
                    "cluster": node.cluster, "size": node.size, "status": node.status, "state": node.state,
                    "ready": node.ready,
                })),
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

async fn check(store: &Store) -> Result<Report, Failure> {
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
