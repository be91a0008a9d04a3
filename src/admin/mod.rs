//! What administrators and monitoring see of a running gate, and what they may tell it: metrics, health, status and
//! reload, at an address of their own (`server`), and health as services that routes may lead to (`health`). It only
//! asks the parts; what is behind the numbers is theirs, and a reload is done by `app`, to which it is handed on.

mod guard;
pub mod health;
mod numbers;
mod process;
pub mod server;
mod servers;
pub mod status;

pub use guard::Guard;
pub use health::Readiness;
pub use server::Server;

use crate::account::cache::Accounts;
use crate::auth::digest;
use crate::auth::throttle::Throttle;
use crate::auth::trust::TrustSet;
use crate::base::clock::Timestamp;
use crate::fetch::stapling::Staple;
use crate::listen::limit::ConnectionLimit;
use crate::proxy::Gate;
use crate::revocation::live::Live;
use crate::telemetry::audit::Audit;
use arc_swap::ArcSwap;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How many demands may wait to be heard.
const QUEUE: usize = 8;
/// How long whoever demands a reload waits for its outcome.
const RELOAD: Duration = Duration::from_secs(120);

/// The parts that are asked: those of the configuration in force.
pub struct Sources {
    /// Its number.
    pub epoch: u64,
    /// When it was taken up.
    pub loaded: Timestamp,
    /// Names and addresses of the listeners.
    pub listeners: Vec<(String, SocketAddr)>,
    /// The accounts behind their cache.
    pub accounts: Arc<Accounts>,
    /// Where they are kept, for people.
    pub store: String,
    /// The open connections that rest on something.
    pub live: Arc<Live>,
    /// The trust sets.
    pub trust: Vec<Arc<TrustSet>>,
    /// Who counts nonces.
    pub digest: Option<Arc<digest::Verifier>>,
    /// Who holds guesses back.
    pub throttle: Option<Arc<Throttle>>,
    /// The audit log.
    pub audit: Arc<Audit>,
    /// The places for connections.
    pub limit: Arc<ConnectionLimit>,
    /// How many there are.
    pub connections: usize,
    /// The certificates in use that run out some day.
    pub certificates: Vec<Dated>,
    /// The OCSP answers that are sent along with ours.
    pub staples: Vec<Staple>,
    /// Whether requests can be served.
    pub readiness: Readiness,
    /// The gate itself, which judges administrators.
    pub gate: Arc<ArcSwap<Gate>>,
}

/// A certificate that runs out some day.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dated {
    /// `listener`, `authority`, `intermediate`, `upstream`, `admin`.
    pub role: &'static str,
    /// The name of the listener, trust set or upstream.
    pub name: String,
    /// Its subject as RFC 4514 writes it.
    pub subject: String,
    /// The first eight octets of its SHA-256 in hexadecimal: enough to find it by.
    pub fingerprint: String,
    /// Its notAfter.
    pub not_after: Timestamp,
}

/// What a reload did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// The number of the configuration that is in force now.
    pub epoch: u64,
    /// What is another one than before, in a sentence each.
    pub changes: Vec<String>,
}

/// What an administrator demands.
pub enum Demand {
    /// Read everything anew, and say what became of it: what changed, or all that is wrong.
    Reload(oneshot::Sender<Result<Reloaded, String>>),
}

/// What is behind the address.
pub struct Admin {
    sources: ArcSwap<Sources>,
    demands: mpsc::Sender<Demand>,
    started: Timestamp,
}

impl Admin {
    /// Behind these parts, of a process that started at this time. What is demanded comes out of the other end.
    #[must_use]
    pub fn new(sources: Sources, started: Timestamp) -> (Arc<Self>, mpsc::Receiver<Demand>) {
        let (demands, heard) = mpsc::channel(QUEUE);
        (Arc::new(Self { sources: ArcSwap::from_pointee(sources), demands, started }), heard)
    }

    /// Asks these from now on.
    pub fn set(&self, sources: Sources) {
        self.sources.store(Arc::new(sources));
    }

    fn sources(&self) -> Arc<Sources> {
        self.sources.load_full()
    }

    /// Has everything read anew.
    async fn reload(&self) -> Result<Reloaded, String> {
        let (tell, told) = oneshot::channel();
        let crowded = || "too many reloads are waiting: come again in a moment".to_owned();
        self.demands.try_send(Demand::Reload(tell)).map_err(|_| crowded())?;
        match tokio::time::timeout(RELOAD, told).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err("the gate is ending".to_owned()),
            Err(_) => Err(format!("not finished within {RELOAD:?}; the log will say what came of it")),
        }
    }
}
