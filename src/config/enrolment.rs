//! The authority as a process: where it is reached, as whom it asks the database, and whom it enrols by EST.

use super::{Accounts, CertificateFiles, Config, MySql, Store};
use crate::base::secret::SecretSource;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The process that `wicketgate authority serve` is.
#[derive(Debug, Clone, PartialEq)]
pub struct AuthorityProcess {
    /// The Unix socket that the gate reaches it by.
    pub socket: PathBuf,
    /// The users whose processes may connect besides its own, by name or number.
    pub users: Vec<String>,
    /// How machines are enrolled (RFC 7030), if they are.
    pub est: Option<Est>,
}

/// A user of the database.
#[derive(Debug, Clone, PartialEq)]
pub struct DatabaseUser {
    /// Its name.
    pub user: String,
    /// Its password.
    pub password: Option<SecretSource>,
    /// Its certificate.
    pub client: Option<CertificateFiles>,
}

/// How machines are enrolled: whom the authority gives a certificate on the word of the gate, and of which kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Est {
    /// The profile of what is issued where the path has no label.
    pub profile: String,
    /// The profiles of labels.
    pub labels: BTreeMap<String, String>,
    /// Groups of which an account must be in one; none is no condition.
    pub groups: Vec<String>,
    /// Groups of which an account may be in none.
    pub except: Vec<String>,
    /// Whether the authority makes keys for others.
    pub server_keys: bool,
    /// How many certificates may be asked for within an hour, by everybody together.
    pub hourly: u32,
    /// How many certificates may be asked for within an hour by one account.
    pub hourly_by_account: u32,
}

impl Accounts {
    /// The store as somebody else than the gate is let into it. That user's credentials take the place of the gate's
    /// whole: a certificate of the gate's is not shown beside another's password.
    #[must_use]
    pub fn store_as(&self, user: Option<&DatabaseUser>) -> Store {
        match (&self.store, user) {
            (Store::MySql(store), Some(DatabaseUser { user, password, client })) => {
                let tls = super::MySqlTls { client: client.clone(), ..store.tls.clone() };
                Store::MySql(MySql { user: user.clone(), password: password.clone(), tls, ..store.clone() })
            }
            (store, _) => store.clone(),
        }
    }
}

impl Config {
    /// The store of accounts as the authority is let into it: what issues and revokes works with this one.
    #[must_use]
    pub fn authority_store(&self) -> Store {
        self.accounts.store_as(self.authority.as_ref().and_then(|authority| authority.mysql.as_ref()))
    }
}
