//! The choice of a server for one request, and of another one when it fails: by the plan of the moment, without any that
//! was tried, and without any that has as much to do as it may have. Where all are that busy, the request waits for a short
//! time, and no more than so many requests do.

use super::balance::{self, Plan};
use super::{Server, Upstream};
use crate::config::Balance;
use std::ops::Deref;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// What a request could be served by at one moment.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) servers: Box<[Arc<Server>]>,
    pub(super) main: Plan,
    pub(super) backups: Plan,
}

/// Requests that wait for a server to be free.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) waiting: AtomicU32,
    free: Notify,
}

/// All servers have as much to do as they may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Busy {
    /// So many requests wait already.
    #[error("all servers have as many requests as `limits.requests` allows, and {0} wait")]
    Full(u32),
    /// None became free in this time.
    #[error("all servers had as many requests as `limits.requests` allows for {0:?}")]
    Waited(Duration),
}

/// The servers that one request is tried with, one after the other.
pub struct Tour<'u> {
    upstream: &'u Upstream,
    /// What the request is hashed by.
    key: Option<u64>,
    turn: usize,
    /// How many servers it may still be sent to.
    left: u32,
    /// The one that it is to be sent to, whatever the plan says.
    fixed: Option<Arc<Server>>,
    last: Option<Arc<Server>>,
    before: Vec<Arc<Server>>,
}

/// A server that has been chosen. While it lives, the request counts as under way there.
pub enum Chosen<'u> {
    /// The only one there is, of which nothing is counted.
    Only(&'u Arc<Server>),
    /// One of several.
    Counted(Ticket),
}

/// A request's place at a server.
#[derive(Debug)]
pub struct Ticket {
    server: Arc<Server>,
    queue: Option<Arc<Queue>>,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.server.tally.active.fetch_sub(1, Relaxed);
        if let Some(queue) = &self.queue
            && queue.waiting.load(Relaxed) > 0
        {
            queue.free.notify_one();
        }
    }
}

impl Chosen<'_> {
    /// What keeps the place at the server for as long as the answer takes.
    #[must_use]
    pub fn ticket(self) -> Option<Ticket> {
        match self {
            Self::Only(_) => None,
            Self::Counted(ticket) => Some(ticket),
        }
    }
}

impl Deref for Chosen<'_> {
    type Target = Arc<Server>;

    fn deref(&self) -> &Arc<Server> {
        match self {
            Self::Only(server) => server,
            Self::Counted(ticket) => &ticket.server,
        }
    }
}

enum Found {
    Ticket(Ticket),
    /// There is one, and it has no place.
    Busy,
    Nobody,
}

impl<'u> Tour<'u> {
    pub(super) fn new(upstream: &'u Upstream, key: Option<u64>) -> Self {
        let turn = if upstream.only.is_some() { 0 } else { upstream.purses.request() };
        let left = upstream.balancing.retries.times.saturating_add(1);
        Self { upstream, key, turn, left, fixed: None, last: None, before: Vec::new() }
    }

    pub(super) fn to(upstream: &'u Upstream, server: Arc<Server>) -> Self {
        Self { upstream, key: None, turn: 0, left: 1, fixed: Some(server), last: None, before: Vec::new() }
    }

