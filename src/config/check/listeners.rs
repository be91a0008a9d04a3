//! `listeners`: addresses, their certificates, and what is asked of clients.

use super::authorizer::is_authorizer;
use super::plain::is_plain;
use super::{Context, names};
use crate::config::raw;
use crate::config::read::{At, Field, PlaceId};
use crate::config::values::{parse_address, parse_host_pattern};
use crate::config::{
    Advertise, CertificateFiles, ClientCertificate, ClientPolicy, Host, Listener, OnMissing, OnRejected, Tls,
    TlsVersion,
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The keys that a listener and a host have in common.
struct PolicyKeys<'r> {
    client_certificate: &'r Field<ClientCertificate>,
    on_missing: &'r Field<OnMissing>,
    on_rejected: &'r Field<OnRejected>,
    trust: &'r Field<String>,
    advertise: &'r Field<raw::Advertise>,
}

/// A policy in which nothing is left out yet because of its mode: what hosts inherit.
#[derive(Clone)]
struct Stated {
    mode: ClientCertificate,
    on_missing: OnMissing,
    on_rejected: OnRejected,
    trust: Option<String>,
    advertise: Advertise,
}

impl Stated {
    const DEFAULT: Self = Self {
        mode: ClientCertificate::Want,
        on_missing: OnMissing::Alert,
        on_rejected: OnRejected::Page,
        trust: None,
        advertise: Advertise::All,
    };

    /// Keys that have no meaning in a mode get one value, so that equal policies compare equal.
    fn policy(self) -> ClientPolicy {
        let Self { mode, on_missing, on_rejected, trust, advertise } = self;
        match mode {
            ClientCertificate::Off => ClientPolicy {
                client_certificate: mode,
                on_missing: OnMissing::Page,
                on_rejected: OnRejected::Page,
                trust: None,
                advertise: Advertise::None,
            },
            ClientCertificate::Want => {
                ClientPolicy { client_certificate: mode, on_missing: OnMissing::Page, on_rejected, trust, advertise }
            }
            ClientCertificate::Need => {
                ClientPolicy { client_certificate: mode, on_missing, on_rejected, trust, advertise }
            }
        }
    }
}

