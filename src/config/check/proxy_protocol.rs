//! `listeners[].proxy_protocol`: whose word is taken for who the clients are.

use super::Context;
use crate::base::address::{AddressRange, NotARange};
use crate::config::ProxyProtocol;
use crate::config::raw;
use crate::config::read::{At, Field};

impl Context<'_> {
    /// The outer `None` is a fault.
    pub(super) fn proxy_protocol(&mut self, field: &Field<raw::ProxyProtocol>) -> Option<Option<ProxyProtocol>> {
        let At { place, value: raw } = match field {
            Field::Absent => return Some(None),
            Field::Faulty => return None,
            Field::Given(given) => given,
        };
        let from = self
            .required(&raw.from, *place, "from")
            .and_then(|list| self.items(list, |context, range| context.balancers(range)));
        if matches!(raw.required, Field::Faulty) {
            return None;
        }
        let required = raw.required.value().copied().unwrap_or(true);
        if let Some(At { place, value: false }) = raw.required.given() {
            let message = "a balancer of `from` that sends no header by mistake hands its clients' own octets on, and \
                           they may begin with a header that they made up";
            let help = "leave it out, and give clients that come directly a listener of their own".to_owned();
            self.warn(*place, message, help);
        }
        Some(Some(ProxyProtocol { from: from?, required }))
    }

    /// Addresses of whose word is taken.
    pub(super) fn balancers(&mut self, range: &At<String>) -> Option<AddressRange> {
        let parse = |text: &str| text.parse().map_err(|why: NotARange| why.to_string());
        let parsed: AddressRange = self.parsed(range, parse)?;
        if parsed.is_wide() {
            let message = "everybody in so wide a range may pass for any address";
            let help =
                "name the addresses of the balancers or proxies, or the smallest network that they are in".to_owned();
            self.warn(range.place, message, help);
        }
        Some(parsed)
    }
}
