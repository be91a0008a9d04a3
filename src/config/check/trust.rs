//! `trust`: whom a certificate may come from, and where it is asked whether it was taken back.

use super::Context;
use crate::config::raw;
use crate::config::read::{At, Field};
use crate::config::values::check_object_identifier;
use crate::config::{CrlFetch, CrlSource, Ocsp, OcspMode, Policies, Revocation, Trust, Unknown};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

/// Lists are not asked for more often than this, whatever the configuration says.
const SHORTEST_REFRESH: Duration = Duration::from_secs(1);
/// Clocks that are further apart than this leave nothing that a list says about time.
const LARGEST_TOLERANCE: Duration = Duration::from_secs(24 * 3600);

impl Context<'_> {
    pub(super) fn trust(
        &mut self,
        sets: &Field<BTreeMap<String, Field<raw::Trust>>>,
    ) -> Option<BTreeMap<String, Trust>> {
        self.named(sets, Self::trust_set)
    }

    fn trust_set(&mut self, set: &At<raw::Trust>) -> Option<Trust> {
        let At { place, value: raw } = set;
        let authorities = self.required(&raw.authorities, *place, "authorities").and_then(|list| self.paths(list));
        let intermediates = self.paths_or_none(&raw.intermediates);
        let max_depth = match raw.max_depth.given() {
            Some(At { place, value: 1 }) => {
                let message = "a path has two certificates at least: the client's and the authority's";
                self.error(*place, message, None)
            }
            _ => self.count(&raw.max_depth, 10),
        };
        let policies = self.policies(&raw.policies);
        let issuers = self.issuers(&raw.issuers);
        let revocation = match &raw.revocation {
            Field::Absent => Some(Revocation::default()),
            Field::Faulty => None,
            Field::Given(revocation) => self.revocation(&revocation.value),
        };
        Some(Trust {
            authorities: authorities?,
            intermediates: intermediates?,
            max_depth: max_depth?,
            policies: policies?,
            issuers: issuers?,
            smart_card_logon: raw.smart_card_logon.value().copied().unwrap_or_default(),
            revocation: revocation?,
        })
    }

    /// Files of a list that may be absent or empty, since either means that there are none.
    fn paths_or_none(&mut self, list: &Field<Vec<Field<String>>>) -> Option<Vec<PathBuf>> {
        match list {
            Field::Absent => Some(Vec::new()),
            Field::Faulty => None,
            Field::Given(list) if list.value.is_empty() => Some(Vec::new()),
            Field::Given(list) => self.paths(list),
        }
    }

    fn policies(&mut self, policies: &Field<raw::Policies>) -> Option<Policies> {
        let At { place, value: raw } = match policies {
            Field::Absent => return Some(Policies::default()),
            Field::Faulty => return None,
            Field::Given(policies) => policies,
        };
        let accept = match &raw.accept {
            Field::Absent => Some(Vec::new()),
            Field::Faulty => None,
            Field::Given(accept) => self.items(accept, |context, policy| {
                context.parsed(policy, |text| check_object_identifier(text).map(|()| text.to_owned()))
            }),
        };
        let flag = |field: &Field<bool>| field.value().copied().unwrap_or_default();
        let require = flag(&raw.require);
        if raw.accept.is_there() && !require {
            let message = "certificates without any policy pass all the same";
            self.warn(*place, message, "write `require: true`".to_owned());
        }
        let (inhibit_mapping, inhibit_any) = (flag(&raw.inhibit_mapping), flag(&raw.inhibit_any));
        Some(Policies { accept: accept?, require, inhibit_mapping, inhibit_any })
    }

    fn revocation(&mut self, raw: &raw::Revocation) -> Option<Revocation> {
        let default = Revocation::default();
        let clock_tolerance = match raw.clock_tolerance.given() {
            Some(At { place, value: raw::Duration(tolerance) }) if *tolerance > LARGEST_TOLERANCE => {
                let message = "with clocks so far apart no date says anything: a day is the most";
                self.error(*place, message, None)
            }
            _ => self.period_or_zero(&raw.clock_tolerance, default.clock_tolerance.as_secs()),
        };
        let crl = match &raw.crl {
            Field::Absent => Some(None),
            Field::Faulty => None,
            Field::Given(crl) => self.crl(crl).map(Some),
        };
        let ocsp = match &raw.ocsp {
            Field::Absent => Some(Ocsp::default()),
            Field::Faulty => None,
            Field::Given(ocsp) => self.ocsp(ocsp),
        };
        Some(Revocation {
            scope: raw.scope.value().copied().unwrap_or_default(),
            clock_tolerance: clock_tolerance?,
            crl: crl?,
            ocsp: ocsp?,
            database: raw.database.value().copied().unwrap_or(default.database),
        })
    }

    fn crl(&mut self, crl: &At<raw::Crl>) -> Option<CrlSource> {
        let At { place, value: raw } = crl;
        let files = match &raw.files {
            Field::Absent => Some(Vec::new()),
            Field::Faulty => None,
            Field::Given(files) if files.value.is_empty() => Some(Vec::new()),
            Field::Given(files) => self.items(files, |context, file| {
                let directory = file.value.rsplit_once('/').map_or("", |(directory, _)| directory);
                if directory.contains('*') {
                    return context.error(file.place, "`*` may stand only after the last slash", None);
                }
                context.path(file)
            }),
        };
        let fetch = self.crl_fetch(raw);
        let (files, fetch) = (files?, fetch?);
        if files.is_empty() && !fetch.is_used() {
            let message = "no list comes from anywhere";
            let help = "write `files: [crl/*.pem]`, `urls: [http://…]` or `from_certificates: true`";
            return self.not_exactly_one(*place, message, help);
        }
        if fetch.is_used() && fetch.cache.is_none() {
            let message = "lists that are fetched are lost at a restart";
            self.warn(*place, message, "name a folder that they are kept in: `cache: crl-cache`".to_owned());
        }
        Some(CrlSource { files, fetch, unknown: raw.unknown.value().copied().unwrap_or_default() })
    }

    fn crl_fetch(&mut self, raw: &raw::Crl) -> Option<CrlFetch> {
        let default = CrlFetch::default();
        let urls = match &raw.urls {
            Field::Absent => Some(Vec::new()),
            Field::Faulty => None,
            Field::Given(urls) if urls.value.is_empty() => Some(Vec::new()),
            Field::Given(urls) => self.items(urls, Self::url),
        };
        let refresh = match raw.refresh.given() {
            Some(At { place, value: raw::Duration(refresh) }) if *refresh < SHORTEST_REFRESH => {
                self.error(*place, "lists are asked for once a second at most", None)
            }
            _ => self.period(&raw.refresh, default.refresh.as_secs()),
        };
        let cache = match &raw.cache {
            Field::Absent | Field::Given(At { value: None, .. }) => Some(None),
            Field::Faulty => None,
            Field::Given(At { place, value: Some(path) }) => {
                self.path(&At { place: *place, value: path.clone() }).map(Some)
            }
        };
        let max_size = match &raw.max_size {
            Field::Absent => Some(default.max_size),
            Field::Faulty => None,
            Field::Given(At { place, value: raw::Size(0) }) => {
                self.error(*place, "with a limit of 0 no list would be taken", None)
            }
            Field::Given(At { value: raw::Size(size), .. }) => Some(*size),
        };
        let private_addresses = self.private_addresses(&raw.private_addresses);
        Some(CrlFetch {
            urls: urls?,
            from_certificates: raw.from_certificates.value().copied().unwrap_or_default(),
            refresh: refresh?,
            cache: cache?,
            max_size: max_size?,
            private_addresses: private_addresses?,
        })
    }

    fn ocsp(&mut self, ocsp: &At<raw::Ocsp>) -> Option<Ocsp> {
        let raw = &ocsp.value;
        let default = Ocsp::default();
        let responder = match &raw.responder {
            Field::Absent | Field::Given(At { value: None, .. }) => Some(None),
            Field::Faulty => None,
            Field::Given(At { place, value: Some(url) }) => {
                self.url(&At { place: *place, value: url.clone() }).map(Some)
            }
        };
        let timeout = self.period(&raw.timeout, default.timeout.as_secs());
        let private_addresses = self.private_addresses(&raw.private_addresses);
        let mode = raw.mode.value().copied().unwrap_or_default();
        let unknown = raw.unknown.value().copied().unwrap_or_default();
        if let (OcspMode::Require, Unknown::Accept, Some(given)) = (mode, unknown, raw.unknown.given()) {
            let message = "an answer is required, and yet none is as good as one";
            self.warn(given.place, message, "write `unknown: reject`, or `mode: prefer`".to_owned());
        }
        Some(Ocsp {
            mode,
            responder: responder?,
            timeout: timeout?,
            unknown,
            nonce: raw.nonce.value().copied().unwrap_or_default(),
            private_addresses: private_addresses?,
        })
    }

    /// Warns of authorities that nobody asks for.
    pub(super) fn unused_trust(&mut self, file: &raw::File) {
        let mut used = BTreeSet::new();
        for listener in file.listeners.value().into_iter().flatten().filter_map(Field::value) {
            let hosts = listener.hosts.value().into_iter().flatten().filter_map(Field::value);
            used.extend(listener.trust.value().into_iter().chain(hosts.filter_map(|host| host.trust.value())));
            let front = listener.authorizer.value().and_then(|authorizer| authorizer.from.value());
            used.extend(front.and_then(|front| front.certificate.value()?.trust.value()));
        }
        let routes = file.routes.value().into_iter().flatten().filter_map(Field::value);
        used.extend(routes.filter_map(|route| route.trust.value()));
        used.extend(file.admin.value().and_then(|admin| admin.trust.value()));
        for (name, set) in file.trust.value().into_iter().flatten() {
            if let Some(set) = set.given()
                && !used.contains(name)
            {
                self.warn(set.place, format!("no listener, host or route uses the trust set `{name}`"), None);
            }
        }
    }
}