impl Context<'_> {
    pub(super) fn listeners(&mut self, file: &raw::File, place: PlaceId) -> Option<Vec<Listener>> {
        let list = self.required(&file.listeners, place, "listeners");
        let trust_sets = names(&file.trust);
        list.and_then(|list| {
            let mut known_names = BTreeMap::new();
            let mut known_addresses = HashMap::new();
            self.items(list, |context, listener| {
                let checked = context.listener(listener, &trust_sets);
                context.unique(listener, &mut known_names, &mut known_addresses).and(checked)
            })
        })
    }

    fn unique<'r>(
        &mut self,
        listener: &'r At<raw::Listener>,
        names: &mut BTreeMap<&'r str, usize>,
        addresses: &mut HashMap<std::net::SocketAddr, usize>,
    ) -> Option<()> {
        let mut unique = Some(());
        if let Some(name) = listener.value.name.given() {
            let line = self.places.get(name.place).span.line;
            if let Some(first) = names.get(name.value.as_str()) {
                unique = self.error(name.place, format!("the listener on line {first} has the same name"), None);
            } else {
                names.insert(&name.value, line);
            }
        }
        if let Some(address) = listener.value.address.given()
            && let Ok(parsed) = parse_address(&address.value)
        {
            let line = self.places.get(address.place).span.line;
            match addresses.get(&parsed) {
                // Port 0 is a free one, another for each listener.
                Some(first) if parsed.port() != 0 => {
                    let help = "give one of them another port, or make one listener with `hosts`".to_owned();
                    let message = format!("the listener on line {first} has the same address");
                    unique = self.error(address.place, message, help);
                }
                _ => drop(addresses.insert(parsed, line)),
            }
        }
        unique
    }

    fn listener(&mut self, listener: &At<raw::Listener>, trust_sets: &BTreeSet<&str>) -> Option<Listener> {
        if is_authorizer(&listener.value) {
            return self.authorizer_listener(listener, trust_sets);
        }
        let At { place, value: raw } = listener;
        let name = self.required(&raw.name, *place, "name").and_then(|name| self.name(&name.value, name.place));
        let address =
            self.required(&raw.address, *place, "address").and_then(|address| self.parsed(address, parse_address));
        let proxy_protocol = self.proxy_protocol(&raw.proxy_protocol);
        let forwarded = self.forwarded(&raw.forwarded);
        let tls = self.required(&raw.tls, *place, "tls").and_then(|tls| self.listener_tls(tls));
        if is_plain(raw) {
            let policy = self.plain_policy(raw, proxy_protocol.as_ref());
            let (name, address, proxy_protocol, forwarded) = (name?, address?, proxy_protocol?, forwarded?);
            let (tls, policy, hosts) = (tls?, policy?, Vec::new());
            return Some(Listener { name, address, policy, proxy_protocol, forwarded, tls, hosts, authorizer: None });
        }
        let keys = PolicyKeys {
            client_certificate: &raw.client_certificate,
            on_missing: &raw.on_missing_certificate,
            on_rejected: &raw.on_rejected_certificate,
            trust: &raw.trust,
            advertise: &raw.advertise,
        };
        let stated = self.stated(&keys, &Stated::DEFAULT, trust_sets);
        let hosts = match &raw.hosts {
            Field::Absent => Some(Vec::new()),
            Field::Faulty => None,
            Field::Given(hosts) => self.hosts(hosts, stated.as_ref(), trust_sets),
        };
        let needed = |mode| mode == ClientCertificate::Need;
        let needed_somewhere = stated.as_ref().is_some_and(|stated| needed(stated.mode))
            || hosts.iter().flatten().any(|host| needed(host.policy.client_certificate));
        let on_missing = self.on_missing_is_of_use(&keys, needed_somewhere);
        let policy = stated.and_then(|stated| self.policy(stated, *place));
        on_missing?;
        Some(Listener {
            name: name?,
            address: address?,
            policy: policy?,
            proxy_protocol: proxy_protocol?,
            forwarded: forwarded?,
            tls: tls?,
            hosts: hosts?,
            authorizer: None,
        })
    }

    fn hosts(
        &mut self,
        hosts: &At<Vec<Field<raw::Host>>>,
        inherited: Option<&Stated>,
        trust_sets: &BTreeSet<&str>,
    ) -> Option<Vec<Host>> {
        let mut known = BTreeMap::new();
        self.items(hosts, |context, host| {
            let At { place, value: raw } = host;
            let name = context.required(&raw.name, *place, "name").and_then(|name| {
                let pattern = context.parsed(name, parse_host_pattern)?;
                let line = context.places.get(name.place).span.line;
                match known.insert(pattern.clone(), line) {
                    Some(first) => {
                        context.error(name.place, format!("the host on line {first} has the same name"), None)
                    }
                    None => Some(pattern),
                }
            });
            let keys = PolicyKeys {
                client_certificate: &raw.client_certificate,
                on_missing: &raw.on_missing_certificate,
                on_rejected: &raw.on_rejected_certificate,
                trust: &raw.trust,
                advertise: &raw.advertise,
            };
            let stated = context.stated(&keys, inherited.unwrap_or(&Stated::DEFAULT), trust_sets)?;
            let on_missing = context.on_missing_is_of_use(&keys, stated.mode == ClientCertificate::Need);
            // Without the listener's own policy it is unknown what this one inherits.
            inherited?;
            let policy = context.policy(stated, *place);
            on_missing?;
            Some(Host { name: name?, policy: policy? })
        })
    }

    /// What the keys say, and for the rest what is inherited.
    fn stated(&mut self, keys: &PolicyKeys<'_>, inherited: &Stated, trust_sets: &BTreeSet<&str>) -> Option<Stated> {
        let trust = match keys.trust {
            Field::Absent => Some(inherited.trust.clone()),
            Field::Faulty => None,
            Field::Given(name) => self.reference(name, "trust set", trust_sets).map(Some),
        };
        let advertise = match keys.advertise {
            Field::Absent => Some(inherited.advertise.clone()),
            Field::Faulty => None,
            Field::Given(advertise) => self.advertise(advertise),
        };
        if matches!(keys.client_certificate, Field::Faulty) {
            return None;
        }
        Some(Stated {
            mode: keys.client_certificate.value().copied().unwrap_or(inherited.mode),
            on_missing: keys.on_missing.value().copied().unwrap_or(inherited.on_missing),
            on_rejected: keys.on_rejected.value().copied().unwrap_or(inherited.on_rejected),
            trust: trust?,
            advertise: advertise?,
        })
    }

    fn policy(&mut self, stated: Stated, place: PlaceId) -> Option<ClientPolicy> {
        if stated.mode != ClientCertificate::Off && stated.trust.is_none() {
            let why = ": it names the authorities that client certificates may come from (or write \
                       `client_certificate: off`)";
            return self.missing(place, "trust", why);
        }
        Some(stated.policy())
    }

    fn on_missing_is_of_use(&mut self, keys: &PolicyKeys<'_>, needed: bool) -> Option<()> {
        match keys.on_missing.given() {
            Some(on_missing) if !needed => {
                let help = "write `client_certificate: need`, or remove it; on a route, `anonymous` says what happens";
                let message = "this has a meaning only with `client_certificate: need`";
                self.error(on_missing.place, message, help.to_owned())
            }
            _ => Some(()),
        }
    }

    fn advertise(&mut self, advertise: &At<raw::Advertise>) -> Option<Advertise> {
        match &advertise.value {
            raw::Advertise::Word(raw::AdvertiseWord::All) => Some(Advertise::All),
            raw::Advertise::Word(raw::AdvertiseWord::None) => Some(Advertise::None),
            raw::Advertise::Files(files) => {
                let files = At { place: advertise.place, value: files.clone() };
                self.paths(&files).map(Advertise::Files)
            }
        }
    }

    /// The outer `None` is a fault, the inner one plain HTTP.
    pub(super) fn listener_tls(&mut self, tls: &At<raw::ListenerTls>) -> Option<Option<Tls>> {
        match &tls.value {
            raw::ListenerTls::Word(_) => Some(None),
            raw::ListenerTls::Keys(keys) => self.tls(keys, tls.place).map(Some),
        }
    }

    fn tls(&mut self, raw: &raw::Tls, place: PlaceId) -> Option<Tls> {
        let certificates = self
            .required(&raw.certificates, place, "certificates")
            .and_then(|list| self.items(list, Self::certificate_files));
        let ticket_secret = self.secret(&raw.ticket_secret);
        let min_version = raw.min_version.value().copied().unwrap_or(TlsVersion::V1_2);
        let stapling = self.stapling(&raw.stapling);
        Some(Tls { certificates: certificates?, min_version, ticket_secret: ticket_secret?, stapling: stapling? })
    }

    pub(super) fn certificate_files(&mut self, files: &At<raw::CertificateFiles>) -> Option<CertificateFiles> {
        let chain = self.required(&files.value.chain, files.place, "chain").and_then(|path| self.path(path));
        let key = self.required(&files.value.key, files.place, "key").and_then(|path| self.path(path));
        Some(CertificateFiles { chain: chain?, key: key? })
    }
}
