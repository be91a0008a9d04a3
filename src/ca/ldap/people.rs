//! What the directory knows of people beyond the store of accounts, for the subjects of their certificates. It is asked
//! when a certificate is issued by a profile that needs it, and then an answer is waited for: a subject is not guessed.

use super::client::{self, Connection, Trouble};
use super::{Obstacle, filter_of};
use crate::account::Account;
use crate::ca::office::{People, PeopleError};
use crate::config::Ldap;
use futures_util::future::BoxFuture;
use std::collections::BTreeMap;
use tokio::sync::Mutex;

/// The entries of people in the directory.
pub struct Entries {
    settings: Ldap,
    /// Kept for the next one, as long as it lives.
    connection: Mutex<Option<Connection>>,
}

impl Entries {
    /// In this directory, where each account's entry is found by the same filter by which certificates are published.
    #[must_use]
    pub fn new(settings: Ldap) -> Self {
        Self { settings, connection: Mutex::new(None) }
    }

    async fn ask(&self, account: &Account, names: &[&str]) -> Result<BTreeMap<String, String>, Trouble> {
        let filter = filter_of(&self.settings, account).ok_or_else(|| Obstacle::NoValue(account.username.clone()))?;
        let mut slot = self.connection.lock().await;
        let kept = slot.is_some();
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => client::connect(&self.settings).await.map_err(Trouble::Unreachable)?,
        };
        let base = &self.settings.base;
        let mut answer = connection.entry(base, &filter, names).await;
        if kept && matches!(answer, Err(Trouble::Unreachable(_))) {
            // The server has closed what was not used for a while.
            connection = client::connect(&self.settings).await.map_err(Trouble::Unreachable)?;
            answer = connection.entry(base, &filter, names).await;
        }
        if !matches!(answer, Err(Trouble::Unreachable(_))) {
            *slot = Some(connection);
        }
        let entry = answer?;
        let mut values = BTreeMap::new();
        for name in names {
            let found = entry.attrs.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
            match found.map(|(_, values)| values.as_slice()) {
                None | Some([]) => {}
                Some([value]) => drop(values.insert((*name).to_owned(), value.clone())),
                // Values have no order, and a name must not change from one certificate to the next.
                Some(_) => return Err(Obstacle::Several((*name).to_owned()).into()),
            }
        }
        Ok(values)
    }
}

impl People for Entries {
    fn attributes<'a>(
        &'a self,
        account: &'a Account,
        names: &'a [&'a str],
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, PeopleError>> {
        Box::pin(async move {
            let failed = |why: String| PeopleError { username: account.username.clone(), why };
            self.ask(account, names).await.map_err(|trouble| match trouble {
                Trouble::Unreachable(error) => failed(error.to_string()),
                Trouble::Obstacle(obstacle) => failed(obstacle.to_string()),
            })
        })
    }
}
