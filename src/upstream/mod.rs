//! Where requests go: the servers of an upstream, which of them are fit and whose turn it is, the pools of connections to
//! them, TLS, and who we are there. What is sent there, and what becomes of a failure, is `proxy::forward`'s business.
//!
//! What all workers share is read without a lock: the [`choice`] for a request is made by a view that is exchanged when
//! the state of a server changes, which [`keep`] sees to on the control runtime. An upstream of one server that has one
//! address and no limits has no view, and nothing of it is counted.

pub mod balance;
mod budget;
mod checks;
pub mod choice;
mod connect;
pub mod digest;
pub mod health;
mod keep;
pub mod outward;
pub mod pool;
mod resolve;
mod server;
mod stream;
pub mod tls;

pub use choice::{Busy, Chosen, Ticket, Tour};
pub use connect::{ConnectError, open_for_one};
pub use health::State;
pub use resolve::Names;
pub use server::{Server, Standing};
pub use stream::Stream;

use crate::config::{
    self, Balance, Balancing, HashKey, HttpVersion, ServerName, UpstreamServer, UpstreamTimeouts, names_status,
};
use crate::telemetry::metrics::servers::{HOMES, SERVERS, ServerId};
use crate::telemetry::metrics::{Series, ServerNumbers, UPSTREAMS, UpstreamFailure, UpstreamNumbers};
use arc_swap::ArcSwap;
use balance::{Candidate, Plan};
use budget::Purses;
use choice::{Queue, View};
use digest::Credentials;
use health::most_ejected;
use http::StatusCode;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tls::ClientTls;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// Servers that answer the same requests.
#[derive(Debug)]
pub struct Upstream {
    /// Its name in the configuration.
    pub name: String,
    /// How long each phase may take.
    pub timeouts: UpstreamTimeouts,
    /// How its servers are told who we are, if they ask for a password.
    pub authorization: Option<Credentials>,
    balancing: Balancing,
    tls: Option<Arc<ClientTls>>,
    http: HttpVersion,
    proxy_protocol: bool,
    /// The one server, where nothing can be chosen and nothing is counted.
    only: Option<Arc<Server>>,
    view: ArcSwap<View>,
    /// By the entries of the configuration. Held while anything is changed.
    members: Mutex<Vec<Member>>,
    queue: Option<Arc<Queue>>,
    purses: Purses,
    /// Says that something has changed.
    changed: Arc<Notify>,
    keepers: OnceLock<Vec<AbortHandle>>,
    numbers: Series<UpstreamNumbers>,
    /// What is counted of servers that only accounts name, once there is one.
    homes: OnceLock<Arc<ServerNumbers>>,
}

/// An entry of `servers`, and what it stands for.
#[derive(Debug)]
struct Member {
    settings: UpstreamServer,
    servers: Vec<Arc<Server>>,
    /// Whether its name has ever been resolved.
    resolved: bool,
    /// Why that cannot be done at the moment.
    fault: Option<String>,
}

impl Upstream {
    /// From the configuration's section of this name, with what was made of its `tls` and `authorization`.
    #[must_use]
    pub fn new(
        name: &str,
        settings: &config::Upstream,
        tls: Option<&Arc<ClientTls>>,
        authorization: Option<Credentials>,
    ) -> Self {
        let server = |server: &UpstreamServer| {
            Arc::new(Server::new(server, None, tls.cloned(), settings.http, numbers(name, server, None)))
        };
        let members: Vec<Member> = settings
            .servers
            .iter()
            .map(|settings| Member {
                settings: settings.clone(),
                servers: vec![server(settings)],
                resolved: false,
                fault: None,
            })
            .collect();
        let balancing = settings.balancing.clone();
        let plain = balancing.limits.requests.is_none() && balancing.health.is_none();
        let only = match &*members {
            [Member { settings, servers, .. }] if plain && is_one_address(settings) => servers.first().cloned(),
            _ => None,
        };
        let upstream = Self {
            name: name.to_owned(),
            timeouts: settings.timeouts.clone(),
            authorization,
            queue: balancing.limits.requests.map(|_| Arc::default()),
            purses: Purses::new(balancing.retries.budget),
            balancing,
            tls: tls.cloned(),
            http: settings.http,
            proxy_protocol: settings.proxy_protocol,
            only,
            view: ArcSwap::default(),
            members: Mutex::new(members),
            changed: Arc::default(),
            keepers: OnceLock::new(),
            numbers: UPSTREAMS.of(&[name]),
            homes: OnceLock::new(),
        };
        upstream.refresh(Instant::now());
        upstream
    }

