//! Reads what the authority publishes, for as long as a route leads to a service that hands it out.

use crate::ca::publish::{Shelf, follower};
use crate::config::{Config, Target};
use std::sync::Arc;
use tokio::task::AbortHandle;

/// The names of the services that hand it out.
const SERVICES: [&str; 3] = ["certificates", "crl", "ocsp"];

/// What reads it, if anybody wants it.
pub(super) struct Publications(Option<(Arc<Shelf>, AbortHandle)>);

impl Publications {
    /// Reads it from the store of the configuration onto this shelf.
    pub(super) fn follow(shelf: &Arc<Shelf>, config: &Config) -> Self {
        let wanted = |target: &Target| matches!(target, Target::Service(name) if SERVICES.contains(&name.as_str()));
        if !config.routes.iter().any(|route| wanted(&route.target)) {
            return Self(None);
        }
        let reading = tokio::spawn(follower::follow(Arc::clone(shelf), config.accounts.store.clone()));
        Self(Some((Arc::clone(shelf), reading.abort_handle())))
    }

    /// Does the same for a new configuration. What is read goes on being read while its store stays.
    pub(super) fn go_on(&mut self, shelf: &Arc<Shelf>, config: &Config) {
        let next = Self::follow(shelf, config);
        let stays = matches!((&self.0, &next.0), (Some((old, _)), Some((new, _))) if Arc::ptr_eq(old, new));
        let idle = if stays { next } else { std::mem::replace(self, next) };
        if let Some((_, reading)) = idle.0 {
            reading.abort();
        }
    }
}
