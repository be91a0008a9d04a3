//! What a trust set has besides its authorities and lists: intermediates that lead somewhere, issuers that issue,
//! a folder that fetched lists can be kept in; and whether all the names fit that browsers are told of.

use super::{Examiner, Named, reach};
use crate::app::build::{MOST_NAMES_OCTETS, octets_of_names};
use crate::certificate::fields::Fields;
use crate::certificate::path::{Requirements, TrustAnchors, validate};
use crate::certificate::{name, pem};
use crate::config::{Advertise, ClientCertificate, ClientPolicy, Config, HostPattern, Listener, Trust};
use rustls_pki_types::CertificateDer;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Browsers and libraries look at about so many names.
const MANY_NAMES: usize = 200;

impl Examiner {
    /// The conditions of a set, and the anchors with its intermediates if all of them can be used.
    pub(super) fn conditions(
        &mut self,
        set_name: &str,
        set: &Trust,
        authorities: Vec<CertificateDer<'static>>,
    ) -> Option<TrustAnchors> {
        let mut pools = Vec::new();
        for (index, path) in set.intermediates.iter().enumerate() {
            let key = format!("trust.{set_name}.intermediates[{index}]");
            pools.push((path, key.clone(), self.certificates(Named { path, key: &key }).unwrap_or_default()));
        }
        self.pins(&format!("trust.{set_name}"), &set.issuers);
        if let Some(folder) = set.revocation.crl.as_ref().and_then(|crl| crl.fetch.cache.as_ref()) {
            let key = format!("trust.{set_name}.revocation.crl.cache");
            if let Err(obstacle) = reach::usable_folder(folder) {
                let file = Named { path: folder, key: &key };
                self.error("fetched lists cannot be kept in the folder", file, obstacle.why, obstacle.what_to_do);
            }
        }
        // What is wrong with an authority was told with its file.
        let anchors = TrustAnchors::new(authorities).ok()?;
        let all = pools.iter().flat_map(|(_, _, certificates)| certificates.iter().cloned()).collect();
        let anchors = match anchors.with_intermediates(all) {
            Ok(anchors) => anchors,
            Err(error) => {
                let key = format!("trust.{set_name}.intermediates");
                self.error("the intermediates cannot be used", key, error.to_string(), "put other copies there");
                return None;
            }
        };
        for (path, key, certificates) in &pools {
            for certificate in certificates {
                self.leads_somewhere(Named { path, key }, certificate, &anchors);
            }
        }
        Some(anchors)
    }

    /// An intermediate that leads to no authority is of no use, and most likely in the wrong file.
    fn leads_somewhere(&mut self, file: Named<'_>, certificate: &CertificateDer<'static>, anchors: &TrustAnchors) {
        let path = validate(std::slice::from_ref(certificate), anchors, &Requirements::for_anything(10), self.now);
        if let Err(error) = path {
            let subject = Fields::read(certificate).ok().and_then(|fields| name::read(fields.subject).ok());
            let subject = subject.map(|name| name.text).unwrap_or_default();
            let what = format!("the intermediate {subject} leads to no authority of this set");
            self.warn(&what, file, error.detail, "remove it, or add the authority that it leads to");
        }
    }

    /// Whether browsers can be told of all the authorities that they are to be told of.
    pub(super) fn told_of(&mut self, config: &Config) {
        for (index, listener) in config.listeners.iter().enumerate() {
            self.told_of_by(config, listener, None, &listener.policy, &format!("listeners[{index}].advertise"));
            for (host_index, host) in listener.hosts.iter().enumerate() {
                let key = format!("listeners[{index}].hosts[{host_index}].advertise");
                self.told_of_by(config, listener, Some(&host.name), &host.policy, &key);
            }
        }
    }

    fn told_of_by(
        &mut self,
        config: &Config,
        listener: &Listener,
        host: Option<&HostPattern>,
        policy: &ClientPolicy,
        key: &str,
    ) {
        if policy.client_certificate == ClientCertificate::Off {
            return;
        }
        let files: Vec<&PathBuf> = match &policy.advertise {
            Advertise::None => return,
            Advertise::Files(files) => files.iter().collect(),
            Advertise::All => {
                let routes = config.routes.iter().filter(|route| route.is_reached(listener, host));
                let sets: BTreeSet<&String> =
                    policy.trust.iter().chain(routes.filter_map(|route| route.trust.as_ref())).collect();
                sets.into_iter().filter_map(|set| config.trust.get(set)).flat_map(|set| &set.authorities).collect()
            }
        };
        // What cannot be read was told with its file.
        let certificates = files.into_iter().filter_map(|file| pem::certificates(file).ok()).flatten();
        let names: BTreeSet<Vec<u8>> =
            certificates.filter_map(|der| Some(Fields::read(&der).ok()?.subject.to_vec())).collect();
        let (count, octets) = (names.len(), octets_of_names(names.iter()));
        let what_to_do = "write `advertise: none`, or a list of files with the authorities that people choose by";
        if octets > MOST_NAMES_OCTETS {
            let why = format!("the names of {count} authorities have {octets} octets, and TLS has room for fewer");
            self.error("browsers cannot be told of all authorities", key, why, what_to_do);
        } else if count > MANY_NAMES {
            let why = format!("there are {count}, and many browsers look at about {MANY_NAMES} only");
            self.warn("browsers are told of many authorities", key, why, what_to_do);
        }
    }
}
