//! What is done for an upstream besides its requests, on the control runtime: servers come back when their ejection is
//! over, get more from step to step, and are checked.

use super::resolve::follow;
use super::{Names, Server, Upstream, checks, outward};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::Notify;

/// How long a view stands at least while servers start slowly.
pub(super) const LEAST_PAUSE: Duration = Duration::from_millis(100);

impl Upstream {
    /// Begins to look after the upstream until it is dropped, and to follow the addresses of its servers' names. A second
    /// call does nothing.
    pub fn start(self: &Arc<Self>, control: &Handle, names: Option<&Arc<Names>>) {
        if self.only.is_some() {
            return;
        }
        self.keepers.get_or_init(|| {
            let keeper = control.spawn(keep(Arc::downgrade(self), Arc::clone(&self.changed)));
            let mut keepers = vec![keeper.abort_handle()];
            for (index, host) in self.names() {
                let Some(names) = names else { break };
                let follower = control.spawn(follow(Arc::downgrade(self), Arc::clone(names), index, host));
                keepers.push(follower.abort_handle());
            }
            keepers
        });
    }

    /// Has each server checked that is not yet.
    fn check_all(self: &Arc<Self>) {
        if self.balancing.health.is_none() {
            return;
        }
        for server in self.members().iter().flat_map(|member| &member.servers) {
            server.checker.get_or_init(|| {
                let (upstream, server) = (Arc::downgrade(self), Arc::downgrade(server));
                tokio::spawn(check(upstream, server)).abort_handle()
            });
        }
    }
}

async fn keep(upstream: Weak<Upstream>, changed: Arc<Notify>) {
    loop {
        let next = {
            let Some(upstream) = upstream.upgrade() else { return };
            let now = Instant::now();
            upstream.refresh(now);
            upstream.check_all();
            upstream.next_change(now)
        };
        match next {
            Some(at) => _ = tokio::time::timeout_at(at.into(), changed.notified()).await,
            None => changed.notified().await,
        }
    }
}

/// Checks one server as long as it is there.
async fn check(of: Weak<Upstream>, server: Weak<Server>) {
    let told = |upstream: &Arc<Upstream>| upstream.proxy_protocol.then(outward::local);
    let Some((settings, said)) =
        of.upgrade().and_then(|upstream| Some((upstream.balancing.health.clone()?, told(&upstream))))
    else {
        return;
    };
    loop {
        {
            // The upstream is not kept from going while an answer is waited for.
            let Some(server) = server.upgrade() else { return };
            let outcome = checks::check(&server, &settings, said.as_deref()).await;
            let Some(upstream) = of.upgrade() else { return };
            upstream.checked(&server, outcome);
        }
        tokio::time::sleep(settings.every).await;
    }
}