    /// One of this one server, which is spoken to in the same way, and shown nothing of who we are but by a certificate. Nobody
    /// checks it, and its name is resolved for each connection.
    #[must_use]
    pub fn at(&self, server: ServerName) -> Self {
        let settings = UpstreamServer { name: server, weight: 1, backup: false };
        let homes = || ServerId { upstream: self.name.clone(), server: HOMES.to_owned(), address: None };
        let numbers = Arc::clone(self.homes.get_or_init(|| SERVERS.of(homes())));
        let server = Arc::new(Server::new(&settings, None, self.tls.clone(), self.http, numbers));
        let balancing = Balancing { health: None, ..self.balancing.clone() };
        let upstream = Self {
            name: self.name.clone(),
            timeouts: self.timeouts.clone(),
            authorization: None,
            queue: balancing.limits.requests.map(|_| Arc::default()),
            purses: Purses::new(balancing.retries.budget),
            only: balancing.limits.requests.is_none().then(|| Arc::clone(&server)),
            balancing,
            tls: self.tls.clone(),
            http: self.http,
            proxy_protocol: self.proxy_protocol,
            view: ArcSwap::default(),
            members: Mutex::new(vec![Member { settings, servers: vec![server], resolved: false, fault: None }]),
            changed: Arc::default(),
            keepers: OnceLock::new(),
            numbers: self.numbers.clone(),
            homes: OnceLock::new(),
        };
        upstream.refresh(Instant::now());
        upstream
    }

