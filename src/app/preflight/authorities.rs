//! The files of `trust`, `advertise` and `identity`: do they hold certificates of authorities that can be
//! trusted, do these still count, and are their revocation lists current.

use super::{Examiner, Named};
use crate::app::crl_files;
use crate::base::reach;
use crate::certificate::fields::Fields;
use crate::certificate::name;
use crate::certificate::path::TrustAnchors;
use crate::config::{Advertise, CrlSource, IdentityRule, IssuerPin, Route, Severity, Target, Trust, Unknown};
use crate::fetch::crl::Taken;
use crate::revocation::crl::{self, CrlSet, List, Origin};
use rustls_pki_types::CertificateDer;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What revocation lists are judged by.
#[derive(Clone, Copy)]
struct Terms<'a> {
    anchors: &'a TrustAnchors,
    clock_tolerance: Duration,
}

impl Examiner {
    pub(super) fn trust(&mut self, set_name: &str, set: &Trust) {
        let mut all = Vec::new();
        for (index, path) in set.authorities.iter().enumerate() {
            let key = format!("trust.{set_name}.authorities[{index}]");
            all.extend(self.authorities(Named { path, key: &key }));
        }
        // Without them nothing can be said of its lists.
        if let Some(anchors) = self.conditions(set_name, set, all)
            && let Some(crl) = &set.revocation.crl
        {
            let terms = Terms { anchors: &anchors, clock_tolerance: set.revocation.clock_tolerance };
            self.revocation_lists(&format!("trust.{set_name}.revocation.crl"), crl, terms);
        }
    }

