//! `authority.ldap`: the directory that certificates are published in.

use super::Context;
use crate::config::raw;
use crate::config::read::{At, Field};
use crate::config::{Ldap, LdapAttribute, LdapFilter, LdapServer};

impl Context<'_> {
    /// The directory; the outer `None` is a fault.
    pub(super) fn ldap(&mut self, raw: &Field<raw::Ldap>) -> Option<Option<Ldap>> {
        let At { place, value: raw } = match raw {
            Field::Absent => return Some(None),
            Field::Faulty => return None,
            Field::Given(ldap) => ldap,
        };
        let place = *place;
        let servers = self
            .required(&raw.servers, place, "servers")
            .and_then(|servers| self.items(servers, |context, server| context.parsed(server, LdapServer::parse)));
        let ca = self.required(&raw.ca, place, "ca").and_then(|ca| self.path(ca));
        let bind_dn = self.required(&raw.bind_dn, place, "bind_dn").and_then(|dn| self.text(dn));
        let password = match self.secret(&raw.password) {
            // A name without a password is a bind as nobody (RFC 4513, section 5.1.2).
            Some(None) => self.missing(place, "password", ": without it the directory takes us for nobody"),
            password => password.flatten(),
        };
        let base = self.required(&raw.base, place, "base").and_then(|base| self.text(base));
        let filter =
            self.required(&raw.filter, place, "filter").and_then(|filter| self.parsed(filter, LdapFilter::parse));
        let attributes = match &raw.attributes {
            Field::Absent => LdapAttribute::parse("userCertificate;binary").ok().map(|attribute| vec![attribute]),
            Field::Faulty => None,
            Field::Given(list) => {
                self.items(list, |context, attribute| context.parsed(attribute, LdapAttribute::parse))
            }
        };
        let profiles = match &raw.profiles {
            Field::Absent => Some(vec!["smime".to_owned()]),
            Field::Faulty => None,
            Field::Given(list) => self.items(list, |context, name| context.name(&name.value, name.place)),
        };
        let timeout = self.period(&raw.timeout, 5);
        Some(Some(Ldap {
            servers: servers?,
            ca: ca?,
            bind_dn: bind_dn?,
            password: password?,
            base: base?,
            filter: filter?,
            attributes: attributes?,
            profiles: profiles?,
            timeout: timeout?,
        }))
    }
}