    /// The servers for one request, which is hashed by this key if the upstream is balanced so.
    #[must_use]
    pub fn tour(&self, key: Option<u64>) -> Tour<'_> {
        Tour::new(self, key)
    }

    /// This server alone, for a request that goes on with what it began there.
    #[must_use]
    pub fn tour_to(&self, server: Arc<Server>) -> Tour<'_> {
        Tour::to(self, server)
    }

    /// What requests are hashed by.
    #[must_use]
    pub fn hashed_by(&self) -> Option<&HashKey> {
        match &self.balancing.balance {
            Balance::Hash(key) => Some(key),
            _ => None,
        }
    }

    /// Whether its servers are told by the PROXY protocol who the client is.
    #[must_use]
    pub fn takes_proxy_protocol(&self) -> bool {
        self.proxy_protocol
    }

    /// How its servers are spoken to over TLS.
    #[must_use]
    pub fn tls(&self) -> Option<&Arc<ClientTls>> {
        self.tls.as_ref()
    }

    /// What becomes of requests that a server has failed.
    #[must_use]
    pub fn retries(&self) -> &config::Retries {
        &self.balancing.retries
    }

    /// Whether another server than the one that was asked may be there.
    #[must_use]
    pub fn has_choice(&self) -> bool {
        self.only.is_none()
    }

    /// What is known of each server.
    #[must_use]
    pub fn standings(&self) -> Vec<Standing> {
        self.members().iter().flat_map(|member| &member.servers).map(|server| server.standing()).collect()
    }

    /// What is counted of servers that only accounts name, if one of them was asked.
    #[must_use]
    pub fn homes(&self) -> Option<&Arc<ServerNumbers>> {
        self.homes.get()
    }

    /// How many of the servers' names cannot be resolved at the moment.
    #[must_use]
    pub fn unresolved(&self) -> usize {
        self.members().iter().filter(|member| member.fault.is_some()).count()
    }

    /// How many requests wait for a server to be free; `None` where none ever does.
    #[must_use]
    pub fn waiting(&self) -> Option<u32> {
        self.queue.as_ref().map(|queue| queue.waiting.load(Relaxed))
    }

    /// How many retries the budget has left; `None` where there is nobody to ask again.
    #[must_use]
    pub fn retries_left(&self) -> Option<u64> {
        self.has_choice().then(|| self.purses.left())
    }

    /// Why no request can be served, as far as that is known of each server.
    #[must_use]
    pub fn why_nobody(&self) -> String {
        let members = self.members();
        let told = members.iter().flat_map(|member| {
            let fault = member.fault.iter().map(|why| format!("{} cannot be resolved: {why}", member.settings.name));
            let state = |server: &Arc<Server>| format!("{server} is {}", server.condition().state().as_str());
            fault.chain(member.servers.iter().map(state)).collect::<Vec<_>>()
        });
        told.take(8).collect::<Vec<_>>().join(", ")
    }

    /// Whether an answer of this status is another server's to give.
    #[must_use]
    pub fn is_retried(&self, status: u16) -> bool {
        names_status(&self.balancing.retries.statuses, status)
    }

    /// A server has answered with this status, after this time.
    pub fn answered(&self, server: &Arc<Server>, status: StatusCode, took: Duration) {
        server.numbers().answers.answered(status, took);
        if self.only.is_some() {
            return;
        }
        let status = status.as_u16();
        match &self.balancing.ejection {
            Some(ejection) if names_status(&ejection.statuses, status) => {
                self.held_against(server, &format_args!("it answers with status {status}"));
            }
            // Mostly there is nothing to take back, and nothing is written that other cores read.
            _ if server.tally.in_a_row.load(Relaxed) == 0 => {}
            _ => server.tally.in_a_row.store(0, Relaxed),
        }
    }

    /// A server has failed a request.
    pub fn failed(&self, server: &Arc<Server>, cause: UpstreamFailure, why: &dyn fmt::Display) {
        server.numbers().answers.failed(cause);
        self.held_against(server, why);
    }

    /// Something speaks against a server, which is ejected if that comes often enough.
    fn held_against(&self, server: &Arc<Server>, why: &dyn fmt::Display) {
        let in_a_row = server.tally.in_a_row.fetch_add(1, Relaxed).saturating_add(1);
        let Some(settings) = self.balancing.ejection.as_ref().filter(|_| self.only.is_none()) else { return };
        let now = Instant::now();
        if in_a_row < settings.failures && !server.condition().is_on_probation(now) {
            return;
        }
        // All changes are made one after the other, so that none of them ejects the last server.
        let members = self.members();
        let states = members.iter().flat_map(|member| &member.servers);
        let states: Vec<State> = states.map(|server| server.condition().state()).collect();
        let count = |state| states.iter().filter(|known| **known == state).count();
        let mut condition = server.condition();
        let allowed = count(State::Ejected) < most_ejected(states.len(), settings.share);
        if condition.state() != State::Up || !allowed || count(State::Up) < 2 {
            return;
        }
        let period = condition.eject(settings, now);
        drop(condition);
        server.tally.in_a_row.store(0, Relaxed);
        server.numbers().ejections.increment();
        self.renew(&members, now);
        drop(members);
        self.changed.notify_one();
        tracing::warn!(upstream = %self.name, %server, %why, in_a_row, ?period, "a server that fails requests gets none for a while");
    }

    /// An active check was passed, or not for this reason.
    pub(crate) fn checked(&self, server: &Arc<Server>, outcome: Result<(), String>) {
        let Some(settings) = &self.balancing.health else { return };
        let counter = if outcome.is_ok() { &server.numbers().passed } else { &server.numbers().missed };
        counter.increment();
        let now = Instant::now();
        let members = self.members();
        let changed = server.condition().checked(outcome.is_ok(), settings, now);
        if !changed {
            return;
        }
        self.renew(&members, now);
        drop(members);
        self.changed.notify_one();
        match outcome {
            Ok(()) => tracing::info!(upstream = %self.name, %server, "a server passes its checks again"),
            Err(why) => {
                tracing::warn!(upstream = %self.name, %server, why, "a server fails its checks and gets no requests")
            }
        }
    }

    /// Takes up what time has changed.
    fn refresh(&self, now: Instant) {
        let members = self.members();
        for server in members.iter().flat_map(|member| &member.servers) {
            if server.condition().passed(now) {
                tracing::info!(upstream = %self.name, %server, "a server that failed requests gets some again");
            }
        }
        self.renew(&members, now);
    }

    /// Makes the view that requests are spread by.
    fn renew(&self, members: &[Member], now: Instant) {
        let servers: Box<[Arc<Server>]> = members.iter().flat_map(|member| &member.servers).cloned().collect();
        let plan = |backup: bool| {
            Plan::new(servers.iter().enumerate().filter(|(_, server)| server.backup == backup).filter_map(
                |(index, server)| {
                    let condition = server.condition();
                    let back_for = condition.back_for(now);
                    let weight = balance::parts(server.weight, back_for, self.balancing.slow_start);
                    (condition.state() == State::Up).then_some(Candidate { index, weight, key: server.hash })
                },
            ))
        };
        let (main, backups) = (plan(false), plan(true));
        self.view.store(Arc::new(View { servers, main, backups }));
    }

    /// When something changes by itself: an ejection is over, or a server that starts slowly gets more.
    fn next_change(&self, now: Instant) -> Option<Instant> {
        let slow_start = self.balancing.slow_start;
        let members = self.members();
        let times = members.iter().flat_map(|member| &member.servers).flat_map(|server| {
            let condition = server.condition();
            let starting = condition.back_for(now).is_some_and(|back_for| back_for < slow_start);
            [condition.due(), starting.then(|| now + (slow_start / 16).max(keep::LEAST_PAUSE))]
        });
        times.flatten().min()
    }

    fn members(&self) -> MutexGuard<'_, Vec<Member>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.keepers.get().into_iter().flatten().for_each(AbortHandle::abort);
    }
}

/// The numbers of a server of this upstream.
fn numbers(upstream: &str, settings: &UpstreamServer, address: Option<SocketAddr>) -> Arc<ServerNumbers> {
    SERVERS.of(ServerId { upstream: upstream.to_owned(), server: settings.name.to_string(), address })
}

/// Whether a server can be no more than one: a name may have several addresses.
fn is_one_address(settings: &UpstreamServer) -> bool {
    settings.name.socket().is_some() || settings.name.host.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests;
