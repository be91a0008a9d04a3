//! `accounts`: where people are on record.

use super::Context;
use crate::config::raw;
use crate::config::read::{At, Field, PlaceId};
use crate::config::values::parse_server;
use crate::config::{Accounts, Cache, CertificateFiles, MySql, MySqlTls, MySqlTlsMode, ServerName, Store};
use std::sync::Arc;
use std::time::Duration;

/// The longest that answers may be used while the database gives none.
const LONGEST_SERVED_STALE: Duration = Duration::from_secs(24 * 3600);

impl Context<'_> {
    pub(super) fn accounts(&mut self, accounts: &Field<raw::Accounts>) -> Option<Accounts> {
        let absent = raw::Accounts::default();
        let (raw, place) = match accounts {
            Field::Absent => (&absent, PlaceId::default()),
            Field::Faulty => return None,
            Field::Given(at) => (&at.value, at.place),
        };
        let store = match (&raw.sqlite, &raw.mysql) {
            (Field::Faulty, _) | (_, Field::Faulty) => None,
            (Field::Given(_), Field::Given(mysql)) => {
                let _: Option<MySql> = self.mysql(mysql);
                let help = "keep one of them".to_owned();
                self.error(place, "accounts are kept either in `sqlite` or in `mysql`", help)
            }
            (Field::Absent, Field::Given(mysql)) => self.mysql(mysql).map(Store::MySql),
            (sqlite, Field::Absent) => {
                let path = sqlite.value().map_or(Some(None), |sqlite| self.optional_path(&sqlite.path));
                path.map(|path| Store::Sqlite { path: path.unwrap_or_else(|| self.base.join("wicketgate.db")) })
            }
        };
        let cache = self.cache(raw.cache.value(), &raw.serve_stale);
        Some(Accounts { store: store?, cache: cache? })
    }

    fn cache(&mut self, raw: Option<&raw::Cache>, serve_stale: &Field<raw::Duration>) -> Option<Cache> {
        let absent = raw::Cache::default();
        let raw = raw.unwrap_or(&absent);
        let ttl = self.period_or_zero(&raw.ttl, 60);
        let negative_ttl = self.period_or_zero(&raw.negative_ttl, 5);
        let capacity = match &raw.capacity {
            Field::Absent => Some(100_000),
            Field::Faulty => None,
            Field::Given(At { value: raw::Capacity(answers), .. }) => Some(*answers),
        };
        let serve_stale = self.serve_stale(serve_stale);
        Some(Cache { ttl: ttl?, negative_ttl: negative_ttl?, capacity: capacity?, serve_stale: serve_stale? })
    }

    /// Who was locked or revoked in the first moment of an outage passes to its end, so that nobody means a week.
    fn serve_stale(&mut self, field: &Field<raw::Duration>) -> Option<Duration> {
        let serve_stale = self.period_or_zero(field, 0)?;
        if let Some(At { place, .. }) = field.given().filter(|_| serve_stale > LONGEST_SERVED_STALE) {
            let help = "write `1d` at most; some minutes are enough for a restart of the database".to_owned();
            return self.error(*place, "whoever is locked meanwhile would be let in for so long", help);
        }
        Some(serve_stale)
    }

    fn mysql(&mut self, mysql: &At<raw::MySql>) -> Option<MySql> {
        let At { place, value: raw } = mysql;
        let servers = self
            .required(&raw.servers, *place, "servers")
            .and_then(|servers| self.items(servers, |context, server| context.parsed(server, parse_database_server)));
        let database = self.required(&raw.database, *place, "database").and_then(|database| self.text(database));
        let user = self.required(&raw.user, *place, "user").and_then(|user| self.text(user));
        let password = self.secret(&raw.password);
        let tls = match &raw.tls {
            Field::Absent => Some(MySqlTls::default()),
            Field::Faulty => None,
            Field::Given(tls) => self.mysql_tls(tls),
        };
        let foreign = match (&raw.queries, &raw.tables) {
            (Field::Faulty, _) | (_, Field::Faulty) => None,
            (Field::Absent, Field::Absent) => Some(None),
            (Field::Given(queries), Field::Absent) => self.queries(queries).map(Some),
            (Field::Absent, Field::Given(tables)) => self.tables(tables).map(Some),
            (Field::Given(_), Field::Given(tables)) => {
                let help = "keep one of them".to_owned();
                self.error(tables.place, "your own tables are read either by `queries` or by `tables`", help)
            }
        };
        let insecure = raw.insecure.value().copied().unwrap_or_default();
        let (servers, password, tls) = (servers?, password?, tls?);
        if password.is_none() && tls.client.is_none() {
            let help = "add `password: {file: …}`, or `tls` with `certificate` and `key`".to_owned();
            self.warn(*place, "there is neither a password nor a client certificate", help);
        }
        let foreign = foreign?.map(Arc::new);
        let settings = MySql { servers, database: database?, user: user?, password, tls, foreign, insecure };
        if settings.exposed().is_some() {
            let message = "the password and all that the database answers travel unencrypted; `serve` refuses that";
            self.warn(*place, message, "add `tls: {mode: verify, ca: …}`, or say `insecure: true`".to_owned());
        }
        Some(settings)
    }

    fn mysql_tls(&mut self, tls: &At<raw::MySqlTls>) -> Option<MySqlTls> {
        let At { place, value: raw } = tls;
        let mode = match raw.mode {
            Field::Faulty => return None,
            Field::Absent => MySqlTlsMode::Verify,
            Field::Given(At { value, .. }) => value,
        };
        let ca = self.optional_path(&raw.ca);
        let certificate = self.optional_path(&raw.certificate);
        let key = self.optional_path(&raw.key);
        let client = match (certificate?, key?) {
            (Some(chain), Some(key)) => Some(CertificateFiles { chain, key }),
            (None, None) => None,
            (Some(_), None) => return self.missing(*place, "key", ": a certificate is of no use without it"),
            (None, Some(_)) => return self.missing(*place, "certificate", ": a key is of no use without it"),
        };
        let ca = ca?;
        match mode {
            MySqlTlsMode::Verify if ca.is_none() => {
                return self.missing(*place, "ca", ": it says whom the server's certificate may come from");
            }
            MySqlTlsMode::Off if ca.is_some() || client.is_some() => {
                self.warn(*place, "with `mode: off` the other keys have no effect", None);
            }
            _ => {}
        }
        Some(MySqlTls { mode, ca, client })
    }
}

/// `host:port`, or the absolute path of a Unix socket.
fn parse_database_server(text: &str) -> Result<ServerName, String> {
    if text.starts_with('/') {
        return Ok(ServerName { host: text.to_owned(), port: 0 });
    }
    parse_server(text, 3306)
}
