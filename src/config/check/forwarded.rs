//! `listeners[].forwarded`: whose word is taken for who a request's client is.

use super::Context;
use crate::config::Forwarded;
use crate::config::raw;
use crate::config::read::{At, Field};

impl Context<'_> {
    /// The outer `None` is a fault.
    pub(super) fn forwarded(&mut self, field: &Field<raw::Forwarded>) -> Option<Option<Forwarded>> {
        let At { place, value: raw } = match field {
            Field::Absent => return Some(None),
            Field::Faulty => return None,
            Field::Given(given) => given,
        };
        let from = self
            .required(&raw.from, *place, "from")
            .and_then(|list| self.items(list, |context, range| context.balancers(range)));
        if matches!(raw.header, Field::Faulty) {
            return None;
        }
        Some(Some(Forwarded { from: from?, header: raw.header.value().copied().unwrap_or_default() }))
    }
}
