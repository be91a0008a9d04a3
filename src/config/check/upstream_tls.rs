//! An upstream's `tls`, and whether its servers speak it.

use super::Context;
use crate::config::raw;
use crate::config::read::{At, Field, PlaceId};
use crate::config::values::parse_host;
use crate::config::{CertificateFiles, UpstreamServer, UpstreamTls};

impl Context<'_> {
    /// The servers of an upstream, and how they are spoken to: all of them over TLS, or none.
    pub(super) fn servers(
        &mut self,
        raw: &raw::Upstream,
        place: PlaceId,
    ) -> Option<(Vec<UpstreamServer>, Option<UpstreamTls>)> {
        let servers = self.required(&raw.servers, place, "servers").and_then(|list| self.upstream_servers(list));
        let tls = match &raw.tls {
            Field::Absent => Some(None),
            Field::Faulty => None,
            Field::Given(tls) => self.upstream_tls(tls).map(Some),
        };
        let (servers, over_tls) = servers?;
        match (over_tls, &raw.tls) {
            (true, Field::Absent) => {
                let why = ": it names the authorities that certificates of `https://` servers may come from";
                return self.missing(place, "tls", why);
            }
            (false, Field::Given(tls)) => {
                let help = "write `https://` before the servers, or remove it".to_owned();
                return self.error(tls.place, "the servers are not spoken to over TLS", help);
            }
            _ => {}
        }
        Some((servers, tls?))
    }

    fn upstream_tls(&mut self, tls: &At<raw::UpstreamTls>) -> Option<UpstreamTls> {
        let At { place, value: raw } = tls;
        let ca = self.required(&raw.ca, *place, "ca").and_then(|path| self.path(path));
        let client = match (&raw.certificate, &raw.key) {
            (Field::Absent, Field::Absent) => Some(None),
            (Field::Given(chain), Field::Given(key)) => {
                let (chain, key) = (self.path(chain), self.path(key));
                chain.zip(key).map(|(chain, key)| Some(CertificateFiles { chain, key }))
            }
            (Field::Given(_), Field::Absent) => self.missing(*place, "key", ": it is that of `certificate`"),
            (Field::Absent, Field::Given(_)) => self.missing(*place, "certificate", ": it is that of `key`"),
            _ => None,
        };
        let name = match &raw.name {
            Field::Absent => Some(None),
            Field::Faulty => None,
            Field::Given(name) => self.parsed(name, parse_host).map(Some),
        };
        Some(UpstreamTls { ca: ca?, client: client?, name: name? })
    }
}
