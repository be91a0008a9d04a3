//! `wicketgate db grants`: the statements that make the database users, each with no more rights than it needs. It
//! talks to no server; whoever may make users there runs what it prints.

use crate::cli::{Exit, Failure, configuration, print};
use crate::config::{MySql, MySqlTlsMode, Store};
use crate::store::rights::{self, Role, literal};
use serde_json::json;
use std::path::PathBuf;

/// The arguments of `db grants`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// The gate's user; without it the user of the configuration
    #[arg(long, value_name = "NAME")]
    gate_user: Option<String>,
    /// The portal's user
    #[arg(long, value_name = "NAME", default_value = "wicketgate_portal")]
    portal_user: String,
    /// The authority's user; without it that of `authority.mysql`, or else `wicketgate_authority`
    #[arg(long, value_name = "NAME")]
    authority_user: Option<String>,
    /// A user for `wicketgate account`, if it is to have one of its own
    #[arg(long, value_name = "NAME")]
    accounts_user: Option<String>,
    /// The host that they come from, as the server sees it: `10.0.0.7`, `10.0.0.%`, `localhost`
    #[arg(long, value_name = "HOST", default_value = "%")]
    host: String,
    /// Demand a client certificate, whichever the server's authorities issued; what is demanded without this follows
    /// from `accounts.mysql.tls`
    #[arg(long)]
    require_x509: bool,
    /// Demand a client certificate of this issuer: `/C=NL/O=Example/CN=Database CA`
    #[arg(long, value_name = "NAME")]
    issuer: Option<String>,
    /// Demand a client certificate with this subject: `/O=Example/CN={user}`, where {user} becomes the user's name
    #[arg(long, value_name = "NAME")]
    subject: Option<String>,
    /// Let the gate hash an outdated password anew when somebody logs in by it (HTTP Basic)
    #[arg(long)]
    rehash: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The authority's user, unless something else is said.
const AUTHORITY: &str = "wicketgate_authority";

/// Prints the statements.
///
/// # Errors
/// When the configuration is bad, or keeps accounts in no MySQL server.
pub(super) fn run(args: &Args) -> Result<Exit, Failure> {
    let config = configuration(&args.config)?;
    let Store::MySql(settings) = &config.accounts.store else {
        let why = "there are no users and rights in SQLite: the mode of the file says who may do what";
        return Err(Failure::new("granting", &config.accounts.store, why, "configure accounts.mysql").bad());
    };
    super::is_ours(&config.accounts.store, "granting")?;
    for text in args.texts() {
        if text.chars().any(char::is_control) {
            let why = "it has a control character, which no name of a user, host or certificate has";
            return Err(Failure::new("granting", format!("{text:?}"), why, "correct it").bad());
        }
    }
    let authority = config.authority.as_ref().and_then(|authority| authority.mysql.as_ref());
    let users = args.users(settings, authority.map(|user| user.user.as_str()));
    if args.json {
        let users: Vec<_> = users
            .iter()
            .map(|user| json!({ "role": user.role.to_string(), "user": user.name, "statements": user.statements }))
            .collect();
        print(&format!("{:#}\n", json!({ "users": users })))?;
    } else {
        let text: Vec<String> = users.iter().map(User::as_sql).collect();
        print(&text.join("\n"))?;
    }
    Ok(Exit::Success)
}

/// A user and the statements that make it.
struct User {
    role: Role,
    /// `'wicketgate'@'%'`
    name: String,
    statements: Vec<String>,
    /// Whether it is locked until it has a password.
    locked: bool,
}

impl Args {
    fn texts(&self) -> impl Iterator<Item = &String> {
        let optional = [&self.gate_user, &self.authority_user, &self.accounts_user, &self.issuer, &self.subject];
        [&self.portal_user, &self.host].into_iter().chain(optional.into_iter().flatten())
    }

    /// The users. `authority` is who the authority is by the configuration.
    fn users(&self, settings: &MySql, authority: Option<&str>) -> Vec<User> {
        let gate = self.gate_user.as_deref().unwrap_or(&settings.user);
        let authority = self.authority_user.as_deref().or(authority).unwrap_or(AUTHORITY);
        let roles = [
            (Role::Gate, Some(gate)),
            (Role::Portal, Some(self.portal_user.as_str())),
            (Role::Authority, Some(authority)),
            (Role::Accounts, self.accounts_user.as_deref()),
        ];
        roles.into_iter().filter_map(|(role, name)| Some(self.user(role, name?, settings))).collect()
    }

    fn user(&self, role: Role, user: &str, settings: &MySql) -> User {
        let name = format!("{}@{}", literal(user), literal(&self.host));
        // One whose certificate is named proves itself by it; any other needs a password, which is nobody's to print.
        let locked = self.subject.is_none();
        let lock = if locked { " ACCOUNT LOCK" } else { "" };
        let make = format!("CREATE USER IF NOT EXISTS {name} REQUIRE {}{lock}", self.require(user, settings));
        let rehash = (self.rehash && role == Role::Gate).then(|| rights::rehash_grant(&settings.database, &name));
        let granted = rights::grants(role, &settings.database, &name).into_iter().chain(rehash);
        let statements = [make].into_iter().chain(granted).collect();
        User { role, name, statements, locked }
    }

    fn require(&self, user: &str, settings: &MySql) -> String {
        let clauses: Vec<String> = [
            self.issuer.as_ref().map(|issuer| format!("ISSUER {}", literal(issuer))),
            self.subject.as_ref().map(|subject| format!("SUBJECT {}", literal(&subject.replace("{user}", user)))),
        ]
        .into_iter()
        .flatten()
        .collect();
        if !clauses.is_empty() {
            return clauses.join(" AND ");
        }
        let tls = &settings.tls;
        let required = match tls.mode {
            _ if self.require_x509 => "X509",
            MySqlTlsMode::Verify if tls.client.is_some() => "X509",
            MySqlTlsMode::Verify => "SSL",
            MySqlTlsMode::Off => "NONE",
        };
        required.to_owned()
    }
}

impl User {
    fn as_sql(&self) -> String {
        let mut text = format!("-- For {}.\n", self.role);
        for statement in &self.statements {
            text.extend([statement, ";\n"]);
        }
        if self.locked {
            text.push_str(&format!(
                "-- It is locked until it has a password:\n-- ALTER USER {} IDENTIFIED BY '…' ACCOUNT UNLOCK;\n",
                self.name
            ));
        }
        text
    }
}