    fn authorities(&mut self, file: Named<'_>) -> Vec<CertificateDer<'static>> {
        let Some(certificates) = self.certificates(file) else { return Vec::new() };
        if !self.first_look(file, "authorities") {
            return certificates;
        }
        for certificate in &certificates {
            if let Ok(fields) = Fields::read(certificate) {
                self.dates(file, &format!("the authority {}", text_of(fields.subject)), &fields);
            }
        }
        if let Err(error) = TrustAnchors::new(certificates.clone()) {
            let what_to_do = "keep only certificates of authorities in this file";
            self.error("the file holds what cannot be trusted as an authority", file, error.to_string(), what_to_do);
        }
        certificates
    }

    fn revocation_lists(&mut self, key: &str, crl: &CrlSource, terms: Terms<'_>) {
        let sets: Vec<CrlSet> = crl
            .files
            .iter()
            .enumerate()
            .flat_map(|(index, pattern)| self.lists_of(&format!("{key}.files[{index}]"), pattern, terms))
            .collect();
        let lists: Vec<&List> = sets.iter().flat_map(CrlSet::lists).map(Arc::as_ref).collect();
        let (severity, consequence) = match crl.unknown {
            Unknown::Reject => (Severity::Error, "with `unknown: reject` its certificates are refused"),
            Unknown::Accept => {
                (Severity::Warning, "with `unknown: accept` the other sources decide on its certificates")
            }
        };
        for (index, list) in lists.iter().enumerate() {
            // Of several lists for the same the one that lasts longest stands for all.
            let same = |other: &&&List| other.continues(list);
            let rank = |list: &List| (list.next_update(), list.this_update());
            let outlived = lists.iter().filter(same).any(|other| rank(other) > rank(list));
            let repeated = lists.iter().take(index).filter(same).any(|other| rank(other) == rank(list));
            let named = Named { path: list.origin().as_path(), key };
            if outlived || repeated {
                continue;
            }
            if self.now > list.next_update() {
                let what = format!("the revocation list of {} is out of date", list.issuer_name());
                let why = format!("its next update was due at {}; {consequence}", list.next_update());
                self.find(severity, &what, named, why, "put its newest list there");
            } else if list.this_update() > self.now.plus(terms.clock_tolerance) {
                let what = format!("the revocation list of {} is from the future", list.issuer_name());
                let why = format!("it was made at {}; {consequence}", list.this_update());
                self.find(severity, &what, named, why, "look at this machine's clock");
            } else if holds(list).is_overdue(self.now) {
                let what = format!("the revocation list of {} runs out soon", list.issuer_name());
                let why = format!("its next update is due at {}, after which {consequence}", list.next_update());
                self.warn(&what, named, why, "put its newest list there in time");
            }
        }
        for subject in terms.anchors.subjects() {
            let canonical = name::canonical(&subject);
            if !lists.iter().any(|list| list.issuer_canonical() == canonical) && !lists.is_empty() {
                let what = format!("there is no revocation list of {}", text_of(&subject));
                self.warn(&what, key, consequence, "add its list, or remove the authority");
            }
        }
    }

    /// The lists of the files that a pattern names, as far as they can be used.
    fn lists_of(&mut self, key: &str, pattern: &Path, terms: Terms<'_>) -> Vec<CrlSet> {
        let files: Vec<PathBuf> = crl_files(pattern);
        if files.is_empty() {
            let named = Named { path: pattern, key };
            match reach::listable(pattern.parent().unwrap_or(Path::new("."))) {
                Ok(()) => {
                    let why = "the directory holds no file of such a name";
                    self.error("no file matches the pattern", named, why, "put the lists there, or correct the path");
                }
                Err(obstacle) => self.error("no file matches the pattern", named, obstacle.why, obstacle.what_to_do),
            }
        }
        files.iter().filter_map(|path| self.list(Named { path, key }, terms)).collect()
    }

    fn list(&mut self, file: Named<'_>, terms: Terms<'_>) -> Option<CrlSet> {
        if !self.readable(file) {
            return None;
        }
        let loaded = crl::read_file(file.path, &crl::Limits::default()).and_then(|lists| {
            CrlSet::load([(Origin::File(file.path.to_owned()), lists)], terms.anchors, terms.clock_tolerance, self.now)
        });
        match loaded {
            Ok(set) => Some(set),
            Err(why) => {
                let what = "the file does not hold revocation lists that can be used";
                self.error(what, file, why.to_string(), "put lists of the authorities there, in PEM or DER");
                None
            }
        }
    }

    /// The files whose subjects the browser is told.
    pub(super) fn advertised(&mut self, key: &str, advertise: &Advertise) {
        let Advertise::Files(files) = advertise else { return };
        for path in files {
            self.certificates(Named { path, key });
        }
    }

    pub(super) fn identity(&mut self, rules: &[IdentityRule]) {
        for (rule_index, rule) in rules.iter().enumerate() {
            self.pins(&format!("identity[{rule_index}]"), &rule.issuers);
        }
    }

    /// The files of what routes allow, deny and let be claimed, and their keys.
    pub(super) fn routes(&mut self, routes: &[Route]) {
        for (route_index, route) in routes.iter().enumerate() {
            for (key, access) in [("allow", &route.allow), ("deny", &route.deny)] {
                if let Some(access) = access {
                    self.pins(&format!("routes[{route_index}].{key}"), &access.issuers);
                }
            }
            if let Some(claim) = &route.claim {
                self.pins(&format!("routes[{route_index}].claim"), &claim.issuers);
            }
            if let Target::Preauth(preauth) = &route.target {
                self.strong_secret(&format!("routes[{route_index}].upstream.preauth.key"), &preauth.key);
            }
        }
    }

    /// The files of the `issuers` of this section.
    pub(super) fn pins(&mut self, section: &str, pins: &[IssuerPin]) {
        for (index, pin) in pins.iter().enumerate() {
            if let IssuerPin::File(path) = pin {
                self.pinned(Named { path, key: &format!("{section}.issuers[{index}]") });
            }
        }
    }

    /// Only authorities occur in the part of a path that is looked at for issuers.
    pub(super) fn pinned(&mut self, file: Named<'_>) {
        let Some(certificates) = self.certificates(file) else { return };
        if !self.first_look(file, "issuers") {
            return;
        }
        for certificate in &certificates {
            let Ok(fields) = Fields::read(certificate) else {
                let why = "it is no X.509 certificate";
                self.error("a certificate of the file cannot be read", file, why, "put another copy of it there");
                continue;
            };
            // Version 1 knows no extensions, so that an authority cannot say that it is one.
            if fields.version == 3 && matches!(fields.authority(), Ok(None)) {
                let what = format!("{} is no authority and issues nothing", text_of(fields.subject));
                let why = "its basicConstraints do not say that it is an authority's";
                self.warn(&what, file, why, "name the certificate of the authority that issues people's");
            }
        }
    }
}

fn holds(list: &List) -> Taken {
    Taken { this_update: list.this_update(), next_update: list.next_update() }
}

/// A Name as RFC 4514 writes it.
fn text_of(name: &[u8]) -> String {
    name::read(name).map(|name| name.text).unwrap_or_default()
}
