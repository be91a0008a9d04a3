//! `upstreams`: servers behind the gate, and what they are told of the client.

use super::Context;
use crate::config::raw;
use crate::config::read::{At, Field, PlaceId};
use crate::config::values::{check_header_name, comparable_header};
use crate::config::{IdentityHeaders, Template, Upstream, UpstreamServer, UpstreamTimeouts};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Whether there is a choice: a name may have several addresses.
fn may_be_many(servers: &[UpstreamServer]) -> bool {
    let is_one = |server: &UpstreamServer| server.name.socket().is_some() || server.name.host.parse::<IpAddr>().is_ok();
    servers.len() > 1 || !servers.iter().all(is_one)
}

impl Context<'_> {
    pub(super) fn upstreams(
        &mut self,
        upstreams: &Field<BTreeMap<String, Field<raw::Upstream>>>,
        signed: bool,
    ) -> Option<BTreeMap<String, Upstream>> {
        self.named(upstreams, |context, upstream| context.upstream(upstream, signed))
    }

    fn upstream(&mut self, upstream: &At<raw::Upstream>, signed: bool) -> Option<Upstream> {
        let At { place, value: raw } = upstream;
        let servers = self.servers(raw, *place);
        let http = self.http_version(raw);
        let many = servers.as_ref().is_none_or(|(servers, _)| may_be_many(servers));
        let balancing = self.balancing(raw, many);
        let authorization = self.upstream_authorization(&raw.authorization);
        let timeouts = self.upstream_timeouts(raw.timeouts.value());
        let headers = self.identity_headers(raw.headers.value());
        let assertion = self.upstream_assertion(&raw.assertion, signed, headers.as_ref());
        let (servers, tls) = servers?;
        Some(Upstream {
            servers,
            http: http?,
            proxy_protocol: raw.proxy_protocol.value() == Some(&raw::OutwardProxy::V2),
            balancing: balancing?,
            tls,
            authorization: authorization?,
            timeouts: timeouts?,
            headers: headers?,
            assertion: assertion?,
        })
    }

    fn upstream_timeouts(&mut self, raw: Option<&raw::UpstreamTimeouts>) -> Option<UpstreamTimeouts> {
        let absent = raw::UpstreamTimeouts::default();
        let raw = raw.unwrap_or(&absent);
        let connect = self.period(&raw.connect, 2);
        let response = self.period(&raw.response, 60);
        let idle = self.period(&raw.idle, 60);
        Some(UpstreamTimeouts { connect: connect?, response: response?, idle: idle? })
    }

    fn identity_headers(&mut self, raw: Option<&raw::Headers>) -> Option<IdentityHeaders> {
        let absent = raw::Headers::default();
        let raw = raw.unwrap_or(&absent);
        let mut taken = BTreeMap::new();
        let mut header = |field, default| self.header(field, default, &mut taken);
        let user = header(&raw.user, "Remote-User");
        let email = header(&raw.email, "Remote-Email");
        let name = header(&raw.name, "Remote-Name");
        let groups = header(&raw.groups, "Remote-Groups");
        let set = self.other_headers(&raw.set, &mut taken);
        let client_cert = raw.client_cert.value().is_some_and(|kind| *kind == Some(raw::ClientCertHeader::Rfc9440));
        Some(IdentityHeaders {
            user: user?,
            email: email?,
            name: name?,
            groups: groups?,
            client_cert,
            xfcc: raw.xfcc.value().copied().unwrap_or_default(),
            set: set?,
        })
    }

    /// Headers that are made from the account.
    fn other_headers(
        &mut self,
        set: &Field<BTreeMap<String, Field<String>>>,
        taken: &mut BTreeMap<String, Option<PlaceId>>,
    ) -> Option<Vec<(String, Template)>> {
        if matches!(set, Field::Faulty) {
            return None;
        }
        let entries = set.value().into_iter().flatten();
        let headers: Vec<Option<(String, Template)>> = entries
            .map(|(name, template)| {
                let template = template.given()?;
                let header = At { place: template.place, value: raw::HeaderName(Some(name.clone())) };
                let name = self.header(&Field::Given(header), "", taken)?;
                let Some(name) = name else {
                    return self.error(template.place, "`off` is not the name of a header", None);
                };
                Some((name, self.template(template)?))
            })
            .collect();
        headers.into_iter().collect()
    }

    /// The name of a header; the outer `None` is a fault, the inner one says that it is not sent.
    fn header(
        &mut self,
        field: &Field<raw::HeaderName>,
        default: &'static str,
        taken: &mut BTreeMap<String, Option<PlaceId>>,
    ) -> Option<Option<String>> {
        let (name, place) = match field {
            Field::Absent => (default, None),
            Field::Faulty => return None,
            Field::Given(At { value: raw::HeaderName(None), .. }) => return Some(None),
            Field::Given(At { value: raw::HeaderName(Some(name)), .. }) if name == "off" || name == "false" => {
                return Some(None);
            }
            Field::Given(At { value: raw::HeaderName(Some(name)), place }) => (name.as_str(), Some(*place)),
        };
        if let Some(place) = place
            && let Err(message) = check_header_name(name)
        {
            return self.error(place, message, None);
        }
        match taken.insert(comparable_header(name), place) {
            None => Some(Some(name.to_owned())),
            Some(first) => {
                // Two defaults never have one name, so one of the two places is known.
                let place = place.or(first).unwrap_or_default();
                let help = "case and punctuation make no difference; `off` turns a header off".to_owned();
                self.error(place, format!("`{name}` would carry two things"), help)
            }
        }
    }
}
