//! What of a process outlives a reload. Each part is made anew where its section of the configuration has changed, and
//! kept where it has not, with what it counts, caches and holds open.

use super::traces::Traces;
use super::trust::{self, Surroundings, TrustSets};
use super::upstreams::{self, Upstreams};
use super::{assertion, build};
use crate::account::cache::Accounts;
use crate::assertion::Issuer;
use crate::auth::throttle::Throttle;
use crate::auth::{basic, digest};
use crate::base::secret::Secret;
use crate::ca::publish::Shelf;
use crate::config::Config;
use crate::proxy::allowance::Allowances;
use crate::proxy::buffers::Buffers;
use crate::proxy::held::HeldBodies;
use crate::revocation::live::Live;
use crate::telemetry::access::AccessLog;
use crate::telemetry::audit::Audit;
use crate::upstream::Names;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::watch as flag;

/// What a reload keeps while its section of the configuration stays as it is: connections to the database,
/// cached accounts, counts of nonces.
#[derive(Clone)]
pub(super) struct Parts {
    pub(super) accounts: Arc<Accounts>,
    /// The open connections.
    pub(super) live: Arc<Live>,
    /// Those whose settings and files stay as they are go on over reloads.
    pub(super) trust: TrustSets,
    pub(super) digest: Option<Arc<digest::Verifier>>,
    /// Signs assertions; goes on over reloads while it makes its keys itself.
    pub(super) assertions: Option<Arc<Issuer>>,
    pub(super) basic: Option<Arc<basic::Verifier>>,
    pub(super) throttle: Option<Arc<Throttle>>,
    /// Those whose settings and files stay as they are go on over reloads.
    pub(super) upstreams: Upstreams,
    /// Follows the addresses of their servers' names.
    pub(super) names: Option<Arc<Names>>,
    pub(super) audit: Arc<Audit>,
    /// Goes on over reloads: what is held under the old configuration is held.
    pub(super) held: Arc<HeldBodies>,
    /// Goes on over reloads: whoever has used up an allowance that stays as it is has used it up.
    pub(super) allowances: Arc<Allowances>,
    /// Where each request gets a line, if anywhere.
    pub(super) access: Option<Arc<AccessLog>>,
    /// Records requests for traces and sends them, if that is wanted.
    pub(super) traces: Option<Arc<Traces>>,
    /// Whether the process is about to end.
    pub(super) draining: flag::Receiver<bool>,
    /// What the authority has published.
    pub(super) shelf: Arc<Shelf>,
    /// Seals tickets and sessions where no secret is configured; each under a key of its own.
    pub(super) ticket_secret: Secret,
}

impl Parts {
    /// The parts of a process that starts.
    ///
    /// `ticket_secret` is that of the process before it, if there was one.
    ///
    /// # Errors
    /// When the configuration asks for what cannot be had.
    pub(super) async fn new(
        config: &Config,
        draining: flag::Receiver<bool>,
        ticket_secret: Option<Secret>,
    ) -> anyhow::Result<Self> {
        build::not_exposed(&config.accounts)?;
        let live = Live::new();
        let around = Surroundings { live: &live, control: &Handle::current() };
        Ok(Self {
            accounts: build::accounts(&config.accounts).await,
            trust: trust::build(config, &TrustSets::new(), around)?,
            live,
            digest: build::digest(config.digest.as_ref(), None)?,
            assertions: build::assertions(config)?,
            basic: build::basic(config.basic.as_ref())?,
            throttle: build::throttle(config),
            upstreams: upstreams::build(config, None)?,
            names: upstreams::names(config)?,
            audit: build::audit(&config.log)?,
            held: HeldBodies::within(Buffers::new(config.limits.buffers)),
            allowances: Allowances::new(),
            access: build::access(&config.log)?,
            traces: build::traces(config.tracing.as_ref())?,
            draining,
            shelf: Arc::default(),
            ticket_secret: ticket_secret.map_or_else(build::random_secret, Ok)?,
        })
    }

    /// The parts for a new configuration: those whose section stays as it is are kept.
    ///
    /// # Errors
    /// When what has changed cannot be had.
    pub(super) async fn renewed(&self, old: &Config, new: &Config) -> anyhow::Result<Self> {
        let mut parts = self.clone();
        if new.accounts != old.accounts {
            build::not_exposed(&new.accounts)?;
            parts.accounts = build::accounts_that_answer(&new.accounts).await?;
            parts.shelf = Arc::default();
        }
        let around = Surroundings { live: &self.live, control: &Handle::current() };
        // Lists of a million entries may have to be read.
        parts.trust = tokio::task::block_in_place(|| trust::build(new, &self.trust, around))?;
        // What was issued stays good, with its counts, whatever has changed.
        parts.digest = build::digest(new.digest.as_ref(), self.digest.as_deref())?;
        if !assertion::goes_on(old, new) {
            parts.assertions = tokio::task::block_in_place(|| build::assertions(new))?;
        }
        if new.basic != old.basic {
            parts.basic = build::basic(new.basic.as_ref())?;
        }
        if new.resolver != old.resolver || self.names.is_none() {
            parts.names = upstreams::names(new)?;
        }
        parts.upstreams = upstreams::build(new, Some((old, &self.upstreams)))?;
        // Who was locked out is not let off by a reload.
        if new.throttle != old.throttle || self.throttle.is_none() {
            parts.throttle = build::throttle(new);
        }
        if new.log.access != old.log.access {
            parts.access = build::access(&new.log)?;
        }
        // What its files hold may have changed, and what waits is sent by whoever took it.
        parts.traces = build::traces(new.tracing.as_ref())?;
        Ok(parts)
    }
}
