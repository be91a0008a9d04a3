//! `resolver`: who is asked for the addresses of upstreams' servers.

use super::Context;
use crate::config::Resolver;
use crate::config::raw;
use crate::config::read::{At, Field, short};
use std::net::{IpAddr, SocketAddr};

/// The port of name servers (RFC 1035, section 4.2).
const PORT: u16 = 53;

impl Context<'_> {
    /// The outer `None` is a fault.
    pub(super) fn resolver(&mut self, raw: &Field<raw::Resolver>) -> Option<Option<Resolver>> {
        let At { place, value: raw } = match raw {
            Field::Absent => return Some(None),
            Field::Faulty => return None,
            Field::Given(resolver) => resolver,
        };
        let servers = self.required(&raw.servers, *place, "servers");
        let servers = servers.and_then(|list| self.items(list, |context, server| context.parsed(server, name_server)));
        let timeout = self.period(&raw.timeout, 2);
        Some(Some(Resolver { servers: servers?, timeout: timeout? }))
    }
}

fn name_server(text: &str) -> Result<SocketAddr, String> {
    let with_port = text.parse().ok().filter(|address: &SocketAddr| address.port() != 0);
    let alone = || text.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, PORT));
    with_port.or_else(alone).ok_or_else(|| {
        format!("`{}` is not the address of a name server: write `192.0.2.53` or `127.0.0.1:5353`", short(text))
    })
}