    /// The server to try; after the first, another one each time. `None` when there is no more.
    ///
    /// # Errors
    /// When all of them have as much to do as they may have, and it does not help to wait.
    pub async fn next(&mut self) -> Result<Option<Chosen<'u>>, Busy> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        if let Some(only) = &self.upstream.only {
            self.left = 0;
            return Ok(Some(Chosen::Only(only)));
        }
        if let Some(server) = self.fixed.take() {
            // It goes on with what it began there, and counts beyond the limit if it must.
            self.left = 0;
            server.tally.active.fetch_add(1, Relaxed);
            return Ok(Some(Chosen::Counted(Ticket { server, queue: self.upstream.queue.clone() })));
        }
        let ticket = match self.find() {
            Found::Ticket(ticket) => ticket,
            Found::Nobody => return Ok(None),
            // In a box of its own: most requests need not wait, and all would be larger by it.
            Found::Busy => match Box::pin(self.wait()).await? {
                Some(ticket) => ticket,
                None => return Ok(None),
            },
        };
        self.left = left;
        if let Some(before) = self.last.replace(Arc::clone(&ticket.server)) {
            self.upstream.numbers.retried.increment();
            self.before.push(before);
        }
        Ok(Some(Chosen::Counted(ticket)))
    }

    /// Whether the request may be sent to another server though one may have carried it out: whether there is one, which
    /// [`Self::next`] may find too busy, and the budget has a retry left, which is taken from it.
    #[must_use]
    pub fn may_go_on(&self) -> bool {
        if !self.has_another() {
            return false;
        }
        let paid = self.upstream.purses.retry();
        if !paid {
            self.upstream.numbers.over_budget.increment();
        }
        paid
    }

    fn has_another(&self) -> bool {
        if self.left == 0 || self.upstream.only.is_some() {
            return false;
        }
        let view = self.upstream.view.load();
        let other = |plan: &Plan| plan.candidates().iter().any(|candidate| self.is_new(&view, candidate.index));
        other(&view.main) || other(&view.backups)
    }

    fn find(&self) -> Found {
        let view = self.upstream.view.load();
        let limit = self.upstream.balancing.limits.requests;
        loop {
            let chosen = self.choose(&view, limit);
            let Some(server) = chosen.and_then(|index| view.servers.get(index)) else {
                // Nobody has a place, or there is nobody.
                let anybody = self.choose(&view, None).is_some();
                return if anybody { Found::Busy } else { Found::Nobody };
            };
            let tally = &server.tally;
            let taken = match limit {
                None => {
                    tally.active.fetch_add(1, Relaxed);
                    true
                }
                Some(limit) => {
                    let more = |active: u32| (active < limit).then_some(active + 1);
                    tally.active.fetch_update(Relaxed, Relaxed, more).is_ok()
                }
            };
            if taken {
                return Found::Ticket(Ticket { server: Arc::clone(server), queue: self.upstream.queue.clone() });
            }
        }
    }

    fn choose(&self, view: &View, limit: Option<u32>) -> Option<usize> {
        let active =
            |index: usize| view.servers.get(index).map_or(u32::MAX, |server| server.tally.active.load(Relaxed));
        let may = |index: usize| self.is_new(view, index) && limit.is_none_or(|limit| active(index) < limit);
        let of = |plan: &Plan| match (&self.upstream.balancing.balance, self.key) {
            (Balance::Hash(_), Some(key)) => plan.of_key(key, may),
            (Balance::LeastRequests, _) => plan.less_busy(balance::mix(self.turn as u64), may, active),
            (Balance::RoundRobin | Balance::Hash(_), _) => plan.in_turn(self.turn, may),
        };
        of(&view.main).or_else(|| of(&view.backups))
    }

    fn is_new(&self, view: &View, index: usize) -> bool {
        let Some(server) = view.servers.get(index) else { return false };
        !self.last.iter().chain(&self.before).any(|tried| Arc::ptr_eq(tried, server))
    }

    async fn wait(&self) -> Result<Option<Ticket>, Busy> {
        let limits = &self.upstream.balancing.limits;
        let Some(queue) = &self.upstream.queue else { return Ok(None) };
        let more = |waiting: u32| (waiting < limits.queue).then_some(waiting + 1);
        if queue.waiting.fetch_update(Relaxed, Relaxed, more).is_err() {
            return Err(Busy::Full(limits.queue));
        }
        let _waiting = Waiting(queue);
        let deadline = Instant::now() + limits.wait;
        loop {
            // Before it is looked again: what becomes free in between is heard of.
            let mut free = pin!(queue.free.notified());
            free.as_mut().enable();
            match self.find() {
                Found::Ticket(ticket) => return Ok(Some(ticket)),
                Found::Nobody => return Ok(None),
                Found::Busy => {}
            }
            if timeout_at(deadline, free).await.is_err() {
                return Err(Busy::Waited(limits.wait));
            }
        }
    }
}

/// Counts a request among those that wait.
struct Waiting<'q>(&'q Queue);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Relaxed);
    }
}
