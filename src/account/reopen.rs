//! A store that was down when the gate started: opened by the first question that it can answer. Until then
//! every question is answered by [`Unavailable`], so that the gate stands, refuses with 503, and needs no
//! restart when the database is back.

use super::{CertificateKey, Directory, Ha1, Lookup, Unavailable};
use crate::account::Account;
use crate::account::password::Password;
use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::config::{self, DigestAlgorithm};
use crate::store::changes::{Position, Since};
use futures_util::future::{BoxFuture, FutureExt};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// How long after a failed attempt the next one is made.
const RETRY: Duration = Duration::from_secs(1);

/// Opens a store, now or when it can be opened.
pub async fn open(store: &config::Store, control: Handle) -> Arc<dyn Directory> {
    match super::open_directory(store, control.clone()).await {
        Ok(directory) => directory,
        Err(error) => {
            tracing::error!(%error, "accounts are unavailable; it is tried again with each request");
            let state = Mutex::new(State::Failed(Instant::now(), error));
            Arc::new(Reopening { store: store.clone(), control, state, opening: tokio::sync::Mutex::default() })
        }
    }
}

struct Reopening {
    store: config::Store,
    control: Handle,
    state: Mutex<State>,
    /// Held by the one who tries.
    opening: tokio::sync::Mutex<()>,
}

enum State {
    Open(Arc<dyn Directory>),
    Failed(Instant, Unavailable),
}

impl Reopening {
    async fn directory(&self) -> Result<Arc<dyn Directory>, Unavailable> {
        if let Some(known) = self.known() {
            return known;
        }
        let _trying = self.opening.lock().await;
        // Whoever tried meanwhile has found out for all who waited.
        if let Some(known) = self.known() {
            return known;
        }
        let opened = super::open_directory(&self.store, self.control.clone()).await;
        let state = match &opened {
            Ok(directory) => {
                tracing::info!("accounts are available");
                State::Open(Arc::clone(directory))
            }
            Err(error) => State::Failed(Instant::now(), error.clone()),
        };
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
        opened
    }

    /// What is known without trying; `None` when it is time to try.
    fn known(&self) -> Option<Result<Arc<dyn Directory>, Unavailable>> {
        match &*self.state.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Open(directory) => Some(Ok(Arc::clone(directory))),
            State::Failed(at, error) if at.elapsed() < RETRY => Some(Err(error.clone())),
            State::Failed(..) => None,
        }
    }
}

impl Directory for Reopening {
    fn find<'a>(&'a self, lookup: &'a Lookup) -> BoxFuture<'a, Result<Vec<Account>, Unavailable>> {
        async move { self.directory().await?.find(lookup).await }.boxed()
    }

    fn ha1<'a>(
        &'a self,
        username: &'a str,
        realm: &'a str,
        algorithm: DigestAlgorithm,
    ) -> BoxFuture<'a, Result<Option<Ha1>, Unavailable>> {
        async move { self.directory().await?.ha1(username, realm, algorithm).await }.boxed()
    }

    fn password<'a>(&'a self, username: &'a str) -> BoxFuture<'a, Result<Option<Password>, Unavailable>> {
        async move { self.directory().await?.password(username).await }.boxed()
    }

    fn rehash<'a>(&'a self, username: &'a str, set: i64, hash: &'a Secret) -> BoxFuture<'a, Result<bool, Unavailable>> {
        async move { self.directory().await?.rehash(username, set, hash).await }.boxed()
    }

    fn username_of<'a>(
        &'a self,
        userhash: &'a str,
        realm: &'a str,
        algorithm: DigestAlgorithm,
    ) -> BoxFuture<'a, Result<Option<String>, Unavailable>> {
        async move { self.directory().await?.username_of(userhash, realm, algorithm).await }.boxed()
    }

    fn changes<'a>(&'a self, since: Option<&'a Position>) -> BoxFuture<'a, Result<Since, Unavailable>> {
        async move { self.directory().await?.changes(since).await }.boxed()
    }

    fn revoked<'a>(
        &'a self,
        certificates: &'a [CertificateKey],
    ) -> BoxFuture<'a, Result<Vec<Option<Timestamp>>, Unavailable>> {
        async move { self.directory().await?.revoked(certificates).await }.boxed()
    }

    fn use_once<'a>(
        &'a self,
        identifier: &'a [u8; 32],
        until: Timestamp,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<bool, Unavailable>> {
        async move { self.directory().await?.use_once(identifier, until, at).await }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::LookupKind;

    #[tokio::test]
    async fn a_store_that_was_down_at_the_start_is_opened_when_it_is_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("later/accounts.db");
        let store = config::Store::Sqlite { path: path.clone() };
        let directory = open(&store, Handle::current()).await;
        let lookup = Lookup { kind: LookupKind::Username, name: "alice".to_owned() };
        assert!(directory.find(&lookup).await.is_err(), "the folder is not there");
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        tokio::time::sleep(RETRY).await;
        assert_eq!(directory.find(&lookup).await.unwrap(), []);
    }
}
